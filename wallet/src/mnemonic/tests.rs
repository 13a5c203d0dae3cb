use super::*;

/// Trezor's vectors use a passphrase, which we do not: the words are theirs, the seed of the empty passphrase is BIP39's
/// best-known one.
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
