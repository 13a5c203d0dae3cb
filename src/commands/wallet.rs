//! `bezant wallet`: the command side of [`bezant_wallet`].

mod coins;
mod contacts;
mod draft;
mod history;
mod keys;
mod lock;
mod paying;
mod receipt;
mod signers;
mod swap;

use crate::cli::wallet::{Following, Wallet};
use crate::cli::{Global, Target};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output, table};
use bezant_consensus::ledger::hash::TxId;
use bezant_wallet::coins::view::{self, Balance};
use bezant_wallet::error::WalletError;
use bezant_wallet::paying::build::Sum;
use bezant_wallet::paying::follow::{self, FollowOptions, Wait};
use bezant_wallet::paying::journal::Kind;
use bezant_wallet::paying::send::{self, SendOptions};
use bezant_wallet::session::{Session, SessionOptions};
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
        Wallet::Address(options) => contacts::address(&options, global, output).await,
        Wallet::Balance { which, read } => {
            let session = session(&which.target, global).await?;
            let mut all: Vec<Balance> = Vec::new();
            for found in session.wallets(which.wallet.as_deref())? {
                all.push(view::balance(&session, &found, read.level()).await?);
            }
            one_or_all(&all, output, || balances_text(&all))
        }
        Wallet::Utxos(options) => coins::utxos(&options, global, output).await,
        Wallet::History(options) => history::run(&options, global, output).await,
        Wallet::Label(options) => coins::label(&options, global, output).await,
        Wallet::Contacts(command) => contacts::run(command, global, output).await,
        Wallet::Consolidate(options) => coins::consolidate(&options, global, output).await,
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

/// One transfer of 1 BZT from alice to bob, followed until it is final: what the dashboard's key sends. A sentence about it. `begun`
/// learns the transaction's id before it is handed over.
pub(crate) async fn transfer_once(
    global: &Global,
    net: &str,
    begun: impl AsyncFnOnce(String),
) -> Result<String, Failure> {
    let session = open(global, net, None, None).await?;
    let alice = session.wallet("alice")?;
    let unlocked = alice.wallet.unlock(None)?;
    let sum = Sum::Exactly("1".parse().expect("1 is an amount"));
    let pays = vec![("bob".to_owned(), sum)];
    let plan = send::plan(&session, &alice, &unlocked, &SendOptions::default(), &pays).await?;
    let follow = FollowOptions { wait: Wait::Final, confirmations: None, timeout: TRANSFER_TIMEOUT };
    let attempt = plan.attempt();
    begun(attempt.transaction.id().to_string()).await;
    let sent = follow::submit(session.client()?, &attempt, follow).await?;
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

/// The net of a command that sends: nodes that hang take no more time than it has.
async fn sending_session(target: &Target, following: &Following, global: &Global) -> Result<Session, Failure> {
    let mut session = session(target, global).await?;
    session.hurry(following.timeout);
    Ok(session)
}

/// Follows what was sent. Whoever interrupts that is told what may still happen.
async fn followed<T>(txid: &TxId, following: impl Future<Output = Result<T, WalletError>>) -> Result<T, Failure> {
    tokio::select! {
        result = following => Ok(result?),
        () = net::interrupted() => {
            let message = format!(
                "interrupted; transaction {txid} may have been handed in, and may still happen: see `bezant chain tx {txid}`"
            );
            Err(Failure { txid: Some(txid.to_string()), ..Failure::new(5, "interrupted", message) })
        }
    }
}

/// Grains in a decimal string as BZT.
fn bzt(grains: &str) -> String {
    let amount = grains.parse().ok().and_then(bezant_consensus::ledger::amount::Amount::from_grains);
    amount.map_or_else(|| format!("{grains} grains"), |amount| amount.to_string())
}

fn balances_text(all: &[Balance]) -> String {
    let row = |one: &Balance| {
        let amounts = [&one.spendable, &one.pending, &one.immature, &one.locked].map(|grains| bzt(grains));
        std::iter::once(one.wallet.clone()).chain(amounts).collect()
    };
    table(&["wallet", "spendable BZT", "pending", "immature", "locked"], all.iter().map(row))
}

/// A single one as it is; several as a list under `wallets`.
fn one_or_all<T: Serialize>(all: &[T], output: &Output, text: impl FnOnce() -> String) -> Outcome {
    match all {
        [one] => output.result(one, text),
        all => output.result(&json!({ "wallets": all }), text),
    }
}
