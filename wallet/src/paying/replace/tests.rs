use super::*;
use crate::paying::build::sizes;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::rules::isolated;
use proptest::prelude::*;

const NETWORK: NetworkId = NetworkId([9; 32]);

fn coins(amounts: &[u64], first: u8, key: &SigningKey) -> Vec<OpenCoin> {
    let coin = |(index, amount): (usize, &u64)| OpenCoin {
        outpoint: OutPoint { txid: TxId([first + index as u8; 32]), index: 0 },
        amount: grains(*amount),
        opening: Opening::of_key(key.public()),
    };
    amounts.iter().enumerate().map(coin).collect()
}

proptest! {
    #[test]
    fn a_replacement_spends_the_same_pays_the_same_and_displaces(
        spent in prop::collection::vec(1_000u64..5_000_000, 1..6),
        more in prop::collection::vec(1u64..2_000_000, 0..8),
        paid in prop::collection::vec(1u64..3_000_000, 0..4),
        old_fee in 0u64..500_000,
        rate_asked in 0u64..20_000,
        step in 1u64..2_000,
    ) {
        let key = SigningKey::from_seed(&[1; 32]);
        let ring: Ring<'_> = [(key.public(), &key)].into();
        let kept: Vec<Output> = paid.iter().map(|p| Output { amount: grains(*p), lock: LockHash([5; 32]) }).collect();
        let old_bytes = sizes().of(spent.len() as u64, kept.len() as u64 + 1);
        let replacement = Replacement {
            coins: coins(&spent, 1, &key), more: coins(&more, 100, &key), kept: kept.clone(), change: LockHash([7; 32]),
            rate: rate_asked, old_fee, old_bytes, step,
        };
        let all: u64 = spent.iter().chain(&more).sum();
        let Ok(built) = replacement.build().and_then(|unsigned| unsigned.sign(&NETWORK, &ring)) else {
            // Only if everything together does not pay for it.
            let bytes = sizes().of((spent.len() + more.len()) as u64, kept.len() as u64 + 1);
            let most = fee(bytes, rate_asked).max(replacement.floor(bytes)) + fee(sizes().input, rate_asked) + 1;
            prop_assert!(all < paid.iter().sum::<u64>() + most);
            return Ok(());
        };
        let bytes = built.transaction.bytes() as u64;
        let checked = isolated::verify_transaction(&NETWORK, &built.transaction).unwrap();
        prop_assert_eq!(checked.fee, built.fee);
        let inputs = built.transaction.inputs();
        prop_assert!(replacement.coins.iter().all(|coin| inputs.contains(&coin.outpoint)));
        prop_assert_eq!(&built.transaction.outputs()[..kept.len()], &kept[..]);
        prop_assert!(built.fee.grains() >= fee(bytes, rate_asked));
        prop_assert!(built.fee.grains() >= old_fee + fee(bytes.max(old_bytes), step));
        prop_assert!(u128::from(built.fee.grains()) * u128::from(old_bytes) > u128::from(old_fee) * u128::from(bytes));
        let total: u64 = inputs.iter().map(|input| {
            replacement.coins.iter().chain(&replacement.more).find(|coin| coin.outpoint == *input).unwrap().amount.grains()
        }).sum();
        prop_assert_eq!(total, paid.iter().sum::<u64>() + built.fee.grains() + built.change.grains());
    }
}

fn found(index: u8) -> Found {
    let lock = Lock::Key(SigningKey::from_seed(&[index; 32]).public());
    let wallet = crate::keys::keystore::WalletFile::watching("own", vec![lock]);
    Found { wallet, path: std::path::PathBuf::from("own.json") }
}

/// Spends a coin of wallet 1 and pays these wallets.
fn transfer_to(wallets: &[u8]) -> Transaction {
    let key = SigningKey::from_seed(&[1; 32]);
    let outpoint = OutPoint { txid: TxId([5; 32]), index: 0 };
    let coin = crate::paying::build::KeyCoin { outpoint, amount: grains(10_000), key: &key };
    let output =
        |index: &u8| Output { amount: grains(1_000 + u64::from(*index)), lock: found(*index).wallet.lock_hashes()[0] };
    crate::paying::build::transfer(&NETWORK, &[coin], wallets.iter().map(output).collect())
}

#[test]
fn the_journal_says_what_is_change_and_without_it_the_last_output_is_looked_at() {
    let own = [found(1)];
    let kept = |wallets: &[u8], journal: Option<u64>| {
        let original = owned(&own, &transfer_to(wallets), journal.map(|change| (7, grains(change)))).unwrap();
        assert_eq!(original.payment, journal.map(|_| 7));
        recipients(&original).iter().map(|output| output.amount.grains() - 1_000).collect::<Vec<u64>>()
    };
    // Paid to oneself, without change: the journal knows, and everything stays.
    assert_eq!(kept(&[1], Some(0)), [1]);
    assert_eq!(kept(&[2, 1], Some(0)), [2, 1]);
    assert_eq!(kept(&[1, 1], Some(1_001)), [1], "the last one is change, not the first");
    // Nobody remembers: the last output, if it is one's own, and no other.
    assert_eq!(kept(&[2, 1], None), [2]);
    assert_eq!(kept(&[1, 2], None), [1, 2]);
    assert_eq!(kept(&[1], None), [0u64; 0]);
}

#[test]
fn what_is_adopted_has_its_change_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.json");
    let mut original = owned(&[found(1)], &transfer_to(&[2, 1]), None).unwrap();
    original.found.path = path.clone();
    let mut journal = Journal::open(&path, &NETWORK).unwrap();
    let number = adopt(&mut journal, &original).unwrap();
    let kept = journal.of(&original.transaction.id()).unwrap().unwrap();
    assert_eq!(kept.number, number);
    assert_eq!(kept.attempts[0].change.grains(), 1_001);
    assert_eq!(kept.attempts[0].fee.grains(), 10_000 - 1_002 - 1_001);
}

#[test]
fn only_who_spent_all_of_it_can_replace_it() {
    let error = owned(&[found(3)], &transfer_to(&[2]), None).unwrap_err();
    assert_eq!(error.kind(), "not-yours");
}
