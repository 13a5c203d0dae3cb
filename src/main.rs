//! The `bezant` command: parses, dispatches, and turns failures into exit statuses. What commands do is in [`commands`].

mod cli;
mod commands;
mod output;

use clap::Parser;
use cli::{Cli, Color, Command};
use output::{Failure, Output};
use std::process::ExitCode;

/// A node makes and drops many small values on several threads, and many are dropped by another thread than made them: the system's
/// allocator took a fifth of its time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Version and commit.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BEZANT_COMMIT"), ")");

fn main() -> ExitCode {
    commands::shell::complete();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage_error(&error),
    };
    let output = Output::new(&cli.global);
    warn_of_unknown_variables(&output);
    if cli.global.color == Color::Never {
        // Every library that colours honours this.
        crossterm_off();
    }
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.status)
        }
    }
}

fn crossterm_off() {
    comfy_table::Table::new().force_no_tty();
}

fn usage_error(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args().any(|arg| arg == "--json");
    if error.use_stderr() && wants_json {
        let output = Output { json: true, quiet: true };
        // The first paragraph says what is wrong; the rest points people at the help.
        let text = error.render().to_string();
        let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        output.failure(&Failure::usage(message.trim()));
    } else {
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// A misspelt variable would be ignored in silence otherwise.
fn warn_of_unknown_variables(output: &Output) {
    fn collect(command: &clap::Command, known: &mut Vec<String>) {
        known.extend(
            command.get_arguments().filter_map(|arg| arg.get_env()).map(|env| env.to_string_lossy().into_owned()),
        );
        command.get_subcommands().for_each(|sub| collect(sub, known));
    }
    // Cargo sets the last one for what it runs.
    let mut known = vec!["BEZANT_COMMIT".to_owned(), commands::shell::COMPLETE.to_owned()];
    collect(&<Cli as clap::CommandFactory>::command(), &mut known);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("BEZANT_") && !known.iter().any(|other| *other == name) {
            output.remark(&format!("warning: the environment variable {name} means nothing to bezant"));
        }
    }
}

fn run(cli: Cli, output: &Output) -> output::Outcome {
    match cli.command {
        Command::Version => output.result(&serde_json::json!({ "version": VERSION }), || format!("bezant {VERSION}")),
        Command::Completions { shell } => commands::shell::completions(shell, output),
        Command::Man => commands::shell::man(output),
        Command::Genesis(command) => commands::genesis::run(command, &cli.global, output),
        Command::Keys(command) => commands::keys::run(command, output),
        Command::Config(command) => commands::node::config(command, output),
        Command::Sim(options) => commands::sim::run(&options, output),
        Command::Miner(options) => commands::miner::run(options, output),
        Command::Node(options) => block_on(commands::node::run(options, output)),
        Command::Testnet(command) => block_on(commands::testnet::run(command, &cli.global, output)),
        Command::Wallet(command) => block_on(commands::wallet::run(*command, &cli.global, output)),
        Command::Chain(command) => block_on(commands::chain::run(command, &cli.global, output)),
        Command::Peers(target) => block_on(commands::chain::peers(&target, &cli.global, output)),
        Command::Mempool(target) => block_on(commands::chain::mempool(&target, &cli.global, output)),
        Command::Tui(options) => block_on(commands::watch::tui(options, &cli.global, output)),
        Command::Watch(options) => block_on(commands::watch::watch(&options, &cli.global, output)),
        Command::Trace(command) => block_on(commands::trace::run(command, &cli.global, output)),
        Command::Bench(options) => block_on(commands::bench::run(options, &cli.global, output)),
        Command::Doctor(net) => block_on(commands::doctor::run(&net, &cli.global, output)),
    }
}

pub(crate) fn block_on(future: impl Future<Output = output::Outcome>) -> output::Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed("runtime", error))?;
    let result = runtime.block_on(future);
    // Tasks that wait for something that will not come must not keep the program.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}
