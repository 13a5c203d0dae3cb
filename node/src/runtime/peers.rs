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
}

/// Connected peers; the network bounds their number.
#[derive(Debug, Default)]
pub(super) struct PeerTable(BTreeMap<Peer, Row>);

impl PeerTable {
    pub(super) fn connected(&mut self, peer: Peer, peer_id: PeerId, address: String, outbound: bool) {
        let row = Row { peer_id, address, outbound, member: None, height: None, round_trip_ms: None };
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

    pub(super) fn round_trip(&mut self, peer: Peer, ms: f64) {
        if let Some(row) = self.0.get_mut(&peer) {
            row.round_trip_ms = Some(ms);
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

    pub(super) fn views(&self) -> Vec<PeerView> {
        let view = |row: &Row| PeerView {
            peer_id: row.peer_id.to_string(),
            address: row.address.clone(),
            outbound: row.outbound,
            member: row.member,
            height: row.height.map(|height| height.0),
            round_trip_ms: row.round_trip_ms,
        };
        self.0.values().map(view).collect()
    }
}
