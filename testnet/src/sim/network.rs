//! The simulated network: a full mesh of directed links, each with its own delay and losses.

use crate::sim::dice::Dice;
use crate::sim::options::{Fault, Faults};

/// How a directed link behaves in the first phase.
#[derive(Clone, Copy, Debug)]
struct Link {
    delay_ms_min: u64,
    delay_ms_max: u64,
    loss_per_mille: u64,
    duplicate_per_mille: u64,
    reorder_per_mille: u64,
    cut: bool,
    /// When the last message that was not reordered arrives: a later one does not arrive earlier.
    last_arrival_ms: u64,
}

/// A link without faults: what every link is in the second phase.
const PERFECT: Link = Link {
    delay_ms_min: 1,
    delay_ms_max: 20,
    loss_per_mille: 0,
    duplicate_per_mille: 0,
    reorder_per_mille: 0,
    cut: false,
    last_arrival_ms: 0,
};
/// By how much a reordered message is late.
const REORDER_MS_MAX: u64 = 1_500;

/// Every directed link between the nodes.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: usize,
    links: Vec<Link>,
    /// Counts partitions, so that the end of one does not mend the next.
    pub(crate) partition: u64,
}

impl Network {
    /// Draws how hard each fault strikes this net, then each link within that.
    pub(crate) fn new(nodes: usize, faults: Faults, dice: &mut Dice) -> Network {
        let mut bound = |fault, most| {
            let drawn = dice.between(0, most);
            if faults.has(fault) { drawn } else { 0 }
        };
        let loss = bound(Fault::Loss, 200);
        let delay = bound(Fault::Delay, 800);
        let duplicate = bound(Fault::Duplicate, 200);
        let reorder = bound(Fault::Reorder, 300);
        let links = (0..nodes * nodes)
            .map(|_| {
                let delay_ms_max = PERFECT.delay_ms_max + dice.between(0, delay);
                Link {
                    delay_ms_min: dice.between(1, delay_ms_max.min(200)),
                    delay_ms_max,
                    loss_per_mille: dice.between(0, loss),
                    duplicate_per_mille: dice.between(0, duplicate),
                    reorder_per_mille: dice.between(0, reorder),
                    ..PERFECT
                }
            })
            .map(|link| if faults == Faults::NONE { PERFECT } else { link })
            .collect();
        Network { nodes, links, partition: 0 }
    }

    /// Of perfect links.
    pub(crate) fn perfect(nodes: usize) -> Network {
        Network { nodes, links: vec![PERFECT; nodes * nodes], partition: 0 }
    }

    fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.nodes + to]
    }

    /// When copies of a message sent now arrive; none when it is lost. A request or an answer travels on a stream of its
    /// own, which does not duplicate.
    pub(crate) fn arrivals(&mut self, now_ms: u64, from: usize, to: usize, stream: bool, dice: &mut Dice) -> Vec<u64> {
        let link = self.link(from, to);
        if link.cut || dice.chance(link.loss_per_mille) {
            return Vec::new();
        }
        let at = now_ms + dice.between(link.delay_ms_min, link.delay_ms_max);
        let mut arrivals = Vec::with_capacity(1);
        if dice.chance(link.reorder_per_mille) {
            arrivals.push(at + dice.between(0, REORDER_MS_MAX));
        } else {
            link.last_arrival_ms = link.last_arrival_ms.max(at);
            arrivals.push(link.last_arrival_ms);
        }
        if !stream && dice.chance(link.duplicate_per_mille) {
            arrivals.push(at + dice.between(0, REORDER_MS_MAX));
        }
        arrivals
    }

    /// Whether something is cut between two nodes, in either direction.
    pub(crate) fn is_cut(&mut self, a: usize, b: usize) -> bool {
        self.link(a, b).cut || self.link(b, a).cut
    }

    /// Cuts the net between two random groups; one way only in one case of five. Returns the pairs that are apart.
    pub(crate) fn cut(&mut self, dice: &mut Dice) -> Vec<(usize, usize)> {
        self.partition += 1;
        let groups: Vec<bool> = if dice.chance(400) {
            let alone = dice.index(self.nodes);
            (0..self.nodes).map(|node| node == alone).collect()
        } else {
            (0..self.nodes).map(|_| dice.chance(500)).collect()
        };
        let one_way = dice.chance(200);
        let mut apart = Vec::new();
        for a in 0..self.nodes {
            for b in 0..self.nodes {
                if groups[a] && !groups[b] {
                    self.link(a, b).cut = true;
                    self.link(b, a).cut |= !one_way;
                    apart.push((a, b));
                }
            }
        }
        apart
    }

    /// Takes all cuts back.
    pub(crate) fn mend(&mut self) {
        for link in &mut self.links {
            link.cut = false;
        }
    }

    /// Makes every link perfect.
    pub(crate) fn heal(&mut self) {
        for link in &mut self.links {
            *link = Link { last_arrival_ms: link.last_arrival_ms, ..PERFECT };
        }
    }
}
