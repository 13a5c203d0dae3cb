//! A simulated node: a replica, its disk, and the outputs that its executor has still to execute.

use crate::sim::disk::{Disk, SharedDisk};
use crate::sim::event::Life;
use bezant_consensus::engine::{Peer, Template};
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use bezant_consensus::ledger::units::Epoch;
use bezant_node_core::io::Output;
use bezant_node_core::{Replica, ReplicaConfig};
use std::collections::{BTreeMap, VecDeque};

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// As the replica calls it.
    pub(crate) peer: Peer,
    /// Both ends have the same.
    pub(crate) connection: u64,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: ReplicaConfig,
    pub(crate) disk: SharedDisk,
    /// `None` while it is down.
    pub(crate) replica: Option<Replica>,
    /// Counts starts.
    pub(crate) life: Life,
    /// Decided but not executed, in order.
    pub(crate) outputs: VecDeque<Output>,
    /// An [`Event::Execute`](crate::sim::event::Event::Execute) is on its way.
    pub(crate) is_executing: bool,
    /// It will crash in the middle of what it executes next.
    pub(crate) is_doomed: bool,
    /// It does not come back before all faults have ended.
    pub(crate) is_away: bool,
    /// A flush is on its way.
    pub(crate) is_flushing: bool,
    /// When the next wake comes that was asked for.
    pub(crate) wake_ms: Option<u64>,
    /// Its ends of connections, by the node at the other end.
    pub(crate) ends: Vec<Option<End>>,
    /// Which node a peer is; those of former connections too.
    pub(crate) names: BTreeMap<Peer, usize>,
    next_peer: u64,
    /// By how much its clock is ahead of the slowest possible one.
    pub(crate) skew_ms: u64,
    /// Scenarios: by how much it is ahead of the net's clock.
    pub(crate) offset_ms: i64,
    /// Proof of work: thousandths of a hash per virtual second.
    pub(crate) hash_rate_milli: u64,
    /// Proof of work: since when it has refused a branch with more work than its own chain.
    pub(crate) contested_ms: Option<u64>,
    /// PBFT: its key.
    pub(crate) validator: Option<PublicKey>,
    /// PBFT: the present members as it knows them.
    pub(crate) members: Vec<usize>,
    /// PBFT: the epoch of these.
    pub(crate) epoch: Epoch,
    /// What it mines, and which search that is.
    pub(crate) template: Option<Template>,
    pub(crate) search: u64,
}

impl Node {
    pub(crate) fn new(config: ReplicaConfig, disk: Disk, nodes: usize, skew_ms: u64) -> Node {
        let validator = config.engine.key.as_ref().map(SigningKey::public);
        Node {
            validator,
            members: (0..nodes).collect(),
            epoch: Epoch(0),
            config,
            disk: SharedDisk::new(disk),
            replica: None,
            life: 0,
            outputs: VecDeque::new(),
            is_executing: false,
            is_doomed: false,
            is_away: false,
            is_flushing: false,
            wake_ms: None,
            ends: vec![None; nodes],
            names: BTreeMap::new(),
            next_peer: 0,
            skew_ms,
            offset_ms: 0,
            hash_rate_milli: 0,
            contested_ms: None,
            template: None,
            search: 0,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.replica.is_some()
    }

    /// A new connection's end; its peer number was never used before on this node.
    pub(crate) fn open(&mut self, other: usize, connection: u64) -> Peer {
        self.next_peer += 1;
        let peer = Peer(self.next_peer);
        self.ends[other] = Some(End { peer, connection });
        self.names.insert(peer, other);
        peer
    }

    /// Forgets all that is not on the disk.
    pub(crate) fn stop(&mut self) {
        self.replica = None;
        self.life += 1;
        self.outputs.clear();
        self.is_executing = false;
        self.is_doomed = false;
        self.is_flushing = false;
        self.wake_ms = None;
        self.ends.fill(None);
        self.template = None;
        self.search += 1;
    }
}
