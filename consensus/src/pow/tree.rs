//! The tree of all headers that were accepted, and which of its branches is the active chain.
//!
//! Every node knows its height, the work up to it, and when it arrived. A node is *linked* when its own body and those of all
//! its ancestors are here; only linked nodes can become the tip. What keeps a branch from being followed, whatever its work, is in
//! module `marks`.

mod marks;

use crate::ledger::block::Header;
use crate::ledger::hash::BlockId;
use crate::ledger::target::{Target, Work};
use crate::ledger::units::Height;
use crate::plant::{Plant, armed};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use marks::{Mark, Reach};

/// Headers whose median time a new header must exceed.
const MEDIAN_SPAN: usize = 11;

/// How much of a block is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The header alone.
    Header,
    /// The body too, but not those of all ancestors.
    Body,
    /// The bodies of this block and all of its ancestors.
    Linked,
}

/// A header's place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The header.
    pub(super) header: Header,
    /// Its height.
    pub(super) height: Height,
    /// Work of the branch up to here.
    pub(super) work: Work,
    /// Arrival: of two branches with equal work the earlier is better.
    pub(super) sequence: u64,
    /// How much of the block is here.
    pub(super) status: Status,
    /// The block's own mark.
    mark: Option<Mark>,
    /// The gravest mark of the block and its ancestors.
    pub(super) ruled_out: Option<Mark>,
    /// Whether the branch forks off too deep to be followed.
    pub(super) reach: Reach,
    /// An ancestor far below, so that [`Tree::ancestor`] takes logarithmic time.
    skip: BlockId,
    children: Vec<BlockId>,
}

/// What makes a branch better: its work. The first part is 0 but for a planted bug.
type Merit = (u64, Work);
/// Order among blocks: more work is better, then earlier arrival.
type Rank = (Merit, Reverse<u64>, BlockId);

impl Node {
    fn merit(&self) -> Merit {
        if armed(Plant::TipByHeight) { (self.height.0, Work::ZERO) } else { (0, self.work) }
    }

    fn rank(&self, id: BlockId) -> Rank {
        (self.merit(), Reverse(self.sequence), id)
    }

    /// Whether nothing but a lack of work or of bodies keeps the block from the chain.
    pub(super) fn may_be_followed(&self) -> bool {
        self.ruled_out.is_none() && self.reach != Reach::Barred
    }
}

/// All accepted headers.
pub(super) struct Tree {
    nodes: BTreeMap<BlockId, Node>,
    /// Invariant: from genesis to the tip of the chain, one block per height.
    active: Vec<BlockId>,
    /// Invariant: the best of the nodes that may be followed, whether their bodies are here or not.
    best_header: BlockId,
    /// Invariant: the linked nodes that may be followed and have more work than the tip.
    candidates: BTreeSet<Rank>,
    /// Invariant: the nodes without children.
    leaves: BTreeSet<BlockId>,
    /// Invariant: the best of the barred nodes that nothing rules out.
    best_barred: Option<BlockId>,
    next_sequence: u64,
}

impl Tree {
    /// The tree of genesis alone.
    pub(super) fn new(genesis: Header, target: Target) -> Tree {
        let id = genesis.id();
        let node = Node {
            header: genesis,
            height: Height::GENESIS,
            work: target.work(),
            sequence: 0,
            status: Status::Linked,
            mark: None,
            ruled_out: None,
            reach: Reach::Open,
            skip: id,
            children: Vec::new(),
        };
        Tree {
            nodes: BTreeMap::from([(id, node)]),
            active: vec![id],
            best_header: id,
            candidates: BTreeSet::new(),
            leaves: BTreeSet::from([id]),
            best_barred: None,
            next_sequence: 1,
        }
    }

    /// Number of headers.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The id of genesis.
    pub(super) fn genesis(&self) -> BlockId {
        self.active[0]
    }

    /// The tip of the active chain.
    pub(super) fn tip(&self) -> BlockId {
        *self.active.last().expect("genesis is always active")
    }

    /// Whether a header is on a better branch than the tip.
    pub(super) fn is_better_than_tip(&self, id: &BlockId) -> bool {
        self.node(id).merit() > self.node(&self.tip()).merit()
    }

    /// The best header that may be followed.
    pub(super) fn best_header(&self) -> BlockId {
        self.best_header
    }

    /// A header's place, if it is known.
    pub(super) fn get(&self, id: &BlockId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The place of a header that is known.
    pub(super) fn node(&self, id: &BlockId) -> &Node {
        self.nodes.get(id).expect("ids inside the tree lead to nodes")
    }

    fn node_mut(&mut self, id: &BlockId) -> &mut Node {
        self.nodes.get_mut(id).expect("ids inside the tree lead to nodes")
    }

    /// All ids in the order of arrival.
    pub(super) fn by_arrival(&self) -> Vec<BlockId> {
        let mut ids: Vec<(u64, BlockId)> = self.nodes.iter().map(|(id, node)| (node.sequence, *id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// Adds a checked header above a known parent.
    ///
    /// # Panics
    /// When the parent is unknown or the bits are no target.
    pub(super) fn insert(&mut self, id: BlockId, header: Header) {
        if self.nodes.contains_key(&id) {
            return;
        }
        let target = Target::from_compact(header.bits).expect("the header was checked");
        let parent = self.node(&header.parent);
        let height = parent.height.next();
        let node = Node {
            header,
            height,
            work: parent.work.plus(target.work()),
            sequence: self.next_sequence,
            status: Status::Header,
            mark: None,
            ruled_out: parent.ruled_out,
            reach: parent.reach,
            skip: self.ancestor(&header.parent, skip_height(height)),
            children: Vec::new(),
        };
        self.next_sequence += 1;
        if node.may_be_followed() && node.merit() > self.node(&self.best_header).merit() {
            self.best_header = id;
        }
        if node.is_barred() && self.best_barred.is_none_or(|best| node.merit() > self.node(&best).merit()) {
            self.best_barred = Some(id);
        }
        self.nodes.insert(id, node);
        self.node_mut(&header.parent).children.push(id);
        self.leaves.remove(&header.parent);
        self.leaves.insert(id);
    }

    /// The ancestor of `id` at `height`; `id` itself at its own height.
    ///
    /// # Panics
    /// When `height` is above the node's.
    pub(super) fn ancestor(&self, id: &BlockId, height: Height) -> BlockId {
        let mut at = *id;
        let mut node = self.node(id);
        assert!(height <= node.height, "an ancestor is not higher");
        while node.height > height {
            let jump = node.height != Height::GENESIS && skip_height(node.height) >= height;
            at = if jump { node.skip } else { node.header.parent };
            node = self.node(&at);
        }
        at
    }

    /// The median time of the 11 headers that end with `id`, or of all when there are fewer.
    pub(super) fn median_time(&self, id: &BlockId) -> u32 {
        let mut times = Vec::with_capacity(MEDIAN_SPAN);
        let mut at = *id;
        for _ in 0..MEDIAN_SPAN {
            let node = self.node(&at);
            times.push(node.header.time);
            if node.height == Height::GENESIS {
                break;
            }
            at = node.header.parent;
        }
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// The block of the active chain at a height.
    pub(super) fn active_at(&self, height: Height) -> Option<BlockId> {
        usize::try_from(height.0).ok().and_then(|index| self.active.get(index)).copied()
    }

    /// Whether a block is on the active chain.
    pub(super) fn is_active(&self, id: &BlockId) -> bool {
        self.get(id).is_some_and(|node| self.active_at(node.height) == Some(*id))
    }

    /// The height of the highest block that `id` shares with the active chain.
    pub(super) fn fork(&self, id: &BlockId) -> Height {
        let shared = |height: u64| self.active_at(Height(height)) == Some(self.ancestor(id, Height(height)));
        let top = self.node(id).height.0.min(self.active.len() as u64 - 1);
        self.last_height(0, top, shared)
    }

    /// The height up to which the branch of `id` is linked.
    pub(super) fn linked_up_to(&self, id: &BlockId) -> Height {
        let linked = |height: u64| self.node(&self.ancestor(id, Height(height))).status == Status::Linked;
        self.last_height(self.fork(id).0, self.node(id).height.0, linked)
    }

    /// The last height in the range of which `holds` is true; it is true at `low`, and once false it stays so.
    fn last_height(&self, low: u64, high: u64, holds: impl Fn(u64) -> bool) -> Height {
        if holds(high) {
            return Height(high);
        }
        let (mut low, mut high) = (low, high);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if holds(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Height(low)
    }

    /// The ids above height `from` up to `id`, lowest first.
    pub(super) fn path(&self, from: Height, id: &BlockId) -> Vec<BlockId> {
        let mut path = Vec::new();
        let mut at = *id;
        while self.node(&at).height > from {
            path.push(at);
            at = self.node(&at).header.parent;
        }
        path.reverse();
        path
    }

    /// Notes that the body of a block is here, and links what can be linked now.
    pub(super) fn add_body(&mut self, id: &BlockId) {
        if self.node(id).status != Status::Header {
            return;
        }
        self.node_mut(id).status = Status::Body;
        let mut queue = vec![*id];
        while let Some(at) = queue.pop() {
            let node = self.node(&at);
            if node.status != Status::Body || self.node(&node.header.parent).status != Status::Linked {
                continue;
            }
            queue.extend(node.children.iter().copied());
            let (merit, tip) = (node.merit(), self.node(&self.tip()).merit());
            let is_better = merit > tip || (merit == tip && armed(Plant::TieMoves));
            if node.may_be_followed() && is_better {
                self.candidates.insert(self.nodes[&at].rank(at));
            }
            self.node_mut(&at).status = Status::Linked;
        }
    }

    /// The best block that the active chain should be switched to. A tip that is ruled out gives way to whatever is left.
    pub(super) fn candidate(&self) -> Option<BlockId> {
        if self.node(&self.tip()).ruled_out.is_some() {
            return Some(self.best_of(|node| node.status == Status::Linked));
        }
        self.candidates.last().map(|(_, _, id)| *id)
    }

    /// The best of the nodes that may be followed and for which `fits` is true; it is for genesis.
    fn best_of(&self, fits: impl Fn(&Node) -> bool) -> BlockId {
        let all = self.nodes.iter().filter(|(_, node)| node.may_be_followed() && fits(node));
        all.map(|(id, node)| node.rank(*id)).max().expect("genesis is never ruled out").2
    }

    /// Makes `id` the tip of the active chain.
    pub(super) fn activate(&mut self, id: &BlockId) {
        let fork = self.fork(id);
        let path = self.path(fork, id);
        self.active.truncate(usize::try_from(fork.0).expect("heights in memory fit") + 1);
        self.active.extend(path);
        let merit = self.node(id).merit();
        self.candidates.retain(|(candidate, _, _)| *candidate > merit);
    }

    /// Restore only: the flushed chain, all of whose bodies are here, is active.
    pub(super) fn activate_flushed(&mut self, id: &BlockId) {
        for block in self.path(Height::GENESIS, id) {
            self.node_mut(&block).status = Status::Linked;
        }
        self.activate(id);
    }

    /// The tips of all branches, best first.
    pub(super) fn tips(&self, max: usize) -> Vec<(BlockId, Height, Work)> {
        let mut ranks: Vec<Rank> = self.leaves.iter().map(|id| self.node(id).rank(*id)).collect();
        ranks.sort_unstable_by(|a, b| b.cmp(a));
        ranks.into_iter().take(max).map(|(_, _, id)| (id, self.node(&id).height, self.node(&id).work)).collect()
    }

    /// Ids of a branch: dense at its tip, then with doubling gaps, genesis last.
    pub(super) fn locator(&self, id: &BlockId) -> Vec<BlockId> {
        let mut ids = Vec::new();
        let mut height = self.node(id).height.0;
        let mut gap = 1;
        while height > 0 {
            ids.push(self.ancestor(id, Height(height)));
            if ids.len() >= 10 {
                gap *= 2;
            }
            height = height.saturating_sub(gap);
        }
        ids.push(self.genesis());
        ids
    }

    /// Whether no linked block that may be followed has more work than the tip, and the active chain is one.
    pub(super) fn is_consistent(&self) -> bool {
        let tip = self.node(&self.tip());
        let best = self.node(&self.best_header);
        tip.height.0 + 1 == self.active.len() as u64
            && tip.status == Status::Linked
            && tip.ruled_out.is_none()
            && best.may_be_followed()
            && best.merit() >= tip.merit()
            && self.candidates.is_empty()
    }
}

/// A height below `height` such that jumps there and to parents reach any ancestor in logarithmically many steps: even heights
/// lose their lowest set bit, odd ones keep a long and a short way apart.
fn skip_height(height: Height) -> Height {
    let lower = |n: u64| n & n.wrapping_sub(1);
    Height(match height.0 {
        0 | 1 => 0,
        even if even % 2 == 0 => lower(even),
        odd => lower(lower(odd - 1)) + 1,
    })
}
