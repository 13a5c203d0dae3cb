//! Header chains and proofs of inclusion.

use super::super::light::{HeaderChain, Inclusion, InclusionError, verify_headers, verify_inclusion};
use super::{genesis, genesis_with, params, solve};
use crate::ledger::block::{Block, Header};
use crate::ledger::codec::{decode, encode};
use crate::ledger::genesis::{Difficulty, EngineParams, Genesis, PbftParams, PowParams};
use crate::ledger::hash::{MerkleRoot, sha256d};
use crate::ledger::merkle::{self, PathError};
use crate::ledger::target::{Target, Work};
use crate::ledger::transaction::{Body, Coinbase, Transaction};
use crate::ledger::units::Height;
use proptest::prelude::*;

/// What the tree hashes; nobody judges it.
fn leaf(height: u64, number: usize, bytes: usize) -> Transaction {
    let mut extra = vec![0; bytes];
    extra[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Transaction::new(Body::Coinbase(Coinbase { height: Height(height), extra, outputs: Vec::new() }), Vec::new())
}

/// Blocks from height 1 on with so many transactions each.
fn blocks(genesis: &Genesis, counts: &[usize]) -> Vec<Block> {
    let mut below = genesis.block().header;
    let mut blocks = Vec::new();
    for (at, count) in counts.iter().enumerate() {
        let transactions = (0..*count).map(|number| leaf(at as u64 + 1, number, 8)).collect();
        let header = Header { parent: below.id(), time: below.time + 10, nonce: 0, ..below };
        let mut block = Block { header, transactions };
        block.header.merkle_root = block.merkle_root();
        blocks.push(solve(block));
        below = blocks[at].header;
    }
    blocks
}

fn headers(blocks: &[Block]) -> Vec<Header> {
    blocks.iter().map(|block| block.header).collect()
}

/// A node of the tree by its definition: level 0 are the leaves, and a level of odd length repeats its last.
fn node(leaves: &[[u8; 32]], level: u32, place: usize) -> [u8; 32] {
    let width = leaves.len().div_ceil(1 << level);
    let place = place.min(width - 1);
    if level == 0 {
        return leaves[place];
    }
    sha256d(&[node(leaves, level - 1, 2 * place), node(leaves, level - 1, 2 * place + 1)].concat())
}

proptest! {
    #[test]
    fn branches_are_those_of_the_definition(count in 1usize..70) {
        let leaves: Vec<_> = (0..count).map(|number| leaf(1, number, 8).hash()).collect();
        let plain: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
        let depth = count.next_power_of_two().ilog2();
        let root = MerkleRoot(node(&plain, depth, 0));
        prop_assert_eq!(merkle::root(&leaves).root, root);
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = merkle::prove(&leaves, index).unwrap();
            let expected: Vec<[u8; 32]> = (0..depth).map(|level| node(&plain, level, (index >> level) ^ 1)).collect();
            prop_assert_eq!(&proof.siblings, &expected);
            prop_assert_eq!(proof.root_from(*leaf), Some(root));
        }
    }

    #[test]
    fn a_proof_says_where_a_transaction_is(counts in prop::collection::vec(1usize..12, 1..6), pick in any::<prop::sample::Index>()) {
        let genesis = genesis();
        let blocks = blocks(&genesis, &counts);
        let headers = headers(&blocks);
        let work = |count: usize| Target::from_compact(super::BITS).unwrap().work().times(count as u64);
        let at = pick.index(blocks.len());
        for (index, transaction) in blocks[at].transactions.iter().enumerate() {
            let proof = Inclusion::new(&blocks[at], index).unwrap();
            let found = verify_inclusion(&genesis, &headers, &proof).unwrap();
            prop_assert_eq!((found.txid, found.block), (transaction.id(), blocks[at].id()));
            prop_assert_eq!((found.height, found.confirmations), (Height(at as u64 + 1), (blocks.len() - at) as u64));
            prop_assert_eq!((found.work_behind, found.work_on_top), (work(at + 2), work(blocks.len() - at - 1)));
            // A part of the chain says as much of the block, as long as it reaches it.
            let short = verify_inclusion(&genesis, &headers[..=at], &proof).unwrap();
            prop_assert_eq!((short.confirmations, short.work_on_top), (1, Work::ZERO));
            prop_assert_eq!(
                verify_inclusion(&genesis, &headers[..at], &proof),
                Err(InclusionError::OtherChain(blocks[at].id()))
            );
        }
        prop_assert_eq!(Inclusion::new(&blocks[at], counts[at]), None);
        prop_assert_eq!(verify_headers(&genesis, &headers), Ok(work(blocks.len() + 1)));
    }

    /// Header, transaction, place, and branch: no byte of a proof can be another.
    #[test]
    fn each_changed_byte_of_a_proof_is_refused(count in 1usize..12, pick in any::<prop::sample::Index>(), change in 1u8..) {
        let genesis = genesis();
        let blocks = blocks(&genesis, &[1, count, 2]);
        let headers = headers(&blocks);
        let proof = Inclusion::new(&blocks[1], pick.index(count)).unwrap();
        let bytes = encode(&proof);
        prop_assert_eq!(&decode::<Inclusion>(&bytes).unwrap(), &proof);
        // By 1 too: a place next to its own is the likeliest to pass for it.
        for (at, change) in (0..bytes.len()).flat_map(|at| [(at, change), (at, 1)]) {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            if let Ok(changed) = decode::<Inclusion>(&changed) {
                prop_assert!(verify_inclusion(&genesis, &headers, &changed).is_err(), "byte {} of {:?}", at, proof);
            }
        }
    }

    /// A header with another on top cannot be changed at all; what is changed in the last needs new work, a place in time, and
    /// the right target, and then it is another chain.
    #[test]
    fn each_changed_byte_of_a_header_is_refused(change in 1u8..) {
        let genesis = genesis_with(PowParams { bits: 0x2001_0000, ..params() });
        let headers = headers(&blocks(&genesis, &[1, 2, 3]));
        let proof = Inclusion::new(&blocks(&genesis, &[1, 2, 3])[1], 1).unwrap();
        for (place, header) in headers.iter().enumerate() {
            for byte in 0..80 {
                let mut bytes = header.to_bytes();
                bytes[byte] ^= change;
                let mut changed = headers.clone();
                changed[place] = decode(&bytes).unwrap();
                let refused = verify_inclusion(&genesis, &changed, &proof);
                let is_new_tip = place == 2
                    && !(72..76).contains(&byte) && !(4..36).contains(&byte)
                    && Target::from_compact(0x2001_0000).unwrap().is_met_by(&changed[2].id())
                    && changed[2].time > headers[0].time;
                prop_assert_eq!(refused.is_err(), !is_new_tip, "byte {} of header {}", byte, place + 1);
            }
        }
    }
}

#[test]
fn the_coins_of_genesis_are_included_at_height_0() {
    let genesis = genesis();
    let proof = Inclusion::new(&genesis.block(), 0).unwrap();
    let found = verify_inclusion(&genesis, &[], &proof).unwrap();
    assert_eq!((found.height, found.confirmations), (Height::GENESIS, 1));
}

#[test]
fn what_is_wrong_is_named() {
    let genesis = genesis();
    let blocks = blocks(&genesis, &[3, 2, 1]);
    let mut chain = headers(&blocks);
    let proof = Inclusion::new(&blocks[0], 1).unwrap();
    let mut other = proof.clone();
    other.transaction = blocks[0].transactions[2].clone();
    assert_eq!(verify_inclusion(&genesis, &chain, &other), Err(InclusionError::Path(PathError::Elsewhere)));
    let elsewhere = Inclusion { header: blocks[1].header, ..proof.clone() };
    assert_eq!(verify_inclusion(&genesis, &chain, &elsewhere), Err(InclusionError::Path(PathError::Elsewhere)));
    // The tree repeats the last of three: that place is none.
    let mut repeated = Inclusion::new(&blocks[0], 2).unwrap();
    assert!(verify_inclusion(&genesis, &chain, &repeated).is_ok());
    repeated.path.index = 3;
    assert_eq!(verify_inclusion(&genesis, &chain, &repeated), Err(InclusionError::Path(PathError::Elsewhere)));
    let name = |result| match result {
        Err(InclusionError::Chain(error)) => (error.height, error.reason),
        other => panic!("{other:?}"),
    };
    // A gap, another order, a second genesis.
    let broken = |headers: &[Header]| name(verify_inclusion(&genesis, headers, &proof));
    let link = "it does not stand on the header before".to_owned();
    assert_eq!(broken(&chain[1..]), (Height(1), link.clone()));
    assert_eq!(broken(&[chain[0], chain[2]]), (Height(2), link.clone()));
    assert_eq!(broken(&[genesis.block().header]), (Height(1), link.clone()));
    // The right links, but less work, or an easier target than is expected.
    chain[2].nonce = (0..).find(|nonce| !met(&Header { nonce: *nonce, ..chain[2] })).unwrap();
    assert!(broken(&chain).1.starts_with("the id does not meet"), "{:?}", broken(&chain));
    chain[2] = solve(Block { header: Header { bits: 0x2040_0000, ..chain[2] }, transactions: Vec::new() }).header;
    assert_eq!(broken(&chain), (Height(3), "bits are 20400000, expected 207fffff".to_owned()));
    let pbft = PbftParams {
        depth: 2,
        checkpoint_interval: 10,
        view_timeout_ms: 1_000,
        view_timeout_max_ms: 10_000,
        drift_s: 10,
        block_time_ms: 0,
        readmit_interval: 100,
    };
    let other_engine = Genesis { engine: EngineParams::Pbft(pbft), ..(*genesis).clone() };
    assert_eq!(name(verify_inclusion(&other_engine, &[], &proof)).0, Height(0));
}

fn met(header: &Header) -> bool {
    Target::from_compact(header.bits).unwrap().is_met_by(&header.id())
}

/// A chain is left as it was by what does not fit, and goes on with what does.
#[test]
fn a_chain_grows_by_what_fits() {
    let genesis = genesis_with(PowParams { difficulty: Difficulty::Asert { half_life_s: 100 }, ..params() });
    let headers = headers(&blocks(&genesis, &[1, 1]));
    let mut chain = HeaderChain::new(&genesis).unwrap();
    assert!(chain.push(&headers[1]).is_err());
    assert_eq!((chain.height(), chain.tip()), (Height(0), genesis.block().id()));
    chain.push(&headers[0]).unwrap();
    assert!(chain.push(&headers[0]).is_err());
    assert_eq!((chain.height(), chain.tip()), (Height(1), headers[0].id()));
}

/// CVE-2017-12842: two nodes side by side, called a transaction, hash to what stands above them.
#[test]
fn an_inner_node_is_no_transaction() {
    let genesis = genesis();
    let forged = leaf(7, 0, 42);
    let bytes = encode(&forged);
    assert_eq!(bytes.len(), 64);
    // Whoever makes a block with these leaves would have to find transactions with such hashes; here they are simply there.
    let [left, right] = [&bytes[..32], &bytes[32..]].map(|half| crate::ledger::hash::TxHash(half.try_into().unwrap()));
    let root = merkle::root(&[left, right]).root;
    let path = merkle::Proof { index: 0, siblings: Vec::new() };
    assert_eq!(path.root_from(forged.hash()), Some(root), "the path leads there");
    assert_eq!(path.check(&forged, root), Err(PathError::NodeSize));
    let below = genesis.block().header;
    let header = Header { parent: below.id(), time: below.time + 10, merkle_root: root, ..below };
    let header = solve(Block { header, transactions: Vec::new() }).header;
    let proof = Inclusion { header, transaction: forged, path };
    assert_eq!(verify_inclusion(&genesis, &[header], &proof), Err(InclusionError::Path(PathError::NodeSize)));
}
