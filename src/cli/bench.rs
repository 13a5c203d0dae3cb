//! `bezant bench`.

use super::{Engine, duration};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Under `bench --help`.
pub(crate) const BENCH_HELP: &str = "\
Without a suite, all but `compare` run one after another with their defaults. Each makes a net of its own, beside yours, and deletes it at the end.
Figures depend on what else runs: the load of the machine when the run began is printed with them.

Examples:
  bezant bench
  bezant bench transfers --nodes 4 --duration 60s --json > today.json
  bezant bench overload --rate 5000
  bezant bench compare yesterday.json today.json";

#[derive(Args, Debug)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) suite: Option<Suite>,
}

#[derive(Subcommand, Debug, Clone)]
pub(crate) enum Suite {
    /// Transfers from end to end: how many a second, how soon final, at what cost
    #[command(
        after_help = "Examples:\n  bezant bench transfers\n  bezant bench transfers --engine pow --nodes 7 --rate 200 --duration 30s"
    )]
    Transfers(Transfers),
    /// Twice as many transfers as the net can take
    #[command(after_help = "Example:\n  bezant bench overload --rate 10000 --duration 30s")]
    Overload(Transfers),
    /// How fast one node takes transfers into its mempool over RPC: 64 calls at a time on one connection, and many in one call
    #[command(after_help = "Example:\n  bezant bench admission --transfers 50000")]
    Admission(Amount),
    /// How soon a block of transfers that all nodes hold is connected everywhere (proof of work)
    #[command(after_help = "Example:\n  bezant bench blocks --transfers 4000 --repetitions 10")]
    Blocks(Amount),
    /// From the start of a node with a chain to its answers, after a stop and after a kill
    #[command(after_help = "Example:\n  bezant bench start --transfers 500000")]
    Start(Amount),
    /// How long a net stands still when its primary is killed under load
    #[command(after_help = "Example:\n  bezant bench recovery --kills 20 --rate 500")]
    Recovery(Recovery),
    /// A node with nothing catches up by all blocks (proof of work)
    #[command(after_help = "Example:\n  bezant bench sync --transfers 20000")]
    Sync(Amount),
    /// A node with nothing catches up by a snapshot of the coins (PBFT)
    #[command(after_help = "Example:\n  bezant bench snapshot --transfers 100000")]
    Snapshot(Amount),
    /// Hashes a second of the miner's kernels
    #[command(after_help = "Example:\n  bezant bench kernels --threads 2")]
    Kernels(Kernels),
    /// What it costs to show a net under load
    #[command(after_help = "Example:\n  bezant bench dashboard --rate 1000")]
    Dashboard(Watched),
    /// Two results of `bench --json` beside each other
    #[command(after_help = "Example:\n  bezant bench compare before.json after.json")]
    Compare {
        /// The first
        before: PathBuf,
        /// The second
        after: PathBuf,
    },
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Transfers {
    /// How blocks are ordered
    #[arg(long, env = "BEZANT_ENGINE", default_value = "pbft")]
    pub(crate) engine: Engine,
    /// How many nodes vote or mine
    #[arg(long, value_name = "N", default_value_t = 4, env = "BEZANT_NODES")]
    pub(crate) nodes: usize,
    /// Transfers per second [default: as many as the net sustains, found by trying]
    #[arg(long, value_name = "R", env = "BEZANT_RATE")]
    pub(crate) rate: Option<f64>,
    /// How long the measured run is
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "20s", env = "BEZANT_DURATION")]
    pub(crate) duration: Duration,
    /// Between how many accounts
    #[arg(long, value_name = "A", default_value_t = 1_000, env = "BEZANT_ACCOUNTS")]
    pub(crate) accounts: usize,
    /// A rate is sustained while 99 of 100 transfers are final within this time, and none is refused
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "1s", env = "BEZANT_WITHIN")]
    pub(crate) within: Duration,
    /// Transfers that are sent one at a time to the idle net first, PBFT only; 0 for none
    #[arg(long, value_name = "N", default_value_t = 100, env = "BEZANT_IDLE")]
    pub(crate) idle: u32,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Amount {
    /// How many transfers
    #[arg(long, value_name = "N", default_value_t = 10_000, env = "BEZANT_TRANSFERS")]
    pub(crate) transfers: u32,
    /// How often what is measured is done
    #[arg(long, value_name = "N", default_value_t = 3, env = "BEZANT_REPETITIONS", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) repetitions: u32,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Recovery {
    /// How many nodes vote
    #[arg(long, value_name = "N", default_value_t = 4, env = "BEZANT_NODES", value_parser = clap::value_parser!(u16).range(4..))]
    pub(crate) nodes: u16,
    /// How often the primary is killed
    #[arg(long, value_name = "K", default_value_t = 5, env = "BEZANT_KILLS", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) kills: u32,
    /// Transfers per second meanwhile
    #[arg(long, value_name = "R", default_value_t = 100.0, env = "BEZANT_RATE")]
    pub(crate) rate: f64,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Kernels {
    /// Threads; above 1 the kernels are measured on one thread first
    #[arg(long, env = "BEZANT_THREADS", value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// How long each kernel is measured; they take turns
    #[arg(long, env = "BEZANT_DURATION", value_name = "DUR", value_parser = duration, default_value = "2s")]
    pub(crate) duration: Duration,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Watched {
    /// Transfers per second meanwhile
    #[arg(long, value_name = "R", default_value_t = 500.0, env = "BEZANT_RATE")]
    pub(crate) rate: f64,
    /// How long
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "5s", env = "BEZANT_DURATION")]
    pub(crate) duration: Duration,
}
