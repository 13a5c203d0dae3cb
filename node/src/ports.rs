//! What the network and the runtime tell each other. The network decodes with limits and moves bytes; it judges nothing.
//!
//! # The network's side
//! - Numbers every connected node with a [`Peer`], never reused within a run; several connections to one node are one peer.
//! - Tells [`NetEvent::Connected`] before anything else of a peer and [`NetEvent::Disconnected`] after everything else.
//!   Those two are never dropped; for events the network may wait (back-pressure towards the peers).
//! - Counts messages and bytes in [`crate::metrics::Metrics`].
//! - Sends a peer's messages in the order in which they came.
//! - A [`Message::GetCertified`], [`Message::GetHeaders`], [`Message::GetBlocks`], [`Message::GetSnapshot`] or
//!   [`Message::GetBuckets`] to one peer is a request: its answer comes back as an ordinary [`NetEvent::Message`] of that peer with [`Origin::Answer`]; when there will be none,
//!   [`NetEvent::Unanswered`] says so. All other messages to one peer or to members go over direct streams, and by gossip when
//!   there is none; messages to all are gossiped.
//!
//! # The runtime's side
//! - Never waits for the network: when [`NetCommand`]s do not fit their channel, they are dropped and counted. Only
//!   [`NetCommand::SetMembers`] and [`NetCommand::SetLinks`], which hold until the next one, are kept until they fit.
//! - Judges every gossiped message once with [`NetCommand::Judge`]; the network forwards nothing before.
//! - Answers a request through its [`Reply`], at most once; dropping it means that there will be no answer.

use crate::links::LinkRule;
use bezant_consensus::engine::{Peer, To};
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::message::Message;
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The door to the network, once it listens.
#[derive(Debug)]
pub struct Network {
    /// This node's identity.
    pub peer_id: PeerId,
    /// Addresses that it listens on, each with `/p2p/…`, as others can dial them.
    pub addresses: Vec<String>,
    /// What it is to do; bounded by [`crate::limits::NET_COMMANDS_MAX`].
    pub commands: mpsc::Sender<NetCommand>,
    /// What it has to say; bounded by [`crate::limits::NET_EVENTS_MAX`].
    pub events: mpsc::Receiver<NetEvent>,
}

/// What the network is to do.
#[derive(Debug)]
pub enum NetCommand {
    /// Tell a peer or several.
    Send {
        /// Whom.
        to: To,
        /// What.
        message: Message,
    },
    /// What verification found about a gossiped message.
    Judge {
        /// Of the message's [`Origin`].
        gossip: Gossip,
        /// The finding.
        verdict: Verdict,
    },
    /// Close all connections to a peer.
    Disconnect(Peer),
    /// Close all connections to a peer and accept none for a while.
    Ban {
        /// Whom.
        peer: Peer,
        /// For how long.
        duration_ms: u64,
    },
    /// PBFT: an epoch has begun; members are those of this set from now on.
    SetMembers(Box<ValidatorSet>),
    /// Dev nets: the faults of this node's links, exactly these, until the next such command. Where a link is cut in both
    /// directions, connections are closed and refused; those to static peers come back at once when that is over.
    SetLinks(Vec<Arc<LinkRule>>),
}

/// What the network has to say.
#[derive(Debug)]
pub enum NetEvent {
    /// A peer is there.
    Connected {
        /// Its number.
        peer: Peer,
        /// Its identity.
        peer_id: PeerId,
        /// Where it is.
        address: String,
        /// Whether this side dialled.
        outbound: bool,
    },
    /// A peer is gone.
    Disconnected(Peer),
    /// A peer has proved to be a member of the present set, or is none any more.
    Member {
        /// The peer.
        peer: Peer,
        /// Its index in the set.
        member: Option<u16>,
    },
    /// A peer said something.
    Message {
        /// Who brought it, not necessarily who made it.
        from: Peer,
        /// What, decoded within all limits.
        message: Message,
        /// Length of its encoding.
        bytes: usize,
        /// How it came.
        origin: Origin,
    },
    /// A peer sent what does not decode, or is too long; worth a blame.
    Malformed {
        /// Who.
        from: Peer,
        /// What is wrong with it.
        reason: String,
    },
    /// A request to this peer will not be answered.
    Unanswered(Peer),
    /// A ping came back.
    RoundTrip {
        /// From whom.
        peer: Peer,
        /// After how long.
        ms: f64,
        /// Bytes of messages handed to it so far, without what gossip passes on.
        bytes_out: u64,
        /// Topics of gossip in whose mesh it is.
        mesh_topics: u8,
    },
}

/// How a message came.
#[derive(Debug)]
pub enum Origin {
    /// Over a direct stream; nothing is owed.
    Direct,
    /// By gossip; [`NetCommand::Judge`] is owed.
    Gossip(Gossip),
    /// As a request; an answer is owed.
    Request(Reply),
    /// As the answer to a request of ours.
    Answer,
}

/// Names a gossiped message towards the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip {
    /// Its id.
    pub id: MessageId,
    /// Who forwarded it to us.
    pub source: PeerId,
}

/// What verification found about a gossiped message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid: forward it.
    Accept,
    /// No correct peer sends it: do not forward it, and think less of the sender.
    Reject,
    /// Neither.
    Ignore,
}

/// Where the answer to a request goes; dropping it refuses the request.
#[derive(Debug)]
pub struct Reply(oneshot::Sender<Message>);

impl Reply {
    /// A reply and where it arrives.
    #[must_use]
    pub fn new() -> (Reply, oneshot::Receiver<Message>) {
        let (sender, receiver) = oneshot::channel();
        (Reply(sender), receiver)
    }

    /// Answers.
    pub fn send(self, message: Message) {
        // The asker may have gone in the meantime, which is nobody's fault.
        let _ = self.0.send(message);
    }
}
