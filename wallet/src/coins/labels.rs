//! What transactions, addresses and coins are called by the wallet's owner.
//!
//! Labels are kept in the wallet's database, by net. They leave and come back as BIP 329 has them, one JSON object a line:
//! `{"type":"tx","ref":TXID,"label":TEXT}`, `"addr"` with an address, `"output"` with `TXID:N` and perhaps
//! `"spendable":false`, which is a coin that is locked. Other types that the BIP knows (`pubkey`, `input`, `xpub`) and other
//! fields have no place here and are left out, as the BIP allows; how many lines those were is told.

use crate::coins::frozen;
use crate::coins::view;
use crate::error::WalletError;
use crate::store::{self, Store};
use crate::uri;
use bezant_api::address;
use bezant_consensus::ledger::hash::{LockHash, NetworkId, TxId};
use bezant_consensus::ledger::transaction::OutPoint;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

#[cfg(test)]
mod tests;

/// Labels of one wallet on one net.
pub const LABELS_MAX: usize = 100_000;
/// Characters of a label, as BIP 329 has it; longer ones in a file are cut there.
pub const LABEL_CHARS_MAX: usize = 255;
/// Bytes of a file of labels: as many labels as there may be, of as many characters.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Labels of one transaction's coins that are shown for it.
const SHOWN_MAX: usize = 3;
/// Bad lines that are told one by one.
const FAULTS_TOLD_MAX: usize = 20;

/// What can have a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Labelled {
    /// A transaction.
    Transaction(TxId),
    /// An address.
    Address(LockHash),
    /// A coin.
    Coin(OutPoint),
}

impl Labelled {
    /// Reads an id of a transaction, an address of this net, or `TXID:N`.
    ///
    /// # Errors
    /// [`WalletError::Usage`] for anything else.
    pub fn read(network: &NetworkId, text: &str) -> Result<Labelled, WalletError> {
        if uri::is_address(text) {
            return Ok(Labelled::Address(address::decode(network, text)?));
        }
        let coin = view::outpoint(text).map(Labelled::Coin);
        coin.or_else(|| text.parse().ok().map(Labelled::Transaction)).ok_or_else(|| {
            WalletError::Usage(format!("\"{text}\" is no id of a transaction, no coin (TXID:N) and no address (bzt1…)"))
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Labelled::Transaction(_) => "tx",
            Labelled::Address(_) => "addr",
            Labelled::Coin(_) => "output",
        }
    }

    /// As [`Labelled::read`] reads it.
    #[must_use]
    pub fn text(&self, network: &NetworkId) -> String {
        match self {
            Labelled::Transaction(txid) => txid.to_string(),
            Labelled::Address(lock) => address::encode(network, lock),
            Labelled::Coin(coin) => coin.to_string(),
        }
    }
}

/// The labels of one wallet on one net.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<Labelled, String>);

impl Labels {
    /// Reads them; no database means none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open(wallet: &Path, network: &NetworkId) -> Result<Labels, WalletError> {
        let store = Store::read(wallet)?;
        let read = || -> Result<Vec<(String, String)>, rusqlite::Error> {
            let mut statement = store.connection.prepare("SELECT named, text FROM label WHERE network = ?1")?;
            statement.query_map([network.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let rows = read().map_err(|error| store.failed(&error))?;
        let label = |(named, text): (String, String)| Ok((Labelled::read(network, &named)?, text));
        let labels: Result<_, WalletError> = rows.into_iter().map(label).collect();
        labels.map(Labels).map_err(|error| store.failed(&error))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Labelled, &str)> {
        self.0.iter().map(|(what, text)| (what, text.as_str()))
    }

    /// Exactly this one's.
    #[must_use]
    pub fn get(&self, what: Labelled) -> Option<&str> {
        self.0.get(&what).map(String::as_str)
    }

    /// What to show for a transaction: its own label, else those of its coins.
    #[must_use]
    pub fn of_transaction(&self, txid: TxId) -> Option<String> {
        if let Some(label) = self.get(Labelled::Transaction(txid)) {
            return Some(label.to_owned());
        }
        let coin = |index| Labelled::Coin(OutPoint { txid, index });
        let mut labels: Vec<&str> = self.0.range(coin(0)..=coin(u32::MAX)).map(|(_, text)| text.as_str()).collect();
        labels.dedup();
        let count = labels.len();
        labels.truncate(SHOWN_MAX);
        let more = if count > SHOWN_MAX { ", …" } else { "" };
        (count > 0).then(|| format!("{}{more}", labels.join(", ")))
    }

    /// What to show for a coin: its own label, else that of its address.
    #[must_use]
    pub fn of_coin(&self, coin: OutPoint, lock: LockHash) -> Option<&str> {
        self.get(Labelled::Coin(coin)).or_else(|| self.get(Labelled::Address(lock)))
    }
}

/// Checks a label.
///
/// # Errors
/// [`WalletError::Usage`] unless it is 1 to [`LABEL_CHARS_MAX`] characters, none of which controls a terminal or turns the
/// direction of writing, since others may have chosen them.
pub fn check(label: &str) -> Result<(), WalletError> {
    let count = label.chars().count();
    if (1..=LABEL_CHARS_MAX).contains(&count) && !label.chars().any(is_control) {
        return Ok(());
    }
    Err(WalletError::Usage(format!(
        "a label has 1 to {LABEL_CHARS_MAX} characters, none of which is a control character; --remove takes one away"
    )))
}

/// Characters that change how what follows is shown.
pub(crate) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes labels down, all or none, each in place of the one before; they are on the disk afterwards.
///
/// # Errors
/// As [`check`]; [`WalletError::Refused`] of kind `too-many-labels`; [`WalletError::Failed`] when the database cannot be written.
pub fn set(wallet: &Path, network: &NetworkId, labels: &[(Labelled, String)]) -> Result<(), WalletError> {
    if labels.is_empty() {
        return Ok(());
    }
    labels.iter().try_for_each(|(_, label)| check(label))?;
    let mut store = Store::open(wallet)?;
    let fits = store.write(|transaction| {
        if is_too_many(transaction, network, labels)? {
            return Ok(false);
        }
        let sql = "INSERT OR REPLACE INTO label (network, kind, named, text) VALUES (?1, ?2, ?3, ?4)";
        for (what, label) in labels {
            transaction.execute(sql, params![network.0, what.kind(), what.text(network), label])?;
        }
        Ok(true)
    })?;
    if fits {
        return Ok(());
    }
    let message = format!("a wallet keeps {LABELS_MAX} labels on a net, and these would be more; remove some first");
    Err(WalletError::refused("too-many-labels", message))
}

fn is_too_many(
    connection: &Connection,
    network: &NetworkId,
    labels: &[(Labelled, String)],
) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT count(*) FROM label WHERE network = ?1";
    let count = store::count(connection, sql, network)?;
    if count + labels.len() <= LABELS_MAX {
        return Ok(false);
    }
    // Some may stand there already.
    let mut is_there = connection.prepare("SELECT 1 FROM label WHERE network = ?1 AND kind = ?2 AND named = ?3")?;
    let mut names: Vec<&Labelled> = labels.iter().map(|(what, _)| what).collect();
    names.sort_unstable();
    names.dedup();
    let mut fresh = 0;
    for what in names {
        fresh += usize::from(!is_there.exists(params![network.0, what.kind(), what.text(network)])?);
    }
    Ok(count + fresh > LABELS_MAX)
}

/// Takes a label away; false when there was none.
///
/// # Errors
/// When the database cannot be read or written.
pub fn remove(wallet: &Path, network: &NetworkId, what: Labelled) -> Result<bool, WalletError> {
    if Labels::open(wallet, network)?.get(what).is_none() {
        return Ok(false);
    }
    let sql = "DELETE FROM label WHERE network = ?1 AND kind = ?2 AND named = ?3";
    let values = params![network.0, what.kind(), what.text(network)];
    Store::open(wallet)?.write(|transaction| Ok(transaction.execute(sql, values)? > 0))
}

/// One line of a file.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "ref")]
    named: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spendable: Option<bool>,
}

/// A wallet's labels and locked coins as a file has them.
///
/// # Errors
/// When the database cannot be read.
pub fn export(wallet: &Path, network: &NetworkId) -> Result<String, WalletError> {
    let (labels, frozen) = (Labels::open(wallet, network)?, frozen::list(wallet, network)?);
    let mut all: BTreeMap<Labelled, Option<String>> = frozen.iter().map(|coin| (Labelled::Coin(*coin), None)).collect();
    all.extend(labels.0.into_iter().map(|(what, text)| (what, Some(text))));
    let line = |(what, label): (Labelled, Option<String>)| {
        let is_frozen = matches!(what, Labelled::Coin(coin) if frozen.contains(&coin));
        let spendable = is_frozen.then_some(false);
        let line = Line { kind: what.kind().to_owned(), named: what.text(network), label, spendable };
        serde_json::to_string(&line).expect("texts have a JSON form") + "\n"
    };
    Ok(all.into_iter().map(line).collect())
}

/// What a file brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Labels, each for the last line that gives one.
    pub labels: BTreeMap<Labelled, String>,
    /// Coins to lock (false) or unlock (true): `spendable`.
    pub spendable: BTreeMap<OutPoint, bool>,
    /// Lines of types that have no place here.
    pub ignored: usize,
    /// Labels that were longer than [`LABEL_CHARS_MAX`].
    pub cut: usize,
}

/// Reads a file of labels.
///
/// # Errors
/// [`WalletError::Usage`] that names all bad lines (the first twenty), when it is too large, or holds too many labels.
pub fn read_file(network: &NetworkId, path: &Path) -> Result<Imported, WalletError> {
    let usage = |error: &dyn std::fmt::Display| WalletError::Usage(format!("{}: {error}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| usage(&error))?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| usage(&error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(usage(&format!("more than {FILE_BYTES_MAX} bytes")));
    }
    parse(network, &text).map_err(|error| usage(&error))
}

fn parse(network: &NetworkId, text: &str) -> Result<Imported, String> {
    let (mut imported, mut faults) = (Imported::default(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if let Err(fault) = take(network, line, &mut imported) {
            faults.push(format!("line {}: {fault}", number + 1));
        }
        if imported.labels.len() > LABELS_MAX || imported.spendable.len() > frozen::FROZEN_MAX {
            return Err(format!("more than {LABELS_MAX} labels or {} locked coins", frozen::FROZEN_MAX));
        }
    }
    if faults.is_empty() {
        return Ok(imported);
    }
    let count = faults.len();
    faults.truncate(FAULTS_TOLD_MAX);
    let more = if count > faults.len() { format!("\nand {} more", count - faults.len()) } else { String::new() };
    Err(format!("nothing was taken over, since not all lines are right:\n{}{more}", faults.join("\n")))
}

fn take(network: &NetworkId, line: &str, imported: &mut Imported) -> Result<(), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| format!("no label: {error}"))?;
    if ["pubkey", "input", "xpub"].contains(&line.kind.as_str()) {
        imported.ignored += 1;
        return Ok(());
    }
    let what = Labelled::read(network, &line.named).map_err(|error| error.to_string())?;
    if what.kind() != line.kind {
        return Err(format!("\"{}\" is of type {}, and the line says {}", line.named, what.kind(), line.kind));
    }
    if let Some(label) = line.label.filter(|label| !label.is_empty()) {
        let short: String = label.chars().take(LABEL_CHARS_MAX).collect();
        check(&short).map_err(|error| error.to_string())?;
        imported.cut += usize::from(short.len() < label.len());
        imported.labels.insert(what, short);
    }
    if let (Labelled::Coin(coin), Some(spendable)) = (what, line.spendable) {
        imported.spendable.insert(coin, spendable);
    }
    Ok(())
}

/// Takes over what a file brought: labels replace those that are there, others stay.
///
/// # Errors
/// As [`set`] and [`frozen::lock`].
pub fn import(wallet: &Path, network: &NetworkId, imported: &Imported) -> Result<(), WalletError> {
    let labels: Vec<(Labelled, String)> = imported.labels.iter().map(|(what, label)| (*what, label.clone())).collect();
    set(wallet, network, &labels)?;
    let locked = frozen::list(wallet, network)?;
    let lock: Vec<OutPoint> = imported.spendable.iter().filter(|(_, can)| !**can).map(|(coin, _)| *coin).collect();
    if !lock.is_empty() {
        frozen::lock(wallet, network, &lock)?;
    }
    let free = imported.spendable.iter().filter(|(coin, can)| **can && locked.contains(coin)).map(|(coin, _)| *coin);
    let free: std::collections::BTreeSet<OutPoint> = free.collect();
    if free.is_empty() { Ok(()) } else { frozen::unlock(wallet, network, &free) }
}
