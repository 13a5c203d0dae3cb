//! `bezant testnet fault …`.

use crate::cli::{Net, duration};
use bezant_api::fault::LinkEffects;
use bezant_testnet::text;
use clap::{Args, Subcommand};
use std::time::Duration;

/// What each effect does, under `testnet fault add --help`.
const ADD_HELP: &str = "\
A link is directed: it carries what --to hears from --from. Without --from, or --to, all nodes are meant. The fault acts at
the node that hears, once on each message: proposals, votes, blocks, transactions, questions and answers alike. Faults of
one link add up. Messages keep their order whatever their delays, unless --reorder. With --for the nodes end it themselves.

Examples:
  bezant testnet fault add --delay 100ms --jitter 20ms
  bezant testnet fault add --from 0 --to 2,3 --both --drop 5% --for 30s
  bezant testnet fault add --to 1 --bandwidth 64kB/s --duplicate 1% --reorder 5%
  bezant testnet fault add --from 0 --cut --for 10s";

#[derive(Subcommand, Debug)]
pub(crate) enum Fault {
    /// Put a fault on links between nodes
    #[command(after_help = ADD_HELP)]
    Add(FaultAdd),
    /// The faults in force, and what they have done
    #[command(after_help = "Example:\n  bezant testnet fault list --json")]
    List(Net),
    /// End faults
    #[command(after_help = "Examples:\n  bezant testnet fault clear 3\n  bezant testnet fault clear --all")]
    Clear(FaultClear),
}

#[derive(Args, Debug)]
pub(crate) struct FaultAdd {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Who speaks [default: all nodes]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', env = "BEZANT_FAULT_FROM")]
    pub(crate) from: Vec<usize>,
    /// Who hears [default: all nodes]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', env = "BEZANT_FAULT_TO")]
    pub(crate) to: Vec<usize>,
    /// The other direction too
    #[arg(long)]
    pub(crate) both: bool,
    /// Nothing arrives; goes without other effects
    #[arg(long)]
    pub(crate) cut: bool,
    /// Everything arrives later by this, up to 60s
    #[arg(long, value_name = "DUR", value_parser = duration, env = "BEZANT_FAULT_DELAY")]
    pub(crate) delay: Option<Duration>,
    /// The delay varies by up to this in both directions
    #[arg(long, value_name = "DUR", value_parser = duration, env = "BEZANT_FAULT_JITTER")]
    pub(crate) jitter: Option<Duration>,
    /// This share of the messages is lost
    #[arg(long, value_name = "SHARE%", value_parser = share, env = "BEZANT_FAULT_DROP")]
    pub(crate) drop: Option<u32>,
    /// This share arrives twice
    #[arg(long, value_name = "SHARE%", value_parser = share, env = "BEZANT_FAULT_DUPLICATE")]
    pub(crate) duplicate: Option<u32>,
    /// This share is overtaken by what comes after it
    #[arg(long, value_name = "SHARE%", value_parser = share, env = "BEZANT_FAULT_REORDER")]
    pub(crate) reorder: Option<u32>,
    /// So much gets through, in B/s, kB/s or MB/s
    #[arg(long, value_name = "RATE", value_parser = bandwidth, env = "BEZANT_FAULT_BANDWIDTH")]
    pub(crate) bandwidth: Option<u64>,
    /// After so long it ends by itself [default: never]
    #[arg(long = "for", value_name = "DUR", value_parser = duration, env = "BEZANT_FAULT_FOR")]
    pub(crate) lasts: Option<Duration>,
}

impl FaultAdd {
    /// What is to be done to the links.
    pub(crate) fn effects(&self) -> LinkEffects {
        LinkEffects {
            cut: self.cut,
            delay_ms: milliseconds(self.delay).unwrap_or(0),
            jitter_ms: milliseconds(self.jitter).unwrap_or(0),
            drop_ppm: self.drop.unwrap_or(0),
            duplicate_ppm: self.duplicate.unwrap_or(0),
            reorder_ppm: self.reorder.unwrap_or(0),
            bytes_per_s: self.bandwidth,
        }
    }
}

/// A duration as the net's types have it.
pub(crate) fn milliseconds(duration: Option<Duration>) -> Option<u64> {
    duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[derive(Args, Debug)]
#[group(id = "which", required = true, multiple = false, args = ["ids", "all"])]
pub(crate) struct FaultClear {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Their numbers, as `fault list` shows them
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<u64>,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
}

/// A share like `5%` or `0.5%`, in parts per million.
fn share(text: &str) -> Result<u32, String> {
    text::share_ppm(text)
}

/// A bandwidth like `64kB/s`, in bytes a second.
fn bandwidth(text: &str) -> Result<u64, String> {
    text::bytes_per_s(text)
}

/// How far a clock is ahead: a duration, with a minus for behind.
pub(crate) fn offset_ms(text: &str) -> Result<i64, String> {
    text::offset_ms(text)
}

#[cfg(test)]
mod tests;
