//! Runs against a plain map: whatever was written, merged, swept and started again, a read finds what the last write said.

use super::merge::{Merging, Pace};
use super::{Catalog, FANOUT, GONE, Kind, Records, Scan, discard, get, next_id, write_run};
use crate::store::schema;
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;

/// A key that is spread as the ledger's are.
fn key(number: u16) -> [u8; 37] {
    let hash = bezant_consensus::ledger::hash::sha256(&number.to_be_bytes());
    std::array::from_fn(|at| if at < 32 { hash[at] } else { number.to_be_bytes()[at % 2] })
}

struct Store {
    connection: Connection,
    catalog: Catalog,
    merging: Merging,
    next_id: u64,
}

/// So little that a merge of a few runs takes many steps.
const SLOW: Pace = Pace { records: 100, chunks: 2 };
/// More than there is to do in any of these tests.
const STEPS_MAX: usize = 5_000;

impl Store {
    fn open(path: &Path) -> Store {
        let connection = schema::open_writer(path).expect("opens");
        let tables =
            "CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, kind INTEGER, ord INTEGER, records INTEGER,
                        fences BLOB, filter BLOB);
                      CREATE TABLE IF NOT EXISTS chunks (id INTEGER PRIMARY KEY, data BLOB);
                      CREATE TABLE IF NOT EXISTS litter (run INTEGER PRIMARY KEY);";
        connection.execute_batch(tables).expect("makes tables");
        let catalog = Catalog::load(&connection, &Catalog::default()).expect("reads");
        let next_id = next_id(&connection).expect("reads");
        let mut merging = Merging::after_start();
        merging.pace = SLOW;
        Store { connection, catalog, merging, next_id }
    }

    fn flush(&mut self, changes: &BTreeMap<u16, Option<u8>>) {
        let mut records = Records::new(Kind::Coins);
        for (number, value) in changes {
            let state = if value.is_some() { 0 } else { GONE };
            records.push(&[&key(*number), &[value.unwrap_or(0); 48], &[state]]);
        }
        self.write(&records);
    }

    fn write(&mut self, records: &Records) {
        if let Some(run) = write_run(&self.connection, self.next_id, records).expect("writes") {
            self.catalog.add(run);
            self.next_id += 1;
        }
    }

    /// As many flushes as make a merge due: the first makes these coins, each other one takes one of them.
    fn flush_until_due(&mut self, coins: u16) {
        self.flush(&(0..coins).map(|number| (number, Some(1))).collect());
        (0..FANOUT as u16 - 1).for_each(|number| self.flush(&BTreeMap::from([(number, None)])));
    }

    fn step(&mut self) {
        let transaction = self.connection.unchecked_transaction().expect("begins");
        self.merging.step(&transaction, &mut self.catalog, &mut self.next_id).expect("writes");
        transaction.commit().expect("commits");
    }

    /// The power goes within a step.
    fn fail_in_step(&mut self) {
        let transaction = self.connection.unchecked_transaction().expect("begins");
        self.merging.step(&transaction, &mut self.catalog, &mut self.next_id).expect("writes");
        transaction.rollback().expect("is as if it had never been");
    }

    fn tidy(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.merging.has_work(&self.catalog) {
                return;
            }
            self.step();
        }
        panic!("there is always something left to do");
    }

    /// Records of each run of coins, the newest first.
    fn records(&self) -> Vec<u64> {
        self.catalog.of(Kind::Coins).iter().map(|run| run.records).collect()
    }

    fn count(&self, query: &str) -> usize {
        self.connection.query_row(query, [], |row| crate::store::rows::number(row, 0)).expect("counts") as usize
    }

    /// Nothing is left of what does not count.
    fn check_swept(&self) -> Result<(), TestCaseError> {
        let used: usize = Kind::ALL.iter().flat_map(|kind| self.catalog.of(*kind)).map(|run| run.chunks()).sum();
        prop_assert_eq!(
            (self.count("SELECT COUNT(*) FROM litter"), self.count("SELECT COUNT(*) FROM chunks")),
            (0, used)
        );
        Ok(())
    }

    fn check(&self, expected: &BTreeMap<u16, u8>) -> Result<(), TestCaseError> {
        let runs = self.catalog.of(Kind::Coins);
        for number in 0..600 {
            let found = get(&self.connection, runs, &key(number), |record| record[37]).expect("reads");
            prop_assert_eq!(found.as_ref(), expected.get(&number));
        }
        let mut in_order: Vec<([u8; 37], u8)> = expected.iter().map(|(number, value)| (key(*number), *value)).collect();
        in_order.sort_unstable();
        for begin in [0_u8, 100, 255] {
            let mut scan = Scan::new(&self.connection, Kind::Coins, runs, &[begin]).expect("reads");
            let mut found = Vec::new();
            while let Some(record) = scan.next_there(&self.connection, &[]).expect("reads") {
                found.push((record[..37].try_into().expect("a key"), record[37]));
            }
            let expected: Vec<_> = in_order.iter().filter(|(key, _)| key[0] >= begin).copied().collect();
            prop_assert_eq!(&found, &expected);
        }
        let reread = Catalog::load(&self.connection, &Catalog::default()).expect("reads");
        let ids = |catalog: &Catalog| catalog.of(Kind::Coins).iter().map(|run| run.id).collect::<Vec<u64>>();
        prop_assert_eq!(ids(&reread), ids(&self.catalog));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_find_what_the_last_write_said(
        flushes in prop::collection::vec(
            (prop::collection::btree_map(0_u16..600, prop::option::weighted(0.6, any::<u8>()), 0..120), 0_u8..8, 0_u8..20),
            1..90,
        ),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("runs.sqlite");
        let mut store = Store::open(&path);
        let mut expected: BTreeMap<u16, u8> = BTreeMap::new();
        for (index, (changes, steps, restart)) in flushes.iter().enumerate() {
            store.flush(changes);
            for (number, value) in changes {
                match value {
                    Some(value) => drop(expected.insert(*number, *value)),
                    None => drop(expected.remove(number)),
                }
            }
            (0..*steps).for_each(|_| store.step());
            if *restart == 0 {
                store.fail_in_step();
            }
            if *restart <= 1 {
                store = Store::open(&path);
            }
            if index % 10 == 9 {
                store.check(&expected)?;
            }
        }
        store.tidy();
        store.check(&expected)?;
        store.check_swept()?;
        prop_assert!(store.catalog.of(Kind::Coins).len() < 3 * FANOUT);
    }
}

/// What is gone is forgotten once nothing older can show it again, and not before.
#[test]
fn what_is_gone_is_forgotten_at_the_bottom_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(&dir.path().join("runs.sqlite"));
    // A large run at the bottom, and nine small ones that take from it.
    store.flush(&(0..600).map(|number| (number, Some(1))).collect());
    for part in 0..9_u16 {
        store.flush(&(0..10).map(|number| (part * 10 + number, None)).collect());
    }
    store.tidy();
    assert_eq!(store.records(), [90, 600], "merged among themselves, and kept");
    store.check(&(90..600).map(|number| (number, 1)).collect()).expect("they stay gone");

    let mut store = Store::open(&dir.path().join("all.sqlite"));
    store.flush_until_due(20);
    store.tidy();
    assert_eq!(store.records(), [13], "nothing is below");
    store.check(&(7..20).map(|number| (number, 1)).collect()).expect("they stay gone");

    let mut store = Store::open(&dir.path().join("none.sqlite"));
    store.flush_until_due(7);
    store.tidy();
    assert_eq!(store.records(), [0; 0], "nothing is left");
    store.check(&BTreeMap::new()).expect("they stay gone");
    store.check_swept().expect("they leave nothing");
}

/// Of a hint the last byte is part of what it says.
#[test]
fn a_hint_is_never_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(&dir.path().join("runs.sqlite"));
    for (kind, rest) in [(Kind::Places, 8), (Kind::History, 12)] {
        for number in 0..FANOUT as u8 {
            let mut records = Records::new(kind);
            records.push(&[&vec![number; kind.key()], &vec![GONE; rest]]);
            store.write(&records);
        }
        store.tidy();
        assert_eq!(store.catalog.of(kind).len(), 1, "they are merged");
        let mut scan = Scan::new(&store.connection, kind, store.catalog.of(kind), &[]).expect("reads");
        for number in 0..FANOUT as u8 {
            let record = scan.next_there(&store.connection, &[number]).expect("reads").map(<[u8]>::to_vec);
            assert_eq!(record, Some([vec![number; kind.key()], vec![GONE; rest]].concat()));
        }
    }
}

/// A run that is flushed while older ones are merged is newer than all of them, and than the one that they become.
#[test]
fn what_is_flushed_during_a_merge_wins() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("runs.sqlite");
    let mut store = Store::open(&path);
    store.flush_until_due(300);
    store.step();
    let merged = store.next_id - 1;
    store.flush(&BTreeMap::from([(0, Some(2)), (100, Some(2)), (200, None)]));
    let newer = store.next_id - 1;
    store.tidy();
    let ids: Vec<u64> = store.catalog.of(Kind::Coins).iter().map(|run| run.id).collect();
    assert_eq!(ids, [newer, merged]);
    let mut expected: BTreeMap<u16, u8> = (7..300).map(|number| (number, 1)).collect();
    expected.extend([(0, 2), (100, 2)]);
    expected.remove(&200);
    store.check(&expected).expect("the newer run says what holds");
    Store::open(&path).check(&expected).expect("after a start as well");
}

/// The power goes in the middle of a merge: what was written of the new run is litter, and its number is not given again.
#[test]
fn half_a_merge_is_swept_after_a_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("runs.sqlite");
    let mut store = Store::open(&path);
    store.flush_until_due(300);
    store.step();
    let half = store.next_id - 1;
    assert!(
        store.count("SELECT COUNT(*) FROM chunks") > store.catalog.of(Kind::Coins).iter().map(|run| run.chunks()).sum()
    );
    let mut store = Store::open(&path);
    assert_eq!(store.next_id, half + 1);
    store.flush(&BTreeMap::from([(299, None)]));
    store.tidy();
    store.check(&(7..299).map(|number| (number, 1)).collect()).expect("nothing is lost");
    store.check_swept().expect("nothing is left");

    // Where nothing is to be merged, litter alone is work.
    discard(&store.connection, &store.catalog.take(Kind::Coins)).expect("writes");
    let mut store = Store::open(&path);
    assert!(store.merging.has_work(&store.catalog));
    store.tidy();
    assert_eq!(store.count("SELECT COUNT(*) FROM chunks"), 0);
    store.check_swept().expect("nothing is left");
}

/// Runs that are dropped while they are merged do not come back by their merge.
#[test]
fn a_merge_of_what_was_dropped_is_given_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(&dir.path().join("runs.sqlite"));
    store.tidy();
    store.flush_until_due(300);
    store.step();
    discard(&store.connection, &store.catalog.take(Kind::Coins)).expect("writes");
    store.merging.give_up(Kind::Coins);
    store.flush(&BTreeMap::from([(5, Some(3))]));
    store.tidy();
    store.check(&BTreeMap::from([(5, 3)])).expect("only what came after is there");
    store.check_swept().expect("nothing is left");
}

#[test]
fn of_records_with_one_key_the_last_counts() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(&dir.path().join("runs.sqlite"));
    let mut records = Records::new(Kind::Coins);
    for value in [3, 1, 2] {
        records.push(&[&key(1), &[value; 48], &[0]]);
        records.push(&[&key(2), &[value; 48], &[0]]);
    }
    store.write(&records);
    assert_eq!(store.records(), [2]);
    store.check(&BTreeMap::from([(1, 2), (2, 2)])).expect("the last");
}

/// A part of a run that is not there is not one that holds nothing.
#[test]
fn a_missing_chunk_is_an_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(&dir.path().join("runs.sqlite"));
    store.flush(&(0..300).map(|number| (number, Some(1))).collect());
    let runs = store.catalog.of(Kind::Coins);
    let middle = super::chunk_id(runs[0].id, runs[0].chunks() / 2);
    assert_eq!(store.connection.execute("DELETE FROM chunks WHERE id = ?1", [middle]).expect("writes"), 1);
    let lost = (0..300).filter(|number| match get(&store.connection, runs, &key(*number), |_| ()) {
        Ok(found) => {
            assert_eq!(found, Some(()));
            false
        }
        Err(error) => error == rusqlite::Error::QueryReturnedNoRows,
    });
    assert_eq!(lost.count(), Kind::Coins.records_per_chunk());
    let mut scan = Scan::new(&store.connection, Kind::Coins, runs, &[]).expect("the beginning is there");
    let read = std::iter::from_fn(|| match scan.next(&store.connection) {
        Ok(record) => record.map(|_| true),
        Err(_) => Some(false),
    });
    assert!(read.take(300).any(|is_read| !is_read), "it does not go on behind it");
}

/// A merge of large runs takes the smaller ones along that are newer.
#[test]
fn what_is_newer_and_smaller_goes_along() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(&dir.path().join("runs.sqlite"));
    for part in 0..FANOUT as u16 {
        store.flush(&(0..512).map(|number| (part * 512 + number, Some(1))).collect());
    }
    store.flush(&BTreeMap::from([(0, Some(2))]));
    store.flush(&BTreeMap::from([(1, None)]));
    store.tidy();
    assert_eq!(store.records(), [FANOUT as u64 * 512 - 1]);
}

#[test]
fn too_many_runs_are_urgent() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(&dir.path().join("runs.sqlite"));
    for number in 0..64 {
        store.flush(&BTreeMap::from([(number, Some(1))]));
    }
    assert!(!store.merging.is_urgent(&store.catalog));
    store.flush(&BTreeMap::from([(64, Some(1))]));
    assert!(store.merging.is_urgent(&store.catalog));
    store.tidy();
    assert!(!store.merging.is_urgent(&store.catalog));
}
