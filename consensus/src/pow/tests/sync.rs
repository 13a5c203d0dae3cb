//! Catching up, and what peers must not do.

use super::*;
use crate::limits::BLOCKS_PER_MESSAGE_MAX;
use crate::message::{BlockIds, Headers, Locator};

#[test]
fn a_newcomer_fetches_headers_first_and_bodies_from_several() {
    let mut world = World::new(3, &genesis());
    world.mine(0, 100);
    world.delivered.clear();
    world.add(3);
    world.run();
    world.assert_agreed();
    assert_eq!(world.nodes[3].tip(), Height(100));
    assert_eq!(world.nodes[3].engine.chain().final_height(), Height(98));
    assert!(world.nodes[3].blames.is_empty(), "{:?}", world.nodes[3].blames);
    assert!(world.delivered["get-blocks"] >= 100 / BLOCKS_PER_MESSAGE_MAX, "bodies come in pieces");
    assert!(world.delivered["get-headers"] <= 4, "headers were asked for a few times only");
}

#[test]
fn bodies_may_come_in_any_order() {
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 6);
    let blocks: Vec<Block> = {
        let disk = world.nodes[0].disk.0.lock().unwrap();
        disk.active[1..].iter().map(|id| (*disk.bodies[id]).clone()).collect()
    };
    let headers = blocks.iter().map(|block| block.header).collect();
    world.deliver(0, 1, Message::Headers(Headers(headers)));
    for index in [5, 2, 0, 4, 1, 3] {
        world.deliver(0, 1, whole(&blocks[index]));
    }
    assert_eq!(world.nodes[1].tip(), Height(6));
    let connected: Vec<usize> = world.nodes[1].updates.iter().map(|update| update.connected.len()).collect();
    assert_eq!(connected, [1, 2, 3]);
}

#[test]
fn a_block_without_its_parent_leads_to_a_question() {
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 3);
    world.cut.clear();
    world.tell(0, Event::Connected(Peer(1)));
    world.tell(1, Event::Connected(Peer(0)));
    world.queue.clear();
    world.mine(0, 1);
    world.assert_agreed();
    assert_eq!(world.nodes[1].tip(), Height(4));
}

#[test]
fn a_header_from_the_future_waits() {
    let mut world = World::new(2, &genesis());
    world.tell(0, Event::BlockNow);
    let mut block = world.nodes[0].template.clone().unwrap().block;
    block.header.time = world.now.seconds() + 60 + 30;
    let block = solve(block);
    {
        let mut disk = world.nodes[0].disk.0.lock().unwrap();
        disk.bodies.insert(block.id(), Arc::new(block.clone()));
    }
    world.deliver(0, 1, whole(&block));
    assert_eq!(world.nodes[1].tip(), Height(0));
    assert!(world.nodes[1].blames.is_empty(), "it is refused for now, no fault");
    let due = Time::from_seconds(block.header.time - 60);
    assert!(world.nodes[1].engine.deadline().is_some_and(|deadline| deadline <= due));
    world.pass_s(29);
    assert!(world.nodes[1].engine.tree.get(&block.id()).is_none());
    world.pass_s(1);
    assert!(world.nodes[1].engine.tree.get(&block.id()).is_some(), "its time has come");
    world.deliver(0, 1, whole(&block));
    assert_eq!(world.nodes[1].tip_id(), block.id());
}

#[test]
fn bad_headers_are_blamed_and_not_kept() {
    let mut world = World::new(1, &genesis());
    world.mine(0, 12);
    world.tell(0, Event::BlockNow);
    let good = world.nodes[0].template.clone().unwrap().block;
    let mut bad_bits = good.clone();
    bad_bits.header.bits = 0x207f_fffe;
    let mut too_early = good.clone();
    too_early.header.time = world.nodes[0].engine.tree.median_time(&world.nodes[0].tip_id());
    for (count, block) in [bad_bits, too_early].into_iter().enumerate() {
        world.deliver(7, 0, whole(&solve(block)));
        assert_eq!(world.nodes[0].blames.len(), count + 1);
    }
    assert_eq!(world.nodes[0].engine.tree.len(), 13);
    let mut gap = solve(good.clone()).header;
    gap.version += 1;
    let gap = solve(Block { header: gap, transactions: good.transactions.clone() }).header;
    world.deliver(7, 0, Message::Headers(Headers(vec![solve(good).header, gap])));
    assert_eq!(world.nodes[0].blames.len(), 3, "not consecutive");
    assert_eq!(world.nodes[0].engine.tree.len(), 13);
}

#[test]
fn work_is_checked_before_anything_else() {
    let genesis = genesis_with(PowParams { bits: 0x1f00_ffff, ..params() });
    let world = World::new(1, &genesis);
    let mut block = genesis.block();
    block.header.parent = world.nodes[0].tip_id();
    let verifier = Verifier::new(genesis);
    for message in [whole(&block), Message::Headers(Headers(vec![block.header]))] {
        let rng = ChaCha20Rng::from_seed([1; 32]);
        assert!(verifier.message(message, &|_| false, rng).is_err());
    }
}

#[test]
fn headers_of_low_work_are_taken_from_a_budget() {
    let mut world = World::new(1, &genesis());
    world.mine(0, 3);
    world.nodes[0].engine.low_work_left = 2;
    let mut spam = Vec::new();
    for nonce in 0..4 {
        let mut block = world.genesis.block();
        block.header.parent = world.genesis.block().id();
        block.header.time += 1;
        block.header.version = 100 + nonce;
        spam.push(solve(block).header);
    }
    for header in &spam {
        world.deliver(5, 0, Message::Headers(Headers(vec![*header])));
    }
    assert_eq!(world.nodes[0].engine.tree.len(), 4 + 2);
    world.mine(0, 1);
    world.deliver(5, 0, Message::Headers(Headers(vec![spam[3]])));
    assert_eq!(world.nodes[0].engine.tree.len(), 5 + 3, "our own growth refills it");
}

#[test]
fn answers_are_bounded_and_from_the_active_chain() {
    let mut world = World::new(1, &genesis());
    world.mine(0, 30);
    let node = &world.nodes[0];
    let answer = |message: &Message| node.engine.answer(message);
    let active = node.disk.0.lock().unwrap().active.clone();
    let locator = Locator(vec![BlockId([9; 32]), active[10], active[5]]);
    let Some(Message::Headers(headers)) = answer(&Message::GetHeaders(locator)) else {
        panic!("headers were asked for")
    };
    assert_eq!(headers.0.first().unwrap().id(), active[11]);
    assert_eq!(headers.0.last().unwrap().id(), active[30]);
    let nothing_shared = Message::GetHeaders(Locator(vec![BlockId([9; 32])]));
    let Some(Message::Headers(all)) = answer(&nothing_shared) else { panic!("headers were asked for") };
    assert_eq!(all.0.len(), 30, "genesis is always shared");
    let wanted = BlockIds(active[1..=20].to_vec());
    let Some(Message::Blocks(blocks)) = answer(&Message::GetBlocks(wanted)) else { panic!("blocks were asked for") };
    assert_eq!(blocks.0.len(), BLOCKS_PER_MESSAGE_MAX);
    assert_eq!(blocks.0[0].id(), active[1]);
    assert_eq!(answer(&Message::Blocks(blocks)), None);
}

#[test]
fn a_silent_peer_costs_a_time_out_and_others_are_asked() {
    let mut world = World::new(3, &genesis());
    world.partition(&[0, 1], &[2]);
    world.mine(0, 3);
    // Peer 0 claims much and says nothing: what it would answer is thrown away.
    world.cut.clear();
    let tip = world.nodes[0].engine.tip_info();
    world.tell(2, Event::Connected(Peer(0)));
    world.deliver(0, 2, Message::Tip(tip));
    world.queue.clear();
    world.pass_s(6);
    assert_eq!(world.nodes[2].blames, [(Peer(0), Fault::Silent)]);
    world.tell(2, Event::Connected(Peer(1)));
    world.deliver(1, 2, Message::Tip(tip));
    world.run();
    assert_eq!(world.nodes[2].tip(), Height(3));
}

#[test]
fn a_claim_that_comes_to_nothing_is_asked_once() {
    let mut world = World::new(2, &genesis());
    world.mine(0, 2);
    world.partition(&[1], &[0]);
    world.mine(0, 1);
    let lie = world.nodes[0].engine.tip_info();
    world.cut.clear();
    world.tell(1, Event::Connected(Peer(0)));
    world.queue.clear();
    world.deliver(0, 1, Message::Tip(lie));
    world.queue.clear();
    world.deliver(0, 1, Message::Headers(Headers(Vec::new())));
    assert!(world.queue.is_empty(), "not asked again before its next claim");
    world.deliver(0, 1, Message::Tip(lie));
    world.run();
    assert_eq!(world.nodes[1].tip(), Height(3));
}
