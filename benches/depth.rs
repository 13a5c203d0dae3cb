//! How many heights should be in flight: `cargo bench --bench depth -- [far] [near [ROUNDS]]`.
//!
//! - `far`: four replicas in virtual time, in one process, whose messages take long: as many empty blocks as the window lets through.
//!   What processors and disks cost is left out; this is what distance costs.
//! - `near`: four real nodes on this machine, at full load and at a light one, for each depth in turn, so many rounds.

#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../tests/e2e/net.rs"]
mod net;

use bezant_consensus::engine::{Effect, Engine, EngineConfig, Event, Peer, To, VoteLog};
use bezant_consensus::incarnations::Incarnations;
use bezant_consensus::ledger::genesis::{EngineParams, Genesis, PbftParams};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::transaction::Output;
use bezant_consensus::ledger::units::Time;
use bezant_consensus::message::Message;
use bezant_consensus::pbft::Pbft;
use bezant_consensus::verify::Verifier;
use bezant_node::metrics::Metrics;
use bezant_node::store::open;
use net::Net;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;

const DEPTHS: [u16; 6] = [1, 2, 3, 4, 8, 16];
const MEMBERS: u8 = 4;
const START_S: u32 = 1_750_000_000;
/// One-way delays of messages: steady ones, and ones that differ much.
const DELAYS_MS: [std::ops::RangeInclusive<u64>; 2] = [40..=60, 5..=195];
const FAR_MS: u64 = 20_000;
const LOADS_PER_S: [u32; 2] = [300, 3_000];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "far") {
        for delay_ms in DELAYS_MS {
            println!("{MEMBERS} members, {} to {} ms between them", delay_ms.start(), delay_ms.end());
            DEPTHS.iter().for_each(|depth| far(*depth, &delay_ms));
        }
    }
    if let Some(place) = arguments.iter().position(|argument| argument == "near") {
        let rounds = arguments.get(place + 1).and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
        for round in 1..=rounds {
            DEPTHS.iter().for_each(|depth| near(round, *depth));
        }
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn genesis(depth: u16) -> Genesis {
    let lock = Lock::Key(key(0).public()).hash();
    let amount = bezant_consensus::ledger::amount::Amount::from_grains(1).expect("a small amount");
    Genesis {
        version: bezant_consensus::ledger::genesis::GENESIS_VERSION,
        salt: [7; 32],
        time: START_S,
        dev: true,
        engine: EngineParams::Pbft(PbftParams { depth, ..bezant_api::genesis::pbft_defaults() }),
        ledger: bezant_api::genesis::ledger_defaults(bezant_api::types::EngineName::Pbft),
        members: (0..MEMBERS).map(|number| key(number).public()).collect(),
        allocations: vec![Output { amount, lock }],
    }
}

/// A member far from the others.
struct Member {
    engine: Pbft,
    state: bezant_node::store::StateWriter,
    _facts: bezant_node::store::Facts,
    _dir: tempfile::TempDir,
}

/// What reaches whom, by the time at which it does.
type Queue = BTreeMap<(u64, u64), (usize, Event)>;

fn far(depth: u16, delay_ms: &std::ops::RangeInclusive<u64>) {
    let genesis = Arc::new(genesis(depth));
    let verifier = Verifier::new(genesis.clone());
    let mut members: Vec<Member> = (0..MEMBERS).map(|number| member(&genesis, number)).collect();
    let mut dice = rand::rngs::StdRng::seed_from_u64(1);
    let (mut queue, mut number) = (Queue::new(), 0_u64);
    for (to, from) in (0..members.len()).flat_map(|to| (0..members.len()).map(move |from| (to, from))) {
        if to != from {
            number += 1;
            queue.insert((0, number), (to, Event::Connected(Peer(from as u64))));
        }
    }
    for place in 0..FAR_MS {
        // More blocks are wanted than any window lets through.
        number += 1;
        queue.insert((place, number), (0, Event::BlockNow));
    }
    while let Some(((now_ms, _), (at, event))) = queue.pop_first() {
        if now_ms > FAR_MS {
            break;
        }
        let now = Time::from_seconds(START_S).plus_ms(now_ms);
        for effect in members[at].engine.handle(now, event) {
            let (to, message): (Vec<usize>, Message) = match effect {
                Effect::Send { to: To::Peer(peer), message } => (vec![peer.0 as usize], message),
                Effect::Send { message, .. } => ((0..members.len()).filter(|to| *to != at).collect(), message),
                Effect::WantPayload(request) => {
                    number += 1;
                    let event = Event::Payload { ticket: request.ticket, transactions: Vec::new() };
                    queue.insert((now_ms, number), (at, event));
                    continue;
                }
                Effect::Chain(update) => {
                    members[at].state.update(update).expect("the writer runs");
                    continue;
                }
                _ => continue,
            };
            let message = verifier.message(message, &|_| false, rand::rng()).expect("nobody lies");
            for to in to {
                number += 1;
                let at_ms = now_ms + dice.random_range(delay_ms.clone());
                let event = Event::Message { from: Peer(at as u64), message: message.clone(), waited_ms: 0 };
                queue.insert((at_ms, number), (to, event));
            }
        }
    }
    let heights = members.iter().map(|member| member.engine.chain().tip().height.0);
    let height = heights.min().expect("there are members");
    println!("depth {depth:2}: {:6.1} blocks a second", height as f64 * 1_000.0 / FAR_MS as f64);
}

fn member(genesis: &Arc<Genesis>, number: u8) -> Member {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path(), genesis, Arc::new(Metrics::new())).expect("an empty directory opens");
    let config = EngineConfig {
        genesis: genesis.clone(),
        key: Some(key(number)),
        payee: None,
        log: VoteLog::Original,
        incarnations: Incarnations::default(),
        mine: false,
        work_min: Default::default(),
        salt: [0; 32],
    };
    let (engine, _) = Pbft::restore(config, Box::new(opened.view), opened.base, opened.records);
    Member { engine, state: opened.state, _facts: opened.facts, _dir: dir }
}

/// A net whose genesis has another depth.
fn net_of(depth: u16) -> Net {
    let net = Net::up(&[]);
    let manifest = net.manifest();
    net.run(&["testnet", "down"]).ended(0);
    net.await_gone(&manifest);
    let path = net.dir().join("genesis.toml");
    let text = std::fs::read_to_string(&path).expect("the net has a genesis");
    let default = bezant_api::genesis::pbft_defaults().depth;
    let other = text.replace(&format!("\ndepth = {default}\n"), &format!("\ndepth = {depth}\n"));
    assert!(depth == default || other != text, "the genesis says the default");
    std::fs::write(path, other).expect("the directory is ours");
    for node in 0..4 {
        for entry in std::fs::read_dir(net.data_dir(node)).expect("the node has a directory").flatten() {
            // Its peers know it by the key that lies there too.
            if entry.file_name().to_string_lossy().contains(".sqlite") {
                std::fs::remove_file(entry.path()).expect("the node is down");
            }
        }
        // Nothing was signed yet with this key on the net that comes.
        let path = net.dir().join(format!("node{node}")).join("validator.key");
        let key = std::fs::read_to_string(&path).expect("a member has a key");
        std::fs::write(&path, key.lines().next().expect("a key")).expect("the directory is ours");
    }
    net.start(&[]);
    net
}

fn near(round: u32, depth: u16) {
    let net = net_of(depth);
    for rate in LOADS_PER_S.map(|rate| rate.to_string()) {
        let before = net.final_height(0);
        let arguments = ["testnet", "load", "--rate", &rate, "--duration", "10s", "--accounts", "200"];
        let report = net.json(&arguments);
        let blocks = net.final_height(0) - before;
        println!("round {round}, depth {depth:2}, {rate:>4} a second offered, {blocks} blocks: {report}");
    }
    net.check();
}
