//! The first frame of every direct stream: who opened it, if it is a member of the validator set.
//!
//! A node's libp2p identity is not its validator key, so a member signs, with its validator key, that it speaks through this
//! identity on this net. The signature names both, and the identity is proved by the transport: nobody else can use it.

use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::ledger::hash::{NetworkId, tagged};
use bezant_consensus::ledger::key::{Signature, SigningKey, verify};
use borsh::{BorshDeserialize, BorshSerialize};
use libp2p::PeerId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Hello {
    member: Option<(u16, Signature)>,
}

fn digest(network: &NetworkId, peer: &PeerId) -> [u8; 32] {
    tagged("bezant/peer", &[&network.0, &peer.to_bytes()])
}

/// What this node opens its streams with.
pub(super) fn ours(set: &ValidatorSet, key: Option<&SigningKey>, me: &PeerId) -> Vec<u8> {
    let signed = |key: &SigningKey| {
        let index = set.index_of(&key.public())?;
        Some((index, key.sign(&digest(&set.network, me))))
    };
    encode(&Hello { member: key.and_then(signed) })
}

/// The member that `peer` proves to be, if it claims to be one.
///
/// # Errors
/// When the frame is malformed or the proof is wrong.
pub(super) fn check(set: &ValidatorSet, peer: &PeerId, frame: &[u8]) -> Result<Option<u16>, String> {
    let hello: Hello = decode(frame).map_err(|error| error.to_string())?;
    let Some((index, signature)) = hello.member else { return Ok(None) };
    let key = set.member(index).ok_or_else(|| format!("claims to be member {index}, which does not exist"))?;
    if verify(key, &digest(&set.network, peer), &signature) {
        Ok(Some(index))
    } else {
        Err(format!("claims to be member {index} without its signature"))
    }
}
