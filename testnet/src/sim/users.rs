//! The users of a simulated net: they hand in transactions, and again when the node that took one has forgotten it.

use crate::sim::event::Event;
use crate::sim::options::SimEngine;
use crate::sim::referee::Verdict;
use crate::sim::world::World;
use bezant_consensus::ledger::hash::{BlockId, TxId};
use bezant_node_core::io::{Admitted, Input, Refusal};
use std::collections::BTreeSet;

impl World {
    pub(crate) fn submit(&mut self, planned: usize) -> Verdict {
        let runs = |node: &usize| self.nodes[*node].is_up() && !self.stage.paused.contains_key(node);
        let up: Vec<usize> = (0..self.nodes.len()).filter(runs).collect();
        let wanted = self.planned[planned].node;
        let node = if up.contains(&wanted) { Some(wanted) } else { up.first().copied() };
        let Some(node) = node else {
            self.agenda.add(self.now_ms + 500, Event::Submit { planned });
            return Ok(());
        };
        if !self.planned[planned].submitted {
            self.planned[planned].submitted = true;
            self.stats.submitted += 1;
            self.stats.conflicts += u64::from(self.planned[planned].rival.is_some_and(|rival| rival < planned));
        }
        let transaction = self.planned[planned].transaction.clone();
        self.tell(node, Input::Submit { request: planned as u64, transaction })
    }

    /// A node answers its user.
    pub(crate) fn answered(&mut self, node: usize, planned: usize, result: &Result<Admitted, Refusal>) -> Verdict {
        let life = self.nodes[node].life;
        if self.stage.is_set {
            self.stage.answers.insert(planned, result.as_ref().map(|_| ()).map_err(ToString::to_string));
            return Ok(());
        }
        if planned >= self.planned.len() {
            // A change of members: the epoch may be over, or another change be waiting.
            if result.is_ok() && !self.is_liar(node) {
                self.change_taken(node);
            }
            return Ok(());
        }
        match result {
            // What a liar took it may keep to itself.
            Ok(_) | Err(_) if self.is_liar(node) => {}
            Ok(_) => self.planned[planned].accepted.push((node, life)),
            // The coin may not be there yet, or be spent: by the transaction itself, or by its rival.
            Err(refusal) if refusal.lacks_coin() || refusal.is_conflict() => {
                if self.healed_ms.is_none() {
                    let again = self.now_ms + self.dice.between(500, 2_000);
                    self.planned[planned].node = self.dice.index(self.nodes.len());
                    self.agenda.add(again, Event::Submit { planned });
                }
            }
            Err(refusal) => {
                return Err(("refusal", format!("node {node} refuses valid transaction {planned}: {refusal}")));
            }
        }
        Ok(())
    }

    /// A node's mempool let a transaction go without its having been included.
    pub(crate) fn dropped(&mut self, node: usize, txid: TxId) {
        for planned in self.planned.iter_mut().filter(|planned| planned.txid == txid) {
            planned.accepted.retain(|(by, _)| *by != node);
        }
    }

    /// What is final on every node.
    fn final_everywhere(&mut self) -> BTreeSet<TxId> {
        let mut everywhere: Option<BTreeSet<TxId>> = None;
        let mut height = u64::MAX;
        for node in (0..self.nodes.len()).filter(|node| !self.is_liar(*node)) {
            let chain = self.referee.final_chain(node);
            height = height.min(chain.len() as u64 - 1);
            let blocks = chain.iter().filter_map(|id| self.referee.oracle.get(id));
            let here: BTreeSet<TxId> = blocks.flat_map(|block| block.transactions.iter().copied()).collect();
            everywhere = Some(match everywhere {
                Some(others) => others.intersection(&here).copied().collect(),
                None => here,
            });
        }
        self.stats.final_height = height;
        self.stats.blocks = self.referee.oracle.count();
        self.stats.reorgs = self.referee.reorgs;
        self.stats.finality_broken = self.referee.finality_broken;
        self.stats.alarms = self.referee.alarms;
        everywhere.unwrap_or_default()
    }

    /// What is not final everywhere yet though it should be one day: the first of it, in words.
    pub(crate) fn missing(&mut self) -> Option<String> {
        let done = self.final_everywhere();
        self.stats.final_transactions = done.len() as u64;
        let mut missing = None;
        for (index, planned) in self.planned.iter().enumerate() {
            let rival = planned.rival.map(|rival| self.planned[rival].txid);
            let is_done = done.contains(&planned.txid) || rival.is_some_and(|rival| done.contains(&rival));
            if !is_done && missing.is_none() {
                missing = Some(format!("transaction {index} ({}) is not final everywhere", planned.txid));
            }
        }
        let heights = self.options.plant.is_none().then(|| self.final_heights_apart()).flatten();
        let epochs = self.options.plant.is_none().then(|| self.epochs_missing()).flatten();
        missing.or(heights).or(epochs).or_else(|| self.tips_apart())
    }

    /// Proof of work: whether nodes are on different branches, or refuse one. Each has the most work that it may follow, as the
    /// referee sees all the time; so nodes with one tip have the most work of all.
    fn tips_apart(&self) -> Option<String> {
        if self.options.engine == SimEngine::Pbft {
            return None;
        }
        let tips: BTreeSet<BlockId> = (0..self.nodes.len()).map(|node| self.referee.tip(node)).collect();
        let contested = (0..self.nodes.len()).find(|node| self.referee.contested(*node).is_some());
        match contested {
            Some(node) => Some(format!("node {node} refuses a branch with more work")),
            None => (tips.len() > 1).then(|| format!("nodes are on {} branches", tips.len())),
        }
    }

    /// PBFT: whether some node's final height is still behind another's.
    fn final_heights_apart(&self) -> Option<String> {
        let correct = (0..self.nodes.len()).filter(|node| !self.is_liar(*node));
        let heights: Vec<usize> = correct.map(|node| self.referee.final_chain(node).len() - 1).collect();
        let (least, most) = (heights.iter().min()?, heights.iter().max()?);
        // Under proof of work, and with a block time, the net never stands still: one block apart is together.
        (most - least > 1).then(|| format!("final heights are {heights:?}"))
    }

    /// In the second phase a transaction is handed in again only if no running node took it: what a node took must become
    /// final without its user's help.
    pub(crate) fn users_try_again(&mut self) {
        let done = self.final_everywhere();
        for planned in 0..self.planned.len() {
            let rival = self.planned[planned].rival;
            let is_held = |world: &World, index: usize| {
                let entry = &world.planned[index];
                done.contains(&entry.txid) || entry.accepted.iter().any(|(by, life)| world.nodes[*by].life == *life)
            };
            if !is_held(self, planned) && !rival.is_some_and(|rival| is_held(self, rival)) {
                let at = self.now_ms + self.dice.between(1, 900);
                self.planned[planned].node = self.dice.index(self.nodes.len());
                self.agenda.add(at, Event::Submit { planned });
            }
        }
    }
}
