//! The referee: looks on from outside and objects to whatever no correct net may do.
//!
//! It believes nothing that a node says: blocks are replayed by the [`Oracle`], votes are noted as they leave, and what was
//! reported final is remembered across crashes.

mod signed;

use crate::sim::branches::Branches;
use crate::sim::disk::{Disk, SharedDisk};
use crate::sim::members::Members;
use crate::sim::oracle::Oracle;
use bezant_consensus::chain::snapshot::SnapshotStep;
use bezant_consensus::chain::{Chain, ChainUpdate, Link, Tip};
use bezant_consensus::engine::{Fault, Record, Trace};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::units::{Epoch, Height};
use bezant_consensus::message::checkpoint::Checkpoint;
use bezant_consensus::message::{ViewChange, VoteKind};
use bezant_node_core::io::{Notice, Output};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the referee objects to: the rule's short name, and a sentence.
pub(crate) type Verdict = Result<(), (&'static str, String)>;

fn object(rule: &'static str, sentence: impl Into<String>) -> Verdict {
    Err((rule, sentence.into()))
}

/// A node as it looks from outside.
#[derive(Debug)]
struct View {
    /// The active chain as the replica switched it, from genesis to the tip.
    active: Vec<BlockId>,
    /// Where its bodies begin: genesis, or the block of the last snapshot that it went on from.
    base: BlockId,
    /// As the replica last said.
    final_height: Height,
    /// What the executor has told anyone. It survives crashes.
    reported_final: Vec<BlockId>,
    /// Proof of work.
    branches: Option<Branches>,
    /// The tip at which its commitment was compared last: hashing all buckets is what costs most here.
    committed: Option<BlockId>,
    /// Proof of work: it comes back from its disk and has decided nothing yet.
    restarting: bool,
}

/// What a vote decides: of which member, what kind, and where: incarnation, epoch, view, height.
type Seat = (u16, VoteKind, u32, u64, u64, u64);

impl View {
    /// Of a node that has never run.
    fn new(start: BlockId, branches: Option<Branches>) -> View {
        View {
            active: vec![start],
            base: start,
            final_height: Height::GENESIS,
            reported_final: vec![start],
            branches,
            committed: None,
            restarting: false,
        }
    }
}

/// Looks on.
#[derive(Debug)]
pub(crate) struct Referee {
    pub(crate) oracle: Oracle,
    /// Proof of work: how deep a branch may fork off and still be followed.
    max_reorg: Option<u64>,
    members: Members,
    views: Vec<View>,
    /// Members that lie at some time of the run; what they say is not judged.
    liars: BTreeSet<usize>,
    /// Proof of work: nodes whose owners have ruled something out.
    instructed: BTreeSet<usize>,
    /// PBFT: the final block of each height, from genesis.
    finals: Vec<BlockId>,
    /// Every vote that ever left any node.
    votes: BTreeMap<Seat, BlockId>,
    /// What every member that does not lie signed at a checkpoint, by signer, epoch and height.
    checkpoints: BTreeMap<(u16, u64, u64), Checkpoint>,
    /// Every VIEW-CHANGE that ever left its signer, by signer, epoch and view.
    changes: BTreeMap<(u16, u64, u64), ViewChange>,
    /// Times that finality was withdrawn, with the event that belongs to it.
    pub(crate) finality_broken: u64,
    /// Times that blocks were disconnected.
    pub(crate) reorgs: u64,
    /// Proof of work: times that a branch was refused as too deep.
    pub(crate) alarms: u64,
}

impl Referee {
    pub(crate) fn new(genesis: &Arc<Genesis>, nodes: usize, keys: &[PublicKey], liars: BTreeSet<usize>) -> Referee {
        let oracle = Oracle::new(genesis.clone());
        let start = oracle.genesis_id();
        let max_reorg = genesis.pow().map(|params| u64::from(params.max_reorg));
        let branches = || max_reorg.map(|max_reorg| Branches::new(&oracle, max_reorg));
        let views = (0..nodes).map(|_| View::new(start, branches())).collect();
        Referee {
            oracle,
            max_reorg,
            members: if max_reorg.is_some() { Members::default() } else { Members::new(genesis, keys) },
            views,
            liars,
            instructed: BTreeSet::new(),
            finals: vec![start],
            votes: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            changes: BTreeMap::new(),
            finality_broken: 0,
            reorgs: 0,
            alarms: 0,
        }
    }

    fn is_pow(&self) -> bool {
        self.max_reorg.is_some()
    }

    /// The blocks that are final, or count as final, on a node now.
    pub(crate) fn final_chain(&self, node: usize) -> &[BlockId] {
        let view = &self.views[node];
        &view.active[..=view.final_height.0 as usize]
    }

    pub(crate) fn tip(&self, node: usize) -> BlockId {
        *self.views[node].active.last().expect("genesis is never disconnected")
    }

    /// A node begins to lie: from now on what it says is not judged.
    pub(crate) fn distrust(&mut self, node: usize) {
        self.liars.insert(node);
    }

    /// A node has another key from now on.
    pub(crate) fn rekeyed(&mut self, node: usize, key: PublicKey) {
        self.members.rekeyed(node, key);
    }

    /// Proof of work: while a person has ruled a branch out by hand, what the node follows is not judged.
    pub(crate) fn instructed(&mut self, node: usize, is_instructed: bool) {
        if is_instructed {
            self.instructed.insert(node);
        } else {
            self.instructed.remove(&node);
        }
    }

    /// The active chain of a node, as it was when it ran last.
    pub(crate) fn active(&self, node: usize) -> &[BlockId] {
        &self.views[node].active
    }

    /// Which node a member is.
    pub(crate) fn node_of(&self, epoch: Epoch, signer: u16) -> Option<usize> {
        self.members.node_of(epoch, signer)
    }

    /// A node lost its disk: all that it ever reported is forgotten, and it is mute under its new vote log.
    pub(crate) fn wiped(&mut self, node: usize, nonce: [u8; 32]) {
        self.views[node] = View::new(self.oracle.genesis_id(), None);
        self.members.wiped(node, nonce);
    }

    /// Whether a node is a member of this epoch that lost its vote log and could have been re-admitted since: there are other
    /// blocks between one re-admission and the next, and a net without work makes none.
    pub(crate) fn is_kept_out(&self, node: usize, epoch: Epoch, interval: u32) -> bool {
        let height = self.views[node].final_height;
        self.members.is_mute(node, epoch) && !self.members.must_wait(node, epoch, height, interval)
    }

    /// A replica has decided; nothing is executed yet.
    pub(crate) fn decided(&mut self, node: usize, outputs: &[Output]) -> Verdict {
        let broken: Vec<(Height, Height)> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Notice(Notice::Engine(Trace::FinalityBroken { before, fork })) => Some((*before, *fork)),
                _ => None,
            })
            .collect();
        let mut withdrawn = Vec::new();
        for output in outputs {
            match output {
                Output::Persist(Record::Body(block)) if self.is_pow() => self.hold(node, block),
                Output::Persist(Record::Header(header)) => self.seen(node, header.id()),
                Output::Mine(template) => self.mines(node, template.is_some()),
                Output::Notice(Notice::Engine(Trace::ReorgRefused { depth, tip })) => {
                    self.refuses(node, *tip, *depth)?;
                }
                Output::Persist(Record::Epoch(succession)) => self.members.opened(node, &succession.opening)?,
                Output::Members { set, .. } => self.members.announced(node, set)?,
                Output::Chain(update) => withdrawn.extend(self.switch(node, update)?),
                Output::Snapshot(SnapshotStep::Switched(tip)) => self.rebased(node, tip)?,
                _ => {}
            }
        }
        self.finality_broken += broken.len() as u64;
        // After a restart also what was told before the crash, and not flushed, is withdrawn; perhaps once more.
        let more = usize::from(std::mem::take(&mut self.views[node].restarting) && broken.len() > withdrawn.len());
        if broken[more..] != withdrawn {
            let text = format!("node {node} withdrew finality (before, fork) {withdrawn:?} and told {broken:?}");
            return object("silent-finality", text);
        }
        self.judge_branches(node)
    }

    /// A node goes on from a snapshot: of a block that is final, and never of one below its tip, since nothing corrupts coins
    /// here. Its coins are compared with those of a replay as after any block.
    fn rebased(&mut self, node: usize, tip: &Tip) -> Verdict {
        let height = tip.height;
        let is_known = self.oracle.get(&tip.id).is_some_and(|block| block.height == height);
        if !is_known || self.finals.get(height.0 as usize) != Some(&tip.id) {
            return object(
                "snapshot",
                format!("node {node} goes on from a block at height {height} that is not final"),
            );
        }
        if height < self.views[node].final_height {
            return object("final-undone", format!("node {node} went back to a snapshot of height {height}"));
        }
        let active = self.oracle.path(tip.id);
        let view = &mut self.views[node];
        (view.active, view.final_height, view.base) = (active, height, tip.id);
        Ok(())
    }

    /// Follows a switch of the active chain; returns a withdrawal of finality.
    fn switch(
        &mut self,
        node: usize,
        update: &ChainUpdate,
    ) -> Result<Option<(Height, Height)>, (&'static str, String)> {
        let before = self.views[node].final_height;
        for link in &update.disconnected {
            let view = &mut self.views[node];
            if view.active.len() < 2 || view.active.pop() != Some(link.id) {
                object("chain-update", format!("node {node} disconnected a block that is not its tip"))?;
            }
        }
        let fork = Height(self.views[node].active.len() as u64 - 1);
        let depth = update.disconnected.len() as u64;
        for link in &update.connected {
            self.connect(node, link)?;
        }
        let view = &mut self.views[node];
        if view.active.last() != Some(&update.tip.id) || update.tip.height.0 + 1 != view.active.len() as u64 {
            object("chain-update", format!("node {node} is at another tip than its update says"))?;
        }
        if let (Some(branches), Some(left)) = (&view.branches, update.disconnected.first()) {
            if !self.instructed.contains(&node) {
                branches.switches(&self.oracle, node, &left.id, &update.tip.id, depth)?;
            }
            self.reorgs += 1;
        }
        view.final_height = update.final_height;
        if fork < before {
            if !self.is_pow() {
                object("final-undone", format!("node {node} disconnected final blocks from {before} down to {fork}"))?;
            }
            return Ok(Some((before, fork)));
        }
        if update.final_height < before {
            if !self.is_pow() {
                object("final-undone", format!("node {node} lowered its final height below {before}"))?;
            }
            return Ok(Some((before, update.final_height)));
        }
        Ok(None)
    }

    fn connect(&mut self, node: usize, link: &Link) -> Verdict {
        let view = &mut self.views[node];
        if view.active.last() != Some(&link.block.header.parent) || link.block.id() != link.id {
            return object("chain-update", format!("node {node} connected a block that is not above its tip"));
        }
        let replayed = match self.oracle.learn(&link.block) {
            Ok(replayed) => replayed,
            Err(why) => return object("replay", format!("node {node} connected an invalid block: {why}")),
        };
        if replayed.height != link.height || replayed.diff != *link.diff {
            return object("replay", format!("node {node} connects block {} otherwise than a replay", link.height));
        }
        view.active.push(link.id);
        Ok(())
    }

    /// Proof of work: a node holds a body. What is invalid does not count.
    fn hold(&mut self, node: usize, block: &Block) {
        if self.oracle.learn(block).is_ok()
            && let Some(branches) = &mut self.views[node].branches
        {
            branches.has_body(&self.oracle, block.id());
        }
    }

    /// Proof of work: a header joined a node's tree.
    fn seen(&mut self, node: usize, id: BlockId) {
        if let Some(branches) = &mut self.views[node].branches {
            branches.has_header(&self.oracle, id);
        }
    }

    fn mines(&mut self, node: usize, is_mining: bool) {
        if let Some(branches) = &mut self.views[node].branches {
            branches.mines(is_mining);
        }
    }

    /// Proof of work: a node raises the alarm.
    fn refuses(&mut self, node: usize, tip: BlockId, depth: u64) -> Verdict {
        self.alarms += 1;
        let View { branches, active, .. } = &mut self.views[node];
        branches.as_mut().map_or(Ok(()), |branches| branches.refuses(&self.oracle, node, active, tip, depth))
    }

    /// Proof of work: a person lets a node follow a branch that it refuses.
    pub(crate) fn allowed(&mut self, node: usize, id: &BlockId) {
        if let Some(branches) = &mut self.views[node].branches {
            branches.allows(&self.oracle, id);
        }
    }

    /// Proof of work: the branch with more work than a node's chain that it refuses.
    pub(crate) fn contested(&self, node: usize) -> Option<BlockId> {
        self.views[node].branches.as_ref()?.contested(&self.oracle, &self.tip(node))
    }

    fn judge_branches(&self, node: usize) -> Verdict {
        if self.instructed.contains(&node) {
            return Ok(());
        }
        let View { branches, active, final_height, .. } = &self.views[node];
        branches.as_ref().map_or(Ok(()), |branches| branches.judge(&self.oracle, node, active, *final_height))
    }

    /// The executor of a node tells the world of a chain update.
    pub(crate) fn reported(&mut self, node: usize, update: &ChainUpdate, disk: &Disk) -> Verdict {
        let path = self.oracle.path(update.tip.id);
        let told = &path[..=update.final_height.0 as usize];
        if !self.is_pow() {
            for (height, id) in told.iter().enumerate().skip(1) {
                self.finalize(node, height, *id)?;
            }
            for link in &update.connected {
                let epoch = self.oracle.get(&link.id).map(|block| block.epoch);
                let is_its = |record: &Record| matches!(record, Record::Committed(c) if c.ballot.block == link.id);
                let is_in = |record: &Record| match record {
                    Record::Committed(c) => c.ballot.block == link.id && Some(c.ballot.epoch) == epoch,
                    _ => false,
                };
                if link.height <= update.final_height && !disk.has_durable(is_its) {
                    let text = format!("node {node} reported block {} final before that was durable", link.height);
                    return object("not-durable", text);
                }
                if link.height <= update.final_height && !disk.has_durable(is_in) {
                    let text = format!("node {node} has block {} from another epoch than its own", link.height);
                    return object("epoch", text);
                }
            }
        }
        self.report(node, &path, told.len())
    }

    /// Notes what the world is told, across crashes: of a chain up to its tip, so many blocks are final. Under proof of work nothing
    /// else may be told of a height before that is announced.
    fn report(&mut self, node: usize, path: &[BlockId], count: usize) -> Verdict {
        let is_pow = self.is_pow();
        let told = &mut self.views[node].reported_final;
        let kept = path.iter().zip(told.iter()).take_while(|(now, told)| now == told).count();
        if is_pow && kept < told.len().min(path.len()) {
            let text =
                format!("node {node} had told height {} final and is on another branch from {kept} on", told.len() - 1);
            return object("silent-finality", text);
        }
        if !is_pow || count > told.len() {
            *told = path[..count].to_vec();
        }
        Ok(())
    }

    /// Proof of work: a node tells the world that nothing above this height is final any more.
    pub(crate) fn announced(&mut self, node: usize, fork: Height) {
        self.views[node].reported_final.truncate(fork.0 as usize + 1);
    }

    fn finalize(&mut self, node: usize, height: usize, id: BlockId) -> Verdict {
        match self.finals.get(height) {
            Some(other) if *other != id => {
                object("final-conflict", format!("node {node} calls {id} final at height {height}, others {other}"))
            }
            Some(_) => Ok(()),
            None => {
                self.finals.push(id);
                Ok(())
            }
        }
    }

    fn is_liar(&self, epoch: Epoch, signer: u16) -> bool {
        self.members.node_of(epoch, signer).is_some_and(|node| self.liars.contains(&node))
    }

    /// A node blames a peer. Of an equivocation it blames who brought the second vote, which proves nothing against that one.
    pub(crate) fn blamed(&self, node: usize, epoch: Epoch, peer: Option<usize>, fault: &Fault, ban: bool) -> Verdict {
        let whom = peer.map_or_else(|| "a former peer".to_owned(), |peer| format!("node {peer}"));
        let deserved = match fault {
            Fault::Equivocation(signer, _) => self.is_liar(epoch, *signer),
            Fault::Invalid { .. } | Fault::Unwanted(_) | Fault::Silent => {
                peer.is_some_and(|peer| self.liars.contains(&peer))
            }
        };
        if deserved || self.liars.contains(&node) {
            return Ok(());
        }
        let serious = matches!(fault, Fault::Invalid { .. } | Fault::Equivocation(..));
        if serious || ban {
            return object("false-blame", format!("node {node} blames {whom}, which is correct: {fault}"));
        }
        Ok(())
    }

    /// A node comes back from what its disk has: `tip` is what was flushed.
    pub(crate) fn restarting(&mut self, node: usize, tip: BlockId, disk: &Disk) -> Verdict {
        if self.oracle.get(&tip).is_none() {
            return object("restart", format!("node {node} starts at a tip that it never had"));
        }
        let active = self.oracle.path(tip);
        let branches = self.max_reorg.map(|max_reorg| Branches::restored(&mut self.oracle, max_reorg, disk));
        let view = &mut self.views[node];
        view.active = active;
        view.base = disk.base();
        view.final_height = Height::GENESIS;
        view.restarting = self.max_reorg.is_some();
        view.branches = branches;
        view.committed = None;
        Ok(())
    }

    /// After a restart, once the replica has decided what to make of its records.
    pub(crate) fn restarted(&mut self, node: usize, chain: &mut Chain, disk: &SharedDisk) -> Verdict {
        let is_pow = self.is_pow();
        let view = &mut self.views[node];
        if chain.tip().id != *view.active.last().expect("genesis is never disconnected") {
            return object("restart", format!("node {node} came back at another tip than its updates say"));
        }
        view.final_height = chain.final_height();
        let told = &view.reported_final;
        let kept = view.active.get(..told.len()).is_some_and(|active| active == told.as_slice());
        let is_final = view.final_height.0 as usize + 1 >= told.len();
        if !(is_pow || kept && is_final) {
            let (was, is) = (told.len() - 1, view.final_height);
            return object("final-lost", format!("node {node} had reported height {was} final and came back at {is}"));
        }
        self.inspect(node, chain, disk)?;
        self.judge_branches(node)
    }

    /// Compares all that a node has with a replay of its chain from genesis.
    pub(crate) fn inspect(&mut self, node: usize, chain: &mut Chain, disk: &SharedDisk) -> Verdict {
        let tip = self.tip(node);
        if chain.tip().id != tip {
            return object("chain-update", format!("the tip of node {node} is not the one that its updates led to"));
        }
        // The disk has switched to a snapshot, and the replica is about to be told; until then it connects nothing.
        if disk.lock().base() != self.views[node].base {
            return Ok(());
        }
        if let Err(why) = self.oracle.compare(&tip, &*chain) {
            return object("coin-set", format!("node {node} at height {}: {why}", chain.tip().height));
        }
        if self.views[node].committed == Some(tip) {
            return Ok(());
        }
        self.views[node].committed = Some(tip);
        if chain.commitment() != self.oracle.commitment(&tip) {
            let text = format!("node {node} at height {} commits to other coins than a replay", chain.tip().height);
            return object("coin-set", text);
        }
        Ok(())
    }

    /// Replays a node's own bodies, from genesis or from the snapshot that it went on from.
    pub(crate) fn replay(&self, node: usize, chain: &Chain) -> Verdict {
        let body = |id: &BlockId| chain.block(id);
        match self.oracle.replay_all(self.views[node].base, self.tip(node), body) {
            Ok(()) => Ok(()),
            Err(why) => object("replay", format!("node {node}: {why}")),
        }
    }
}
