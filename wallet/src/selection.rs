//! Which coins to spend: the largest first, until they pay for the amount and for their own weight. Linear after sorting.
//!
//! A coin that costs more to spend than it is worth is never taken, and change that would be such a coin goes into the fee.

use crate::build::Sum;
use crate::error::WalletError;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::limits::{INPUTS_MAX, TRANSACTION_BYTES_MAX};

#[cfg(test)]
mod tests;

/// A coin that may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Names it in the result.
    pub index: usize,
    /// How much it is.
    pub amount: Amount,
    /// Decides among equals, so that the choice depends on the coins alone.
    pub outpoint: OutPoint,
}

/// Bytes of a transfer: base + inputs · input + outputs · output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Without inputs and outputs.
    pub base: u64,
    /// Of one input with its witness.
    pub input: u64,
    /// Of one output.
    pub output: u64,
}

impl Sizes {
    /// Bytes of a transfer with so many inputs and outputs.
    #[must_use]
    pub fn of(&self, inputs: u64, outputs: u64) -> u64 {
        self.base + inputs * self.input + outputs * self.output
    }

    /// Inputs that fit in a transfer beside two outputs.
    #[must_use]
    pub fn inputs_max(&self) -> usize {
        let room = (TRANSACTION_BYTES_MAX as u64).saturating_sub(self.of(0, 2)) / self.input;
        usize::try_from(room).unwrap_or(INPUTS_MAX).min(INPUTS_MAX)
    }
}

/// What to spend and how to divide it: the chosen coins add up to amount + fee + change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Indices of the coins.
    pub coins: Vec<usize>,
    /// To the recipient.
    pub amount: Amount,
    /// To the block's maker.
    pub fee: Amount,
    /// Back; zero means that there is no change output.
    pub change: Amount,
}

/// The fee of so many bytes at a rate in grains per 1,000 bytes, rounded up as the mempool does.
#[must_use]
pub fn fee(bytes: u64, rate: u64) -> u64 {
    u64::try_from((u128::from(bytes) * u128::from(rate)).div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// Chooses coins for a sum at a fee rate; with `all`, spends every candidate.
///
/// # Errors
/// [`WalletError::Refused`] of kind `zero-amount`, `insufficient-funds` or `too-many-coins`.
pub fn choose(candidates: &[Candidate], sum: Sum, rate: u64, all: bool, sizes: Sizes) -> Result<Choice, WalletError> {
    if sum == Sum::Exactly(Amount::ZERO) {
        return Err(WalletError::refused("zero-amount", "an amount above 0 is expected"));
    }
    let worth_it = |coin: &&Candidate| all || coin.amount.grains() > fee(sizes.input, rate);
    let mut coins: Vec<&Candidate> = candidates.iter().filter(worth_it).collect();
    coins.sort_unstable_by_key(|coin| (std::cmp::Reverse(coin.amount), coin.outpoint));
    let everything = all || sum == Sum::Max;
    let usable = if everything && !all { coins.len().min(sizes.inputs_max()) } else { coins.len() };
    let (mut chosen, mut total) = (Vec::new(), 0u64);
    for coin in &coins[..usable] {
        if !everything && let Some(choice) = divide(&chosen, total, sum, rate, sizes) {
            return Ok(choice);
        }
        if chosen.len() == sizes.inputs_max() {
            let message = format!("more than {} coins would be needed; send less at once", chosen.len());
            return Err(WalletError::refused("too-many-coins", message));
        }
        chosen.push(coin.index);
        total = total.saturating_add(coin.amount.grains());
    }
    divide(&chosen, total, sum, rate, sizes).ok_or_else(|| insufficient(total, chosen.len(), sum, rate, sizes))
}

/// Amount, fee and change of these coins, if they suffice.
fn divide(chosen: &[usize], total: u64, sum: Sum, rate: u64, sizes: Sizes) -> Option<Choice> {
    if chosen.is_empty() {
        return None;
    }
    let least = fee(sizes.of(chosen.len() as u64, 1), rate);
    let (amount, fee_paid, change) = match sum {
        Sum::Max => (total.checked_sub(least)?, least, 0),
        Sum::Exactly(amount) => {
            let rest = total.checked_sub(amount.grains())?;
            let with_change = fee(sizes.of(chosen.len() as u64, 2), rate);
            // Worth its output now and its input later, or it goes to the block's maker.
            match rest.checked_sub(with_change).filter(|change| *change > fee(sizes.input, rate)) {
                Some(change) => (amount.grains(), with_change, change),
                None if rest >= least => (amount.grains(), rest, 0),
                None => return None,
            }
        }
    };
    let amount = Amount::from_grains(amount).filter(|amount| *amount != Amount::ZERO)?;
    let (fee, change) = (Amount::from_grains(fee_paid)?, Amount::from_grains(change)?);
    Some(Choice { coins: chosen.to_vec(), amount, fee, change })
}

fn insufficient(total: u64, coins: usize, sum: Sum, rate: u64, sizes: Sizes) -> WalletError {
    let text = |grains: u64| Amount::from_grains(grains).unwrap_or(Amount::MAX).to_string();
    let fee = text(fee(sizes.of(coins.max(1) as u64, 1), rate));
    let message = match sum {
        Sum::Exactly(amount) => {
            format!("{} BZT are spendable, {amount} and a fee of about {fee} are needed", text(total))
        }
        Sum::Max => format!("{} BZT are spendable, which a fee of about {fee} uses up", text(total)),
    };
    WalletError::refused("insufficient-funds", message)
}
