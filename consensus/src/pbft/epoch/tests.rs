use super::*;
use crate::engine::Engine as _;
use crate::ledger::hash::BlockId;
use crate::ledger::transaction::MemberList;
use crate::ledger::units::View;
use crate::message::checkpoint::Checkpoint;
use crate::message::epoch::Readmission;
use crate::message::{Ballot, Message, PrePrepare, TipInfo, VoteKind};
use crate::pbft::tests::cluster::{Setup, World};
use crate::pbft::tests::epochs::{change, keys, readmission, setup};
use crate::pbft::tests::made::checkpoint_at;

fn engine(world: &mut World, index: usize) -> &mut Pbft {
    world.nodes[index].engine.as_mut().expect("it is up")
}

/// How epoch 1 began at this height, with these members.
fn succession(engine: &Pbft, height: u64, members: usize) -> Succession {
    let opening = Opening { epoch: Epoch(1), members: MemberList(keys(0..members)), readmitted: Vec::new() };
    let checkpoint = Checkpoint { next: opening.hash(&engine.set.network), ..checkpoint_at(height) };
    let certificate = CheckpointCertificate { checkpoint, seals: Vec::new() };
    Succession { certificate, header: engine.chain.tip().header, opening }
}

/// Whether a call has effects.
fn acts(engine: &mut Pbft, call: impl FnOnce(&mut Pbft)) -> bool {
    let before = engine.out.len();
    call(engine);
    engine.out.len() > before
}

#[test]
fn one_change_of_members_and_one_readmission_of_each_wait_for_a_block() {
    let mut world = World::new(setup(0));
    let set = world.nodes[0].set.clone();
    let grow = change(&set, &[0, 1, 2, 3, 4], &[0, 1, 2]);
    let shrink = change(&set, &[0, 1, 2], &[0, 1, 2]);
    let (first, again) = (readmission(&world, 1, 0, 1), readmission(&world, 1, 0, 2));
    let engine = engine(&mut world, 0);
    engine.now = Time(1_000);
    assert_eq!((engine.is_change_owed(), engine.change_waits_since(), engine.changes_at()), (false, None, None));
    assert!(acts(engine, |it| it.on_change(grow.clone())), "a new one is passed on");
    assert!(engine.is_change_owed());
    engine.now = Time(2_000);
    assert!(!acts(engine, |it| it.on_change(grow.clone())), "once");
    assert!(engine.admits_change(&grow).is_ok(), "it waits already");
    assert!(!acts(engine, |it| it.on_change(shrink.clone())));
    assert!(engine.admits_change(&shrink).is_err(), "another waits");
    assert!(acts(engine, |it| it.on_change(first.clone())));
    assert!(!acts(engine, |it| it.on_change(again)));
    assert_eq!(engine.epochs.waiting().count(), 2);
    assert_eq!(engine.change_waits_since(), Some(Time(1_000)));
    // Both are sent again when it is time.
    assert_eq!(engine.changes_at(), Some(Time(2_000 + CHANGE_RESEND_MS)));
    engine.now = Time(2_000 + CHANGE_RESEND_MS - 1);
    assert!(!acts(engine, Pbft::send_changes_again));
    engine.now = Time(2_000 + CHANGE_RESEND_MS);
    let before = engine.out.len();
    engine.send_changes_again();
    assert_eq!(engine.out.len(), before + 2);
    assert_eq!(engine.changes_at(), Some(engine.now.plus_ms(CHANGE_RESEND_MS)));
}

#[test]
fn blocks_are_owed_from_the_first_change_to_the_end_of_the_epoch() {
    let mut world = World::new(setup(0));
    let set = world.nodes[0].set.clone();
    world.submit_change(&change(&set, &[0, 1, 2, 3, 4], &[0, 1, 2]));
    while world.height(0) < 1 {
        world.deliver(0);
    }
    let engine = engine(&mut world, 0);
    assert_eq!(engine.epochs.waiting().count(), 0, "it has its block");
    assert_eq!((engine.is_change_owed(), engine.is_complete()), (true, false));
    assert_eq!(engine.last_height(), Some(Height(4)));
}

#[test]
fn a_start_finds_the_changes_of_its_epoch_wherever_it_stopped() {
    let mut world = World::new(setup(0));
    for index in 0..4 {
        world.submit(index);
        world.run();
    }
    let set = world.nodes[0].set.clone();
    world.submit_change(&change(&set, &[0, 1, 2, 3, 4], &[0, 1, 2]));
    // The checkpoint that ends the epoch does not become stable.
    for height in 5..=8 {
        while world.height(0) < height {
            let is_late =
                |packet: &crate::pbft::tests::cluster::Packet| matches!(packet.message, Message::Checkpoint(_));
            let place = world.queue.iter().position(|packet| !is_late(packet)).expect("blocks come");
            world.deliver(place);
        }
        let engine = engine(&mut world, 0);
        let before = engine.epochs.changes.clone();
        assert_eq!(before.last_height(&engine.params), Some(Height(8)));
        engine.epochs.changes = Changes::default();
        engine.take_back_changes();
        assert_eq!(engine.epochs.changes, before, "at height {height}");
        assert_eq!(engine.is_complete(), height == 8);
    }
}

#[test]
fn votes_of_the_next_epoch_wait_and_peers_are_told_once_in_a_while() {
    let world = World::new(setup(0));
    let mut epochs = Epochs::new(&world.nodes[0].set);
    let vote = world.vote(VoteKind::Prepare, 1, world.ballot(1, BlockId::default()));
    epochs.keep(1, (View(0), Height(1), VoteKind::Prepare), Peer(1), Message::Vote(vote));
    assert_eq!(epochs.future.ready(View(0), Height(1)).len(), 1);
    assert!(epochs.told.take(Time(0), Peer(1)));
    assert!(!epochs.told.take(Time(0), Peer(1)));
    epochs.disconnected(Peer(1));
    assert!(epochs.told.take(Time(0), Peer(1)), "it may have lost what it was told");
}

#[test]
fn a_member_without_its_log_asks_again_and_again_and_waits_where_that_is_in_vain() {
    type Change = fn(&mut Pbft);
    let cases: [(&str, Change, bool); 8] = [
        ("never asked", |_| {}, true),
        ("asked just now", |it| it.epochs.asked_at = Some(Time(10_000)), false),
        ("not yet", |it| it.epochs.asked_at = Some(Time(10_001 - CHANGE_RESEND_MS)), false),
        ("again", |it| it.epochs.asked_at = Some(Time(10_000 - CHANGE_RESEND_MS)), true),
        ("a later epoch has begun", |it| drop(it.epochs.known.insert(Epoch(1), succession(it, 4, 4))), false),
        ("the epoch ends", |it| it.epochs.changes.note(Height(0)), false),
        ("it has its log", |it| it.log = VoteLog::Original, false),
        ("it may vote", |it| it.me = it.key.clone().map(|key| Member { index: 3, key }), false),
    ];
    for (case, change, asks) in cases {
        let mut world = World::new(setup(0));
        let engine = engine(&mut world, 3);
        (engine.now, engine.log, engine.me) = (Time(10_000), VoteLog::Begun { nonce: [7; 32] }, None);
        change(engine);
        assert_eq!(acts(engine, Pbft::send_changes_again), asks, "{case}");
        if asks {
            assert_eq!(engine.epochs.asked_at, Some(Time(10_000)), "{case}");
            assert_eq!(engine.changes_at(), Some(Time(10_000 + CHANGE_RESEND_MS)), "{case}");
        }
    }
}

#[test]
fn who_was_let_in_and_then_replaced_asks_no_more() {
    for (nonces, is_awaited) in [(vec![], true), (vec![7], false), (vec![8], true), (vec![7, 8], false)] {
        let mut world = World::new(setup(0));
        let engine = engine(&mut world, 3);
        (engine.log, engine.me, engine.set.epoch) = (VoteLog::Begun { nonce: [7; 32] }, None, Epoch(2));
        let member = engine.key.as_ref().expect("it has a key").public();
        for (epoch, nonce) in (1..).zip(&nonces) {
            let mut known = succession(engine, 4, 4);
            known.opening.readmitted = vec![Readmission { member, nonce: [*nonce; 32], height: Height(1) }];
            engine.epochs.known.insert(Epoch(epoch), known);
        }
        assert_eq!(engine.awaited().is_some(), is_awaited, "{nonces:?}");
    }
}

#[test]
fn the_next_epoch_opens_at_the_last_height_and_nowhere_else() {
    // The tip is at height 4.
    for (first, known_at, epoch, members) in [
        (None, None, 0, 4),
        (Some(1), None, 1, 4),
        (Some(4), None, 1, 4),
        (Some(5), None, 0, 4),
        // After a snapshot what changed is not here, but how the next one began is proved.
        (None, Some(4), 1, 5),
        (None, Some(8), 0, 4),
        (Some(4), Some(4), 1, 4),
    ] {
        let mut world = World::new(setup(0));
        for index in 0..4 {
            world.submit(index);
            world.run_keeping(|packet| !matches!(packet.message, Message::Checkpoint(_)));
        }
        let engine = engine(&mut world, 0);
        first.into_iter().for_each(|height| engine.epochs.changes.note(Height(height)));
        if let Some(height) = known_at {
            let known = succession(engine, height, 5);
            engine.epochs.known.insert(Epoch(1), known);
        }
        let next = engine.next_opening();
        assert_eq!((next.epoch.0, next.members.0.len()), (epoch, members), "{first:?} {known_at:?}");
        // The network is told who comes next, unless that was proved and told before.
        let is_news = first.is_some_and(|height| height <= 4) && known_at.is_none();
        assert_eq!(acts(engine, Pbft::note_end), is_news, "{first:?} {known_at:?}");
        assert_eq!(engine.checkpoints.is_expecting(Height(4)), known_at == Some(4), "{first:?} {known_at:?}");
    }
}

#[test]
fn as_many_successions_are_told_as_were_asked_for_and_are_known() {
    let mut world = World::new(setup(0));
    let engine = engine(&mut world, 0);
    let count = |engine: &Pbft, from| match engine.successions_from(Epoch(from)) {
        Message::Successions(all) => all.0.iter().map(|it| it.opening.epoch.0).collect::<Vec<_>>(),
        other => panic!("{}", other.name()),
    };
    assert_eq!([count(engine, 0), count(engine, 1)], [vec![0u64; 0], vec![]]);
    for epoch in 1..=3 {
        let mut known = succession(engine, 4, 4);
        known.opening.epoch = Epoch(epoch);
        assert_eq!((engine.epochs.learn(known.clone()), engine.epochs.learn(known)), (true, false));
    }
    let told: Vec<Vec<u64>> = [0, 1, 3, 4, u64::MAX].iter().map(|from| count(engine, *from)).collect();
    assert_eq!(told, [vec![1, 2, 3], vec![1, 2, 3], vec![3], vec![], vec![]]);
}

/// Peers 1 to 3 claim to be in this epoch.
fn claimed_by_all(engine: &mut Pbft, epoch: u64) {
    for peer in 1..4 {
        let tip = TipInfo { epoch: Epoch(epoch), ..engine.tip_info() };
        engine.peers.claimed(Peer(peer), tip);
    }
}

#[test]
fn only_who_is_there_is_told_how_an_epoch_began() {
    let mut world = World::new(setup(0));
    let engine = engine(&mut world, 0);
    assert!(!acts(engine, |it| it.tell_epoch(Peer(9), Epoch(0))), "nobody knows it");
    assert!(acts(engine, |it| it.tell_epoch(Peer(1), Epoch(0))));
    assert!(!acts(engine, |it| it.tell_epoch(Peer(1), Epoch(0))), "a moment ago");
    assert!(!acts(engine, |it| it.tell_epoch(Peer(2), Epoch(u64::MAX))), "there is none after that");
}

#[test]
fn who_answers_without_use_rests_and_who_was_not_asked_answers_nothing() {
    type Asked = Option<(u64, Ask)>;
    let cases: [(Asked, bool, bool, bool); 5] = [
        (Some((1, Ask::Successions)), false, false, true),
        (Some((1, Ask::Successions)), true, false, false),
        (Some((1, Ask::Snapshot)), false, true, false),
        (Some((2, Ask::Successions)), false, true, false),
        (None, false, false, false),
    ];
    for (asked, is_useful, stays_open, rests) in cases {
        let mut world = World::new(setup(0));
        let engine = engine(&mut world, 0);
        claimed_by_all(engine, 0);
        if let Some((peer, ask)) = asked {
            engine.peers.asked(engine.now, Peer(peer), ask);
        }
        let told = if is_useful { vec![succession(engine, 4, 4)] } else { Vec::new() };
        engine.on_successions(Peer(1), told);
        assert_eq!(engine.peers.open().count(), usize::from(stays_open), "{asked:?}");
        let may_be_asked = engine.peers.askable(engine.now, |_| true).contains(&Peer(1));
        let is_open = asked.is_some_and(|(peer, _)| peer == 1) && stays_open;
        assert_eq!(may_be_asked, !rests && !is_open, "{asked:?}");
        assert_eq!(engine.epochs.last_known(), Epoch(u64::from(is_useful)));
    }
}

#[test]
fn one_peer_that_claims_a_later_epoch_is_asked_at_each_height_another() {
    for (height, expected) in [(0, 1), (1, 2), (2, 3), (3, 1), (5, 3)] {
        let mut world = World::new(Setup { checkpoint_interval: 50, ..setup(0) });
        for index in 0..height {
            world.submit(index);
            world.run();
        }
        let engine = engine(&mut world, 0);
        claimed_by_all(engine, 1);
        assert!(acts(engine, Pbft::ask_for_successions));
        let asked: Vec<(Peer, Ask)> = engine.peers.open().map(|(peer, ask)| (peer, *ask)).collect();
        assert_eq!(asked, [(Peer(expected), Ask::Successions)], "at height {height}");
        assert!(!acts(engine, Pbft::ask_for_successions), "one at a time");
    }
    let mut world = World::new(setup(0));
    let engine = engine(&mut world, 0);
    claimed_by_all(engine, 0);
    assert!(!acts(engine, Pbft::ask_for_successions), "nobody claims a later one");
}

#[test]
fn votes_and_proposals_of_the_next_epoch_wait_for_it() {
    let mut world = World::new(Setup::of(4));
    let block = world.block(&world.genesis.block().header, 1, &[]);
    let ballot = Ballot { epoch: Epoch(1), ..world.ballot(1, block.id()) };
    let [proposal, commit] = [VoteKind::PrePrepare, VoteKind::Commit].map(|kind| world.vote(kind, 3, ballot));
    let engine = engine(&mut world, 1);
    let from = engine.peers.after(None).expect("others are there");
    engine.on_pre_prepare(from, PrePrepare { vote: proposal, block });
    engine.on_vote(from, commit);
    assert_eq!((engine.epochs.future.sizes().sum::<usize>(), engine.future.sizes().sum::<usize>()), (2, 0));
}
