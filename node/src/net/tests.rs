//! Two or three networks on loopback, and a raw libp2p client that breaks every rule.

use super::bans::Bans;
use super::dial::Dialer;
use super::frame::{read_frame, write_frame};
use super::limits::{
    BANS_MAX, FRAME_BYTES_MAX, GOSSIPED_REMEMBERED_FOR, GOSSIPED_REMEMBERED_MAX, MALFORMED_MAX, REDIAL_DEV_MAX,
};
use super::names::Names;
use super::rate::Allowance;
use super::recent::Recent;
use super::{NetError, NetSetup, start};
use crate::links::{LinkCounts, LinkRule};
use crate::metrics::Metrics;
use crate::ports::{NetCommand, NetEvent, Network, Origin, Verdict};
use bezant_api::config::P2pConfig;
use bezant_api::fault::LinkEffects;
use bezant_consensus::engine::{Peer, To};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION, Genesis, LedgerParams, PbftParams};
use bezant_consensus::ledger::hash::{BlockId, LockHash};
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::transaction::{Body, Coinbase, Output, Transaction};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::message::{Ballot, Headers, Locator, Message, TipInfo, Vote, VoteKind};
use futures::io::Cursor;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder, identify, noise, tcp, yamux};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

mod links;

const PATIENCE: Duration = Duration::from_secs(60);

fn key(index: u8) -> SigningKey {
    SigningKey::from_seed(&[index + 1; 32])
}

/// A net of `n` members; the salt tells nets apart.
fn genesis(n: u8, salt: u8, dev: bool) -> Arc<Genesis> {
    let params = PbftParams {
        depth: 4,
        checkpoint_interval: 16,
        view_timeout_ms: 1_000,
        view_timeout_max_ms: 60_000,
        drift_s: 10,
        block_time_ms: 0,
        readmit_interval: 100,
    };
    let ledger = LedgerParams {
        block_bytes_max: 1_000_000,
        coinbase_maturity: 1,
        subsidy: Amount::ZERO,
        halving_interval: 0,
        relay_fee_rate_min: 0,
    };
    let genesis = Genesis {
        version: GENESIS_VERSION,
        salt: [salt; 32],
        time: 1_700_000_000,
        dev,
        engine: EngineParams::Pbft(params),
        ledger,
        members: (0..n).map(|index| key(index).public()).collect(),
        allocations: vec![Output { amount: Amount::from_grains(1).unwrap(), lock: LockHash([7; 32]) }],
    };
    genesis.check().unwrap();
    Arc::new(genesis)
}

struct Node {
    network: Network,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    /// Events that were read while waiting for others, and that nobody has wanted yet.
    seen: Vec<NetEvent>,
}

fn config(peers: Vec<String>) -> P2pConfig {
    P2pConfig { listen: vec!["/ip4/127.0.0.1/tcp/0".into()], peers, ..P2pConfig::default() }
}

async fn node_with(genesis: &Arc<Genesis>, validator: Option<SigningKey>, config: P2pConfig) -> Node {
    let (stop, shutdown) = watch::channel(false);
    let setup = NetSetup {
        genesis: genesis.clone(),
        config,
        identity: Keypair::generate_ed25519(),
        validator,
        metrics: Arc::new(Metrics::new()),
        shutdown,
    };
    let (network, task) = start(setup).await.unwrap();
    Node { network, stop, task, seen: Vec::new() }
}

async fn node(genesis: &Arc<Genesis>, member: Option<u8>, peers: Vec<String>) -> Node {
    node_with(genesis, member.map(key), config(peers)).await
}

impl Node {
    fn id(&self) -> PeerId {
        self.network.peer_id
    }

    fn address(&self) -> String {
        self.network.addresses[0].clone()
    }

    async fn tell(&self, command: NetCommand) {
        self.network.commands.send(command).await.unwrap();
    }

    async fn send(&self, to: To, message: &Message) {
        self.tell(NetCommand::Send { to, message: message.clone() }).await;
    }

    /// Takes the first event that is what is wanted, of those that were read while waiting for others and of those to come:
    /// two peers may connect in either order.
    async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&mut NetEvent) -> Option<T>) -> T {
        for index in 0..self.seen.len() {
            if let Some(found) = wanted(&mut self.seen[index]) {
                self.seen.remove(index);
                return found;
            }
        }
        let read = async {
            loop {
                let mut event = self.network.events.recv().await.expect("the network runs");
                if let Some(found) = wanted(&mut event) {
                    return found;
                }
                self.seen.push(event);
            }
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{what} did not come"))
    }

    async fn connected(&mut self, whom: PeerId) -> Peer {
        let found = |event: &mut NetEvent| match event {
            NetEvent::Connected { peer, peer_id, .. } if *peer_id == whom => Some(*peer),
            _ => None,
        };
        self.until("a connection", found).await
    }

    async fn disconnected(&mut self, whom: Peer) {
        let found = |event: &mut NetEvent| matches!(event, NetEvent::Disconnected(peer) if *peer == whom).then_some(());
        self.until("the end of a connection", found).await;
    }

    async fn member(&mut self) -> (Peer, u16) {
        let found = |event: &mut NetEvent| match event {
            NetEvent::Member { peer, member: Some(member) } => Some((*peer, *member)),
            _ => None,
        };
        self.until("a member", found).await
    }

    /// Waits for this message and returns how it came.
    async fn hears(&mut self, wanted: &Message) -> (Peer, Origin) {
        let found = |event: &mut NetEvent| match event {
            NetEvent::Message { from, message, origin, bytes } if message == wanted => {
                assert_eq!(*bytes, encode(wanted).len());
                Some((*from, std::mem::replace(origin, Origin::Direct)))
            }
            _ => None,
        };
        self.until(wanted.name(), found).await
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.task).await.expect("the network stops").unwrap();
    }
}

/// Two connected members of one net.
async fn pair(genesis: &Arc<Genesis>) -> (Node, Peer, Node, Peer) {
    let mut a = node(genesis, Some(0), Vec::new()).await;
    let mut b = node(genesis, Some(1), vec![a.address()]).await;
    let b_of_a = a.connected(b.id()).await;
    let a_of_b = b.connected(a.id()).await;
    assert_eq!(a.member().await, (b_of_a, 1));
    assert_eq!(b.member().await, (a_of_b, 0));
    (a, b_of_a, b, a_of_b)
}

/// What is heard from a peer is treated like this.
fn hears(peer: PeerId, effects: LinkEffects) -> LinkRule {
    LinkRule { id: 1, from: BTreeMap::from([(peer, 1)]), to: BTreeSet::new(), effects, counts: LinkCounts::default() }
}

/// The link to a peer, cut in both directions.
fn cut(peer: PeerId) -> NetCommand {
    let rule = LinkRule { to: BTreeSet::from([peer]), ..hears(peer, LinkEffects::CUT) };
    NetCommand::SetLinks(vec![Arc::new(rule)])
}

fn tip(height: u64) -> Message {
    let work = bezant_consensus::ledger::target::Work::default();
    Message::Tip(TipInfo {
        height: Height(height),
        id: BlockId::default(),
        final_height: Height(0),
        work,
        stable: Height(0),
        epoch: Epoch(0),
    })
}

fn transaction(number: u64) -> Message {
    let coinbase = Coinbase { height: Height(number), extra: vec![1, 2, 3], outputs: Vec::new() };
    Message::Transaction(Transaction::new(Body::Coinbase(coinbase), Vec::new()))
}

fn vote(genesis: &Genesis, height: u64) -> Message {
    let ballot = Ballot {
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        view: View(0),
        height: Height(height),
        block: BlockId::default(),
    };
    Message::Vote(Vote::sign(&genesis.network_id(), VoteKind::Commit, ballot, 0, &key(0)))
}

fn headers(count: usize) -> Message {
    let header: Header = genesis(1, 0, true).block().header;
    Message::Headers(Headers(vec![header; count]))
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_the_way_that_is_theirs() {
    let genesis = genesis(2, 1, true);
    let (a, b_of_a, mut b, a_of_b) = pair(&genesis).await;
    // To one peer, to members and where we stand: direct.
    for (to, message) in [
        (To::Peer(b_of_a), tip(1)),
        (To::Members, vote(&genesis, 1)),
        (To::Member(1), vote(&genesis, 2)),
        (To::All, tip(2)),
    ] {
        a.send(to, &message).await;
        let (from, origin) = b.hears(&message).await;
        assert!(matches!(origin, Origin::Direct), "{to:?}");
        assert_eq!(from, a_of_b);
    }
    // To all: by gossip, once the other side has said what it subscribes to; before that directly.
    let mut number = 0;
    let gossip = loop {
        number += 1;
        a.send(To::All, &transaction(number)).await;
        match b.hears(&transaction(number)).await.1 {
            Origin::Gossip(gossip) => break gossip,
            Origin::Direct => {}
            other => panic!("{other:?}"),
        }
    };
    b.tell(NetCommand::Judge { gossip, verdict: Verdict::Accept }).await;
    // Said again: gossip has no use for it, so it comes directly.
    a.send(To::All, &transaction(number)).await;
    assert!(matches!(b.hears(&transaction(number)).await.1, Origin::Direct));
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_reaches_a_member_that_is_not_connected_by_gossip() {
    let genesis = genesis(3, 2, true);
    let mut hub = node(&genesis, Some(0), Vec::new()).await;
    let mut left = node(&genesis, Some(1), vec![hub.address()]).await;
    // Without an address of its own, nobody can find the right one but the hub.
    let mut right = node(&genesis, Some(2), vec![hub.address()]).await;
    hub.connected(left.id()).await;
    hub.connected(right.id()).await;
    left.connected(hub.id()).await;
    right.connected(hub.id()).await;
    left.tell(cut(right.id())).await;
    right.tell(cut(left.id())).await;
    // Votes are repeated as the protocol would, until the mesh carries one; the hub forwards what it accepts.
    let arrived = async {
        for height in 1.. {
            left.send(To::Members, &vote(&genesis, height)).await;
            let round = Instant::now();
            while round.elapsed() < Duration::from_millis(300) {
                tokio::select! {
                    event = hub.network.events.recv() => {
                        if let Some(NetEvent::Message { origin: Origin::Gossip(gossip), .. }) = event {
                            hub.tell(NetCommand::Judge { gossip, verdict: Verdict::Accept }).await;
                        }
                    }
                    event = right.network.events.recv() => {
                        if let Some(NetEvent::Message { message: Message::Vote(_), origin: Origin::Gossip(_), .. }) = event {
                            return;
                        }
                    }
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                }
            }
        }
    };
    timeout(PATIENCE, arrived).await.expect("a vote arrives over the hub");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_or_reported() {
    let genesis = genesis(2, 3, true);
    let (mut a, b_of_a, mut b, _) = pair(&genesis).await;
    let request = Message::GetHeaders(Locator::default());
    let asked = |origin| match origin {
        Origin::Request(reply) => reply,
        other => panic!("{other:?}"),
    };
    a.send(To::Peer(b_of_a), &request).await;
    asked(b.hears(&request).await.1).send(headers(3));
    assert!(matches!(a.hears(&headers(3)).await, (from, Origin::Answer) if from == b_of_a));

    let unanswered =
        |event: &mut NetEvent| matches!(event, NetEvent::Unanswered(peer) if *peer == b_of_a).then_some(());
    // Refused.
    a.send(To::Peer(b_of_a), &request).await;
    drop(asked(b.hears(&request).await.1));
    a.until("a refusal", unanswered).await;
    // Never answered.
    a.send(To::Peer(b_of_a), &request).await;
    let kept = asked(b.hears(&request).await.1);
    a.until("a time-out", unanswered).await;
    drop(kept);
    // The wrong answer is no answer, and a fault.
    a.send(To::Peer(b_of_a), &request).await;
    asked(b.hears(&request).await.1).send(tip(1));
    a.until("a wrong answer", unanswered).await;
    a.until("a fault", |event| matches!(event, NetEvent::Malformed { .. }).then_some(())).await;
    // Nobody there.
    b.stop().await;
    a.disconnected(b_of_a).await;
    a.send(To::Peer(b_of_a), &request).await;
    a.until("nobody's answer", unanswered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_links_end_and_come_back() {
    let genesis = genesis(2, 4, true);
    let (mut a, b_of_a, mut b, a_of_b) = pair(&genesis).await;
    a.tell(cut(b.id())).await;
    a.disconnected(b_of_a).await;
    b.disconnected(a_of_b).await;
    a.tell(NetCommand::SetLinks(Vec::new())).await;
    let again = a.connected(b.id()).await;
    assert_ne!(again, b_of_a, "a number is not used twice");
    let a_again = b.connected(a.id()).await;
    a.send(To::Peer(again), &tip(9)).await;
    assert_eq!(b.hears(&tip(9)).await.0, a_again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_peer_stays_out_for_its_time() {
    let genesis = genesis(2, 5, true);
    let (mut a, b_of_a, b, _) = pair(&genesis).await;
    let begun = Instant::now();
    a.tell(NetCommand::Ban { peer: b_of_a, duration_ms: 1_500 }).await;
    a.disconnected(b_of_a).await;
    a.connected(b.id()).await;
    assert!(begun.elapsed() >= Duration::from_millis(1_500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_malformed_addresses_are_named() {
    let genesis = genesis(1, 6, true);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let attempt = |config: P2pConfig| {
        let (_stop, shutdown) = watch::channel(false);
        start(NetSetup {
            genesis: genesis.clone(),
            config,
            identity: Keypair::generate_ed25519(),
            validator: None,
            metrics: Arc::new(Metrics::new()),
            shutdown,
        })
    };
    let listening = P2pConfig { listen: vec![listen.clone()], ..P2pConfig::default() };
    assert!(matches!(attempt(listening).await, Err(NetError::Listen { address, .. }) if address == listen));
    let nonsense = P2pConfig { listen: vec!["here".into()], ..P2pConfig::default() };
    assert!(matches!(attempt(nonsense).await, Err(NetError::Address { .. })));
    let nameless = P2pConfig { peers: vec!["/ip4/127.0.0.1/tcp/1".into()], ..P2pConfig::default() };
    assert!(matches!(attempt(nameless).await, Err(NetError::Address { .. })));
}

/// A client that speaks whatever bytes a test wants.
#[derive(NetworkBehaviour)]
struct RawBehaviour {
    streams: libp2p_stream::Behaviour,
    identify: identify::Behaviour,
}

struct Raw {
    swarm: Swarm<RawBehaviour>,
    control: libp2p_stream::Control,
}

impl Raw {
    /// Connects to `node`, saying to be of the net `identity`.
    async fn connect(node: &Node, identity: &str) -> Raw {
        let mut raw = Raw::new(identity);
        raw.dial(node).await;
        raw
    }

    /// Says to be of the net `identity`; not connected yet.
    fn new(identity: &str) -> Raw {
        let swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| RawBehaviour {
                streams: libp2p_stream::Behaviour::new(),
                identify: identify::Behaviour::new(identify::Config::new(identity.to_owned(), key.public())),
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE * 2))
            .build();
        let control = swarm.behaviour().streams.new_control();
        Raw { swarm, control }
    }

    async fn dial(&mut self, node: &Node) {
        self.swarm.dial(node.address().parse::<Multiaddr>().unwrap()).unwrap();
        self.until("a connection", |event| matches!(event, SwarmEvent::ConnectionEstablished { .. })).await;
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&SwarmEvent<RawBehaviourEvent>) -> bool) {
        let read = async { while !wanted(&self.swarm.select_next_some().await) {} };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{what} did not come"));
    }

    async fn dropped(&mut self) {
        self.until("the end", |event| matches!(event, SwarmEvent::ConnectionClosed { num_established: 0, .. })).await;
    }

    /// Opens a stream; `None` when the connection is gone or the protocol unknown.
    async fn open(&mut self, to: PeerId, protocol: StreamProtocol) -> Option<Stream> {
        let mut control = self.control.clone();
        let opening = control.open_stream(to, protocol);
        tokio::pin!(opening);
        let both = async {
            loop {
                tokio::select! {
                    opened = &mut opening => return opened.ok(),
                    event = self.swarm.select_next_some() => {
                        if matches!(event, SwarmEvent::ConnectionClosed { num_established: 0, .. }) {
                            return None;
                        }
                    }
                }
            }
        };
        timeout(PATIENCE, both).await.expect("a stream opens or not")
    }

    /// Writes and reads while the swarm moves; whether the other side lets it end is not the point.
    async fn exchange(&mut self, stream: &mut Stream, bytes: &[u8]) -> bool {
        let talk = async {
            let _ = stream.write_all(bytes).await;
            let _ = stream.flush().await;
            let _ = stream.close().await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        };
        tokio::pin!(talk);
        let both = async {
            loop {
                tokio::select! {
                    () = &mut talk => return true,
                    event = self.swarm.select_next_some() => {
                        if matches!(event, SwarmEvent::ConnectionClosed { num_established: 0, .. }) {
                            return false;
                        }
                    }
                }
            }
        };
        timeout(PATIENCE, both).await.expect("the stream ends")
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

fn noise_bytes(length: usize, mut state: u64) -> Vec<u8> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Bytes that no correct peer writes into a stream of frames.
fn faulty() -> Vec<Vec<u8>> {
    vec![
        // A length over the limit; nothing may be allocated for it.
        u32::MAX.to_be_bytes().to_vec(),
        u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_be_bytes().to_vec(),
        // A frame cut short.
        framed(&[0; 64])[..20].to_vec(),
        // Frames that do not decode.
        framed(&[0xff; 40]),
        framed(&[]),
        framed(&noise_bytes(5_000, 1)),
        // A message with bytes behind it.
        framed(&[encode(&tip(1)), vec![0]].concat()),
        noise_bytes(10_000, 2),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bytes_cost_their_sender_the_connection_and_nobody_else() {
    let genesis = genesis(2, 7, true);
    let names = Names::new(&genesis.network_id());
    let (mut a, b_of_a, mut b, _) = pair(&genesis).await;
    for protocol in [names.direct.clone(), names.requests.clone()] {
        for (number, bytes) in faulty().into_iter().enumerate() {
            let mut raw = Raw::connect(&a, &names.identity).await;
            // A proper hello first, so that it is the message that is at fault.
            let hello = if protocol == names.direct { framed(&[0]) } else { Vec::new() };
            let whole = [hello, bytes].concat();
            for _ in 0..MALFORMED_MAX * 4 {
                let Some(mut stream) = raw.open(a.id(), protocol.clone()).await else { break };
                if !raw.exchange(&mut stream, &whole).await {
                    break;
                }
            }
            // A request stream that is cut short looks like a lost one.
            let lost = protocol == names.requests && number == 2;
            if !lost && raw.swarm.is_connected(&a.id()) {
                raw.dropped().await;
            }
        }
        a.until("a report", |event| matches!(event, NetEvent::Malformed { .. }).then_some(())).await;
    }
    // The others do not notice.
    a.send(To::Peer(b_of_a), &tip(77)).await;
    b.hears(&tip(77)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_claim_to_be_a_member_is_refused() {
    let genesis = genesis(2, 8, true);
    let names = Names::new(&genesis.network_id());
    let mut a = node(&genesis, Some(0), Vec::new()).await;
    let mut raw = Raw::connect(&a, &names.identity).await;
    let signature = key(1).sign(b"something else");
    let claim = framed(&encode(&Some((key(1).public(), signature))));
    let mut stream = raw.open(a.id(), names.direct.clone()).await.unwrap();
    raw.exchange(&mut stream, &claim).await;
    let reason = |event: &mut NetEvent| match event {
        NetEvent::Member { .. } => panic!("believed"),
        NetEvent::Malformed { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    assert!(a.until("a report", reason).await.contains("without its signature"));
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_on_the_protocols_of_libp2p_change_nothing() {
    let genesis = genesis(2, 9, true);
    let names = Names::new(&genesis.network_id());
    let (a, b_of_a, mut b, _) = pair(&genesis).await;
    let mut raw = Raw::connect(&a, &names.identity).await;
    let libp2p = ["/meshsub/1.1.0", "/ipfs/ping/1.0.0", "/ipfs/id/push/1.0.0", "/nothing/of/the/kind"];
    let mut protocols: Vec<StreamProtocol> = libp2p.into_iter().map(StreamProtocol::new).collect();
    protocols.push(names.kademlia.clone());
    for protocol in protocols {
        for seed in 0..4 {
            let Some(mut stream) = raw.open(a.id(), protocol.clone()).await else { break };
            // Some protocols never close; that these bytes were taken is enough.
            let bytes = noise_bytes(3_000, seed);
            let written = async {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
            };
            tokio::pin!(written);
            let both = async {
                loop {
                    tokio::select! {
                        () = &mut written => return,
                        _ = raw.swarm.select_next_some() => {}
                    }
                }
            };
            timeout(PATIENCE, both).await.expect("bytes are taken or refused");
        }
    }
    a.send(To::Peer(b_of_a), &tip(78)).await;
    b.hears(&tip(78)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_net_is_refused() {
    let ours = genesis(2, 10, true);
    let theirs = Names::new(&genesis(2, 11, true).network_id());
    let mut a = node(&ours, Some(0), Vec::new()).await;
    let mut raw = Raw::connect(&a, &theirs.identity).await;
    raw.dropped().await;
    while let Ok(event) = a.network.events.try_recv() {
        assert!(!matches!(event, NetEvent::Connected { .. }));
    }
    assert_eq!(Names::network_of(&theirs.identity).len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_two_nets_do_not_meet() {
    let ours = genesis(2, 13, true);
    let mut a = node(&ours, Some(0), Vec::new()).await;
    let mut stranger = node(&genesis(2, 14, true), Some(0), vec![a.address()]).await;
    let mut friend = node(&ours, Some(1), vec![a.address()]).await;
    let number = a.connected(friend.id()).await;
    // The stranger dials several times meanwhile.
    for height in 0..2 {
        a.send(To::Peer(number), &tip(height)).await;
        friend.hears(&tip(height)).await;
        a.until("a ping", |event| matches!(event, NetEvent::RoundTrip { .. }).then_some(())).await;
    }
    assert!(!a.seen.iter().any(|event| matches!(event, NetEvent::Connected { .. })));
    assert!(stranger.network.events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_too_slowly_is_disconnected() {
    let genesis = genesis(2, 12, true);
    let names = Names::new(&genesis.network_id());
    let mut a = node(&genesis, Some(0), Vec::new()).await;
    let mut raw = Raw::new(&names.identity);
    // Before it is connected: a node that finds the protocol unknown does not try again.
    let mut incoming = raw.control.accept(names.direct.clone()).unwrap();
    raw.dial(&a).await;
    let mut hello = raw.open(a.id(), names.direct.clone()).await.unwrap();
    hello.write_all(&framed(&[0])).await.unwrap();
    hello.flush().await.unwrap();
    let raw_id = *raw.swarm.local_peer_id();
    let moving = tokio::spawn(async move { while raw.swarm.next().await.is_some() {} });
    let peer = a.connected(raw_id).await;
    // Greets and never reads.
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Some((_, mut stream)) = incoming.next().await {
            let _ = stream.write_all(&[1]).await;
            let _ = stream.flush().await;
            held.push(stream);
        }
    });
    let big = headers(2_000);
    let flood = async {
        loop {
            if a.network.commands.try_send(NetCommand::Send { to: To::Peer(peer), message: big.clone() }).is_err() {
                tokio::task::yield_now().await;
            }
            match a.network.events.try_recv() {
                Ok(NetEvent::Disconnected(gone)) if gone == peer => return,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, flood).await.expect("it is disconnected");
    moving.abort();
    holding.abort();
}

#[tokio::test]
async fn frames_are_limited_and_whole() {
    let mut wire = Vec::new();
    write_frame(&mut wire, b"abc").await.unwrap();
    write_frame(&mut wire, b"").await.unwrap();
    let mut reader = Cursor::new(wire.clone());
    assert_eq!(read_frame(&mut reader).await.unwrap(), Some(b"abc".to_vec()));
    assert_eq!(read_frame(&mut reader).await.unwrap(), Some(Vec::new()));
    assert_eq!(read_frame(&mut reader).await.unwrap(), None);
    for cut in 1..7 {
        let mut short = Cursor::new(&wire[..cut]);
        assert_eq!(read_frame(&mut short).await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof, "{cut}");
    }
    let mut long = Cursor::new(u32::MAX.to_be_bytes());
    assert_eq!(read_frame(&mut long).await.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn an_allowance_is_used_up_and_comes_back() {
    let start = Instant::now();
    let mut allowance = Allowance::new(start);
    let taken = (0..1_000_000).take_while(|_| allowance.try_take(start, 1)).count();
    assert_eq!(taken, 40_000);
    assert!(allowance.try_take(start + Duration::from_secs(1), 1));
    let mut owing = Allowance::new(start);
    assert_eq!(owing.take(start, 1), Duration::ZERO);
    let mut pause = Duration::ZERO;
    for _ in 0..40 {
        pause = owing.take(start, FRAME_BYTES_MAX);
    }
    assert!(pause > Duration::ZERO);
    assert_eq!(owing.take(start + pause * 2, 0), Duration::ZERO);
}

#[test]
fn bans_end_and_are_bounded() {
    let now = Instant::now();
    let mut bans = Bans::default();
    let first = PeerId::random();
    assert_eq!(bans.insert(first, now + Duration::from_secs(1)), None);
    assert!(bans.expire(now).is_empty() && bans.contains(&first));
    for _ in 1..BANS_MAX {
        assert_eq!(bans.insert(PeerId::random(), now + Duration::from_secs(2)), None);
    }
    assert_eq!(bans.insert(PeerId::random(), now + Duration::from_secs(3)), Some(first));
    assert_eq!(bans.expire(now + Duration::from_secs(2)).len(), BANS_MAX - 1);
}

#[test]
fn what_was_gossiped_is_remembered_for_a_while() {
    let now = Instant::now();
    let mut recent = Recent::default();
    recent.insert(now, b"one");
    assert!(recent.contains(now, b"one") && !recent.contains(now, b"two"));
    assert!(!recent.contains(now + GOSSIPED_REMEMBERED_FOR, b"one"));
    for number in 0..2 * GOSSIPED_REMEMBERED_MAX {
        recent.contains(now, b"");
        recent.insert(now, &number.to_be_bytes());
    }
    assert!(!recent.contains(now, &0usize.to_be_bytes()));
    assert!(recent.contains(now, &(2 * GOSSIPED_REMEMBERED_MAX - 1).to_be_bytes()));
}

#[test]
fn static_peers_are_dialled_with_growing_pauses() {
    let (me, peer, now) = (PeerId::random(), PeerId::random(), Instant::now());
    let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    let mut dialer = Dialer::new(me, &[(peer, address.clone()), (me, address)], REDIAL_DEV_MAX, now);
    assert!(dialer.contains(&peer) && !dialer.contains(&me));
    let mut times = Vec::new();
    for ms in (0..10_000).step_by(50) {
        if !dialer.due(now + Duration::from_millis(ms), |_| true).is_empty() {
            times.push(ms);
        }
    }
    let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    assert_eq!(pauses.last(), Some(&1_000));
    assert!(dialer.due(now + Duration::from_secs(60), |_| false).is_empty());
}
