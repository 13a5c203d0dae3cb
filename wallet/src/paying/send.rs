//! Sending: a payment is planned: coins are chosen, it is made and signed. See [`super::follow`] for what comes then.

use crate::coins::view::{self, CoinState, Owned};
use crate::error::WalletError;
use crate::keys::keystore::Unlocked;
use crate::paying::build::{self, Built, Ring, Sum, Unsigned};
use crate::paying::journal::{Attempt, Kind};
use crate::paying::purse::{Ground, Known, Purse};
use crate::session::{Found, Recipient, Session};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::OutPoint;
use std::collections::BTreeSet;

/// How to pay.
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    /// Grains per 1,000 bytes. Unless given, what the node estimates: the net's minimum while blocks have room, and never above
    /// a hundred times that.
    pub fee_rate: Option<u64>,
    /// Spend exactly these coins (`txid:index`); the wallet chooses when empty.
    pub coins: Vec<String>,
    /// Coins that are not chosen unless named: payments with ids, which may yet be repeated, spend them.
    pub reserved: BTreeSet<OutPoint>,
}

/// A signed payment that nobody has seen yet.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The transaction, its fee and change.
    pub built: Built,
    /// Who is paid, and how much, in the order of the outputs.
    pub paid: Vec<(Recipient, Amount)>,
    /// Whether its owner should be asked first: there is an address, not a name, that was never paid
    /// before, on a net with real money.
    pub wants_confirmation: bool,
}

/// A payment that nobody has signed yet.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What it does, and how its coins are opened.
    pub unsigned: Unsigned,
    /// Who is paid, and how much, in the order of the outputs.
    pub paid: Vec<(Recipient, Amount)>,
    /// Whether its owner should be asked first: there is an address, not a name, on a net with real money.
    pub wants_confirmation: bool,
}

impl Prepared {
    /// Signs it.
    ///
    /// # Errors
    /// [`WalletError::Refused`] of kind `keys-missing` unless all of its keys are in the ring.
    pub fn sign(self, network: &NetworkId, ring: &Ring<'_>) -> Result<Plan, WalletError> {
        let Prepared { unsigned, paid, wants_confirmation } = self;
        Ok(Plan { built: unsigned.sign(network, ring)?, paid, wants_confirmation })
    }
}

/// Chooses coins and makes payments, each of which may spend the change of those before it. `batches` say who is paid (an address, or
/// the name of a wallet or account) and how much; [`Sum::Max`] only for one alone. Coins are opened with what `known` has.
/// Coins still in the mempool are used only when the others do not suffice, and only if the wallet made them itself.
///
/// # Errors
/// [`WalletError::Usage`] for a recipient or coin that makes no sense, [`WalletError::Refused`] when there is not enough, or of kind
/// `locked`, `keys-missing` or `preimage-missing` when nothing there is can be opened.
pub async fn prepare(
    session: &Session,
    found: &Found,
    known: &Known,
    options: &SendOptions,
    batches: &[Vec<(String, Sum)>],
) -> Result<Vec<Prepared>, WalletError> {
    let client = session.client()?;
    let Ground { coins, locks, next, fee_rate, least } = Ground::of(session, found, known, options.fee_rate).await?;
    let (kept, free) = coins.iter().cloned().partition(|coin| options.reserved.contains(&coin.outpoint));
    let mut purse = Purse {
        session,
        client,
        wallet: found,
        known,
        next,
        locks,
        named: if options.coins.is_empty() { None } else { Some(named(&coins, &options.coins)?) },
        free,
        kept,
        made: BTreeSet::new(),
        change: *found.wallet.lock_hashes().last().expect("a wallet has an address"),
        fee_rate,
        long_rate: least,
    };
    let mut seen = if session.genesis().dev { BTreeSet::new() } else { session.seen(found)? };
    seen.extend(found.wallet.lock_hashes());
    let mut all = Vec::with_capacity(batches.len());
    for batch in batches {
        let (to, unsigned) = purse.pay(batch).await?;
        let is_strange = |to: &Recipient| to.name.is_none() && !seen.contains(&to.lock);
        let wants_confirmation = !session.genesis().dev && to.iter().any(is_strange);
        let amounts = unsigned.transfer.outputs.iter().map(|output| output.amount);
        let paid = to.into_iter().zip(amounts).collect();
        all.push(Prepared { unsigned, paid, wants_confirmation });
    }
    Ok(all)
}

/// As [`prepare`], for one payment from a wallet with keys of its own, and signed.
///
/// # Errors
/// As [`prepare`].
pub async fn plan(
    session: &Session,
    found: &Found,
    unlocked: &Unlocked,
    options: &SendOptions,
    pays: &[(String, Sum)],
) -> Result<Plan, WalletError> {
    let plans = plan_all(session, found, unlocked, options, &[pays.to_vec()]).await?;
    Ok(plans.into_iter().next().expect("one payment was asked for"))
}

/// As [`plan`], for several transactions, each of which may spend the change of those before it.
///
/// # Errors
/// As [`prepare`].
pub async fn plan_all(
    session: &Session,
    found: &Found,
    unlocked: &Unlocked,
    options: &SendOptions,
    batches: &[Vec<(String, Sum)>],
) -> Result<Vec<Plan>, WalletError> {
    let mut known = Known::of(vec![found.clone()]);
    known.means.add_keys(unlocked.keys.iter().map(SigningKey::public));
    let ring = build::ring([unlocked]);
    let prepared = prepare(session, found, &known, options, batches).await?;
    prepared.into_iter().map(|one| one.sign(session.network(), &ring)).collect()
}

/// The coins that were named.
pub(crate) fn named(coins: &[Owned], names: &[String]) -> Result<Vec<Owned>, WalletError> {
    let one = |name: &String| {
        let outpoint = view::outpoint(name)
            .ok_or_else(|| WalletError::Usage(format!("\"{name}\" names no coin; TXID:INDEX is expected")))?;
        let coin = coins.iter().find(|coin| coin.outpoint == outpoint && coin.state != CoinState::Leaving);
        coin.cloned().ok_or_else(|| {
            WalletError::refused("no-such-coin", format!("coin {name} is not the wallet's, or is spent"))
        })
    };
    let distinct: BTreeSet<&String> = names.iter().collect();
    distinct.into_iter().map(one).collect()
}

impl Plan {
    /// As the journal keeps it.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        let Built { transaction, fee, change, .. } = self.built.clone();
        Attempt { kind: Kind::Send, transaction, fee, change }
    }
}
