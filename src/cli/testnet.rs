//! `bezant testnet …`.

mod fault;
mod pictures;

pub(crate) use fault::{Fault, FaultAdd, FaultClear, milliseconds};
pub(crate) use pictures::{DeployTarget, Export, ExportDeploy, Faucet, Import, Revert, Snapshot};

use super::{Engine, LookFlags, Net, duration};
use bezant_testnet::net::logs::Level;
use bezant_testnet::net::supervisor::RestartPolicy;
use bezant_testnet::sim::{Lie, MiningMode};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Subcommand, Debug)]
pub(crate) enum Testnet {
    /// Start a net, or resume the one that is there
    #[command(
        after_help = "Examples:\n  bezant testnet up --tui\n  bezant testnet up --engine pow --block-time 2s --detach\n  bezant testnet up --scenario silent-primary"
    )]
    Up(Up),
    /// Serve a net in the background; what `up --detach` runs
    #[command(hide = true)]
    Supervise(Up),
    /// Stop everything in order
    #[command(after_help = "Example:\n  bezant testnet down --purge")]
    Down {
        #[command(flatten)]
        net: Net,
        /// Delete the net's directory too
        #[arg(long)]
        purge: bool,
    },
    /// Where every node is
    #[command(after_help = "Example:\n  bezant testnet status --json")]
    Status {
        #[command(flatten)]
        net: Net,
        /// Print again on every change, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// Wait until all running nodes are there
    #[command(after_help = "Example:\n  bezant testnet wait --final 10 --timeout 30s")]
    Wait(Wait),
    /// Kill nodes (SIGKILL)
    #[command(after_help = "Example:\n  bezant testnet kill 3")]
    Kill(Nodes),
    /// Stop nodes in order
    #[command(after_help = "Example:\n  bezant testnet stop 3")]
    Stop(Nodes),
    /// Start nodes again
    #[command(after_help = "Example:\n  bezant testnet start 3")]
    Start(Nodes),
    /// Pause nodes (SIGSTOP)
    #[command(after_help = "Example:\n  bezant testnet pause 1 2")]
    Pause(Nodes),
    /// Resume paused nodes (SIGCONT)
    #[command(after_help = "Example:\n  bezant testnet resume 1 2")]
    Resume(Nodes),
    /// Cut the net into groups; takes the place of the partition before
    #[command(
        after_help = "Examples:\n  bezant testnet partition 0,1/2,3\n  bezant testnet partition 0/1,2,3 --for 30s"
    )]
    Partition {
        #[command(flatten)]
        net: Net,
        /// Groups of nodes: `0,1/2,3`; nodes not named form one more group
        groups: String,
        /// After so long it ends by itself [default: never]
        #[arg(long = "for", value_name = "DUR", value_parser = duration, env = "BEZANT_FAULT_FOR")]
        lasts: Option<Duration>,
    },
    /// Undo every cut; other faults of links stay
    #[command(after_help = "Example:\n  bezant testnet heal")]
    Heal(Net),
    /// Faults of links: cut, delay, jitter, loss, duplicates, reordering, bandwidth
    #[command(subcommand, after_help = "Example:\n  bezant testnet fault add --delay 100ms --drop 5%")]
    Fault(Fault),
    /// Make a member lie, or end it
    #[command(after_help = BYZANTINE_HELP)]
    Byzantine(Byzantine),
    /// Change who decides: add, remove or rekey a validator
    #[command(after_help = VALIDATOR_HELP)]
    Validator(Validator),
    /// Make blocks now, empty if need be; under proof of work the net's clock moves by one block time for each
    #[command(
        after_help = "Examples:\n  bezant testnet mine 5\n  bezant testnet mine 1 --to alice --empty\n  bezant testnet mine 1 --tx TXID"
    )]
    Mine(Mine),
    /// Proof of work: replace the last blocks by one more, all empty; what was in them waits again
    #[command(after_help = "Example:\n  bezant testnet reorg 3 --node 1")]
    Reorg {
        #[command(flatten)]
        net: Net,
        /// How many blocks lose their place
        depth: u64,
        /// Which node mines the others
        #[arg(long, value_name = "I", default_value_t = 0, env = "BEZANT_NODE")]
        node: usize,
    },
    /// The net's clock
    #[command(subcommand, after_help = "Example:\n  bezant testnet time advance 10m")]
    Time(TestnetTime),
    /// Limit the hash rate of a node; 0 stops its miner
    #[command(after_help = "Example:\n  bezant testnet hashrate 0 100000")]
    Hashrate {
        #[command(flatten)]
        net: Net,
        /// Which node
        node: usize,
        /// Hashes per second
        rate: u64,
    },
    /// Pay from the net's own coins; returns when that is final, under proof of work when it is in a block
    #[command(
        after_help = "Examples:\n  bezant testnet faucet bob 100\n  bezant testnet faucet bzt1… 0.5 --timeout 10s"
    )]
    Faucet(Faucet),
    /// Keep the whole net as it is under a name, to go back to it
    #[command(
        after_help = "Examples:\n  bezant testnet snapshot before-fork\n  bezant testnet snapshot --list\n  bezant testnet snapshot --remove before-fork"
    )]
    Snapshot(Snapshot),
    /// Go back to a snapshot: ledger, keys, accounts and clock; what was signed since counts no more
    #[command(after_help = "Example:\n  bezant testnet revert before-fork")]
    Revert(Revert),
    /// Write the whole net to one file
    #[command(
        after_help = "Examples:\n  bezant testnet export net.tar.gz\n  bezant testnet export old.tar.gz --snapshot before-fork"
    )]
    Export(Export),
    /// Write the same net for several machines: its genesis, and each node's configuration and keys
    #[command(
        after_help = "Examples:\n  bezant testnet export-deploy compose --hosts one.example,two.example\n  bezant testnet export-deploy systemd --hosts 10.0.0.1,10.0.0.2 --out deploy"
    )]
    ExportDeploy(ExportDeploy),
    /// Make a net out of such a file
    #[command(after_help = "Example:\n  bezant testnet import net.tar.gz --net copy")]
    Import(Import),
    /// Send signed transfers at a stated rate and measure
    #[command(
        after_help = "Examples:\n  bezant testnet load --rate 200 --duration 30s\n  bezant testnet load --rate 50 --duration 60s --report load.svg\n  bezant testnet load --rate 5000 --duration 60s --sign-to transfers && bezant testnet load --rate 5000 --from transfers"
    )]
    Load(Load),
    /// The referee over the real nodes
    #[command(after_help = "Example:\n  bezant testnet check")]
    Check(Net),
    /// The nodes' logs, of several in the order of time
    #[command(
        after_help = "Examples:\n  bezant testnet logs 2 -f\n  bezant testnet logs 0 1 --level warn --since 5m\n  bezant testnet logs --grep view"
    )]
    Logs(Logs),
    /// The funded accounts
    #[command(after_help = "Example:\n  bezant testnet accounts")]
    Accounts(Net),
    /// Lines for a shell that point commands at the net
    #[command(after_help = "Example:\n  eval \"$(bezant testnet env)\"")]
    Env(Net),
    /// All nets
    #[command(after_help = "Example:\n  bezant testnet list")]
    List,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) net: Net,
    /// How blocks are ordered [default: pbft]
    #[arg(long, env = "BEZANT_ENGINE")]
    pub(crate) engine: Option<Engine>,
    /// Nodes that vote or mine [default: 4]
    #[arg(long, env = "BEZANT_NODES", value_name = "N")]
    pub(crate) nodes: Option<usize>,
    /// Nodes that only follow [default: 0]
    #[arg(long, env = "BEZANT_OBSERVERS", value_name = "K")]
    pub(crate) observers: Option<usize>,
    /// Proof of work: wanted spacing in whole seconds [default: 2s]. PBFT: longest time without a block [default: off]
    #[arg(long, env = "BEZANT_BLOCK_TIME", value_name = "DUR", value_parser = duration)]
    pub(crate) block_time: Option<Duration>,
    /// Fixes the accounts' wallets [default: 1]
    #[arg(long, env = "BEZANT_SEED", value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Play a scenario on a net that is made for it: a file, the name of one that is shipped, `random`, or `list` for their names
    #[arg(
        long,
        env = "BEZANT_SCENARIO",
        value_name = "FILE|NAME",
        conflicts_with_all = ["engine", "nodes", "observers", "block_time", "stratum", "detach", "tui"]
    )]
    pub(crate) scenario: Option<String>,
    /// Scenarios: each second takes so many, 1 to 20, on a machine that is too slow for its times [default: 1]
    #[arg(long, env = "BEZANT_PACE", value_name = "P", requires = "scenario",
          value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) pace: Option<u32>,
    /// First of the ports to use, two per node, and with `--stratum` one more for each [default: free ones]
    #[arg(long, env = "BEZANT_BASE_PORT", value_name = "P", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) base_port: Option<u16>,
    /// Proof of work: every node serves miners by Stratum; once asked for, the net keeps it
    #[arg(long)]
    pub(crate) stratum: bool,
    /// Start nodes again that die by themselves: never, on-failure or always; of this run only
    #[arg(long, value_name = "WHEN", env = "BEZANT_RESTART", default_value_t = RestartPolicy::Never)]
    pub(crate) restart: RestartPolicy,
    /// Every node in a network namespace of its own, so that cuts are real ones; needs Linux and root; of this run only
    #[arg(long)]
    pub(crate) isolate: bool,
    /// Return once the net runs; it goes on in the background
    #[arg(long, conflicts_with = "tui")]
    pub(crate) detach: bool,
    /// Show the dashboard; leaving it stops the net
    #[arg(long)]
    pub(crate) tui: bool,
    #[command(flatten)]
    pub(crate) look: LookFlags,
    /// Keep the net here instead of under the home
    #[arg(long, env = "BEZANT_DIR", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Delete what is there and start anew
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// What each change does, under `testnet validator --help`.
const VALIDATOR_HELP: &str = "\
A change is signed by a quorum of the present validators and takes effect at the next checkpoint; until then the primary
fills up with empty blocks. The command waits until all running nodes have taken part in the new epoch.

Changes:
  add     a node that follows (an observer, or a validator that was removed) becomes a validator
  remove  a validator follows from then on
  rekey   a validator gets another key, and starts again with it

Examples:
  bezant testnet up --observers 1
  bezant testnet validator add 4
  bezant testnet validator remove 0
  bezant testnet validator rekey 1";

#[derive(Args, Debug)]
pub(crate) struct Validator {
    #[command(flatten)]
    pub(crate) net: Net,
    /// How
    #[arg(value_enum)]
    pub(crate) change: ValidatorChange,
    /// Which node
    pub(crate) node: usize,
}

/// How the validators change.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub(crate) enum ValidatorChange {
    Add,
    Remove,
    Rekey,
}

/// What the transfers of a load spend.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub(crate) enum LoadSpend {
    /// A coin that was funded for it
    Funded,
    /// The change of its account's transfer before; refusing one refuses those that follow
    Change,
}

/// What each mode does, under `testnet byzantine --help`.
const BYZANTINE_HELP: &str = "\
Modes:
  silent             says nothing
  equivocate         proposes two blocks, and votes for two, towards two halves of the members
  delay              holds its proposals back to just below the view timeout
  censor TX|ADDRESS  as primary leaves out a transaction, or all that pay to or spend from an address
  bad-digest         votes for blocks that do not exist, proposes headers that do not fit their bodies
  bad-signature      signs wrongly
  stale-view         votes in views that are over, and repeats old messages
  huge-view          wants views next to the last that there may be
  empty-proofs       leaves certificates out, or cuts them short
  lie-checkpoint     states another coin set at checkpoints
  mutate             changes its messages at random
Modes under proof of work:
  withhold           tells nobody of the blocks it finds; `off` tells all of them at once
  selfish            lets its blocks out when that costs the others the most work
  bad-block          finds and announces blocks that pay it more than there is
  low-work-spam      sends branches of headers that took the least work there is
  off                says what is true again

Examples:
  bezant testnet byzantine 0 equivocate
  bezant testnet byzantine 0 censor bob
  bezant testnet byzantine 0 off";

#[derive(Args, Debug)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Which nodes; all by default
    #[arg(value_name = "NODE")]
    pub(crate) nodes: Vec<usize>,
    /// Go on as lines are written, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only lines at least as serious: trace, debug, info, warn or error
    #[arg(long, value_name = "LEVEL", env = "BEZANT_LEVEL")]
    pub(crate) level: Option<Level>,
    /// Only lines that contain this; case does not matter
    #[arg(long, value_name = "TEXT", env = "BEZANT_GREP")]
    pub(crate) grep: Option<String>,
    /// Only what was written within so long
    #[arg(long, value_name = "DUR", value_parser = duration, env = "BEZANT_SINCE")]
    pub(crate) since: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct Mine {
    #[command(flatten)]
    pub(crate) net: Net,
    /// How many
    pub(crate) count: u32,
    /// Proof of work: by which node; under PBFT the primary makes them
    #[arg(long, value_name = "I", default_value_t = 0, env = "BEZANT_NODE")]
    pub(crate) node: usize,
    /// Proof of work: who is paid, an address or an account of the net, instead of the node's own address
    #[arg(long, value_name = "ADDRESS|NAME", env = "BEZANT_TO")]
    pub(crate) to: Option<String>,
    /// Proof of work: a block with exactly this transaction (its id if it waits there, or its hex), and with further ones in this order
    #[arg(long, value_name = "TXID|HEX", env = "BEZANT_TX")]
    pub(crate) tx: Vec<String>,
    /// Proof of work: blocks without any transaction
    #[arg(long, conflicts_with = "tx", env = "BEZANT_EMPTY")]
    pub(crate) empty: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TestnetTime {
    /// Move the clock of all nodes forward; there is no way back
    #[command(after_help = "Example:\n  bezant testnet time advance 10m")]
    Advance {
        #[command(flatten)]
        net: Net,
        /// How far
        #[arg(value_name = "DUR", value_parser = duration)]
        by: Duration,
    },
    /// Let one node's clock be ahead of the net's, or behind; back in time it goes with a new start of the node
    #[command(
        after_help = "Examples:\n  bezant testnet time offset 2 5s\n  bezant testnet time offset 2 -5s\n  bezant testnet time offset 2 0s"
    )]
    Offset {
        #[command(flatten)]
        net: Net,
        /// Which node
        node: usize,
        /// How far it is ahead of the net's clock, up to 24h; with - before it for behind, 0s for neither
        #[arg(value_name = "[-]DUR", value_parser = fault::offset_ms, allow_hyphen_values = true)]
        by_ms: i64,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Byzantine {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Which node
    pub(crate) node: usize,
    /// How
    #[arg(value_parser = lie, value_name = "MODE|off")]
    pub(crate) mode: ModeOrOff,
    /// For `censor`: the id of a transaction, an address, or an account's name
    #[arg(value_name = "TX|ADDRESS")]
    pub(crate) target: Option<String>,
}

/// A mode of lying under either engine, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ModeOrOff {
    Voting(Lie),
    Mining(MiningMode),
    Off,
}

/// The name of a mode of lying, or `off`.
fn lie(text: &str) -> Result<ModeOrOff, String> {
    if text == "off" {
        return Ok(ModeOrOff::Off);
    }
    if let Ok(mode) = text.parse() {
        return Ok(ModeOrOff::Mining(mode));
    }
    let names = MiningMode::ALL.map(MiningMode::name).join(", ");
    text.parse().map(ModeOrOff::Voting).map_err(|error| format!("{error}; under proof of work {names}; or off"))
}

#[derive(Args, Debug)]
pub(crate) struct Nodes {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Which nodes
    #[arg(required = true, value_name = "NODE")]
    pub(crate) nodes: Vec<usize>,
}

#[derive(Args, Debug)]
#[group(id = "goal", required = true, multiple = false, args = ["height", "final_height", "view", "synced"])]
pub(crate) struct Wait {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Until every tip is this high
    #[arg(long, value_name = "H", env = "BEZANT_HEIGHT")]
    pub(crate) height: Option<u64>,
    /// Until this height is final everywhere
    #[arg(long = "final", value_name = "H", env = "BEZANT_FINAL")]
    pub(crate) final_height: Option<u64>,
    /// PBFT: until all are in this view of their epoch, or a later one
    #[arg(long, value_name = "V", env = "BEZANT_VIEW")]
    pub(crate) view: Option<u64>,
    /// Until all have one tip
    #[arg(long)]
    pub(crate) synced: bool,
    /// Give up after this long
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "60s", env = "BEZANT_TIMEOUT")]
    pub(crate) timeout: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Transfers per second
    #[arg(long, value_name = "R", env = "BEZANT_RATE")]
    pub(crate) rate: f64,
    /// For how long [default with --from: until all are sent]
    #[arg(long, value_name = "DUR", value_parser = duration, env = "BEZANT_DURATION", required_unless_present = "from")]
    pub(crate) duration: Option<Duration>,
    /// Between how many accounts
    #[arg(long, value_name = "A", default_value_t = 200, env = "BEZANT_ACCOUNTS")]
    pub(crate) accounts: usize,
    /// What each transfer spends
    #[arg(long, value_name = "COIN", default_value = "funded", env = "BEZANT_SPEND", conflicts_with = "from")]
    pub(crate) spend: LoadSpend,
    /// Send nothing: fund the accounts and sign the transfers into this file, for --from
    #[arg(long, value_name = "FILE", env = "BEZANT_SIGN_TO", conflicts_with_all = ["from", "report"])]
    pub(crate) sign_to: Option<PathBuf>,
    /// Overwrite the file of --sign-to if it is there
    #[arg(long, requires = "sign_to")]
    pub(crate) force: bool,
    /// Send the transfers of this file, which can be done once, instead of funding and signing now
    #[arg(long, value_name = "FILE", env = "BEZANT_LOAD_FROM")]
    pub(crate) from: Option<PathBuf>,
    /// Write how it went over time, with the faults marked, to this file: .svg for a picture, else JSON
    #[arg(long, value_name = "FILE", env = "BEZANT_REPORT")]
    pub(crate) report: Option<PathBuf>,
}
