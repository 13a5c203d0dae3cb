//! `wallet swap …`.

use super::paying::Sending;
use crate::cli::{Target, duration};
use bezant_consensus::ledger::amount::Amount;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// What goes without saying in a synopsis.
pub(crate) const SWAP_HELP: &str = "\
Two people exchange coins of two nets, and nobody can run away with both. The maker offers:
he pays into a lock on his net, which the taker can open with a secret, or the maker after
some time. The taker accepts: he pays into such a lock on the other net, which he can open
sooner. The maker redeems that, and so tells the secret; the taker redeems the first. If
anything goes wrong, both take their own back when time is up. Each command may be killed at
any moment and given again.

Examples:
  bezant wallet swap offer trade.swap --other-net pow --from alice --with bob --give 10 --get 25
  bezant wallet swap accept trade.swap --other-net pow --wallet bob
  bezant wallet swap redeem trade.swap --other-net pow --wallet alice
  bezant wallet swap redeem trade.swap --other-net pow --wallet bob
  bezant wallet swap refund trade.swap --other-net pow --wallet alice
  bezant wallet swap show trade.swap --other-net pow";

/// `wallet swap …`.
#[derive(Subcommand, Debug)]
pub(crate) enum Swap {
    /// Maker: write an offer to a file, and pay into its lock on --net
    #[command(
        after_help = "Example:\n  bezant wallet swap offer trade.swap --net pbft --other-net pow --from alice --with bob --give 10 --get 25"
    )]
    Offer(Offer),
    /// Taker: check an offer, and pay into its lock on the second net
    #[command(after_help = "Example:\n  bezant wallet swap accept trade.swap --net pow --other-net pbft --wallet bob")]
    Accept(SwapStep),
    /// Take what the other one paid: first the maker, which tells the secret; then the taker
    #[command(
        after_help = "Example:\n  bezant wallet swap redeem trade.swap --net pbft --other-net pow --wallet alice"
    )]
    Redeem(SwapStep),
    /// Take one's own back when time is up
    #[command(
        after_help = "Example:\n  bezant wallet swap refund trade.swap --net pbft --other-net pow --wallet alice"
    )]
    Refund(SwapStep),
    /// How far it is, and what comes next
    #[command(after_help = "Example:\n  bezant wallet swap show trade.swap --net pbft --other-net pow")]
    Show {
        #[command(flatten)]
        which: WhichSwap,
    },
}

/// A swap, and its two nets.
#[derive(Args, Debug)]
pub(crate) struct WhichSwap {
    /// The offer's file
    pub(crate) file: PathBuf,
    /// The other net
    #[arg(long, value_name = "NAME", env = "BEZANT_OTHER_NET")]
    pub(crate) other_net: String,
    /// Ask this node of the other net
    #[arg(long, value_name = "URL", env = "BEZANT_OTHER_RPC")]
    pub(crate) other_rpc: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `wallet swap offer`.
#[derive(Args, Debug)]
pub(crate) struct Offer {
    #[command(flatten)]
    pub(crate) which: WhichSwap,
    /// The wallet that pays on --net, and is paid on --other-net
    #[arg(long, value_name = "WALLET", env = "BEZANT_FROM")]
    pub(crate) from: String,
    /// Who the other one is: a name, or an address on --net
    #[arg(long, value_name = "ADDRESS|NAME", env = "BEZANT_WITH")]
    pub(crate) with: String,
    /// What you pay on --net, in BZT
    #[arg(long, value_name = "AMOUNT", env = "BEZANT_GIVE")]
    pub(crate) give: Amount,
    /// What you get on --other-net, in BZT
    #[arg(long, value_name = "AMOUNT", env = "BEZANT_GET")]
    pub(crate) get: Amount,
    /// When you may take back what you paid; the other one may after half of it [default: what the nets' finality wants]
    #[arg(long, value_name = "DUR", value_parser = duration, env = "BEZANT_REFUND_AFTER")]
    pub(crate) refund_after: Option<Duration>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

/// `wallet swap accept`, `redeem` and `refund`.
#[derive(Args, Debug)]
pub(crate) struct SwapStep {
    #[command(flatten)]
    pub(crate) which: WhichSwap,
    /// Your wallet [default: whichever of yours is a party, or of the nets' accounts]
    #[arg(long, value_name = "WALLET", env = "BEZANT_WALLET")]
    pub(crate) wallet: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}
