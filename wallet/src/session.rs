//! One net as a wallet command sees it: its genesis, its nodes, and whose wallets are at hand.

use crate::contacts::{self, Contact};
use crate::error::WalletError;
use crate::keys::dev::WALLETS_DIR;
use crate::keys::keystore::{self, WalletFile};
use crate::paying::journal::Journal;
use crate::uri::{self, PaymentUri};
use bezant_api::client::Client;
use bezant_api::home::{GENESIS_FILE, Home};
use bezant_api::manifest::{Manifest, ManifestError};
use bezant_api::{address, genesis};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Transactions of a wallet's journal whose recipients count as seen.
const SENT_SEEN_MAX: usize = 10_000;

#[cfg(test)]
mod tests;

/// Which net, and how to reach it.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Where nets and wallets are.
    pub home: Home,
    /// The net's name.
    pub net: String,
    /// A node's URL, instead of the nodes of the net's `run.json`.
    pub rpc: Option<String>,
    /// Number of the one node to ask.
    pub node: Option<usize>,
}

/// One net.
#[derive(Debug)]
pub struct Session {
    home: Home,
    genesis: Genesis,
    network: NetworkId,
    /// Where the wallets of the net's accounts are, if it was made here.
    accounts: Option<PathBuf>,
    client: Result<Client, WalletError>,
    /// URLs of the nodes whose word counts when several are asked.
    voices: Vec<String>,
}

/// A wallet, and where its file is.
#[derive(Clone, Debug)]
pub struct Found {
    /// The wallet.
    pub wallet: WalletFile,
    /// Its file.
    pub path: PathBuf,
}

/// Who is to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The lock that is paid to.
    pub lock: LockHash,
    /// Its address.
    pub address: String,
    /// The wallet, contact or account that was named; `None` for an address.
    pub name: Option<String>,
}

impl Session {
    /// Finds the net. A net made here is known by its genesis file, whether its nodes run or not; with `rpc` that node is asked.
    ///
    /// # Errors
    /// [`WalletError::Usage`] when its name is none or its genesis is damaged; [`WalletError::Unreachable`] when there is no
    /// such net, or the node at `rpc` does not answer.
    pub async fn open(options: SessionOptions) -> Result<Session, WalletError> {
        let SessionOptions { home, net, rpc, node } = options;
        let dir = home.find_net(&net);
        let local = dir.as_ref().ok().map(|dir| genesis::read(&dir.join(GENESIS_FILE)));
        let voices = match (&rpc, &dir) {
            (None, Ok(dir)) => voices(dir, node),
            (Some(url), _) => vec![url.clone()],
            (None, Err(_)) => Vec::new(),
        };
        let (client, genesis) = match rpc {
            Some(url) => {
                let client = Client::of_one(&url).map_err(|error| WalletError::Usage(error.to_string()))?;
                let view = client.genesis().await?;
                let genesis =
                    genesis::from_toml(&view.toml).map_err(|error| WalletError::Failed(format!("{url}: {error}")))?;
                (Ok(client), genesis)
            }
            None => {
                let dir = dir.as_ref().map_err(WalletError::from)?;
                let genesis = local.clone().expect("there is a directory");
                let genesis = genesis.map_err(|error| WalletError::Usage(error.to_string()))?;
                (nodes(dir, &net, node), genesis)
            }
        };
        let network = genesis.network_id();
        let same_net = matches!(local, Some(Ok(local)) if local.network_id() == network);
        let accounts = dir.ok().filter(|_| same_net).map(|dir| dir.join(WALLETS_DIR));
        Ok(Session { home, genesis, network, accounts, client, voices })
    }

    /// A net that is known by its genesis alone: no node is asked, and only one's own wallets are at hand.
    #[must_use]
    pub fn offline(home: Home, genesis: Genesis) -> Session {
        let network = genesis.network_id();
        let message = "no node is known of a net that is given by its genesis".to_owned();
        let client = Err(WalletError::Unreachable { message, txid: None });
        Session { home, genesis, network, accounts: None, client, voices: Vec::new() }
    }

    /// The net's genesis.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The net's id.
    #[must_use]
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// Its nodes.
    ///
    /// # Errors
    /// [`WalletError::Unreachable`] when the net does not run.
    pub fn client(&self) -> Result<&Client, WalletError> {
        self.client.as_ref().map_err(Clone::clone)
    }

    /// For a command that has `limit` for everything: nodes that hang do not take all of it.
    pub fn hurry(&mut self, limit: Duration) {
        if let Ok(client) = &mut self.client {
            client.hurry(limit);
        }
    }

    /// URLs of the nodes whose word counts when several are asked: the members under PBFT, else all that are known.
    ///
    /// # Errors
    /// As [`Session::client`].
    pub fn voices(&self) -> Result<&[String], WalletError> {
        self.client()?;
        Ok(&self.voices)
    }

    /// The address of a lock on this net.
    #[must_use]
    pub fn address(&self, lock: &LockHash) -> String {
        address::encode(&self.network, lock)
    }

    /// A wallet by its name: one's own, or the net's account.
    ///
    /// # Errors
    /// [`WalletError::Usage`] when there is none or there are two, [`WalletError::Refused`] for a dev account on another net.
    pub fn wallet(&self, name: &str) -> Result<Found, WalletError> {
        self.find(name)?.ok_or_else(|| {
            let known = self.names().join(", ");
            let known = if known.is_empty() {
                "make one with `bezant wallet new NAME`".to_owned()
            } else {
                format!("known are {known}")
            };
            WalletError::Usage(format!("there is no wallet \"{name}\"; {known}"))
        })
    }

    fn find(&self, name: &str) -> Result<Option<Found>, WalletError> {
        if bezant_api::home::check_name(name).is_err() {
            return Ok(None);
        }
        let dirs = std::iter::once(self.home.wallets()).chain(self.accounts.clone());
        let paths: Vec<PathBuf> = dirs.map(|dir| keystore::path(&dir, name)).filter(|path| path.exists()).collect();
        match &paths[..] {
            [] => Ok(None),
            [path] => self.checked(path).map(Some),
            [one, two, ..] => Err(WalletError::Usage(format!(
                "\"{name}\" is one of your wallets ({}) and an account of this net ({}); give an address instead, or use another name",
                one.display(),
                two.display()
            ))),
        }
    }

    fn checked(&self, path: &Path) -> Result<Found, WalletError> {
        let wallet = keystore::read(path)?;
        if wallet.is_dev() && !self.genesis.dev {
            let message =
                format!("{} is an account of a dev net, whose key everybody knows; this net is not one", wallet.name);
            return Err(WalletError::refused("dev-wallet", message));
        }
        Ok(Found { wallet, path: path.to_owned() })
    }

    /// The named wallet; without a name all of one's own, or, when there are none, all accounts of the net.
    ///
    /// # Errors
    /// As [`Session::wallet`]; [`WalletError::Usage`] when there is no wallet at all.
    pub fn wallets(&self, name: Option<&str>) -> Result<Vec<Found>, WalletError> {
        if let Some(name) = name {
            return Ok(vec![self.wallet(name)?]);
        }
        let own = keystore::paths(&self.home.wallets())?;
        let accounts = self.accounts.as_deref().map(keystore::paths).transpose()?.unwrap_or_default();
        let chosen = if own.is_empty() { accounts } else { own };
        if chosen.is_empty() {
            return Err(WalletError::Usage(
                "there is no wallet yet; make one with `bezant wallet new NAME`".to_owned(),
            ));
        }
        chosen.iter().map(|path| self.checked(path)).collect()
    }

    /// All wallets of this machine that serve this net: one's own, then the net's accounts. Files that cannot be read are left out.
    #[must_use]
    pub fn at_hand(&self) -> Vec<Found> {
        let dirs = std::iter::once(self.home.wallets()).chain(self.accounts.clone());
        let paths = dirs.flat_map(|dir| keystore::paths(&dir).unwrap_or_default());
        paths.filter_map(|path| self.checked(&path).ok()).collect()
    }

    /// How far a dev net's own clock is ahead of this machine's.
    pub(crate) fn clock_offset_ms(&self) -> i64 {
        let dir = self.accounts.as_deref().and_then(Path::parent);
        dir.and_then(|dir| Manifest::read(dir).ok()).map_or(0, |manifest| manifest.clock_offset_ms)
    }

    fn names(&self) -> Vec<String> {
        let dirs = std::iter::once(self.home.wallets()).chain(self.accounts.clone());
        let paths = dirs.flat_map(|dir| keystore::paths(&dir).unwrap_or_default());
        paths.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect()
    }

    /// The contacts on this net, by name.
    ///
    /// # Errors
    /// As [`contacts::list`].
    pub fn contacts(&self) -> Result<Vec<Contact>, WalletError> {
        contacts::list(&self.home.wallets(), &self.network)
    }

    /// Where this name stands: one's own wallets, contacts, the net's accounts.
    ///
    /// # Errors
    /// When the contacts cannot be read.
    pub fn places(&self, name: &str) -> Result<Vec<Place>, WalletError> {
        if bezant_api::home::check_name(name).is_err() {
            return Ok(Vec::new());
        }
        let wallet = |dir: &Path| Some(keystore::path(dir, name)).filter(|path| path.exists());
        let own = wallet(&self.home.wallets()).map(Place::Own);
        let contact = contacts::find(&self.home.wallets(), &self.network, name)?.map(Place::Contact);
        let account = self.accounts.as_deref().and_then(wallet).map(Place::Account);
        Ok([own, contact, account].into_iter().flatten().collect())
    }

    /// Who is meant by an address of this net, by a payment URI, or by the name of a wallet, contact or account.
    ///
    /// # Errors
    /// [`WalletError::Usage`] for anything else, and for a name that stands in two places.
    pub fn recipient(&self, text: &str) -> Result<Recipient, WalletError> {
        if uri::is_uri(text) {
            return self.at(&PaymentUri::read(text)?.address, None);
        }
        if uri::is_address(text) {
            return self.at(text, None);
        }
        match &self.places(text)?[..] {
            [] => {
                let mut known = self.names();
                known.extend(self.contacts()?.into_iter().map(|contact| contact.name));
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(WalletError::Usage(format!("\"{text}\" is neither an address (bzt1…) nor a known name ({known})")))
            }
            [Place::Contact(contact)] => self.at(&contact.address, Some(text)),
            [Place::Own(path) | Place::Account(path)] => {
                let lock = self.checked(path)?.wallet.lock_hashes()[0];
                Ok(Recipient { lock, address: self.address(&lock), name: Some(text.to_owned()) })
            }
            [one, two, ..] => Err(WalletError::Usage(format!(
                "\"{text}\" is {one} and {two}; give an address instead, or rename one of them"
            ))),
        }
    }

    fn at(&self, text: &str, name: Option<&str>) -> Result<Recipient, WalletError> {
        let lock = address::decode(&self.network, text)?;
        Ok(Recipient { lock, address: self.address(&lock), name: name.map(str::to_owned) })
    }

    /// The locks that a wallet's owner has paid before, or named: who pays to others is asked first, outside of dev nets.
    ///
    /// # Errors
    /// When the contacts or the wallet's database cannot be read.
    pub fn seen(&self, found: &Found) -> Result<BTreeSet<LockHash>, WalletError> {
        let mut seen: BTreeSet<LockHash> =
            self.contacts()?.iter().filter_map(|contact| contact.lock(&self.network)).collect();
        let sent = Journal::read(&found.path, &self.network)?.last(SENT_SEEN_MAX)?;
        seen.extend(sent.iter().flat_map(|transaction| transaction.outputs()).map(|output| output.lock));
        Ok(seen)
    }
}

/// Where a name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One's own wallet, in this file.
    Own(PathBuf),
    /// A contact.
    Contact(Contact),
    /// An account of the net, in this file.
    Account(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Own(path) => write!(f, "one of your wallets ({})", path.display()),
            Place::Contact(contact) => write!(f, "a contact ({})", contact.address),
            Place::Account(path) => write!(f, "an account of this net ({})", path.display()),
        }
    }
}

/// The nodes of the net's manifest that vote, or all when none does.
fn voices(dir: &Path, node: Option<usize>) -> Vec<String> {
    let Ok(manifest) = Manifest::read(dir) else { return Vec::new() };
    let named = || manifest.nodes.iter().filter(|entry| node.is_none_or(|node| entry.index == node));
    let votes = named().any(|entry| entry.validator.is_some());
    named().filter(|entry| entry.validator.is_some() || !votes).map(|entry| entry.rpc.clone()).collect()
}

/// A client of the nodes in the net's manifest.
fn nodes(dir: &Path, net: &str, node: Option<usize>) -> Result<Client, WalletError> {
    let unreachable = |message: String| WalletError::Unreachable { message, txid: None };
    let manifest = Manifest::read(dir).map_err(|error| match error {
        ManifestError::Missing(_) => {
            unreachable(format!("net \"{net}\" does not run; start it with `bezant testnet up --net {net}`"))
        }
        ManifestError::Io { .. } | ManifestError::Damaged { .. } => WalletError::Failed(error.to_string()),
    })?;
    let urls: Vec<String> = match node {
        None => manifest.nodes.iter().map(|entry| entry.rpc.clone()).collect(),
        Some(index) => {
            let entry = manifest.nodes.iter().find(|entry| entry.index == index);
            let entry = entry.ok_or_else(|| {
                let count = manifest.nodes.len();
                WalletError::Usage(format!(
                    "net \"{net}\" has no node {index}; its nodes are 0 to {}",
                    count.saturating_sub(1)
                ))
            })?;
            vec![entry.rpc.clone()]
        }
    };
    Client::new(urls).map_err(WalletError::from)
}
