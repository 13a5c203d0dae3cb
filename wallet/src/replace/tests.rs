use super::*;
use crate::build::sizes;
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
