//! Making a draft: coins are chosen for whoever will sign, and with them the branch of each lock.

use super::{Draft, Input, Path};
use crate::coins::view::{CoinState, Owned};
use crate::error::WalletError;
use crate::locks::policy::satisfy::{
    Leaf, Missing, Moment, PREIMAGE_BYTES, SIGNATURE_BYTES, base_bytes, lack_of, reveal,
};
use crate::locks::policy::words;
use crate::paying::build::{self, Composed, Payment, Sum};
use crate::paying::purse::{self, Ground, Known};
use crate::paying::selection::{Candidate, Sizes};
use crate::paying::send::{self, SendOptions};
use crate::session::{Found, Recipient, Session};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::units::Height;
use std::collections::{BTreeMap, BTreeSet};

/// What a draft may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It can be sent as soon as it is signed.
    Now,
    /// It can be sent once time has passed.
    Later,
    /// A preimage has to be added, too.
    Preimage,
}

/// A draft that was made.
#[derive(Clone, Debug)]
pub struct Created {
    /// The draft; nobody has signed it.
    pub draft: Draft,
    /// Who is paid.
    pub paid: Vec<Recipient>,
    /// What it waits for beside signatures.
    pub stage: Stage,
}

/// A coin as this draft would open it.
struct Choice<'a> {
    coin: &'a Owned,
    lock: &'a Lock,
    conditions: Vec<Path>,
    bytes: u64,
    stage: Stage,
}

/// Chooses coins of a wallet, whether it has keys or only watches, and the cheapest branch of each lock that `signers` (all who may, if
/// there are none) can open: now if possible, else later, else with a preimage that is not known yet. A branch that is known by its
/// hash only counts as a single key.
///
/// # Errors
/// [`WalletError::Usage`] for a recipient or coin that makes no sense; [`WalletError::Refused`] when there is not enough, or of kind
/// `keys-missing` when the signers cannot open anything.
pub async fn create(
    session: &Session,
    found: &Found,
    known: &Known,
    options: &SendOptions,
    pays: &[(String, Sum)],
    signers: &BTreeSet<LockHash>,
) -> Result<Created, WalletError> {
    let to: Vec<Recipient> = pays.iter().map(|(to, _)| session.recipient(to)).collect::<Result<_, _>>()?;
    let Ground { coins, locks, next, fee_rate, least } = Ground::of(session, found, known, options.fee_rate).await?;
    let named = if options.coins.is_empty() { None } else { Some(send::named(&coins, &options.coins)?) };
    let is_free = |coin: &&Owned| coin.state == CoinState::Spendable && !options.reserved.contains(&coin.outpoint);
    let wanted: Vec<&Owned> =
        named.as_ref().map_or_else(|| coins.iter().filter(is_free).collect(), |named| named.iter().collect());
    let (mut choices, mut shut) = (Vec::new(), None);
    for coin in wanted {
        let Some(lock) = locks.get(&coin.lock) else { continue };
        let moment = Moment { next, coin: coin.height.map_or(next.height, Height) };
        match choose(coin, lock, known, &moment, signers) {
            Ok(choice) => choices.push(choice),
            Err(missing) => shut = shut.or(Some(missing)),
        }
    }
    if let Some(missing) = shut.filter(|_| choices.is_empty() || named.is_some()) {
        let why = words::missing(&missing, next, &|lock| known.name_or_address(session, lock));
        let message = format!("{} cannot be opened by these: it {why}", found.wallet.name);
        return Err(WalletError::refused("keys-missing", message));
    }
    let payment = Payment {
        pays: purse::pays(&to, pays)?,
        change: *found.wallet.lock_hashes().last().expect("a wallet has an address"),
        fee_rate,
        long_rate: least,
        all: named.is_some(),
    };
    let stages: BTreeSet<Stage> = choices.iter().map(|choice| choice.stage).chain([Stage::Now]).collect();
    let mut result = Err(WalletError::refused("insufficient-funds", format!("{} has no coins", found.wallet.name)));
    for stage in stages {
        let usable: Vec<&Choice<'_>> = choices.iter().filter(|choice| choice.stage <= stage).collect();
        result = compose(session, &usable, &payment).map(|draft| (draft, stage));
        if !matches!(&result, Err(WalletError::Refused { kind, .. }) if kind == "insufficient-funds") {
            break;
        }
    }
    let (draft, stage) = result?;
    Ok(Created { draft, paid: to, stage })
}

fn choose<'a>(
    coin: &'a Owned,
    lock: &'a Lock,
    known: &Known,
    moment: &Moment,
    signers: &BTreeSet<LockHash>,
) -> Result<Choice<'a>, Missing> {
    let ever = Place { height: Height(u64::MAX), time: u32::MAX };
    let mut last = Missing::Hidden(lock.hash());
    for stage in [Stage::Now, Stage::Later, Stage::Preimage] {
        let place = if stage == Stage::Now { moment.next } else { ever };
        let judge = |_: &[u8], leaf: &Lock| match leaf {
            Lock::Key(_) | Lock::Opaque(_) if signers.is_empty() || signers.contains(&leaf.hash()) => {
                Ok(Leaf { bytes: SIGNATURE_BYTES, is_wanted: false })
            }
            Lock::Hash(image) if stage == Stage::Preimage || known.means.preimages.contains_key(image) => {
                Ok(Leaf { bytes: PREIMAGE_BYTES, is_wanted: false })
            }
            leaf => match moment.opens(leaf) {
                Some(from) if place.reaches(from) => Ok(Leaf::default()),
                Some(from) => Err(Missing::Until(from)),
                None => Err(lack_of(leaf)),
            },
        };
        match reveal(lock, &judge) {
            Ok(revealed) => {
                let is_condition = |leaf: &Lock| !matches!(leaf, Lock::Key(_));
                let leaves = revealed.lock.revealed_leaves().into_iter();
                let mut conditions: Vec<Path> =
                    leaves.filter(|(_, leaf)| is_condition(leaf)).map(|(path, _)| path).collect();
                conditions.sort_unstable();
                return Ok(Choice { coin, lock, conditions, bytes: base_bytes() + revealed.bytes, stage });
            }
            Err(missing) => last = missing,
        }
    }
    Err(last)
}

fn compose(session: &Session, choices: &[&Choice<'_>], payment: &Payment) -> Result<Draft, WalletError> {
    let candidate = |(index, choice): (usize, &&Choice<'_>)| Candidate {
        index,
        amount: choice.coin.amount,
        outpoint: choice.coin.outpoint,
        bytes: choice.bytes,
    };
    let candidates: Vec<Candidate> = choices.iter().enumerate().map(candidate).collect();
    let input = choices.iter().map(|choice| choice.bytes).max().unwrap_or(build::sizes().input);
    let sizes = Sizes { input, ..build::sizes() };
    let Composed { transfer, coins, .. } = build::compose(&candidates, sizes, payment, &mut rand::rng())?;
    let input = |index: &usize| {
        let Choice { coin, lock, conditions, .. } = choices[*index];
        Input {
            amount: coin.amount,
            lock: (*lock).clone(),
            conditions: conditions.clone(),
            signatures: BTreeMap::new(),
            preimages: BTreeMap::new(),
        }
    };
    Draft::new(*session.network(), transfer, coins.iter().map(input).collect())
        .map_err(|error| WalletError::Failed(error.to_string()))
}
