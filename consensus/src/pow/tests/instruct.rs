//! What a person decides: about branches, and which block is mined.

use super::{World, active_at, genesis, genesis_with, lock, params, solve, spend_genesis, whole};
use crate::engine::{BlockWish, Engine, Event, Instruction, InstructionError, Record, Status, Trace};
use crate::ledger::genesis::PowParams;
use crate::ledger::hash::BlockId;
use crate::ledger::transaction::Transaction;
use crate::ledger::units::Height;
use crate::verify::{Verified, Verifier};

impl World {
    fn refused(&self, index: usize) -> Option<(Height, Height)> {
        let Status::Pow(status) = self.nodes[index].engine.status() else { panic!("it runs proof of work") };
        status.refused.map(|branch| (branch.fork, branch.height))
    }

    fn final_height(&self, index: usize) -> Height {
        self.nodes[index].engine.chain().final_height()
    }
}

/// Two sides that do not hear of each other find this many blocks each, above `common` that both know.
fn divided(
    genesis: &std::sync::Arc<crate::ledger::genesis::Genesis>,
    common: usize,
    left: usize,
    right: usize,
) -> World {
    let mut world = World::new(2, genesis);
    world.mine(0, common);
    world.partition(&[0], &[1]);
    world.mine(0, left);
    world.mine(1, right);
    world
}

#[test]
fn what_is_ruled_out_is_left_and_mined_around_and_comes_back_when_reconsidered() {
    let mut world = World::new(2, &genesis());
    let payment = spend_genesis(&world.genesis, 0, 9);
    world.mine(0, 4);
    world.nodes[0].pool.push(payment);
    world.mine(0, 2);
    let (tip, bad) = (world.nodes[0].tip_id(), active_at(&world, 0, 3));
    let balance = world.nodes[0].balance(9);
    assert!(balance > 0);
    world.instruct(0, Instruction::Invalidate(bad));
    world.run();
    assert_eq!((world.nodes[0].tip(), world.nodes[1].tip_id()), (Height(2), tip), "one node's choice");
    assert_eq!(world.nodes[0].balance(9), 0, "what was paid above is undone");
    assert!(world.nodes[0].traces.contains(&Trace::FinalityBroken { before: Height(4), fork: Height(2) }));
    assert_eq!(world.final_height(0), Height(0));
    world.pass_s(30);
    assert_eq!(world.nodes[0].tip(), Height(2), "whatever others say");
    world.nodes[0].pool.clear();
    world.cut.push((0, 1));
    let other = world.find(0);
    assert_eq!((world.nodes[0].tip(), active_at(&world, 0, 3)), (Height(3), other));
    world.cut.clear();
    world.mine(1, 1);
    assert_eq!(world.nodes[0].tip_id(), other);
    assert_eq!(world.nodes[0].blames, [], "who thinks otherwise does no wrong");
    world.restart(0);
    assert_eq!(world.nodes[0].tip_id(), other, "the mark outlives a restart");
    world.instruct(0, Instruction::Reconsider(bad));
    world.run();
    world.pass_s(30);
    world.assert_agreed();
    assert_eq!(world.nodes[0].tip(), Height(7));
    assert_eq!(world.nodes[0].balance(9), balance);
    world.restart(0);
    world.assert_agreed();
}

#[test]
fn the_best_of_what_is_left_becomes_the_chain() {
    let mut world = divided(&genesis(), 1, 5, 3);
    let lighter = world.nodes[1].tip_id();
    world.heal();
    world.assert_agreed();
    // Node 1 has both branches.
    let bad = active_at(&world, 1, 4);
    world.instruct(1, Instruction::Invalidate(bad));
    assert_eq!(world.nodes[1].tip_id(), lighter, "three blocks above the fork against two");
    let below = active_at(&world, 1, 2);
    world.instruct(1, Instruction::Invalidate(below));
    assert_eq!(world.nodes[1].tip(), Height(3), "what is left of the other one");
    world.instruct(1, Instruction::Reconsider(below));
    assert_eq!(world.nodes[1].tip_id(), lighter);
    world.instruct(1, Instruction::Reconsider(bad));
    world.assert_agreed();
}

#[test]
fn a_mark_is_taken_back_from_above_and_from_below() {
    for heights in [[3, 5], [5, 3], [2, 3]] {
        for at in [2, 3, 4, 6] {
            let mut world = World::new(1, &genesis());
            world.mine(0, 6);
            let (tip, by_height) = (world.nodes[0].tip_id(), |world: &World, height| active_at(world, 0, height));
            let [first, second] = heights.map(|height| by_height(&world, height));
            let reconsidered = by_height(&world, at);
            world.instruct(0, Instruction::Invalidate(first));
            world.instruct(0, Instruction::Invalidate(second));
            assert_eq!(world.nodes[0].tip(), Height(heights[0].min(heights[1]) - 1));
            world.instruct(0, Instruction::Reconsider(reconsidered));
            assert_eq!(world.nodes[0].tip_id(), tip, "{heights:?} {at}");
            let records = world.nodes[0].disk.0.lock().unwrap().records.clone();
            let marks = |wanted: fn(&Record) -> bool| records.iter().filter(|record| wanted(record)).count();
            assert_eq!(marks(|record| matches!(record, Record::Invalidated(_))), 2);
            assert_eq!(marks(|record| matches!(record, Record::Reconsidered(_))), 2);
        }
    }
}

#[test]
fn what_breaks_a_rule_is_found_to_break_it_again() {
    let mut world = World::new(2, &genesis());
    world.partition(&[0], &[1]);
    world.mine(0, 2);
    let tip = world.nodes[0].tip_id();
    let [first, middle, last] = super::engine::branch_with_invalid_middle(&mut world);
    for block in [&first, &middle, &last] {
        world.deliver(1, 0, whole(block));
    }
    assert_eq!(world.nodes[0].blames, [], "whoever passed them on may not have looked at them");
    world.instruct(0, Instruction::Reconsider(last.id()));
    assert_eq!(world.nodes[0].tip_id(), tip);
    let disk = world.nodes[0].disk.0.lock().unwrap();
    let marks: Vec<&Record> =
        disk.records.iter().filter(|record| matches!(record, Record::Invalid(_) | Record::Reconsidered(_))).collect();
    let id = middle.id();
    assert_eq!(marks, [&Record::Invalid(id), &Record::Reconsidered(id), &Record::Invalid(id)]);
}

#[test]
fn instructions_that_make_no_sense_are_refused() {
    let mut world = World::new(1, &genesis());
    world.mine(0, 3);
    let engine = &world.nodes[0].engine;
    let (unknown, first) = (BlockId([9; 32]), active_at(&world, 0, 1));
    let genesis = active_at(&world, 0, 0);
    let judge = |instruction| engine.admits_instruction(&instruction);
    assert_eq!(judge(Instruction::Invalidate(unknown)), Err(InstructionError::Unknown(unknown)));
    assert_eq!(judge(Instruction::Reconsider(unknown)), Err(InstructionError::Unknown(unknown)));
    assert_eq!(judge(Instruction::Invalidate(genesis)), Err(InstructionError::Genesis));
    assert_eq!(judge(Instruction::Reconsider(genesis)), Ok(()));
    assert_eq!(judge(Instruction::Invalidate(first)), Ok(()));
    let second = active_at(&world, 0, 2);
    world.nodes[0].disk.0.lock().unwrap().diffs.remove(&second);
    let judge = |instruction| world.nodes[0].engine.admits_instruction(&instruction);
    assert_eq!(judge(Instruction::Invalidate(first)), Err(InstructionError::NoUndo(Height(0))));
    assert_eq!(judge(Instruction::Invalidate(active_at(&world, 0, 3))), Ok(()));
    let tip = world.nodes[0].tip_id();
    for instruction in
        [Instruction::Invalidate(first), Instruction::Invalidate(unknown), Instruction::Reconsider(genesis)]
    {
        world.tell(0, Event::Instruction(instruction));
        assert_eq!(world.nodes[0].tip_id(), tip);
    }
}

#[test]
fn while_a_heavier_branch_is_refused_nothing_is_mined_and_only_what_both_share_is_final() {
    let genesis = genesis_with(PowParams { max_reorg: 4, ..params() });
    let mut world = divided(&genesis, 2, 5, 7);
    world.nodes[0].engine.config.mine = true;
    world.pass_s(30);
    assert!(world.nodes[0].template.is_some());
    assert_eq!(world.final_height(0), Height(5));
    let tip = world.nodes[0].tip_id();
    world.heal();
    world.pass_s(30);
    assert_eq!(world.nodes[0].tip_id(), tip);
    assert_eq!(world.refused(0), Some((Height(2), Height(9))));
    assert_eq!(world.final_height(0), Height(2));
    assert!(world.nodes[0].traces.contains(&Trace::FinalityBroken { before: Height(5), fork: Height(2) }));
    assert_eq!(world.nodes[0].template, None, "nothing is mined");
    world.restart(0);
    world.pass_s(30);
    assert_eq!((world.nodes[0].tip_id(), world.refused(0)), (tip, Some((Height(2), Height(9)))), "not forgotten");
    assert_eq!((world.final_height(0), world.nodes[0].template.clone()), (Height(2), None));
}

#[test]
fn a_chain_that_gains_the_most_work_again_is_no_more_in_doubt() {
    let genesis = genesis_with(PowParams { max_reorg: 4, ..params() });
    let mut world = divided(&genesis, 2, 5, 7);
    world.heal();
    world.pass_s(30);
    assert!(world.refused(0).is_some());
    world.partition(&[0], &[1]);
    // By hand, on a dev net, it mines all the same.
    world.mine(0, 2);
    assert_eq!(world.refused(0), None, "as much work as the refused branch has");
    assert_eq!(world.final_height(0), Height(7));
    let alarms = world.nodes[0].traces.iter().filter(|trace| matches!(trace, Trace::ReorgRefused { .. }));
    assert_eq!(alarms.count(), 1);
}

#[test]
fn a_refused_branch_is_followed_when_a_person_says_so() {
    let genesis = genesis_with(PowParams { max_reorg: 4, ..params() });
    let mut world = divided(&genesis, 2, 5, 7);
    world.heal();
    world.pass_s(30);
    let heavier = world.nodes[1].tip_id();
    for (at, is_followed) in [(Height(2), false), (Height(9), true)] {
        let block = world.nodes[1].engine.chain().active_at(at).unwrap();
        world.instruct(0, Instruction::Reconsider(block));
        world.run();
        world.pass_s(30);
        assert_eq!(world.nodes[0].tip_id() == heavier, is_followed, "{at}");
    }
    assert_eq!((world.refused(0), world.final_height(0)), (None, Height(7)));
    world.mine(1, 2);
    world.assert_agreed();
    world.mine(0, 2);
    world.assert_agreed();
}

fn verified(world: &World, transaction: &Transaction) -> Verified<Transaction> {
    Verifier::new(world.genesis.clone()).transaction(transaction.clone()).expect("it is well formed")
}

/// Solves the template that is there.
fn solve_template(world: &mut World, index: usize) {
    let template = world.nodes[index].template.clone().expect("a template is there");
    let block = solve(template.block);
    world.tell(index, Event::Solved { ticket: template.ticket, block });
}

#[test]
fn a_block_as_it_is_wanted_is_mined_once() {
    let world = World::new(1, &genesis());
    let [chosen, wanted] = [0, 1].map(|number| spend_genesis(&world.genesis, number, 9));
    for (exactly, expected) in
        [(None, vec![chosen.id()]), (Some(Vec::new()), Vec::new()), (Some(vec![&wanted]), vec![wanted.id()])]
    {
        let mut world = World::new(1, &world.genesis);
        world.nodes[0].pool.push(chosen.clone());
        let exactly = exactly.map(|all| all.into_iter().map(|it| verified(&world, it)).collect());
        let wish = BlockWish { payee: Some(lock(77).hash()), exactly };
        world.instruct(0, Instruction::Mine(wish));
        solve_template(&mut world, 0);
        assert_eq!(world.nodes[0].tip(), Height(1));
        let block = world.nodes[0].disk.0.lock().unwrap().bodies[&world.nodes[0].tip_id()].clone();
        let ids: Vec<_> = block.transactions[1..].iter().map(Transaction::id).collect();
        assert_eq!(ids, expected);
        assert_eq!(block.transactions[0].outputs()[0].lock, lock(77).hash());
        assert!(world.nodes[0].template.is_none(), "one block was wanted");
    }
}

#[test]
fn a_wish_that_breaks_a_rule_is_refused_and_one_that_the_chain_overtakes_is_given_up() {
    let mut world = World::new(2, &genesis());
    let payment = spend_genesis(&world.genesis, 0, 9);
    let rival = spend_genesis(&world.genesis, 0, 8);
    let both = [&payment, &rival].map(|it| verified(&world, it)).to_vec();
    let judge = |world: &World, all: &[Verified<Transaction>]| {
        let wish = BlockWish { payee: None, exactly: Some(all.to_vec()) };
        world.nodes[0].engine.admits_instruction(&Instruction::Mine(wish))
    };
    assert!(matches!(judge(&world, &both), Err(InstructionError::Block(_))));
    assert_eq!(judge(&world, &both[..1]), Ok(()));
    let wish = BlockWish { payee: None, exactly: Some(both[..1].to_vec()) };
    world.instruct(0, Instruction::Mine(wish));
    // Somebody else's block spends the coin.
    world.nodes[1].pool.push(rival);
    world.mine(1, 1);
    assert_eq!(world.nodes[0].tip_id(), world.nodes[1].tip_id());
    assert!(matches!(judge(&world, &both[..1]), Err(InstructionError::Block(_))));
    world.pass_s(3);
    assert!(world.nodes[0].template.is_none(), "what cannot be is not searched for");
    world.mine(0, 1);
}

#[test]
fn a_node_that_starts_again_on_an_old_tip_finds_another_block() {
    let mut world = World::new(1, &genesis());
    let (now, first) = (world.now, world.find(0));
    let mut again = World::new(1, &genesis());
    again.nodes[0].engine.config.salt = [9; 32];
    assert_eq!(again.now, now);
    assert_ne!(again.find(0), first);
}

#[test]
fn of_several_refused_branches_all_count() {
    let genesis = genesis_with(PowParams { max_reorg: 4, ..params() });
    let mut world = World::new(3, &genesis);
    world.mine(0, 2);
    world.partition(&[0, 2], &[1]);
    world.mine(0, 2);
    world.partition(&[0], &[1, 2]);
    world.partition(&[1], &[2]);
    world.mine(0, 5);
    world.mine(2, 7);
    world.mine(1, 8);
    world.heal();
    world.pass_s(60);
    assert_eq!(world.refused(0), Some((Height(4), Height(11))), "the heaviest of them");
    assert_eq!(world.final_height(0), Height(2), "what all of them share");
}
