//! Settings of single nodes that differ from the net's, and keys that two nodes have.

use super::Supervisor;
use crate::net::error::NetError;
use bezant_api::config::NodeConfig;
use bezant_api::control::NodeSettings;
use bezant_api::types::EngineName;

/// Puts what a node's settings name into its configuration.
pub(super) fn apply(settings: &NodeSettings, config: &mut NodeConfig) {
    if let Some(rate) = settings.hashrate {
        config.miner.hashrate_max = rate;
    }
    if let Some(mines) = settings.mines {
        config.miner.enabled = mines && config.miner.payee.is_some();
    }
    if let Some(filter) = &settings.log {
        config.log.filter.clone_from(filter);
    }
    if let Some(count) = settings.connections {
        config.p2p.connections_max = count;
    }
}

impl Supervisor {
    /// From the node's next start on. What no node could be started with is refused now.
    pub(super) fn configure(&mut self, node: usize, newer: NodeSettings) -> Result<(), NetError> {
        self.check_index(node)?;
        let mut settings = self.slots[node].settings.clone();
        settings.update(newer);
        let mut config = crate::net::spec::node_config(&self.dir, &self.spec, node);
        apply(&settings, &mut config);
        config.check().map_err(|error| NetError::Usage(error.to_string()))?;
        self.slots[node].settings = settings;
        Ok(())
    }

    /// A second process with a member's key. Its vote log is its own: that is what is wrong with it.
    pub(super) async fn twin(&mut self, node: usize, of: usize) -> Result<(), NetError> {
        self.check_index(node)?;
        self.check_index(of)?;
        if self.spec.engine != EngineName::Pbft {
            return Err(NetError::Refused("only PBFT nets have validators, whose keys can be copied".to_owned()));
        }
        if node == of {
            return Err(NetError::Usage(format!("node{node} has its own key already")));
        }
        let key = self.key_of(of)?.ok_or_else(|| NetError::Refused(format!("node{of} has no validator key")))?;
        self.replace_key(node, &key).await
    }
}
