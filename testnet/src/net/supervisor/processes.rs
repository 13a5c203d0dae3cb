//! Single nodes: killed, stopped, paused, and started again. What is done to a node stands in its own event stream, as far as it
//! can still say so: before it is killed, stopped or paused, and once it is back.

use super::{STOP_TIMEOUT, Supervisor};
use crate::net::error::{NetError, net_flag};
use bezant_api::fault::{FaultKind, FaultState};
use nix::sys::signal::Signal;
use std::time::Duration;

/// How long a node that is killed has to send out its last event.
const NOTE_GRACE: Duration = Duration::from_millis(50);

impl Supervisor {
    pub(super) fn signal(&mut self, node: usize, signal: Signal) -> Result<(), NetError> {
        self.check_index(node)?;
        match &self.slots[node].process {
            Some(process) if process.signal(signal) => Ok(()),
            Some(_) | None => {
                let net = net_flag(&self.spec.net);
                Err(NetError::Refused(format!("node{node} is down; start it with `bezant testnet start {node}{net}`")))
            }
        }
    }

    pub(super) async fn pause(&mut self, node: usize) -> Result<(), NetError> {
        self.check_index(node)?;
        self.note(node, FaultState::Begin, FaultKind::Process, "paused".to_owned()).await;
        self.signal(node, Signal::SIGSTOP)?;
        self.slots[node].paused = true;
        Ok(())
    }

    pub(super) async fn resume(&mut self, node: usize) -> Result<(), NetError> {
        self.signal(node, Signal::SIGCONT)?;
        if std::mem::replace(&mut self.slots[node].paused, false) {
            self.catch_up(node).await?;
            self.note(node, FaultState::End, FaultKind::Process, "paused".to_owned()).await;
        }
        Ok(())
    }

    /// A command wants the node down; true when it is so already, and was only about to be started again.
    fn take_over(&mut self, node: usize, ended: &str) -> Result<bool, NetError> {
        self.check_index(node)?;
        let slot = &mut self.slots[node];
        let was_due = slot.revival.cancel();
        if slot.is_running() {
            (slot.asked, slot.ended) = (true, Some(ended.to_owned()));
        }
        Ok(was_due && !slot.is_running())
    }

    pub(super) async fn kill(&mut self, node: usize) -> Result<(), NetError> {
        if self.take_over(node, "killed")? {
            return Ok(());
        }
        self.note(node, FaultState::Begin, FaultKind::Process, "killed".to_owned()).await;
        // So that whoever reads its stream has it before the end.
        tokio::time::sleep(NOTE_GRACE).await;
        self.signal(node, Signal::SIGKILL)?;
        self.await_exit(node, STOP_TIMEOUT).await;
        Ok(())
    }

    pub(super) async fn stop(&mut self, node: usize) -> Result<(), NetError> {
        if self.take_over(node, "stopped")? {
            return Ok(());
        }
        self.note(node, FaultState::Begin, FaultKind::Process, "stopped".to_owned()).await;
        self.signal(node, Signal::SIGCONT)?;
        self.signal(node, Signal::SIGTERM)?;
        if !self.await_exit(node, STOP_TIMEOUT).await {
            self.kill(node).await?;
        }
        Ok(())
    }

    pub(super) async fn restart(&mut self, node: usize) -> Result<(), NetError> {
        self.check_index(node)?;
        if self.slots[node].is_running() {
            return Err(NetError::Refused(format!("node{node} is running already")));
        }
        self.start_again(node).await
    }

    /// Starts a node, gives it what was done to it before, and says in its stream that it was away.
    pub(super) async fn start_again(&mut self, node: usize) -> Result<(), NetError> {
        let ended = self.slots[node].ended.take();
        self.spawn(node)?;
        self.await_ready(node).await?;
        self.catch_up(node).await?;
        if let Some(ended) = ended {
            self.note(node, FaultState::End, FaultKind::Process, ended).await;
        }
        Ok(())
    }

    /// Whether the node's process has ended within `limit`.
    pub(super) async fn await_exit(&mut self, node: usize, limit: Duration) -> bool {
        let until = tokio::time::Instant::now() + limit;
        while self.slots[node].process.is_some() {
            match tokio::time::timeout_at(until, self.exits.1.recv()).await {
                Ok(Some(exit)) => self.exited(&exit),
                Ok(None) | Err(_) => return false,
            }
        }
        true
    }
}
