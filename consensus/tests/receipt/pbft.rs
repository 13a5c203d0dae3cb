//! Under PBFT: exactly q of the members of the epoch, who are known from the genesis on.

use crate::common::*;
use crate::made::{Pbft, certified, payment, payments};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::sighash::epoch_change_digest;
use bezant_consensus::ledger::transaction::{Body, Coinbase, EpochChange, MemberList, Transaction, Witness};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::message::Ballot;
use bezant_consensus::message::epoch::Succession;
use bezant_consensus::receipt::{Certainty, Demands, Receipt, ReceiptError, SetBacks, Verdict};

const THREE: [(u16, u8); 3] = [(0, 1), (2, 3), (3, 4)];

fn verify(pbft: &Pbft, receipt: &Receipt) -> Result<Verdict, ReceiptError> {
    receipt.verify(&pbft.genesis, &Demands::default())
}

#[track_caller]
fn refused(pbft: &Pbft, receipt: &Receipt, kind: &str) {
    let result = verify(pbft, receipt);
    assert_eq!(result.as_ref().map_err(ReceiptError::kind).map(|_| ()), Err(kind), "{result:?}");
}

#[test]
fn it_says_what_was_paid_where_and_who_signed() {
    let pbft = Pbft::new();
    let receipt = pbft.good();
    let expected = Verdict {
        txid: payment(&pbft.network, 1).id(),
        block: pbft.block.id(),
        height: Height(5),
        time_s: pbft.block.header.time,
        fee: Some(grains(1_000)),
        certainty: Certainty::Final {
            incarnation: Incarnation(0),
            epoch: Epoch(0),
            view: View(3),
            signers: vec![0, 2, 3],
            members: 4,
        },
    };
    assert_eq!(verify(&pbft, &receipt), Ok(expected));
    assert_eq!(receipt.transaction(), &pbft.block.transactions[1]);
}

#[test]
fn it_is_small() {
    let mut pbft = Pbft::new();
    let small = pbft.good();
    let change = pbft.later();
    pbft.block = block_above(pbft.genesis.block().id(), payments(&pbft.network, 5, 255));
    let in_a_large_block = pbft.good();
    println!("PBFT, four members: bytes, and bytes as text");
    for (name, receipt) in [("2 payments", &small), ("255 payments", &in_a_large_block), ("2 changes", &change)] {
        println!("{name:12} {:6} {:6}", receipt.to_bytes().len(), receipt.to_text().len());
    }
    assert!(small.to_text().len() < 1_100, "{}", small.to_text().len());
    assert!(in_a_large_block.to_text().len() < 2_000, "{}", in_a_large_block.to_text().len());
}

#[test]
fn exactly_q_members_sign_in_order() {
    let pbft = Pbft::new();
    let by = |signers: &[(u16, u8)]| pbft.receipt(pbft.ballot(0), signers, Vec::new());
    assert!(verify(&pbft, &by(&[(0, 1), (1, 2), (2, 3)])).is_ok());
    for signers in [
        &[(0, 1), (2, 3)][..],
        &[],
        &[(0, 1), (1, 2), (2, 3), (3, 4)],
        &[(2, 3), (0, 1), (3, 4)],
        &[(0, 1), (0, 1), (3, 4)],
        &[(0, 1), (2, 3), (4, 5)],
        &[(0, 1), (2, 3), (3, 5)],
        &[(0, 1), (1, 3), (2, 2)],
    ] {
        refused(&pbft, &by(signers), "receipt-certificate");
    }
    // Signed by three, but something else.
    for ballot in [
        Ballot { height: Height(6), ..pbft.ballot(0) },
        Ballot { view: View(4), ..pbft.ballot(0) },
        Ballot { incarnation: Incarnation(1), ..pbft.ballot(0) },
    ] {
        let mut receipt = by(&THREE);
        certified(&mut receipt).proof.certificate.ballot = ballot;
        refused(&pbft, &receipt, "receipt-certificate");
    }
}

#[test]
fn certificate_header_and_transaction_hang_together() {
    let pbft = Pbft::new();
    let mut other_header = pbft.good();
    certified(&mut other_header).proof.header.time += 1;
    assert_eq!(verify(&pbft, &other_header), Err(ReceiptError::OtherBlock));
    let mut other = pbft.good();
    certified(&mut other).proof.transaction = payment(&pbft.network, 2);
    refused(&pbft, &other, "receipt-path");
    certified(&mut other).proof.transaction = payment(&pbft.network, 1);
    assert!(verify(&pbft, &other).is_ok(), "that was all");
}

#[test]
fn only_a_dev_net_has_incarnations() {
    let pbft = Pbft::new();
    let second = |pbft: &Pbft| {
        let ballot = Ballot { incarnation: Incarnation(1), ..pbft.ballot(0) };
        pbft.receipt(ballot, &THREE, Vec::new())
    };
    let verdict = verify(&pbft, &second(&pbft)).expect("a dev net may have been set back");
    assert!(matches!(verdict.certainty, Certainty::Final { incarnation: Incarnation(1), .. }), "and that is told");
    let serious = Pbft::of(Genesis { dev: false, ..(*pbft.genesis).clone() });
    assert!(verify(&serious, &serious.good()).is_ok());
    refused(&serious, &second(&serious), "receipt-incarnation");
}

#[test]
fn each_change_of_members_is_proved() {
    let pbft = Pbft::new();
    let verdict = verify(&pbft, &pbft.later()).expect("two epochs on");
    let Certainty::Final { epoch, signers, members, .. } = verdict.certainty else { panic!("this is PBFT") };
    assert_eq!((epoch, signers, members), (Epoch(2), vec![0, 1, 3], 4));
    assert!(pbft.later().to_bytes().len() > pbft.good().to_bytes().len() + 800, "it carries both certificates");
}

#[test]
fn members_that_nobody_sealed_are_none() {
    let pbft = Pbft::new();
    let by = |members: &[u8], sealed: &[(u16, u8)]| {
        let succession = pbft.succession(1, members, sealed);
        pbft.receipt(pbft.ballot(1), &THREE, vec![succession])
    };
    let four = [1, 2, 3, 4];
    assert!(verify(&pbft, &by(&four, &THREE)).is_ok());
    refused(&pbft, &by(&four, &[(0, 1), (2, 3)]), "receipt-epochs");
    refused(&pbft, &by(&four, &[(0, 1), (1, 2), (2, 3), (3, 4)]), "receipt-epochs");
    refused(&pbft, &by(&four, &[(2, 3), (0, 1), (3, 4)]), "receipt-epochs");
    refused(&pbft, &by(&four, &[(0, 5), (2, 6), (3, 7)]), "receipt-epochs");
    // Three strangers let themselves in.
    let forged = pbft.succession(1, &[5, 6, 7, 8], &[(0, 5), (1, 6), (2, 7)]);
    let receipt = pbft.receipt(pbft.ballot(1), &[(0, 5), (1, 6), (2, 7)], vec![forged]);
    refused(&pbft, &receipt, "receipt-epochs");
    // Members are exchanged below the signatures.
    let mut receipt = by(&four, &THREE);
    certified(&mut receipt).successions[0].opening.members = MemberList((5..=8).map(|it| key(it).public()).collect());
    refused(&pbft, &receipt, "receipt-epochs");
    let mut receipt = by(&four, &THREE);
    certified(&mut receipt).successions[0].header.time += 9;
    refused(&pbft, &receipt, "receipt-epochs");
}

#[test]
fn no_succession_is_missing_or_idle() {
    let pbft = Pbft::new();
    let edit = |edit: &dyn Fn(&mut Vec<Succession>)| {
        let mut receipt = pbft.later();
        edit(&mut certified(&mut receipt).successions);
        receipt
    };
    assert!(verify(&pbft, &edit(&|_| {})).is_ok());
    refused(&pbft, &edit(&|all| drop(all.pop())), "receipt-epochs");
    refused(&pbft, &edit(&|all| drop(all.remove(0))), "receipt-epochs");
    refused(&pbft, &edit(&|all| all.swap(0, 1)), "receipt-epochs");
    refused(&pbft, &edit(&|all| all.push(all[1].clone())), "receipt-epochs");
    refused(&pbft, &edit(&|all| all[1] = all[0].clone()), "receipt-epochs");
    refused(&pbft, &edit(&Vec::clear), "receipt-epochs");
    let third = pbft.succession(3, &[2, 3, 4, 5], &[(0, 2), (1, 3), (3, 5)]);
    refused(&pbft, &edit(&|all| all.push(third.clone())), "receipt-epochs");
    // One that would be right, but is not needed.
    let idle = pbft.succession(1, &[1, 2, 3, 4, 5], &[(0, 1), (1, 2), (3, 4)]);
    refused(&pbft, &pbft.receipt(pbft.ballot(0), &THREE, vec![idle]), "receipt-epochs");
    // Signed in epoch 1, by members of epoch 0 that are none any more.
    let next = pbft.succession(1, &[5, 6, 7, 8], &THREE);
    refused(&pbft, &pbft.receipt(pbft.ballot(1), &THREE, vec![next]), "receipt-certificate");
}

/// Members of epoch 0 that are none in epoch 1 cannot say who follows on that.
#[test]
fn an_epoch_is_opened_by_the_one_before() {
    let pbft = Pbft::new();
    let by = |second: Succession| {
        let first = pbft.succession(1, &[5, 6, 7, 8], &THREE);
        pbft.receipt(pbft.ballot(2), &THREE, vec![first, second])
    };
    let four = [1, 2, 3, 4];
    assert!(verify(&pbft, &by(pbft.succession(2, &four, &[(0, 5), (2, 7), (3, 8)]))).is_ok());
    refused(&pbft, &by(pbft.succession_by(0, 2, &four, &THREE)), "receipt-epochs");
}

/// A receipt of the transaction at `index` of a block with these.
fn of(index: usize, height: u64, transactions: impl Fn(&Pbft) -> Vec<Transaction>) -> (Pbft, Receipt) {
    let mut pbft = Pbft::new();
    pbft.block = block_above(pbft.genesis.block().id(), transactions(&pbft));
    let ballot = Ballot { height: Height(height), ..pbft.ballot(0) };
    let receipt = pbft.receipt_of(index, ballot, &THREE, Vec::new());
    (pbft, receipt)
}

#[test]
fn a_coinbase_is_the_first_of_its_block_and_nothing_else_is() {
    let (pbft, receipt) = of(0, 5, |pbft| payments(&pbft.network, 5, 1));
    assert_eq!(verify(&pbft, &receipt).expect("a coinbase can be proved too").fee, None);
    for (index, height, first) in [(0, 6, true), (1, 5, false), (0, 5, false)] {
        let (pbft, receipt) = of(index, height, |pbft| {
            let mut all = payments(&pbft.network, 5, 1);
            if !first {
                all.swap(0, 1);
            }
            all
        });
        refused(&pbft, &receipt, "receipt-transaction");
    }
    let (pbft, receipt) = of(0, 5, |pbft| {
        let mut all = payments(&pbft.network, 5, 1);
        all[0].witnesses_mut().push(Witness::Member { member: 0, signature: key(1).sign(b"what for") });
        all
    });
    refused(&pbft, &receipt, "receipt-transaction");
    let (pbft, receipt) = of(0, 5, |_| vec![coinbase(5, &vec![output(1, 1); 2_600])]);
    refused(&pbft, &receipt, "receipt-transaction");
    let (pbft, receipt) = of(0, 0, |_| vec![coinbase(0, &vec![output(1, 1); 2_600])]);
    assert_eq!(verify(&pbft, &receipt), Err(ReceiptError::Genesis), "the genesis is no payment");
}

#[test]
fn a_transaction_that_cannot_be_is_refused_whoever_signed_its_block() {
    let (pbft, receipt) = of(1, 5, |pbft| {
        let mut all = payments(&pbft.network, 5, 1);
        spend_mut(&mut all[1], 0).signatures[0].0[0] ^= 1;
        all
    });
    refused(&pbft, &receipt, "receipt-transaction");
    // 64 bytes may be two nodes of the tree.
    let body = Body::Coinbase(Coinbase { height: Height(5), extra: vec![0; 42], outputs: Vec::new() });
    let node = Transaction::new(body, Vec::new());
    assert_eq!(node.bytes(), 64);
    let (pbft, receipt) = of(0, 5, |_| vec![node.clone()]);
    refused(&pbft, &receipt, "receipt-path");
}

#[test]
fn a_change_of_members_has_a_receipt_too() {
    let change = |pbft: &Pbft, signers: &[(u16, u8)]| {
        let members = MemberList((1..=5).map(|number| key(number).public()).collect());
        let set = pbft.genesis.validator_set().hash();
        let body = Body::Epoch(EpochChange::Members { set, members });
        let digest = epoch_change_digest(&pbft.network, &body);
        let sign =
            |(member, number): &(u16, u8)| Witness::Member { member: *member, signature: key(*number).sign(&digest) };
        Transaction::new(body, signers.iter().map(sign).collect())
    };
    let with = |signers: &[(u16, u8)]| of(1, 5, |pbft| vec![coinbase(5, &[]), change(pbft, signers)]);
    let (pbft, receipt) = with(&THREE);
    assert_eq!(verify(&pbft, &receipt).expect("by three members").fee, None);
    let (pbft, receipt) = with(&THREE[..2]);
    refused(&pbft, &receipt, "receipt-transaction");
}

#[test]
fn what_the_net_has_decided_anew_since_is_undone() {
    let pbft = Pbft::new();
    let set_back_to = |height: u64| {
        let incarnations = Incarnations::default().set_back(Incarnation(1), Height(height));
        SetBacks { incarnations: incarnations.expect("the first"), ..SetBacks::default() }
    };
    assert_eq!(pbft.good().check_set_backs(&SetBacks::default()), Ok(()));
    assert_eq!(pbft.good().check_set_backs(&set_back_to(5)), Ok(()), "it is about height 5");
    assert!(matches!(pbft.good().check_set_backs(&set_back_to(4)), Err(ReceiptError::Undone(_))));
}
