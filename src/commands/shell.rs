//! Completions and the manual page, from the same definitions as the command line itself.

use crate::cli::Cli;
use crate::output::{Failure, Outcome};
use clap::CommandFactory;
use std::io;

pub(crate) fn completions(shell: clap_complete::Shell) -> Outcome {
    clap_complete::generate(shell, &mut Cli::command(), "bezant", &mut io::stdout());
    Ok(())
}

pub(crate) fn man() -> Outcome {
    let rendered = clap_mangen::Man::new(Cli::command()).render(&mut io::stdout());
    rendered.map_err(|error| Failure::failed("output", error))
}
