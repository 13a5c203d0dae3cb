//! The first frame of every direct stream: who opened it, if it is a validator.
//!
//! A node's libp2p identity is not its validator key, so a validator signs, with that key, that it speaks through this identity on
//! this net. The signature names both, and the identity is proved by the transport: nobody else can use it. Whether the key is
//! a member's is seen in the present set, since members change.

use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::{NetworkId, tagged};
use bezant_consensus::ledger::key::{PublicKey, Signature, SigningKey, verify};
use borsh::{BorshDeserialize, BorshSerialize};
use libp2p::PeerId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Hello {
    validator: Option<(PublicKey, Signature)>,
}

fn digest(network: &NetworkId, peer: &PeerId) -> [u8; 32] {
    tagged("bezant/peer", &[&network.0, &peer.to_bytes()])
}

/// What this node opens its streams with.
pub(super) fn ours(network: &NetworkId, key: Option<&SigningKey>, me: &PeerId) -> Vec<u8> {
    encode(&Hello { validator: key.map(|key| (key.public(), key.sign(&digest(network, me)))) })
}

/// The validator that `peer` proves to be, if it claims to be one.
///
/// # Errors
/// When the frame is malformed or the proof is wrong.
pub(super) fn check(network: &NetworkId, peer: &PeerId, frame: &[u8]) -> Result<Option<PublicKey>, String> {
    let hello: Hello = decode(frame).map_err(|error| error.to_string())?;
    let Some((key, signature)) = hello.validator else { return Ok(None) };
    if verify(&key, &digest(network, peer), &signature) {
        Ok(Some(key))
    } else {
        Err("claims a validator key without its signature".to_owned())
    }
}
