//! Faults of the links over which this node hears others: what becomes of each message. Dev nets only; elsewhere there are none,
//! and [`Links::set`] does nothing.
//!
//! A message is one thing that the engine would hear from a peer: what came over a direct stream, a gossiped message that this
//! peer brought, a request, or an answer. It is judged once, by [`Links::arrive`], where it arrives. How the network lives
//! (connections, pings, greetings, gossipsub's own control messages, discovery) is not touched, but that a link which is cut in
//! both directions has no connection.
//!
//! # Rules
//! 1. Several faults of one link act together: a message is lost if any of them loses it, and delays add up.
//! 2. What is lost takes no bandwidth. Each bandwidth has a queue of its own: a message leaves it when it has had its turn.
//! 3. Messages of a link keep their order whatever their delays, but for those that the reordering dice choose: these wait for
//!    [`REORDER_HOLD`] more, and what comes behind overtakes them.
//! 4. At most [`HELD_MESSAGES_MAX`] messages and [`HELD_BYTES_MAX`] bytes of a link are held back; what is beyond is lost and
//!    counted.
//! 5. Every message takes the same number of throws of each fault's dice, whatever the fault does; so its fate depends on the
//!    seed and on how many came before it, and on nothing else.
//! 6. When a link's last fault ends, what was held back arrives at once, in its order. A cut loses it.

use super::limits::{HELD_BYTES_MAX, HELD_MESSAGES_MAX, REORDER_HOLD};
use crate::links::LinkRule;
use bezant_api::fault::PPM;
use libp2p::PeerId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives now, and nothing is to be done about it.
    Pass,
    /// It is lost.
    Lost,
    /// It arrives at that time, and once more if `twice`. It counts as held until [`Links::released`], for each time.
    Later { due: Instant, twice: bool },
}

/// What a change of the faults means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Connections that are to be closed and refused from now on.
    pub(super) closed: Vec<PeerId>,
    /// Peers that may connect again, and are dialled at once.
    pub(super) opened: Vec<PeerId>,
    /// What is held back of these is lost.
    pub(super) lost: Vec<PeerId>,
    /// What is held back of these arrives now.
    pub(super) freed: Vec<PeerId>,
}

/// One fault on one link.
#[derive(Debug)]
struct Stage {
    rule: Arc<LinkRule>,
    dice: ChaCha8Rng,
    /// When its bandwidth has nothing more to do.
    free: Option<Instant>,
}

/// The throws for one message, each below [`PPM`].
struct Throws {
    drop: u32,
    duplicate: u32,
    reorder: u32,
    jitter: u32,
    hold: u32,
}

impl Stage {
    fn new(rule: Arc<LinkRule>, seed: u64) -> Stage {
        Stage { rule, dice: ChaCha8Rng::seed_from_u64(seed), free: None }
    }

    fn throw(&mut self) -> Throws {
        // The bias of a remainder of 64 bits is below one in 10^13.
        let mut one = || u32::try_from(self.dice.next_u64() % u64::from(PPM)).expect("below a million");
        Throws { drop: one(), duplicate: one(), reorder: one(), jitter: one(), hold: one() }
    }

    fn loses(&self, throws: &Throws) -> bool {
        self.rule.effects.cut || throws.drop < self.rule.effects.drop_ppm
    }

    /// The delay, between `delay − jitter` and `delay + jitter`, never negative.
    fn delay(&self, throws: &Throws) -> Duration {
        let effects = &self.rule.effects;
        let spread = u128::from(effects.jitter_ms) * 2_000_000;
        let jitter = spread * u128::from(throws.jitter) / u128::from(PPM - 1);
        let delay = u128::from(effects.delay_ms) * 1_000_000 + jitter;
        let nanos = delay.saturating_sub(u128::from(effects.jitter_ms) * 1_000_000);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When a message that comes at `at` has got through.
    fn through(&mut self, at: Instant, bytes: usize) -> Instant {
        let Some(bytes_per_s) = self.rule.effects.bytes_per_s else { return at };
        let begin = self.free.map_or(at, |free| free.max(at));
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(bytes_per_s.max(1));
        let end = begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free = Some(end);
        end
    }
}

/// All that is known of one link.
#[derive(Debug, Default)]
struct Link {
    /// By number. Empty while only what was held back is left.
    stages: Vec<Stage>,
    /// When the last message that keeps its order arrives.
    last: Option<Instant>,
    held: usize,
    held_bytes: usize,
}

impl Link {
    fn is_cut(&self) -> bool {
        self.stages.iter().any(|stage| stage.rule.effects.cut)
    }

    fn arrive(&mut self, now: Instant, bytes: usize) -> Fate {
        let throws: Vec<Throws> = self.stages.iter_mut().map(Stage::throw).collect();
        self.stages.iter().for_each(|stage| stage.rule.counts.hear());
        if let Some((stage, _)) = self.stages.iter().zip(&throws).find(|(stage, throws)| stage.loses(throws)) {
            stage.rule.counts.lose();
            return Fate::Lost;
        }
        let any = |which: fn(&Stage, &Throws) -> bool| self.stages.iter().zip(&throws).any(|(s, t)| which(s, t));
        let twice = any(|stage, throws| throws.duplicate < stage.rule.effects.duplicate_ppm);
        let steps_back = any(|stage, throws| throws.reorder < stage.rule.effects.reorder_ppm);
        let copies = 1 + usize::from(twice);
        if self.held + copies > HELD_MESSAGES_MAX || self.held_bytes + copies * bytes > HELD_BYTES_MAX {
            let stage = self.stages.last().expect("a link without faults is not asked");
            if stage.rule.counts.overflow() {
                tracing::warn!(fault = stage.rule.id, "a link's fault holds back all it may; what is beyond is lost");
            }
            return Fate::Lost;
        }
        let left = self.stages.iter_mut().fold(now, |at, stage| stage.through(at, bytes));
        let delay: Duration = self.stages.iter().zip(&throws).map(|(stage, throws)| stage.delay(throws)).sum();
        let mut due = left + delay;
        if steps_back {
            let (least, most) = REORDER_HOLD;
            let share = throws.first().map_or(0, |throws| throws.hold);
            due += least + (most - least) * share / (PPM - 1);
        } else {
            due = self.last.map_or(due, |last| last.max(due));
            self.last = Some(due);
        }
        if due <= now && self.held == 0 && !twice {
            return Fate::Pass;
        }
        if due > now {
            self.stages.iter().for_each(|stage| stage.rule.counts.hold());
        }
        self.held += copies;
        self.held_bytes += copies * bytes;
        Fate::Later { due, twice }
    }
}

/// The faults of all links over which this node hears others.
#[derive(Debug)]
pub(super) struct Links {
    dev: bool,
    links: BTreeMap<PeerId, Link>,
    /// Peers that hear nothing of this node.
    mute: BTreeSet<PeerId>,
}

impl Links {
    pub(super) fn new(dev: bool) -> Links {
        Links { dev, links: BTreeMap::new(), mute: BTreeSet::new() }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Exactly these faults from now on; those that were there already go on as they were.
    pub(super) fn set(&mut self, rules: &[Arc<LinkRule>]) -> Change {
        if !self.dev {
            return Change::default();
        }
        let before = self.closed();
        let was_cut: BTreeSet<PeerId> = self.cut().collect();
        let had: BTreeSet<PeerId> =
            self.links.iter().filter(|(_, it)| !it.stages.is_empty()).map(|(p, _)| *p).collect();
        let mut stages: BTreeMap<(PeerId, u64), Stage> = BTreeMap::new();
        for (peer, link) in &mut self.links {
            stages.extend(link.stages.drain(..).map(|stage| ((*peer, stage.rule.id), stage)));
        }
        for rule in rules {
            for (peer, seed) in &rule.from {
                let old = stages.remove(&(*peer, rule.id)).filter(|stage| Arc::ptr_eq(&stage.rule, rule));
                let stage = old.unwrap_or_else(|| Stage::new(rule.clone(), *seed));
                self.links.entry(*peer).or_default().stages.push(stage);
            }
        }
        self.mute = rules.iter().filter(|rule| rule.effects.cut).flat_map(|rule| rule.to.iter().copied()).collect();
        let after = self.closed();
        let freed = had.into_iter().filter(|peer| self.links.get(peer).is_none_or(|link| link.stages.is_empty()));
        let freed: Vec<PeerId> = freed.collect();
        let lost = self.cut().filter(|peer| !was_cut.contains(peer)).collect();
        self.links.retain(|_, link| !link.stages.is_empty() || link.held > 0);
        Change {
            closed: after.difference(&before).copied().collect(),
            opened: before.difference(&after).copied().collect(),
            lost,
            freed,
        }
    }

    fn cut(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.links.iter().filter(|(_, link)| link.is_cut()).map(|(peer, _)| *peer)
    }

    /// Cut in both directions.
    fn closed(&self) -> BTreeSet<PeerId> {
        self.cut().filter(|peer| self.mute.contains(peer)).collect()
    }

    /// Whether nothing goes to and fro between this node and `peer`, not even a connection.
    pub(super) fn is_closed(&self, peer: &PeerId) -> bool {
        self.mute.contains(peer) && self.links.get(peer).is_some_and(Link::is_cut)
    }

    /// What becomes of a message that `peer` brought.
    pub(super) fn arrive(&mut self, now: Instant, peer: &PeerId, bytes: usize) -> Fate {
        match self.links.get_mut(peer) {
            None => Fate::Pass,
            Some(link) if link.stages.is_empty() => {
                // Behind what was held back and is about to arrive.
                link.held += 1;
                link.held_bytes += bytes;
                Fate::Later { due: now, twice: false }
            }
            Some(link) => link.arrive(now, bytes),
        }
    }

    /// A message that was held back is so no more.
    pub(super) fn released(&mut self, peer: &PeerId, bytes: usize) {
        let Some(link) = self.links.get_mut(peer) else { return };
        link.held -= 1;
        link.held_bytes -= bytes;
        if link.stages.is_empty() && link.held == 0 {
            self.links.remove(peer);
        }
    }
}

#[cfg(test)]
mod tests;
