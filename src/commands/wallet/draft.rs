//! `bezant wallet draft …`.

use super::paying::print_sent;
use super::signers;
use super::{bzt, followed, sending_session, session};
use crate::cli::Global;
use crate::cli::wallet::{
    CombineDrafts, CreateDraft, Draft as Command, DraftOut, FinalizeDraft, Offline, SendDraft, ShowDraft, SignDraft,
};
use crate::commands::{net, password};
use crate::output::{Failure, Outcome, Output};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::hash::LockHash;
use bezant_wallet::error::WalletError;
use bezant_wallet::files;
use bezant_wallet::locks::draft::create::{Created, Stage, create};
use bezant_wallet::locks::draft::summary::{Summary, summary};
use bezant_wallet::locks::draft::{self, Draft, DraftError};
use bezant_wallet::locks::preimage;
use bezant_wallet::paying::build;
use bezant_wallet::paying::fee;
use bezant_wallet::paying::journal::{self, Journal};
use bezant_wallet::paying::purse::Known;
use bezant_wallet::paying::send::SendOptions;
use bezant_wallet::session::{Found, Session, SessionOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

pub(super) async fn run(command: Command, global: &Global, output: &Output) -> Outcome {
    match command {
        Command::Create(options) => make(&options, global, output).await,
        Command::Sign(options) => sign(&options, global, output).await,
        Command::Combine(options) => combine(&options, output),
        Command::Finalize(options) => finalize(&options, global, output).await,
        Command::Show(options) => show(&options, global, output).await,
        Command::Send(options) => send(&options, global, output).await,
    }
}

fn failure(error: &DraftError) -> Failure {
    Failure::new(3, error.kind(), error)
}

async fn make(options: &CreateDraft, global: &Global, output: &Output) -> Outcome {
    let pays = options.payments().map_err(Failure::usage)?;
    let session = session(&options.target, global).await?;
    let found = session.wallet(&options.from)?;
    let mut known = Known::of(session.at_hand());
    for file in &options.preimage_file {
        known.means.add_preimage(*preimage::read(file)?);
    }
    let mut signers: BTreeSet<LockHash> = BTreeSet::new();
    for party in &options.with {
        match session.wallet(party) {
            Ok(found) => signers.extend(found.wallet.lock_hashes()),
            Err(_) => drop(signers.insert(session.recipient(party)?.lock)),
        }
    }
    let path = journal::path(&found.path);
    let reserved =
        if path.exists() { Journal::open(&found.path, session.network())?.reserved()? } else { BTreeSet::new() };
    let fee_rate = options.fee.rate(session.genesis().ledger.relay_fee_rate_min)?;
    let choice = SendOptions { fee_rate, coins: options.coin.clone(), reserved };
    let Created { mut draft, stage, .. } = create(&session, &found, &known, &choice, &pays, &signers).await?;
    draft.fill(&known.means);
    let summary = summary(&draft, &session, &known);
    output.remark(&text(&summary));
    match stage {
        Stage::Now => {}
        Stage::Later => output.remark("It can be sent only later: see the conditions above."),
        Stage::Preimage => output.remark("It asks for a preimage: give that to `bezant wallet draft sign` or `send`."),
    }
    give(&draft, Some(&summary), &options.out, output)
}

/// The net as its genesis tells it; nodes are not asked.
async fn offline(options: &Offline, global: &Global) -> Result<Session, Failure> {
    match &options.genesis {
        Some(file) => {
            let genesis = net::own_genesis(Some(file), &options.net, global)?;
            Ok(Session::offline(net::home(global)?, genesis))
        }
        None => {
            let net = options.net.net.clone();
            Ok(Session::open(SessionOptions { home: net::home(global)?, net, rpc: None, node: None }).await?)
        }
    }
}

/// Reads drafts of one payment on this net, together.
fn read(files: &[PathBuf], session: Option<&Session>) -> Result<Draft, Failure> {
    let drafts = files.iter().map(|file| draft::read(file)).collect::<Result<Vec<Draft>, WalletError>>()?;
    let draft = draft::combine(&drafts).map_err(|error| failure(&error))?;
    match session {
        Some(session) if session.network() != draft.network() => {
            let error = DraftError::OtherNet { actual: *draft.network(), expected: *session.network() };
            let next = "name its net with --net NAME, or give its genesis with --genesis FILE";
            Err(Failure::new(3, error.kind(), format!("{error}; {next}")))
        }
        _ => Ok(draft),
    }
}

async fn sign(options: &SignDraft, global: &Global, output: &Output) -> Outcome {
    let session = offline(&options.offline, global).await?;
    let mut draft = read(std::slice::from_ref(&options.file), Some(&session))?;
    let mut known = Known::of(session.at_hand());
    for file in &options.preimage_file {
        known.means.add_preimage(*preimage::read(file)?);
    }
    let signers = match &options.wallet[..] {
        [] => known.clone(),
        names => {
            let found = names.iter().map(|name| session.wallet(name)).collect::<Result<Vec<Found>, WalletError>>()?;
            Known::of(found)
        }
    };
    let before = draft.clone();
    draft.fill(&known.means);
    refuse_high_fee(&draft, &session, options.allow_high_fee)?;
    let keys = draft.unsigned_keys().intersection(&signers.means.keys).copied().collect();
    let what = summary(&draft, &session, &known);
    output.remark(&text(&what));
    if BTreeSet::is_empty(&keys) && draft == before {
        let message = "there is nothing for these wallets to sign: they have signed already, or hold none of its keys";
        return Err(Failure::new(3, "nothing-to-sign", message));
    }
    confirm(&session, options.yes, global)?;
    let unlocked = signers::unlock(&signers, &keys, &options.password, global)?;
    draft.sign(&build::ring(&unlocked));
    drop(unlocked);
    let signed = summary(&draft, &session, &known);
    let missing: Vec<String> = signed.inputs.iter().filter_map(|input| input.missing.clone()).collect();
    output.remark(&match missing.first() {
        None => "Signed; it is complete: send it with `bezant wallet draft send`.".to_owned(),
        Some(missing) => format!("Signed; not complete: it {missing}."),
    });
    give(&draft, Some(&signed), &options.out, output)
}

fn confirm(session: &Session, yes: bool, global: &Global) -> Outcome {
    if yes || session.genesis().dev {
        return Ok(());
    }
    password::confirm(global, "Sign this?", "a signature outside dev nets wants a confirmation", "nothing was signed")
}

fn refuse_high_fee(draft: &Draft, session: &Session, is_allowed: bool) -> Outcome {
    Ok(fee::check(draft.fee(), draft.bytes(), session.genesis().ledger.relay_fee_rate_min, is_allowed)?)
}

/// Writes a draft to a file, or prints it.
fn give(draft: &Draft, summary: Option<&Summary>, out: &DraftOut, output: &Output) -> Outcome {
    let text = draft.to_text();
    let mut value = summary.map_or_else(|| json!({ "txid": draft.txid().to_string() }), |summary| json!(summary));
    let Some(file) = &out.out else {
        value["draft"] = Value::String(text.clone());
        return output.result(&value, || text.trim_end().to_owned());
    };
    files::give(file, text.as_bytes(), out.force)?;
    value["file"] = json!(file);
    output.result(&value, || format!("written to {}", file.display()))
}

fn combine(options: &CombineDrafts, output: &Output) -> Outcome {
    give(&read(&options.files, None)?, None, &options.out, output)
}

async fn finalize(options: &FinalizeDraft, global: &Global, output: &Output) -> Outcome {
    let session = offline(&options.offline, global).await?;
    let draft = read(std::slice::from_ref(&options.file), Some(&session))?;
    let known = Known::of(session.at_hand());
    let transaction = draft.finalize().map_err(|_| incomplete(&draft, &session, &known))?;
    let hex = hex::encode(encode(&transaction));
    let mut value = json!({ "txid": draft.txid().to_string(), "hex": hex });
    let Some(file) = &options.out.out else { return output.result(&value, || hex) };
    files::give(file, format!("{hex}\n").as_bytes(), options.out.force)?;
    value["file"] = json!(file);
    output.result(&value, || format!("{}\nwritten to {}", draft.txid(), file.display()))
}

fn incomplete(draft: &Draft, session: &Session, known: &Known) -> Failure {
    let summary = summary(draft, session, known);
    let missing = summary.inputs.iter().enumerate().find_map(|(index, input)| Some((index, input.missing.clone()?)));
    let (index, missing) = missing.unwrap_or_default();
    let message = format!("input {index} {missing}; let them sign with `bezant wallet draft sign`; nothing was sent");
    Failure::new(3, "incomplete-draft", message)
}

async fn show(options: &ShowDraft, global: &Global, output: &Output) -> Outcome {
    let session = offline(&options.offline, global).await?;
    let mut draft = read(std::slice::from_ref(&options.file), Some(&session))?;
    let known = Known::of(session.at_hand());
    draft.fill(&known.means);
    let summary = summary(&draft, &session, &known);
    output.result(&summary, || text(&summary))
}

async fn send(options: &SendDraft, global: &Global, output: &Output) -> Outcome {
    let session = sending_session(&options.target, &options.following, global).await?;
    let mut draft = read(&options.files, Some(&session))?;
    let mut known = Known::of(session.at_hand());
    for file in &options.preimage_file {
        known.means.add_preimage(*preimage::read(file)?);
    }
    draft.fill(&known.means);
    refuse_high_fee(&draft, &session, options.allow_high_fee)?;
    let transaction = draft.finalize().map_err(|_| incomplete(&draft, &session, &known))?;
    let sending = draft::send::Sending::new(&draft, transaction, &known);
    let summary = summary(&draft, &session, &known);
    let paid = summary.outputs.iter().filter(|output| !output.returns);
    let paid: Vec<String> =
        paid.map(|to| format!("{} BZT to {}", bzt(&to.amount), to.name.as_ref().unwrap_or(&to.address))).collect();
    let what = if paid.is_empty() { "nothing but change".to_owned() } else { paid.join(", ") };
    let sent = if options.dry_run {
        sending.rehearse(&session).await?
    } else {
        followed(&draft.txid(), sending.carry_out(&session, options.following.options())).await?
    };
    print_sent(&sent, &what, output)
}

fn text(summary: &Summary) -> String {
    let named = |name: &Option<String>| name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
    let mut lines = vec![format!("transaction {}", summary.txid)];
    for output in &summary.outputs {
        let verb = if output.returns { "returns" } else { "pays" };
        lines.push(format!("{verb} {} BZT to {}{}", bzt(&output.amount), output.address, named(&output.name)));
    }
    lines.push(format!("fee {} BZT, {} grains per 1000 bytes", bzt(&summary.fee), summary.fee_rate));
    for input in &summary.inputs {
        lines.push(format!("spends {} BZT of {}{}", bzt(&input.amount), input.address, named(&input.name)));
        lines.push(format!("  lock: {}", input.lock));
        for condition in &input.conditions {
            lines.push(format!("  used here: {condition}"));
        }
        let signed = if input.signed.is_empty() { "nobody".to_owned() } else { input.signed.join(", ") };
        lines.push(format!("  signed by: {signed}"));
        if let Some(missing) = &input.missing {
            lines.push(format!("  {missing}"));
        }
    }
    lines.push(if summary.complete { "complete".to_owned() } else { "not complete".to_owned() });
    lines.join("\n")
}
