use super::*;
use proptest::prelude::*;

fn amount(text: &str) -> Option<Amount> {
    Some(text.parse().unwrap())
}

#[test]
fn what_it_asks_for() {
    let plain = PaymentUri { address: "bzt1x".to_owned(), ..PaymentUri::default() };
    for (text, expected) in [
        ("bezant:bzt1x", plain.clone()),
        ("BEZANT:bzt1x?", plain.clone()),
        ("bezant:bzt1x?somethingelse=1&other#part", plain.clone()),
        ("bezant:bzt1x?label=&message=", plain.clone()),
        ("bezant:bzt1x?amount=1.5", PaymentUri { amount: amount("1.5"), ..plain.clone() }),
        (
            "bezant:bzt1x?message=a%26b%3d1+2&label=Caf%C3%A9&amount=20",
            PaymentUri {
                amount: amount("20"),
                label: Some("Café".to_owned()),
                message: Some("a&b=1+2".to_owned()),
                ..plain.clone()
            },
        ),
    ] {
        assert_eq!(PaymentUri::read(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_refused() {
    let (long, huge) = (format!("bezant:x?label={}", "a".repeat(256)), format!("bezant:x?y={}", "a".repeat(9_000)));
    for (text, why) in [
        ("bzt1x", "bezant: is missing"),
        ("bitcoin:bzt1x", "bezant: is missing"),
        ("bezant:bzt1x?req-pow=1", "req-pow"),
        ("bezant:bzt1x?amount=1&amount=2", "twice"),
        ("bezant:bzt1x?label=a&label=b", "twice"),
        ("bezant:bzt1x?amount=", "amount"),
        ("bezant:bzt1x?amount=0", "above 0"),
        ("bezant:bzt1x?amount=-1", "amount"),
        ("bezant:bzt1x?amount=1e3", "amount"),
        ("bezant:bzt1x?amount=0.123456789", "eight decimals"),
        ("bezant:bzt1x?label=%ff", "no UTF-8"),
        ("bezant:bzt1x?label=%1b%5b31m", "control"),
        (&long, "more than 255"),
        (&huge, "bytes"),
    ] {
        let error = PaymentUri::read(text).unwrap_err();
        assert_eq!(error.exit_status(), 2);
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
}

#[test]
fn a_payment_is_called_after_both_texts() {
    let uri = |text: &str| PaymentUri::read(text).unwrap().note();
    assert_eq!(uri("bezant:x"), None);
    assert_eq!(uri("bezant:x?label=Shop&message=Invoice%2017").as_deref(), Some("Shop: Invoice 17"));
    assert_eq!(uri("bezant:x?message=Invoice").as_deref(), Some("Invoice"));
    let texts = "ä".repeat(200);
    let note = PaymentUri { label: Some(texts.clone()), message: Some(texts), ..PaymentUri::default() }.note();
    labels::check(&note.unwrap()).unwrap();
}

const TEXT: &str = "[\\p{L}\\p{N}\\p{P}\\p{S} ]{1,255}";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(grains in 1u64..1_000_000_000, label in TEXT, message in proptest::option::of(TEXT)) {
        let uri = PaymentUri { address: "bzt1x".to_owned(), amount: Amount::from_grains(grains), label: Some(label), message };
        prop_assert_eq!(PaymentUri::read(&uri.to_string()).unwrap(), uri);
    }

    #[test]
    fn nothing_makes_it_panic(text in "(bezant:)?.{0,100}") {
        let _ = PaymentUri::read(&text);
    }
}
