//! What a run costs: processor time and memory of every node's process, and of this one.
//!
//! Read from `/proc`; on other systems nothing is told. Memory is sampled, so a peak shorter than [`SAMPLE_INTERVAL`] may be missed.

use super::Node;
use bezant_api::manifest::Manifest;
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at the memory of the nodes.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);
/// A tick of `/proc/PID/stat`: 1/100 s on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the window cost; all are 0 where the system does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Of each node that was up when the window began.
    pub nodes: Vec<NodeUsage>,
    /// Processor time of the process that made the load, seconds.
    pub load_cpu_s: f64,
    /// Processor time of all nodes together, seconds.
    pub nodes_cpu_s: f64,
    /// The same for 1,000 transfers that became final inside the window; `None` when none did.
    pub nodes_cpu_s_per_1000: Option<f64>,
    /// That of all processes, the load's included.
    pub all_cpu_s_per_1000: Option<f64>,
}

/// What the window cost at one node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NodeUsage {
    /// Which.
    pub index: usize,
    /// Processor time, user and system, seconds; up to the last look at a process that ended.
    pub cpu_s: f64,
    /// The most resident memory seen, bytes.
    pub resident_peak_bytes: u64,
}

impl Usage {
    /// The same, seen in relation to what became final.
    pub(super) fn over(mut self, finals: u64) -> Usage {
        let per_1000 = |seconds: f64| (finals > 0).then(|| seconds * 1_000.0 / finals as f64);
        self.nodes_cpu_s = self.nodes.iter().map(|node| node.cpu_s).sum();
        self.nodes_cpu_s_per_1000 = per_1000(self.nodes_cpu_s);
        self.all_cpu_s_per_1000 = per_1000(self.nodes_cpu_s + self.load_cpu_s);
        self
    }
}

/// A process that is watched.
#[derive(Debug)]
struct Watched {
    pid: u32,
    began: f64,
    usage: NodeUsage,
}

impl Watched {
    fn look(&mut self) {
        if let Some(now) = cpu_s(self.pid) {
            // A process that was started again in the place of another has less than that.
            self.usage.cpu_s = self.usage.cpu_s.max(now - self.began);
        }
        self.usage.resident_peak_bytes = self.usage.resident_peak_bytes.max(resident_bytes(self.pid).unwrap_or(0));
    }
}

/// All that is watched, this process too.
#[derive(Debug)]
pub(super) struct Watch {
    nodes: Vec<Watched>,
    load: Watched,
}

impl Watch {
    /// What was spent before does not count.
    pub(super) fn begin(pids: Vec<(usize, u32)>) -> Watch {
        let watched = |(index, pid): (usize, u32)| {
            let usage = NodeUsage { index, cpu_s: 0.0, resident_peak_bytes: 0 };
            Watched { pid, began: cpu_s(pid).unwrap_or(0.0), usage }
        };
        Watch { nodes: pids.into_iter().map(watched).collect(), load: watched((0, std::process::id())) }
    }

    pub(super) fn look(&mut self) {
        self.nodes.iter_mut().chain([&mut self.load]).for_each(Watched::look);
    }

    pub(super) fn end(mut self) -> Usage {
        self.look();
        let nodes = self.nodes.into_iter().map(|node| node.usage).collect();
        Usage { nodes, load_cpu_s: self.load.usage.cpu_s, ..Usage::default() }
    }
}

/// Watches the nodes between two instants.
pub(super) async fn watch(pids: Vec<(usize, u32)>, start: Instant, end: Instant) -> Usage {
    tokio::time::sleep_until(start).await;
    let mut watch = Watch::begin(pids);
    while Instant::now() < end {
        watch.look();
        tokio::time::sleep_until(end.min(Instant::now() + SAMPLE_INTERVAL)).await;
    }
    watch.end()
}

/// The processes of these nodes.
pub(super) fn pids(manifest: &Manifest, nodes: &[Node]) -> Vec<(usize, u32)> {
    let is_one = |index: usize| nodes.iter().any(|node| node.index == index);
    manifest.nodes.iter().filter(|node| is_one(node.index)).map(|node| (node.index, node.pid)).collect()
}

/// Processor time of a process so far, user and system, seconds.
#[must_use]
pub fn cpu_s(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The fields stand behind the name, which may hold any character.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

/// Resident memory of a process now, bytes.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
