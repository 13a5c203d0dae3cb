//! What engines are seen to be, as RPC shows it.

use super::{BranchTip, PbftView, PowView, RefusedBranchView, SlotView};
use bezant_consensus::engine::{PbftStatus, Phase, PowStatus, SlotStatus};
use bezant_consensus::ledger::genesis::{Difficulty, PowParams};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::VoteKind;
use std::collections::BTreeSet;

/// Blocks after which Bitcoin's rule changes the target.
const BITCOIN_WINDOW_BLOCKS: u64 = 2_016;

/// The name of a kind of vote, as events and evidence show it.
#[must_use]
pub fn vote_name(kind: VoteKind) -> &'static str {
    match kind {
        VoteKind::PrePrepare => "pre-prepare",
        VoteKind::Prepare => "prepare",
        VoteKind::Commit => "commit",
    }
}

/// The name of a phase, as events and status show it.
#[must_use]
pub fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::PrePrepared => "pre-prepared",
        Phase::Prepared => "prepared",
        Phase::Committed => "committed",
    }
}

impl From<PbftStatus> for PbftView {
    fn from(status: PbftStatus) -> PbftView {
        let slot = |slot: SlotStatus| SlotView {
            height: slot.height.0,
            phase: phase_name(slot.phase).to_owned(),
            block: slot.block.map(|block| block.to_string()),
            prepares: slot.prepares,
            commits: slot.commits,
        };
        let present = status.evidence.iter().filter(|it| it.first.ballot.epoch == status.epoch);
        let liars: BTreeSet<u16> = present.map(|it| it.first.signer).collect();
        PbftView {
            epoch: status.epoch.0,
            view: status.view.0,
            primary: status.primary,
            me: status.me,
            n: status.n,
            quorum: status.quorum,
            commit_height: status.commit_height.map(|height| height.0),
            is_mute: status.is_mute,
            is_active: status.is_active,
            changes: status.changes,
            liars: liars.into_iter().collect(),
            failed_views: status.failed_views,
            timeout_ms: status.timeout_ms,
            delay_ms: status.delay_ms,
            delay_allowed_ms: status.delay_allowed_ms,
            deadline_ms: status.deadline.map(|deadline| deadline.0),
            slots: status.slots.into_iter().map(slot).collect(),
        }
    }
}

impl PowView {
    /// Of an engine whose tip is at `height`, on a net with these rules, and a miner of this rate.
    #[must_use]
    pub fn of(status: PowStatus, rules: Option<&PowParams>, height: Height, hashes_per_second: u64) -> PowView {
        let tips = status.tips.into_iter().map(|(id, height, work)| BranchTip {
            id: id.to_string(),
            height: height.0,
            work: work.to_string(),
        });
        let (rule, retarget_in) = match rules.map(|rules| rules.difficulty) {
            Some(Difficulty::Asert { .. }) => ("asert", Some(1)),
            Some(Difficulty::Bitcoin) => {
                let next = height.0 + 1;
                ("bitcoin", Some(next.next_multiple_of(BITCOIN_WINDOW_BLOCKS) - height.0))
            }
            Some(Difficulty::Fixed) | None => ("fixed", None),
        };
        PowView {
            work: status.work.to_string(),
            bits: status.bits,
            headers: status.headers,
            best_header: status.best_header.0,
            hashes_per_second,
            tips: tips.collect(),
            refused: status.refused.map(|branch| RefusedBranchView {
                id: branch.tip.to_string(),
                height: branch.height.0,
                work: branch.work.to_string(),
                fork: branch.fork.0,
            }),
            spacing_s: rules.map_or(0, |rules| rules.spacing_s),
            final_depth: rules.map_or(0, |rules| rules.final_depth),
            rule: rule.to_owned(),
            retarget_in,
        }
    }
}
