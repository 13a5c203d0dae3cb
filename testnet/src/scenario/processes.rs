//! A scenario on processes: a running net, steered over its supervisor's control socket and its nodes' RPC.
//!
//! Time zero is when this begins, after the first block. Steps are carried out one after the other by a task of their own, so that the
//! net is looked at meanwhile; a step that takes long (a clean stop) delays those behind it, and not the looks. What is seen at a look
//! counts for the moment for which the look was due, as long as the machine keeps up.

mod deeds;
mod eyes;

use crate::net::check;
use crate::net::client::ask;
use crate::net::error::NetError;
use crate::net::spec::GENESIS_FILE;
use crate::scenario::plan::{Scenario, Step};
use crate::scenario::play::{Halt, LOOK_MS, Place, Report, Tally, Verdict, World, play};
use crate::scenario::users;
use crate::scenario::view::{Index, NetView};
use bezant_api::client::{Client, ClientError};
use bezant_api::control::ControlRequest;
use bezant_api::manifest::Manifest;
use bezant_api::types::EngineName;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::Genesis;
use deeds::{Deed, Deeds};
use eyes::Eyes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Seconds that a second of a scenario may take.
pub const PACE_MAX: u32 = 20;
/// Steps that may wait for those before them.
const DEEDS_MAX: usize = 1_000;
/// After so long a payment that no node could take is handed in again.
const RETRY: Duration = Duration::from_millis(500);
/// How long the last steps may take after the end.
const DEEDS_TIMEOUT: Duration = Duration::from_secs(60);

/// What all parts of a play share.
pub(super) struct Shared {
    pub(super) manifest: Manifest,
    pub(super) clients: Vec<Client>,
    /// Nodes that lie or have lied, or share a key.
    pub(super) tainted: Mutex<BTreeSet<usize>>,
    /// Why a step could not be carried out.
    pub(super) broken: Mutex<Option<String>>,
    tally: Mutex<Tally>,
}

impl Shared {
    /// The manifest as it stands; what was read last when it is just being written.
    pub(super) fn manifest_now(&self) -> Manifest {
        Manifest::read(&self.manifest.dir).unwrap_or_else(|_| self.manifest.clone())
    }
}

/// A net of processes on which a scenario is played.
struct Processes {
    shared: Arc<Shared>,
    eyes: Eyes,
    started: Instant,
    pace: u32,
    deeds: Option<mpsc::Sender<Deed>>,
    /// The tasks that carry out steps, hand in payments and read events; they end with the play.
    tasks: JoinSet<()>,
    worker: tokio::task::JoinHandle<()>,
}

/// Plays a scenario on a running net that was made for it; `tell` hears of each step and judgement as it is made. Each second of
/// the scenario takes `pace` seconds, 1 to [`PACE_MAX`], for machines on which everything takes longer; the nodes' own times stay.
///
/// # Errors
/// When the net's genesis cannot be read. What fails later is in the verdict.
pub async fn play_on_processes(
    scenario: &Scenario,
    manifest: &Manifest,
    pace: u32,
    tell: impl FnMut(Report),
) -> Result<Verdict, NetError> {
    let path = manifest.dir.join(GENESIS_FILE);
    let text = std::fs::read_to_string(&path).map_err(NetError::io(&path))?;
    let damaged = |reason: String| NetError::Damaged { path: path.clone(), reason };
    let genesis = bezant_api::genesis::from_toml(&text).map_err(|error| damaged(error.to_string()))?;
    let unusable = |error: ClientError| NetError::Refused(error.to_string());
    let clients = manifest.nodes.iter().map(|node| Client::of_one(&node.rpc)).collect::<Result<Vec<_>, _>>();
    let shared = Arc::new(Shared {
        manifest: manifest.clone(),
        clients: clients.map_err(unusable)?,
        tainted: Mutex::default(),
        broken: Mutex::default(),
        tally: Mutex::default(),
    });
    let mut world = Processes::begin(scenario, shared, &genesis, pace.clamp(1, PACE_MAX));
    let verdict = play(scenario, &mut world, (Place::Processes, manifest.seed), tell).await;
    world.worker.abort();
    Ok(verdict)
}

impl Processes {
    fn begin(scenario: &Scenario, shared: Arc<Shared>, genesis: &Genesis, pace: u32) -> Processes {
        let started = Instant::now();
        let signed = users::sign(scenario, shared.manifest.seed, genesis);
        let mut index = Index::default();
        index.payments.extend(signed.iter().enumerate().map(|(number, it)| (it.id(), number)));
        let mut tasks = JoinSet::new();
        for (transaction, payment) in signed.iter().zip(&scenario.payments) {
            let due = started + Duration::from_millis(payment.at_ms) * pace;
            let text = hex::encode(encode(transaction));
            tasks.spawn(hand_in(shared.clone(), payment.node, text, due));
        }
        let eyes = Eyes::new(scenario, shared.clone(), index, genesis, &mut tasks);
        let txids = signed.iter().map(|transaction| transaction.id().to_string()).collect();
        let (deeds, orders) = mpsc::channel(DEEDS_MAX);
        let worker = tokio::spawn(Deeds::new(shared.clone(), scenario.net.clone(), txids, pace).run(orders));
        Processes { shared, eyes, started, pace, deeds: Some(deeds), tasks, worker }
    }

    /// When that moment of the scenario is.
    fn due(&self, at_ms: u64) -> Instant {
        self.started + Duration::from_millis(at_ms) * self.pace
    }

    fn check_broken(&self) -> Result<(), Halt> {
        let broken = self.shared.broken.lock().expect("no holder panics").clone();
        broken.map_or(Ok(()), |why| Err(Halt::Broken(why)))
    }
}

/// Hands in a payment when it is due: to its node, or if that one does not run to the first that does; again after a while if none
/// does.
async fn hand_in(shared: Arc<Shared>, node: usize, transaction: String, due: Instant) {
    tokio::time::sleep_until(due).await;
    loop {
        let manifest = shared.manifest_now();
        let runs = |node: &usize| manifest.nodes.get(*node).is_some_and(|it| it.pid != 0 && !it.paused);
        let others = (0..shared.clients.len()).filter(|other| *other != node);
        let order: Vec<usize> = std::iter::once(node).chain(others).filter(runs).collect();
        for node in order {
            let answer = shared.clients[node].submit(transaction.clone()).await;
            let mut tally = shared.tally.lock().expect("no holder panics");
            match answer {
                Ok(_) => {
                    tally.accepted += 1;
                    return;
                }
                // It is down, or full of other users: somebody else's turn.
                Err(ClientError::Unreachable(_) | ClientError::Busy(_)) => {}
                Err(error) => {
                    *tally.refused.entry(error.to_string()).or_default() += 1;
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

impl World for Processes {
    async fn reach(&mut self, at_ms: u64) -> Result<(), Halt> {
        let due = self.due(at_ms);
        tokio::time::sleep_until(due).await;
        let late_ms = u64::try_from(due.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut tally = self.shared.tally.lock().expect("no holder panics");
        tally.late_ms = tally.late_ms.max(late_ms);
        drop(tally);
        self.check_broken()
    }

    fn is_over(&self, at_ms: u64) -> bool {
        Instant::now() > self.due(at_ms + LOOK_MS)
    }

    async fn primary(&mut self) -> Option<usize> {
        self.eyes.primary().await
    }

    async fn act(&mut self, step: &Step, nodes: &[usize]) -> Result<(), Halt> {
        let deed = Deed { step: step.clone(), nodes: nodes.to_vec() };
        let deeds = self.deeds.as_ref().expect("steps are made before the end");
        deeds.send(deed).await.map_err(|_| Halt::Broken("the task that carries out steps has ended".to_owned()))
    }

    async fn look(&mut self, at_ms: u64) -> Result<NetView, Halt> {
        self.check_broken()?;
        Ok(self.eyes.look(at_ms).await)
    }

    async fn end(&mut self) -> Result<Vec<String>, Halt> {
        drop(self.deeds.take());
        if tokio::time::timeout(DEEDS_TIMEOUT, &mut self.worker).await.is_err() {
            return Err(Halt::Broken(format!("the last steps took more than {} s", DEEDS_TIMEOUT.as_secs())));
        }
        self.check_broken()?;
        let broken = |error: NetError| Halt::Broken(error.to_string());
        let manifest = self.shared.manifest_now();
        ask(&manifest, &ControlRequest::FaultClear { ids: Vec::new() }).await.map_err(broken)?;
        for node in manifest.nodes.iter().filter(|node| node.paused) {
            ask(&manifest, &ControlRequest::Resume { node: node.index }).await.map_err(broken)?;
        }
        let lying = self.eyes.liars().await;
        for node in lying {
            let off = ControlRequest::Byzantine { node, mode: "off".to_owned(), target: None };
            ask(&manifest, &off).await.map_err(broken)?;
        }
        self.tasks.abort_all();
        let report = check::check(&self.shared.manifest_now()).await.map_err(broken)?;
        let mut objections = report.problems;
        if self.shared.manifest.engine == EngineName::Pbft {
            objections.extend(self.eyes.slander().await);
        }
        Ok(objections)
    }

    fn tally(&self) -> Tally {
        self.shared.tally.lock().expect("no holder panics").clone()
    }
}

/// Which node is which member, by the keys of the present epoch.
pub(super) fn nodes_by_key(manifest: &Manifest) -> BTreeMap<String, usize> {
    // Of two nodes with one key the first counts, as it has it by right.
    let mut nodes = BTreeMap::new();
    for node in &manifest.nodes {
        if let Some(key) = &node.validator {
            nodes.entry(key.clone()).or_insert(node.index);
        }
    }
    nodes
}
