use super::*;
use crate::keys::keystore::{WalletFile, create, derive, read};
use crate::paying::journal::Journal;
use bezant_consensus::ledger::hash::NetworkId;

/// A directory with a wallet of this name, its journal, something else of it, and another wallet whose name begins as its.
fn home(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for wallet in [name, "savings2"] {
        let path = create(dir.path(), &WalletFile::watching(wallet, derive(&[4; 16], 0..1))).unwrap();
        drop(Journal::open(&path, &NetworkId([1; 32])).unwrap());
        fs::write(dir.path().join(format!("{wallet}.labels")), wallet).unwrap();
    }
    dir
}

fn names(dir: &Path) -> Vec<String> {
    let all = entries(dir).unwrap();
    let names = all.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    names.filter(|name| name != LOCK_FILE).collect()
}

fn files_of(name: &str) -> Vec<String> {
    let journal = journal::path(&path(Path::new(""), name)).to_string_lossy().into_owned();
    let mut files = vec![format!("{name}.json"), format!("{name}.labels"), journal];
    files.sort();
    files
}

/// Whether the wallet is there with everything that belongs to it.
fn is_whole(dir: &Path, name: &str, was: &str) -> bool {
    let path = path(dir, name);
    read(&path).is_ok()
        && Journal::open(&path, &NetworkId([1; 32])).is_ok()
        && fs::metadata(journal::path(&path)).unwrap().len() > 0
        && fs::read_to_string(dir.join(format!("{name}.labels"))).is_ok_and(|text| text == was)
}

/// Ends after so many steps, as a crash would.
fn crash_after(steps: usize) -> impl FnMut() -> Result<(), WalletError> {
    let mut left = steps;
    move || {
        left = left.checked_sub(1).ok_or_else(|| WalletError::Failed("power cut".to_owned()))?;
        Ok(())
    }
}

#[test]
fn a_rename_takes_all_files_along() {
    let dir = home("savings");
    assert_eq!(rename(dir.path(), "savings", "old-savings").unwrap(), path(dir.path(), "old-savings"));
    assert!(is_whole(dir.path(), "old-savings", "savings") && is_whole(dir.path(), "savings2", "savings2"));
    assert_eq!(names(dir.path()), [files_of("old-savings"), files_of("savings2")].concat());
    for (old, new) in
        [("old-savings", "savings2"), ("old-savings", "../x"), ("none", "x"), ("../x", "x"), ("savings2", "savings2")]
    {
        assert_eq!(rename(dir.path(), old, new).unwrap_err().exit_status(), 2, "{old} {new}");
    }
    fs::write(dir.path().join("left.sent"), "another wallet's").unwrap();
    assert_eq!(rename(dir.path(), "savings2", "left").unwrap_err().exit_status(), 2);
    assert!(is_whole(dir.path(), "savings2", "savings2"));
}

#[test]
fn a_rename_that_is_cut_short_anywhere_leaves_one_whole_wallet() {
    let mut steps = 0;
    loop {
        let dir = home("savings");
        let ended = renamed(dir.path(), "savings", "new", &mut crash_after(steps));
        let now = if path(dir.path(), "new").exists() { "new" } else { "savings" };
        assert!(is_whole(dir.path(), now, "savings"), "{now} after {steps} steps: {:?}", names(dir.path()));
        // What the next command that changes anything does.
        drop(Guard::take(dir.path()).unwrap());
        assert_eq!(names(dir.path()), [files_of(now), files_of("savings2")].concat(), "after {steps} steps");
        assert!(is_whole(dir.path(), now, "savings"), "after {steps} steps");
        if now == "savings" {
            rename(dir.path(), "savings", "new").unwrap();
            assert!(is_whole(dir.path(), "new", "savings"));
        }
        if ended.is_ok() {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 6, "two links, before and after the wallet's own file, two old names");
}

#[test]
fn a_removal_takes_all_files_and_nothing_of_others() {
    let dir = home("savings");
    remove(dir.path(), "savings").unwrap();
    assert_eq!(names(dir.path()), files_of("savings2"));
    assert!(is_whole(dir.path(), "savings2", "savings2"));
    assert_eq!(remove(dir.path(), "savings").unwrap_err().exit_status(), 2);
}

#[test]
fn a_removal_that_is_cut_short_is_finished_and_no_new_wallet_gets_its_journal() {
    let mut steps = 0;
    loop {
        let dir = home("savings");
        let ended = removed(dir.path(), "savings", &mut crash_after(steps));
        assert!(!path(dir.path(), "savings").exists(), "it is no wallet any more");
        assert!(ended.is_ok() || names(dir.path()).len() > 3 || steps == 3, "{:?}", names(dir.path()));
        let fresh = WalletFile::watching("savings", derive(&[9; 16], 0..1));
        create(dir.path(), &fresh).unwrap();
        assert_eq!(
            names(dir.path()),
            [vec!["savings.json".to_owned()], files_of("savings2")].concat(),
            "{steps} steps"
        );
        if ended.is_ok() {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 4, "its own file, two others, its last name");
}

#[test]
fn a_journal_in_use_stays_where_it_is() {
    let dir = home("savings");
    let own = path(dir.path(), "savings");
    let mut writer = Connection::open(journal::path(&own)).unwrap();
    let writing = writer.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    writing.execute_batch("CREATE TABLE more (a)").unwrap();
    let waited = std::thread::scope(|scope| {
        let moving = scope.spawn(|| rename(dir.path(), "savings", "new").map(|_| ()));
        std::thread::sleep(Duration::from_millis(200));
        assert!(own.exists() && !path(dir.path(), "new").exists(), "it waits for the writer");
        writing.commit().unwrap();
        moving.join().unwrap()
    });
    waited.unwrap();
    let moved = Connection::open(journal::path(&path(dir.path(), "new"))).unwrap();
    assert_eq!(moved.query_row("SELECT count(*) FROM more", [], |row| row.get::<_, i64>(0)), Ok(0));
}

#[test]
fn links_that_the_owner_made_are_left_alone() {
    let dir = home("savings");
    let outside = tempfile::tempdir_in(dir.path().parent().unwrap()).unwrap();
    fs::hard_link(dir.path().join("savings.labels"), outside.path().join("copy")).unwrap();
    fs::hard_link(dir.path().join("savings.labels"), dir.path().join("not a wallet.labels")).unwrap();
    fs::write(dir.path().join("gone.labels"), "of a wallet whose file was lost").unwrap();
    fs::hard_link(dir.path().join("gone.labels"), outside.path().join("gone")).unwrap();
    drop(Guard::take(dir.path()).unwrap());
    for left in ["savings.labels", "not a wallet.labels", "gone.labels"] {
        assert!(dir.path().join(left).exists(), "{left}");
    }
}
