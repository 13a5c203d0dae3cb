use super::*;
use bezant_consensus::ledger::codec::encode;
use proptest::prelude::*;

/// Cheap enough for tests; what is tested does not depend on the cost.
fn wallet(name: &str, password: &str) -> WalletFile {
    WalletFile::encrypted_with(name, &mnemonic(), 1, password, Cost::of_tests()).unwrap()
}

fn mnemonic() -> Mnemonic {
    Mnemonic::from_entropy(&[3; 16]).unwrap().with_passphrase("of mine").unwrap()
}

#[test]
fn a_file_opens_with_its_password_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = create(dir.path(), &wallet("savings", "correct horse")).unwrap();
    let file = read(&path).unwrap();
    assert!(!file.is_dev());
    assert_eq!(file.unlock(Some("correct horse")).unwrap().locks()[0], file.locks[0]);
    let wrong = file.unlock(Some("Correct horse")).unwrap_err();
    assert_eq!((wrong.exit_status(), wrong.kind()), (7, "wrong-password"));
    assert_eq!(file.unlock(None).unwrap_err().exit_status(), 3);
    let opened = file.mnemonic(&file.key(Some("correct horse")).unwrap()).unwrap();
    assert_eq!((opened.words(), opened.passphrase()), (mnemonic().words(), "of mine"));
}

#[test]
fn a_new_wallet_uses_the_full_cost_and_opens() {
    let mnemonic = Mnemonic::from_entropy(&[9; 32]).unwrap();
    let wallet = WalletFile::encrypted("w", &mnemonic, "p").unwrap();
    let Secret::Encrypted(sealed) = &wallet.secret else { panic!("encrypted") };
    assert_eq!(sealed.cost, Cost::default());
    assert_eq!(wallet.unlock(Some("p")).unwrap().locks()[0], wallet.locks[0]);
}

#[test]
fn every_change_of_a_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = create(dir.path(), &wallet("savings", "p")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let foreign = hex::encode(encode(&Lock::Key(SigningKey::from_seed(&[77; 32]).public())));
    let own = hex::encode(encode(&read(&path).unwrap().locks[0]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let flip = |field: &str| {
        let old = json[field].as_str().unwrap();
        let first = if old.starts_with('0') { "1" } else { "0" };
        text.replace(old, &format!("{first}{}", &old[1..]))
    };
    let summed = text.replace(json["checksum"].as_str().unwrap(), &disk::checksum(std::slice::from_ref(&foreign)));
    let opening = [
        summed.replace(&own, &foreign),
        text.replace("\"passes\": 1", "\"passes\": 2"),
        flip("salt"),
        flip("nonce"),
        flip("ciphertext"),
    ];
    for changed in opening {
        assert_ne!(changed, text);
        std::fs::write(&path, &changed).unwrap();
        assert_eq!(read(&path).unwrap().key(Some("p")).unwrap_err().exit_status(), 7, "{changed}");
    }
    let reading = [
        text.replace("\"passes\": 1", "\"passes\": 4000000000"),
        text.replace("argon2id", "md5"),
        text.replace("\"version\": 3", "\"version\": 2"),
        text.replace(&own, "00"),
        text.replace(&own, &foreign),
        text[..text.len() / 2].to_owned(),
        String::new(),
        "\u{0}".repeat(100),
    ];
    for changed in reading {
        std::fs::write(&path, &changed).unwrap();
        assert_eq!(read(&path).unwrap_err().exit_status(), 1, "{changed}");
    }
    std::fs::write(&path, vec![b' '; 9_000_000]).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("too large"));
    assert_eq!(read(&dir.path().join("none.json")).unwrap_err().exit_status(), 2);
}

/// The password fits and the file was not changed since: but who made it gave it addresses of his own.
#[test]
fn addresses_of_another_secret_are_noticed() {
    let mut file = wallet("savings", "p");
    let key = file.key(Some("p")).unwrap();
    file.locks = derive(&[77; 16], 0..1);
    file.secret = Secret::Encrypted(Sealed::new(&key, &file.locks, &mnemonic()).unwrap());
    assert!(file.key(Some("p")).is_ok());
    let error = file.unlock(Some("p")).unwrap_err();
    assert!(error.exit_status() == 7 && error.to_string().contains("not those of its secret"), "{error}");
    assert_eq!(file.key_of(Zeroizing::new(*key.bytes())).unwrap_err().exit_status(), 7);
}

#[test]
fn addresses_are_added_and_survive_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = wallet("savings", "p");
    let path = create(dir.path(), &file).unwrap();
    let key = file.key(Some("p")).unwrap();
    file.extend(&key, 3).unwrap();
    write(&file, &path).unwrap();
    let again = read(&path).unwrap();
    assert_eq!(again.locks, file.locks);
    assert_eq!(again.locks, derive(mnemonic().seed().as_slice(), 0..3));
    assert_eq!(again.unlock(Some("p")).unwrap().locks(), again.locks);
    // The same key opens it still, and nothing is ever encrypted twice under one nonce.
    assert_eq!(again.unlock_with(&key).unwrap().locks(), again.locks);
    let (Secret::Encrypted(new), Secret::Encrypted(old)) = (&again.secret, wallet("savings", "p").secret) else {
        panic!("encrypted")
    };
    assert_ne!(new.nonce, old.nonce);
    assert_eq!(file.extend(&key, ADDRESSES_MAX + 1).unwrap_err().exit_status(), 2);
    file.extend(&key, 1).unwrap();
    assert_eq!(file.locks.len(), 3, "never fewer");
}

#[test]
fn a_changed_password_is_the_only_one_and_keeps_addresses_and_words() {
    let mut file = wallet("savings", "old");
    let old_key = file.key(Some("old")).unwrap();
    file.extend(&old_key, 2).unwrap();
    file.change_password(&old_key, "new", Cost::of_tests()).unwrap();
    assert_eq!(file.unlock(Some("old")).unwrap_err().exit_status(), 7);
    assert_eq!(file.unlock_with(&old_key).unwrap_err().exit_status(), 7, "what an agent kept is worth nothing");
    assert_eq!(file.unlock(Some("new")).unwrap().locks().len(), 2);
    assert_eq!(file.mnemonic(&file.key(Some("new")).unwrap()).unwrap().words(), mnemonic().words());
    for (memory, passes) in
        [(Some(18), None), (Some(1_025), None), (None, Some(1)), (None, Some(17)), (Some(u32::MAX), None)]
    {
        assert_eq!(Cost::new(memory, passes).unwrap_err().exit_status(), 2, "{memory:?} {passes:?}");
    }
    assert_eq!(Cost::new(None, None).unwrap(), Cost::default());
}

#[test]
fn what_an_agent_kept_opens_this_file_only() {
    let (one, other) = (wallet("one", "p"), wallet("other", "p"));
    let bytes = |wallet: &WalletFile| Zeroizing::new(*wallet.key(Some("p")).unwrap().bytes());
    assert!(one.key_of(bytes(&one)).is_ok());
    assert_eq!(one.key_of(bytes(&other)).unwrap_err().exit_status(), 7);
    assert_ne!(one.salt(), other.salt());
    assert_eq!(WalletFile::dev("alice", [1; 32]).salt(), None);
}

#[test]
fn commands_at_the_same_time_lose_nothing_of_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = create(dir.path(), &wallet("savings", "p")).unwrap();
    let key = read(&path).unwrap().key(Some("p")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| update(&path, |wallet| wallet.extend(&key, wallet.locks.len() + 1)).unwrap());
        }
    });
    assert_eq!(read(&path).unwrap().unlock(Some("p")).unwrap().keys.len(), 9);
    let before = std::fs::read(&path).unwrap();
    let refused = update(&path, |wallet| {
        wallet.extend(&key, 20)?;
        Err::<(), _>(WalletError::Usage("no".to_owned()))
    });
    assert_eq!((refused.unwrap_err().exit_status(), std::fs::read(&path).unwrap()), (2, before));
}

#[test]
fn an_existing_wallet_is_never_overwritten_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = create(dir.path(), &wallet("savings", "p")).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(create(dir.path(), &wallet("savings", "q")).unwrap_err().exit_status(), 2);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(create(dir.path(), &wallet("../x", "q")).unwrap_err().exit_status(), 2);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let names: Vec<_> = names.into_iter().filter(|name| name != ".lock").collect();
    assert_eq!(names, ["savings.json"], "nothing temporary is left");
    std::fs::write(dir.path().join("other.sent"), "what a wallet that is gone has paid").unwrap();
    let error = create(dir.path(), &wallet("other", "q")).unwrap_err();
    assert!(error.exit_status() == 2 && error.to_string().contains("other.sent"), "{error}");
    assert_eq!(paths(dir.path()).unwrap().len(), 1);
    assert!(paths(&dir.path().join("none")).unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = create(dir.path(), &wallet("savings", "p")).unwrap();
    write(&wallet("savings", "p"), &path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn neither_secrets_nor_passwords_are_shown() {
    let file = wallet("savings", "p");
    let dev = WalletFile::dev("alice", [0xab; 32]);
    for shown in [format!("{file:?}"), format!("{dev:?}"), format!("{:?}", dev.unlock(None).unwrap())] {
        assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    }
}

#[test]
fn a_wallet_that_only_watches_keeps_whole_locks_and_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let key = Lock::Key(SigningKey::from_seed(&[7; 32]).public());
    let of = vec![key.clone(), Lock::Threshold { k: 2, of: vec![Lock::Older(144), Lock::Opaque(key.hash())] }];
    let vault = Lock::Threshold { k: 1, of };
    let mut file = WalletFile::watching("vault", vec![vault.clone(), Lock::Opaque(key.hash())]);
    let path = create(dir.path(), &file).unwrap();
    let again = read(&path).unwrap();
    assert!(again.is_watching() && !again.is_dev());
    assert_eq!(again.lock_hashes(), [vault.hash(), key.hash()]);
    assert_eq!(again.locks, file.locks);
    let refusals = [
        again.unlock(None).unwrap_err(),
        again.key(Some("p")).map(|_| ()).unwrap_err(),
        file.extend(&wallet("w", "p").key(Some("p")).unwrap(), 2).unwrap_err(),
        file.hand_out().unwrap_err(),
    ];
    for error in refusals {
        assert_eq!((error.exit_status(), error.to_string().contains("only watches")), (2, true), "{error}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"watch\"", "\"dev\",\"secret\":\"00\"")).unwrap();
    assert_eq!(read(&path).unwrap_err().exit_status(), 1);
}

#[test]
fn a_watching_copy_hands_out_what_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let file = wallet("savings", "p");
    let key = file.key(Some("p")).unwrap();
    let mut copy = file.watching_copy(Some((&key, 2))).unwrap();
    assert_eq!(copy.locks, derive(mnemonic().seed().as_slice(), 0..3), "all are watched");
    assert_eq!(copy.handed_out(), &copy.locks[..1]);
    copy.hand_out().unwrap();
    export(&copy, &dir.path().join("till.json"), false).unwrap();
    let mut again = read(&dir.path().join("till.json")).unwrap();
    assert_eq!((again.handed_out().len(), again.locks.len(), again.name.as_str()), (2, 3, "till"));
    assert!(!std::fs::read_to_string(dir.path().join("till.json")).unwrap().contains("ciphertext"));
    again.hand_out().unwrap();
    assert!(again.hand_out().unwrap_err().to_string().contains("no more addresses"));
    assert_eq!(file.watching_copy(None).unwrap().handed_out(), file.locks);
    assert_eq!(file.watching_copy(Some((&key, ADDRESSES_MAX))).unwrap_err().exit_status(), 2);
    assert_eq!(export(&copy, &dir.path().join("till.json"), false).unwrap_err().exit_status(), 2);
    export(&file, &dir.path().join("till.json"), true).unwrap();
    assert!(!read(&dir.path().join("till.json")).unwrap().is_watching());
}

#[test]
fn more_addresses_are_watched_once_each() {
    let locks = derive(&[5; 16], 0..4);
    let bare = |at: usize| Lock::Opaque(locks[at].hash());
    let mut file = WalletFile::watching("w", vec![bare(0)]);
    assert!(file.watch(bare(1)).unwrap());
    assert!(!file.watch(bare(1)).unwrap() && !file.watch(locks[0].clone()).unwrap());
    assert_eq!(file.handed_out().len(), 2);
    // One that was kept for later is handed out then, and nothing else changes.
    let mut copy = WalletFile::watching("w", locks.clone());
    copy.secret = Secret::None { handed_out: 1 };
    assert!(copy.watch(bare(2)).unwrap());
    assert_eq!(copy.locks, [&locks[0], &locks[2], &locks[1], &locks[3]].map(Clone::clone));
    assert_eq!(copy.handed_out().len(), 2);
    assert_eq!(wallet("savings", "p").watch(bare(0)).unwrap_err().exit_status(), 2);
    let mut full = WalletFile::watching("w", derive(&[6; 16], 0..ADDRESSES_MAX));
    assert_eq!(full.watch(bare(0)).unwrap_err().exit_status(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done to the bytes of a file, it is read, or refused with a sentence; what still opens is what it was.
    #[test]
    fn no_damage_makes_another_wallet(at in 0usize..2_000, byte: u8, cut in 0usize..2_000) {
        let dir = tempfile::tempdir().unwrap();
        let path = create(dir.path(), &wallet("w", "p")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        if cut % 2 == 0 {
            bytes.truncate(cut % length);
        }
        std::fs::write(&path, &bytes).unwrap();
        match read(&path) {
            Ok(file) => if let Ok(opened) = file.unlock(Some("p")) {
                prop_assert_eq!(opened.locks(), wallet("w", "p").locks);
            },
            Err(error) => prop_assert_eq!(error.exit_status(), 1),
        }
    }
}
