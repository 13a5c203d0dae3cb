//! Locks that people ask for by name.

use super::PolicyError;
use crate::error::WalletError;
use crate::paying::purse::Known;
use crate::session::Session;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::limits::THRESHOLD_CHILDREN_MAX;

/// Makes locks out of names and addresses.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// The net.
    pub session: &'a Session,
    /// The wallets at hand: what is known of a lock is filled in.
    pub known: &'a Known,
}

impl Maker<'_> {
    /// The lock of a wallet, an account or an address; opaque when it is known by its address only.
    ///
    /// # Errors
    /// [`WalletError::Usage`] for anything else.
    pub fn party(&self, text: &str) -> Result<Lock, WalletError> {
        let lock = self.session.recipient(text)?.lock;
        Ok(self.known.means.locks.get(&lock).cloned().unwrap_or(Lock::Opaque(lock)))
    }

    /// `k` of these.
    ///
    /// # Errors
    /// [`WalletError::Usage`] for an unknown party, one that is named twice, or a `k` that makes no sense.
    pub fn multisig(&self, k: u8, parties: &[String]) -> Result<Lock, WalletError> {
        let n = parties.len();
        if n > THRESHOLD_CHILDREN_MAX || k == 0 || usize::from(k) > n {
            let message = format!(
                "{k} of {n} makes no sense: 1 to {THRESHOLD_CHILDREN_MAX} parties, and 1 to all of them, are expected"
            );
            return Err(WalletError::Usage(message));
        }
        let of: Vec<Lock> = parties.iter().map(|party| self.party(party)).collect::<Result<_, WalletError>>()?;
        for (index, lock) in of.iter().enumerate() {
            if let Some(before) = of[..index].iter().position(|other| other.hash() == lock.hash()) {
                let message = format!(
                    "{} and {} are the same; whoever holds that key would count twice",
                    parties[before], parties[index]
                );
                return Err(WalletError::Usage(message));
            }
        }
        self.checked(if n == 1 { of.into_iter().next().expect("one") } else { Lock::Threshold { k, of } })
    }

    /// Somebody alone, from then on.
    ///
    /// # Errors
    /// [`WalletError::Usage`] for an unknown party or a moment that is none.
    pub fn until(&self, party: &str, after: &str) -> Result<Lock, WalletError> {
        let from = when(after)?;
        self.checked(all(vec![Lock::After(from), self.party(party)?]))
    }

    /// Somebody with the preimage of `image`; perhaps somebody else without it, from a moment on.
    ///
    /// # Errors
    /// As [`Maker::until`].
    pub fn hash(&self, party: &str, image: [u8; 32], refund: Option<(&str, &str)>) -> Result<Lock, WalletError> {
        let with = all(vec![Lock::Hash(image), self.party(party)?]);
        match refund {
            None => self.checked(with),
            Some((party, after)) => self.checked(Lock::Threshold { k: 1, of: vec![with, self.until(party, after)?] }),
        }
    }

    /// These together at any time, or one alone once a coin is so many blocks old.
    ///
    /// # Errors
    /// As [`Maker::multisig`].
    pub fn vault(&self, together: &[String], later: &str, blocks: u32) -> Result<Lock, WalletError> {
        let k = u8::try_from(together.len()).unwrap_or(u8::MAX);
        let now = self.multisig(k, together)?;
        let later = all(vec![Lock::Older(blocks), self.party(later)?]);
        self.checked(Lock::Threshold { k: 1, of: vec![now, later] })
    }

    /// A lock as a text, with names.
    ///
    /// # Errors
    /// [`WalletError::Usage`] that says where the text is wrong, and why.
    pub fn policy(&self, text: &str) -> Result<Lock, WalletError> {
        let resolve = |word: &str| self.party(word).map_err(|error| error.to_string());
        super::parse(text, resolve).map_err(|error: PolicyError| WalletError::Usage(format!("policy, {error}")))
    }

    fn checked(&self, lock: Lock) -> Result<Lock, WalletError> {
        lock.check_shape().map_err(|error| WalletError::Usage(error.to_string()))?;
        Ok(lock)
    }
}

fn all(of: Vec<Lock>) -> Lock {
    Lock::Threshold { k: u8::try_from(of.len()).expect("two"), of }
}

fn when(text: &str) -> Result<LockTime, WalletError> {
    super::parse::lock_time(text).map_err(WalletError::Usage)
}
