use super::set_back::UNDONE_MAX;
use super::take::Moment;
use super::{
    NetSpec, PICTURE_FILE, Picture, SNAPSHOTS_DIR, SNAPSHOTS_MAX, check_free, install, list, path, remove, take,
};
use crate::net::spec::{NodeSpec, SetBackSpec};
use crate::net::supervisor::stood_still_at;
use bezant_api::types::EngineName;
use std::path::Path;
use tempfile::TempDir;

/// A net of one node, all of whose files say `label`, written into `dir`. The wallet has no database: SQLite would refuse one.
fn write_net(dir: &Path, label: &str) -> NetSpec {
    let member = NodeSpec {
        peer_id: label.to_owned(),
        validator: Some(label.to_owned()),
        p2p_port: 1,
        rpc_port: 2,
        stratum_port: None,
    };
    let spec = NetSpec {
        version: 1,
        net: label.to_owned(),
        engine: EngineName::Pbft,
        nodes: 1,
        observers: 0,
        block_time_ms: 0,
        seed: 1,
        dev_token: String::new(),
        clock_offset_ms: 0,
        last_alive_ms: 0,
        members: vec![member],
        incarnation: 0,
        set_backs: Vec::new(),
        hosts: Vec::new(),
        scenario: None,
    };
    for file in FILES {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().expect("below the net")).expect("a directory");
        std::fs::write(path, label).expect("a file");
    }
    std::fs::write(dir.join(".bezant-net"), label).expect("a file");
    spec.write(dir).expect("a file");
    spec
}

const FILES: [&str; 5] =
    ["genesis.toml", "wallets/alice.json", "node0/validator.key", "node0/data/facts.sqlite", "node0/log"];

/// What the files of the net say, the log apart.
#[track_caller]
fn assert_is(dir: &Path, label: &str) {
    for file in &FILES[..4] {
        assert_eq!(std::fs::read_to_string(dir.join(file)).expect(file), label, "{file}");
    }
    let spec = NetSpec::read(dir).expect("it can be read").expect("it is there");
    assert_eq!(spec.members[0].peer_id, label);
}

/// A net that says "old", and a picture of one that says "new" and has a file less and one more.
fn net_and_picture() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = write_net(dir.path(), "new");
    std::fs::write(dir.path().join("node0/data/more"), "new").expect("a file");
    std::fs::write(dir.path().join("node0/data/facts.sqlite-shm"), "not in a picture").expect("a file");
    let moment = Moment { made_ms: 77, height: Some(3) };
    let picture = take::unnamed(dir.path(), &spec, moment).expect("it is taken");
    write_net(dir.path(), "old");
    std::fs::remove_file(dir.path().join("node0/data/more")).expect("it was there");
    std::fs::create_dir_all(dir.path().join("node1/data")).expect("a directory");
    std::fs::write(dir.path().join("node1/validator.key"), "old").expect("a file");
    (dir, picture)
}

/// The files of a directory by their names, in order.
fn files_of(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_picture_has_no_locks_no_hidden_and_no_unfinished_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = write_net(dir.path(), "net");
    let (data, wallets) = (dir.path().join("node0/data"), dir.path().join("wallets"));
    for name in ["facts.sqlite-wal", "lock.db-not", "lock", ".hidden", "pool.tmp", "facts.sqlite-shm"] {
        std::fs::write(data.join(name), "x").expect("a file");
    }
    std::fs::create_dir(data.join("directory")).expect("a directory");
    for name in ["bob.json", ".carol.json", "dave.json.lock", "erin.tmp"] {
        std::fs::write(wallets.join(name), "x").expect("a file");
    }
    let picture = take::unnamed(dir.path(), &spec, Moment { made_ms: 1, height: None }).expect("it is taken");
    assert_eq!(files_of(&picture.join("node0/data")), ["facts.sqlite", "facts.sqlite-wal", "lock.db-not"]);
    assert_eq!(files_of(&picture.join("wallets")), ["alice.json", "bob.json"]);
    let parts = ["genesis.toml", "wallets", "node0/validator.key", "node0/data", "net.json"];
    assert_eq!(Picture::read(&picture).expect("it is whole").parts, parts);
}

#[test]
fn snapshots_of_another_net_go_with_it_and_those_of_the_same_stay() {
    for replaces in [false, true] {
        let (dir, picture) = net_and_picture();
        let spec = NetSpec::read(dir.path()).expect("it can be read").expect("it is there");
        take::named(dir.path(), &spec, "a", Moment { made_ms: 1, height: None }).expect("it is taken");
        let said = Picture::read(&picture).expect("it is whole");
        assert!(!said.replaces, "a picture of the net itself");
        Picture { replaces, ..said }.write(&picture).expect("it can be written");
        install::install(dir.path(), &picture).expect("it becomes the net");
        assert_is(dir.path(), "new");
        assert_eq!(list(dir.path()).expect("they are whole").len(), usize::from(!replaces));
    }
}

#[test]
fn what_is_hidden_among_snapshots_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = write_net(dir.path(), "old");
    take::named(dir.path(), &spec, "a", Moment { made_ms: 1, height: None }).expect("it is taken");
    let snapshots = dir.path().join(SNAPSHOTS_DIR);
    std::fs::create_dir(snapshots.join(".trash")).expect("a directory");
    std::fs::write(snapshots.join("notes.txt"), "x").expect("a file");
    let names: Vec<String> = list(dir.path()).expect("they are whole").into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn a_crash_before_the_picture_is_the_net_leaves_the_old_one() {
    let (dir, picture) = net_and_picture();
    install::finish(dir.path()).expect("nothing is to be done");
    assert_is(dir.path(), "old");
    assert!(!picture.exists(), "what is not whole goes");
}

#[test]
fn a_crash_at_any_step_after_that_leaves_the_new_one() {
    let parts = {
        let (_dir, picture) = net_and_picture();
        Picture::read(&picture).expect("it is whole").parts
    };
    assert!(parts.len() > 4, "{parts:?}");
    for moved in 0..=parts.len() {
        for cut_within_a_step in [false, true] {
            let (dir, picture) = net_and_picture();
            let (root, next) = (dir.path(), dir.path().join("next"));
            std::fs::rename(&picture, &next).expect("it is whole");
            for part in &parts[..moved] {
                let to = root.join(part);
                let _ = std::fs::remove_dir_all(&to).or_else(|_| std::fs::remove_file(&to));
                std::fs::rename(next.join(part), to).expect("it is there");
            }
            if let Some(part) = parts.get(moved).filter(|_| cut_within_a_step) {
                let gone = root.join(part);
                std::fs::remove_dir_all(&gone).or_else(|_| std::fs::remove_file(&gone)).expect("it was there");
            }
            // And cut off once more, by the loss of the directory in which it deletes.
            install::finish(root).expect("it goes on");
            install::finish(root).expect("nothing is left to do");
            assert_is(root, "new");
            assert_eq!(std::fs::read_to_string(root.join("node0/data/more")).expect("a file"), "new");
            assert!(!root.join("node0/data/facts.sqlite-shm").exists(), "SQLite makes it anew");
            assert!(!root.join("node1/validator.key").exists(), "the picture has no node1");
            assert!(root.join("node0/log").exists(), "logs stay");
            assert!(!next.exists());
            assert_eq!(stood_still_at(root), 77, "the clock goes on where it stood");
        }
    }
}

/// What is done first with a snapshot after it was cut off while it was taken anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    SetRight,
    TakenAnew,
    Removed,
}

/// Cut off while a snapshot is taken anew, before the new one has its name or after it: there is always one of them.
#[test]
fn a_snapshot_that_is_taken_anew_is_never_away() {
    let all = [Next::SetRight, Next::TakenAnew, Next::Removed];
    for (is_there, next) in all.into_iter().flat_map(|next| [(false, next), (true, next)]) {
        let dir = tempfile::tempdir().expect("a directory");
        let spec = write_net(dir.path(), "old");
        take::named(dir.path(), &spec, "a", Moment { made_ms: 1, height: None }).expect("it is taken");
        let replaced = super::replaced(dir.path(), "a");
        std::fs::rename(dir.path().join(SNAPSHOTS_DIR).join("a"), &replaced).expect("it steps aside");
        if is_there {
            let made = take::unnamed(dir.path(), &spec, Moment { made_ms: 2, height: None }).expect("it is taken");
            std::fs::rename(made, dir.path().join(SNAPSHOTS_DIR).join("a")).expect("it takes the name");
        }
        let made_ms = || list(dir.path()).expect("they are whole").into_iter().map(|it| it.made_ms).collect::<Vec<_>>();
        let wanted = if is_there { 2 } else { 1 };
        assert_eq!(made_ms(), [wanted], "before anybody sets it right");
        let found = super::find("n", dir.path(), "a").expect("it is found");
        assert_eq!(Picture::read(&found).expect("it is whole").made_ms, wanted);
        if next == Next::SetRight {
            install::finish(dir.path()).expect("it is set right");
            assert_eq!(made_ms(), [wanted]);
            assert!(!replaced.exists(), "nothing is left");
        }
        if next != Next::Removed {
            take::named(dir.path(), &spec, "a", Moment { made_ms: 3, height: None }).expect("it is taken anew");
            assert_eq!(made_ms(), [3]);
            assert!(!replaced.exists(), "the old one goes");
        }
        remove("n", dir.path(), "a").expect("it is there");
        assert!(made_ms().is_empty(), "{next:?}: one of before comes back");
        install::finish(dir.path()).expect("nothing is to be set right");
        assert!(made_ms().is_empty() && !replaced.exists(), "{next:?}: nothing is left");
    }
}

#[test]
fn snapshots_are_listed_in_the_order_of_time_and_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = write_net(dir.path(), "old");
    assert_eq!(list(dir.path()).expect("none is fine"), []);
    for (name, made_ms) in [("b", 1), ("a", 2), ("b", 3)] {
        take::named(dir.path(), &spec, name, Moment { made_ms, height: None }).expect("it is taken");
    }
    let names = |dir: &Path| list(dir).expect("they are whole").into_iter().map(|it| it.name).collect::<Vec<_>>();
    assert_eq!(names(dir.path()), ["a", "b"]);
    remove("n", dir.path(), "a").expect("it is there");
    assert!(remove("n", dir.path(), "a").expect_err("it is gone").to_string().contains("--list"));
    assert_eq!(names(dir.path()), ["b"]);
    let left = std::fs::read_dir(dir.path()).expect("a directory").flatten();
    assert!(
        left.map(|it| it.file_name()).all(|it| !it.to_string_lossy().starts_with(super::MAKING)),
        "nothing is left"
    );
    for bad in ["", ".x", "../x", "a/b", "-x"] {
        assert!(path(dir.path(), bad).is_err(), "{bad:?}");
    }
    assert!(dir.path().join(SNAPSHOTS_DIR).join("b").is_dir());
}

#[test]
fn going_back_forgets_what_went_and_numbers_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut spec = write_net(dir.path(), "old");
    let list = |spec: &NetSpec| spec.set_backs.iter().map(|it| (it.incarnation, it.height)).collect::<Vec<_>>();
    spec.go_back(1, 10, vec!["a".to_owned()], &[]);
    let before = spec.set_backs.clone();
    // To the same height once more: what was left from there the first time stays left.
    spec.go_back(2, 10, vec!["b".to_owned()], &before);
    assert_eq!(spec.set_backs, [SetBackSpec { incarnation: 2, height: 10, undone: vec!["a".into(), "b".into()] }]);
    spec.go_back(3, 20, Vec::new(), &before);
    assert_eq!(list(&spec), [(2, 10), (3, 20)]);
    spec.go_back(4, 5, Vec::new(), &[]);
    assert_eq!((list(&spec), spec.incarnation), (vec![(4, 5)], 4));
}

#[test]
fn a_snapshot_takes_no_others_place_unasked_and_there_are_only_so_many() {
    let dir = tempfile::tempdir().expect("a directory");
    let make = |name: &str| std::fs::create_dir_all(dir.path().join(SNAPSHOTS_DIR).join(name)).expect("a directory");
    make("a");
    check_free(dir.path(), "b", false).expect("there is none of that name");
    assert!(check_free(dir.path(), "a", false).expect_err("there is one").to_string().contains("--force"));
    (1..SNAPSHOTS_MAX).for_each(|number| make(&format!("s{number}")));
    assert!(check_free(dir.path(), "b", false).expect_err("too many").to_string().contains("--remove"));
    check_free(dir.path(), "a", true).expect("that makes no more of them");
}

#[test]
fn a_picture_of_a_later_format_is_refused() {
    let (_dir, picture) = net_and_picture();
    let path = picture.join(PICTURE_FILE);
    let text = std::fs::read_to_string(&path).expect("it is there");
    std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).expect("it can be written");
    assert!(Picture::read(&picture).expect_err("it is not known").to_string().contains("version 2"));
}

#[test]
fn what_is_remembered_as_undone_is_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut spec = write_net(dir.path(), "old");
    spec.go_back(1, 10, (0..=UNDONE_MAX).map(|number| number.to_string()).collect(), &[]);
    assert_eq!(spec.set_backs[0].undone.len(), UNDONE_MAX);
}
