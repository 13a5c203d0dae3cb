//! Names on the wire. All carry the network id, so that nodes of two nets have no protocol and no topic in common.

use bezant_consensus::ledger::hash::NetworkId;
use libp2p::StreamProtocol;
use libp2p::gossipsub::IdentTopic;

/// The names of one net.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// What a node says of itself in identify: the whole network id.
    pub(super) identity: String,
    /// Kademlia of this net alone.
    pub(super) kademlia: StreamProtocol,
    /// Requests and answers.
    pub(super) requests: StreamProtocol,
    /// Direct streams.
    pub(super) direct: StreamProtocol,
    /// Gossiped transactions.
    pub(super) transactions: IdentTopic,
    /// Gossiped blocks.
    pub(super) blocks: IdentTopic,
    /// Votes and proposals for members that are not connected directly.
    pub(super) votes: IdentTopic,
}

const IDENTITY_PREFIX: &str = "bezant/1/";

impl Names {
    pub(super) fn new(network: &NetworkId) -> Names {
        let whole = hex::encode(network.0);
        let short = &whole[..8];
        let protocol = |name: &str| {
            StreamProtocol::try_from_owned(format!("/bezant/{short}/{name}/1")).expect("it starts with a slash")
        };
        let topic = |name: &str| IdentTopic::new(format!("/bezant/{short}/{name}/1"));
        Names {
            kademlia: protocol("kad"),
            requests: protocol("sync"),
            direct: protocol("direct"),
            transactions: topic("tx"),
            blocks: topic("blocks"),
            votes: topic("votes"),
            identity: format!("{IDENTITY_PREFIX}{whole}"),
        }
    }

    /// The network id inside a peer's identification, or all of it when it is no node of ours.
    pub(super) fn network_of(identity: &str) -> &str {
        identity.strip_prefix(IDENTITY_PREFIX).unwrap_or(identity)
    }
}
