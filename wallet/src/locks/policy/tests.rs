use super::satisfy::{Means, Missing, Moment, Opening, satisfy};
use super::*;
use crate::paying::build::{Ring, sign};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::{TxId, sha256};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::rules::{context, isolated};
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction, Transfer};
use bezant_consensus::ledger::units::Height;
use proptest::prelude::*;

const NETWORK: NetworkId = NetworkId([9; 32]);
const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn key(index: usize) -> SigningKey {
    SigningKey::from_seed(&[index as u8 + 1; 32])
}

fn preimage(index: usize) -> [u8; 32] {
    [index as u8 + 100; 32]
}

fn resolve(word: &str) -> Result<Lock, String> {
    if let Some(index) = NAMES.iter().position(|name| *name == word) {
        return Ok(Lock::Key(key(index).public()));
    }
    address::decode(&NETWORK, word).map(Lock::Opaque).map_err(|error| error.to_string())
}

fn read(text: &str) -> Result<Lock, PolicyError> {
    parse(text, resolve)
}

fn print(lock: &Lock) -> String {
    Display { lock, network: &NETWORK }.to_string()
}

fn name(lock: &LockHash) -> String {
    let index = (0..NAMES.len()).find(|index| Lock::Key(key(*index).public()).hash() == *lock);
    index.map_or_else(|| address::encode(&NETWORK, lock), |index| NAMES[index].to_owned())
}

/// Any lock within the limits, of few keys, images and moments.
fn locks() -> impl Strategy<Value = Lock> {
    let leaf = prop_oneof![
        (0usize..4).prop_map(|index| Lock::Key(key(index).public())),
        (0u64..4).prop_map(|height| Lock::After(LockTime::Height(Height(height * 5)))),
        (0u32..4).prop_map(|time| Lock::After(LockTime::Time(time * 1_000))),
        (0u32..4).prop_map(|blocks| Lock::Older(blocks * 3)),
        (0usize..3).prop_map(|index| Lock::Hash(sha256(&preimage(index)))),
        (0u8..3).prop_map(|byte| Lock::Opaque(LockHash([byte; 32]))),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop::collection::vec(inner, 1..=4)
            .prop_flat_map(|of| (1..=of.len() as u8).prop_map(move |k| Lock::Threshold { k, of: of.clone() }))
    })
    .prop_filter("within the limits", |lock| lock.check_shape().is_ok())
}

/// Every way to reveal a lock exactly, tried one by one.
fn ways(lock: &Lock) -> Vec<Lock> {
    let Lock::Threshold { k, of } = lock else {
        return if matches!(lock, Lock::Opaque(_)) { vec![] } else { vec![lock.clone()] };
    };
    let mut all = vec![];
    for set in (0u32..1 << of.len()).filter(|set| set.count_ones() == u32::from(*k)) {
        let mut partial: Vec<Vec<Lock>> = vec![vec![]];
        for (index, child) in of.iter().enumerate() {
            let choices = if set >> index & 1 == 1 { ways(child) } else { vec![Lock::Opaque(child.hash())] };
            partial = partial
                .iter()
                .flat_map(|head| choices.iter().map(|one| [head.as_slice(), std::slice::from_ref(one)].concat()))
                .collect();
        }
        all.extend(partial.into_iter().map(|of| Lock::Threshold { k: *k, of }));
    }
    all
}

/// How many ways there are, so that only those few are tried.
fn count_ways(lock: &Lock) -> u64 {
    let Lock::Threshold { k, of } = lock else { return 1 };
    let mut sums = vec![1u64];
    for child in of {
        let ways = count_ways(child);
        let mut next = sums.clone();
        next.push(0);
        for (taken, sum) in sums.iter().enumerate() {
            next[taken + 1] += sum * ways;
        }
        sums = next;
    }
    sums[usize::from(*k)]
}

fn opened(lock: Lock, means: &Means) -> Option<Opening> {
    let preimages = lock.revealed_leaves().into_iter().filter_map(|(_, leaf)| match leaf {
        Lock::Hash(image) => Some(means.preimages.get(image).copied()),
        _ => None,
    });
    let preimages = preimages.collect::<Option<_>>()?;
    Some(Opening { lock, preimages })
}

/// Whether the ledger takes it; how many bytes the whole transaction has.
fn ledger_takes(opening: &Opening, means: &Means, moment: &Moment) -> Option<usize> {
    let keys: Vec<SigningKey> = (0..4).map(key).filter(|key| means.keys.contains(&key.public())).collect();
    let ring: Ring<'_> = keys.iter().map(|key| (key.public(), key)).collect();
    let amount = Amount::from_grains(1_000).unwrap();
    let outpoint = OutPoint { txid: TxId([3; 32]), index: 0 };
    let output = Output { amount: Amount::from_grains(1).unwrap(), lock: LockHash([1; 32]) };
    let transfer = Transfer { inputs: vec![outpoint], outputs: vec![output], lock_time: LockTime::NONE };
    let transaction: Transaction = sign(&NETWORK, transfer, &[(amount, opening.clone())], &ring).ok()?;
    isolated::verify_transaction(&NETWORK, &transaction).ok()?;
    let coin = Coin { amount, lock: opening.lock.hash(), height: moment.coin, coinbase: false };
    let coins: BTreeMap<OutPoint, Coin> = [(outpoint, coin)].into();
    let params = LedgerParams {
        block_bytes_max: 1_000_000,
        coinbase_maturity: 0,
        subsidy: Amount::ZERO,
        halving_interval: 0,
        relay_fee_rate_min: 0,
    };
    context::check_transaction(&transaction, &coins, moment.next, &params).ok()?;
    Some(transaction.bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_text_and_its_lock_are_one(lock in locks()) {
        let text = print(&lock);
        prop_assert!(text.len() < POLICY_BYTES_MAX / 2);
        let again = read(&text);
        prop_assert_eq!(again.as_ref(), Ok(&lock), "{}", text);
        let spaced = text.replace(',', " ,\n ").replace('(', " ( ");
        prop_assert_eq!(read(&spaced), Ok(lock));
    }

    #[test]
    fn the_cheapest_way_is_found_and_the_ledger_takes_it(
        lock in locks(),
        has_keys in prop::collection::vec(any::<bool>(), 4),
        has_preimages in prop::collection::vec(any::<bool>(), 3),
        height in 0u64..20,
        coin in 0u64..20,
        time in 0u32..4_000,
    ) {
        prop_assume!(count_ways(&lock) <= 2_000);
        let mut means = Means::default();
        (0..4).filter(|index| has_keys[*index]).for_each(|index| { means.keys.insert(key(index).public()); });
        (0..3).filter(|index| has_preimages[*index]).for_each(|index| means.add_preimage(preimage(index)));
        let next = Place { height: Height(height.max(coin)), time };
        let moment = Moment { next, coin: Height(coin) };
        let tried = ways(&lock).into_iter().filter_map(|way| opened(way, &means));
        let cheapest = tried.filter_map(|opening| ledger_takes(&opening, &means, &moment)).min();
        match satisfy(&lock, &means, &moment) {
            Ok(opening) => {
                prop_assert_eq!(opening.lock.hash(), lock.hash());
                let bytes = ledger_takes(&opening, &means, &moment);
                prop_assert_eq!(bytes, cheapest);
                prop_assert_eq!(bytes.unwrap() as u64, transfer_without_inputs() + opening.input_bytes());
            }
            Err(missing) => {
                prop_assert_eq!(cheapest, None);
                // When waiting helps, then at that very moment.
                if let Some(wait) = missing.wait() {
                    let height = wait.height.unwrap_or(moment.next.height).max(moment.next.height);
                    let next = Place { height, time: wait.time.unwrap_or(time).max(time) };
                    let then = satisfy(&lock, &means, &Moment { next, ..moment });
                    prop_assert!(then.is_ok());
                } else {
                    let ever = Place { height: Height(u64::MAX), time: u32::MAX };
                    let then = satisfy(&lock, &means, &Moment { next: ever, ..moment });
                    prop_assert!(then.is_err());
                }
            }
        }
    }

    #[test]
    fn what_two_know_together_does_not_depend_on_the_order(
        lock in locks(),
        hidden in prop::collection::vec(any::<bool>(), 64),
        other_hidden in prop::collection::vec(any::<bool>(), 64),
    ) {
        let (one, other) = (hide(&lock, &hidden), hide(&lock, &other_hidden));
        let both = join(&one, &other);
        prop_assert_eq!(&both, &join(&other, &one));
        let both = both.unwrap();
        prop_assert_eq!(both.hash(), lock.hash());
        prop_assert_eq!(join(&both, &one), Some(both.clone()));
        prop_assert_eq!(join(&both, &lock).unwrap(), lock);
    }

    #[test]
    fn nonsense_is_refused_and_nothing_else_happens(text in "[a-z0-9(),:. -]{0,80}") {
        if let Ok(lock) = read(&text) {
            prop_assert_eq!(read(&print(&lock)), Ok(lock));
        }
    }
}

fn transfer_without_inputs() -> u64 {
    let output = Output { amount: Amount::ZERO, lock: LockHash([1; 32]) };
    let transfer = Transfer { inputs: vec![], outputs: vec![output], lock_time: LockTime::NONE };
    let body = bezant_consensus::ledger::transaction::Body::Transfer(transfer);
    encode(&Transaction::new(body, vec![])).len() as u64
}

/// Some branches are opaque, by a list of yes and no for the nodes.
fn hide(lock: &Lock, hidden: &[bool]) -> Lock {
    fn walk(lock: &Lock, hidden: &[bool], at: &mut usize) -> Lock {
        let is_hidden = hidden[*at];
        *at += 1;
        match lock {
            _ if is_hidden => Lock::Opaque(lock.hash()),
            Lock::Threshold { k, of } => {
                Lock::Threshold { k: *k, of: of.iter().map(|child| walk(child, hidden, at)).collect() }
            }
            other => other.clone(),
        }
    }
    walk(lock, hidden, &mut 0)
}

#[test]
fn policies_read_as_people_say_them() {
    let image = hex::encode(sha256(&preimage(0)));
    for (text, in_words) in [
        ("pk(alice)", "alice alone".to_owned()),
        ("thresh(2,pk(alice),pk(bob),pk(carol))", "2 of 3: alice, bob, carol".to_owned()),
        ("and(after(1000),pk(carol))", "from block 1,000 on, carol alone".to_owned()),
        ("and(pk(alice),pk(bob),pk(carol))", "alice, bob and carol together".to_owned()),
        ("and(after(2026-12-31T18:00Z),pk(carol))", "from 2026-12-31T18:00Z on, carol alone".to_owned()),
        (
            "or(and(pk(alice),pk(bob)),and(older(144),pk(alice)))",
            "either alice and bob together; or once a coin is 144 blocks old, alice alone".to_owned(),
        ),
        ("or(pk(alice),pk(bob))", "either alice; or bob".to_owned()),
        (&format!("and(sha256({image}),pk(bob))"), format!("with the preimage of {image}, bob alone")),
        ("older(1)", "once a coin is 1 block old, anybody".to_owned()),
        (
            "thresh(2,pk(alice),pk(bob),and(after(1000000),pk(carol)))",
            "2 of 3: alice, bob, (from block 1,000,000 on, carol alone)".to_owned(),
        ),
    ] {
        let lock = read(text).unwrap();
        assert_eq!(words::lock(&lock, &name), in_words);
        let canonical = NAMES.iter().enumerate().fold(text.to_owned(), |text, (index, name)| {
            text.replace(&format!("({name})"), &format!("({})", hex::encode(key(index).public().0)))
        });
        assert_eq!(print(&lock), canonical);
    }
}

#[test]
fn what_is_missing_is_said_in_words() {
    let place = |height: u64| Place { height: Height(height), time: 1_000 };
    let missing = |text: &str, keys: &[usize], next: u64, coin: u64| {
        let mut means = Means::default();
        means.add_keys(keys.iter().map(|index| key(*index).public()));
        let moment = Moment { next: place(next), coin: Height(coin) };
        let missing = satisfy(&read(text).unwrap(), &means, &moment).unwrap_err();
        (missing.kind(), words::missing(&missing, moment.next, &name))
    };
    let two = "thresh(2,pk(alice),pk(bob),pk(carol))";
    assert_eq!(missing(two, &[0], 5, 1), ("keys-missing", "needs one more of: bob, carol".to_owned()));
    assert_eq!(missing(two, &[], 5, 1), ("keys-missing", "needs 2 of: alice, bob, carol".to_owned()));
    assert_eq!(missing("and(pk(alice),pk(bob))", &[0], 5, 1), ("keys-missing", "needs bob".to_owned()));
    let late = "and(after(1000),pk(carol))";
    assert_eq!(missing(late, &[2], 413, 1), ("locked", "locked until block 1,000, now 412".to_owned()));
    let both = "needs to wait until block 1,000 and carol".to_owned();
    assert_eq!(missing(late, &[], 413, 1), ("keys-missing", both));
    let vault = "or(and(pk(alice),pk(bob)),and(older(144),pk(alice)))";
    let text = "locked until block 153, now 12; sooner it needs bob".to_owned();
    assert_eq!(missing(vault, &[0], 13, 9), ("locked", text));
    let moment = "locked until 1970-01-01T00:20Z, now 1970-01-01T00:16:40Z".to_owned();
    assert_eq!(missing("and(after(1970-01-01T00:20Z),pk(bob))", &[1], 5, 1), ("locked", moment));
    let image = hex::encode(sha256(&preimage(0)));
    let hash = format!("and(sha256({image}),pk(bob))");
    assert_eq!(missing(&hash, &[1], 5, 1), ("preimage-missing", format!("needs the preimage of {image}")));
}

#[test]
fn an_address_is_filled_in_by_who_knows_its_key() {
    let lock_of = |index: usize| Lock::Key(key(index).public());
    let addresses: Vec<String> =
        (0..3).map(|index| format!("pk({})", address::encode(&NETWORK, &lock_of(index).hash()))).collect();
    let by_address = read(&format!("thresh(2,{})", addresses.join(","))).unwrap();
    let by_key = read("thresh(2,pk(alice),pk(bob),pk(carol))").unwrap();
    assert_eq!(by_address.hash(), by_key.hash(), "whoever makes it gets the same address");
    let mut means = Means::default();
    means.add_keys([key(0).public()]);
    let moment = Moment { next: Place { height: Height(5), time: 0 }, coin: Height(1) };
    let missing = satisfy(&by_address, &means, &moment).unwrap_err();
    let others = [1, 2].map(|index| Missing::Hidden(lock_of(index).hash())).to_vec();
    assert_eq!(missing, Missing::Some { need: 1, have: 1, of: others });
    means.add_keys([key(2).public()]);
    let opening = satisfy(&by_address, &means, &moment).unwrap();
    assert_eq!(opening.keys(), [(vec![0], key(0).public()), (vec![2], key(2).public())]);
}

#[test]
fn filling_in_stays_within_the_limits_of_a_lock() {
    // Each of 16 branches stands for a tree of 17 nodes: only three of them fit 64.
    let inner = Lock::Threshold { k: 1, of: (0..16).map(Lock::Older).collect() };
    let outer = Lock::Threshold { k: 1, of: vec![Lock::Opaque(inner.hash()); 16] };
    let known: BTreeMap<LockHash, Lock> = [(inner.hash(), inner.clone())].into();
    let filled = fill(&outer, &known);
    assert_eq!(filled.check_shape(), Ok(()));
    assert_eq!(filled.hash(), outer.hash());
    let Lock::Threshold { of, .. } = &filled else { panic!("a threshold") };
    assert_eq!(of.iter().filter(|child| **child == inner).count(), 2);
    // A chain that is as deep as can be takes nothing more.
    let deep = (0..7).fold(Lock::Opaque(inner.hash()), |lock, _| Lock::Threshold { k: 1, of: vec![lock] });
    assert_eq!(fill(&deep, &known), deep);
}

#[test]
fn a_bad_text_is_told_where() {
    for (text, at, says) in [
        ("", 0, "\"\" is no part of a policy"),
        ("pk", 2, "ends too early"),
        ("pk(zoe)", 3, ""),
        ("pk(alice", 8, "\")\" is expected"),
        ("pk(alice))", 9, "ends before this"),
        ("thresh(4,pk(alice),pk(bob))", 0, "4 of 2"),
        ("thresh(0,pk(alice))", 0, "0 of 1"),
        ("thresh(pk(alice))", 7, "a number of branches"),
        ("and(pk(alice))", 0, "two or more"),
        ("older(x)", 6, "a number of blocks"),
        ("older(4294967296)", 6, "too many"),
        ("after(2026-13-01T00:00Z)", 6, "a moment like"),
        ("after(2026-02-30T00:00Z)", 6, "a moment like"),
        ("after(1969-12-31T00:00Z)", 6, "outside of"),
        ("sha256(00)", 7, "64 hex digits"),
        ("multi(2,pk(alice))", 0, "no part of a policy"),
        ("pk(0100000000000000000000000000000000000000000000000000000000000000)", 3, "no good public key"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.problem.contains(says), "{text}: {error}");
    }
    let deep = format!("{}pk(alice){}", "thresh(1,".repeat(8), ")".repeat(8));
    assert!(read(&deep).unwrap_err().problem.contains("8 levels"));
    let wide = format!("or({})", vec!["pk(alice)"; 17].join(","));
    assert!(read(&wide).unwrap_err().problem.contains("16 branches"));
    let row = format!("or({})", vec!["older(1)"; 16].join(","));
    let large = format!("or({})", vec![row; 4].join(","));
    assert!(read(&large).unwrap_err().problem.contains("64 parts"));
    assert!(read(&" ".repeat(POLICY_BYTES_MAX + 1)).unwrap_err().problem.contains("largest policy"));
}

#[test]
fn without_a_key_it_is_for_whoever_looks() {
    for (text, keys) in [
        ("pk(alice)", 1),
        ("older(3)", 0),
        ("or(pk(alice),older(3))", 0),
        ("and(pk(alice),older(3))", 1),
        ("thresh(2,pk(alice),pk(bob),older(9))", 1),
        ("thresh(2,pk(alice),pk(bob),pk(carol))", 2),
    ] {
        assert_eq!(keys_min(&read(text).unwrap()), keys, "{text}");
    }
}

/// Keys of these vectors come from the seeds 01…01, 02…02 and so on.
#[test]
fn the_vectors_of_the_specification_hold() {
    let specification = include_str!("../../../../docs/spec/wallet.md");
    let table = specification.split("| text | lock hash |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('`').collect();
        let lock = read(cells[1]).unwrap();
        assert_eq!((print(&lock).as_str(), lock.hash().to_string().as_str()), (cells[1], cells[3]));
        count += 1;
    }
    assert_eq!(count, 5);
}
