//! When a selfish miner lets out what it finds: Algorithm 1 of Eyal and Sirer, Majority is not enough (2014), without messages.
//!
//! Two branches grow from one block, the own one and the public one, and their heights are all that counts. The lead is the own
//! height less the public one.
//!
//! | who has found a block | lead before | what is done |
//! |---|---|---|
//! | the others | 0 | their branch is followed: it is the longer one |
//! | | 1 | the own block is let out: a race of two blocks, of which each miner follows the one that it has heard of first |
//! | | 2 | all is let out, and is longer than what the others have: the whole own branch becomes public |
//! | | more | the own branch is let out as far as the public one reaches |
//! | itself | 0, in a race | the block is let out, and has won |
//! | | otherwise | it is held back |
//!
//! The others may be heard to have found several blocks at once; what is done is then the same as after one by one, but for blocks
//! of the own branch that would be let out only to lose.

use bezant_consensus::ledger::units::Height;

#[cfg(test)]
mod tests;

/// What a selfish miner does with the blocks that it holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Holds them.
    On,
    /// Lets them out up to this height.
    UpTo(Height),
    /// Forgets them: the others' branch is longer.
    Lost,
}

/// The heights of two branches; see the module.
#[derive(Clone, Debug)]
pub struct Selfish {
    /// Of the last own block, or the public one that it began on.
    own: Height,
    /// Of the highest block that all know, or will as soon as they hear of it.
    public: Height,
    /// Invariant: only where both heights are the same.
    is_race: bool,
}

impl Selfish {
    /// At a block that all know.
    #[must_use]
    pub fn new(public: Height) -> Selfish {
        Selfish { own: public, public, is_race: false }
    }

    /// A block was found at this height, on the own branch if there is one.
    pub fn found(&mut self, height: Height) -> Holding {
        self.own = height;
        if std::mem::take(&mut self.is_race) { self.all() } else { Holding::On }
    }

    /// The others have a block at this height.
    pub fn heard(&mut self, height: Height) -> Holding {
        if height <= self.public {
            return Holding::On;
        }
        self.public = height;
        let lead = self.own.0.checked_sub(height.0);
        self.is_race = lead == Some(0);
        match lead {
            None => Holding::Lost,
            Some(0 | 1) => self.all(),
            Some(_) => Holding::UpTo(height),
        }
    }

    /// Everything is public then.
    fn all(&mut self) -> Holding {
        self.public = self.own;
        Holding::UpTo(self.own)
    }
}
