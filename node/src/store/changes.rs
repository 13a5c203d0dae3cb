//! What chain updates change in the runs: see [`runs`](super::runs) for what the records are.

use super::runs::{GONE, Kind, Records};
use bezant_consensus::chain::{ChainUpdate, Link};
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::commitment::bucket_of;
use bezant_consensus::ledger::hash::{BlockId, LockHash, TxId};
use bezant_consensus::ledger::table::Table;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction, Witness};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::HEADER_BYTES;
use std::collections::BTreeMap;

/// The net change of some updates.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) coins: Records,
    pub(super) locks: Records,
    pub(super) places: Records,
    pub(super) history: Records,
    /// Grains, and number, of coins that came less those that went.
    pub(super) supply: i128,
    pub(super) count: i128,
}

/// A coin that was touched.
#[derive(Debug)]
struct Touched {
    /// What it was when it was there before, which is what its lock's record is found by.
    before: Option<Coin>,
    now: Option<Coin>,
}

impl Changes {
    pub(super) fn none() -> Changes {
        Changes {
            coins: Records::new(Kind::Coins),
            locks: Records::new(Kind::Locks),
            places: Records::new(Kind::Places),
            history: Records::new(Kind::History),
            supply: 0,
            count: 0,
        }
    }

    /// Of updates in their order. A coin that comes and goes within them leaves no trace.
    pub(super) fn of(updates: &[ChainUpdate]) -> Changes {
        let mut changes = Changes::none();
        let mut touched: Table<OutPoint, Touched> = Table::new(&rand::random());
        let links = || updates.iter().flat_map(|update| update.disconnected.iter().chain(&update.connected));
        touched.reserve(links().map(|link| link.diff.spent.len() + link.diff.created.len()).sum());
        let transactions = links().map(|link| link.block.transactions.len()).sum();
        changes.places.reserve(transactions);
        // Most pay somebody, and give change to who pays.
        changes.history.reserve(2 * transactions);
        for update in updates {
            for link in &update.disconnected {
                changes.replace(&mut touched, &link.diff.created, &link.diff.spent);
            }
            for link in &update.connected {
                changes.replace(&mut touched, &link.diff.spent, &link.diff.created);
                changes.index(link);
            }
        }
        changes.coins.reserve(touched.len());
        changes.locks.reserve(touched.len());
        touched.retain(|name, Touched { before, now }| {
            match (now, before) {
                (Some(coin), _) => changes.put(name, coin),
                (None, Some(coin)) => changes.remove(name, &coin.lock),
                (None, None) => {}
            }
            false
        });
        changes
    }

    fn replace(
        &mut self,
        touched: &mut Table<OutPoint, Touched>,
        out: &BTreeMap<OutPoint, Coin>,
        into: &BTreeMap<OutPoint, Coin>,
    ) {
        for (name, coin) in out {
            touched.entry(*name, || Touched { before: Some(*coin), now: None }).now = None;
            self.supply -= i128::from(coin.amount.grains());
        }
        for (name, coin) in into {
            touched.entry(*name, || Touched { before: None, now: None }).now = Some(*coin);
            self.supply += i128::from(coin.amount.grains());
        }
        self.count += into.len() as i128 - out.len() as i128;
    }

    /// A coin is there.
    pub(super) fn put(&mut self, name: &OutPoint, coin: &Coin) {
        let (grains, height) = (coin.amount.grains().to_be_bytes(), coin.height.0.to_be_bytes());
        let value: [&[u8]; 4] = [&coin.lock.0, &grains, &height, &[u8::from(coin.coinbase)]];
        self.coins.push(&[&coin_key(name), value[0], value[1], value[2], value[3]]);
        self.locks.push(&[&lock_key(&coin.lock, name), &[0]]);
    }

    fn remove(&mut self, name: &OutPoint, lock: &LockHash) {
        self.coins.push(&[&coin_key(name), &[0; 48], &[GONE]]);
        self.locks.push(&[&lock_key(lock, name), &[GONE]]);
    }

    /// A block is in the active chain. That it leaves needs no record.
    fn index(&mut self, link: &Link) {
        let block = &link.id.0[..8];
        let height = link.height.0.to_be_bytes();
        let mut offset = HEADER_BYTES + 4;
        for (position, transaction) in (0_u32..).zip(&link.block.transactions) {
            let (txid, position) = (transaction.id(), position.to_be_bytes());
            self.places.push(&[&place_prefix(&txid), &height, &position, block]);
            let at = u32::try_from(offset).expect("a block has less than 4 GiB").to_be_bytes();
            for lock in touched_locks(transaction) {
                self.history.push(&[&lock.0[..8], &height, &position, block, &at]);
            }
            offset += transaction.bytes();
        }
    }
}

/// The locks that a connected transaction gives to or takes from, each once.
fn touched_locks(transaction: &Transaction) -> Vec<LockHash> {
    let spent = transaction.witnesses().iter().filter_map(|witness| match witness {
        Witness::Spend(spend) => Some(spend.lock.hash()),
        Witness::Member { .. } => None,
    });
    let mut locks: Vec<LockHash> = transaction.outputs().iter().map(|output| output.lock).chain(spent).collect();
    locks.sort_unstable();
    locks.dedup();
    locks
}

/// What a connected transaction gives to and takes from each lock, in grains. Its witnesses state what it spends, and
/// connecting compared that with the coins.
pub(super) fn movements(transaction: &Transaction) -> BTreeMap<LockHash, (u64, u64)> {
    let mut movements: BTreeMap<LockHash, (u64, u64)> = BTreeMap::new();
    for output in transaction.outputs() {
        movements.entry(output.lock).or_default().0 += output.amount.grains();
    }
    for witness in transaction.witnesses() {
        if let Witness::Spend(spend) = witness {
            movements.entry(spend.lock.hash()).or_default().1 += spend.amount.grains();
        }
    }
    movements
}

/// The name of a coin, in its bucket of the commitment.
pub(super) fn coin_key(name: &OutPoint) -> [u8; 37] {
    bucket_key(bucket_of(name), name)
}

/// [`coin_key`], in a bucket that is given.
pub(super) fn bucket_key(bucket: u8, name: &OutPoint) -> [u8; 37] {
    let mut key = [bucket; 37];
    key[1..33].copy_from_slice(&name.txid.0);
    key[33..].copy_from_slice(&name.index.to_be_bytes());
    key
}

/// The name and the coin of a record of coins.
pub(super) fn coin_of(record: &[u8]) -> Option<(OutPoint, Coin)> {
    let name = name_of(record.get(1..37)?)?;
    let number = |at: usize| Some(u64::from_be_bytes(record.get(at..at + 8)?.try_into().ok()?));
    let lock = LockHash(record.get(37..69)?.try_into().ok()?);
    let amount = bezant_consensus::ledger::amount::Amount::from_grains(number(69)?)?;
    let coinbase = *record.get(85)? == 1;
    Some((name, Coin { amount, lock, height: Height(number(77)?), coinbase }))
}

/// Records of a lock's coins begin so.
pub(super) fn lock_key(lock: &LockHash, name: &OutPoint) -> [u8; 44] {
    let mut key = [0; 44];
    key[..8].copy_from_slice(&lock.0[..8]);
    key[8..40].copy_from_slice(&name.txid.0);
    key[40..].copy_from_slice(&name.index.to_be_bytes());
    key
}

/// The name in a record of a lock's coins.
pub(super) fn name_of_lock(record: &[u8]) -> Option<OutPoint> {
    name_of(record.get(8..44)?)
}

fn name_of(bytes: &[u8]) -> Option<OutPoint> {
    let (txid, index) = bytes.split_at_checked(32)?;
    Some(OutPoint { txid: TxId(txid.try_into().ok()?), index: u32::from_be_bytes(index.try_into().ok()?) })
}

/// The records of a transaction's places begin so.
pub(super) fn place_prefix(txid: &TxId) -> [u8; 16] {
    txid.0[..16].try_into().expect("an id is longer")
}

/// Where a record says that a transaction is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    pub(super) height: Height,
    pub(super) position: u32,
    block: [u8; 8],
    /// Of the transaction in the encoded body; 0 for places.
    pub(super) offset: usize,
}

impl Hint {
    /// Reads what follows after so many bytes of a record of places or history.
    pub(super) fn read(record: &[u8], after: usize) -> Option<Hint> {
        let rest = record.get(after..)?;
        let height = Height(u64::from_be_bytes(rest.get(..8)?.try_into().ok()?));
        let position = u32::from_be_bytes(rest.get(8..12)?.try_into().ok()?);
        let block = rest.get(12..20)?.try_into().ok()?;
        let offset = rest.get(20..24).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
        Some(Hint { height, position, block, offset: offset as usize })
    }

    /// Whether it is of this block.
    pub(super) fn is_of(&self, block: &BlockId) -> bool {
        block.0[..8] == self.block
    }
}
