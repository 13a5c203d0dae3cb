//! What the dashboard knows: a pure value, changed by feed messages and nothing else.

mod log;
#[cfg(test)]
mod tests;

pub(crate) use log::{Line, Tone, describe};

use crate::feed::{FeedMessage, NodeTarget};
use bezant_api::event::{Event, EventKind};
use bezant_api::types::{EngineName, NodeStatus};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Recent blocks kept.
pub(crate) const BLOCKS_MAX: usize = 200;
/// Log lines kept.
pub(crate) const LINES_MAX: usize = 500;
/// Seconds of throughput kept.
pub(crate) const SECONDS_MAX: usize = 120;
/// Heights in flight kept per node.
const HEIGHTS_MAX: usize = 32;

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) status: Option<NodeStatus>,
    pub(crate) height: u64,
    pub(crate) final_height: u64,
    pub(crate) tip: String,
    pub(crate) mempool: usize,
    pub(crate) peers: usize,
    pub(crate) view: u64,
    pub(crate) primary: u16,
    /// PBFT: heights in flight.
    pub(crate) flights: BTreeMap<u64, Flight>,
    /// Own blocks found since the dashboard started.
    pub(crate) mined: u64,
}

/// A height in flight on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) phase: Phase,
    pub(crate) prepares: BTreeSet<u16>,
    pub(crate) commits: BTreeSet<u16>,
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

/// A block that some node connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockRow {
    pub(crate) height: u64,
    pub(crate) id: String,
    pub(crate) transactions: usize,
    pub(crate) bytes: usize,
    pub(crate) payee: Option<String>,
    /// When the first node told of it.
    pub(crate) seen_ms: u64,
    /// Nodes that connected it.
    pub(crate) on: BTreeSet<usize>,
}

/// Everything that is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) title: String,
    pub(crate) nodes: Vec<Node>,
    /// Newest first.
    pub(crate) blocks: VecDeque<BlockRow>,
    /// Newest last.
    pub(crate) lines: VecDeque<Line>,
    /// Transactions that became final (proof of work: included) per second, newest last.
    pub(crate) throughput: VecDeque<(u64, u64)>,
    /// Highest height already counted in the throughput.
    counted: Option<u64>,
    pub(crate) started_ms: u64,
    pub(crate) now_ms: u64,
    pub(crate) notice: Option<String>,
}

impl Model {
    pub(crate) fn new(title: &str, targets: &[NodeTarget], now_ms: u64) -> Model {
        let node = |target: &NodeTarget| Node {
            name: target.name.clone(),
            up: false,
            status: None,
            height: 0,
            final_height: 0,
            tip: String::new(),
            mempool: 0,
            peers: 0,
            view: 0,
            primary: 0,
            flights: BTreeMap::new(),
            mined: 0,
        };
        Model {
            title: title.to_owned(),
            nodes: targets.iter().map(node).collect(),
            blocks: VecDeque::new(),
            lines: VecDeque::new(),
            throughput: VecDeque::new(),
            counted: None,
            started_ms: now_ms,
            now_ms,
            notice: None,
        }
    }

    /// The engine, once a node has told.
    pub(crate) fn engine(&self) -> Option<EngineName> {
        self.nodes.iter().find_map(|node| node.status.as_ref()).map(|status| status.engine)
    }

    /// Votes that make a certificate, and members, under PBFT.
    pub(crate) fn quorum(&self) -> Option<(usize, usize)> {
        let pbft = self.nodes.iter().find_map(|node| node.status.as_ref()?.pbft.as_ref())?;
        Some((pbft.quorum, pbft.n))
    }

    pub(crate) fn final_height(&self) -> u64 {
        self.nodes.iter().map(|node| node.final_height).max().unwrap_or(0)
    }

    pub(crate) fn mempool(&self) -> usize {
        self.nodes.iter().filter(|node| node.up).map(|node| node.mempool).max().unwrap_or(0)
    }

    /// Transactions per second over the last ten seconds.
    pub(crate) fn rate(&self) -> f64 {
        let since = (self.now_ms / 1_000).saturating_sub(10);
        let sum: u64 = self.throughput.iter().filter(|(second, _)| *second >= since).map(|(_, count)| count).sum();
        sum as f64 / 10.0
    }

    /// Takes one message at a moment. Times are those of arrival: a net's own clock may stand far from this machine's.
    pub(crate) fn update(&mut self, message: FeedMessage, now_ms: u64) {
        self.now_ms = now_ms;
        match message {
            FeedMessage::Down { node, reason } => {
                if std::mem::replace(&mut self.nodes[node].up, false) {
                    let name = self.nodes[node].name.clone();
                    self.log(Line { time_ms: now_ms, node: name, text: format!("is down: {reason}"), tone: Tone::Bad });
                }
            }
            FeedMessage::Status { node, status } => self.nodes[node].status = Some(*status),
            FeedMessage::Event { node, event } => self.event(node, &event),
        }
    }

    fn log(&mut self, line: Line) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn event(&mut self, index: usize, event: &Event) {
        if let Some((text, tone)) = describe(&event.kind) {
            let node = self.nodes[index].name.clone();
            self.log(Line { time_ms: self.now_ms, node, text, tone });
        }
        let node = &mut self.nodes[index];
        node.up = true;
        match &event.kind {
            EventKind::Snapshot { status } => {
                node.snapshot(status);
                // Its block events may all lie before the subscription.
                if let Some(row) = self.blocks.iter_mut().find(|row| row.id == status.tip) {
                    row.on.insert(index);
                }
            }
            EventKind::Epoch { epoch, members, quorum, me, .. } => {
                if let Some(pbft) = node.status.as_mut().and_then(|status| status.pbft.as_mut()) {
                    (pbft.epoch, pbft.n, pbft.quorum, pbft.me) = (*epoch, *members, *quorum, *me);
                }
            }
            EventKind::View { view, primary, .. } => {
                (node.view, node.primary) = (*view, *primary);
                node.flights.clear();
            }
            EventKind::Leave { to, primary, .. } => {
                (node.view, node.primary) = (*to, *primary);
                node.flights.clear();
            }
            EventKind::Vote { vote, signer, height, .. } => node.vote(vote, *signer, *height),
            EventKind::Phase { phase, height, .. } => {
                let flight = node.flight(*height);
                flight.phase = flight.phase.max(Phase::parse(phase));
            }
            EventKind::Block { height, id, final_height, held, .. } => {
                node.height = *height;
                node.tip.clone_from(id);
                node.final_height = *final_height;
                node.mempool = *held;
                node.flights = node.flights.split_off(height);
                self.block(index, event);
            }
            EventKind::Reorg { fork, .. } => {
                self.blocks.iter_mut().filter(|block| block.height > *fork).for_each(|block| {
                    block.on.remove(&index);
                });
            }
            EventKind::Mined { .. } => node.mined += 1,
            EventKind::Pooled { held, .. } => node.mempool = *held,
            EventKind::Peer { peers, .. } => node.peers = *peers,
            EventKind::Gap { .. }
            | EventKind::FinalityBroken { .. }
            | EventKind::ReorgRefused { .. }
            | EventKind::Header { .. }
            | EventKind::ViewChange { .. }
            | EventKind::CheckpointVote { .. }
            | EventKind::Checkpoint { .. }
            | EventKind::Diverged { .. }
            | EventKind::Transfer { .. }
            | EventKind::Pace { .. }
            | EventKind::HandOver { .. }
            | EventKind::HandedOver { .. }
            | EventKind::Equivocation { .. }
            | EventKind::Refused { .. }
            | EventKind::Dropped { .. }
            | EventKind::Blame { .. }
            | EventKind::Fault { .. } => {}
        }
    }

    fn block(&mut self, index: usize, event: &Event) {
        let EventKind::Block { height, id, transactions, bytes, payee, .. } = &event.kind else { return };
        if let Some(row) = self.blocks.iter_mut().find(|row| row.id == *id) {
            row.on.insert(index);
            return;
        }
        // Those that had it before they were followed are known by their tip only.
        let others = self.nodes.iter().enumerate().filter(|(_, node)| node.tip == *id).map(|(other, _)| other);
        let on = others.chain([index]).collect();
        let row = BlockRow {
            height: *height,
            id: id.clone(),
            transactions: *transactions,
            bytes: *bytes,
            payee: payee.clone(),
            seen_ms: self.now_ms,
            on,
        };
        let place = self.blocks.iter().position(|other| other.height <= *height).unwrap_or(self.blocks.len());
        self.blocks.insert(place, row);
        self.blocks.truncate(BLOCKS_MAX);
        if self.counted.is_none_or(|counted| *height > counted) {
            self.counted = Some(*height);
            self.count(self.now_ms / 1_000, transactions.saturating_sub(1) as u64);
        }
    }

    fn count(&mut self, second: u64, transactions: u64) {
        match self.throughput.back_mut() {
            Some((last, count)) if *last >= second => *count += transactions,
            Some(_) | None => self.throughput.push_back((second, transactions)),
        }
        while self.throughput.len() > SECONDS_MAX {
            self.throughput.pop_front();
        }
    }

    /// One number per second, oldest first, for `width` seconds up to now.
    pub(crate) fn throughput_series(&self, width: usize) -> Vec<u64> {
        let now = self.now_ms / 1_000;
        let at =
            |second: u64| self.throughput.iter().find(|(other, _)| *other == second).map_or(0, |(_, count)| *count);
        (0..width as u64).rev().map(|back| at(now.saturating_sub(back))).collect()
    }
}

impl Node {
    fn snapshot(&mut self, status: &NodeStatus) {
        self.height = status.height;
        self.final_height = status.final_height;
        self.tip.clone_from(&status.tip);
        self.mempool = status.mempool;
        self.peers = status.peers;
        self.flights.clear();
        if let Some(pbft) = &status.pbft {
            (self.view, self.primary) = (pbft.view, pbft.primary);
            for slot in &pbft.slots {
                let flight = self.flight(slot.height);
                flight.phase = Phase::parse(&slot.phase);
                flight.prepares = slot.prepares.iter().copied().collect();
                flight.commits = slot.commits.iter().copied().collect();
            }
        }
        self.status = Some(status.clone());
    }

    fn flight(&mut self, height: u64) -> &mut Flight {
        while self.flights.len() >= HEIGHTS_MAX && !self.flights.contains_key(&height) {
            self.flights.pop_first();
        }
        self.flights.entry(height).or_default()
    }

    fn vote(&mut self, vote: &str, signer: u16, height: u64) {
        let flight = self.flight(height);
        match vote {
            "commit" => flight.commits.insert(signer),
            _ => flight.prepares.insert(signer),
        };
    }

    /// The height that is being decided, or was decided last.
    pub(crate) fn current(&self) -> (u64, Flight) {
        let next = self.flights.iter().find(|(height, _)| **height > self.height);
        let last = self.flights.last_key_value();
        next.or(last).map_or((self.height, Flight::default()), |(height, flight)| (*height, flight.clone()))
    }
}
