//! `bezant wallet …`.

mod coins;
mod draft;
pub(crate) mod keys;
mod lock;
mod paying;
mod receipt;
mod swap;

pub(crate) use coins::{Consolidate, Contacts, History, Label, ShowAddress, Utxos};
pub(crate) use draft::{
    CombineDrafts, CreateDraft, Draft, DraftOut, FinalizeDraft, Offline, SendDraft, ShowDraft, SignDraft,
};
pub(crate) use lock::{HashLock, Lock, ShowLock};
pub(crate) use paying::{Fee, Following, Pay, Replace, Send};
pub(crate) use receipt::{MakeReceipt, VerifyReceipt};
pub(crate) use swap::{Offer, Swap, SwapStep, WhichSwap};

use super::{Target, names};
use bezant_api::types::ReadLevel;
use bezant_wallet::coins::view;
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;
use std::path::PathBuf;

/// `wallet …`.
#[derive(Subcommand, Debug)]
pub(crate) enum Wallet {
    #[command(flatten)]
    Keys(keys::KeysCommand),
    /// A wallet's addresses on a net, the newest last
    #[command(
        after_help = "Examples:\n  bezant wallet address --wallet alice\n  bezant wallet address --wallet savings --new\n  bezant wallet address --wallet savings --qr\n  bezant wallet address --wallet savings --uri --amount 12.5 --label \"Corner shop\" --qr"
    )]
    Address(ShowAddress),
    /// What a wallet has
    #[command(
        after_help = "Examples:\n  bezant wallet balance\n  bezant wallet balance --wallet bob --read final --json"
    )]
    Balance {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        read: Read,
    },
    /// A wallet's coins; lock those that are not to be spent
    #[command(
        after_help = "Locked coins are never chosen by send, pay, bump or consolidate; `send --coin` spends them all the same.\n\nExamples:\n  bezant wallet utxos --wallet alice\n  bezant wallet utxos --wallet alice --lock TXID:0 --lock TXID:1\n  bezant wallet utxos --wallet alice --unlock TXID:0\n  bezant wallet utxos --unlock-all"
    )]
    Utxos(Utxos),
    /// What happened to a wallet, oldest first, and what waits
    #[command(
        after_help = "Examples:\n  bezant wallet history --wallet bob --from-height 10\n  bezant wallet history --limit 20 --follow\n  bezant wallet history --wallet bob --csv bob.csv"
    )]
    History(History),
    /// Say what a transaction, an address or a coin is; without arguments, show all labels
    #[command(
        after_help = "Examples:\n  bezant wallet label TXID \"rent of May\"\n  bezant wallet label TXID:0 \"deposit\" --wallet alice\n  bezant wallet label bzt1… --remove\n  bezant wallet label --wallet alice --export labels.jsonl\n  bezant wallet label --wallet alice --import labels.jsonl"
    )]
    Label(Label),
    /// Names for other people's addresses
    #[command(subcommand)]
    Contacts(Contacts),
    /// Join many small coins into few, while fees are low
    #[command(
        after_help = "Examples:\n  bezant wallet consolidate --from alice --dry-run\n  bezant wallet consolidate --from alice --below 0.5 --max 200"
    )]
    Consolidate(Consolidate),
    /// Send coins, and wait until they have arrived
    #[command(
        after_help = "Examples:\n  bezant wallet send --from alice bob 12.5\n  bezant wallet send --from alice --to bzt1… max --wait included\n  bezant wallet send --from alice bob 1 --dry-run --json\n  bezant wallet send --from alice --pay bob=12.5 --pay carol=3\n  bezant wallet send --from alice bob 12.5 --id invoice-17"
    )]
    Send(Send),
    /// Write a receipt: a small text that proves a payment to whoever has the genesis
    ///
    /// What the node says is checked first, from the genesis on. Under PBFT the receipt has the signatures that made the payment final;
    /// under proof of work all headers up to now.
    #[command(
        after_help = "Examples:\n  bezant wallet receipt TXID --out payment.receipt\n  bezant wallet receipt TXID > payment.receipt"
    )]
    Receipt(MakeReceipt),
    /// Check a receipt, with nothing but the genesis: no node is asked
    ///
    /// Status 3, with the reason, when it proves nothing or less than was demanded.
    #[command(
        after_help = "Examples:\n  bezant wallet verify-receipt payment.receipt\n  bezant wallet verify-receipt payment.receipt --genesis genesis.toml --json\n  bezant wallet verify-receipt payment.receipt --net pow --min-work 4e20a1 --confirmations 6"
    )]
    VerifyReceipt(VerifyReceipt),
    /// Pay everybody whom a CSV file names; run again, it follows what it sent and pays nobody twice
    #[command(
        after_help = "The file's first line names its columns: address (or name), amount in BZT, and perhaps label. What was sent is\nremembered beside it, in FILE.csv.paid.\n\nExamples:\n  bezant wallet pay salaries.csv --from alice --dry-run\n  bezant wallet pay salaries.csv --from alice\n  bezant wallet pay salaries.csv --from alice --id 2026-12"
    )]
    Pay(Pay),
    /// Let a transfer that waits pay a higher fee: the same coins to the same recipients
    #[command(
        after_help = "Examples:\n  bezant wallet bump TXID\n  bezant wallet bump TXID --fee-rate 5000 --wait included"
    )]
    Bump(Replace),
    /// Take a transfer that waits back: its coins return to the wallet, less a fee
    #[command(after_help = "Examples:\n  bezant wallet cancel TXID\n  bezant wallet cancel TXID --dry-run --json")]
    Cancel(Replace),
    /// Exchange coins with somebody on another net, without anybody in between
    #[command(subcommand, after_help = swap::SWAP_HELP)]
    Swap(Swap),
    /// Make a multisig, time-lock, hash-lock or vault address, or see what one says
    #[command(subcommand)]
    Lock(Lock),
    /// Payments that several sign, each where his keys are
    #[command(subcommand)]
    Draft(Draft),
}

/// Which wallet, on which net.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The wallet [default: all of yours, else the net's accounts]
    #[arg(long, value_name = "NAME", env = "BEZANT_WALLET", add = ArgValueCandidates::new(names::wallets))]
    pub(crate) wallet: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// How sure a read has to be.
#[derive(Args, Debug)]
pub(crate) struct Read {
    /// Believe one node's tip, its final blocks only, or what enough nodes say alike
    #[arg(long, value_name = "LEVEL", default_value = "latest", env = "BEZANT_READ")]
    pub(crate) read: ReadArg,
}

/// How sure a read has to be.
#[derive(ValueEnum, Debug, Clone, Copy)]
pub(crate) enum ReadArg {
    /// The node's tip
    Latest,
    /// The node's final state
    Final,
    /// What f + 1 members say alike, so that one is correct: true once, perhaps old
    Attested,
    /// All that was final anywhere when it was asked: nothing is missed. Under proof of work as attested
    Quorum,
}

impl Read {
    /// The level that was asked for.
    pub(crate) fn level(&self) -> view::Read {
        match self.read {
            ReadArg::Latest => view::Read::One(ReadLevel::Latest),
            ReadArg::Final => view::Read::One(ReadLevel::Final),
            ReadArg::Quorum => view::Read::Quorum,
            ReadArg::Attested => view::Read::Attested,
        }
    }
}

/// Where a password comes from, if not from a prompt.
#[derive(Args, Debug)]
pub(crate) struct Password {
    /// Read the password from this file's first line
    #[arg(long, value_name = "FILE", conflicts_with = "password_fd", env = "BEZANT_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from this open file descriptor
    #[arg(long, value_name = "FD", env = "BEZANT_PASSWORD_FD")]
    pub(crate) password_fd: Option<u32>,
}
