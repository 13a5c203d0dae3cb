use super::Checkpoints;
use crate::engine::{Peer, Record};
use crate::ledger::commitment::Buckets;
use crate::ledger::hash::CoinCommitment;
use crate::ledger::key::Signature;
use crate::ledger::units::{Height, Time};
use crate::limits::{CHECKPOINTS_PER_MEMBER_MAX, SNAPSHOTS_HELD};
use crate::message::checkpoint::{BucketHashes, Checkpoint, CheckpointCertificate, CheckpointState, CheckpointVote};
use crate::pbft::tests::cluster::{Setup, World};
use crate::pbft::tests::made::{checkpoint_at, no_header};

fn vote(signer: u16, height: u64) -> CheckpointVote {
    CheckpointVote { checkpoint: checkpoint_at(height), signer, signature: Signature([0; 64]) }
}

fn certificate(height: u64) -> CheckpointCertificate {
    CheckpointCertificate { checkpoint: checkpoint_at(height), seals: Vec::new() }
}

fn state(height: u64) -> CheckpointState {
    let header = no_header();
    CheckpointState { checkpoint: checkpoint_at(height), header, buckets: BucketHashes::of(&Buckets::default()) }
}

/// With a stable checkpoint that was found here too.
fn stable_at(height: u64) -> Checkpoints {
    let mut checkpoints = Checkpoints::default();
    checkpoints.states.insert(Height(height), state(height));
    checkpoints.hold(certificate(height));
    checkpoints
}

fn heights<T>(map: &std::collections::BTreeMap<Height, T>) -> Vec<u64> {
    map.keys().map(|height| height.0).collect()
}

#[test]
fn with_a_members_lowest_vote_goes_that_its_contradiction_was_reported() {
    let mut checkpoints = Checkpoints::default();
    checkpoints.add(vote(2, 1));
    let most = CHECKPOINTS_PER_MEMBER_MAX as u64;
    for height in 1..=most {
        assert!(checkpoints.add(vote(1, height)).is_some());
    }
    checkpoints.reported.extend([(1, Height(1)), (1, Height(2)), (2, Height(1))]);
    checkpoints.check();
    assert!(checkpoints.add(vote(1, most + 1)).is_some());
    assert_eq!(heights(&checkpoints.votes[&1]), (2..=most + 1).collect::<Vec<_>>());
    assert_eq!(checkpoints.reported.iter().copied().collect::<Vec<_>>(), [(1, Height(2)), (2, Height(1))]);
    checkpoints.check();
}

#[test]
fn what_is_found_right_heals_what_was_wrong_there_and_below() {
    for (diverged, is_healed) in [(2, true), (4, true), (6, false)] {
        let mut checkpoints = Checkpoints { diverged: Some(certificate(diverged)), ..Checkpoints::default() };
        checkpoints.states.insert(Height(4), state(4));
        checkpoints.hold(certificate(4));
        assert_eq!(checkpoints.diverged.is_none(), is_healed, "{diverged}");
    }
}

#[test]
fn a_certificate_is_expected_above_the_stable_one_only_and_the_first_counts() {
    let mut checkpoints = stable_at(4);
    for height in [2, 4, 6, 8] {
        checkpoints.expect(certificate(height));
    }
    let other = Checkpoint { coins: CoinCommitment([1; 32]), ..checkpoint_at(6) };
    checkpoints.expect(CheckpointCertificate { checkpoint: other, seals: Vec::new() });
    assert_eq!(heights(&checkpoints.waiting), [6, 8]);
    assert_eq!(checkpoints.waiting[&Height(6)], certificate(6));
}

#[test]
fn an_epoch_begins_without_the_votes_of_the_one_before() {
    let mut checkpoints = stable_at(4);
    checkpoints.add(vote(1, 6));
    checkpoints.reported.insert((1, Height(6)));
    checkpoints.begin_epoch();
    assert_eq!((checkpoints.votes.len(), checkpoints.reported.len()), (0, 0));
    assert_eq!(checkpoints.add(vote(1, 6)), Some(1), "counted anew");
}

#[test]
fn a_stable_checkpoint_makes_useless_what_is_below() {
    let mut checkpoints = Checkpoints::default();
    for height in [2, 4, 6] {
        checkpoints.add(vote(1, height));
        checkpoints.reported.insert((1, Height(height)));
        checkpoints.waiting.insert(Height(height), certificate(height));
        checkpoints.states.insert(Height(height), state(height));
    }
    checkpoints.add(vote(2, 2));
    checkpoints.hold(certificate(4));
    assert_eq!(heights(&checkpoints.votes[&1]), [4, 6]);
    assert!(!checkpoints.votes.contains_key(&2));
    assert_eq!(checkpoints.reported.iter().copied().collect::<Vec<_>>(), [(1, Height(4)), (1, Height(6))]);
    assert_eq!(heights(&checkpoints.waiting), [6]);
    assert_eq!(heights(&checkpoints.states), [4, 6]);
    checkpoints.check();
}

#[test]
fn the_highest_are_kept() {
    let most = CHECKPOINTS_PER_MEMBER_MAX as u64;
    let mut checkpoints = stable_at(1);
    for height in 2..=most + 3 {
        checkpoints.waiting.insert(Height(height), certificate(height));
        checkpoints.states.insert(Height(height), state(height));
    }
    checkpoints.prune();
    let above: Vec<u64> = (4..=most + 3).collect();
    assert_eq!(heights(&checkpoints.waiting), above);
    assert_eq!(heights(&checkpoints.states), [[1].as_slice(), &above].concat(), "the stable one is not counted");
    for height in 2..=SNAPSHOTS_HELD as u64 + 1 {
        checkpoints.states.insert(Height(height), state(height));
        checkpoints.hold(certificate(height));
    }
    assert_eq!(heights(&checkpoints.held), (2..=SNAPSHOTS_HELD as u64 + 1).collect::<Vec<_>>());
    assert!(!checkpoints.states.contains_key(&Height(1)));
    checkpoints.check();
}

#[test]
fn nothing_more_than_that_is_kept_unnoticed() {
    type Break = fn(&mut Checkpoints);
    let breaks: [Break; 6] = [
        |it| {
            it.votes
                .entry(1)
                .or_default()
                .extend((0..=CHECKPOINTS_PER_MEMBER_MAX as u64).map(|height| (Height(height), vote(1, height))))
        },
        |it| assert!(it.reported.insert((1, Height(1)))),
        |it| {
            it.waiting
                .extend((0..=CHECKPOINTS_PER_MEMBER_MAX as u64).map(|height| (Height(height), certificate(height))))
        },
        |it| {
            it.states.extend(
                (10..11 + (CHECKPOINTS_PER_MEMBER_MAX + SNAPSHOTS_HELD) as u64)
                    .map(|height| (Height(height), state(height))),
            )
        },
        |it| it.held.extend((5..6 + SNAPSHOTS_HELD as u64).map(|height| (Height(height), certificate(height)))),
        |it| drop(it.states.remove(&Height(4))),
    ];
    for (number, spoil) in breaks.into_iter().enumerate() {
        let mut checkpoints = stable_at(4);
        checkpoints.check();
        spoil(&mut checkpoints);
        let checked = std::panic::catch_unwind(|| checkpoints.check());
        assert!(checked.is_err(), "{number}");
    }
}

#[test]
fn a_peer_that_was_away_is_told_again() {
    let (mut checkpoints, peer) = (Checkpoints::default(), Peer(1));
    assert!(checkpoints.told.take(Time(0), peer) && !checkpoints.told.take(Time(0), peer));
    checkpoints.disconnected(peer);
    assert!(checkpoints.told.take(Time(0), peer));
}

#[test]
fn a_start_compares_what_is_stable_below_the_tip_with_what_was_found_there() {
    for (is_other, stable) in [(false, Height(4)), (true, Height(2))] {
        let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
        for index in 0..5 {
            world.submit(index);
            world.run();
        }
        world.kill(0);
        world.disk(0, |disk| {
            let states = disk.records.iter_mut().filter_map(|record| match record {
                Record::CheckpointState(state) => Some(&mut state.checkpoint),
                _ => None,
            });
            states.filter(|found| is_other && found.height == Height(4)).for_each(|found| found.coins.0[0] ^= 1);
        });
        world.start(0);
        let checkpoints = &world.engine(0).checkpoints;
        assert_eq!((checkpoints.stable(), checkpoints.diverged.is_some()), (stable, is_other));
    }
}
