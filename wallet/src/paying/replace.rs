//! A change of mind: another transaction takes the place of one that waits. `bump` pays the same recipients and more to the
//! block's maker, `cancel` pays everything back to the wallet.
//!
//! Both spend all coins of the first, so only one of the two can ever be in a chain. Which one is up to the nodes until a block is
//! final: a node may have proposed, or mined, the first before it heard of the other.

use crate::coins::view::{self, CoinState};
use crate::error::WalletError;
use crate::locks::policy::satisfy::{Means, Moment, Opening, satisfy};
use crate::locks::policy::words;
use crate::paying::build::{self, Built, OpenCoin, Ring, Unsigned};
use crate::paying::follow::{self, FollowOptions, Sent};
use crate::paying::journal::{Attempt, Journal, Kind};
use crate::paying::purse::{Ground, Known};
use crate::paying::rehearse;
use crate::paying::repeat;
use crate::paying::selection::{Load, Sizes, fee};
use crate::session::{Found, Session};
use bezant_api::client::{Client, ClientError};
use bezant_api::types::TxState;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction, Transfer, Witness};
use bezant_consensus::ledger::units::Height;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// The transaction that is to be replaced, and who sent it.
#[derive(Clone, Debug)]
pub struct Original {
    /// Whose it is.
    pub found: Found,
    /// The transaction.
    pub transaction: Transaction,
    /// Amount and revealed lock of what it spends.
    pub spent: Vec<(Amount, Opening)>,
    /// Number of its payment in the wallet's journal.
    pub payment: Option<i64>,
    /// What came back to the wallet in its last output, 0 when nothing did.
    pub change: Amount,
    /// How it came about; [`Kind::Send`] where no journal here knows.
    pub kind: Kind,
}

/// What is to take the place of transfers.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// Their coins.
    pub coins: Vec<OpenCoin>,
    /// Coins that may be spent beside those.
    pub more: Vec<OpenCoin>,
    /// Outputs that stay as they are.
    pub kept: Vec<Output>,
    /// Where the rest goes.
    pub change: LockHash,
    /// Grains per 1,000 bytes that are paid at least.
    pub rate: u64,
    /// Fee of what is replaced.
    pub old_fee: u64,
    /// Bytes of what is replaced.
    pub old_bytes: u64,
    /// What relaying once more costs, grains per 1,000 bytes.
    pub step: u64,
}

impl Replacement {
    /// The least fee of so many bytes that the mempool's rules of replacement allow: the bytes relayed once more are paid on top
    /// of the old fee, and the rate is higher than the old one.
    fn floor(&self, bytes: u64) -> u64 {
        let relayed = self.old_fee.saturating_add(fee(bytes.max(self.old_bytes), self.step));
        relayed.max(fee(bytes, self.old_rate() + 1))
    }

    fn old_rate(&self) -> u64 {
        rate(self.old_fee, self.old_bytes)
    }

    /// Change will take as much to spend as what is spent now.
    fn sizes(&self) -> Sizes {
        let input = self.coins.iter().map(|coin| coin.opening.input_bytes()).max();
        Sizes { input: input.unwrap_or(build::sizes().input), ..build::sizes() }
    }

    /// Bytes of the whole when it spends these.
    fn bytes(&self, load: Load, outputs: u64) -> u64 {
        self.sizes().with(load.bytes, outputs)
    }

    /// Makes it, which is only to be signed: change shrinks, and when that is not enough, the largest of the other coins are added.
    ///
    /// # Errors
    /// [`WalletError::Refused`] of kind `insufficient-funds` or `too-many-coins`.
    pub fn build(&self) -> Result<Unsigned, WalletError> {
        let mut coins = self.coins.clone();
        let mut more: Vec<&OpenCoin> = self.more.iter().collect();
        more.sort_unstable_by_key(|coin| (coin.amount, std::cmp::Reverse(coin.outpoint)));
        let kept = self.kept.iter().fold(0u64, |sum, output| sum.saturating_add(output.amount.grains()));
        let outputs = self.kept.len() as u64;
        let mut load = coins.iter().fold(Load::default(), |load, coin| load.and(coin.opening.input_bytes()));
        loop {
            if coins.len() > self.coins.len() && !self.sizes().fits(load, outputs) {
                return Err(WalletError::refused(
                    "too-many-coins",
                    "the fee takes more coins than one transfer can spend",
                ));
            }
            let total = coins.iter().fold(0u64, |sum, coin| sum.saturating_add(coin.amount.grains()));
            if let Some((fee, change)) = self.divide(load, outputs, total.checked_sub(kept)) {
                let mut all = self.kept.clone();
                if change > 0 {
                    all.push(Output { amount: grains(change), lock: self.change });
                }
                let inputs = coins.iter().map(|coin| coin.outpoint).collect();
                let transfer = Transfer { inputs, outputs: all, lock_time: LockTime::NONE };
                let spent = coins.into_iter().map(|coin| (coin.amount, coin.opening)).collect();
                let [amount, fee, change] = [kept, fee, change].map(grains);
                return Ok(Unsigned { transfer, spent, amount, fee, change });
            }
            let Some(coin) = more.pop() else {
                let message =
                    "the wallet has no coins for the higher fee, and what goes to the recipients stays as it is";
                return Err(WalletError::refused("insufficient-funds", message));
            };
            load = load.and(coin.opening.input_bytes());
            coins.push(coin.clone());
        }
    }

    /// Fee and change, given what the kept outputs leave.
    fn divide(&self, load: Load, outputs: u64, rest: Option<u64>) -> Option<(u64, u64)> {
        let rest = rest?;
        let least = |bytes: u64| fee(bytes, self.rate).max(self.floor(bytes));
        let with_change = least(self.bytes(load, outputs + 1));
        let dust = if outputs == 0 { 0 } else { fee(self.sizes().input, self.rate) };
        match rest.checked_sub(with_change).filter(|change| *change > dust) {
            Some(change) => Some((with_change, change)),
            None => (outputs > 0 && rest >= least(self.bytes(load, outputs))).then_some((rest, 0)),
        }
    }
}

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).unwrap_or(Amount::MAX)
}

/// Grains per 1,000 bytes, rounded down.
fn rate(fee: u64, bytes: u64) -> u64 {
    u64::try_from(u128::from(fee) * 1_000 / u128::from(bytes.max(1))).unwrap_or(u64::MAX)
}

/// Finds a transaction that one of these wallets sent: in their journals, else in a node's mempool.
///
/// # Errors
/// [`WalletError::Usage`] when the id is none, [`WalletError::Refused`] of kind `no-such-transaction` or `not-yours`.
pub async fn original(session: &Session, wallets: &[Found], txid: &str) -> Result<Original, WalletError> {
    let id: TxId = txid.parse().map_err(|_| WalletError::Usage(format!("\"{txid}\" is no id of a transaction")))?;
    for found in wallets {
        let kept = Journal::read(&found.path, session.network())?.of(&id)?;
        let of = |attempt: &&Attempt| attempt.transaction.id() == id;
        if let Some((kept, attempt)) = kept.as_ref().and_then(|kept| Some((kept, kept.attempts.iter().find(of)?))) {
            // Another wallet here may watch the same lock, but the number is of this one's journal.
            let kept = Some((kept.number, attempt.change));
            let of_wallet = owned(std::slice::from_ref(found), &attempt.transaction, kept)?;
            return Ok(Original { kind: attempt.kind, ..of_wallet });
        }
    }
    let view = match session.client()?.transaction(txid).await {
        Ok(view) => view,
        Err(ClientError::NotFound(_)) => {
            let message = format!("no wallet here sent {txid}, and no node has it");
            return Err(WalletError::refused("no-such-transaction", message));
        }
        Err(error) => return Err(error.into()),
    };
    let transaction = hex::decode(&view.hex).ok().and_then(|bytes| decode::<Transaction>(&bytes).ok());
    let transaction = transaction.filter(|transaction| transaction.id() == id);
    let transaction =
        transaction.ok_or_else(|| WalletError::Failed(format!("a node gave something else for transaction {txid}")))?;
    owned(wallets, &transaction, None)
}

/// `kept` is the number and the change that a journal has.
fn owned(wallets: &[Found], transaction: &Transaction, kept: Option<(i64, Amount)>) -> Result<Original, WalletError> {
    let spends = |witness: &Witness| match witness {
        Witness::Spend(spend) => {
            Some((spend.amount, Opening { lock: spend.lock.clone(), preimages: spend.preimages.clone() }))
        }
        Witness::Member { .. } => None,
    };
    let spent: Option<Vec<(Amount, Opening)>> = transaction.witnesses().iter().map(spends).collect();
    let spent = spent.filter(|spent| !spent.is_empty());
    let is_all_of = |found: &&Found| {
        let locks = found.wallet.lock_hashes();
        spent.as_ref().is_some_and(|spent| spent.iter().all(|(_, opening)| locks.contains(&opening.lock.hash())))
    };
    match (wallets.iter().find(is_all_of), &spent) {
        (Some(found), Some(spent)) => {
            let change = kept.map_or_else(|| guessed_change(transaction, &found.wallet.lock_hashes()), |kept| kept.1);
            let (found, transaction, spent) = (found.clone(), transaction.clone(), spent.clone());
            Ok(Original { found, transaction, spent, payment: kept.map(|kept| kept.0), change, kind: Kind::Send })
        }
        _ => {
            let names: Vec<&str> = wallets.iter().map(|found| found.wallet.name.as_str()).collect();
            let message = format!(
                "transaction {} does not spend coins of {} alone; only who sent it can replace it (name the wallet with --from)",
                transaction.id(),
                names.join(", ")
            );
            Err(WalletError::refused("not-yours", message))
        }
    }
}

/// What came back in a transaction that no journal here knows: its last output, if that pays the wallet. Transactions made here have
/// change there, and nowhere else; one that pays the wallet on purpose in its last output is taken for one with change.
fn guessed_change(transaction: &Transaction, own: &[LockHash]) -> Amount {
    match transaction.outputs().last() {
        Some(last) if own.contains(&last.lock) => last.amount,
        Some(_) | None => Amount::ZERO,
    }
}

/// Makes what takes its place, which is only to be signed, and after that rehearsed.
///
/// # Errors
/// [`WalletError::Refused`]: it is in a block already (`already-included`), was replaced already (`already-replaced`), others of
/// the wallet spend from it (`has-children`), the rate is too low (`fee-rate-too-low`), there is not enough for the fee, or what
/// opens its coins is not at hand (`locked`, `keys-missing`, `preimage-missing`).
pub async fn prepare(
    session: &Session,
    original: &Original,
    known: &Known,
    kind: Kind,
    asked_rate: Option<u64>,
) -> Result<Unsigned, WalletError> {
    let (client, txid) = (session.client()?, original.transaction.id());
    refuse_if_settled(client, &txid.to_string()).await?;
    let ground = Ground::of(session, &original.found, known, asked_rate).await?;
    let Ground { coins, fee_rate: rate, least, .. } = &ground;
    if coins.iter().any(|coin| coin.outpoint.txid == txid && coin.state == CoinState::Leaving) {
        let message =
            format!("another transfer of this wallet spends the change of {txid}; replacing it would undo that one");
        return Err(WalletError::refused("has-children", message));
    }
    let opener = Opener::new(session, original, known, &ground);
    let inputs: BTreeSet<_> = original.transaction.inputs().iter().copied().collect();
    let reserved = Journal::read(&original.found.path, session.network())?.reserved()?;
    let is_free = |coin: &&view::Owned| !inputs.contains(&coin.outpoint) && !reserved.contains(&coin.outpoint);
    let more = coins.iter().filter(|coin| coin.state == CoinState::Spendable).filter(is_free);
    let more = more.filter_map(|coin| opener.open(coin.outpoint, coin.amount, &coin.lock).ok());
    let replacement = Replacement {
        coins: opener.spent_by(original)?,
        more: more.collect(),
        kept: if kind == Kind::Cancel { Vec::new() } else { recipients(original) },
        change: *original.found.wallet.lock_hashes().last().expect("a wallet has an address"),
        rate: *rate,
        old_fee: fee_of(original),
        old_bytes: original.transaction.bytes() as u64,
        step: (*least).max(1),
    };
    let unsigned = replacement.build()?;
    let load = unsigned.spent.iter().fold(Load::default(), |load, (_, opening)| load.and(opening.input_bytes()));
    let needed = rate_needed(&replacement, replacement.bytes(load, unsigned.transfer.outputs.len() as u64));
    if asked_rate.is_some_and(|asked| asked < needed) {
        let message = format!("{rate} grains per 1000 bytes do not displace {txid}: at least {needed} are needed");
        return Err(WalletError::refused("fee-rate-too-low", message));
    }
    Ok(unsigned)
}

/// Signs it, and asks a node whether it would take that.
///
/// # Errors
/// [`WalletError::Refused`] of kind `keys-missing`, or for the node's own reason.
pub async fn sign(session: &Session, unsigned: Unsigned, kind: Kind, ring: &Ring<'_>) -> Result<Attempt, WalletError> {
    let Built { transaction, fee, change, .. } = unsigned.sign(session.network(), ring)?;
    rehearse::one(session.client()?, &transaction).await?;
    Ok(Attempt { kind, transaction, fee, change })
}

/// Opens coins of the wallet that sent it.
struct Opener<'a> {
    session: &'a Session,
    known: &'a Known,
    means: Means,
    locks: &'a BTreeMap<LockHash, Lock>,
    heights: BTreeMap<OutPoint, Height>,
    next: Place,
}

impl<'a> Opener<'a> {
    fn new(session: &'a Session, original: &Original, known: &'a Known, ground: &'a Ground) -> Opener<'a> {
        let mut means = known.means.clone();
        // Everybody has seen them by now.
        original.spent.iter().flat_map(|(_, opening)| &opening.preimages).for_each(|one| means.add_preimage(*one));
        let heights = ground.coins.iter().filter_map(|coin| Some((coin.outpoint, Height(coin.height?)))).collect();
        Opener { session, known, means, locks: &ground.locks, heights, next: ground.next }
    }

    fn open(&self, outpoint: OutPoint, amount: Amount, lock: &LockHash) -> Result<OpenCoin, WalletError> {
        let lock = self.locks.get(lock);
        let lock = lock.ok_or_else(|| WalletError::Failed("a node gave a coin that is not the wallet's".to_owned()))?;
        let coin = self.heights.get(&outpoint).copied().unwrap_or(self.next.height);
        match satisfy(lock, &self.means, &Moment { next: self.next, coin }) {
            Ok(opening) => Ok(OpenCoin { outpoint, amount, opening }),
            Err(missing) => {
                let names = |lock: &LockHash| self.known.name_or_address(self.session, lock);
                let why = words::missing(&missing, self.next, &names);
                Err(WalletError::refused(missing.kind(), format!("coin {outpoint} {why}")))
            }
        }
    }

    /// The coins that it spends.
    fn spent_by(&self, original: &Original) -> Result<Vec<OpenCoin>, WalletError> {
        let inputs = original.transaction.inputs().iter().zip(&original.spent);
        inputs.map(|(outpoint, (amount, opening))| self.open(*outpoint, *amount, &opening.lock.hash())).collect()
    }
}

/// The least rate that displaces it.
fn rate_needed(replacement: &Replacement, bytes: u64) -> u64 {
    rate(replacement.floor(bytes), bytes)
}

async fn refuse_if_settled(client: &Client, txid: &str) -> Result<(), WalletError> {
    let status = repeat::status(client, txid).await?;
    match (status.state, status.height, status.replaced_by) {
        (TxState::Included | TxState::Final, height, _) => {
            let height = height.unwrap_or_default();
            let message = format!("transaction {txid} is in block {height} already; it cannot be replaced any more");
            Err(WalletError::refused("already-included", message))
        }
        (TxState::Dropped, _, Some(by)) => {
            let message = format!("transaction {txid} was replaced by {by} already; replace that one");
            Err(WalletError::refused("already-replaced", message))
        }
        (TxState::Pool | TxState::Unknown | TxState::Dropped, _, _) => Ok(()),
    }
}

/// Outputs that are not change; change is the last one.
fn recipients(original: &Original) -> Vec<Output> {
    let mut outputs = original.transaction.outputs().to_vec();
    if original.change != Amount::ZERO {
        outputs.pop();
    }
    outputs
}

fn fee_of(original: &Original) -> u64 {
    let sum =
        |amounts: &mut dyn Iterator<Item = Amount>| amounts.fold(0u64, |sum, one| sum.saturating_add(one.grains()));
    let spent = sum(&mut original.spent.iter().map(|(amount, _)| *amount));
    spent.saturating_sub(sum(&mut original.transaction.outputs().iter().map(|output| output.amount)))
}

/// Writes it down, hands it to a node, and follows it.
///
/// # Errors
/// As [`follow::submit`]; when the first one won, [`WalletError::LostPlace`] says so.
pub async fn carry_out(
    session: &Session,
    original: &Original,
    attempt: &Attempt,
    options: FollowOptions,
) -> Result<Sent, WalletError> {
    let mut journal = Journal::open(&original.found.path, session.network())?;
    let old = original.transaction.id().to_string();
    let number = match original.payment {
        Some(number) => number,
        None => adopt(&mut journal, original)?,
    };
    // Whoever pays more for a cancellation still wants his money back: his payment must not count as made.
    let attempt = match original.kind {
        Kind::Cancel => &Attempt { kind: Kind::Cancel, ..attempt.clone() },
        Kind::Send | Kind::Bump => attempt,
    };
    journal.add_attempt(number, attempt)?;
    let client = session.client()?;
    match follow::submit(client, attempt, options).await {
        Err(WalletError::LostPlace { txid, reason }) => {
            let status = repeat::status(client, &old).await?;
            let reason = match (status.state, status.height) {
                (TxState::Included | TxState::Final, Some(height)) => {
                    format!("{old}, which it was to replace, is in block {height}")
                }
                _ => reason,
            };
            Err(WalletError::LostPlace { txid, reason })
        }
        result => result,
    }
}

/// A transaction that this wallet sent, but not from here, gets its place in the journal.
fn adopt(journal: &mut Journal, original: &Original) -> Result<i64, WalletError> {
    let (transaction, fee) = (original.transaction.clone(), grains(fee_of(original)));
    let id = transaction.id();
    let attempt = Attempt { kind: Kind::Send, transaction, fee, change: original.change };
    journal.add(&[crate::paying::journal::Entry { id: None, asked: [0; 32], attempt }])?;
    let kept = journal.of(&id)?;
    kept.map(|kept| kept.number).ok_or_else(|| WalletError::Failed(format!("the journal lost transaction {id}")))
}
