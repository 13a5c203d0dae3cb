//! Addresses: bech32m (BIP350), prefix `bzt`, payload = version u8 (0) ‖ lock hash (32) ‖ first 4 bytes of the network id, so
//! that an address of another net is refused by name instead of swallowing money.

use bech32::primitives::decode::{CheckedHrpstring, CheckedHrpstringError};
use bech32::{Bech32m, Hrp};
use bezant_consensus::ledger::hash::{LockHash, NetworkId};

#[cfg(test)]
mod tests;

const PREFIX: &str = "bzt";
const VERSION: u8 = 0;

/// Text that is no address of this net.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No bech32m, a wrong checksum, mixed case, or another prefix.
    #[error("not an address: {0}; copy the whole text that starts with bzt1")]
    Malformed(String),
    /// Of a version that this program does not know.
    #[error("address of version {0}, which this program does not know; a newer one may")]
    Version(u8),
    /// Of another net.
    #[error("this address belongs to another net (its net id starts with {theirs}, this net's with {ours})")]
    OtherNet {
        /// First 4 bytes of the address's network id, hex.
        theirs: String,
        /// First 4 bytes of this net's, hex.
        ours: String,
    },
}

/// The text of the address that pays to `lock` on `network`.
#[must_use]
pub fn encode(network: &NetworkId, lock: &LockHash) -> String {
    encode_for(&start(network), lock)
}

/// The same, for a net of which only the first bytes of its id are known.
#[must_use]
pub fn encode_for(net: &[u8; 4], lock: &LockHash) -> String {
    let mut payload = vec![VERSION];
    payload.extend_from_slice(&lock.0);
    payload.extend_from_slice(net);
    let prefix = Hrp::parse(PREFIX).expect("the prefix is three lower-case letters");
    bech32::encode::<Bech32m>(prefix, &payload).expect("37 bytes fit in a bech32m text")
}

fn start(network: &NetworkId) -> [u8; 4] {
    let [a, b, c, d, ..] = network.0;
    [a, b, c, d]
}

/// The lock that an address of `network` pays to.
///
/// # Errors
/// When the text is malformed, of an unknown version, or of another net.
pub fn decode(network: &NetworkId, text: &str) -> Result<LockHash, AddressError> {
    let (lock, net) = decode_any(text)?;
    if net != start(network) {
        return Err(AddressError::OtherNet { theirs: hex::encode(net), ours: hex::encode(start(network)) });
    }
    Ok(lock)
}

/// The lock that an address of any net pays to, and the first bytes of that net's id.
///
/// # Errors
/// When the text is malformed, or of an unknown version.
pub fn decode_any(text: &str) -> Result<(LockHash, [u8; 4]), AddressError> {
    let malformed = |reason: String| AddressError::Malformed(reason);
    let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|error| match error {
        CheckedHrpstringError::Checksum(_) => {
            malformed("its checksum is wrong, as after a character that was mistyped or left out".to_owned())
        }
        error => malformed(crate::client::root(&error)),
    })?;
    if checked.hrp() != Hrp::parse(PREFIX).expect("the prefix is three lower-case letters") {
        return Err(malformed(format!("it starts with {}1", checked.hrp())));
    }
    let payload: Vec<u8> = checked.byte_iter().collect();
    match payload.first() {
        Some(&VERSION) => {}
        Some(&other) => return Err(AddressError::Version(other)),
        None => return Err(malformed("it is empty".to_owned())),
    }
    let body: &[u8; 36] = payload[1..].try_into().map_err(|_| malformed(format!("{} bytes inside", payload.len())))?;
    let (lock, net) = body.split_at(32);
    let net = net.try_into().expect("36 bytes were split at 32");
    Ok((LockHash(lock.try_into().expect("split at 32")), net))
}
