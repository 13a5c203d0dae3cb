//! Completions and the manual page, from the same definitions as the command line itself.

use crate::cli::Cli;
use crate::output::{Failure, Outcome, Output};
use clap::CommandFactory;

pub(crate) fn completions(shell: clap_complete::Shell, output: &Output) -> Outcome {
    // Written to memory first: the generator panics when nobody reads any more.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bezant", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())
}

pub(crate) fn man(output: &Output) -> Outcome {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
    rendered.map_err(|error| Failure::failed("output", error))?;
    output.line(String::from_utf8_lossy(&page).trim_end())
}
