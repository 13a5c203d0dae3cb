use super::super::slot::Slot;
use super::super::tests::cluster::{Setup, World};
use super::{Ask, Fetch, Switching, TRANSFERS_MAX, Transfer};
use crate::chain::snapshot::SnapshotStep;
use crate::chain::{Base, Tip};
use crate::engine::{Effect, Engine, Event, Fault, Peer, Record, Trace};
use crate::ledger::commitment::{Bucket, Buckets};
use crate::ledger::hash::{BlockId, CoinCommitment, OpeningHash};
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::limits::{BUCKETS_PER_REQUEST, COMMITMENT_BUCKETS, SLOTS_MAX};
use crate::message::checkpoint::{BucketHashes, BucketPart, BucketParts, Checkpoint, CheckpointCertificate, Snapshot};
use crate::message::epoch::{Opening, Succession};
use crate::message::{Message, TipInfo};
use crate::pbft::Pbft;

/// How long a manifest is waited for.
const PATIENCE_MS: u64 = 15_000;

/// Node 0 of four at a height, with so many blocks between checkpoints.
fn at(height: usize, checkpoint_interval: u32) -> World {
    let mut world = World::new(Setup { checkpoint_interval, ..Setup::of(4) });
    world.grow(0, height);
    world
}

fn engine(world: &mut World) -> &mut Pbft {
    world.nodes[0].engine.as_mut().expect("it is up")
}

fn checkpoint(incarnation: u32, epoch: u64, height: u64) -> CheckpointCertificate {
    let checkpoint = Checkpoint {
        incarnation: Incarnation(incarnation),
        epoch: Epoch(epoch),
        height: Height(height),
        block: BlockId::default(),
        coins: CoinCommitment::default(),
        next: OpeningHash::default(),
    };
    CheckpointCertificate { checkpoint, seals: Vec::new() }
}

/// The manifest of a snapshot without coins.
fn manifest(world: &World, certificate: CheckpointCertificate) -> Snapshot {
    let block = world.genesis.block();
    let Checkpoint { height, epoch, .. } = certificate.checkpoint;
    Snapshot {
        certificate,
        header: block.header,
        commit: world.committed_in(0, height.0, &block, &[]),
        buckets: BucketHashes::of(&Buckets::default()),
        next: Opening { epoch, ..Opening::genesis(&world.genesis.validator_set()) },
    }
}

/// Such a snapshot is being fetched.
fn fetch(world: &mut World, height: u64) {
    let manifest = manifest(world, checkpoint(0, 0, height));
    engine(world).transfer = Transfer { fetch: Some(Fetch::new(manifest)), ..Transfer::default() };
}

/// It is here, and the switch to it was handed out with this number.
fn switching(world: &World, tip: Tip, sequence: u64, epoch: u64) -> Switching {
    let manifest = manifest(world, checkpoint(0, epoch, tip.height.0));
    let base = Base { tip, buckets: Buckets::default() };
    Switching { sequence, base, certificate: manifest.certificate, commit: manifest.commit }
}

fn succession(world: &World, epoch: u64, height: u64) -> Succession {
    let opening = Opening { epoch: Epoch(epoch), ..Opening::genesis(&world.genesis.validator_set()) };
    Succession { certificate: checkpoint(0, epoch - 1, height), header: world.genesis.block().header, opening }
}

fn requests(engine: &mut Pbft) -> Vec<Message> {
    let sent = |effect| if let Effect::Send { message, .. } = effect { Some(message) } else { None };
    engine.out.drain(..).filter_map(sent).collect()
}

fn has(engine: &Pbft, wanted: &SnapshotStep) -> bool {
    engine.out.iter().any(|it| matches!(it, Effect::Snapshot(step) if step == wanted))
}

#[test]
fn a_snapshot_is_awaited_when_more_than_two_intervals_are_missing_and_enough_say_so() {
    let mut world = at(0, 3);
    let (far, here) = ((3, 7), (0, 0));
    // Stable and final heights that peers claim; of four members one may lie.
    for (claims, is_far) in [
        (vec![], false),
        (vec![far], true),
        (vec![(3, 6)], false),
        (vec![(0, 7)], false),
        (vec![far, here], false),
        (vec![far, far, here], true),
        (vec![far, far, far], true),
        (vec![far, here, here], false),
    ] {
        let peers: Vec<_> = (1..).zip(&claims).map(|(peer, (stable, last))| (peer, *stable, *last)).collect();
        world.meet(0, &peers);
        let engine = engine(&mut world);
        engine.transfer.not_below = Height(0);
        assert_eq!(engine.is_far_behind(), is_far, "{claims:?}");
        engine.transfer.not_below = Height(1);
        assert!(!engine.is_far_behind(), "blocks are fetched up to there");
    }
}

#[test]
fn nothing_more_is_awaited_after_a_while_without_a_manifest() {
    let mut world = at(1, 3);
    world.meet(0, &[(1, 9, 9)]);
    let engine = engine(&mut world);
    let begin = engine.now;
    assert_eq!(engine.transfer_at(), None);
    engine.transfer.far = Some((Height(0), begin));
    for (ms, at_ms) in [(10, 10), (9 + PATIENCE_MS, 10)] {
        engine.now = begin.plus_ms(ms);
        assert!(engine.awaits_snapshot());
        assert_eq!(engine.transfer_at(), Some(begin.plus_ms(at_ms + PATIENCE_MS)), "since it was at this tip");
    }
    engine.now = begin.plus_ms(10 + PATIENCE_MS);
    assert!(!engine.awaits_snapshot());
    assert_eq!((engine.transfer.rounds, engine.transfer_at()), (1, None));
    assert!(!engine.awaits_snapshot(), "blocks are fetched now");
}

#[test]
fn blocks_are_left_alone_while_a_snapshot_comes_and_until_it_is_switched_to() {
    let mut world = at(1, 3);
    world.meet(0, &[(1, 1, 1)]);
    let far = Some((Height(1), world.now));
    fetch(&mut world, 10);
    let tip = world.engine(0).chain().tip();
    let switching = switching(&world, tip, 1, 0);
    let engine = engine(&mut world);
    let coming = engine.transfer.fetch.take();
    for (fetch, switching, expected) in [(None, None, false), (coming, None, true), (None, Some(switching), true)] {
        engine.transfer = Transfer { fetch, switching, far, ..Transfer::default() };
        assert_eq!(engine.transfer.is_fetching(), expected);
        assert_eq!((engine.awaits_snapshot(), engine.transfer.far), (expected, None));
    }
}

#[test]
fn a_manifest_is_asked_for_where_a_snapshot_above_the_tip_is_claimed_and_wanted() {
    let mut world = at(5, 3);
    let is_needed_at = Some(Height(5));
    let diverged = |height| Some(checkpoint(0, 0, height));
    // What one peer claims (stable, final, epoch), what is known here, and the height that is asked for.
    for (claim, is_needed_at, not_below, diverged, expected) in [
        ((9, 12, 0), None, 0, None, Some(9)),
        ((9, 12, 0), None, 5, None, Some(9)),
        ((9, 12, 0), None, 6, None, None),
        ((9, 12, 0), is_needed_at, 6, None, Some(9)),
        ((9, 12, 1), None, 0, None, None),
        ((9, 11, 0), None, 0, None, None),
        ((9, 11, 0), is_needed_at, 0, None, Some(9)),
        ((9, 11, 0), Some(Height(4)), 0, None, None),
        ((5, 12, 0), None, 0, None, None),
        ((5, 5, 0), is_needed_at, 0, None, None),
        ((4, 12, 0), is_needed_at, 0, None, None),
        ((3, 5, 0), None, 0, diverged(3), Some(3)),
        ((4, 5, 0), None, 0, diverged(3), Some(4)),
        ((2, 12, 0), None, 0, diverged(3), None),
        ((3, 5, 1), None, 0, diverged(3), None),
    ] {
        let (stable, last, epoch) = claim;
        world.meet(0, &[(1, stable, last)]);
        let engine = engine(&mut world);
        engine
            .peers
            .claimed(Peer(1), TipInfo { epoch: Epoch(epoch), ..*engine.peers.claim(Peer(1)).expect("it is there") });
        engine.transfer = Transfer { is_needed_at, not_below: Height(not_below), ..Transfer::default() };
        engine.checkpoints.diverged = diverged;
        engine.ask_for_manifest();
        let expected = expected.map(|height| Message::GetSnapshot { height: Height(height) });
        assert_eq!(
            requests(engine),
            expected.into_iter().collect::<Vec<_>>(),
            "{claim:?} {is_needed_at:?} {not_below}"
        );
    }
}

#[test]
fn one_peer_at_a_time_is_asked_for_a_manifest_and_another_one_above_another_tip() {
    for (tip, expected) in [(3, 1), (4, 2), (5, 3)] {
        let mut world = at(tip, 3);
        let claims = [(1, 20, 20), (2, 20, 20), (3, 20, 20)];
        world.meet(0, &claims);
        let engine = engine(&mut world);
        engine.ask_for_manifest();
        engine.ask_for_manifest();
        assert_eq!(requests(engine).len(), 1, "once");
        let open: Vec<_> = engine.peers.open().map(|(peer, ask)| (peer, *ask)).collect();
        assert_eq!(open, [(Peer(expected), Ask::Snapshot)]);
        // What else peers are asked for is no obstacle.
        world.meet(0, &claims);
        let tip = world.engine(0).chain().tip();
        let switching = switching(&world, tip, 1, 0);
        let engine = self::engine(&mut world);
        engine.peers.asked(engine.now, Peer(1), Ask::Successions);
        engine.transfer.switching = Some(switching);
        engine.ask_for_manifest();
        assert_eq!(requests(engine), [], "there is one already");
        engine.transfer.switching = None;
        engine.ask_for_manifest();
        assert_eq!(requests(engine), [Message::GetSnapshot { height: Height(20) }]);
    }
}

#[test]
fn a_transfer_that_nobody_serves_is_given_up_and_after_some_blocks_are_fetched_for_longer_and_longer() {
    for (interval, least) in [(100, 200), (3, 64)] {
        let mut world = at(2, interval);
        for (failed, rounds, expected) in [
            (0, 0, (1, 0, 0)),
            (TRANSFERS_MAX - 2, 0, (TRANSFERS_MAX - 1, 0, 0)),
            (TRANSFERS_MAX - 1, 0, (0, 1, 2 + least)),
            (0, 1, (0, 2, 2 + 2 * least)),
            (0, 2, (0, 3, 2 + 4 * least)),
        ] {
            fetch(&mut world, 10);
            world.meet(0, &[(1, 10, 10)]);
            let engine = engine(&mut world);
            engine.transfer.fetch.as_mut().expect("it comes").empty.insert(Peer(1), 2);
            (engine.transfer.failed, engine.transfer.rounds) = (failed, rounds);
            engine.transfer();
            assert!(engine.transfer.fetch.is_none() && has(engine, &SnapshotStep::Clear));
            let Transfer { failed, rounds, not_below, .. } = engine.transfer;
            assert_eq!((failed, rounds, not_below.0), expected);
        }
    }
}

#[test]
fn a_transfer_goes_on_until_its_height_is_reached_otherwise() {
    for (height, diverged, goes_on) in
        [(4, false, false), (5, false, false), (6, false, true), (5, true, true), (6, true, true)]
    {
        let mut world = at(5, 3);
        fetch(&mut world, height);
        world.meet(0, &[(1, height, height)]);
        let engine = engine(&mut world);
        engine.checkpoints.diverged = diverged.then(|| checkpoint(0, 0, height));
        engine.transfer();
        assert_eq!(engine.transfer.fetch.is_some(), goes_on, "{height} {diverged}");
        assert_eq!(has(engine, &SnapshotStep::Clear), !goes_on);
        assert_eq!(requests(engine).len(), usize::from(goes_on), "for buckets");
        engine.abandon();
        let before = engine.out.len();
        engine.abandon();
        assert_eq!(engine.out.len(), before, "there is nothing to forget");
    }
}

#[test]
fn nobody_serves_it_when_one_says_so_and_the_others_that_claim_it_are_of_no_use() {
    let mut world = at(0, 3);
    world.meet(0, &[]);
    assert!(!engine(&mut world).nobody_serves(), "there is nothing to serve");
    fetch(&mut world, 10);
    // Of each peer its stable height, how often it said that it does not serve it, and whether it is of no use otherwise.
    for (peers, expected) in [
        (vec![(10, 2, false)], true),
        (vec![(11, 2, false)], true),
        (vec![(10, 1, false)], false),
        (vec![(9, 2, false)], false),
        (vec![(10, 0, true)], false),
        (vec![(10, 2, false), (10, 0, true)], true),
        (vec![(10, 2, false), (10, 0, false)], false),
        (vec![(10, 2, false), (9, 0, false)], true),
        (vec![], false),
    ] {
        let claims: Vec<_> = (1..).zip(&peers).map(|(peer, (stable, ..))| (peer, *stable, 12)).collect();
        world.meet(0, &claims);
        let engine = engine(&mut world);
        let fetch = engine.transfer.fetch.as_mut().expect("it comes");
        fetch.empty = (1..).zip(&peers).map(|(peer, (_, empty, _))| (Peer(peer), *empty)).collect();
        fetch.useless = (1..).zip(&peers).filter(|(_, it)| it.2).map(|(peer, _)| Peer(peer)).collect();
        assert_eq!(engine.nobody_serves(), expected, "{peers:?}");
    }
}

#[test]
fn buckets_are_asked_of_whoever_claims_the_checkpoint_and_has_not_said_that_it_serves_it_no_more() {
    let mut world = at(0, 3);
    fetch(&mut world, 10);
    world.meet(0, &[(1, 10, 10), (2, 9, 12), (3, 12, 12), (4, 12, 12)]);
    let engine = engine(&mut world);
    engine.transfer.fetch.as_mut().expect("it comes").empty = [(Peer(3), 1), (Peer(4), 2)].into();
    engine.transfer();
    let open: Vec<_> = engine.peers.open().map(|(peer, ask)| (peer.0, *ask)).collect();
    assert_eq!(open, [(1, Ask::Buckets), (3, Ask::Buckets)]);
    let size = BUCKETS_PER_REQUEST as u8;
    let asked = |first| Message::GetBuckets { height: Height(10), first, last: first + size - 1, after: None };
    assert_eq!(requests(engine), [asked(0), asked(size)]);
}

#[test]
fn a_manifest_is_taken_when_it_is_of_use_and_was_asked_for() {
    let mut world = at(5, 3);
    world.meet(0, &[(1, 9, 12)]);
    for (epoch, height) in [(1, 2), (2, 4), (3, 9)] {
        let succession = succession(&world, epoch, height);
        assert!(engine(&mut world).epochs.learn(succession));
    }
    let diverged = |height| Some(checkpoint(0, 2, height));
    // The present epoch is 2, and began with height 7 (which is above the tip in no real run, but tells it apart).
    for (incarnation, epoch, height, diverged, is_taken) in [
        (0, 2, 6, None, true),
        (0, 2, 5, None, false),
        (0, 2, 4, None, false),
        (1, 2, 6, None, false),
        (0, 3, 6, None, true),
        (0, 4, 6, None, false),
        (0, 1, 6, None, false),
        (0, 1, 7, None, true),
        (0, 1, 8, None, false),
        (0, 2, 3, diverged(3), true),
        (0, 2, 4, diverged(3), true),
        (0, 2, 2, diverged(3), false),
        (1, 2, 3, diverged(3), false),
    ] {
        let snapshot = manifest(&world, checkpoint(incarnation, epoch, height));
        world.meet(0, &[(1, 9, 12)]);
        let engine = engine(&mut world);
        (engine.set.epoch, engine.start.height) = (Epoch(2), Height(7));
        engine.checkpoints.diverged = diverged;
        engine.transfer = Transfer { far: Some((Height(5), engine.now)), ..Transfer::default() };
        engine.peers.asked(engine.now, Peer(1), Ask::Snapshot);
        engine.on_snapshot(Peer(1), Some(Box::new(snapshot)));
        let taken = engine.transfer.fetch.as_ref().map(Fetch::height);
        assert_eq!(taken, is_taken.then_some(Height(height)), "{incarnation} {epoch} {height}");
        assert_eq!((has(engine, &SnapshotStep::Clear), engine.transfer.far.is_none()), (is_taken, is_taken));
        assert_eq!(engine.peers.open().count(), 0);
        assert_eq!(engine.peers.askable(engine.now, |_| true).is_empty(), !is_taken, "whose is of no use rests");
    }
}

#[test]
fn a_manifest_whose_block_counts_in_another_incarnation_is_of_no_use() {
    for (incarnation, is_taken) in [(0, true), (1, false)] {
        let mut world = at(5, 3);
        let mut snapshot = manifest(&world, checkpoint(0, 0, 9));
        snapshot.commit.ballot.incarnation = Incarnation(incarnation);
        world.meet(0, &[(1, 9, 12)]);
        let engine = engine(&mut world);
        engine.transfer = Transfer { far: Some((Height(5), engine.now)), ..Transfer::default() };
        engine.peers.asked(engine.now, Peer(1), Ask::Snapshot);
        engine.on_snapshot(Peer(1), Some(Box::new(snapshot)));
        assert_eq!(engine.transfer.fetch.is_some(), is_taken, "incarnation {incarnation}");
    }
}

#[test]
fn a_manifest_that_was_not_asked_for_or_comes_too_late_changes_nothing() {
    let mut world = at(5, 3);
    let snapshot = Box::new(manifest(&world, checkpoint(0, 0, 9)));
    for ask in [None, Some(Ask::Buckets), Some(Ask::Blocks(Height(6)))] {
        world.meet(0, &[(1, 9, 12), (2, 9, 12)]);
        let engine = engine(&mut world);
        engine.peers.asked(engine.now, Peer(2), Ask::Snapshot);
        ask.into_iter().for_each(|ask| engine.peers.asked(engine.now, Peer(1), ask));
        engine.on_snapshot(Peer(1), Some(snapshot.clone()));
        assert!(engine.transfer.fetch.is_none() && engine.out.is_empty());
        assert_eq!(engine.peers.open().count(), 1 + usize::from(ask.is_some()));
    }
    fetch(&mut world, 8);
    let engine = engine(&mut world);
    engine.on_snapshot(Peer(2), Some(snapshot));
    assert_eq!(engine.transfer.fetch.as_ref().map(Fetch::height), Some(Height(8)), "one is coming");
    assert!(engine.out.is_empty() && engine.peers.open().all(|(peer, _)| peer != Peer(2)));
}

/// What becomes of buckets 0 to 7 when the only peer answers so, having been asked for them.
fn answered(world: &mut World, parts: Vec<BucketPart>) -> Vec<Effect> {
    let engine = engine(world);
    let fetch = engine.transfer.fetch.as_mut().expect("it comes");
    let job = fetch.next_job(engine.now).expect("something is to be done");
    if engine.peers.open().count() == 0 {
        engine.ask_for_job(Peer(1), Height(10), job);
    }
    engine.out.clear();
    engine.on_buckets(Peer(1), BucketParts { height: Height(10), parts });
    std::mem::take(&mut engine.out)
}

#[test]
fn an_answer_with_buckets_has_its_consequences() {
    let mut world = at(0, 3);
    let size = BUCKETS_PER_REQUEST as u8;
    let whole = |buckets: std::ops::Range<u8>| -> Vec<_> {
        buckets.map(|bucket| BucketPart { bucket, coins: Vec::new(), is_last: true }).collect()
    };
    let tells = |effects: &[Effect]| effects.iter().any(|it| matches!(it, Effect::Trace(Trace::Transfer { .. })));
    let left = |engine: &Pbft| engine.transfer.fetch.as_ref().expect("it comes").todo.len();
    let is_useless = |engine: &Pbft| engine.transfer.fetch.as_ref().expect("it comes").useless.contains(&Peer(1));
    let rests = |engine: &Pbft| engine.peers.askable(engine.now, |_| true).is_empty();

    fetch(&mut world, 10);
    for count in [1, 2, 3] {
        world.meet(0, &[(1, 10, 10)]);
        let effects = answered(&mut world, Vec::new());
        let engine = engine(&mut world);
        assert_eq!(engine.transfer.fetch.as_ref().expect("it comes").empty[&Peer(1)], count, "it serves it no more");
        assert_eq!(effects, [Effect::Snapshot(SnapshotStep::Discard { bucket: 0 })], "nothing has come");
        assert!(left(engine) == COMMITMENT_BUCKETS && rests(engine) && !is_useless(engine));
    }

    world.meet(0, &[(1, 10, 10)]);
    engine(&mut world).transfer.fetch.as_mut().expect("it comes").useless.insert(Peer(1));
    let effects = answered(&mut world, whole(0..size));
    assert!(tells(&effects));
    let engine = engine(&mut world);
    assert_eq!((left(engine), engine.peers.open().count()), (COMMITMENT_BUCKETS - BUCKETS_PER_REQUEST, 0));
    assert!(!rests(engine) && !is_useless(engine), "all that was asked for");

    fetch(&mut world, 10);
    world.meet(0, &[(1, 10, 10)]);
    let mut effects = answered(&mut world, whole(0..3));
    assert!(tells(&effects));
    let after = Message::GetBuckets { height: Height(10), first: 3, last: size - 1, after: None };
    assert!(matches!(effects.pop(), Some(Effect::Send { message, .. }) if message == after), "it goes on");

    let engine = self::engine(&mut world);
    assert_eq!(engine.peers.open().count(), 1);
    engine.out.clear();
    engine.on_buckets(Peer(1), BucketParts { height: Height(10), parts: whole(5..6) });
    let blamed = |it: &Effect| matches!(it, Effect::Blame { peer: Peer(1), fault: Fault::Invalid { .. } });
    assert!(engine.out.iter().any(blamed) && has(engine, &SnapshotStep::Discard { bucket: 3 }));
    assert!(left(engine) == COMMITMENT_BUCKETS - 3 && rests(engine) && is_useless(engine), "a wrong one");

    fetch(&mut world, 10);
    world.meet(0, &[(1, 10, 10)]);
    self::engine(&mut world).transfer.fetch.as_mut().expect("it comes").bucket_ms = 0;
    let effects = answered(&mut world, whole(0..3));
    let engine = self::engine(&mut world);
    assert!(!effects.iter().any(blamed) && effects.contains(&Effect::Snapshot(SnapshotStep::Discard { bucket: 3 })));
    assert!(rests(engine) && is_useless(engine), "it takes too long");
    let before = left(engine);
    engine.on_buckets(Peer(1), BucketParts { height: Height(10), parts: whole(3..4) });
    assert!(engine.out.is_empty() && left(engine) == before, "nothing was asked for");
}

#[test]
fn what_a_peer_that_does_not_answer_was_asked_for_is_for_somebody_else() {
    for is_gone in [false, true] {
        let mut world = at(0, 3);
        fetch(&mut world, 10);
        world.meet(0, &[(1, 10, 10)]);
        let engine = engine(&mut world);
        engine.transfer();
        let left = |engine: &Pbft| engine.transfer.fetch.as_ref().expect("it comes").todo.len();
        assert_eq!(left(engine), COMMITMENT_BUCKETS - BUCKETS_PER_REQUEST);
        engine.transfer.fetch.as_mut().expect("it comes").empty.insert(Peer(1), 1);
        if is_gone {
            engine.on_disconnected(Peer(1));
        } else {
            engine.on_unanswered(Peer(1));
        }
        assert_eq!(left(engine), COMMITMENT_BUCKETS);
        assert!(has(engine, &SnapshotStep::Discard { bucket: 0 }));
        let fetch = engine.transfer.fetch.as_ref().expect("it comes");
        let known = (fetch.useless.contains(&Peer(1)), fetch.empty.contains_key(&Peer(1)), fetch.jobs.is_empty());
        assert_eq!(known, (!is_gone, !is_gone, true));
        assert_eq!(engine.peers.open().count(), 0);
        assert!(engine.peers.askable(engine.now, |_| true).is_empty(), "it rests, or is gone");
    }
}

#[test]
fn with_the_last_bucket_the_switch_is_handed_out_and_how_the_next_epoch_opens() {
    // The epoch that opens above the snapshot, what was known before, whether its members are news, and what is persisted.
    for (next, known, is_news, persisted) in [
        (0, 0, false, vec![]),
        (1, 0, true, vec![1]),
        (1, 1, false, vec![1]),
        (2, 0, false, vec![]),
        (2, 1, true, vec![1, 2]),
    ] {
        let mut world = at(5, 3);
        fetch(&mut world, 10);
        for epoch in 1..=known {
            let succession = succession(&world, epoch, 3 * epoch);
            assert!(engine(&mut world).epochs.learn(succession));
        }
        let engine = engine(&mut world);
        engine.out.clear();
        let fetch = engine.transfer.fetch.as_mut().expect("it comes");
        fetch.manifest.next.epoch = Epoch(next);
        fetch.sums = (0..=u8::MAX).map(|bucket| (bucket, Bucket::default())).collect();
        engine.transfer();
        let switch =
            |it: &Effect| if let Effect::Snapshot(SnapshotStep::Switch(it)) = it { Some(it.clone()) } else { None };
        let switch = engine.out.iter().find_map(switch).expect("all buckets are here");
        assert_eq!((switch.tip.height, switch.sequence + 1), (Height(10), engine.next_sequence));
        assert!(engine.transfer.is_switching() && engine.transfer.fetch.is_none());
        let members =
            |it: &Effect| matches!(it, Effect::Members { set, is_present: false } if set.epoch == Epoch(next));
        assert_eq!(engine.out.iter().any(members), is_news, "{next} {known}");
        let epoch = |it: &Effect| if let Effect::Persist(Record::Epoch(it)) = it { Some(it.epoch().0) } else { None };
        assert_eq!(engine.out.iter().filter_map(epoch).collect::<Vec<_>>(), persisted, "{next} {known}");
    }
}

/// A net whose replicas have eight empty blocks, on disk too.
fn eight() -> World {
    let mut world = World::new(Setup { dev: true, ..Setup::of(4) });
    while world.height(0) < 8 {
        (0..4).for_each(|index| world.told(index, Event::BlockNow));
        world.run();
    }
    assert_eq!(world.heights(), [8; 4]);
    world
}

/// The block at a height of that net.
fn tip(world: &World, height: u64) -> Tip {
    let chain = world.engine(0).chain();
    let id = chain.active_at(Height(height)).expect("it is final");
    Tip { height: Height(height), id, header: chain.block(&id).expect("it is held").header }
}

#[test]
fn after_the_switch_the_chain_goes_on_with_what_is_stored_and_keeps_what_is_in_flight_above() {
    let mut world = eight();
    let (base, buckets) = (tip(&world, 4), engine(&mut world).chain_mut().buckets().clone());
    let mut switching = switching(&world, base, 7, 0);
    switching.base.buckets = buckets;
    let engine = engine(&mut world);
    let heights = [4, 8, 9, 8 + SLOTS_MAX, 9 + SLOTS_MAX];
    engine.slots = heights.into_iter().map(|height| (Height(height), Slot::default())).collect();
    engine.transfer = Transfer { switching: Some(switching), rounds: 3, ..Transfer::default() };
    engine.on_switched(6);
    assert!(engine.transfer.is_switching() && engine.out.is_empty(), "it is not on disk");
    engine.on_switched(7);
    assert!(!engine.transfer.is_switching() && !engine.halted);
    assert_eq!(engine.chain().tip().height, Height(8));
    assert_eq!(engine.slots.keys().map(|height| height.0).collect::<Vec<_>>(), [9, 8 + SLOTS_MAX]);
    assert_eq!((engine.transfer.rounds, engine.transfer.not_below), (0, Height(4 + 200)));
    assert!(has(engine, &SnapshotStep::Switched(base)));
}

#[test]
fn what_was_final_is_connected_again_as_far_as_it_was_and_must_be_in_the_store() {
    let mut world = eight();
    let (base, buckets) = (tip(&world, 4), engine(&mut world).chain_mut().buckets().clone());
    for (up_to, expected) in [(8, (8, false)), (6, (6, false)), (4, (4, false)), (3, (4, false)), (9, (8, true))] {
        let engine = engine(&mut world);
        engine.chain.rebase(Base { tip: base, buckets: buckets.clone() });
        engine.connect_stored(Height(up_to));
        assert_eq!((engine.chain().tip().height.0, engine.halted), expected, "up to {up_to}");
    }
    let engine = engine(&mut world);
    engine.chain.rebase(Base { tip: base, buckets });
    engine.connect_stored(Height(8));
    assert_eq!(engine.chain().tip().height, Height(4), "it has stopped");
}

#[test]
fn the_certificate_of_a_snapshot_is_the_highest_unless_one_is_held_or_the_epoch_begins_there() {
    let mut world = eight();
    let base = tip(&world, 4);
    let block = world.genesis.block();
    for (held, start, is_taken) in [
        (None, 0, true),
        (Some(3), 0, true),
        (Some(4), 0, false),
        (Some(5), 0, false),
        (None, 4, false),
        (None, 5, false),
        (Some(4), 5, false),
    ] {
        let switching = switching(&world, base, 7, 0);
        let of_snapshot = switching.commit.clone();
        let held = held.map(|height| world.committed_in(0, height, &block, &[1, 2, 3]));
        let engine = engine(&mut world);
        (engine.highest, engine.start.height) = (held.clone(), Height(start));
        engine.transfer.switching = Some(switching);
        engine.on_switched(7);
        assert_eq!(engine.highest, if is_taken { Some(of_snapshot) } else { held }, "{start}");
    }
}

#[test]
fn a_snapshot_of_a_later_epoch_begins_that_one() {
    // The present epoch, the last one known, that of the snapshot, and whether it begins; else the view goes on too.
    for (present, known, of_snapshot, is_moved) in [
        (0, 1, 1, true),
        (0, 2, 1, true),
        (0, 2, 2, true),
        (0, 2, 0, false),
        (1, 1, 1, false),
        (1, 2, 1, false),
        (1, 2, 2, true),
        (0, 0, 0, false),
    ] {
        let mut world = at(4, 100);
        for epoch in 1..=known {
            let succession = succession(&world, epoch, 2);
            assert!(engine(&mut world).epochs.learn(succession));
        }
        let base = world.engine(0).chain().tip();
        let switching = switching(&world, base, 7, of_snapshot);
        let engine = engine(&mut world);
        (engine.set.epoch, engine.view) = (Epoch(present), View(3));
        engine.transfer.switching = Some(switching);
        engine.on_switched(7);
        let expected = if is_moved { (Epoch(of_snapshot), View(0)) } else { (Epoch(present), View(3)) };
        assert_eq!((engine.set.epoch, engine.view), expected, "{present} {known} {of_snapshot}");
    }
}

#[test]
fn who_has_a_snapshot_above_the_tip_and_no_block_there_shows_that_a_snapshot_is_needed() {
    let mut world = at(5, 3);
    for (stable, is_needed) in [(4, false), (5, false), (6, true)] {
        world.meet(0, &[(1, stable, 9)]);
        let engine = engine(&mut world);
        engine.transfer = Transfer::default();
        engine.peers.asked(engine.now, Peer(1), Ask::Blocks(Height(6)));
        engine.on_certified(Peer(1), Vec::new());
        assert_eq!(engine.transfer.is_needed_at, is_needed.then_some(Height(5)), "stable at {stable}");
        assert_eq!(engine.peers.askable(engine.now, |_| true).is_empty(), !is_needed, "others are asked otherwise");
        assert_eq!((engine.peers.open().count(), engine.out.len()), (0, 0), "it proves no lie");
    }
}
