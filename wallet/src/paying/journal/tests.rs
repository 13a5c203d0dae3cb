use super::*;
use crate::paying::build::{KeyCoin, transfer};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::Output;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;

const NETWORK: NetworkId = NetworkId([3; 32]);

fn attempt(kind: Kind, seed: u8) -> Attempt {
    let key = SigningKey::from_seed(&[1; 32]);
    let amount = Amount::from_grains(1_000).unwrap();
    let coin = KeyCoin { outpoint: OutPoint { txid: TxId([seed; 32]), index: 0 }, amount, key: &key };
    let transaction = transfer(&NETWORK, &[coin], vec![Output { amount, lock: LockHash([2; 32]) }]);
    Attempt { kind, transaction, fee: Amount::ZERO, change: amount }
}

fn entry(id: Option<&str>, seed: u8) -> Entry {
    Entry { id: id.map(str::to_owned), asked: [seed; 32], attempt: attempt(Kind::Send, seed) }
}

#[test]
fn what_was_written_is_found_again_on_its_own_net() {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("alice.json");
    let mut journal = Journal::open(&wallet, &NETWORK).unwrap();
    assert!(journal.add(&[entry(Some("a"), 1), entry(None, 2)]).unwrap());
    let bump = attempt(Kind::Bump, 3);
    let number = journal.find("a").unwrap().unwrap().number;
    journal.add_attempt(number, &bump).unwrap();
    drop(journal);
    let mode = std::fs::metadata(path(&wallet)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut journal = Journal::open(&wallet, &NETWORK).unwrap();
    let kept = journal.find("a").unwrap().unwrap();
    assert_eq!((kept.asked, &kept.attempts[..]), ([1; 32], &[attempt(Kind::Send, 1), bump.clone()][..]));
    assert_eq!(journal.of(&bump.transaction.id()).unwrap().unwrap(), kept);
    assert!(journal.of(&attempt(Kind::Send, 2).transaction.id()).unwrap().is_some());
    assert_eq!(journal.reserved().unwrap().len(), 2, "payments without an id keep no coins");
    assert!(!journal.add(&[entry(None, 8), entry(Some("a"), 9)]).unwrap(), "all or none");
    assert!(journal.of(&attempt(Kind::Send, 8).transaction.id()).unwrap().is_none());

    let other = Journal::open(&wallet, &NetworkId([4; 32])).unwrap();
    assert_eq!(other.find("a").unwrap(), None);
    assert!(other.reserved().unwrap().is_empty());
}

#[test]
fn it_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(&dir.path().join("alice.json"), &NETWORK).unwrap();
    let many: Vec<Entry> = (0..UNNAMED_MAX).map(|_| entry(None, 1)).collect();
    assert!(journal.add(&[entry(None, 7), entry(Some("kept"), 8)]).unwrap());
    assert!(journal.add(&many).unwrap());
    assert!(journal.of(&attempt(Kind::Send, 7).transaction.id()).unwrap().is_none(), "the oldest is forgotten");
    assert!(journal.find("kept").unwrap().is_some());
    let number = journal.find("kept").unwrap().unwrap().number;
    for _ in 1..ATTEMPTS_MAX {
        journal.add_attempt(number, &attempt(Kind::Bump, 9)).unwrap();
    }
    assert_eq!(journal.add_attempt(number, &attempt(Kind::Bump, 9)).unwrap_err().kind(), "too-many-attempts");
}

#[test]
fn anything_else_is_not_taken_for_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("alice.json");
    std::fs::write(
        path(&wallet),
        "not a database, and longer than its header would be, which is a hundred bytes long; so here are more",
    )
    .unwrap();
    let error = Journal::open(&wallet, &NETWORK).unwrap_err();
    assert!(error.to_string().contains("move it away"), "{error}");
    std::fs::remove_file(path(&wallet)).unwrap();
    Connection::open(path(&wallet)).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    let error = Journal::open(&wallet, &NETWORK).unwrap_err();
    assert!(error.to_string().contains("no database of a wallet"), "{error}");
}

#[test]
fn ids_are_short_and_plain() {
    for good in ["a", "invoice-17", "2026-12/salary:3", &"x".repeat(ID_CHARS_MAX)] {
        check_id(good).unwrap();
    }
    for bad in ["", "a b", "ä", "a\n", &"x".repeat(ID_CHARS_MAX + 1)] {
        assert_eq!(check_id(bad).unwrap_err().exit_status(), 2, "{bad:?}");
    }
}
