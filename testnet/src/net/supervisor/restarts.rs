//! Starting again what has died by itself.
//!
//! A node dies by itself when its process ends and no command asked for that. The pause before it is started again doubles each
//! time, from [`PAUSE_MIN`] to [`PAUSE_MAX`], and is short again once the node has run for [`CALM`].

use super::Supervisor;
use crate::net::error::net_flag;
use bezant_api::fault::{FaultKind, FaultState};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Pause before a node is started again for the first time.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A node that has run for so long is taken to be well.
const CALM: Duration = Duration::from_secs(60);

/// Which nodes the supervisor starts again by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// None.
    #[default]
    Never,
    /// Those that ended with a failure or by a signal.
    OnFailure,
    /// All that ended without a command.
    Always,
}

impl FromStr for RestartPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<RestartPolicy, String> {
        match text {
            "never" => Ok(RestartPolicy::Never),
            "on-failure" => Ok(RestartPolicy::OnFailure),
            "always" => Ok(RestartPolicy::Always),
            _ => Err("never, on-failure or always is expected".to_owned()),
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestartPolicy::Never => "never",
            RestartPolicy::OnFailure => "on-failure",
            RestartPolicy::Always => "always",
        })
    }
}

impl RestartPolicy {
    fn wants(self, failed: bool) -> bool {
        match self {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure => failed,
            RestartPolicy::Always => true,
        }
    }
}

/// When one node is started again.
#[derive(Clone, Debug, Default)]
pub(super) struct Revival {
    /// When it is due.
    due: Option<Instant>,
    /// The pause before.
    pause: Option<Duration>,
    /// How often it was started again.
    pub(super) count: u32,
}

impl Revival {
    /// The node has died by itself after having run for `ran`; returns the pause before it is started again, if it is.
    fn died(&mut self, now: Instant, ran: Duration, policy: RestartPolicy, failed: bool) -> Option<Duration> {
        if !policy.wants(failed) {
            return None;
        }
        let pause = match self.pause {
            Some(before) if ran < CALM => (before * 2).min(PAUSE_MAX),
            Some(_) | None => PAUSE_MIN,
        };
        (self.pause, self.due) = (Some(pause), Some(now + pause));
        Some(pause)
    }

    /// A command has taken over; true when the node was about to be started again.
    pub(super) fn cancel(&mut self) -> bool {
        self.due.take().is_some()
    }
}

impl Supervisor {
    /// Says what is done about a node whose process has ended.
    pub(super) fn mourn(&mut self, node: usize, failed: bool) {
        let slot = &mut self.slots[node];
        if slot.asked {
            return;
        }
        let status = slot.exited.clone().unwrap_or_default();
        slot.ended = Some(format!("died by itself ({status})"));
        let ran = slot.started.map_or(Duration::ZERO, |started| started.elapsed());
        let pause = slot.revival.died(Instant::now(), ran, self.restart, failed);
        self.log(&match pause {
            Some(pause) => format!("node{node} died by itself ({status}); started again in {} ms", pause.as_millis()),
            None => {
                let net = net_flag(&self.spec.net);
                format!("node{node} died by itself ({status}); start it with `bezant testnet start {node}{net}`")
            }
        });
    }

    /// When a node is to be started again.
    pub(super) fn revival_due(&self) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.revival.due).min()
    }

    /// Starts again what is due. Their word that they serve comes through `self.revived`.
    pub(super) fn revive(&mut self) {
        let now = Instant::now();
        for node in 0..self.slots.len() {
            let slot = &mut self.slots[node];
            if slot.revival.due.is_none_or(|due| due > now) {
                continue;
            }
            slot.revival.due = None;
            if let Err(error) = self.spawn(node) {
                self.slots[node].exited = Some(error.to_string());
                self.mourn(node, true);
                continue;
            }
            let (slot, revived) = (&mut self.slots[node], self.revived.0.clone());
            let (generation, ready) = (slot.generation, slot.ready_soon.take());
            tokio::spawn(async move {
                let Some(ready) = ready else { return };
                // A node that ends first is told by its exit.
                if ready.await.is_ok() {
                    let _ = revived.send((node, generation)).await;
                }
            });
        }
    }

    /// A node that was started again serves: it gets its faults, and its stream says what happened.
    pub(super) async fn is_back(&mut self, node: usize, generation: u64) {
        if self.slots[node].generation != generation || self.slots[node].process.is_none() {
            return;
        }
        self.slots[node].revival.count += 1;
        let count = self.slots[node].revival.count;
        if let Err(error) = self.catch_up(node).await {
            self.log(&format!("node{node} was started again and could not be given its faults: {error}"));
        }
        self.log(&format!("node{node} was started again, {count} times by now"));
        self.note(node, FaultState::Once, FaultKind::Process, format!("started again, {count} times by now")).await;
    }
}

#[cfg(test)]
mod tests;
