//! Paying many people from a CSV file, safe to repeat.
//!
//! All transactions are made and signed first, and written into the wallet's journal at once, each under an id of its own. Then a
//! record of who is paid by which transaction is written beside the file and synced. Only then the first one is handed to a
//! node. Whoever runs the same file again follows these transactions. A file that has changed since is refused, since nobody
//! can tell which of its lines were meant to be paid already.

use crate::coins::labels::{self, Labelled};
use crate::error::WalletError;
use crate::files::{self, Replaces};
use crate::paying::build::{RECIPIENTS_MAX, Sum};
use crate::paying::journal::{Attempt, Entry, Journal, Kept};
use crate::paying::repeat;
use crate::session::{Recipient, Session};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::transaction::OutPoint;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// Bytes of a file.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Payments of a file: twenty transactions, which may depend on each other in a mempool.
pub const ROWS_MAX: usize = 20 * RECIPIENTS_MAX;
/// Bytes of a label.
pub const LABEL_BYTES_MAX: usize = 200;
/// Bad lines that are told one by one.
const FAULTS_TOLD_MAX: usize = 20;
const RECORD_VERSION: u32 = 1;

/// One payment of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file.
    pub line: u64,
    /// Who is paid, as it was written.
    pub to: String,
    /// Who that is.
    pub recipient: Recipient,
    /// How much.
    pub amount: Amount,
    /// What for; may be empty.
    pub label: String,
}

/// Beside the file: who is paid by which transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// 1.
    pub version: u32,
    /// The net.
    pub network_id: String,
    /// Who pays.
    pub wallet: String,
    /// Its id.
    pub id: String,
    /// Digest of who gets how much.
    pub asked: String,
    /// The payments, in the order of the file.
    pub payments: Vec<Paid>,
}

/// One line of a record, and of what `pay` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// Line of the file.
    pub line: u64,
    /// Who is paid, as it was written.
    pub to: String,
    /// The address.
    pub address: String,
    /// Grains.
    pub amount: String,
    /// What for.
    pub label: String,
    /// The transaction.
    pub txid: String,
}

/// Reads a file: a line with the names of the columns (`address`, `name` or `to`; `amount`; perhaps `label`), then the payments.
///
/// # Errors
/// [`WalletError::Usage`] that names all bad lines (the first twenty) with their numbers.
pub fn read(session: &Session, path: &Path) -> Result<Vec<Row>, WalletError> {
    let usage = |error: &dyn std::fmt::Display| WalletError::Usage(format!("{}: {error}", path.display()));
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| usage(&error))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| usage(&error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(usage(&format!("more than {FILE_BYTES_MAX} bytes; split it")));
    }
    parse(&text, |to| session.recipient(to)).map_err(|error| usage(&error))
}

fn parse(text: &[u8], resolve: impl Fn(&str) -> Result<Recipient, WalletError>) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text);
    let head = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |names: &[&str]| head.iter().position(|name| names.iter().any(|one| name.eq_ignore_ascii_case(one)));
    let missing = "the first line names the columns: address (or name), amount, and perhaps label";
    let to = column(&["address", "name", "to"]).ok_or(missing)?;
    let (amount, label) = (column(&["amount"]).ok_or(missing)?, column(&["label"]));
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let row = match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                let fields = (record.get(to), record.get(amount), label.map_or(Some(""), |label| record.get(label)));
                row(line, head.len(), &record, fields, &resolve).map_err(|fault| format!("line {line}: {fault}"))
            }
            Err(error) => Err(error.to_string()),
        };
        match row {
            Ok(row) => rows.push(row),
            Err(fault) => faults.push(fault),
        }
        if rows.len() > ROWS_MAX || faults.len() > ROWS_MAX {
            return Err(format!("more than {ROWS_MAX} payments; split it"));
        }
    }
    if faults.is_empty() && !rows.is_empty() {
        return Ok(rows);
    }
    if faults.is_empty() {
        return Err("it names no payments".to_owned());
    }
    let count = faults.len();
    faults.truncate(FAULTS_TOLD_MAX);
    let more = if count > faults.len() { format!("\nand {} more", count - faults.len()) } else { String::new() };
    Err(format!("nothing was sent, since not all lines are right:\n{}{more}", faults.join("\n")))
}

fn row(
    line: u64,
    columns: usize,
    record: &csv::StringRecord,
    fields: (Option<&str>, Option<&str>, Option<&str>),
    resolve: &impl Fn(&str) -> Result<Recipient, WalletError>,
) -> Result<Row, String> {
    if record.len() > columns {
        return Err(format!("{} fields, and the first line names {columns} columns", record.len()));
    }
    let (Some(to), Some(amount)) = (fields.0, fields.1) else { return Err("a field is missing".to_owned()) };
    let label = fields.2.unwrap_or_default();
    let recipient = resolve(to).map_err(|error| error.to_string())?;
    let amount: Amount = amount.parse().map_err(|error| format!("amount \"{amount}\": {error}"))?;
    if amount == Amount::ZERO {
        return Err("an amount above 0 is expected".to_owned());
    }
    if label.len() > LABEL_BYTES_MAX || label.chars().any(labels::is_control) {
        return Err(format!("a label has at most {LABEL_BYTES_MAX} bytes and no control characters"));
    }
    Ok(Row { line, to: to.to_owned(), recipient, amount, label: label.to_owned() })
}

/// A file on its way to be paid.
#[derive(Clone, Debug)]
pub struct Payout {
    /// The payments.
    pub rows: Vec<Row>,
    /// Its id: given, or a digest of who gets how much.
    pub id: String,
    record: PathBuf,
    network_id: String,
    wallet: String,
}

impl Payout {
    /// A payout of these rows. The record is `FILE.paid`, or with an id `FILE.ID.paid`.
    ///
    /// # Errors
    /// [`WalletError::Usage`] for a bad id.
    pub fn new(
        session: &Session,
        wallet: &str,
        file: &Path,
        rows: Vec<Row>,
        id: Option<&str>,
    ) -> Result<Payout, WalletError> {
        let mut record = file.as_os_str().to_owned();
        if let Some(id) = id {
            // Numbers of batches are added to it.
            crate::paying::journal::check_id(&format!("{id}/pay/99"))?;
            record.push(format!(".{}", id.replace(['/', ':'], "_")));
        }
        record.push(".paid");
        let (network_id, wallet) = (session.network().to_string(), wallet.to_owned());
        let mut payout = Payout { rows, id: String::new(), record: record.into(), network_id, wallet };
        payout.id = id.map_or_else(|| format!("csv:{}", &payout.asked()[..32]), str::to_owned);
        Ok(payout)
    }

    /// The payments of each transaction.
    #[must_use]
    pub fn batches(&self) -> Vec<Vec<(String, Sum)>> {
        let pay = |row: &Row| (row.recipient.address.clone(), Sum::Exactly(row.amount));
        self.rows.chunks(RECIPIENTS_MAX).map(|rows| rows.iter().map(pay).collect()).collect()
    }

    /// Where the record is.
    #[must_use]
    pub fn record(&self) -> &Path {
        &self.record
    }

    fn asked(&self) -> String {
        hex::encode(asked(&self.rows))
    }

    fn entry_id(&self, batch: usize) -> String {
        format!("{}/pay/{batch}", self.id)
    }

    /// The transactions that were made for it before, if it was begun.
    ///
    /// # Errors
    /// [`WalletError::Refused`] of kind `file-changed`, `id-taken`, or `journal-lost` when the record tells of transactions that
    /// the journal does not know.
    pub fn begun(&self, journal: &Journal) -> Result<Option<Vec<Kept>>, WalletError> {
        let record = self.read_record()?;
        if let Some(record) = &record {
            let same = record.network_id == self.network_id && record.wallet == self.wallet && record.id == self.id;
            if !same || record.asked != self.asked() {
                let message = format!(
                    "{} remembers payments of another content, wallet or net; put new payments into a new file, or name a new round with --id",
                    self.record.display()
                );
                return Err(WalletError::refused("file-changed", message));
            }
        }
        let chunks = self.rows.chunks(RECIPIENTS_MAX).enumerate();
        let kept = chunks.map(|(batch, rows)| repeat::earlier(journal, &self.entry_id(batch), asked(rows)));
        let kept: Vec<Option<Kept>> = kept.collect::<Result<_, WalletError>>()?;
        let all: Option<Vec<Kept>> = kept.into_iter().collect();
        if all.is_none() && record.is_some() {
            let message = format!(
                "{} tells of payments that the wallet's journal does not know; see `bezant wallet history` for what was paid",
                self.record.display()
            );
            return Err(WalletError::refused("journal-lost", message));
        }
        Ok(all)
    }

    /// Writes its transactions down, all or none.
    ///
    /// # Errors
    /// When the journal cannot be written; [`WalletError::Refused`] of kind `id-taken` when another command was faster.
    pub fn write_down(&self, journal: &mut Journal, attempts: &[Attempt]) -> Result<(), WalletError> {
        let entry = |(batch, (rows, attempt)): (usize, (&[Row], &Attempt))| Entry {
            id: Some(self.entry_id(batch)),
            asked: asked(rows),
            attempt: attempt.clone(),
        };
        let entries: Vec<Entry> = self.rows.chunks(RECIPIENTS_MAX).zip(attempts).enumerate().map(entry).collect();
        if journal.add(&entries)? {
            return Ok(());
        }
        Err(WalletError::refused("id-taken", "another command is paying this file; run this one again to follow it"))
    }

    /// Who is paid by which of these transactions.
    #[must_use]
    pub fn payments(&self, attempts: &[Attempt]) -> Vec<Paid> {
        let paid = |(rows, attempt): (&[Row], &Attempt)| {
            let txid = attempt.transaction.id().to_string();
            let one = move |row: &Row| Paid {
                line: row.line,
                to: row.to.clone(),
                address: row.recipient.address.clone(),
                amount: row.amount.grains().to_string(),
                label: row.label.clone(),
                txid: txid.clone(),
            };
            rows.iter().map(one).collect::<Vec<Paid>>()
        };
        self.rows.chunks(RECIPIENTS_MAX).zip(attempts).flat_map(paid).collect()
    }

    /// What the file calls each payment: labels of the coins that it makes.
    #[must_use]
    pub fn labels(&self, attempts: &[Attempt]) -> Vec<(Labelled, String)> {
        let of = |(rows, attempt): (&[Row], &Attempt)| {
            let txid = attempt.transaction.id();
            let labelled = (0..).zip(rows).filter(|(_, row)| !row.label.is_empty());
            let label = |(index, row): (u32, &Row)| (Labelled::Coin(OutPoint { txid, index }), row.label.clone());
            labelled.map(label).collect::<Vec<_>>()
        };
        self.rows.chunks(RECIPIENTS_MAX).zip(attempts).flat_map(of).collect()
    }

    /// Writes the record; it is on the disk, whole, when this returns. Nothing may be handed to a node before.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_record(&self, attempts: &[Attempt]) -> Result<(), WalletError> {
        let record = Record {
            version: RECORD_VERSION,
            network_id: self.network_id.clone(),
            wallet: self.wallet.clone(),
            id: self.id.clone(),
            asked: self.asked(),
            payments: self.payments(attempts),
        };
        let failed = |error: &dyn std::fmt::Display| {
            WalletError::Failed(format!("{}: {error}; nothing was sent", self.record.display()))
        };
        let json = serde_json::to_vec_pretty(&record).map_err(|error| failed(&error))?;
        files::write(&self.record, &json, Replaces::Anything).map_err(|error| failed(&error))
    }

    fn read_record(&self) -> Result<Option<Record>, WalletError> {
        let damaged = |error: &dyn std::fmt::Display| {
            WalletError::Failed(format!(
                "{}: {error}; it tells what was paid already, so nothing is sent without it",
                self.record.display()
            ))
        };
        let text = match std::fs::read(&self.record) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(&error)),
        };
        let record: Record = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
        if record.version == RECORD_VERSION { Ok(Some(record)) } else { Err(damaged(&"another version")) }
    }
}

fn asked(rows: &[Row]) -> [u8; 32] {
    repeat::asked(rows.iter().map(|row| (&row.recipient, Sum::Exactly(row.amount))))
}
