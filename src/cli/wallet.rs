//! `bezant wallet …`.

use super::{Net, Target, duration};
use bezant_api::types::ReadLevel;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::target::Work;
use bezant_wallet::build::Sum;
use bezant_wallet::send::Wait;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// `wallet …`.
#[derive(Subcommand, Debug)]
pub(crate) enum Wallet {
    /// Make a wallet: a mnemonic to write down, and a file encrypted with a password
    #[command(
        after_help = "Examples:\n  bezant wallet new savings\n  bezant wallet new savings --words 24 --password-file secret.txt"
    )]
    New(WalletNew),
    /// The wallets here, and the net's accounts
    #[command(after_help = "Example:\n  bezant wallet list")]
    List(Target),
    /// A wallet's addresses on a net, the newest last
    #[command(
        after_help = "Examples:\n  bezant wallet address --wallet alice\n  bezant wallet address --wallet savings --new"
    )]
    Address {
        #[command(flatten)]
        which: Which,
        /// Make one more
        #[arg(long, requires = "wallet")]
        new: bool,
        #[command(flatten)]
        password: Password,
    },
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
    /// A wallet's coins
    #[command(after_help = "Example:\n  bezant wallet utxos --wallet alice")]
    Utxos {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        read: Read,
    },
    /// What blocks did to a wallet, oldest first
    #[command(after_help = "Example:\n  bezant wallet history --wallet bob --from-height 10")]
    History {
        #[command(flatten)]
        which: Which,
        /// From this height on
        #[arg(long, value_name = "H", default_value_t = 0, env = "BEZANT_FROM_HEIGHT")]
        from_height: u64,
    },
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
}

/// `wallet receipt`.
#[derive(Args, Debug)]
pub(crate) struct MakeReceipt {
    /// The transaction's id
    pub(crate) txid: String,
    /// Write it here [default: to stdout]
    #[arg(long, value_name = "FILE", env = "BEZANT_OUT")]
    pub(crate) out: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// The genesis file [default: the net's; with --rpc the one that the node tells, which is believed then]
    #[arg(long, value_name = "FILE", env = "BEZANT_GENESIS")]
    pub(crate) genesis: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet verify-receipt`.
#[derive(Args, Debug)]
pub(crate) struct VerifyReceipt {
    /// The receipt; - reads stdin
    pub(crate) file: PathBuf,
    /// The genesis file [default: the net's]
    #[arg(long, value_name = "FILE", env = "BEZANT_GENESIS")]
    pub(crate) genesis: Option<PathBuf>,
    /// Proof of work: least work behind all headers together, hex as in `bezant testnet status --json`
    #[arg(long, value_name = "W", value_parser = work, env = "BEZANT_MIN_WORK")]
    pub(crate) min_work: Option<Work>,
    /// Proof of work: least number of blocks from the payment's own to the last one
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..), env = "BEZANT_CONFIRMATIONS")]
    pub(crate) confirmations: Option<u64>,
    /// Proof of work: a block that you know to be in the chain; the receipt's headers have to lead through it
    #[arg(long, value_name = "ID", value_parser = block_id, env = "BEZANT_TRUSTED_HEADER")]
    pub(crate) trusted_header: Option<BlockId>,
    #[command(flatten)]
    pub(crate) net: Net,
}

fn work(text: &str) -> Result<Work, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    Work::from_hex(digits).filter(|_| is_hex).ok_or_else(|| "work is written in hex digits, like 4e20a1".to_owned())
}

fn block_id(text: &str) -> Result<BlockId, String> {
    text.parse().map_err(|_| "a block's id of 64 hex digits is expected".to_owned())
}

/// Which wallet, on which net.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The wallet [default: all of yours, else the net's accounts]
    #[arg(long, value_name = "NAME", env = "BEZANT_WALLET")]
    pub(crate) wallet: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// How sure a read has to be.
#[derive(Args, Debug)]
pub(crate) struct Read {
    /// Count coins of the tip, or of final blocks only
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
}

impl Read {
    /// The level that was asked for.
    pub(crate) fn level(&self) -> ReadLevel {
        match self.read {
            ReadArg::Latest => ReadLevel::Latest,
            ReadArg::Final => ReadLevel::Final,
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

/// `wallet new`.
#[derive(Args, Debug)]
pub(crate) struct WalletNew {
    /// Its name
    pub(crate) name: String,
    /// Words of the mnemonic: 12 or 24
    #[arg(long, value_name = "N", default_value = "12", value_parser = ["12", "24"], env = "BEZANT_WORDS")]
    pub(crate) words: String,
    #[command(flatten)]
    pub(crate) password: Password,
    #[command(flatten)]
    pub(crate) target: Target,
}

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
    pub(crate) fn until(self) -> Wait {
        match self {
            WaitArg::None => Wait::None,
            WaitArg::Pool => Wait::Pool,
            WaitArg::Included => Wait::Included,
            WaitArg::Final => Wait::Final,
        }
    }
}

/// `wallet send`.
#[derive(Args, Debug)]
pub(crate) struct Send {
    /// The wallet that pays
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM")]
    pub(crate) from: String,
    /// Who is paid: an address, or the name of a wallet or account
    #[arg(long = "to", value_name = "ADDRESS|NAME", env = "BEZANT_TO")]
    pub(crate) to: Option<String>,
    /// Who is paid (unless given with --to), and how much in BZT, or max
    #[arg(required_unless_present = "pay", conflicts_with = "pay", num_args = 1..=2, value_names = ["ADDRESS|NAME", "AMOUNT"])]
    pub(crate) what: Vec<String>,
    /// One of several recipients, and how much in BZT; may be given several times, all are paid in one transaction
    #[arg(long, value_name = "ADDRESS|NAME=AMOUNT", conflicts_with = "to", env = "BEZANT_PAY")]
    pub(crate) pay: Vec<String>,
    /// Fee in grains per 1000 bytes [default: the net's minimum, or more while blocks are full]
    #[arg(long, value_name = "R", env = "BEZANT_FEE_RATE")]
    pub(crate) fee_rate: Option<u64>,
    /// Spend exactly this coin; may be given several times
    #[arg(long, value_name = "TXID:N", env = "BEZANT_COIN")]
    pub(crate) coin: Vec<String>,
    /// Until when to wait
    #[arg(long, value_name = "UNTIL", default_value = "final", env = "BEZANT_WAIT")]
    pub(crate) wait: WaitArg,
    /// Proof of work: confirmations that count as final for this call
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..), env = "BEZANT_CONFIRMATIONS")]
    pub(crate) confirmations: Option<u64>,
    /// How long to wait at most
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = duration, env = "BEZANT_TIMEOUT")]
    pub(crate) timeout: Duration,
    /// Plan, sign and ask a node whether it would take it, but send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask about a recipient
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Your own name for this payment: given again, the first payment is followed, and nobody is paid twice
    #[arg(long, value_name = "KEY", env = "BEZANT_ID")]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) password: Password,
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
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM")]
    pub(crate) from: String,
    /// Fee in grains per 1000 bytes [default: the net's minimum, or more while blocks are full]
    #[arg(long, value_name = "R", env = "BEZANT_FEE_RATE")]
    pub(crate) fee_rate: Option<u64>,
    /// Name of this round: the same file is paid once for each [default: a digest of who gets how much]
    #[arg(long, value_name = "KEY", env = "BEZANT_ID")]
    pub(crate) id: Option<String>,
    /// Until when to wait
    #[arg(long, value_name = "UNTIL", default_value = "final", env = "BEZANT_WAIT")]
    pub(crate) wait: WaitArg,
    /// How long to wait at most, for each transaction
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = duration, env = "BEZANT_TIMEOUT")]
    pub(crate) timeout: Duration,
    /// Show who would be paid, the fee and what would be left, but send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask about recipients
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) password: Password,
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
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM")]
    pub(crate) from: Option<String>,
    /// Fee in grains per 1000 bytes [default: what takes its place, or more while blocks are full]
    #[arg(long, value_name = "R", env = "BEZANT_FEE_RATE")]
    pub(crate) fee_rate: Option<u64>,
    /// Until when to wait
    #[arg(long, value_name = "UNTIL", default_value = "final", env = "BEZANT_WAIT")]
    pub(crate) wait: WaitArg,
    /// How long to wait at most
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = duration, env = "BEZANT_TIMEOUT")]
    pub(crate) timeout: Duration,
    /// Sign and ask a node whether it would take it, but send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) password: Password,
    #[command(flatten)]
    pub(crate) target: Target,
}

impl Send {
    /// Who is paid, and how much.
    pub(crate) fn payments(&self) -> Result<Vec<(String, Sum)>, String> {
        if self.pay.is_empty() {
            return self.payment().map(|(to, sum)| vec![(to.to_owned(), sum)]);
        }
        let one = |text: &String| {
            let (to, amount) = text.split_once('=').ok_or_else(|| {
                format!("--pay {text}: a recipient, = and an amount are expected, like: --pay bob=12.5")
            })?;
            let amount = amount.parse().map_err(|error| format!("--pay {text}: amount \"{amount}\": {error}"))?;
            Ok((to.to_owned(), Sum::Exactly(amount)))
        };
        self.pay.iter().map(one).collect()
    }

    fn payment(&self) -> Result<(&str, Sum), String> {
        let (to, amount) = match (&self.to, &self.what[..]) {
            (Some(to), [amount]) => (to, amount),
            (None, [to, amount]) => (to, amount),
            (Some(_), _) => return Err("with --to, only the amount is expected".to_owned()),
            (None, _) => return Err("a recipient and an amount are expected, like: bob 12.5".to_owned()),
        };
        if amount == "max" {
            return Ok((to, Sum::Max));
        }
        let parsed = amount.parse().map_err(|error| format!("amount \"{amount}\": {error}; max means all"))?;
        Ok((to, Sum::Exactly(parsed)))
    }
}
