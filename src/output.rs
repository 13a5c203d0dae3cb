//! How results and failures leave the program: stdout is the result, stderr everything else, and the exit status tells which
//! kind of failure it was.

use crate::cli::Global;
use serde::Serialize;
use serde_json::json;
use std::io::{self, IsTerminal, Write};

/// A failure with its exit status.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    pub(crate) kind: String,
    pub(crate) message: String,
    /// For status 4 and 5: what may still happen.
    pub(crate) txid: Option<String>,
    /// Whether the one document that `--json` allows was printed before.
    pub(crate) result_is_printed: bool,
}

impl Failure {
    pub(crate) fn new(status: u8, kind: impl Into<String>, message: impl ToString) -> Failure {
        Failure { status, kind: kind.into(), message: message.to_string(), txid: None, result_is_printed: false }
    }

    /// Something failed that was asked for rightly.
    pub(crate) fn failed(kind: &str, message: impl ToString) -> Failure {
        Failure::new(1, kind, message)
    }

    /// The command did its work, printed the result, and the result is bad news.
    pub(crate) fn after_result(kind: &str, message: impl ToString) -> Failure {
        Failure { result_is_printed: true, ..Failure::failed(kind, message) }
    }

    /// It was asked for wrongly.
    pub(crate) fn usage(message: impl ToString) -> Failure {
        Failure::new(2, "usage", message)
    }
}

/// What a command returns.
pub(crate) type Outcome = Result<(), Failure>;

/// Writes results and remarks in the way that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Output {
        Output { json: global.json, quiet: global.quiet }
    }

    /// The result: `value` under `--json`, else `text`.
    pub(crate) fn result<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Outcome {
        if self.json {
            let value = serde_json::to_string(value).map_err(|error| Failure::failed("output", error))?;
            self.line(&value)
        } else {
            let text = text();
            if text.is_empty() { Ok(()) } else { self.line(text.trim_end_matches('\n')) }
        }
    }

    /// One line of stdout. A reader that has gone away is no failure.
    pub(crate) fn line(&self, text: &str) -> Outcome {
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            result => result.map_err(|error| Failure::failed("output", error)),
        }
    }

    /// A remark on stderr, unless `--quiet`.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Reports a failure: on stdout as JSON under `--json`, on stderr for people.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json && failure.result_is_printed {
            return;
        }
        if self.json {
            let mut error = json!({"kind": failure.kind, "message": failure.message});
            if let Some(txid) = &failure.txid {
                error["txid"] = json!(txid);
            }
            let _ = self.line(&json!({ "error": error }).to_string());
        } else {
            let _ = writeln!(io::stderr(), "error: {}", failure.message);
        }
    }

    /// Whether progress may be drawn.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// A table without borders that fits the terminal.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}
