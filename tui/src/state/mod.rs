//! What the dashboard knows: a pure value, changed by entries and nothing else, so that the same entries show the same screens,
//! whether they come from nodes, from a file, or a second time because somebody went back.

mod faults;
mod history;
mod limits;
mod log;
mod node;
mod pbft;
mod pow;
mod sides;
mod stuck;
#[cfg(test)]
mod tests;
mod transactions;

pub(crate) use faults::{Moment, Sort, Timeline, too_many_liars};
pub(crate) use history::History;
pub(crate) use limits::PEERS_MAX;
pub(crate) use log::{Line, Tone, counted, describe, short, sort, tail};
pub(crate) use node::Node;
pub(crate) use pbft::{Kind, Phase, Round};
pub(crate) use pow::{Pow, work_of_bits};
pub(crate) use sides::cut;
pub(crate) use stuck::{most_stuck, why};
pub(crate) use transactions::{Life, Place, Transactions};

use bezant_api::event::{Event, EventKind};
use bezant_api::trace::{Entry, Fact};
use bezant_api::types::EngineName;
use limits::{BLOCKS_MAX, LINES_MAX, SECONDS_MAX};
use std::collections::{BTreeMap, VecDeque};

/// A block that some node connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockRow {
    pub(crate) height: u64,
    pub(crate) id: String,
    pub(crate) transactions: usize,
    pub(crate) bytes: usize,
    /// When the first node told of it.
    pub(crate) seen_ms: u64,
    /// When the first node told that it is final.
    pub(crate) final_ms: Option<u64>,
    /// Nodes that have it on their chain, and since when.
    pub(crate) on: BTreeMap<usize, u64>,
}

/// Everything that is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) title: String,
    pub(crate) engine: Option<EngineName>,
    pub(crate) nodes: Vec<Node>,
    /// Newest first.
    pub(crate) blocks: VecDeque<BlockRow>,
    /// Newest last.
    pub(crate) lines: VecDeque<Line>,
    pub(crate) pow: Pow,
    pub(crate) transactions: Transactions,
    pub(crate) timeline: Timeline,
    /// Transactions that became final (proof of work: included) per second, newest last.
    throughput: VecDeque<(u64, u64)>,
    /// Highest height already counted in the throughput.
    counted: Option<u64>,
    /// Entries taken.
    pub(crate) entries: u64,
    /// PBFT: votes counted by all nodes; each is a message that arrived.
    pub(crate) votes: u64,
    /// Blocks seen at new heights.
    pub(crate) heights: u64,
    pub(crate) started_ms: Option<u64>,
    pub(crate) now_ms: u64,
}

impl Model {
    pub(crate) fn new(title: &str, names: impl IntoIterator<Item = String>, engine: Option<EngineName>) -> Model {
        let nodes: Vec<Node> = names.into_iter().map(Node::new).collect();
        Model {
            title: title.to_owned(),
            engine,
            pow: Pow::default(),
            transactions: Transactions::new(nodes.len()),
            nodes,
            blocks: VecDeque::new(),
            lines: VecDeque::new(),
            timeline: Timeline::default(),
            throughput: VecDeque::new(),
            counted: None,
            entries: 0,
            votes: 0,
            heights: 0,
            started_ms: None,
            now_ms: 0,
        }
    }

    /// Whether it is proof of work, as far as known.
    pub(crate) fn is_pow(&self) -> bool {
        self.engine == Some(EngineName::Pow)
    }

    /// Votes that make a certificate, and members, under PBFT.
    pub(crate) fn quorum(&self) -> Option<(usize, usize)> {
        let pbft = self.nodes.iter().find_map(|node| node.status.as_ref()?.pbft.as_ref())?;
        Some((pbft.quorum, pbft.n))
    }

    pub(crate) fn final_height(&self) -> u64 {
        self.nodes.iter().map(|node| node.final_height).max().unwrap_or(0)
    }

    pub(crate) fn height(&self) -> u64 {
        self.nodes.iter().map(|node| node.height).max().unwrap_or(0)
    }

    pub(crate) fn mempool(&self) -> usize {
        self.nodes.iter().filter(|node| node.up).map(|node| node.mempool).max().unwrap_or(0)
    }

    pub(crate) fn up(&self) -> usize {
        self.nodes.iter().filter(|node| node.up).count()
    }

    /// The node whose member index this is; the index itself while that is not known.
    pub(crate) fn member(&self, index: u16) -> String {
        let of = |node: &&Node| node.status.as_ref()?.pbft.as_ref()?.me;
        let node = self.nodes.iter().find(|node| of(node) == Some(index));
        node.map_or_else(|| format!("member {index}"), |node| node.name.clone())
    }

    /// The node with this libp2p identity.
    pub(crate) fn node_of_peer(&self, peer_id: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.status.as_ref().is_some_and(|status| status.peer_id == peer_id))
    }

    /// Transactions per second over the last ten seconds.
    pub(crate) fn rate(&self) -> f64 {
        let since = (self.now_ms / 1_000).saturating_sub(10);
        let sum: u64 = self.throughput.iter().filter(|(second, _)| *second >= since).map(|(_, count)| count).sum();
        sum as f64 / 10.0
    }

    /// One number per second, oldest first, for `width` seconds up to now.
    pub(crate) fn throughput_series(&self, width: usize) -> Vec<u64> {
        let now = self.now_ms / 1_000;
        let mut series = vec![0; width];
        for (second, count) in &self.throughput {
            let back = now.saturating_sub(*second) as usize;
            if back < width {
                series[width - 1 - back] = *count;
            }
        }
        series
    }

    /// Takes one entry. Times are those of arrival: a net's own clock may stand far from this machine's.
    pub(crate) fn update(&mut self, entry: &Entry) {
        let Some(node) = self.nodes.get_mut(entry.node) else { return };
        self.now_ms = self.now_ms.max(entry.at_ms);
        self.started_ms.get_or_insert(entry.at_ms);
        self.entries += 1;
        let (index, at_ms) = (entry.node, entry.at_ms);
        match &entry.fact {
            Fact::Lost(reason) => {
                if node.lost(at_ms) {
                    let text = format!("is down: {reason}");
                    self.log(Line { at_ms, node: index, text, tone: Tone::Bad });
                    self.timeline.note(at_ms, index, "does not answer".to_owned(), Tone::Bad, Sort::Deed);
                }
            }
            Fact::Back(_) => {
                if node.back(at_ms) {
                    self.log(Line { at_ms, node: index, text: "answers again".to_owned(), tone: Tone::Good });
                    self.timeline.note(at_ms, index, "answers again".to_owned(), Tone::Good, Sort::Deed);
                }
            }
            Fact::Status(status) => {
                node.status(status);
                self.engine = Some(status.engine);
            }
            Fact::Peers(peers) => node.peers_list(peers, at_ms),
            Fact::Transaction(status) => self.transactions.looked_up(index, at_ms, status),
            Fact::Event(event) => self.event(index, at_ms, event),
        }
    }

    /// Peers and members by the names of their nodes, where these are known.
    pub(crate) fn with_names(&self, text: String) -> String {
        let mut text = self.with_member_names(text);
        if text.contains('…') {
            for node in &self.nodes {
                if let Some(status) = &node.status {
                    let peer = format!("…{}", tail(&status.peer_id));
                    text = text.replace(&format!("peer {peer}"), &node.name).replace(&peer, &node.name);
                }
            }
        }
        text
    }

    fn with_member_names(&self, text: String) -> String {
        if !text.contains("member ") && !text.contains("primary ") {
            return text;
        }
        let mut words: Vec<String> = Vec::new();
        for word in text.split(' ') {
            let index = word.parse().ok().filter(|index| self.nodes.iter().any(|node| node.member() == Some(*index)));
            match (words.last().map(String::as_str), index) {
                (Some("member"), Some(index)) => *words.last_mut().expect("there is one") = self.member(index),
                (Some("primary"), Some(index)) => words.push(self.member(index)),
                _ => words.push(word.to_owned()),
            }
        }
        words.join(" ")
    }

    /// PBFT: who leads which view, as most members see it; nothing while none is in a view that has begun.
    pub(crate) fn leader(&self) -> Option<(String, u64)> {
        let mut views: BTreeMap<(u64, u16), usize> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.up && node.member().is_some() && node.consensus.active) {
            *views.entry((node.consensus.view, node.consensus.primary)).or_default() += 1;
        }
        let ((view, primary), _) = views.into_iter().max_by_key(|(place, nodes)| (*nodes, *place))?;
        Some((self.member(primary), view))
    }

    fn log(&mut self, line: Line) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn event(&mut self, index: usize, at_ms: u64, event: &Event) {
        if let Some((text, tone)) = describe(&event.kind) {
            let text = self.with_names(text);
            if let Some(sort) = sort(&event.kind) {
                self.timeline.note(at_ms, index, text.clone(), tone, sort);
            }
            self.log(Line { at_ms, node: index, text, tone });
        }
        let node = &mut self.nodes[index];
        node.up = true;
        match &event.kind {
            EventKind::Snapshot { status } => {
                self.engine = Some(status.engine);
                node.snapshot(status, at_ms);
                self.timeline.snapshot(index, status);
                // Its block events may all lie before the subscription.
                if let Some(row) = self.blocks.iter_mut().find(|row| row.id == status.tip) {
                    row.on.insert(index, at_ms);
                }
                if let Some(pow) = &status.pow {
                    self.pow.snapshot(index, status, pow, at_ms);
                }
            }
            EventKind::Block { final_height, txids, height, id, .. } => {
                node.block(&event.kind, at_ms);
                self.pow.block(index, &event.kind, at_ms);
                self.transactions.block(index, at_ms, *height, id, txids, *final_height);
                self.block(index, at_ms, &event.kind);
            }
            EventKind::Reorg { fork, depth, tip } => {
                self.blocks.iter_mut().filter(|block| block.height > *fork).for_each(|block| {
                    block.on.remove(&index);
                });
                self.transactions.reorg(index, at_ms, *fork);
                self.pow.reorg(index, at_ms, *fork, *depth, tip);
            }
            EventKind::FinalityBroken { before, fork } => self.pow.finality_broken(index, at_ms, *before, *fork),
            EventKind::Header { .. } => self.pow.header(&event.kind, at_ms),
            EventKind::Mined { id, height } => {
                node.mined += 1;
                self.pow.mined(index, id, *height, at_ms);
            }
            EventKind::Refused { id, reason, .. } => self.pow.refused(id, reason),
            EventKind::Pooled { txid, fee, held } => {
                node.mempool = *held;
                self.transactions.pooled(index, at_ms, txid, fee);
            }
            EventKind::Dropped { txid, reason, replaced_by } => {
                self.transactions.dropped(index, at_ms, txid, reason, replaced_by.as_deref());
            }
            EventKind::Peer { peer_id, connected, peers } => node.peer(peer_id, *connected, *peers, at_ms),
            EventKind::Fault { .. } => self.timeline.fault(index, &event.kind),
            EventKind::Gap { from, to } => node.gap(*from, *to, at_ms),
            EventKind::Vote { .. } => {
                self.votes += 1;
                node.pbft_event(&event.kind, at_ms);
            }
            EventKind::View { .. }
            | EventKind::Epoch { .. }
            | EventKind::Leave { .. }
            | EventKind::ViewChange { .. }
            | EventKind::Phase { .. }
            | EventKind::Pace { .. } => node.pbft_event(&event.kind, at_ms),
            EventKind::ReorgRefused { .. }
            | EventKind::CheckpointVote { .. }
            | EventKind::Checkpoint { .. }
            | EventKind::Diverged { .. }
            | EventKind::Transfer { .. }
            | EventKind::HandOver { .. }
            | EventKind::HandedOver { .. }
            | EventKind::Equivocation { .. }
            | EventKind::Blame { .. } => {}
        }
    }

    fn block(&mut self, index: usize, at_ms: u64, kind: &EventKind) {
        let EventKind::Block { height, id, transactions, bytes, final_height, .. } = kind else { return };
        if let Some(row) = self.blocks.iter_mut().find(|row| row.id == *id) {
            row.on.insert(index, at_ms);
        } else {
            // Those that had it before they were followed are known by their tip only.
            let others = self.nodes.iter().enumerate().filter(|(_, node)| node.tip == *id).map(|(other, _)| other);
            let on = others.chain([index]).map(|node| (node, at_ms)).collect();
            let (id, transactions, bytes) = (id.clone(), *transactions, *bytes);
            let row = BlockRow { height: *height, id, transactions, bytes, seen_ms: at_ms, final_ms: None, on };
            let place = self.blocks.iter().position(|other| other.height <= *height).unwrap_or(self.blocks.len());
            self.blocks.insert(place, row);
            self.blocks.truncate(BLOCKS_MAX);
            if self.counted.is_none_or(|counted| *height > counted) {
                self.counted = Some(*height);
                self.heights += 1;
                self.count(at_ms / 1_000, transactions.saturating_sub(1) as u64);
            }
        }
        let is_new = |row: &&mut BlockRow| row.height <= *final_height && row.on.contains_key(&index);
        for row in self.blocks.iter_mut().filter(is_new) {
            if row.final_ms.is_some() {
                break;
            }
            row.final_ms = Some(at_ms);
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

    /// How long transactions took from being heard of to being so deep, their own block counting as 1: the median of those known,
    /// milliseconds.
    pub(crate) fn time_to_depth_ms(&self, depth: u64) -> Option<u64> {
        let chain: BTreeMap<u64, u64> = self
            .blocks
            .iter()
            .filter(|block| !block.on.is_empty())
            .map(|block| (block.height, block.seen_ms))
            .collect();
        let wait = |life: &Life| {
            // One without a fee was not heard of before its block came.
            life.fee.as_ref()?;
            Some(chain.get(&(life.height()? + depth - 1))?.saturating_sub(life.first_ms))
        };
        median(self.transactions.lives.values().filter_map(wait).collect())
    }
}

/// The middle of these; of none, none.
pub(crate) fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
