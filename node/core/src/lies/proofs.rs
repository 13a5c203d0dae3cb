//! Proofs that prove nothing.

use super::Liar;
use super::forge::strip;
use bezant_consensus::message::{Message, NewView, Seal, ViewChange};

impl Liar {
    pub(super) fn with_empty_proofs(&mut self, mut message: Message) -> Message {
        match &mut message {
            Message::Certified(blocks) => {
                blocks.0.iter_mut().for_each(|certified| self.cut_short(&mut certified.certificate.commits));
                return message;
            }
            Message::Checkpointed(certificate) => {
                self.cut_short(&mut certificate.seals);
                return message;
            }
            Message::Snapshot(Some(snapshot)) => {
                self.cut_short(&mut snapshot.certificate.seals);
                return message;
            }
            Message::Successions(successions) => {
                successions.0.iter_mut().for_each(|it| self.cut_short(&mut it.certificate.seals));
                return message;
            }
            Message::ViewChange(change) if change.signer == self.forger.me => self.empty_change(change),
            Message::NewView(new_view) if new_view.signer == self.forger.me => self.empty_new_view(new_view),
            Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Evidence(_)
            | Message::Overdue(_)
            | Message::Checkpoint(_)
            | Message::GetSnapshot { .. }
            | Message::GetBuckets { .. }
            | Message::Buckets(_)
            | Message::GetSuccessions { .. }
            | Message::Snapshot(None)
            | Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::PrePrepare(_)
            | Message::Vote(_)
            | Message::CompactPrePrepare(_)
            | Message::Tip(_)
            | Message::GetCertified { .. }
            | Message::GetHeaders(_)
            | Message::Headers(_)
            | Message::GetBlocks(_)
            | Message::Blocks(_)
            | Message::GetTransactions(_)
            | Message::Transactions(_)
            | Message::CompactBlock(_) => return message,
        }
        self.forger.signed_anew(message)
    }

    /// Without certificates, which nobody can tell from having none; or with some that are cut short.
    fn empty_change(&mut self, change: &mut ViewChange) {
        if self.dice.coin() {
            strip(change);
            return;
        }
        if let Some(certificate) = &mut change.committed {
            self.cut_short(&mut certificate.commits);
        }
        for prepared in &mut change.prepared {
            self.cut_short(&mut prepared.certificate.prepares);
        }
    }

    /// Without VIEW-CHANGEs, with one less, or with an own one that is empty.
    fn empty_new_view(&mut self, new_view: &mut NewView) {
        match self.dice.below(3) {
            0 => new_view.changes.clear(),
            1 => drop(new_view.changes.pop()),
            _ => {
                let me = self.forger.me;
                if let Some(own) = new_view.changes.iter_mut().find(|change| change.signer == me) {
                    self.empty_change(own);
                }
            }
        }
    }

    /// Takes all seals away, or one.
    pub(super) fn cut_short(&mut self, seals: &mut Vec<Seal>) {
        if self.dice.coin() {
            seals.clear();
        } else {
            seals.pop();
        }
    }
}
