//! An engine that agrees on nothing: it holds the chain as it was flushed. Stands in until the engines are there.

use bezant_consensus::chain::{Base, Chain, Store};
use bezant_consensus::engine::{Effect, Engine, EngineConfig, Event, PbftStatus, Status};
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::target::Work;
use bezant_consensus::ledger::units::{Epoch, Time, View};
use bezant_consensus::message::{Message, TipInfo};

pub(crate) struct Still(Chain);

impl Still {
    pub(crate) fn new(config: &EngineConfig, store: Box<dyn Store>, base: Base) -> Still {
        Still(Chain::new(config.genesis.clone(), store, base))
    }
}

impl Engine for Still {
    fn handle(&mut self, _now: Time, event: Event) -> Vec<Effect> {
        if let Event::Flushed { sequence } = event {
            self.0.flushed(sequence);
        }
        Vec::new()
    }
    fn deadline(&self) -> Option<Time> {
        None
    }
    fn chain(&self) -> &Chain {
        &self.0
    }
    fn chain_mut(&mut self) -> &mut Chain {
        &mut self.0
    }
    fn place(&self, now: Time) -> Place {
        let tip = self.0.tip();
        Place { height: tip.height.next(), time: now.seconds().max(tip.header.time) }
    }
    fn status(&self) -> Status {
        Status::Pbft(PbftStatus {
            epoch: Epoch(0),
            view: View(0),
            primary: 0,
            me: None,
            n: 0,
            quorum: 0,
            slots: Vec::new(),
        })
    }
    fn tip_info(&self) -> TipInfo {
        let tip = self.0.tip();
        TipInfo { height: tip.height, id: tip.id, final_height: self.0.final_height(), work: Work::default() }
    }
    fn answer(&self, _request: &Message) -> Option<Message> {
        None
    }
}
