//! Messages changed at random, a little at a time (after ByzzFuzz, OOPSLA'23).

use super::forge::{nowhere, strip};
use super::{Liar, Outgoing};
use bezant_consensus::engine::To;
use bezant_consensus::ledger::units::{Epoch, Height, Time, View};
use bezant_consensus::message::{
    Ballot, CertifiedBlock, CommitCertificate, Message, NewView, Seal, TipInfo, ViewChange, VoteKind,
};

impl Liar {
    /// One message in two is changed; of these, three in four are signed anew, and every second is said beside the true one.
    pub(super) fn mutate(&mut self, now: Time, to: To, message: Message) -> Vec<Outgoing> {
        let is_own = self.forger.is_own(&message);
        let old = if is_own { self.something_old().filter(|_| self.dice.below(4) == 0) } else { None };
        let old = old.map(|old| self.replayed(old));
        if is_own {
            self.remember(&message);
        }
        if !self.dice.coin() {
            return [Some(message), old].into_iter().flatten().map(|message| (now, to, message)).collect();
        }
        let truth = self.dice.coin().then(|| message.clone());
        let changed = self.changed(message);
        let changed = if self.dice.below(4) > 0 { self.forger.signed_anew(changed) } else { changed };
        [truth, Some(changed), old].into_iter().flatten().map(|message| (now, to, message)).collect()
    }

    /// A message from before as it was, or a vote of one kind as one of another, with the signature of the first or one anew.
    fn replayed(&mut self, mut message: Message) -> Message {
        if self.dice.coin() {
            return message;
        }
        let vote = self.forger.own_vote(&mut message).map(|vote| *vote);
        let Some(mut vote) = vote else { return message };
        vote.kind = self.another_kind(vote.kind);
        let message = Message::Vote(vote);
        if self.dice.coin() { self.forger.signed_anew(message) } else { message }
    }

    fn changed(&mut self, mut message: Message) -> Message {
        match &mut message {
            Message::Vote(vote) => {
                if self.dice.below(3) == 0 {
                    vote.kind = self.another_kind(vote.kind);
                } else {
                    self.change_ballot(&mut vote.ballot);
                }
            }
            Message::PrePrepare(proposal) => {
                if self.dice.below(4) == 0 {
                    // The vote without its block.
                    let mut vote = proposal.vote;
                    vote.kind = self.another_kind(vote.kind);
                    return Message::Vote(vote);
                }
                self.change_ballot(&mut proposal.vote.ballot);
            }
            Message::Tip(tip) => self.change_tip(tip),
            Message::GetCertified { from, .. } => *from = Height(self.next_to(from.0)),
            Message::Certified(blocks) => {
                let which = self.dice.below(blocks.0.len().max(1) as u64) as usize;
                if let Some(certified) = blocks.0.get_mut(which) {
                    self.change_certified(certified);
                }
            }
            Message::ViewChange(change) if change.signer == self.forger.me => self.change_change(change),
            Message::NewView(new_view) if new_view.signer == self.forger.me => self.change_new_view(new_view),
            Message::Evidence(evidence) => self.change_ballot(&mut evidence.second.ballot),
            Message::Overdue(overdue) if overdue.signer == self.forger.me => {
                overdue.view = View(self.next_to(overdue.view.0));
            }
            Message::Checkpoint(vote) if vote.signer == self.forger.me => {
                vote.checkpoint.height = Height(self.next_to(vote.checkpoint.height.0));
            }
            Message::Checkpointed(certificate) => self.cut_or_double(&mut certificate.seals),
            Message::Snapshot(Some(snapshot)) if self.dice.coin() => self.cut_or_double(&mut snapshot.commit.commits),
            Message::Snapshot(Some(snapshot)) => self.cut_or_double(&mut snapshot.certificate.seals),
            Message::GetSuccessions { from } => *from = Epoch(self.next_to(from.0)),
            Message::Successions(successions) => {
                let which = self.dice.below(successions.0.len().max(1) as u64) as usize;
                if let Some(succession) = successions.0.get_mut(which) {
                    match self.dice.below(3) {
                        0 => self.cut_or_double(&mut succession.certificate.seals),
                        1 => drop(succession.opening.members.0.pop()),
                        _ => succession.opening.epoch = Epoch(self.next_to(succession.opening.epoch.0)),
                    }
                }
            }
            Message::Buckets(answer) => {
                let which = self.dice.below(answer.parts.len().max(1) as u64) as usize;
                if let Some(part) = answer.parts.get_mut(which) {
                    part.coins.pop();
                }
            }
            Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Overdue(_)
            | Message::Checkpoint(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(None)
            | Message::GetBuckets { .. }
            | Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::CompactPrePrepare(_)
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::GetBlocks(_)
            | Message::Blocks(_)
            | Message::GetTransactions(_)
            | Message::Transactions(_)
            | Message::CompactBlock(_) => {}
        }
        message
    }

    /// One more or one less.
    fn next_to(&mut self, number: u64) -> u64 {
        if self.dice.coin() { number.saturating_add(1) } else { number.saturating_sub(1) }
    }

    fn another_kind(&mut self, kind: VoteKind) -> VoteKind {
        let kinds = [VoteKind::PrePrepare, VoteKind::Prepare, VoteKind::Commit];
        let others: Vec<VoteKind> = kinds.into_iter().filter(|other| *other != kind).collect();
        others[self.dice.below(2) as usize]
    }

    fn change_ballot(&mut self, ballot: &mut Ballot) {
        match self.dice.below(5) {
            0 | 1 => ballot.view = View(self.next_to(ballot.view.0)),
            2 | 3 => ballot.height = Height(self.next_to(ballot.height.0)),
            _ => ballot.block = nowhere(ballot),
        }
    }

    fn change_tip(&mut self, tip: &mut TipInfo) {
        tip.height = Height(self.next_to(tip.height.0));
        if self.dice.coin() {
            tip.final_height = Height(self.next_to(tip.final_height.0));
        }
        if self.dice.below(4) == 0 {
            tip.epoch = Epoch(self.next_to(tip.epoch.0));
        }
        if self.dice.coin() {
            tip.stable = Height(self.next_to(tip.stable.0));
        }
    }

    fn change_certified(&mut self, certified: &mut CertifiedBlock) {
        match self.dice.below(3) {
            0 => self.change_ballot(&mut certified.certificate.ballot),
            1 => self.cut_short(&mut certified.certificate.commits),
            _ => self.double(&mut certified.certificate.commits),
        }
    }

    fn change_change(&mut self, change: &mut ViewChange) {
        match self.dice.below(6) {
            0 | 1 => change.view = View(self.next_to(change.view.0)),
            2 => strip(change),
            3 => self.cut_or_double_all(change),
            // The proof that something is prepared as one that it is committed, and the other way round.
            4 => {
                change.committed = change.prepared.first().map(|prepared| {
                    let certificate = &prepared.certificate;
                    let mut commits = certificate.prepares.clone();
                    commits.push(certificate.pre_prepare);
                    commits.sort_unstable();
                    CommitCertificate { ballot: certificate.ballot, commits }
                });
            }
            _ => {
                if let (Some(committed), Some(prepared)) = (&change.committed, change.prepared.first_mut()) {
                    prepared.certificate.prepares.clone_from(&committed.commits);
                    prepared.certificate.prepares.pop();
                }
            }
        }
    }

    fn cut_or_double_all(&mut self, change: &mut ViewChange) {
        let cut = self.dice.coin();
        let committed = change.committed.iter_mut().map(|it| &mut it.commits);
        let prepared = change.prepared.iter_mut().map(|it| &mut it.certificate.prepares);
        for seals in committed.chain(prepared) {
            if cut { self.cut_short(seals) } else { self.double(seals) }
        }
    }

    fn cut_or_double(&mut self, seals: &mut Vec<Seal>) {
        if self.dice.coin() { self.cut_short(seals) } else { self.double(seals) }
    }

    fn change_new_view(&mut self, new_view: &mut NewView) {
        let count = new_view.changes.len();
        match self.dice.below(6) {
            0 | 1 => new_view.view = View(self.next_to(new_view.view.0)),
            2 => drop(new_view.changes.pop()),
            3 => new_view.changes.clear(),
            4 if count > 1 => new_view.changes[1] = new_view.changes[0].clone(),
            _ => {
                let me = self.forger.me;
                if let Some(own) = new_view.changes.iter_mut().find(|change| change.signer == me) {
                    self.change_change(own);
                }
            }
        }
    }

    /// One signer twice, another not at all.
    fn double(&mut self, seals: &mut [Seal]) {
        if seals.len() > 1 {
            let which = self.dice.below(seals.len() as u64 - 1) as usize;
            seals[which + 1] = seals[which];
        }
    }
}
