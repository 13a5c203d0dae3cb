use super::*;
use crate::ledger::units::{Epoch, Incarnation, View};
use crate::pbft::tests::cluster::{Setup, World};

fn engine(world: &mut World, index: usize) -> &mut Pbft {
    world.nodes[index].engine.as_mut().expect("it is up")
}

#[test]
fn another_primary_begins_with_a_clean_slate_and_numbers_go_on() {
    let mut fairness = Fairness { tickets: 5, asked: Some(5), looked_at: Some(Time(1)), ..Fairness::default() };
    fairness.heard_at.insert(1, Time(1));
    fairness.handed.insert(TxId([1; 32]), Time(1));
    fairness.entered();
    assert_eq!((fairness.tickets, fairness.asked, fairness.looked_at), (5, None, None));
    assert_eq!((fairness.heard_at.len(), fairness.handed.len()), (0, 0));
}

#[test]
fn each_view_begins_with_it() {
    let mut world = World::new(Setup::of(4));
    let changes = [0, 1, 3].map(|signer| world.change(signer, 1, None, Vec::new())).to_vec();
    let Message::NewView(new_view) = world.new_view(1, changes) else { panic!("it is one") };
    let engine = engine(&mut world, 2);
    engine.fairness.asked = Some(5);
    engine.adopt(new_view);
    assert_eq!(engine.fairness.asked, None);
}

#[test]
fn what_is_overdue_is_looked_for_now_and_then_each_time_under_another_number() {
    let mut world = World::new(Setup::of(4));
    let engine = engine(&mut world, 1);
    engine.proposer.on_pending(Some(Time(0)));
    engine.entered_at = engine.now;
    let mut tickets = Vec::new();
    for (ms, is_due) in
        [(engine.overdue_ms() - 1, false), (1, true), (0, false), (engine.overdue_ms() - 1, false), (1, true)]
    {
        engine.now = engine.now.plus_ms(ms);
        let before = engine.out.len();
        engine.look_for_overdue();
        assert_eq!(engine.out.len() > before, is_due, "at {:?}", engine.now);
        if let Some(Effect::WantOverdue(request)) = engine.out[before..].last() {
            tickets.push(request.ticket);
        }
    }
    assert_eq!(tickets, [1, 2]);
}

#[test]
fn what_was_handed_over_in_vain_for_too_long_costs_the_primary_its_view() {
    let setup = || World::new(Setup::of(4));
    let (allowed, handing) = {
        let mut world = setup();
        let engine = engine(&mut world, 1);
        (engine.timer.patience_ms(), engine.overdue_ms())
    };
    for (waited, handed, leaves) in [
        (allowed, Some(handing), true),
        (allowed + 1, Some(handing + 1), true),
        (allowed - 1, Some(handing), false),
        (allowed, Some(handing - 1), false),
        (allowed, None, false),
        (0, None, false),
    ] {
        let mut world = setup();
        let transaction = world.transfer(0);
        let engine = engine(&mut world, 1);
        (engine.now, engine.entered_at, engine.fairness.asked) = (Time(1_000_000), Time(0), Some(3));
        if let Some(ms) = handed {
            engine.fairness.handed.insert(transaction.id(), Time(engine.now.0 - ms));
        }
        let oldest = Some(Time(engine.now.0 - waited));
        engine.on_overdue(2, oldest, vec![transaction.clone()]);
        assert_eq!((engine.view, engine.fairness.asked), (View(0), Some(3)), "another answer");
        let before = engine.out.len();
        engine.on_overdue(3, oldest, vec![transaction]);
        assert_eq!(engine.view == View(1), leaves, "{waited} {handed:?}");
        let is_handed = |it: &Effect| matches!(it, Effect::Send { message: Message::Overdue(_), .. });
        assert_eq!(engine.out[before..].iter().any(is_handed), !leaves, "{waited} {handed:?}");
    }
}

#[test]
fn a_change_of_members_is_kept_waiting_by_who_could_have_taken_it() {
    let mut world = World::new(crate::pbft::tests::epochs::setup(0));
    let change = crate::pbft::tests::epochs::change(&world.nodes[0].set, &[0, 1, 2], &[0, 1, 2]);
    let engine = engine(&mut world, 1);
    (engine.now, engine.entered_at) = (Time(500), Time(700));
    assert_eq!(engine.change_overdue_at(), None, "nothing waits");
    engine.on_change(change);
    let at = Time(700).plus_ms(engine.timer.patience_ms());
    assert_eq!(engine.change_overdue_at(), Some(at), "the view began later");
    for (now, view) in [(Time(at.0 - 1), 0), (at, 1)] {
        engine.now = now;
        engine.look_for_overdue();
        assert_eq!(engine.view, View(view));
    }
    assert_eq!(engine.change_overdue_at(), None, "it has left the view");
}

#[test]
fn what_members_hand_over_is_taken_by_the_primary_of_the_view_and_not_too_often() {
    let overdue = |world: &World, view| Overdue {
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        view: View(view),
        transactions: vec![world.transfer(0)],
        signer: 2,
        signature: Signature([0; 64]),
    };
    let mut world = World::new(Setup::of(4));
    let (present, other) = (overdue(&world, 0), overdue(&world, 1));
    for (index, ms, message, is_taken) in [
        (1, 0, &present, false),
        (0, 0, &other, false),
        (0, 0, &present, true),
        (0, HANDED_OVER_SPACING_MS - 1, &present, false),
        (0, 1, &present, true),
    ] {
        let engine = engine(&mut world, index);
        engine.now = engine.now.plus_ms(ms);
        let before = engine.out.len();
        engine.on_handed_over(Peer(2), message.clone());
        assert_eq!(engine.out.len() > before, is_taken, "node {index}, {ms} ms later");
    }
}
