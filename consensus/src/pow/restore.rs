//! Back from what was persisted.
//!
//! The tree is built from the persisted headers and marks, in the order in which they were persisted, so that first-seen is
//! remembered. The chain starts at what was flushed; bodies that were persisted beyond it are read from the archive, and the same
//! selection as in life leads to the tip again.

use super::bodies::Bodies;
use super::finality::Told;
use super::mine::Mining;
use super::tree::{Mark, Status, Tree};
use super::{Pow, TIP_INTERVAL_MS};
use crate::chain::{Base, Chain, Store};
use crate::engine::{Effect, EngineConfig, Record};
use crate::ledger::hash::BlockId;
use crate::ledger::target::Target;
use crate::ledger::units::{Height, Time};
use crate::limits::LOW_WORK_HEADERS_MAX;
use crate::sync::Peers;
use std::collections::BTreeMap;

impl Pow {
    /// The engine as it was when the node stopped, and what is to be done first. For a new node: [`Base::genesis`], no records.
    ///
    /// # Panics
    /// When the genesis is not one of proof of work, or the flushed tip's header is not among the records.
    #[must_use]
    pub fn restore(
        config: EngineConfig,
        store: Box<dyn Store>,
        base: Base,
        records: Vec<Record>,
    ) -> (Pow, Vec<Effect>) {
        let params = config.genesis.pow().expect("this engine runs nets of proof of work").clone();
        let target = Target::from_compact(params.bits).expect("the genesis was checked");
        let mut tree = Tree::new(config.genesis.block().header, target);
        let told = Told::restored(replay(&mut tree, records));
        let tip = base.tip;
        assert!(tree.get(&tip.id).is_some(), "a header is persisted before its block is flushed");
        tree.activate_flushed(&tip.id);
        let chain = Chain::new(config.genesis.clone(), store, base, &config.salt);
        for id in tree.by_arrival() {
            if tree.node(&id).status == Status::Header && chain.archive().has_block(&id) {
                tree.add_body(&id);
            }
        }
        let mut engine = Pow {
            config,
            params,
            chain,
            tree,
            bodies: Bodies::default(),
            peers: Peers::default(),
            counting: BTreeMap::new(),
            relays: BTreeMap::new(),
            ask_headers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            low_work_left: LOW_WORK_HEADERS_MAX,
            mining: Mining::default(),
            told: told.clone(),
            now: Time(0),
            tip_due: Time(TIP_INTERVAL_MS),
            effects: Vec::new(),
        };
        engine.select();
        engine.refuse_what_is_out_of_reach();
        engine.renew_finality();
        engine.withdraw(&told);
        engine.check();
        let effects = std::mem::take(&mut engine.effects);
        (engine, effects)
    }
}

/// Returns what was told to be final. Records of the other engine do not concern this one; bodies are looked up in the archive.
fn replay(tree: &mut Tree, records: Vec<Record>) -> Vec<(Height, BlockId)> {
    let mut told_final = Vec::new();
    for record in records {
        match record {
            Record::Header(header) => {
                if tree.get(&header.parent).is_some() {
                    tree.insert(header.id(), header);
                }
            }
            Record::Invalid(id) => mark(tree, &id, Mark::Rule),
            Record::Invalidated(id) => mark(tree, &id, Mark::Hand),
            Record::Reconsidered(id) => {
                if tree.get(&id).is_some() {
                    tree.clear_marks(&id);
                }
            }
            Record::ToldFinal(blocks) => told_final = blocks,
            Record::Body(_)
            | Record::Vote(_)
            | Record::Prepared(_)
            | Record::Committed(_)
            | Record::ViewChange(_)
            | Record::NewView(_)
            | Record::Evidence(_)
            | Record::Checkpoint(_)
            | Record::CheckpointState(_)
            | Record::Stable(_)
            | Record::Epoch(_) => {}
        }
    }
    told_final
}

fn mark(tree: &mut Tree, id: &BlockId, mark: Mark) {
    if tree.get(id).is_some() {
        tree.mark(id, mark);
    }
}
