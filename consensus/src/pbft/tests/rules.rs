//! Single rules, one replica being told by hand what its peers say. Node 1 is a backup of four unless said otherwise; node 0 is
//! the primary; nothing that they send is delivered.

use super::super::RESEND_MS;
use super::super::tally::{Counted, Tally};
use super::cluster::{Setup, World, key};
use crate::engine::{Effect, Engine, Event, Fault, PbftStatus, Peer, Record, Status, Trace};
use crate::ledger::amount::Amount;
use crate::ledger::block::Block;
use crate::ledger::hash::{BlockId, LockHash};
use crate::ledger::transaction::{Body, Output};
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::limits::{FUTURE_MESSAGES_PER_SENDER_MAX, WINDOW_DEPTH_MAX};
use crate::message::{Ballot, CertifiedBlocks, Message, TipInfo, ViewChange, Vote, VoteKind};

/// Empty blocks 1 to `count`, one above the other.
fn blocks(world: &World, count: u64) -> Vec<Block> {
    let mut parent = world.genesis.block().header;
    let mut blocks = Vec::new();
    for height in 1..=count {
        let block = world.block(&parent, height, &[]);
        parent = block.header;
        blocks.push(block);
    }
    blocks
}

fn net() -> World {
    let world = World::new(Setup::of(4));
    assert!(world.queue.is_empty());
    world
}

fn vote(world: &World, kind: VoteKind, signer: usize, height: u64, block: &Block) -> Message {
    Message::Vote(world.vote(kind, signer, world.ballot(height, block.id())))
}

/// Tells node 1 the votes of these members.
fn votes(world: &mut World, kind: VoteKind, signers: &[usize], height: u64, block: &Block) {
    for signer in signers {
        let message = vote(world, kind, *signer, height, block);
        world.inject(*signer, 1, message);
    }
}

fn propose(world: &mut World, height: u64, block: &Block) {
    let message = world.proposal(height, block);
    world.inject(0, 1, message);
}

fn refused(world: &World) -> usize {
    world.nodes[1].traces.iter().filter(|trace| matches!(trace, Trace::Refused { .. })).count()
}

fn other(block: &Block) -> Block {
    let mut other = block.clone();
    other.header.time += 1;
    other
}

#[test]
fn a_tally_counts_exactly_and_once() {
    let world = World::new(Setup::of(7));
    let chain = blocks(&world, 1);
    let ballot = world.ballot(1, chain[0].id());
    let mut tally = Tally::default();
    assert_eq!(tally.add(world.vote(VoteKind::PrePrepare, 0, ballot)), Counted::New(1));
    for signer in 1..4 {
        assert_eq!(tally.add(world.vote(VoteKind::Prepare, signer, ballot)), Counted::New(signer + 1));
        assert_eq!(tally.add(world.vote(VoteKind::Prepare, signer, ballot)), Counted::Known);
        assert_eq!(tally.prepared(ballot, 5), None, "q - 2 PREPAREs prove nothing");
    }
    tally.add(world.vote(VoteKind::Prepare, 4, ballot));
    tally.add(world.vote(VoteKind::Prepare, 5, ballot));
    let certificate = tally.prepared(ballot, 5).expect("q - 1 PREPAREs and the PRE-PREPARE");
    assert_eq!(certificate.prepares.iter().map(|seal| seal.signer).collect::<Vec<_>>(), [1, 2, 3, 4], "exactly q - 1");
    assert_eq!(tally.signers(View(0), VoteKind::Prepare, ballot.block), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn prepares_without_the_pre_prepare_are_no_certificate() {
    let world = World::new(Setup::of(4));
    let ballot = world.ballot(1, blocks(&world, 1)[0].id());
    let mut tally = Tally::default();
    for signer in 1..4 {
        tally.add(world.vote(VoteKind::Prepare, signer, ballot));
    }
    assert_eq!(tally.prepared(ballot, 3), None);
}

#[test]
fn votes_of_different_views_or_blocks_do_not_add_up() {
    let world = World::new(Setup::of(4));
    let chain = blocks(&world, 1);
    let ballot = world.ballot(1, chain[0].id());
    let in_view_1 = crate::message::Ballot { view: View(1), ..ballot };
    let of_other = world.ballot(1, other(&chain[0]).id());
    let mut tally = Tally::default();
    tally.add(world.vote(VoteKind::Commit, 0, ballot));
    tally.add(world.vote(VoteKind::Commit, 1, ballot));
    tally.add(world.vote(VoteKind::Commit, 2, in_view_1));
    tally.add(world.vote(VoteKind::Commit, 3, of_other));
    assert_eq!(tally.committed(View(0), 3), None);
    assert_eq!(tally.committed(View(1), 3), None);
    tally.add(world.vote(VoteKind::Commit, 2, ballot));
    let certificate = tally.committed(View(0), 3).expect("q COMMITs");
    assert_eq!((certificate.ballot, certificate.commits.len()), (ballot, 3));
    let fourth = world.vote(VoteKind::Commit, 3, ballot);
    let mut tally = Tally::default();
    (0..3).for_each(|signer| assert!(tally.add(world.vote(VoteKind::Commit, signer, ballot)) != Counted::Known));
    assert_eq!(tally.add(fourth), Counted::New(4));
    assert_eq!(tally.committed(View(0), 3).expect("q COMMITs").commits.len(), 3, "exactly q");
}

#[test]
fn a_contradiction_is_reported_once_and_the_first_vote_counts() {
    let mut world = net();
    let block = blocks(&world, 1).remove(0);
    votes(&mut world, VoteKind::Commit, &[2], 1, &block);
    votes(&mut world, VoteKind::Commit, &[2, 2], 1, &other(&block));
    let reports = |trace: &&Trace| matches!(trace, Trace::Equivocation { .. });
    assert_eq!(world.nodes[1].traces.iter().filter(reports).count(), 1);
    assert_eq!(world.nodes[1].blamed, [(Peer(2), Fault::Equivocation(2, Height(1)))]);
    votes(&mut world, VoteKind::Commit, &[0, 3], 1, &block);
    assert!(world.disk(1, |disk| disk.has(|it| matches!(it, Record::Committed(it) if it.ballot.block == block.id()))));
}

#[test]
fn nothing_above_the_window_is_voted_on_and_what_is_early_is_kept() {
    let mut world = net();
    let chain = blocks(&world, 5);
    for (height, block) in (1..).zip(&chain) {
        propose(&mut world, height, block);
        votes(&mut world, VoteKind::Prepare, &[2, 3], height, block);
    }
    assert!(world.has_sent(1, VoteKind::Commit, 4));
    assert!(!world.has_sent(1, VoteKind::Prepare, 5), "depth is 4");
    assert!(!world.has_sent(1, VoteKind::Commit, 5), "depth is 4");
    votes(&mut world, VoteKind::Commit, &[2, 3], 1, &chain[0]);
    assert_eq!(world.height(1), 1);
    assert!(world.has_sent(1, VoteKind::Prepare, 5) && world.has_sent(1, VoteKind::Commit, 5), "the window has moved");
}

#[test]
fn the_window_hangs_on_the_highest_certificate_not_on_the_tip() {
    let mut world = net();
    let chain = blocks(&world, 5);
    for (height, block) in (1..).zip(&chain) {
        propose(&mut world, height, block);
        votes(&mut world, VoteKind::Prepare, &[2, 3], height, block);
    }
    votes(&mut world, VoteKind::Commit, &[2, 3], 2, &chain[1]);
    assert_eq!(world.height(1), 0, "the certificate of height 1 is missing");
    assert!(world.has_sent(1, VoteKind::Prepare, 5));
}

#[test]
fn a_prepare_links_to_a_prepared_parent() {
    let mut world = net();
    let chain = blocks(&world, 2);
    propose(&mut world, 1, &chain[0]);
    propose(&mut world, 2, &chain[1]);
    assert!(world.has_sent(1, VoteKind::Prepare, 1));
    assert!(!world.has_sent(1, VoteKind::Prepare, 2), "not prepared on the parent");
    votes(&mut world, VoteKind::Prepare, &[2], 1, &chain[0]);
    assert!(world.has_sent(1, VoteKind::Prepare, 2));
}

#[test]
fn a_prepare_links_to_a_committed_parent() {
    let mut world = net();
    let chain = blocks(&world, 3);
    for (height, block) in (1..).zip(&chain) {
        propose(&mut world, height, block);
    }
    votes(&mut world, VoteKind::Commit, &[0, 2, 3], 2, &chain[1]);
    assert!(!world.has_sent(1, VoteKind::Prepare, 2), "it is not linked, and not needed any more");
    assert!(world.has_sent(1, VoteKind::Prepare, 3), "the commit certificate of height 2 is held");
}

#[test]
fn the_primary_proposes_only_above_what_it_is_prepared_on() {
    let mut world = net();
    world.submit(0);
    world.submit(1);
    assert!(world.has_sent(0, VoteKind::PrePrepare, 1));
    assert!(!world.has_sent(0, VoteKind::PrePrepare, 2));
    let tip = world.engine(0).slots[&Height(1)].body.clone().expect("proposed");
    for signer in [1, 2] {
        let message = vote(&world, VoteKind::Prepare, signer, 1, &tip.block);
        world.inject(signer, 0, message);
    }
    assert!(world.has_sent(0, VoteKind::PrePrepare, 2));
    assert!(!world.has_sent(0, VoteKind::Prepare, 1), "the primary sends no PREPARE");
}

#[test]
fn invalid_blocks_are_refused() {
    let world = net();
    let good = world.block(&world.genesis.block().header, 1, &[world.transfer(0)]);
    let remake = |change: &dyn Fn(&mut Block)| {
        let mut block = good.clone();
        change(&mut block);
        block.header.merkle_root = block.merkle_root();
        block
    };
    let paying = |block: &mut Block| match block.transactions[0].body_mut() {
        Body::Coinbase(coinbase) => {
            coinbase.outputs =
                vec![Output { amount: Amount::from_grains(1001).expect("small"), lock: LockHash([1; 32]) }];
        }
        Body::Transfer(_) | Body::Epoch(_) => unreachable!("the coinbase comes first"),
    };
    let higher = |block: &mut Block| match block.transactions[0].body_mut() {
        Body::Coinbase(coinbase) => coinbase.height = Height(2),
        Body::Transfer(_) | Body::Epoch(_) => unreachable!("the coinbase comes first"),
    };
    let cases: [(&str, Block); 8] = [
        ("version", remake(&|block| block.header.version = 2)),
        ("bits", remake(&|block| block.header.bits = 1)),
        ("nonce", remake(&|block| block.header.nonce = 1)),
        ("time", remake(&|block| block.header.time -= 1)),
        ("parent", remake(&|block| block.header.parent = BlockId([9; 32]))),
        ("pays more than the fees", remake(&paying)),
        ("height in the coinbase", remake(&higher)),
        ("spends twice", remake(&|block| block.transactions.push(world.transfer(0)))),
    ];
    for (what, block) in cases {
        let mut world = net();
        propose(&mut world, 1, &block);
        assert!(!world.has_sent(1, VoteKind::Prepare, 1), "{what}");
        assert_eq!(refused(&world), 1, "{what}");
        votes(&mut world, VoteKind::Prepare, &[2, 3], 1, &block);
        assert!(!world.has_sent(1, VoteKind::Commit, 1), "{what}");
    }
    let mut world = net();
    propose(&mut world, 1, &good);
    assert!(world.has_sent(1, VoteKind::Prepare, 1));
}

#[test]
fn a_block_ahead_of_the_clock_waits_for_it() {
    let mut world = net();
    let mut block = blocks(&world, 1).remove(0);
    block.header.time = world.now.seconds() + 17;
    propose(&mut world, 1, &block);
    assert!(!world.has_sent(1, VoteKind::Prepare, 1), "drift is 15 s");
    assert_eq!(refused(&world), 0);
    let due = world.engine(1).deadline().expect("it waits");
    assert!(due <= world.now.plus_ms(2_000));
    world.pass(1_950);
    assert!(!world.has_sent(1, VoteKind::Prepare, 1));
    world.pass(100);
    assert!(world.has_sent(1, VoteKind::Prepare, 1));
}

#[test]
fn the_clock_is_looked_at_for_prepare_only() {
    let mut world = net();
    let mut block = blocks(&world, 1).remove(0);
    block.header.time = world.now.seconds() + 100;
    propose(&mut world, 1, &block);
    votes(&mut world, VoteKind::Prepare, &[2, 3], 1, &block);
    assert!(!world.has_sent(1, VoteKind::Prepare, 1));
    assert!(world.has_sent(1, VoteKind::Commit, 1), "a quorum has answered for the time");
    let next = world.block(&block.header, 2, &[]);
    let next = Block { header: crate::ledger::block::Header { time: block.header.time, ..next.header }, ..next };
    propose(&mut world, 2, &next);
    assert!(world.has_sent(1, VoteKind::Prepare, 2), "the parent's time is always allowed");
}

#[test]
fn a_child_waits_for_its_parents_body() {
    let mut world = net();
    let chain = blocks(&world, 2);
    propose(&mut world, 2, &chain[1]);
    votes(&mut world, VoteKind::Commit, &[0, 2, 3], 1, &chain[0]);
    assert!(!world.has_sent(1, VoteKind::Prepare, 2), "it cannot be judged");
    propose(&mut world, 1, &chain[0]);
    assert_eq!(world.height(1), 1);
    assert!(world.has_sent(1, VoteKind::Prepare, 2));
}

#[test]
fn commits_complete_in_any_order_but_blocks_are_connected_in_theirs() {
    let mut world = net();
    let chain = blocks(&world, 3);
    for (height, block) in (1..).zip(&chain) {
        propose(&mut world, height, block);
    }
    for height in [3, 2] {
        votes(&mut world, VoteKind::Commit, &[0, 2, 3], height, &chain[height as usize - 1]);
        assert_eq!(world.height(1), 0);
    }
    votes(&mut world, VoteKind::Commit, &[0, 2, 3], 1, &chain[0]);
    assert_eq!(world.height(1), 3);
}

#[test]
fn a_certified_block_replaces_the_first_proposal() {
    let mut world = net();
    let chain = blocks(&world, 1);
    let certified = other(&chain[0]);
    propose(&mut world, 1, &chain[0]);
    assert!(world.has_sent(1, VoteKind::Prepare, 1));
    // A lying primary proposed another one to the others.
    votes(&mut world, VoteKind::Commit, &[0, 2, 3], 1, &certified);
    assert_eq!(world.height(1), 0, "its body is not here");
    let child = world.block(&certified.header, 2, &[]);
    let child = Block { header: crate::ledger::block::Header { time: certified.header.time, ..child.header }, ..child };
    propose(&mut world, 2, &child);
    assert!(!world.has_sent(1, VoteKind::Prepare, 2));
    let answer = Message::Certified(CertifiedBlocks(vec![world.certified(1, &certified, &[0, 2, 3])]));
    world.inject(2, 1, answer);
    assert_eq!(world.height(1), 1);
    assert!(world.has_sent(1, VoteKind::Prepare, 2), "the child is judged above the certified block");
}

#[test]
fn what_stands_above_a_replaced_block_is_judged_anew() {
    let mut world = net();
    let chain = blocks(&world, 2);
    propose(&mut world, 1, &chain[0]);
    propose(&mut world, 2, &chain[1]);
    let certified = other(&chain[0]);
    let answer = Message::Certified(CertifiedBlocks(vec![world.certified(1, &certified, &[0, 2, 3])]));
    world.inject(2, 1, answer);
    assert_eq!(world.height(1), 1);
    assert!(!world.has_sent(1, VoteKind::Prepare, 2), "its parent was replaced");
    assert_eq!(refused(&world), 1);
}

#[test]
fn a_replica_that_voted_takes_no_other_body() {
    let mut world = net();
    let block = blocks(&world, 1).remove(0);
    propose(&mut world, 1, &block);
    let engine = world.nodes[1].engine.as_mut().expect("it is up");
    // Of all it knew, only its own vote is left.
    let slot = engine.slots.get_mut(&Height(1)).expect("it voted");
    slot.body = None;
    slot.tally = Tally::default();
    slot.own.values().for_each(|vote| assert_eq!(slot.tally.add(*vote), Counted::New(1)));
    propose(&mut world, 1, &other(&block));
    assert!(world.engine(1).slots[&Height(1)].body.is_none());
}

#[test]
fn messages_of_another_incarnation_are_dropped() {
    let mut world = net();
    let block = blocks(&world, 1).remove(0);
    let ballot = crate::message::Ballot { incarnation: Incarnation(1), ..world.ballot(1, block.id()) };
    for signer in [0, 2, 3] {
        let message = Message::Vote(world.vote(VoteKind::Commit, signer, ballot));
        world.inject(signer, 1, message);
    }
    assert!(world.engine(1).slots.is_empty());
    let mut certified = world.certified(1, &block, &[0, 2, 3]);
    certified.certificate.ballot = ballot;
    for seal in &mut certified.certificate.commits {
        seal.signature = world.vote(VoteKind::Commit, usize::from(seal.signer), ballot).signature;
    }
    world.inject(2, 1, Message::Certified(CertifiedBlocks(vec![certified])));
    assert_eq!(world.height(1), 0);
}

#[test]
fn what_is_early_is_bounded_for_each_signer() {
    let mut world = net();
    let block = blocks(&world, 1).remove(0);
    for height in 0..400 {
        votes(&mut world, VoteKind::Commit, &[2], 100 + height, &block);
        propose(&mut world, 100 + height, &block);
    }
    votes(&mut world, VoteKind::Commit, &[3], 100, &block);
    let sizes: Vec<usize> = world.engine(1).future.sizes().collect();
    assert_eq!(sizes, [WINDOW_DEPTH_MAX as usize, FUTURE_MESSAGES_PER_SENDER_MAX, 1]);
    assert!(world.engine(1).slots.is_empty());
}

#[test]
fn a_vote_is_sent_again_byte_for_byte_also_after_a_crash() {
    let mut world = net();
    let chain = blocks(&world, 1);
    propose(&mut world, 1, &chain[0]);
    let sent = |world: &World| -> Vec<Vote> {
        let votes = world.queue.iter().filter(|packet| packet.from == 1 && packet.to == 3);
        votes.filter_map(|packet| if let Message::Vote(vote) = packet.message { Some(vote) } else { None }).collect()
    };
    let first = sent(&world);
    assert_eq!(first.len(), 1);
    world.queue.clear();
    world.now = world.now.plus_ms(RESEND_MS);
    world.told(1, Event::Wake);
    assert_eq!(sent(&world), first, "again after a while");
    world.queue.clear();
    world.kill(1);
    world.start(1);
    assert!(sent(&world).contains(&first[0]), "again after a crash");
    // The primary lies, and proposes another block at the same height. The referee sees that none is voted for.
    propose(&mut world, 1, &other(&chain[0]));
    propose(&mut world, 1, &chain[0]);
    votes(&mut world, VoteKind::Prepare, &[2], 1, &chain[0]);
    assert!(sent(&world).iter().all(|vote| vote.ballot.block == chain[0].id()));
}

#[test]
fn a_primary_does_not_propose_a_height_twice_after_a_crash() {
    let mut world = net();
    world.submit(0);
    world.queue.clear();
    world.kill(0);
    world.nodes[0].mempool.clear();
    world.start(0);
    world.submit(1);
    world.pass(3_000);
    world.assert_agreed(2);
}

#[test]
fn a_prepared_replica_commits_after_a_crash() {
    let mut world = net();
    let block = blocks(&world, 1).remove(0);
    propose(&mut world, 1, &block);
    votes(&mut world, VoteKind::Prepare, &[2], 1, &block);
    world.kill(1);
    // The power went just before the COMMIT.
    world.disk(1, |disk| disk.records.retain(|it| !matches!(it, Record::Vote(vote) if vote.kind == VoteKind::Commit)));
    world.queue.clear();
    world.start(1);
    let is_commit = |it: &Record| matches!(it, Record::Vote(vote) if vote.kind == VoteKind::Commit);
    assert!(world.disk(1, |disk| disk.has(is_commit)), "what it is prepared on is restored");
}

#[test]
fn a_late_vote_is_no_call_for_help_but_a_repeated_one_is() {
    let mut world = net();
    let block = blocks(&world, 1).remove(0);
    propose(&mut world, 1, &block);
    votes(&mut world, VoteKind::Commit, &[0, 2, 3], 1, &block);
    assert_eq!(world.height(1), 1);
    world.queue.clear();
    let help = |world: &World| world.queue.iter().filter(|it| matches!(it.message, Message::Certified(_))).count();
    votes(&mut world, VoteKind::Prepare, &[3], 1, &block);
    assert_eq!(help(&world), 0, "late");
    votes(&mut world, VoteKind::Prepare, &[3], 1, &block);
    assert_eq!(help(&world), 1, "again");
    votes(&mut world, VoteKind::Prepare, &[3], 1, &block);
    assert_eq!(help(&world), 1, "not too often");
    let tip = TipInfo { final_height: Height(1), ..world.engine(1).tip_info() };
    world.inject(2, 1, Message::Tip(tip));
    votes(&mut world, VoteKind::Prepare, &[2, 2], 1, &block);
    assert_eq!(help(&world), 1, "its bringer is not behind");
}

#[test]
fn certified_blocks_are_served_before_and_after_they_are_flushed() {
    for flushes in [false, true] {
        let mut world = World::new(Setup { flushes, ..Setup::of(4) });
        for index in 0..20 {
            world.submit(index);
            world.run();
        }
        let ask = |from: u64, count: u32| -> Vec<u64> {
            let request = Message::GetCertified { from: Height(from), count };
            let Some(Message::Certified(blocks)) = world.engine(2).answer(&request) else { panic!("it answers") };
            blocks.0.iter().map(|it| it.certificate.ballot.height.0).collect()
        };
        assert_eq!(ask(1, 3), [1, 2, 3]);
        assert_eq!(ask(0, 3), [1, 2], "genesis has no certificate");
        assert_eq!(ask(3, 1000), (3..19).collect::<Vec<_>>());
        assert_eq!(ask(20, 5), [20]);
        assert_eq!(ask(21, 5), []);
        assert_eq!(ask(u64::MAX, u32::MAX), []);
        assert_eq!(ask(5, 0), []);
    }
}

#[test]
fn answers_of_no_use_make_their_senders_rest_and_others_are_asked() {
    let mut world = net();
    let chain = blocks(&world, 1);
    let claim = TipInfo { final_height: Height(1000), ..world.engine(1).tip_info() };
    world.inject(2, 1, Message::Tip(claim));
    let asked = |world: &World| -> Vec<usize> {
        let requests = world.queue.iter().filter(|it| matches!(it.message, Message::GetCertified { .. }));
        requests.map(|it| it.to).collect()
    };
    assert_eq!(asked(&world), [2], "far ahead: asked at once");
    world.inject(2, 1, Message::Certified(CertifiedBlocks(Vec::new())));
    assert!(world.nodes[1].blamed.is_empty(), "it may have begun with a snapshot; it rests, and that is all");
    let claim = TipInfo { final_height: Height(1), ..claim };
    world.inject(3, 1, Message::Tip(claim));
    assert_eq!(asked(&world), [2], "within the window: not at once");
    world.now = world.now.plus_ms(300);
    world.told(1, Event::Wake);
    assert_eq!(asked(&world), [2, 3], "the one that rests is not asked");
    let far = world.certified(500, &chain[0], &[0, 2, 3]);
    world.inject(2, 1, Message::Certified(CertifiedBlocks(vec![far])));
    assert!(matches!(world.nodes[1].blamed[..], [(Peer(2), Fault::Unwanted(_))]));
    world.now = world.now.plus_ms(6_000);
    world.told(1, Event::Wake);
    assert!(world.nodes[1].blamed.contains(&(Peer(3), Fault::Silent)));
}

#[test]
fn a_certified_block_that_breaks_a_rule_stops_the_replica() {
    let mut world = net();
    let mut bad = blocks(&world, 1).remove(0);
    bad.header.nonce = 7;
    let message = Message::Certified(CertifiedBlocks(vec![world.certified(1, &bad, &[0, 2, 3])]));
    world.inject(2, 1, message);
    assert_eq!((world.height(1), refused(&world)), (0, 1));
    let good = blocks(&world, 1).remove(0);
    propose(&mut world, 1, &good);
    assert!(!world.has_sent(1, VoteKind::Prepare, 1));
    assert_eq!(world.engine(1).deadline(), None);
}

#[test]
fn a_bad_payload_is_left_out() {
    let mut world = net();
    world.careless = true;
    let mut unsigned = world.transfer(1);
    unsigned.witnesses_mut().clear();
    world.nodes[0].mempool = vec![world.transfer(0), world.transfer(0), unsigned, world.transfer(2)];
    world.told(0, Event::Pending { oldest: Some(world.now) });
    world.nodes[0].mempool.clear();
    world.run();
    world.assert_agreed(1);
    let tip = world.engine(0).chain().tip().id;
    let block = world.engine(0).chain().block(&tip).expect("the tip is held");
    assert_eq!(block.transactions[1..], [world.transfer(0), world.transfer(2)]);
}

#[test]
fn a_stale_payload_is_ignored() {
    let mut world = net();
    let transactions = vec![world.transfer(0)];
    world.told(0, Event::Payload { ticket: 77, transactions });
    assert!(!world.has_sent(0, VoteKind::PrePrepare, 1));
}

#[test]
fn the_same_events_give_the_same_effects() {
    let log = || {
        let mut world = net();
        (0..3).for_each(|index| drop(world.submit(index)));
        world.run_shuffled(3);
        world.pass(2_000);
        world.log
    };
    assert_eq!(log(), log());
}

#[test]
fn extra_wakes_are_harmless() {
    let mut world = net();
    world.submit(0);
    world.run();
    world.pass(1_000);
    let now = world.now;
    let engine = world.nodes[1].engine.as_mut().expect("it is up");
    let effects: Vec<Effect> = (0..5).flat_map(|_| engine.handle(now, Event::Wake)).collect();
    assert!(effects.is_empty(), "{effects:?}");
    assert!(engine.deadline().expect("tips are told") > now);
    assert_eq!(key(0).public(), engine.set.members[0]);
}

/// F14, F31: a member that once wanted a huge view holds nobody up, and counts again when it wants the next one.
#[test]
fn a_huge_view_moves_nobody_and_is_forgiven() {
    let mut world = World::new(Setup::of(4));
    world.kill(0);
    let change = |view: u64| {
        let change = ViewChange {
            incarnation: Incarnation(0),
            epoch: Epoch(0),
            view: View(view),
            committed: None,
            prepared: Vec::new(),
            signer: 3,
            signature: crate::ledger::key::Signature([0; 64]),
        };
        Message::ViewChange(change.signed(&world.genesis.network_id(), &key(3)))
    };
    let (huge, larger, next) = (change(1 << 61), change(1 << 62), change(1));
    world.kill(3);
    for message in [huge, larger] {
        world.inject(2, 1, message);
    }
    assert_eq!(status(&world, 1).view, View(0), "one liar moves nobody");
    world.submit(0);
    world.pass(9_000);
    assert_eq!(world.heights(), [0, 0], "two of four are no quorum");
    world.inject(2, 1, next);
    world.run();
    let now = status(&world, 1);
    assert_eq!((now.view, now.is_active), (View(1), true), "its wish for the next view is the third");
}

fn status(world: &World, index: usize) -> PbftStatus {
    let Status::Pbft(status) = world.engine(index).status() else { panic!("this is PBFT") };
    status
}

#[test]
fn votes_of_views_that_never_were_are_not_kept_for_heights_that_are_over() {
    let mut world = World::new(Setup::of(4));
    world.submit(0);
    world.run();
    let tip = world.engine(0).chain().tip();
    for view in 0..1_000 {
        let ballot = Ballot { view: View(view), ..world.ballot(1, tip.id) };
        let vote = world.vote(VoteKind::Commit, 2, ballot);
        world.inject(2, 0, Message::Vote(vote));
    }
    let over = &world.engine(0).over[&Height(1)];
    assert!(over.is_of_view(View(0)) && (1..1_000).all(|view| !over.is_of_view(View(view))));
}
