//! The text of a libp2p identity, so that addresses of nodes can be written down before the nodes run.

use bezant_consensus::ledger::key::PublicKey;

/// The libp2p peer id of an ed25519 key: base58 of the identity multihash (0x00, length) of the key's protobuf form
/// (field 1 = key type 1, field 2 = 32 bytes), as the libp2p peer-id specification says.
#[must_use]
pub fn of_ed25519(key: &PublicKey) -> String {
    let mut bytes = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    bytes.extend_from_slice(&key.0);
    bs58::encode(bytes).into_string()
}
