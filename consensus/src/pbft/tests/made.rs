//! Transactions, blocks and votes that tests make by hand.

use super::cluster::{COIN, World, grains, key};
use crate::engine::{Engine, Peer};
use crate::ledger::block::{Block, Header};
use crate::ledger::hash::{BlockId, CoinCommitment, LockHash, MerkleRoot, OpeningHash};
use crate::ledger::key::SigningKey;
use crate::ledger::lock::{Lock, LockTime};
use crate::ledger::sighash::SighashCommon;
use crate::ledger::transaction::{Body, Coinbase, OutPoint, Output, Spend, Transaction, Transfer, Witness};
use crate::ledger::units::{Epoch, Height, Incarnation, View};
use crate::message::checkpoint::Checkpoint;
use crate::message::{Ballot, CertifiedBlock, CommitCertificate, Message, PrePrepare, Seal, TipInfo, Vote, VoteKind};
use crate::sync::Peers;
use std::sync::Arc;

fn account() -> SigningKey {
    SigningKey::from_seed(&[200; 32])
}

pub(super) fn account_lock() -> Lock {
    Lock::Key(account().public())
}

impl World {
    /// One replica connects so many empty blocks as final, and nobody hears of it.
    pub(crate) fn grow(&mut self, index: usize, count: usize) {
        for _ in 0..count {
            let tip = self.engine(index).chain().tip();
            let block = self.block(&tip.header, tip.height.0 + 1, &[]);
            let certificate = self.committed_in(0, tip.height.0 + 1, &block, &[0, 1, 2]);
            let mut next = Some((certificate, Arc::new(block)));
            let engine = self.nodes[index].engine.as_mut().expect("it is up");
            engine.connect_again(|_, _| next.take());
            engine.out.clear();
        }
    }

    /// One replica has exactly these peers, of which nothing was asked yet: the stable and the final height that each claims.
    pub(crate) fn meet(&mut self, index: usize, claims: &[(u64, u64, u64)]) {
        let engine = self.nodes[index].engine.as_mut().expect("it is up");
        engine.peers = Peers::default();
        for (peer, stable, final_height) in claims {
            let info = TipInfo { stable: Height(*stable), final_height: Height(*final_height), ..engine.tip_info() };
            engine.peers.connected(Peer(*peer));
            engine.peers.claimed(Peer(*peer), info);
        }
        engine.out.clear();
    }

    /// A transfer of the test account's coin number `index`, with a fee of 1000 grains.
    pub(crate) fn transfer(&self, index: u32) -> Transaction {
        let txid = self.genesis.block().transactions[0].id();
        let output = Output { amount: grains(COIN - 1000), lock: LockHash([index as u8; 32]) };
        let body = Body::Transfer(Transfer {
            inputs: vec![OutPoint { txid, index }],
            outputs: vec![output],
            lock_time: LockTime::Height(Height(0)),
        });
        let stated = [(grains(COIN), account_lock().hash())];
        let common = SighashCommon::new(&self.genesis.network_id(), &body, &stated);
        let signature = account().sign(&common.digest(0, &[], &account_lock()));
        let spend =
            Spend { amount: grains(COIN), lock: account_lock(), signatures: vec![signature], preimages: vec![] };
        Transaction::new(body, vec![Witness::Spend(spend)])
    }

    /// A block of these transactions that pays nobody.
    pub(crate) fn block(&self, parent: &Header, height: u64, transactions: &[Transaction]) -> Block {
        let coinbase = Coinbase { height: Height(height), extra: Vec::new(), outputs: Vec::new() };
        let mut all = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
        all.extend_from_slice(transactions);
        let root = MerkleRoot::default();
        let header =
            Header { version: 1, parent: parent.id(), merkle_root: root, time: self.now.seconds(), bits: 0, nonce: 0 };
        let mut block = Block { header, transactions: all };
        block.header.merkle_root = block.merkle_root();
        block
    }

    /// A ballot of view 0.
    pub(crate) fn ballot(&self, height: u64, block: BlockId) -> Ballot {
        Ballot { incarnation: Incarnation(0), epoch: Epoch(0), view: View(0), height: Height(height), block }
    }

    /// Member `signer`'s vote on a ballot.
    pub(crate) fn vote(&self, kind: VoteKind, signer: usize, ballot: Ballot) -> Vote {
        Vote::sign(&self.genesis.network_id(), kind, ballot, signer as u16, &key(signer))
    }

    /// What the primary of a later epoch might propose.
    pub(crate) fn proposal_of(&self, primary: usize, height: u64, block: &Block) -> Message {
        let ballot = Ballot { epoch: self.status(0).epoch, ..self.ballot(height, block.id()) };
        let vote = self.vote(VoteKind::PrePrepare, primary, ballot);
        Message::PrePrepare(PrePrepare { vote, block: block.clone() })
    }

    /// The proposal of view 0's primary.
    pub(crate) fn proposal(&self, height: u64, block: &Block) -> Message {
        let vote = self.vote(VoteKind::PrePrepare, 0, self.ballot(height, block.id()));
        Message::PrePrepare(PrePrepare { vote, block: block.clone() })
    }

    /// A block with a certificate by the members given.
    pub(crate) fn certified(&self, height: u64, block: &Block, signers: &[usize]) -> CertifiedBlock {
        let ballot = self.ballot(height, block.id());
        let seal = |signer: &usize| {
            let vote = self.vote(VoteKind::Commit, *signer, ballot);
            Seal { signer: vote.signer, signature: vote.signature }
        };
        let certificate = CommitCertificate { ballot, commits: signers.iter().map(seal).collect() };
        CertifiedBlock { block: block.clone(), certificate }
    }
}

/// A header in which nothing is said.
pub(in crate::pbft) fn no_header() -> Header {
    Header { version: 0, parent: BlockId::default(), merkle_root: MerkleRoot::default(), time: 0, bits: 0, nonce: 0 }
}

/// A checkpoint of epoch 0 at a height.
pub(in crate::pbft) fn checkpoint_at(height: u64) -> Checkpoint {
    Checkpoint {
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        height: Height(height),
        block: BlockId::default(),
        coins: CoinCommitment::default(),
        next: OpeningHash::default(),
    }
}
