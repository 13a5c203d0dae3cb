//! `wallet address`, `utxos`, `history`, `label`, `contacts` and `consolidate`.

use super::paying::Sending;
use super::{Password, Read, Which};
use crate::cli::{Target, names};
use bezant_consensus::ledger::amount::Amount;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use std::path::PathBuf;

/// `wallet address`.
#[derive(Args, Debug)]
pub(crate) struct ShowAddress {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Make one more
    #[arg(long, requires = "wallet")]
    pub(crate) new: bool,
    /// Show the newest as a QR code, where it fits on a terminal
    #[arg(long)]
    pub(crate) qr: bool,
    /// Make a payment URI of the newest
    #[arg(long)]
    pub(crate) uri: bool,
    /// How much the URI asks for, in BZT
    #[arg(long, value_name = "AMOUNT", requires = "uri", env = "BEZANT_AMOUNT")]
    pub(crate) amount: Option<Amount>,
    /// Whose address it is, for the URI
    #[arg(long, value_name = "TEXT", requires = "uri", env = "BEZANT_LABEL")]
    pub(crate) label: Option<String>,
    /// What is paid for, for the URI
    #[arg(long, value_name = "TEXT", requires = "uri", env = "BEZANT_MESSAGE")]
    pub(crate) message: Option<String>,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// `wallet utxos`.
#[derive(Args, Debug)]
pub(crate) struct Utxos {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) read: Read,
    /// Lock this coin; may be given several times
    #[arg(long, value_name = "TXID:N", num_args = 1.., conflicts_with_all = ["unlock", "unlock_all"], env = "BEZANT_LOCK")]
    pub(crate) lock: Vec<String>,
    /// Unlock this coin; may be given several times
    #[arg(long, value_name = "TXID:N", num_args = 1.., conflicts_with = "unlock_all", env = "BEZANT_UNLOCK")]
    pub(crate) unlock: Vec<String>,
    /// Unlock all coins
    #[arg(long)]
    pub(crate) unlock_all: bool,
}

/// `wallet history`.
#[derive(Args, Debug)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) which: Which,
    /// From this height on
    #[arg(long, value_name = "H", default_value_t = 0, env = "BEZANT_FROM_HEIGHT")]
    pub(crate) from_height: u64,
    /// Only the newest lines of each wallet
    #[arg(long, value_name = "N", env = "BEZANT_LIMIT")]
    pub(crate) limit: Option<usize>,
    /// Go on with what happens, until interrupted
    #[arg(long, conflicts_with = "csv")]
    pub(crate) follow: bool,
    /// Write CSV, amounts in BZT, to this file [without FILE: to stdout]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", env = "BEZANT_CSV")]
    pub(crate) csv: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "csv")]
    pub(crate) force: bool,
}

/// `wallet label`.
#[derive(Args, Debug)]
pub(crate) struct Label {
    /// A transaction, an address, or a coin
    #[arg(value_name = "TXID|ADDRESS|TXID:N", conflicts_with_all = ["export", "import"])]
    pub(crate) what: Option<String>,
    /// What it is; unless given, its label is shown
    #[arg(requires = "what")]
    pub(crate) text: Option<String>,
    /// Take its label away
    #[arg(long, requires = "what", conflicts_with = "text")]
    pub(crate) remove: bool,
    /// Write all labels and locked coins of a wallet to this file, as BIP 329 has them; - is stdout
    #[arg(long, value_name = "FILE", conflicts_with = "import", env = "BEZANT_EXPORT")]
    pub(crate) export: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "export")]
    pub(crate) force: bool,
    /// Take labels and locked coins over from this file, as BIP 329 has them
    #[arg(long, value_name = "FILE", env = "BEZANT_IMPORT")]
    pub(crate) import: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// `wallet contacts …`.
#[derive(Subcommand, Debug)]
pub(crate) enum Contacts {
    /// Give an address a name
    #[command(after_help = "Example:\n  bezant wallet contacts add shop bzt1…")]
    Add {
        /// The name
        name: String,
        /// The address
        address: String,
        #[command(flatten)]
        target: Target,
    },
    /// The names on a net
    #[command(after_help = "Example:\n  bezant wallet contacts list --json")]
    List(Target),
    /// Forget a name
    #[command(after_help = "Example:\n  bezant wallet contacts remove shop")]
    Remove {
        /// The name
        #[arg(add = ArgValueCandidates::new(names::contacts))]
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Change a name
    #[command(after_help = "Example:\n  bezant wallet contacts rename shop grocer")]
    Rename {
        /// The name
        #[arg(add = ArgValueCandidates::new(names::contacts))]
        name: String,
        /// What it is to be
        new: String,
        #[command(flatten)]
        target: Target,
    },
}

/// `wallet consolidate`.
#[derive(Args, Debug)]
pub(crate) struct Consolidate {
    /// Whose coins
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM", add = ArgValueCandidates::new(names::wallets))]
    pub(crate) from: String,
    /// Only coins worth less than this, in BZT
    #[arg(long, value_name = "AMOUNT", env = "BEZANT_BELOW")]
    pub(crate) below: Option<Amount>,
    /// At most this many coins, the smallest first
    #[arg(long, value_name = "N", env = "BEZANT_MAX")]
    pub(crate) max: Option<usize>,
    /// Plan and sign, but send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) target: Target,
}
