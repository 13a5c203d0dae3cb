//! What a swap is about: a small text that both parties hold, from which both derive the same two locks.

use crate::error::WalletError;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::{EngineParams, Genesis};
use bezant_consensus::ledger::hash::{LockHash, NetworkId, sha256, tagged};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The one version of such files there is.
const VERSION: u32 = 1;
/// Bytes of a file, at most.
pub const TERMS_BYTES_MAX: u64 = 8 * 1024;
/// In how many intervals between blocks of proof of work so many blocks will have come, but for the worst of luck.
const SPACINGS_PER_BLOCK: u32 = 3;
/// No step takes less, in seconds: people, programs and clocks need time.
const STEP_S_MIN: u32 = 60;

/// What one party pays on one net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The net.
    pub network: NetworkId,
    /// What is paid.
    pub amount: Amount,
    /// Who pays, and gets it back when time is up.
    pub payer: LockHash,
    /// Who gets it for the secret.
    pub payee: LockHash,
    /// From this second on the payer may take it back, as the net judges time ([`LockTime::Time`]).
    pub refund_from: u32,
}

/// A swap. The **maker** pays on the first net and knows the secret; the **taker** pays on the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// Chosen at random, so that no two swaps have one secret.
    pub nonce: [u8; 32],
    /// What the maker pays.
    pub first: Side,
    /// What the taker pays.
    pub second: Side,
}

impl Terms {
    /// New terms, whose secret comes from the maker's key: that of the second side's payee.
    #[must_use]
    pub fn new(nonce: [u8; 32], first: Side, second: Side, maker: &SigningKey) -> Terms {
        let mut terms = Terms { hash: [0; 32], nonce, first, second };
        terms.hash = sha256(&*terms.derive(maker));
        terms
    }

    /// The secret, which the maker's key alone can tell: nothing of it is kept on any disk.
    ///
    /// # Errors
    /// [`WalletError::Refused`] of kind `not-your-offer` when the hash is that of another secret.
    pub fn secret(&self, maker: &SigningKey) -> Result<Zeroizing<[u8; 32]>, WalletError> {
        let secret = self.derive(maker);
        if sha256(&*secret) == self.hash {
            return Ok(secret);
        }
        let message = "this is not the offer that you made: its secret is another; use your own file";
        Err(WalletError::refused("not-your-offer", message))
    }

    fn derive(&self, maker: &SigningKey) -> Zeroizing<[u8; 32]> {
        let sides = [&self.first, &self.second]
            .map(|side| encode(&(side.network.0, side.amount, side.payer, side.payee, side.refund_from)));
        // Signatures of this key are the same every time (RFC 8032), and nobody else can make them.
        let signature = maker.sign(&tagged("bezant/swap", &[&self.nonce, &sides[0], &sides[1]]));
        Zeroizing::new(tagged("bezant/swap-secret", &[&signature.0]))
    }

    /// The lock of what is paid on a side: the payee with the secret, or the payer when time is up.
    #[must_use]
    pub fn lock(&self, side: &Side) -> Lock {
        let both = |one: Lock, two: LockHash| Lock::Threshold { k: 2, of: vec![one, Lock::Opaque(two)] };
        let paid = both(Lock::Hash(self.hash), side.payee);
        let returned = both(Lock::After(LockTime::Time(side.refund_from)), side.payer);
        Lock::Threshold { k: 1, of: vec![paid, returned] }
    }

    /// What names the swap in journals and messages: the first 16 hex digits of its hash.
    #[must_use]
    pub fn name(&self) -> String {
        hex::encode(&self.hash[..8])
    }

    /// The text of its file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let side = |side: &Side| JsonSide {
            network_id: hex::encode(side.network.0),
            amount: side.amount.grains().to_string(),
            payer: side.payer.to_string(),
            payee: side.payee.to_string(),
            refund_from: side.refund_from,
        };
        let (hash, nonce) = (hex::encode(self.hash), hex::encode(self.nonce));
        let json = Json { version: VERSION, hash, nonce, first: side(&self.first), second: side(&self.second) };
        serde_json::to_string_pretty(&json).expect("texts and numbers have a JSON form") + "\n"
    }

    /// Reads that text.
    ///
    /// # Errors
    /// Says in a few words what is wrong with it.
    pub fn from_text(text: &str) -> Result<Terms, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if json.version != VERSION {
            return Err(format!("version {}, and this program knows version {VERSION} only", json.version));
        }
        let terms = Terms {
            hash: bytes("hash", &json.hash)?,
            nonce: bytes("nonce", &json.nonce)?,
            first: json.first.read()?,
            second: json.second.read()?,
        };
        if terms.first.network == terms.second.network {
            return Err("both sides are on one net".to_owned());
        }
        Ok(terms)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    version: u32,
    hash: String,
    nonce: String,
    first: JsonSide,
    second: JsonSide,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonSide {
    network_id: String,
    amount: String,
    payer: String,
    payee: String,
    refund_from: u32,
}

impl JsonSide {
    fn read(&self) -> Result<Side, String> {
        let amount = self.amount.parse().ok().and_then(Amount::from_grains).filter(|amount| *amount > Amount::ZERO);
        let lock = |text: &str| text.parse().map_err(|_| format!("\"{text}\" is no lock hash"));
        Ok(Side {
            network: NetworkId(bytes("network_id", &self.network_id)?),
            amount: amount.ok_or_else(|| format!("\"{}\" is no amount of grains above 0", self.amount))?,
            payer: lock(&self.payer)?,
            payee: lock(&self.payee)?,
            refund_from: self.refund_from,
        })
    }
}

fn bytes(what: &str, text: &str) -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| format!("{what} is not 32 bytes of hex"))?;
    Ok(bytes)
}

/// Seconds within which a step (a transfer that becomes final) is done on a net, but for the worst of luck.
#[must_use]
pub fn step_s(genesis: &Genesis) -> u32 {
    match &genesis.engine {
        EngineParams::Pbft(_) => STEP_S_MIN,
        EngineParams::Pow(params) => {
            let blocks = params.final_depth.saturating_add(1);
            blocks.saturating_mul(params.spacing_s).saturating_mul(SPACINGS_PER_BLOCK).max(STEP_S_MIN)
        }
    }
}

/// Seconds that are left on a side, and that a step takes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Until the payer may take it back; 0 when he may now.
    pub left_s: u32,
    /// What a step takes ([`step_s`]).
    pub step_s: u32,
}

/// Whether the taker may pay: the maker needs time to take it on the second net, and the taker after that on the first.
///
/// # Errors
/// [`WalletError::Refused`] of kind `too-late`.
pub fn check_acceptable(first: Left, second: Left) -> Result<(), WalletError> {
    let needed_second = second.step_s.saturating_mul(2);
    let needed_first = second.left_s.saturating_add(first.step_s);
    if second.left_s < needed_second {
        return Err(too_late(second.left_s, needed_second, "the maker needs to take what you would pay"));
    }
    if first.left_s < needed_first {
        return Err(too_late(first.left_s, needed_first, "you need to take what the maker paid, even if he is slow"));
    }
    Ok(())
}

/// Whether the maker may show the secret: he must have taken the second side before its payer may take it back.
///
/// # Errors
/// [`WalletError::Refused`] of kind `too-late`.
pub fn check_redeemable(side: Left) -> Result<(), WalletError> {
    if side.left_s >= side.step_s {
        return Ok(());
    }
    Err(too_late(side.left_s, side.step_s, "you need to take what was paid before its payer may take it back"))
}

fn too_late(left_s: u32, needed_s: u32, what: &str) -> WalletError {
    WalletError::refused("too-late", format!("it is too late: {left_s} s are left, and {needed_s} s are what {what}"))
}
