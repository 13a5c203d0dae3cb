//! Arbitrary values of every type that has an encoding.

use crate::common::*;
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::coins::{Coin, Diff};
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::genesis::{Difficulty, EngineParams, Genesis};
use bezant_consensus::ledger::hash::{BlockId, CoinCommitment, LockHash, MerkleRoot, OpeningHash, SetHash, TxId};
use bezant_consensus::ledger::key::{PublicKey, Signature};
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::merkle::Proof;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{
    Body, Coinbase, EpochChange, MemberList, OutPoint, Output, Spend, Transaction, Transfer, Witness,
};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::limits::SUPPLY_MAX;
use bezant_consensus::message::checkpoint::{
    BucketHashes, BucketPart, BucketParts, Checkpoint, CheckpointCertificate, CheckpointState, CheckpointVote, Snapshot,
};
use bezant_consensus::message::epoch::{Opening, Readmission, Succession, Successions};
use bezant_consensus::message::relay::{BlockTransactions, CompactBlock, GetTransactions};
use bezant_consensus::message::{
    Ballot, BlockIds, Blocks, CertifiedBlock, CertifiedBlocks, CommitCertificate, Evidence, Headers, Locator, Message,
    NewView, Overdue, PrePrepare, PreparedBlock, PreparedCertificate, Seal, TipInfo, ViewChange, Vote, VoteKind,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

pub(crate) fn amount() -> impl Strategy<Value = Amount> + Clone {
    (0..=SUPPLY_MAX).prop_map(grains)
}

fn bytes32() -> impl Strategy<Value = [u8; 32]> + Clone {
    any::<[u8; 32]>()
}

fn height() -> impl Strategy<Value = Height> + Clone {
    any::<u64>().prop_map(Height)
}

fn signature() -> impl Strategy<Value = Signature> + Clone {
    (bytes32(), bytes32()).prop_map(|(r, s)| Signature([r, s].concat().try_into().expect("64 bytes")))
}

fn lock_time() -> impl Strategy<Value = LockTime> + Clone {
    prop_oneof![height().prop_map(LockTime::Height), any::<u32>().prop_map(LockTime::Time)]
}

/// Trees within the limits, opaque branches included.
pub(crate) fn lock() -> impl Strategy<Value = Lock> {
    let leaf = prop_oneof![
        bytes32().prop_map(|key| Lock::Key(PublicKey(key))),
        lock_time().prop_map(Lock::After),
        any::<u32>().prop_map(Lock::Older),
        bytes32().prop_map(Lock::Hash),
        bytes32().prop_map(|hash| Lock::Opaque(LockHash(hash))),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        (vec(inner, 1..5), any::<u8>()).prop_map(|(of, k)| Lock::Threshold { k: k % of.len() as u8 + 1, of })
    })
    .prop_filter("within the limits", |lock| lock.check_shape().is_ok())
}

pub(crate) fn outpoint() -> impl Strategy<Value = OutPoint> + Clone {
    (bytes32(), any::<u32>()).prop_map(|(txid, index)| OutPoint { txid: TxId(txid), index })
}

fn output() -> impl Strategy<Value = Output> + Clone {
    (amount(), bytes32()).prop_map(|(amount, lock)| Output { amount, lock: LockHash(lock) })
}

pub(crate) fn coin() -> impl Strategy<Value = Coin> + Clone {
    (output(), height(), any::<bool>()).prop_map(|(output, height, coinbase)| Coin {
        amount: output.amount,
        lock: output.lock,
        height,
        coinbase,
    })
}

pub(crate) fn diff() -> impl Strategy<Value = Diff> {
    let side = || btree_map(outpoint(), coin(), 0..5);
    (side(), side()).prop_map(|(spent, created)| Diff { spent, created })
}

fn body() -> impl Strategy<Value = Body> {
    let transfer = (vec(outpoint(), 0..4), vec(output(), 0..4), lock_time())
        .prop_map(|(inputs, outputs, lock_time)| Body::Transfer(Transfer { inputs, outputs, lock_time }));
    let coinbase = (height(), vec(any::<u8>(), 0..=100), vec(output(), 0..3))
        .prop_map(|(height, extra, outputs)| Body::Coinbase(Coinbase { height, extra, outputs }));
    let members = (bytes32(), vec(bytes32().prop_map(PublicKey), 0..5)).prop_map(|(set, members)| {
        Body::Epoch(EpochChange::Members { set: SetHash(set), members: MemberList(members) })
    });
    let readmit = (any::<u64>(), bytes32(), bytes32()).prop_map(|(epoch, member, nonce)| {
        Body::Epoch(EpochChange::Readmit { epoch: Epoch(epoch), member: PublicKey(member), nonce })
    });
    prop_oneof![transfer, coinbase, members, readmit]
}

fn witness() -> impl Strategy<Value = Witness> {
    let spend = (amount(), lock(), vec(signature(), 0..3), vec(bytes32(), 0..3)).prop_map(
        |(amount, lock, signatures, preimages)| Witness::Spend(Spend { amount, lock, signatures, preimages }),
    );
    let member = (any::<u16>(), signature()).prop_map(|(member, signature)| Witness::Member { member, signature });
    prop_oneof![3 => spend, 1 => member]
}

pub(crate) fn transaction() -> impl Strategy<Value = Transaction> {
    (body(), vec(witness(), 0..3)).prop_map(|(body, witnesses)| Transaction::new(body, witnesses))
}

pub(crate) fn header() -> impl Strategy<Value = Header> {
    (any::<[u32; 4]>(), bytes32(), bytes32()).prop_map(|([version, time, bits, nonce], parent, root)| {
        let (parent, merkle_root) = (BlockId(parent), MerkleRoot(root));
        Header { version, parent, merkle_root, time, bits, nonce }
    })
}

pub(crate) fn block() -> impl Strategy<Value = Block> {
    (header(), vec(transaction(), 0..4)).prop_map(|(header, transactions)| Block { header, transactions })
}

pub(crate) fn proof() -> impl Strategy<Value = Proof> {
    (any::<u32>(), vec(bytes32(), 0..=16)).prop_map(|(index, siblings)| Proof { index, siblings })
}

pub(crate) fn any_genesis() -> impl Strategy<Value = Genesis> {
    let difficulty = prop_oneof![
        any::<u32>().prop_map(|half_life_s| Difficulty::Asert { half_life_s }),
        Just(Difficulty::Bitcoin),
        Just(Difficulty::Fixed),
    ];
    let engine = prop_oneof![
        any::<u16>().prop_map(|depth| {
            let params = bezant_consensus::ledger::genesis::PbftParams { depth, ..pbft_params() };
            EngineParams::Pbft(params)
        }),
        difficulty.prop_map(|difficulty| {
            let params = bezant_consensus::ledger::genesis::PowParams { difficulty, ..pow_params() };
            EngineParams::Pow(params)
        }),
    ];
    (engine, bytes32(), any::<bool>(), vec(output(), 0..3)).prop_map(|(engine, salt, dev, allocations)| Genesis {
        salt,
        dev,
        allocations,
        ..genesis(engine)
    })
}

fn ballot() -> impl Strategy<Value = Ballot> + Clone {
    (any::<u32>(), any::<[u64; 3]>(), bytes32()).prop_map(|(incarnation, [epoch, view, height], block)| Ballot {
        incarnation: Incarnation(incarnation),
        epoch: Epoch(epoch),
        view: View(view),
        height: Height(height),
        block: BlockId(block),
    })
}

fn vote() -> impl Strategy<Value = Vote> + Clone {
    let kind = prop_oneof![Just(VoteKind::PrePrepare), Just(VoteKind::Prepare), Just(VoteKind::Commit)];
    (kind, ballot(), seal()).prop_map(|(kind, ballot, seal)| Vote {
        kind,
        ballot,
        signer: seal.signer,
        signature: seal.signature,
    })
}

fn seal() -> impl Strategy<Value = Seal> + Clone {
    (any::<u16>(), signature()).prop_map(|(signer, signature)| Seal { signer, signature })
}

fn prepared() -> impl Strategy<Value = PreparedCertificate> {
    (ballot(), seal(), vec(seal(), 0..4)).prop_map(|(ballot, pre_prepare, prepares)| PreparedCertificate {
        ballot,
        pre_prepare,
        prepares,
    })
}

fn committed() -> impl Strategy<Value = CommitCertificate> {
    (ballot(), vec(seal(), 0..4)).prop_map(|(ballot, commits)| CommitCertificate { ballot, commits })
}

fn prepared_block() -> impl Strategy<Value = PreparedBlock> {
    (header(), prepared()).prop_map(|(header, certificate)| PreparedBlock { header, certificate })
}

fn view_change() -> impl Strategy<Value = ViewChange> {
    (ballot(), proptest::option::of(committed()), vec(prepared_block(), 0..3), seal()).prop_map(
        |(Ballot { incarnation, epoch, view, .. }, committed, prepared, Seal { signer, signature })| ViewChange {
            incarnation,
            epoch,
            view,
            committed,
            prepared,
            signer,
            signature,
        },
    )
}

fn new_view() -> impl Strategy<Value = NewView> {
    (ballot(), vec(view_change(), 0..3), seal()).prop_map(
        |(Ballot { incarnation, epoch, view, .. }, changes, Seal { signer, signature })| NewView {
            incarnation,
            epoch,
            view,
            changes,
            signer,
            signature,
        },
    )
}

fn evidence() -> impl Strategy<Value = Evidence> {
    (vote(), vote()).prop_map(|(first, second)| Evidence { first, second })
}

pub(crate) fn tip() -> impl Strategy<Value = TipInfo> {
    (height(), height(), height(), bytes32(), any::<u32>()).prop_map(|(height, final_height, stable, id, bits)| {
        TipInfo {
            epoch: Epoch(stable.0),
            stable,
            height,
            id: BlockId(id),
            final_height,
            work: Target::from_compact(bits).map(Target::work).unwrap_or_default(),
        }
    })
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    (ballot(), bytes32(), bytes32()).prop_map(|(ballot, coins, set)| Checkpoint {
        incarnation: ballot.incarnation,
        epoch: ballot.epoch,
        height: ballot.height,
        block: ballot.block,
        coins: CoinCommitment(coins),
        next: OpeningHash(set),
    })
}

fn checkpoint_vote() -> impl Strategy<Value = CheckpointVote> {
    (checkpoint(), seal()).prop_map(|(checkpoint, Seal { signer, signature })| CheckpointVote {
        checkpoint,
        signer,
        signature,
    })
}

fn checkpoint_certificate() -> impl Strategy<Value = CheckpointCertificate> {
    (checkpoint(), vec(seal(), 0..4)).prop_map(|(checkpoint, seals)| CheckpointCertificate { checkpoint, seals })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    (checkpoint_certificate(), header(), committed(), opening()).prop_map(|(certificate, header, commit, next)| {
        Snapshot { certificate, header, commit, buckets: BucketHashes::of(&Buckets::default()), next }
    })
}

fn opening() -> impl Strategy<Value = Opening> {
    let readmission = (bytes32(), bytes32(), height());
    let readmission =
        readmission.prop_map(|(member, nonce, height)| Readmission { member: PublicKey(member), nonce, height });
    let members = vec(bytes32().prop_map(PublicKey), 0..4).prop_map(MemberList);
    (any::<u64>(), members, vec(readmission, 0..3)).prop_map(|(epoch, members, readmitted)| Opening {
        epoch: Epoch(epoch),
        members,
        readmitted,
    })
}

fn succession() -> impl Strategy<Value = Succession> {
    (checkpoint_certificate(), header(), opening()).prop_map(|(certificate, header, opening)| Succession {
        certificate,
        header,
        opening,
    })
}

fn bucket_part() -> impl Strategy<Value = BucketPart> {
    (any::<u8>(), vec((outpoint(), coin()), 0..3), any::<bool>()).prop_map(|(bucket, coins, is_last)| BucketPart {
        bucket,
        coins,
        is_last,
    })
}

pub(crate) fn overdue() -> impl Strategy<Value = Overdue> {
    (ballot(), vec(transaction(), 1..3), any::<u16>(), signature()).prop_map(
        |(ballot, transactions, signer, signature)| {
            let Ballot { incarnation, epoch, view, .. } = ballot;
            Overdue { incarnation, epoch, view, transactions, signer, signature }
        },
    )
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let ids = || vec(bytes32().prop_map(BlockId), 0..5);
    let certified = (block(), committed()).prop_map(|(block, certificate)| CertifiedBlock { block, certificate });
    prop_oneof![
        transaction().prop_map(Message::Transaction),
        (vote(), block()).prop_map(|(vote, block)| Message::PrePrepare(PrePrepare { vote, block })),
        vote().prop_map(Message::Vote),
        tip().prop_map(Message::Tip),
        (height(), any::<u32>()).prop_map(|(from, count)| Message::GetCertified { from, count }),
        vec(certified, 0..3).prop_map(|list| Message::Certified(CertifiedBlocks(list))),
        ids().prop_map(|list| Message::GetHeaders(Locator(list))),
        vec(header(), 0..4).prop_map(|list| Message::Headers(Headers(list))),
        ids().prop_map(|list| Message::GetBlocks(BlockIds(list))),
        vec(block(), 0..3).prop_map(|list| Message::Blocks(Blocks(list))),
        (block(), any::<u64>(), any::<bool>())
            .prop_map(|(block, salt, whole)| Message::CompactBlock(CompactBlock::new(&block, salt, |_| whole))),
        view_change().prop_map(Message::ViewChange),
        new_view().prop_map(Message::NewView),
        evidence().prop_map(Message::Evidence),
        checkpoint_vote().prop_map(Message::Checkpoint),
        checkpoint_certificate().prop_map(Message::Checkpointed),
        height().prop_map(|height| Message::GetSnapshot { height }),
        proptest::option::of(snapshot()).prop_map(|it| Message::Snapshot(it.map(Box::new))),
        (height(), any::<u8>(), any::<u8>(), proptest::option::of(outpoint()))
            .prop_map(|(height, first, last, after)| Message::GetBuckets { height, first, last, after }),
        (height(), vec(bucket_part(), 0..3))
            .prop_map(|(height, parts)| Message::Buckets(BucketParts { height, parts })),
        overdue().prop_map(Message::Overdue),
        any::<u64>().prop_map(|from| Message::GetSuccessions { from: Epoch(from) }),
        vec(succession(), 0..3).prop_map(|list| Message::Successions(Successions(list))),
        (bytes32(), vec(any::<u16>(), 0..5))
            .prop_map(|(id, places)| Message::GetTransactions(GetTransactions { block: BlockId(id), places })),
        (bytes32(), vec(transaction(), 0..3)).prop_map(|(id, transactions)| {
            Message::Transactions(BlockTransactions { block: BlockId(id), transactions })
        }),
    ]
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        block().prop_map(Record::Body),
        vote().prop_map(Record::Vote),
        prepared_block().prop_map(Record::Prepared),
        view_change().prop_map(Record::ViewChange),
        new_view().prop_map(Record::NewView),
        evidence().prop_map(Record::Evidence),
        checkpoint_vote().prop_map(Record::Checkpoint),
        (checkpoint(), header()).prop_map(|(checkpoint, header)| {
            let buckets = BucketHashes::of(&Buckets::default());
            Record::CheckpointState(CheckpointState { checkpoint, header, buckets })
        }),
        checkpoint_certificate().prop_map(Record::Stable),
        committed().prop_map(Record::Committed),
        header().prop_map(Record::Header),
        bytes32().prop_map(|id| Record::Invalid(BlockId(id))),
        bytes32().prop_map(|id| Record::Invalidated(BlockId(id))),
        bytes32().prop_map(|id| Record::Reconsidered(BlockId(id))),
        prop::collection::vec((any::<u64>(), bytes32()), 0..3).prop_map(|told| Record::ToldFinal(
            told.into_iter().map(|(height, id)| (Height(height), BlockId(id))).collect()
        )),
    ]
}
