//! `wallet receipt` and `wallet verify-receipt`.

use crate::cli::{Net, Target};
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::target::Work;
use clap::Args;
use std::path::PathBuf;

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
