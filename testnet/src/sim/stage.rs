//! What a scenario does to a simulated net, beside what a node itself knows: faults of links, nodes that are paused, miners that
//! lie, keys that two nodes have, and how far the net's clock was moved. Without a scenario all of it is empty.

use crate::sim::event::{Event, Parcel};
use crate::sim::overlay::Overlay;
use crate::sim::world::World;
use bezant_consensus::engine::To;
use bezant_node_core::lies::LyingMiner;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// After so long two nodes of which one is paused try again to connect.
const RECONNECT_MS: u64 = 300;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    /// Whether a scenario is played.
    pub(crate) is_set: bool,
    pub(crate) links: Overlay,
    /// Nodes that are paused, with what waits for each.
    pub(crate) paused: BTreeMap<usize, Vec<Event>>,
    pub(crate) miners: BTreeMap<usize, LyingMiner>,
    /// Nodes that lie or have lied otherwise than as a member of [`World::lying`].
    pub(crate) tainted: BTreeSet<usize>,
    /// Nodes with another's key, and whose.
    pub(crate) twins: Vec<(usize, usize)>,
    /// By how much the net's clock was moved.
    pub(crate) advanced_ms: i64,
    /// For which reasons each node has left views.
    pub(crate) left: BTreeMap<usize, BTreeSet<&'static str>>,
    /// What became of what users handed in, by its number.
    pub(crate) answers: BTreeMap<usize, Result<(), String>>,
}

impl World {
    /// The event, unless it has to wait for a node that is paused.
    pub(crate) fn unless_paused(&mut self, event: Event) -> Option<Event> {
        if self.stage.paused.is_empty() {
            return Some(event);
        }
        let node = match event {
            Event::Connect { a, b } => {
                if self.stage.paused.contains_key(&a) || self.stage.paused.contains_key(&b) {
                    self.agenda.add(self.now_ms + RECONNECT_MS, event);
                    return None;
                }
                return Some(event);
            }
            Event::Deliver { to: node, .. }
            | Event::Unanswered { node, .. }
            | Event::HangUp { node, .. }
            | Event::Wake { node, .. }
            | Event::Execute { node, .. }
            | Event::Flush { node, .. }
            | Event::Flushed { node, .. }
            | Event::Solved { node, .. }
            | Event::Say { node, .. }
            | Event::Restart { node }
            | Event::Crash { node, .. }
            | Event::Leave { node }
            | Event::Wipe { node }
            | Event::Lie { node, .. } => node,
            Event::Submit { .. }
            | Event::PowerCut
            | Event::Partition
            | Event::Mend { .. }
            | Event::Change { .. }
            | Event::Heal
            | Event::Check => return Some(event),
        };
        match self.stage.paused.get_mut(&node) {
            Some(waiting) => {
                waiting.push(event);
                None
            }
            None => Some(event),
        }
    }

    /// The other process with the receiver's key hears what members are told.
    pub(crate) fn post_to_twin(&mut self, node: usize, to: To, receiver: usize, parcel: &Rc<Parcel>) {
        if !matches!(to, To::Members | To::Member(_)) {
            return;
        }
        let twins: Vec<usize> =
            self.stage.twins.iter().filter(|(_, of)| *of == receiver).map(|(twin, _)| *twin).collect();
        for twin in twins.into_iter().filter(|twin| *twin != node) {
            if let Some(end) = self.nodes[node].ends[twin] {
                self.post(node, twin, end.connection, false, parcel);
            }
        }
    }
}
