//! The network has no room for commands: what is merely said is lost, what holds from now on is not.

use super::{Alone, LIMIT, genesis, key};
use crate::links::{LinkCounts, LinkRule};
use crate::ports::NetCommand;
use crate::runtime::links::Wanted;
use bezant_api::event::EventKind;
use bezant_api::fault::LinkEffects;
use bezant_api::types::EngineName;
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::genesis::{EngineParams, Genesis, PbftParams};
use bezant_consensus::ledger::transaction::{Transaction, Witness};
use bezant_consensus::pbft::change_of_members;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc;

/// The only member, key 1, gives its place to key 2.
fn change(genesis: &Genesis) -> Transaction {
    let (body, digest) = change_of_members(&genesis.validator_set(), vec![key(2).public()]);
    Transaction::new(body, vec![Witness::Member { member: 0, signature: key(1).sign(&digest) }])
}

/// The link to a peer, cut in both directions.
fn cut(id: u64, peer: PeerId) -> Vec<Wanted> {
    let (from, to) = (BTreeMap::from([(peer, 1)]), BTreeSet::from([peer]));
    vec![(LinkRule { id, from, to, effects: LinkEffects::CUT, counts: LinkCounts::default() }, None)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_and_cuts_are_told_once_there_is_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut genesis = genesis(EngineName::Pbft, 0);
    if let EngineParams::Pbft(params) = &mut genesis.engine {
        *params = PbftParams { checkpoint_interval: 2, ..params.clone() };
    }
    let (commands, mut inbox) = mpsc::channel(1);
    commands.try_send(NetCommand::Disconnect(Peer(9))).expect("has room for one");
    let node = Alone::start_with(dir.path(), &genesis, commands).expect("starts");
    let mut events = node.handle.subscribe(None, None).await.expect("the node runs");
    let (old, new) = (PeerId::random(), PeerId::random());
    node.handle.dev_links(cut(1, old)).await.expect("a dev net");
    node.handle.submit(change(&genesis)).await.expect("is admitted");
    let begun = async { while !matches!(events.next().await.expect("the node runs").kind, EventKind::Epoch { .. }) {} };
    tokio::time::timeout(LIMIT, begun).await.expect("the epoch begins");
    node.handle.dev_links(cut(2, new)).await.expect("a dev net");

    let (mut members, mut cuts) = (Vec::new(), Vec::new());
    let told = async {
        while members.is_empty() || cuts.is_empty() {
            match inbox.recv().await.expect("the node runs") {
                NetCommand::SetMembers(set) => members.push((set.epoch.0, set.members)),
                NetCommand::SetLinks(rules) => {
                    cuts.push(rules.iter().map(|rule| (rule.id, rule.to.clone())).collect::<Vec<_>>())
                }
                NetCommand::Send { .. }
                | NetCommand::Judge { .. }
                | NetCommand::Disconnect(_)
                | NetCommand::Ban { .. } => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, told).await.expect("both are told");
    assert_eq!(members, [(1, vec![key(2).public()])]);
    assert_eq!(cuts, [[(2, BTreeSet::from([new]))]], "the newest is all that counts");

    let view = node.handle.epochs(0).await.expect("answers");
    assert_eq!((view.epoch, view.members, view.successions.len()), (1, vec![key(2).public().to_string()], 1));
    assert_eq!(node.handle.epochs(1).await.expect("answers").successions, view.successions);
    let later = node.handle.epochs(u64::MAX).await.expect("answers");
    assert!(later.successions.is_empty() && later.epoch == 1 && later.start == view.start);
    node.stop().await.expect("stops in order");
}
