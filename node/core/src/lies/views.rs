//! Messages of views that are over, and of views that will never be.

use super::{Liar, Outgoing};
use bezant_consensus::engine::To;
use bezant_consensus::ledger::key::Signature;
use bezant_consensus::ledger::units::{Time, View};
use bezant_consensus::limits::VIEW_MAX;
use bezant_consensus::message::{Message, ViewChange};

/// So far below the last view that there may be a huge one is at most.
const BELOW_THE_END: u64 = 4;

impl Liar {
    /// In view 0, which none came before, only old messages are said again.
    pub(super) fn stale_view(&mut self, now: Time, to: To, mut message: Message) -> Vec<Outgoing> {
        if !self.forger.is_own(&message) {
            return vec![(now, to, message)];
        }
        let again = self.something_old();
        self.remember(&message);
        if let Some(vote) = self.forger.own_vote(&mut message) {
            vote.ballot.view = View(self.below(vote.ballot.view.0));
        }
        if let Message::ViewChange(change) = &mut message {
            // View 0 begins without a VIEW-CHANGE.
            let view = View(1 + self.below(change.view.0.saturating_sub(1)));
            change.view = view;
            change.committed.take_if(|it| it.ballot.view >= view);
            change.prepared.retain(|it| it.certificate.ballot.view < view);
        }
        let message = self.forger.signed_anew(message);
        [Some(message), again].into_iter().flatten().map(|message| (now, to, message)).collect()
    }

    /// Any number below, or 0 if there is none.
    fn below(&mut self, number: u64) -> u64 {
        if number == 0 { 0 } else { self.dice.below(number) }
    }

    /// VIEW-CHANGEs become huge; votes of huge views come beside the true ones, and a VIEW-CHANGE with every tip.
    pub(super) fn huge_view(&mut self, now: Time, to: To, message: Message) -> Vec<Outgoing> {
        let view = View(VIEW_MAX - self.dice.below(BELOW_THE_END));
        let mut huge = message.clone();
        if let Some(vote) = self.forger.own_vote(&mut huge) {
            self.incarnation = vote.ballot.incarnation;
            vote.ballot.view = view;
            return vec![(now, to, message), (now, to, self.forger.signed_anew(huge))];
        }
        match message {
            Message::ViewChange(mut change) if change.signer == self.forger.me => {
                change.view = view;
                vec![(now, to, Message::ViewChange(self.forger.signed_change(change)))]
            }
            Message::Tip(_) if to == To::All => {
                let change = Message::ViewChange(self.unfounded(view));
                vec![(now, to, message), (now, To::Members, change)]
            }
            other => vec![(now, to, other)],
        }
    }

    /// A VIEW-CHANGE that nothing led to.
    fn unfounded(&self, view: View) -> ViewChange {
        let change = ViewChange {
            incarnation: self.incarnation,
            epoch: self.forger.set.epoch,
            view,
            committed: None,
            prepared: Vec::new(),
            signer: self.forger.me,
            signature: Signature([0; 64]),
        };
        self.forger.signed_change(change)
    }
}
