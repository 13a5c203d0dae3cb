//! Lying on purpose: a filter over everything that a correct PBFT replica says. Under proof of work there is [`LyingMiner`].
//!
//! A [`Liar`] stands where messages leave a member. The replica behind it is an ordinary one and knows nothing of it; what it
//! wants said goes in, what the lying member says instead comes out, signed anew with the member's own key where that is
//! needed. A liar can do whatever one holder of one key can do, and no more: it never has the keys of others. The simulator and
//! the real nodes of dev nets use the same filter, so what is seen in one can be repeated in the other.
//!
//! All is decided by the messages and the seed. [`Mode::Censor`] says nothing different; what it leaves out is left out where
//! blocks are filled, see [`Replica::leave_out`](crate::Replica::leave_out).
//!
//! | mode | instead of | goes out |
//! |---|---|---|
//! | `silent` | anything | nothing |
//! | `equivocate` | a proposal | one half of the members gets it, the other half another valid block of that height; each half a COMMIT for what it got |
//! | | another vote | one half gets it, the other one for another block (the twin of the one proposed, else one that nobody has); liars with one seed tell the same two stories to the same halves |
//! | | a VIEW-CHANGE or NEW-VIEW | one half gets it, the other half one whose own part has no certificates |
//! | `delay` | a proposal or NEW-VIEW | the same, nine tenths of the view timeout later |
//! | `bad-digest` | a proposal | one whose header does not fit its body |
//! | | another vote | one for a block that does not exist |
//! | | a VIEW-CHANGE | one whose certificates are not about the headers beside them |
//! | `bad-signature` | whatever it signs | the same with one bit of the signature flipped |
//! | `stale-view` | a vote or VIEW-CHANGE | one of an earlier view, and at times a message that was sent before |
//! | `huge-view` | a vote, a tip | the same, and a vote or VIEW-CHANGE for a view next to the last that there may be |
//! | | a VIEW-CHANGE | one for such a view |
//! | `empty-proofs` | certified blocks | the same with certificates that are cut short |
//! | | a VIEW-CHANGE or NEW-VIEW | one that leaves out what it proves, or that has certificates cut short |
//! | `lie-checkpoint` | a vote on a checkpoint | one for other coins |
//! | | buckets of a snapshot | the same with a coin that is worth something else |
//! | `mutate` | any of these | at random: the view, height or kind changed, proofs dropped, cut short, doubled or taken for others, an old message; signed anew or not, instead or in addition |
//!
//! What is not named passes as it is.

mod dice;
mod equivocate;
mod forge;
mod mining;
mod mode;
mod mutate;
mod proofs;
mod selfish;
#[cfg(test)]
mod tests;
mod views;

pub use mining::{LyingMiner, MiningMode, MiningModeError, without};
pub use mode::{Mode, ModeError, Target};
pub use selfish::{Holding, Selfish};

use bezant_consensus::engine::To;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::units::{Height, Incarnation, Time, View};
use bezant_consensus::message::Message;
use dice::Dice;
use forge::Forger;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Heights and views of its own that a liar keeps in mind.
const REMEMBERED_MAX: usize = 64;
/// Messages that a liar keeps to say them again.
const RECENT_MAX: usize = 16;

/// What a lying member says, to whom, and not before when.
pub type Outgoing = (Time, To, Message);

/// A member that lies; see the module.
#[derive(Debug)]
pub struct Liar {
    mode: Mode,
    forger: Forger,
    dice: Dice,
    /// How long a proposal is held back.
    hold_ms: u64,
    /// The members that hear the second story of an equivocation.
    second_half: BTreeSet<u16>,
    /// By view and height of proposals made or heard: the two blocks of the two stories. Invariant: at most
    /// [`REMEMBERED_MAX`].
    twins: BTreeMap<(View, Height), (BlockId, BlockId)>,
    /// By view and height of own proposals: when they may leave. Invariant: at most [`REMEMBERED_MAX`].
    held: BTreeMap<(View, Height), Time>,
    /// What was said in truth. Invariant: at most [`RECENT_MAX`].
    recent: VecDeque<Message>,
    /// Of the net, as the last own vote says.
    incarnation: Incarnation,
}

impl Liar {
    /// Member `me` of the set, whose key this is; the genesis says how long a view has.
    #[must_use]
    pub fn new(mode: Mode, key: SigningKey, set: ValidatorSet, me: u16, view_timeout_ms: u64, seed: u64) -> Liar {
        let mut dice = Dice::new(seed);
        let second_half = equivocate::half_of(&set, &mut dice);
        Liar {
            mode,
            forger: Forger { key, set, me },
            dice,
            hold_ms: view_timeout_ms - view_timeout_ms / 10,
            second_half,
            twins: BTreeMap::new(),
            held: BTreeMap::new(),
            recent: VecDeque::new(),
            incarnation: Incarnation(0),
        }
    }

    /// How it lies.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What the replica behind is told; those who lie together learn from it what the others say.
    pub fn heard(&mut self, message: &Message) {
        if let (Mode::Equivocate, Message::PrePrepare(proposal)) = (self.mode, message) {
            self.learn_twins(proposal);
        }
    }

    /// What the lying member says instead of a message.
    pub fn outgoing(&mut self, now: Time, to: To, message: Message) -> Vec<Outgoing> {
        let said = match self.mode {
            Mode::Silent => Vec::new(),
            Mode::Equivocate => self.equivocate(now, to, message),
            Mode::Delay => vec![(self.hold(now, &message), to, message)],
            Mode::BadDigest => vec![(now, to, self.forger.with_bad_digest(message))],
            Mode::BadSignature => vec![(now, to, self.with_bad_signature(message))],
            Mode::StaleView => self.stale_view(now, to, message),
            Mode::HugeView => self.huge_view(now, to, message),
            Mode::EmptyProofs => vec![(now, to, self.with_empty_proofs(message))],
            Mode::Mutate => self.mutate(now, to, message),
            Mode::LieCheckpoint => vec![(now, to, self.forger.with_other_coins(message))],
            Mode::Censor => vec![(now, to, message)],
        };
        debug_assert!(said.iter().all(|(at, _, _)| *at >= now), "nothing is said before it is known");
        said
    }

    /// When a message may leave: a proposal as late as it may be, counted from when it was made.
    fn hold(&mut self, now: Time, message: &Message) -> Time {
        let Some(place) = self.forger.proposed(message) else {
            return now;
        };
        let until = *self.held.entry(place).or_insert(now.plus_ms(self.hold_ms));
        if self.held.len() > REMEMBERED_MAX {
            self.held.pop_first();
        }
        until.max(now)
    }

    fn with_bad_signature(&mut self, mut message: Message) -> Message {
        if let Some(signature) = self.forger.own_signature(&mut message) {
            let bit = self.dice.below(512) as usize;
            signature.0[bit / 8] ^= 1 << (bit % 8);
        }
        message
    }

    /// Keeps what was said, to say it again.
    fn remember(&mut self, message: &Message) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(message.clone());
    }

    /// Something that was said before, in one of two cases.
    fn something_old(&mut self) -> Option<Message> {
        if self.recent.is_empty() || !self.dice.coin() {
            return None;
        }
        let which = self.dice.below(self.recent.len() as u64) as usize;
        self.recent.get(which).cloned()
    }
}
