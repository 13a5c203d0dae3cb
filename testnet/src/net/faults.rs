//! The faults of a net's links, as its supervisor keeps them: which there are, on which links, and for how long.
//!
//! - A fault has a number, from 1, never used again while the net runs. It is one command's doing: some directed links, and what
//!   is done to what is heard over them.
//! - A partition is a fault that cuts every link between nodes of different groups. There is one at a time: a new one takes the
//!   place of the one before. Healing ends all that cuts, and nothing else.
//! - The nodes end a fault by themselves when its time is over, each by its own clock; here it is then only forgotten.
//! - A node that starts is given again what is left of it. None outlives the supervisor: the nodes stop with it.
//! - The dice of a link are seeded by the net's seed, the fault's number and the two nodes.

use crate::net::error::NetError;
use crate::net::spec::NodeSpec;
use bezant_api::control::{FaultEntry, FaultOrder};
use bezant_api::fault::{LINK_FAULT_MS_MAX, LINK_FAULTS_MAX, LinkEffects, LinkEnd, LinkFaultParams};
use bezant_consensus::ledger::hash::tagged;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
struct Entry {
    fault: FaultEntry,
    until: Option<Instant>,
}

/// The faults in force.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultList {
    entries: BTreeMap<u64, Entry>,
    last: u64,
}

/// When something is asked: by the steady clock, and milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) ms: u64,
}

impl FaultList {
    /// Adds a fault of links between `count` nodes.
    ///
    /// # Errors
    /// When a node does not exist, no link is named, the effects make no sense, or there are too many faults.
    pub(super) fn add(&mut self, now: Moment, order: FaultOrder, count: usize) -> Result<FaultEntry, NetError> {
        let FaultOrder { from, to, both, effects, for_ms } = order;
        let nodes = |named: Vec<usize>| -> Result<Vec<usize>, NetError> {
            named.iter().try_for_each(|node| check_index(*node, count))?;
            let named: BTreeSet<usize> = named.into_iter().collect();
            Ok(if named.is_empty() { (0..count).collect() } else { named.into_iter().collect() })
        };
        let (from, to) = (nodes(from)?, nodes(to)?);
        let mut links = BTreeSet::new();
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            links.insert((from, to));
            if both {
                links.insert((to, from));
            }
        }
        self.insert(now, Fresh { links, from, to, both, groups: None, effects, for_ms })
    }

    /// Cuts every link between nodes of different groups; nodes not named form one more group.
    ///
    /// # Errors
    /// When a node does not exist or stands in two groups, or nothing is cut.
    pub(super) fn partition(
        &mut self,
        now: Moment,
        groups: Vec<Vec<usize>>,
        for_ms: Option<u64>,
        count: usize,
    ) -> Result<FaultEntry, NetError> {
        let mut group_of: Vec<Option<usize>> = vec![None; count];
        for (group, &node) in
            groups.iter().enumerate().flat_map(|(group, nodes)| nodes.iter().map(move |it| (group, it)))
        {
            check_index(node, count)?;
            if group_of[node].replace(group).is_some() {
                return Err(NetError::Usage(format!("node {node} stands in two groups")));
            }
        }
        let rest: Vec<usize> = (0..count).filter(|node| group_of[*node].is_none()).collect();
        let groups: Vec<Vec<usize>> = groups.into_iter().chain([rest]).filter(|group| !group.is_empty()).collect();
        let apart = |from: usize, to: usize| from != to && group_of[from] != group_of[to];
        let links =
            (0..count).flat_map(|from| (0..count).map(move |to| (from, to))).filter(|(from, to)| apart(*from, *to));
        let all: Vec<usize> = (0..count).collect();
        let fresh = Fresh {
            links: links.collect(),
            from: all.clone(),
            to: all,
            both: true,
            groups: Some(groups),
            effects: LinkEffects::CUT,
            for_ms,
        };
        let before: Vec<u64> = self.numbers(|fault| fault.groups.is_some());
        let kept = self.entries.clone();
        before.iter().for_each(|id| drop(self.entries.remove(id)));
        let added = self.insert(now, fresh);
        if added.is_err() {
            self.entries = kept;
        }
        added
    }

    fn insert(&mut self, now: Moment, fresh: Fresh) -> Result<FaultEntry, NetError> {
        let Fresh { mut links, from, to, both, groups, effects, for_ms } = fresh;
        effects.check().map_err(NetError::Usage)?;
        links.retain(|(from, to)| from != to);
        if links.is_empty() {
            return Err(NetError::Usage("no link is named: a link goes from one node to another".to_owned()));
        }
        if for_ms.is_some_and(|ms| ms == 0 || ms > LINK_FAULT_MS_MAX) {
            return Err(NetError::Usage("--for: from 1ms to 366 days are possible".to_owned()));
        }
        self.prune(now);
        if self.entries.len() >= LINK_FAULTS_MAX {
            return Err(NetError::Refused(format!(
                "there are {LINK_FAULTS_MAX} faults already; end some with `bezant testnet fault clear`"
            )));
        }
        self.last += 1;
        let what = match &groups {
            Some(groups) => format!("partition {}", groups_text(groups)),
            None => effects.to_string(),
        };
        let fault = FaultEntry {
            id: self.last,
            what,
            links: links.into_iter().collect(),
            from,
            to,
            both,
            groups,
            effects,
            since_ms: now.ms,
            until_ms: for_ms.map(|ms| now.ms + ms),
        };
        let until = for_ms.map(|ms| now.at + Duration::from_millis(ms));
        self.entries.insert(fault.id, Entry { fault: fault.clone(), until });
        Ok(fault)
    }

    /// Ends these, or all when there are none named; what is over already is no error.
    ///
    /// # Errors
    /// For a number that no fault ever had.
    pub(super) fn clear(&mut self, now: Moment, ids: &[u64]) -> Result<Vec<FaultEntry>, NetError> {
        if let Some(id) = ids.iter().find(|id| **id == 0 || **id > self.last) {
            return Err(NetError::Usage(format!("there is no fault {id}; `bezant testnet fault list` shows all")));
        }
        self.prune(now);
        let ended = self.numbers(|fault| ids.is_empty() || ids.contains(&fault.id));
        Ok(self.take(&ended))
    }

    /// Ends all that cut.
    pub(super) fn heal(&mut self, now: Moment) -> Vec<FaultEntry> {
        self.prune(now);
        let ended = self.numbers(|fault| fault.effects.cut);
        self.take(&ended)
    }

    /// The directed links over which nothing is heard.
    pub(super) fn cuts(&mut self, now: Moment) -> BTreeSet<(usize, usize)> {
        self.prune(now);
        let cutting = self.entries.values().filter(|entry| entry.fault.effects.cut);
        cutting.flat_map(|entry| entry.fault.links.iter().copied()).collect()
    }

    /// When a cut ends by itself.
    pub(super) fn cut_end(&self) -> Option<Instant> {
        self.entries.values().filter(|entry| entry.fault.effects.cut).filter_map(|entry| entry.until).min()
    }

    /// What was in force before; numbers go on.
    pub(super) fn restore(&mut self, before: FaultList) {
        self.entries = before.entries;
    }

    /// All in force, by number.
    pub(super) fn list(&mut self, now: Moment) -> Vec<FaultEntry> {
        self.prune(now);
        self.entries.values().map(|entry| entry.fault.clone()).collect()
    }

    fn numbers(&self, which: impl Fn(&FaultEntry) -> bool) -> Vec<u64> {
        self.entries.values().filter(|entry| which(&entry.fault)).map(|entry| entry.fault.id).collect()
    }

    fn take(&mut self, ids: &[u64]) -> Vec<FaultEntry> {
        ids.iter().filter_map(|id| self.entries.remove(id)).map(|entry| entry.fault).collect()
    }

    fn prune(&mut self, now: Moment) {
        self.entries.retain(|_, entry| entry.until.is_none_or(|until| until > now.at));
    }

    /// What node `index` is told.
    pub(super) fn of_node(
        &mut self,
        now: Moment,
        index: usize,
        members: &[NodeSpec],
        seed: u64,
    ) -> Vec<LinkFaultParams> {
        self.prune(now);
        let told = |entry: &Entry| {
            let fault = &entry.fault;
            let end = |from: usize| LinkEnd {
                peer_id: members[from].peer_id.clone(),
                seed: dice(seed, fault.id, from, index),
            };
            let from = fault.links.iter().filter(|(_, to)| *to == index).map(|(from, _)| end(*from));
            let deaf = fault.links.iter().filter(|(from, _)| fault.effects.cut && *from == index);
            LinkFaultParams {
                id: fault.id,
                from: from.collect(),
                to: deaf.map(|(_, to)| members[*to].peer_id.clone()).collect(),
                effects: fault.effects,
                for_ms: entry.until.map(|until| {
                    let left = until.saturating_duration_since(now.at);
                    u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1)
                }),
            }
        };
        self.entries.values().map(told).filter(|fault| !fault.from.is_empty() || !fault.to.is_empty()).collect()
    }
}

/// A fault that is about to have a number.
struct Fresh {
    links: BTreeSet<(usize, usize)>,
    from: Vec<usize>,
    to: Vec<usize>,
    both: bool,
    groups: Option<Vec<Vec<usize>>>,
    effects: LinkEffects,
    for_ms: Option<u64>,
}

/// Where the dice of a link begin.
fn dice(seed: u64, id: u64, from: usize, to: usize) -> u64 {
    let parts = [seed, id, from as u64, to as u64].map(u64::to_le_bytes);
    let hash = tagged("bezant/link-fault", &[&parts[0], &parts[1], &parts[2], &parts[3]]);
    u64::from_le_bytes(std::array::from_fn(|byte| hash[byte]))
}

/// `0,1/2,3`.
#[must_use]
pub fn groups_text(groups: &[Vec<usize>]) -> String {
    groups.iter().map(|group| nodes_text(group)).collect::<Vec<_>>().join("/")
}

/// `0,1`.
#[must_use]
pub fn nodes_text(nodes: &[usize]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Whether a net of `count` nodes has this one.
pub(super) fn check_index(node: usize, count: usize) -> Result<(), NetError> {
    if node < count {
        return Ok(());
    }
    Err(NetError::Usage(format!("there is no node {node}; this net has nodes 0 to {}", count - 1)))
}

#[cfg(test)]
mod tests;
