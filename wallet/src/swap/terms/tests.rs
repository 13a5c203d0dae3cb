use super::*;
use bezant_consensus::ledger::lock::Lock;

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn lock(number: u8) -> LockHash {
    Lock::Key(key(number).public()).hash()
}

fn side(network: u8, amount: u64, payer: u8, payee: u8, refund_from: u32) -> Side {
    let amount = Amount::from_grains(amount).unwrap();
    Side { network: NetworkId([network; 32]), amount, payer: lock(payer), payee: lock(payee), refund_from }
}

fn terms() -> Terms {
    Terms::new([9; 32], side(1, 10, 1, 2, 2_000), side(2, 20, 3, 4, 1_000), &key(4))
}

#[test]
fn the_text_says_it_all_and_nothing_else_is_read() {
    let terms = terms();
    let text = terms.to_text();
    assert_eq!(Terms::from_text(&text), Ok(terms));
    let wrong = [
        ("\"version\": 1", "\"version\": 2", "version 2"),
        ("\"version\": 1", "\"version\": 1, \"more\": 1", "more"),
        ("\"amount\": \"10\"", "\"amount\": \"0\"", "amount"),
        ("\"amount\": \"10\"", "\"amount\": \"-1\"", "amount"),
        (&"09".repeat(32), "09", "nonce"),
        (&"02".repeat(32), &"01".repeat(32), "one net"),
        (&lock(1).to_string(), "bzt1", "lock hash"),
        ("1000", "99999999999", "u32"),
    ];
    for (from, to, what) in wrong {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = Terms::from_text(&changed).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn the_secret_is_the_makers_alone_and_another_one_for_other_terms() {
    let terms = terms();
    let secret = terms.secret(&key(4)).unwrap();
    assert_eq!(sha256(&*secret), terms.hash);
    assert_eq!(terms.secret(&key(3)).unwrap_err().kind(), "not-your-offer");
    let mut others = vec![terms.clone(); 5];
    others[0].nonce[0] ^= 1;
    others[1].first.refund_from += 1;
    others[2].second.amount = Amount::from_grains(21).unwrap();
    others[3].second.payer = lock(7);
    others[4].hash[0] ^= 1;
    for other in others {
        assert_eq!(other.secret(&key(4)).unwrap_err().kind(), "not-your-offer");
    }
}

#[test]
fn the_payee_needs_the_secret_and_the_payer_needs_time() {
    let terms = terms();
    let tree = terms.lock(&terms.second);
    assert!(tree.check_shape().is_ok());
    let whole = Lock::Threshold {
        k: 1,
        of: vec![
            Lock::Threshold { k: 2, of: vec![Lock::Hash(terms.hash), Lock::Key(key(4).public())] },
            Lock::Threshold { k: 2, of: vec![Lock::After(LockTime::Time(1_000)), Lock::Key(key(3).public())] },
        ],
    };
    assert_eq!(tree.hash(), whole.hash());
    assert_ne!(tree.hash(), terms.lock(&terms.first).hash());
}

#[test]
fn who_would_be_too_late_is_told_so() {
    let left = |left_s: u32| Left { left_s, step_s: 100 };
    assert_eq!(check_acceptable(left(300), left(200)), Ok(()));
    for (first, second) in [(299, 200), (1_000, 199), (200, 200), (0, 0), (u32::MAX, 0), (99, u32::MAX)] {
        let error = check_acceptable(left(first), left(second)).unwrap_err();
        assert_eq!((error.kind(), error.exit_status()), ("too-late", 3), "{first} {second}");
    }
    assert_eq!(check_redeemable(left(100)), Ok(()));
    assert_eq!(check_redeemable(left(99)).unwrap_err().kind(), "too-late");
}
