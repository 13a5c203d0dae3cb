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

use crate::error::WalletError;
use crate::paying::build::Sum;
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
    /// Bytes of the input that spends it, with its witness.
    pub bytes: u64,
}

/// Bytes of a transfer: base + its inputs + outputs · output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Without inputs and outputs.
    pub base: u64,
    /// Of an input that spends the change one day, with its witness; and of every input that nothing else is known of.
    pub input: u64,
    /// Of one output.
    pub output: u64,
}

impl Sizes {
    /// Bytes of a transfer with so many inputs of the usual size, and outputs.
    #[must_use]
    pub fn of(&self, inputs: u64, outputs: u64) -> u64 {
        self.with(inputs * self.input, outputs)
    }

    /// Bytes of a transfer with so many bytes of inputs, and outputs.
    #[must_use]
    pub fn with(&self, input_bytes: u64, outputs: u64) -> u64 {
        self.base + input_bytes + outputs * self.output
    }

    /// Whether inputs fit in a transfer beside so many recipients and change.
    #[must_use]
    pub fn fits(&self, load: Load, recipients: u64) -> bool {
        load.inputs <= INPUTS_MAX && self.with(load.bytes, recipients + 1) <= TRANSACTION_BYTES_MAX as u64
    }
}

/// Inputs of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How many.
    pub inputs: usize,
    /// Their bytes, with the witnesses.
    pub bytes: u64,
}

impl Load {
    /// With one more.
    #[must_use]
    pub fn and(self, bytes: u64) -> Load {
        Load { inputs: self.inputs + 1, bytes: self.bytes + bytes }
    }

    /// With one less, which was there.
    fn less(self, bytes: u64) -> Load {
        Load { inputs: self.inputs - 1, bytes: self.bytes - bytes }
    }

    fn of(coins: &[&Candidate]) -> Load {
        coins.iter().fold(Load::default(), |load, coin| load.and(coin.bytes))
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
    let search = Search { want, sizes };
    let worth_it = |coin: &&Candidate| want.all || coin.amount.grains() > fee(coin.bytes, want.rate);
    let mut coins: Vec<&Candidate> = candidates.iter().filter(worth_it).collect();
    // Cached: the keys lie side by side, the coins do not.
    coins.sort_by_cached_key(|coin| (Reverse(search.value(coin)), coin.outpoint));
    let found = match want.sum {
        Sum::Exactly(_) if want.all => search.everything(&coins),
        Sum::Max => search.everything(if want.all { &coins } else { search.as_many_as_fit(&coins) }),
        Sum::Exactly(_) => {
            let both = [search.changeless(&coins, TRIES_MAX), search.draw(&coins, random)];
            both.into_iter().flatten().min_by_key(|(choice, load)| search.waste(choice, *load))
        }
    };
    match found {
        Some((choice, load)) if search.fits(load) => Ok(choice),
        // More than fit would have to be spent.
        Some(_) => Err(search.too_many()),
        None if !search.fits(Load::of(&coins)) && search.everything(&coins).is_some() => Err(search.too_many()),
        None => Err(search.insufficient(&coins)),
    }
}

/// One question.
struct Search<'a> {
    want: &'a Want,
    sizes: Sizes,
}

impl Search<'_> {
    fn fits(&self, load: Load) -> bool {
        self.sizes.fits(load, self.want.recipients)
    }

    /// What a coin contributes after paying for itself, in thousandths of a grain.
    fn value(&self, coin: &Candidate) -> u128 {
        (u128::from(coin.amount.grains()) * 1_000).saturating_sub(self.cost(coin.bytes))
    }

    /// What bytes cost, in thousandths of a grain.
    fn cost(&self, bytes: u64) -> u128 {
        u128::from(bytes) * u128::from(self.want.rate)
    }

    /// All of these.
    fn everything(&self, coins: &[&Candidate]) -> Option<(Choice, Load)> {
        let load = Load::of(coins);
        let choice = self.divide(coins.iter().map(|coin| coin.index).collect(), load, sum_of(coins))?;
        Some((choice, load))
    }

    /// From the first on.
    fn as_many_as_fit<'c, 'd>(&self, coins: &'c [&'d Candidate]) -> &'c [&'d Candidate] {
        let mut load = Load::default();
        let fit = coins.iter().take_while(|coin| {
            load = load.and(coin.bytes);
            self.fits(load)
        });
        let count = fit.count();
        &coins[..count]
    }

    /// The least wasteful set of coins that needs no change, if there is one and it is found in so many steps.
    fn changeless(&self, coins: &[&Candidate], tries_max: usize) -> Option<(Choice, Load)> {
        let Sum::Exactly(amount) = self.want.sum else { return None };
        // None is 0, see the filter above.
        let values: Vec<u128> = coins.iter().map(|coin| self.value(coin)).collect();
        let fixed = self.cost(self.sizes.of(0, self.want.recipients));
        let least = u128::from(amount.grains()) * 1_000 + fixed;
        let most = least + self.change_cost() + ROUNDING_MILLIGRAINS;
        // What all coins from a position on contribute, and the next position with another kind of coin.
        let (mut left, mut other) = (vec![0u128; coins.len() + 1], vec![coins.len(); coins.len()]);
        for position in (0..coins.len()).rev() {
            left[position] = left[position + 1] + values[position];
            let twin = coins.get(position + 1);
            let is_same =
                twin.is_some_and(|twin| (twin.amount, twin.bytes) == (coins[position].amount, coins[position].bytes));
            other[position] = if is_same { other[position + 1] } else { position + 1 };
        }
        let (mut taken, mut total, mut next): (Vec<usize>, u128, usize) = (Vec::new(), 0, 0);
        let mut load = Load::default();
        let mut best: Option<(u128, Vec<usize>)> = None;
        for _ in 0..tries_max {
            let is_wasteful = best.as_ref().is_some_and(|(waste, _)| self.inputs_waste(load) >= *waste);
            let is_hopeless = is_wasteful || total > most || total + left[next] < least;
            if !is_hopeless && total < least && self.fits(load.and(coins[next].bytes)) {
                taken.push(next);
                total += values[next];
                load = load.and(coins[next].bytes);
                next += 1;
                continue;
            }
            if !is_hopeless
                && total >= least
                && let Ok(grains) = u64::try_from((total + self.cost(load.bytes)) / 1_000)
                && let Some((_, fee, 0)) = self.shares(load, grains)
            {
                let waste = self.waste_of(load, fee, false);
                if best.as_ref().is_none_or(|(so_far, _)| waste < *so_far) {
                    best = Some((waste, taken.clone()));
                }
            }
            // Back to the last coin that was taken, and on without it and without its equals, which would be the same again.
            let Some(last) = taken.pop() else { break };
            total -= values[last];
            load = load.less(coins[last].bytes);
            next = other[last];
        }
        let (_, taken) = best?;
        let chosen: Vec<&Candidate> = taken.into_iter().map(|position| coins[position]).collect();
        self.everything(&chosen)
    }

    /// Coins at random until they pay; of too many, the most valuable.
    fn draw(&self, coins: &[&Candidate], random: &mut impl Rng) -> Option<(Choice, Load)> {
        let mut order: Vec<usize> = (0..coins.len()).collect();
        let mut held: BinaryHeap<Reverse<(u128, usize)>> = BinaryHeap::new();
        let (mut total, mut load, mut enough) = (0u64, Load::default(), None);
        for place in 0..order.len() {
            let other = random.random_range(place..order.len());
            order.swap(place, other);
            let coin = coins[order[place]];
            held.push(Reverse((self.value(coin), order[place])));
            total = total.saturating_add(coin.amount.grains());
            load = load.and(coin.bytes);
            while !self.fits(load)
                && let Some(Reverse((_, position))) = held.pop()
            {
                total -= coins[position].amount.grains();
                load = load.less(coins[position].bytes);
            }
            let Some((_, _, change)) = self.shares(load, total) else { continue };
            let comfortable = fee(self.sizes.input, self.want.rate).saturating_mul(CHANGE_MULTIPLE_MIN);
            let is_good = change == 0 || change >= comfortable;
            if is_good || enough.is_none() {
                let mut positions: Vec<usize> = held.iter().map(|Reverse((_, position))| *position).collect();
                positions.sort_unstable();
                let indices = positions.into_iter().map(|position| coins[position].index).collect();
                enough = self.divide(indices, load, total).map(|choice| (choice, load));
            }
            if is_good {
                break;
            }
        }
        enough
    }

    /// What is lost by this choice, in thousandths of a grain.
    fn waste(&self, choice: &Choice, load: Load) -> u128 {
        self.waste_of(load, choice.fee.grains(), choice.change != Amount::ZERO)
    }

    fn waste_of(&self, load: Load, fee: u64, has_change: bool) -> u128 {
        let needed = self.cost(self.sizes.with(load.bytes, self.want.recipients));
        let given_away = (u128::from(fee) * 1_000).saturating_sub(needed);
        self.inputs_waste(load) + if has_change { self.change_cost() } else { given_away }
    }

    /// What inputs cost more now than on a quiet day.
    fn inputs_waste(&self, load: Load) -> u128 {
        let above = self.want.rate.saturating_sub(self.want.long_rate);
        u128::from(load.bytes) * u128::from(above)
    }

    /// What change costs: its output now, its input later.
    fn change_cost(&self) -> u128 {
        self.cost(self.sizes.output + self.sizes.input)
    }

    /// Amount, fee and change of such inputs with this total, if they suffice.
    fn shares(&self, load: Load, total: u64) -> Option<(u64, u64, u64)> {
        let (rate, recipients) = (self.want.rate, self.want.recipients);
        let least = fee(self.sizes.with(load.bytes, recipients), rate);
        if load.inputs == 0 {
            return None;
        }
        match self.want.sum {
            Sum::Max => total.checked_sub(least).filter(|amount| *amount > 0).map(|amount| (amount, least, 0)),
            Sum::Exactly(amount) => {
                let rest = total.checked_sub(amount.grains())?;
                let with_change = fee(self.sizes.with(load.bytes, recipients + 1), rate);
                // Worth its output now and its input later, or it goes to the block's maker.
                match rest.checked_sub(with_change).filter(|change| *change > fee(self.sizes.input, rate)) {
                    Some(change) => Some((amount.grains(), with_change, change)),
                    None => (rest >= least).then_some((amount.grains(), rest, 0)),
                }
            }
        }
    }

    fn divide(&self, coins: Vec<usize>, load: Load, total: u64) -> Option<Choice> {
        let (amount, fee, change) = self.shares(load, total)?;
        let [amount, fee, change] = [amount, fee, change].map(Amount::from_grains);
        Some(Choice { coins, amount: amount?, fee: fee?, change: change? })
    }

    fn too_many(&self) -> WalletError {
        let message = "more coins would be needed than fit in one transfer; send less at once";
        WalletError::refused("too-many-coins", message)
    }

    fn insufficient(&self, coins: &[&Candidate]) -> WalletError {
        let text = |grains: u64| Amount::from_grains(grains).unwrap_or(Amount::MAX).to_string();
        let bytes = Load::of(self.as_many_as_fit(coins)).bytes.max(self.sizes.input);
        let fee = text(fee(self.sizes.with(bytes, self.want.recipients), self.want.rate));
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
