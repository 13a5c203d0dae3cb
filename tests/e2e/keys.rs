//! The life of a wallet's file: made, copied, renamed, opened with another password, removed; and what each of these commands
//! refuses. No net is needed for it. (With nets: `keys_net`; unlocked: `keys_agent`; on a terminal: `keys_terminal`.)

use crate::net::{LIMIT, Net, Ran, finish, text};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// BIP39's best-known words.
pub(crate) const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Where everything of a test is.
pub(crate) fn home(net: &Net) -> PathBuf {
    PathBuf::from(&net.environment()[0].1)
}

/// A file of the test with this text; its path.
pub(crate) fn file(net: &Net, name: &str, contents: &str) -> String {
    let path = home(net).join(name);
    std::fs::write(&path, contents).expect("can be written");
    path.display().to_string()
}

/// A file with [`PASSWORD`].
pub(crate) fn password(net: &Net) -> String {
    file(net, "password", &format!("{PASSWORD}\nnot this line\n"))
}

pub(crate) fn wallet_file(net: &Net, name: &str) -> PathBuf {
    home(net).join("wallets").join(format!("{name}.json"))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// One list of arguments.
pub(crate) fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

/// The program with this on its standard input.
#[track_caller]
pub(crate) fn run_with_input(net: &Net, arguments: &[&str], input: &str) -> Ran {
    let mut child = net.command(arguments).stdin(Stdio::piped()).spawn().expect("the program starts");
    // Whoever refuses before it reads closes the pipe.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    finish(child, LIMIT)
}

/// It ends with this status and kind, and one sentence that has these words, on stderr and in JSON.
#[track_caller]
pub(crate) fn refused(net: &Net, arguments: &[&str], status: i32, kind: &str, words: &[&str]) {
    let plain = net.run(arguments).ended(status);
    assert!(plain.stdout.is_empty(), "{arguments:?}: {plain:?}");
    let ran = net.run(&[arguments, &["--json"]].concat()).ended(status);
    let error = ran.json();
    assert_eq!(error["error"]["kind"], kind, "{arguments:?}: {error}");
    let message = text(&error["error"]["message"]);
    for word in words {
        assert!(message.contains(word) && plain.stderr.contains(word), "{word:?} is not said: {error} {plain:?}");
    }
    assert!(!message.contains('\n') && !message.contains(PASSWORD), "one sentence, and no secret: {message}");
}

#[test]
fn a_new_wallet_shows_its_words_once_or_writes_them_into_a_file() {
    let net = Net::empty();
    let password = password(&net);
    let new = net.json(&["wallet", "new", "savings", "--password-file", &password]);
    assert_eq!(text(&new["mnemonic"]).split(' ').count(), 12, "{new}");
    assert_eq!((&new["derivation"], &new["passphrase"]), (&"m/44'/6453876'/0'/0'".into(), &false.into()));
    assert_eq!(mode(&wallet_file(&net, "savings")), 0o600);
    let words_file = home(&net).join("words").display().to_string();
    let passphrase = file(&net, "passphrase", "a 25th word\n");
    let long = ["--words", "24", "--words-file", &words_file, "--passphrase-file", &passphrase];
    let ran = net.run(&[&["wallet", "new", "long", "--password-file", &password][..], &long].concat()).ended(0);
    let words = std::fs::read_to_string(&words_file).expect("the words are there");
    assert_eq!((words.split_whitespace().count(), mode(Path::new(&words_file))), (24, 0o600));
    assert!(!ran.stdout.contains(words.trim()) && !ran.stderr.contains(words.trim()), "{ran:?}");
    assert!(ran.stderr.contains("Without the passphrase"), "{ran:?}");
    // Neither words nor passphrase are ever in the open in the wallet's file; the password alone gives both.
    let stored = std::fs::read_to_string(wallet_file(&net, "long")).expect("can be read");
    assert!(!stored.contains("25th") && !stored.contains(words.trim()));
    let shown = net.json(&["wallet", "export", "long", "--words", "--password-file", &password]);
    assert_eq!((text(&shown["mnemonic"]), text(&shown["passphrase"])), (words.trim(), "a 25th word"));
    let plain = net.run(&["wallet", "export", "long", "--words", "--password-file", &password]).ended(0);
    assert_eq!(plain.stdout, format!("{}\npassphrase  a 25th word\n", words.trim()));
    let list = net.json(&["wallet", "list"]);
    assert_eq!(list["wallets"][0]["derivation"], "m/44'/6453876'/0'/0'", "{list}");
    assert_eq!(list["wallets"][0]["unlocked_until_s"], serde_json::Value::Null);

    let new = ["wallet", "new", "other"];
    refused(
        &net,
        &with(&new, &["--password-file", &password, "--words-file", &words_file]),
        2,
        "usage",
        &["is there already"],
    );
    assert!(!wallet_file(&net, "other").exists(), "no wallet whose words nobody has");
    refused(&net, &with(&new, &[]), 3, "password-wanted", &["--password-file"]);
    let empty = file(&net, "empty", "\n");
    refused(&net, &with(&new, &["--password-file", &empty]), 2, "usage", &["first line is empty"]);
    refused(&net, &with(&new, &["--password-file", "/nowhere"]), 2, "usage", &["/nowhere"]);
    let endless = file(&net, "endless", &"x".repeat(300));
    refused(
        &net,
        &with(&new, &["--password-file", &password, "--passphrase-file", &endless]),
        2,
        "usage",
        &["255 bytes"],
    );
    refused(&net, &["wallet", "new", "savings", "--password-file", &password], 2, "usage", &["already"]);
    let short = file(&net, "short", "secret\n");
    let weak = net.run(&with(&new, &["--password-file", &short])).ended(0);
    assert!(weak.stderr.contains("less than 8 characters") && !weak.stderr.contains("secret"), "{weak:?}");
}

#[test]
fn words_make_the_wallet_again_from_wherever_they_come() {
    let net = Net::empty();
    let password = password(&net);
    let words = file(&net, "words", &format!("{}\n", WORDS.to_uppercase()));
    let of_file = ["wallet", "restore", "one", "--password-file", &password, "--mnemonic-file", &words, "--json"];
    let ran = net.run(&of_file).ended(0);
    assert!(ran.stderr.contains("bezant wallet discover one"), "no net answers, and what to do is said: {ran:?}");
    assert_eq!((ran.json()["addresses"].as_u64(), ran.json()["discovered"].as_u64()), (Some(1), None), "{ran:?}");
    let of_input = ["wallet", "restore", "two", "--password-file", &password];
    run_with_input(&net, &of_input, &format!("  {}\n\n", WORDS.replace(' ', "\n"))).ended(0);
    let script = r#"exec 7<"$1"; exec "$0" wallet restore three --mnemonic-fd 7 --password-file "$2""#;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_bezant"), &words, &password]).envs(net.environment());
    let child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    finish(child.expect("a shell"), LIMIT).ended(0);
    let locks = |name: &str| -> serde_json::Value {
        let stored = std::fs::read_to_string(wallet_file(&net, name)).expect("can be read");
        serde_json::from_str::<serde_json::Value>(&stored).expect("JSON")["locks"].clone()
    };
    assert_eq!(locks("one"), locks("two"));
    assert_eq!(locks("one"), locks("three"));
    for (wrong, said) in [
        (WORDS.replace("about", "abouts"), "word 12 is not in the BIP39 English list"),
        (WORDS.replace("about", "abandon"), "the checksum does not fit"),
        (WORDS.replacen("abandon ", "", 1), "12 or 24 words are expected"),
        (String::new(), "12 or 24 words are expected"),
        ("zoo ".repeat(100_000), "12 or 24 words are expected"),
    ] {
        let bad = file(&net, "bad", &wrong);
        let arguments = ["wallet", "restore", "four", "--password-file", &password, "--mnemonic-file", &bad];
        refused(&net, &arguments, 2, "usage", &[said]);
    }
    assert!(!wallet_file(&net, "four").exists());
    refused(&net, &["wallet", "restore", "one", "--mnemonic-file", &words], 2, "usage", &["already"]);
    let gap = ["wallet", "restore", "five", "--mnemonic-file", &words, "--gap", "0"];
    assert!(net.run(&gap).ended(2).stderr.contains("--gap"));
}

#[test]
fn a_wallet_is_copied_out_and_in_whole_or_to_watch_only() {
    let net = Net::empty();
    let password = password(&net);
    net.json(&["wallet", "new", "savings", "--password-file", &password]);
    let copy = home(&net).join("copy.json").display().to_string();
    let exported = net.json(&["wallet", "export", "savings", "--out", &copy]);
    assert_eq!((text(&exported["kind"]), exported["addresses"].as_u64()), ("encrypted", Some(1)));
    let original = std::fs::read(wallet_file(&net, "savings")).expect("can be read");
    assert_eq!((std::fs::read(&copy).expect("can be read"), mode(Path::new(&copy))), (original.clone(), 0o600));
    refused(&net, &["wallet", "export", "savings", "--out", &copy], 2, "usage", &["--force"]);
    net.run(&["wallet", "export", "savings", "--out", &copy, "--force"]).ended(0);
    refused(&net, &["wallet", "export", "none", "--out", &copy], 2, "usage", &["no wallet \"none\""]);
    assert!(net.run(&["wallet", "export", "savings"]).ended(2).stderr.contains("--out"));
    // In again, under the file's name or another; the password is that of the copy.
    assert_eq!(net.json(&["wallet", "import", &copy])["wallet"], "copy");
    net.json(&["wallet", "import", &copy, "--name", "third"]);
    assert_eq!(std::fs::read(wallet_file(&net, "third")).expect("can be read"), original);
    net.json(&["wallet", "export", "third", "--words", "--password-file", &password]);
    refused(&net, &["wallet", "import", &copy], 2, "usage", &["already"]);
    refused(&net, &["wallet", "import", &copy, "--name", "../x"], 2, "usage", &["no name for a wallet"]);
    refused(&net, &["wallet", "import", "/nowhere.json"], 2, "usage", &["/nowhere.json"]);
    let odd = file(&net, "an odd name.json", std::str::from_utf8(&original).expect("JSON"));
    refused(&net, &["wallet", "import", &odd], 2, "usage", &["--name"]);

    let watch = home(&net).join("shop.json").display().to_string();
    let ahead = ["wallet", "export", "savings", "--watch-only", "--addresses", "2", "--out", &watch];
    refused(&net, &ahead, 3, "password-wanted", &["--password-file"]);
    let exported = net.json(&[&ahead[..], &["--password-file", &password]].concat());
    assert_eq!((text(&exported["kind"]), exported["addresses"].as_u64()), ("watch", Some(3)));
    let stored = std::fs::read_to_string(&watch).expect("can be read");
    assert!(!stored.contains("ciphertext") && !stored.contains("salt"), "no secret is in it: {stored}");
    net.json(&["wallet", "export", "savings", "--watch-only", "--out", &watch, "--force"]);
    assert_eq!(net.json(&["wallet", "import", &watch])["kind"], "watch");
    for command in ["passwd", "unlock"] {
        refused(&net, &["wallet", command, "shop"], 2, "usage", &["only watches"]);
    }
    refused(&net, &["wallet", "export", "shop", "--words"], 2, "usage", &["only watches"]);
}

#[test]
fn what_is_no_wallet_is_not_taken_in() {
    let net = Net::empty();
    let password = password(&net);
    net.json(&["wallet", "new", "savings", "--password-file", &password]);
    let good = std::fs::read_to_string(wallet_file(&net, "savings")).expect("can be read");
    for (number, bad) in [
        good[..good.len() / 2].to_owned(),
        String::new(),
        "[]".to_owned(),
        "x".repeat(9_000_000),
        good.replace("\"version\": 3", "\"version\": 4"),
        good.replace("\"memory_kib\": 65536", "\"memory_kib\": 4294967295"),
        good.replace("\"locks\": [", "\"locks\": [\"00\","),
    ]
    .into_iter()
    .enumerate()
    {
        let path = file(&net, &format!("bad{number}.json"), &bad);
        refused(&net, &["wallet", "import", &path], 1, "failed", &["is no wallet file"]);
    }
    refused(&net, &["wallet", "import", &home(&net).display().to_string()], 1, "failed", &["no file at all"]);
    let lock = good.split("\"locks\"").nth(1).expect("it has locks");
    let dev = format!("{{\"version\":3,\"kind\":\"dev\",\"secret\":\"{}\",\"locks\"{lock}", "11".repeat(32));
    let dev = file(&net, "alice.json", &dev);
    refused(&net, &["wallet", "import", &dev], 3, "dev-wallet", &["everybody knows it"]);
    // A change that reads well is noticed when the wallet opens.
    let salt = good.split("\"salt\": \"").nth(1).and_then(|rest| rest.get(..32)).expect("it has a salt");
    let changed = file(&net, "changed.json", &good.replace(salt, &"00".repeat(16)));
    net.json(&["wallet", "import", &changed]);
    let words = ["wallet", "export", "changed", "--words", "--password-file", &password];
    refused(&net, &words, 7, "wrong-password", &["the password is wrong, or the file was changed"]);
}

#[test]
fn the_password_changes_and_the_old_one_opens_no_more() {
    let net = Net::empty();
    let (old, new) = (password(&net), file(&net, "new", "another long password\n"));
    let made = net.json(&["wallet", "new", "savings", "--password-file", &old]);
    let passwd = ["wallet", "passwd", "savings", "--password-file"];
    let before = std::fs::read(wallet_file(&net, "savings")).expect("can be read");
    let wrong = with(&passwd, &[&new, "--new-password-file", &old]);
    refused(&net, &wrong, 7, "wrong-password", &["the password is wrong"]);
    refused(&net, &with(&passwd, &[&old]), 3, "password-wanted", &["--new-password-file"]);
    let to_new = with(&passwd, &[&old, "--new-password-file", &new]);
    refused(&net, &with(&to_new, &["--memory-mib", "1"]), 2, "usage", &["19 to 1024 MiB"]);
    refused(&net, &with(&to_new, &["--passes", "99"]), 2, "usage", &["2 to 16 passes"]);
    assert_eq!(std::fs::read(wallet_file(&net, "savings")).expect("can be read"), before, "nothing was changed");
    let ran = net.run(&with(&to_new, &["--memory-mib", "19", "--passes", "2", "--json"])).ended(0);
    assert!(ran.stderr.contains("still open with the old password"), "{ran:?}");
    assert_eq!(ran.json()["wallet"], "savings");
    let words =
        |password: &str| net.run(&["wallet", "export", "savings", "--words", "--json", "--password-file", password]);
    assert_eq!(words(&new).ended(0).json()["mnemonic"], made["mnemonic"]);
    words(&old).ended(7);
    let stored = std::fs::read_to_string(wallet_file(&net, "savings")).expect("can be read");
    assert!(stored.contains("\"memory_kib\": 19456") && stored.contains("\"passes\": 2"), "{stored}");
    assert_eq!(mode(&wallet_file(&net, "savings")), 0o600);
}

#[test]
fn a_wallet_is_renamed_and_removed_with_all_its_files() {
    let net = Net::empty();
    let password = password(&net);
    let wallets = home(&net).join("wallets");
    for name in ["savings", "other"] {
        net.json(&["wallet", "new", name, "--password-file", &password]);
    }
    std::fs::write(wallets.join("savings.notes"), "of the owner").expect("can be written");
    assert_eq!(net.json(&["wallet", "rename", "savings", "old"])["was"], "savings");
    assert!(!wallet_file(&net, "savings").exists() && wallets.join("old.notes").exists());
    net.json(&["wallet", "export", "old", "--words", "--password-file", &password]);
    refused(&net, &["wallet", "rename", "old", "other"], 2, "usage", &["already"]);
    refused(&net, &["wallet", "rename", "old", "a.b"], 2, "usage", &["no name for a wallet"]);
    refused(&net, &["wallet", "rename", "savings", "x"], 2, "usage", &["no wallet \"savings\" of yours"]);
    refused(&net, &["wallet", "rename", "../wallets/old", "x"], 2, "usage", &["of yours"]);
    let said = ["come back only from its words", "No net was asked", "--yes", "nothing was removed"];
    refused(&net, &["wallet", "remove", "old"], 3, "confirmation-wanted", &said);
    assert!(wallet_file(&net, "old").exists());
    let ran = net.run(&["wallet", "remove", "old", "--yes"]).ended(0);
    assert!(ran.stdout.contains("was removed") && ran.stderr.contains("come back only from its words"), "{ran:?}");
    let left: Vec<_> =
        std::fs::read_dir(&wallets).expect("a directory").map(|entry| entry.expect("read").file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("old")), "{left:?}");
    refused(&net, &["wallet", "remove", "old", "--yes"], 2, "usage", &["of yours"]);
    // One that cannot be read can go, too.
    std::fs::write(wallet_file(&net, "broken"), "{").expect("can be written");
    net.run(&["wallet", "remove", "broken", "--yes"]).ended(0);
    assert_eq!(net.json(&["wallet", "list"])["wallets"].as_array().map(Vec::len), Some(1));
}
