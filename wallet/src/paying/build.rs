//! Transfers: made, measured and signed. No files, nodes or clocks here; load generators use it as it is.

use crate::error::WalletError;
use crate::keys::keystore::Unlocked;
use crate::locks::policy::satisfy::Opening;
use crate::paying::selection::{self, Candidate, Sizes, Want};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use bezant_consensus::ledger::key::{PublicKey, Signature, SigningKey};
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::sighash::SighashCommon;
use bezant_consensus::ledger::transaction::{Body, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use bezant_consensus::limits::OUTPUTS_MAX;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// Recipients of one transaction: they leave room for hundreds of coins.
pub const RECIPIENTS_MAX: usize = 500;
const _: () = assert!(RECIPIENTS_MAX < OUTPUTS_MAX, "change needs an output too");

/// A coin under the lock of a single key, with that key.
#[derive(Clone, Copy, Debug)]
pub struct KeyCoin<'a> {
    /// Its name.
    pub outpoint: OutPoint,
    /// How much it is.
    pub amount: Amount,
    /// Opens it.
    pub key: &'a SigningKey,
}

/// A coin, and how it is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCoin {
    /// Its name.
    pub outpoint: OutPoint,
    /// How much it is.
    pub amount: Amount,
    /// Opens it.
    pub opening: Opening,
}

/// Keys that can sign, by their public halves.
pub type Ring<'a> = BTreeMap<PublicKey, &'a SigningKey>;

/// The keys of these wallets.
#[must_use]
pub fn ring<'a>(unlocked: impl IntoIterator<Item = &'a Unlocked>) -> Ring<'a> {
    unlocked.into_iter().flat_map(|unlocked| &unlocked.keys).map(|key| (key.public(), key)).collect()
}

/// A signed transfer of these coins to these outputs; what the outputs leave is the fee. Checks nothing: see
/// `bezant_consensus::ledger::rules`.
#[must_use]
pub fn transfer(network: &NetworkId, coins: &[KeyCoin<'_>], outputs: Vec<Output>) -> Transaction {
    let inputs = coins.iter().map(|coin| coin.outpoint).collect();
    let body = Body::Transfer(Transfer { inputs, outputs, lock_time: LockTime::NONE });
    let locks: Vec<Lock> = coins.iter().map(|coin| Lock::Key(coin.key.public())).collect();
    let spent: Vec<(Amount, LockHash)> =
        coins.iter().zip(&locks).map(|(coin, lock)| (coin.amount, lock.hash())).collect();
    let common = SighashCommon::new(network, &body, &spent);
    let witness = |(index, (coin, lock)): (usize, (&KeyCoin<'_>, Lock))| {
        let index = u32::try_from(index).expect("a transfer has at most 1000 inputs");
        let signatures = vec![coin.key.sign(&common.digest(index, &[], &lock))];
        Witness::Spend(Spend { amount: coin.amount, lock, signatures, preimages: Vec::new() })
    };
    let witnesses = coins.iter().zip(locks).enumerate().map(witness).collect();
    Transaction::new(body, witnesses)
}

/// What single-key transfers weigh. Measured, not assumed: from encodings of the same form.
#[must_use]
pub fn sizes() -> Sizes {
    let measure = |inputs: usize, outputs: usize| {
        let output = Output { amount: Amount::ZERO, lock: LockHash::default() };
        let key = SigningKey::from_seed(&[1; 32]).public();
        let spend = Spend {
            amount: Amount::ZERO,
            lock: Lock::Key(key),
            signatures: vec![Signature([0; 64])],
            preimages: Vec::new(),
        };
        let outpoint = OutPoint { txid: Default::default(), index: 0 };
        let transfer =
            Transfer { inputs: vec![outpoint; inputs], outputs: vec![output; outputs], lock_time: LockTime::NONE };
        Transaction::new(Body::Transfer(transfer), vec![Witness::Spend(spend); inputs]).bytes() as u64
    };
    let one = measure(1, 1);
    let (input, output) = (measure(2, 1) - one, measure(1, 2) - one);
    Sizes { base: one - input - output, input, output }
}

/// How much is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// This much, the fee being paid beside it.
    Exactly(Amount),
    /// All that there is, less the fee.
    Max,
}

/// Who is paid, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pays {
    /// These, the fee being paid beside it.
    Each(Vec<Output>),
    /// This one gets all that there is, less the fee.
    Everything(LockHash),
}

impl Pays {
    /// How much, all together.
    ///
    /// # Errors
    /// [`WalletError::Refused`] of kind `zero-amount` or `sum-too-large`.
    pub fn sum(&self) -> Result<Sum, WalletError> {
        let Pays::Each(outputs) = self else { return Ok(Sum::Max) };
        if outputs.iter().any(|output| output.amount == Amount::ZERO) || outputs.is_empty() {
            return Err(WalletError::refused("zero-amount", "an amount above 0 is expected for each recipient"));
        }
        let sum = Amount::checked_sum(outputs.iter().map(|output| output.amount));
        sum.map(Sum::Exactly)
            .ok_or_else(|| WalletError::refused("sum-too-large", "this is more money together than there can be"))
    }

    /// How many.
    #[must_use]
    pub fn recipients(&self) -> u64 {
        match self {
            Pays::Each(outputs) => outputs.len() as u64,
            Pays::Everything(_) => 1,
        }
    }
}

/// What a payment is to be.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Who is paid; at most [`RECIPIENTS_MAX`].
    pub pays: Pays,
    /// Where change goes.
    pub change: LockHash,
    /// Grains per 1,000 bytes.
    pub fee_rate: u64,
    /// What coins can be spent at on a quiet day, grains per 1,000 bytes.
    pub long_rate: u64,
    /// Spend all candidates, as somebody who named them wants.
    pub all: bool,
}

/// A payment that is only to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    /// What it does.
    pub transfer: Transfer,
    /// Amount and opening of each coin that it spends, in their order.
    pub spent: Vec<(Amount, Opening)>,
    /// What the recipients get.
    pub amount: Amount,
    /// What the block's maker gets.
    pub fee: Amount,
    /// What comes back: the last output, unless it is 0.
    pub change: Amount,
}

impl Unsigned {
    /// The keys that it takes.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<PublicKey> {
        self.spent.iter().flat_map(|(_, opening)| opening.keys()).map(|(_, key)| key).collect()
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`WalletError::Refused`] of kind `keys-missing` unless all of [`Unsigned::keys`] are in the ring.
    pub fn sign(self, network: &NetworkId, ring: &Ring<'_>) -> Result<Built, WalletError> {
        let (amount, fee, change) = (self.amount, self.fee, self.change);
        let transaction = sign(network, self.transfer, &self.spent, ring)?;
        Ok(Built { transaction, amount, fee, change })
    }
}

/// A signed payment.
#[derive(Clone, Debug)]
pub struct Built {
    /// The transaction.
    pub transaction: Transaction,
    /// What the recipients get.
    pub amount: Amount,
    /// What the block's maker gets.
    pub fee: Amount,
    /// What comes back: the last output, unless it is 0.
    pub change: Amount,
}

/// Signs a transfer whose coins are opened like this, in the order of its inputs. Checks nothing else: see
/// `bezant_consensus::ledger::rules`.
///
/// # Errors
/// [`WalletError::Refused`] of kind `keys-missing` unless all keys are in the ring.
///
/// # Panics
/// Unless there is an opening for each input.
pub fn sign(
    network: &NetworkId,
    transfer: Transfer,
    spent: &[(Amount, Opening)],
    ring: &Ring<'_>,
) -> Result<Transaction, WalletError> {
    assert_eq!(transfer.inputs.len(), spent.len(), "one opening for each input");
    let body = Body::Transfer(transfer);
    let stated: Vec<(Amount, LockHash)> =
        spent.iter().map(|(amount, opening)| (*amount, opening.lock.hash())).collect();
    let common = SighashCommon::new(network, &body, &stated);
    let mut witnesses = Vec::with_capacity(spent.len());
    for (index, (amount, opening)) in (0u32..).zip(spent) {
        let signature =
            |(path, key): (Vec<u8>, PublicKey)| Some(ring.get(&key)?.sign(&common.digest(index, &path, &opening.lock)));
        let signatures: Option<Vec<Signature>> = opening.keys().into_iter().map(signature).collect();
        let signatures =
            signatures.ok_or_else(|| WalletError::refused("keys-missing", "a key that has to sign is not at hand"))?;
        let (lock, preimages) = (opening.lock.clone(), opening.preimages.clone());
        witnesses.push(Witness::Spend(Spend { amount: *amount, lock, signatures, preimages }));
    }
    Ok(Transaction::new(body, witnesses))
}

/// A payment without its signatures, and which coins it spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// What it does.
    pub transfer: Transfer,
    /// Indices of the coins, in the order of its inputs.
    pub coins: Vec<usize>,
    /// What the recipients get.
    pub amount: Amount,
    /// What the block's maker gets.
    pub fee: Amount,
    /// What comes back: the last output, unless it is 0.
    pub change: Amount,
}

/// Chooses among `coins`, whatever their locks, and makes a payment. Change that would cost more to spend than it is worth goes into
/// the fee.
///
/// # Errors
/// [`WalletError::Refused`] of kind `insufficient-funds`, `too-many-coins`, `too-many-recipients`, `sum-too-large` or
/// `zero-amount`.
pub fn compose(
    coins: &[Candidate],
    sizes: Sizes,
    payment: &Payment,
    random: &mut impl Rng,
) -> Result<Composed, WalletError> {
    let recipients = payment.pays.recipients();
    if recipients > RECIPIENTS_MAX as u64 {
        let message = format!("{recipients} recipients are more than the {RECIPIENTS_MAX} of one transaction");
        return Err(WalletError::refused("too-many-recipients", message));
    }
    let (rate, long_rate, all) = (payment.fee_rate, payment.long_rate, payment.all);
    let want = Want { sum: payment.pays.sum()?, recipients, rate, long_rate, all };
    let chosen = selection::choose(coins, &want, sizes, random)?;
    let mut outputs = match &payment.pays {
        Pays::Each(outputs) => outputs.clone(),
        Pays::Everything(lock) => vec![Output { amount: chosen.amount, lock: *lock }],
    };
    if chosen.change != Amount::ZERO {
        outputs.push(Output { amount: chosen.change, lock: payment.change });
    }
    let outpoint: BTreeMap<usize, OutPoint> = coins.iter().map(|coin| (coin.index, coin.outpoint)).collect();
    let inputs = chosen.coins.iter().map(|index| outpoint[index]).collect();
    let transfer = Transfer { inputs, outputs, lock_time: LockTime::NONE };
    Ok(Composed { transfer, coins: chosen.coins, amount: chosen.amount, fee: chosen.fee, change: chosen.change })
}

/// Chooses among `coins` and makes a payment, which is only to be signed.
///
/// # Errors
/// As [`compose`].
pub fn payment(coins: &[OpenCoin], payment: &Payment, random: &mut impl Rng) -> Result<Unsigned, WalletError> {
    let candidate = |(index, coin): (usize, &OpenCoin)| Candidate {
        index,
        amount: coin.amount,
        outpoint: coin.outpoint,
        bytes: coin.opening.input_bytes(),
    };
    let candidates: Vec<Candidate> = coins.iter().enumerate().map(candidate).collect();
    // Change goes back to where the coins come from, and will take as much.
    let input = candidates.iter().map(|coin| coin.bytes).max().unwrap_or(sizes().input);
    let Composed { transfer, coins: chosen, amount, fee, change } =
        compose(&candidates, Sizes { input, ..sizes() }, payment, random)?;
    let spent = chosen.iter().map(|index| (coins[*index].amount, coins[*index].opening.clone())).collect();
    Ok(Unsigned { transfer, spent, amount, fee, change })
}
