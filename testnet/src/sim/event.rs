//! What can happen in a simulated world, in the order of virtual time.

use bezant_consensus::engine::To;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// A message on its way, with the hash of its bytes.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: [u8; 32],
    pub(crate) name: &'static str,
}

/// Which run of a node between two crashes; what was scheduled in an earlier one does not happen.
pub(crate) type Life = u64;

/// Something that happens at a moment of virtual time.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A message arrives, if the receiver still has the connection on which it was sent.
    Deliver { from: usize, to: usize, connection: u64, parcel: Rc<Parcel> },
    /// A node learns that a request of its will not be answered.
    Unanswered { node: usize, of: usize, connection: u64 },
    /// Two nodes try to connect; they go on trying while the net is cut between them.
    Connect { a: usize, b: usize },
    /// A node notices that a connection is dead.
    HangUp { node: usize, of: usize, connection: u64 },
    /// A node's deadline has passed.
    Wake { node: usize, life: Life },
    /// A node's disk is done with what is queued before it.
    Execute { node: usize, life: Life },
    /// A node writes chain updates behind.
    Flush { node: usize, life: Life },
    /// A node's replica learns of it.
    Flushed { node: usize, life: Life, sequence: u64 },
    /// A node's miner has found a nonce.
    Solved { node: usize, life: Life, search: u64 },
    /// A user hands in a transaction of the plan.
    Submit { planned: usize },
    /// A node is to crash during the next effects that it executes, or now if it is the deadline.
    Crash { node: usize, deadline: bool },
    /// A node stops for a long time.
    Leave { node: usize },
    /// Every node crashes.
    PowerCut,
    /// A node comes back.
    Restart { node: usize },
    /// The net falls into parts.
    Partition,
    /// The parts find together again.
    Mend { partition: u64 },
    /// A member begins to lie, or ends it.
    Lie { node: usize, is_on: bool },
    /// The members' time to change has come.
    Change { change: usize },
    /// A node loses its disk.
    Wipe { node: usize },
    /// A message leaves that a liar held back.
    Say { node: usize, life: Life, to: To, parcel: Rc<Parcel> },
    /// The first phase ends: no faults any more, every node runs.
    Heal,
    /// The referee looks at every node.
    Check,
}

impl Event {
    /// A line for the last events of a failure, and what goes into the trace hash beside the time.
    pub(crate) fn describe(&self) -> String {
        match self {
            Event::Deliver { from, to, parcel, .. } => {
                format!("node {to} gets {} {} from node {from}", parcel.name, hex::encode(&parcel.hash[..4]))
            }
            Event::Unanswered { node, of, .. } => format!("node {node} gets no answer from node {of}"),
            Event::Connect { a, b } => format!("nodes {a} and {b} connect"),
            Event::HangUp { node, of, .. } => format!("node {node} loses node {of}"),
            Event::Wake { node, .. } => format!("node {node} wakes"),
            Event::Execute { node, .. } => format!("node {node} executes"),
            Event::Flush { node, .. } => format!("node {node} flushes"),
            Event::Flushed { node, sequence, .. } => format!("node {node} learns that update {sequence} is flushed"),
            Event::Solved { node, .. } => format!("node {node} finds a nonce"),
            Event::Submit { planned } => format!("transaction {planned} is submitted"),
            Event::Crash { node, deadline: false } => format!("node {node} is about to crash"),
            Event::Crash { node, deadline: true } => format!("node {node} crashes now"),
            Event::Leave { node } => format!("node {node} leaves"),
            Event::PowerCut => "power cut".to_owned(),
            Event::Restart { node } => format!("node {node} starts"),
            Event::Partition => "the net is cut".to_owned(),
            Event::Mend { .. } => "the net is mended".to_owned(),
            Event::Lie { node, is_on: true } => format!("node {node} begins to lie"),
            Event::Lie { node, is_on: false } => format!("node {node} does not lie any more"),
            Event::Change { change } => format!("change {change} of the members is due"),
            Event::Wipe { node } => format!("node {node} loses its disk"),
            Event::Say { node, parcel, .. } => format!("node {node} lets a {} go", parcel.name),
            Event::Heal => "all faults end".to_owned(),
            Event::Check => "the referee looks".to_owned(),
        }
    }
}

#[derive(Debug)]
struct Scheduled {
    at_ms: u64,
    sequence: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
/// Reversed, because the heap gives out its greatest.
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.sequence).cmp(&(self.at_ms, self.sequence))
    }
}

/// Events by time, those of one moment in the order in which they were scheduled.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Scheduled>,
    sequence: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at_ms: u64, event: Event) {
        self.sequence += 1;
        self.heap.push(Scheduled { at_ms, sequence: self.sequence, event });
    }

    /// When the next event is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|scheduled| scheduled.at_ms)
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        self.heap.pop().map(|scheduled| (scheduled.at_ms, scheduled.event))
    }
}
