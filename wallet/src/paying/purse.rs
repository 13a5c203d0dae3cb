//! What a wallet can spend while payments are planned, and how each of its coins is opened.
//!
//! A wallet with a secret opens its coins with keys of its own. A vault has none: its coins are opened by whatever wallets are at hand
//! ([`Known`]), as far as their keys, preimages and the time suffice. Which keys have to sign is known before a single
//! password is asked for.

use crate::coins::view::{self, CoinState, Owned};
use crate::error::WalletError;
use crate::locks::policy;
use crate::locks::policy::satisfy::{Means, Missing, Moment, satisfy};
use crate::locks::policy::words;
use crate::locks::time;
use crate::paying::build::{self, OpenCoin, Payment, Pays, Sum, Unsigned};
use crate::paying::fee;
use crate::session::{Found, Recipient, Session};
use bezant_api::client::{Client, ClientError};
use bezant_api::types::ReadLevel;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::lock::Lock;
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::transaction::{OutPoint, Output, Transaction, Witness};
use bezant_consensus::ledger::units::Height;
use std::collections::{BTreeMap, BTreeSet};

/// What the wallets of this machine know: whose locks are whose, and which keys could sign.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The wallets, one's own first.
    pub wallets: Vec<Found>,
    /// Keys and locks of all of them, and preimages that were given.
    pub means: Means,
    names: BTreeMap<LockHash, String>,
}

impl Known {
    /// What these wallets know.
    #[must_use]
    pub fn of(wallets: Vec<Found>) -> Known {
        let mut known = Known { wallets, ..Known::default() };
        // Whoever has the keys gives the name; who only watches, to what has no other.
        let (watching, owning): (Vec<&Found>, Vec<&Found>) =
            known.wallets.iter().partition(|found| found.wallet.is_watching());
        for found in owning.into_iter().chain(watching) {
            for lock in &found.wallet.locks {
                known.names.entry(lock.hash()).or_insert_with(|| found.wallet.name.clone());
                known.means.add_lock(lock.clone());
                if let Lock::Key(key) = lock
                    && !found.wallet.is_watching()
                {
                    known.means.keys.insert(*key);
                }
            }
        }
        known
    }

    /// The name of the wallet with this lock.
    #[must_use]
    pub fn name(&self, lock: &LockHash) -> Option<&str> {
        self.names.get(lock).map(String::as_str)
    }

    /// The wallet's name, else the address.
    #[must_use]
    pub fn name_or_address(&self, session: &Session, lock: &LockHash) -> String {
        self.name(lock).map_or_else(|| session.address(lock), str::to_owned)
    }

    /// The wallets that hold these keys, each once.
    #[must_use]
    pub fn signers(&self, keys: &BTreeSet<PublicKey>) -> Vec<&Found> {
        let holds = |found: &&Found| {
            let of = |lock: &Lock| matches!(lock, Lock::Key(key) if keys.contains(key));
            !found.wallet.is_watching() && found.wallet.locks.iter().any(of)
        };
        self.wallets.iter().filter(holds).collect()
    }
}

/// What all planning starts from: the wallet's coins, its locks as far as anybody here knows them, and the next block.
pub(crate) struct Ground {
    pub(crate) coins: Vec<Owned>,
    /// The wallet's locks by their hashes.
    pub(crate) locks: BTreeMap<LockHash, Lock>,
    pub(crate) next: Place,
    /// What was asked for, else what the node estimates; grains per 1,000 bytes.
    pub(crate) fee_rate: u64,
    /// The net's own least rate.
    pub(crate) least: u64,
}

impl Ground {
    pub(crate) async fn of(
        session: &Session,
        found: &Found,
        known: &Known,
        asked_rate: Option<u64>,
    ) -> Result<Ground, WalletError> {
        let client = session.client()?;
        let (height, coins) = view::coins(client, session.genesis(), found, ReadLevel::Latest).await?;
        let least = session.genesis().ledger.relay_fee_rate_min;
        let fee_rate = fee::rate(asked_rate, client, least).await?;
        let locks: BTreeMap<LockHash, Lock> =
            found.wallet.locks.iter().map(|lock| (lock.hash(), policy::fill(lock, &known.means.locks))).collect();
        let next = time::next_block(session, height, locks.values()).await?;
        Ok(Ground { coins, locks, next, fee_rate, least })
    }
}

/// What a wallet can spend while payments are planned.
pub(crate) struct Purse<'a> {
    pub(crate) session: &'a Session,
    pub(crate) client: &'a Client,
    pub(crate) wallet: &'a Found,
    pub(crate) known: &'a Known,
    pub(crate) next: Place,
    /// The wallet's locks by their hashes.
    pub(crate) locks: BTreeMap<LockHash, Lock>,
    /// Exactly these are spent.
    pub(crate) named: Option<Vec<Owned>>,
    pub(crate) free: Vec<Owned>,
    /// Kept for payments with ids.
    pub(crate) kept: Vec<Owned>,
    /// Planned here: their change can be relied on.
    pub(crate) made: BTreeSet<TxId>,
    pub(crate) change: LockHash,
    pub(crate) fee_rate: u64,
    pub(crate) long_rate: u64,
}

impl Purse<'_> {
    /// Who is paid, and the payment, which the purse counts as made.
    pub(crate) async fn pay(&mut self, sums: &[(String, Sum)]) -> Result<(Vec<Recipient>, Unsigned), WalletError> {
        let to: Vec<Recipient> =
            sums.iter().map(|(to, _)| self.session.recipient(to)).collect::<Result<_, WalletError>>()?;
        let (fee_rate, long_rate) = (self.fee_rate, self.long_rate);
        let all = self.named.is_some();
        let payment = Payment { pays: pays(&to, sums)?, change: self.change, fee_rate, long_rate, all };
        let unsigned = match &self.named {
            Some(named) => self.build(&payment, &named.iter().collect::<Vec<_>>()),
            None => self.choose(&payment).await,
        }?;
        self.settle(&unsigned);
        Ok((to, unsigned))
    }

    fn build(&self, payment: &Payment, coins: &[&Owned]) -> Result<Unsigned, WalletError> {
        let (open, shut) = self.open(coins);
        if let Some((_, missing)) = shut.first().filter(|_| open.is_empty() || payment.all) {
            return Err(self.shut(missing));
        }
        build::payment(&open, payment, &mut rand::rng()).map_err(|error| match (error, shut.first()) {
            (WalletError::Refused { kind, message }, Some((_, missing))) if kind == "insufficient-funds" => {
                let why = self.words(missing);
                let message = format!("{message}; {} more coins cannot be spent: {why}", shut.len());
                WalletError::Refused { kind, message }
            }
            (error, _) => error,
        })
    }

    /// The coins that can be opened, and what the others lack: first those that open soonest.
    fn open(&self, coins: &[&Owned]) -> (Vec<OpenCoin>, Vec<(OutPoint, Missing)>) {
        let (mut open, mut shut) = (Vec::new(), Vec::new());
        for coin in coins {
            let Some(lock) = self.locks.get(&coin.lock) else { continue };
            let moment = Moment { next: self.next, coin: coin.height.map_or(self.next.height, Height) };
            match satisfy(lock, &self.known.means, &moment) {
                Ok(opening) => open.push(OpenCoin { outpoint: coin.outpoint, amount: coin.amount, opening }),
                Err(missing) => shut.push((coin.outpoint, missing)),
            }
        }
        shut.sort_by_key(|(outpoint, missing)| {
            let wait = missing.wait();
            (wait.is_none(), wait, *outpoint)
        });
        (open, shut)
    }

    fn words(&self, missing: &Missing) -> String {
        words::missing(missing, self.next, &|lock| self.known.name_or_address(self.session, lock))
    }

    fn shut(&self, missing: &Missing) -> WalletError {
        let (wallet, why) = (&self.wallet.wallet, self.words(missing));
        let name = &wallet.name;
        let is_of_keys = |lock: &Lock| matches!(lock, Lock::Key(_) | Lock::Opaque(_));
        if wallet.is_watching() && missing.kind() == "keys-missing" && wallet.locks.iter().all(is_of_keys) {
            let message = format!(
                "{name} only watches, and its keys are not on this machine; make a draft to be signed where they are: `bezant wallet draft create --from {name} …`"
            );
            return WalletError::refused("keys-missing", message);
        }
        let next = match missing.kind() {
            "keys-missing" => {
                format!("; make a draft for the others to sign: `bezant wallet draft create --from {name} …`")
            }
            "preimage-missing" => "; give it with --preimage-file FILE".to_owned(),
            _ => String::new(),
        };
        WalletError::refused(missing.kind(), format!("{name} {why}{next}"))
    }

    async fn choose(&self, payment: &Payment) -> Result<Unsigned, WalletError> {
        let spendable: Vec<&Owned> = self.free.iter().filter(|coin| coin.state == CoinState::Spendable).collect();
        let built = match self.build(payment, &spendable) {
            Err(WalletError::Refused { kind, .. }) if kind == "insufficient-funds" => {
                let mut own = own_change(self.client, &self.free, &self.locks).await?;
                own.extend(&self.made);
                let is_own = |coin: &&Owned| coin.height.is_none() && coin.state == CoinState::Pending;
                let waiting = self.free.iter().filter(is_own).filter(|coin| own.contains(&coin.outpoint.txid));
                self.build(payment, &spendable.into_iter().chain(waiting).collect::<Vec<_>>())
            }
            result => result,
        };
        built.map_err(|error| beside_kept(error, &self.kept)).map_err(|error| beside_locked(error, &self.free))
    }

    /// The next payment finds the coins as this one leaves them.
    fn settle(&mut self, unsigned: &Unsigned) {
        let transfer = &unsigned.transfer;
        self.free.retain(|coin| !transfer.inputs.contains(&coin.outpoint));
        if unsigned.change == Amount::ZERO {
            return;
        }
        let txid = bezant_consensus::ledger::transaction::Body::Transfer(transfer.clone()).id();
        let index = u32::try_from(transfer.outputs.len() - 1).expect("few outputs");
        let (outpoint, amount, lock) = (OutPoint { txid, index }, unsigned.change, self.change);
        self.free.push(Owned { outpoint, amount, lock, height: None, state: CoinState::Pending });
        self.made.insert(txid);
    }
}

/// Says why there is not enough, when there is more.
fn beside_kept(error: WalletError, kept: &[Owned]) -> WalletError {
    let waiting = kept.iter().filter(|coin| coin.state == CoinState::Spendable).count();
    match error {
        WalletError::Refused { kind, message } if kind == "insufficient-funds" && waiting > 0 => {
            let message = format!(
                "{message}; {waiting} more coins are kept for payments that were begun with an id: repeat those, or name coins with --coin"
            );
            WalletError::Refused { kind, message }
        }
        error => error,
    }
}

/// Says so when coins that their owner locked are missing.
fn beside_locked(error: WalletError, coins: &[Owned]) -> WalletError {
    let locked = coins.iter().filter(|coin| coin.state == CoinState::Locked).count();
    match error {
        WalletError::Refused { kind, message } if kind == "insufficient-funds" && locked > 0 => {
            let message = format!("{message}; {locked} more coins are locked: see `bezant wallet utxos --unlock`");
            WalletError::Refused { kind, message }
        }
        error => error,
    }
}

/// What these recipients get.
pub(crate) fn pays(to: &[Recipient], sums: &[(String, Sum)]) -> Result<Pays, WalletError> {
    if let ([to], [(_, Sum::Max)]) = (to, sums) {
        return Ok(Pays::Everything(to.lock));
    }
    let output = |(to, (_, sum)): (&Recipient, &(String, Sum))| match sum {
        Sum::Exactly(amount) => Ok(Output { amount: *amount, lock: to.lock }),
        Sum::Max => Err(WalletError::Usage("max is for a single recipient, who gets all there is".to_owned())),
    };
    Ok(Pays::Each(to.iter().zip(sums).map(output).collect::<Result<_, WalletError>>()?))
}

/// Transactions in the mempool that spend nothing but the wallet's own coins: their outputs can be relied on.
async fn own_change(
    client: &Client,
    coins: &[Owned],
    locks: &BTreeMap<LockHash, Lock>,
) -> Result<BTreeSet<TxId>, WalletError> {
    let waiting = coins.iter().filter(|coin| coin.height.is_none() && coin.state == CoinState::Pending);
    let txids: BTreeSet<TxId> = waiting.map(|coin| coin.outpoint.txid).collect();
    let mut own = BTreeSet::new();
    for txid in txids {
        let view = match client.transaction(&txid.to_string()).await {
            Ok(view) => view,
            // It left the mempool in the meantime.
            Err(ClientError::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let transaction = hex::decode(&view.hex).ok().and_then(|bytes| decode::<Transaction>(&bytes).ok());
        let ours =
            |witness: &Witness| matches!(witness, Witness::Spend(spend) if locks.contains_key(&spend.lock.hash()));
        if transaction.is_some_and(|transaction| transaction.id() == txid && transaction.witnesses().iter().all(ours)) {
            own.insert(txid);
        }
    }
    Ok(own)
}
