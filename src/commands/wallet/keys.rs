//! What a wallet's keys and files need: `new`, `restore`, `discover`, `list` and `address`; the rest is below.

mod files;
mod message;
mod unlock;

pub(super) use unlock::{file_key, unlock};

use super::{bzt, session};
use crate::cli::Global;
use crate::cli::wallet::Password;
use crate::cli::wallet::keys::{Discover, KeysCommand, Restore, WalletNew};
use crate::commands::{net, password};
use crate::output::{Failure, Outcome, Output, table};
use bezant_api::types::ReadLevel;
use bezant_wallet::coins::view::{self, Listed};
use bezant_wallet::error::WalletError;
use bezant_wallet::keys::discover::{self, Discovery};
use bezant_wallet::keys::keystore::{self, Cost, WalletFile};
use bezant_wallet::keys::mnemonic::{Mnemonic, WordCount};
use bezant_wallet::keys::slip10;
use bezant_wallet::session::{Found, Session};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(super) async fn run(command: KeysCommand, global: &Global, output: &Output) -> Outcome {
    match command {
        KeysCommand::New(options) => new(&options, global, output).await,
        KeysCommand::Restore(options) => restore(&options, global, output).await,
        KeysCommand::Discover(options) => discover(&options, global, output).await,
        KeysCommand::List(target) => list(session(&target, global).await.ok().as_ref(), global, output),
        KeysCommand::Export(options) => files::export(&options, global, output),
        KeysCommand::Import(options) => files::import(&options, global, output).await,
        KeysCommand::Rename { old, new } => files::rename(&old, &new, global, output),
        KeysCommand::Remove(options) => files::remove(&options, global, output).await,
        KeysCommand::Passwd(options) => files::passwd(&options, global, output),
        KeysCommand::Watch(options) => files::watch(&options, global, output).await,
        KeysCommand::Unlock(options) => unlock::keep(&options, global, output),
        KeysCommand::Hold { socket, until_ms } => unlock::hold(&socket, until_ms).await,
        KeysCommand::SignMessage(options) => message::sign(&options, global, output).await,
        KeysCommand::VerifyMessage(options) => message::verify(&options, output),
    }
}

/// One's own wallet of this name; no net is needed, and no account of a net is meant.
fn own(name: &str, global: &Global) -> Result<Found, Failure> {
    let path = keystore::path(&net::home(global)?.wallets(), name);
    if keystore::check_name(name).is_err() || !path.exists() {
        let message = format!("there is no wallet \"{name}\" of yours; see `bezant wallet list`");
        return Err(Failure::usage(message));
    }
    Ok(Found { wallet: keystore::read(&path)?, path })
}

/// Checks that a wallet can have this name, before anybody is asked for anything.
fn check_new_name(name: &str, session: Option<&Session>, global: &Global) -> Result<PathBuf, Failure> {
    keystore::check_name(name)?;
    let dir = net::home(global)?.wallets();
    let places = session.map(|session| session.places(name)).transpose()?.unwrap_or_default();
    if !places.is_empty() || keystore::path(&dir, name).exists() {
        return Err(Failure::usage(format!("there is a wallet, contact or account {name} already; take another name")));
    }
    Ok(dir)
}

async fn new(arguments: &WalletNew, global: &Global, output: &Output) -> Outcome {
    let session = match session(&arguments.target, global).await {
        // A wallet is of no net: it can be made before there is one.
        Err(failure) if failure.kind == "no-net" || failure.status == 6 => {
            output.remark(&format!("Its address is not shown: {}.", failure.message.trim_end_matches('.')));
            None
        }
        session => Some(session?),
    };
    let dir = check_new_name(&arguments.name, session.as_ref(), global)?;
    let passphrase = password::passphrase(&arguments.passphrase)?;
    let password = password::new(&arguments.password, global, &arguments.name)?;
    let count = if arguments.words == "24" { WordCount::TwentyFour } else { WordCount::Twelve };
    let mnemonic = Mnemonic::generate(count)?.with_passphrase(&passphrase)?;
    let wallet = WalletFile::encrypted(&arguments.name, &mnemonic, &password)?;
    let words = mnemonic.words();
    // First the words: a wallet whose words nobody has is the worse of the two to be left with.
    arguments.words_file.as_deref().map(|file| write_words(file, &words)).transpose()?;
    let file = keystore::create(&dir, &wallet).inspect_err(|_| {
        // They are nobody's words then.
        arguments.words_file.iter().for_each(|file| drop(std::fs::remove_file(file)));
    })?;
    let address = session.as_ref().map(|session| session.address(&wallet.lock_hashes()[0]));
    let shown = arguments.words_file.is_none().then_some(words.as_str());
    let value = json!({
        "wallet": wallet.name, "address": address, "file": file, "derivation": derivation(&wallet), "mnemonic": shown,
        "words_file": arguments.words_file, "passphrase": !passphrase.is_empty(),
    });
    match &arguments.words_file {
        Some(file) => output.remark(&format!("The words are in {}: keep it where nobody else looks.", file.display())),
        None => output.remark("Write these words down, and keep them where nobody else looks: they are the wallet."),
    }
    if !passphrase.is_empty() {
        output.remark("Without the passphrase the words are another wallet: keep it too, in another place.");
    }
    output.result(&value, || {
        let address = address.as_ref().map_or(String::new(), |address| format!("\naddress   {address}"));
        let mnemonic = match &arguments.words_file {
            Some(file) => format!("in {}", file.display()),
            None => in_lines(&words),
        };
        format!("wallet    {}{address}\nfile      {}\nmnemonic  {mnemonic}", wallet.name, file.display())
    })
}

/// Six words a line, so that none breaks on a terminal.
fn in_lines(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    words.chunks(6).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n          ")
}

fn write_words(file: &Path, words: &str) -> Outcome {
    let text = zeroize::Zeroizing::new(format!("{words}\n"));
    Ok(bezant_wallet::files::create(file, text.as_bytes())?)
}

/// Where the keys of a wallet's addresses are in the tree of its secret, without the last step.
fn derivation(wallet: &WalletFile) -> Option<String> {
    (!wallet.is_watching()).then(slip10::account_path)
}

async fn restore(arguments: &Restore, global: &Global, output: &Output) -> Outcome {
    let session = match session(&arguments.target, global).await {
        Err(failure) if failure.status != 6 => return Err(failure),
        session => session,
    };
    let dir = check_new_name(&arguments.name, session.as_ref().ok(), global)?;
    let passphrase = password::passphrase(&arguments.passphrase)?;
    let mnemonic = Mnemonic::parse(&password::mnemonic(arguments, global)?)?.with_passphrase(&passphrase)?;
    let password = password::new(&arguments.password, global, &arguments.name)?;
    let found = match &session {
        Ok(session) => match discover::discover(session, &mnemonic, 0, arguments.gap.addresses()).await {
            Err(error @ WalletError::Unreachable { .. }) => Err(error.to_string()),
            found => Ok(found?),
        },
        Err(failure) => Err(failure.message.clone()),
    };
    let addresses = found.as_ref().map_or(1, |found| found.used.max(1));
    let wallet = WalletFile::encrypted_with(&arguments.name, &mnemonic, addresses, &password, Cost::default())?;
    let path = keystore::create(&dir, &wallet)?;
    let file = Found { wallet, path };
    match (&session, found) {
        (Ok(session), Ok(found)) => print_discovered(session, &file, found, output).await,
        (session, found) => {
            let why = found.err().unwrap_or_default();
            output.remark(&format!(
                "Nobody could be asked for the addresses that this wallet used: {why}. When a net answers, look for them with `bezant wallet discover {}`.",
                arguments.name
            ));
            let address = session.as_ref().ok().map(|session| session.address(&file.wallet.lock_hashes()[0]));
            print_made(&file, address.as_deref(), json!({ "discovered": null, "balance": null }), "", output)
        }
    }
}

async fn discover(arguments: &Discover, global: &Global, output: &Output) -> Outcome {
    let session = session(&arguments.target, global).await?;
    session.client()?;
    let mut file = own(&arguments.name, global)?;
    let key = file_key(&file, &arguments.password, global)?;
    let mnemonic = file.wallet.mnemonic(&key)?;
    let known = file.wallet.locks.len();
    let found = discover::discover(&session, &mnemonic, known, arguments.gap.addresses()).await?;
    drop(mnemonic);
    if found.used > known {
        let (wallet, ()) = keystore::update(&file.path, |wallet| {
            let addresses = found.used.max(wallet.locks.len());
            wallet.extend(&key, addresses)
        })?;
        file.wallet = wallet;
    }
    print_discovered(&session, &file, found, output).await
}

async fn print_discovered(session: &Session, file: &Found, found: Discovery, output: &Output) -> Outcome {
    if found.is_full {
        let max = keystore::ADDRESSES_MAX;
        output.remark(&format!("warning: a wallet has {max} addresses at most; what lies beyond was not looked for"));
    }
    // The file is written: a node that is gone by now makes it no failure.
    let balance = view::balance(session, file, view::Read::One(ReadLevel::Latest)).await;
    let balance = balance.inspect_err(|error| output.remark(&format!("The balance is not known: {error}"))).ok();
    let addresses = file.wallet.locks.len();
    let mut text = format!("\naddresses {addresses}, up to the last that was used");
    if let Some(balance) = &balance {
        let [spendable, pending, immature] =
            [&balance.spendable, &balance.pending, &balance.immature].map(|sum| bzt(sum));
        text.push_str(&format!("\nbalance   {spendable} BZT, {pending} pending, {immature} immature"));
    }
    let more = json!({ "discovered": found.used, "balance": balance });
    let newest = file.wallet.lock_hashes().last().map(|lock| session.address(lock));
    print_made(file, newest.as_deref(), more, &text, output)
}

/// A wallet that came to be, or has more addresses than before.
fn print_made(file: &Found, address: Option<&str>, more: Value, text: &str, output: &Output) -> Outcome {
    let mut value = json!({
        "wallet": file.wallet.name, "address": address, "addresses": file.wallet.locks.len(), "file": file.path,
        "derivation": derivation(&file.wallet),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    output.result(&value, || {
        let address = address.map_or(String::new(), |address| format!("\naddress   {address}"));
        format!("wallet    {}{address}\nfile      {}{text}", file.wallet.name, file.path.display())
    })
}

/// One's own wallets, and the accounts of the net if there is one.
fn list(session: Option<&Session>, global: &Global, output: &Output) -> Outcome {
    let mut all: Vec<(Listed, Option<u64>)> = Vec::new();
    let own = net::home(global)?.wallets();
    for path in keystore::paths(&own)? {
        match keystore::read(&path) {
            Ok(wallet) => {
                let found = Found { wallet, path };
                let until_ms = unlock::kept_until_ms(&found, global);
                all.push((view::listed(&found), until_ms));
            }
            Err(error) => {
                output.remark(&format!("warning: {error}"));
                let wallet = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                all.push((Listed { wallet, kind: "damaged", addresses: 0, derivation: None, file: path }, None));
            }
        }
    }
    for name in bezant_wallet::keys::dev::NAMES {
        let account = session.and_then(|session| session.wallet(name).ok());
        all.extend(account.filter(|found| found.wallet.is_dev()).map(|found| (view::listed(&found), None)));
    }
    let value = |(one, until_ms): &(Listed, Option<u64>)| -> Result<Value, Failure> {
        let mut value = serde_json::to_value(one).map_err(|error| Failure::failed("output", error))?;
        value["unlocked_until_s"] = json!(until_ms.map(|ms| ms / 1_000));
        Ok(value)
    };
    let values = all.iter().map(value).collect::<Result<Vec<_>, Failure>>()?;
    output.result(&json!({ "wallets": values }), || {
        let row = |(one, until_ms): &(Listed, Option<u64>)| {
            let kind = match until_ms {
                Some(ms) => format!("{}, unlocked until {}", one.kind, unlock::utc(ms / 1_000)),
                None => one.kind.to_owned(),
            };
            vec![one.wallet.clone(), kind, one.addresses.to_string(), one.file.display().to_string()]
        };
        table(&["wallet", "kind", "addresses", "file"], all.iter().map(row))
    })
}

pub(super) fn add_address(found: &mut Found, arguments: &Password, global: &Global) -> Outcome {
    if found.wallet.is_watching() {
        found.wallet = keystore::update(&found.path, WalletFile::hand_out)?.0;
        return Ok(());
    }
    let key = file_key(found, arguments, global)?;
    let (wallet, ()) = keystore::update(&found.path, |wallet| {
        let addresses = wallet.locks.len() + 1;
        wallet.extend(&key, addresses)
    })?;
    found.wallet = wallet;
    Ok(())
}

/// Checks that a wallet is of those that have words and a password, and says of the others why not.
fn has_secret(wallet: &WalletFile, what: &str) -> Outcome {
    let why = match (wallet.is_dev(), wallet.is_watching()) {
        (true, _) => "is an account of a dev net",
        (_, true) => "only watches",
        _ => return Ok(()),
    };
    Err(WalletError::Usage(format!("wallet {} {why}, and has no {what}", wallet.name)).into())
}
