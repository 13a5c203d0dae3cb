//! Under proof of work: headers from genesis on, what is demanded of them, and what they leave open.

use crate::common::*;
use crate::made::{Pow, payment, payments, solve, worked};
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::target::{Target, Work};
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::pow::Inclusion;
use bezant_consensus::receipt::{Certainty, Demands, Evidence, Receipt, ReceiptError, Verdict, Worked};

fn verify(pow: &Pow, receipt: &Receipt) -> Result<Verdict, ReceiptError> {
    receipt.verify(&pow.genesis, &Demands::default())
}

#[track_caller]
fn refused(pow: &Pow, receipt: &Receipt, kind: &str) {
    let result = verify(pow, receipt);
    assert_eq!(result.as_ref().map_err(ReceiptError::kind).map(|_| ()), Err(kind), "{result:?}");
}

fn work(blocks: u64) -> Work {
    Target::from_compact(0x207f_ffff).expect("a target").work().times(blocks)
}

#[test]
fn it_says_where_how_deep_and_under_how_much_work() {
    let pow = Pow::easy(6);
    let verdict = verify(&pow, &pow.receipt(2, 1)).expect("it holds");
    let tip = pow.blocks[5].id();
    let expected = Verdict {
        txid: payment(&pow.network, 1).id(),
        block: pow.blocks[1].id(),
        height: Height(2),
        time_s: pow.blocks[1].header.time,
        fee: Some(grains(1_000)),
        certainty: Certainty::Worked {
            confirmations: 5,
            tip,
            tip_height: Height(6),
            work: work(7),
            work_on_top: work(4),
            trusted_height: None,
        },
    };
    assert_eq!(verdict, expected);
    let at_the_tip = verify(&pow, &pow.receipt(6, 2)).expect("it holds");
    assert!(matches!(at_the_tip.certainty, Certainty::Worked { confirmations: 1, work_on_top: Work::ZERO, .. }));
    let coinbase = verify(&pow, &pow.receipt(3, 0)).expect("a miner has been paid");
    assert_eq!(coinbase.fee, None);
}

#[test]
fn its_size_grows_by_80_bytes_a_header() {
    let mut pow = Pow::easy(1);
    let one = pow.receipt(1, 1).to_bytes().len();
    pow.grow(payments(&pow.network, 2, 1));
    assert_eq!(pow.receipt(1, 1).to_bytes().len(), one + 80);
    assert!(one < 700, "{one}");
}

#[test]
fn less_than_was_demanded_is_refused() {
    let pow = Pow::easy(6);
    let receipt = pow.receipt(2, 1);
    let check = |demands: &Demands| receipt.verify(&pow.genesis, demands);
    let none = Demands::default();
    assert!(check(&Demands { work_min: work(7), ..none }).is_ok());
    let more = work(7).plus(Work::ONE);
    let expected = Err(ReceiptError::TooLittleWork { work: work(7), min: more });
    assert_eq!(check(&Demands { work_min: more, ..none }), expected);
    assert!(check(&Demands { confirmations_min: 5, ..none }).is_ok());
    let expected = Err(ReceiptError::TooFewConfirmations { confirmations: 5, min: 6 });
    assert_eq!(check(&Demands { confirmations_min: 6, ..none }), expected);
    for (place, id) in pow.blocks.iter().map(|block| block.id()).enumerate() {
        let verdict = check(&Demands { trusted: Some(id), ..none }).expect("it leads through all of its blocks");
        let Certainty::Worked { trusted_height, .. } = verdict.certainty else { panic!("this is proof of work") };
        assert_eq!(trusted_height, Some(Height(place as u64 + 1)));
    }
    let stranger = BlockId([1; 32]);
    assert_eq!(check(&Demands { trusted: Some(stranger), ..none }), Err(ReceiptError::Untrusted(stranger)));
}

#[test]
fn headers_are_a_chain_from_genesis_on() {
    let pow = Pow::easy(5);
    let edit = |edit: &dyn Fn(&mut Vec<Header>)| {
        let mut receipt = pow.receipt(2, 1);
        edit(&mut worked(&mut receipt).headers);
        receipt
    };
    assert!(verify(&pow, &edit(&|_| {})).is_ok());
    refused(&pow, &edit(&|all| all.retain(|it| *it != pow.blocks[0].header)), "receipt-headers");
    refused(&pow, &edit(&|all| all.retain(|it| *it != pow.blocks[2].header)), "receipt-headers");
    refused(&pow, &edit(&|all| all.insert(0, pow.genesis.block().header)), "receipt-headers");
    refused(&pow, &edit(&|all| all.push(all[4])), "receipt-headers");
    refused(&pow, &edit(&|all| all.push(all[1])), "receipt-headers");
    refused(&pow, &edit(&|all| all.swap(1, 2)), "receipt-headers");
    refused(&pow, &edit(&Vec::clear), "receipt-headers");
    // A chain that ends below the block says nothing of it.
    assert_eq!(verify(&pow, &edit(&|all| all.truncate(1))), Err(ReceiptError::OtherChain(pow.blocks[1].id())));
    // Shorter, but it holds: there was a time when this was all.
    assert!(verify(&pow, &edit(&|all| all.truncate(2))).is_ok());
}

#[test]
fn each_header_has_its_work_its_target_and_a_time() {
    let pow = Pow::easy(5);
    let last = |edit: &dyn Fn(&mut Header)| {
        let mut receipt = pow.receipt(2, 1);
        edit(worked(&mut receipt).headers.last_mut().expect("there are five"));
        receipt
    };
    let redone = |edit: &dyn Fn(&mut Header)| {
        last(&|header| {
            edit(header);
            solve(header);
        })
    };
    assert!(verify(&pow, &redone(&|header| header.version = 7)).is_ok(), "that is another chain, and as good");
    let lazy = |header: &mut Header| {
        let target = Target::from_compact(header.bits).expect("a target");
        while target.is_met_by(&header.id()) {
            header.nonce += 1;
        }
    };
    refused(&pow, &last(&lazy), "receipt-headers");
    refused(&pow, &redone(&|header| header.bits = 0x207f_fffe), "receipt-headers");
    refused(&pow, &redone(&|header| header.time = pow.genesis.time), "receipt-headers");
}

#[test]
fn another_transaction_or_place_is_not_proved() {
    let pow = Pow::easy(4);
    let with = |edit: &dyn Fn(&mut Inclusion)| {
        let mut receipt = pow.receipt(2, 1);
        edit(&mut worked(&mut receipt).inclusion);
        receipt
    };
    refused(&pow, &with(&|it| it.transaction = payment(&pow.network, 2)), "receipt-path");
    refused(&pow, &with(&|it| it.path.index = 2), "receipt-path");
    refused(&pow, &with(&|it| it.header = pow.blocks[2].header), "receipt-path");
    let other = Pow::easy(5);
    let stranger = Header { version: 9, ..other.blocks[4].header };
    refused(&pow, &with(&|it| it.header = stranger), "receipt-headers");
}

/// A net that has one block with these transactions, and the receipt of one of them.
fn of(index: usize, transactions: impl Fn(&Pow) -> Vec<Transaction>) -> (Pow, Receipt) {
    let mut pow = Pow::easy(0);
    let transactions = transactions(&pow);
    pow.grow(transactions);
    let receipt = pow.receipt(1, index);
    (pow, receipt)
}

#[test]
fn work_does_not_stand_for_a_transaction_that_cannot_be() {
    let (pow, receipt) = of(1, |pow| payments(&pow.network, 1, 1));
    assert!(verify(&pow, &receipt).is_ok());
    let (pow, receipt) = of(1, |pow| {
        let mut all = payments(&pow.network, 1, 1);
        spend_mut(&mut all[1], 0).signatures[0].0[0] ^= 1;
        all
    });
    refused(&pow, &receipt, "receipt-transaction");
    let (pow, receipt) = of(0, |_| vec![coinbase(2, &[])]);
    refused(&pow, &receipt, "receipt-transaction");
    let (pow, receipt) = of(1, |_| vec![coinbase(1, &[]), coinbase(1, &[output(5, 1)])]);
    refused(&pow, &receipt, "receipt-transaction");
}

#[test]
fn the_coins_of_the_genesis_need_no_receipt() {
    let pow = Pow::easy(2);
    let inclusion = Inclusion::new(&pow.genesis.block(), 0).expect("it has a coinbase");
    let evidence = Evidence::Pow(Worked { headers: pow.headers(), inclusion });
    let receipt = Receipt { network: pow.network, evidence };
    assert_eq!(verify(&pow, &receipt), Err(ReceiptError::Genesis));
}
