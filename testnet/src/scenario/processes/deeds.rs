//! Steps on processes, carried out in order.

use super::Shared;
use crate::net::client::ask;
use crate::net::error::NetError;
use crate::scenario::plan::{Action, LieTarget, NetPlan, Step};
use bezant_api::client::ClientError;
use bezant_api::control::{ControlRequest, ControlResponse, FaultOrder, NodeSettings};
use bezant_api::types::{BlockRef, DevHashrateParams, DevMineParams, InstructParams};
use bezant_consensus::ledger::target::Work;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Blocks mined beyond the depth of a reorg, at most, until the branch has more work than all others.
const EXTRA_BLOCKS_MAX: usize = 100;

/// A step that is due, and the nodes that it concerns.
pub(super) struct Deed {
    pub(super) step: Step,
    pub(super) nodes: Vec<usize>,
}

/// Who carries them out.
pub(super) struct Deeds {
    shared: Arc<Shared>,
    net: NetPlan,
    /// Of the payments.
    txids: Vec<String>,
    /// Limits that nodes forget when they start again.
    rates: BTreeMap<usize, u64>,
    /// Seconds that a second of the scenario takes.
    pace: u32,
}

/// Why one could not be carried out.
type Done = Result<(), String>;

impl Deeds {
    pub(super) fn new(shared: Arc<Shared>, net: NetPlan, txids: Vec<String>, pace: u32) -> Deeds {
        Deeds { shared, net, txids, rates: BTreeMap::new(), pace }
    }

    fn lasts(&self, for_ms: Option<u64>) -> Option<u64> {
        for_ms.map(|ms| ms * u64::from(self.pace))
    }

    /// Until no more come, or one cannot be carried out.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Deed>) {
        while let Some(Deed { step, nodes }) = orders.recv().await {
            if let Err(problem) = self.carry_out(&step.action, &nodes).await {
                let problem = format!("step {}: {problem}", step.number);
                *self.shared.broken.lock().expect("no holder panics") = Some(problem);
                return;
            }
        }
    }

    async fn ask(&self, request: ControlRequest) -> Result<ControlResponse, String> {
        ask(&self.shared.manifest, &request).await.map_err(|error: NetError| error.to_string())
    }

    /// Whether it runs; whether it is paused.
    fn state(&self, node: usize) -> (bool, bool) {
        let manifest = self.shared.manifest_now();
        manifest.nodes.get(node).map_or((false, false), |node| (node.pid != 0, node.paused))
    }

    async fn carry_out(&mut self, action: &Action, nodes: &[usize]) -> Done {
        match action {
            Action::Partition { groups, for_ms } => {
                drop(
                    self.ask(ControlRequest::Partition { groups: groups.clone(), for_ms: self.lasts(*for_ms) }).await?,
                );
            }
            Action::Link(order) => {
                let fault = FaultOrder { for_ms: self.lasts(order.for_ms), ..order.clone() };
                drop(self.ask(ControlRequest::FaultAdd { fault }).await?);
            }
            Action::Heal => drop(self.ask(ControlRequest::Heal).await?),
            Action::Clear => drop(self.ask(ControlRequest::FaultClear { ids: Vec::new() }).await?),
            Action::Advance { ms } => drop(self.ask(ControlRequest::Advance { ms: *ms }).await?),
            Action::Validator { action, node } => {
                drop(self.ask(ControlRequest::Validator { action: *action, node: *node }).await?);
            }
            Action::Twin { node, of } => self.twin(*node, *of).await?,
            Action::Mine { node, count } => self.mine(*node, *count).await?,
            Action::Reorg { node, depth } => self.reorg(*node, *depth).await?,
            // Handed in when it is due, as all payments are.
            Action::Pay(_) => {}
            Action::Kill
            | Action::Stop
            | Action::Start
            | Action::Pause
            | Action::Resume
            | Action::Restart(_)
            | Action::Lie { .. }
            | Action::Truth
            | Action::Clock { .. }
            | Action::Hashrate { .. } => {
                for node in nodes {
                    self.tell_node(action, *node).await?;
                }
            }
        }
        Ok(())
    }

    async fn tell_node(&mut self, action: &Action, node: usize) -> Done {
        let (runs, paused) = self.state(node);
        match action {
            Action::Kill if runs => self.down(node, ControlRequest::Kill { node }).await?,
            Action::Stop if runs => self.down(node, ControlRequest::Stop { node }).await?,
            Action::Start if !runs => self.start(node).await?,
            Action::Pause if runs && !paused => drop(self.ask(ControlRequest::Pause { node }).await?),
            Action::Resume if paused => drop(self.ask(ControlRequest::Resume { node }).await?),
            Action::Restart(settings) => self.restart(node, settings).await?,
            Action::Lie { mode, target } => {
                self.taint(node);
                let target = target.as_ref().map(|target| match target {
                    LieTarget::Account(account) => self.shared.manifest.accounts[*account].address.clone(),
                    LieTarget::Payment(number) => self.txids[*number].clone(),
                });
                let mode = mode.name().to_owned();
                drop(self.ask(ControlRequest::Byzantine { node, mode, target }).await?);
            }
            Action::Truth if runs && !paused => {
                let off = ControlRequest::Byzantine { node, mode: "off".to_owned(), target: None };
                drop(self.ask(off).await?);
            }
            Action::Clock { offset_ms } => {
                drop(self.ask(ControlRequest::ClockOffset { node, offset_ms: *offset_ms }).await?);
            }
            Action::Hashrate { rate } => {
                self.rates.insert(node, *rate);
                if runs {
                    self.set_rate(node).await?;
                }
            }
            // It is as wanted already.
            _ => {}
        }
        Ok(())
    }

    fn taint(&self, node: usize) {
        self.shared.tainted.lock().expect("no holder panics").insert(node);
    }

    /// A node that ends while it is being told to is as wanted.
    async fn down(&self, node: usize, how: ControlRequest) -> Done {
        match self.ask(how).await {
            Err(problem) if self.state(node).0 => Err(problem),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn start(&self, node: usize) -> Done {
        self.ask(ControlRequest::Start { node }).await?;
        self.set_rate(node).await
    }

    async fn set_rate(&self, node: usize) -> Done {
        let Some(rate) = self.rates.get(&node) else { return Ok(()) };
        let params = DevHashrateParams { token: self.shared.manifest.dev_token.clone(), hashes_per_second: *rate };
        self.shared.clients[node].dev_hashrate(&params).await.map(drop).map_err(|error| error.to_string())
    }

    async fn restart(&mut self, node: usize, settings: &NodeSettings) -> Done {
        if self.state(node).0 {
            self.down(node, ControlRequest::Stop { node }).await?;
        }
        if settings.hashrate.is_some() {
            self.rates.remove(&node);
        }
        self.ask(ControlRequest::Configure { node, settings: settings.clone() }).await?;
        self.start(node).await
    }

    async fn twin(&self, node: usize, of: usize) -> Done {
        self.taint(node);
        self.taint(of);
        self.ask(ControlRequest::Twin { node, of }).await.map(drop)
    }

    async fn mine(&self, node: Option<usize>, count: u32) -> Done {
        for _ in 0..count {
            let node = match node {
                Some(node) => node,
                None => self.leader().await.ok_or("nobody leads now")?,
            };
            self.mine_one(node, None).await?;
        }
        Ok(())
    }

    /// PBFT: a node that says that it is the primary.
    async fn leader(&self) -> Option<usize> {
        for (node, client) in self.shared.clients.iter().enumerate() {
            let Ok(status) = client.status().await else { continue };
            if status.pbft.as_ref().is_some_and(|pbft| pbft.me == Some(pbft.primary)) {
                return Some(node);
            }
        }
        None
    }

    /// Proof of work: the net's clock moves by a spacing for it.
    async fn mine_one(&self, node: usize, transactions: Option<Vec<String>>) -> Done {
        if self.net.engine == bezant_api::types::EngineName::Pow {
            self.ask(ControlRequest::Advance { ms: self.net.block_time_ms }).await?;
        }
        let token = self.shared.manifest.dev_token.clone();
        let order = DevMineParams { token, count: 1, to: None, transactions, advance_clock: false };
        self.shared.clients[node].dev_mine(&order).await.map(drop).map_err(|error| format!("node{node}: {error}"))
    }

    async fn reorg(&self, node: usize, depth: u64) -> Done {
        let client = &self.shared.clients[node];
        let said = |error: ClientError| format!("node{node}: {error}");
        let height = client.tip().await.map_err(said)?.height;
        if depth > height {
            return Err(format!("node{node} has only {height} blocks"));
        }
        let first = client.block(BlockRef::Height(height - depth + 1)).await.map_err(said)?.id;
        let instruction = InstructParams { token: self.shared.manifest.dev_token.clone(), block: first };
        client.invalidate(&instruction).await.map_err(said)?;
        let outrun = self.outrun(node, depth).await;
        // Whatever happened: what was ruled out by hand is not left so.
        client.reconsider(&instruction).await.map_err(said)?;
        outrun
    }

    async fn outrun(&self, node: usize, depth: u64) -> Done {
        for _ in 0..=depth {
            self.mine_one(node, Some(Vec::new())).await?;
        }
        for _ in 0..EXTRA_BLOCKS_MAX {
            let (own, tip) = self.work(node).await.ok_or_else(|| format!("node{node} says nothing"))?;
            let mut is_first = true;
            for other in
                (0..self.shared.clients.len()).filter(|other| *other != node && self.state(*other) == (true, false))
            {
                let work = self.work(other).await;
                is_first &= work.is_none_or(|(work, its)| work < own || its == tip);
            }
            if is_first {
                return Ok(());
            }
            self.mine_one(node, Some(Vec::new())).await?;
        }
        Err("the others mine faster than this node".to_owned())
    }

    async fn work(&self, node: usize) -> Option<(Work, String)> {
        let status = self.shared.clients[node].status().await.ok()?;
        Some((Work::from_hex(&status.pow?.work)?, status.tip))
    }
}
