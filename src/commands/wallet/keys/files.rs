//! `wallet export`, `import`, `rename`, `remove`, `passwd` and `watch`.

use super::super::{bzt, session};
use super::{check_new_name, file_key, has_secret, own, unlock};
use crate::cli::Global;
use crate::cli::wallet::keys::{Export, Import, Passwd, Remove, WatchAddress};
use crate::commands::{net, password};
use crate::output::{Failure, Outcome, Output};
use bezant_api::address;

use bezant_api::types::ReadLevel;
use bezant_consensus::ledger::lock::Lock;
use bezant_wallet::coins::view;
use bezant_wallet::error::WalletError;
use bezant_wallet::keys::keystore::{self, Cost, WalletFile};
use bezant_wallet::paying::journal;
use bezant_wallet::session::{Found, Session};
use serde_json::json;

pub(super) fn export(arguments: &Export, global: &Global, output: &Output) -> Outcome {
    let found = own(&arguments.name, global)?;
    let name = &arguments.name;
    if arguments.words {
        has_secret(&found.wallet, "words")?;
        // Not of an agent: words are for ever.
        let key = unlock::with_password(&found.wallet, &arguments.password, global)?;
        let mnemonic = found.wallet.mnemonic(&key)?;
        let (words, passphrase) = (mnemonic.words(), mnemonic.passphrase());
        output.remark("Whoever sees these words has the wallet.");
        let shown = (!passphrase.is_empty()).then_some(passphrase);
        return output.result(&json!({ "wallet": name, "mnemonic": *words, "passphrase": shown }), || match shown {
            Some(passphrase) => format!("{}\npassphrase  {passphrase}", *words),
            None => words.to_string(),
        });
    }
    let out = arguments.out.as_deref().ok_or_else(|| Failure::usage("--out FILE or --words is expected"))?;
    if out.exists() && !arguments.force {
        return Err(Failure::usage(format!("{} is there already; --force overwrites it", out.display())));
    }
    let copy = if arguments.watch_only {
        let ahead = arguments.addresses.map_or(0, |count| usize::try_from(count).expect("at most 999"));
        if ahead == 0 {
            found.wallet.watching_copy(None)?
        } else {
            has_secret(&found.wallet, "addresses to make ahead")?;
            let key = file_key(&found, &arguments.password, global)?;
            found.wallet.watching_copy(Some((&key, ahead)))?
        }
    } else {
        found.wallet.clone()
    };
    keystore::export(&copy, out, arguments.force)?;
    let kind = view::listed(&Found { wallet: copy.clone(), path: out.to_owned() }).kind;
    let value = json!({ "wallet": name, "file": out, "kind": kind, "addresses": copy.locks.len() });
    output.result(&value, || {
        let what = match kind {
            "encrypted" => "as it is: it opens with the wallet's password",
            _ => "to watch only: it cannot spend",
        };
        format!("wallet {name} was copied to {}, {what}", out.display())
    })
}

pub(super) async fn import(arguments: &Import, global: &Global, output: &Output) -> Outcome {
    let session = session(&arguments.target, global).await.ok();
    let mut wallet = keystore::read(&arguments.file)?;
    if let Some(name) = &arguments.name {
        wallet.name.clone_from(name);
    }
    if keystore::check_name(&wallet.name).is_err() && arguments.name.is_none() {
        let message = format!("\"{}\" is no name for a wallet; give it one with --name NAME", wallet.name);
        return Err(Failure::usage(message));
    }
    if wallet.is_dev() {
        let message = "this is the account of a dev net: its key follows from the net's seed, everybody knows it, and the net has it already; nothing was imported";
        return Err(Failure::new(3, "dev-wallet", message));
    }
    let dir = check_new_name(&wallet.name, session.as_ref(), global)?;
    let path = keystore::create(&dir, &wallet)?;
    let kind = if wallet.is_watching() { "watch" } else { "encrypted" };
    let value = json!({ "wallet": wallet.name, "kind": kind, "addresses": wallet.locks.len(), "file": path });
    if !wallet.is_watching() {
        output.remark(&format!(
            "If this wallet was used elsewhere since it was copied, look for its addresses: `bezant wallet discover {}`.",
            wallet.name
        ));
    }
    output.result(&value, || {
        let what = if wallet.is_watching() { "it only watches" } else { "it opens with the password it had" };
        format!("wallet {} is here, {} addresses; {what}", wallet.name, wallet.locks.len())
    })
}

pub(super) fn rename(old: &str, new: &str, global: &Global, output: &Output) -> Outcome {
    let found = own(old, global)?;
    keystore::check_name(new)?;
    // Its place is another one, where nobody would find it to end it.
    unlock::end(&found.path, global);
    let path = keystore::rename(&net::home(global)?.wallets(), old, new)?;
    let value = json!({ "wallet": new, "was": old, "file": path });
    output.result(&value, || format!("wallet {old} is now called {new}"))
}

pub(super) async fn remove(arguments: &Remove, global: &Global, output: &Output) -> Outcome {
    let name = &arguments.name;
    let path = keystore::path(&net::home(global)?.wallets(), name);
    // A damaged file is removed too, and nothing can be said of it.
    let found = match own(name, global) {
        Ok(found) => Some(found),
        Err(_) if path.exists() => None,
        Err(failure) => return Err(failure),
    };
    let coins = match (&found, session(&arguments.target, global).await) {
        (Some(found), Ok(session)) => coins(&session, found).await,
        _ => Coins::Unknown,
    };
    if let (Coins::Grains(grains), false) = (&coins, arguments.yes) {
        let message = format!(
            "wallet {name} has {} BZT on net {}; send them away first, or add --yes; nothing was removed",
            bzt(&grains.to_string()),
            arguments.target.net.net
        );
        return Err(Failure::new(3, "has-coins", message));
    }
    let lost = lost(found.as_ref().map(|found| &found.wallet), path_has_journal(&path), &coins);
    if !arguments.yes {
        let question = format!("{lost}\nRemove wallet {name}?");
        password::confirm(global, &question, &format!("{lost} This wants a confirmation"), "nothing was removed")?;
    }
    unlock::end(&path, global);
    keystore::remove(&net::home(global)?.wallets(), name)?;
    if arguments.yes {
        output.remark(&lost);
    }
    output.result(&json!({ "wallet": name, "removed": true }), || format!("wallet {name} was removed"))
}

enum Coins {
    None,
    Grains(u128),
    /// No net was asked, or none answered.
    Unknown,
}

async fn coins(session: &Session, found: &Found) -> Coins {
    let Ok(balance) = view::balance(session, found, view::Read::One(ReadLevel::Latest)).await else {
        return Coins::Unknown;
    };
    let amounts = [&balance.spendable, &balance.pending, &balance.immature];
    match amounts.iter().filter_map(|amount| amount.parse::<u128>().ok()).sum() {
        0 => Coins::None,
        grains => Coins::Grains(grains),
    }
}

fn path_has_journal(wallet: &std::path::Path) -> bool {
    journal::path(wallet).exists()
}

/// What is lost with a wallet, and what brings it back.
fn lost(wallet: Option<&WalletFile>, has_journal: bool, coins: &Coins) -> String {
    let mut text = match wallet {
        None => "Its file cannot be read; whatever it was, only its words, or a copy, bring it back.".to_owned(),
        Some(wallet) if wallet.is_watching() => {
            "It only watches: no key is lost, but which locks it watches is not written anywhere else.".to_owned()
        }
        Some(_) => {
            "Its keys come back only from its words (and passphrase, if it has one), or from a copy of its file."
                .to_owned()
        }
    };
    if has_journal {
        text.push_str(" What it remembers of payments is lost: one that is repeated by its id would be made again.");
    }
    text.push_str(match coins {
        Coins::None => " It has no coins on this net.",
        Coins::Grains(_) => " It still has coins.",
        Coins::Unknown => " No net was asked whether it has coins.",
    });
    text
}

pub(super) fn passwd(arguments: &Passwd, global: &Global, output: &Output) -> Outcome {
    let name = &arguments.name;
    let found = own(name, global)?;
    has_secret(&found.wallet, "password")?;
    let cost = Cost::new(arguments.memory_mib, arguments.passes)?;
    let key = unlock::with_password(&found.wallet, &arguments.password, global)?;
    let password = password::replacing(arguments, global)?;
    keystore::update(&found.path, |wallet| wallet.change_password(&key, &password, cost))?;
    unlock::end(&found.path, global);
    output.remark("Copies of the file still open with the old password.");
    output.result(&json!({ "wallet": name, "file": found.path }), || {
        format!("wallet {name} opens with the new password from now on")
    })
}

pub(super) async fn watch(arguments: &WatchAddress, global: &Global, output: &Output) -> Outcome {
    let name = &arguments.name;
    let session = session(&arguments.target, global).await?;
    let lock = Lock::Opaque(address::decode(session.network(), &arguments.address).map_err(WalletError::from)?);
    let path = keystore::path(&net::home(global)?.wallets(), name);
    let (wallet, is_new) = if keystore::check_name(name).is_ok() && path.exists() {
        keystore::update(&path, |wallet| wallet.watch(lock))?
    } else {
        let dir = check_new_name(name, Some(&session), global)?;
        let wallet = WalletFile::watching(name, vec![lock]);
        keystore::create(&dir, &wallet)?;
        (wallet, true)
    };
    let addresses = wallet.handed_out().len();
    let value =
        json!({ "wallet": name, "address": arguments.address, "new": is_new, "addresses": addresses, "file": path });
    output.result(&value, || {
        let does = if is_new { "watches" } else { "watched already" };
        format!("wallet {name} {does} {}; addresses: {addresses}", arguments.address)
    })
}
