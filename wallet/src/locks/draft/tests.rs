use super::*;
use crate::keys::keystore::Unlocked;
use crate::paying::build::ring;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::LockTime;
use bezant_consensus::ledger::rules::isolated;
use bezant_consensus::ledger::transaction::{OutPoint, Output};
use proptest::prelude::*;
use proptest::sample::Index;

const NETWORK: NetworkId = NetworkId([9; 32]);
const PREIMAGE: [u8; 32] = [77; 32];

fn wallet(index: u8) -> Unlocked {
    Unlocked { keys: vec![SigningKey::from_seed(&[index; 32])] }
}

fn lock_of(index: u8) -> Lock {
    Lock::Key(wallet(index).keys[0].public())
}

fn two_of_three() -> Lock {
    Lock::Threshold { k: 2, of: (1..=3).map(lock_of).collect() }
}

/// Two together, or later one alone.
fn vault() -> Lock {
    let now = Lock::Threshold { k: 2, of: vec![lock_of(1), lock_of(2)] };
    let later = Lock::Threshold { k: 2, of: vec![Lock::Older(144), lock_of(1)] };
    Lock::Threshold { k: 1, of: vec![now, later] }
}

fn with_secret() -> Lock {
    Lock::Threshold { k: 2, of: vec![Lock::Hash(sha256(&PREIMAGE)), lock_of(2)] }
}

fn grains(grains: u64) -> Amount {
    Amount::from_grains(grains).unwrap()
}

fn input(lock: Lock, conditions: &[&[u8]]) -> Input {
    Input {
        amount: grains(1_000_000),
        lock,
        conditions: conditions.iter().map(|path| path.to_vec()).collect(),
        signatures: BTreeMap::new(),
        preimages: BTreeMap::new(),
    }
}

fn try_draft(inputs: Vec<Input>) -> Result<Draft, DraftError> {
    let outpoint = |index: usize| OutPoint { txid: TxId([index as u8; 32]), index: 0 };
    let outputs = vec![
        Output { amount: grains(600_000), lock: lock_of(9).hash() },
        Output { amount: grains(300_000), lock: inputs[0].lock.hash() },
    ];
    let transfer = Transfer { inputs: (0..inputs.len()).map(outpoint).collect(), outputs, lock_time: LockTime::NONE };
    Draft::new(NETWORK, transfer, inputs)
}

fn draft(inputs: Vec<Input>) -> Draft {
    try_draft(inputs).unwrap()
}

fn signed(draft: &Draft, by: &[u8]) -> Draft {
    let mut draft = draft.clone();
    for index in by {
        draft.sign(&ring([&wallet(*index)]));
    }
    draft
}

/// One of everything: a 2 of 3, the vault's first branch, a key known by its address only, a hash lock.
fn rich() -> Draft {
    draft(vec![
        input(two_of_three(), &[]),
        input(vault(), &[]),
        input(Lock::Opaque(lock_of(2).hash()), &[]),
        input(with_secret(), &[&[0]]),
    ])
}

fn known(indices: &[u8]) -> Means {
    let mut means = Means::default();
    means.add_keys(indices.iter().map(|index| wallet(*index).keys[0].public()));
    means
}

#[test]
fn two_of_three_sign_in_any_order_and_make_one_transaction() {
    let blank = draft(vec![input(two_of_three(), &[])]);
    let missing = blank.finalize().unwrap_err();
    assert_eq!((missing.0, missing.1.kind()), (0, "keys-missing"));
    let mut all = BTreeSet::new();
    for order in [[1, 3], [3, 1]] {
        let both = signed(&blank, &order);
        let transaction = both.finalize().unwrap();
        let checked = isolated::verify_transaction(&NETWORK, &transaction).unwrap();
        assert_eq!(checked.fee, both.fee());
        assert_eq!(transaction.bytes() as u64, both.bytes());
        assert_eq!(transaction.id(), blank.txid());
        all.insert(encode(&transaction));
    }
    let apart = combine(&[signed(&blank, &[3]), signed(&blank, &[1])]).unwrap();
    all.insert(encode(&apart.finalize().unwrap()));
    assert_eq!(all.len(), 1);
    // With three signatures two are used; nothing that is not needed goes into the witness.
    let three = signed(&blank, &[1, 2, 3]).finalize().unwrap();
    isolated::verify_transaction(&NETWORK, &three).unwrap();
}

#[test]
fn the_branch_is_fixed_when_the_draft_is_made() {
    let now = draft(vec![input(vault(), &[])]);
    let later = draft(vec![input(vault(), &[&[1, 0]])]);
    let keys = |draft: &Draft| draft.unsigned_keys().len();
    assert_eq!((keys(&now), keys(&later)), (2, 1));
    assert_eq!(signed(&now, &[1]).inputs()[0].signatures.keys().collect::<Vec<_>>(), [&vec![0, 0]]);
    assert_eq!(signed(&later, &[1]).inputs()[0].signatures.keys().collect::<Vec<_>>(), [&vec![1, 1]]);
    isolated::verify_transaction(&NETWORK, &signed(&later, &[1]).finalize().unwrap()).unwrap();
    isolated::verify_transaction(&NETWORK, &signed(&now, &[1, 2]).finalize().unwrap()).unwrap();
    assert!(signed(&now, &[1]).finalize().is_err());
    assert_eq!(combine(&[now, later]), Err(DraftError::Contradiction(0)));
}

#[test]
fn a_lie_about_amount_or_lock_spoils_the_signatures() {
    // The signer is told of a coin of 1,000,000, so that the fee looks small; the true one has ten times as much.
    let told = signed(&draft(vec![input(two_of_three(), &[])]), &[1, 2]);
    let mut transaction = told.finalize().unwrap();
    isolated::verify_transaction(&NETWORK, &transaction).unwrap();
    let Witness::Spend(spend) = &mut transaction.witnesses_mut()[0] else { panic!("a transfer") };
    spend.amount = grains(10_000_000);
    assert!(isolated::verify_transaction(&NETWORK, &transaction).is_err(), "the true amount has no signature");
    // The same for the lock, and for another net.
    let other = draft(vec![Input { amount: grains(10_000_000), ..told.inputs()[0].clone() }.unsigned()]);
    let stolen = Input { signatures: told.inputs()[0].signatures.clone(), ..other.inputs()[0].clone() };
    assert!(matches!(try_draft(vec![stolen]), Err(DraftError::Input { input: 0, .. })));
    let elsewhere = Draft::new(NetworkId([8; 32]), told.transfer().clone(), told.inputs().to_vec());
    assert!(matches!(elsewhere, Err(DraftError::Input { input: 0, .. })));
}

impl Input {
    fn unsigned(self) -> Input {
        Input { signatures: BTreeMap::new(), ..self }
    }
}

#[test]
fn what_does_not_belong_there_is_refused() {
    let good = signed(&draft(vec![input(two_of_three(), &[])]), &[1]);
    let one = good.inputs()[0].clone();
    let with = |change: &dyn Fn(&mut Input)| {
        let mut input = one.clone();
        change(&mut input);
        try_draft(vec![input]).map_err(|error| error.to_string())
    };
    assert!(with(&|_| {}).is_ok());
    let signature = *one.signatures.values().next().unwrap();
    let refused = |change: &dyn Fn(&mut Input), why: &str| {
        let error = with(change).unwrap_err();
        assert!(error.contains(why), "{error}");
    };
    // By somebody who has no key in it; at another key's place; where there is none.
    refused(
        &|input| {
            input.signatures.insert(vec![1], signature);
        },
        "not valid",
    );
    refused(
        &|input| {
            input.signatures.insert(vec![7], signature);
        },
        "where no key",
    );
    refused(
        &|input| {
            input.preimages.insert(vec![0], PREIMAGE);
        },
        "nothing asks for",
    );
    refused(&|input| input.conditions = vec![vec![0]], "conditions is none");
    refused(&|input| input.lock = Lock::Threshold { k: 1, of: vec![Lock::Older(1)] }, "nobody can open it");
    refused(&|input| input.amount = grains(1), "more than it spends");
    let body = |change: &dyn Fn(&mut Transfer)| {
        let mut transfer = good.transfer().clone();
        change(&mut transfer);
        Draft::new(NETWORK, transfer, vec![one.clone().unsigned()]).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(body(&|_| {}).is_ok());
    for (why, result) in [
        ("pays nothing", body(&|transfer| transfer.outputs.clear())),
        ("nothing to somebody", body(&|transfer| transfer.outputs[0].amount = Amount::ZERO)),
        (
            "more money",
            body(&|transfer| transfer.outputs = vec![Output { amount: Amount::MAX, ..transfer.outputs[0] }; 2]),
        ),
        ("each coin", body(&|transfer| transfer.inputs.push(OutPoint { txid: TxId([5; 32]), index: 1 }))),
    ] {
        assert!(result.unwrap_err().contains(why), "{why}");
    }
    let twice = Transfer { inputs: vec![good.transfer().inputs[0]; 2], ..good.transfer().clone() };
    let inputs = vec![one.clone().unsigned(), one.clone().unsigned()];
    assert!(Draft::new(NETWORK, twice, inputs).unwrap_err().to_string().contains("twice"));
}

#[test]
fn an_address_is_filled_in_by_its_owner_and_a_preimage_by_who_knows_it() {
    let mut draft = rich();
    assert!(draft.finalize().is_err());
    draft.fill(&known(&[2]));
    let mut draft = signed(&draft, &[1, 2]);
    assert_eq!(draft.finalize().unwrap_err().1.kind(), "preimage-missing");
    let mut means = Means::default();
    means.add_preimage(PREIMAGE);
    draft.fill(&means);
    let transaction = draft.finalize().unwrap();
    isolated::verify_transaction(&NETWORK, &transaction).unwrap();
    assert_eq!(transaction.bytes() as u64, draft.bytes());
}

#[test]
fn other_transfers_do_not_combine() {
    let one = draft(vec![input(two_of_three(), &[])]);
    let other = draft(vec![input(two_of_three(), &[]), input(vault(), &[])]);
    assert_eq!(combine(&[one.clone(), other.clone()]), Err(DraftError::Different(one.txid(), other.txid())));
    let dearer = draft(vec![Input { amount: grains(2_000_000), ..input(two_of_three(), &[]) }]);
    assert_eq!(combine(&[one, dearer]), Err(DraftError::Contradiction(0)));
}

#[test]
fn each_damage_has_its_name() {
    let text = rich().to_text();
    let kind = |text: &str| Draft::from_text(text.as_bytes()).map_err(|error| error.kind()).unwrap_err();
    assert_eq!(kind(""), "malformed-draft");
    assert_eq!(kind(&text[1..]), "malformed-draft");
    assert_eq!(kind(text.trim_end()), "malformed-draft");
    assert_eq!(kind(&text.replace("DRAFT", "RECEIPT")), "malformed-draft");
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(kind(&crlf), "malformed-draft");
    let lines: Vec<&str> = text.lines().collect();
    let joined = format!("{}\n{}\n{}\n", lines[0], lines[1..lines.len() - 1].concat(), lines[lines.len() - 1]);
    assert_eq!(kind(&joined), "not-canonical");
    let middle = text.len() / 2;
    let other = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let flipped = format!("{}{other}{}", &text[..middle], &text[middle + 1..]);
    assert_eq!(kind(&flipped), "damaged-draft");
    assert_eq!(kind(&format!("{}{}", text, " ".repeat(DRAFT_TEXT_BYTES_MAX))), "malformed-draft");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn combining_is_commutative_associative_and_idempotent(
        signers in prop::collection::vec(prop::collection::vec(1u8..4, 0..3), 1..5),
        fills in prop::collection::vec(any::<bool>(), 5),
        order in Just(()).prop_perturb(|(), mut random| std::array::from_fn::<usize, 8, _>(|_| random.next_u32() as usize)),
    ) {
        let mut means = known(&[2]);
        means.add_preimage(PREIMAGE);
        let drafts: Vec<Draft> = signers.iter().zip(&fills).map(|(by, is_filled)| {
            let mut one = rich();
            if *is_filled { one.fill(&means); }
            signed(&one, by)
        }).collect();
        let text = combine(&drafts).unwrap().to_text();
        // Any order, with repetitions, and in pairs.
        let mut shuffled = drafts.clone();
        for (index, other) in order.iter().enumerate() {
            let len = shuffled.len();
            shuffled.swap(index % len, other % len);
        }
        shuffled.extend(drafts.iter().take(2).cloned());
        prop_assert_eq!(&combine(&shuffled).unwrap().to_text(), &text);
        let folded = drafts.iter().skip(1).fold(drafts[0].clone(), |all, one| combine(&[one.clone(), all]).unwrap());
        prop_assert_eq!(&folded.to_text(), &text);
        let again = Draft::from_text(text.as_bytes()).unwrap();
        prop_assert_eq!(again.to_text(), text);
    }

    #[test]
    fn no_flipped_bit_is_accepted(at in any::<Index>(), bit in 0u8..8, signers in prop::collection::vec(1u8..4, 0..3)) {
        let draft = signed(&rich(), &signers);
        let mut text = draft.to_text().into_bytes();
        let at = at.index(text.len());
        text[at] ^= 1 << bit;
        prop_assert!(Draft::from_text(&text).is_err());
    }

    #[test]
    fn a_hostile_draft_with_a_right_checksum_is_refused_or_the_same(
        at in any::<Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let draft = signed(&rich(), &[1, 2]);
        let mut bytes = draft.to_bytes();
        let content = bytes.len() - 32;
        let at = 8 + at.index(content - 8);
        bytes.truncate(if cut { at } else { content });
        if !cut { bytes[at] = byte; }
        let sum = super::codec::checksum(&bytes);
        bytes.extend_from_slice(&sum);
        if let Ok(read) = super::codec::from_bytes(&bytes) {
            // What is left to change says nothing that anybody signed for: here all but the last input's preimage is signed for.
            prop_assert!(read == draft || read.txid() == draft.txid());
            prop_assert_eq!(read.to_bytes(), bytes);
            prop_assert!(read.inputs().iter().zip(draft.inputs()).all(|(one, other)| one.signatures.is_empty() || (one.amount, one.lock.hash()) == (other.amount, other.lock.hash())));
        }
    }

    #[test]
    fn junk_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = b"BZT-DFT\x01".to_vec();
        framed.extend_from_slice(&bytes);
        let sum = super::codec::checksum(&framed);
        framed.extend_from_slice(&sum);
        prop_assert!(super::codec::from_bytes(&framed).is_err());
    }
}

/// Net 09…09, keys of the seeds 01…01, 02…02 and 03…03, of which the first and the third signed.
#[test]
fn the_vector_of_the_specification_holds() {
    let specification = include_str!("../../../../docs/spec/wallet.md");
    let begin = specification.rfind("-----BEGIN BEZANT DRAFT-----\n").unwrap();
    let end = specification.rfind("-----END BEZANT DRAFT-----\n").unwrap() + 27;
    let text = &specification[begin..end];
    let expected = signed(&draft(vec![input(two_of_three(), &[])]), &[1, 3]);
    assert_eq!(Draft::from_text(text.as_bytes()), Ok(expected.clone()));
    assert_eq!(expected.to_text(), text);
    let id = expected.txid().to_string();
    assert!(specification.contains(&id), "{id}");
}

/// Somebody makes a draft that spends a coin of mine and one of his, and pays him all of both: nothing of that comes back to me.
#[test]
fn change_is_what_goes_back_to_a_wallet_here_and_nothing_else() {
    use crate::keys::keystore::WalletFile;
    use bezant_api::types::EngineName;
    use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis};
    let genesis = Genesis {
        version: GENESIS_VERSION,
        salt: [1; 32],
        time: 1,
        dev: true,
        engine: EngineParams::Pbft(bezant_api::genesis::pbft_defaults()),
        ledger: bezant_api::genesis::ledger_defaults(EngineName::Pbft),
        members: vec![wallet(1).keys[0].public()],
        allocations: vec![Output { amount: grains(5), lock: lock_of(1).hash() }],
    };
    let session = crate::session::Session::offline(bezant_api::home::Home::at(std::path::Path::new("none")), genesis);
    let mine = WalletFile::watching("mine", vec![lock_of(2), lock_of(4)]);
    let found = crate::session::Found { wallet: mine, path: "mine.json".into() };
    let known = crate::paying::purse::Known::of(vec![found]);
    let told = |locks: [u8; 2]| {
        let inputs = vec![input(lock_of(2), &[]), input(lock_of(9), &[])];
        let mut transfer = draft(inputs.clone()).transfer().clone();
        transfer.outputs.iter_mut().zip(locks).for_each(|(output, lock)| output.lock = lock_of(lock).hash());
        let draft = Draft::new(NETWORK, transfer, inputs).unwrap();
        let outputs = super::summary::summary(&draft, &session, &known).outputs;
        outputs.into_iter().map(|output| (output.name, output.returns)).collect::<Vec<_>>()
    };
    let mine = || (Some("mine".to_owned()), true);
    assert_eq!(told([9, 9]), [(None, false), (None, false)]);
    assert_eq!(told([9, 2]), [(None, false), mine()]);
    assert_eq!(told([4, 7]), [mine(), (None, false)], "another address of the same wallet");
}
