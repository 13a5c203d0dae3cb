//! Looking at a net of processes.

use super::{Shared, nodes_by_key};
use crate::net::spec::{NetSpec, miner_payee};
use crate::scenario::plan::{Scenario, What};
use crate::scenario::view::{Book, Index, NetView, NodeView, Written};
use bezant_api::client::Client;
use bezant_api::event::EventKind;
use bezant_api::manifest::Manifest;
use bezant_api::types::{BlockRef, EngineName, NodeStatus};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::transaction::Body;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a node may take to answer before it counts as down at this look.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Blocks that one look fetches from one node, at most; a node that is further behind is caught up with at the next looks.
const BLOCKS_AT_A_LOOK: usize = 200;
/// After so long a stream of events that has ended is opened again.
const RECONNECT: Duration = Duration::from_millis(200);

/// Why each node has left views.
type Left = Arc<Mutex<BTreeMap<usize, BTreeSet<String>>>>;

/// What looks.
pub(super) struct Eyes {
    scenario: Scenario,
    shared: Arc<Shared>,
    index: Index,
    books: Vec<Book>,
    last: Vec<NodeView>,
    left: Left,
    /// Keys of the members of each epoch that was seen.
    members: BTreeMap<u64, Vec<String>>,
    /// PBFT: whether nodes are asked at each look what they can prove.
    wants_proofs: bool,
}

impl Eyes {
    pub(super) fn new(
        scenario: &Scenario,
        shared: Arc<Shared>,
        mut index: Index,
        genesis: &Genesis,
        tasks: &mut JoinSet<()>,
    ) -> Eyes {
        let count = shared.manifest.nodes.len();
        if let Ok(Some(spec)) = NetSpec::read(&shared.manifest.dir) {
            let payee = |node: usize| miner_payee(&spec, node).parse().ok().map(|payee| (payee, node));
            index.miners.extend((0..count).filter_map(payee));
        }
        let left = Left::default();
        if shared.manifest.engine == EngineName::Pbft {
            for node in 0..count {
                tasks.spawn(follow(shared.clone(), node, left.clone()));
            }
        }
        let books = vec![Book::new(genesis.block().id()); count];
        let (last, members) = (vec![NodeView::default(); count], BTreeMap::new());
        let wants_proofs = scenario.expectations.iter().any(|it| matches!(it.what, What::Evidence(_)));
        Eyes { scenario: scenario.clone(), shared, index, books, last, left, members, wants_proofs }
    }

    /// The net as it stands.
    pub(super) async fn look(&mut self, at_ms: u64) -> NetView {
        let manifest = self.shared.manifest_now();
        let tainted = self.shared.tainted.lock().expect("no holder panics").clone();
        let keys = nodes_by_key(&manifest);
        let asked = self.books.iter_mut().enumerate().map(|(node, book)| {
            look_at(&self.shared.clients[node], &manifest, node, book, (&self.index, self.wants_proofs))
        });
        let seen = futures::future::join_all(asked).await;
        let left = self.left.lock().expect("no holder panics").clone();
        for (node, seen) in seen.iter().enumerate() {
            let epoch = seen.as_ref().and_then(|seen| seen.status.pbft.as_ref()).map(|pbft| pbft.epoch);
            if epoch.is_some_and(|epoch| !self.members.contains_key(&epoch))
                && let Some(view) = answer(self.shared.clients[node].epochs(u64::MAX)).await
            {
                self.members.insert(view.epoch, view.members);
            }
        }
        let mut nodes = Vec::new();
        for (node, seen) in seen.into_iter().enumerate() {
            let mut view = match seen {
                None => NodeView { up: false, ..self.last[node].clone() },
                Some(seen) => seen.view(&self.members, &keys),
            };
            view.is_tainted = tainted.contains(&node);
            view.left = left.get(&node).cloned().unwrap_or_default();
            view.book = self.books[node].view(&self.scenario);
            nodes.push(view);
        }
        self.last.clone_from(&nodes);
        NetView { at_ms, nodes }
    }

    /// PBFT: who leads the view in which most nodes are.
    pub(super) async fn primary(&self) -> Option<usize> {
        let manifest = self.shared.manifest_now();
        let keys = nodes_by_key(&manifest);
        let mut leaders: BTreeMap<usize, usize> = BTreeMap::new();
        for (node, client) in self.shared.clients.iter().enumerate() {
            if manifest.nodes[node].pid == 0 || manifest.nodes[node].paused {
                continue;
            }
            let Some(pbft) = answer(client.status()).await.and_then(|status| status.pbft) else { continue };
            let Some(epoch) = answer(client.epochs(u64::MAX)).await else { continue };
            let leader = epoch.members.get(usize::from(pbft.primary)).and_then(|key| keys.get(key));
            if let Some(leader) = leader {
                *leaders.entry(*leader).or_default() += 1;
            }
        }
        leaders.into_iter().max_by_key(|(node, votes)| (*votes, std::cmp::Reverse(*node))).map(|(node, _)| node)
    }

    /// Who lies now.
    pub(super) async fn liars(&self) -> Vec<usize> {
        let mut liars = Vec::new();
        for (node, client) in self.shared.clients.iter().enumerate() {
            if answer(client.status()).await.is_some_and(|status| status.byzantine.is_some()) {
                liars.push(node);
            }
        }
        liars
    }

    /// Proofs against nodes that never lied, in words.
    pub(super) async fn slander(&mut self) -> Vec<String> {
        self.wants_proofs = true;
        self.look(0).await;
        let tainted = self.shared.tainted.lock().expect("no holder panics");
        let proven: BTreeSet<usize> = self.last.iter().flat_map(|node| node.evidence.iter().copied()).collect();
        let slandered = proven.into_iter().filter(|node| !tainted.contains(node));
        slandered.map(|node| format!("there is proof against node{node}, which never lied")).collect()
    }
}

/// What a node answers in time.
async fn answer<T, E>(asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::timeout(ANSWER_TIMEOUT, asked).await.ok()?.ok()
}

/// What one node says.
struct Seen {
    status: NodeStatus,
    /// Epoch and number of members of which it can prove that they lied.
    proven: Vec<(u64, u16)>,
}

impl Seen {
    fn view(self, members: &BTreeMap<u64, Vec<String>>, keys: &BTreeMap<String, usize>) -> NodeView {
        let Seen { status, proven } = self;
        let node_of = |(epoch, signer): &(u64, u16)| keys.get(members.get(epoch)?.get(usize::from(*signer))?).copied();
        let mut view = NodeView {
            up: true,
            height: status.height,
            final_height: status.final_height,
            tip: status.tip.parse().unwrap_or_default(),
            evidence: proven.iter().filter_map(node_of).collect(),
            ..NodeView::default()
        };
        if let Some(pbft) = status.pbft {
            view.view = pbft.view;
            view.epoch = pbft.epoch;
            view.votes = pbft.me.is_some() && !pbft.is_mute;
        }
        view.refused = status.pow.is_some_and(|pow| pow.refused.is_some());
        view
    }
}

async fn look_at(
    client: &Client,
    manifest: &Manifest,
    node: usize,
    book: &mut Book,
    (index, wants_proofs): (&Index, bool),
) -> Option<Seen> {
    let entry = manifest.nodes.get(node)?;
    if entry.pid == 0 || entry.paused {
        return None;
    }
    let status = answer(client.status()).await?;
    // What it cannot give now it gives at the next look.
    let _ = answer(read_up(client, &status, book, index)).await;
    let mut proven = Vec::new();
    if wants_proofs && status.pbft.is_some() {
        let proofs = answer(client.evidence()).await.unwrap_or_default();
        proven.extend(proofs.into_iter().map(|proof| (proof.epoch, proof.signer)));
    }
    Some(Seen { status, proven })
}

/// Brings a book up to where its node is: down from the tip to what is known, and up again.
async fn read_up(
    client: &Client,
    status: &NodeStatus,
    book: &mut Book,
    index: &Index,
) -> Result<(), bezant_api::client::ClientError> {
    let mut height = usize::try_from(status.height).unwrap_or(0);
    let Ok(mut id) = status.tip.parse::<BlockId>() else { return Ok(()) };
    // Far behind: up from where the book ends instead, a part at a time.
    if height > book.height() + BLOCKS_AT_A_LOOK {
        height = book.height() + BLOCKS_AT_A_LOOK;
        let Ok(higher) = client.block(BlockRef::Height(height as u64)).await?.id.parse() else { return Ok(()) };
        id = higher;
    }
    let mut above = Vec::new();
    while book.at(height) != Some(id) {
        let block = client.block(BlockRef::Id(id.to_string())).await?;
        let written = write(&block.hex, id, index);
        above.push(written);
        let Ok(parent) = block.parent.parse() else { return Ok(()) };
        (id, height) = (parent, height.saturating_sub(1));
    }
    above.reverse();
    book.follow(height, above, usize::try_from(status.final_height).unwrap_or(0));
    Ok(())
}

fn write(text: &str, id: BlockId, index: &Index) -> Written {
    let block: Option<Block> = hex::decode(text).ok().and_then(|bytes| decode(&bytes).ok());
    let transactions = block.map(|block| block.transactions).unwrap_or_default();
    let payments = transactions.iter().filter_map(|transaction| index.payments.get(&transaction.id()).copied());
    let miner = transactions.first().and_then(|transaction| match transaction.body() {
        Body::Coinbase(coinbase) => index.miners.get(&coinbase.outputs.first()?.lock).copied(),
        Body::Transfer(_) | Body::Epoch(_) => None,
    });
    Written { id, payments: payments.collect(), miner }
}

/// Notes why a node leaves views, for as long as the play lasts.
async fn follow(shared: Arc<Shared>, node: usize, left: Left) {
    loop {
        if let Ok(mut events) = shared.clients[node].events(None).await {
            while let Some(event) = events.next().await {
                if let EventKind::Leave { reason, .. } = event.kind {
                    left.lock().expect("no holder panics").entry(node).or_default().insert(reason);
                }
            }
        }
        tokio::time::sleep(RECONNECT).await;
    }
}
