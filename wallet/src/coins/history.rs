//! What blocks did to a wallet: facts that are kept, and the lines that are made of them.
//!
//! `NAME.history` beside the wallet's file is a cache: it may be deleted at any time, and is made anew. Its **facts** are, for each
//! net, what transactions in blocks moved: height, place in the block, block, transaction, time, received and sent. They are always
//! the beginning of what one node said of one chain, for all of the wallet's locks that are written down beside them.
//!
//! **Sync.** The node is asked for everything from the height of the last fact on. When its answer begins with the facts of that
//! height, their block is still in the active chain, and so is everything below; the rest of the answer is new. Otherwise the
//! same is tried at earlier heights, in steps that double; the facts above the one that is found are forgotten, since their blocks
//! left the chain or their node was another. So a sync costs in proportion to what is new, and needs no code that undoes.
//!
//! **New addresses** are looked for alone, from the beginning on. What is found in blocks that are final is added to the facts; the
//! facts above the last final block are forgotten, and the sync goes on from there with all locks.
//!
//! **A node may lie.** Entries have to ascend, to lie at or below the tip that is named with them, and to be worth no more than
//! there can be; a page has no more of them than was asked for, and at least one when there is more to come. Otherwise the page
//! is thrown away and the node named. What a lying node says in good form is shown; it is forgotten as soon as another node is asked.

use crate::error::WalletError;
use crate::keys::keystore::ADDRESSES_MAX;
use crate::session::{Found, Session};
use bezant_api::client::Client;
use bezant_api::types::{HistoryEntry, HistoryParams, HistoryView};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{BlockId, LockHash, TxId};
use std::collections::BTreeSet;

mod cache;
mod lines;
#[cfg(test)]
mod tests;

pub use cache::path;
pub use lines::{Entry, EntryState, csv, entries, pending};

use cache::{Cache, MOVED};

/// Entries that are asked for at once.
const PAGE: usize = 10_000;
/// Entries of one wallet on one net.
pub const FACTS_MAX: usize = 5_000_000;
/// Times that a sync begins anew because the chain changed under it.
const TRIES_MAX: usize = 5;

/// What one transaction in a block moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Height of its block.
    pub height: u64,
    /// Its place in that block.
    pub position: u32,
    /// The block.
    pub block: BlockId,
    /// The transaction.
    pub txid: TxId,
    /// Time of its block, seconds since 1970.
    pub time_s: u32,
    /// What the wallet's locks received.
    pub received: Amount,
    /// What they spent.
    pub sent: Amount,
}

/// How far a wallet's facts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Height of the tip up to which they hold.
    pub height: u64,
    /// Up to this height blocks are final.
    pub final_height: u64,
    /// How many facts there are.
    pub facts: usize,
    /// The lowest height of which facts are new or gone; `None` when nothing changed.
    pub changed_from: Option<u64>,
}

/// A wallet's history, open.
#[derive(Debug)]
pub struct History {
    cache: Cache,
    locks: BTreeSet<LockHash>,
    found: Found,
}

impl History {
    /// Opens what is kept of a wallet's history on a net. A file that is damaged, or of another version, is made anew; where none can
    /// be kept (the directory cannot be written), nothing is kept.
    ///
    /// # Errors
    /// When even memory cannot hold a database.
    pub fn open(session: &Session, found: &Found) -> Result<History, WalletError> {
        let cache = Cache::open(&found.path, session.network())?;
        Ok(History { cache, locks: found.wallet.lock_hashes().into_iter().collect(), found: found.clone() })
    }

    /// Whose it is.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// The facts from this height on, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn facts(&self, from_height: u64) -> Result<Vec<Fact>, WalletError> {
        self.cache.facts(from_height)
    }

    /// What the wallet had before this height.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn balance_before(&self, height: u64) -> Result<i128, WalletError> {
        self.cache.balance_before(height)
    }

    /// Brings the facts up to what a node says now. `progress` is told how many there are, and about how much of the chain is done,
    /// from 0 to 1.
    ///
    /// # Errors
    /// When no node answers, when one says what makes no sense, or has more than [`FACTS_MAX`] entries.
    pub async fn sync(&mut self, client: &Client, progress: &mut dyn FnMut(usize, f64)) -> Result<Synced, WalletError> {
        for _ in 0..TRIES_MAX {
            self.cache.refresh()?;
            match self.sync_once(client, progress).await {
                Err(WalletError::Refused { kind, .. }) if kind == MOVED => {}
                result => return result,
            }
        }
        Err(WalletError::Failed("other commands read the same history all the time; ask again".to_owned()))
    }

    async fn sync_once(
        &mut self,
        client: &Client,
        progress: &mut dyn FnMut(usize, f64),
    ) -> Result<Synced, WalletError> {
        let known = self.cache.locks()?;
        if !known.is_subset(&self.locks) {
            // Another wallet has that name now.
            self.cache.clear()?;
        }
        let known: BTreeSet<LockHash> = self.cache.locks()?;
        let fresh: BTreeSet<LockHash> = self.locks.difference(&known).copied().collect();
        if known.is_empty() {
            self.cache.restart(&self.locks)?;
        }
        let mut lowest = None;
        if !known.is_empty() && !fresh.is_empty() {
            let height = self.extend(client, &known, progress).await?.height;
            self.look_back(client, &fresh, height, progress).await?;
            lowest = Some(0);
        }
        let locks = self.locks.clone();
        let synced = self.extend(client, &locks, progress).await?;
        let changed_from = [lowest, synced.changed_from].into_iter().flatten().min();
        Ok(Synced { changed_from, ..synced })
    }

    /// Adds what these locks did above the facts.
    async fn extend(
        &mut self,
        client: &Client,
        locks: &BTreeSet<LockHash>,
        progress: &mut dyn FnMut(usize, f64),
    ) -> Result<Synced, WalletError> {
        let locks = names(locks);
        let mut changed_from: Option<u64> = None;
        for _ in 0..TRIES_MAX {
            let (mut page, mut from) = self.meet(client, &locks, &mut changed_from).await?;
            let tip = page.tip.clone();
            loop {
                let facts = self.cache.count() + page.facts.len();
                if facts > FACTS_MAX {
                    let url = client.url();
                    return Err(WalletError::Failed(format!("{url} has more than {FACTS_MAX} entries of this wallet")));
                }
                if let Some(first) = page.facts.first() {
                    changed_from = Some(changed_from.map_or(first.height, |lowest| lowest.min(first.height)));
                }
                self.cache.add(&page.facts)?;
                from = page.after().unwrap_or(from);
                #[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
                progress(facts, if page.more { from.0 as f64 / page.height.max(1) as f64 } else { 1.0 });
                if !page.more {
                    let (height, final_height) = (page.height, page.final_height);
                    return Ok(Synced { height, final_height, facts, changed_from });
                }
                page = ask(client, &locks, from).await?;
                if page.tip != tip {
                    // The chain went on, or is another one: what is here is looked at again.
                    break;
                }
            }
        }
        // It goes on faster than it can be read; what is kept is the beginning of it all the same.
        Err(WalletError::Failed(
            "the chain changes faster than its history can be read; what was read is kept, so ask again".to_owned(),
        ))
    }

    /// Finds the last facts that a node still has, forgets those above, and gives what comes after them, and from where.
    async fn meet(
        &mut self,
        client: &Client,
        locks: &[String],
        changed_from: &mut Option<u64>,
    ) -> Result<(Page, (u64, u32)), WalletError> {
        let (mut height, mut step) = (self.cache.last_height(u64::MAX)?, 1);
        while let Some(at) = height {
            let ours = self.cache.facts_at(at)?;
            let mut page = ask(client, locks, (at, 0)).await?;
            if page.facts.len() >= ours.len() && page.facts[..ours.len()] == ours[..] {
                if self.cache.forget_above(at)? {
                    *changed_from = Some(changed_from.map_or(at + 1, |lowest| lowest.min(at + 1)));
                }
                page.facts.drain(..ours.len());
                return Ok((page, (at, 0)));
            }
            height = match at.checked_sub(step) {
                Some(below) => self.cache.last_height(below)?,
                None => None,
            };
            step *= 2;
        }
        if self.cache.forget_all()? {
            *changed_from = Some(0);
        }
        Ok((ask(client, locks, (0, 0)).await?, (0, 0)))
    }

    /// Adds what locks did that the facts do not know, as far as blocks are final and the facts go.
    async fn look_back(
        &mut self,
        client: &Client,
        fresh: &BTreeSet<LockHash>,
        height: u64,
        progress: &mut dyn FnMut(usize, f64),
    ) -> Result<(), WalletError> {
        let locks = names(fresh);
        let (mut facts, mut from, mut final_height) = (Vec::new(), (0, 0), height);
        loop {
            let page = ask(client, &locks, from).await?;
            final_height = final_height.min(page.final_height);
            from = page.after().unwrap_or(from);
            facts.extend(page.facts);
            if self.cache.count() + facts.len() > FACTS_MAX {
                let url = client.url();
                return Err(WalletError::Failed(format!("{url} has more than {FACTS_MAX} entries of this wallet")));
            }
            #[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
            progress(facts.len(), if page.more { from.0 as f64 / page.height.max(1) as f64 } else { 1.0 });
            if !page.more {
                break;
            }
        }
        facts.retain(|fact| fact.height <= final_height);
        self.cache.merge(&self.locks, final_height, &facts)
    }
}

fn names(locks: &BTreeSet<LockHash>) -> Vec<String> {
    assert!(locks.len() <= ADDRESSES_MAX, "a wallet has at most {ADDRESSES_MAX} addresses");
    locks.iter().map(ToString::to_string).collect()
}

/// A page that makes sense.
#[derive(Debug)]
struct Page {
    facts: Vec<Fact>,
    more: bool,
    height: u64,
    tip: String,
    final_height: u64,
}

impl Page {
    /// Where the next one begins.
    fn after(&self) -> Option<(u64, u32)> {
        self.facts.last().map(|last| (last.height, last.position + 1))
    }
}

async fn ask(client: &Client, locks: &[String], from: (u64, u32)) -> Result<Page, WalletError> {
    let (from_height, from_position) = from;
    let params = HistoryParams { locks: locks.to_vec(), from_height, limit: Some(PAGE), from_position };
    let view = client.history_page(&params).await?;
    read(view, from).map_err(|why| WalletError::Failed(format!("{}: its history makes no sense: {why}", client.url())))
}

/// Checks what a node says.
fn read(view: HistoryView, from: (u64, u32)) -> Result<Page, String> {
    if view.entries.len() > PAGE {
        return Err(format!("{} entries, where {PAGE} were asked for", view.entries.len()));
    }
    if view.more && view.entries.is_empty() {
        return Err("it says that there is more, and gives nothing".to_owned());
    }
    if view.height > i64::MAX.unsigned_abs() || view.final_height > view.height {
        return Err(format!("final at height {} of {}", view.final_height, view.height));
    }
    let mut facts: Vec<Fact> = Vec::with_capacity(view.entries.len());
    let mut next = from;
    for entry in &view.entries {
        let fact = fact(entry).ok_or_else(|| format!("an entry at height {}", entry.height))?;
        let same = facts.last().is_none_or(|last| last.height != fact.height || last.block == fact.block);
        if (fact.height, fact.position) < next || fact.height > view.height || !same {
            return Err(format!("place {} of height {} is out of order", fact.position, fact.height));
        }
        next = (fact.height, fact.position + 1);
        facts.push(fact);
    }
    let HistoryView { more, height, tip, final_height, .. } = view;
    Ok(Page { facts, more, height, tip, final_height })
}

fn fact(entry: &HistoryEntry) -> Option<Fact> {
    let amount = |grains: &str| grains.parse().ok().and_then(Amount::from_grains);
    Some(Fact {
        height: entry.height,
        position: Some(entry.position).filter(|position| *position < u32::MAX)?,
        block: entry.block.parse().ok()?,
        txid: entry.txid.parse().ok()?,
        time_s: entry.time_s,
        received: amount(&entry.received)?,
        sent: amount(&entry.sent)?,
    })
}
