//! Two stories for two halves of the members.

use super::dice::Dice;
use super::forge::nowhere;
use super::{Liar, Outgoing, REMEMBERED_MAX};
use bezant_consensus::engine::To;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::message::{Ballot, Message, Vote, VoteKind};
use std::collections::BTreeSet;

/// A half of the other members, drawn at random; of an odd number now the smaller part, now the larger.
pub(super) fn half_of(set: &ValidatorSet, me: u16, dice: &mut Dice) -> BTreeSet<u16> {
    let mut others: Vec<u16> = (0..set.n() as u16).filter(|member| *member != me).collect();
    for last in (1..others.len()).rev() {
        others.swap(last, dice.below(last as u64 + 1) as usize);
    }
    let rounding = if dice.coin() { 1 } else { 0 };
    others.truncate(others.len().div_ceil(2).min(others.len() / 2 + rounding));
    others.into_iter().collect()
}

impl Liar {
    pub(super) fn equivocate(&mut self, now: Time, to: To, message: Message) -> Vec<Outgoing> {
        if !self.forger.is_own(&message) {
            return vec![(now, to, message)];
        }
        match message {
            Message::PrePrepare(proposal) => {
                let twin = self.forger.twin(&proposal);
                let Ballot { view, height, .. } = proposal.vote.ballot;
                self.twins.insert((view, height), twin.vote.ballot.block);
                if self.twins.len() > REMEMBERED_MAX {
                    self.twins.pop_first();
                }
                let commit = |vote: &Vote| Message::Vote(self.forger.vote(VoteKind::Commit, vote.ballot));
                let first = vec![commit(&proposal.vote), Message::PrePrepare(proposal)];
                let second = vec![commit(&twin.vote), Message::PrePrepare(twin)];
                self.split(now, to, &first, &second)
            }
            Message::Vote(vote) => {
                let ballot = Ballot { block: self.other_block(&vote.ballot), ..vote.ballot };
                let other = Message::Vote(self.forger.vote(vote.kind, ballot));
                self.split(now, to, &[Message::Vote(vote)], &[other])
            }
            Message::ViewChange(_) | Message::NewView(_) => {
                let stripped = self.forger.stripped(message.clone());
                if stripped == message {
                    return vec![(now, to, message)];
                }
                self.split(now, to, &[message], &[stripped])
            }
            other => vec![(now, to, other)],
        }
    }

    /// What the second half is told to be voted for.
    fn other_block(&self, ballot: &Ballot) -> BlockId {
        let twin = self.twins.get(&(ballot.view, ballot.height)).copied();
        twin.filter(|twin| *twin != ballot.block).unwrap_or_else(|| nowhere(ballot))
    }

    /// Sends the one to one half and the other to the other. A peer that is known by its number only is of the half that the
    /// number says.
    fn split(&self, now: Time, to: To, first: &[Message], second: &[Message]) -> Vec<Outgoing> {
        let others = (0..self.forger.set.n() as u16).filter(|member| *member != self.forger.me);
        let targets: Vec<(To, bool)> = match to {
            To::All | To::Members => {
                others.map(|member| (To::Member(member), self.second_half.contains(&member))).collect()
            }
            To::Member(member) => vec![(to, self.second_half.contains(&member))],
            To::Peer(peer) => vec![(to, peer.0 % 2 == 1)],
        };
        let story = |(to, is_second): (To, bool)| {
            let messages = if is_second { second } else { first };
            messages.iter().map(move |message| (now, to, message.clone()))
        };
        targets.into_iter().flat_map(story).collect()
    }
}
