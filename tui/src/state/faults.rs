//! The timeline: what was done to nodes, and what it led to. What several nodes tell at about the same time is one moment.

use super::Model;
use super::limits::{ACTIVE_FAULTS_MAX, MOMENTS_MAX};
use super::log::{Tone, link_fault};
use bezant_api::event::EventKind;
use bezant_api::fault::{FaultKind, FaultState};
use bezant_api::types::NodeStatus;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Nodes that tell the same within this time tell of one moment.
const SAME_MOMENT_MS: u64 = 3_000;
/// So far back a moment is looked for that is the same.
const SAME_MOMENT_ROWS: usize = 16;

/// A moment worth looking at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at_ms: u64,
    pub(crate) nodes: BTreeSet<usize>,
    pub(crate) text: String,
    pub(crate) tone: Tone,
    pub(crate) sort: Sort,
}

/// What a moment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Something was done to nodes; all others are what they did.
    Deed,
    /// PBFT: a view was left.
    Left,
    /// PBFT: a view or an epoch began.
    Began,
    /// Somebody was seen to break a rule.
    Broken,
    Other,
}

impl Sort {
    /// Whether it says why views changed.
    pub(crate) fn concerns_views(self) -> bool {
        matches!(self, Sort::Left | Sort::Began | Sort::Broken)
    }
}

/// What acts on a node.
type Acting = (usize, &'static str, Option<u64>);

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    /// Newest last.
    pub(crate) moments: VecDeque<Moment>,
    /// Faults that began and have not ended.
    pub(crate) active: BTreeMap<Acting, String>,
}

impl Timeline {
    pub(super) fn note(&mut self, at_ms: u64, node: usize, text: String, tone: Tone, sort: Sort) {
        let is_same = |moment: &&mut Moment| moment.text == text && at_ms.saturating_sub(moment.at_ms) < SAME_MOMENT_MS;
        if let Some(same) = self.moments.iter_mut().rev().take(SAME_MOMENT_ROWS).find(is_same) {
            same.nodes.insert(node);
            return;
        }
        if self.moments.len() == MOMENTS_MAX {
            self.moments.pop_front();
        }
        self.moments.push_back(Moment { at_ms, nodes: BTreeSet::from([node]), text, tone, sort });
    }

    pub(super) fn fault(&mut self, node: usize, event: &EventKind) {
        let EventKind::Fault { state, kind, id, from, what, .. } = event else { return };
        let (state, kind, id, what) = (*state, *kind, *id, link_fault(what, from));
        let key = (node, name(kind), id);
        match state {
            FaultState::Begin if self.active.len() < ACTIVE_FAULTS_MAX => {
                self.active.insert(key, what);
            }
            FaultState::End => {
                self.active.remove(&key);
            }
            FaultState::Begin | FaultState::Once => {}
        }
    }

    /// A node says how it is; a process that was started again has forgotten its faults.
    pub(super) fn snapshot(&mut self, node: usize, status: &NodeStatus) {
        self.active.retain(|(other, _, _), _| *other != node);
        if let Some(mode) = &status.byzantine {
            self.active.insert((node, name(FaultKind::Byzantine), None), format!("byzantine: {mode}"));
        }
        for fault in status.faults.iter().take(ACTIVE_FAULTS_MAX.saturating_sub(self.active.len())) {
            let what = link_fault(&fault.effects.to_string(), &fault.from);
            self.active.insert((node, name(FaultKind::Link), Some(fault.id)), what);
        }
    }

    /// What acts on this node, in words.
    pub(crate) fn acting_on(&self, node: usize) -> impl Iterator<Item = &String> {
        self.active.iter().filter(move |((other, _, _), _)| *other == node).map(|(_, what)| what)
    }
}

/// PBFT: when more members lie than the others can bear, that sentence.
pub(crate) fn too_many_liars(model: &Model) -> Option<(String, Tone)> {
    let (_, n) = model.quorum()?;
    let borne = n.saturating_sub(1) / 3;
    let lies = |index: &usize| {
        let is_about = |(node, kind, _): &Acting| node == index && *kind == name(FaultKind::Byzantine);
        let node = &model.nodes[*index];
        node.up && node.member().is_some() && model.timeline.active.keys().any(is_about)
    };
    let lying = (0..model.nodes.len()).filter(lies).count();
    let text = format!(
        "{lying} of {n} members lie now; the others can bear {borne}: the net may stop, or call two blocks final."
    );
    (lying > borne).then_some((text, Tone::Bad))
}

fn name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Link => "link",
        FaultKind::Byzantine => "byzantine",
        FaultKind::Clock => "clock",
        FaultKind::Hashrate => "hashrate",
        FaultKind::Process => "process",
    }
}
