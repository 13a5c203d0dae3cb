use super::{Proof, ProofError};
use crate::ledger::block::Block;
use crate::ledger::merkle::PathError;
use crate::ledger::units::Height;
use crate::message::CommitCertificate;
use crate::pbft::tests::cluster::{Setup, World};
use crate::verify::Verifier;

fn certified(world: &World, signers: &[usize]) -> (Block, CommitCertificate) {
    let block = world.block(&world.genesis.block().header, 1, &[world.transfer(0), world.transfer(1)]);
    let certificate = world.committed_in(0, 1, &block, signers);
    (block, certificate)
}

#[test]
fn a_proof_says_which_transaction_is_final_and_where() {
    let world = World::new(Setup::of(4));
    let verifier = Verifier::new(world.genesis.clone());
    let (block, certificate) = certified(&world, &[0, 2, 3]);
    for (index, transaction) in block.transactions.iter().enumerate() {
        let proof = Proof::new(&block, certificate.clone(), index).expect("there is such a place");
        assert_eq!(proof.verify(&verifier), Ok((transaction.id(), Height(1))));
    }
    assert_eq!(Proof::new(&block, certificate, block.transactions.len()), None);
}

#[test]
fn what_does_not_hang_together_proves_nothing() {
    let world = World::new(Setup::of(4));
    let verifier = Verifier::new(world.genesis.clone());
    let (block, certificate) = certified(&world, &[0, 2, 3]);
    let proof = Proof::new(&block, certificate, 1).expect("there is such a place");
    let mut other_block = proof.clone();
    other_block.header.time += 1;
    assert_eq!(other_block.verify(&verifier), Err(ProofError::OtherBlock));
    let mut other_transaction = proof.clone();
    other_transaction.transaction = block.transactions[2].clone();
    assert_eq!(other_transaction.verify(&verifier), Err(ProofError::Path(PathError::Elsewhere)));
    let (_, too_few) = certified(&world, &[0, 2]);
    let uncertified = Proof { certificate: too_few, ..proof };
    assert!(matches!(uncertified.verify(&verifier), Err(ProofError::Certificate(_))));
}
