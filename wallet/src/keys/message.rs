//! Signed messages: that whoever has the key of an address says something.
//!
//! What is signed is the tagged hash `bezant/message` of the address's payload, without its version (the lock hash and the first
//! 4 bytes of the network id), and the message's bytes. The tag is used for nothing else, so no message can ever be a
//! transaction's signature, nor a signature of one address speak for another, or for the same key on another net.
//!
//! A signature's text is hex of 97 bytes: version u8 (1) ‖ public key (32) ‖ signature (64). An address is a hash, so the key
//! comes with the signature; it is the address's when its lock has the address's hash.
//!
//! It proves that the key's owner signed once, not when, and not that the address has coins or that its owner is who he says.

use crate::error::WalletError;
use crate::keys::keystore::Unlocked;
use bezant_api::address::{self, AddressError};
use bezant_consensus::ledger::hash::{LockHash, tagged};
use bezant_consensus::ledger::key::{self, PublicKey, Signature, SigningKey};
use bezant_consensus::ledger::lock::Lock;

#[cfg(test)]
mod tests;

/// Bytes of a message, at most.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
const VERSION: u8 = 1;
const SIGNATURE_BYTES: usize = 1 + 32 + 64;

/// Why a signed message proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The text is none of a signature.
    #[error("this is no signature of a message: {0}; copy the whole text that `bezant wallet sign-message` printed")]
    Malformed(String),
    /// The key is not the address's.
    #[error("the signature was made with the key of another address, {0}")]
    OtherAddress(String),
    /// The key did not sign this.
    #[error(
        "the key of this address did not sign this message: the message, the address's net or the signature was changed"
    )]
    BadSignature,
}

impl MessageError {
    /// A stable name for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            MessageError::Malformed(_) => "malformed-signature",
            MessageError::OtherAddress(_) => "other-address",
            MessageError::BadSignature => "bad-signature",
        }
    }
}

/// What an address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    lock: LockHash,
    net: [u8; 4],
}

impl Speaker {
    /// The address, of whatever net.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(text: &str) -> Result<Speaker, AddressError> {
        let (lock, net) = address::decode_any(text)?;
        Ok(Speaker { lock, net })
    }

    fn digest(&self, message: &[u8]) -> [u8; 32] {
        tagged("bezant/message", &[&self.lock.0, &self.net, message])
    }

    /// Signs with whichever of these keys is the address's; gives the signature's text.
    ///
    /// # Errors
    /// [`WalletError::Usage`] when none is.
    pub fn sign(&self, keys: &Unlocked, message: &[u8]) -> Result<String, WalletError> {
        let is_it = |key: &&SigningKey| Lock::Key(key.public()).hash() == self.lock;
        let key = keys.keys.iter().find(is_it).ok_or_else(|| {
            WalletError::Usage("the wallet has no key of this address; see `bezant wallet address`".to_owned())
        })?;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&key.public().0);
        bytes.extend_from_slice(&key.sign(&self.digest(message)).0);
        Ok(hex::encode(bytes))
    }

    /// Checks what [`Speaker::sign`] gave; gives the public key.
    ///
    /// # Errors
    /// With the reason why it proves nothing.
    pub fn verify(&self, message: &[u8], signature: &str) -> Result<PublicKey, MessageError> {
        let malformed = |why: &str| MessageError::Malformed(why.to_owned());
        let mut bytes = [0; SIGNATURE_BYTES];
        let digits = signature.trim();
        hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| MessageError::Malformed(format!("{} hex digits are expected", 2 * SIGNATURE_BYTES)))?;
        if bytes[0] != VERSION {
            return Err(MessageError::Malformed(format!("version {}, this program knows {VERSION} only", bytes[0])));
        }
        let (public, signed) = bytes[1..].split_at(32);
        let public = PublicKey(public.try_into().expect("split at 32"));
        let signed = Signature(signed.try_into().expect("64 bytes are left"));
        if !public.is_acceptable() {
            return Err(malformed("its public key is none"));
        }
        let lock = Lock::Key(public).hash();
        if lock != self.lock {
            return Err(MessageError::OtherAddress(address::encode_for(&self.net, &lock)));
        }
        if !key::verify(&public, &self.digest(message), &signed) {
            return Err(MessageError::BadSignature);
        }
        Ok(public)
    }
}
