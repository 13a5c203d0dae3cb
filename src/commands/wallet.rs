//! `bezant wallet`: the command side of [`bezant_wallet`].

mod coins;
mod contacts;
mod history;
mod paying;
mod receipt;

use crate::cli::{Global, Password, Target, Wallet, WalletNew};
use crate::commands::{net, password};
use crate::output::{Failure, Outcome, Output, table};
use bezant_wallet::build::Sum;
use bezant_wallet::error::WalletError;
use bezant_wallet::journal::Kind;
use bezant_wallet::keystore::{self, Unlocked, WalletFile};
use bezant_wallet::mnemonic::{Mnemonic, WordCount};
use bezant_wallet::send::{self, FollowOptions, SendOptions, Wait};
use bezant_wallet::session::{Found, Session, SessionOptions};
use bezant_wallet::view::{self, Balance, Listed};
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
        Wallet::New(options) => new(&options, global, output).await,
        Wallet::List(target) => list(session(&target, global).await.ok().as_ref(), global, output),
        Wallet::Address(options) => contacts::address(&options, global, output).await,
        Wallet::Balance { which, read } => {
            let session = session(&which.target, global).await?;
            let mut all: Vec<Balance> = Vec::new();
            for found in session.wallets(which.wallet.as_deref())? {
                all.push(view::balance(&session, &found, read.level()?).await?);
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

async fn new(arguments: &WalletNew, global: &Global, output: &Output) -> Outcome {
    let home = net::home(global)?;
    let session = session(&arguments.target, global).await.ok();
    let places = session.as_ref().map(|session| session.places(&arguments.name)).transpose()?;
    let taken = places.is_some_and(|places| !places.is_empty());
    if taken || keystore::path(&home.wallets(), &arguments.name).exists() {
        let message = format!("there is a wallet, contact or account {} already; take another name", arguments.name);
        return Err(Failure::usage(message));
    }
    bezant_api::home::check_name(&arguments.name).map_err(|_| {
        Failure::usage(format!("\"{}\" is no name for a wallet: letters, digits, - and _ are expected", arguments.name))
    })?;
    let password = password::new(&arguments.password, global, &arguments.name)?;
    let count = if arguments.words == "24" { WordCount::TwentyFour } else { WordCount::Twelve };
    let mnemonic = Mnemonic::generate(count)?;
    let wallet = WalletFile::encrypted(&arguments.name, &mnemonic, &password)?;
    let file = keystore::create(&home.wallets(), &wallet)?;
    let address = session.as_ref().map(|session| session.address(&wallet.lock_hashes()[0]));
    let words = mnemonic.words();
    let value = json!({ "wallet": wallet.name, "address": address, "file": file, "mnemonic": *words });
    output.remark("Write these words down, and keep them where nobody else looks: they are the wallet.");
    output.result(&value, || {
        let address = address.as_ref().map_or(String::new(), |address| format!("\naddress   {address}"));
        format!("wallet    {}{address}\nfile      {}\nmnemonic  {}", wallet.name, file.display(), *words)
    })
}

/// One's own wallets, and the accounts of the net if there is one.
fn list(session: Option<&Session>, global: &Global, output: &Output) -> Outcome {
    let mut all: Vec<Listed> = Vec::new();
    let own = net::home(global)?.wallets();
    for wallet in keystore::list(&own)? {
        match wallet {
            Ok(wallet) => {
                let path = keystore::path(&own, &wallet.name);
                all.push(view::listed(&Found { wallet, path }));
            }
            Err(error) => output.remark(&format!("warning: {error}")),
        }
    }
    for name in bezant_wallet::dev::NAMES {
        let account = session.and_then(|session| session.wallet(name).ok());
        all.extend(account.filter(|found| found.wallet.is_dev()).map(|found| view::listed(&found)));
    }
    output.result(&json!({ "wallets": all }), || {
        let row = |one: &Listed| {
            vec![one.wallet.clone(), one.kind.to_owned(), one.addresses.to_string(), one.file.display().to_string()]
        };
        table(&["wallet", "kind", "addresses", "file"], all.iter().map(row))
    })
}

fn add_address(found: &mut Found, arguments: &Password, global: &Global) -> Outcome {
    let password =
        if found.wallet.is_dev() { None } else { password::existing(arguments, global, &found.wallet.name)? };
    found.wallet.add_address(password.as_ref().map(|password| password.as_str()))?;
    Ok(keystore::write(&found.wallet, &found.path)?)
}

fn unlock(found: &Found, arguments: &Password, global: &Global) -> Result<Unlocked, Failure> {
    if found.wallet.is_dev() {
        return Ok(found.wallet.unlock(None)?);
    }
    let password = password::existing(arguments, global, &found.wallet.name)?;
    Ok(found.wallet.unlock(password.as_ref().map(|password| password.as_str()))?)
}
