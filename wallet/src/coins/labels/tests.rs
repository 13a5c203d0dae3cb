use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

const NETWORK: NetworkId = NetworkId([3; 32]);
const OTHER: NetworkId = NetworkId([4; 32]);
const TX: Labelled = Labelled::Transaction(TxId([1; 32]));
const ADDRESS: Labelled = Labelled::Address(LockHash([2; 32]));

fn coin(index: u32) -> OutPoint {
    OutPoint { txid: TxId([1; 32]), index }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("alice.json");
    (dir, wallet)
}

fn set_all(wallet: &Path, labels: &[(Labelled, &str)]) {
    let labels: Vec<_> = labels.iter().map(|(what, text)| (*what, (*text).to_owned())).collect();
    set(wallet, &NETWORK, &labels).unwrap();
}

#[test]
fn they_are_kept_shown_and_taken_away() {
    let (_dir, wallet) = place();
    assert_eq!(Labels::open(&wallet, &NETWORK).unwrap(), Labels::default());
    assert!(!remove(&wallet, &NETWORK, TX).unwrap());
    assert!(!crate::store::path(&wallet).exists(), "looking makes no file");
    set_all(&wallet, &[(TX, "rent"), (ADDRESS, "shop"), (Labelled::Coin(coin(0)), "deposit")]);
    set_all(&wallet, &[(TX, "rent of May")]);
    let labels = Labels::open(&wallet, &NETWORK).unwrap();
    assert_eq!(labels.iter().count(), 3);
    assert_eq!(labels.of_transaction(TxId([1; 32])).as_deref(), Some("rent of May"));
    assert_eq!(labels.of_coin(coin(0), LockHash([2; 32])), Some("deposit"));
    assert_eq!(labels.of_coin(coin(1), LockHash([2; 32])), Some("shop"));
    assert_eq!(labels.of_coin(coin(1), LockHash([9; 32])), None);
    assert_eq!(Labels::open(&wallet, &OTHER).unwrap(), Labels::default());
    assert!(remove(&wallet, &NETWORK, TX).unwrap());
    let labels = Labels::open(&wallet, &NETWORK).unwrap();
    assert_eq!(labels.of_transaction(TxId([1; 32])).as_deref(), Some("deposit"));
}

#[test]
fn of_many_coins_a_few_are_shown() {
    let (_dir, wallet) = place();
    let coins: Vec<_> = (0..5).map(|index| (Labelled::Coin(coin(index)), format!("month {index}"))).collect();
    set(&wallet, &NETWORK, &coins).unwrap();
    let labels = Labels::open(&wallet, &NETWORK).unwrap();
    assert_eq!(labels.of_transaction(TxId([1; 32])).as_deref(), Some("month 0, month 1, month 2, …"));
}

#[test]
fn texts_are_bounded() {
    for good in ["a", "Miete für Mai ☂", &"ä".repeat(LABEL_CHARS_MAX)] {
        check(good).unwrap();
    }
    for bad in ["", "a\nb", "\u{1b}[31m", "a\u{202e}b", &"ä".repeat(LABEL_CHARS_MAX + 1)] {
        assert_eq!(check(bad).unwrap_err().exit_status(), 2, "{bad:?}");
    }
    for bad in ["", "rent", "12", "bzt1nonsense", &format!("{}:x", "ab".repeat(32))] {
        assert_eq!(Labelled::read(&NETWORK, bad).unwrap_err().exit_status(), 2, "{bad:?}");
    }
    assert!(Labelled::read(&OTHER, &ADDRESS.text(&NETWORK)).is_err(), "an address of another net");
}

#[test]
fn their_number_is_bounded() {
    let (_dir, wallet) = place();
    let count = u32::try_from(LABELS_MAX).unwrap();
    let many: Vec<_> = (0..count).map(|index| (Labelled::Coin(coin(index)), "x".to_owned())).collect();
    set(&wallet, &NETWORK, &many).unwrap();
    set(&wallet, &NETWORK, &many[..10]).unwrap();
    let error = set(&wallet, &NETWORK, &[(TX, "one more".to_owned())]).unwrap_err();
    assert_eq!((error.kind(), error.exit_status()), ("too-many-labels", 3));
}

#[test]
fn a_file_is_as_bip_329_has_it() {
    let (_dir, wallet) = place();
    set_all(&wallet, &[(TX, "rent"), (ADDRESS, "shop"), (Labelled::Coin(coin(0)), "a \"deposit\"")]);
    frozen::lock(&wallet, &NETWORK, &[coin(0), coin(7)]).unwrap();
    let (tx, address) = (TX.text(&NETWORK), ADDRESS.text(&NETWORK));
    let expected = format!(
        "{{\"type\":\"tx\",\"ref\":\"{tx}\",\"label\":\"rent\"}}
{{\"type\":\"addr\",\"ref\":\"{address}\",\"label\":\"shop\"}}
{{\"type\":\"output\",\"ref\":\"{tx}:0\",\"label\":\"a \\\"deposit\\\"\",\"spendable\":false}}
{{\"type\":\"output\",\"ref\":\"{tx}:7\",\"spendable\":false}}
"
    );
    let text = export(&wallet, &NETWORK).unwrap();
    assert_eq!(text, expected);

    let (_dir, second) = place();
    frozen::lock(&second, &NETWORK, &[coin(3)]).unwrap();
    let freed = format!("{{\"type\":\"output\",\"ref\":\"{tx}:3\",\"spendable\":true}}\n\n");
    let foreign = format!("{{\"type\":\"xpub\",\"ref\":\"xpub1\",\"label\":\"x\",\"origin\":\"wpkh\"}}\n{text}{freed}");
    let imported = parse(&NETWORK, &foreign).unwrap();
    assert_eq!((imported.labels.len(), imported.ignored, imported.cut), (3, 1, 0));
    import(&second, &NETWORK, &imported).unwrap();
    assert_eq!(export(&second, &NETWORK).unwrap(), text);
}

#[test]
fn bad_lines_are_told_and_nothing_is_taken() {
    let tx = TX.text(&NETWORK);
    let bad = [
        "nonsense".to_owned(),
        "{}".to_owned(),
        format!("{{\"type\":\"addr\",\"ref\":\"{tx}\",\"label\":\"x\"}}"),
        format!("{{\"type\":\"coin\",\"ref\":\"{tx}\",\"label\":\"x\"}}"),
        format!("{{\"type\":\"tx\",\"ref\":\"{tx}\",\"label\":\"a\\u001bb\"}}"),
        format!("{{\"type\":\"addr\",\"ref\":\"{}\",\"label\":\"x\"}}", ADDRESS.text(&OTHER)),
    ];
    let error = parse(&NETWORK, &bad.join("\n")).unwrap_err();
    assert!((1..=6).all(|line| error.contains(&format!("line {line}: "))), "{error}");
    let long = format!("{{\"type\":\"tx\",\"ref\":\"{tx}\",\"label\":\"{}\"}}", "ä".repeat(LABEL_CHARS_MAX + 9));
    let imported = parse(&NETWORK, &long).unwrap();
    assert_eq!((imported.cut, imported.labels[&TX].chars().count()), (1, LABEL_CHARS_MAX));
    let many = vec!["nonsense"; 50].join("\n");
    assert!(parse(&NETWORK, &many).unwrap_err().contains("and 30 more"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_it_panic(text in ".{0,200}") {
        let _ = parse(&NETWORK, &text);
        let _ = Labelled::read(&NETWORK, &text);
    }

    #[test]
    fn what_is_exported_is_read_again(labels in proptest::collection::vec((any::<[u8; 32]>(), 0u32..3, "[\\p{L}\\p{N}\\p{P}\\p{S} ]{1,60}"), 0..20)) {
        let what = |bytes: [u8; 32], kind: u32| match kind {
            0 => Labelled::Transaction(TxId(bytes)),
            1 => Labelled::Address(LockHash(bytes)),
            index => Labelled::Coin(OutPoint { txid: TxId(bytes), index }),
        };
        let labels: Vec<_> = labels.into_iter().map(|(bytes, kind, text)| (what(bytes, kind), text)).collect();
        let (_dir, wallet) = place();
        set(&wallet, &NETWORK, &labels).unwrap();
        let imported = parse(&NETWORK, &export(&wallet, &NETWORK).unwrap()).unwrap();
        prop_assert_eq!(Labels(imported.labels), Labels::open(&wallet, &NETWORK).unwrap());
    }
}
