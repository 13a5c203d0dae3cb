//! Whole replicas over virtual time: honest primaries under load stay, unfair ones go.

use super::*;
use crate::lies::{Liar, Mode, Target};
use crate::testing::{Input as Coin, key};
use bezant_consensus::ledger::genesis::EngineParams;
use bezant_consensus::plant::{Plant, arm};
use std::collections::BTreeMap;
use std::panic::catch_unwind;

/// Transactions that one block of these nets takes, roughly.
const BLOCK_COUNT: usize = 35;

/// Four replicas, each hop taking the same time but for transactions, which take each way a time of their own.
struct Net {
    genesis: Arc<Genesis>,
    verifier: Verifier,
    replicas: Vec<Replica>,
    now: Time,
    /// What is under way, by when it arrives and in which order it left.
    queue: BTreeMap<(Time, u64), (usize, usize, Message)>,
    sent: u64,
    hop_ms: u64,
    /// What node 0 says instead.
    liar: Option<Liar>,
    leaves: Vec<(usize, &'static str, String)>,
    handed_over: usize,
    /// Coins to be spent: those of blocks that are final at node 0.
    coins: VecDeque<Coin>,
    is_final: Vec<TxId>,
}

impl Net {
    fn new(hop_ms: u64) -> Net {
        let mut genesis = pbft_genesis(4);
        genesis.ledger.block_bytes_max = 10_000;
        let genesis = Arc::new(genesis);
        let replicas = (0..4).map(|number| replica(&genesis, number)).collect();
        let mut net = Net {
            verifier: Verifier::new(genesis.clone()),
            coins: (0..40).map(|index| allocation(&genesis, index)).collect(),
            genesis,
            replicas,
            now: NOW,
            queue: BTreeMap::new(),
            sent: 0,
            hop_ms,
            liar: None,
            leaves: Vec::new(),
            handed_over: 0,
            is_final: Vec::new(),
        };
        for node in 0..4 {
            for other in (0..4).filter(|other| *other != node) {
                net.tell(node, Input::Connected(Peer(other as u64)));
            }
        }
        net.pass(2_000);
        net
    }

    fn tell(&mut self, node: usize, input: Input) {
        let outputs = self.replicas[node].handle(self.now, input);
        for output in outputs {
            match output {
                Output::Send { to, message } => {
                    let liar = self.liar.as_mut().filter(|_| node == 0);
                    let truth = (self.now, to, message.clone());
                    let said = liar.map_or_else(|| vec![truth], |liar| liar.outgoing(self.now, to, message));
                    said.into_iter().for_each(|(at, to, message)| self.send(node, at, to, &message));
                }
                Output::Chain(update) if node == 0 => {
                    for transaction in update.connected.iter().flat_map(|link| &link.block.transactions[1..]) {
                        self.is_final.push(transaction.id());
                        let made = 0..transaction.outputs().len() as u32;
                        self.coins.extend(made.map(|index| owned(transaction, index)));
                    }
                }
                Output::Notice(Notice::Engine(Trace::Leave { reason, detail, .. })) => {
                    self.leaves.push((node, reason, detail));
                }
                Output::Notice(Notice::Engine(Trace::HandedOver { count, .. })) => self.handed_over += count,
                _ => {}
            }
        }
    }

    fn send(&mut self, from: usize, at: Time, to: To, message: &Message) {
        let targets = match to {
            To::All | To::Members => (0..4).filter(|node| *node != from).collect(),
            To::Member(index) => vec![usize::from(index)],
            To::Peer(Peer(peer)) => vec![peer as usize],
        };
        for to in targets {
            self.sent += 1;
            let more_ms = match message {
                // No two replicas see transactions in the same order.
                Message::Transaction(_) | Message::TransactionBatch(_) => self.sent * 7_919 % (4 * self.hop_ms),
                _ => 0,
            };
            let at = at.plus_ms(self.hop_ms + more_ms);
            self.queue.insert((at, self.sent), (from, to, message.clone()));
        }
    }

    /// Lets time pass.
    fn pass(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        loop {
            let arrival = self.queue.keys().next().map(|(at, _)| *at);
            let wake = (0..4).filter_map(|node| self.replicas[node].deadline()).min();
            let next = [arrival, wake].into_iter().flatten().min().map(|at| at.max(self.now));
            let Some(next) = next.filter(|next| *next < until) else { break };
            self.now = next;
            if arrival.is_some_and(|at| at <= next) {
                let (_, (from, to, message)) = self.queue.pop_first().expect("it arrives");
                let rng = ChaCha8Rng::from_seed([1; 32]);
                let message = self.verifier.message(message, &|_| true, rng).expect("replicas say nothing invalid");
                self.tell(to, Input::Message { from: Peer(from as u64), message, waited_ms: 0 });
            } else {
                // A deadline may lie in the past for a moment; time goes on.
                self.now = next.plus_ms(1);
                for node in 0..4 {
                    if self.replicas[node].deadline().is_some_and(|at| at <= self.now) {
                        self.tell(node, Input::Wake);
                    }
                }
            }
        }
        self.now = self.now.max(until);
    }

    /// So many payments, each from the next free coin, handed to the nodes in turn.
    fn pay(&mut self, count: usize) -> Vec<TxId> {
        let mut paid = Vec::new();
        for _ in 0..count {
            let Some(coin) = self.coins.pop_front() else { break };
            let transaction = signed(&self.genesis, &coin, &[coin.grains]);
            paid.push(transaction.id());
            self.tell(paid.len() % 4, submit(&self.genesis, 0, &transaction));
        }
        paid
    }

    /// Splits the allocations into so many coins each.
    fn split(&mut self, each: u64) {
        for coin in std::mem::take(&mut self.coins) {
            let outputs = vec![coin.grains / each; each as usize];
            self.tell(0, submit(&self.genesis, 0, &signed(&self.genesis, &coin, &outputs)));
        }
        while !self.replicas.iter().all(|replica| replica.mempool().is_empty()) {
            self.pass(1_000);
        }
    }

    /// Node 0 lies from now on.
    fn lie(&mut self, mode: Mode) {
        let EngineParams::Pbft(params) = &self.genesis.engine else { panic!("this is PBFT") };
        let timeout_ms = u64::from(params.view_timeout_ms);
        self.liar = Some(Liar::new(mode, key(0), self.genesis.validator_set(), 0, timeout_ms, 1));
    }

    fn view(&self, node: usize) -> View {
        let Status::Pbft(status) = self.replicas[node].status().engine else { panic!("this is PBFT") };
        status.view
    }

    fn reasons(&self) -> Vec<&'static str> {
        self.leaves.iter().map(|(_, reason, _)| *reason).collect()
    }

    fn heights(&self) -> Vec<u64> {
        self.replicas.iter().map(|replica| replica.chain().tip().height.0).collect()
    }
}

/// The check passes as long as the rule is in, and objects in these words when it is taken out.
fn guards(plant: Plant, words: &str, check: fn()) {
    check();
    arm(Some(plant));
    let result = catch_unwind(check);
    arm(None);
    let panic = result.expect_err("the check does not see that its rule is out");
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
    assert!(text.contains(words), "without the rule ({plant:?}) it says: {text}");
}

fn owned(transaction: &Transaction, index: u32) -> Coin {
    Coin { lock: allocation(&pbft_genesis(1), 0).lock, ..output_of(transaction, index) }
}

/// A backlog far longer than the timer, at every replica in another order.
#[test]
fn an_honest_primary_under_a_long_backlog_is_never_replaced() {
    guards(Plant::BacklogDue, "unfair", an_honest_primary_stays_under_a_backlog);
}

fn an_honest_primary_stays_under_a_backlog() {
    for hop_ms in [300, 20] {
        let mut net = Net::new(hop_ms);
        net.split(25);
        let begin = (net.now, net.heights()[0]);
        let mut least = usize::MAX;
        net.pay(21 * BLOCK_COUNT);
        // Until the last of them is everywhere.
        net.pass(6 * hop_ms);
        while net.now.since_ms(begin.0) < 180 * 1_000 {
            let held = net.replicas[1].mempool().len();
            least = least.min(held);
            net.pay((21 * BLOCK_COUNT).saturating_sub(held));
            net.pass(hop_ms);
            // Time is what matters here, not how many blocks there are: a quick net idles most of it.
            if net.heights()[0] - begin.1 > 400 {
                break;
            }
        }
        assert!(least >= 15 * BLOCK_COUNT, "hop {hop_ms}: only {least} waited");
        assert!(net.leaves.is_empty(), "hop {hop_ms}: {:?}", net.leaves);
        let height = net.heights()[0] - begin.1;
        assert!(height >= 60, "hop {hop_ms}: {height} blocks");
        let waits = net.now.since_ms(begin.0) * (21 * BLOCK_COUNT) as u64 / (height * BLOCK_COUNT as u64);
        assert!(hop_ms < 100 || waits > 10_000, "hop {hop_ms}: a transaction waits {waits} ms");
    }
}

#[test]
fn a_censor_is_replaced_and_the_one_that_it_ignored_becomes_final() {
    guards(Plant::EndlessPatience, "victim", a_censor_goes);
}

fn a_censor_goes() {
    let mut net = Net::new(20);
    net.split(5);
    let coin = net.coins.pop_front().expect("some were made");
    let victim = signed(&net.genesis, &coin, &[coin.grains]);
    net.replicas[0].leave_out(Some(Target::Transaction(victim.id())));
    net.tell(2, submit(&net.genesis, 0, &victim));
    for _ in 0..40 {
        net.pay(3);
        net.pass(200);
    }
    assert!(net.is_final.contains(&victim.id()));
    assert!(net.handed_over > 0, "the primary was asked before");
    assert!(
        net.leaves
            .iter()
            .any(|(_, reason, detail)| { *reason == "unfair" && detail.contains(&victim.id().to_string()) })
    );
    assert!(net.reasons().iter().all(|reason| ["unfair", "joined"].contains(reason)), "{:?}", net.leaves);
    assert_eq!(net.view(1), View(1), "and that one change was enough");
}

#[test]
fn a_crawling_primary_is_replaced() {
    guards(Plant::BearCrawling, "after 120 s: []", a_crawler_goes);
}

fn a_crawler_goes() {
    let mut net = Net::new(20);
    net.split(5);
    let before = net.heights()[1];
    net.lie(Mode::Delay);
    let mut passed_s = 0;
    while net.view(1) == View(0) && passed_s < 120 {
        net.pay(2);
        net.pass(1_000);
        passed_s += 1;
    }
    assert!(net.heights()[1] - before >= 12, "it kept just below the timeout: {:?}", net.leaves);
    assert!(net.reasons().contains(&"slow"), "after {passed_s} s: {:?}", net.leaves);
    assert_eq!(net.view(1), View(1));
}

/// It did not hear of it, has no room for what pays so little, or pays attention to another that spends the same coin.
#[test]
fn a_primary_that_could_not_know_is_told_and_stays() {
    guards(Plant::NoHandOver, "no progress", who_could_not_know_stays);
}

fn who_could_not_know_stays() {
    let mut net = Net::new(20);
    net.split(2);
    let (free, contested) = (net.coins.pop_front().expect("made"), net.coins.pop_front().expect("made"));
    let unheard = signed(&net.genesis, &free, &[free.grains]);
    let (first, second) = (contested.grains - 1, contested.grains - 2);
    let pair = [first, second].map(|grains| signed(&net.genesis, &contested, &[grains]));
    // The rest of the net knows one of the pair, the primary the other one; and only one backup knows the first at all.
    for (node, transaction) in [(0, &pair[0]), (1, &pair[1]), (2, &pair[1]), (3, &unheard), (3, &pair[1])] {
        net.replicas[node].handle(net.now, submit(&net.genesis, 0, transaction));
    }
    net.replicas[0].leave_out(Some(Target::Transaction(pair[0].id())));
    for _ in 0..5 {
        net.pay(1);
        net.pass(200);
    }
    net.replicas[0].leave_out(None);
    net.pass(6_000);
    assert!(net.is_final.contains(&unheard.id()));
    assert!(pair.iter().filter(|it| net.is_final.contains(&it.id())).count() == 1);
    assert!(net.leaves.is_empty(), "{:?}", net.leaves);
    assert!(net.handed_over > 0);
}
