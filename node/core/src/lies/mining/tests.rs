//! What a lying miner lets out, and when.

use super::{HELD_BLOCKS_MAX, LyingMiner, MiningMode};
use crate::testing::{block, pow_genesis};
use bezant_consensus::engine::{Template, To};
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::Body;
use bezant_consensus::ledger::units::{Epoch, Height};
use bezant_consensus::message::relay::CompactBlock;
use bezant_consensus::message::{Blocks, Headers, Message, TipInfo};
use std::sync::Arc;

fn liar(mode: MiningMode) -> LyingMiner {
    LyingMiner::new(mode, Arc::new(pow_genesis()), Height(10))
}

fn tip(height: u64, id: BlockId) -> Message {
    let (final_height, stable, epoch) = (Height(0), Height(0), Epoch(0));
    Message::Tip(TipInfo { height: Height(height), id, final_height, work: Default::default(), stable, epoch })
}

fn own(height: u64) -> Block {
    block(height, &[])
}

fn announcement(height: u64) -> Message {
    Message::CompactBlock(CompactBlock::new(&own(height), 0, |_| true))
}

/// Heights of own blocks in what was said.
fn heights(said: &[(To, Message)]) -> Vec<u64> {
    let height = |(to, message): &(To, Message)| {
        assert_eq!(*to, To::All);
        (0..2_000).find(|height| *message == announcement(*height)).expect("an own block")
    };
    said.iter().map(height).collect()
}

/// Plays a sequence: `o` finds an own block, `p` is word of a longer public branch. After each, which own blocks are let out.
fn play(liar: &mut LyingMiner, moves: &str) -> Vec<Vec<u64>> {
    let (mut public, mut top) = (10, 10);
    let mut said = Vec::new();
    for what in moves.chars() {
        said.push(match what {
            'o' => {
                top += 1;
                heights(&liar.outgoing(Height(top), To::All, announcement(top)))
            }
            'p' => {
                public += 1;
                top = top.max(public);
                heights(&liar.heard(&tip(public, BlockId([9; 32]))))
            }
            other => panic!("{other}"),
        });
    }
    said
}

#[test]
fn selfish_miners_let_out_what_the_algorithm_says() {
    let none = Vec::<u64>::new;
    for (moves, expected) in [
        ("opo", vec![none(), vec![11], vec![12]]),
        ("oppo", vec![none(), vec![11], none(), none()]),
        ("oooppo", vec![none(), none(), none(), vec![11], vec![12, 13], none()]),
    ] {
        assert_eq!(play(&mut liar(MiningMode::Selfish), moves), expected, "{moves}");
    }
}

#[test]
fn what_is_withheld_is_told_when_the_mode_ends_and_forgotten_when_it_has_lost() {
    let mut holder = liar(MiningMode::Withhold);
    assert_eq!(play(&mut holder, "oopop").concat(), [0; 0]);
    assert_eq!(heights(&holder.end()), [11, 12, 13]);
    let mut loser = liar(MiningMode::Withhold);
    play(&mut loser, "opp");
    assert_eq!(loser.end(), []);
    let mut full = liar(MiningMode::Withhold);
    let said = play(&mut full, &"o".repeat(HELD_BLOCKS_MAX + 2));
    assert_eq!(said.concat(), [11, 12], "the lowest go when there is no room");
}

#[test]
fn what_is_held_is_in_no_message() {
    let mut holder = liar(MiningMode::Withhold);
    let (public, secret) = (own(11), own(12));
    holder.outgoing(Height(12), To::All, announcement(12));
    let mut says = |message: Message| {
        let said = holder.outgoing(Height(12), To::All, message);
        said.into_iter().map(|(_, message)| message).next()
    };
    assert_eq!(says(tip(12, secret.id())), None);
    assert_eq!(says(tip(11, public.id())), Some(tip(11, public.id())));
    let headers = |all: &[&Block]| Message::Headers(Headers(all.iter().map(|block| block.header).collect()));
    assert_eq!(says(headers(&[&public, &secret])), Some(headers(&[&public])));
    let blocks = |all: &[&Block]| Message::Blocks(Blocks(all.iter().map(|block| (*block).clone()).collect()));
    assert_eq!(says(blocks(&[&secret, &public])), Some(blocks(&[&public])));
}

fn template() -> Template {
    let mut block = pow_genesis().block();
    block.header.parent = BlockId([4; 32]);
    Template { ticket: 1, height: Height(11), block }
}

#[test]
fn a_bad_block_claims_more_than_there_is_and_is_announced() {
    let mut liar = liar(MiningMode::BadBlock);
    let truth = template();
    let bad = liar.template(truth.clone()).block;
    let claimed = |block: &Block| {
        let Body::Coinbase(coinbase) = block.transactions[0].body() else { panic!("the coinbase comes first") };
        coinbase.outputs[0].amount.grains()
    };
    assert_eq!(claimed(&bad), claimed(&truth.block) + 1);
    assert_eq!(bad.header.merkle_root, bad.merkle_root());
    let said = liar.solved(&bad).expect("the replica would not take it");
    assert_eq!(said, [(To::All, Message::CompactBlock(CompactBlock::new(&bad, 0, |_| true)))]);
}

#[test]
fn spam_is_a_branch_of_valid_headers_from_genesis_on() {
    let mut liar = liar(MiningMode::LowWorkSpam);
    let genesis = pow_genesis();
    let mut last = genesis.block().header;
    for count in 1..4 {
        let mut block = liar.template(template()).block;
        assert_eq!((block.header.parent, block.header.bits), (last.id(), genesis.block().header.bits));
        // Long after genesis the least work is what the rules want.
        block.header.time = last.time + 100_000;
        let target = Target::from_compact(block.header.bits).expect("a target");
        let header = (0..u32::MAX).map(|nonce| Header { nonce, ..block.header });
        block.header = header.into_iter().find(|header| target.is_met_by(&header.id())).expect("easy");
        last = block.header;
        let said = liar.solved(&block).expect("the replica is not told");
        let [(To::All, Message::Headers(headers))] = &said[..] else { panic!("{said:?}") };
        assert_eq!(headers.0.len(), count);
    }
}

#[test]
fn names_are_stable() {
    for mode in MiningMode::ALL {
        assert_eq!(mode.name().parse(), Ok(mode));
    }
    let unknown = "silent".parse::<MiningMode>().expect_err("of PBFT");
    assert!(unknown.to_string().contains("withhold, selfish, bad-block, low-work-spam"));
}
