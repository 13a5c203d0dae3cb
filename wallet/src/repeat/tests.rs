use super::*;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::LockHash;

#[test]
fn a_digest_tells_recipients_amounts_and_their_order_apart() {
    let to = |seed: u8| Recipient { lock: LockHash([seed; 32]), address: String::new(), name: None };
    let exactly = |grains: u64| Sum::Exactly(Amount::from_grains(grains).unwrap());
    let (a, b) = (to(1), to(2));
    let all = [
        asked([(&a, exactly(1))]),
        asked([(&b, exactly(1))]),
        asked([(&a, exactly(2))]),
        asked([(&a, Sum::Max)]),
        asked([(&a, exactly(1)), (&b, exactly(1))]),
        asked([(&b, exactly(1)), (&a, exactly(1))]),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    let named = Recipient { name: Some("bob".to_owned()), ..to(1) };
    assert_eq!(asked([(&named, exactly(1))]), all[0], "by name or by address is the same");
}
