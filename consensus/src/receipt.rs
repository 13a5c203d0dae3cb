//! Receipts: that a transaction was paid, proved by a small text to whoever has nothing but the genesis.
//!
//! Under PBFT a [`Receipt`] carries the proof that the transaction is final ([`Proof`]) and how all epochs up to that one began;
//! under proof of work every header from genesis to the tip at the time, and where among them the transaction is
//! ([`Inclusion`]). It is read in two steps: [`Receipt::from_text`] takes the one encoding that there is and refuses any other;
//! [`Receipt::verify`] judges what it says against a genesis, and against what one demands of proof of work ([`Demands`]).
//!
//! The encoding is magic ‖ version u8 ‖ borsh of [`Receipt`] ‖ a checksum over all of that, in base64 between two lines. The
//! checksum tells damage from a lie; it keeps nobody from lying. (It is needed all the same: on a net whose blocks take hardly
//! any work, a damaged last header may happen to be as good as the true one.)

mod armour;
mod verdict;

pub use verdict::{Certainty, Demands, Verdict};

use crate::incarnations::Incarnations;
use crate::ledger::block::Header;
use crate::ledger::codec::{encode, limited_decode};
use crate::ledger::genesis::Genesis;
use crate::ledger::hash::{BlockId, NetworkId, tagged};
use crate::ledger::merkle::PathError;
use crate::ledger::rules::TxError;
use crate::ledger::target::Work;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::{Epoch, Incarnation};
use crate::limits::{RECEIPT_BYTES_MAX, RECEIPT_HEADERS_MAX, RECEIPT_SUCCESSIONS_MAX, RECEIPT_TEXT_BYTES_MAX};
use crate::message::epoch::Succession;
use crate::pbft::light::{Proof, ProofError};
use crate::pow::{HeaderChain, HeaderChainError, Inclusion, InclusionError};
use crate::verify::{MessageError, Verifier};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a receipt's bytes begin with.
const MAGIC: [u8; 7] = *b"BZT-RCT";
/// The one version of receipts there is.
pub const RECEIPT_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 32;
const FRAME_BYTES: usize = MAGIC.len() + 1 + CHECKSUM_BYTES;

/// Proves that a transaction was paid.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// The net.
    pub network: NetworkId,
    /// Why that is to be believed.
    pub evidence: Evidence,
}

/// What a receipt rests on.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Evidence {
    /// Signatures.
    Pbft(Certified),
    /// Work.
    Pow(Worked),
}

/// Members of the certificate's epoch signed, and each epoch's members the next.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct Certified {
    /// That the transaction is final.
    pub proof: Proof,
    /// How the epochs from 1 to the certificate's began: all of them, and no other; at most [`RECEIPT_SUCCESSIONS_MAX`].
    pub successions: Vec<Succession>,
}
limited_decode!(Certified { proof, successions: "successions" <= RECEIPT_SUCCESSIONS_MAX });

/// A chain of headers, and where in it the transaction is.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize)]
pub struct Worked {
    /// From height 1 to the tip; at most [`RECEIPT_HEADERS_MAX`].
    pub headers: Vec<Header>,
    /// In a block of one of them.
    pub inclusion: Inclusion,
}
limited_decode!(Worked { headers: "headers" <= RECEIPT_HEADERS_MAX, inclusion });

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// More than any receipt has.
    #[error("the receipt is too long: {bytes} bytes, at most {max} are looked at")]
    TooLong {
        /// Given.
        bytes: usize,
        /// Allowed.
        max: usize,
    },
    /// Something else.
    #[error("this is no receipt: {0}")]
    Malformed(String),
    /// A receipt, but not as it was written.
    #[error("the receipt is not as it was written: {0}; get the file itself, unchanged")]
    NotCanonical(&'static str),
    /// Of a later version.
    #[error("the receipt is of version {0}, which this program does not know; a newer one may")]
    Version(u8),
    /// Some of it was changed on its way.
    #[error("the receipt is damaged: its checksum is another; get it once more")]
    Damaged,
    /// Of another net than the genesis.
    #[error("the receipt is of another net (its id is {theirs}, that of this genesis {ours})")]
    OtherNet {
        /// The receipt's.
        theirs: NetworkId,
        /// That of the genesis.
        ours: NetworkId,
    },
    /// It names the net, but rests on what the net's engine does not make.
    #[error("the receipt has {0}, which is not how blocks of this net are decided")]
    OtherEngine(&'static str),
    /// About the first coins, which the genesis itself shows to whoever has it.
    #[error("the receipt is about the coins of the genesis itself, which need none")]
    Genesis,
    /// The transaction cannot be in any valid block.
    #[error("the receipt's transaction is invalid: {0}")]
    Transaction(#[from] TxError),
    /// A coinbase where none can be, or something else in its place.
    #[error(
        "the receipt's transaction is invalid: the first of a block, and no other, is its coinbase and names its height"
    )]
    Coinbase,
    /// The merkle path does not lead from the transaction to the header.
    #[error("the receipt does not show that the block has the transaction: {0}")]
    Path(#[from] PathError),
    /// PBFT: the certificate is for another block than the header's.
    #[error("the receipt's certificate is for another block than its header's")]
    OtherBlock,
    /// PBFT: the certificate is none.
    #[error("the receipt's commit certificate proves nothing: {0}")]
    Certificate(MessageError),
    /// PBFT: successions are missing, or there are others than needed.
    #[error("the receipt has to prove how epochs 1 to {0} began, each once and in order, and no other")]
    Epochs(Epoch),
    /// PBFT: the beginning of an epoch is not proved.
    #[error("the receipt does not prove how epoch {epoch} began: {reason}")]
    Succession {
        /// The epoch.
        epoch: Epoch,
        /// What is wrong.
        reason: MessageError,
    },
    /// PBFT: signed after a net was set back, which only dev nets are.
    #[error("the receipt was signed in incarnation {0} of the net, but only a dev net has others than 0")]
    Incarnation(Incarnation),
    /// A dev net was set back since.
    #[error("the net was set back since: block {0} of the receipt is none of its blocks any more")]
    Undone(BlockId),
    /// Proof of work: the headers are no chain.
    #[error("the receipt's headers are no chain of this net: {0}")]
    Headers(HeaderChainError),
    /// Proof of work: the block is none of the chain.
    #[error("the receipt's block {0} is not in the chain of its headers")]
    OtherChain(BlockId),
    /// Proof of work: less work than demanded.
    #[error(
        "there is less work behind the receipt than was demanded: 0x{work}, not 0x{min}; it may be made up, or be old"
    )]
    TooLittleWork {
        /// All there is.
        work: Work,
        /// Demanded.
        min: Work,
    },
    /// Proof of work: fewer confirmations than demanded.
    #[error("the receipt shows {confirmations} confirmations, not {min} as was demanded; ask for a new one later")]
    TooFewConfirmations {
        /// Blocks from its own to the tip.
        confirmations: u64,
        /// Demanded.
        min: u64,
    },
    /// Proof of work: the chain does not lead through a header that is trusted.
    #[error(
        "the receipt's chain does not lead through block {0}, which is trusted: it is another chain, or ends below it"
    )]
    Untrusted(BlockId),
}

impl ReceiptError {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            ReceiptError::TooLong { .. } => "receipt-too-long",
            ReceiptError::Malformed(_) => "receipt-malformed",
            ReceiptError::NotCanonical(_) => "receipt-not-canonical",
            ReceiptError::Version(_) => "receipt-version",
            ReceiptError::Damaged => "receipt-damaged",
            ReceiptError::OtherNet { .. } => "receipt-other-net",
            ReceiptError::OtherEngine(_) => "receipt-other-engine",
            ReceiptError::Genesis => "receipt-genesis",
            ReceiptError::Transaction(_) | ReceiptError::Coinbase => "receipt-transaction",
            ReceiptError::Path(_) => "receipt-path",
            ReceiptError::OtherBlock | ReceiptError::Certificate(_) => "receipt-certificate",
            ReceiptError::Epochs(_) | ReceiptError::Succession { .. } => "receipt-epochs",
            ReceiptError::Incarnation(_) => "receipt-incarnation",
            ReceiptError::Undone(_) => "receipt-undone",
            ReceiptError::Headers(_) | ReceiptError::OtherChain(_) => "receipt-headers",
            ReceiptError::TooLittleWork { .. } => "receipt-too-little-work",
            ReceiptError::TooFewConfirmations { .. } => "receipt-too-few-confirmations",
            ReceiptError::Untrusted(_) => "receipt-untrusted",
        }
    }
}

impl From<ProofError> for ReceiptError {
    fn from(error: ProofError) -> ReceiptError {
        match error {
            ProofError::OtherBlock => ReceiptError::OtherBlock,
            ProofError::Certificate(error) => ReceiptError::Certificate(error),
            ProofError::Path(error) => ReceiptError::Path(error),
        }
    }
}

impl From<InclusionError> for ReceiptError {
    fn from(error: InclusionError) -> ReceiptError {
        match error {
            InclusionError::Chain(error) => ReceiptError::Headers(error),
            InclusionError::OtherChain(block) => ReceiptError::OtherChain(block),
            InclusionError::Path(error) => ReceiptError::Path(error),
        }
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    tagged("bezant/receipt", &[bytes])
}

impl Receipt {
    /// The transaction that was paid, if the receipt holds.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        match &self.evidence {
            Evidence::Pbft(certified) => &certified.proof.transaction,
            Evidence::Pow(worked) => &worked.inclusion.transaction,
        }
    }

    /// The encoding as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(RECEIPT_VERSION);
        bytes.append(&mut encode(self));
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// The receipt whose encoding is exactly `bytes`.
    ///
    /// # Errors
    /// When the bytes are too many, damaged, or no encoding of a receipt. What it says is not judged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Receipt, ReceiptError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLong { bytes: bytes.len(), max: RECEIPT_BYTES_MAX });
        }
        if bytes.len() < FRAME_BYTES || !bytes.starts_with(&MAGIC) {
            return Err(ReceiptError::Malformed("it does not begin like one".to_owned()));
        }
        let version = bytes[MAGIC.len()];
        if version != RECEIPT_VERSION {
            return Err(ReceiptError::Version(version));
        }
        let (covered, sum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if sum != checksum(covered) {
            return Err(ReceiptError::Damaged);
        }
        let content = &covered[MAGIC.len() + 1..];
        borsh::from_slice(content).map_err(|error| ReceiptError::Malformed(error.to_string()))
    }

    /// The text that is kept in files and handed on.
    #[must_use]
    pub fn to_text(&self) -> String {
        armour::wrap(&self.to_bytes())
    }

    /// The receipt whose text is exactly `text`.
    ///
    /// # Errors
    /// As [`Receipt::from_bytes`]; and when it is written in any other way than [`Receipt::to_text`] writes it.
    pub fn from_text(text: &[u8]) -> Result<Receipt, ReceiptError> {
        if text.len() > RECEIPT_TEXT_BYTES_MAX {
            return Err(ReceiptError::TooLong { bytes: text.len(), max: RECEIPT_TEXT_BYTES_MAX });
        }
        Receipt::from_bytes(&armour::unwrap(text)?)
    }

    /// What the receipt proves to whoever has the genesis.
    ///
    /// # Errors
    /// The first thing that is wrong with it, or that falls short of what is demanded. Demands are for proof of work: under PBFT
    /// they are not looked at.
    pub fn verify(&self, genesis: &Arc<Genesis>, demands: &Demands) -> Result<Verdict, ReceiptError> {
        let ours = genesis.network_id();
        if self.network != ours {
            return Err(ReceiptError::OtherNet { theirs: self.network, ours });
        }
        match &self.evidence {
            Evidence::Pbft(_) if genesis.pbft().is_none() => Err(ReceiptError::OtherEngine("members' signatures")),
            Evidence::Pow(_) if genesis.pow().is_none() => Err(ReceiptError::OtherEngine("headers with work")),
            Evidence::Pbft(certified) => verdict::certified(certified, genesis, &ours),
            Evidence::Pow(worked) => verdict::worked(worked, genesis, &ours, demands),
        }
    }
}

/// What is known of a dev net that was set back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetBacks {
    /// PBFT: which incarnation decided which height.
    pub incarnations: Incarnations,
    /// Proof of work: blocks of branches that the net left when it was set back.
    pub undone: BTreeSet<BlockId>,
}

impl Receipt {
    /// Whether the receipt rests on what the net still has. It says nothing about anything else: see [`Receipt::verify`].
    ///
    /// # Errors
    /// [`ReceiptError::Undone`] when it does not.
    pub fn check_set_backs(&self, known: &SetBacks) -> Result<(), ReceiptError> {
        let undone = match &self.evidence {
            Evidence::Pbft(certified) => {
                let ballot = &certified.proof.certificate.ballot;
                (!known.incarnations.hold(ballot)).then_some(ballot.block)
            }
            Evidence::Pow(worked) => worked.headers.iter().map(Header::id).find(|id| known.undone.contains(id)),
        };
        undone.map_or(Ok(()), |block| Err(ReceiptError::Undone(block)))
    }
}

/// A verifier that knows the members of all epochs that the successions lead to: of all up to `last`, and they lead no further.
fn follow(genesis: &Arc<Genesis>, successions: &[Succession], last: Epoch) -> Result<Verifier, ReceiptError> {
    let in_order = (1..).zip(successions).all(|(number, succession)| succession.epoch() == Epoch(number));
    if successions.len() as u64 != last.0 || !in_order {
        return Err(ReceiptError::Epochs(last));
    }
    let mut verifier = Verifier::new(genesis.clone());
    for succession in successions {
        let failed = |reason| ReceiptError::Succession { epoch: succession.epoch(), reason };
        verifier.follow(std::slice::from_ref(succession)).map_err(failed)?;
    }
    Ok(verifier)
}

/// The chain of all headers.
fn chain(genesis: &Genesis, headers: &[Header]) -> Result<HeaderChain, ReceiptError> {
    let mut chain = HeaderChain::new(genesis).map_err(ReceiptError::Headers)?;
    headers.iter().try_for_each(|header| chain.push(header)).map_err(ReceiptError::Headers)?;
    Ok(chain)
}
