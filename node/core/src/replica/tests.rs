use super::{Replica, ReplicaConfig};
use crate::io::{Admitted, DropReason, Input, Notice, Output};
use crate::limits::{
    BACKLOG_COUNT_MIN, BACKLOG_MS, BAN_SCORE, FORGIVE_POINT_MS, REANNOUNCE_AFTER_MS, REANNOUNCE_INTERVAL_MS,
    RELAY_PAUSE_MS, SCORE_INVALID,
};
use crate::mempool::MempoolConfig;
use crate::testing::{GenesisStore, allocation, engine_config, output_of, pbft_genesis, pow_genesis, signed};
use bezant_consensus::chain::{Base, Chain};
use bezant_consensus::engine::{
    Effect, Engine, Event, Fault, Instruction, InstructionError, PayloadRequest, PbftStatus, Peer, Record, Status,
    Template, To, Trace,
};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::rules::TxError;
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::{Epoch, Height, Time, View};
use bezant_consensus::message::relay::CompactBlock;
use bezant_consensus::message::{Message, TipInfo};
use bezant_consensus::pbft::SPACING_MS;
use bezant_consensus::verify::{Verified, Verifier};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::VecDeque;
use std::sync::Arc;

mod fairness;

const NOW: Time = Time(2_000_000);

fn store(genesis: &Genesis) -> (Box<GenesisStore>, Base) {
    let (base, diff) = Base::genesis(genesis);
    (Box::new(GenesisStore(diff.created)), base)
}

fn replica(genesis: &Arc<Genesis>, number: u8) -> Replica {
    let config = ReplicaConfig { engine: engine_config(genesis, number), mempool: MempoolConfig::default() };
    let (store, base) = store(genesis);
    Replica::restore(config, store, base, Vec::new(), NOW).0
}

fn verified(genesis: &Arc<Genesis>, message: Message) -> Verified<Message> {
    let rng = ChaCha8Rng::from_seed([1; 32]);
    Verifier::new(genesis.clone()).message(message, &|_| false, rng).expect("correct replicas say nothing invalid")
}

fn submit(genesis: &Arc<Genesis>, request: u64, transaction: &Transaction) -> Input {
    let transaction = Verifier::new(genesis.clone()).transaction(transaction.clone()).expect("signed by the owner");
    Input::Submit { request, transaction }
}

fn from_peer(genesis: &Arc<Genesis>, peer: u64, message: Message) -> Input {
    Input::Message { from: Peer(peer), message: verified(genesis, message), waited_ms: 0 }
}

fn sent_to_all(outputs: &[Output]) -> Vec<TxId> {
    let sent = |output: &Output| match output {
        Output::Send { to: To::All, message: Message::Transaction(transaction) } => Some(transaction.id()),
        _ => None,
    };
    outputs.iter().filter_map(sent).collect()
}

fn included(outputs: &[Output]) -> Vec<TxId> {
    let of = |output: &Output| match output {
        Output::Chain(update) => {
            update.connected.iter().flat_map(|link| link.block.transactions[1..].to_vec()).collect()
        }
        _ => Vec::new(),
    };
    outputs.iter().flat_map(of).map(|transaction: Transaction| transaction.id()).collect()
}

#[test]
fn one_member_makes_a_transaction_final_in_one_call() {
    let genesis = Arc::new(pbft_genesis(1));
    let mut replica = replica(&genesis, 0);
    replica.handle(NOW, Input::Wake);
    let transaction = signed(&genesis, &allocation(&genesis, 0), &[600_000, 399_990]);
    let outputs = replica.handle(NOW, submit(&genesis, 7, &transaction));
    let admitted = Admitted { txid: transaction.id(), known: false };
    assert!(outputs.contains(&Output::Submitted { request: 7, result: Ok(admitted) }));
    assert_eq!(sent_to_all(&outputs), [transaction.id()]);
    assert_eq!(included(&outputs), [transaction.id()]);
    let place_of = |wanted: &dyn Fn(&Output) -> bool| outputs.iter().position(wanted).expect("it is there");
    let body = place_of(&|output| matches!(output, Output::Persist(Record::Body(_))));
    let certificate = place_of(&|output| matches!(output, Output::Persist(Record::Committed(_))));
    let chain = place_of(&|output| matches!(output, Output::Chain(_)));
    assert!(body < certificate && certificate < chain, "durable before anyone is told");

    assert!(replica.mempool().is_empty());
    let status = replica.status();
    assert_eq!((status.oldest_due, status.mempool_count, status.tip.height), (None, 0, status.final_height));
    let again = replica.handle(NOW, submit(&genesis, 8, &transaction));
    let known = Admitted { txid: transaction.id(), known: true };
    assert_eq!(again, [Output::Submitted { request: 8, result: Ok(known) }]);
}

#[test]
fn dependent_transactions_become_final_whichever_comes_first() {
    let genesis = Arc::new(pbft_genesis(1));
    let mut replica = replica(&genesis, 0);
    let first = signed(&genesis, &allocation(&genesis, 0), &[999_990]);
    let second = signed(&genesis, &output_of(&first, 0), &[999_980]);
    // The second comes first: it waits until the first is there.
    replica.handle(NOW, Input::Connected(Peer(3)));
    replica.handle(NOW, from_peer(&genesis, 3, Message::Transaction(second.clone())));
    assert_eq!(replica.status().orphans, 1);
    let outputs = replica.handle(NOW, submit(&genesis, 1, &first));
    assert_eq!(included(&outputs), [first.id(), second.id()]);
    assert_eq!(sent_to_all(&outputs), [first.id()], "gossip has passed the other on");
}

#[test]
fn trying_a_transaction_changes_nothing() {
    let genesis = Arc::new(pbft_genesis(4));
    let mut replica = replica(&genesis, 1);
    let transaction = signed(&genesis, &allocation(&genesis, 0), &[999_000]);
    let tried = Verifier::new(genesis.clone()).transaction(transaction.clone()).expect("valid");
    let trial = replica.test_accept(NOW, std::slice::from_ref(&tried)).expect("would be let in");
    assert_eq!(trial.transactions[0].fee.map(|fee| fee.grains()), Some(1_000));
    assert!(replica.mempool().is_empty());
    replica.handle(NOW, submit(&genesis, 1, &transaction));
    let rival = |change: u64| {
        let rival = signed(&genesis, &allocation(&genesis, 0), &[change]);
        [Verifier::new(genesis.clone()).transaction(rival).expect("valid")]
    };
    let refused = replica.test_accept(NOW, &rival(999_000)).map_err(|refused| refused.refusal.kind());
    assert_eq!(refused.map(|trial| trial.transactions[0].known), Ok(true), "it is the same one");
    let refused = replica.test_accept(NOW, &rival(999_001)).map_err(|refused| refused.refusal.kind());
    assert_eq!(refused, Err("mempool-replacement-fee-too-low"));
    let trial = replica.test_accept(NOW, &rival(1)).expect("it pays much more");
    assert_eq!(trial.replaces, [transaction.id()]);
    assert_eq!(replica.mempool().len(), 1);
}

#[test]
fn what_waits_is_sent_again_and_the_deadline_knows() {
    let genesis = Arc::new(pbft_genesis(4));
    let mut replica = replica(&genesis, 1);
    let transaction = signed(&genesis, &allocation(&genesis, 0), &[999_000]);
    assert_eq!(sent_to_all(&replica.handle(NOW, submit(&genesis, 1, &transaction))), [transaction.id()]);
    assert_eq!(replica.status().oldest_due, Some(NOW));
    let mut now = NOW;
    let mut sent_at = Vec::new();
    while now < NOW.plus_ms(3 * REANNOUNCE_AFTER_MS) {
        let next = replica.deadline().expect("something waits");
        now = next.max(now.plus_ms(1));
        if !sent_to_all(&replica.handle(now, Input::Wake)).is_empty() {
            sent_at.push(now.since_ms(NOW));
        }
    }
    let spacing = REANNOUNCE_AFTER_MS.max(REANNOUNCE_INTERVAL_MS);
    assert_eq!(sent_at, [spacing, 2 * spacing, 3 * spacing]);
}

#[test]
fn users_are_asked_to_come_back_when_many_have_waited_long_where_the_order_is_that_of_arrival() {
    for (genesis, has_order) in [(pbft_genesis(4), true), (pow_genesis(), false)] {
        let count = u32::try_from(BACKLOG_COUNT_MIN).expect("a small number");
        let one = genesis.allocations[0];
        let genesis = Arc::new(Genesis { allocations: (0..count).map(|_| one).collect(), ..genesis });
        let mut replica = replica(&genesis, 1);
        let late = NOW.plus_ms(BACKLOG_MS);
        for index in 0..count {
            assert!(!replica.has_backlog(late), "so few may wait for long");
            let transaction = signed(&genesis, &allocation(&genesis, index), &[999_000]);
            // The first alone has waited when the last comes.
            let now = if index == 0 { NOW } else { late };
            replica.handle(now, submit(&genesis, u64::from(index), &transaction));
        }
        assert_eq!(replica.mempool().len(), BACKLOG_COUNT_MIN);
        assert!(!replica.has_backlog(NOW.plus_ms(BACKLOG_MS - 1)), "nor may so many, for a short time");
        assert_eq!(replica.has_backlog(late), has_order);
    }
}

#[test]
fn peers_that_break_rules_are_banned_and_then_not_heard() {
    let genesis = Arc::new(pbft_genesis(4));
    let mut replica = replica(&genesis, 1);
    let fault = || Fault::Invalid { what: "bytes", reason: "not decodable".to_owned() };
    let misbehaved = |replica: &mut Replica, now: Time| {
        let outputs = replica.handle(now, Input::Misbehaved { peer: Peer(1), fault: fault() });
        outputs
            .iter()
            .find_map(|output| match output {
                Output::Blame { ban, .. } => Some(*ban),
                _ => None,
            })
            .expect("blamed")
    };
    replica.handle(NOW, Input::Connected(Peer(1)));
    let needed = BAN_SCORE.div_ceil(SCORE_INVALID);
    let verdicts: Vec<bool> = (0..needed).map(|_| misbehaved(&mut replica, NOW)).collect();
    assert_eq!(verdicts, [false, false, true]);
    let transaction = signed(&genesis, &allocation(&genesis, 0), &[1]);
    replica.handle(NOW, from_peer(&genesis, 1, Message::Transaction(transaction.clone())));
    assert!(replica.mempool().is_empty());

    replica.handle(NOW, Input::Disconnected(Peer(1)));
    replica.handle(NOW, Input::Connected(Peer(1)));
    let slow = (0..10).map(|n| misbehaved(&mut replica, NOW.plus_ms(n * SCORE_INVALID * FORGIVE_POINT_MS)));
    assert!(slow.into_iter().all(|ban| !ban), "old faults are forgiven");
    replica.handle(NOW, from_peer(&genesis, 1, Message::Transaction(transaction)));
    assert_eq!(replica.mempool().len(), 1);
}

#[test]
fn requests_are_answered_to_who_asked() {
    let genesis = Arc::new(pbft_genesis(1));
    let mut replica = replica(&genesis, 0);
    replica.handle(NOW, submit(&genesis, 1, &signed(&genesis, &allocation(&genesis, 0), &[1])));
    replica.handle(NOW, Input::Connected(Peer(5)));
    let request = Message::GetCertified { from: Height(1), count: 4 };
    let outputs = replica.handle(NOW, from_peer(&genesis, 5, request));
    let [Output::Send { to: To::Peer(Peer(5)), message: Message::Certified(blocks) }] = &outputs[..] else {
        panic!("one answer is expected: {outputs:?}");
    };
    assert_eq!(blocks.0.len() as u64, replica.chain().tip().height.0);
}

/// Four replicas whose messages arrive at once and in order.
#[test]
fn four_members_agree_on_what_was_submitted_to_any() {
    let genesis = Arc::new(pbft_genesis(4));
    let mut replicas: Vec<Replica> = (0..4).map(|number| replica(&genesis, number)).collect();
    let mut queue: VecDeque<(usize, Input)> = VecDeque::new();
    for at in 0..4 {
        queue.extend((0..4).filter(|peer| *peer != at).map(|peer| (at, Input::Connected(Peer(peer as u64)))));
    }
    let transactions: Vec<Transaction> =
        (0..8).map(|n| signed(&genesis, &allocation(&genesis, n), &[500_000, 499_000])).collect();
    for (n, transaction) in transactions.iter().enumerate() {
        queue.push_back((n % 4, submit(&genesis, n as u64, transaction)));
    }
    // What was submitted to one replica at once is relayed together, a moment later, and gathered for the next block.
    let mut now = NOW;
    loop {
        let Some((at, input)) = queue.pop_front() else {
            if now > NOW {
                break;
            }
            now = NOW.plus_ms(RELAY_PAUSE_MS.max(SPACING_MS));
            queue.extend((0..4).map(|at| (at, Input::Wake)));
            continue;
        };
        for output in replicas[at].handle(now, input) {
            let Output::Send { to, message } = output else { continue };
            for peer in (0..4).filter(|peer| *peer != at) {
                let is_meant = match to {
                    To::All | To::Members => true,
                    To::Member(member) => usize::from(member) == peer,
                    To::Peer(Peer(wanted)) => wanted == peer as u64,
                };
                if is_meant {
                    queue.push_back((peer, from_peer(&genesis, at as u64, message.clone())));
                }
            }
        }
    }
    for replica in &mut replicas {
        assert!(replica.mempool().is_empty());
        assert!(replica.status().tip.height > Height(0));
    }
    let commitments: Vec<_> = replicas.iter_mut().map(|replica| replica.chain_mut().commitment()).collect();
    assert!(commitments.windows(2).all(|pair| pair[0] == pair[1]));
}

fn template(outputs: &[Output]) -> Template {
    let of = |output: &Output| match output {
        Output::Mine(Some(template)) => Some(template.clone()),
        _ => None,
    };
    outputs.iter().rev().find_map(of).expect("a template was handed out")
}

/// Searches the nonce of a template; every second one will do.
fn solve(template: &Template) -> Block {
    let mut block = template.block.clone();
    let target = Target::from_compact(block.header.bits).expect("a valid target");
    while !target.is_met_by(&block.id()) {
        block.header.nonce += 1;
    }
    block
}

/// Renews the template so that it holds what waits, and solves it; returns what the replica says.
fn mine(replica: &mut Replica, now: &mut Time) -> Vec<Output> {
    *now = now.plus_ms(10_000);
    let template = template(&replica.handle(*now, Input::Wake));
    *now = now.plus_ms(2_000);
    replica.handle(*now, Input::Solved { ticket: template.ticket, block: solve(&template) })
}

#[test]
fn a_miner_includes_what_waits() {
    let genesis = Arc::new(pow_genesis());
    let mut replica = replica(&genesis, 0);
    let mut now = NOW;
    mine(&mut replica, &mut now);
    let transaction = signed(&genesis, &allocation(&genesis, 0), &[999_000]);
    let heir = signed(&genesis, &output_of(&transaction, 0), &[990_000]);
    for (n, transaction) in [&transaction, &heir].into_iter().enumerate() {
        now = now.plus_ms(RELAY_PAUSE_MS);
        let outputs = replica.handle(now, submit(&genesis, n as u64, transaction));
        assert_eq!(sent_to_all(&outputs), [transaction.id()]);
    }
    assert_eq!(included(&mine(&mut replica, &mut now)), [transaction.id(), heir.id()]);
    assert!(replica.mempool().is_empty());
    assert_eq!((replica.chain().tip().height, replica.chain().final_height()), (Height(2), Height(1)));
}

#[test]
fn a_lighter_branch_gives_its_transactions_back() {
    let genesis = Arc::new(pow_genesis());
    let [mut light, mut heavy] = [0, 1].map(|number| replica(&genesis, number));
    let (mut now, mut later) = (NOW, NOW);
    let transaction = signed(&genesis, &allocation(&genesis, 0), &[999_000]);
    let loser = signed(&genesis, &allocation(&genesis, 1), &[999_000]);
    let winner = signed(&genesis, &allocation(&genesis, 1), &[500_000]);
    light.handle(now, submit(&genesis, 1, &transaction));
    light.handle(now, submit(&genesis, 2, &loser));
    let mut both = included(&mine(&mut light, &mut now));
    both.sort_unstable();
    let mut expected = [transaction.id(), loser.id()];
    expected.sort_unstable();
    assert_eq!(both, expected);

    heavy.handle(later, submit(&genesis, 1, &winner));
    let mut blocks = Vec::new();
    for _ in 0..2 {
        for output in mine(&mut heavy, &mut later) {
            if let Output::Send { message: message @ Message::CompactBlock(_), .. } = output {
                blocks.push(message);
            }
        }
    }
    light.handle(later, Input::Connected(Peer(1)));
    heavy.handle(later, Input::Connected(Peer(0)));
    let mut outputs = Vec::new();
    for block in blocks {
        let heard = light.handle(later, from_peer(&genesis, 1, block));
        // Each has a transaction that it lacks, or the coinbase alone.
        let wanted = heard.iter().find_map(|output| match output {
            Output::Send { message: message @ Message::GetTransactions(_), .. } => Some(message.clone()),
            _ => None,
        });
        outputs.extend(heard);
        for output in wanted.map(|wanted| heavy.handle(later, from_peer(&genesis, 0, wanted))).into_iter().flatten() {
            if let Output::Send { message: answer @ Message::Transactions(_), .. } = output {
                outputs.extend(light.handle(later, from_peer(&genesis, 1, answer)));
            }
        }
    }
    assert_eq!(light.chain().tip(), heavy.chain().tip());
    assert!(light.mempool().contains(&transaction.id()));
    assert_eq!(light.mempool().len(), 1);
    let dropped = Output::Notice(Notice::Dropped { txid: loser.id(), reason: DropReason::Conflict });
    assert!(outputs.contains(&dropped));
    assert_eq!(included(&mine(&mut light, &mut later)), [transaction.id()]);
    assert_eq!(light.chain_mut().commitment(), {
        let block = light.chain().block(&light.chain().tip().id).expect("connected a moment ago");
        heavy.handle(later, Input::Connected(Peer(0)));
        heavy.handle(later, from_peer(&genesis, 0, Message::CompactBlock(CompactBlock::new(&block, 0, |_| true))));
        heavy.chain_mut().commitment()
    });
}

/// An engine that answers each event with the next list it was given, and tells the payloads it got.
struct Script {
    chain: Chain,
    lists: VecDeque<Vec<Effect>>,
}

fn note(text: &'static str) -> Effect {
    Effect::Trace(Trace::View { view: View(0), primary: 0, reason: text })
}

impl Engine for Script {
    fn handle(&mut self, _now: Time, event: Event) -> Vec<Effect> {
        match event {
            Event::Payload { transactions, .. } if transactions.is_empty() => vec![note("empty")],
            Event::Payload { .. } => vec![note("full")],
            Event::Pending { oldest: Some(_) } => vec![note("pending")],
            Event::Pending { oldest: None } => vec![note("nothing pending")],
            _ => self.lists.pop_front().unwrap_or_default(),
        }
    }
    fn deadline(&self) -> Option<Time> {
        None
    }
    fn chain(&self) -> &Chain {
        &self.chain
    }
    fn chain_mut(&mut self) -> &mut Chain {
        &mut self.chain
    }
    fn place(&self, now: Time) -> Place {
        Place { height: self.chain.tip().height.next(), time: now.seconds() }
    }
    fn status(&self) -> Status {
        let (epoch, view) = (Epoch(0), View(0));
        Status::Pbft(PbftStatus {
            epoch,
            view,
            primary: 0,
            me: None,
            is_mute: false,
            is_active: true,
            changes: Vec::new(),
            evidence: Vec::new(),
            failed_views: 0,
            timeout_ms: 0,
            delay_ms: 0,
            delay_allowed_ms: 0,
            deadline: None,
            n: 0,
            quorum: 0,
            commit_height: None,
            slots: Vec::new(),
        })
    }
    fn tip_info(&self) -> TipInfo {
        let tip = self.chain.tip();
        TipInfo {
            height: tip.height,
            id: tip.id,
            final_height: Height(0),
            work: Default::default(),
            stable: Height(0),
            epoch: Epoch(0),
        }
    }
    fn answer(&self, _request: &Message) -> Option<Message> {
        None
    }
    fn admits_change(&self, _: &Transaction) -> Result<(), TxError> {
        Ok(())
    }
    fn admits_instruction(&self, _: &Instruction) -> Result<(), InstructionError> {
        Ok(())
    }
}

#[test]
fn questions_are_answered_after_the_list_that_asked() {
    let genesis = Arc::new(pbft_genesis(4));
    let (store, base) = store(&genesis);
    let chain = Chain::new(genesis.clone(), store, base, &[0; 32]);
    let ask = |ticket| {
        let (height, time) = (Height(1), NOW.seconds());
        Effect::WantPayload(PayloadRequest { ticket, height, time, bytes_max: 10_000, above: Vec::new() })
    };
    let lists = VecDeque::from([vec![note("a"), ask(1), note("b"), ask(2), note("c")]]);
    let script = Box::new(Script { chain, lists });
    let start = vec![note("start"), ask(0)];
    let (mut replica, outputs) = Replica::with_engine(genesis.clone(), MempoolConfig::default(), script, start, NOW);
    let told = |outputs: Vec<Output>| -> Vec<&'static str> {
        let text = |output| match output {
            Output::Notice(Notice::Engine(Trace::View { reason, .. })) => Some(reason),
            _ => None,
        };
        outputs.into_iter().filter_map(text).collect()
    };
    assert_eq!(told(outputs), ["start", "empty"]);
    let transaction = signed(&genesis, &allocation(&genesis, 0), &[1]);
    assert_eq!(told(replica.handle(NOW, submit(&genesis, 1, &transaction))), ["pending"]);
    assert_eq!(told(replica.handle(NOW, submit(&genesis, 2, &transaction))), [""; 0], "nothing has changed");
    assert_eq!(told(replica.handle(NOW, Input::Wake)), ["a", "b", "c", "full", "full"]);
    let expired = NOW.plus_ms(MempoolConfig::default().expiry_ms);
    assert_eq!(replica.handle(expired, Input::Wake).len(), 2, "it is dropped, and nothing is pending");
}
