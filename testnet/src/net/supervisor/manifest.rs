//! What the supervisor says of its net: the manifest, which every command reads.

use super::Supervisor;
use crate::net::error::NetError;
use crate::net::process::ProcessId;
use crate::net::spec;
use bezant_api::manifest::{AccountEntry, MANIFEST_FILE, Manifest, NodeEntry, SupervisorEntry};

impl Supervisor {
    /// The manifest as it stands.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let own = ProcessId::of(std::process::id()).expect("this process is alive");
        Manifest {
            version: 1,
            net: self.spec.net.clone(),
            engine: self.spec.engine,
            network_id: self.network_id(),
            dir: self.dir.clone(),
            seed: self.spec.seed,
            dev_token: self.spec.dev_token.clone(),
            supervisor: SupervisorEntry { pid: own.pid, started: own.started, control: self.control.clone() },
            nodes: (0..self.slots.len()).map(|index| self.node_entry(index)).collect(),
            clock_offset_ms: self.spec.clock_offset_ms,
            accounts: self.accounts(),
        }
    }

    pub(super) fn genesis(&self) -> Option<bezant_consensus::ledger::genesis::Genesis> {
        let text = std::fs::read_to_string(self.dir.join(spec::GENESIS_FILE)).ok()?;
        bezant_api::genesis::from_toml(&text).ok()
    }

    fn network_id(&self) -> String {
        self.genesis().map(|genesis| genesis.network_id().to_string()).unwrap_or_default()
    }

    fn accounts(&self) -> Vec<AccountEntry> {
        let Some(genesis) = self.genesis() else { return Vec::new() };
        let network = genesis.network_id();
        let entry = |account: bezant_wallet::keys::dev::DevAccount| {
            let lock = bezant_consensus::ledger::lock::Lock::Key(account.key.public()).hash();
            let grains: u64 = genesis
                .allocations
                .iter()
                .filter(|output| output.lock == lock)
                .map(|output| output.amount.grains())
                .sum();
            AccountEntry {
                address: bezant_api::address::encode(&network, &lock),
                grains: grains.to_string(),
                wallet: bezant_wallet::keys::dev::wallet_path(&self.dir.join("wallets"), &account.name),
                name: account.name,
            }
        };
        bezant_wallet::keys::dev::accounts(self.spec.seed).into_iter().map(entry).collect()
    }

    pub(super) fn node_entry(&self, index: usize) -> NodeEntry {
        let (slot, member) = (&self.slots[index], &self.spec.members[index]);
        let process = slot.process.clone().unwrap_or(ProcessId { pid: 0, started: String::new() });
        let host = self.spec.host(index);
        let rpc = format!("http://{host}:{}", member.rpc_port);
        NodeEntry {
            index,
            name: format!("node{index}"),
            pid: process.pid,
            started: process.started,
            metrics: format!("{rpc}/metrics"),
            rpc,
            p2p: vec![spec::p2p_address(&self.spec, index)],
            peer_id: member.peer_id.clone(),
            validator: member.validator.clone(),
            data_dir: spec::node_dir(&self.dir, index).join("data"),
            log: spec::node_log(&self.dir, index),
            stratum: member.stratum_port.map(|port| format!("{host}:{port}")),
            clock_offset_ms: slot.clock_offset_ms,
            paused: slot.paused,
            restarts: slot.revival.count,
        }
    }

    pub(super) fn write_manifest(&self) -> Result<(), NetError> {
        let text = serde_json::to_string_pretty(&self.manifest()).expect("a manifest has a JSON form");
        spec::write_private(&self.dir.join(MANIFEST_FILE), text.as_bytes())
    }
}
