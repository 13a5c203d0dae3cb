//! Work as others hand it out: a coinbase in two halves with room between them, and the branch from it to the merkle root. What it
//! pays and which transactions lie behind the branch is not seen here.

use crate::kernel::Search;
use crate::miner::Task;
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::hash::{BlockId, MerkleRoot, sha256d};
use bezant_consensus::ledger::target::Target;

#[cfg(test)]
mod tests;

/// Bytes of an extranonce that is counted, at most.
pub const EXTRANONCE_BYTES_MAX: usize = 8;

/// A block that lacks its nonce, and how good a hash is wanted. Searched for every such hash up to one that is a block: whoever
/// handed it out then has another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Names it in [`Share`]s.
    pub id: u64,
    /// The header's version.
    pub version: u32,
    /// Whether a few bits of it that BIP 320 leaves to miners are rolled, which is faster.
    pub rolls_version: bool,
    /// The block below.
    pub parent: BlockId,
    /// The coinbase before the extranonce that is counted here.
    pub coinbase_first: Vec<u8>,
    /// The coinbase after it.
    pub coinbase_last: Vec<u8>,
    /// Bytes of the extranonce between them, at most [`EXTRANONCE_BYTES_MAX`].
    pub extranonce_bytes: usize,
    /// Where counting begins.
    pub extranonce_start: u64,
    /// From the coinbase's hash to the merkle root, the coinbase always being on the left.
    pub branch: Vec<[u8; 32]>,
    /// The header's time.
    pub time: u32,
    /// The block's compact target.
    pub bits: u32,
    /// What a share must not exceed.
    pub target: Target,
}

/// A hash that is good enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Of the job.
    pub job: u64,
    /// The bytes between the halves of the coinbase.
    pub extranonce: Vec<u8>,
    /// The header that was found.
    pub header: Header,
    /// Whether it meets the target of its bits.
    pub is_block: bool,
}

impl Job {
    /// How many extranonces there are: all that fit into their bytes.
    pub(crate) fn steps(&self) -> u64 {
        match self.extranonce_bytes {
            0 => 1,
            bytes if bytes >= 8 => u64::MAX,
            bytes => 1 << (8 * bytes),
        }
    }

    /// The bytes of an extranonce, counted up with the first byte lowest.
    pub(crate) fn extranonce(&self, step: u64) -> Vec<u8> {
        let number = self.extranonce_start.wrapping_add(step).to_le_bytes();
        number[..self.extranonce_bytes.min(EXTRANONCE_BYTES_MAX)].to_vec()
    }

    /// The header with this extranonce.
    pub(crate) fn header(&self, step: u64) -> Header {
        let coinbase = [&self.coinbase_first, &self.extranonce(step), &self.coinbase_last].map(Vec::as_slice).concat();
        let root = self.branch.iter().fold(sha256d(&coinbase), |node, next| sha256d(&[node, *next].concat()));
        Header {
            version: self.version,
            parent: self.parent,
            merkle_root: MerkleRoot(root),
            time: self.time,
            bits: self.bits,
            nonce: 0,
        }
    }
}

impl Task for Job {
    type Found = Share;

    fn search(&self, step: u64) -> Option<Search> {
        let prepare = if self.rolls_version { Search::rolling } else { Search::new };
        (step < self.steps()).then(|| prepare(self.header(step), self.target))
    }

    fn found(&self, step: u64, header: Header) -> Share {
        let is_block = Target::from_compact(header.bits).is_some_and(|target| target.is_met_by(&header.id()));
        Share { job: self.id, extranonce: self.extranonce(step), header, is_block }
    }

    fn is_last(found: &Share) -> bool {
        found.is_block
    }
}
