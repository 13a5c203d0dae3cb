//! Which incarnation of a dev net decided which height.
//!
//! A dev net may be set back to an earlier state. Whatever was signed before must not count above the height to which it was set
//! back, or the net would have decided that height twice. Below, it stands: a replica that was behind, or that begins anew, has
//! nothing else to catch up with. So each setting back begins an incarnation, from the height after that to which the net went
//! back, and a commit certificate holds if it is of the incarnation
//! that decided its height. Checkpoints may be certified once more in a later one, about the same block. Only the present incarnation
//! votes.
//!
//! All replicas of a net must be told the same.

use crate::ledger::units::{Height, Incarnation};
use crate::limits::SET_BACKS_MAX;
use crate::message::Ballot;

/// That the net was set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetBack {
    /// Which incarnation began with it.
    pub incarnation: Incarnation,
    /// The last height that stayed.
    pub height: Height,
}

/// Settings back that nobody can have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetBackError {
    /// Incarnations are counted up from 1, and what a later one undid is not listed.
    #[error("incarnations and heights go up from one setting back to the next, incarnations from 1")]
    Order,
    /// More than are looked at.
    #[error("at most {SET_BACKS_MAX} settings back may be listed")]
    TooMany,
}

/// How a net was set back. Empty for one that never was, as no net but a dev net ever is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incarnations {
    /// Invariant: incarnations and heights go strictly up, incarnations from 1; at most [`SET_BACKS_MAX`].
    set_backs: Vec<SetBack>,
}

impl Incarnations {
    /// The settings back of which something still stands, from the first to the last.
    ///
    /// # Errors
    /// When that is no such list.
    pub fn new(set_backs: Vec<SetBack>) -> Result<Incarnations, SetBackError> {
        if set_backs.len() > SET_BACKS_MAX {
            return Err(SetBackError::TooMany);
        }
        let begins = set_backs.first().is_none_or(|first| first.incarnation > Incarnation(0));
        let goes_up = |pair: &[SetBack]| pair[0].incarnation < pair[1].incarnation && pair[0].height < pair[1].height;
        if begins && set_backs.windows(2).all(goes_up) {
            Ok(Incarnations { set_backs })
        } else {
            Err(SetBackError::Order)
        }
    }

    /// The net is set back to `height` and goes on as `incarnation`: what decided nothing at or below that height is forgotten.
    ///
    /// # Errors
    /// When the net was in that incarnation before, or was set back too often.
    pub fn set_back(&self, incarnation: Incarnation, height: Height) -> Result<Incarnations, SetBackError> {
        let kept = self.set_backs.iter().copied().filter(|it| it.height < height);
        Incarnations::new(kept.chain([SetBack { incarnation, height }]).collect())
    }

    /// The list.
    #[must_use]
    pub fn set_backs(&self) -> &[SetBack] {
        &self.set_backs
    }

    /// The one that votes now.
    #[must_use]
    pub fn present(&self) -> Incarnation {
        self.set_backs.last().map_or(Incarnation(0), |it| it.incarnation)
    }

    /// The one that decided, or will decide, this height.
    #[must_use]
    pub fn of(&self, height: Height) -> Incarnation {
        let begun = self.set_backs.iter().rev().find(|it| it.height < height);
        begun.map_or(Incarnation(0), |it| it.incarnation)
    }

    /// Whether what was found at a height in this incarnation is still so: it began on what the net still has, and the height did
    /// not go since.
    #[must_use]
    pub fn stands(&self, incarnation: Incarnation, height: Height) -> bool {
        let is_ours = incarnation == Incarnation(0) || self.set_backs.iter().any(|it| it.incarnation == incarnation);
        is_ours && incarnation >= self.of(height)
    }

    /// Whether votes for this count where they are for: not if the net was set back to a height below since.
    #[must_use]
    pub fn hold(&self, ballot: &Ballot) -> bool {
        self.of(ballot.height) == ballot.incarnation
    }
}

#[cfg(test)]
mod tests;
