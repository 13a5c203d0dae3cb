//! Faults of links that a scenario lays over the simulated network: the same effects, by the same rules, as
//! `node/src/net/fault.rs` has on real links, but that what is on its way when a fault ends arrives when it would have.

use crate::sim::dice::Dice;
use bezant_api::fault::{LinkEffects, PPM};
use std::collections::{BTreeMap, BTreeSet};

/// By how much a message that others are to overtake is late, milliseconds.
const REORDER_MS: (u64, u64) = (10, 100);

/// A directed link: who speaks, and who hears.
pub(crate) type Pair = (usize, usize);

/// One fault.
#[derive(Debug)]
struct Laid {
    links: BTreeSet<Pair>,
    effects: LinkEffects,
    is_partition: bool,
    until_ms: Option<u64>,
    /// When the bandwidth of each link has nothing more to do, in microseconds.
    free_us: BTreeMap<Pair, u64>,
}

impl Laid {
    fn acts(&self, now_ms: u64, link: Pair) -> bool {
        self.until_ms.is_none_or(|until| until > now_ms) && self.links.contains(&link)
    }
}

/// All faults that are laid over the network.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    laid: Vec<Laid>,
    /// When the last message of a link that keeps its order arrives.
    last_ms: BTreeMap<Pair, u64>,
}

impl Overlay {
    /// Lays one more over these links.
    pub(crate) fn add(&mut self, links: BTreeSet<Pair>, effects: LinkEffects, until_ms: Option<u64>) {
        self.laid.push(Laid { links, effects, is_partition: false, until_ms, free_us: BTreeMap::new() });
    }

    /// Cuts these links, in place of the partition before.
    pub(crate) fn partition(&mut self, links: BTreeSet<Pair>, until_ms: Option<u64>) {
        self.laid.retain(|laid| !laid.is_partition);
        let effects = LinkEffects::CUT;
        self.laid.push(Laid { links, effects, is_partition: true, until_ms, free_us: BTreeMap::new() });
    }

    /// Ends all that cuts.
    pub(crate) fn heal(&mut self) {
        self.laid.retain(|laid| !laid.effects.cut);
    }

    /// Ends everything.
    pub(crate) fn clear(&mut self) {
        self.laid.clear();
    }

    fn is_cut(&self, now_ms: u64, link: Pair) -> bool {
        self.laid.iter().any(|laid| laid.effects.cut && laid.acts(now_ms, link))
    }

    /// Whether two nodes can have no connection: both directions are cut.
    pub(crate) fn is_closed(&self, now_ms: u64, a: usize, b: usize) -> bool {
        self.is_cut(now_ms, (a, b)) && self.is_cut(now_ms, (b, a))
    }

    /// What becomes of a message's arrivals on its link.
    pub(crate) fn arrivals(
        &mut self,
        now_ms: u64,
        link: Pair,
        bytes: usize,
        arrivals: Vec<u64>,
        dice: &mut Dice,
    ) -> Vec<u64> {
        let Some(first) = arrivals.first().copied().filter(|_| !self.laid.is_empty()) else { return arrivals };
        let mut at_ms = first;
        let (mut twice, mut steps_back, mut is_faulty) = (false, false, false);
        for laid in self.laid.iter_mut().filter(|laid| laid.acts(now_ms, link)) {
            is_faulty = true;
            let effects = laid.effects;
            let mut one_of = |ppm: u32| ppm > 0 && dice.below(u64::from(PPM)) < u64::from(ppm);
            if effects.cut || one_of(effects.drop_ppm) {
                return Vec::new();
            }
            twice |= one_of(effects.duplicate_ppm);
            steps_back |= one_of(effects.reorder_ppm);
            if let Some(bytes_per_s) = effects.bytes_per_s {
                let free_us = laid.free_us.entry(link).or_default();
                *free_us = (*free_us).max(at_ms * 1_000) + bytes as u64 * 1_000_000 / bytes_per_s.max(1);
                at_ms = free_us.div_ceil(1_000);
            }
            at_ms += (effects.delay_ms + dice.between(0, 2 * effects.jitter_ms)).saturating_sub(effects.jitter_ms);
        }
        if !is_faulty {
            return arrivals;
        }
        if steps_back {
            at_ms += dice.between(REORDER_MS.0, REORDER_MS.1);
        } else {
            let last_ms = self.last_ms.entry(link).or_default();
            at_ms = at_ms.max(*last_ms);
            *last_ms = at_ms;
        }
        if twice { vec![at_ms, at_ms] } else { vec![at_ms] }
    }
}

#[cfg(test)]
mod tests;
