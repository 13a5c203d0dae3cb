//! `wallet lock …`.

use crate::cli::Target;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `wallet lock …`.
#[derive(Subcommand, Debug)]
pub(crate) enum Lock {
    /// So many of these together: a multisig
    #[command(
        after_help = "Each party is a wallet, an account or an address; whoever names the same ones in the same order gets the same address.\n\nExample:\n  bezant wallet lock multisig club --of 2 alice bob bzt1…"
    )]
    Multisig(Multisig),
    /// Somebody alone, but not before a height or moment
    #[command(
        after_help = "Examples:\n  bezant wallet lock until pension --for alice --after 1000\n  bezant wallet lock until pension --for alice --after 2030-01-01T00:00Z"
    )]
    Until(Until),
    /// Somebody who knows a secret; perhaps, later, somebody else without it
    #[command(
        after_help = "Examples:\n  bezant wallet lock hash deal --for bob --new-preimage secret.txt --refund alice --after 1000\n  bezant wallet lock hash deal --for bob --sha256 HEX"
    )]
    Hash(HashLock),
    /// Some together at any time, or one alone once a coin has waited for so many blocks
    #[command(
        after_help = "Example:\n  bezant wallet lock vault savings --together alice bob --later alice --blocks 144"
    )]
    Vault(Vault),
    /// Any lock, as a text; also what another party shows with `lock show`
    #[command(
        after_help = "Parts: pk(WALLET|ADDRESS|KEY), thresh(k, …), and(…), or(…), after(HEIGHT|YYYY-MM-DDTHH:MMZ), older(BLOCKS), sha256(HEX)\n\nExample:\n  bezant wallet lock policy club \"thresh(2,pk(alice),pk(bob),and(older(1000),pk(carol)))\""
    )]
    Policy(PolicyLock),
    /// What a lock says, its address, and what is needed to spend from it now
    #[command(
        after_help = "Examples:\n  bezant wallet lock show club\n  bezant wallet lock show \"and(pk(alice),after(1000))\" --json"
    )]
    Show(ShowLock),
}

/// `lock multisig`.
#[derive(Args, Debug)]
pub(crate) struct Multisig {
    /// Name of the new wallet, which watches the lock
    pub(crate) name: String,
    /// How many have to sign
    #[arg(long, value_name = "K", env = "BEZANT_OF")]
    pub(crate) of: u8,
    /// Who can sign: 1 to 16 wallets, accounts or addresses
    #[arg(required = true, value_name = "PARTY")]
    pub(crate) parties: Vec<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `lock until`.
#[derive(Args, Debug)]
pub(crate) struct Until {
    /// Name of the new wallet, which watches the lock
    pub(crate) name: String,
    /// Who can spend then: a wallet, an account or an address
    #[arg(long = "for", value_name = "PARTY", env = "BEZANT_FOR")]
    pub(crate) party: String,
    /// From when on: a height, or a moment like 2030-01-01T00:00Z (UTC)
    #[arg(long, value_name = "HEIGHT|TIME", env = "BEZANT_AFTER")]
    pub(crate) after: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `lock hash`.
#[derive(Args, Debug)]
pub(crate) struct HashLock {
    /// Name of the new wallet, which watches the lock
    pub(crate) name: String,
    /// Who can spend with the secret: a wallet, an account or an address
    #[arg(long = "for", value_name = "PARTY", env = "BEZANT_FOR")]
    pub(crate) party: String,
    /// SHA-256 of the 32-byte secret, if somebody else knows it
    #[arg(long, value_name = "HEX", required_unless_present_any = ["preimage_file", "new_preimage"], conflicts_with_all = ["preimage_file", "new_preimage"], env = "BEZANT_SHA256")]
    pub(crate) sha256: Option<String>,
    /// A file with the secret, 64 hex digits
    #[arg(long, value_name = "FILE", conflicts_with = "new_preimage", env = "BEZANT_PREIMAGE_FILE")]
    pub(crate) preimage_file: Option<PathBuf>,
    /// Make a secret, and write it to this file, which must not exist
    #[arg(long, value_name = "FILE", env = "BEZANT_NEW_PREIMAGE")]
    pub(crate) new_preimage: Option<PathBuf>,
    /// Who can spend without the secret later
    #[arg(long, value_name = "PARTY", requires = "after", env = "BEZANT_REFUND")]
    pub(crate) refund: Option<String>,
    /// From when on: a height, or a moment like 2030-01-01T00:00Z (UTC)
    #[arg(long, value_name = "HEIGHT|TIME", requires = "refund", env = "BEZANT_AFTER")]
    pub(crate) after: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `lock vault`.
#[derive(Args, Debug)]
pub(crate) struct Vault {
    /// Name of the new wallet, which watches the lock
    pub(crate) name: String,
    /// Who can spend at any time, all of them together
    #[arg(long, value_name = "PARTY", required = true, num_args = 1.., value_delimiter = ',', env = "BEZANT_TOGETHER")]
    pub(crate) together: Vec<String>,
    /// Who can spend alone, later
    #[arg(long, value_name = "PARTY", env = "BEZANT_LATER")]
    pub(crate) later: String,
    /// How many blocks a coin waits before that
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "BEZANT_BLOCKS")]
    pub(crate) blocks: u32,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `lock policy`.
#[derive(Args, Debug)]
pub(crate) struct PolicyLock {
    /// Name of the new wallet, which watches the lock
    pub(crate) name: String,
    /// The lock as a text
    #[arg(value_name = "POLICY")]
    pub(crate) policy: String,
    /// Allow a lock that somebody may open without any key: whoever sees such a spend can take the coins
    #[arg(long)]
    pub(crate) allow_keyless: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `lock show`.
#[derive(Args, Debug)]
pub(crate) struct ShowLock {
    /// A wallet's name, an address, or a policy
    #[arg(value_name = "NAME|ADDRESS|POLICY")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) target: Target,
}
