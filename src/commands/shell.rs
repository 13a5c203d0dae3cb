//! Completions and the manual page, from the same definitions as the command line itself.

use crate::cli::Cli;
use crate::output::{Failure, Outcome, Output};
use clap::CommandFactory;
use clap_complete::env::Shells;

/// Asks this program for completions, where a shell's script sets it.
pub(crate) const COMPLETE: &str = "BEZANT_COMPLETE";

/// Answers a shell's script, and ends the program, when one is asking.
pub(crate) fn complete() {
    clap_complete::CompleteEnv::with_factory(Cli::command).var(COMPLETE).bin("bezant").completer("bezant").complete();
}

/// The script asks the program itself each time, so that it knows the names of this moment.
pub(crate) fn completions(shell: clap_complete::Shell, output: &Output) -> Outcome {
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).ok_or_else(|| {
        Failure::usage(format!(
            "there are no completions for {shell}; bash, elvish, fish, powershell and zsh have some"
        ))
    })?;
    // Written to memory first: who reads it may go away.
    let mut script = Vec::new();
    let written = completer.write_registration(COMPLETE, "bezant", "bezant", "bezant", &mut script);
    written.map_err(|error| Failure::failed("output", error))?;
    output.line(String::from_utf8_lossy(&script).trim_end())
}

pub(crate) fn man(output: &Output) -> Outcome {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
    rendered.map_err(|error| Failure::failed("output", error))?;
    output.line(String::from_utf8_lossy(&page).trim_end())
}
