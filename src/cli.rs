//! The command line: every definition, and no rules. What each command does is in [`crate::commands`].

mod names;
mod wallet;

pub(crate) use wallet::{
    Consolidate, Contacts, History, Label, MakeReceipt, Password, Pay, Replace, Send, ShowAddress, Utxos,
    VerifyReceipt, Wallet, WalletNew,
};

use bezant_testnet::sim::{Lie, MiningMode};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;
use std::path::PathBuf;
use std::time::Duration;

/// One ledger that agrees in two ways: PBFT and proof of work.
#[derive(Parser, Debug)]
#[command(name = "bezant", version = crate::VERSION, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Examples:\n  bezant testnet up --tui\n  bezant wallet send --from alice bob 12.5\n  bezant watch --plain"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Args, Debug, Clone)]
pub(crate) struct Global {
    /// Where nets and wallets live [default: $XDG_DATA_HOME/bezant or ~/.local/share/bezant]
    #[arg(long, global = true, env = "BEZANT_HOME", value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) home: Option<PathBuf>,
    /// Print the result as one JSON document, or one object a line
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// Whether to use colour
    #[arg(
        long,
        global = true,
        env = "BEZANT_COLOR",
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Everywhere"
    )]
    pub(crate) color: Color,
    /// Never ask; fail instead
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) no_input: bool,
    /// Say less on stderr; stdout never changes
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
    /// Say more on stderr; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// Which net.
#[derive(Args, Debug, Clone)]
pub(crate) struct Net {
    /// The net's name
    #[arg(long, env = "BEZANT_NET", value_name = "NAME", default_value = "default", add = ArgValueCandidates::new(names::nets))]
    pub(crate) net: String,
}

/// Which node of which net.
#[derive(Args, Debug, Clone)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Ask this node instead of those of the net
    #[arg(long, env = "BEZANT_RPC", value_name = "URL", conflicts_with = "node")]
    pub(crate) rpc: Option<String>,
    /// Ask this node of the net
    #[arg(long, env = "BEZANT_NODE", value_name = "I")]
    pub(crate) node: Option<usize>,
}

/// Which node, as whoever runs it.
#[derive(Args, Debug, Clone)]
pub(crate) struct Owned {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The node's admin token [default: with a net of run.json, that one's]
    #[arg(long, env = "BEZANT_TOKEN_FILE", value_name = "FILE", requires = "rpc")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run, fault and measure a net on this machine
    #[command(subcommand)]
    Testnet(Testnet),
    /// Keys, balances, transfers
    #[command(subcommand)]
    Wallet(Box<Wallet>),
    /// Run one node
    #[command(after_help = "Example:\n  bezant node --config node.toml")]
    Node(Node),
    /// Make, show or check a genesis file
    #[command(subcommand)]
    Genesis(Genesis),
    /// Make or show a validator key
    #[command(subcommand)]
    Keys(Keys),
    /// Check a node's configuration, or show what is in force
    #[command(subcommand)]
    Config(Config),
    /// Look at the chain of a node
    #[command(subcommand)]
    Chain(Chain),
    /// The peers of a node
    #[command(after_help = "Example:\n  bezant peers --node 0")]
    Peers(Target),
    /// The mempool of a node
    #[command(after_help = "Example:\n  bezant mempool --json")]
    Mempool(Target),
    /// The dashboard
    #[command(after_help = "Example:\n  bezant tui --net default")]
    Tui(Net),
    /// The same events as lines
    #[command(after_help = "Example:\n  bezant watch --json | jq .event")]
    Watch(Watch),
    /// Simulate nets in virtual time, with faults and a referee
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  bezant sim --engine pow --nodes 7 --seed 1 --seeds 100"
    )]
    Sim(Sim),
    /// Mine for a node elsewhere, or measure the miner's kernels
    #[command(after_help = MINER_HELP)]
    Miner(Miner),
    /// Say what is wrong with a net, and what to do
    #[command(after_help = "Example:\n  bezant doctor --net default")]
    Doctor(Net),
    /// The program's version and commit
    #[command(after_help = "Example:\n  bezant version --json")]
    Version,
    /// Completions for a shell, to stdout; they know the names of wallets, contacts and nets
    #[command(after_help = "Example:\n  bezant completions bash > ~/.local/share/bash-completion/completions/bezant")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// The manual page, to stdout
    #[command(after_help = "Example:\n  bezant man | man -l -")]
    Man,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Pbft,
    Pow,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Testnet {
    /// Start a net, or resume the one that is there
    #[command(
        after_help = "Examples:\n  bezant testnet up --tui\n  bezant testnet up --engine pow --block-time 2s --detach"
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
    /// Cut the net into groups
    #[command(after_help = "Example:\n  bezant testnet partition 0,1/2,3")]
    Partition {
        #[command(flatten)]
        net: Net,
        /// Groups of nodes: `0,1/2,3`; nodes not named form one more group
        groups: String,
    },
    /// Undo every cut
    #[command(after_help = "Example:\n  bezant testnet heal")]
    Heal(Net),
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
    /// Send signed transfers at a stated rate and measure
    #[command(after_help = "Example:\n  bezant testnet load --rate 200 --duration 30s")]
    Load(Load),
    /// The referee over the real nodes
    #[command(after_help = "Example:\n  bezant testnet check")]
    Check(Net),
    /// The nodes' logs
    #[command(after_help = "Example:\n  bezant testnet logs 2 -f")]
    Logs {
        #[command(flatten)]
        net: Net,
        /// Which node; all by default
        node: Option<usize>,
        /// Go on as lines are written, until interrupted
        #[arg(short, long)]
        follow: bool,
    },
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
    /// First of the ports to use, two per node, and with `--stratum` one more for each [default: free ones]
    #[arg(long, env = "BEZANT_BASE_PORT", value_name = "P")]
    pub(crate) base_port: Option<u16>,
    /// Proof of work: every node serves miners by Stratum; once asked for, the net keeps it
    #[arg(long)]
    pub(crate) stratum: bool,
    /// Return once the net runs; it goes on in the background
    #[arg(long, conflicts_with = "tui")]
    pub(crate) detach: bool,
    /// Show the dashboard; leaving it stops the net
    #[arg(long)]
    pub(crate) tui: bool,
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
pub(crate) struct Mine {
    #[command(flatten)]
    pub(crate) net: Net,
    /// How many
    pub(crate) count: u32,
    /// By which node
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
#[group(id = "goal", required = true, multiple = false, args = ["height", "final_height", "synced"])]
pub(crate) struct Wait {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Until every tip is this high
    #[arg(long, value_name = "H", env = "BEZANT_HEIGHT")]
    pub(crate) height: Option<u64>,
    /// Until this height is final everywhere
    #[arg(long = "final", value_name = "H", env = "BEZANT_FINAL")]
    pub(crate) final_height: Option<u64>,
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
    /// For how long
    #[arg(long, value_name = "DUR", value_parser = duration, env = "BEZANT_DURATION")]
    pub(crate) duration: Duration,
    /// Between how many accounts
    #[arg(long, value_name = "A", default_value_t = 100, env = "BEZANT_ACCOUNTS")]
    pub(crate) accounts: usize,
    /// Write the report to this file as JSON too
    #[arg(long, value_name = "FILE", env = "BEZANT_REPORT")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Node {
    /// The configuration file (TOML)
    #[arg(long, env = "BEZANT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: NodeSettings,
}

/// Settings of a node that win over its file.
#[derive(Args, Debug, Default, Clone)]
pub(crate) struct NodeSettings {
    /// Directory of the database and keys
    #[arg(long, env = "BEZANT_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The genesis file
    #[arg(long, env = "BEZANT_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Shown in logs
    #[arg(long, env = "BEZANT_NAME", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Where to listen for peers (multiaddress); may stand several times
    #[arg(long, env = "BEZANT_P2P_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    pub(crate) p2p_listen: Vec<String>,
    /// Where others reach this node (multiaddress)
    #[arg(long, env = "BEZANT_P2P_EXTERNAL", value_name = "ADDR", value_delimiter = ',')]
    pub(crate) p2p_external: Vec<String>,
    /// A peer to be dialled for ever (multiaddress with /p2p/); may stand several times
    #[arg(long, env = "BEZANT_PEERS", value_name = "ADDR", value_delimiter = ',')]
    pub(crate) peer: Vec<String>,
    /// Look for peers on the local network (dev nets only)
    #[arg(long)]
    pub(crate) mdns: bool,
    /// Where to serve RPC
    #[arg(long, env = "BEZANT_RPC_LISTEN", value_name = "HOST:PORT")]
    pub(crate) rpc_listen: Option<std::net::SocketAddr>,
    /// File with this validator's key
    #[arg(long, env = "BEZANT_VALIDATOR_KEY", value_name = "FILE")]
    pub(crate) validator_key: Option<PathBuf>,
    /// Proof of work: mine
    #[arg(long)]
    pub(crate) mine: bool,
    /// Proof of work: threads of the miner
    #[arg(long, env = "BEZANT_MINER_THREADS", value_name = "N")]
    pub(crate) miner_threads: Option<u32>,
    /// Proof of work: hashes per second at most; 0 for no limit
    #[arg(long, env = "BEZANT_MAX_HASHRATE", value_name = "R")]
    pub(crate) max_hashrate: Option<u64>,
    /// Proof of work: address or lock hash that is paid
    #[arg(long, env = "BEZANT_PAYEE", value_name = "ADDRESS")]
    pub(crate) payee: Option<String>,
    /// Proof of work: serve miners by Stratum here
    #[arg(long, env = "BEZANT_STRATUM_LISTEN", value_name = "HOST:PORT")]
    pub(crate) stratum: Option<std::net::SocketAddr>,
    /// Proof of work: how hard the shares of Stratum's miners are at first
    #[arg(long, env = "BEZANT_STRATUM_DIFFICULTY", value_name = "D")]
    pub(crate) stratum_difficulty: Option<f64>,
    /// Proof of work: do not look at chains with less work than this
    #[arg(long, env = "BEZANT_WORK_MIN", value_name = "HEX")]
    pub(crate) work_min: Option<String>,
    /// What is logged, as a tracing filter
    #[arg(long, env = "BEZANT_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Log JSON, one object a line
    #[arg(long)]
    pub(crate) log_json: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Genesis {
    /// Write a new genesis file to stdout
    #[command(
        after_help = "Example:\n  bezant genesis new --engine pbft --member KEY --allocation KEY=1000 > genesis.toml"
    )]
    New {
        /// How blocks are ordered
        #[arg(long, env = "BEZANT_ENGINE", default_value = "pbft")]
        engine: Engine,
        /// PBFT: a member's public key, hex; once for each, in order
        #[arg(long, env = "BEZANT_MEMBER", value_name = "KEY", value_delimiter = ',')]
        member: Vec<String>,
        /// First coins: public key or lock hash (hex), `=`, BZT; may stand several times
        #[arg(long, env = "BEZANT_ALLOCATION", value_name = "WHO=AMOUNT", value_delimiter = ',', required = true)]
        allocation: Vec<String>,
        /// Proof of work: wanted spacing in whole seconds
        #[arg(long, env = "BEZANT_BLOCK_TIME", value_name = "DUR", value_parser = duration, default_value = "600s")]
        block_time: Duration,
        /// Allow time control, mining on demand and fault injection
        #[arg(long)]
        dev: bool,
    },
    /// Print a genesis file byte for byte
    #[command(after_help = "Example:\n  bezant genesis show --net default > genesis.toml")]
    Show {
        /// The file; by default the net's
        file: Option<PathBuf>,
        #[command(flatten)]
        net: Net,
    },
    /// Check a genesis file and print its network id
    #[command(after_help = "Example:\n  bezant genesis check genesis.toml")]
    Check {
        /// The file
        file: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Keys {
    /// Make a key file (mode 0600) and print its public key
    #[command(after_help = "Example:\n  bezant keys new validator.key")]
    New {
        /// The file, which must not exist
        file: PathBuf,
    },
    /// Print the public key of a key file
    #[command(after_help = "Example:\n  bezant keys show validator.key")]
    Show {
        /// The file
        file: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Config {
    /// Check a configuration file
    #[command(after_help = "Example:\n  bezant config check node.toml")]
    Check {
        /// The file
        file: PathBuf,
    },
    /// Show the configuration in force: flags over environment over file over defaults
    #[command(after_help = "Example:\n  bezant config show --effective --config node.toml")]
    Show {
        /// With everything merged (always so; kept for clarity in scripts)
        #[arg(long)]
        effective: bool,
        #[command(flatten)]
        node: Node,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Chain {
    /// The tip
    #[command(after_help = "Example:\n  bezant chain tip --json")]
    Tip(Target),
    /// A block by height or id
    #[command(after_help = "Example:\n  bezant chain block 1")]
    Block {
        /// Height or id
        block: String,
        #[command(flatten)]
        target: Target,
    },
    /// A header by height or id
    #[command(after_help = "Example:\n  bezant chain header 1")]
    Header {
        /// Height or id
        block: String,
        #[command(flatten)]
        target: Target,
    },
    /// A transaction by id
    #[command(after_help = "Example:\n  bezant chain tx TXID")]
    Tx {
        /// Its id
        txid: String,
        #[command(flatten)]
        target: Target,
    },
    /// Proof that a transaction is final (PBFT), or in which block it is and how much work stands on that (proof of work)
    ///
    /// Nothing that a node says is believed: it is checked from the genesis on.
    #[command(after_help = "Example:\n  bezant chain proof TXID --genesis genesis.toml")]
    Proof {
        /// Its id
        txid: String,
        /// The genesis file [default: the net's; with --rpc the one that the node tells, which is believed then]
        #[arg(long, env = "BEZANT_GENESIS", value_name = "FILE")]
        genesis: Option<PathBuf>,
        #[command(flatten)]
        target: Target,
    },
    /// Rule a block and all above it out, on one node (proof of work)
    #[command(after_help = "Example:\n  bezant chain invalidate 12 --node 0")]
    Invalidate {
        /// Height of the active chain, or id
        block: String,
        #[command(flatten)]
        owned: Owned,
    },
    /// Take that back, or follow a branch that forks off too deep, on one node (proof of work)
    #[command(after_help = "Example:\n  bezant chain reconsider BLOCK --node 0")]
    Reconsider {
        /// Id
        block: String,
        #[command(flatten)]
        owned: Owned,
    },
    /// Proofs that members lied (PBFT)
    #[command(after_help = "Example:\n  bezant chain evidence")]
    Evidence(Target),
}

#[derive(Args, Debug)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Lines for people (the default)
    #[arg(long)]
    pub(crate) plain: bool,
}

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

/// What goes without saying in a synopsis, under `miner --help`.
const MINER_HELP: &str = "\
Everything that is found is paid to the address of --to. What is found when, and how fast it goes, is told on stderr, or with --json
as one object a line on stdout. The miner connects again when the connection is lost, and ends at Ctrl-C.

Examples:
  bezant miner --stratum 127.0.0.1:3333 --to bzt1... --threads 2
  bezant miner --rpc http://127.0.0.1:8645 --to bzt1... --max-hashrate 100000
  bezant miner bench --threads 2";

#[derive(Args, Debug)]
pub(crate) struct Miner {
    /// Mine for the Stratum server there
    #[arg(long, env = "BEZANT_STRATUM", value_name = "HOST:PORT")]
    pub(crate) stratum: Option<String>,
    /// Mine for the node there, by RPC
    #[arg(long, env = "BEZANT_RPC", value_name = "URL")]
    pub(crate) rpc: Option<String>,
    /// Address that is paid
    #[arg(long, env = "BEZANT_TO", value_name = "ADDRESS")]
    pub(crate) to: Option<String>,
    /// Threads
    #[arg(long, env = "BEZANT_THREADS", value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Hashes per second at most, of all threads together [default: no limit]
    #[arg(long, env = "BEZANT_MAX_HASHRATE", value_name = "R")]
    pub(crate) max_hashrate: Option<u64>,
    #[command(subcommand)]
    pub(crate) command: Option<MinerCommand>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum MinerCommand {
    /// Hashes per second of every kernel that this processor has, on one thread and on several
    #[command(after_help = "Example:\n  bezant miner bench --threads 2 --json")]
    Bench {
        /// Threads; above 1 the kernels are measured on one thread first
        #[arg(long, env = "BEZANT_THREADS", value_name = "N", default_value_t = 1)]
        threads: usize,
        /// How long each kernel is measured; they take turns
        #[arg(long, env = "BEZANT_DURATION", value_name = "DUR", value_parser = duration, default_value = "2s")]
        duration: Duration,
    },
}

/// An integer with `ms`, `s`, `m` or `h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a whole number with ms, s, m or h is expected, like 500ms or 30s".to_owned()),
    };
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor_ms));
    ms.map(Duration::from_millis).ok_or_else(|| format!("{number:?} is no whole number that fits"))
}
