//! Runs against a plain map: whatever was written, merged, swept and started again, a read finds what the last write said.

use super::merge::Merging;
use super::{Catalog, GONE, Kind, Records, Scan, get, next_id, write_run};
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
        Store { connection, catalog, merging: Merging::after_start(), next_id }
    }

    fn flush(&mut self, changes: &BTreeMap<u16, Option<u8>>) {
        let mut records = Records::new(Kind::Coins);
        for (number, value) in changes {
            let state = if value.is_some() { 0 } else { GONE };
            records.push(&[&key(*number), &[value.unwrap_or(0); 48], &[state]]);
        }
        if let Some(run) = write_run(&self.connection, self.next_id, &records).expect("writes") {
            self.catalog.add(run);
            self.next_id += 1;
        }
    }

    fn step(&mut self) {
        let transaction = self.connection.unchecked_transaction().expect("begins");
        self.merging.step(&transaction, &mut self.catalog, &mut self.next_id).expect("writes");
        transaction.commit().expect("commits");
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
            (prop::collection::btree_map(0_u16..600, prop::option::weighted(0.6, any::<u8>()), 0..120), 0_u8..4, 0_u8..20),
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
                store = Store::open(&path);
            }
            if index % 10 == 9 {
                store.check(&expected)?;
            }
        }
        while store.merging.has_work(&store.catalog) {
            store.step();
        }
        store.check(&expected)?;
        let count = |query: &str| store.connection.query_row(query, [], |row| row.get::<_, i64>(0)).expect("counts");
        prop_assert_eq!(count("SELECT COUNT(*) FROM litter"), 0);
        let used: usize = store.catalog.of(Kind::Coins).iter().map(|run| run.chunks()).sum();
        prop_assert_eq!(count("SELECT COUNT(*) FROM chunks"), used as i64, "all litter is swept");
        prop_assert!(store.catalog.of(Kind::Coins).len() < 3 * super::FANOUT);
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
    while store.merging.has_work(&store.catalog) {
        store.step();
    }
    let runs: Vec<u64> = store.catalog.of(Kind::Coins).iter().map(|run| run.records).collect();
    assert_eq!(runs, [90, 600], "merged among themselves, and kept");
    store.check(&(90..600).map(|number| (number, 1)).collect()).expect("they stay gone");
}
