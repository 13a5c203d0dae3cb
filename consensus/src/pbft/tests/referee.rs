//! The referee: looks at what every replica persists, sends and calls final, in every run.

use super::cluster::World;
use crate::chain::ChainUpdate;
use crate::engine::Record;
use crate::ledger::hash::BlockId;
use crate::ledger::units::Height;
use crate::message::{Message, VoteKind};

impl World {
    /// One block is certified at a height, and its parent at the height below.
    pub(super) fn judge_record(&mut self, record: &Record) {
        match record {
            Record::Body(block) => drop(self.headers.insert(block.id(), block.header)),
            Record::Committed(it) => {
                let (height, block) = (it.ballot.height, it.ballot.block);
                let held = *self.certified.entry(height).or_insert(block);
                assert_eq!(held, block, "fork: two commit certificates at {height}");
            }
            _ => return,
        }
        for (height, block) in &self.certified {
            let parent = self.headers.get(block).map(|header| header.parent);
            let below = height.previous().and_then(|below| self.certified.get(&below));
            assert!(parent.is_none() || below.is_none() || below == parent.as_ref(), "fork: below {height}");
        }
    }

    /// What is final has a durable certificate and body, stays, and is the same everywhere.
    pub(super) fn judge_update(&mut self, index: usize, update: &ChainUpdate) {
        assert!(update.disconnected.is_empty(), "PBFT undoes nothing");
        assert_eq!(update.final_height, update.tip.height, "what is connected is final");
        for link in &update.connected {
            let certified = |record: &Record| matches!(record, Record::Committed(it) if it.ballot.block == link.id);
            let is_held = |record: &Record| matches!(record, Record::Body(block) if block.id() == link.id);
            assert!(self.disk(index, |disk| disk.has(certified)), "final only after its certificate is durable");
            assert!(self.disk(index, |disk| disk.has(is_held)), "final only after its body is durable");
            let earlier = self.nodes[index].finals.insert(link.height, link.id);
            assert!(earlier.is_none_or(|id| id == link.id), "what is final stays");
        }
        for node in &self.nodes {
            for (height, id) in &node.finals {
                let ours = self.nodes[index].finals.get(height);
                assert!(ours.is_none_or(|ours| ours == id), "no two final blocks at a height");
            }
        }
    }

    /// What must be durable before a vote leaves, and one vote per kind, view and height, for ever.
    pub(super) fn judge_sent(&mut self, from: usize, message: &Message) {
        if self.forks_only {
            return;
        }
        let vote = match message {
            Message::PrePrepare(proposal) => proposal.vote,
            Message::Vote(vote) => *vote,
            _ => return,
        };
        let ballot = vote.ballot;
        let has = |wanted: &dyn Fn(&Record) -> bool| self.disk(from, |disk| disk.has(wanted));
        assert!(has(&|it| *it == Record::Vote(vote)), "a vote is durable before it leaves");
        if vote.kind == VoteKind::Commit {
            let prepared = |it: &Record| matches!(it, Record::Prepared(it) if it.certificate.ballot == ballot);
            assert!(has(&prepared), "the prepared certificate is durable before COMMIT");
        } else {
            let body = |it: &Record| matches!(it, Record::Body(block) if block.id() == ballot.block);
            assert!(has(&body), "the body is durable before it is voted for");
            let parent = self.parent_of(from, ballot.block);
            let links = |it: &Record| match it {
                Record::Prepared(it) => {
                    let linked = it.certificate.ballot;
                    linked.block == parent && (linked.epoch, linked.view) == (ballot.epoch, ballot.view)
                }
                Record::Committed(it) => it.ballot.block == parent,
                _ => false,
            };
            let is_linked = ballot.height == Height(1) || has(&links);
            assert!(is_linked, "the parent's certificate is durable before what links to it");
        }
        let node = &mut self.nodes[from];
        let place = (vote.kind, ballot.view, ballot.height, ballot.epoch);
        let others = node.sent.iter().filter(|it| (it.0, it.1, it.2, it.4) == place);
        assert!(others.clone().all(|it| it.3 == ballot.block), "one vote per kind, view and height");
        node.sent.insert((vote.kind, ballot.view, ballot.height, ballot.block, ballot.epoch));
    }

    fn parent_of(&self, index: usize, block: BlockId) -> BlockId {
        self.disk(index, |disk| disk.blocks.get(&block).expect("the body is durable").header.parent)
    }
}
