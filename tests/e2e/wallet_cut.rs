//! The power is cut while a wallet's database is written: at each sync that the program wants to make. Afterwards the disk shows
//! either everything that was written, or only what was synced; either way the database is as it was before, or as it was to be.

use crate::net::{LIMIT, Net, finish, text};
use crate::unsynced::shadow_library;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_wallet::coins::labels::{Labelled, Labels};
use std::path::Path;

/// What a cut ends the program with.
const CUT: i32 = 99;
/// More than any commit takes.
const SYNCS_MAX: usize = 60;

/// The files of a wallet's database, as a disk has them.
type Disk = Vec<(&'static str, Option<Vec<u8>>)>;

fn read(dir: &Path) -> Disk {
    ["alice.db", "alice.db-journal", "alice.db-wal"].map(|name| (name, std::fs::read(dir.join(name)).ok())).into()
}

fn write(dir: &Path, disk: &Disk) {
    for (name, contents) in disk {
        match contents {
            Some(contents) => std::fs::write(dir.join(name), contents).expect("can be written"),
            None => drop(std::fs::remove_file(dir.join(name))),
        }
    }
}

fn clear(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("it is there") {
        std::fs::remove_file(entry.expect("can be listed").path()).expect("can be removed");
    }
}

/// Sets a label again and again, cut off at one sync later each time, until it comes to its end.
fn cut_everywhere(net: &Net, library: &Path, before: Option<&str>) {
    let wallets = net.dir().join("wallets");
    let (root, copies) = (format!("{}/", wallets.display()), tempfile::tempdir().expect("a directory"));
    let network: NetworkId = net.manifest().network_id.parse().expect("the manifest names the net");
    let address = net.json(&["wallet", "address", "--wallet", "alice"]);
    let address = text(&address["address"]);
    let what = Labelled::read(&network, address).expect("it is an address");
    let label = || {
        let labels = Labels::open(&wallets.join("alice.json"), &network).expect("the database is whole");
        labels.get(what).map(str::to_owned)
    };
    let old = read(&wallets);
    for sync in 1..=SYNCS_MAX {
        write(&wallets, &old);
        clear(copies.path());
        // What was there before is on the disk.
        for (name, contents) in &old {
            contents
                .iter()
                .for_each(|contents| std::fs::write(copies.path().join(name), contents).expect("can be written"));
        }
        let mut command = net.command(&["wallet", "label", address, "after", "--wallet", "alice", "--json"]);
        command.env("LD_PRELOAD", library).env("SHADOW_ROOT", &root).env("SHADOW_COPIES", copies.path());
        let ran = finish(command.env("SHADOW_CUT_AT", sync.to_string()).spawn().expect("the program starts"), LIMIT);
        let (all, synced) = (read(&wallets), read(copies.path()));
        for disk in [&all, &synced] {
            write(&wallets, disk);
            let seen = label();
            let is_new = seen.as_deref() == Some("after");
            assert!(is_new || seen.as_deref() == before, "cut at sync {sync}: {seen:?}");
            assert!(is_new || ran.status == CUT, "sync {sync}: it was said to be done: {ran:?}");
        }
        if ran.status == 0 {
            assert!(sync > 3, "a commit syncs its journal, the file and the directory: {sync}");
            return;
        }
        assert_eq!(ran.status, CUT, "{ran:?}");
    }
    panic!("no end after {SYNCS_MAX} syncs");
}

#[test]
fn a_wallets_database_is_old_or_new_after_a_power_cut() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let Some(library) = shadow_library(place.path()) else { return };
    let net = Net::up(&[]);
    // One that is made, and one that is changed.
    cut_everywhere(&net, &library, None);
    net.json(&["wallet", "label", text(&net.json(&["wallet", "address", "--wallet", "alice"])["address"]), "before"]);
    cut_everywhere(&net, &library, Some("before"));
}
