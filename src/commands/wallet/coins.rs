//! `wallet utxos`, `label` and `consolidate`.

use super::keys::unlock;
use super::{bzt, followed, sending_session, session};
use crate::cli::Global;
use crate::cli::wallet::{Consolidate, Label, Utxos};
use crate::output::{Failure, Outcome, Output, table};
use bezant_api::types::ReadLevel;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_wallet::coins::frozen;
use bezant_wallet::coins::labels::{self, Labelled, Labels};
use bezant_wallet::coins::view::{self, CoinState, Utxo};
use bezant_wallet::files;
use bezant_wallet::paying::consolidate::{self, Options, Plan};
use bezant_wallet::paying::follow::{self, FollowOptions, Sent, Wait};
use bezant_wallet::paying::journal::{Entry, Journal};
use bezant_wallet::paying::rehearse;
use bezant_wallet::paying::repeat;
use bezant_wallet::session::{Found, Recipient, Session};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) async fn utxos(arguments: &Utxos, global: &Global, output: &Output) -> Outcome {
    let session = session(&arguments.which.target, global).await?;
    let wallets = session.wallets(arguments.which.wallet.as_deref())?;
    let network = session.network();
    if !arguments.lock.is_empty() {
        let coins = coins(&arguments.lock)?;
        for (found, coins) in owners(&session, &wallets, &coins).await? {
            frozen::lock(&found.path, network, &coins)?;
        }
    } else if !arguments.unlock.is_empty() {
        unlock_named(&session, &wallets, &coins(&arguments.unlock)?)?;
    } else if arguments.unlock_all {
        for found in &wallets {
            frozen::unlock_all(&found.path, network)?;
        }
    }
    let mut all: Vec<Utxo> = Vec::new();
    for found in &wallets {
        all.extend(view::utxos(&session, found, arguments.read.level()).await?);
    }
    output.result(&json!({ "utxos": all }), || utxos_text(&all))
}

fn coins(names: &[String]) -> Result<Vec<OutPoint>, Failure> {
    let read = |name: &String| {
        view::outpoint(name).ok_or_else(|| {
            Failure::usage(format!("\"{name}\" names no coin; TXID:N is expected, as `bezant wallet utxos` shows it"))
        })
    };
    names.iter().map(read).collect()
}

/// Whose these coins are, which are all there.
async fn owners<'a>(
    session: &Session,
    wallets: &'a [Found],
    coins: &[OutPoint],
) -> Result<Vec<(&'a Found, Vec<OutPoint>)>, Failure> {
    let (mut left, mut owners) = (coins.iter().copied().collect::<BTreeSet<_>>(), Vec::new());
    for found in wallets {
        let (_, owned) = view::coins(session.client()?, session.genesis(), found, ReadLevel::Latest).await?;
        let here = owned.iter().filter(|coin| coin.state != CoinState::Leaving).map(|coin| coin.outpoint);
        let here: Vec<OutPoint> = here.filter(|coin| left.remove(coin)).collect();
        owners.push((found, here));
    }
    match left.first() {
        None => Ok(owners),
        Some(coin) => {
            let message = format!("coin {coin} is in no wallet here, or is spent; none was locked");
            Err(Failure::new(3, "no-such-coin", message))
        }
    }
}

fn unlock_named(session: &Session, wallets: &[Found], coins: &[OutPoint]) -> Outcome {
    let mut left: BTreeSet<OutPoint> = coins.iter().copied().collect();
    let mut owners = Vec::new();
    for found in wallets {
        let locked = frozen::list(&found.path, session.network())?;
        let here: BTreeSet<OutPoint> = left.intersection(&locked).copied().collect();
        left.retain(|coin| !here.contains(coin));
        owners.push((found, here));
    }
    if let Some(coin) = left.first() {
        let message = format!("coin {coin} is not locked, see `bezant wallet utxos`; none was unlocked");
        return Err(Failure::new(3, "not-locked", message));
    }
    for (found, coins) in owners.iter().filter(|(_, coins)| !coins.is_empty()) {
        frozen::unlock(&found.path, session.network(), coins)?;
    }
    Ok(())
}

fn utxos_text(all: &[Utxo]) -> String {
    let row = |one: &Utxo| {
        let height = one.height.map_or("-".to_owned(), |height| height.to_string());
        let state = serde_json::to_value(one.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default().to_owned();
        let label = one.label.clone().unwrap_or_default();
        vec![one.wallet.clone(), bzt(&one.amount), height, state, one.outpoint.clone(), label]
    };
    table(&["wallet", "BZT", "height", "state", "coin", "label"], all.iter().map(row))
}

pub(super) async fn label(arguments: &Label, global: &Global, output: &Output) -> Outcome {
    let session = session(&arguments.which.target, global).await?;
    let wallets = session.wallets(arguments.which.wallet.as_deref())?;
    if let Some(file) = &arguments.export {
        return export(&session, alone(&wallets)?, file, arguments.force, output);
    }
    if let Some(file) = &arguments.import {
        return import(&session, alone(&wallets)?, file, output);
    }
    let Some(what) = &arguments.what else { return list(&session, &wallets, output) };
    let what = Labelled::read(session.network(), what)?;
    let network = session.network();
    if let Some(text) = &arguments.text {
        labels::check(text)?;
        let found = owner(&session, &wallets, what)?;
        labels::set(&found.path, network, &[(what, text.clone())])?;
        return print(&[(found, what, text.clone())], &session, output);
    }
    let (mut there, mut removed) = (Vec::new(), 0);
    for found in &wallets {
        if arguments.remove {
            removed += usize::from(labels::remove(&found.path, network, what)?);
        } else if let Some(text) = Labels::open(&found.path, network)?.get(what) {
            there.push((found, what, text.to_owned()));
        }
    }
    if there.is_empty() && removed == 0 {
        let message = format!("{} has no label", what.text(network));
        return Err(Failure::new(3, "no-label", message));
    }
    if arguments.remove {
        let what = what.text(network);
        return output.result(&json!({ "removed": what }), || format!("{what} has no label any more"));
    }
    print(&there, &session, output)
}

fn list(session: &Session, wallets: &[Found], output: &Output) -> Outcome {
    let mut all = Vec::new();
    for found in wallets {
        let labels = Labels::open(&found.path, session.network())?;
        all.extend(labels.iter().map(|(what, text)| (found, *what, text.to_owned())));
    }
    print(&all, session, output)
}

fn print(all: &[(&Found, Labelled, String)], session: &Session, output: &Output) -> Outcome {
    let line = |(found, what, label): &(&Found, Labelled, String)| json!({ "wallet": found.wallet.name, "ref": what.text(session.network()), "label": label });
    let lines: Vec<serde_json::Value> = all.iter().map(line).collect();
    output.result(&json!({ "labels": lines }), || {
        if all.is_empty() {
            return String::new();
        }
        let row = |(found, what, label): &(&Found, Labelled, String)| {
            vec![found.wallet.name.clone(), what.text(session.network()), label.clone()]
        };
        table(&["wallet", "what", "label"], all.iter().map(row))
    })
}

/// The one wallet that is meant.
fn alone(wallets: &[Found]) -> Result<&Found, Failure> {
    match wallets {
        [found] => Ok(found),
        _ => Err(Failure::usage("there are several wallets; name one with --wallet NAME")),
    }
}

/// Whose label it is: of an address, the wallet that has it; otherwise there has to be only one.
fn owner<'a>(session: &Session, wallets: &'a [Found], what: Labelled) -> Result<&'a Found, Failure> {
    let knows = |found: &&Found| match what {
        Labelled::Address(lock) => found.wallet.lock_hashes().contains(&lock),
        Labelled::Transaction(txid) | Labelled::Coin(OutPoint { txid, .. }) => {
            Journal::read(&found.path, session.network())
                .and_then(|journal| journal.of(&txid))
                .is_ok_and(|kept| kept.is_some())
        }
    };
    match wallets.iter().filter(knows).collect::<Vec<_>>()[..] {
        [found] => Ok(found),
        _ => alone(wallets),
    }
}

fn export(session: &Session, found: &Found, file: &Path, force: bool, output: &Output) -> Outcome {
    let text = labels::export(&found.path, session.network())?;
    if file == Path::new("-") {
        if output.json {
            return Err(Failure::usage("--export - prints lines of its own; leave --json out, or name a file"));
        }
        return if text.is_empty() { Ok(()) } else { output.line(text.trim_end()) };
    }
    files::give(file, text.as_bytes(), force)?;
    let lines = text.lines().count();
    output.result(&json!({ "file": file, "lines": lines }), || format!("{lines} lines written to {}", file.display()))
}

fn import(session: &Session, found: &Found, file: &Path, output: &Output) -> Outcome {
    let imported = labels::read_file(session.network(), file)?;
    labels::import(&found.path, session.network(), &imported)?;
    let (labels, coins) = (imported.labels.len(), imported.spendable.len());
    let (ignored, cut) = (imported.ignored, imported.cut);
    if cut > 0 {
        output.remark(&format!("{cut} labels were longer than {} characters, and were cut", labels::LABEL_CHARS_MAX));
    }
    if ignored > 0 {
        output.remark(&format!("{ignored} lines are of types that this wallet does not keep, and were left out"));
    }
    output.result(&json!({ "labels": labels, "coins": coins, "ignored": ignored, "cut": cut }), || {
        format!("{labels} labels, {coins} coins locked or unlocked")
    })
}

pub(super) async fn consolidate(arguments: &Consolidate, global: &Global, output: &Output) -> Outcome {
    let session = sending_session(&arguments.target, &arguments.sending.following, global).await?;
    let found = session.wallet(&arguments.from)?;
    let unlocked = unlock(&found, &arguments.sending.password, global)?;
    let options = Options {
        below: arguments.below,
        max: arguments.max,
        fee_rate: arguments.sending.fee.rate(session.genesis().ledger.relay_fee_rate_min)?,
        reserved: Journal::read(&found.path, session.network())?.reserved()?,
    };
    let plan = consolidate::plan(&session, &found, &unlocked, &options).await?;
    drop(unlocked);
    let client = session.client()?;
    for attempt in &plan.attempts {
        rehearse::one(client, &attempt.transaction).await?;
    }
    if arguments.dry_run {
        return joined(&plan, &plan.attempts.iter().map(follow::dry_run).collect::<Vec<_>>(), output);
    }
    let to = *found.wallet.lock_hashes().last().expect("a wallet has an address");
    let to = Recipient { lock: to, address: session.address(&to), name: None };
    let entry = |attempt: &bezant_wallet::paying::journal::Attempt| {
        let sum = bezant_wallet::paying::build::Sum::Exactly(attempt.change);
        Entry { id: None, asked: repeat::asked([(&to, sum)]), attempt: attempt.clone() }
    };
    let entries: Vec<Entry> = plan.attempts.iter().map(entry).collect();
    let mut journal = Journal::open(&found.path, session.network())?;
    journal.add(&entries)?;
    let follow = arguments.sending.following.options();
    let mut sent: Vec<Sent> = Vec::new();
    // All are handed over before one is waited for.
    for wait in [Wait::Pool, follow.wait] {
        sent.clear();
        for attempt in &plan.attempts {
            let kept = journal.of(&attempt.transaction.id())?;
            let kept =
                kept.ok_or_else(|| Failure::failed("journal", "the journal lost a transfer that was written down"))?;
            let following = repeat::follow(client, &kept, FollowOptions { wait, ..follow });
            sent.push(followed(&attempt.transaction.id(), following).await?);
        }
    }
    joined(&plan, &sent, output)
}

fn joined(plan: &Plan, sent: &[Sent], output: &Output) -> Outcome {
    let fee: u64 = plan.attempts.iter().map(|attempt| attempt.fee.grains()).sum();
    let value = json!({
        "coins": plan.coins, "into": plan.attempts.len(), "left": plan.dust, "fee": fee.to_string(),
        "saves": plan.saves.to_string(), "fee_rate": plan.fee_rate, "transactions": sent,
    });
    output.result(&value, || {
        let (fee, saves) = (bzt(&fee.to_string()), bzt(&plan.saves.to_string()));
        let mut lines = vec![
            format!("{} coins become {}, fee {fee} BZT", plan.coins, plan.attempts.len()),
            format!("spending it all later costs {saves} BZT less, at {} grains per 1000 bytes", plan.fee_rate),
        ];
        if plan.dust > 0 {
            lines.push(format!("{} coins are worth no more than spending them costs, and are left", plan.dust));
        }
        lines.extend(sent.iter().map(|sent| format!("{} {}", sent.status, sent.txid)));
        lines.join("\n")
    })
}
