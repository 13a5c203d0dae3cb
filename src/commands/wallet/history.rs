//! `wallet history`.

use super::{bzt, session};
use crate::cli;
use crate::cli::Global;
use crate::commands::net;
use crate::output::{Failure, Outcome, Output, table};
use bezant_api::client::{Client, News};
use bezant_api::event::EventKind;
use bezant_wallet::coins::history::{self, Entry, EntryState, History, Synced};
use bezant_wallet::files;
use bezant_wallet::session::Session;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// A node may say "block" a moment before its own index knows the transactions in it, so it is asked again after this.
const RECHECK: Duration = Duration::from_secs(1);
/// What happens within this is told together.
const GATHER: Duration = Duration::from_millis(100);
/// Answers in a row that make no sense while history is followed, each from another node and after [`RECHECK`]; then that is an error.
const FAILED_MAX: usize = 10;
/// What each column has.
const HEADINGS: [&str; 8] = ["wallet", "UTC", "height", "BZT", "balance", "state", "label", "transaction"];
/// Lines that are remembered while history is followed, so that each change is told once; the oldest are forgotten.
const SHOWN_MAX: usize = 20_000;

pub(super) async fn run(arguments: &cli::wallet::History, global: &Global, output: &Output) -> Outcome {
    let to_stdout = arguments.csv.as_deref() == Some(Path::new("-"));
    if to_stdout && output.json {
        return Err(Failure::usage("--csv prints lines of its own; leave --json out, or name a file"));
    }
    let session = session(&arguments.which.target, global).await?;
    let mut all: Vec<Followed> = Vec::new();
    for found in session.wallets(arguments.which.wallet.as_deref())? {
        all.push(Followed { history: History::open(&session, &found)?, shown: BTreeMap::new(), final_height: 0 });
    }
    if arguments.follow {
        return tokio::select! {
            result = follow(arguments, &session, &mut all, output) => result,
            () = net::ended() => Ok(()),
        };
    }
    let mut lines: Vec<Entry> = Vec::new();
    for one in &mut all {
        lines.extend(one.first(arguments, &session, output).await?);
    }
    match &arguments.csv {
        None => output.result(&json!({ "history": lines }), || text(&lines)),
        Some(_) if to_stdout => output.line(history::csv(&lines).trim_end()),
        Some(file) => {
            files::give(file, history::csv(&lines).as_bytes(), arguments.force)?;
            let count = lines.len();
            output.result(&json!({ "file": file, "lines": count }), || {
                format!("{count} lines written to {}", file.display())
            })
        }
    }
}

/// A wallet's history, and what of it was told.
struct Followed {
    history: History,
    /// By transaction.
    shown: BTreeMap<String, Entry>,
    /// Final when it was last looked at.
    final_height: u64,
}

impl Followed {
    async fn sync(&mut self, client: &Client, output: &Output) -> Result<Synced, Failure> {
        let bar = ProgressBar::new(1_000);
        let name = self.history.found().wallet.name.clone();
        let template = format!("{name}: {{wide_bar}} {{msg}}");
        bar.set_style(ProgressStyle::default_bar().template(&template).expect("it is valid"));
        if !output.shows_progress() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let mut progress = |facts: usize, share: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a bar")]
            bar.set_position((share.clamp(0.0, 1.0) * 1_000.0) as u64);
            bar.set_message(format!("{facts} transactions"));
        };
        let synced = self.history.sync(client, &mut progress).await;
        bar.finish_and_clear();
        Ok(synced?)
    }

    /// All lines that were asked for.
    async fn first(
        &mut self,
        arguments: &cli::wallet::History,
        session: &Session,
        output: &Output,
    ) -> Result<Vec<Entry>, Failure> {
        let client = session.client()?;
        let synced = self.sync(client, output).await?;
        self.final_height = synced.final_height;
        let mut lines = history::entries(session, &self.history, &synced, arguments.from_height, arguments.limit)?;
        let balance = self.history.balance_before(u64::MAX)?;
        let waiting = history::pending(session, &self.history, client, balance).await?;
        if arguments.follow {
            // What was not asked for is no news either.
            let unsure = history::entries(session, &self.history, &synced, synced.final_height + 1, Some(SHOWN_MAX))?;
            self.remember(unsure);
            self.remember(lines.iter().chain(&waiting).cloned().collect());
        }
        lines.extend(waiting);
        let skipped = arguments.limit.map_or(0, |limit| lines.len().saturating_sub(limit));
        Ok(lines.split_off(skipped))
    }

    /// Lines that are new, or surer than they were, or gone.
    async fn news(&mut self, session: &Session, output: &Output) -> Result<Vec<Entry>, Failure> {
        let client = session.client()?;
        let synced = self.sync(client, output).await?;
        let from = synced.changed_from.map_or(self.final_height + 1, |height| height.min(self.final_height + 1));
        let mut now = history::entries(session, &self.history, &synced, from, Some(SHOWN_MAX))?;
        let balance = self.history.balance_before(u64::MAX)?;
        now.extend(history::pending(session, &self.history, client, balance).await?);
        let is_told = |entry: &&Entry| {
            let told = self.shown.get(&entry.txid);
            told.is_none_or(|told| (told.state, &told.block) != (entry.state, &entry.block))
        };
        let mut news: Vec<Entry> = Vec::new();
        let is_there = |txid: &str| now.iter().any(|entry| entry.txid == txid);
        let left = self.shown.values().filter(|told| told.height.is_none_or(|height| height >= from));
        for gone in left.filter(|told| !is_there(&told.txid)) {
            news.push(Entry { state: EntryState::Left, is_final: false, balance: balance.to_string(), ..gone.clone() });
        }
        news.extend(now.iter().filter(is_told).cloned());
        self.shown.retain(|txid, told| told.height.is_some_and(|height| height < from) && !is_there(txid));
        self.final_height = synced.final_height;
        self.remember(now);
        Ok(news)
    }

    fn remember(&mut self, lines: Vec<Entry>) {
        self.shown.extend(lines.into_iter().map(|entry| (entry.txid.clone(), entry)));
        if self.shown.len() > SHOWN_MAX {
            let mut heights: Vec<u64> = self.shown.values().filter_map(|entry| entry.height).collect();
            heights.sort_unstable();
            let lowest = heights.get(heights.len().saturating_sub(SHOWN_MAX / 2)).copied().unwrap_or_default();
            self.shown.retain(|_, entry| entry.height.is_none_or(|height| height >= lowest));
        }
    }
}

/// Prints what there is, and then what happens, until no node answers any more.
async fn follow(arguments: &cli::wallet::History, session: &Session, all: &mut [Followed], output: &Output) -> Outcome {
    let client = session.client()?;
    // Listened to first, so that nothing happens between the first look and the second.
    let mut events = News::new(client).await?;
    if !output.json {
        output.line(&columns(HEADINGS))?;
    }
    for one in all.iter_mut() {
        let lines = one.first(arguments, session, output).await?;
        lines.iter().try_for_each(|entry| tell(entry, output))?;
    }
    let (mut recheck, mut failed) = (false, 0);
    loop {
        events.wait(recheck.then_some(RECHECK), concerns_lines).await?;
        sleep(GATHER).await;
        recheck = false;
        for one in all.iter_mut() {
            let news = match one.news(session, output).await {
                // A node that is stopping, or has too much to do, may answer with anything.
                Err(failure) if failure.status == 1 && failed < FAILED_MAX => {
                    failed += 1;
                    recheck = true;
                    client.move_on();
                    break;
                }
                news => news?,
            };
            failed = 0;
            recheck |= news.is_empty();
            news.iter().try_for_each(|entry| tell(entry, output))?;
        }
    }
}

/// Whether lines may change after this.
fn concerns_lines(event: &EventKind) -> bool {
    matches!(event, EventKind::Pooled { .. } | EventKind::Dropped { .. }) || event.concerns_chain()
}

fn amount(entry: &Entry) -> String {
    let net = entry.net();
    let sign = if net < 0 { "-" } else { "+" };
    format!("{sign}{}", bzt(&net.unsigned_abs().to_string()))
}

fn when(entry: &Entry) -> String {
    entry.time().map_or_else(|| "-".to_owned(), |time| time.replace('T', " ").replace('Z', ""))
}

fn text(all: &[Entry]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let row = |one: &Entry| {
        let height = one.height.map_or_else(|| "-".to_owned(), |height| height.to_string());
        let (state, label) = (one.state.name().to_owned(), one.label.clone().unwrap_or_default());
        vec![one.wallet.clone(), when(one), height, amount(one), bzt(&one.balance), state, label, one.txid.clone()]
    };
    table(&HEADINGS, all.iter().map(row))
}

/// Widths of the columns of what is followed, where no line knows the next; the last two have what they need.
fn columns([wallet, when, height, amount, balance, state, label, txid]: [&str; 8]) -> String {
    format!("{wallet:10} {when:19} {height:>8} {amount:>16} {balance:>16} {state:8} {txid} {label}")
        .trim_end()
        .to_owned()
}

/// One line of what is followed.
fn tell(entry: &Entry, output: &Output) -> Outcome {
    output.result(entry, || {
        let height = entry.height.map_or_else(|| "-".to_owned(), |height| height.to_string());
        let (amount, balance, label) = (amount(entry), bzt(&entry.balance), entry.label.as_deref().unwrap_or_default());
        let (when, state) = (when(entry), entry.state.name());
        columns([&entry.wallet, &when, &height, &amount, &balance, state, label, &entry.txid])
    })
}
