//! Four nodes as they run in earnest: from configuration files, over libp2p, with RPC, in one process.

use super::{LIMIT, genesis, key, lock_of, transfer, until_state};
use crate::node::Node;
use bezant_api::config::NodeConfig;
use bezant_api::genesis::to_toml;
use bezant_api::types::{EngineName, TxState};
use bezant_consensus::ledger::genesis::Genesis;
use std::collections::BTreeSet;
use std::path::Path;

fn config(dir: &Path, index: u8, peers: &[String]) -> NodeConfig {
    let home = dir.join(format!("node{index}"));
    std::fs::create_dir_all(&home).expect("makes a directory");
    let key_file = home.join("validator.key");
    std::fs::write(&key_file, hex::encode([index + 1; 32])).expect("writes");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).expect("sets the mode");
    }
    let text = format!(
        "data_dir = {home:?}\ngenesis = {:?}\nvalidator_key = {key_file:?}\n[p2p]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\npeers = {peers:?}\n",
        dir.join("genesis.toml")
    );
    NodeConfig::from_toml(&text).expect("is a configuration")
}

async fn start_all(dir: &Path, genesis: &Genesis) -> Vec<Node> {
    std::fs::write(dir.join("genesis.toml"), to_toml(genesis)).expect("writes");
    let (mut nodes, mut peers) = (Vec::new(), Vec::new());
    for index in 0..4 {
        let node = Node::start(config(dir, index, &peers)).await.expect("starts");
        peers.extend(node.ready.p2p.iter().cloned());
        nodes.push(node);
    }
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_members_agree_and_go_on_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis =
        Genesis { members: (1..5).map(|number| key(number).public()).collect(), ..genesis(EngineName::Pbft, 2) };
    for number in 0..2 {
        let nodes = start_all(dir.path(), &genesis).await;
        let payment = transfer(&genesis, number, 4_000, lock_of(&key(60)));
        let txid = payment.id();
        nodes[3].handle.submit(payment).await.expect("is admitted");
        for node in &nodes {
            until_state(&node.handle, txid, TxState::Final).await;
            let coins = node.handle.coins(BTreeSet::from([lock_of(&key(60))]), None, None).await.expect("answers");
            assert_eq!(coins.coins.len(), usize::from(number) + 1);
        }
        for node in nodes {
            tokio::time::timeout(LIMIT, node.stop(Ok(()))).await.expect("in time").expect("stops in order");
        }
    }
}
