//! `bezant sim …`.

use super::Engine;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct Sim {
    /// How blocks are ordered
    #[arg(long, env = "BEZANT_ENGINE", default_value = "pbft")]
    pub(crate) engine: Engine,
    /// Nodes [default: drawn from the seed; pbft: 1, 4, 5, 6, 7, 10 or 13, pow: 4 to 16]
    #[arg(long, env = "BEZANT_NODES", value_name = "N")]
    pub(crate) nodes: Option<usize>,
    /// The first seed
    #[arg(long, env = "BEZANT_SEED", value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many seeds
    #[arg(long, env = "BEZANT_SEEDS", value_name = "COUNT", default_value_t = 1)]
    pub(crate) seeds: u64,
    /// Play a scenario: a file, the name of one that is shipped, `random`, or `list` for their names
    #[arg(
        long,
        env = "BEZANT_SCENARIO",
        value_name = "FILE|NAME",
        conflicts_with_all = ["engine", "nodes", "faults", "lie", "liars", "steps", "plant", "resume"]
    )]
    pub(crate) scenario: Option<String>,
    /// `all`, `none`, or some of loss,delay,duplicate,reorder,partition,crash,power-cut,clock,absence,lies,epochs
    #[arg(long, env = "BEZANT_FAULTS", value_name = "FAULTS", default_value = "all")]
    pub(crate) faults: String,
    /// How members lie, from beginning to end: a mode of `testnet byzantine`, or `mutate` [default: drawn from the seed]
    #[arg(long, env = "BEZANT_LIE", value_name = "MODE")]
    pub(crate) lie: Option<String>,
    /// How many of so many nodes lie, even more than the others can bear [default: drawn from the seed, at most f]
    #[arg(long, env = "BEZANT_LIARS", value_name = "N")]
    pub(crate) liars: Option<usize>,
    /// Stop each seed after this many events
    #[arg(long, env = "BEZANT_STEPS", value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// Threads; 0 is one for each processor
    #[arg(long, env = "BEZANT_JOBS", value_name = "J", default_value_t = 0)]
    pub(crate) jobs: usize,
    /// Keep the state of a long campaign in this file, and go on from it
    #[arg(long, env = "BEZANT_RESUME", value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Write what the nodes of one seed tell to this file, for `bezant tui --replay FILE`
    #[arg(long, env = "BEZANT_TRACE", value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Arm a planted bug, or `list` them
    #[arg(long, hide = true)]
    pub(crate) plant: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<SimCommand>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum SimCommand {
    /// Run PBFT's members twice under one key, in every way to part the net
    #[command(hide = true, after_help = "Example:\n  bezant sim twins --views 7 --sample 10000")]
    Twins(Twins),
    /// What miners and attackers gain under proof of work: measured on nets of real engines, beside what theory says
    #[command(
        after_help = "Examples:\n  bezant sim mining selfish --share 0.35\n  bezant sim mining double-spend --depth 6 --svg double-spend.svg"
    )]
    Mining(Mining),
}

#[derive(Args, Debug)]
pub(crate) struct Mining {
    /// `stale`: blocks that end beside the chain; `selfish`: blocks are let out late; `withhold`: N blocks are undone at once;
    /// `double-spend`: a final payment is undone; `eclipse`: a victim hears the attacker alone
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: MiningScenario,
    /// The attacker's share of the hash power [default: a curve of shares]
    #[arg(long, env = "BEZANT_SHARE", value_name = "SHARE")]
    pub(crate) share: Option<f64>,
    /// Confirmations for which a victim waits, or blocks to be undone [default: 1, 2, 3 and 6; eclipse: 6]
    #[arg(long, env = "BEZANT_DEPTH", value_name = "Z")]
    pub(crate) depth: Option<u32>,
    /// The first seed
    #[arg(long, env = "BEZANT_SEED", value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Nets of each point, one a seed [default: enough for a minute or two]
    #[arg(long, env = "BEZANT_SEEDS", value_name = "COUNT")]
    pub(crate) seeds: Option<u64>,
    /// Blocks in each net, or attempts (withhold, double-spend) [default: enough for a minute or two]
    #[arg(long, env = "BEZANT_LENGTH", value_name = "N")]
    pub(crate) length: Option<u64>,
    /// Threads; 0 is one for each processor
    #[arg(long, env = "BEZANT_JOBS", value_name = "J", default_value_t = 0)]
    pub(crate) jobs: usize,
    /// Write a picture too
    #[arg(long, env = "BEZANT_SVG", value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MiningScenario {
    Stale,
    Selfish,
    Withhold,
    DoubleSpend,
    Eclipse,
}

#[derive(Args, Debug)]
pub(crate) struct Twins {
    /// Rounds, each about as long as a view has, 1 to 7
    #[arg(long, value_name = "V", default_value_t = 7)]
    pub(crate) views: u32,
    /// Into how many parts the net falls at most, 2 or 3
    #[arg(long, value_name = "P", default_value_t = 3)]
    pub(crate) partitions: u8,
    /// Members of the four that run twice, 1 or 2
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) twins: usize,
    /// Heights in flight
    #[arg(long, value_name = "D", default_value_t = 3)]
    pub(crate) depth: u16,
    /// Draw so many scenarios instead of running all
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<u64>,
    /// From which they are drawn
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads; 0 is one for each processor
    #[arg(long, value_name = "J", default_value_t = 0)]
    pub(crate) jobs: usize,
    /// Keep the state of the campaign in this file, and go on from it
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
}
