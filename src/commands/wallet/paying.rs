//! `wallet send`, `pay`, `bump` and `cancel`.

use super::signers::{self, known};
use super::{bzt, followed, sending_session};
use crate::cli::Global;
use crate::cli::wallet::{Password, Pay, Replace, Send};
use crate::commands::password;
use crate::output::{Failure, Outcome, Output, table};
use bezant_api::types::ReadLevel;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_wallet::coins::labels::{self, Labelled};
use bezant_wallet::coins::view;
use bezant_wallet::error::WalletError;
use bezant_wallet::paying::build::{self, Sum};
use bezant_wallet::paying::follow::{self, FollowOptions, Sent, Wait};
use bezant_wallet::paying::journal::{self, Attempt, Entry, Journal, Kept, Kind};
use bezant_wallet::paying::payout::{self, Payout};
use bezant_wallet::paying::purse::Known;
use bezant_wallet::paying::rehearse;
use bezant_wallet::paying::repeat;
use bezant_wallet::paying::replace;
use bezant_wallet::paying::send::{self, Plan, Prepared, SendOptions};
use bezant_wallet::session::{Found, Session};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) async fn send(arguments: &Send, global: &Global, output: &Output) -> Outcome {
    let pays = arguments.payments().map_err(Failure::usage)?;
    arguments.id.as_deref().map(journal::check_id).transpose()?;
    let session = sending_session(&arguments.target, &arguments.sending.following, global).await?;
    if arguments.confirmations.is_some() && session.genesis().pow().is_none() {
        return Err(Failure::usage("--confirmations is for proof of work; under PBFT a block is final at once"));
    }
    let note = arguments.note();
    // What cannot be right is said before anybody is asked for a password.
    note.as_deref().map(labels::check).transpose()?;
    let to = pays.iter().map(|(to, _)| session.recipient(to)).collect::<Result<Vec<_>, WalletError>>()?;
    let asked = repeat::asked(to.iter().zip(pays.iter().map(|(_, sum)| *sum)));
    let found = session.wallet(&arguments.from)?;
    let follow = FollowOptions { confirmations: arguments.confirmations, ..arguments.sending.following.options() };
    let what = words(&pays);
    let reserved = match kept_before(&session, &found, arguments, asked)? {
        Before::Kept(kept) => return repeated(&session, &kept, arguments.dry_run, follow, &what, output).await,
        Before::Nothing(reserved) => reserved,
    };
    let fee_rate = arguments.sending.fee.rate(session.genesis().ledger.relay_fee_rate_min)?;
    let options = SendOptions { fee_rate, coins: arguments.coin.clone(), reserved };
    let known = known(&session, &found, &arguments.preimage_file)?;
    let prepared = send::prepare(&session, &found, &known, &options, &[pays]).await?;
    if found.wallet.is_watching() {
        tell_signers(&known, &prepared, output);
    }
    let plan = sign(&session, &known, prepared, &arguments.sending.password, global)?.remove(0);
    let client = session.client()?;
    if arguments.dry_run || arguments.id.is_some() {
        // An id is bound to its first transaction for ever: better one that is taken.
        rehearse::one(client, &plan.built.transaction).await?;
    }
    if arguments.dry_run {
        return print_sent(&follow::dry_run(&plan.attempt()), &what, output);
    }
    confirm(std::slice::from_ref(&plan), arguments.yes, global)?;
    let entry = Entry { id: arguments.id.clone(), asked, attempt: plan.attempt() };
    let mut journal = Journal::open(&found.path, session.network())?;
    if let Some(kept) = repeat::write_down(&mut journal, &entry)? {
        return repeated(&session, &kept, false, follow, &what, output).await;
    }
    if let Some(note) = note {
        let txid = entry.attempt.transaction.id();
        labels::set(&found.path, session.network(), &[(Labelled::Transaction(txid), note)])?;
    }
    tell_waiting(&entry.attempt.transaction.id().to_string(), follow, output);
    let txid = entry.attempt.transaction.id();
    print_sent(&followed(&txid, follow::submit(client, &entry.attempt, follow)).await?, &what, output)
}

/// Whose keys open the coins of a wallet that has none itself.
fn tell_signers(known: &Known, prepared: &[Prepared], output: &Output) {
    let keys = prepared.iter().flat_map(|one| one.unsigned.keys()).collect();
    let names: Vec<&str> = known.signers(&keys).into_iter().map(|found| found.wallet.name.as_str()).collect();
    output.remark(&format!("signed with the keys of {}", names.join(", ")));
}

/// What may take a while is told to whoever looks at a terminal.
fn tell_waiting(txid: &str, follow: FollowOptions, output: &Output) {
    if output.shows_progress() && !matches!(follow.wait, Wait::None) {
        let limit_s = follow.timeout.as_secs();
        output.remark(&format!("transaction {txid} is handed in; waiting, {limit_s} s at most"));
    }
}

/// Signs them all with the keys that they need, and no others.
fn sign(
    session: &Session,
    known: &Known,
    prepared: Vec<Prepared>,
    password: &Password,
    global: &Global,
) -> Result<Vec<Plan>, Failure> {
    let keys = prepared.iter().flat_map(|one| one.unsigned.keys()).collect();
    let unlocked = signers::unlock(known, &keys, password, global)?;
    let ring = build::ring(&unlocked);
    let signed: Result<Vec<Plan>, WalletError> =
        prepared.into_iter().map(|one| one.sign(session.network(), &ring)).collect();
    Ok(signed?)
}

enum Before {
    Kept(Kept),
    /// Nothing was sent under the id, and these coins are kept for what was sent under others.
    Nothing(BTreeSet<OutPoint>),
}

fn kept_before(session: &Session, found: &Found, arguments: &Send, asked: [u8; 32]) -> Result<Before, Failure> {
    // Only what is sent leaves something behind.
    let journal = Journal::read(&found.path, session.network())?;
    let kept = arguments.id.as_deref().map(|id| repeat::earlier(&journal, id, asked)).transpose()?.flatten();
    Ok(kept.map_or(Before::Nothing(journal.reserved()?), Before::Kept))
}

async fn repeated(
    session: &Session,
    kept: &Kept,
    dry_run: bool,
    follow: FollowOptions,
    what: &str,
    output: &Output,
) -> Outcome {
    let newest = kept.attempts.last().expect("a payment has a transaction");
    output.remark(&format!("this payment was made before (transaction {}); it is followed", newest.transaction.id()));
    if dry_run {
        return print_sent(&follow::dry_run(newest), what, output);
    }
    let following = repeat::follow(session.client()?, kept, follow);
    print_sent(&followed(&newest.transaction.id(), following).await?, what, output)
}

fn words(pays: &[(String, Sum)]) -> String {
    let one = |(to, sum): &(String, Sum)| match sum {
        Sum::Exactly(amount) => format!("{amount} BZT to {to}"),
        Sum::Max => format!("all to {to}"),
    };
    pays.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Shows every address in full, and asks.
fn confirm(plans: &[Plan], yes: bool, global: &Global) -> Outcome {
    if yes || !plans.iter().any(|plan| plan.wants_confirmation) {
        return Ok(());
    }
    let paid = plans.iter().flat_map(|plan| &plan.paid);
    let lines: Vec<String> = paid.map(|(to, amount)| format!("{amount} BZT to {}", to.address)).collect();
    let fees: Vec<String> = plans.iter().map(|plan| plan.built.fee.to_string()).collect();
    let question = match &lines[..] {
        [one] => format!("Send {one} (fee {})?", fees.join(" + ")),
        many => format!("{}\nSend these {} payments (fee {})?", many.join("\n"), many.len(), fees.join(" + ")),
    };
    password::confirm(global, &question, "an address outside dev nets wants a confirmation", "nothing was sent")
}

pub(super) fn print_sent(sent: &Sent, what: &str, output: &Output) -> Outcome {
    output.result(sent, || format!("{what}, {}", sent_text(sent)))
}

pub(super) fn sent_text(sent: &Sent) -> String {
    let place = sent.height.map_or(String::new(), |height| format!(" at height {height}"));
    format!("fee {}: {}{place} after {} ms\n{}", bzt(&sent.fee), sent.status, sent.elapsed_ms, sent.txid)
}

pub(super) async fn replace(arguments: &Replace, kind: Kind, global: &Global, output: &Output) -> Outcome {
    let session = sending_session(&arguments.target, &arguments.sending.following, global).await?;
    // All of them: a wallet of one's own that watches a lock does not hide the net's accounts.
    let at_hand = if arguments.from.is_some() { Vec::new() } else { session.at_hand() };
    let wallets = if at_hand.is_empty() { session.wallets(arguments.from.as_deref())? } else { at_hand };
    let original = replace::original(&session, &wallets, &arguments.txid).await?;
    let known = known(&session, &original.found, &[])?;
    let fee_rate = arguments.sending.fee.rate(session.genesis().ledger.relay_fee_rate_min)?;
    let unsigned = replace::prepare(&session, &original, &known, kind, fee_rate).await?;
    let unlocked = signers::unlock(&known, &unsigned.keys(), &arguments.sending.password, global)?;
    let attempt = replace::sign(&session, unsigned, kind, &build::ring(&unlocked)).await?;
    drop(unlocked);
    let sent = if arguments.dry_run {
        follow::dry_run(&attempt)
    } else {
        let follow = arguments.sending.following.options();
        let txid = attempt.transaction.id();
        followed(&txid, replace::carry_out(&session, &original, &attempt, follow)).await?
    };
    let mut value = serde_json::to_value(&sent).map_err(|error| Failure::failed("output", error))?;
    value["replaces"] = json!(arguments.txid);
    output.result(&value, || {
        let verb = if kind == Kind::Cancel { "cancels" } else { "replaces" };
        format!("{verb} {}, {}", arguments.txid, sent_text(&sent))
    })
}

pub(super) async fn pay(arguments: &Pay, global: &Global, output: &Output) -> Outcome {
    let session = sending_session(&arguments.target, &arguments.sending.following, global).await?;
    let rows = payout::read(&session, &arguments.file)?;
    let found = session.wallet(&arguments.from)?;
    let payout = Payout::new(&session, &found.wallet.name, &arguments.file, rows, arguments.id.as_deref())?;
    // Only what is sent leaves something behind.
    let open = if arguments.dry_run { Journal::read } else { Journal::open };
    let mut journal = open(&found.path, session.network())?;
    let (attempts, kept) = match payout.begun(&journal)? {
        Some(kept) => {
            output.remark("these payments were begun before; they are followed");
            let newest = |kept: &Kept| kept.attempts.last().expect("a payment has a transaction").clone();
            (kept.iter().map(newest).collect(), Some(kept))
        }
        None => (fresh(arguments, global, &session, &found, &journal, &payout).await?, None),
    };
    if arguments.dry_run {
        let transactions: Vec<Sent> = attempts.iter().map(follow::dry_run).collect();
        let left = left(&session, &found, &payout, &attempts, kept.is_some()).await?;
        return print_paid(&payout, &attempts, &transactions, Some(left), output);
    }
    if kept.is_none() {
        payout.write_down(&mut journal, &attempts)?;
        labels::set(&found.path, session.network(), &payout.labels(&attempts))?;
    }
    payout.write_record(&attempts)?;
    let Some(kept) = payout.begun(&journal)? else {
        return Err(Failure::failed("journal", "the journal lost the payments; nothing was sent"));
    };
    let mut transactions = Vec::with_capacity(kept.len());
    let follow = arguments.sending.following.options();
    for wait in [Wait::Pool, follow.wait] {
        transactions.clear();
        let follow = FollowOptions { wait, ..follow };
        for one in &kept {
            let txid = one.attempts.last().expect("a payment has a transaction").transaction.id();
            transactions.push(followed(&txid, repeat::follow(session.client()?, one, follow)).await?);
        }
    }
    print_paid(&payout, &attempts, &transactions, None, output)
}

/// Makes all transactions of a file that was not begun yet.
async fn fresh(
    arguments: &Pay,
    global: &Global,
    session: &Session,
    found: &Found,
    journal: &Journal,
    payout: &Payout,
) -> Result<Vec<Attempt>, Failure> {
    let fee_rate = arguments.sending.fee.rate(session.genesis().ledger.relay_fee_rate_min)?;
    let options = SendOptions { fee_rate, reserved: journal.reserved()?, ..SendOptions::default() };
    let known = known(session, found, &[])?;
    let prepared = send::prepare(session, found, &known, &options, &payout.batches()).await?;
    let plans = sign(session, &known, prepared, &arguments.sending.password, global)?;
    // All at once, since they may spend from each other: if a node would refuse the last, nothing is sent.
    let transactions: Vec<_> = plans.iter().map(|plan| &plan.built.transaction).collect();
    rehearse::all(session.client()?, &transactions).await?;
    if !arguments.dry_run {
        confirm(&plans, arguments.yes, global)?;
    }
    Ok(plans.iter().map(Plan::attempt).collect())
}

/// What the wallet has when all is paid, in grains.
async fn left(
    session: &Session,
    found: &Found,
    payout: &Payout,
    attempts: &[Attempt],
    is_begun: bool,
) -> Result<u128, Failure> {
    let balance = view::balance(session, found, view::Read::One(ReadLevel::Latest)).await?;
    let has: u128 = [&balance.spendable, &balance.pending, &balance.locked]
        .iter()
        .filter_map(|text| text.parse::<u128>().ok())
        .sum();
    let paid = payout.rows.iter().map(|row| row.amount).chain(attempts.iter().map(|attempt| attempt.fee));
    let paid: u128 = paid.map(|amount| u128::from(amount.grains())).sum();
    Ok(if is_begun { has } else { has.saturating_sub(paid) })
}

fn print_paid(
    payout: &Payout,
    attempts: &[Attempt],
    transactions: &[Sent],
    left: Option<u128>,
    output: &Output,
) -> Outcome {
    let total: u64 = payout.rows.iter().map(|row| row.amount.grains()).sum();
    let fee: u64 = transactions.iter().filter_map(|sent| sent.fee.parse::<u64>().ok()).sum();
    let payments = payout.payments(attempts);
    let value = json!({
        "id": payout.id, "total": total.to_string(), "fee": fee.to_string(), "left": left.map(|left| left.to_string()),
        "record": payout.record(), "payments": payments, "transactions": transactions,
    });
    output.result(&value, || {
        let row = |one: &payout::Paid| {
            vec![one.line.to_string(), one.to.clone(), bzt(&one.amount), one.label.clone(), one.txid[..8].to_owned()]
        };
        let table = table(&["line", "to", "BZT", "label", "transaction"], payments.iter().map(row));
        let left = left.map_or(String::new(), |left| format!(", left {}", bzt(&left.to_string())));
        let sent: Vec<String> = transactions.iter().map(|sent| format!("{} {}", sent.status, sent.txid)).collect();
        let (total, fee) = (bzt(&total.to_string()), bzt(&fee.to_string()));
        format!("{table}\ntotal {total} BZT, fee {fee}{left}\n{}", sent.join("\n"))
    })
}
