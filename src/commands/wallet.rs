//! `bezant wallet`: the command side of [`bezant_wallet`].

mod draft;
mod keys;
mod lock;
mod paying;
mod receipt;
mod signers;
mod swap;

use crate::cli::{Global, Target, Wallet};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output, table};
use bezant_wallet::build::Sum;
use bezant_wallet::error::WalletError;
use bezant_wallet::journal::Kind;
use bezant_wallet::send::{self, FollowOptions, SendOptions, Wait};
use bezant_wallet::session::{Session, SessionOptions};
use bezant_wallet::view::{self, Addresses, Balance, Entry, Utxo};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// How long the dashboard's transfer may take until it is final.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(300);

impl From<WalletError> for Failure {
    fn from(error: WalletError) -> Failure {
        let txid = error.txid().map(str::to_owned);
        Failure { txid, ..Failure::new(error.exit_status(), error.kind(), &error) }
    }
}

pub(crate) async fn run(command: Wallet, global: &Global, output: &Output) -> Outcome {
    match command {
        Wallet::Keys(command) => keys::run(command, global, output).await,
        Wallet::Balance { which, read } => {
            let session = session(&which.target, global).await?;
            let mut all: Vec<Balance> = Vec::new();
            for found in session.wallets(which.wallet.as_deref())? {
                all.push(view::balance(&session, &found, read.level()).await?);
            }
            one_or_all(&all, output, || balances_text(&all))
        }
        Wallet::Utxos { which, read } => {
            let session = session(&which.target, global).await?;
            let mut all: Vec<Utxo> = Vec::new();
            for found in session.wallets(which.wallet.as_deref())? {
                all.extend(view::utxos(&session, &found, read.level()).await?);
            }
            output.result(&json!({ "utxos": all }), || utxos_text(&all))
        }
        Wallet::History { which, from_height } => {
            let session = session(&which.target, global).await?;
            let mut all: Vec<Entry> = Vec::new();
            for found in session.wallets(which.wallet.as_deref())? {
                all.extend(view::history(&session, &found, from_height).await?);
            }
            output.result(&json!({ "history": all }), || history_text(&all))
        }
        Wallet::Send(options) => paying::send(&options, global, output).await,
        Wallet::Pay(options) => paying::pay(&options, global, output).await,
        Wallet::Bump(options) => paying::replace(&options, Kind::Bump, global, output).await,
        Wallet::Cancel(options) => paying::replace(&options, Kind::Cancel, global, output).await,
        Wallet::Swap(command) => swap::run(command, global, output).await,
        Wallet::Lock(command) => lock::run(command, global, output).await,
        Wallet::Draft(command) => draft::run(command, global, output).await,
        Wallet::Receipt(options) => receipt::make(&options, global, output).await,
        Wallet::VerifyReceipt(options) => receipt::verify(&options, global, output),
    }
}

/// One transfer of 1 BZT from alice to bob, followed until it is final: what the dashboard's key sends. A sentence about it.
pub(crate) async fn transfer_once(global: &Global, net: &str) -> Result<String, Failure> {
    let session = open(global, net, None, None).await?;
    let alice = session.wallet("alice")?;
    let unlocked = alice.wallet.unlock(None)?;
    let sum = Sum::Exactly("1".parse().expect("1 is an amount"));
    let pays = vec![("bob".to_owned(), sum)];
    let plan = send::plan(&session, &alice, &unlocked, &SendOptions::default(), &pays).await?;
    let follow = FollowOptions { wait: Wait::Final, confirmations: None, timeout: TRANSFER_TIMEOUT };
    let sent = send::submit(session.client()?, &plan.attempt(), follow).await?;
    let height = sent.height.map_or_else(String::new, |height| format!(" at height {height}"));
    let txid = sent.txid.get(..8).unwrap_or_default();
    Ok(format!("1 BZT from alice to bob is final{height} after {} ms (transaction {txid}…)", sent.elapsed_ms))
}

async fn open(global: &Global, net: &str, rpc: Option<String>, node: Option<usize>) -> Result<Session, Failure> {
    let options = SessionOptions { home: net::home(global)?, net: net.to_owned(), rpc, node };
    Ok(Session::open(options).await?)
}

async fn session(target: &Target, global: &Global) -> Result<Session, Failure> {
    open(global, &target.net.net, target.rpc.clone(), target.node).await
}

/// Grains in a decimal string as BZT.
fn bzt(grains: &str) -> String {
    let amount = grains.parse().ok().and_then(bezant_consensus::ledger::amount::Amount::from_grains);
    amount.map_or_else(|| format!("{grains} grains"), |amount| amount.to_string())
}

fn addresses_text(all: &[Addresses]) -> String {
    match all {
        // Alone it can be pasted, or be a script's variable.
        [one] => one.addresses.join("\n"),
        all => {
            let rows = all.iter().flat_map(|one| one.addresses.iter().map(|to| vec![one.wallet.clone(), to.clone()]));
            table(&["wallet", "address"], rows)
        }
    }
}

fn balances_text(all: &[Balance]) -> String {
    let row = |one: &Balance| vec![one.wallet.clone(), bzt(&one.spendable), bzt(&one.pending), bzt(&one.immature)];
    table(&["wallet", "spendable BZT", "pending", "immature"], all.iter().map(row))
}

/// A single one as it is; several as a list under `wallets`.
fn one_or_all<T: Serialize>(all: &[T], output: &Output, text: impl FnOnce() -> String) -> Outcome {
    match all {
        [one] => output.result(one, text),
        all => output.result(&json!({ "wallets": all }), text),
    }
}

fn utxos_text(all: &[Utxo]) -> String {
    let row = |one: &Utxo| {
        let height = one.height.map_or("-".to_owned(), |height| height.to_string());
        let state = serde_json::to_value(one.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default().to_owned();
        vec![one.wallet.clone(), bzt(&one.amount), height, state, one.outpoint.clone()]
    };
    table(&["wallet", "BZT", "height", "state", "coin"], all.iter().map(row))
}

fn history_text(all: &[Entry]) -> String {
    let row = |one: &Entry| {
        let (received, sent): (i128, i128) = (one.received.parse().unwrap_or(0), one.sent.parse().unwrap_or(0));
        let net = received - sent;
        let sign = if net < 0 { "-" } else { "+" };
        let certainty = if one.is_final { "final" } else { "included" };
        let amount = format!("{sign}{}", bzt(&net.unsigned_abs().to_string()));
        vec![one.wallet.clone(), one.height.to_string(), amount, certainty.to_owned(), one.txid.clone()]
    };
    table(&["wallet", "height", "BZT", "state", "transaction"], all.iter().map(row))
}
