use super::{Lie, Lies};
use crate::limits::LIES_HELD_MAX;
use crate::tests::{genesis, key};
use bezant_api::types::EngineName;
use bezant_consensus::engine::{EngineConfig, To, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, Time, View};
use bezant_consensus::message::relay::CompactBlock;
use bezant_consensus::message::{Ballot, Message, PrePrepare, Vote, VoteKind};
use bezant_node_core::lies::{MiningMode, Mode};
use std::sync::Arc;

const NOW: Time = Time(1_000_000);

fn lies(genesis: Genesis, number: u8) -> Lies {
    let genesis = Arc::new(genesis);
    let key = genesis.pbft().map(|_| key(number));
    Lies::new(&EngineConfig {
        genesis,
        key,
        log: VoteLog::Original,
        payee: None,
        incarnations: Incarnations::default(),
        mine: false,
        work_min: Default::default(),
        salt: [0; 32],
    })
}

fn lie(mode: Mode) -> Option<Lie> {
    Some(Lie::Voting { mode, target: None })
}

fn proposal(genesis: &Genesis, height: u64) -> Message {
    let block = genesis.block();
    let ballot = Ballot {
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        view: View(0),
        height: Height(height),
        block: BlockId([1; 32]),
    };
    let signer = genesis.validator_set().index_of(&key(1).public()).expect("a member");
    let vote = Vote::sign(&genesis.network_id(), VoteKind::PrePrepare, ballot, signer, &key(1));
    Message::PrePrepare(PrePrepare { vote, block })
}

#[test]
fn only_members_of_pbft_dev_nets_can_be_made_to_lie() {
    let pbft = genesis(EngineName::Pbft, 3);
    assert!(lies(pbft.clone(), 1).set(NOW, Height(0), lie(Mode::Silent)));
    assert!(!lies(pbft.clone(), 99).set(NOW, Height(0), lie(Mode::Silent)), "no member");
    assert!(!lies(genesis(EngineName::Pow, 3), 1).set(NOW, Height(0), lie(Mode::Silent)));
    let mut serious = lies(Genesis { dev: false, ..pbft }, 1);
    assert!(!serious.set(NOW, Height(0), lie(Mode::Silent)));
    assert_eq!(serious.lie(), None);
}

#[test]
fn what_is_held_back_goes_out_in_time_in_order_and_at_once_when_the_lie_ends() {
    let genesis = genesis(EngineName::Pbft, 3);
    let mut lies = lies(genesis.clone(), 1);
    let first = proposal(&genesis, 1);
    assert_eq!(lies.outgoing(NOW, Height(0), To::Members, first.clone()), [(To::Members, first.clone())]);
    assert!(lies.set(NOW, Height(0), lie(Mode::Delay)));
    assert_eq!(lies.lie(), lie(Mode::Delay));
    let second = proposal(&genesis, 2);
    for message in [&first, &second] {
        assert!(lies.outgoing(NOW, Height(0), To::Members, message.clone()).is_empty());
    }
    let due = lies.deadline().expect("something is held");
    assert!(due > NOW);
    assert_eq!(lies.due(NOW), None);
    assert_eq!(lies.due(due), Some((To::Members, first)));
    assert!(lies.set(NOW, Height(0), None));
    assert_eq!(lies.due(NOW), Some((To::Members, second)), "the truth comes out");
    assert_eq!((lies.due(due), lies.deadline(), lies.lie()), (None, None, None));
}

#[test]
fn what_is_held_back_is_bounded() {
    let genesis = genesis(EngineName::Pbft, 3);
    let mut lies = lies(genesis.clone(), 1);
    lies.set(NOW, Height(0), lie(Mode::Delay));
    for height in 0..2 * LIES_HELD_MAX as u64 {
        lies.outgoing(NOW, Height(0), To::Members, proposal(&genesis, height));
    }
    assert_eq!(lies.held.len(), LIES_HELD_MAX);
}

#[test]
fn miners_of_dev_nets_lie_in_their_own_ways_and_what_they_withheld_comes_out() {
    let mut lies = lies(genesis(EngineName::Pow, 3), 1);
    let withhold = Some(Lie::Mining(MiningMode::Withhold));
    assert!(lies.set(NOW, Height(0), withhold));
    assert_eq!(lies.lie(), withhold);
    let block = genesis(EngineName::Pow, 3).block();
    let announced = Message::CompactBlock(CompactBlock::new(&block, 0, |_| true));
    assert!(lies.outgoing(NOW, Height(1), To::All, announced.clone()).is_empty());
    assert!(lies.set(NOW, Height(1), None));
    assert_eq!(lies.due(NOW), Some((To::All, announced.clone())));
    assert_eq!(lies.outgoing(NOW, Height(1), To::All, announced.clone()), [(To::All, announced)]);
    let mut voter = super::tests::lies(genesis(EngineName::Pbft, 3), 1);
    assert!(!voter.set(NOW, Height(0), withhold), "members do not mine");
}
