//! `wallet draft …`.

use super::Password;
use super::paying::{Fee, Following, payments};
use crate::cli::{Net, Target};
use bezant_wallet::paying::build::Sum;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `wallet draft …`.
#[derive(Subcommand, Debug)]
pub(crate) enum Draft {
    /// Make a payment for others to sign; no password is needed
    #[command(
        after_help = "The draft fixes which branch of a lock is used. Name those who will sign with --with to choose another than the cheapest.\n\nExamples:\n  bezant wallet draft create --from club bob 12.5 --out pay.draft\n  bezant wallet draft create --from savings --to bob max --with alice --out pay.draft"
    )]
    Create(CreateDraft),
    /// Sign with the keys of this machine's wallets; no node is asked
    #[command(
        after_help = "Examples:\n  bezant wallet draft sign pay.draft --out pay-alice.draft\n  bezant wallet draft sign pay.draft --wallet alice --genesis genesis.toml --out pay-alice.draft"
    )]
    Sign(SignDraft),
    /// Put what several have signed into one draft, in any order
    #[command(
        after_help = "Example:\n  bezant wallet draft combine pay-alice.draft pay-bob.draft --out pay-both.draft"
    )]
    Combine(CombineDrafts),
    /// The signed transaction as hex, once all have signed that must
    #[command(after_help = "Example:\n  bezant wallet draft finalize pay-both.draft --out pay.hex")]
    Finalize(FinalizeDraft),
    /// What a draft does, who has signed, and who is missing
    #[command(after_help = "Example:\n  bezant wallet draft show pay.draft")]
    Show(ShowDraft),
    /// Send the transaction; run again, it follows what was sent
    #[command(
        after_help = "Examples:\n  bezant wallet draft send pay-both.draft\n  bezant wallet draft send pay-alice.draft pay-bob.draft --wait included"
    )]
    Send(SendDraft),
}

/// Where a draft goes.
#[derive(Args, Debug)]
pub(crate) struct DraftOut {
    /// Write it here [default: to stdout]
    #[arg(long, value_name = "FILE", env = "BEZANT_OUT")]
    pub(crate) out: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
}

/// Which net, without its nodes.
#[derive(Args, Debug)]
pub(crate) struct Offline {
    /// The genesis file [default: the net's]
    #[arg(long, value_name = "FILE", env = "BEZANT_GENESIS")]
    pub(crate) genesis: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) net: Net,
}

/// `draft create`.
#[derive(Args, Debug)]
pub(crate) struct CreateDraft {
    /// The wallet that pays; it may have keys, or watch a lock or addresses only
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM")]
    pub(crate) from: String,
    /// Who is paid: an address, or the name of a wallet or account
    #[arg(long = "to", value_name = "ADDRESS|NAME", env = "BEZANT_TO")]
    pub(crate) to: Option<String>,
    /// Who is paid (unless given with --to), and how much in BZT, or max
    #[arg(required_unless_present = "pay", conflicts_with = "pay", num_args = 1..=2, value_names = ["ADDRESS|NAME", "AMOUNT"])]
    pub(crate) what: Vec<String>,
    /// One of several recipients, and how much in BZT; may be given several times
    #[arg(long, value_name = "ADDRESS|NAME=AMOUNT", conflicts_with = "to", env = "BEZANT_PAY")]
    pub(crate) pay: Vec<String>,
    /// Somebody who will sign: a wallet, an account or an address; may be given several times [default: whoever can]
    #[arg(long, value_name = "PARTY", env = "BEZANT_WITH")]
    pub(crate) with: Vec<String>,
    #[command(flatten)]
    pub(crate) fee: Fee,
    /// Spend exactly this coin; may be given several times
    #[arg(long, value_name = "TXID:N", env = "BEZANT_COIN")]
    pub(crate) coin: Vec<String>,
    /// From a hash lock: a file with the preimage, 64 hex digits, which the draft then shows to whoever gets it
    #[arg(long, value_name = "FILE", env = "BEZANT_PREIMAGE_FILE")]
    pub(crate) preimage_file: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) out: DraftOut,
    #[command(flatten)]
    pub(crate) target: Target,
}

impl CreateDraft {
    /// Who is paid, and how much.
    pub(crate) fn payments(&self) -> Result<Vec<(String, Sum)>, String> {
        payments(self.to.as_deref(), &self.what, &self.pay)
    }
}

/// `draft sign`.
#[derive(Args, Debug)]
pub(crate) struct SignDraft {
    /// The draft; - reads stdin
    pub(crate) file: PathBuf,
    /// A wallet that signs; may be given several times [default: every one here that can]
    #[arg(long, value_name = "NAME", env = "BEZANT_WALLET")]
    pub(crate) wallet: Vec<String>,
    /// A file with a preimage that the draft asks for, 64 hex digits
    #[arg(long, value_name = "FILE", env = "BEZANT_PREIMAGE_FILE")]
    pub(crate) preimage_file: Vec<PathBuf>,
    /// Allow a fee that looks like a mistake
    #[arg(long)]
    pub(crate) allow_high_fee: bool,
    /// Do not ask before signing
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) out: DraftOut,
    #[command(flatten)]
    pub(crate) password: Password,
    #[command(flatten)]
    pub(crate) offline: Offline,
}

/// `draft combine`.
#[derive(Args, Debug)]
pub(crate) struct CombineDrafts {
    /// The drafts
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) out: DraftOut,
}

/// `draft finalize`.
#[derive(Args, Debug)]
pub(crate) struct FinalizeDraft {
    /// The draft; - reads stdin
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) out: DraftOut,
    #[command(flatten)]
    pub(crate) offline: Offline,
}

/// `draft show`.
#[derive(Args, Debug)]
pub(crate) struct ShowDraft {
    /// The draft; - reads stdin
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) offline: Offline,
}

/// `draft send`.
#[derive(Args, Debug)]
pub(crate) struct SendDraft {
    /// The draft, or several of one payment, which are combined
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// A file with a preimage that the draft asks for, 64 hex digits
    #[arg(long, value_name = "FILE", env = "BEZANT_PREIMAGE_FILE")]
    pub(crate) preimage_file: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) following: Following,
    /// Ask a node whether it would take it, but send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Allow a fee that looks like a mistake
    #[arg(long)]
    pub(crate) allow_high_fee: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}
