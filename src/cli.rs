//! The command line: every definition, and no rules. What each command does is in [`crate::commands`].

mod bench;
mod names;
mod sim;
mod testnet;
pub(crate) mod wallet;
mod watch;

pub(crate) use bench::{Amount, Bench, Recovery, Suite, Transfers, Watched};
pub(crate) use sim::{Mining, MiningScenario, Sim, SimCommand, Twins};
pub(crate) use testnet::{
    Byzantine, DeployTarget, Export, ExportDeploy, Faucet, Fault, FaultAdd, FaultClear, Import, Load, LoadSpend, Logs,
    Mine, ModeOrOff, Nodes, Revert, Snapshot, Testnet, TestnetTime, Up, Validator, ValidatorChange, Wait, milliseconds,
};
pub(crate) use watch::{LookFlags, MarkerName, ThemeName, Trace, Tui, Watch};

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
    Wallet(Box<wallet::Wallet>),
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
    #[command(
        after_help = "Examples:\n  bezant tui --net default\n  bezant tui --net a --with b\n  bezant tui --replay run.trace"
    )]
    Tui(Tui),
    /// The same events as lines
    #[command(after_help = "Example:\n  bezant watch --json | jq .event")]
    Watch(Watch),
    /// Record what nodes tell, and look at it again
    #[command(subcommand)]
    Trace(Trace),
    /// Simulate nets in virtual time, with faults and a referee
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  bezant sim --engine pow --nodes 7 --seed 1 --seeds 100"
    )]
    Sim(Sim),
    /// Mine for a node elsewhere, or measure the miner's kernels
    #[command(after_help = MINER_HELP)]
    Miner(Miner),
    /// Measure nets on this machine, and compare what was measured
    #[command(after_help = bench::BENCH_HELP)]
    Bench(Bench),
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

#[derive(Args, Debug)]
pub(crate) struct Node {
    /// The configuration file (TOML)
    #[arg(long, env = "BEZANT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Do not run: print where the node would begin, and its blocks at these heights; what `testnet revert` asks
    #[arg(long, hide = true, env = "BEZANT_STANDING_AT", value_name = "HEIGHTS", value_delimiter = ',')]
    pub(crate) standing_at: Vec<u64>,
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
        after_help = "Example:\n  bezant genesis new --engine pbft --member KEY --allocation savings=1000 > genesis.toml"
    )]
    New {
        /// How blocks are ordered
        #[arg(long, env = "BEZANT_ENGINE", default_value = "pbft")]
        engine: Engine,
        /// PBFT: a member's public key, hex; once for each, in order
        #[arg(long, env = "BEZANT_MEMBER", value_name = "KEY", value_delimiter = ',')]
        member: Vec<String>,
        /// First coins: a public key or lock hash (hex) or a wallet of yours, `=`, BZT; may stand several times
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
    bezant_testnet::text::duration_ms(text).map(Duration::from_millis)
}
