//! Branches whose work is counted before anything of them is kept.

use super::super::presync::{LOOKAHEAD, PERIOD, Presync, PresyncError};
use super::{START_S, World, genesis, genesis_with, params, solve};
use crate::engine::{Fault, Peer};
use crate::ledger::block::{Block, Header};
use crate::ledger::genesis::{Genesis, PowParams};
use crate::ledger::hash::{BlockId, MerkleRoot};
use crate::ledger::target::{Target, Work};
use crate::ledger::units::Height;
use crate::limits::HEADERS_PER_MESSAGE_MAX;
use crate::message::{Headers, Message, TipInfo};
use proptest::prelude::*;
use std::sync::Arc;

/// Headers one above the other, each a second later than the one before.
fn branch(genesis: &Genesis, count: usize, salt: u8) -> Vec<Header> {
    let mut parent = genesis.block().header;
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let header = Header {
            version: 1,
            parent: parent.id(),
            merkle_root: MerkleRoot([salt; 32]),
            time: parent.time + 1,
            bits: parent.bits,
            nonce: 0,
        };
        parent = solve(Block { header, transactions: Vec::new() }).header;
        headers.push(parent);
    }
    headers
}

fn work_of(genesis: &Genesis, blocks: usize) -> Work {
    let each = Target::from_compact(genesis.block().header.bits).unwrap().work();
    each.times(blocks as u64 + 1)
}

fn presync(genesis: &Genesis, blocks: usize, most: u64) -> Presync {
    let fork = (genesis.block().id(), work_of(genesis, 0));
    Presync::new([3; 32], fork, work_of(genesis, blocks), most)
}

/// What an honest peer answers: as many as fit, after the one named.
fn answer(branch: &[Header], after: BlockId) -> &[Header] {
    let from = branch.iter().position(|header| header.id() == after).map_or(0, |at| at + 1);
    &branch[from..branch.len().min(from + HEADERS_PER_MESSAGE_MAX)]
}

/// Plays a branch to its end: what was released, and how many answers that took.
fn play(presync: &mut Presync, branches: [&[Header]; 2]) -> (Vec<Header>, usize, Result<(), PresyncError>) {
    let (mut after, mut released, mut answers, mut pass) = (branches[0][0].parent, Vec::new(), 0, 0);
    loop {
        let part = answer(branches[pass], after);
        answers += 1;
        match presync.take(part, part.len() == HEADERS_PER_MESSAGE_MAX) {
            Err(error) => return (released, answers, Err(error)),
            Ok(step) => {
                released.extend(step.released);
                match step.ask_after {
                    None => return (released, answers, Ok(())),
                    Some(next) if next == branches[0][0].parent => (pass, after) = (1, next),
                    Some(next) => after = next,
                }
            }
        }
    }
}

#[test]
fn a_branch_is_released_in_order_once_its_work_was_seen() {
    let genesis = genesis();
    let headers = branch(&genesis, 21_000, 1);
    for wanted in [2_000, 2_001, 20_500] {
        let (released, answers, end) = play(&mut presync(&genesis, wanted, u64::MAX), [&headers, &headers]);
        assert_eq!(end, Ok(()));
        let asked = wanted.div_ceil(HEADERS_PER_MESSAGE_MAX);
        assert_eq!(answers, 2 * asked);
        assert_eq!(released, headers[..(asked * HEADERS_PER_MESSAGE_MAX).min(headers.len())]);
    }
}

#[test]
fn nothing_is_released_before() {
    let genesis = genesis();
    let headers = branch(&genesis, 6_000, 1);
    let mut presync = presync(&genesis, 6_001, u64::MAX);
    let (released, answers, end) = play(&mut presync, [&headers, &headers]);
    assert_eq!((released.len(), answers, end), (0, 4, Err(PresyncError::Ends)), "after an answer with nothing in it");
}

#[test]
fn who_shows_one_chain_and_sends_another_is_found_out() {
    let genesis = genesis();
    let (shown, other) = (branch(&genesis, 20_000, 1), branch(&genesis, 20_000, 2));
    let (released, _, end) = play(&mut presync(&genesis, 19_000, u64::MAX), [&shown, &other]);
    assert_eq!((released.len(), end), (0, Err(PresyncError::Different)));
    // The first headers are those that were shown.
    let shared = 3_000;
    let mut forked = shown[..shared].to_vec();
    let mut parent = shown[shared - 1];
    for _ in shared..20_000 {
        let header = Header { parent: parent.id(), time: parent.time + 1, version: 9, nonce: 0, ..parent };
        parent = solve(Block { header, transactions: Vec::new() }).header;
        forked.push(parent);
    }
    let (released, _, end) = play(&mut presync(&genesis, 19_000, u64::MAX), [&shown, &forked]);
    assert_eq!(end, Err(PresyncError::Different));
    assert!(released.len() <= shared, "nothing of what was not shown");
    assert_eq!(LOOKAHEAD as u64, 28 * PERIOD);
}

#[test]
fn headers_must_hang_together_and_there_is_a_most() {
    let genesis = genesis();
    let headers = branch(&genesis, 2_000, 1);
    let fresh = |most| presync(&genesis, 10_000, most);
    let mut gap = headers.clone();
    gap.remove(700);
    assert_eq!(fresh(u64::MAX).take(&gap, true), Err(PresyncError::Broken));
    let mut unworked = headers.clone();
    let hard = Target::from_compact(0x1800_ffff).unwrap().to_compact();
    unworked.truncate(1);
    unworked[0].bits = hard;
    assert_eq!(fresh(u64::MAX).take(&unworked, true), Err(PresyncError::Broken));
    assert_eq!(fresh(1_999).take(&headers, true), Err(PresyncError::TooMany));
    assert!(fresh(2_000).take(&headers, true).is_ok());
    assert_eq!(fresh(u64::MAX).take(&headers[1..], true), Err(PresyncError::Ends), "of another branch by now");
    assert_eq!(fresh(u64::MAX).take(&[], false), Err(PresyncError::Ends));
}

impl World {
    fn claim(&mut self, peer: u64, to: usize, height: usize, work: Work) {
        let id = BlockId([peer as u8; 32]);
        let (final_height, stable) = (Height(0), Height(0));
        let epoch = crate::ledger::units::Epoch(0);
        let tip = TipInfo { height: Height(height as u64), id, final_height, work, stable, epoch };
        self.tell(to, crate::engine::Event::Connected(Peer(peer)));
        self.deliver(peer as usize, to, Message::Tip(tip));
    }

    /// Lets a peer that is no replica answer what it is asked, with the headers of a branch, until nothing is asked any more.
    fn serve(&mut self, peer: u64, to: usize, branch: &[Header]) -> usize {
        let mut answers = 0;
        while let Some(at) = self
            .queue
            .iter()
            .position(|(_, to, message)| *to == peer as usize && matches!(message, Message::GetHeaders(_)))
        {
            let Some((_, _, Message::GetHeaders(locator))) = self.queue.remove(at) else { unreachable!() };
            let known = locator.0.iter().find(|id| branch.iter().any(|header| header.id() == **id));
            let part = known.map_or_else(|| answer(branch, branch[0].parent), |id| answer(branch, *id)).to_vec();
            self.deliver(peer as usize, to, Message::Headers(Headers(part)));
            answers += 1;
            assert!(answers < 1_000, "it comes to an end");
        }
        answers
    }
}

/// A net in which so many blocks are final only on one side.
fn net_of(work_min: Work) -> (World, Arc<Genesis>) {
    let genesis = genesis_with(PowParams { max_reorg: 100_000, ..params() });
    let mut world = World::new(1, &genesis);
    world.nodes[0].engine.config.work_min = work_min;
    world.now = crate::ledger::units::Time::from_seconds(START_S + 100_000);
    (world, genesis)
}

#[test]
fn a_long_branch_that_begins_far_below_our_tip_is_synced() {
    let (mut world, genesis) = net_of(Work::ZERO);
    world.mine(0, 4_200);
    let headers = branch(&genesis, 4_500, 1);
    world.claim(7, 0, headers.len(), work_of(&genesis, headers.len()));
    world.serve(7, 0, &headers);
    let tree = &world.nodes[0].engine.tree;
    assert_eq!(tree.best_header(), headers[4_499].id());
    assert!(world.nodes[0].blames.is_empty(), "{:?}", world.nodes[0].blames);
}

#[test]
fn a_branch_with_less_work_than_wanted_leaves_nothing_behind() {
    for claimed in [4_000, 9_000] {
        let (mut world, genesis) = net_of(Work::ZERO);
        world.nodes[0].engine.config.work_min = work_of(&genesis, 8_000);
        let headers = branch(&genesis, 7_000, 1);
        world.claim(7, 0, headers.len(), work_of(&genesis, claimed));
        world.serve(7, 0, &headers);
        let engine = &world.nodes[0].engine;
        assert_eq!((engine.tree.len(), engine.counting.len()), (1, 0));
        assert!(world.nodes[0].blames.is_empty(), "who has little work is no liar");
    }
    let (mut world, genesis) = net_of(Work::ZERO);
    world.nodes[0].engine.config.work_min = work_of(&genesis, 8_000);
    let headers = branch(&genesis, 9_000, 1);
    world.claim(7, 0, headers.len(), work_of(&genesis, 9_000));
    world.serve(7, 0, &headers);
    assert_eq!(world.nodes[0].engine.tree.best_header(), headers[8_999].id());
}

#[test]
fn who_is_silent_or_lies_while_it_is_counted_is_forgotten() {
    let (mut world, genesis) = net_of(Work::ZERO);
    world.nodes[0].engine.config.work_min = work_of(&genesis, 3_000);
    let (headers, others) = (branch(&genesis, 4_000, 1), branch(&genesis, 4_000, 2));
    world.claim(7, 0, 4_000, work_of(&genesis, 4_000));
    world.queue.clear();
    let first = Message::Headers(Headers(headers[..HEADERS_PER_MESSAGE_MAX].to_vec()));
    world.deliver(7, 0, first.clone());
    assert_eq!(world.nodes[0].engine.counting.len(), 1);
    world.queue.clear();
    world.pass_s(6);
    assert_eq!(world.nodes[0].blames, [(Peer(7), Fault::Silent)]);
    assert!(world.nodes[0].engine.counting.is_empty());
    // It shows the one and sends the other.
    world.claim(8, 0, 4_000, work_of(&genesis, 4_000));
    world.queue.clear();
    world.deliver(8, 0, first);
    world.deliver(8, 0, Message::Headers(Headers(headers[HEADERS_PER_MESSAGE_MAX..].to_vec())));
    world.deliver(8, 0, Message::Headers(Headers(others[..HEADERS_PER_MESSAGE_MAX].to_vec())));
    assert!(matches!(world.nodes[0].blames[..], [_, (Peer(8), Fault::Invalid { .. })]), "{:?}", world.nodes[0].blames);
    assert_eq!((world.nodes[0].engine.tree.len(), world.nodes[0].engine.counting.len()), (1, 0));
}

#[test]
fn headers_far_below_our_work_are_not_even_taken_from_the_budget() {
    let (mut world, genesis) = net_of(Work::ZERO);
    world.mine(0, 200);
    let headers = branch(&genesis, 60, 1);
    let work_at = |engine: &super::Pow| engine.work_looked_at();
    assert_eq!(work_at(&world.nodes[0].engine), work_of(&genesis, 200 - 144));
    for (count, taken) in [(55, 0), (56, 56)] {
        world.deliver(5, 0, Message::Headers(Headers(headers[..count].to_vec())));
        assert_eq!(world.nodes[0].engine.tree.len(), 201 + taken);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever part of the shown chain is left for another, nothing of the other is released.
    #[test]
    fn only_what_was_shown_is_released(cut in 0usize..2_500, wanted in 1usize..2_500, salt in any::<[u8; 32]>()) {
        let genesis = genesis();
        let (shown, other) = (branch(&genesis, 2_500, 1), branch(&genesis, 2_500, 2));
        let fork = (genesis.block().id(), work_of(&genesis, 0));
        let mut presync = Presync::new(salt, fork, work_of(&genesis, wanted), u64::MAX);
        let second: &[Header] = if cut % 2 == 0 { &shown } else { &other };
        let (released, _, end) = play(&mut presync, [&shown, second]);
        if end.is_ok() {
            prop_assert!(released.len() >= wanted);
        }
        if cut % 2 == 0 {
            prop_assert_eq!(end, Ok(()));
            prop_assert_eq!(&released[..], &shown[..released.len()]);
        }
    }
}
