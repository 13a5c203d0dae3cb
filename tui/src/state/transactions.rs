//! The life of transactions on every node: when each took it, in which block it is there, and when that was final.

use super::limits::{LATENCIES_MAX, STEPS_MAX, TRANSACTIONS_MAX};
use bezant_api::types::{TxState, TxStatus};
use std::collections::{BTreeMap, VecDeque};

/// Where a transaction is on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// That node has not told of it.
    #[default]
    Unknown,
    /// It waits there.
    Pool,
    /// In a block of that node's chain.
    Block { height: u64 },
    /// In a final one.
    Final { height: u64 },
    /// It left the waiting ones without being included.
    Dropped { reason: String },
}

impl Place {
    /// Symbol and words.
    pub(crate) fn label(&self) -> String {
        match self {
            Place::Unknown => "· not heard of".to_owned(),
            Place::Pool => "○ waits".to_owned(),
            Place::Block { height } => format!("◑ in block {height}"),
            Place::Final { height } => format!("● final in block {height}"),
            Place::Dropped { reason } => format!("✗ dropped: {reason}"),
        }
    }
}

/// A step of a transaction's life on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) at_ms: u64,
    pub(crate) node: usize,
    pub(crate) place: Place,
}

/// A transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// Grains; unknown for one that was never heard of as waiting.
    pub(crate) fee: Option<String>,
    pub(crate) first_ms: u64,
    /// By node.
    pub(crate) places: Vec<Place>,
    /// What happened, oldest first.
    pub(crate) steps: Vec<Step>,
    pub(crate) replaced_by: Option<String>,
    /// Its block, once it is in one.
    pub(crate) block: Option<String>,
}

impl Life {
    fn step(&mut self, node: usize, at_ms: u64, place: Place) {
        let Some(here) = self.places.get_mut(node).filter(|here| **here != place) else { return };
        here.clone_from(&place);
        if self.steps.len() == STEPS_MAX {
            // How it began says more than what a busy net repeats.
            self.steps.remove(STEPS_MAX / 2);
        }
        self.steps.push(Step { at_ms, node, place });
    }

    /// When it came to this place on a node for the first time, milliseconds after it was first heard of.
    pub(crate) fn after_ms(&self, node: usize, is_it: impl Fn(&Place) -> bool) -> Option<u64> {
        let step = self.steps.iter().find(|step| step.node == node && is_it(&step.place));
        step.map(|step| step.at_ms.saturating_sub(self.first_ms))
    }

    /// The height of its block on any node.
    pub(crate) fn height(&self) -> Option<u64> {
        self.places.iter().find_map(|place| match place {
            Place::Block { height } | Place::Final { height } => Some(*height),
            Place::Unknown | Place::Pool | Place::Dropped { .. } => None,
        })
    }
}

/// Those that are kept: the newest, and the one that is followed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    nodes: usize,
    pub(crate) lives: BTreeMap<String, Life>,
    /// Oldest first.
    pub(crate) order: VecDeque<String>,
    pub(crate) followed: Option<String>,
    /// From being heard of to being in a block anywhere, and to being final anywhere.
    included_ms: VecDeque<u64>,
    final_ms: VecDeque<u64>,
}

impl Transactions {
    pub(super) fn new(nodes: usize) -> Transactions {
        Transactions { nodes, ..Transactions::default() }
    }

    /// Keeps this one from now on, whatever else comes.
    pub(crate) fn follow(&mut self, txid: Option<String>) {
        self.followed = txid;
    }

    fn life(&mut self, txid: &str, at_ms: u64) -> &mut Life {
        if !self.lives.contains_key(txid) {
            while self.order.len() >= TRANSACTIONS_MAX {
                let oldest = self.order.pop_front().expect("there are some");
                if self.followed.as_ref() == Some(&oldest) {
                    self.order.push_back(oldest);
                } else {
                    self.lives.remove(&oldest);
                }
            }
            self.order.push_back(txid.to_owned());
        }
        let places = vec![Place::Unknown; self.nodes];
        self.lives.entry(txid.to_owned()).or_insert_with(|| Life { first_ms: at_ms, places, ..Life::default() })
    }

    pub(super) fn pooled(&mut self, node: usize, at_ms: u64, txid: &str, fee: &str) {
        let life = self.life(txid, at_ms);
        life.fee = Some(fee.to_owned());
        life.step(node, at_ms, Place::Pool);
    }

    pub(super) fn dropped(&mut self, node: usize, at_ms: u64, txid: &str, reason: &str, by: Option<&str>) {
        let life = self.life(txid, at_ms);
        life.replaced_by = by.map(str::to_owned);
        life.step(node, at_ms, Place::Dropped { reason: reason.to_owned() });
    }

    /// A block was connected; and with it older ones may have become final.
    pub(super) fn block(
        &mut self,
        node: usize,
        at_ms: u64,
        height: u64,
        id: &str,
        txids: &[String],
        final_height: u64,
    ) {
        for txid in txids {
            let life = self.life(txid, at_ms);
            let is_first = life.block.is_none();
            life.block = Some(id.to_owned());
            life.step(node, at_ms, Place::Block { height });
            let waited = at_ms.saturating_sub(life.first_ms);
            if is_first && life.fee.is_some() {
                sample(&mut self.included_ms, waited);
            }
        }
        for life in self.lives.values_mut() {
            if let Some(Place::Block { height }) = life.places.get(node)
                && *height <= final_height
            {
                let height = *height;
                let is_first = !life.places.iter().any(|place| matches!(place, Place::Final { .. }));
                life.step(node, at_ms, Place::Final { height });
                if is_first && life.fee.is_some() {
                    sample(&mut self.final_ms, at_ms.saturating_sub(life.first_ms));
                }
            }
        }
    }

    pub(super) fn reorg(&mut self, node: usize, at_ms: u64, fork: u64) {
        for life in self.lives.values_mut() {
            if let Some(Place::Block { height } | Place::Final { height }) = life.places.get(node)
                && *height > fork
            {
                life.step(node, at_ms, Place::Pool);
            }
        }
    }

    /// What a node answered about a transaction that is followed.
    pub(super) fn looked_up(&mut self, node: usize, at_ms: u64, status: &TxStatus) {
        let place = match (status.state, status.height) {
            (TxState::Pool, _) => Place::Pool,
            (TxState::Included, Some(height)) => Place::Block { height },
            (TxState::Final, Some(height)) => Place::Final { height },
            (TxState::Dropped, _) => Place::Dropped { reason: status.reason.clone().unwrap_or_default() },
            (TxState::Unknown | TxState::Included | TxState::Final, _) => return,
        };
        let life = self.life(&status.txid, at_ms);
        // Events that come while a node answers may be ahead of the answer.
        let is_behind = matches!(
            (&place, life.places.get(node)),
            (Place::Pool, Some(Place::Block { .. } | Place::Final { .. }))
                | (Place::Block { .. }, Some(Place::Final { .. }))
        );
        if !is_behind {
            life.block = status.block.clone().or(life.block.take());
            life.step(node, at_ms, place);
        }
    }

    /// The median wait from being heard of to inclusion, and to finality; milliseconds.
    pub(crate) fn medians_ms(&self) -> (Option<u64>, Option<u64>) {
        let median = |values: &VecDeque<u64>| super::median(values.iter().copied().collect());
        (median(&self.included_ms), median(&self.final_ms))
    }

    /// Newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (&String, &Life)> {
        self.order.iter().rev().filter_map(|txid| self.lives.get_key_value(txid))
    }
}

fn sample(samples: &mut VecDeque<u64>, value: u64) {
    if samples.len() == LATENCIES_MAX {
        samples.pop_front();
    }
    samples.push_back(value);
}
