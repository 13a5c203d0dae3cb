//! Proof of work as all nodes see it together: one tree of headers, with who made each block and on whose chain it is.

use super::limits::{HEADERS_MAX, REORGS_MAX};
use bezant_api::event::EventKind;
use bezant_api::types::{NodeStatus, PowView};
use bezant_consensus::ledger::target::Target;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A header, and what is known of its block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Header {
    pub(crate) height: u64,
    pub(crate) parent: String,
    pub(crate) bits: u32,
    /// Work of the branch up to here, as a number for drawing; 0 while unknown.
    pub(crate) work: f64,
    /// The same, exact, hex; for comparing.
    work_hex: String,
    /// When the first node told of it.
    pub(crate) seen_ms: u64,
    /// The node that found it, when it said so.
    pub(crate) miner: Option<usize>,
    /// Whom it pays, when a node connected it.
    pub(crate) payee: Option<String>,
    /// Nodes that have it on their chain.
    pub(crate) on: BTreeSet<usize>,
    /// Why it was refused.
    pub(crate) refused: Option<String>,
}

/// A node left its chain for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReorgRow {
    pub(crate) at_ms: u64,
    pub(crate) node: usize,
    pub(crate) fork: u64,
    pub(crate) depth: u64,
    pub(crate) tip: String,
    /// It undid blocks that counted as final.
    pub(crate) broke_finality: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pow {
    pub(crate) headers: BTreeMap<String, Header>,
    /// Newest last.
    pub(crate) reorgs: VecDeque<ReorgRow>,
    /// Which node is paid under which lock, learned from blocks that nodes said they found.
    payees: BTreeMap<String, usize>,
}

impl Pow {
    fn entry(&mut self, id: &str, height: u64, at_ms: u64) -> &mut Header {
        if !self.headers.contains_key(id) {
            while self.headers.len() >= HEADERS_MAX {
                let lowest = self.headers.iter().min_by_key(|(_, header)| header.height).map(|(id, _)| id.clone());
                self.headers.remove(&lowest.expect("there are some"));
            }
        }
        let fresh = || Header { height, seen_ms: at_ms, ..Header::default() };
        self.headers.entry(id.to_owned()).or_insert_with(fresh)
    }

    pub(super) fn header(&mut self, kind: &EventKind, at_ms: u64) {
        let EventKind::Header { height, id, work, parent, bits, .. } = kind else { return };
        let header = self.entry(id, *height, at_ms);
        header.parent.clone_from(parent);
        header.bits = *bits;
        (header.work, header.work_hex) = (work_of_hex(work), trimmed(work));
    }

    pub(super) fn block(&mut self, node: usize, kind: &EventKind, at_ms: u64) {
        let EventKind::Block { height, id, parent, bits, payee, .. } = kind else { return };
        if *bits == 0 {
            return;
        }
        let below = self.headers.get(parent).map_or(0.0, |header| header.work);
        let header = self.entry(id, *height, at_ms);
        header.parent.clone_from(parent);
        header.bits = *bits;
        if header.work == 0.0 && below > 0.0 {
            header.work = below + work_of_bits(*bits);
        }
        header.payee.clone_from(payee);
        header.on.insert(node);
        if let (Some(miner), Some(payee)) = (header.miner, payee) {
            self.learn(payee.clone(), miner);
        }
    }

    fn learn(&mut self, payee: String, miner: usize) {
        // Miners may be paid under any number of locks; those of the first headers are enough to know who is who.
        if self.payees.len() < HEADERS_MAX {
            self.payees.insert(payee, miner);
        }
    }

    pub(super) fn mined(&mut self, node: usize, id: &str, height: u64, at_ms: u64) {
        let header = self.entry(id, height, at_ms);
        header.miner = Some(node);
        if let Some(payee) = header.payee.clone() {
            self.learn(payee, node);
        }
    }

    pub(super) fn refused(&mut self, id: &str, reason: &str) {
        if let Some(header) = self.headers.get_mut(id) {
            header.refused = Some(reason.to_owned());
        }
    }

    pub(super) fn snapshot(&mut self, node: usize, status: &NodeStatus, pow: &PowView, at_ms: u64) {
        for header in self.headers.values_mut() {
            header.on.remove(&node);
        }
        let header = self.entry(&status.tip, status.height, at_ms);
        (header.work, header.work_hex) = (work_of_hex(&pow.work), trimmed(&pow.work));
        let mut id = status.tip.clone();
        while let Some(header) = self.headers.get_mut(&id) {
            header.on.insert(node);
            id.clone_from(&header.parent);
        }
        for tip in &pow.tips {
            let header = self.entry(&tip.id, tip.height, at_ms);
            (header.work, header.work_hex) = (work_of_hex(&tip.work), trimmed(&tip.work));
        }
    }

    pub(super) fn reorg(&mut self, node: usize, at_ms: u64, fork: u64, depth: u64, tip: &str) {
        for header in self.headers.values_mut().filter(|header| header.height > fork) {
            header.on.remove(&node);
        }
        // Finality is said to be broken before the switch that breaks it.
        let broken = self.reorgs.back_mut().filter(|row| row.node == node && row.broke_finality && row.tip.is_empty());
        if let Some(row) = broken {
            (row.fork, row.depth, row.tip) = (fork, depth, tip.to_owned());
            return;
        }
        self.push(ReorgRow { at_ms, node, fork, depth, tip: tip.to_owned(), broke_finality: false });
    }

    pub(super) fn finality_broken(&mut self, node: usize, at_ms: u64, before: u64, fork: u64) {
        let depth = before.saturating_sub(fork);
        self.push(ReorgRow { at_ms, node, fork, depth, tip: String::new(), broke_finality: true });
    }

    fn push(&mut self, row: ReorgRow) {
        if self.reorgs.len() == REORGS_MAX {
            self.reorgs.pop_front();
        }
        self.reorgs.push_back(row);
    }

    /// The tip that most work stands behind: of those on some node's chain, if there are any.
    pub(crate) fn best(&self) -> Option<&String> {
        let merit =
            |header: &Header| (!header.on.is_empty(), header.work_hex.len(), header.work_hex.clone(), header.height);
        self.headers.iter().max_by_key(|(_, header)| merit(header)).map(|(id, _)| id)
    }

    /// The best branch from its tip down, as far as its headers are here.
    pub(crate) fn main_chain(&self) -> Vec<(&String, &Header)> {
        let mut chain = Vec::new();
        let mut at = self.best();
        while let Some((id, header)) = at.and_then(|id| self.headers.get_key_value(id)) {
            chain.push((id, header));
            at = Some(&header.parent);
        }
        chain
    }

    /// Headers beside the best branch, and all of those that can be placed: the stale rate is one over the other.
    pub(crate) fn stale(&self) -> (usize, usize) {
        let chain = self.main_chain();
        let lowest = chain.last().map_or(0, |(_, header)| header.height);
        let all = self.headers.values().filter(|header| header.height >= lowest).count();
        (all - chain.len(), all)
    }

    /// Who made a block: the node that said so, or the one that is paid under its lock.
    pub(crate) fn miner(&self, header: &Header) -> Option<usize> {
        header.miner.or_else(|| self.payees.get(header.payee.as_ref()?).copied())
    }
}

fn trimmed(hex: &str) -> String {
    hex.trim_start_matches('0').to_owned()
}

/// A number for drawing; exact up to 2^53.
fn work_of_hex(hex: &str) -> f64 {
    hex.chars().filter_map(|digit| digit.to_digit(16)).fold(0.0, |sum, digit| sum * 16.0 + f64::from(digit))
}

/// Hashes that a block with this compact target takes in the mean; 0 for one that is none.
pub(crate) fn work_of_bits(bits: u32) -> f64 {
    Target::from_compact(bits).map_or(0.0, |target| work_of_hex(&target.work().to_string()))
}
