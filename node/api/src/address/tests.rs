use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn an_address_names_its_lock_on_its_net_only(net in any::<[u8; 32]>(), other in any::<[u8; 32]>(), lock in any::<[u8; 32]>()) {
        let (net, other, lock) = (NetworkId(net), NetworkId(other), LockHash(lock));
        let text = encode(&net, &lock);
        prop_assert!(text.starts_with("bzt1"));
        prop_assert_eq!(decode(&net, &text), Ok(lock));
        prop_assert_eq!(decode(&net, &text.to_uppercase()), Ok(lock));
        if net.0[..4] != other.0[..4] {
            let is_other = matches!(decode(&other, &text), Err(AddressError::OtherNet { .. }));
            prop_assert!(is_other);
        }
    }

    #[test]
    fn one_wrong_character_is_noticed(place in 4usize..70, letter in "[a-z0-9]") {
        let net = NetworkId([7; 32]);
        let mut text = encode(&net, &LockHash([9; 32]));
        let place = place.min(text.len() - 1);
        if text[place..=place] != letter {
            text.replace_range(place..=place, &letter);
            prop_assert!(decode(&net, &text).is_err());
        }
    }

    #[test]
    fn any_text_is_refused_without_harm(text in ".{0,120}") {
        prop_assert!(decode(&NetworkId([7; 32]), &text).is_err());
    }
}

#[test]
fn other_versions_prefixes_and_lengths_are_told_apart() {
    let net = NetworkId([7; 32]);
    let of = |prefix: &str, payload: &[u8]| bech32::encode::<Bech32m>(Hrp::parse(prefix).unwrap(), payload).unwrap();
    let payload = |version: u8| [&[version][..], &[9; 32], &net.0[..4]].concat();
    assert_eq!(decode(&net, &of("bzt", &payload(0))), Ok(LockHash([9; 32])));
    assert_eq!(decode(&net, &of("bzt", &payload(1))), Err(AddressError::Version(1)));
    assert!(matches!(decode(&net, &of("bc", &payload(0))), Err(AddressError::Malformed(_))));
    assert!(matches!(decode(&net, &of("bzt", &payload(0)[..36])), Err(AddressError::Malformed(_))));
    assert!(matches!(decode(&net, &of("bzt", &[])), Err(AddressError::Malformed(_))));
    let bech32 = bech32::encode::<bech32::Bech32>(Hrp::parse("bzt").unwrap(), &payload(0)).unwrap();
    assert!(matches!(decode(&net, &bech32), Err(AddressError::Malformed(_))), "the older checksum is another text");
}
