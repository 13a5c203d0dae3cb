use super::*;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::rules::isolated;

const NETWORK: NetworkId = NetworkId([9; 32]);

fn random() -> rand::rngs::StdRng {
    rand::SeedableRng::seed_from_u64(1)
}

fn output(lock: u8, grains: u64) -> Output {
    Output { amount: Amount::from_grains(grains).unwrap(), lock: LockHash([lock; 32]) }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn coins(keys: &[SigningKey]) -> Vec<KeyCoin<'_>> {
    let amount = Amount::from_grains(1_000_000).unwrap();
    let outpoint = |index: usize| OutPoint { txid: TxId([index as u8; 32]), index: index as u32 };
    keys.iter().enumerate().map(|(index, key)| KeyCoin { outpoint: outpoint(index), amount, key }).collect()
}

fn signed(keys: &[SigningKey], wanted: &Payment) -> Result<Built, WalletError> {
    let open = |coin: &KeyCoin<'_>| {
        let (outpoint, amount, opening) = (coin.outpoint, coin.amount, Opening::of_key(coin.key.public()));
        OpenCoin { outpoint, amount, opening }
    };
    let open: Vec<OpenCoin> = coins(keys).iter().map(open).collect();
    payment(&open, wanted, &mut random())?.sign(&NETWORK, &ring_of(keys))
}

#[test]
fn coins_of_different_locks_are_measured_one_by_one_and_all_sign() {
    let keys: Vec<SigningKey> = (1..=4).map(key).collect();
    let lock = |index: usize| Lock::Key(keys[index].public());
    let hidden = |index: usize| Lock::Opaque(lock(index).hash());
    let preimage = [7; 32];
    let image = bezant_consensus::ledger::hash::sha256(&preimage);
    let openings = [
        Opening::of_key(keys[0].public()),
        Opening { lock: Lock::Threshold { k: 2, of: vec![lock(0), hidden(1), lock(2)] }, preimages: vec![] },
        Opening { lock: Lock::Threshold { k: 2, of: vec![Lock::Hash(image), lock(3)] }, preimages: vec![preimage] },
    ];
    let coin = |(index, opening): (usize, &Opening)| OpenCoin {
        outpoint: OutPoint { txid: TxId([index as u8; 32]), index: 0 },
        amount: Amount::from_grains(1_000_000).unwrap(),
        opening: opening.clone(),
    };
    let coins: Vec<OpenCoin> = openings.iter().enumerate().map(coin).collect();
    let pays = Pays::Each(vec![output(1, 2_500_000)]);
    let wanted = Payment { pays, change: LockHash([2; 32]), fee_rate: 1_000, long_rate: 1_000, all: true };
    let unsigned = payment(&coins, &wanted, &mut random()).unwrap();
    assert_eq!(unsigned.keys(), [0, 2, 3].map(|index| keys[index].public()).into());
    let without = ring_of(&keys[..3]);
    let refused = unsigned.clone().sign(&NETWORK, &without).map_err(|error| error.kind().to_owned());
    assert_eq!(refused.unwrap_err(), "keys-missing");
    let built = unsigned.sign(&NETWORK, &ring_of(&keys)).unwrap();
    let checked = isolated::verify_transaction(&NETWORK, &built.transaction).unwrap();
    assert_eq!(checked.fee, built.fee);
    assert_eq!(built.fee.grains(), built.transaction.bytes() as u64, "1000 grains per 1000 bytes: measured exactly");
}

fn ring_of(keys: &[SigningKey]) -> Ring<'_> {
    keys.iter().map(|key| (key.public(), key)).collect()
}

#[test]
fn what_is_signed_the_rules_accept_on_its_own_net_only() {
    let keys: Vec<SigningKey> = (1..=5).map(key).collect();
    let pays = Pays::Each(vec![output(1, 3_000_000), output(3, 500_000)]);
    let wanted = Payment { pays, change: LockHash([2; 32]), fee_rate: 1_000, long_rate: 1_000, all: false };
    let built = signed(&keys, &wanted).unwrap();
    assert_eq!(built.amount.grains(), 3_500_000);
    assert_eq!(built.transaction.outputs()[..2], [output(1, 3_000_000), output(3, 500_000)]);
    let checked = isolated::verify_transaction(&NETWORK, &built.transaction).unwrap();
    assert_eq!(checked.fee, built.fee);
    assert_eq!(built.fee.grains(), (built.transaction.bytes() as u64).div_ceil(1), "1000 grains per 1000 bytes");
    assert_eq!(built.transaction.inputs().len(), 4);
    assert_eq!(built.transaction.outputs()[2].amount, built.change);
    assert!(isolated::verify_transaction(&NetworkId([8; 32]), &built.transaction).is_err());
}

#[test]
fn sizes_are_those_of_real_transfers() {
    let keys: Vec<SigningKey> = (1..=7).map(key).collect();
    let output = Output { amount: Amount::from_grains(5).unwrap(), lock: LockHash([1; 32]) };
    for (inputs, outputs) in [(1, 1), (3, 2), (7, 9)] {
        let real = transfer(&NETWORK, &coins(&keys)[..inputs], vec![output; outputs]).bytes() as u64;
        assert_eq!(sizes().of(inputs as u64, outputs as u64), real);
    }
}

#[test]
fn max_leaves_nothing() {
    let keys: Vec<SigningKey> = (1..=3).map(key).collect();
    let pays = Pays::Everything(LockHash([1; 32]));
    let wanted = Payment { pays, change: LockHash([2; 32]), fee_rate: 5_000, long_rate: 1_000, all: false };
    let built = signed(&keys, &wanted).unwrap();
    assert_eq!(built.change, Amount::ZERO);
    assert_eq!(built.amount.grains() + built.fee.grains(), 3_000_000);
    assert_eq!(built.transaction.outputs().len(), 1);
    isolated::verify_transaction(&NETWORK, &built.transaction).unwrap();
}

#[test]
fn what_makes_no_payment_is_refused_by_name() {
    let keys: Vec<SigningKey> = (1..=3).map(key).collect();
    let kind = |outputs: Vec<Output>| {
        let pays = Pays::Each(outputs);
        let wanted = Payment { pays, change: LockHash([2; 32]), fee_rate: 1_000, long_rate: 1_000, all: false };
        signed(&keys, &wanted).map_err(|error| error.kind().to_owned()).unwrap_err()
    };
    assert_eq!(kind(vec![]), "zero-amount");
    assert_eq!(kind(vec![output(1, 5), output(2, 0)]), "zero-amount");
    assert_eq!(kind(vec![output(1, 5); RECIPIENTS_MAX + 1]), "too-many-recipients");
    assert_eq!(kind(vec![Output { amount: Amount::MAX, lock: LockHash([1; 32]) }; 2]), "sum-too-large");
    assert_eq!(kind(vec![output(1, 3_000_000)]), "insufficient-funds");
}

#[test]
fn five_hundred_recipients_fit_one_transaction() {
    let keys: Vec<SigningKey> = (1..=3).map(key).collect();
    let pays = Pays::Each(vec![output(1, 5_000); RECIPIENTS_MAX]);
    let wanted = Payment { pays, change: LockHash([2; 32]), fee_rate: 1_000, long_rate: 1_000, all: false };
    let built = signed(&keys, &wanted).unwrap();
    isolated::verify_transaction(&NETWORK, &built.transaction).unwrap();
}
