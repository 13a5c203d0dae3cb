//! What is done to a running net on purpose: faults of links, lies, and clocks. The supervisor remembers all of it, and gives it
//! again to a node that it starts. A node that is paused is told when it is resumed.

use super::{Slot, Supervisor};
use crate::net::error::{NetError, net_flag};
use crate::net::faults::Moment;
use crate::net::spec;
use bezant_api::client::{Client, ClientError};
use bezant_api::control::{ControlResponse, FaultEntry, FaultOrder};
use bezant_api::fault::{DevLinksParams, DevNoteParams, FaultKind, FaultState};
use bezant_api::types::{DevByzantineParams, DevTimeParams};
use std::time::{Duration, Instant};

/// How far a node's clock may be ahead of the net's, or behind, milliseconds: one day.
pub const CLOCK_OFFSET_MS_MAX: i64 = 24 * 3_600 * 1_000;
/// How long a node may take to note what is done to it. It is done in any case.
const NOTE_TIMEOUT: Duration = Duration::from_secs(1);

impl Slot {
    /// Whether it can be told something now.
    pub(super) fn is_listening(&self) -> bool {
        self.is_running() && !self.paused
    }
}

impl Supervisor {
    fn moment() -> Moment {
        Moment { at: Instant::now(), ms: spec::now_ms() }
    }

    pub(super) async fn fault_add(&mut self, order: FaultOrder) -> Result<Vec<FaultEntry>, NetError> {
        let before = self.faults.clone();
        let added = self.faults.add(Self::moment(), order, self.slots.len())?;
        self.apply_or(before).await?;
        Ok(vec![added])
    }

    pub(super) async fn partition(
        &mut self,
        groups: Vec<Vec<usize>>,
        for_ms: Option<u64>,
    ) -> Result<Vec<FaultEntry>, NetError> {
        let before = self.faults.clone();
        let added = self.faults.partition(Self::moment(), groups, for_ms, self.slots.len())?;
        self.apply_or(before).await?;
        Ok(vec![added])
    }

    pub(super) async fn heal(&mut self) -> Result<Vec<FaultEntry>, NetError> {
        let ended = self.faults.heal(Self::moment());
        self.apply_all_links().await?;
        Ok(ended)
    }

    pub(super) fn fault_list(&mut self) -> Vec<FaultEntry> {
        self.faults.list(Self::moment())
    }

    pub(super) async fn fault_clear(&mut self, ids: &[u64]) -> Result<Vec<FaultEntry>, NetError> {
        let ended = self.faults.clear(Self::moment(), ids)?;
        self.apply_all_links().await?;
        Ok(ended)
    }

    /// Tells all nodes; when that fails, what was there before holds again, as far as they can be told.
    async fn apply_or(&mut self, before: crate::net::faults::FaultList) -> Result<(), NetError> {
        let applied = self.apply_all_links().await;
        if applied.is_err() {
            self.faults.restore(before);
            let _ = self.apply_all_links().await;
        }
        applied
    }

    async fn apply_all_links(&mut self) -> Result<(), NetError> {
        self.cut_links().await?;
        let listening = (0..self.slots.len()).filter(|node| self.slots[*node].is_listening());
        let told: Vec<(usize, DevLinksParams)> =
            listening.collect::<Vec<_>>().into_iter().map(|node| (node, self.links_of(node))).collect();
        let told = told.iter().map(async |(node, params)| {
            let result = match self.client(*node) {
                Ok(client) => client.dev_links(params).await.map(drop).map_err(|error| failed(*node, &error)),
                Err(error) => Err(error),
            };
            // One that has just died needs no faults.
            if self.slots[*node].is_running() { result } else { Ok(()) }
        });
        futures::future::join_all(told).await.into_iter().collect()
    }

    /// Cuts what is to be cut where nodes have namespaces of their own; elsewhere they do it themselves alone.
    pub(super) async fn cut_links(&mut self) -> Result<(), NetError> {
        let cuts = self.faults.cuts(Self::moment());
        match &mut self.isolation {
            Some(isolation) => isolation.cut(&cuts).await,
            None => Ok(()),
        }
    }

    fn links_of(&mut self, node: usize) -> DevLinksParams {
        let faults = self.faults.of_node(Self::moment(), node, &self.spec.members, self.spec.seed);
        DevLinksParams { token: self.spec.dev_token.clone(), faults }
    }

    pub(super) fn client(&self, node: usize) -> Result<Client, NetError> {
        Client::of_one(&self.node_entry(node).rpc).map_err(|error| failed(node, &error))
    }

    /// Gives a node everything that it has missed: it was started, or is no longer paused.
    pub(super) async fn catch_up(&mut self, node: usize) -> Result<(), NetError> {
        let params = self.links_of(node);
        let client = self.client(node)?;
        client.dev_links(&params).await.map_err(|error| failed(node, &error))?;
        let owed_ms = std::mem::take(&mut self.slots[node].owed_ms);
        if owed_ms > 0 {
            self.advance_one(node, owed_ms).await?;
        }
        if let Some((mode, target)) = self.lies.get(&node).cloned() {
            self.apply_lie(node, mode, target).await?;
        }
        Ok(())
    }

    /// Puts into a node's event stream what is done to it. One that does not answer misses it.
    pub(super) async fn note(&self, node: usize, state: FaultState, kind: FaultKind, what: String) {
        let params = DevNoteParams { token: self.spec.dev_token.clone(), state, kind, what };
        if let (true, Ok(client)) = (self.slots[node].is_listening(), self.client(node)) {
            let _ = tokio::time::timeout(NOTE_TIMEOUT, client.dev_note(&params)).await;
        }
    }

    pub(super) async fn byzantine(
        &mut self,
        node: usize,
        mode: String,
        target: Option<String>,
    ) -> Result<(), NetError> {
        self.check_index(node)?;
        self.check_listening(node)?;
        self.apply_lie(node, mode.clone(), target.clone()).await?;
        if mode == "off" {
            self.lies.remove(&node);
        } else {
            self.lies.insert(node, (mode, target));
        }
        Ok(())
    }

    fn check_listening(&self, node: usize) -> Result<(), NetError> {
        let (slot, net) = (&self.slots[node], net_flag(&self.spec.net));
        if !slot.is_running() {
            return Err(NetError::Refused(format!(
                "node{node} is down; start it with `bezant testnet start {node}{net}`"
            )));
        }
        if slot.paused {
            return Err(NetError::Refused(format!(
                "node{node} is paused; wake it with `bezant testnet resume {node}{net}`"
            )));
        }
        Ok(())
    }

    async fn apply_lie(&self, node: usize, mode: String, target: Option<String>) -> Result<(), NetError> {
        let params = DevByzantineParams { token: self.spec.dev_token.clone(), mode, target };
        self.client(node)?.dev_byzantine(&params).await.map(drop).map_err(|error| failed(node, &error))
    }

    /// Moves the net's clock; nodes that are down learn it when they start, paused ones when they are resumed.
    pub(super) async fn advance(&mut self, ms: u64) -> Result<(), NetError> {
        let offset_ms = i64::try_from(ms).ok().and_then(|ms| self.spec.clock_offset_ms.checked_add(ms));
        self.spec.clock_offset_ms = offset_ms.ok_or_else(|| NetError::Usage("so far ahead there is no time".into()))?;
        self.spec.write(&self.dir)?;
        for node in 0..self.slots.len() {
            if self.slots[node].is_listening() {
                self.advance_one(node, ms).await?;
            } else if self.slots[node].paused {
                self.slots[node].owed_ms += ms;
            }
        }
        Ok(())
    }

    async fn advance_one(&self, node: usize, ms: u64) -> Result<(), NetError> {
        let params = DevTimeParams { token: self.spec.dev_token.clone(), advance_ms: ms };
        self.client(node)?.dev_time(&params).await.map(drop).map_err(|error| failed(node, &error))
    }

    /// Sets how far one node's clock is ahead of the net's. Forward that is done at once. A node's clock never goes back within a
    /// run, so for that the node is stopped in order and started anew.
    pub(super) async fn clock_offset(&mut self, node: usize, offset_ms: i64) -> Result<ControlResponse, NetError> {
        self.check_index(node)?;
        if offset_ms.unsigned_abs() > CLOCK_OFFSET_MS_MAX.unsigned_abs() {
            return Err(NetError::Usage("a clock is at most 24h ahead of the net's, or behind".to_owned()));
        }
        let by_ms = offset_ms - self.slots[node].clock_offset_ms;
        if self.slots[node].paused {
            self.check_listening(node)?;
        }
        self.slots[node].clock_offset_ms = offset_ms;
        let is_running = self.slots[node].is_running();
        let restarted = is_running && by_ms < 0;
        if restarted {
            self.stop(node).await?;
            self.start_again(node).await?;
            let what = format!("clock moved back by {} ms, with a new start", by_ms.unsigned_abs());
            self.note(node, FaultState::Once, FaultKind::Clock, what).await;
        } else if is_running && by_ms > 0 {
            self.advance_one(node, by_ms.unsigned_abs()).await?;
        }
        Ok(ControlResponse::Clock { restarted })
    }
}

fn failed(index: usize, error: &ClientError) -> NetError {
    NetError::Node { index, reason: error.to_string() }
}
