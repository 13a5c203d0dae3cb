//! Snapshots of the running net, and going back to one.

use super::{STOP_TIMEOUT, Supervisor, clock};
use crate::net::client;
use crate::net::error::NetError;
use crate::net::pictures::freeze::Frozen;
use crate::net::pictures::take::{self, Moment};
use crate::net::pictures::{self, SetBackReport, set_back};
use crate::net::spec::{self, NetSpec};
use bezant_api::control::ControlResponse;
use bezant_api::fault::{FaultKind, FaultState};
use bezant_api::types::EngineName;
use std::path::Path;

impl Supervisor {
    pub(super) async fn snapshot(&mut self, name: &str, force: bool) -> Result<ControlResponse, NetError> {
        pictures::check_free(&self.dir, name, force)?;
        let name = name.to_owned();
        let info = self.taken(move |dir, spec, moment| take::named(dir, spec, &name, moment)).await?;
        Ok(ControlResponse::Snapshot { info })
    }

    pub(super) async fn picture(&mut self) -> Result<ControlResponse, NetError> {
        Ok(ControlResponse::Picture { path: self.taken(take::unnamed).await? })
    }

    /// Takes a picture while all nodes stand still.
    async fn taken<T: Send + 'static>(
        &mut self,
        take: impl FnOnce(&Path, &NetSpec, Moment) -> Result<T, NetError> + Send + 'static,
    ) -> Result<T, NetError> {
        let mut height = None;
        for node in (0..self.slots.len()).filter(|node| self.slots[*node].is_listening()) {
            let known = client::node_status(&self.node_entry(node)).await.map(|status| match self.spec.engine {
                EngineName::Pbft => status.final_height,
                EngineName::Pow => status.height,
            });
            height = height.max(known);
        }
        // Those that are paused stand still already, and stay so.
        let awake = self.slots.iter().filter(|slot| slot.is_listening());
        let _frozen = Frozen::of(awake.filter_map(|slot| slot.process.clone()).collect()).await?;
        let (dir, spec, moment) = (self.dir.clone(), self.spec.clone(), Moment { made_ms: spec::now_ms(), height });
        let taking = tokio::task::spawn_blocking(move || take(&dir, &spec, moment)).await;
        taking.unwrap_or_else(|error| Err(NetError::Refused(error.to_string())))
    }

    /// Stops the nodes that run, goes back, and starts them again. What was done to the net otherwise (faults, lies, nodes that
    /// are down) stays; a node that was paused is awake.
    pub(super) async fn revert(&mut self, name: &str) -> Result<ControlResponse, NetError> {
        let picture = pictures::find(&self.spec.net, &self.dir, name)?;
        pictures::Picture::read(&picture)?;
        let running: Vec<usize> = (0..self.slots.len()).filter(|node| self.slots[*node].is_running()).collect();
        self.stop_nodes().await;
        for node in &running {
            // One that had to be killed may not be gone yet.
            self.await_exit(*node, STOP_TIMEOUT).await;
        }
        let went = set_back::revert(&self.dir, &self.spec, &picture).await;
        if went.is_ok() {
            let read = NetSpec::read(&self.dir)?;
            let hosts = std::mem::take(&mut self.spec.hosts);
            self.spec = read.ok_or_else(|| NetError::Refused("the net lost its net.json".to_owned()))?;
            self.spec.hosts = hosts;
            clock::wind(&self.dir, &mut self.spec)?;
        }
        for node in &running {
            self.spawn(*node)?;
        }
        for node in &running {
            self.await_ready(*node).await?;
        }
        for node in &running {
            self.slots[*node].ended = None;
            self.catch_up(*node).await?;
        }
        let SetBackReport { height, incarnation } = went?;
        for node in running {
            let what = format!("the net went back to snapshot {name}, height {height}");
            self.note(node, FaultState::Once, FaultKind::Process, what).await;
        }
        Ok(ControlResponse::SetBack { height, incarnation })
    }
}
