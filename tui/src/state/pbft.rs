//! PBFT as one node sees it: the votes that it counted, with times, and the view that it is in.
//!
//! Each replica counts for itself, so the same round looks different at two replicas; that is why all of this is kept per node.

use super::limits::{ROUNDS_MAX, SIGNERS_MAX, WANTED_VIEWS_MAX};
use bezant_api::event::EventKind;
use bezant_api::types::PbftView;
use std::collections::BTreeMap;

/// A kind of vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    PrePrepare,
    Prepare,
    Commit,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::PrePrepare, Kind::Prepare, Kind::Commit];

    fn parse(text: &str) -> Option<Kind> {
        Some(match text {
            "pre-prepare" => Kind::PrePrepare,
            "prepare" => Kind::Prepare,
            "commit" => Kind::Commit,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::PrePrepare => "pre-prepare",
            Kind::Prepare => "prepare",
            Kind::Commit => "commit",
        }
    }
}

/// How far a height is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Idle,
    PrePrepared,
    Prepared,
    Committed,
}

impl Phase {
    fn parse(text: &str) -> Phase {
        match text {
            "pre-prepared" => Phase::PrePrepared,
            "prepared" => Phase::Prepared,
            "committed" => Phase::Committed,
            _ => Phase::Idle,
        }
    }

    /// Symbol and word.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Phase::Idle => "○ idle",
            Phase::PrePrepared => "◔ proposed",
            Phase::Prepared => "◑ prepared",
            Phase::Committed => "● committed",
        }
    }
}

/// One height in one view, on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) height: u64,
    pub(crate) view: u64,
    /// When the first vote was counted.
    pub(crate) started_ms: u64,
    /// When each vote was counted.
    pub(crate) votes: BTreeMap<(Kind, u16), u64>,
    pub(crate) block: Option<String>,
    pub(crate) phase: Phase,
    /// When a quorum had prepared.
    pub(crate) prepared_ms: Option<u64>,
    /// When a quorum had committed.
    pub(crate) committed_ms: Option<u64>,
    /// When the block joined the chain.
    pub(crate) connected_ms: Option<u64>,
    /// Some of it happened while nobody looked, so times are missing.
    pub(crate) partial: bool,
}

impl Round {
    /// Members that prepared, the primary's proposal counting as its prepare.
    pub(crate) fn prepares(&self) -> usize {
        let of = |kind: Kind| self.votes.keys().filter(move |(other, _)| *other == kind).map(|(_, signer)| *signer);
        let mut signers: Vec<u16> = of(Kind::Prepare).chain(of(Kind::PrePrepare)).collect();
        signers.sort_unstable();
        signers.dedup();
        signers.len()
    }

    pub(crate) fn commits(&self) -> usize {
        self.votes.keys().filter(|(kind, _)| *kind == Kind::Commit).count()
    }

    /// Whether nothing more is awaited.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Committed || self.connected_ms.is_some()
    }

    /// When a vote was counted, milliseconds after the first.
    pub(crate) fn after_ms(&self, kind: Kind, signer: u16) -> Option<u64> {
        self.votes.get(&(kind, signer)).map(|at| at.saturating_sub(self.started_ms))
    }

    /// Whether a vote came much later than those of most: more than twice the median and 100 ms.
    pub(crate) fn is_slow(&self, kind: Kind, signer: u16) -> bool {
        let of_kind = self.votes.keys().filter(|(other, _)| *other == kind);
        let times = of_kind.filter_map(|(_, signer)| self.after_ms(kind, *signer)).collect();
        match (self.after_ms(kind, signer), super::median(times)) {
            (Some(after), Some(median)) => after > 2 * median + 100,
            _ => false,
        }
    }

    /// Whether a member gave what is needed of it before the commit: a prepare, or as the primary the proposal.
    pub(crate) fn has_prepared(&self, signer: u16) -> bool {
        [Kind::Prepare, Kind::PrePrepare].iter().any(|kind| self.votes.contains_key(&(*kind, signer)))
    }
}

/// How long things may take, as measured by the member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) timeout_ms: u64,
    pub(crate) patience_ms: u64,
    pub(crate) delay_ms: u64,
    pub(crate) delay_allowed_ms: u64,
}

/// All of one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consensus {
    pub(crate) view: u64,
    pub(crate) primary: u16,
    /// Whether the view has begun; otherwise its beginning is awaited.
    pub(crate) active: bool,
    pub(crate) rounds: BTreeMap<(u64, u64), Round>,
    /// Who wants which later view, and since when.
    pub(crate) wanted: BTreeMap<u64, BTreeMap<u16, u64>>,
    pub(crate) pace: Option<Pace>,
    /// The highest block on the chain.
    height: u64,
}

impl Consensus {
    fn round(&mut self, height: u64, view: u64, at_ms: u64) -> &mut Round {
        while self.rounds.len() >= ROUNDS_MAX && !self.rounds.contains_key(&(height, view)) {
            self.rounds.pop_first();
        }
        let fresh = || Round { height, view, started_ms: at_ms, ..Round::default() };
        self.rounds.entry((height, view)).or_insert_with(fresh)
    }

    pub(super) fn event(&mut self, kind: &EventKind, at_ms: u64) {
        match kind {
            EventKind::Vote { vote, signer, view, height, .. } => {
                let Some(kind) = Kind::parse(vote) else { return };
                let round = self.round(*height, *view, at_ms);
                if usize::from(*signer) < SIGNERS_MAX {
                    round.votes.entry((kind, *signer)).or_insert(at_ms);
                }
            }
            EventKind::Phase { phase, view, height, block } => {
                let round = self.round(*height, *view, at_ms);
                let phase = Phase::parse(phase);
                round.phase = round.phase.max(phase);
                round.block = Some(block.clone());
                match phase {
                    Phase::Prepared => round.prepared_ms = round.prepared_ms.or(Some(at_ms)),
                    Phase::Committed => round.committed_ms = round.committed_ms.or(Some(at_ms)),
                    Phase::Idle | Phase::PrePrepared => {}
                }
            }
            EventKind::View { view, primary, .. } => {
                (self.view, self.primary, self.active) = (*view, *primary, true);
                self.wanted = self.wanted.split_off(&(view + 1));
            }
            EventKind::Leave { to, primary, .. } => (self.view, self.primary, self.active) = (*to, *primary, false),
            EventKind::ViewChange { signer, view, .. } => {
                while self.wanted.len() >= WANTED_VIEWS_MAX && !self.wanted.contains_key(view) {
                    // A liar may want any view: the highest goes first.
                    self.wanted.pop_last();
                }
                let votes = self.wanted.entry(*view).or_default();
                if usize::from(*signer) < SIGNERS_MAX {
                    votes.entry(*signer).or_insert(at_ms);
                }
            }
            EventKind::Pace { timeout_ms, patience_ms, delay_ms, delay_allowed_ms } => {
                let [timeout_ms, patience_ms] = [*timeout_ms, *patience_ms];
                let [delay_ms, delay_allowed_ms] = [*delay_ms, *delay_allowed_ms];
                self.pace = Some(Pace { timeout_ms, patience_ms, delay_ms, delay_allowed_ms });
            }
            EventKind::Epoch { .. } => self.wanted.clear(),
            _ => {}
        }
    }

    pub(super) fn connected(&mut self, height: u64, at_ms: u64) {
        self.height = height;
        if let Some((_, round)) = self.rounds.range_mut((height, 0)..=(height, u64::MAX)).next_back() {
            round.connected_ms = Some(at_ms);
            round.phase = Phase::Committed;
        }
    }

    pub(super) fn gap(&mut self) {
        self.rounds.values_mut().filter(|round| !round.is_done()).for_each(|round| round.partial = true);
    }

    pub(super) fn status(&mut self, pbft: &PbftView) {
        (self.view, self.primary, self.active) = (pbft.view, pbft.primary, pbft.is_active);
    }

    /// What the node held when it was looked at; when that had come is not known.
    pub(super) fn snapshot(&mut self, pbft: &PbftView, at_ms: u64) {
        self.status(pbft);
        self.wanted.clear();
        if !pbft.is_active {
            let votes = pbft.changes.iter().take(SIGNERS_MAX).map(|signer| (*signer, at_ms));
            self.wanted.insert(pbft.view, votes.collect());
        }
        for slot in pbft.slots.iter().filter(|slot| slot.phase != "idle") {
            let round = self.round(slot.height, pbft.view, at_ms);
            round.partial = true;
            round.phase = round.phase.max(Phase::parse(&slot.phase));
            round.block.clone_from(&slot.block);
            let prepares = slot.prepares.iter().map(|signer| (Kind::Prepare, *signer));
            let commits = slot.commits.iter().map(|signer| (Kind::Commit, *signer));
            for vote in prepares.chain(commits).filter(|(_, signer)| usize::from(*signer) < SIGNERS_MAX) {
                round.votes.entry(vote).or_insert(at_ms);
            }
        }
    }

    /// The round that is being decided, or was decided last.
    pub(crate) fn current(&self) -> Option<&Round> {
        let open = |round: &&Round| !round.is_done() && round.height > self.height && round.view == self.view;
        self.rounds.values().find(open).or_else(|| self.rounds.values().next_back())
    }

    /// The round so many before the latest.
    pub(crate) fn back(&self, count: usize) -> Option<&Round> {
        if count == 0 {
            return self.current();
        }
        self.rounds.values().rev().nth(count.min(self.rounds.len().saturating_sub(1)))
    }
}
