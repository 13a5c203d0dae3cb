//! Dev nets: which faults this node's links have, since when, and for how long. Their ends are by this machine's steady clock,
//! not by the net's: that one is moved by hand. The node ends them itself, so that none outlives whoever asked for it.

use super::Core;
use crate::links::LinkRule;
use crate::ports::NetCommand;
use bezant_api::event::EventKind;
use bezant_api::fault::{FaultKind, FaultState, LinkFaultView};
use bezant_consensus::ledger::units::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A fault that is asked for, and how long it is to last.
pub(crate) type Wanted = (LinkRule, Option<Duration>);

#[derive(Debug)]
struct Entry {
    rule: Arc<LinkRule>,
    since: Time,
    until: Option<Instant>,
}

/// The faults in force, by number.
#[derive(Debug, Default)]
pub(super) struct LinkTable(BTreeMap<u64, Entry>);

/// What has ended and what has begun.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) ended: Vec<Arc<LinkRule>>,
    pub(super) begun: Vec<Arc<LinkRule>>,
}

impl LinkTable {
    /// Exactly these from now on. What is as it was goes on, until the end that it was given first.
    pub(super) fn set(&mut self, now: Instant, time: Time, wanted: Vec<Wanted>) -> Changes {
        let mut changes = Changes::default();
        let mut before = std::mem::take(&mut self.0);
        for (rule, lasts) in wanted {
            let same = |entry: &Entry| {
                let old = &entry.rule;
                old.effects == rule.effects && old.from == rule.from && old.to == rule.to
            };
            if before.get(&rule.id).is_some_and(same) {
                self.0.extend(before.remove_entry(&rule.id));
                continue;
            }
            let rule = Arc::new(rule);
            changes.begun.push(rule.clone());
            self.0.insert(rule.id, Entry { rule, since: time, until: lasts.map(|lasts| now + lasts) });
        }
        changes.ended = before.into_values().map(|entry| entry.rule).collect();
        changes
    }

    /// Takes out what has lasted for its time.
    fn expire(&mut self, now: Instant) -> Changes {
        let is_over = |entry: &Entry| entry.until.is_some_and(|until| until <= now);
        let ended = self.0.extract_if(.., |_, entry| is_over(entry)).map(|(_, entry)| entry.rule).collect();
        Changes { ended, begun: Vec::new() }
    }

    /// How long until the first ends by itself.
    pub(super) fn deadline(&self, now: Instant) -> Option<Duration> {
        self.0.values().filter_map(|entry| entry.until).min().map(|until| until.saturating_duration_since(now))
    }

    fn rules(&self) -> Vec<Arc<LinkRule>> {
        self.0.values().map(|entry| entry.rule.clone()).collect()
    }

    /// What hears others through a fault here. A cut of what others hear is theirs to show.
    pub(super) fn views(&self, now: Instant) -> Vec<LinkFaultView> {
        let view = |entry: &Entry| {
            let (rule, left) = (&entry.rule, entry.until.map(|until| until.saturating_duration_since(now)));
            LinkFaultView {
                id: rule.id,
                from: rule.from.keys().map(ToString::to_string).collect(),
                effects: rule.effects,
                since_ms: entry.since.0,
                left_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
                heard: rule.counts.heard(),
                lost: rule.counts.lost(),
                held: rule.counts.held(),
                overflowed: rule.counts.overflowed(),
            }
        };
        self.0.values().filter(|entry| !entry.rule.from.is_empty()).map(view).collect()
    }
}

impl Core {
    /// Exactly these faults from now on.
    pub(super) fn set_links(&mut self, wanted: Vec<Wanted>) {
        let changes = self.links.set(Instant::now(), self.clock.now(), wanted);
        self.tell_links(&changes);
    }

    /// Ends the faults that have lasted for their time.
    pub(super) fn end_links(&mut self) {
        let changes = self.links.expire(Instant::now());
        if !changes.ended.is_empty() {
            self.tell_links(&changes);
        }
    }

    fn tell_links(&mut self, changes: &Changes) {
        self.command_surely(NetCommand::SetLinks(self.links.rules()), "set-links");
        for (state, rules) in [(FaultState::End, &changes.ended), (FaultState::Begin, &changes.begun)] {
            // The node that hears shows it; the one that is not heard knows it only to close the connection.
            for rule in rules.iter().filter(|rule| !rule.from.is_empty()) {
                tracing::info!(fault = rule.id, ?state, what = %rule.effects, peers = rule.from.len(), "link fault");
                self.publish(EventKind::Fault {
                    state,
                    kind: FaultKind::Link,
                    id: Some(rule.id),
                    from: rule.from.keys().map(ToString::to_string).collect(),
                    what: rule.effects.to_string(),
                });
            }
        }
    }

    /// A fault of this node that is not one of its links.
    pub(super) fn publish_fault(&mut self, state: FaultState, kind: FaultKind, what: String) {
        self.publish(EventKind::Fault { state, kind, id: None, from: Vec::new(), what });
    }
}

#[cfg(test)]
mod tests;
