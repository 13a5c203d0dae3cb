//! Checkpoints and snapshots of the coin set: what members sign every `checkpoint_interval` blocks, and in which pieces the
//! coins at such a height travel.
//!
//! A checkpoint signs a tagged hash (`bezant/checkpoint`) over network ‖ borsh of [`Checkpoint`]. A certificate has exactly q
//! seals for one checkpoint. Since the coins are committed to by 256 buckets, whoever holds the list of bucket hashes can
//! judge each bucket alone, whoever sends it; the buckets hang on the certificate, the block on its commit certificate.

use super::epoch::Opening;
use super::{CommitCertificate, Seal};
use crate::ledger::block::Header;
use crate::ledger::codec::{encode, invalid, limited_decode, read_list};
use crate::ledger::coins::Coin;
use crate::ledger::commitment::{Buckets, commitment_of};
use crate::ledger::hash::{BlockId, CoinCommitment, NetworkId, OpeningHash, tagged};
use crate::ledger::key::{Signature, SigningKey};
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::{Epoch, Height, Incarnation};
use crate::limits::{COMMITMENT_BUCKETS, MEMBERS_MAX, SNAPSHOT_COINS_PER_MESSAGE_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use std::io;

/// What a member finds at a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Checkpoint {
    /// Of the net.
    pub incarnation: Incarnation,
    /// The set that signs.
    pub epoch: Epoch,
    /// A multiple of the genesis parameter `checkpoint_interval`, above 0.
    pub height: Height,
    /// The block there.
    pub block: BlockId,
    /// The coins after that block.
    pub coins: CoinCommitment,
    /// With what the epoch that decides the heights above begins, or began.
    pub next: OpeningHash,
}

impl Checkpoint {
    /// What is signed.
    #[must_use]
    pub fn digest(&self, network: &NetworkId) -> [u8; 32] {
        tagged("bezant/checkpoint", &[&network.0, &encode(self)])
    }
}

/// A signed [`Checkpoint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct CheckpointVote {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// Index of the signer in the epoch's set.
    pub signer: u16,
    /// Its signature over [`Checkpoint::digest`].
    pub signature: Signature,
}

impl CheckpointVote {
    /// Signs a checkpoint.
    #[must_use]
    pub fn sign(network: &NetworkId, checkpoint: Checkpoint, signer: u16, key: &SigningKey) -> CheckpointVote {
        CheckpointVote { checkpoint, signer, signature: key.sign(&checkpoint.digest(network)) }
    }
}

/// Makes a checkpoint stable: exactly q seals.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct CheckpointCertificate {
    /// What is certified.
    pub checkpoint: Checkpoint,
    /// In ascending order of signers.
    pub seals: Vec<Seal>,
}
limited_decode!(CheckpointCertificate { checkpoint, seals: "seals" <= MEMBERS_MAX });

/// The hashes of all 256 buckets of a coin set, in order.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct BucketHashes(Vec<[u8; 32]>);

impl BorshDeserialize for BucketHashes {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let list = read_list(reader, "bucket hashes", COMMITMENT_BUCKETS)?;
        if list.len() == COMMITMENT_BUCKETS { Ok(BucketHashes(list)) } else { Err(invalid("a bucket hash is missing")) }
    }
}

impl BucketHashes {
    /// Of these buckets.
    #[must_use]
    pub fn of(buckets: &Buckets) -> BucketHashes {
        BucketHashes(buckets.hashes())
    }

    /// The hash of one bucket.
    #[must_use]
    pub fn of_bucket(&self, bucket: u8) -> &[u8; 32] {
        &self.0[usize::from(bucket)]
    }

    /// The commitment that they make.
    #[must_use]
    pub fn commitment(&self) -> CoinCommitment {
        commitment_of(&self.0)
    }
}

/// What a replica itself found at a checkpoint, kept so that it can be compared with what others found, and shown to them.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct CheckpointState {
    /// What it would sign, or has signed.
    pub checkpoint: Checkpoint,
    /// Of its block.
    pub header: Header,
    /// The buckets of its coins; they make `checkpoint.coins`.
    pub buckets: BucketHashes,
}

/// The manifest of a snapshot: all that is needed to judge its buckets and to go on above it.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Snapshot {
    /// Of the checkpoint.
    pub certificate: CheckpointCertificate,
    /// Of its block.
    pub header: Header,
    /// For that block.
    pub commit: CommitCertificate,
    /// They make the checkpoint's commitment.
    pub buckets: BucketHashes,
    /// The one that the checkpoint names: of its own epoch, or of the next if that is the epoch's last checkpoint.
    pub next: Opening,
}

/// Some coins of one bucket: they follow in strictly ascending order on those asked for after.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct BucketPart {
    /// Which of the 256.
    pub bucket: u8,
    /// At most [`SNAPSHOT_COINS_PER_MESSAGE_MAX`].
    pub coins: Vec<(OutPoint, Coin)>,
    /// Whether the bucket ends here.
    pub is_last: bool,
}
limited_decode!(BucketPart { bucket, coins: "coins" <= SNAPSHOT_COINS_PER_MESSAGE_MAX, is_last });

/// Answers a request for buckets.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct BucketParts {
    /// Of the snapshot.
    pub height: Height,
    /// Consecutive buckets from the first one asked for, of which only the last may be incomplete; together at most
    /// [`SNAPSHOT_COINS_PER_MESSAGE_MAX`] coins. Empty when the snapshot is not served (any more).
    pub parts: Vec<BucketPart>,
}
limited_decode!(BucketParts { height, parts: "buckets" <= COMMITMENT_BUCKETS });
