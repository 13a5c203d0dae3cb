//! Blocks that are announced by header and short ids.

use super::*;
use crate::ledger::codec::encode;
use crate::limits::RELAYS_MAX;
use crate::message::relay::Place;
use crate::message::relay::{BlockTransactions, CompactBlock, GetTransactions, ShortIds};
use crate::message::{Blocks, Headers};
use crate::sync::REQUEST_TIMEOUT_MS;
use proptest::prelude::*;

/// Three replicas; what was found by the first stands in the queue.
fn found(payments: u8, pools: [u8; 3]) -> (World, Block) {
    let mut world = World::new(3, &genesis());
    let all: Vec<Transaction> = (0..payments).map(|number| spend_genesis(&world.genesis, number, 9)).collect();
    for (node, pool) in world.nodes.iter_mut().zip(pools) {
        node.pool = all[..usize::from(pool)].to_vec();
    }
    let id = world.find(0);
    let block = world.nodes[0].disk.0.lock().unwrap().bodies[&id].clone();
    assert_eq!(block.transactions.len(), 1 + usize::from(payments));
    world.delivered.clear();
    (world, (*block).clone())
}

#[test]
fn a_block_of_known_transactions_crosses_the_net_in_one_small_message() {
    let (mut world, block) = found(4, [4, 4, 4]);
    let (_, _, announced) =
        world.queue.iter().find(|(_, _, it)| it.name() == "compact-block").expect("it is announced");
    let coinbase = block.transactions[0].bytes();
    assert_eq!(encode(announced).len(), 1 + 80 + 8 + 4 + (2 + coinbase) + 4 + 4 * 6);
    world.run();
    world.assert_agreed();
    assert_eq!(world.delivered["compact-block"], 2);
    for name in ["get-transactions", "transactions", "get-blocks", "blocks", "get-headers"] {
        assert_eq!(world.delivered.get(name), None, "{name}");
    }
}

#[test]
fn what_is_missing_is_asked_for_and_nothing_else() {
    let (mut world, block) = found(4, [4, 3, 0]);
    world.run();
    world.assert_agreed();
    assert_eq!((world.delivered["get-transactions"], world.delivered["transactions"]), (2, 2));
    assert_eq!(world.delivered.get("get-blocks"), None);
    let wanted = GetTransactions { block: block.id(), places: vec![4, 1] };
    let answer = world.nodes[1].engine.answer(&Message::GetTransactions(wanted));
    let transactions = vec![block.transactions[4].clone(), block.transactions[1].clone()];
    assert_eq!(answer, Some(Message::Transactions(BlockTransactions { block: block.id(), transactions })));
    for (id, place) in [(block.id(), 5), (BlockId([9; 32]), 0)] {
        let wanted = GetTransactions { block: id, places: vec![place] };
        let nothing = BlockTransactions { block: id, transactions: Vec::new() };
        assert_eq!(
            world.nodes[1].engine.answer(&Message::GetTransactions(wanted)),
            Some(Message::Transactions(nothing))
        );
    }
}

#[test]
fn what_cannot_be_put_together_comes_as_a_whole() {
    // The pool has another transaction of that name, and the sender knows nothing of what it announced.
    for is_wrong in [true, false] {
        let (mut world, block) = found(2, [2, 2, 2]);
        world.queue.clear();
        world.cut = vec![(0, 2), (1, 2)];
        let mut announced = CompactBlock::new(&block, 3, |place| place == 0);
        if is_wrong {
            announced.short_ids.swap(0, 1);
        } else {
            world.nodes[1].pool.clear();
        }
        world.deliver(0, 1, Message::CompactBlock(announced));
        if !is_wrong {
            world.queue.clear();
            let nothing = BlockTransactions { block: block.id(), transactions: Vec::new() };
            world.deliver(0, 1, Message::Transactions(nothing));
        }
        world.run();
        assert_eq!(world.nodes[1].tip_id(), block.id());
        assert_eq!((world.delivered["get-blocks"], world.delivered["blocks"]), (1, 1));
        assert!(world.nodes[1].blames.is_empty(), "short ids collide by themselves");
    }
}

#[test]
fn a_silent_sender_is_not_waited_for() {
    let (mut world, block) = found(1, [1, 0, 0]);
    let (_, _, announced) =
        world.queue.iter().find(|(_, _, it)| it.name() == "compact-block").expect("it is announced");
    let announced = announced.clone();
    world.queue.clear();
    world.deliver(0, 1, announced.clone());
    assert_eq!(world.queue.iter().filter(|(_, _, it)| it.name() == "get-transactions").count(), 1);
    world.queue.clear();
    world.deliver(0, 1, announced);
    assert!(world.queue.is_empty(), "once");
    let deadline = world.nodes[1].engine.deadline().expect("it waits");
    assert!(deadline <= world.now.plus_ms(REQUEST_TIMEOUT_MS));
    world.deliver(0, 2, whole(&block));
    world.deliver(2, 1, Message::Tip(world.nodes[2].engine.tip_info()));
    world.queue.clear();
    world.cut.push((0, 1));
    world.pass_s(REQUEST_TIMEOUT_MS / 1_000 + 1);
    assert_eq!(world.nodes[1].tip_id(), block.id(), "from somebody else");
}

#[test]
fn announced_blocks_are_bounded_and_unasked_transactions_change_nothing() {
    let (mut world, block) = found(1, [1, 0, 0]);
    world.queue.clear();
    let unasked = BlockTransactions { block: block.id(), transactions: block.transactions[1..].to_vec() };
    world.deliver(2, 1, Message::Transactions(unasked.clone()));
    assert_eq!(world.nodes[1].tip(), Height(0));
    world.deliver(0, 1, Message::CompactBlock(CompactBlock::new(&block, 3, |place| place == 0)));
    world.deliver(2, 1, Message::Transactions(unasked));
    assert_eq!(world.nodes[1].tip(), Height(0), "of the one that was asked only");
    for version in 0..2 * RELAYS_MAX as u32 {
        let mut other = block.clone();
        other.header.version = version;
        let other = solve(other);
        world.deliver(2, 1, Message::CompactBlock(CompactBlock::new(&other, 3, |place| place == 0)));
        assert!(world.nodes[1].engine.relays.len() <= RELAYS_MAX);
    }
}

#[test]
fn an_announcement_that_no_block_has_is_refused() {
    let (world, block) = found(2, [2, 0, 0]);
    let verifier = Verifier::new(world.genesis.clone());
    let good = CompactBlock::new(&block, 0, |place| place != 1);
    let judge = |compact: CompactBlock| {
        verifier.message(Message::CompactBlock(compact), &|_| false, ChaCha20Rng::from_seed([1; 32])).is_ok()
    };
    assert!(judge(good.clone()));
    let mut beyond = good.clone();
    beyond.prefilled[1].index = 3;
    let mut twice = good.clone();
    twice.prefilled[1].index = 0;
    let mut unsigned = good.clone();
    let Witness::Spend(spend) = &mut unsigned.prefilled[1].transaction.witnesses_mut()[0] else { panic!("it spends") };
    spend.signatures[0].0[3] ^= 1;
    let mut unworked = good;
    unworked.header.bits = 0x1800_ffff;
    for bad in [beyond, twice, unsigned, unworked] {
        assert!(!judge(bad));
    }
    let mut forged = block.transactions[1].clone();
    let Witness::Spend(spend) = &mut forged.witnesses_mut()[0] else { panic!("it spends") };
    spend.signatures[0].0[3] ^= 1;
    let answer = BlockTransactions { block: block.id(), transactions: vec![forged] };
    let verdict = verifier.message(Message::Transactions(answer), &|_| false, ChaCha20Rng::from_seed([1; 32]));
    assert!(verdict.is_err());
}

proptest! {
    /// Whatever stands in it as a whole, the places are those of the block.
    #[test]
    fn an_announcement_names_every_place(whole in proptest::collection::vec(any::<bool>(), 5), salt in any::<u64>()) {
        let (_, block) = found(4, [4, 0, 0]);
        let compact = CompactBlock::new(&block, salt, |place| whole[place]);
        prop_assert!(compact.is_well_formed());
        let names = ShortIds::new(&block.header, salt);
        for (place, transaction) in compact.places().into_iter().zip(&block.transactions) {
            match place {
                Place::Here(here) => prop_assert_eq!(&here, transaction),
                Place::Named(name) => prop_assert_eq!(name, names.of(&transaction.hash())),
            }
        }
    }
}

#[test]
fn an_announced_block_whose_parent_is_missing_leads_to_a_question() {
    let (mut world, block) = found(0, [0, 0, 0]);
    world.queue.clear();
    let mut child = block;
    child.header.parent = BlockId([5; 32]);
    world.deliver(0, 1, whole(&solve(child)));
    let asked = |(_, to, it): &(usize, usize, Message)| *to == 0 && it.name() == "get-headers";
    assert!(world.queue.iter().any(asked));
    world.deliver(0, 1, Message::Headers(Headers::default()));
    world.deliver(0, 1, Message::Blocks(Blocks::default()));
    assert!(world.nodes[1].blames.is_empty());
}
