//! `wallet send`, `pay`, `bump` and `cancel`.

use super::Password;
use crate::cli::{Target, duration, names};
use bezant_wallet::error::WalletError;
use bezant_wallet::paying::build::Sum;
use bezant_wallet::paying::fee;
use bezant_wallet::paying::follow::{FollowOptions, Wait};
use bezant_wallet::uri::{self, PaymentUri};
use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;
use std::path::PathBuf;
use std::time::Duration;

/// Until when to wait.
#[derive(ValueEnum, Debug, Clone, Copy)]
pub(crate) enum WaitArg {
    /// A node has it
    None,
    /// It is in a mempool
    Pool,
    /// It is in a block
    Included,
    /// Its block is final
    Final,
}

impl WaitArg {
    /// As the wallet says it.
    fn until(self) -> Wait {
        match self {
            WaitArg::None => Wait::None,
            WaitArg::Pool => Wait::Pool,
            WaitArg::Included => Wait::Included,
            WaitArg::Final => Wait::Final,
        }
    }
}

/// What to pay for a place in a block.
#[derive(Args, Debug)]
pub(crate) struct Fee {
    /// Fee in grains per 1000 bytes [default: the net's minimum, or more while blocks are full; to replace, what takes its place]
    #[arg(long, value_name = "R", env = "BEZANT_FEE_RATE")]
    fee_rate: Option<u64>,
    /// Allow a fee that looks like a mistake
    #[arg(long)]
    allow_high_fee: bool,
}

impl Fee {
    /// What was asked for, unless it looks like a mistake on a net whose own minimum is `least`.
    pub(crate) fn rate(&self, least: u64) -> Result<Option<u64>, WalletError> {
        fee::check_rate(self.fee_rate, least, self.allow_high_fee)
    }
}

/// How to follow what was sent.
#[derive(Args, Debug)]
pub(crate) struct Following {
    /// Until when to wait
    #[arg(long, value_name = "UNTIL", default_value = "final", env = "BEZANT_WAIT")]
    pub(crate) wait: WaitArg,
    /// How long to wait at most, for each transaction
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = duration, env = "BEZANT_TIMEOUT")]
    pub(crate) timeout: Duration,
}

impl Following {
    /// As the wallet says it.
    pub(crate) fn options(&self) -> FollowOptions {
        FollowOptions { wait: self.wait.until(), confirmations: None, timeout: self.timeout }
    }
}

/// What every command takes that signs and sends.
#[derive(Args, Debug)]
pub(crate) struct Sending {
    #[command(flatten)]
    pub(crate) fee: Fee,
    #[command(flatten)]
    pub(crate) following: Following,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// `wallet send`.
#[derive(Args, Debug)]
pub(crate) struct Send {
    /// The wallet that pays
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM", add = ArgValueCandidates::new(names::wallets))]
    pub(crate) from: String,
    /// Who is paid: an address, a payment URI, or the name of a wallet, contact or account
    #[arg(long = "to", value_name = "ADDRESS|NAME", env = "BEZANT_TO", add = ArgValueCandidates::new(names::recipients))]
    pub(crate) to: Option<String>,
    /// Who is paid (unless given with --to), and how much in BZT, or max; a payment URI may say both
    #[arg(required_unless_present_any = ["pay", "to"], conflicts_with = "pay", num_args = 1..=2, value_names = ["ADDRESS|NAME", "AMOUNT"], add = ArgValueCandidates::new(names::recipients))]
    pub(crate) what: Vec<String>,
    /// One of several recipients, and how much in BZT; may be given several times, all are paid in one transaction
    #[arg(long, value_name = "ADDRESS|NAME=AMOUNT", conflicts_with = "to", env = "BEZANT_PAY")]
    pub(crate) pay: Vec<String>,
    /// Spend exactly this coin; may be given several times
    #[arg(long, value_name = "TXID:N", env = "BEZANT_COIN")]
    pub(crate) coin: Vec<String>,
    /// From a hash lock: a file with the preimage, 64 hex digits; may be given several times
    #[arg(long, value_name = "FILE", env = "BEZANT_PREIMAGE_FILE")]
    pub(crate) preimage_file: Vec<PathBuf>,
    /// Proof of work: confirmations that count as final for this call
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..), env = "BEZANT_CONFIRMATIONS")]
    pub(crate) confirmations: Option<u64>,
    /// Plan, sign and ask a node whether it would take it, but send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask about a recipient
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// What it is, for your own history [default: what a payment URI says]
    #[arg(long, value_name = "TEXT", env = "BEZANT_LABEL")]
    pub(crate) label: Option<String>,
    /// Your own name for this payment: given again, the first payment is followed, and nobody is paid twice
    #[arg(long, value_name = "KEY", env = "BEZANT_ID")]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet pay`.
#[derive(Args, Debug)]
pub(crate) struct Pay {
    /// The file
    #[arg(value_name = "FILE.csv")]
    pub(crate) file: PathBuf,
    /// The wallet that pays
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM", add = ArgValueCandidates::new(names::wallets))]
    pub(crate) from: String,
    /// Name of this round: the same file is paid once for each [default: a digest of who gets how much]
    #[arg(long, value_name = "KEY", env = "BEZANT_ID")]
    pub(crate) id: Option<String>,
    /// Show who would be paid, the fee and what would be left, but send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask about recipients
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet bump` and `wallet cancel`.
#[derive(Args, Debug)]
pub(crate) struct Replace {
    /// The transaction that waits
    #[arg(value_name = "TXID")]
    pub(crate) txid: String,
    /// The wallet that sent it [default: whichever of yours did, or of the net's accounts]
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM", add = ArgValueCandidates::new(names::wallets))]
    pub(crate) from: Option<String>,
    /// Sign and ask a node whether it would take it, but send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) target: Target,
}

impl Send {
    /// Who is paid, and how much.
    pub(crate) fn payments(&self) -> Result<Vec<(String, Sum)>, String> {
        payments(self.to.as_deref(), &self.what, &self.pay)
    }

    /// What to call the payment, if anything.
    pub(crate) fn note(&self) -> Option<String> {
        let uris = self.to.iter().chain(&self.what).chain(&self.pay).filter(|text| uri::is_uri(text));
        let mut notes = uris.filter_map(|text| PaymentUri::read(text).ok()?.note());
        self.label.clone().or_else(|| notes.next())
    }
}

/// Who is paid, and how much: by `--to` and what stands behind the options, or by `--pay`.
pub(super) fn payments(to: Option<&str>, what: &[String], pay: &[String]) -> Result<Vec<(String, Sum)>, String> {
    if pay.is_empty() {
        return payment(to, what).map(|one| vec![one]);
    }
    let one = |text: &String| {
        // A URI has signs of equality of its own.
        if uri::is_uri(text) && text.contains('?') {
            return one_of(text, None);
        }
        let (to, amount) = text
            .split_once('=')
            .ok_or_else(|| format!("--pay {text}: a recipient, = and an amount are expected, like: --pay bob=12.5"))?;
        let amount = amount.parse().map_err(|error| format!("--pay {text}: amount \"{amount}\": {error}"))?;
        Ok((to.to_owned(), Sum::Exactly(amount)))
    };
    pay.iter().map(one).collect()
}

fn payment(to: Option<&str>, what: &[String]) -> Result<(String, Sum), String> {
    match (to, what) {
        (Some(to), [amount]) => one_of(to, Some(amount)),
        (None, [to, amount]) => one_of(to, Some(amount)),
        (Some(to), []) if uri::is_uri(to) => one_of(to, None),
        (None, [to]) if uri::is_uri(to) => one_of(to, None),
        (Some(_), [_, ..]) => Err("with --to, only the amount is expected".to_owned()),
        (Some(_), []) | (None, _) => Err("a recipient and an amount are expected, like: bob 12.5".to_owned()),
    }
}

/// A recipient and an amount; a payment URI may have the latter inside.
fn one_of(to: &str, amount: Option<&str>) -> Result<(String, Sum), String> {
    let asked = if uri::is_uri(to) { PaymentUri::read(to).map_err(|error| error.to_string())?.amount } else { None };
    let given = match amount {
        None => None,
        Some("max") => Some(Sum::Max),
        Some(amount) => {
            let parsed = amount.parse().map_err(|error| format!("amount \"{amount}\": {error}; max means all"))?;
            Some(Sum::Exactly(parsed))
        }
    };
    let sum = match (given, asked.map(Sum::Exactly)) {
        (Some(given), Some(asked)) if given != asked => {
            return Err(
                "the payment URI asks for another amount; leave yours out, or give the plain address".to_owned()
            );
        }
        (Some(sum), _) | (None, Some(sum)) => sum,
        (None, None) => return Err("the payment URI names no amount; give one after it, like: 12.5".to_owned()),
    };
    Ok((to.to_owned(), sum))
}
