//! Two stories for two halves of the members. Liars with one seed tell the same two stories to the same halves, so that together
//! they do the worst that so many can.

use super::dice::Dice;
use super::forge::{nowhere, twins_of};
use super::{Liar, Outgoing, REMEMBERED_MAX};
use bezant_consensus::engine::To;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::message::{Ballot, Message, PrePrepare, VoteKind};
use std::collections::BTreeSet;

/// A half of the members, drawn at random; of an odd number now the smaller part, now the larger.
pub(super) fn half_of(set: &ValidatorSet, dice: &mut Dice) -> BTreeSet<u16> {
    let mut members: Vec<u16> = (0..set.n() as u16).collect();
    for last in (1..members.len()).rev() {
        members.swap(last, dice.below(last as u64 + 1) as usize);
    }
    let rounding = if dice.coin() { 1 } else { 0 };
    members.truncate(members.len().div_ceil(2).min(members.len() / 2 + rounding));
    members.into_iter().collect()
}

impl Liar {
    pub(super) fn equivocate(&mut self, now: Time, to: To, message: Message) -> Vec<Outgoing> {
        if !self.forger.is_own(&message) {
            return vec![(now, to, message)];
        }
        match message {
            Message::PrePrepare(proposal) => {
                let (first, second) = self.learn_twins(&proposal);
                let story = |block: Block| {
                    let told = self.forger.proposal_of(&proposal, block);
                    let commit = self.forger.vote(VoteKind::Commit, told.vote.ballot);
                    [Message::Vote(commit), Message::PrePrepare(told)]
                };
                self.split(now, to, &story(first), &story(second))
            }
            Message::Vote(vote) => {
                let (first, second) = self.two_blocks(&vote.ballot);
                let story = |block: BlockId| {
                    let ballot = Ballot { block, ..vote.ballot };
                    [Message::Vote(self.forger.vote(vote.kind, ballot))]
                };
                self.split(now, to, &story(first), &story(second))
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

    /// Keeps in mind which two blocks go with a proposal, whoever made it.
    pub(super) fn learn_twins(&mut self, proposal: &PrePrepare) -> (Block, Block) {
        let (first, second) = twins_of(&proposal.block);
        let Ballot { view, height, .. } = proposal.vote.ballot;
        self.twins.insert((view, height), (first.id(), second.id()));
        if self.twins.len() > REMEMBERED_MAX {
            self.twins.pop_first();
        }
        (first, second)
    }

    /// What the two halves are told to be voted for.
    fn two_blocks(&self, ballot: &Ballot) -> (BlockId, BlockId) {
        let twins = self.twins.get(&(ballot.view, ballot.height)).copied();
        let known = twins.filter(|(first, second)| *first == ballot.block || *second == ballot.block);
        known.unwrap_or_else(|| (ballot.block, nowhere(ballot)))
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
