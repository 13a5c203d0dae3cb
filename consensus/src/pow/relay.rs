//! Blocks that are announced by header and short ids.
//!
//! The header comes first: only one that enters the tree is followed up. What the mempool has of the block's transactions is put in
//! its place, what is missing is asked for from whoever announced it, in one message. A block that cannot be put together so
//! (two transactions with one short id, or a sender that does not answer) is asked for as a whole, like any other body. Nobody is
//! blamed for that: short ids collide by themselves.

use super::Pow;
use super::sync::Request;
use super::tree::{Mark, Status};
use crate::engine::{Effect, Peer, To};
use crate::ledger::block::{Block, Header};
use crate::ledger::hash::{BlockId, tagged};
use crate::ledger::rules::isolated;
use crate::ledger::target::Work;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::Time;
use crate::limits::RELAYS_MAX;
use crate::message::Message;
use crate::message::relay::{BlockTransactions, CompactBlock, GetTransactions, Place, ShortId, ShortIds};
use crate::sync::REQUEST_TIMEOUT_MS;

/// A block that is being put together.
#[derive(Clone, Debug)]
pub(super) struct Relay {
    /// Who announced it.
    from: Peer,
    header: Header,
    places: Vec<Place>,
    /// From then on it is asked for as a whole.
    until: Time,
}

impl Relay {
    fn missing(&self) -> Vec<u16> {
        let places = (0u16..).zip(&self.places);
        places.filter(|(_, place)| matches!(place, Place::Named(_))).map(|(index, _)| index).collect()
    }

    /// Fills the named places for which there is a transaction.
    fn fill(&mut self, mut known: impl FnMut(ShortId) -> Option<Transaction>) {
        for place in &mut self.places {
            if let Place::Named(id) = place
                && let Some(transaction) = known(*id)
            {
                *place = Place::Here(transaction);
            }
        }
    }
}

impl Pow {
    /// How a block of ours, or one that was connected here, is announced.
    pub(super) fn announcement(&self, block: &Block) -> Message {
        let salt = tagged("bezant/relay-salt", &[&self.config.salt, &block.id().0]);
        let salt = u64::from_le_bytes(std::array::from_fn(|at| salt[at]));
        Message::CompactBlock(CompactBlock::new(block, salt, |place| place == 0))
    }

    /// A peer announces a block: first its header, then what stands in it.
    pub(super) fn on_compact_block(&mut self, from: Peer, compact: &CompactBlock) {
        let id = compact.header.id();
        let parent = self.tree.get(&compact.header.parent);
        if parent.is_some_and(|parent| parent.ruled_out == Some(Mark::Rule)) {
            // Whoever passes it on may not have the parent's body yet.
            return;
        }
        let above = parent.map_or(Work::ZERO, |parent| parent.work);
        let promised = super::headers::promised_work(above, std::slice::from_ref(&compact.header));
        if !self.accept_header(Some(from), &compact.header, promised.unwrap_or(Work::ZERO)) {
            return;
        }
        self.proved(from, &id, false);
        let node = self.tree.node(&id);
        if node.status != Status::Header || !node.may_be_followed() || self.relays.contains_key(&id) {
            return;
        }
        if self.relays.len() >= RELAYS_MAX {
            self.relays.pop_first();
        }
        let until = self.now.plus_ms(REQUEST_TIMEOUT_MS);
        let relay = Relay { from, header: compact.header, places: compact.places(), until };
        self.relays.insert(id, relay);
        if compact.short_ids.is_empty() {
            return self.put_together(&id);
        }
        let names = ShortIds::new(&compact.header, compact.salt);
        self.emit(Effect::WantKnown { block: id, names, wanted: compact.short_ids.clone() });
    }

    /// The mempool's answer: by the order of the names, what it has.
    pub(super) fn on_known(&mut self, id: BlockId, known: Vec<Option<Transaction>>) {
        let Some(relay) = self.relays.get_mut(&id) else { return };
        let mut known = known.into_iter();
        relay.fill(|_| known.next().flatten());
        let (from, places) = (relay.from, relay.missing());
        if places.is_empty() {
            return self.put_together(&id);
        }
        if !self.peers.askable(self.now, |_| true).contains(&from) {
            self.relays.remove(&id);
            return;
        }
        self.peers.asked(self.now, from, Request::Transactions(id));
        self.send(To::Peer(from), Message::GetTransactions(GetTransactions { block: id, places }));
    }

    /// What was missing.
    pub(super) fn on_transactions(&mut self, from: Peer, answer: BlockTransactions) {
        let asked = self
            .peers
            .open()
            .any(|(peer, it)| peer == from && matches!(it, Request::Transactions(id) if *id == answer.block));
        if !asked {
            return;
        }
        self.peers.answered(from);
        let id = answer.block;
        let Some(relay) = self.relays.get_mut(&id) else { return };
        if relay.missing().len() != answer.transactions.len() {
            self.relays.remove(&id);
            return;
        }
        let mut transactions = answer.transactions.into_iter();
        relay.fill(|_| transactions.next());
        self.put_together(&id);
    }

    /// All places are filled: the block, if that is what was announced.
    fn put_together(&mut self, id: &BlockId) {
        let Some(Relay { header, places, .. }) = self.relays.remove(id) else { return };
        let here = |place| if let Place::Here(transaction) = place { Some(transaction) } else { None };
        let transactions: Vec<Transaction> = places.into_iter().filter_map(here).collect();
        let block = Block { header, transactions };
        let bytes_max = self.config.genesis.ledger.block_bytes_max;
        if isolated::check_block(&self.chain.network(), bytes_max, &block).is_ok() {
            // Whoever announced it may have passed it on in good faith: only the header was looked at on the way.
            self.accept_body(None, *id, block);
        }
    }

    /// Whether a block is being put together, so that it is not asked for as a whole yet.
    pub(super) fn is_relayed(&self, id: &BlockId) -> bool {
        self.relays.contains_key(id)
    }

    /// Gives up what takes too long.
    pub(super) fn expire_relays(&mut self) {
        let now = self.now;
        self.relays.retain(|_, relay| relay.until > now);
    }

    /// When the next is given up.
    pub(super) fn relays_until(&self) -> Option<Time> {
        self.relays.values().map(|relay| relay.until).min()
    }

    /// The transactions of a block at some places.
    pub(super) fn transactions_at(&self, wanted: &GetTransactions) -> BlockTransactions {
        let held = self.tree.get(&wanted.block).is_some_and(|node| node.status != Status::Header);
        let block = held.then(|| self.body(&wanted.block)).flatten();
        wanted.answer_from(block.as_deref())
    }
}
