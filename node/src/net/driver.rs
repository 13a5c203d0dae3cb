//! The loop of this layer: it owns the swarm, carries out commands, and reports events. It never waits for the executor while
//! the swarm could move; while too many events wait, it stops reading from the network instead.

use super::NetSetup;
use super::bans::Bans;
use super::behaviour::Behaviour;
use super::dial::Dialer;
use super::exchange::Parcel;
use super::gate::{Arriving, Gate};
use super::late::LateGossip;
use super::limits::{
    ADMISSION_TIMEOUT, EVENTS_WAITING_BYTES_MAX, EVENTS_WAITING_MAX, INBOX_FRAMES_MAX, MALFORMED_BAN, MALFORMED_MAX,
    REDIAL_DEV_MAX, REDIAL_MAX, STREAMS_PER_PEER_MAX,
};
use super::names::Names;
use super::peers::Peers;
use super::recent::Recent;
use super::streams::{self, Frame, Inbound};
use crate::links::LinkRule;
use crate::metrics::Metrics;
use crate::ports::{NetCommand, NetEvent, Origin, Verdict};
use bezant_consensus::engine::Peer;
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::key::{PublicKey, SigningKey};
use bezant_consensus::message::Message;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::gossipsub::MessageAcceptance;
use libp2p::request_response::{OutboundRequestId, ResponseChannel};
use libp2p::swarm::Swarm;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Stream};
use libp2p_stream::IncomingStreams;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How often static peers, bans and strangers are looked after.
const TICK: Duration = Duration::from_millis(100);

/// What became of a peer's request: the executor's answer, or none.
pub(super) type Answered = (PeerId, ResponseChannel<Parcel>, Option<Message>);

/// All state of the network layer.
pub(super) struct Driver {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) names: Names,
    /// The present members.
    pub(super) set: ValidatorSet,
    /// This node's validator key, member or not.
    pub(super) validator: Option<PublicKey>,
    pub(super) hello: Frame,
    pub(super) peers: Peers,
    /// What is heard from peers comes through here.
    pub(super) gate: Gate,
    /// Gossip that came through it late.
    pub(super) late: LateGossip,
    pub(super) bans: Bans,
    pub(super) dialer: Dialer,
    pub(super) gossiped: Recent,
    /// Requests of ours, with whom was asked and the name of the answer.
    pub(super) asked: HashMap<OutboundRequestId, (PeerId, &'static str)>,
    /// Requests of peers that the executor has not answered yet.
    pub(super) answers: FuturesUnordered<BoxFuture<'static, Answered>>,
    pub(super) metrics: Arc<Metrics>,
    control: libp2p_stream::Control,
    incoming: IncomingStreams,
    inbox: mpsc::Receiver<Inbound>,
    inbox_entrance: mpsc::Sender<Inbound>,
    waiting: VecDeque<NetEvent>,
    /// Of the messages in `waiting`.
    waiting_bytes: usize,
    tasks: JoinSet<()>,
}

impl Driver {
    pub(super) fn new(
        setup: &NetSetup,
        names: Names,
        swarm: Swarm<Behaviour>,
        gate: Gate,
        peers: &[(PeerId, Multiaddr)],
    ) -> Result<Driver, super::NetError> {
        let me = *swarm.local_peer_id();
        let set = setup.genesis.validator_set();
        let mut control = swarm.behaviour().streams.new_control();
        let taken = |error: libp2p_stream::AlreadyRegistered| super::NetError::Setup { reason: error.to_string() };
        let incoming = control.accept(names.direct.clone()).map_err(taken)?;
        let (inbox_entrance, inbox) = mpsc::channel(INBOX_FRAMES_MAX);
        let pause_max = if setup.genesis.dev { REDIAL_DEV_MAX } else { REDIAL_MAX };
        Ok(Driver {
            hello: super::hello::ours(&set.network, setup.validator.as_ref(), &me).into(),
            validator: setup.validator.as_ref().map(SigningKey::public),
            set,
            names,
            peers: Peers::default(),
            gate,
            late: LateGossip::default(),
            bans: Bans::default(),
            dialer: Dialer::new(me, peers, pause_max, Instant::now()),
            gossiped: Recent::default(),
            asked: HashMap::new(),
            answers: FuturesUnordered::new(),
            metrics: setup.metrics.clone(),
            swarm,
            control,
            incoming,
            inbox,
            inbox_entrance,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            tasks: JoinSet::new(),
        })
    }

    /// Runs until `shutdown`, or until the executor is gone. Connections close when this returns.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<NetCommand>,
        events: mpsc::Sender<NetEvent>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = self.gate.next_due();
            let open = self.has_room();
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return,
                permit = events.reserve(), if !self.waiting.is_empty() => {
                    let Ok(permit) = permit else { return };
                    let event = self.waiting.pop_front().expect("checked above");
                    self.waiting_bytes -= message_bytes(&event);
                    permit.send(event);
                }
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                event = self.swarm.select_next_some(), if open => self.on_swarm(event),
                Some((peer, stream)) = self.incoming.next(), if open => self.on_stream(peer, stream),
                Some(inbound) = self.inbox.recv(), if open => self.on_inbound(inbound),
                () = until(due), if open && due.is_some() => self.on_due(Instant::now()),
                Some(answered) = self.answers.next(), if !self.answers.is_empty() => self.on_answered(answered),
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                _ = tick.tick() => self.on_tick(Instant::now()),
            }
        }
    }

    /// Whether the executor keeps up.
    fn has_room(&self) -> bool {
        self.waiting.len() < EVENTS_WAITING_MAX && self.waiting_bytes < EVENTS_WAITING_BYTES_MAX
    }

    /// Reports an event, after all before it.
    pub(super) fn report(&mut self, event: NetEvent) {
        self.waiting_bytes += message_bytes(&event);
        self.waiting.push_back(event);
    }

    fn on_command(&mut self, command: NetCommand) {
        match command {
            NetCommand::Send { to, message } => self.send(to, &message),
            NetCommand::Judge { gossip, verdict } => {
                if let Some((topic, data)) = self.late.judged(&gossip) {
                    return self.pass_on(verdict, topic, data);
                }
                let acceptance = match verdict {
                    Verdict::Accept => MessageAcceptance::Accept,
                    Verdict::Reject => MessageAcceptance::Reject,
                    Verdict::Ignore => MessageAcceptance::Ignore,
                };
                let gossipsub = &mut self.swarm.behaviour_mut().gossipsub;
                gossipsub.report_message_validation_result(&gossip.id, &gossip.source, acceptance);
            }
            NetCommand::Disconnect(peer) => {
                if let Some(peer_id) = self.peers.identity(peer) {
                    self.disconnect(peer_id);
                }
            }
            NetCommand::Ban { peer, duration_ms } => {
                if let Some(peer_id) = self.peers.identity(peer) {
                    self.ban(peer_id, Duration::from_millis(duration_ms));
                }
            }
            NetCommand::SetMembers(set) => {
                self.set = *set;
                self.find_members();
            }
            NetCommand::SetLinks(rules) => self.set_links(&rules),
        }
    }

    /// Who of the peers is which member of the present set.
    fn find_members(&mut self) {
        for (peer, member) in self.peers.find_members(&self.set) {
            self.report(NetEvent::Member { peer, member });
        }
    }

    fn set_links(&mut self, rules: &[Arc<LinkRule>]) {
        let now = Instant::now();
        let change = self.gate.set(now, rules);
        for peer in change.closed {
            tracing::info!(%peer, "link cut in both directions");
            self.swarm.behaviour_mut().blocked.block_peer(peer);
        }
        for peer in change.opened {
            tracing::info!(%peer, "link no longer cut in both directions");
            self.unblock(&peer);
            self.dialer.reset(&peer, now);
        }
        self.dial_due(now);
    }

    /// Lets connections of `peer` through again unless there is another reason against it.
    fn unblock(&mut self, peer: &PeerId) {
        if !self.gate.is_closed(peer) && !self.bans.contains(peer) {
            self.swarm.behaviour_mut().blocked.unblock_peer(*peer);
        }
    }

    pub(super) fn ban(&mut self, peer: PeerId, duration: Duration) {
        tracing::info!(%peer, seconds = duration.as_secs(), "peer kept out for a while");
        if let Some(freed) = self.bans.insert(peer, Instant::now() + duration) {
            self.unblock(&freed);
        }
        // Closes its connections too.
        self.swarm.behaviour_mut().blocked.block_peer(peer);
    }

    pub(super) fn disconnect(&mut self, peer: PeerId) {
        // An error means that it is gone already.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn on_tick(&mut self, now: Instant) {
        for peer in self.bans.expire(now) {
            self.unblock(&peer);
        }
        if let Some(then) = now.checked_sub(ADMISSION_TIMEOUT) {
            for peer in self.peers.strangers(then) {
                tracing::info!(%peer, "disconnected: did not say which net it belongs to");
                self.disconnect(peer);
            }
        }
        self.dial_due(now);
    }

    fn dial_due(&mut self, now: Instant) {
        let (gate, bans, swarm) = (&self.gate, &self.bans, &self.swarm);
        let wanted = |peer: &PeerId| !swarm.is_connected(peer) && !gate.is_closed(peer) && !bans.contains(peer);
        for (peer, addresses) in self.dialer.due(now, wanted) {
            self.dial(peer, addresses);
        }
    }

    pub(super) fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        // A port of its own: when both sides dial from their listening ports, TCP opens one connection from both ends.
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .allocate_new_port()
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(%peer, %error, "not dialled");
        }
    }

    /// A connection proved to be of this net: it identified itself, or spoke one of this net's protocols.
    pub(super) fn admit(&mut self, peer: PeerId) -> Option<Peer> {
        if let Some(admitted) = self.peers.admitted(&peer) {
            return Some(admitted.number);
        }
        let now = Instant::now();
        let (outgoing, queue) = streams::queue();
        let number = self.peers.admit(peer, outgoing, now)?;
        let (control, protocol) = (self.control.clone(), self.names.direct.clone());
        self.tasks.spawn(streams::write_to(control, peer, protocol, self.hello.clone(), queue));
        self.dialer.reset(&peer, now);
        let link = &self.peers.links[&peer];
        let (address, outbound) = (link.address.clone(), link.outbound);
        tracing::info!(%peer, address, outbound, "peer connected");
        self.report(NetEvent::Connected { peer: number, peer_id: peer, address, outbound });
        Some(number)
    }

    fn on_stream(&mut self, peer: PeerId, stream: Stream) {
        // Without a link the connection is about to be reported or just gone; the peer opens the stream again.
        if self.admit(peer).is_none() {
            return;
        }
        let Some(link) = self.peers.links.get_mut(&peer) else { return };
        if link.readers >= STREAMS_PER_PEER_MAX {
            tracing::debug!(%peer, "too many direct streams");
            return;
        }
        link.readers += 1;
        self.tasks.spawn(streams::read_from(peer, stream, self.set.network, self.inbox_entrance.clone()));
    }

    fn on_inbound(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Hello { peer, validator } => {
                let Some(admitted) = self.peers.admitted(&peer) else { return };
                (admitted.greeted, admitted.validator) = (true, validator);
                self.find_members();
            }
            Inbound::Message { peer, message, bytes } => {
                self.arrives(peer, Arriving::Direct { message, bytes });
            }
            Inbound::Malformed { peer, reason } => self.malformed(peer, reason),
            Inbound::Ended { peer } => {
                if let Some(link) = self.peers.links.get_mut(&peer) {
                    link.readers = link.readers.saturating_sub(1);
                }
            }
        }
    }

    /// Something that the engine would hear from a peer: what the faults of its link leave of it is taken.
    pub(super) fn arrives(&mut self, peer: PeerId, arriving: Arriving) {
        if let Some(arriving) = self.gate.pass(Instant::now(), peer, arriving) {
            self.take(peer, arriving);
        }
    }

    /// Takes what was held back until now, as long as the executor keeps up.
    fn on_due(&mut self, now: Instant) {
        while self.has_room()
            && let Some((peer, arriving)) = self.gate.due(now)
        {
            self.take(peer, arriving);
        }
    }

    fn take(&mut self, peer: PeerId, arriving: Arriving) {
        match arriving {
            Arriving::Direct { message, bytes } => {
                let Some(from) = self.peers.admitted(&peer).map(|admitted| admitted.number) else { return };
                self.report(NetEvent::Message { from, message: *message, bytes, origin: Origin::Direct });
            }
            Arriving::Gossip { topic, data } => self.on_late_gossip(peer, topic, data),
            Arriving::Request { request, channel } => self.take_request(peer, request, channel),
            Arriving::Answer { answer, expected } => self.take_answer(peer, expected, answer),
            // The stream ends now, and the asker knows.
            Arriving::LostRequest(channel) => drop(channel),
            Arriving::LostAnswer => {
                if let Some(from) = self.peers.admitted(&peer).map(|admitted| admitted.number) {
                    self.report(NetEvent::Unanswered(from));
                }
            }
        }
    }

    /// A peer sent what no correct peer sends: reported, and after a few times the peer is kept out for a while.
    pub(super) fn malformed(&mut self, peer: PeerId, reason: String) {
        let Some(admitted) = self.peers.admitted(&peer) else { return };
        let count = admitted.count_malformed(Instant::now());
        let from = admitted.number;
        tracing::debug!(%peer, reason, count, "malformed");
        self.report(NetEvent::Malformed { from, reason });
        if count >= MALFORMED_MAX {
            self.ban(peer, MALFORMED_BAN);
        }
    }

    /// Addresses on which this node listens, with its identity.
    pub(super) fn addresses(swarm: &Swarm<Behaviour>) -> Vec<String> {
        let me = *swarm.local_peer_id();
        let named: BTreeMap<String, ()> =
            swarm.listeners().map(|address| (format!("{address}/p2p/{me}"), ())).collect();
        named.into_keys().collect()
    }
}

/// Sleeps until then.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn message_bytes(event: &NetEvent) -> usize {
    match event {
        NetEvent::Message { bytes, .. } => *bytes,
        NetEvent::Connected { .. }
        | NetEvent::Disconnected(_)
        | NetEvent::Member { .. }
        | NetEvent::Malformed { .. }
        | NetEvent::Unanswered(_)
        | NetEvent::RoundTrip { .. } => 0,
    }
}
