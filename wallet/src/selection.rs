//! Which coins to spend. Two ways are tried, and the less wasteful result is taken:
//!
//! - **Branch and bound** looks for coins that need no change: largest first, with a coin and then without it, giving up
//!   branches that cannot pay, pay too much, or waste more than what was found. It stops after [`TRIES_MAX`] steps, so that
//!   no set of coins makes it slow.
//! - **A single random draw** takes coins at random until they pay, so that neither small coins pile up nor payments can be
//!   told by the order of their coins. It finds something whenever there is something.
//!
//! **Waste** is what spending now costs more than spending later (bytes of the inputs at the rate above the long-term rate),
//! and either the change (its output now and its input later) or what is given to the block's maker instead of change.
//!
//! A coin that costs more to spend than it is worth is never taken, and change that would be such a coin goes into the fee.
//! Nothing here knows a clock or a source of randomness: the same coins and the same draw give the same choice.
//! [Why no library](../../docs/decisions/0029-coin-selection-of-our-own.md).

use crate::build::Sum;
use crate::error::WalletError;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::limits::{INPUTS_MAX, TRANSACTION_BYTES_MAX};
use rand::{Rng, RngExt};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[cfg(test)]
mod tests;

/// Steps of branch and bound, at most.
pub const TRIES_MAX: usize = 100_000;
/// A draw goes on until the change is worth this many times what spending it will cost, if there are coins for it.
const CHANGE_MULTIPLE_MIN: u64 = 10;
/// Values are compared in thousandths of a grain, in which no fee is rounded; fees rounded up are less than this above, twice.
const ROUNDING_MILLIGRAINS: u128 = 2_000;

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

    /// Inputs that fit in a transfer beside so many recipients and change.
    #[must_use]
    pub fn inputs_max(&self, recipients: u64) -> usize {
        let room = (TRANSACTION_BYTES_MAX as u64).saturating_sub(self.of(0, recipients + 1)) / self.input;
        usize::try_from(room).unwrap_or(INPUTS_MAX).min(INPUTS_MAX)
    }
}

/// What coins are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// How much goes to recipients, all together.
    pub sum: Sum,
    /// How many outputs that takes.
    pub recipients: u64,
    /// Grains per 1,000 bytes.
    pub rate: u64,
    /// What coins can be spent at on a quiet day, grains per 1,000 bytes.
    pub long_rate: u64,
    /// Spend every candidate.
    pub all: bool,
}

/// What to spend and how to divide it: the chosen coins add up to amount + fee + change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Indices of the coins.
    pub coins: Vec<usize>,
    /// To the recipients.
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

/// Chooses coins for what is wanted.
///
/// # Errors
/// [`WalletError::Refused`] of kind `zero-amount`, `insufficient-funds` or `too-many-coins`.
pub fn choose(
    candidates: &[Candidate],
    want: &Want,
    sizes: Sizes,
    random: &mut impl Rng,
) -> Result<Choice, WalletError> {
    if want.sum == Sum::Exactly(Amount::ZERO) {
        return Err(WalletError::refused("zero-amount", "an amount above 0 is expected"));
    }
    let search = Search { want, sizes, inputs_max: sizes.inputs_max(want.recipients) };
    let worth_it = |coin: &&Candidate| want.all || coin.amount.grains() > fee(sizes.input, want.rate);
    let mut coins: Vec<&Candidate> = candidates.iter().filter(worth_it).collect();
    // Cached: the keys lie side by side, the coins do not.
    coins.sort_by_cached_key(|coin| (Reverse(coin.amount), coin.outpoint));
    let found = match want.sum {
        Sum::Exactly(_) if want.all => search.everything(&coins, coins.len()),
        Sum::Max => search.everything(&coins, if want.all { coins.len() } else { search.inputs_max }),
        Sum::Exactly(_) => {
            let both = [search.changeless(&coins, TRIES_MAX), search.draw(&coins, random)];
            both.into_iter().flatten().min_by_key(|choice| search.waste(choice))
        }
    };
    match found {
        Some(choice) if choice.coins.len() <= search.inputs_max => Ok(choice),
        // More than fit would have to be spent.
        Some(_) => Err(search.too_many()),
        None if coins.len() > search.inputs_max && search.everything(&coins, coins.len()).is_some() => {
            Err(search.too_many())
        }
        None => Err(search.insufficient(&coins)),
    }
}

/// One question.
struct Search<'a> {
    want: &'a Want,
    sizes: Sizes,
    inputs_max: usize,
}

impl Search<'_> {
    /// The first `count` coins, all of them.
    fn everything(&self, coins: &[&Candidate], count: usize) -> Option<Choice> {
        let taken = &coins[..coins.len().min(count)];
        self.divide(taken.iter().map(|coin| coin.index).collect(), sum_of(taken))
    }

    /// The least wasteful set of coins that needs no change, if there is one and it is found in so many steps.
    fn changeless(&self, coins: &[&Candidate], tries_max: usize) -> Option<Choice> {
        let Sum::Exactly(amount) = self.want.sum else { return None };
        let spend = u128::from(self.sizes.input) * u128::from(self.want.rate);
        // What a coin contributes after paying for itself; never negative, see the filter above.
        let value = |coin: &&Candidate| (u128::from(coin.amount.grains()) * 1_000).saturating_sub(spend);
        let values: Vec<u128> = coins.iter().map(value).collect();
        let fixed = u128::from(self.sizes.of(0, self.want.recipients)) * u128::from(self.want.rate);
        let least = u128::from(amount.grains()) * 1_000 + fixed;
        let most = least + self.change_cost() + ROUNDING_MILLIGRAINS;
        // What all coins from a position on contribute, and the next position with another amount.
        let (mut left, mut other) = (vec![0u128; coins.len() + 1], vec![coins.len(); coins.len()]);
        for position in (0..coins.len()).rev() {
            left[position] = left[position + 1] + values[position];
            let is_same = values.get(position + 1) == Some(&values[position]);
            other[position] = if is_same { other[position + 1] } else { position + 1 };
        }
        let (mut taken, mut total, mut next): (Vec<usize>, u128, usize) = (Vec::new(), 0, 0);
        let mut best: Option<(u128, Vec<usize>)> = None;
        for _ in 0..tries_max {
            let is_wasteful = best.as_ref().is_some_and(|(waste, _)| self.inputs_waste(taken.len()) >= *waste);
            let is_hopeless = is_wasteful || total > most || total + left[next] < least;
            if !is_hopeless && total < least && taken.len() < self.inputs_max {
                taken.push(next);
                total += values[next];
                next += 1;
                continue;
            }
            if !is_hopeless
                && total >= least
                && let Ok(grains) = u64::try_from((total + spend * taken.len() as u128) / 1_000)
                && let Some((_, fee, 0)) = self.shares(taken.len(), grains)
            {
                let waste = self.waste_of(taken.len(), fee, false);
                if best.as_ref().is_none_or(|(so_far, _)| waste < *so_far) {
                    best = Some((waste, taken.clone()));
                }
            }
            // Back to the last coin that was taken, and on without it and without its equals, which would be the same again.
            let Some(last) = taken.pop() else { break };
            total -= values[last];
            next = other[last];
        }
        let (_, taken) = best?;
        let chosen: Vec<&Candidate> = taken.into_iter().map(|position| coins[position]).collect();
        self.everything(&chosen, chosen.len())
    }

    /// Coins at random until they pay; of too many, the largest.
    fn draw(&self, coins: &[&Candidate], random: &mut impl Rng) -> Option<Choice> {
        let mut order: Vec<usize> = (0..coins.len()).collect();
        let mut held: BinaryHeap<Reverse<(Amount, usize)>> = BinaryHeap::new();
        let (mut total, mut enough) = (0u64, None);
        for place in 0..order.len() {
            let other = random.random_range(place..order.len());
            order.swap(place, other);
            let coin = coins[order[place]];
            held.push(Reverse((coin.amount, order[place])));
            total = total.saturating_add(coin.amount.grains());
            if held.len() > self.inputs_max
                && let Some(Reverse((amount, _))) = held.pop()
            {
                total -= amount.grains();
            }
            let Some((_, _, change)) = self.shares(held.len(), total) else { continue };
            let comfortable = fee(self.sizes.input, self.want.rate).saturating_mul(CHANGE_MULTIPLE_MIN);
            let is_good = change == 0 || change >= comfortable;
            if is_good || enough.is_none() {
                let mut positions: Vec<usize> = held.iter().map(|Reverse((_, position))| *position).collect();
                positions.sort_unstable();
                enough = self.divide(positions.into_iter().map(|position| coins[position].index).collect(), total);
            }
            if is_good {
                break;
            }
        }
        enough
    }

    /// What is lost by this choice, in thousandths of a grain.
    fn waste(&self, choice: &Choice) -> u128 {
        self.waste_of(choice.coins.len(), choice.fee.grains(), choice.change != Amount::ZERO)
    }

    fn waste_of(&self, inputs: usize, fee: u64, has_change: bool) -> u128 {
        let needed = u128::from(self.sizes.of(inputs as u64, self.want.recipients)) * u128::from(self.want.rate);
        let given_away = (u128::from(fee) * 1_000).saturating_sub(needed);
        self.inputs_waste(inputs) + if has_change { self.change_cost() } else { given_away }
    }

    /// What so many inputs cost more now than on a quiet day.
    fn inputs_waste(&self, inputs: usize) -> u128 {
        let above = self.want.rate.saturating_sub(self.want.long_rate);
        inputs as u128 * u128::from(self.sizes.input) * u128::from(above)
    }

    /// What change costs: its output now, its input later.
    fn change_cost(&self) -> u128 {
        u128::from(self.sizes.output + self.sizes.input) * u128::from(self.want.rate)
    }

    /// Amount, fee and change of so many coins with this total, if they suffice.
    fn shares(&self, inputs: usize, total: u64) -> Option<(u64, u64, u64)> {
        let (rate, recipients) = (self.want.rate, self.want.recipients);
        let least = fee(self.sizes.of(inputs as u64, recipients), rate);
        if inputs == 0 {
            return None;
        }
        match self.want.sum {
            Sum::Max => total.checked_sub(least).filter(|amount| *amount > 0).map(|amount| (amount, least, 0)),
            Sum::Exactly(amount) => {
                let rest = total.checked_sub(amount.grains())?;
                let with_change = fee(self.sizes.of(inputs as u64, recipients + 1), rate);
                // Worth its output now and its input later, or it goes to the block's maker.
                match rest.checked_sub(with_change).filter(|change| *change > fee(self.sizes.input, rate)) {
                    Some(change) => Some((amount.grains(), with_change, change)),
                    None => (rest >= least).then_some((amount.grains(), rest, 0)),
                }
            }
        }
    }

    fn divide(&self, coins: Vec<usize>, total: u64) -> Option<Choice> {
        let (amount, fee, change) = self.shares(coins.len(), total)?;
        let [amount, fee, change] = [amount, fee, change].map(Amount::from_grains);
        Some(Choice { coins, amount: amount?, fee: fee?, change: change? })
    }

    fn too_many(&self) -> WalletError {
        let message = format!("more than {} coins would be needed; send less at once", self.inputs_max);
        WalletError::refused("too-many-coins", message)
    }

    fn insufficient(&self, coins: &[&Candidate]) -> WalletError {
        let text = |grains: u64| Amount::from_grains(grains).unwrap_or(Amount::MAX).to_string();
        let inputs = coins.len().clamp(1, self.inputs_max.max(1)) as u64;
        let fee = text(fee(self.sizes.of(inputs, self.want.recipients), self.want.rate));
        let total = text(sum_of(coins));
        let message = match self.want.sum {
            Sum::Exactly(amount) => {
                format!("{total} BZT are spendable, {amount} and a fee of about {fee} are needed")
            }
            Sum::Max => format!("{total} BZT are spendable, which a fee of about {fee} uses up"),
        };
        WalletError::refused("insufficient-funds", message)
    }
}

fn sum_of(coins: &[&Candidate]) -> u64 {
    coins.iter().fold(0, |total, coin| total.saturating_add(coin.amount.grains()))
}
