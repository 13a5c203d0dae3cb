use super::*;

/// Cheap enough for tests; what is tested does not depend on the cost.
fn wallet(name: &str, password: &str) -> WalletFile {
    let mnemonic = Mnemonic::from_entropy(&[3; 16]).unwrap();
    let locks = vec![Lock::Key(slip10::address_key(&*mnemonic.seed(), 0).public())];
    let kdf = Kdf { memory_kib: 64, passes: 1, lanes: 1 };
    let sealed = seal(name, &locks, &mnemonic, password, kdf).unwrap();
    WalletFile { name: name.to_owned(), locks, secret: Secret::Encrypted(sealed) }
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
    assert_eq!(
        *file.mnemonic(Some("correct horse")).unwrap().words(),
        *Mnemonic::from_entropy(&[3; 16]).unwrap().words()
    );
}

#[test]
fn a_new_wallet_uses_the_full_cost_and_opens() {
    let mnemonic = Mnemonic::from_entropy(&[9; 32]).unwrap();
    let wallet = WalletFile::encrypted("w", &mnemonic, "p").unwrap();
    let Secret::Encrypted(sealed) = &wallet.secret else { panic!("encrypted") };
    assert_eq!(sealed.kdf, KDF);
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
    let opening = [
        text.replace(&own, &foreign),
        text.replace("\"passes\": 1", "\"passes\": 2"),
        text.replace("\"savings\"", "\"spendings\""),
        flip("salt"),
        flip("nonce"),
        flip("ciphertext"),
    ];
    for changed in opening {
        assert_ne!(changed, text);
        std::fs::write(&path, &changed).unwrap();
        assert_eq!(read(&path).unwrap().unlock(Some("p")).unwrap_err().exit_status(), 7, "{changed}");
    }
    let reading = [
        text.replace("\"passes\": 1", "\"passes\": 4000000000"),
        text.replace("argon2id", "md5"),
        text.replace("\"version\": 2", "\"version\": 3"),
        text.replace(&own, "00"),
        text[..text.len() / 2].to_owned(),
        String::new(),
        "\u{0}".repeat(100),
    ];
    for changed in reading {
        std::fs::write(&path, &changed).unwrap();
        assert_eq!(read(&path).unwrap_err().exit_status(), 1, "{changed}");
    }
    std::fs::write(&path, vec![b' '; 2_000_000]).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("too large"));
    assert_eq!(read(&dir.path().join("none.json")).unwrap_err().exit_status(), 2);
}

#[test]
fn addresses_are_added_and_survive_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = wallet("savings", "p");
    let path = create(dir.path(), &file).unwrap();
    assert_eq!(file.add_address(Some("wrong")).unwrap_err().exit_status(), 7);
    let second = file.add_address(Some("p")).unwrap();
    write(&file, &path).unwrap();
    let again = read(&path).unwrap();
    assert_eq!(again.locks[1], Lock::Key(second));
    assert_eq!(again.unlock(Some("p")).unwrap().keys[1].public(), second);
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
    assert_eq!(names, ["savings.json"], "nothing temporary is left");
    assert_eq!(list(dir.path()).unwrap().len(), 1);
    assert!(list(&dir.path().join("none")).unwrap().is_empty());
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
        again.mnemonic(Some("p")).map(|_| ()).unwrap_err(),
        file.add_address(Some("p")).map(|_| ()).unwrap_err(),
    ];
    for error in refusals {
        assert_eq!((error.exit_status(), error.to_string().contains("only watches")), (2, true), "{error}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"watch\"", "\"dev\",\"secret\":\"00\"")).unwrap();
    assert_eq!(read(&path).unwrap_err().exit_status(), 1);
}
