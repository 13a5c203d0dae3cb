//! The power fails at each operation of a command that changes a wallet's files, and the disk forgets what was not synced: a
//! small library preloaded into the program stops it there and knows what was synced (`cut.c`). Whatever a disk may then show,
//! every wallet opens with one of the passwords it had, under one of its names, with the addresses of before or after.

use crate::keys::{PASSWORD, file, home, password, wallet_file};
use crate::net::{LIMIT, Net, finish};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// More operations than any of these commands has.
const STEPS_MAX: usize = 400;

/// Builds the library; `None`, said by name, where that cannot be done.
fn library(dir: &Path, test: &str) -> Option<PathBuf> {
    let library = dir.join("cut.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/cut.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
    let reason = match built {
        _ if !cfg!(all(target_os = "linux", target_env = "gnu")) => "it needs Linux with glibc".to_owned(),
        Ok(output) if output.status.success() => return Some(library),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => format!("no C compiler: {error}"),
    };
    println!("not run: keys_cut::{test}: {reason}");
    None
}

/// Files of a directory by name: their inodes and contents.
type Disk = BTreeMap<String, (u64, Vec<u8>)>;

fn look(dir: &Path) -> Disk {
    let entries = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("can be listed"));
    let files = entries.filter(|entry| entry.file_type().expect("has a type").is_file());
    let read = |entry: std::fs::DirEntry| {
        let inode = entry.metadata().expect("metadata").ino();
        (entry.file_name().to_string_lossy().into_owned(), (inode, std::fs::read(entry.path()).expect("can be read")))
    };
    files.map(read).collect()
}

fn put(dir: &Path, disk: &BTreeMap<String, Vec<u8>>) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).expect("can be made");
    for (name, contents) in disk {
        std::fs::write(dir.join(name), contents).expect("can be written");
    }
}

/// Names of files with their inodes.
type Names = BTreeMap<String, u64>;

/// What disks may show after the cut. Names: as of now, as of the directory's last sync, and that with any one change since (all
/// names of one file change together: that is what makes a rename one step). Contents: as of now, or as of the last sync of each
/// file, which is nothing when there was none.
fn shown(before: &Disk, now: &Disk, copies: &Path) -> Vec<BTreeMap<String, Vec<u8>>> {
    let synced = |inode: u64| {
        let kept = std::fs::read(copies.join(inode.to_string())).ok();
        let old = || before.values().find(|(old, _)| *old == inode).map(|(_, contents)| contents.clone());
        kept.or_else(old).unwrap_or_default()
    };
    let names_of = |disk: &Disk| -> Names { disk.iter().map(|(name, (inode, _))| (name.clone(), *inode)).collect() };
    let line = |line: &str| {
        let (inode, name) = line.split_once(' ').expect("an inode and a name");
        (name.to_owned(), inode.parse().expect("a number"))
    };
    let kept = std::fs::read_to_string(copies.join("names"));
    let last: Names = kept.map_or_else(|_| names_of(before), |text| text.lines().map(line).collect());
    let current = names_of(now);
    let mut all = vec![last.clone(), current.clone()];
    for inode in last.values().chain(current.values()).collect::<BTreeSet<_>>() {
        let mut names = last.clone();
        // A name that has another file now lost this one by that file's change.
        names.retain(|name, of| of != inode || current.contains_key(name));
        names.extend(current.iter().filter(|(_, of)| *of == inode).map(|(name, of)| (name.clone(), *of)));
        if !all.contains(&names) {
            all.push(names);
        }
    }
    let as_it_is = now.iter().map(|(name, (_, contents))| (name.clone(), contents.clone())).collect();
    let of_names = |names: Names| names.into_iter().map(|(name, inode)| (name, synced(inode))).collect();
    std::iter::once(as_it_is).chain(all.into_iter().map(of_names)).collect()
}

/// Runs a command on a wallet until it is cut short after each of its operations; `is_right` looks at what the disk may show.
#[track_caller]
fn cut_everywhere(net: &Net, test: &str, arguments: &[&str], is_right: impl Fn(&str)) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let Some(library) = library(place.path(), test) else { return };
    let wallets = home(net).join("wallets");
    let start: BTreeMap<String, Vec<u8>> =
        look(&wallets).into_iter().map(|(name, (_, contents))| (name, contents)).collect();
    let copies = place.path().join("copies");
    for at in 0..STEPS_MAX {
        put(&wallets, &start);
        put(&copies, &BTreeMap::new());
        let before = look(&wallets);
        let mut command = net.command(arguments);
        command.env("LD_PRELOAD", &library).env("CUT_AT", at.to_string());
        command.env("CUT_ROOT", &wallets).env("CUT_COPIES", &copies);
        let ran = finish(command.spawn().expect("the program starts"), LIMIT);
        let now = look(&wallets);
        for (variant, disk) in shown(&before, &now, &copies).iter().enumerate() {
            put(&wallets, disk);
            is_right(&format!("cut at operation {at}, disk {variant}, {:?}", disk.keys().collect::<Vec<_>>()));
        }
        if ran.status == 0 {
            assert!(at > 4, "the library has seen the command's operations, {at}");
            return;
        }
        assert_eq!(ran.status, -1, "killed: {ran:?}");
    }
    panic!("{arguments:?} has more than {STEPS_MAX} operations");
}

/// The words that a wallet opens to, and how many addresses it has; `None` when there is none.
#[track_caller]
fn opens(net: &Net, name: &str, passwords: &[&str], place: &str) -> Option<(String, usize)> {
    let stored = std::fs::read(wallet_file(net, name)).ok()?;
    let json: serde_json::Value =
        serde_json::from_slice(&stored).unwrap_or_else(|error| panic!("{place}: {name} is damaged: {error}"));
    let addresses = json["locks"].as_array().expect("it has locks").len();
    for password in passwords {
        let ran = net.run(&["wallet", "export", name, "--words", "--password-file", password]);
        match ran.status {
            0 => return Some((ran.stdout, addresses)),
            7 => {}
            _ => panic!("{place}: {ran:?}"),
        }
    }
    panic!("{place}: no password opens {name}");
}

fn a_wallet(net: &Net) -> (String, String) {
    let old = password(net);
    let passphrase = file(net, "passphrase", "TREZOR\n");
    net.json(&["wallet", "new", "savings", "--password-file", &old, "--passphrase-file", &passphrase]);
    // Cheap to open, since it is opened often.
    let cheap = ["--memory-mib", "19", "--passes", "2", "--password-file", &old, "--new-password-file", &old];
    net.json(&[&["wallet", "passwd", "savings"][..], &cheap].concat());
    let words = opens(net, "savings", &[&old], "at first").expect("it is there").0;
    (old, words)
}

#[test]
fn a_password_that_is_being_changed_is_the_old_or_the_new_one() {
    let net = Net::empty();
    let (old, words) = a_wallet(&net);
    let new = file(&net, "new", &format!("{PASSWORD} of another kind\n"));
    let passwd = ["--memory-mib", "19", "--passes", "2", "--password-file", &old, "--new-password-file", &new];
    let arguments = [&["wallet", "passwd", "savings"][..], &passwd].concat();
    let test = "a_password_that_is_being_changed_is_the_old_or_the_new_one";
    cut_everywhere(&net, test, &arguments, |place| {
        assert_eq!(opens(&net, "savings", &[&old, &new], place), Some((words.clone(), 1)), "{place}");
    });
}

#[test]
fn a_wallet_that_is_being_renamed_has_one_of_its_names_and_its_journal() {
    let net = Net::empty();
    let (old, words) = a_wallet(&net);
    let journal = home(&net).join("wallets").join("savings.notes");
    std::fs::write(&journal, "what belongs to it").expect("can be written");
    let test = "a_wallet_that_is_being_renamed_has_one_of_its_names_and_its_journal";
    cut_everywhere(&net, test, &["wallet", "rename", "savings", "other"], |place| {
        let names = ["savings", "other"].into_iter().filter(|name| wallet_file(&net, name).exists());
        let names: Vec<&str> = names.collect();
        assert_eq!(names.len(), 1, "{place}");
        assert_eq!(opens(&net, names[0], &[&old], place), Some((words.clone(), 1)), "{place}");
        let notes = std::fs::read_to_string(wallet_file(&net, names[0]).with_extension("notes"));
        assert_eq!(notes.ok().as_deref(), Some("what belongs to it"), "{place}");
    });
}

#[test]
fn a_wallet_that_is_being_taken_in_is_there_whole_or_not_at_all() {
    let net = Net::empty();
    let (old, words) = a_wallet(&net);
    let copy = home(&net).join("copy.json").display().to_string();
    net.json(&["wallet", "export", "savings", "--out", &copy]);
    let test = "a_wallet_that_is_being_taken_in_is_there_whole_or_not_at_all";
    cut_everywhere(&net, test, &["wallet", "import", &copy, "--name", "other"], |place| {
        assert_eq!(opens(&net, "savings", &[&old], place), Some((words.clone(), 1)), "{place}");
        let other = opens(&net, "other", &[&old], place);
        assert!(other.is_none() || other == Some((words.clone(), 1)), "{place}");
    });
}

#[test]
fn a_wallet_that_gets_an_address_has_those_it_had() {
    let net = Net::up(&[]);
    let (old, words) = a_wallet(&net);
    net.json(&["testnet", "down"]);
    let arguments = ["wallet", "address", "--wallet", "savings", "--new", "--password-file", &old];
    let test = "a_wallet_that_gets_an_address_has_those_it_had";
    cut_everywhere(&net, test, &arguments, |place| {
        let (opened, addresses) = opens(&net, "savings", &[&old], place).expect("it is there");
        assert_eq!(opened, words, "{place}");
        assert!([1, 2].contains(&addresses), "{place}: {addresses}");
    });
}
