//! Nets, blocks and certificates, made by hand.

use crate::common::*;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::genesis::{Difficulty, EngineParams, Genesis, PowParams};
use bezant_consensus::ledger::hash::{CoinCommitment, NetworkId};
use bezant_consensus::ledger::lock::LockTime;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, MemberList, Transaction, Transfer};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::message::checkpoint::{Checkpoint, CheckpointCertificate, CheckpointVote};
use bezant_consensus::message::epoch::{Opening, Succession};
use bezant_consensus::message::{Ballot, CommitCertificate, Seal, Vote, VoteKind};
use bezant_consensus::pbft::light::Proof;
use bezant_consensus::pow::Inclusion;
use bezant_consensus::receipt::{Certified, Evidence, Receipt, Worked};
use std::sync::{Arc, LazyLock};

/// A million grains: 700,000 for key 2, 299,000 back to key 1, a fee of 1,000.
pub(crate) fn payment(network: &NetworkId, number: u8) -> Transaction {
    let coin = input(number, 1_000_000, lock(1));
    let outputs = vec![output(700_000, 2), output(299_000, 1)];
    let body = Body::Transfer(Transfer { inputs: vec![coin.outpoint], outputs, lock_time: LockTime::NONE });
    sign(network, body, &[coin])
}

/// A coinbase and so many payments.
pub(crate) fn payments(network: &NetworkId, height: u64, count: u8) -> Vec<Transaction> {
    let coinbase = coinbase(height, &[output(1_000, 9)]);
    std::iter::once(coinbase).chain((1..=count).map(|number| payment(network, number))).collect()
}

/// Signed by these: index in the set, and number of the key.
pub(crate) fn committed(network: &NetworkId, ballot: Ballot, signers: &[(u16, u8)]) -> CommitCertificate {
    let commit = |(signer, number): &(u16, u8)| {
        let vote = Vote::sign(network, VoteKind::Commit, ballot, *signer, &key(*number));
        Seal { signer: *signer, signature: vote.signature }
    };
    CommitCertificate { ballot, commits: signers.iter().map(commit).collect() }
}

/// A net of four members, keys 1 to 4, and what was paid on it.
pub(crate) struct Pbft {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) network: NetworkId,
    pub(crate) block: Block,
}

impl Pbft {
    pub(crate) fn new() -> Pbft {
        Pbft::of(pbft_genesis())
    }

    pub(crate) fn of(genesis: Genesis) -> Pbft {
        let network = genesis.network_id();
        let block = block_above(genesis.block().id(), payments(&network, 5, 2));
        Pbft { genesis: Arc::new(genesis), network, block }
    }

    pub(crate) fn ballot(&self, epoch: u64) -> Ballot {
        let (incarnation, block) = (Incarnation(0), self.block.id());
        Ballot { incarnation, epoch: Epoch(epoch), view: View(3), height: Height(5), block }
    }

    /// The receipt of the first payment, with these signers and successions.
    pub(crate) fn receipt(&self, ballot: Ballot, signers: &[(u16, u8)], successions: Vec<Succession>) -> Receipt {
        self.receipt_of(1, ballot, signers, successions)
    }

    /// The receipt of the transaction in this place of the block.
    pub(crate) fn receipt_of(
        &self,
        index: usize,
        ballot: Ballot,
        signers: &[(u16, u8)],
        successions: Vec<Succession>,
    ) -> Receipt {
        let certificate = committed(&self.network, ballot, signers);
        let proof = Proof::new(&self.block, certificate, index).expect("there is such a transaction");
        Receipt { network: self.network, evidence: Evidence::Pbft(Certified { proof, successions }) }
    }

    /// By three of four in epoch 0.
    pub(crate) fn good(&self) -> Receipt {
        self.receipt(self.ballot(0), &[(0, 1), (2, 3), (3, 4)], Vec::new())
    }

    /// In epoch 2: key 5 came, then key 1 went.
    pub(crate) fn later(&self) -> Receipt {
        let first = self.succession(1, &[1, 2, 3, 4, 5], &[(0, 1), (1, 2), (3, 4)]);
        let second = self.succession(2, &[2, 3, 4, 5], &[(0, 1), (1, 2), (2, 3), (4, 5)]);
        self.receipt(self.ballot(2), &[(0, 2), (1, 3), (3, 5)], vec![first, second])
    }

    /// How an epoch began: with the keys of these numbers, sealed by these of the epoch before.
    pub(crate) fn succession(&self, epoch: u64, members: &[u8], signers: &[(u16, u8)]) -> Succession {
        self.succession_by(epoch - 1, epoch, members, signers)
    }

    /// The same, sealed by members of the epoch `by`.
    pub(crate) fn succession_by(&self, by: u64, epoch: u64, members: &[u8], signers: &[(u16, u8)]) -> Succession {
        let members = MemberList(members.iter().map(|number| key(*number).public()).collect());
        let opening = Opening { epoch: Epoch(epoch), members, readmitted: Vec::new() };
        let header = Header { time: 1_700_000_000 + epoch as u32, ..self.block.header };
        let checkpoint = Checkpoint {
            incarnation: Incarnation(0),
            epoch: Epoch(by),
            height: Height(64 * epoch),
            block: header.id(),
            coins: CoinCommitment([7; 32]),
            next: opening.hash(&self.network),
        };
        let seal = |(signer, number): &(u16, u8)| {
            let vote = CheckpointVote::sign(&self.network, checkpoint, *signer, &key(*number));
            Seal { signer: *signer, signature: vote.signature }
        };
        let certificate = CheckpointCertificate { checkpoint, seals: signers.iter().map(seal).collect() };
        Succession { certificate, header, opening }
    }
}

/// What a PBFT receipt carries, to be tampered with.
pub(crate) fn certified(receipt: &mut Receipt) -> &mut Certified {
    match &mut receipt.evidence {
        Evidence::Pbft(certified) => certified,
        Evidence::Pow(_) => panic!("not a receipt of PBFT"),
    }
}

/// What a receipt of proof of work carries, to be tampered with.
pub(crate) fn worked(receipt: &mut Receipt) -> &mut Worked {
    match &mut receipt.evidence {
        Evidence::Pow(worked) => worked,
        Evidence::Pbft(_) => panic!("not a receipt of proof of work"),
    }
}

/// Finds a nonce by trying.
pub(crate) fn solve(header: &mut Header) {
    let target = Target::from_compact(header.bits).expect("tests use targets");
    while !target.is_met_by(&header.id()) {
        header.nonce += 1;
    }
}

/// A net of proof of work, and a chain of blocks with two payments each.
pub(crate) struct Pow {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) network: NetworkId,
    pub(crate) blocks: Vec<Block>,
}

impl Pow {
    /// A block takes so many hashes that a changed header is not as good as the true one by chance.
    pub(crate) fn hard() -> &'static Pow {
        static HARD: LazyLock<Pow> = LazyLock::new(|| Pow::of(0x1f00_ffff, 5));
        &HARD
    }

    /// Every second nonce will do.
    pub(crate) fn easy(count: u64) -> Pow {
        Pow::of(0x207f_ffff, count)
    }

    fn of(bits: u32, count: u64) -> Pow {
        let params = PowParams { bits, difficulty: Difficulty::Fixed, ..pow_params() };
        let genesis = genesis(EngineParams::Pow(params));
        let network = genesis.network_id();
        let mut pow = Pow { genesis: Arc::new(genesis), network, blocks: Vec::new() };
        (1..=count).for_each(|height| pow.grow(payments(&network, height, 2)));
        pow
    }

    /// One more block.
    pub(crate) fn grow(&mut self, transactions: Vec<Transaction>) {
        let below = self.blocks.last().map_or_else(|| self.genesis.block().header, |block| block.header);
        let mut block = block_above(below.id(), transactions);
        block.header.time = below.time + 60;
        block.header.bits = below.bits;
        solve(&mut block.header);
        self.blocks.push(block);
    }

    pub(crate) fn headers(&self) -> Vec<Header> {
        self.blocks.iter().map(|block| block.header).collect()
    }

    /// Of a transaction at a height.
    pub(crate) fn receipt(&self, height: usize, index: usize) -> Receipt {
        let inclusion = Inclusion::new(&self.blocks[height - 1], index).expect("there is such a transaction");
        let evidence = Evidence::Pow(Worked { headers: self.headers(), inclusion });
        Receipt { network: self.network, evidence }
    }
}
