//! `bezant testnet snapshot`, `revert`, `export`, `import`, `export-deploy` and `faucet`.

use crate::cli::{Net, duration};
use bezant_testnet::net::deploy::Host;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Debug)]
#[group(id = "deed", required = true, multiple = false, args = ["name", "list", "remove"])]
pub(crate) struct Snapshot {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Take one under this name
    pub(crate) name: Option<String>,
    /// Show those that there are
    #[arg(long)]
    pub(crate) list: bool,
    /// Delete one
    #[arg(long, value_name = "NAME", env = "BEZANT_REMOVE")]
    pub(crate) remove: Option<String>,
    /// Take the place of one of the same name
    #[arg(long, requires = "name")]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Revert {
    #[command(flatten)]
    pub(crate) net: Net,
    /// The snapshot
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Where to; the file holds secret keys, and nobody else may read it
    pub(crate) file: PathBuf,
    /// A snapshot, instead of the net as it is
    #[arg(long, value_name = "NAME", env = "BEZANT_SNAPSHOT")]
    pub(crate) snapshot: Option<String>,
    /// Overwrite a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) net: Net,
    /// What `export` wrote
    pub(crate) file: PathBuf,
    /// Keep the net here instead of under the home
    #[arg(long, env = "BEZANT_DIR", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Take the place of a net of this name; its ledger and snapshots are deleted
    #[arg(long)]
    pub(crate) fresh: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ExportDeploy {
    #[command(flatten)]
    pub(crate) net: Net,
    /// For what
    #[arg(value_enum)]
    pub(crate) target: DeployTarget,
    /// The machines, by name or address; the nodes go round them in this order
    #[arg(long, value_name = "HOST", required = true, value_delimiter = ',', env = "BEZANT_HOSTS")]
    pub(crate) hosts: Vec<Host>,
    /// The directory to make [default: NET-TARGET here]
    #[arg(long, value_name = "DIR", env = "BEZANT_OUT")]
    pub(crate) out: Option<PathBuf>,
}

/// What runs the nodes on other machines.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum DeployTarget {
    Compose,
    Kubernetes,
    Systemd,
}

#[derive(Args, Debug)]
pub(crate) struct Faucet {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Who is paid: an address, or the name of a wallet, contact or account
    #[arg(value_name = "ADDRESS|NAME")]
    pub(crate) to: String,
    /// How much, in BZT
    pub(crate) amount: String,
    /// Give up waiting after this long
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "60s", env = "BEZANT_TIMEOUT")]
    pub(crate) timeout: Duration,
}
