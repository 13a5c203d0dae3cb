//! Transfers without end, which lose nothing: several lanes, in each of which a coin goes from hand to hand as fast as the net
//! lets it. What a node reported final, and in which block, is remembered.

use crate::coins::{COIN_GRAINS, FEE_GRAINS, fund, hex_of, network, to};
use crate::net::{LIMIT, Net, until};
use bezant_api::client::Client;
use bezant_api::types::{TxState, TxStatus};
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_wallet::paying::build::{KeyCoin, transfer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::task::JoinSet;

/// Coins on their way at the same time.
const LANES: usize = 20;
/// Steps of one lane: what its coin can pay the fees of.
const STEPS_MAX: u64 = COIN_GRAINS / FEE_GRAINS - 1;
/// Between two looks at a transfer.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Looks after which a transfer that no node knows any more is handed in again: a node that dies may take it along.
const LOOKS_MAX: usize = 10;

/// The transfers, under way on a thread of their own.
pub(crate) struct Stream {
    stop: Arc<AtomicBool>,
    finals: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<TxStatus>>,
}

impl Stream {
    /// Starts the transfers; they are handed to `doors`, to whichever answers.
    #[track_caller]
    pub(crate) fn start(net: &Net, doors: &[usize]) -> Stream {
        let owner = SigningKey::from_seed(&[77; 32]);
        let (coins, network) = (fund(net, &owner, LANES), network(net));
        let nodes = net.manifest().nodes;
        let urls: Vec<String> = doors.iter().map(|door| nodes[*door].rpc.clone()).collect();
        let (stop, finals) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, counted) = (stop.clone(), finals.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut lanes = JoinSet::new();
                for coin in coins {
                    let client = Client::new(urls.clone()).expect("the manifest holds URLs");
                    let lane =
                        Lane { client, network, owner: owner.clone(), stop: told.clone(), finals: counted.clone() };
                    lanes.spawn(lane.run(coin));
                }
                lanes.join_all().await.into_iter().flatten().collect()
            })
        });
        let stream = Stream { stop, finals, thread };
        stream.moves();
        stream
    }

    /// Waits until the transfers go on: twice as many as there are lanes become final from now on.
    #[track_caller]
    pub(crate) fn moves(&self) {
        let goal = self.finals.load(Ordering::Relaxed) + 2 * LANES;
        until("transfers become final", LIMIT, || (self.finals.load(Ordering::Relaxed) >= goal).then_some(()));
    }

    /// Ends the transfers. What was reported final of each lane is final on every node, in the same block: each step spends
    /// the one before it, so that the last one stands for all.
    #[track_caller]
    pub(crate) fn end(self, net: &Net) {
        self.stop.store(true, Ordering::Relaxed);
        let reported = self.thread.join().expect("no lane panics");
        assert!(!reported.is_empty(), "something was done");
        net.await_synced();
        for node in 0..net.manifest().nodes.len() {
            for report in &reported {
                let status = net.tx_status(node, &report.txid);
                assert_eq!(
                    (status.state, &status.block),
                    (TxState::Final, &report.block),
                    "{} at node{node}",
                    report.txid
                );
            }
        }
    }
}

struct Lane {
    client: Client,
    network: NetworkId,
    owner: SigningKey,
    stop: Arc<AtomicBool>,
    finals: Arc<AtomicUsize>,
}

impl Lane {
    /// The last step that was reported final.
    async fn run(self, mut outpoint: OutPoint) -> Option<TxStatus> {
        let mut reported = None;
        for step in 0..STEPS_MAX {
            let amount = COIN_GRAINS - step * FEE_GRAINS;
            let coin = KeyCoin { outpoint, amount: crate::coins::grains(amount), key: &self.owner };
            let step = transfer(&self.network, &[coin], vec![to(&self.owner, amount - FEE_GRAINS)]);
            let Some(status) = self.make_final(&step.id().to_string(), &hex_of(&step)).await else { break };
            reported = Some(status);
            self.finals.fetch_add(1, Ordering::Relaxed);
            outpoint = OutPoint { txid: step.id(), index: 0 };
        }
        reported
    }

    /// Hands a transfer in until it is final; `None` when the test ends before.
    async fn make_final(&self, txid: &str, hex: &str) -> Option<TxStatus> {
        while !self.stop.load(Ordering::Relaxed) {
            // Refused is also who is known already, or whose coin the node has not heard of yet.
            let _ = self.client.submit(hex.to_owned()).await;
            for _ in 0..LOOKS_MAX {
                match self.client.tx_status(txid).await {
                    Ok(status) if status.state == TxState::Final => return Some(status),
                    Ok(status) if matches!(status.state, TxState::Unknown | TxState::Dropped) => break,
                    Ok(_) => {}
                    Err(_) => break,
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        None
    }
}
