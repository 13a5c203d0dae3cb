//! Transactions: a versioned body and, apart from it, the witnesses.
//!
//! A body is encoded as version u8 (1), kind u8, payload. [`TxId`] covers the body alone; [`TxHash`], the merkle leaf, covers
//! the whole. Each spending witness states the amount and reveals the lock of the coin it spends, so that signatures can be
//! checked before the coin is known; connecting compares both with the real coin.
//!
//! A [`Transaction`] is a handle on what does not change. One transaction is in the pool, on its way to peers, in a proposal
//! and in a block at once, and each of them names it: all share one copy, whose id, hash and size are computed when first asked
//! for and never again. They are not computed at decoding, since much is decoded that nobody asks them of. Who changes one
//! (makers of coinbases, tests) gets a transaction of its own, about which nothing is known yet.

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
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::{Arc, OnceLock};

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

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// A body and its witnesses: a handle, so that a copy costs nothing and shares what was computed (see the module).
#[derive(Clone)]
pub struct Transaction(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    /// What it does.
    body: Body,
    /// For a transfer one per input; for an epoch change one per signing member; for a coinbase none.
    witnesses: Vec<Witness>,
    /// Of body and witnesses as they stand here, once somebody has asked; so are the two below.
    id: OnceLock<TxId>,
    hash: OnceLock<TxHash>,
    bytes: OnceLock<usize>,
}

const _: () = assert!(MEMBERS_MAX <= INPUTS_MAX);

impl Transaction {
    /// The one with this body and these witnesses.
    #[must_use]
    pub fn new(body: Body, witnesses: Vec<Witness>) -> Self {
        let inner = Inner { body, witnesses, id: OnceLock::new(), hash: OnceLock::new(), bytes: OnceLock::new() };
        Transaction(Arc::new(inner))
    }

    /// What it does.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.0.body
    }

    /// For a transfer one per input; for an epoch change one per signing member; for a coinbase none.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.0.witnesses
    }

    /// The body, to change it: that makes this another transaction, of which other handles know nothing.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.own().body
    }

    /// The witnesses, to change them; see [`body_mut`](Self::body_mut).
    pub fn witnesses_mut(&mut self) -> &mut Vec<Witness> {
        &mut self.own().witnesses
    }

    /// Body and witnesses, copied if others share them.
    #[must_use]
    pub fn into_parts(self) -> (Body, Vec<Witness>) {
        let inner = Arc::unwrap_or_clone(self.0);
        (inner.body, inner.witnesses)
    }

    /// What it consists of, shared with nobody and with nothing known of it: nobody can ask before the change is made, for
    /// the change holds the handle until then.
    fn own(&mut self) -> &mut Inner {
        let inner = Arc::make_mut(&mut self.0);
        (inner.id, inner.hash, inner.bytes) = Default::default();
        inner
    }

    /// SHA-256d of the body.
    #[must_use]
    pub fn id(&self) -> TxId {
        *self.0.id.get_or_init(|| self.body().id())
    }

    /// SHA-256d of the whole.
    #[must_use]
    pub fn hash(&self) -> TxHash {
        *self.0.hash.get_or_init(|| {
            let encoded = encode(self);
            self.0.bytes.get_or_init(|| encoded.len());
            TxHash(sha256d(&encoded))
        })
    }

    /// Length of the whole encoding.
    #[must_use]
    pub fn bytes(&self) -> usize {
        *self.0.bytes.get_or_init(|| borsh::object_length(self).expect("measuring does not fail"))
    }

    /// The coins it spends; none for anything but a transfer.
    #[must_use]
    pub fn inputs(&self) -> &[OutPoint] {
        match self.body() {
            Body::Transfer(transfer) => &transfer.inputs,
            Body::Coinbase(_) | Body::Epoch(_) => &[],
        }
    }

    /// The coins it creates.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        match self.body() {
            Body::Transfer(transfer) => &transfer.outputs,
            Body::Coinbase(coinbase) => &coinbase.outputs,
            Body::Epoch(_) => &[],
        }
    }

    /// Whether it is a coinbase.
    #[must_use]
    pub fn is_coinbase(&self) -> bool {
        matches!(self.body(), Body::Coinbase(_))
    }
}

impl PartialEq for Transaction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.body() == other.body() && self.witnesses() == other.witnesses())
    }
}
impl Eq for Transaction {}

impl Hash for Transaction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.body(), self.witnesses()).hash(state);
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("body", self.body()).field("witnesses", &self.witnesses()).finish()
    }
}

impl BorshSerialize for Transaction {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        (self.body(), self.witnesses()).serialize(writer)
    }
}

impl BorshDeserialize for Transaction {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let body = Body::deserialize_reader(reader)?;
        Ok(Transaction::new(body, read_list(reader, "witnesses", INPUTS_MAX)?))
    }
}

impl Body {
    /// SHA-256d of the body's encoding.
    #[must_use]
    pub fn id(&self) -> TxId {
        TxId(sha256d(&encode(self)))
    }
}
