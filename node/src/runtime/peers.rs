//! What is shown of peers.

use bezant_api::types::PeerView;
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::units::Height;
use libp2p::PeerId;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Row {
    peer_id: PeerId,
    address: String,
    outbound: bool,
    member: Option<u16>,
    height: Option<Height>,
    round_trip_ms: Option<f64>,
    bytes_in: u64,
    messages_in: u64,
    bytes_out: u64,
    mesh_topics: u8,
}

/// Connected peers; the network bounds their number.
#[derive(Debug, Default)]
pub(super) struct PeerTable(BTreeMap<Peer, Row>);

impl PeerTable {
    pub(super) fn connected(&mut self, peer: Peer, peer_id: PeerId, address: String, outbound: bool) {
        let row = Row {
            peer_id,
            address,
            outbound,
            member: None,
            height: None,
            round_trip_ms: None,
            bytes_in: 0,
            messages_in: 0,
            bytes_out: 0,
            mesh_topics: 0,
        };
        self.0.insert(peer, row);
    }

    pub(super) fn disconnected(&mut self, peer: Peer) -> Option<PeerId> {
        self.0.remove(&peer).map(|row| row.peer_id)
    }

    pub(super) fn is_member(&mut self, peer: Peer, member: Option<u16>) {
        if let Some(row) = self.0.get_mut(&peer) {
            row.member = member;
        }
    }

    pub(super) fn claims(&mut self, peer: Peer, height: Height) {
        if let Some(row) = self.0.get_mut(&peer) {
            row.height = Some(height);
        }
    }

    pub(super) fn round_trip(&mut self, peer: Peer, ms: f64, bytes_out: u64, mesh_topics: u8) {
        if let Some(row) = self.0.get_mut(&peer) {
            (row.round_trip_ms, row.bytes_out, row.mesh_topics) = (Some(ms), bytes_out, mesh_topics);
        }
    }

    pub(super) fn heard(&mut self, peer: Peer, bytes: usize) {
        if let Some(row) = self.0.get_mut(&peer) {
            row.bytes_in += bytes as u64;
            row.messages_in += 1;
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The greatest height that any peer claims.
    pub(super) fn greatest_claim(&self) -> Option<Height> {
        self.0.values().filter_map(|row| row.height).max()
    }

    /// The identity, for logs and events.
    pub(super) fn name(&self, peer: Peer) -> String {
        self.0.get(&peer).map_or_else(|| format!("peer {}", peer.0), |row| row.peer_id.to_string())
    }

    /// What is shown of each, with its score.
    pub(super) fn views(&self, score: impl Fn(Peer) -> u64) -> Vec<PeerView> {
        let view = |(peer, row): (&Peer, &Row)| PeerView {
            peer_id: row.peer_id.to_string(),
            address: row.address.clone(),
            outbound: row.outbound,
            member: row.member,
            height: row.height.map(|height| height.0),
            round_trip_ms: row.round_trip_ms,
            bytes_in: row.bytes_in,
            messages_in: row.messages_in,
            bytes_out: row.bytes_out,
            mesh_topics: row.mesh_topics,
            score: score(*peer),
        };
        self.0.iter().map(view).collect()
    }
}
