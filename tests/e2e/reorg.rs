//! A deep switch between two branches, and what a kill in the middle of it leaves: one of the two tips, whole.

use crate::chains::{Branch, Filling, genesis};
use crate::net::signal;
use crate::solo::{Home, Solo};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Two branches from genesis on that have nothing in common, on the disk of one node.
pub(crate) struct Branches {
    pub(crate) home: Home,
    /// The ids of the lowest block, the tip, and the coins' commitment there, of each.
    roots: [String; 2],
    pub(crate) tips: [String; 2],
    whole: BTreeMap<String, String>,
}

impl Branches {
    /// Of so many blocks with so many transfers each.
    pub(crate) fn new(blocks: u32, transfers: u32) -> Branches {
        let all = blocks * transfers;
        let genesis = genesis(2 * all as usize, 2 * blocks);
        let home = Home::new(&genesis);
        let mut filling = Filling::new(&home.data(), &genesis);
        let mut tips = Vec::new();
        let mut roots = Vec::new();
        for (name, coins) in [(0, 0..all), (1, all..2 * all)] {
            let mut branch = Branch::new(&genesis, name, coins);
            let made: Vec<_> = (0..blocks).map(|_| branch.block(transfers as usize)).collect();
            filling.hear_of(&made);
            roots.push(made[0].id().to_string());
            tips.push(branch.tip().to_string());
        }
        assert_eq!(filling.finish().to_string(), tips[0], "of equal work the first seen is the chain");
        let pair = |list: Vec<String>| <[String; 2]>::try_from(list).expect("two branches");
        let mut branches = Branches { home, roots: pair(roots), tips: pair(tips), whole: BTreeMap::new() };
        let node = branches.home.start(&[]);
        for side in [0, 1, 0] {
            if node.tip().id != branches.tips[side] {
                branches.turn(&node, side).expect("the node lives");
            }
            let commitment = node.commitment();
            let before = branches.whole.insert(branches.tips[side].clone(), commitment.clone());
            assert!(before.is_none_or(|before| before == commitment), "there and back is where one was");
        }
        node.end();
        branches
    }

    /// Makes one branch the chain and rules the other one out; returns how long that took, till all of it could be read.
    pub(crate) fn turn(&self, node: &Solo, to: usize) -> Option<Duration> {
        let began = Instant::now();
        let tip = node.turn(&self.roots[to], &self.roots[1 - to])?;
        let took = began.elapsed();
        assert_eq!(tip.id, self.tips[to]);
        Some(took)
    }

    /// Turns to the other branch, is killed so long after, and starts again; returns the branch where it is, which is whole.
    pub(crate) fn turn_and_kill(&self, after: Duration) -> usize {
        let node = self.home.start(&[]);
        let to = usize::from(node.tip().id == self.tips[0]);
        let pid = node.pid();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(after);
            signal(pid, Signal::SIGKILL);
        });
        let _ = self.turn(&node, to);
        killer.join().expect("the signal is sent");
        drop(node);
        let node = self.home.start(&[]);
        let tip = node.tip().id;
        assert_eq!(Some(&node.commitment()), self.whole.get(&tip), "one of the two tips, with its coins: {tip}");
        node.end();
        usize::from(tip == self.tips[1])
    }
}

#[test]
fn a_reorg_killed_at_any_point_leaves_one_of_the_two_tips() {
    let branches = Branches::new(30, 20);
    let node = branches.home.start(&[]);
    let took = branches.turn(&node, 1).expect("the node lives");
    node.end();
    for part in 0..8 {
        branches.turn_and_kill(took * part / 4);
    }
    // It still goes both ways, and what was answered outlives a kill.
    for _ in 0..2 {
        let node = branches.home.start(&[]);
        let to = usize::from(node.tip().id == branches.tips[0]);
        branches.turn(&node, to).expect("the node lives");
        signal(node.pid(), Signal::SIGKILL);
        drop(node);
        let node = branches.home.start(&[]);
        assert_eq!(node.tip().id, branches.tips[to]);
        assert_eq!(branches.whole.get(&branches.tips[to]), Some(&node.commitment()));
        node.end();
    }
}
