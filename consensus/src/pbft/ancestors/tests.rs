use super::*;
use crate::ledger::units::Time;
use crate::pbft::tests::cluster::{Setup, World};
use std::sync::Arc;

fn engine(world: &mut World) -> &mut Pbft {
    world.nodes[1].engine.as_mut().expect("it is up")
}

#[test]
fn a_replica_is_behind_when_something_is_certified_above_its_tip() {
    let mut world = World::new(Setup::of(4));
    let block = world.block(&world.genesis.block().header, 1, &[]);
    let certificate = world.committed_in(0, 1, &block, &[0, 1, 2]);
    let engine = engine(&mut world);
    engine.now = Time(100);
    engine.note_behind();
    assert_eq!((engine.is_behind(), engine.behind_until()), (false, None));
    engine.highest = Some(certificate);
    engine.note_behind();
    engine.now = Time(300);
    engine.note_behind();
    assert_eq!((engine.is_behind(), engine.behind_until()), (true, Some(Time(100).plus_ms(BEHIND_GRACE_MS))));
    // At another tip its time begins anew.
    engine.behind = Some((Height(7), Time(100)));
    engine.note_behind();
    assert_eq!(engine.behind_until(), Some(Time(300).plus_ms(BEHIND_GRACE_MS)));
    engine.highest = None;
    engine.choice.base = Height(1);
    assert!(engine.is_behind(), "the view began with it");
    engine.choice.base = Height(0);
    assert!(!engine.is_behind());
}

#[test]
fn a_header_is_known_by_the_body_or_by_what_was_prepared() {
    let mut world = World::new(Setup::of(4));
    let block = world.block(&world.genesis.block().header, 1, &[]);
    let other = world.other(&block);
    let prepared = world.prepared_in(0, 1, &block, &[1, 2]);
    let engine = engine(&mut world);
    let known = |engine: &Pbft, block: &crate::ledger::block::Block| engine.header_of(Height(1), block.id());
    assert_eq!(known(engine, &block), None);
    engine.slots.entry(Height(1)).or_default().prepared = Some(prepared);
    assert_eq!((known(engine, &block), known(engine, &other)), (Some(block.header), None));
    engine.slots.entry(Height(1)).or_default().body = Some(Body::new(Arc::new(other.clone()), true));
    assert_eq!((known(engine, &block), known(engine, &other)), (Some(block.header), Some(other.header)));
}
