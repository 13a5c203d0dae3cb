//! Atomic swaps between two ledgers: by hash locks and time locks, without anybody in between.
//!
//! Two parties, two nets. The **maker** pays on the first net and gets coins on the second, the **taker** the other way round. Both
//! sides are locked alike ([`terms::Terms::lock`]): the payee opens it with the maker's secret, or the payer when time is up, and
//! the taker's time is up well before the maker's.
//!
//! | step | who | what | what must hold before |
//! |---|---|---|---|
//! | offer | maker | writes the terms, pays the first side | |
//! | accept | taker | pays the second side | the first is paid for good; both have time enough for what follows ([`terms::check_acceptable`]) |
//! | redeem | maker | takes the second side, and so tells the secret | the second is paid for good; time enough to take it ([`terms::check_redeemable`]) |
//! | redeem | taker | takes the first side | a block has the secret |
//! | refund | either | takes its own side back | its time is up |
//!
//! **Nothing is remembered but the terms.** How far a swap is stands on the two ledgers ([`seen`]); what a party itself sent stands in the
//! journal of its wallet under the swap's name, so that a step that was interrupted is followed, and not made again. The secret
//! comes from the maker's key.
//!
//! **What it rests on.** Both ledgers must keep what was final there, and each party must act in time: a maker who tells the secret
//! and does not get his transaction into a block before the second side's time is up may lose both. That is why times are asked of the
//! nets themselves, and steps that come too late are refused.

pub mod seen;
pub mod terms;

use crate::error::WalletError;
use crate::files;
use crate::keys::keystore::WalletFile;
use crate::locks::time;
use crate::paying::build::Sum;
use crate::paying::purse::Known;
use crate::paying::send::{self, Prepared, SendOptions};
use crate::session::{Found, Session};
use bezant_api::client::News;
use bezant_api::event::EventKind;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use rand::TryRng;
use seen::State;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use terms::{Left, Side, TERMS_BYTES_MAX, Terms, step_s};
use tokio::time::timeout;

/// Between two looks when no event comes: time passes without blocks too.
const RECHECK: Duration = Duration::from_secs(1);

/// A party of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Pays on the first net.
    Maker,
    /// Pays on the second.
    Taker,
}

/// One of the two nets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// Where the maker pays.
    First,
    /// Where the taker pays.
    Second,
}

impl Role {
    /// Where this party pays.
    #[must_use]
    pub fn pays_on(self) -> Net {
        match self {
            Role::Maker => Net::First,
            Role::Taker => Net::Second,
        }
    }

    /// Where it is paid.
    #[must_use]
    pub fn is_paid_on(self) -> Net {
        match self {
            Role::Maker => Net::Second,
            Role::Taker => Net::First,
        }
    }
}

/// Reads an offer's file.
///
/// # Errors
/// [`WalletError::Usage`] when it cannot be read or is none.
pub fn read(file: &Path) -> Result<Terms, WalletError> {
    let failed = |error: &dyn std::fmt::Display| WalletError::Usage(format!("swap {}: {error}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| failed(&error))?;
    opened.take(TERMS_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > TERMS_BYTES_MAX {
        return Err(failed(&"it is too large for an offer of a swap"));
    }
    Terms::from_text(&text).map_err(|error| failed(&format!("this is no offer of a swap: {error}")))
}

/// Writes an offer's file; it is on the disk afterwards. There must be none yet.
///
/// # Errors
/// As [`files::create`].
pub fn write(terms: &Terms, file: &Path) -> Result<(), WalletError> {
    files::create(file, terms.to_text().as_bytes())
}

/// New terms: what a maker's wallet pays on one net and gets on another, and with whom. The key is the wallet's newest on the net where
/// it is paid. Unless said otherwise, times leave every step four times what it takes.
///
/// # Errors
/// [`WalletError::Usage`] for a party that nobody knows, when no node answers, or when the system gives no random numbers.
pub async fn new_terms(
    (first, paying, give): (&Session, &Found, Amount),
    (second, paid, get): (&Session, &Found, Amount),
    with: &str,
    refund_after: Option<Duration>,
    key: &SigningKey,
) -> Result<Terms, WalletError> {
    let taker = first.recipient(with)?;
    // A name may stand for other keys on the other net; an address is a lock, which is the same everywhere.
    let taker_there = if taker.name.is_some() { second.recipient(with)?.lock } else { taker.lock };
    if paying.wallet.lock_hashes().contains(&taker.lock) {
        let message = format!("\"{with}\" is the wallet that offers; a swap is between two");
        return Err(WalletError::Usage(message));
    }
    let mut nonce = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut nonce)
        .map_err(|error| WalletError::Failed(format!("the system gives no random numbers: {error}")))?;
    let after_s = match refund_after {
        Some(after) => u32::try_from(after.as_secs()).unwrap_or(u32::MAX),
        None => step_s(first.genesis()).saturating_add(step_s(second.genesis())).saturating_mul(8),
    };
    let last = |found: &Found| found.wallet.locks.last().expect("a wallet has an address").hash();
    let side = async |session: &Session, amount, payer, payee, after_s: u32| {
        let refund_from = now(session).await?.saturating_add(after_s);
        Ok::<Side, WalletError>(Side { network: *session.network(), amount, payer, payee, refund_from })
    };
    let pays = side(first, give, last(paying), taker.lock, after_s).await?;
    let gets = side(second, get, taker_there, last(paid), after_s / 2).await?;
    Ok(Terms::new(nonce, pays, gets, key))
}

/// The time by which a net judges its next block.
async fn now(session: &Session) -> Result<u32, WalletError> {
    let height = session.client()?.tip().await?.height;
    time::now(session, height).await
}

/// A swap between two nets that are at hand.
#[derive(Debug)]
pub struct Swap {
    /// What it is about.
    pub terms: Terms,
    first: Session,
    second: Session,
}

impl Swap {
    /// The swap of these terms; the sessions come in any order.
    ///
    /// # Errors
    /// [`WalletError::Usage`] when the terms are about other nets.
    pub fn new(terms: Terms, one: Session, other: Session) -> Result<Swap, WalletError> {
        let is = |session: &Session, side: &Side| *session.network() == side.network;
        match (is(&one, &terms.first) && is(&other, &terms.second), is(&other, &terms.first) && is(&one, &terms.second))
        {
            (true, _) => Ok(Swap { terms, first: one, second: other }),
            (_, true) => Ok(Swap { terms, first: other, second: one }),
            _ => Err(WalletError::Usage(
                "the swap is between other nets; name its two nets with --net and --other-net".to_owned(),
            )),
        }
    }

    /// One of its nets.
    #[must_use]
    pub fn session(&self, net: Net) -> &Session {
        match net {
            Net::First => &self.first,
            Net::Second => &self.second,
        }
    }

    /// What is paid there.
    #[must_use]
    pub fn side(&self, net: Net) -> &Side {
        match net {
            Net::First => &self.terms.first,
            Net::Second => &self.terms.second,
        }
    }

    /// Which party's wallet this is, and its two faces: the wallet of that name on the net where it pays, and where it is paid.
    /// Without a name, whichever wallet at hand is a party.
    ///
    /// # Errors
    /// [`WalletError::Usage`] when it is no party, or it does not go without a name.
    pub fn party(&self, name: Option<&str>) -> Result<Party, WalletError> {
        let found = match name {
            Some(name) => {
                let own = |role: Role| {
                    let paying = self.session(role.pays_on()).wallet(name);
                    let paid = self.session(role.is_paid_on()).wallet(name);
                    Ok(self.is_party(role, paying?, paid?))
                };
                let parties: Result<Vec<Option<Party>>, WalletError> =
                    [Role::Maker, Role::Taker].map(own).into_iter().collect();
                parties?.into_iter().flatten().collect::<Vec<_>>()
            }
            None => [Role::Maker, Role::Taker].into_iter().flat_map(|role| self.at_hand(role)).collect(),
        };
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(party), None) => Ok(party),
            (Some(_), Some(_)) => {
                Err(WalletError::Usage("both parties' wallets are here; name yours with --wallet".to_owned()))
            }
            (None, _) => {
                let who = name.map_or_else(|| "no wallet here".to_owned(), |name| format!("wallet {name}"));
                Err(WalletError::Usage(format!("{who} is no party of this swap; name one that is with --wallet")))
            }
        }
    }

    fn at_hand(&self, role: Role) -> Vec<Party> {
        let paid = self.session(role.is_paid_on()).at_hand();
        let all = self.session(role.pays_on()).at_hand().into_iter();
        let both = |paying: Found| {
            let paid = paid.iter().find(|paid| paid.wallet.name == paying.wallet.name)?;
            self.is_party(role, paying, paid.clone())
        };
        all.filter_map(both).collect()
    }

    fn is_party(&self, role: Role, paying: Found, paid: Found) -> Option<Party> {
        let has =
            |found: &Found, lock: &LockHash| !found.wallet.is_watching() && found.wallet.lock_hashes().contains(lock);
        let (gives, gets) = (self.side(role.pays_on()).payer, self.side(role.is_paid_on()).payee);
        (has(&paying, &gives) && has(&paid, &gets)).then_some(Party { role, paying, paid })
    }

    /// How far a side is.
    ///
    /// # Errors
    /// As [`seen::look`].
    pub async fn state(&self, net: Net) -> Result<State, WalletError> {
        seen::look(self.session(net).client()?, &self.terms, self.side(net)).await
    }

    /// How much time a side has, as its net judges time.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn left(&self, net: Net) -> Result<Left, WalletError> {
        let session = self.session(net);
        let left_s = self.side(net).refund_from.saturating_sub(now(session).await?);
        Ok(Left { left_s, step_s: step_s(session.genesis()) })
    }

    /// Waits until a side is as it should be; gives it as it is when the time is over.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn await_state(
        &self,
        net: Net,
        limit: Duration,
        is_good: impl Fn(&State) -> bool,
    ) -> Result<State, WalletError> {
        let client = self.session(net).client()?;
        let wait = async {
            let mut news = News::new(client).await?;
            loop {
                let state = self.state(net).await?;
                if is_good(&state) {
                    return Ok(state);
                }
                news.wait(Some(RECHECK), EventKind::concerns_chain).await?;
            }
        };
        match timeout(limit, wait).await {
            Ok(state) => state,
            Err(_) => self.state(net).await,
        }
    }

    /// The transfer that pays a side.
    ///
    /// # Errors
    /// As [`send::prepare`].
    pub async fn pay(&self, party: &Party, options: &SendOptions) -> Result<Prepared, WalletError> {
        let net = party.role.pays_on();
        let known = Known::of(vec![party.paying.clone()]);
        self.prepare(net, &party.paying, &known, options, self.payment(net)).await
    }

    /// Who gets what when a side is paid.
    #[must_use]
    pub fn payment(&self, net: Net) -> (String, Sum) {
        let side = self.side(net);
        (self.session(net).address(&self.terms.lock(side).hash()), Sum::Exactly(side.amount))
    }

    /// The transfer that takes what the other one paid, with the secret.
    ///
    /// # Errors
    /// As [`send::prepare`].
    pub async fn redeem(
        &self,
        party: &Party,
        secret: &[u8; 32],
        options: &SendOptions,
    ) -> Result<Prepared, WalletError> {
        let net = party.role.is_paid_on();
        self.take(net, &party.paid, self.side(net).payee, Some(*secret), options).await
    }

    /// The transfer that takes one's own back.
    ///
    /// # Errors
    /// As [`send::prepare`]; of kind `locked` while it is not time.
    pub async fn refund(&self, party: &Party, options: &SendOptions) -> Result<Prepared, WalletError> {
        let net = party.role.pays_on();
        self.take(net, &party.paying, self.side(net).payer, None, options).await
    }

    async fn take(
        &self,
        net: Net,
        found: &Found,
        to: LockHash,
        secret: Option<[u8; 32]>,
        options: &SendOptions,
    ) -> Result<Prepared, WalletError> {
        let mut known = Known::of(vec![found.clone()]);
        if let Some(secret) = secret {
            known.means.add_preimage(secret);
        }
        let lock: Lock = self.terms.lock(self.side(net));
        let name = format!("swap {}", self.terms.name());
        let locked = Found { wallet: WalletFile::watching(&name, vec![lock]), path: found.path.clone() };
        self.prepare(net, &locked, &known, options, (self.session(net).address(&to), Sum::Max)).await
    }

    async fn prepare(
        &self,
        net: Net,
        found: &Found,
        known: &Known,
        options: &SendOptions,
        pays: (String, Sum),
    ) -> Result<Prepared, WalletError> {
        let all = send::prepare(self.session(net), found, known, options, &[vec![pays]]).await?;
        Ok(all.into_iter().next().expect("one payment was asked for"))
    }

    /// The name of one of a party's transfers in its wallet's journal: `swap/`, the swap's name, and `pay`, `redeem` or `refund`.
    #[must_use]
    pub fn id(&self, what: &str) -> String {
        format!("swap/{}/{what}", self.terms.name())
    }
}

/// A party whose wallet is at hand.
#[derive(Clone, Debug)]
pub struct Party {
    /// Which.
    pub role: Role,
    /// Its wallet on the net where it pays.
    pub paying: Found,
    /// Its wallet on the net where it is paid.
    pub paid: Found,
}
