use super::{Answered, BUCKET_MS, EMPTY_ANSWERS_MAX, Fetch, Job};
use crate::engine::Peer;
use crate::ledger::amount::Amount;
use crate::ledger::coins::Coin;
use crate::ledger::commitment::{Buckets, bucket_of};
use crate::ledger::hash::{BlockId, LockHash, TxId};
use crate::ledger::transaction::{MemberList, OutPoint};
use crate::ledger::units::{Epoch, Height, Incarnation, Time, View};
use crate::limits::{BUCKET_COINS_MAX, BUCKETS_PER_REQUEST, SNAPSHOT_COINS_PER_MESSAGE_MAX};
use crate::message::checkpoint::{BucketHashes, BucketPart, BucketParts, Checkpoint, CheckpointCertificate, Snapshot};
use crate::message::epoch::Opening;
use crate::message::{Ballot, CommitCertificate};
use crate::pbft::tests::made::{checkpoint_at, no_header};
use std::sync::LazyLock;

type Coins = Vec<(OutPoint, Coin)>;
/// Its bucket, its coins, and whether it is the last of that bucket.
type Part<'a> = (u8, &'a [(OutPoint, Coin)], bool);

/// Of bucket 1, more than one message holds.
static MANY: LazyLock<Coins> = LazyLock::new(|| coins(1, SNAPSHOT_COINS_PER_MESSAGE_MAX + 1));

/// Coins that belong to a bucket, in ascending order of names.
fn coins(bucket: u8, count: usize) -> Coins {
    let coin =
        Coin { amount: Amount::from_grains(5).unwrap(), lock: LockHash([1; 32]), height: Height(1), coinbase: false };
    let named = |number: u32| OutPoint { txid: TxId([7; 32]), index: number };
    let names = (0..).map(named).filter(|outpoint| bucket_of(outpoint) == bucket);
    let mut coins: Coins = names.take(count).map(|outpoint| (outpoint, coin)).collect();
    coins.sort_by_key(|(outpoint, _)| *outpoint);
    coins
}

/// The manifest of a snapshot of height 10 that holds these coins.
fn manifest(coins: &Coins) -> Snapshot {
    let buckets = BucketHashes::of(&Buckets::of(coins.iter().map(|(outpoint, coin)| (outpoint, coin))));
    let place = (Incarnation(0), Epoch(0));
    let checkpoint = Checkpoint { coins: buckets.commitment(), ..checkpoint_at(10) };
    let ballot =
        Ballot { incarnation: place.0, epoch: place.1, view: View(0), height: Height(10), block: BlockId::default() };
    Snapshot {
        certificate: CheckpointCertificate { checkpoint, seals: Vec::new() },
        header: no_header(),
        commit: CommitCertificate { ballot, commits: Vec::new() },
        buckets,
        next: Opening { epoch: place.1, members: MemberList(Vec::new()), readmitted: Vec::new() },
    }
}

fn answer(parts: &[Part<'_>]) -> BucketParts {
    let part =
        |(bucket, coins, is_last): &Part<'_>| BucketPart { bucket: *bucket, coins: coins.to_vec(), is_last: *is_last };
    BucketParts { height: Height(10), parts: parts.iter().map(part).collect() }
}

fn job(fetch: &mut Fetch) -> Job {
    fetch.next_job(Time(0)).expect("something is to be done")
}

#[test]
fn jobs_are_of_consecutive_buckets_that_nobody_is_asked_for() {
    let mut fetch = Fetch::new(manifest(&Vec::new()));
    let size = BUCKETS_PER_REQUEST as u16;
    for index in 0..256 / size {
        let job = job(&mut fetch);
        assert_eq!((job.next, u16::from(job.last)), (index * size, index * size + size - 1));
    }
    assert!(fetch.next_job(Time(0)).is_none());
    fetch.todo.extend([3, 4, 6, 253, 254, 255]);
    let ranges: Vec<(u16, u8)> = std::iter::from_fn(|| fetch.next_job(Time(0))).map(|it| (it.next, it.last)).collect();
    assert_eq!(ranges, [(3, 4), (6, 6), (253, 255)]);
}

#[test]
fn what_is_left_of_a_job_is_for_somebody_else() {
    let mut fetch = Fetch::new(manifest(&Vec::new()));
    let mut job = job(&mut fetch);
    job.next = 5;
    assert_eq!(fetch.release(&job), Some(5), "the bucket that was coming begins anew");
    assert_eq!(fetch.todo.range(..8).copied().collect::<Vec<_>>(), [5, 6, 7]);
    job.next = 8;
    assert_eq!(fetch.release(&job), None, "it was done");
    (job.next, job.last) = (256, 255);
    assert_eq!(fetch.release(&job), None, "it was done, with the last of all");
    assert_eq!(fetch.todo.len(), 251);
}

#[test]
fn a_job_is_done_with_its_last_bucket_and_not_before() {
    for count in 1..=BUCKETS_PER_REQUEST {
        let mut fetch = Fetch::new(manifest(&Vec::new()));
        let mut job = job(&mut fetch);
        let parts: Vec<_> = (0..count as u8).map(|bucket| (bucket, [].as_slice(), true)).collect();
        let expected = if count < BUCKETS_PER_REQUEST { Answered::More } else { Answered::Done };
        assert_eq!(fetch.answered(Time(1), &mut job, answer(&parts)).0, expected, "{count} buckets");
        assert_eq!((usize::from(job.next), fetch.sums.len()), (count, count));
    }
}

#[test]
fn a_bucket_comes_in_parts_and_its_sum_is_the_one_of_the_manifest() {
    let mut fetch = Fetch::new(manifest(&MANY));
    let mut job = job(&mut fetch);
    let (first, rest) = MANY.split_at(SNAPSHOT_COINS_PER_MESSAGE_MAX);
    let (answered, steps) = fetch.answered(Time(1), &mut job, answer(&[(0, &[], true), (1, first, false)]));
    assert_eq!((answered, steps.len()), (Answered::More, 2));
    assert_eq!((job.next, job.after, job.count), (1, Some(first[first.len() - 1].0), first.len() as u64));
    assert_eq!(fetch.sums.len(), 1);
    let others: Vec<_> = (2..8).map(|bucket| (bucket, [].as_slice(), true)).collect();
    let (answered, steps) =
        fetch.answered(Time(2), &mut job, answer(&[[(1, rest, true)].as_slice(), &others].concat()));
    assert_eq!((answered, steps.len()), (Answered::Done, 7));
    assert_eq!(fetch.sums.len(), 8);
    assert_eq!((job.next, job.after, job.count, job.since), (8, None, 0, Time(2)));
}

#[test]
fn what_cannot_be_is_told_apart() {
    let held = coins(0, 3);
    let [a, b, c] = [held[0], held[1], held[2]];
    let stranger = coins(1, 1)[0];
    let order = "coins are not in strictly ascending order";
    let unasked = "a bucket that was not asked for";
    let short = "an answer that is neither full nor ends with a bucket";
    let wrong = "the coins are not those of the checkpoint";
    let cases: [(&str, BucketParts); 11] = [
        (order, answer(&[(0, &[b, a, c], true)])),
        (order, answer(&[(0, &[a, a, b, c], true)])),
        (order, answer(&[(0, &[a, b], false), (0, &[b, c], true)])),
        ("a coin belongs to another bucket", answer(&[(0, &[stranger], true)])),
        (wrong, answer(&[(0, &[a, b], true)])),
        (unasked, answer(&[(1, &[], true)])),
        (unasked, answer(&[(255, &[], true)])),
        (
            unasked,
            answer(&(0..9).map(|bucket| (bucket, if bucket == 0 { &held[..] } else { &[] }, true)).collect::<Vec<_>>()),
        ),
        ("no coins, and not the end of the bucket", answer(&[(0, &[], false)])),
        (short, answer(&[(0, &[a], false)])),
        (short, answer(&[(0, &held, true), (1, &[stranger], false)])),
    ];
    for (reason, lie) in cases {
        let mut fetch = Fetch::new(manifest(&held));
        let mut job = job(&mut fetch);
        let (answered, _) = fetch.answered(Time(0), &mut job, lie.clone());
        assert_eq!(answered, Answered::Wrong(reason), "{lie:?}");
    }
}

#[test]
fn of_one_bucket_so_many_coins_are_taken_before_its_sum_must_be_right() {
    let held = coins(0, 2);
    let mut fetch = Fetch::new(manifest(&held));
    let mut job = Job { count: BUCKET_COINS_MAX - 1, ..job(&mut fetch) };
    let part = |index: usize| BucketPart { bucket: 0, coins: vec![held[index]], is_last: false };
    assert_eq!(fetch.take(Time(0), &mut job, &part(0)), Ok(()), "the last one");
    assert_eq!(fetch.take(Time(0), &mut job, &part(1)), Err("too many coins"));
}

#[test]
fn whoever_does_not_serve_it_says_so_twice() {
    let mut fetch = Fetch::new(manifest(&Vec::new()));
    let mut job = job(&mut fetch);
    let other_height = BucketParts { height: Height(11), ..answer(&[(0, &[], true)]) };
    for nothing in [answer(&[]), other_height] {
        assert_eq!(fetch.answered(Time(0), &mut job, nothing), (Answered::NotServed, Vec::new()));
    }
    let peer = Peer(1);
    for count in 0..4 {
        fetch.empty.insert(peer, count);
        assert_eq!(fetch.is_empty_handed(peer), count >= EMPTY_ANSWERS_MAX);
    }
    assert!(!fetch.is_empty_handed(Peer(2)));
}

#[test]
fn a_bucket_has_its_time_and_the_next_one_twice_as_much() {
    for (at, expected) in [(BUCKET_MS - 1, Answered::More), (BUCKET_MS, Answered::Late)] {
        let mut fetch = Fetch::new(manifest(&MANY));
        let mut job = Job { next: 1, ..job(&mut fetch) };
        let full = answer(&[(1, &MANY[..SNAPSHOT_COINS_PER_MESSAGE_MAX], false)]);
        assert_eq!(fetch.answered(Time(at), &mut job, full).0, expected);
        assert_eq!(fetch.bucket_ms, if expected == Answered::Late { 2 * BUCKET_MS } else { BUCKET_MS });
    }
}
