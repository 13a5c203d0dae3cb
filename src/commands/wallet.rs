//! `bezant wallet` (being written).
use crate::cli::Global;
use crate::output::{Failure, Outcome, Output};
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Wallet {
    /// List
    List,
}
pub(crate) async fn run(_: Wallet, _: &Global, _: &Output) -> Outcome {
    Ok(())
}
pub(crate) async fn transfer_once(_: &Global, _: &str) -> Result<String, Failure> {
    Ok(String::new())
}
