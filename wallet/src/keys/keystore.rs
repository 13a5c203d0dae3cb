//! Wallet files: JSON, mode 0600, written atomically.
//!
//! A file holds the locks of the wallet's addresses in the open, so that balances and addresses need no password, and the
//! secret that their keys come from: in the open for accounts of dev nets, else encrypted under a key that comes of the
//! password. The parameters stand in the file; all of them and the locks are authenticated with the secret, so that a changed
//! file does not open. The wallet's name is the file's, and nothing in it.
//!
//! A wallet that only watches has no secret: its locks are whatever it was told, from a bare address to a vault's whole tree,
//! and who spends from it signs with the keys of other wallets.
//!
//! What a password gives is a [`FileKey`]. It opens this one file until the password changes, so an [agent](crate::keys::agent) may
//! keep it for a while instead.

mod disk;
mod moves;
mod seal;

pub use disk::{check_name, create, export, path, paths, read, update, write};
pub use moves::{remove, rename};
pub use seal::{Cost, FileKey, SALT_BYTES};

use crate::error::WalletError;
use crate::keys::mnemonic::Mnemonic;
use crate::keys::slip10;
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use seal::Sealed;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// Addresses of one wallet, at most: as many as one question to a node may name.
pub const ADDRESSES_MAX: usize = 1_000;

/// A wallet as its file has it: what is known without a password.
#[derive(Clone, Debug)]
pub struct WalletFile {
    /// Its name, which is its file's.
    pub name: String,
    /// The locks of its addresses, in order; at least one. Those of a wallet with a secret are single keys. One that only watches
    /// may have some that nobody was given yet, see [`WalletFile::handed_out`].
    pub locks: Vec<Lock>,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    /// Of a dev net's account.
    Dev(Zeroizing<[u8; 32]>),
    Encrypted(Sealed),
    /// It only watches.
    None {
        /// How many of its locks are no longer kept for later; at least one.
        handed_out: usize,
    },
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A wallet whose keys can sign. Zeroised when dropped.
#[derive(Debug)]
pub struct Unlocked {
    /// Keys of its addresses, in order.
    pub keys: Vec<SigningKey>,
}

impl Unlocked {
    /// The locks that its keys open, in order.
    #[must_use]
    pub fn locks(&self) -> Vec<Lock> {
        self.keys.iter().map(|key| Lock::Key(key.public())).collect()
    }
}

impl WalletFile {
    /// The wallet of a dev net's account.
    pub(crate) fn dev(name: &str, secret: [u8; 32]) -> WalletFile {
        let locks = derive(&secret, 0..1);
        WalletFile { name: name.to_owned(), locks, secret: Secret::Dev(Zeroizing::new(secret)) }
    }

    /// A wallet without a secret, which watches these locks.
    ///
    /// # Panics
    /// Unless there are 1 to [`ADDRESSES_MAX`] locks, each within its limits.
    #[must_use]
    pub fn watching(name: &str, locks: Vec<Lock>) -> WalletFile {
        assert!((1..=ADDRESSES_MAX).contains(&locks.len()), "a wallet has 1 to {ADDRESSES_MAX} addresses");
        assert!(locks.iter().all(|lock| lock.check_shape().is_ok()), "locks are within their limits");
        let handed_out = locks.len();
        WalletFile { name: name.to_owned(), locks, secret: Secret::None { handed_out } }
    }

    /// A new wallet with one address, its mnemonic encrypted under `password`.
    ///
    /// # Errors
    /// When the system gives no random numbers or not enough memory.
    pub fn encrypted(name: &str, mnemonic: &Mnemonic, password: &str) -> Result<WalletFile, WalletError> {
        WalletFile::encrypted_with(name, mnemonic, 1, password, Cost::default())
    }

    /// The same with so many addresses, and a password's key at this cost.
    ///
    /// # Errors
    /// As [`WalletFile::encrypted`].
    ///
    /// # Panics
    /// Unless there are to be 1 to [`ADDRESSES_MAX`] addresses.
    pub fn encrypted_with(
        name: &str,
        mnemonic: &Mnemonic,
        addresses: usize,
        password: &str,
        cost: Cost,
    ) -> Result<WalletFile, WalletError> {
        assert!((1..=ADDRESSES_MAX).contains(&addresses), "a wallet has 1 to {ADDRESSES_MAX} addresses");
        let locks = derive(mnemonic.seed().as_slice(), 0..addresses);
        let sealed = Sealed::new(&FileKey::fresh(password, cost)?, &locks, mnemonic)?;
        Ok(WalletFile { name: name.to_owned(), locks, secret: Secret::Encrypted(sealed) })
    }

    /// Whether it is a dev net's account: opens without a password, serves dev nets only.
    #[must_use]
    pub fn is_dev(&self) -> bool {
        matches!(self.secret, Secret::Dev(_))
    }

    /// Whether it has no secret.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        matches!(self.secret, Secret::None { .. })
    }

    /// The lock hashes of its addresses, in order, those that nobody was given yet included.
    #[must_use]
    pub fn lock_hashes(&self) -> Vec<LockHash> {
        self.locks.iter().map(Lock::hash).collect()
    }

    /// The locks whose addresses somebody may have been given: all, but those that a watching copy keeps for later.
    #[must_use]
    pub fn handed_out(&self) -> &[Lock] {
        match self.secret {
            Secret::None { handed_out } => &self.locks[..handed_out],
            Secret::Dev(_) | Secret::Encrypted(_) => &self.locks,
        }
    }

    /// By which its key is known to an agent; `None` when it needs none.
    #[must_use]
    pub fn salt(&self) -> Option<[u8; SALT_BYTES]> {
        match &self.secret {
            Secret::Encrypted(sealed) => Some(sealed.salt),
            Secret::Dev(_) | Secret::None { .. } => None,
        }
    }

    /// What the password gives, checked.
    ///
    /// # Errors
    /// [`WalletError::WrongPassword`] when the password does not fit or the file was changed, [`WalletError::Refused`] when
    /// none is given, [`WalletError::Usage`] for a wallet that has no password.
    pub fn key(&self, password: Option<&str>) -> Result<FileKey, WalletError> {
        let sealed = self.sealed()?;
        let Some(password) = password else {
            let message =
                format!("wallet {} wants its password: give --password-file FILE, or a terminal to ask at", self.name);
            return Err(WalletError::refused("password-wanted", message));
        };
        let key = sealed.key(password)?;
        self.open(&key)?;
        Ok(key)
    }

    /// The key that an agent kept, checked.
    ///
    /// # Errors
    /// As [`WalletFile::key`].
    pub fn key_of(&self, bytes: Zeroizing<[u8; 32]>) -> Result<FileKey, WalletError> {
        let key = self.sealed()?.key_of(bytes);
        self.unlock_with(&key)?;
        Ok(key)
    }

    /// Its signing keys; the password is not looked at for a dev net's account.
    ///
    /// # Errors
    /// As [`WalletFile::key`].
    pub fn unlock(&self, password: Option<&str>) -> Result<Unlocked, WalletError> {
        match &self.secret {
            Secret::Dev(secret) => self.unlocked(secret.as_slice()),
            Secret::Encrypted(_) | Secret::None { .. } => self.unlock_with(&self.key(password)?),
        }
    }

    /// Its signing keys.
    ///
    /// # Errors
    /// As [`WalletFile::key`].
    pub fn unlock_with(&self, key: &FileKey) -> Result<Unlocked, WalletError> {
        self.unlocked(self.open(key)?.seed().as_slice())
    }

    fn unlocked(&self, seed: &[u8]) -> Result<Unlocked, WalletError> {
        let count = u32::try_from(self.locks.len()).expect("a wallet has at most 1000 addresses");
        let unlocked = Unlocked { keys: (0..count).map(|index| slip10::address_key(seed, index)).collect() };
        if unlocked.locks() != self.locks {
            return Err(self.wrong("its addresses are not those of its secret"));
        }
        Ok(unlocked)
    }

    /// The mnemonic, to be shown to its owner.
    ///
    /// # Errors
    /// As [`WalletFile::key`]; [`WalletError::Usage`] for a dev net's account, which has none.
    pub fn mnemonic(&self, key: &FileKey) -> Result<Mnemonic, WalletError> {
        self.open(key)
    }

    /// Adds addresses until there are so many. The file is not written by this.
    ///
    /// # Errors
    /// As [`WalletFile::key`]; [`WalletError::Usage`] beyond [`ADDRESSES_MAX`].
    pub fn extend(&mut self, key: &FileKey, addresses: usize) -> Result<(), WalletError> {
        let mnemonic = self.open(key)?;
        if addresses > ADDRESSES_MAX {
            return Err(self.is_full());
        }
        let mut locks = self.locks.clone();
        locks.extend(derive(mnemonic.seed().as_slice(), locks.len()..addresses));
        self.secret = Secret::Encrypted(Sealed::new(key, &locks, &mnemonic)?);
        self.locks = locks;
        Ok(())
    }

    /// One more address of a watching copy, of those that it was given to hand out. The file is not written by this.
    ///
    /// # Errors
    /// [`WalletError::Usage`] when there is none left.
    pub fn hand_out(&mut self) -> Result<(), WalletError> {
        match &mut self.secret {
            Secret::None { handed_out } if *handed_out < self.locks.len() => {
                *handed_out += 1;
                Ok(())
            }
            Secret::None { .. } => Err(WalletError::Usage(format!(
                "wallet {} only watches, and has no more addresses to hand out; make a copy with more where its keys are: `bezant wallet export NAME --watch-only --addresses 100 --out FILE`",
                self.name
            ))),
            Secret::Dev(_) | Secret::Encrypted(_) => {
                Err(WalletError::Usage(format!("wallet {} makes its addresses of its secret", self.name)))
            }
        }
    }

    /// Watches one more lock; false when it does so already. The file is not written by this.
    ///
    /// # Errors
    /// [`WalletError::Usage`] for a wallet with a secret, and beyond [`ADDRESSES_MAX`].
    pub fn watch(&mut self, lock: Lock) -> Result<bool, WalletError> {
        let hash = lock.hash();
        if !self.is_watching() {
            let message =
                format!("wallet {} has keys of its own and watches nothing else; take another name", self.name);
            return Err(WalletError::Usage(message));
        }
        let at = self.locks.iter().position(|known| known.hash() == hash);
        if at.is_none() && self.locks.len() >= ADDRESSES_MAX {
            return Err(self.is_full());
        }
        let Secret::None { handed_out } = &mut self.secret else { unreachable!("it watches") };
        match at {
            Some(at) if at < *handed_out => return Ok(false),
            // Somebody has it: it is not kept for later any more.
            Some(at) => self.locks[*handed_out..=at].rotate_right(1),
            None => self.locks.insert(*handed_out, lock),
        }
        *handed_out += 1;
        Ok(true)
    }

    /// Gives it another password. The file is not written by this.
    ///
    /// # Errors
    /// As [`WalletFile::key`].
    pub fn change_password(&mut self, key: &FileKey, password: &str, cost: Cost) -> Result<(), WalletError> {
        let mnemonic = self.open(key)?;
        self.secret = Secret::Encrypted(Sealed::new(&FileKey::fresh(password, cost)?, &self.locks, &mnemonic)?);
        Ok(())
    }

    /// A copy that only watches. With the file's key it gets `ahead` more addresses than the wallet has, to hand out.
    ///
    /// # Errors
    /// As [`WalletFile::key`]; [`WalletError::Usage`] beyond [`ADDRESSES_MAX`].
    pub fn watching_copy(&self, ahead: Option<(&FileKey, usize)>) -> Result<WalletFile, WalletError> {
        let (mut locks, handed_out) = (self.locks.clone(), self.handed_out().len());
        if let Some((key, ahead)) = ahead {
            let mnemonic = self.open(key)?;
            if ahead > ADDRESSES_MAX - locks.len() {
                let message = format!(
                    "a wallet has at most {ADDRESSES_MAX} addresses, and {} has {} already: --addresses is at most {}",
                    self.name,
                    locks.len(),
                    ADDRESSES_MAX - locks.len()
                );
                return Err(WalletError::Usage(message));
            }
            locks.extend(derive(mnemonic.seed().as_slice(), locks.len()..locks.len() + ahead));
        }
        Ok(WalletFile { name: self.name.clone(), locks, secret: Secret::None { handed_out } })
    }

    fn sealed(&self) -> Result<&Sealed, WalletError> {
        match &self.secret {
            Secret::Encrypted(sealed) => Ok(sealed),
            Secret::Dev(_) => Err(WalletError::Usage(format!(
                "{} is an account of a dev net: it has one address, no mnemonic and no password",
                self.name
            ))),
            Secret::None { .. } => Err(WalletError::Usage(format!(
                "wallet {} only watches: it has no keys of its own; to spend from it make a draft with `bezant wallet draft create`, and have it signed where the keys are",
                self.name
            ))),
        }
    }

    fn open(&self, key: &FileKey) -> Result<Mnemonic, WalletError> {
        let mnemonic = self.sealed()?.open(key, &self.locks);
        mnemonic.ok_or_else(|| self.wrong("the password is wrong, or the file was changed"))
    }

    fn wrong(&self, why: &str) -> WalletError {
        WalletError::WrongPassword(format!("wallet {} does not open: {why}", self.name))
    }

    fn is_full(&self) -> WalletError {
        WalletError::Usage(format!("wallet {} has {ADDRESSES_MAX} addresses at most", self.name))
    }
}

/// The locks of these addresses under a seed.
pub(crate) fn derive(seed: &[u8], addresses: std::ops::Range<usize>) -> Vec<Lock> {
    let index = |address: usize| u32::try_from(address).expect("a wallet has at most 1000 addresses");
    addresses.map(|address| Lock::Key(slip10::address_key(seed, index(address)).public())).collect()
}
