//! What a wallet's keys and files need: making, restoring, copying, unlocking, and what else needs no coins.

use super::Password;
use crate::cli::{Target, duration};
use bezant_wallet::keys::discover::GAP;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// `wallet new`, `restore`, ….
#[derive(Subcommand, Debug)]
pub(crate) enum KeysCommand {
    /// Make a wallet: a mnemonic to write down, and a file encrypted with a password
    ///
    /// The words are shown once, also with --json: write them down. With --words-file they go into a file instead.
    #[command(
        after_help = "Examples:\n  bezant wallet new savings\n  bezant wallet new savings --words 24 --password-file secret.txt\n  bezant wallet new savings --password-file secret.txt --words-file /media/stick/savings.words"
    )]
    New(WalletNew),
    /// Make a wallet of the words of another, and look for the addresses that it used
    #[command(
        after_help = "The words come from a prompt, a file, an open file descriptor, or standard input when it is no terminal.\n\nExamples:\n  bezant wallet restore savings\n  bezant wallet restore savings --mnemonic-file savings.words --password-file secret.txt --gap 50"
    )]
    Restore(Restore),
    /// Look for addresses that were used elsewhere: after a restore without a net, or with two copies of a wallet
    #[command(after_help = "Example:\n  bezant wallet discover savings --gap 50")]
    Discover(Discover),
    /// The wallets here, and the net's accounts
    #[command(after_help = "Example:\n  bezant wallet list")]
    List(Target),
    /// Copy a wallet out: its encrypted file, its words, or what is needed to watch it
    #[command(
        after_help = "Examples:\n  bezant wallet export savings --out /media/stick/savings.json\n  bezant wallet export savings --words\n  bezant wallet export savings --watch-only --addresses 100 --out shop.json"
    )]
    Export(Export),
    /// Take in a file that was exported
    #[command(
        after_help = "Examples:\n  bezant wallet import /media/stick/savings.json\n  bezant wallet import shop.json --name till"
    )]
    Import(Import),
    /// Give a wallet another name; what it remembers of payments goes with it
    #[command(after_help = "Example:\n  bezant wallet rename savings old-savings")]
    Rename {
        /// Its name
        old: String,
        /// Its name from now on
        new: String,
    },
    /// Remove a wallet from this machine, with what it remembers of payments
    #[command(after_help = "Examples:\n  bezant wallet remove old-savings\n  bezant wallet remove old-savings --yes")]
    Remove(Remove),
    /// Change a wallet's password
    #[command(
        after_help = "Examples:\n  bezant wallet passwd savings\n  bezant wallet passwd savings --password-file old.txt --new-password-file new.txt --memory-mib 256"
    )]
    Passwd(Passwd),
    /// Keep a wallet open for a while, in the memory of a process in the background
    ///
    /// Until then every program of yours on this machine can spend from it.
    #[command(after_help = "Examples:\n  bezant wallet unlock savings --for 15m\n  bezant wallet unlock savings --end")]
    Unlock(Unlock),
    /// Keep a wallet open; what `unlock` runs
    #[command(hide = true)]
    Hold {
        /// Where to listen
        socket: PathBuf,
        /// Until when, in milliseconds since 1970
        until_ms: u64,
    },
    /// Watch an address without its keys; given again with the same name, one more
    #[command(after_help = "Example:\n  bezant wallet watch bzt1… --name donations")]
    Watch(WatchAddress),
    /// Sign a text with the key of an address
    #[command(
        after_help = "Examples:\n  bezant wallet sign-message --wallet savings \"I own this\"\n  bezant wallet sign-message --wallet savings --address bzt1… --file contract.txt"
    )]
    SignMessage(SignMessage),
    /// Check who signed a text: no net is needed
    ///
    /// Status 3, with the reason, when the signature proves nothing.
    #[command(
        after_help = "Examples:\n  bezant wallet verify-message bzt1… \"I own this\" 01a4…\n  bezant wallet verify-message bzt1… --file contract.txt 01a4…"
    )]
    VerifyMessage(VerifyMessage),
}

/// `wallet new`.
#[derive(Args, Debug)]
pub(crate) struct WalletNew {
    /// Its name
    pub(crate) name: String,
    /// Words of the mnemonic: 12 or 24
    #[arg(long, value_name = "N", default_value = "12", value_parser = ["12", "24"], env = "BEZANT_WORDS")]
    pub(crate) words: String,
    /// Write the words into this new file (mode 0600), and show them nowhere
    #[arg(long, value_name = "FILE", env = "BEZANT_WORDS_FILE")]
    pub(crate) words_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) password: Password,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The words' own passphrase.
#[derive(Args, Debug)]
pub(crate) struct Passphrase {
    /// Read a BIP39 passphrase (the 25th word) from this file's first line: without it the words are another wallet's
    #[arg(long, value_name = "FILE", env = "BEZANT_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// `wallet restore`.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// Its name
    pub(crate) name: String,
    /// Read the words from this file
    #[arg(long, value_name = "FILE", conflicts_with = "mnemonic_fd", env = "BEZANT_MNEMONIC_FILE")]
    pub(crate) mnemonic_file: Option<PathBuf>,
    /// Read the words from this open file descriptor
    #[arg(long, value_name = "FD", env = "BEZANT_MNEMONIC_FD")]
    pub(crate) mnemonic_fd: Option<u32>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) gap: Gap,
    #[command(flatten)]
    pub(crate) password: Password,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// How far to look.
#[derive(Args, Debug)]
pub(crate) struct Gap {
    /// Unused addresses in a row after which no more are looked for
    #[arg(long, value_name = "N", default_value_t = GAP as u64, value_parser = clap::value_parser!(u64).range(1..=1000), env = "BEZANT_GAP")]
    gap: u64,
}

impl Gap {
    /// As the wallet takes it.
    pub(crate) fn addresses(&self) -> usize {
        usize::try_from(self.gap).expect("at most 1000")
    }
}

/// `wallet discover`.
#[derive(Args, Debug)]
pub(crate) struct Discover {
    /// The wallet
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) gap: Gap,
    #[command(flatten)]
    pub(crate) password: Password,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet export`.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The wallet
    pub(crate) name: String,
    /// Show its words, and its passphrase if it has one: whoever sees them has the wallet
    #[arg(long, conflicts_with_all = ["watch_only", "out"])]
    pub(crate) words: bool,
    /// Only what is public: the copy shows balances and addresses, and cannot spend
    #[arg(long, requires = "out")]
    pub(crate) watch_only: bool,
    /// With --watch-only: addresses that the copy may hand out, made ahead
    #[arg(long, value_name = "N", requires = "watch_only", value_parser = clap::value_parser!(u64).range(1..1000), env = "BEZANT_ADDRESSES")]
    pub(crate) addresses: Option<u64>,
    /// Write it here
    #[arg(long, value_name = "FILE", env = "BEZANT_OUT")]
    pub(crate) out: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// `wallet import`.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file
    pub(crate) file: PathBuf,
    /// Its name here [default: the file's]
    #[arg(long, value_name = "NAME", env = "BEZANT_NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet remove`.
#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// The wallet
    pub(crate) name: String,
    /// Do not ask, and remove it even if it has coins
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet passwd`.
#[derive(Args, Debug)]
pub(crate) struct Passwd {
    /// The wallet
    pub(crate) name: String,
    /// Read the new password from this file's first line
    #[arg(long, value_name = "FILE", conflicts_with = "new_password_fd", env = "BEZANT_NEW_PASSWORD_FILE")]
    pub(crate) new_password_file: Option<PathBuf>,
    /// Read the new password from this open file descriptor
    #[arg(long, value_name = "FD", env = "BEZANT_NEW_PASSWORD_FD")]
    pub(crate) new_password_fd: Option<u32>,
    /// Memory that opening takes, in MiB, 19 to 1024: the more, the harder is it to guess the password [default: 64]
    #[arg(long, value_name = "MIB", env = "BEZANT_MEMORY_MIB")]
    pub(crate) memory_mib: Option<u32>,
    /// Passes over that memory, 2 to 16 [default: 3]
    #[arg(long, value_name = "N", env = "BEZANT_PASSES")]
    pub(crate) passes: Option<u32>,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// `wallet unlock`.
#[derive(Args, Debug)]
pub(crate) struct Unlock {
    /// The wallet
    pub(crate) name: String,
    /// For how long, at most a day
    #[arg(long = "for", value_name = "DUR", default_value = "15m", value_parser = duration, env = "BEZANT_FOR")]
    pub(crate) time: Duration,
    /// Close it again
    #[arg(long)]
    pub(crate) end: bool,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// `wallet watch`.
#[derive(Args, Debug)]
pub(crate) struct WatchAddress {
    /// The address
    pub(crate) address: String,
    /// The wallet that watches it
    #[arg(long, value_name = "NAME", env = "BEZANT_NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet sign-message`.
#[derive(Args, Debug)]
pub(crate) struct SignMessage {
    /// The wallet
    #[arg(long, value_name = "NAME", env = "BEZANT_WALLET")]
    pub(crate) wallet: String,
    /// The address that speaks [default: the wallet's first]
    #[arg(long, value_name = "ADDRESS", env = "BEZANT_ADDRESS")]
    pub(crate) address: Option<String>,
    /// The text
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) message: Option<String>,
    /// A file with the text; all of its bytes count
    #[arg(long, value_name = "FILE", env = "BEZANT_FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) password: Password,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet verify-message`.
#[derive(Args, Debug)]
pub(crate) struct VerifyMessage {
    /// Who is said to have signed
    pub(crate) address: String,
    /// The text (unless given with --file), and the signature
    #[arg(required = true, num_args = 1..=2, value_names = ["MESSAGE", "SIGNATURE"])]
    pub(crate) what: Vec<String>,
    /// A file with the text; all of its bytes count
    #[arg(long, value_name = "FILE", env = "BEZANT_FILE")]
    pub(crate) file: Option<PathBuf>,
}
