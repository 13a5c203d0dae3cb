//! Where a node that does not run would begin: what its data directory proves, by the same steps as its start.
//!
//! Whoever sets a dev net back has to know the highest height that is final in the state to which it goes back, since from the
//! height above another incarnation decides ([`bezant_consensus::incarnations`]).

use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::node::{engine_config, open_store, read_genesis};
use bezant_api::config::{NodeConfig, StandingLine};
use bezant_consensus::ledger::units::{Height, Time};
use bezant_node_core::{MempoolConfig, Replica, ReplicaConfig};
use std::sync::Arc;

/// Opens the data directory of a node that does not run, and tells where its chain ends and which blocks it has at these heights.
///
/// # Errors
/// As a node's start, but nothing is listened to, and no key is needed.
pub async fn standing(mut config: NodeConfig, at: &[u64]) -> Result<StandingLine, NodeError> {
    // Who follows stands where a member would; and no key has to be there.
    config.validator_key = None;
    let (_, genesis) = read_genesis(&config.genesis)?;
    let engine = engine_config(&config, genesis.clone())?;
    let opened = open_store(&config, genesis, Arc::new(Metrics::new())).await?;
    let parts = ReplicaConfig { engine, mempool: MempoolConfig::default() };
    let (replica, _) = Replica::restore(parts, Box::new(opened.view), opened.base, opened.records, Time(0));
    let chain = replica.chain();
    let tip = chain.tip();
    let id = |height: &u64| chain.active_at(Height(*height)).map(|id| id.to_string());
    let at = at.iter().map(id).collect();
    Ok(StandingLine { height: tip.height.0, tip: tip.id.to_string(), at })
}
