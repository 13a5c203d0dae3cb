//! The codec: identities both ways, nothing accepted twice or in part, limits before allocation.

use crate::common::*;
use crate::strategies;
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::coins::{Coin, Diff};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::merkle::Proof;
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::limits;
use bezant_consensus::message::{Message, TipInfo};
use borsh::{BorshDeserialize, BorshSerialize};
use proptest::prelude::*;
use proptest::sample::Index;
use std::fmt::Debug;

/// Both identities, every truncation, a byte too many, and one byte changed.
fn holds<T: BorshSerialize + BorshDeserialize + PartialEq + Debug>(value: &T, place: Index, flip: u8) {
    let bytes = encode(value);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
    assert_eq!(borsh::object_length(value).unwrap(), bytes.len());
    let cut = place.index(bytes.len());
    assert!(decode::<T>(&bytes[..cut]).is_err(), "cut to {cut} of {} bytes", bytes.len());
    assert!(decode::<T>(&[&bytes[..], &[0]].concat()).is_err(), "a byte too many");
    let mut changed = bytes;
    changed[cut] ^= flip.max(1);
    reencodes::<T>(&changed);
}

/// Whatever is accepted is the one encoding of what it decodes to.
fn reencodes<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes) {
        assert_eq!(encode(&value), bytes);
    }
}

macro_rules! identities {
    ($($name:ident: $type:ty = $strategy:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(200))]
            $(
                #[test]
                fn $name(value in $strategy, place in any::<Index>(), flip in any::<u8>()) {
                    holds::<$type>(&value, place, flip);
                }
            )*

            #[test]
            fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
                $(reencodes::<$type>(&bytes);)*
            }

            /// Small numbers look like kinds and lengths, so that more of them are accepted.
            #[test]
            fn random_small_bytes(bytes in proptest::collection::vec(0u8..4, 0..200)) {
                $(reencodes::<$type>(&bytes);)*
            }
        }
    };
}

identities! {
    locks: Lock = strategies::lock();
    outpoints: OutPoint = strategies::outpoint();
    coins: Coin = strategies::coin();
    diffs: Diff = strategies::diff();
    transactions: Transaction = strategies::transaction();
    headers: Header = strategies::header();
    blocks: Block = strategies::block();
    proofs: Proof = strategies::proof();
    geneses: Genesis = strategies::any_genesis();
    tips: TipInfo = strategies::tip();
    messages: Message = strategies::message();
    records: Record = strategies::record();
}

#[test]
fn a_header_is_eighty_bytes() {
    let header = block(vec![]).header;
    assert_eq!(encode(&header), header.to_bytes());
    assert_eq!(header.to_bytes().len(), 80);
}

/// The encoding of `value` with the list length at `place` replaced by `len`, and nothing after it.
fn bomb<T: BorshSerialize>(value: &T, place: usize, len: usize) -> Vec<u8> {
    let mut bytes = encode(value);
    assert_eq!(bytes[place..place + 4], [0; 4], "there is an empty list");
    bytes.truncate(place);
    bytes.extend_from_slice(&(len as u32).to_le_bytes());
    bytes
}

/// A list that is one too long is refused by its length alone; one at its limit wants its items.
fn limited<T: BorshSerialize + BorshDeserialize + Debug>(value: &T, place: usize, what: &str, max: usize) {
    for len in [max + 1, u32::MAX as usize] {
        let error = decode::<T>(&bomb(value, place, len)).expect_err("the list is too long").to_string();
        assert!(error.contains(&format!("{len} {what}, at most {max} allowed")), "{error}");
    }
    let error = decode::<T>(&bomb(value, place, max)).expect_err("the items are missing").to_string();
    assert!(!error.contains("allowed"), "{error}");
}

#[test]
fn every_list_has_a_limit() {
    use bezant_consensus::message::*;
    let transfer = transfer(&[], &[]);
    limited(&transfer, 2, "inputs", limits::INPUTS_MAX);
    limited(&transfer, 6, "outputs", limits::OUTPUTS_MAX);
    limited(&transfer, 19, "witnesses", limits::INPUTS_MAX);
    let paid = coinbase(5, &[]);
    limited(&paid, 10, "extra bytes", limits::COINBASE_EXTRA_BYTES_MAX);
    limited(&paid, 14, "outputs", limits::OUTPUTS_MAX);
    limited(&coinbase(0, &[]), 14, "outputs", limits::ALLOCATIONS_MAX);
    let spend = bezant_consensus::ledger::transaction::Spend {
        amount: grains(1),
        lock: Lock::Older(1),
        signatures: vec![],
        preimages: vec![],
    };
    limited(&spend, 13, "signatures", limits::INPUT_SIGNATURES_MAX);
    limited(&spend, 17, "preimages", limits::LOCK_NODES_MAX);
    let members = bezant_consensus::ledger::transaction::MemberList(vec![]);
    limited(&members, 0, "members", limits::MEMBERS_MAX);
    limited(&block(vec![]), 80, "transactions", limits::BLOCK_TRANSACTIONS_MAX);
    limited(&Proof { index: 0, siblings: vec![] }, 4, "siblings", limits::MERKLE_SIBLINGS_MAX);
    limited(&Diff::default(), 0, "spent coins", limits::DIFF_COINS_MAX);
    limited(&Diff::default(), 4, "created coins", limits::DIFF_COINS_MAX);
    let mut genesis = pow_genesis();
    genesis.allocations.clear();
    let end = encode(&genesis).len();
    limited(&genesis, end - 4, "allocations", limits::ALLOCATIONS_MAX);
    limited(&genesis, end - 8, "members", limits::MEMBERS_MAX);
    limited(&Message::Certified(CertifiedBlocks::default()), 1, "blocks", limits::BLOCKS_PER_MESSAGE_MAX);
    limited(&Message::GetHeaders(Locator::default()), 1, "locator entries", limits::LOCATOR_ENTRIES_MAX);
    limited(&Message::Headers(Headers::default()), 1, "headers", limits::HEADERS_PER_MESSAGE_MAX);
    limited(&Message::GetBlocks(BlockIds::default()), 1, "block ids", limits::BLOCKS_PER_MESSAGE_MAX);
    limited(&Message::Blocks(Blocks::default()), 1, "blocks", limits::BLOCKS_PER_MESSAGE_MAX);
    let (incarnation, epoch, view) = Default::default();
    let signature = key(1).sign(b"x");
    let overdue = Overdue { incarnation, epoch, view, transactions: vec![], signer: 0, signature };
    limited(&overdue, 20, "transactions", limits::OVERDUE_TRANSACTIONS_MAX);
}

#[test]
fn certificates_have_limits() {
    use crate::golden::ballot;
    use bezant_consensus::message::{CommitCertificate, PreparedCertificate, Seal};
    let seal = Seal { signer: 0, signature: key(1).sign(b"x") };
    let commits = CommitCertificate { ballot: ballot(), commits: vec![] };
    limited(&commits, encode(&commits).len() - 4, "commits", limits::MEMBERS_MAX);
    let prepared = PreparedCertificate { ballot: ballot(), pre_prepare: seal, prepares: vec![] };
    limited(&prepared, encode(&prepared).len() - 4, "prepares", limits::MEMBERS_MAX);
}

#[test]
fn lock_trees_end_before_the_stack_does() {
    let deep: Vec<u8> = [1, 1, 1].repeat(100_000);
    assert!(decode::<Lock>(&deep).is_err());
    let wide: Vec<u8> = [1, 16, 16].repeat(100_000);
    assert!(decode::<Lock>(&wide).is_err());
    for bytes in [[1, 0, 1, 5], [1, 2, 1, 5], [1, 1, 17, 5], [1, 0, 0, 5], [6, 0, 0, 0]] {
        assert!(decode::<Lock>(&bytes).is_err());
    }
}

/// A map has one encoding: in strictly ascending order.
#[test]
fn a_diff_has_one_encoding() {
    let entry = |number: u8| encode(&(outpoint(number), coin(1, lock(1).hash())));
    let diff = |entries: &[u8]| {
        let list: Vec<u8> = entries.iter().flat_map(|number| entry(*number)).collect();
        decode::<Diff>(&[&(entries.len() as u32).to_le_bytes()[..], &list, &[0; 4]].concat())
    };
    assert!(diff(&[1, 2]).is_ok());
    assert!(diff(&[2, 1]).is_err());
    assert!(diff(&[1, 1]).is_err());
}

/// The undo of the fullest block, and the change that the largest genesis makes, can be read back.
#[test]
fn the_largest_diff_is_read_back() {
    let coin = coin(1, lock(1).hash());
    let outpoint = |index| OutPoint { index, ..outpoint(1) };
    let spent = (0..limits::DIFF_COINS_MAX as u32).map(|index| (outpoint(index), coin)).collect();
    let diff = Diff { spent, created: Default::default() };
    let bytes = encode(&diff);
    assert!(bytes.len() > limits::MESSAGE_BYTES_MAX);
    assert_eq!(decode::<Diff>(&bytes), Ok(diff));
    assert!(decode::<Diff>(&vec![0; limits::ENCODING_BYTES_MAX + 1]).is_err());
}

#[test]
fn amounts_above_the_supply_and_unknown_versions_and_kinds() {
    use bezant_consensus::ledger::amount::Amount;
    assert!(decode::<Amount>(&limits::SUPPLY_MAX.to_le_bytes()).is_ok());
    assert!(decode::<Amount>(&(limits::SUPPLY_MAX + 1).to_le_bytes()).is_err());
    let good = encode(&coinbase(5, &[]));
    for (place, value) in [(0, 0), (0, 2), (1, 3)] {
        let mut bytes = good.clone();
        bytes[place] = value;
        assert!(decode::<Transaction>(&bytes).is_err());
    }
    let mut coin = encode(&coin(1, lock(1).hash()));
    *coin.last_mut().unwrap() = 2;
    assert!(decode::<Coin>(&coin).is_err(), "a flag is 0 or 1");
}
