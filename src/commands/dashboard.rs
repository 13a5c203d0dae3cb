//! What the dashboard cannot do itself: transfers, and what is done to nodes, through the supervisor's control socket.

use crate::cli::Global;
use crate::commands::wallet;
use bezant_api::control::ControlRequest;
use bezant_api::manifest::Manifest;
use bezant_api::types::EngineName;
use bezant_testnet::net::client;
use bezant_testnet::net::wait::{self, Goal};
use bezant_tui::{Action, Notice, Order};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Orders that wait, and sentences that wait to be read.
const WAITING_MAX: usize = 8;
/// How long a net may take to its first block.
pub(crate) const FIRST_BLOCK_TIMEOUT: Duration = Duration::from_secs(120);

/// Carries out the dashboard's orders, each on a task of its own: one that takes long keeps no other waiting.
#[derive(Clone)]
pub(crate) struct Orders {
    manifests: Vec<Manifest>,
    global: Global,
    notices: mpsc::Sender<Notice>,
}

impl Orders {
    /// Starts to; with `greet`, also sends one transfer as soon as the first net runs. The task ends when it is aborted, or the
    /// dashboard is gone.
    pub(crate) fn start(
        manifests: Vec<Manifest>,
        global: &Global,
        greet: bool,
    ) -> (mpsc::Sender<Order>, mpsc::Receiver<Notice>, JoinHandle<()>) {
        let (notices, read) = mpsc::channel(WAITING_MAX);
        let (orders, wanted) = mpsc::channel(WAITING_MAX);
        let this = Orders { manifests, global: global.clone(), notices };
        (orders, read, tokio::spawn(this.run(wanted, greet)))
    }

    async fn run(self, mut wanted: mpsc::Receiver<Order>, greet: bool) {
        let mut tasks = tokio::task::JoinSet::new();
        if greet {
            tasks.spawn(self.clone().carry_out(Order { net: 0, action: Action::Transfer }));
        }
        loop {
            tokio::select! {
                order = wanted.recv() => match order {
                    Some(order) => drop(tasks.spawn(self.clone().carry_out(order))),
                    // Without a dashboard nobody orders anything, but what was begun goes on.
                    None => std::future::pending().await,
                },
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    async fn carry_out(self, order: Order) {
        let Some(manifest) = self.manifests.get(order.net) else { return };
        let notice = match request(order.action) {
            None => self.transfer(manifest).await,
            Some(request) => Notice { text: done(manifest, &request).await, txid: None },
        };
        // Whoever asked may have left.
        let _ = self.notices.send(notice).await;
    }

    async fn transfer(&self, manifest: &Manifest) -> Notice {
        if let Err(error) = await_first_block(manifest).await {
            return Notice { text: format!("no transfer: {error}"), txid: None };
        }
        let begun = async |txid: String| {
            let short = txid.get(..8).unwrap_or_default();
            let text = format!("1 BZT from alice to bob is on its way (transaction {short}…); screen 5 follows it");
            let _ = self.notices.send(Notice { text, txid: Some(txid) }).await;
        };
        match wallet::transfer_once(&self.global, &manifest.net, begun).await {
            Ok(text) => Notice { text, txid: None },
            Err(failure) => Notice { text: format!("the transfer failed: {}", failure.message), txid: None },
        }
    }
}

/// What the supervisor is asked for; nothing for a transfer.
fn request(action: Action) -> Option<ControlRequest> {
    Some(match action {
        Action::Transfer => return None,
        Action::Kill(node) => ControlRequest::Kill { node },
        Action::Start(node) => ControlRequest::Start { node },
        Action::Pause(node) => ControlRequest::Pause { node },
        Action::Resume(node) => ControlRequest::Resume { node },
        Action::Partition(groups) => ControlRequest::Partition { groups, for_ms: None },
        Action::Heal => ControlRequest::Heal,
        Action::Byzantine { node, mode } => ControlRequest::Byzantine { node, mode, target: None },
    })
}

async fn done(manifest: &Manifest, request: &ControlRequest) -> String {
    let what = match request {
        ControlRequest::Kill { node } => format!("node{node} is killed"),
        ControlRequest::Start { node } => format!("node{node} is started"),
        ControlRequest::Pause { node } => format!("node{node} is paused"),
        ControlRequest::Resume { node } => format!("node{node} goes on"),
        ControlRequest::Partition { .. } => "the net is cut".to_owned(),
        ControlRequest::Heal => "all cuts are healed".to_owned(),
        ControlRequest::Byzantine { node, mode, .. } if mode == "off" => format!("node{node} is honest"),
        ControlRequest::Byzantine { node, mode, .. } => format!("node{node} lies: {mode}"),
        other => format!("{other:?} is done"),
    };
    match client::ask(manifest, request).await {
        Ok(_) => what,
        Err(error) => error.to_string(),
    }
}

/// Waits for the first block: final under PBFT, included under proof of work.
pub(crate) async fn await_first_block(manifest: &Manifest) -> Result<(), bezant_testnet::net::error::NetError> {
    let goal = match manifest.engine {
        EngineName::Pbft => Goal::Final(1),
        EngineName::Pow => Goal::Height(1),
    };
    wait::wait(manifest, goal, FIRST_BLOCK_TIMEOUT).await.map(drop)
}
