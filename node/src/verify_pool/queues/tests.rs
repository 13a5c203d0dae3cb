//! What is verified next, and what is not.

use super::*;
use crate::ports::Origin;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::lock::LockTime;
use bezant_consensus::ledger::transaction::{Body, OutPoint, Output, Transfer};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::TransactionBatch;

fn transaction(number: u32) -> Transaction {
    let inputs = vec![OutPoint { txid: TxId([1; 32]), index: number }];
    let outputs = vec![Output { amount: Amount::ZERO, lock: LockHash([2; 32]) }];
    let body = Body::Transfer(Transfer { inputs, outputs, lock_time: LockTime::Height(Height(0)) });
    Transaction::new(body, Vec::new())
}

fn message(peer: u64, message: Message) -> NetEvent {
    NetEvent::Message { from: Peer(peer), message, bytes: 100, origin: Origin::Direct }
}

/// A batch of so many transactions, that can be told by the first one's number.
fn batch(peer: u64, number: u32, count: usize) -> NetEvent {
    message(peer, Message::TransactionBatch(TransactionBatch(vec![transaction(number); count])))
}

fn request(peer: u64) -> NetEvent {
    message(peer, Message::GetCertified { from: Height(1), count: 1 })
}

/// Of a user; the receiver is dropped, as when the user has gone.
fn submission(count: usize) -> Submission {
    Submission { transactions: vec![transaction(0); count], verified: oneshot::channel().0 }
}

/// Of whom each event is, and its number, or `None` for what is no transaction.
fn told(events: &[Timed]) -> Vec<(u64, Option<u32>)> {
    let number = |transaction: &Transaction| match transaction.body() {
        Body::Transfer(transfer) => transfer.inputs[0].index,
        other => panic!("{other:?}"),
    };
    let tell = |(_, event): &Timed| match event {
        NetEvent::Message { from, message: Message::TransactionBatch(batch), .. } => {
            (from.0, Some(number(&batch.0[0])))
        }
        other => (peer_of(other).0, None),
    };
    events.iter().map(tell).collect()
}

fn push_all(queues: &mut Queues, events: impl IntoIterator<Item = NetEvent>) {
    for event in events {
        queues.push(event, true).expect("there is room");
    }
}

#[test]
fn peers_have_turns_and_each_ones_order_is_kept() {
    let mut queues = Queues::default();
    assert_eq!(queues.push(batch(1, 0, 1), true).unwrap(), Some(Next::Gather));
    push_all(&mut queues, (1..4).map(|number| batch(1, number, 1)));
    push_all(&mut queues, (10..12).map(|number| batch(2, number, 1)));
    push_all(&mut queues, [NetEvent::Disconnected(Peer(2))]);
    assert_eq!(queues.push(request(1), true).unwrap(), Some(Next::Events(Peer(1))), "is not behind transactions");
    let batches = queues.gather(4, true);
    assert_eq!(batches.len(), 1, "no more than they fill");
    let order = [(1, Some(0)), (2, Some(10)), (1, Some(1)), (2, Some(11)), (1, Some(2)), (2, None), (1, Some(3))];
    assert_eq!(told(&batches[0].events), order, "whoever goes, goes last");
    assert_eq!(told(&queues.next_events(Peer(1))), [(1, None)]);
    assert!(queues.next_events(Peer(1)).is_empty() && queues.gather(4, true).is_empty(), "both are done");
    assert!(queues.by_peer.is_empty() && queues.turns.is_empty() && queues.bytes == 0, "and nothing is left");
    assert_eq!(queues.push(batch(1, 0, 1), true).unwrap(), Some(Next::Gather), "it begins anew");
}

#[test]
fn what_waits_fills_batches_up_to_the_number_asked_for() {
    let mut queues = Queues::default();
    push_all(&mut queues, (0..8).map(|number| batch(1, number, 100)));
    let counts = |queues: &mut Queues, max| queues.gather(max, true).iter().map(|it| it.count).collect::<Vec<_>>();
    assert_eq!(counts(&mut queues, 2), [300, 300]);
    assert!(!queues.start_gathering(true), "one gathers still");
    assert_eq!(counts(&mut queues, 2), [200]);
    assert_eq!(counts(&mut queues, 2), [0; 0]);
    assert!(!queues.start_gathering(true), "nothing waits");
}

#[test]
fn users_have_a_share_and_what_peers_leave() {
    let mut queues = Queues::default();
    for _ in 0..300 {
        let _ = queues.submit(submission(1));
    }
    push_all(&mut queues, (0..20).map(|number| batch(1, number, 10)));
    let batches = queues.gather(8, true);
    let shares: Vec<_> = batches.iter().map(|batch| (batch.submissions.len(), batch.events.len())).collect();
    assert_eq!(shares, [(64, 20), (236, 0)]);
}

#[test]
fn while_the_runtime_is_behind_only_users_are_served() {
    let mut queues = Queues::default();
    assert_eq!(queues.push(batch(1, 0, 1), false).unwrap(), None);
    assert!(queues.submit(submission(1)).unwrap());
    let batches = queues.gather(2, false);
    assert_eq!((batches.len(), batches[0].submissions.len(), batches[0].events.len()), (1, 1, 0));
    assert!(queues.gather(2, false).is_empty());
    assert!(!queues.start_gathering(false) && queues.start_gathering(true), "until there is room");
    assert_eq!(told(&queues.gather(2, true)[0].events), [(1, Some(0))]);
}

#[test]
fn a_forged_one_sets_users_apart_for_a_while() {
    let mut queues = Queues::default();
    let round = |queues: &mut Queues| {
        let _ = queues.submit(submission(1));
        push_all(queues, [batch(1, 0, 1)]);
        let batches = queues.gather(1, true);
        queues.answered(1, false);
        batches.len()
    };
    assert_eq!(round(&mut queues), 1);
    queues.answered(0, true);
    for _ in 1..USERS_APART {
        assert_eq!(round(&mut queues), 2);
    }
    assert_eq!(round(&mut queues), 1, "forgiven");
}

#[test]
fn queues_have_limits() {
    let mut queues = Queues::default();
    for _ in 0..PEER_QUEUE_MESSAGES_MAX {
        queues.push(request(1), true).expect("there is room");
    }
    assert!(queues.push(request(1), true).is_err(), "messages of one");
    let misbehaved = NetEvent::Disconnected(Peer(1));
    assert!(queues.push(misbehaved, true).is_ok(), "what is never dropped");
    assert!(queues.push(request(2), true).is_ok(), "others do not suffer");

    let large = |peer| match request(peer) {
        NetEvent::Message { from, message, origin, .. } => {
            NetEvent::Message { from, message, bytes: PEER_QUEUE_BYTES_MAX, origin }
        }
        other => panic!("{other:?}"),
    };
    let mut queues = Queues::default();
    queues.push(large(1), true).expect("there is room");
    assert!(queues.push(request(1), true).is_err(), "bytes of one");
    let before = (2..).take_while(|peer| queues.push(large(*peer), true).is_ok()).count();
    assert_eq!(before + 1, QUEUES_BYTES_MAX / PEER_QUEUE_BYTES_MAX, "bytes of all");
    assert_eq!(queues.by_peer.len(), before + 1, "who was refused has left nothing");

    let mut queues = Queues::default();
    assert!(queues.submit(submission(USER_TRANSACTIONS_MAX)).is_ok());
    assert!(queues.submit(submission(1)).is_err(), "transactions of users");
    let _ = queues.gather(2, true);
    assert!(queues.submit(submission(1)).is_err(), "they count while they are verified");
    queues.answered(USER_TRANSACTIONS_MAX, false);
    assert!(queues.submit(submission(1)).is_ok());
}
