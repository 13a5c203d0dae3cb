//! What the referee knows of epochs: which node is which member, and from when on a new vote log counts.

use crate::sim::referee::Verdict;
use bezant_consensus::ledger::genesis::{Genesis, ValidatorSet};
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::units::{Epoch, Height};
use bezant_consensus::message::epoch::{Opening, Readmission};
use std::collections::BTreeMap;

/// All sets that were ever announced.
#[derive(Debug, Default)]
pub(crate) struct Members {
    nodes: BTreeMap<PublicKey, usize>,
    sets: BTreeMap<Epoch, ValidatorSet>,
    /// Of every epoch but the first.
    openings: BTreeMap<Epoch, Opening>,
    /// Nodes that lost their vote logs, with the nonce of the latest one.
    logs: BTreeMap<usize, [u8; 32]>,
}

impl Members {
    /// Under PBFT, of these nodes' keys.
    pub(crate) fn new(genesis: &Genesis, keys: &[PublicKey]) -> Members {
        let set = genesis.validator_set();
        let nodes = keys.iter().enumerate().map(|(node, key)| (*key, node)).collect();
        Members { nodes, sets: BTreeMap::from([(set.epoch, set)]), ..Members::default() }
    }

    /// A node knows a set.
    pub(crate) fn announced(&mut self, node: usize, set: &ValidatorSet) -> Verdict {
        let first = self.sets.entry(set.epoch).or_insert_with(|| set.clone());
        if first == set {
            return Ok(());
        }
        Err(("two-sets", format!("node {node} announces other members of epoch {} than were known", set.epoch)))
    }

    /// A node recorded how an epoch began.
    pub(crate) fn opened(&mut self, node: usize, opening: &Opening) -> Verdict {
        let first = self.openings.entry(opening.epoch).or_insert_with(|| opening.clone());
        if first == opening {
            return Ok(());
        }
        Err(("two-sets", format!("node {node} opens epoch {} otherwise than another", opening.epoch)))
    }

    /// A node lost its vote log and began another.
    pub(crate) fn wiped(&mut self, node: usize, nonce: [u8; 32]) {
        self.logs.insert(node, nonce);
    }

    /// A node has this key too.
    pub(crate) fn rekeyed(&mut self, node: usize, key: PublicKey) {
        self.nodes.insert(key, node);
    }

    /// Which node this member is.
    pub(crate) fn node_of(&self, epoch: Epoch, signer: u16) -> Option<usize> {
        self.nodes.get(self.sets.get(&epoch)?.member(signer)?).copied()
    }

    /// Votes that make a certificate.
    pub(crate) fn quorum(&self, epoch: Epoch) -> Option<usize> {
        self.sets.get(&epoch).map(ValidatorSet::quorum)
    }

    /// Whether the node is a member then whose vote log was not let in.
    pub(crate) fn is_mute(&self, node: usize, epoch: Epoch) -> bool {
        let (Some(nonce), Some(set)) = (self.logs.get(&node), self.sets.get(&epoch)) else { return false };
        let is_its = |key: &PublicKey| self.nodes.get(key) == Some(&node);
        set.members.iter().any(is_its) && self.readmitted(node, epoch).is_none_or(|it| it.nonce != *nonce)
    }

    /// How the node was re-admitted last, up to an epoch.
    fn readmitted(&self, node: usize, epoch: Epoch) -> Option<&Readmission> {
        let mut all = self.openings.range(..=epoch).flat_map(|(_, opening)| &opening.readmitted);
        all.rfind(|it| self.nodes.get(&it.member) == Some(&node))
    }

    /// Whether the next block after this height is too early for the node's next re-admission.
    pub(crate) fn must_wait(&self, node: usize, epoch: Epoch, height: Height, interval: u32) -> bool {
        self.readmitted(node, epoch).is_some_and(|it| it.height.0 + u64::from(interval) > height.next().0)
    }

    /// Whether the node is a member then with a vote log that counts.
    pub(crate) fn may_vote(&self, node: usize, epoch: Epoch) -> bool {
        let is_its = |key: &PublicKey| self.nodes.get(key) == Some(&node);
        self.sets.get(&epoch).is_some_and(|set| set.members.iter().any(is_its)) && !self.is_mute(node, epoch)
    }

    /// A correct node signs something as a member.
    pub(crate) fn speaks(&self, node: usize, epoch: Epoch, signer: u16) -> Verdict {
        if self.node_of(epoch, signer) != Some(node) {
            return Err((
                "no-member",
                format!("node {node} speaks as member {signer} of epoch {epoch}, which it is not"),
            ));
        }
        if self.is_mute(node, epoch) {
            return Err(("mute", format!("node {node} speaks in epoch {epoch}, and its vote log was not let in")));
        }
        Ok(())
    }
}
