//! What a solved block may change of its template.

use super::*;
use crate::ledger::transaction::Coinbase;
use crate::pow::TEMPLATES_MAX;

/// The template of a net whose one waiting transfer pays a fee, so that there are 510 grains to claim.
fn offered() -> (World, Template) {
    let genesis = genesis();
    let mut world = World::new(1, &genesis);
    world.nodes[0].pool = vec![spend_genesis(&genesis, 0, 9)];
    world.now = world.now.plus_ms(10_000);
    world.tell(0, Event::BlockNow);
    let template = world.nodes[0].template.clone().expect("a template was asked for");
    assert_eq!(template.reward(&genesis.ledger).grains(), 510);
    (world, template)
}

fn coinbase(block: &mut Block) -> &mut Coinbase {
    match block.transactions[0].body_mut() {
        Body::Coinbase(coinbase) => coinbase,
        _ => panic!("the coinbase comes first"),
    }
}

fn pay(grains: u64, number: u8) -> Output {
    Output { amount: Amount::from_grains(grains).unwrap(), lock: lock(number).hash() }
}

/// Whether the template, changed so, is taken as a block.
fn is_taken(change: impl FnOnce(&mut Block)) -> bool {
    let (mut world, Template { ticket, mut block, .. }) = offered();
    change(&mut block);
    let block = solve(block);
    let id = block.id();
    world.tell(0, Event::Solved { ticket, block });
    world.nodes[0].tip_id() == id
}

/// The same with the merkle root that belongs to the changed transactions.
fn is_taken_with_root(change: impl FnOnce(&mut Block)) -> bool {
    is_taken(|block| {
        change(block);
        block.header.merkle_root = block.merkle_root();
    })
}

#[test]
fn what_miners_may_roll_may_differ() {
    assert!(is_taken(|_| {}));
    assert!(is_taken(|block| block.header.version ^= 0x1fff_e000));
    assert!(is_taken(|block| block.header.time += 5));
    assert!(is_taken_with_root(|block| coinbase(block).extra[..8].fill(0xab)));
}

#[test]
fn the_reward_may_go_to_somebody_else_in_one_output() {
    assert!(is_taken_with_root(|block| coinbase(block).outputs = vec![pay(510, 77)]));
    let (mut world, Template { ticket, mut block, .. }) = offered();
    coinbase(&mut block).outputs = vec![pay(510, 77)];
    coinbase(&mut block).extra[..8].fill(7);
    block.header.merkle_root = block.merkle_root();
    world.tell(0, Event::Solved { ticket, block: solve(block) });
    assert_eq!((world.nodes[0].balance(77), world.nodes[0].balance(100)), (510, 0));
}

#[test]
fn any_other_change_is_refused() {
    type Change = fn(&mut Block);
    let changes: [(&str, Change); 13] = [
        ("less is claimed", |block| coinbase(block).outputs = vec![pay(509, 77)]),
        ("more is claimed", |block| coinbase(block).outputs = vec![pay(511, 77)]),
        ("nothing is claimed", |block| coinbase(block).outputs.clear()),
        ("two are paid", |block| coinbase(block).outputs = vec![pay(255, 77), pay(255, 78)]),
        ("an output is added", |block| coinbase(block).outputs.push(pay(1, 77))),
        ("nothing is paid besides", |block| coinbase(block).outputs = vec![pay(510, 77), pay(0, 78)]),
        ("the tail of the extra data", |block| coinbase(block).extra[8] ^= 1),
        ("the last byte of the extra data", |block| *coinbase(block).extra.last_mut().unwrap() ^= 1),
        ("longer extra data", |block| coinbase(block).extra.push(0)),
        ("no room for the extranonce", |block| coinbase(block).extra.truncate(7)),
        ("the height", |block| coinbase(block).height = Height(2)),
        ("a transaction is left out", |block| drop(block.transactions.pop())),
        ("the bits", |block| block.header.bits -= 1),
    ];
    for (name, change) in changes {
        assert!(!is_taken_with_root(change), "{name}");
    }
    assert!(!is_taken(|block| coinbase(block).outputs = vec![pay(510, 77)]), "a root of other transactions");
    assert!(!is_taken(|block| block.header.time -= 100_000), "a time that is over");
}

#[test]
fn a_node_that_pays_nobody_leaves_the_whole_reward_to_whoever_solves() {
    let genesis = genesis();
    let mut world = World::new(1, &genesis);
    world.nodes[0].config.payee = None;
    world.restart(0);
    world.now = world.now.plus_ms(10_000);
    for outputs in [vec![pay(499, 90)], vec![pay(500, 90)]] {
        world.tell(0, Event::BlockNow);
        let Template { ticket, mut block, .. } = world.nodes[0].template.clone().unwrap();
        assert!(coinbase(&mut block).outputs.is_empty());
        coinbase(&mut block).outputs = outputs;
        block.header.merkle_root = block.merkle_root();
        world.tell(0, Event::Solved { ticket, block: solve(block) });
    }
    assert_eq!((world.nodes[0].tip(), world.nodes[0].balance(90)), (Height(1), 500));
}

#[test]
fn a_solution_counts_as_long_as_its_template_is_held() {
    let (mut world, first) = offered();
    let renew = |world: &mut World| {
        world.tell(0, Event::Pending { oldest: Some(world.now) });
        world.pass_s(2);
    };
    for _ in 1..TEMPLATES_MAX {
        renew(&mut world);
    }
    let last = world.nodes[0].template.clone().unwrap();
    assert_eq!(last.ticket, first.ticket + TEMPLATES_MAX as u64 - 1, "one each time");
    let block = solve(first.block.clone());
    world.tell(0, Event::Solved { ticket: first.ticket, block: block.clone() });
    assert_eq!(world.nodes[0].tip_id(), block.id());

    let (mut world, first) = offered();
    for _ in 0..TEMPLATES_MAX {
        renew(&mut world);
    }
    world.tell(0, Event::Solved { ticket: first.ticket, block: solve(first.block) });
    assert_eq!(world.nodes[0].tip(), Height(0), "it was forgotten");
}
