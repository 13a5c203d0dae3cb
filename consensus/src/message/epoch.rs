//! From one epoch to the next: with which members an epoch opens, and the proof that it did.
//!
//! At the last checkpoint of an epoch its members sign the hash of the next [`Opening`] beside the block and the coins. So a
//! [`Succession`] proves the next set to whoever knows the set before, and a list of them to whoever knows the genesis.
//! What it rests on: at most f of *each* set on the way ever lie, also after they have left it.

use super::checkpoint::CheckpointCertificate;
use crate::ledger::block::Header;
use crate::ledger::codec::{encode, limited_decode};
use crate::ledger::genesis::ValidatorSet;
use crate::ledger::hash::{NetworkId, OpeningHash, tagged};
use crate::ledger::key::PublicKey;
use crate::ledger::transaction::MemberList;
use crate::ledger::units::{Epoch, Height};
use crate::limits::{MEMBERS_MAX, SUCCESSIONS_PER_MESSAGE_MAX};
use borsh::{BorshDeserialize, BorshSerialize};

/// A member that lost its vote log and was let in again with a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, BorshSerialize, BorshDeserialize)]
pub struct Readmission {
    /// The member.
    pub member: PublicKey,
    /// What its new vote log is bound to.
    pub nonce: [u8; 32],
    /// Of the block that holds its request.
    pub height: Height,
}

/// With what an epoch begins.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct Opening {
    /// The epoch.
    pub epoch: Epoch,
    /// Its members, in order.
    pub members: MemberList,
    /// Those of them that were re-admitted by this opening, or by an earlier one within the genesis parameter
    /// `readmit_interval`; in ascending order, none twice.
    pub readmitted: Vec<Readmission>,
}
limited_decode!(Opening { epoch, members, readmitted: "re-admissions" <= MEMBERS_MAX });

impl Opening {
    /// Of epoch 0.
    #[must_use]
    pub fn genesis(set: &ValidatorSet) -> Opening {
        Opening { epoch: set.epoch, members: MemberList(set.members.clone()), readmitted: Vec::new() }
    }

    /// What members sign at a checkpoint: a tagged hash (`bezant/opening`) over network ‖ borsh of this.
    #[must_use]
    pub fn hash(&self, network: &NetworkId) -> OpeningHash {
        OpeningHash(tagged("bezant/opening", &[&network.0, &encode(self)]))
    }

    /// The members.
    #[must_use]
    pub fn set(&self, network: &NetworkId) -> ValidatorSet {
        ValidatorSet { network: *network, epoch: self.epoch, members: self.members.0.clone() }
    }
}

/// Proves with which members an epoch began, given the members of the epoch before.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Succession {
    /// Of the last checkpoint of the epoch before; it names the hash of the opening.
    pub certificate: CheckpointCertificate,
    /// Of that checkpoint's block, above which the epoch begins.
    pub header: Header,
    /// With what it begins.
    pub opening: Opening,
}

impl Succession {
    /// The epoch that begins.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.opening.epoch
    }

    /// The last height of the epoch before.
    #[must_use]
    pub fn height(&self) -> Height {
        self.certificate.checkpoint.height
    }
}

/// Consecutive, the earliest first; at most [`SUCCESSIONS_PER_MESSAGE_MAX`].
#[derive(Clone, PartialEq, Eq, Debug, Default, BorshSerialize)]
pub struct Successions(pub Vec<Succession>);

impl BorshDeserialize for Successions {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        Ok(Successions(crate::ledger::codec::read_list(reader, "successions", SUCCESSIONS_PER_MESSAGE_MAX)?))
    }
}
