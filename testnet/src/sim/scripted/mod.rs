//! A scenario in virtual time: a simulated world in which nothing is drawn but what networks and miners draw anyway; what
//! happens to it is said by a file.
//!
//! The net is the one that `testnet up` makes: its genesis is made by the same function, but that keys, salt and time come from the
//! seed, and that a nonce takes 256 hashes on average; miners are slower by as much. Links take 1 to 20 ms and keep the order, disks
//! up to 5 ms under PBFT and no time under proof of work; nodes start within 300 ms. Time zero is when the first block is there.
//!
//! The referee looks on all the time as in every simulation; what it objects to ends the play. It does not judge what liars say,
//! nor two nodes with one key.

mod acts;
mod setup;

use crate::scenario::{Book, Halt, Index, NetView, NodeView, PlayTally, PlayWorld, Scenario, Step, Written};
use crate::sim::event::Event;
use crate::sim::node::Node;
use crate::sim::world::World;
use bezant_api::trace::{Entry, TraceHeader};
use bezant_api::types::EngineName;
use bezant_consensus::chain::Archive;
use bezant_consensus::engine::Status;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::transaction::Body;
use std::collections::{BTreeMap, BTreeSet};

/// How long a net may take to its first block.
const FIRST_BLOCK_MS_MAX: u64 = 120_000;
/// How long a net of miners may take, once all is healed, to show one tip everywhere.
const SYNC_MS_MAX: u64 = 60_000;
/// Between two looks while something is waited for.
const LOOK_MS: u64 = 200;
/// Events of one play, at most; one that needs more does not come to an end.
const STEPS_MAX: u64 = 50_000_000;

/// A world in virtual time on which a scenario is played.
pub(crate) struct Virtual<'a> {
    scenario: &'a Scenario,
    world: World,
    /// When time zero was.
    start_ms: u64,
    index: Index,
    books: Vec<Book>,
    last: Vec<NodeView>,
}

impl<'a> Virtual<'a> {
    /// A net that has just been made; [`begin`](Virtual::begin) starts it.
    pub(crate) fn new(scenario: &'a Scenario, seed: u64) -> Virtual<'a> {
        let (world, index) = setup::world(scenario, seed);
        let (genesis, count) = (world.referee.oracle.genesis_id(), world.nodes.len());
        let last = vec![NodeView::default(); count];
        Virtual { scenario, world, start_ms: 0, index, books: vec![Book::new(genesis); count], last }
    }

    /// Records all that nodes tell from now on.
    pub(crate) fn record(&mut self) {
        self.world.record();
    }

    /// What was recorded, for a file.
    pub(crate) fn recording(&mut self, seed: u64) -> Option<(TraceHeader, Vec<Entry>)> {
        self.world.recording(format!("{}, seed {seed}", self.scenario.name))
    }

    /// Lets all nodes start, and the first block come.
    pub(crate) fn begin(&mut self) -> Result<(), Halt> {
        let is_pow = self.is_pow();
        let has_begun = |world: &World, node: usize| {
            let replica = world.nodes[node].replica.as_ref();
            replica
                .is_some_and(|it| if is_pow { it.chain().tip().height.0 > 0 } else { it.chain().final_height().0 > 0 })
        };
        while !(0..self.world.nodes.len()).all(|node| has_begun(&self.world, node)) {
            if self.world.now_ms > FIRST_BLOCK_MS_MAX {
                return Err(Halt::Objection(format!("no-progress: no first block in {FIRST_BLOCK_MS_MAX} ms")));
            }
            self.step()?;
        }
        self.start_ms = self.world.now_ms;
        for planned in 0..self.world.planned.len() {
            let at_ms = self.start_ms + self.world.planned[planned].at_ms;
            self.world.agenda.add(at_ms, Event::Submit { planned });
        }
        Ok(())
    }

    fn is_pow(&self) -> bool {
        self.scenario.net.engine == EngineName::Pow
    }

    fn step(&mut self) -> Result<(), Halt> {
        if self.world.stats.steps >= STEPS_MAX {
            return Err(Halt::Broken(format!("the play goes on after {STEPS_MAX} events")));
        }
        self.world.step().map_err(objection)
    }

    /// Lets everything happen until this virtual moment.
    fn run_until(&mut self, until_ms: u64) -> Result<(), Halt> {
        while self.world.agenda.next_ms().is_some_and(|next| next <= until_ms) {
            self.step()?;
        }
        self.world.now_ms = self.world.now_ms.max(until_ms);
        Ok(())
    }

    fn runs(&self, node: usize) -> bool {
        self.world.nodes[node].is_up() && !self.world.stage.paused.contains_key(&node)
    }

    fn update(&mut self, node: usize) {
        let active = self.world.referee.active(node);
        let book = &mut self.books[node];
        let mut fork = book.height().min(active.len() - 1);
        while book.at(fork) != Some(active[fork]) {
            fork -= 1;
        }
        let write = |id: &BlockId| {
            let block = self.world.referee.oracle.get(id).expect("what is active was replayed");
            let body = self.world.nodes[node].disk.block(id);
            let coinbase = body.as_ref().and_then(|body| match body.transactions.first()?.body() {
                Body::Coinbase(coinbase) => coinbase.outputs.first().map(|output| output.lock),
                Body::Transfer(_) | Body::Epoch(_) => None,
            });
            let payments = block.transactions.iter().filter_map(|txid| self.index.payments.get(txid).copied());
            let miner = coinbase.and_then(|lock| self.index.miners.get(&lock).copied());
            Written { id: *id, payments: payments.collect(), miner }
        };
        let above: Vec<Written> = active[fork + 1..].iter().map(write).collect();
        let replica = self.world.nodes[node].replica.as_ref();
        let final_height = replica.map_or(0, |replica| replica.chain().final_height().0);
        book.follow(fork, above, final_height as usize);
    }

    /// What is known of the proofs that a node holds.
    fn proven(&self, evidence: &[bezant_consensus::message::Evidence]) -> BTreeSet<usize> {
        let of = |proof: &bezant_consensus::message::Evidence| {
            self.world.referee.node_of(proof.first.ballot.epoch, proof.first.signer)
        };
        evidence.iter().filter_map(of).collect()
    }

    fn node_view(&mut self, node: usize) -> NodeView {
        let is_tainted = self.world.is_liar(node);
        if !self.runs(node) {
            return NodeView { up: false, is_tainted, ..self.last[node].clone() };
        }
        self.update(node);
        let replica = self.world.nodes[node].replica.as_ref().expect("it runs");
        let status = replica.status();
        let left = self.world.stage.left.get(&node).into_iter().flatten().map(|reason| (*reason).to_owned());
        let mut view = NodeView {
            up: true,
            is_tainted,
            height: status.tip.height.0,
            final_height: status.final_height.0,
            tip: status.tip.id,
            left: left.collect(),
            book: self.books[node].view(self.scenario),
            ..NodeView::default()
        };
        match status.engine {
            Status::Pbft(pbft) => {
                view.view = pbft.view.0;
                view.epoch = pbft.epoch.0;
                view.votes = pbft.me.is_some() && !pbft.is_mute;
                view.evidence = self.proven(&pbft.evidence);
            }
            Status::Pow(pow) => view.refused = pow.refused.is_some(),
        }
        view
    }

    /// PBFT: who leads the view in which most nodes are.
    fn leader(&self) -> Option<usize> {
        let mut leaders: BTreeMap<usize, usize> = BTreeMap::new();
        for node in (0..self.world.nodes.len()).filter(|node| self.runs(*node)) {
            let replica = self.world.nodes[node].replica.as_ref()?;
            if let Status::Pbft(pbft) = replica.status().engine
                && let Some(leader) = self.world.referee.node_of(pbft.epoch, pbft.primary)
            {
                *leaders.entry(leader).or_default() += 1;
            }
        }
        leaders.into_iter().max_by_key(|(node, votes)| (*votes, std::cmp::Reverse(*node))).map(|(node, _)| node)
    }

    fn has_one_tip(&self) -> bool {
        let up = (0..self.world.nodes.len()).filter(|node| self.runs(*node));
        up.map(|node| self.world.referee.tip(node)).collect::<BTreeSet<BlockId>>().len() <= 1
    }
}

fn objection((rule, sentence): (&'static str, String)) -> Halt {
    Halt::Objection(format!("{rule}: {sentence}"))
}

impl PlayWorld for Virtual<'_> {
    async fn reach(&mut self, at_ms: u64) -> Result<(), Halt> {
        self.run_until(self.start_ms + at_ms)
    }

    fn is_over(&self, _: u64) -> bool {
        false
    }

    async fn primary(&mut self) -> Option<usize> {
        self.leader()
    }

    async fn act(&mut self, step: &Step, nodes: &[usize]) -> Result<(), Halt> {
        self.world.trace.note_step(step.at_ms, &format!("{:?} {nodes:?}", step.action));
        self.do_step(step, nodes)
    }

    async fn look(&mut self, at_ms: u64) -> Result<NetView, Halt> {
        let nodes: Vec<NodeView> = (0..self.world.nodes.len()).map(|node| self.node_view(node)).collect();
        self.last.clone_from(&nodes);
        Ok(NetView { at_ms, nodes })
    }

    async fn end(&mut self) -> Result<Vec<String>, Halt> {
        self.end_faults()?;
        let until_ms = self.world.now_ms + SYNC_MS_MAX;
        while self.is_pow() && !self.has_one_tip() {
            if self.world.now_ms > until_ms {
                return Ok(vec![format!("no one best chain {} s after all faults ended", SYNC_MS_MAX / 1_000)]);
            }
            self.run_until(self.world.now_ms + LOOK_MS)?;
        }
        for node in 0..self.world.nodes.len() {
            let Node { replica, disk, .. } = &mut self.world.nodes[node];
            if let Some(replica) = replica {
                self.world.referee.inspect(node, replica.chain_mut(), disk).map_err(objection)?;
                self.world.referee.replay(node, replica.chain()).map_err(objection)?;
            }
        }
        let proven: BTreeSet<usize> = self.last.iter().flat_map(|node| node.evidence.clone()).collect();
        let slandered = proven.into_iter().filter(|node| !self.world.is_liar(*node));
        Ok(slandered.map(|node| format!("there is proof against node{node}, which never lied")).collect())
    }

    fn tally(&self) -> PlayTally {
        let mut tally = PlayTally { trace: Some(hex::encode(self.world.trace.hash())), ..PlayTally::default() };
        for (number, answer) in &self.world.stage.answers {
            match answer {
                _ if *number >= self.world.planned.len() => {}
                Ok(()) => tally.accepted += 1,
                Err(reason) => *tally.refused.entry(reason.clone()).or_default() += 1,
            }
        }
        tally
    }
}
