//! Transactions: a versioned body and, apart from it, the witnesses.
//!
//! A body is encoded as version u8 (1), kind u8, payload. [`TxId`] covers the body alone; [`TxHash`], the merkle leaf, covers
//! the whole. Each spending witness states the amount and reveals the lock of the coin it spends, so that signatures can be
//! checked before the coin is known; connecting compares both with the real coin.

use crate::ledger::amount::Amount;
use crate::ledger::codec::{encode, invalid, limited_decode, read_list};
use crate::ledger::hash::{LockHash, SetHash, TxHash, TxId, sha256d};
use crate::ledger::key::{PublicKey, Signature};
use crate::ledger::lock::{Lock, LockTime};
use crate::ledger::units::{Epoch, Height};
use crate::limits::{
    ALLOCATIONS_MAX, COINBASE_EXTRA_BYTES_MAX, INPUT_SIGNATURES_MAX, INPUTS_MAX, LOCK_NODES_MAX, MEMBERS_MAX,
    OUTPUTS_MAX,
};
use borsh::{BorshDeserialize, BorshSerialize};
use std::io;

/// The one version of transaction bodies there is.
pub const BODY_VERSION: u8 = 1;

/// Names a coin: the transaction that created it and the index among its outputs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct OutPoint {
    /// The creating transaction.
    pub txid: TxId,
    /// Index among its outputs, from 0.
    pub index: u32,
}

impl std::fmt::Display for OutPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.txid, self.index)
    }
}

/// Money under a lock, to be created.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Output {
    /// How much.
    pub amount: Amount,
    /// Who may spend it.
    pub lock: LockHash,
}

/// Moves coins.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize)]
pub struct Transfer {
    /// The coins spent, 1 to [`INPUTS_MAX`], no two the same.
    pub inputs: Vec<OutPoint>,
    /// The coins created, 1 to [`OUTPUTS_MAX`].
    pub outputs: Vec<Output>,
    /// From when it may be in a block, judged like [`Lock::After`].
    pub lock_time: LockTime,
}
limited_decode!(Transfer { inputs: "inputs" <= INPUTS_MAX, outputs: "outputs" <= OUTPUTS_MAX, lock_time });

/// First transaction of a block: pays subsidy and fees.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize)]
pub struct Coinbase {
    /// The height of its block, so that no two coinbases have one id (BIP30, BIP34).
    pub height: Height,
    /// Free data, at most [`COINBASE_EXTRA_BYTES_MAX`] bytes; miners roll their extranonce here.
    pub extra: Vec<u8>,
    /// Who is paid; may be empty. Genesis creates its allocations here.
    pub outputs: Vec<Output>,
}
impl BorshDeserialize for Coinbase {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let height = Height::deserialize_reader(reader)?;
        let extra = read_list(reader, "extra bytes", COINBASE_EXTRA_BYTES_MAX)?;
        let outputs_max = if height == Height::GENESIS { ALLOCATIONS_MAX } else { OUTPUTS_MAX };
        Ok(Coinbase { height, extra, outputs: read_list(reader, "outputs", outputs_max)? })
    }
}

/// A change of the validator set, or a member's request to be re-admitted; effective from the next epoch (PBFT).
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub enum EpochChange {
    /// Replaces the members; signed by a quorum of the set that it names.
    Members {
        /// The set whose members sign; it serves that one epoch only.
        set: SetHash,
        /// The new members, in order.
        members: MemberList,
    },
    /// Lets a member vote again that has lost its vote log; signed by that member.
    Readmit {
        /// The epoch in which the request is valid.
        epoch: Epoch,
        /// The member.
        member: PublicKey,
        /// Fresh; the new vote log is bound to it.
        nonce: [u8; 32],
    },
}

/// At most [`MEMBERS_MAX`] keys.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize)]
pub struct MemberList(pub Vec<PublicKey>);
impl BorshDeserialize for MemberList {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(MemberList(read_list(reader, "members", MEMBERS_MAX)?))
    }
}

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Body {
    /// Moves coins (kind 0).
    Transfer(Transfer),
    /// Pays the block's maker (kind 1).
    Coinbase(Coinbase),
    /// Changes the validator set (kind 2).
    Epoch(EpochChange),
}

impl BorshSerialize for Body {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        match self {
            Body::Transfer(transfer) => (BODY_VERSION, 0u8, transfer).serialize(writer),
            Body::Coinbase(coinbase) => (BODY_VERSION, 1u8, coinbase).serialize(writer),
            Body::Epoch(change) => (BODY_VERSION, 2u8, change).serialize(writer),
        }
    }
}

impl BorshDeserialize for Body {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (version, kind) = <(u8, u8)>::deserialize_reader(reader)?;
        if version != BODY_VERSION {
            return Err(invalid(format!("transaction version {version}")));
        }
        Ok(match kind {
            0 => Body::Transfer(Transfer::deserialize_reader(reader)?),
            1 => Body::Coinbase(Coinbase::deserialize_reader(reader)?),
            2 => Body::Epoch(EpochChange::deserialize_reader(reader)?),
            _ => return Err(invalid(format!("transaction kind {kind}"))),
        })
    }
}

/// What allows a body to take effect; apart from it, so that ids do not depend on signatures.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub enum Witness {
    /// For the transfer's input of the same index.
    Spend(Spend),
    /// For an epoch change: one member's signature.
    Member {
        /// Index in the set that the change names.
        member: u16,
        /// Its signature.
        signature: Signature,
    },
}

/// Opens one coin.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize)]
pub struct Spend {
    /// The coin's amount, as the signer believed it.
    pub amount: Amount,
    /// The coin's lock, the branches that are not used being opaque.
    pub lock: Lock,
    /// One for each revealed key, in the order of the leaves.
    pub signatures: Vec<Signature>,
    /// One for each revealed hash, in the order of the leaves.
    pub preimages: Vec<[u8; 32]>,
}
limited_decode!(Spend {
    amount,
    lock,
    signatures: "signatures" <= INPUT_SIGNATURES_MAX,
    preimages: "preimages" <= LOCK_NODES_MAX,
});

/// A body and its witnesses.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize)]
pub struct Transaction {
    /// What it does.
    pub body: Body,
    /// For a transfer one per input; for an epoch change one per signing member; for a coinbase none.
    pub witnesses: Vec<Witness>,
}
limited_decode!(Transaction { body, witnesses: "witnesses" <= INPUTS_MAX });

const _: () = assert!(MEMBERS_MAX <= INPUTS_MAX);

impl Transaction {
    /// SHA-256d of the body.
    #[must_use]
    pub fn id(&self) -> TxId {
        self.body.id()
    }

    /// SHA-256d of the whole.
    #[must_use]
    pub fn hash(&self) -> TxHash {
        TxHash(sha256d(&encode(self)))
    }

    /// Length of the whole encoding.
    #[must_use]
    pub fn bytes(&self) -> usize {
        borsh::object_length(self).expect("measuring does not fail")
    }

    /// The coins it spends; none for anything but a transfer.
    #[must_use]
    pub fn inputs(&self) -> &[OutPoint] {
        match &self.body {
            Body::Transfer(transfer) => &transfer.inputs,
            Body::Coinbase(_) | Body::Epoch(_) => &[],
        }
    }

    /// The coins it creates.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        match &self.body {
            Body::Transfer(transfer) => &transfer.outputs,
            Body::Coinbase(coinbase) => &coinbase.outputs,
            Body::Epoch(_) => &[],
        }
    }

    /// Whether it is a coinbase.
    #[must_use]
    pub fn is_coinbase(&self) -> bool {
        matches!(self.body, Body::Coinbase(_))
    }
}

impl Body {
    /// SHA-256d of the body's encoding.
    #[must_use]
    pub fn id(&self) -> TxId {
        TxId(sha256d(&encode(self)))
    }
}
