//! How results and failures leave the program: stdout is the result, stderr everything else, and the exit status tells which
//! kind of failure it was.

use crate::cli::{Color, Global};
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

/// A table without borders. On a terminal that it would not fit, long ids and addresses are shortened; never elsewhere.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let columns = io::stdout().is_terminal().then(crossterm::terminal::size).and_then(Result::ok);
    fitted(head, &rows, columns.map(|(columns, _)| usize::from(columns)))
}

/// Characters of an id that stay at each end, from what reads well down to what still tells ids apart.
const ENDS: [usize; 3] = [16, 8, 4];
/// What is shorter is no id.
const ID_CHARS_MIN: usize = 40;

fn fitted(head: &[&str], rows: &[Vec<String>], columns: Option<usize>) -> String {
    let whole = drawn(head, rows);
    let Some(columns) = columns else { return whole };
    let fits = |text: &String| text.lines().all(|line| line.chars().count() <= columns);
    let mut last = whole;
    for ends in ENDS {
        if fits(&last) {
            break;
        }
        let short = |row: &Vec<String>| row.iter().map(|cell| shortened(cell, ends)).collect();
        last = drawn(head, &rows.iter().map(short).collect::<Vec<_>>());
    }
    last
}

fn drawn(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

/// The middle of an id or address left out; what follows a colon stays.
fn shortened(cell: &str, ends: usize) -> String {
    let (id, rest) = cell.split_once(':').unwrap_or((cell, ""));
    if id.len() < ID_CHARS_MIN || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return cell.to_owned();
    }
    let rest = if rest.is_empty() { String::new() } else { format!(":{rest}") };
    format!("{}…{}{rest}", &id[..ends], &id[id.len() - ends..])
}

/// Modules of light around a QR code, as its standard wants.
const QUIET_MODULES: usize = 4;

/// A QR code of half blocks; `None` where there is no terminal, or no room on it.
pub(crate) fn qr(text: &str, global: &Global, output: &Output) -> Option<String> {
    if output.json || !io::stdout().is_terminal() {
        return None;
    }
    let (columns, lines) = crossterm::terminal::size().ok()?;
    let colours = global.color != Color::Never && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let picture = qr_picture(text, colours)?;
    let wide = picture.modules <= usize::from(columns);
    // The text, an empty line and the next prompt stand below.
    (wide && picture.lines.len() + 3 <= usize::from(lines)).then(|| picture.lines.join("\n"))
}

struct Picture {
    modules: usize,
    lines: Vec<String>,
}

/// Two modules a character, one above the other. With colours it is black on white, whatever the terminal's own; without,
/// blocks are the light modules, which is right on a dark terminal, and which scanners of today read on a light one.
fn qr_picture(text: &str, colours: bool) -> Option<Picture> {
    let code = fast_qr::QRBuilder::new(text.as_bytes()).ecl(fast_qr::ECL::M).build().ok()?;
    let modules = code.size + 2 * QUIET_MODULES;
    let is_dark = |x: usize, y: usize| {
        let inside = QUIET_MODULES..QUIET_MODULES + code.size;
        inside.contains(&x) && inside.contains(&y) && code[y - QUIET_MODULES][x - QUIET_MODULES].value()
    };
    let line = |y: usize| {
        let cell = |x: usize| match (is_dark(x, y), y + 1 < modules && is_dark(x, y + 1)) {
            (false, false) => '█',
            (false, true) => '▀',
            (true, false) => '▄',
            (true, true) => ' ',
        };
        let cells: String = (0..modules).map(cell).collect();
        // Bright white on black, so that blocks are light.
        if colours { format!("\u{1b}[38;5;231;48;5;16m{cells}\u{1b}[0m") } else { cells }
    };
    Some(Picture { modules, lines: (0..modules).step_by(2).map(line).collect() })
}

#[cfg(test)]
mod tests;
