//! What simulated nodes tell, as a trace that the dashboard shows like one of real nodes.
//!
//! Recording looks and decides nothing: it throws no dice, so a recorded run is the run.

use crate::sim::event::Event;
use crate::sim::lying::Lying;
use crate::sim::setup::GENESIS_TIME_S;
use crate::sim::world::World;
use bezant_api::event::{Event as Told, EventKind};
use bezant_api::fault::{FaultKind, FaultState};
use bezant_api::trace::{Back, Entry, Fact, TRACE_ENTRIES_MAX, TRACE_VERSION, TraceHeader, TraceNode};
use bezant_api::types::{EngineName, NodeStatus, PowView};
use bezant_consensus::engine::Status;
use bezant_node_core::io::{Notice, Output};
use std::borrow::Cow;

/// What was recorded so far.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Invariant: no more than are read again.
    entries: Vec<Entry>,
    /// Number of each node's last event.
    last: Vec<u64>,
    was_up: Vec<bool>,
}

/// What an event means for nodes as a whole.
pub(crate) enum Mark {
    Fault {
        nodes: Option<usize>,
        state: FaultState,
        kind: FaultKind,
        what: Cow<'static, str>,
    },
    /// A moment at which every node is asked how it is.
    Look,
}

impl Recorder {
    pub(crate) fn new(nodes: usize) -> Recorder {
        Recorder { entries: Vec::new(), last: vec![0; nodes], was_up: vec![false; nodes] }
    }

    fn add(&mut self, at_ms: u64, node: usize, fact: Fact) {
        if self.entries.len() < TRACE_ENTRIES_MAX {
            self.entries.push(Entry { at_ms, node, fact });
        }
    }
}

impl World {
    /// What this event means, if it is one of note.
    pub(crate) fn mark_of(&self, event: &Event) -> Option<Mark> {
        let all = |state, what: &'static str| {
            Some(Mark::Fault { nodes: None, state, kind: FaultKind::Link, what: what.into() })
        };
        let one = |node, state, kind, what| Some(Mark::Fault { nodes: Some(node), state, kind, what });
        match event {
            Event::Partition => all(FaultState::Begin, "the net falls into parts"),
            Event::Mend { .. } => all(FaultState::End, "the net falls into parts"),
            // Ends the fault of all links that is in force, if one is.
            Event::Heal => all(FaultState::End, "all faults of links"),
            Event::PowerCut => all(FaultState::Once, "power cut"),
            Event::Lie { node, is_on } => {
                let state = if *is_on { FaultState::Begin } else { FaultState::End };
                let lying = self.lying.iter().find(|lying| lying.node == *node)?;
                // In the words of a node that was told to.
                one(*node, state, FaultKind::Byzantine, format!("byzantine: {lying}").into())
            }
            Event::Wipe { node } => one(*node, FaultState::Once, FaultKind::Process, "loses its disk".into()),
            Event::Check => Some(Mark::Look),
            _ => None,
        }
    }

    /// Records all that nodes tell from now on.
    pub(crate) fn record(&mut self) {
        self.recorder = Some(Recorder::new(self.nodes.len()));
    }

    /// What was recorded, for a file.
    pub(crate) fn recording(&mut self, net: String) -> Option<(TraceHeader, Vec<Entry>)> {
        let recorder = self.recorder.take()?;
        let genesis = &self.nodes.first()?.config.engine.genesis;
        let engine = if genesis.pbft().is_some() { EngineName::Pbft } else { EngineName::Pow };
        let nodes = (0..self.nodes.len()).map(|node| TraceNode { name: format!("node{node}") }).collect();
        let network_id = genesis.network_id().to_string();
        Some((TraceHeader { bezant_trace: TRACE_VERSION, net, engine, network_id, nodes }, recorder.entries))
    }

    fn virtual_ms(&self) -> u64 {
        u64::from(GENESIS_TIME_S) * 1_000 + 1_000 + self.now_ms
    }

    fn tells(&mut self, node: usize, kind: EventKind) {
        let (at_ms, time_ms) = (self.virtual_ms(), self.clock(node).0);
        if let Some(recorder) = &mut self.recorder {
            recorder.last[node] += 1;
            let event = Told { seq: recorder.last[node], time_ms, kind };
            recorder.add(at_ms, node, Fact::Event(Box::new(event)));
        }
    }

    /// What a node is about to execute.
    pub(crate) fn record_output(&mut self, node: usize, output: &Output) {
        if self.recorder.is_none() {
            return;
        }
        match output {
            Output::Notice(Notice::Engine(trace)) => self.tells(node, trace.clone().into()),
            Output::Notice(Notice::Pooled { txid, fee, held }) => {
                let (txid, fee, held) = (txid.to_string(), fee.grains().to_string(), *held);
                self.tells(node, EventKind::Pooled { txid, fee, held });
            }
            Output::Notice(Notice::Dropped { txid, reason }) => {
                let replaced_by = reason.replaced_by().map(|by| by.to_string());
                let (txid, reason) = (txid.to_string(), reason.name().to_owned());
                self.tells(node, EventKind::Dropped { txid, reason, replaced_by });
            }
            Output::Chain(update) => {
                let held = self.nodes[node].replica.as_ref().map_or(0, |replica| replica.mempool().len());
                for link in &update.connected {
                    self.tells(node, EventKind::block(link, update.final_height, held));
                }
            }
            Output::Blame { peer, fault, ban } => {
                let peer_id =
                    self.nodes[node].names.get(peer).map_or_else(String::new, |of| format!("simulated-node{of}"));
                self.tells(node, EventKind::Blame { peer_id, fault: fault.to_string(), banned: *ban });
            }
            _ => {}
        }
    }

    /// What an event has changed about nodes as a whole.
    pub(crate) fn record_mark(&mut self, mark: Option<Mark>) {
        if self.recorder.is_none() {
            return;
        }
        for node in 0..self.nodes.len() {
            let is_up = self.nodes[node].is_up();
            let was_up =
                self.recorder.as_mut().is_some_and(|recorder| std::mem::replace(&mut recorder.was_up[node], is_up));
            match (was_up, is_up) {
                (true, false) => self.record_fact(node, Fact::Lost("it has crashed".to_owned())),
                (false, true) => {
                    self.record_fact(node, Fact::Back(Back {}));
                    if let Some(status) = self.status_of(node) {
                        self.tells(node, EventKind::Snapshot { status: Box::new(status) });
                    }
                }
                (true, true) | (false, false) => {}
            }
        }
        match mark {
            Some(Mark::Fault { nodes, state, kind, what }) => {
                for node in (0..self.nodes.len()).filter(|node| nodes.is_none_or(|only| only == *node)) {
                    let (id, from, what) = (None, Vec::new(), what.clone().into_owned());
                    self.tells(node, EventKind::Fault { state, kind, id, from, what });
                }
            }
            Some(Mark::Look) => {
                for node in 0..self.nodes.len() {
                    if let Some(status) = self.status_of(node) {
                        self.record_fact(node, Fact::Status(Box::new(status)));
                    }
                }
            }
            None => {}
        }
    }

    fn record_fact(&mut self, node: usize, fact: Fact) {
        let at_ms = self.virtual_ms();
        if let Some(recorder) = &mut self.recorder {
            recorder.add(at_ms, node, fact);
        }
    }

    fn status_of(&self, node: usize) -> Option<NodeStatus> {
        let simulated = &self.nodes[node];
        let status = simulated.replica.as_ref()?.status();
        let genesis = &simulated.config.engine.genesis;
        let (pbft, pow) = match status.engine {
            Status::Pbft(pbft) => (Some(pbft.into()), None),
            Status::Pow(pow) => {
                let rate = simulated.hash_rate_milli / 1_000;
                (None, Some(PowView::of(pow, genesis.pow(), status.tip.height, rate)))
            }
        };
        Some(NodeStatus {
            version: "simulated".to_owned(),
            network_id: genesis.network_id().to_string(),
            engine: if pbft.is_some() { EngineName::Pbft } else { EngineName::Pow },
            dev: true,
            peer_id: format!("simulated-node{node}"),
            height: status.tip.height.0,
            final_height: status.final_height.0,
            tip: status.tip.id.to_string(),
            tip_time_s: status.tip.header.time,
            peers: status.peers,
            mempool: status.mempool_count,
            mempool_bytes: status.mempool_bytes,
            next_event: self.recorder.as_ref().map_or(1, |recorder| recorder.last[node] + 1),
            byzantine: self.lie_of(node).map(Lying::to_string),
            faults: Vec::new(),
            clock_offset_ms: i64::try_from(simulated.skew_ms).unwrap_or(i64::MAX),
            pbft,
            pow,
        })
    }
}
