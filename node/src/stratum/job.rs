//! What a miner searches. It joins coinb1, its two extranonces and coinb2, hashes them, folds the branch over that, and has the
//! merkle root; of transactions it knows nothing.

use super::difficulty::share_target;
use super::wire;
use crate::offers::{EXTRANONCE_AT, Offer};
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::{BlockId, LockHash};
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, Transaction};
use bezant_consensus::pow::EXTRANONCE_BYTES;
use serde_json::json;
use std::sync::Arc;

/// A template as one miner was told of it.
#[derive(Debug)]
pub(super) struct Job {
    /// Distinct among the jobs of a connection.
    pub(super) id: u64,
    pub(super) offer: Arc<Offer>,
    /// The earliest time of its headers. Another one for each time that a template is handed out: miners begin anew with each job,
    /// and would search the same headers again.
    pub(super) time: u32,
    /// What its shares are held to, however the difficulty moves meanwhile.
    pub(super) difficulty: f64,
    share: Target,
    block: Target,
    coinbase: Transaction,
}

/// What a miner found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) extranonce: [u8; EXTRANONCE_BYTES],
    pub(super) version: u32,
    pub(super) time: u32,
    pub(super) nonce: u32,
}

/// How good a find is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    Nothing,
    Share,
    Block,
}

impl Job {
    /// # Panics
    /// For a template without a target; the engine makes none.
    pub(super) fn new(id: u64, offer: Arc<Offer>, time: u32, payee: LockHash, difficulty: f64) -> Job {
        let block = Target::from_compact(offer.header().bits).expect("a template has a target");
        let coinbase = offer.coinbase_for(payee);
        Job { id, offer, time, difficulty, share: share_target(difficulty), block, coinbase }
    }

    /// The line that tells a miner of it.
    pub(super) fn notify(&self, clean: bool) -> String {
        let header = self.offer.header();
        let bytes = encode(&self.coinbase);
        let (first, rest) = bytes.split_at(EXTRANONCE_AT);
        let branch: Vec<String> = self.offer.branch().siblings.iter().map(hex::encode).collect();
        let params = json!([
            format!("{:x}", self.id),
            hex::encode(word_swapped(&header.parent)),
            hex::encode(first),
            hex::encode(&rest[EXTRANONCE_BYTES..]),
            branch,
            format!("{:08x}", header.version),
            format!("{:08x}", header.bits),
            format!("{:08x}", self.time),
            clean,
        ]);
        wire::notification("mining.notify", &params)
    }

    fn coinbase(&self, extranonce: &[u8; EXTRANONCE_BYTES]) -> Transaction {
        let mut coinbase = self.coinbase.clone();
        if let Body::Coinbase(body) = coinbase.body_mut() {
            body.extra[..EXTRANONCE_BYTES].copy_from_slice(extranonce);
        }
        coinbase
    }

    /// The header that a miner says it found.
    pub(super) fn header(&self, found: &Found) -> Header {
        let root = self.offer.branch().root_from(self.coinbase(&found.extranonce).hash());
        Header {
            version: found.version,
            // A left child's way up is never refused.
            merkle_root: root.unwrap_or_default(),
            time: found.time,
            nonce: found.nonce,
            ..*self.offer.header()
        }
    }

    /// Judges a find: a block by its bits alone, a share by the difficulty that its job was issued with.
    pub(super) fn worth(&self, id: &BlockId) -> Worth {
        if self.block.is_met_by(id) {
            return Worth::Block;
        }
        if self.share.is_met_by(id) { Worth::Share } else { Worth::Nothing }
    }

    /// The block that was found.
    pub(super) fn block(&self, found: &Found) -> Block {
        self.offer.block(self.coinbase(&found.extranonce), self.header(found))
    }
}

/// The parent as Stratum writes it: the header's bytes with each word of four reversed. Not the displayed hash, and not the bytes as
/// they are hashed.
fn word_swapped(parent: &BlockId) -> [u8; 32] {
    let mut bytes = parent.0;
    bytes.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    bytes
}
