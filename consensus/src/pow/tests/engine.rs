//! Chain choice, finality, mining and restarts.

use super::*;
use crate::engine::Status;
use crate::message::{Blocks, Headers};

fn reorgs(node: &Node) -> Vec<(u64, u64)> {
    let reorg = |trace: &Trace| match trace {
        Trace::Reorg { fork, depth, .. } => Some((fork.0, *depth)),
        _ => None,
    };
    node.traces.iter().filter_map(reorg).collect()
}

#[test]
fn a_found_block_reaches_all() {
    let mut world = World::new(4, &genesis());
    world.mine(0, 3);
    world.mine(2, 2);
    world.assert_agreed();
    for node in &world.nodes {
        assert_eq!(node.tip(), Height(5));
        assert_eq!(node.engine.chain().final_height(), Height(3), "depth 3, the including block counts as 1");
        assert!(node.blames.is_empty());
    }
    assert_eq!(world.nodes[3].balance(100), 1_500);
    assert_eq!(world.nodes[3].balance(102), 1_000);
    assert_eq!(world.delivered.get("get-headers"), None, "announced blocks need no questions");
}

#[test]
fn a_template_pays_subsidy_and_fees() {
    let genesis = genesis();
    let mut world = World::new(1, &genesis);
    world.nodes[0].pool = vec![spend_genesis(&genesis, 0, 9)];
    world.mine(0, 1);
    assert_eq!(world.nodes[0].balance(100), 510);
    assert_eq!(world.nodes[0].balance(9), 999_990);
    let disk = world.nodes[0].disk.0.lock().unwrap();
    let block = disk.bodies[&disk.active[1]].clone();
    let Body::Coinbase(coinbase) = block.transactions[0].body() else { panic!("the coinbase comes first") };
    assert_eq!(coinbase.extra[..8], [0; 8], "room for an extranonce");
}

#[test]
fn a_template_with_an_invalid_payload_is_emptied() {
    let genesis = genesis();
    let mut world = World::new(1, &genesis);
    let twice = spend_genesis(&genesis, 0, 9);
    world.nodes[0].pool = vec![twice.clone(), twice];
    world.mine(0, 1);
    assert_eq!(world.nodes[0].balance(9), 0);
    assert!(matches!(world.nodes[0].traces[0], Trace::Refused { .. }));
}

#[test]
fn the_lighter_side_of_a_partition_is_reorganised() {
    let genesis = genesis();
    let mut world = World::new(4, &genesis);
    world.mine(0, 1);
    world.partition(&[0, 1], &[2, 3]);
    let spend = spend_genesis(&genesis, 1, 9);
    world.nodes[0].pool = vec![spend.clone()];
    world.mine(0, 1);
    world.nodes[0].pool.clear();
    world.mine(1, 1);
    world.mine(2, 3);
    assert_eq!(world.nodes[1].balance(9), 999_990);
    world.heal();
    world.assert_agreed();
    for node in &world.nodes[..2] {
        assert_eq!(reorgs(node), [(1, 2)]);
        let update = node.updates.last().unwrap();
        let heights: Vec<u64> = update.disconnected.iter().map(|link| link.height.0).collect();
        assert_eq!(heights, [3, 2], "from the tip down");
        let returned = update.disconnected.iter().any(|link| link.block.transactions.contains(&spend));
        assert!(returned, "the mempool learns what left the chain");
        assert_eq!(node.balance(9), 0);
    }
    for node in &mut world.nodes {
        let commitment = node.engine.chain_mut().commitment();
        let mut fresh = crate::ledger::commitment::Buckets::default();
        let coins = node.disk.0.lock().unwrap().coins.clone();
        fresh.apply(&Diff { spent: BTreeMap::new(), created: coins });
        assert_eq!(commitment, fresh.commitment(), "coins and commitment survive a reorg");
        assert!(node.blames.is_empty());
    }
}

#[test]
fn equal_work_does_not_move_the_tip() {
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 2);
    world.mine(1, 2);
    let tips = [world.nodes[0].tip_id(), world.nodes[1].tip_id()];
    world.heal();
    assert_eq!([world.nodes[0].tip_id(), world.nodes[1].tip_id()], tips, "first seen stays");
    world.mine(1, 1);
    world.assert_agreed();
}

#[test]
fn finality_is_withdrawn_with_its_event() {
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 5);
    world.mine(1, 6);
    world.heal();
    world.assert_agreed();
    let traces = &world.nodes[0].traces;
    let broken = traces.iter().position(|trace| *trace == Trace::FinalityBroken { before: Height(3), fork: Height(0) });
    assert!(broken.is_some(), "{traces:?}");
    assert_eq!(world.nodes[0].engine.chain().final_height(), Height(4));
}

#[test]
fn a_branch_too_deep_is_refused_with_an_alarm() {
    let genesis = genesis_with(PowParams { max_reorg: 4, ..params() });
    let mut world = World::new(2, &genesis);
    world.partition(&[0], &[1]);
    world.mine(0, 5);
    world.mine(1, 7);
    let tip = world.nodes[0].tip_id();
    world.heal();
    world.pass_s(30);
    assert_eq!(world.nodes[0].tip_id(), tip);
    let alarms = world.nodes[0].traces.iter().filter(|trace| matches!(trace, Trace::ReorgRefused { depth: 5, .. }));
    assert_eq!(alarms.count(), 1);
    world.mine(1, 1);
    assert_eq!(world.nodes[0].tip_id(), tip, "what grows on it is not followed either");
}

/// A valid branch of three blocks with an invalid one in its middle: it pays more than there is.
pub(super) fn branch_with_invalid_middle(world: &mut World) -> [Block; 3] {
    let mut maker = World::new(1, &world.genesis);
    let mut blocks = Vec::new();
    for index in 0..3u8 {
        maker.now = maker.now.plus_ms(10_000);
        maker.tell(0, Event::BlockNow);
        let mut block = maker.nodes[0].template.clone().unwrap().block;
        if let Some(last) = blocks.last() {
            let last: &Block = last;
            block.header.parent = last.id();
            block.header.time = last.header.time + 1;
        }
        let Body::Coinbase(coinbase) = block.transactions[0].body_mut() else { panic!("the coinbase comes first") };
        coinbase.height = Height(u64::from(index) + 1);
        let grains = if index == 1 { 501 } else { 500 };
        coinbase.outputs[0].amount = Amount::from_grains(grains).unwrap();
        block.header.merkle_root = block.merkle_root();
        blocks.push(solve(block));
    }
    world.now = world.now.max(maker.now);
    blocks.try_into().unwrap()
}

#[test]
fn an_invalid_block_leaves_the_old_chain_untouched() {
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 2);
    let (tip, balance) = (world.nodes[0].tip_id(), world.nodes[0].balance(100));
    let [first, middle, last] = branch_with_invalid_middle(&mut world);
    let updates = world.nodes[0].updates.len();
    let blocks = [first, middle.clone(), last.clone()];
    world.deliver(1, 0, Message::Headers(Headers(blocks.iter().map(|block| block.header).collect())));
    world.deliver(1, 0, Message::Blocks(Blocks(blocks.to_vec())));
    let node = &world.nodes[0];
    assert_eq!((node.tip_id(), node.balance(100)), (tip, balance));
    assert_eq!(node.updates.len(), updates, "nothing was switched");
    assert_eq!(node.blames.len(), 1);
    assert_eq!(node.blames[0].0, Peer(1));
    assert!(node.disk.0.lock().unwrap().records.contains(&Record::Invalid(middle.id())));
    let mut child = last.clone();
    child.header.parent = last.id();
    child.header.time += 1;
    let child = solve(child);
    world.deliver(1, 0, whole(&child));
    assert_eq!(world.nodes[0].blames.len(), 1, "whoever passes on what is announced above it has not looked at it yet");
    world.deliver(1, 0, Message::Headers(Headers(vec![child.header])));
    assert_eq!(world.nodes[0].blames.len(), 2, "whoever has it on its chain is blamed too");
    world.restart(0);
    assert_eq!(world.nodes[0].tip_id(), tip, "the mark outlives a restart");
    world.mine(0, 1);
}

#[test]
fn a_restart_comes_back_to_the_same_tip() {
    let mut world = World::new(3, &genesis());
    world.mine(0, 4);
    world.nodes[1].flushing = false;
    world.mine(0, 2);
    world.mine(2, 1);
    let tip = world.nodes[1].tip_id();
    assert_eq!(world.nodes[1].disk.0.lock().unwrap().active.len(), 5);
    world.nodes[1].flushing = true;
    let headers = world.delivered.get("headers").copied();
    world.restart(1);
    assert_eq!(world.nodes[1].tip_id(), tip);
    assert_eq!(world.nodes[1].engine.chain().final_height(), Height(5));
    assert_eq!(world.delivered.get("headers").copied(), headers, "from its own disk");
    world.mine(1, 2);
    world.assert_agreed();
}

#[test]
fn a_restart_in_the_middle_of_a_reorg_makes_it_again() {
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 5);
    world.mine(1, 7);
    world.nodes[0].flushing = false;
    world.heal();
    world.assert_agreed();
    world.nodes[0].traces.clear();
    world.nodes[0].flushing = true;
    world.restart(0);
    world.assert_agreed();
    assert!(world.nodes[0].traces.iter().any(|trace| matches!(trace, Trace::FinalityBroken { .. })));
    assert_eq!(world.nodes[0].balance(101), 3_500);
}

#[test]
fn solutions_are_taken_for_present_templates_only() {
    let mut world = World::new(1, &genesis());
    world.tell(0, Event::BlockNow);
    let template = world.nodes[0].template.clone().unwrap();
    let solved = solve(template.block.clone());
    world.tell(0, Event::Solved { ticket: template.ticket + 7, block: solved.clone() });
    assert_eq!(world.nodes[0].tip(), Height(0), "no such ticket");
    let mut other = template.block.clone();
    let Body::Coinbase(coinbase) = other.transactions[0].body_mut() else { panic!("the coinbase comes first") };
    coinbase.extra[9] ^= 1;
    other.header.merkle_root = other.merkle_root();
    world.tell(0, Event::Solved { ticket: template.ticket, block: solve(other) });
    assert_eq!(world.nodes[0].tip(), Height(0), "more was changed than may be rolled");
    let mut rolled = template.block.clone();
    let Body::Coinbase(coinbase) = rolled.transactions[0].body_mut() else { panic!("the coinbase comes first") };
    coinbase.extra[..8].fill(9);
    rolled.header.merkle_root = rolled.merkle_root();
    rolled.header.version ^= 0x1fff_e000;
    rolled.header.time += 1;
    world.tell(0, Event::Solved { ticket: template.ticket, block: solve(rolled) });
    assert_eq!(world.nodes[0].tip(), Height(1));
    world.tell(0, Event::Solved { ticket: template.ticket, block: solved });
    assert_eq!(world.nodes[0].tip(), Height(1), "its tip is gone");
    assert_eq!(world.nodes[0].template, None, "one block was wanted, the search has stopped");
}

#[test]
fn templates_are_renewed_once_a_second_while_transactions_wait() {
    let mut world = World::new(1, &genesis());
    world.nodes[0].config.mine = true;
    world.restart(0);
    world.tell(0, Event::Wake);
    let ticket = |world: &World| world.nodes[0].template.as_ref().unwrap().ticket;
    let first = ticket(&world);
    world.now = world.now.plus_ms(999);
    world.tell(0, Event::Pending { oldest: Some(world.now) });
    assert_eq!(ticket(&world), first);
    assert_eq!(world.nodes[0].engine.deadline(), Some(world.now.plus_ms(1)));
    world.now = world.now.plus_ms(1);
    world.tell(0, Event::Wake);
    assert_eq!(ticket(&world), first + 1);
    world.tell(0, Event::Pending { oldest: None });
    world.now = world.now.plus_ms(1_000);
    world.tell(0, Event::Wake);
    assert_eq!(ticket(&world), first + 1, "nothing waits");
}

#[test]
fn the_status_shows_branches_by_work() {
    let mut world = World::new(2, &genesis());
    world.mine(0, 1);
    world.partition(&[0], &[1]);
    world.mine(0, 1);
    world.mine(1, 2);
    world.heal();
    let Status::Pow(status) = world.nodes[0].engine.status() else { panic!("this is proof of work") };
    assert_eq!((status.headers, status.bits, status.best_header), (5, BITS, Height(3)));
    let heights: Vec<u64> = status.tips.iter().map(|(_, height, _)| height.0).collect();
    assert_eq!(heights, [3, 2]);
    assert_eq!(status.work, status.tips[0].2);
}

/// Work decides, not the number of blocks: then a block may have too few above it to count as final, though it stays.
#[test]
fn a_heavier_branch_with_fewer_blocks_withdraws_finality_aloud() {
    let params = PowParams { difficulty: Difficulty::Asert { half_life_s: 5 }, final_depth: 8, ..params() };
    let mut world = World::new(2, &genesis_with(params));
    // Without a step of the clock each block is harder than the one below it.
    let hurry = |world: &mut World, index: usize, count: usize| {
        for _ in 0..count {
            world.tell(index, Event::BlockNow);
            let template = world.nodes[index].template.clone().unwrap();
            world.tell(index, Event::Solved { ticket: template.ticket, block: solve(template.block) });
        }
    };
    hurry(&mut world, 0, 4);
    world.run();
    world.assert_agreed();
    world.partition(&[0], &[1]);
    hurry(&mut world, 1, 6);
    world.mine(0, 7);
    assert_eq!(world.nodes[0].engine.chain().final_height(), Height(4));
    world.heal();
    world.assert_agreed();
    assert_eq!(world.nodes[0].tip(), Height(10));
    let told = Trace::FinalityBroken { before: Height(4), fork: Height(3) };
    assert!(world.nodes[0].traces.contains(&told), "{:?}", world.nodes[0].traces);
}
