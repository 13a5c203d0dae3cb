use super::*;

/// An archive of these entries: name, kind, contents.
fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, kind, contents) in entries {
        let mut header = header(contents.len() as u64);
        header.set_entry_type(*kind);
        // As a liar would: the crate itself refuses to write names that lead elsewhere.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        if kind.is_symlink() {
            header.set_link_name("/etc/passwd").expect("a name");
        }
        header.set_cksum();
        archive.append(&header, *contents).expect("writing to memory");
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("writing to memory")
}

const PLAIN: tar::EntryType = tar::EntryType::Regular;
const HEAD: &[u8] = br#"{"format":"bezant-net","version":1,"made_ms":5,"height":7}"#;

#[test]
fn what_is_no_part_of_a_net_is_refused_and_leads_nowhere() {
    let outside = tempfile::tempdir().expect("a directory");
    let symlink = tar::EntryType::Symlink;
    let cases: [(&str, tar::EntryType, &str); 14] = [
        ("../evil", PLAIN, "no part of a net"),
        ("/tmp/evil", PLAIN, "no part of a net"),
        ("wallets/../../evil.json", PLAIN, "no part of a net"),
        ("node0/data/../../../evil", PLAIN, "no part of a net"),
        ("node0/data/sub/file", PLAIN, "no part of a net"),
        ("node64/data/file", PLAIN, "no part of a net"),
        ("node00/data/file", PLAIN, "no part of a net"),
        ("node0/data/.hidden", PLAIN, "no part of a net"),
        ("node0/data/lock", PLAIN, "no part of a net"),
        (".bezant-net", PLAIN, "no part of a net"),
        ("wallets/alice", PLAIN, "no part of a net"),
        ("node0/data/facts.sqlite", symlink, "no plain file"),
        ("node0/data", tar::EntryType::Directory, "no plain file"),
        ("net.json", tar::EntryType::XHeader, "no plain file"),
    ];
    for (name, kind, reason) in cases {
        let to = outside.path().join("net");
        std::fs::create_dir(&to).expect("a directory");
        let contents: &[u8] = if kind == PLAIN { b"x" } else { b"" };
        let bytes = archive(&[(HEAD_FILE, PLAIN, HEAD), (name, kind, contents)]);
        let error = unpack(bytes.as_slice(), &to).expect_err(name);
        assert!(error.contains(reason), "{name}: {error}");
        std::fs::remove_dir_all(&to).expect("it is there");
        assert!(std::fs::read_dir(outside.path()).expect("a directory").next().is_none(), "{name} is outside");
    }
}

#[test]
fn names_in_an_archive_are_plain_ones() {
    let longest = "a".repeat(NAME_CHARS_MAX);
    for good in ["facts.sqlite", "facts.sqlite-wal", "A-z_0.9", longest.as_str()] {
        assert_eq!(Kind::of(&format!("node0/data/{good}")), Some(Kind::Data), "{good:?}");
    }
    let longer = format!("{longest}a");
    let strange = ["a b", "a\n", "a\0", "a\\b", "a:b", "ä", "a*", "~", "", longer.as_str()];
    for name in strange.into_iter().chain(["..", ".", ".hidden", "lock", "x.tmp", "x-shm"]) {
        assert_eq!(Kind::of(&format!("node0/data/{name}")), None, "{name:?}");
    }
    for name in strange.into_iter().chain([".hidden"]) {
        assert_eq!(Kind::of(&format!("wallets/{name}.json")), None, "{name:?}");
        assert!(!is_plain(name), "{name:?}");
    }
    assert_eq!(Kind::of("wallets/alice.json"), Some(Kind::Small));
}

#[test]
fn what_is_a_net_is_taken_once() {
    let to = tempfile::tempdir().expect("a directory");
    let good = [
        (HEAD_FILE, PLAIN, HEAD),
        ("genesis.toml", PLAIN, &b"g"[..]),
        ("node0/data/facts.sqlite-wal", PLAIN, b"d"),
        ("node63/validator.key", PLAIN, b"k"),
        ("wallets/alice.db", PLAIN, b"w"),
    ];
    let head = unpack(archive(&good).as_slice(), to.path()).expect("all of it is a net's");
    assert_eq!((head.made_ms, head.height), (5, Some(7)));
    assert_eq!(std::fs::read(to.path().join("node63/validator.key")).expect("unpacked"), b"k");
    let twice = [good[0], good[1], good[1]];
    let other = tempfile::tempdir().expect("a directory");
    assert!(unpack(archive(&twice).as_slice(), other.path()).expect_err("twice").contains("twice"));
}

#[test]
fn limits_hold_before_anything_is_written() {
    let to = tempfile::tempdir().expect("a directory");
    let refused = |bytes: &[u8]| unpack(bytes, to.path()).expect_err("it is to be refused");
    let other = br#"{"format":"bezant-net","version":2,"made_ms":5,"height":7}"#;
    assert!(refused(&archive(&[(HEAD_FILE, PLAIN, other)])).contains("version 2"));
    let other = br#"{"format":"else","version":1,"made_ms":5,"height":7}"#;
    assert!(refused(&archive(&[(HEAD_FILE, PLAIN, other)])).contains("format"));
    assert!(refused(&archive(&[("net.json", PLAIN, b"{}")])).contains("begin"));
    assert!(refused(&archive(&[])).contains("empty"));
    assert!(refused(b"no archive at all").contains("cannot be read"));
    let big = vec![0; SMALL_FILE_BYTES_MAX as usize + 1];
    assert!(refused(&archive(&[(HEAD_FILE, PLAIN, HEAD), ("net.json", PLAIN, &big)])).contains("at most"));
    let names: Vec<String> = (0..ENTRIES_MAX).map(|index| format!("node0/data/f{index}")).collect();
    let many = names.iter().map(|name| (name.as_str(), PLAIN, &b""[..]));
    let many: Vec<_> = std::iter::once((HEAD_FILE, PLAIN, HEAD)).chain(many).collect();
    let place = tempfile::tempdir().expect("a directory");
    let error = unpack(archive(&many).as_slice(), place.path()).expect_err("too many");
    assert!(error.contains("more than"), "{error}");
    // A size that the header only claims.
    let mut claimed = header(TOTAL_BYTES_MAX + 1);
    claimed.as_old_mut().name[..8].copy_from_slice(b"net.json");
    claimed.set_cksum();
    let mut bytes = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut first = header(HEAD.len() as u64);
    bytes.append_data(&mut first, HEAD_FILE, HEAD).expect("writing to memory");
    bytes.append(&claimed, io::empty()).expect("writing to memory");
    let bytes = bytes.into_inner().and_then(GzEncoder::finish).expect("writing to memory");
    assert!(refused(&bytes).contains("more than"), "a claimed size");
}

/// A dev net of two members, as it would be unpacked.
fn unpacked_net() -> (tempfile::TempDir, NetSpec) {
    let made = tempfile::tempdir().expect("a directory");
    let dir = made.path().to_owned();
    let options = spec::UpOptions { net: "n".to_owned(), dir, nodes: Some(2), ..Default::default() };
    let spec = spec::open_or_create(&options, &mut PortClaims::default()).expect("it is made");
    (made, spec)
}

fn rewrite_genesis(dir: &Path, from: &str, to: &str) {
    let path = dir.join(GENESIS_FILE);
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).expect("it can be written");
}

/// One thing that is wrong with a net, and what is said of it.
type Wrong = (&'static str, fn(&mut NetSpec, &Path));

#[test]
fn only_one_whole_dev_net_is_taken() {
    let (made, spec) = unpacked_net();
    assert_eq!(check(&spec, made.path()), Ok(()));
    let set_back = |incarnation: u32, height: u64, undone: usize| spec::SetBackSpec {
        incarnation,
        height,
        undone: vec![String::new(); undone],
    };
    let wrong: [Wrong; 19] = [
        ("of version 2", |spec, _| spec.version = 2),
        ("names 0 nodes", |spec, _| spec.nodes = 0),
        ("1 to 64 are possible", |spec, _| (spec.nodes, spec.observers) = (usize::MAX, 1)),
        ("1 to 64 are possible", |spec, _| spec.observers = usize::MAX),
        ("1 to 64 are possible", |spec, _| spec.observers = NODES_MAX - 1),
        ("does not name each node once", |spec, _| spec.members.truncate(1)),
        ("it has no genesis.toml", |_, dir| std::fs::remove_file(dir.join(GENESIS_FILE)).expect("it is there")),
        ("its genesis.toml: ", |_, dir| std::fs::write(dir.join(GENESIS_FILE), "x").expect("it can be written")),
        ("not one of a dev net", |_, dir| rewrite_genesis(dir, "dev = true", "dev = false")),
        ("another engine", |spec, _| spec.engine = bezant_api::types::EngineName::Pow),
        ("the data of other nodes", |_, dir| std::fs::remove_dir_all(dir.join("node1/data")).expect("it is there")),
        ("the data of other nodes", |_, dir| std::fs::create_dir_all(dir.join("node2/data")).expect("it is made")),
        ("no key of node1", |_, dir| std::fs::remove_file(dir.join("node1/validator.key")).expect("it is there")),
        ("no key of node0, or one", |spec, _| spec.members[0].validator = None),
        ("out of order, at number 0", |spec, _| spec.set_backs.swap(0, 1)),
        ("out of order, at number 0", |spec, _| spec.set_backs[1].height = 5),
        ("out of order, at number 0", |spec, _| spec.set_backs[1].incarnation = 1),
        ("nobody can have done", |spec, _| spec.incarnation = 1),
        ("nobody can have done", |spec, _| spec.set_backs[0].undone.resize(set_back::UNDONE_MAX + 1, String::new())),
    ];
    for (said, change) in wrong {
        let (made, mut spec) = unpacked_net();
        spec.incarnation = 2;
        spec.set_backs = vec![set_back(1, 5, set_back::UNDONE_MAX), set_back(2, 9, 0)];
        assert_eq!(check(&spec, made.path()), Ok(()));
        change(&mut spec, made.path());
        let error = check(&spec, made.path()).expect_err(said);
        assert!(error.contains(said), "{said}: {error}");
    }
}
