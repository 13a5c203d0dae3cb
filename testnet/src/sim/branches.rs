//! Proof of work: what the referee knows of the branches that a node has seen, and what the node owes of each.
//!
//! A branch is *barred* from the moment at which the node raises the alarm, since it forks off deeper than `max_reorg`, until a
//! person allows it or the node starts anew. Everything else the node has to follow.

use crate::sim::disk::Disk;
use crate::sim::oracle::Oracle;
use crate::sim::referee::Verdict;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::target::Work;
use bezant_consensus::ledger::units::Height;
use std::collections::BTreeSet;

/// The branches that one node has seen.
#[derive(Debug)]
pub(crate) struct Branches {
    max_reorg: u64,
    /// In the node's tree, whether their bodies are here or not.
    headers: BTreeSet<BlockId>,
    /// The same in the order in which they came: of several with equal work the first counts.
    arrivals: Vec<BlockId>,
    /// Blocks held with all of their ancestors, all valid.
    complete: BTreeSet<BlockId>,
    /// Bodies held without all of their ancestors.
    waiting: Vec<BlockId>,
    /// The lowest blocks of the barred branches.
    barred: Vec<BlockId>,
    /// The lowest blocks of those that a person has allowed.
    allowed: Vec<BlockId>,
    /// The most work among the complete blocks that are not barred.
    most_work: Work,
    /// The headers with the most work that are not barred.
    heaviest: (Work, Vec<BlockId>),
    /// The barred header with the most work.
    refused: Option<(Work, BlockId)>,
    /// Whether a miner searches for this node, once all that is decided is carried out.
    is_mining: bool,
}

impl Branches {
    /// Of a node that knows genesis alone.
    pub(crate) fn new(oracle: &Oracle, max_reorg: u64) -> Branches {
        let start = oracle.genesis_id();
        let work = work_of(oracle, &start);
        Branches {
            max_reorg,
            headers: BTreeSet::from([start]),
            arrivals: vec![start],
            complete: BTreeSet::from([start]),
            waiting: Vec::new(),
            barred: Vec::new(),
            allowed: Vec::new(),
            most_work: work,
            heaviest: (work, vec![start]),
            refused: None,
            is_mining: false,
        }
    }

    /// Of a node that starts with what its disk has.
    pub(crate) fn restored(oracle: &mut Oracle, max_reorg: u64, disk: &Disk) -> Branches {
        let mut branches = Branches::new(oracle, max_reorg);
        for header in disk.headers() {
            branches.has_header(oracle, header.id());
        }
        // What is invalid, or has no valid parent, does not count.
        let bodies: Vec<BlockId> =
            disk.bodies().filter(|block| oracle.learn(block).is_ok()).map(|block| block.id()).collect();
        for id in bodies {
            branches.has_body(oracle, id);
        }
        branches
    }

    /// A header joined the node's tree.
    pub(crate) fn has_header(&mut self, oracle: &Oracle, id: BlockId) {
        if oracle.get(&id).is_some() && self.headers.insert(id) {
            self.arrivals.push(id);
            self.weigh(oracle, id);
        }
    }

    /// The node holds a valid body.
    pub(crate) fn has_body(&mut self, oracle: &Oracle, id: BlockId) {
        self.waiting.push(id);
        loop {
            let ready = |id: &BlockId| oracle.get(id).is_some_and(|block| self.complete.contains(&block.parent));
            let Some(place) = self.waiting.iter().position(ready) else { return };
            let id = self.waiting.swap_remove(place);
            self.complete.insert(id);
            if !self.is_barred(oracle, &id) {
                self.most_work = self.most_work.max(work_of(oracle, &id));
            }
        }
    }

    /// The node decided that a miner is to search for it, or none.
    pub(crate) fn mines(&mut self, is_mining: bool) {
        self.is_mining = is_mining;
    }

    /// The node refuses the branch that ends with `tip`, and names its depth.
    pub(crate) fn refuses(
        &mut self,
        oracle: &Oracle,
        node: usize,
        active: &[BlockId],
        tip: BlockId,
        depth: u64,
    ) -> Verdict {
        let fork = fork(oracle, active, &tip);
        let real = active.len() as u64 - 1 - fork;
        if real != depth || real <= self.max_reorg {
            let text =
                format!("node {node} refuses a branch as {depth} deep, which is {real}, of {} allowed", self.max_reorg);
            return Err(("alarm", text));
        }
        let root = oracle.ancestors(tip).find(|(_, block)| block.height.0 == fork + 1).map(|(id, _)| id);
        self.barred.push(root.expect("a refused branch is longer than what it shares"));
        self.weigh_all(oracle);
        Ok(())
    }

    /// A person lets the node follow the branch on which a block is.
    pub(crate) fn allows(&mut self, oracle: &Oracle, id: &BlockId) {
        let (on, off) = self.barred.iter().partition(|root| is_above(oracle, id, root));
        self.barred = off;
        self.allowed.extend::<Vec<BlockId>>(on);
        self.weigh_all(oracle);
    }

    /// The barred branch with more work than the node's chain.
    pub(crate) fn contested(&self, oracle: &Oracle, tip: &BlockId) -> Option<BlockId> {
        self.refused.filter(|(work, _)| *work > work_of(oracle, tip)).map(|(_, id)| id)
    }

    /// A switch, before it is made: it is for more work, and undoes no more than is allowed.
    pub(crate) fn switches(&self, oracle: &Oracle, node: usize, from: &BlockId, to: &BlockId, depth: u64) -> Verdict {
        let (old, new) = (work_of(oracle, from), work_of(oracle, to));
        if new <= old {
            return Err(("tie", format!("node {node} leaves a tip of work {old} for one of work {new}")));
        }
        if depth > self.max_reorg && !self.is_allowed(oracle, to) {
            let text = format!("node {node} undoes {depth} blocks by itself, of {} allowed", self.max_reorg);
            return Err(("too-deep", text));
        }
        Ok(())
    }

    /// What holds between events.
    pub(crate) fn judge(&self, oracle: &Oracle, node: usize, active: &[BlockId], final_height: Height) -> Verdict {
        let tip = active.last().expect("genesis is never disconnected");
        let (height, work) = (active.len() as u64 - 1, work_of(oracle, tip));
        if work < self.most_work {
            let text = format!("node {node} stays at height {height} with work {work}, but holds {}", self.most_work);
            return Err(("most-work", text));
        }
        let alarm = |text: String| Err(("alarm", text));
        let within = |id: &BlockId| self.is_allowed(oracle, id) || height - fork(oracle, active, id) <= self.max_reorg;
        if self.heaviest.0 > work && !self.heaviest.1.iter().any(within) {
            return alarm(format!("node {node} neither follows nor refuses a branch of work {}", self.heaviest.0));
        }
        let Some(refused) = self.contested(oracle, tip) else { return Ok(()) };
        let shared = fork(oracle, active, &refused);
        if self.is_mining {
            return alarm(format!("node {node} mines though it refuses a branch with more work"));
        }
        if final_height.0 > shared {
            return alarm(format!(
                "node {node} calls {final_height} final though it shares {shared} with a heavier branch"
            ));
        }
        Ok(())
    }

    fn is_allowed(&self, oracle: &Oracle, id: &BlockId) -> bool {
        self.allowed.iter().any(|root| is_above(oracle, id, root))
    }

    fn is_barred(&self, oracle: &Oracle, id: &BlockId) -> bool {
        self.barred.iter().any(|root| is_above(oracle, id, root)) && !self.is_allowed(oracle, id)
    }

    /// Counts a header in.
    fn weigh(&mut self, oracle: &Oracle, id: BlockId) {
        let work = work_of(oracle, &id);
        if self.is_barred(oracle, &id) {
            if self.refused.is_none_or(|(most, _)| work > most) {
                self.refused = Some((work, id));
            }
        } else if work > self.heaviest.0 {
            self.heaviest = (work, vec![id]);
        } else if work == self.heaviest.0 {
            self.heaviest.1.push(id);
        }
    }

    /// Counts anew, since other branches are barred now.
    fn weigh_all(&mut self, oracle: &Oracle) {
        self.refused = None;
        self.heaviest = (Work::ZERO, Vec::new());
        for id in self.arrivals.clone() {
            self.weigh(oracle, id);
        }
        let open = self.complete.iter().filter(|id| !self.is_barred(oracle, id));
        self.most_work = open.map(|id| work_of(oracle, id)).max().unwrap_or(Work::ZERO);
    }
}

fn work_of(oracle: &Oracle, id: &BlockId) -> Work {
    oracle.get(id).map_or(Work::ZERO, |block| block.work)
}

/// The height of the last block that `id` shares with the chain.
fn fork(oracle: &Oracle, active: &[BlockId], id: &BlockId) -> u64 {
    let is_shared = |height: Height, id: &BlockId| active.get(height.0 as usize) == Some(id);
    let shared = oracle.ancestors(*id).find(|(id, block)| is_shared(block.height, id));
    shared.map_or(0, |(_, block)| block.height.0)
}

/// Whether `root` is the block or one below it.
fn is_above(oracle: &Oracle, id: &BlockId, root: &BlockId) -> bool {
    let Some(lowest) = oracle.get(root).map(|block| block.height) else { return false };
    oracle.ancestors(*id).take_while(|(_, block)| block.height >= lowest).any(|(id, _)| id == *root)
}
