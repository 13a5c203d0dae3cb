use super::*;
use crate::paying::journal::Journal;
use bezant_consensus::ledger::hash::NetworkId;

const NETWORK: NetworkId = NetworkId([3; 32]);

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("alice.json");
    (dir, wallet)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A file of version 1 with one payment.
fn version_1(wallet: &Path) {
    let connection = Connection::open(path(wallet)).unwrap();
    connection.execute_batch(STEPS[0]).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let sql = "INSERT INTO payment (network, name, asked) VALUES (?1, 'a', ?1)";
    connection.execute(sql, [NETWORK.0]).unwrap();
}

fn payments(store: &Store) -> i64 {
    store.connection.query_row("SELECT count(*) FROM payment", [], |row| row.get(0)).unwrap()
}

#[test]
fn reading_makes_no_file_and_writes_nothing() {
    let (dir, wallet) = place();
    let mut store = Store::read(&wallet).unwrap();
    assert_eq!(payments(&store), 0);
    assert!(store.write(|it| it.execute("DELETE FROM payment", [])).is_err(), "nobody believes it was kept");
    assert!(Journal::read(&wallet, &NETWORK).unwrap().find("a").unwrap().is_none());
    assert!(names(dir.path()).is_empty());
    drop(Store::open(&wallet).unwrap());
    assert_eq!(names(dir.path()), ["alice.db"]);
    assert!(Store::read(&wallet).unwrap().write(|it| it.execute("DELETE FROM payment", [])).is_err());
}

#[test]
fn a_file_of_version_1_gets_its_new_tables_and_keeps_what_it_has() {
    let (dir, wallet) = place();
    version_1(&wallet);
    // Even a look finds what is in it.
    assert_eq!(payments(&Store::read(&wallet).unwrap()), 1);
    assert_eq!(names(dir.path()), ["alice.db"]);
    let store = Store::open(&wallet).unwrap();
    assert_eq!((payments(&store), version(&store.connection)), (1, Ok(Some(STEPS.len()))));
    store.connection.execute_batch("SELECT * FROM frozen; SELECT * FROM label").unwrap();
}

#[test]
fn two_commands_at_once_bring_it_up_to_date_once() {
    let (_dir, wallet) = place();
    version_1(&wallet);
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| payments(&Store::open(&wallet).unwrap()))).collect();
        assert!(opened.into_iter().all(|one| one.join().unwrap() == 1));
    });
}

#[test]
fn a_newer_file_is_refused_with_its_version() {
    let (_dir, wallet) = place();
    let store = Store::open(&wallet).unwrap();
    store.connection.pragma_update(None, "user_version", STEPS.len() as i64 + 1).unwrap();
    drop(store);
    let error = Store::open(&wallet).unwrap_err().to_string();
    assert!(error.contains(&format!("version {}", STEPS.len() + 1)) && error.contains("use the program"), "{error}");
}

#[test]
fn an_emptied_file_is_damage_and_no_new_database() {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("w.json");
    drop(Store::open(&wallet).unwrap());
    std::fs::write(path(&wallet), "").unwrap();
    for error in [Store::open(&wallet).map(|_| ()).unwrap_err(), Store::read(&wallet).map(|_| ()).unwrap_err()] {
        assert!(error.to_string().contains("it is empty"), "{error}");
    }
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["w.db"], "nothing temporary is left");
}
