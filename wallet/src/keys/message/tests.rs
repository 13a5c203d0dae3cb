use super::*;
use crate::keys::keystore::{Cost, WalletFile};
use crate::keys::mnemonic::Mnemonic;
use bezant_consensus::ledger::hash::NetworkId;
use proptest::prelude::*;

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn keys() -> Unlocked {
    let mnemonic = Mnemonic::parse(WORDS).unwrap();
    WalletFile::encrypted_with("w", &mnemonic, 2, "p", Cost::of_tests()).unwrap().unlock(Some("p")).unwrap()
}

fn address_of(net: u8, index: usize) -> String {
    address::encode(&NetworkId([net; 32]), &keys().locks()[index].hash())
}

/// A vector: the mnemonic above, its first address on a net whose id is 32 times 0x07, the message `I own this`.
const VECTOR_ADDRESS: &str = "bzt1qr0gqqlxae7yf0guqq6rkj6u69ggadr4z40y3jza5v9p3wl2cw39wpc8qursdqt9pk";
const VECTOR_SIGNATURE: &str = "014fbe4a536f36269b1c544785f54d7270ffad53ee5c331a1bcf02ea112ee3c707ec8027b835274522ed4d2392eea0368048442870c35766400a4c891b58c3c155bb6cdc9c753413d94fbe2e3997846529c95bc85bd93f4a78a53b74a11dba1f06";

#[test]
fn the_vector_is_made_and_holds() {
    assert_eq!(address_of(7, 0), VECTOR_ADDRESS);
    let speaker = Speaker::of(VECTOR_ADDRESS).unwrap();
    assert_eq!(speaker.sign(&keys(), b"I own this").unwrap(), VECTOR_SIGNATURE);
    let key = keys().keys[0].public();
    assert_eq!(speaker.verify(b"I own this", &format!(" {}\n", VECTOR_SIGNATURE.to_uppercase())), Ok(key));
}

#[test]
fn each_of_a_wallets_addresses_speaks_for_itself_only() {
    let one = Speaker::of(&address_of(7, 1)).unwrap();
    let signature = one.sign(&keys(), b"hello").unwrap();
    assert!(one.verify(b"hello", &signature).is_ok());
    let other = Speaker::of(&address_of(7, 0)).unwrap().verify(b"hello", &signature).unwrap_err();
    assert_eq!((other.clone(), other.kind()), (MessageError::OtherAddress(address_of(7, 1)), "other-address"));
    let net = Speaker::of(&address_of(8, 1)).unwrap().verify(b"hello", &signature);
    assert_eq!(net, Err(MessageError::BadSignature), "not for another net");
    let stranger = address::encode(&NetworkId([7; 32]), &LockHash([1; 32]));
    assert_eq!(Speaker::of(&stranger).unwrap().sign(&keys(), b"hello").unwrap_err().exit_status(), 2);
}

#[test]
fn what_is_no_signature_is_said_to_be_none() {
    let speaker = Speaker::of(VECTOR_ADDRESS).unwrap();
    let small_order = format!("01{:0<64}{}", "01", &VECTOR_SIGNATURE[66..]);
    for text in [
        "",
        "zz",
        &VECTOR_SIGNATURE[2..],
        &format!("{VECTOR_SIGNATURE}00"),
        &format!("02{}", &VECTOR_SIGNATURE[2..]),
        &small_order,
    ] {
        let error = speaker.verify(b"I own this", text).unwrap_err();
        assert_eq!(error.kind(), "malformed-signature", "{text}: {error}");
    }
}

/// The same key signs transactions: a message must never be one, whatever its bytes are.
#[test]
fn a_message_is_not_signed_as_anything_else() {
    let (keys, speaker) = (keys(), Speaker::of(VECTOR_ADDRESS).unwrap());
    let digest = tagged("bezant/sighash", &[b"I own this"]);
    let signature = speaker.sign(&keys, &digest).unwrap();
    let bytes = hex::decode(signature).unwrap();
    let signed = Signature(bytes[33..].try_into().unwrap());
    assert!(!key::verify(&keys.keys[0].public(), &digest, &signed), "the digest itself is not signed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_change_is_noticed(at in 0usize..97, bit in 0u8..8, message in prop::collection::vec(any::<u8>(), 0..40)) {
        let speaker = Speaker::of(VECTOR_ADDRESS).unwrap();
        let signature = speaker.sign(&keys(), &message).unwrap();
        prop_assert!(speaker.verify(&message, &signature).is_ok());
        let mut bytes = hex::decode(&signature).unwrap();
        bytes[at] ^= 1 << bit;
        prop_assert!(speaker.verify(&message, &hex::encode(bytes)).is_err());
        let mut other = message.clone();
        other.push(0);
        prop_assert_eq!(speaker.verify(&other, &signature), Err(MessageError::BadSignature));
    }
}
