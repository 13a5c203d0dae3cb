//! Checks that need no chain state, made before an engine is told, on any thread; and the proof that they were made.
//!
//! [`Verified`] has no other constructor than the functions here. A transaction is verified *given the coins its witnesses
//! state*; connecting compares these with the real coins. A vote or certificate was checked against the members of the epoch
//! that it names; which epoch is the present one is the engine's to judge. The verifier knows the members of genesis, and those
//! of later epochs once it was told ([`Verifier::learn`]).
//!
//! Signatures are verified in batches: [`Verifier::messages`] takes as many messages as there are, and blames the right one.

mod signatures;

use crate::ledger::block::{Block, Header};
use crate::ledger::genesis::{Genesis, ValidatorSet};
use crate::ledger::hash::{NetworkId, SetHash, TxHash};
use crate::ledger::key::{Forgetful, Points};
use crate::ledger::rules::isolated::{self, BlockSignature};
use crate::ledger::rules::{BlockError, TxError};
use crate::ledger::sighash::epoch_change_digest;
use crate::ledger::target::Target;
use crate::ledger::transaction::{Body, EpochChange, Transaction, Witness};
use crate::ledger::units::{Epoch, Height, View};
use crate::limits::{BATCH_BYTES_MAX, OVERDUE_BYTES_MAX, VIEW_MAX};
use crate::message::checkpoint::{Checkpoint, CheckpointCertificate, Snapshot};
use crate::message::epoch::{Opening, Succession};
use crate::message::relay::{BlockTransactions, CompactBlock, CompactPrePrepare};
use crate::message::{
    Ballot, CommitCertificate, Evidence, Message, NewView, Overdue, PrePrepare, PreparedBlock, PreparedCertificate,
    Seal, TransactionBatch, ViewChange, Vote, VoteKind, vote_digest,
};
use crate::plant::{Plant, armed};
use rand_core::CryptoRng;
use signatures::{Batch, InBatch, Signatures, Singly};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A value that stood up to all checks that need no chain state.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified<T>(T);

/// A message by whom it concerns; see [`Verified::unpack`].
#[derive(Clone, Debug, PartialEq)]
pub enum Unpacked {
    /// Transactions to be ordered, in the order in which they came.
    Transactions(Vec<Transaction>),
    /// A change of members.
    Change(Verified<Transaction>),
    /// A proposal whose transactions are named.
    Proposal(Verified<CompactPrePrepare>),
    /// Transactions of a block that were asked for.
    Answer(Verified<BlockTransactions>),
    /// Something that a peer wants to have.
    Question(Message),
    /// A message for the engine.
    Engine(Verified<Message>),
}

impl<T> Verified<T> {
    /// The value.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl Verified<Message> {
    /// The message, or what it carries.
    #[must_use]
    pub fn unpack(self) -> Unpacked {
        match self.0 {
            Message::Transaction(change) if matches!(change.body(), Body::Epoch(_)) => {
                Unpacked::Change(Verified(change))
            }
            Message::Transaction(transaction) => Unpacked::Transactions(vec![transaction]),
            Message::TransactionBatch(batch) => Unpacked::Transactions(batch.0),
            Message::CompactPrePrepare(proposal) => Unpacked::Proposal(Verified(proposal)),
            Message::Transactions(answer) => Unpacked::Answer(Verified(answer)),
            question @ (Message::GetCertified { .. }
            | Message::GetHeaders(_)
            | Message::GetBlocks(_)
            | Message::GetTransactions(_)
            | Message::GetSnapshot { .. }
            | Message::GetSuccessions { .. }
            | Message::GetBuckets { .. }) => Unpacked::Question(question),
            message @ (Message::PrePrepare(_)
            | Message::Vote(_)
            | Message::Tip(_)
            | Message::Certified(_)
            | Message::Headers(_)
            | Message::Blocks(_)
            | Message::CompactBlock(_)
            | Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Evidence(_)
            | Message::Overdue(_)
            | Message::Checkpoint(_)
            | Message::Checkpointed(_)
            | Message::Snapshot(_)
            | Message::Successions(_)
            | Message::Buckets(_)) => Unpacked::Engine(Verified(message)),
        }
    }
}

impl From<Verified<BlockTransactions>> for Verified<Message> {
    fn from(answer: Verified<BlockTransactions>) -> Verified<Message> {
        Verified(Message::Transactions(answer.0))
    }
}

impl Verified<CompactPrePrepare> {
    /// The proposal as a whole. `transactions` are those that it names, in that order, each verified alone: as the mempool holds
    /// them, or as [`Message::Transactions`] brought them. `block_bytes_max` is that of the net.
    ///
    /// # Errors
    /// When the block is too large: all else about it that needs no coins was checked before.
    ///
    /// # Panics
    /// In debug builds, when the transactions are others.
    pub fn complete(
        self,
        transactions: impl IntoIterator<Item = Transaction>,
        block_bytes_max: u32,
    ) -> Result<Verified<Message>, BlockError> {
        let CompactPrePrepare { vote, header, coinbase, names } = self.0;
        let transactions: Vec<Transaction> = std::iter::once(coinbase).chain(transactions).collect();
        debug_assert!(transactions[1..].iter().map(Transaction::hash).eq(names), "only what is named is put in");
        let block = Block { header, transactions };
        let (actual, allowed) = (block.bytes(), block_bytes_max as usize);
        if actual > allowed {
            return Err(BlockError::TooLarge { actual, allowed });
        }
        Ok(Verified(Message::PrePrepare(PrePrepare { vote, block })))
    }
}

/// Why a message is refused before an engine sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A transaction is invalid.
    #[error(transparent)]
    Transaction(#[from] TxError),
    /// A block is invalid in itself.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Of an epoch whose members are not known here. No fault of the sender's.
    #[error("epoch {0} is not known here")]
    UnknownEpoch(Epoch),
    /// Signed by nobody who may sign it.
    #[error("signer {0} may not sign this")]
    Signer(u16),
    /// A signature is invalid.
    #[error("invalid signature of member {0}")]
    Signature(u16),
    /// A certificate that proves nothing.
    #[error("certificate: {0}")]
    Certificate(&'static str),
    /// A message of the other engine.
    #[error("{0} does not belong to this net's engine")]
    WrongEngine(&'static str),
    /// Parts that contradict each other.
    #[error("{0}")]
    Inconsistent(&'static str),
}

impl MessageError {
    /// Whether no correct peer could have sent the message.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        // A change of members that serves another epoch was right when it was made, or will be.
        !matches!(self, MessageError::UnknownEpoch(_) | MessageError::Transaction(TxError::OtherEpoch))
    }
}

/// Checks messages of one net. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier {
    genesis: Arc<Genesis>,
    network: NetworkId,
    sets: Arc<Sets>,
    points: Arc<dyn Points>,
}

/// The members of all epochs that are known. Grows by one for each epoch that a quorum of the one before has sealed.
#[derive(Clone, Debug, Default)]
struct Sets {
    by_epoch: BTreeMap<Epoch, Arc<ValidatorSet>>,
    by_hash: BTreeMap<SetHash, Epoch>,
}

impl Sets {
    fn learn(&mut self, set: ValidatorSet) {
        self.by_hash.insert(set.hash(), set.epoch);
        self.by_epoch.insert(set.epoch, Arc::new(set));
    }
}

/// What became of a message.
pub type MessageVerdict = Result<Verified<Message>, MessageError>;
/// What became of a transaction that stands alone.
pub type TransactionVerdict = Result<Verified<Transaction>, TxError>;

/// Answers whether a transaction of this hash was verified here before, so that its signatures need not be checked again.
pub type Known<'a> = &'a (dyn Fn(&TxHash) -> bool + Sync);

impl Verifier {
    /// For the net of this genesis.
    #[must_use]
    pub fn new(genesis: Arc<Genesis>) -> Verifier {
        let set = genesis.validator_set();
        let (network, mut sets) = (set.network, Sets::default());
        sets.learn(set);
        Verifier { network, genesis, sets: Arc::new(sets), points: Arc::new(Forgetful) }
    }

    /// With a memory of the points of keys, which decides nothing but the cost.
    #[must_use]
    pub fn remembering(self, points: Arc<dyn Points>) -> Verifier {
        Verifier { points, ..self }
    }

    /// The members of one more epoch are known: from a succession that was verified, or found in final blocks.
    pub fn learn(&mut self, set: ValidatorSet) {
        if self.sets.by_epoch.get(&set.epoch).is_none_or(|known| **known != set) {
            Arc::make_mut(&mut self.sets).learn(set);
        }
    }

    /// Learns how epochs began, one after another.
    ///
    /// # Errors
    /// When one of them proves nothing; those before it are known then.
    pub fn follow(&mut self, successions: &[Succession]) -> Result<(), MessageError> {
        for succession in successions {
            self.check_succession(succession, &mut Singly)?;
            self.learn(succession.opening.set(&self.network));
        }
        Ok(())
    }

    /// The members of an epoch, against whom its votes are checked.
    ///
    /// # Errors
    /// [`MessageError::UnknownEpoch`] when they are not known here.
    pub fn set_of(&self, epoch: Epoch) -> Result<&Arc<ValidatorSet>, MessageError> {
        self.sets.by_epoch.get(&epoch).ok_or(MessageError::UnknownEpoch(epoch))
    }

    /// Checks a transaction that stands alone.
    ///
    /// # Errors
    /// The first isolated rule that is broken.
    pub fn transaction(&self, transaction: Transaction) -> Result<Verified<Transaction>, TxError> {
        self.check_transaction(&transaction, &mut Singly)?;
        Ok(Verified(transaction))
    }

    /// Checks a block that stands alone.
    ///
    /// # Errors
    /// The first isolated rule that is broken.
    pub fn block<R: CryptoRng>(
        &self,
        block: Block,
        known: Known<'_>,
        mut rng: R,
    ) -> Result<Verified<Block>, BlockError> {
        let mut batch = Batch::default();
        let blocks =
            InBatch::new(vec![block], &mut batch, |block, signatures| self.check_block(block, known, signatures));
        let mut verdicts = batch.judge(&blocks.ranges, &*self.points, &mut rng).into_iter();
        blocks.settle(&mut verdicts).pop().expect("each block has its verdict")
    }

    /// Checks a message.
    ///
    /// # Errors
    /// The first rule that is broken; [`MessageError::is_fault`] tells whether to blame the sender.
    pub fn message<R: CryptoRng>(
        &self,
        message: Message,
        known: Known<'_>,
        rng: R,
    ) -> Result<Verified<Message>, MessageError> {
        self.messages(vec![message], known, rng).pop().expect("each message has its verdict")
    }

    /// Checks messages, their signatures in one batch; a verdict for each, in their order. The verdict on one does not depend on
    /// the others.
    pub fn messages<R: CryptoRng>(&self, messages: Vec<Message>, known: Known<'_>, rng: R) -> Vec<MessageVerdict> {
        self.together(messages, Vec::new(), known, rng).0
    }

    /// Checks messages, and transactions that stand alone, all their signatures in one batch; a verdict for each, in their order.
    /// The verdict on one does not depend on the others.
    pub fn together<R: CryptoRng>(
        &self,
        messages: Vec<Message>,
        transactions: Vec<Transaction>,
        known: Known<'_>,
        mut rng: R,
    ) -> (Vec<MessageVerdict>, Vec<TransactionVerdict>) {
        let mut batch = Batch::default();
        let messages =
            InBatch::new(messages, &mut batch, |message, signatures| self.check_message(message, known, signatures));
        let transactions = InBatch::new(transactions, &mut batch, |transaction, signatures| {
            self.check_unknown(std::slice::from_ref(transaction), known, signatures)
        });
        let ranges: Vec<Range<usize>> = messages.ranges.iter().chain(&transactions.ranges).cloned().collect();
        let mut verdicts = batch.judge(&ranges, &*self.points, &mut rng).into_iter();
        let of_messages = messages.settle(&mut verdicts);
        (of_messages, transactions.settle(&mut verdicts))
    }

    fn check_message(
        &self,
        message: &Message,
        known: Known<'_>,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        self.check_engine(message)?;
        match message {
            Message::Transaction(transaction) => {
                self.check_unknown(std::slice::from_ref(transaction), known, signatures)?;
            }
            Message::TransactionBatch(batch) => self.check_transaction_batch(batch, known, signatures)?,
            Message::PrePrepare(proposal) => {
                self.check_proposal(proposal)?;
                self.check_block(&proposal.block, known, signatures)?;
            }
            Message::CompactPrePrepare(proposal) => self.check_compact_proposal(proposal)?,
            Message::Vote(vote) => self.check_vote(vote, signatures)?,
            Message::Certified(blocks) => {
                for certified in &blocks.0 {
                    if certified.certificate.ballot.block != certified.block.id() {
                        return Err(MessageError::Inconsistent("the certificate is for another block"));
                    }
                    // At once: only what a quorum signed is worth looking through its block.
                    self.check_commit_certificate(&certified.certificate)?;
                    self.check_block(&certified.block, known, signatures)?;
                }
            }
            Message::CompactBlock(compact) => {
                self.check_work(&compact.header)?;
                self.check_compact_block(compact, known, signatures)?;
            }
            Message::Transactions(answer) => self.check_unknown(&answer.transactions, known, signatures)?,
            Message::Blocks(blocks) => {
                if self.genesis.pow().is_some() {
                    blocks.0.iter().try_for_each(|block| self.check_work(&block.header))?;
                }
                for block in &blocks.0 {
                    self.check_block(block, known, signatures)?;
                }
            }
            Message::Headers(headers) => headers.0.iter().try_for_each(|header| self.check_work(header))?,
            Message::ViewChange(change) => self.check_view_change(change, signatures)?,
            Message::NewView(new_view) => self.check_new_view(new_view, signatures)?,
            Message::Evidence(evidence) => self.check_evidence_with(evidence, signatures)?,
            Message::Overdue(overdue) => self.check_overdue(overdue, known, signatures)?,
            Message::Checkpoint(vote) => {
                let seal = Seal { signer: vote.signer, signature: vote.signature };
                self.check_checkpoint(&vote.checkpoint, &seal, signatures)?;
            }
            Message::Checkpointed(certificate) => self.check_checkpoint_certificate_with(certificate, signatures)?,
            Message::Snapshot(Some(snapshot)) => self.check_snapshot(snapshot, signatures)?,
            Message::Successions(successions) => self.clone().follow(&successions.0)?,
            // Buckets are judged beside the manifest that was asked for.
            Message::Tip(_)
            | Message::GetCertified { .. }
            | Message::GetHeaders(_)
            | Message::GetBlocks(_)
            | Message::GetTransactions(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(None)
            | Message::GetBuckets { .. }
            | Message::GetSuccessions { .. }
            | Message::Buckets(_) => {}
        }
        Ok(())
    }

    fn check_engine(&self, message: &Message) -> Result<(), MessageError> {
        let pbft = self.genesis.pbft().is_some();
        let fits = match message {
            Message::Transaction(_)
            | Message::TransactionBatch(_)
            | Message::Tip(_)
            | Message::GetBlocks(_)
            | Message::Blocks(_)
            | Message::GetTransactions(_)
            | Message::Transactions(_) => true,
            Message::PrePrepare(_)
            | Message::CompactPrePrepare(_)
            | Message::Vote(_)
            | Message::GetCertified { .. }
            | Message::Certified(_)
            | Message::ViewChange(_)
            | Message::NewView(_)
            | Message::Evidence(_)
            | Message::Overdue(_)
            | Message::Checkpoint(_)
            | Message::Checkpointed(_)
            | Message::GetSnapshot { .. }
            | Message::Snapshot(_)
            | Message::GetBuckets { .. }
            | Message::GetSuccessions { .. }
            | Message::Successions(_)
            | Message::Buckets(_) => pbft,
            Message::GetHeaders(_) | Message::Headers(_) | Message::CompactBlock(_) => !pbft,
        };
        if fits { Ok(()) } else { Err(MessageError::WrongEngine(message.name())) }
    }

    /// Proof of work: the id meets the target that the header names, which is no easier than that of genesis. Made before any
    /// signature is looked at, so that a block without work costs next to nothing; whether it is the right target is judged
    /// in the header's place.
    fn check_work(&self, header: &Header) -> Result<(), BlockError> {
        let limit = self.genesis.pow().and_then(|params| Target::from_compact(params.bits));
        let target = Target::from_compact(header.bits).filter(|target| limit.is_some_and(|limit| *target <= limit));
        if target.is_some_and(|target| target.is_met_by(&header.id())) {
            return Ok(());
        }
        Err(BlockError::Header(format!("it has not done the work of bits {:08x}", header.bits)))
    }

    fn check_block(&self, block: &Block, known: Known<'_>, signatures: &mut dyn Signatures) -> Result<(), BlockError> {
        let owed = isolated::check_block(&self.network, self.genesis.ledger.block_bytes_max, block)?;
        let mut last: Option<(u32, bool)> = None;
        for BlockSignature { transaction: index, input, item } in owed {
            let is_known = match last {
                Some((same, is_known)) if same == index => is_known,
                Some(_) | None => known(&block.transactions[index as usize].hash()),
            };
            last = Some((index, is_known));
            if !is_known && !signatures.is_valid(&item.key, &item.message, &item.signature) {
                return Err(BlockError::Transaction { index, error: TxError::BadSignature(input) });
            }
        }
        for (index, transaction) in block.transactions.iter().enumerate() {
            let fail = |error| BlockError::Transaction { index: index as u32, error };
            self.check_epoch_change(transaction, signatures).map_err(fail)?;
        }
        Ok(())
    }

    /// Those among these that are not known already.
    fn check_unknown<'a>(
        &self,
        transactions: impl IntoIterator<Item = &'a Transaction>,
        known: Known<'_>,
        signatures: &mut dyn Signatures,
    ) -> Result<(), TxError> {
        let mut unknown = transactions.into_iter().filter(|transaction| !known(&transaction.hash()));
        unknown.try_for_each(|transaction| self.check_transaction(transaction, signatures))
    }

    fn check_transaction_batch(
        &self,
        batch: &TransactionBatch,
        known: Known<'_>,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        if batch.0.is_empty() || batch.0.iter().map(Transaction::bytes).sum::<usize>() > BATCH_BYTES_MAX {
            return Err(MessageError::Inconsistent("a batch without transactions, or with too many bytes"));
        }
        // They travel alone: whether one can be checked depends on the epochs that are known here.
        if batch.0.iter().any(|transaction| matches!(transaction.body(), Body::Epoch(_))) {
            return Err(MessageError::Inconsistent("a change of members in a batch"));
        }
        Ok(self.check_unknown(&batch.0, known, signatures)?)
    }

    /// Whether it can announce a block, and whether what it has of it is valid but for the coinbase, which is judged in its block.
    fn check_compact_block(
        &self,
        compact: &CompactBlock,
        known: Known<'_>,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        if !compact.is_well_formed() {
            return Err(MessageError::Inconsistent("places of transactions that no block has"));
        }
        let others = compact.prefilled.iter().filter(|it| it.index > 0).map(|it| &it.transaction);
        Ok(self.check_unknown(others, known, signatures)?)
    }

    fn check_transaction(&self, transaction: &Transaction, signatures: &mut dyn Signatures) -> Result<(), TxError> {
        for (input, item) in isolated::check_transaction(&self.network, transaction)?.signatures {
            if !signatures.is_valid(&item.key, &item.message, &item.signature) {
                return Err(TxError::BadSignature(input));
            }
        }
        self.check_epoch_change(transaction, signatures)
    }

    /// The signatures of an epoch change: exactly a quorum of the set that it names, or the member that asks for itself.
    /// Fine for any other transaction.
    fn check_epoch_change(&self, transaction: &Transaction, signatures: &mut dyn Signatures) -> Result<(), TxError> {
        let Body::Epoch(change) = transaction.body() else {
            return Ok(());
        };
        if self.genesis.pbft().is_none() {
            return Err(TxError::EpochChange("proof of work has no members"));
        }
        let (epoch, signers) = match change {
            EpochChange::Members { set, .. } => (self.sets.by_hash.get(set).copied(), None),
            EpochChange::Readmit { epoch, .. } => (Some(*epoch), Some(1)),
        };
        let set = epoch.and_then(|epoch| self.set_of(epoch).ok()).ok_or(TxError::OtherEpoch)?;
        let signers = signers.unwrap_or(set.quorum());
        if transaction.witnesses().len() != signers {
            return Err(TxError::EpochChange("not exactly as many signers as are needed"));
        }
        let digest = epoch_change_digest(&self.network, transaction.body());
        for witness in transaction.witnesses() {
            let Witness::Member { member, signature } = witness else {
                return Err(TxError::EpochChange("a witness is not a member's signature"));
            };
            let key = set.member(*member).ok_or(TxError::EpochChange("a signer is no member"))?;
            if matches!(change, EpochChange::Readmit { member, .. } if member != key) {
                return Err(TxError::EpochChange("a re-admission is signed by the member alone"));
            }
            if !signatures.is_valid(key, &digest, signature) {
                return Err(TxError::EpochChange("a member's signature is invalid"));
            }
        }
        Ok(())
    }

    fn check_seal(
        &self,
        kind: VoteKind,
        ballot: &Ballot,
        seal: &Seal,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        let set = self.set_of(ballot.epoch)?;
        let key = set.member(seal.signer).ok_or(MessageError::Signer(seal.signer))?;
        let is_primary = seal.signer == set.primary(ballot.view);
        let may = match kind {
            VoteKind::PrePrepare => is_primary,
            VoteKind::Prepare => !is_primary,
            VoteKind::Commit => true,
        };
        if !may {
            return Err(MessageError::Signer(seal.signer));
        }
        let digest = vote_digest(&self.network, kind, ballot);
        let is_valid = signatures.is_valid(key, &digest, &seal.signature);
        if is_valid { Ok(()) } else { Err(MessageError::Signature(seal.signer)) }
    }

    fn check_vote(&self, vote: &Vote, signatures: &mut dyn Signatures) -> Result<(), MessageError> {
        let seal = Seal { signer: vote.signer, signature: vote.signature };
        self.check_seal(vote.kind, &vote.ballot, &seal, signatures)
    }

    fn check_proposal(&self, proposal: &PrePrepare) -> Result<(), MessageError> {
        if proposal.vote.kind != VoteKind::PrePrepare || proposal.vote.ballot.block != proposal.block.id() {
            return Err(MessageError::Inconsistent("the PRE-PREPARE is for another block"));
        }
        // At once: only what the primary signed is worth looking through its block.
        self.check_vote(&proposal.vote, &mut Singly)
    }

    /// All of a proposal but the transactions that it names.
    fn check_compact_proposal(&self, proposal: &CompactPrePrepare) -> Result<(), MessageError> {
        if proposal.vote.kind != VoteKind::PrePrepare || proposal.vote.ballot.block != proposal.header.id() {
            return Err(MessageError::Inconsistent("the PRE-PREPARE is for another block"));
        }
        // At once: only what the primary signed is worth looking through.
        self.check_vote(&proposal.vote, &mut Singly)?;
        isolated::check_coinbase(&proposal.coinbase)?;
        let (found, expected) = (proposal.root(), proposal.header.merkle_root);
        if found.mutated || found.root != expected {
            return Err(BlockError::BodyMismatch { actual: found.root, expected }.into());
        }
        Ok(())
    }

    /// Checks that exactly q members committed one ballot.
    ///
    /// # Errors
    /// When the certificate proves nothing.
    pub fn check_commit_certificate(&self, certificate: &CommitCertificate) -> Result<(), MessageError> {
        self.check_commit_certificate_with(certificate, &mut Singly)
    }

    fn check_commit_certificate_with(
        &self,
        certificate: &CommitCertificate,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        if certificate.commits.len() != self.set_of(certificate.ballot.epoch)?.quorum() {
            return Err(MessageError::Certificate("not exactly q commits"));
        }
        self.check_seals(VoteKind::Commit, &certificate.ballot, &certificate.commits, signatures)
    }

    /// Checks that the primary proposed a ballot and exactly q − 1 others prepared it.
    ///
    /// # Errors
    /// When the certificate proves nothing.
    pub fn check_prepared_certificate(&self, certificate: &PreparedCertificate) -> Result<(), MessageError> {
        self.check_prepared_certificate_with(certificate, &mut Singly)
    }

    fn check_prepared_certificate_with(
        &self,
        certificate: &PreparedCertificate,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        let quorum = self.set_of(certificate.ballot.epoch)?.quorum();
        if certificate.prepares.len() + 1 != quorum && !armed(Plant::UncountedPrepares) {
            return Err(MessageError::Certificate("not exactly q − 1 prepares"));
        }
        self.check_seal(VoteKind::PrePrepare, &certificate.ballot, &certificate.pre_prepare, signatures)?;
        self.check_seals(VoteKind::Prepare, &certificate.ballot, &certificate.prepares, signatures)
    }

    /// Checks that a member signed what can be a checkpoint.
    fn check_checkpoint(
        &self,
        checkpoint: &Checkpoint,
        seal: &Seal,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        let set = self.set_of(checkpoint.epoch)?;
        let interval = self.genesis.pbft().map_or(1, |params| u64::from(params.checkpoint_interval));
        if checkpoint.height == Height::GENESIS || !checkpoint.height.0.is_multiple_of(interval) {
            return Err(MessageError::Inconsistent("there is no checkpoint at this height"));
        }
        let key = set.member(seal.signer).ok_or(MessageError::Signer(seal.signer))?;
        let is_valid = signatures.is_valid(key, &checkpoint.digest(&self.network), &seal.signature);
        if is_valid { Ok(()) } else { Err(MessageError::Signature(seal.signer)) }
    }

    /// Checks that exactly q members found the same at a checkpoint.
    ///
    /// # Errors
    /// When the certificate proves nothing.
    pub fn check_checkpoint_certificate(&self, certificate: &CheckpointCertificate) -> Result<(), MessageError> {
        self.check_checkpoint_certificate_with(certificate, &mut Singly)
    }

    fn check_checkpoint_certificate_with(
        &self,
        certificate: &CheckpointCertificate,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        if certificate.seals.len() != self.set_of(certificate.checkpoint.epoch)?.quorum() {
            return Err(MessageError::Certificate("not exactly q checkpoint votes"));
        }
        if !certificate.seals.windows(2).all(|pair| pair[0].signer < pair[1].signer) {
            return Err(MessageError::Certificate("signers must be in ascending order, none twice"));
        }
        let mut seals = certificate.seals.iter();
        seals.try_for_each(|seal| self.check_checkpoint(&certificate.checkpoint, seal, signatures))
    }

    /// Checks that a quorum of one epoch sealed with what the next begins.
    fn check_succession(&self, succession: &Succession, signatures: &mut dyn Signatures) -> Result<(), MessageError> {
        let Succession { certificate, header, opening } = succession;
        let checkpoint = &certificate.checkpoint;
        self.check_checkpoint_certificate_with(certificate, signatures)?;
        if header.id() != checkpoint.block || checkpoint.epoch.next() != Some(opening.epoch) {
            return Err(MessageError::Inconsistent("header or epoch are not those of the checkpoint"));
        }
        self.check_opening(checkpoint, opening)
    }

    fn check_opening(&self, checkpoint: &Checkpoint, opening: &Opening) -> Result<(), MessageError> {
        if opening.hash(&self.network) != checkpoint.next || opening.members.0.is_empty() {
            return Err(MessageError::Inconsistent("the opening is not the one of the checkpoint"));
        }
        Ok(())
    }

    /// Checks both certificates of a manifest, and that header and buckets are the ones that they name.
    fn check_snapshot(&self, snapshot: &Snapshot, signatures: &mut dyn Signatures) -> Result<(), MessageError> {
        let Checkpoint { incarnation, epoch, height, block, coins, .. } = snapshot.certificate.checkpoint;
        let ballot = &snapshot.commit.ballot;
        let is_of_block = (ballot.epoch, ballot.height, ballot.block) == (epoch, height, block);
        // After a net was set back, what stayed is certified once more.
        if !is_of_block || ballot.incarnation > incarnation {
            return Err(MessageError::Inconsistent("the commit certificate is for another block"));
        }
        if snapshot.header.id() != block || snapshot.buckets.commitment() != coins {
            return Err(MessageError::Inconsistent("header or buckets are not those of the checkpoint"));
        }
        if snapshot.next.epoch != epoch && Some(snapshot.next.epoch) != epoch.next() {
            return Err(MessageError::Inconsistent("the next set is of another epoch"));
        }
        self.check_opening(&snapshot.certificate.checkpoint, &snapshot.next)?;
        self.check_checkpoint_certificate_with(&snapshot.certificate, signatures)?;
        self.check_commit_certificate_with(&snapshot.commit, signatures)
    }

    /// Checks the signature and every certificate: counted, in ascending heights above the one committed, none of the new
    /// view or a later one, each beside the header that it names.
    fn check_view_change(&self, change: &ViewChange, signatures: &mut dyn Signatures) -> Result<(), MessageError> {
        let place = (change.incarnation, change.epoch);
        let set = self.set_of(change.epoch)?;
        if change.view == View(0) || change.view.0 > VIEW_MAX {
            return Err(MessageError::Inconsistent("view 0 begins without a VIEW-CHANGE, and none follows the last"));
        }
        let key = set.member(change.signer).ok_or(MessageError::Signer(change.signer))?;
        if !signatures.is_valid(key, &change.digest(&self.network), &change.signature) {
            return Err(MessageError::Signature(change.signer));
        }
        let depth = self.genesis.pbft().map_or(0, |params| usize::from(params.depth));
        if change.prepared.len() > depth {
            return Err(MessageError::Inconsistent("nobody is prepared on more heights than the window has"));
        }
        let mut below = Height(0);
        if let Some(certificate) = &change.committed {
            let ballot = &certificate.ballot;
            // Of whatever view: a replica that was left behind in views may know of blocks that later ones made final. And of an
            // earlier incarnation, for a height that stayed; which those are, the engine knows.
            if ballot.incarnation > change.incarnation || ballot.epoch != change.epoch {
                return Err(MessageError::Inconsistent("the commit certificate is of another time"));
            }
            self.check_commit_certificate_with(certificate, signatures)?;
            below = ballot.height;
        }
        for PreparedBlock { header, certificate } in &change.prepared {
            let ballot = &certificate.ballot;
            if (ballot.incarnation, ballot.epoch) != place || ballot.view >= change.view {
                return Err(MessageError::Inconsistent("a prepared certificate is of another time"));
            }
            if ballot.height <= below || header.id() != ballot.block {
                return Err(MessageError::Inconsistent("prepared certificates go up, each beside its header"));
            }
            self.check_prepared_certificate_with(certificate, signatures)?;
            below = ballot.height;
        }
        Ok(())
    }

    /// Checks the primary's signature and each of exactly q VIEW-CHANGEs.
    fn check_new_view(&self, new_view: &NewView, signatures: &mut dyn Signatures) -> Result<(), MessageError> {
        let set = self.set_of(new_view.epoch)?;
        if new_view.signer != set.primary(new_view.view) {
            return Err(MessageError::Signer(new_view.signer));
        }
        let key = set.member(new_view.signer).ok_or(MessageError::Signer(new_view.signer))?;
        if !crate::ledger::key::verify(key, &new_view.digest(&self.network), &new_view.signature) {
            return Err(MessageError::Signature(new_view.signer));
        }
        if new_view.changes.len() != set.quorum() && !armed(Plant::UncountedChanges) {
            return Err(MessageError::Certificate("not exactly q view changes"));
        }
        if !new_view.changes.windows(2).all(|pair| pair[0].signer < pair[1].signer) {
            return Err(MessageError::Certificate("signers must be in ascending order, none twice"));
        }
        for change in &new_view.changes {
            let place = (change.incarnation, change.epoch, change.view);
            if place != (new_view.incarnation, new_view.epoch, new_view.view) {
                return Err(MessageError::Inconsistent("a VIEW-CHANGE is for another view"));
            }
            self.check_view_change(change, signatures)?;
        }
        Ok(())
    }

    /// Checks that both votes are signed and contradict each other.
    ///
    /// # Errors
    /// When the evidence proves nothing.
    pub fn check_evidence(&self, evidence: &Evidence) -> Result<(), MessageError> {
        self.check_evidence_with(evidence, &mut Singly)
    }

    fn check_evidence_with(&self, evidence: &Evidence, signatures: &mut dyn Signatures) -> Result<(), MessageError> {
        let Evidence { first, second } = evidence;
        let same = Ballot { block: first.ballot.block, ..second.ballot } == first.ballot;
        if (first.kind, first.signer) != (second.kind, second.signer) || !same || first.ballot == second.ballot {
            return Err(MessageError::Inconsistent("the two votes do not contradict each other"));
        }
        self.check_vote(first, signatures)?;
        self.check_vote(second, signatures)
    }

    /// Checks the signature before any transaction, so that only members can have transactions checked this way.
    fn check_overdue(
        &self,
        overdue: &Overdue,
        known: Known<'_>,
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        let set = self.set_of(overdue.epoch)?;
        if overdue.transactions.is_empty() || overdue.signer == set.primary(overdue.view) {
            return Err(MessageError::Inconsistent("nothing is handed over, or by the primary to itself"));
        }
        if overdue.transactions.iter().map(Transaction::bytes).sum::<usize>() > OVERDUE_BYTES_MAX {
            return Err(MessageError::Inconsistent("too many bytes are handed over"));
        }
        let key = set.member(overdue.signer).ok_or(MessageError::Signer(overdue.signer))?;
        if !crate::ledger::key::verify(key, &overdue.digest(&self.network), &overdue.signature) {
            return Err(MessageError::Signature(overdue.signer));
        }
        Ok(self.check_unknown(&overdue.transactions, known, signatures)?)
    }

    fn check_seals(
        &self,
        kind: VoteKind,
        ballot: &Ballot,
        seals: &[Seal],
        signatures: &mut dyn Signatures,
    ) -> Result<(), MessageError> {
        if !seals.windows(2).all(|pair| pair[0].signer < pair[1].signer) {
            return Err(MessageError::Certificate("signers must be in ascending order, none twice"));
        }
        seals.iter().try_for_each(|seal| self.check_seal(kind, ballot, seal, signatures))
    }
}
