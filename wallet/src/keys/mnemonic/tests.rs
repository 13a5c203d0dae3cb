use super::*;

/// (entropy, words, seed with the passphrase `TREZOR`), from the vectors that BIP39 names.
const VECTORS: [(&str, &str, &str); 6] = [
    (
        "00000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank yellow",
        "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607",
    ),
    (
        "80808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
        "d71de856f81a8acc65e6fc851a38d4d7ec216fd0796d0a6827a3ad6ed5511a30fa280f12eb2e47ed2ac03b5c462a0358d18d69fe4f985ec81778c1b370b652a8",
    ),
    (
        "ffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
        "ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13332572917f0f8e5a589620c6f15b11c61dee327651a14c34e18231052e48c069",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
        "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8",
    ),
    (
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
        "dd48c104698c30cfe2b6142103248622fb7bb0ff692eebb00089b32d22484e1613912f0a5b694407be899ffd31ed3992c456cdf60f5d4564b8ba3f05a69890ad",
    ),
];

#[test]
fn words_and_seeds_are_those_of_the_vectors() {
    for (entropy, words, seed) in VECTORS {
        let mnemonic = Mnemonic::from_entropy(&hex::decode(entropy).unwrap()).unwrap();
        assert_eq!(*mnemonic.words(), words);
        let mnemonic = Mnemonic::parse(words).unwrap().with_passphrase("TREZOR").unwrap();
        assert_eq!(hex::encode(*mnemonic.seed()), seed, "{words}");
        let again = Mnemonic::from_secret(&mnemonic.secret()).unwrap();
        assert_eq!(again.seed(), mnemonic.seed());
        assert_eq!(again.passphrase(), "TREZOR");
    }
}

#[test]
fn a_passphrase_means_the_same_however_its_accents_are_written() {
    let with = |passphrase: &str| Mnemonic::parse(VECTORS[0].1).unwrap().with_passphrase(passphrase).unwrap().seed();
    assert_eq!(with("caf\u{e9}"), with("cafe\u{301}"));
    assert_ne!(with("caf\u{e9}"), with("cafe"));
    let none = Mnemonic::parse(VECTORS[0].1).unwrap();
    assert_eq!(with(""), none.seed());
    let longest = "\u{e9}".repeat(PASSPHRASE_BYTES_MAX / 2);
    assert!(none.clone().with_passphrase(&longest).is_ok());
    assert_eq!(none.with_passphrase(&format!("{longest}xx")).unwrap_err().exit_status(), 2);
}

#[test]
fn a_secret_is_always_as_long_and_has_one_form() {
    let short = Mnemonic::from_entropy(&[7; 16]).unwrap();
    let long = Mnemonic::from_entropy(&[7; 32]).unwrap().with_passphrase(&"x".repeat(255)).unwrap();
    assert_eq!(short.secret().len(), long.secret().len());
    let changed = |at: usize, to: u8| {
        let mut bytes = short.secret();
        bytes[at] = to;
        Mnemonic::from_secret(&bytes).is_some()
    };
    assert!(changed(1, 8), "another secret");
    assert!(!changed(0, 15) && !changed(0, 33), "a number of words that there is not");
    assert!(!changed(20, 1) && !changed(34, 1) && !changed(288, 1), "something in what is unused");
    assert!(Mnemonic::from_secret(&short.secret()[1..]).is_none() && Mnemonic::from_secret(&[]).is_none());
    let mut not_text = long.secret();
    not_text[40] = 0xff;
    assert!(Mnemonic::from_secret(&not_text).is_none());
}

/// BIP39's best-known seed, of the empty passphrase.
#[test]
fn words_and_seed_are_those_of_bip39() {
    let zero = Mnemonic::from_entropy(&[0; 16]).unwrap();
    let words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
    assert_eq!(*zero.words(), words);
    assert_eq!(
        hex::encode(*zero.seed()),
        "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc19a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
    );
    let long = Mnemonic::from_entropy(&[0xff; 32]).unwrap();
    assert!(long.words().starts_with("zoo zoo zoo") && long.words().ends_with(" vote"));
}

#[test]
fn a_fresh_one_is_read_back_and_no_two_are_the_same() {
    for count in [WordCount::Twelve, WordCount::TwentyFour] {
        let (a, b) = (Mnemonic::generate(count).unwrap(), Mnemonic::generate(count).unwrap());
        assert_ne!(*a.words(), *b.words());
        let shouted = format!("  {}\n", a.words().to_uppercase().replace(' ', "   "));
        assert_eq!(*Mnemonic::parse(&shouted).unwrap().words(), *a.words());
    }
}

#[test]
fn what_is_wrong_is_said_without_repeating_it() {
    for (words, part) in [
        ("abandon abandon", "12 or 24"),
        ("abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon secret1", "word 12"),
        ("abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon", "checksum"),
        (
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon address",
            "12 or 24",
        ),
    ] {
        let message = Mnemonic::parse(words).unwrap_err().to_string();
        assert!(message.contains(part) && !message.contains("abandon") && !message.contains("secret1"), "{message}");
    }
}
