use super::*;
use crate::ledger::hash::{NetworkId, SetHash};
use crate::ledger::key::SigningKey;
use crate::ledger::lock::LockTime;
use crate::ledger::transaction::Transfer;
use crate::pbft::tests::made::no_header;

const PARAMS: PbftParams = PbftParams {
    depth: 4,
    checkpoint_interval: 10,
    view_timeout_ms: 1_000,
    view_timeout_max_ms: 60_000,
    drift_s: 10,
    block_time_ms: 0,
    readmit_interval: 100,
};

fn key(index: u8) -> PublicKey {
    SigningKey::from_seed(&[index; 32]).public()
}

fn keys(count: u8) -> Vec<PublicKey> {
    (0..count).map(key).collect()
}

fn readmission(index: u8, height: u64) -> Readmission {
    Readmission { member: key(index), nonce: [index; 32], height: Height(height) }
}

/// Epoch 3 of four members, the second of which was re-admitted at height 50.
fn opening() -> Opening {
    Opening { epoch: Epoch(3), members: MemberList(keys(4)), readmitted: vec![readmission(1, 50)] }
}

fn members(members: Vec<PublicKey>) -> EpochChange {
    EpochChange::Members { set: set().hash(), members: MemberList(members) }
}

fn readmit(index: u8) -> EpochChange {
    EpochChange::Readmit { epoch: Epoch(3), member: key(index), nonce: [index; 32] }
}

fn set() -> ValidatorSet {
    opening().set(&NetworkId([1; 32]))
}

fn block(changes: Vec<EpochChange>) -> Block {
    let transaction = |change| Transaction::new(Body::Epoch(change), Vec::new());
    let header = no_header();
    Block { header, transactions: changes.into_iter().map(transaction).collect() }
}

/// What becomes of these changes in one block each, from height 101 on.
fn taken(changes: Vec<EpochChange>) -> (Changes, Vec<bool>) {
    let (opening, set) = (opening(), set());
    let terms = Terms { opening: &opening, set: &set, params: &PARAMS };
    let mut all = Changes::default();
    let mut results = Vec::new();
    for (height, change) in (101..).zip(changes) {
        results.push(all.take(terms, Height(height), &block(vec![change])).is_ok());
    }
    (all, results)
}

#[test]
fn what_fits_the_epoch_is_admitted_once() {
    let other_set = EpochChange::Members { set: SetHash([9; 32]), members: MemberList(keys(5)) };
    let other_epoch = |epoch| EpochChange::Readmit { epoch: Epoch(epoch), member: key(0), nonce: [0; 32] };
    for (change, is_admitted) in [
        (members(keys(5)), true),
        (other_set, false),
        (members((0..=u8::MAX).map(key).collect()), false),
        (readmit(0), true),
        (readmit(4), false),
        (other_epoch(2), false),
        (other_epoch(4), false),
    ] {
        assert_eq!(taken(vec![change.clone()]).1, [is_admitted], "{change:?}");
    }
    assert_eq!(
        taken(vec![members(keys(5)), members(keys(6)), readmit(0), readmit(2), readmit(0)]).1,
        [true, false, true, true, false]
    );
}

#[test]
fn a_member_is_readmitted_again_when_the_interval_is_over() {
    let (opening, set) = (opening(), set());
    let terms = Terms { opening: &opening, set: &set, params: &PARAMS };
    // The last time was at height 50.
    for (height, is_admitted) in [(51, false), (149, false), (150, true), (151, true)] {
        let result = Changes::default().admit(terms, Height(height), &readmit(1));
        assert_eq!(result.is_ok(), is_admitted, "at height {height}");
        assert!(Changes::default().admit(terms, Height(height), &readmit(2)).is_ok(), "it bars nobody else");
    }
}

#[test]
fn the_first_change_fixes_the_last_height_and_nothing_is_valid_above() {
    let (opening, set) = (opening(), set());
    let terms = Terms { opening: &opening, set: &set, params: &PARAMS };
    for (first, last) in [(101, 110), (109, 110), (110, 110), (111, 120)] {
        let mut changes = Changes::default();
        assert_eq!(changes.last_height(&PARAMS), None);
        assert!(changes.take(terms, Height(first), &block(vec![readmit(0)])).is_ok());
        assert_eq!(changes.last_height(&PARAMS), Some(Height(last)), "{first}");
        assert!(changes.take(terms, Height(last), &block(vec![readmit(2)])).is_ok());
        assert_eq!(changes.last_height(&PARAMS), Some(Height(last)), "a later change moves nothing");
        for above in [vec![], vec![readmit(3)]] {
            let result = changes.take(terms, Height(last + 1), &block(above));
            assert!(matches!(result, Err(BlockError::Header(_))), "{first}: {result:?}");
        }
    }
}

#[test]
fn what_is_wrong_names_its_place_in_the_block() {
    let (opening, set) = (opening(), set());
    let terms = Terms { opening: &opening, set: &set, params: &PARAMS };
    let result = Changes::default().take(terms, Height(101), &block(vec![readmit(0), readmit(2), readmit(2)]));
    assert!(matches!(result, Err(BlockError::Transaction { index: 2, .. })), "{result:?}");
}

#[test]
fn the_next_epoch_opens_with_the_changes_and_who_was_readmitted_of_late() {
    let before = opening();
    let open = |changes: Vec<EpochChange>, last| taken(changes).0.opening(&before, Height(last), &PARAMS);
    let next = open(vec![readmit(2)], 110);
    assert_eq!((next.epoch, &next.members), (Epoch(4), &before.members));
    let mut expected = vec![readmission(1, 50), readmission(2, 101)];
    expected.sort_by_key(|it| it.member);
    assert_eq!(next.readmitted, expected);
    assert_eq!(open(vec![readmit(2)], 149).readmitted.len(), 2);
    assert_eq!(open(vec![readmit(2)], 150).readmitted, [readmission(2, 101)], "its interval is over");
    let without = open(vec![readmit(2), readmit(0), members(vec![key(2), key(7)])], 110);
    assert_eq!(without.members, MemberList(vec![key(2), key(7)]));
    assert_eq!(without.readmitted, [readmission(2, 101)], "the others are no members any more");
}

#[test]
fn a_block_changes_members_if_any_of_its_transactions_does() {
    assert!(!is_changing(&block(vec![])));
    assert!(is_changing(&block(vec![readmit(0)])));
    let mut mixed = block(vec![readmit(0)]);
    let transfer = Transfer { inputs: Vec::new(), outputs: Vec::new(), lock_time: LockTime::Height(Height(0)) };
    let transfer = Transaction::new(Body::Transfer(transfer), Vec::new());
    assert!(change_of(&transfer).is_none());
    mixed.transactions.insert(0, transfer.clone());
    assert!(is_changing(&mixed));
    mixed.transactions.truncate(1);
    assert!(!is_changing(&mixed));
}
