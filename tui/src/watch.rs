//! The same events as lines: for pipes, scripts, and where there is no terminal.

use crate::feed::{Feed, NodeTarget};
use crate::state::describe;
use bezant_api::trace::{Entry, Fact};
use serde_json::json;
use std::future::Future;
use std::io::{self, Write};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people: `12.3s node0 block 7 …`.
    Plain,
    /// One JSON object a line: the event with `node` added, or `{"event":"down","node":…,"reason":…}`.
    Json,
}

/// Writes events to `out` until `shutdown` completes or nobody reads any more.
///
/// # Errors
/// When writing fails for another reason than a closed pipe.
pub async fn watch(
    targets: &[NodeTarget],
    style: Style,
    out: &mut (dyn Write + Send),
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut feed = Feed::start(targets);
    let started_ms = crate::now_ms();
    // A node that stays down is reported once, not at every attempt.
    let mut down = vec![false; targets.len()];
    tokio::pin!(shutdown);
    loop {
        let entry = tokio::select! {
            () = &mut shutdown => return Ok(()),
            entry = feed.next() => entry,
        };
        let Some(entry) = entry else { return Ok(()) };
        match &entry.fact {
            Fact::Lost(_) if std::mem::replace(&mut down[entry.node], true) => continue,
            Fact::Event(_) => down[entry.node] = false,
            Fact::Lost(_) | Fact::Status(_) | Fact::Peers(_) | Fact::Transaction(_) | Fact::Back(_) => {}
        }
        let line = match style {
            Style::Plain => describe_entry(&targets[entry.node].name, &entry, started_ms),
            Style::Json => as_json(&targets[entry.node].name, &entry),
        };
        if let Some(line) = line {
            match writeln!(out, "{line}").and_then(|()| out.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                result => result?,
            }
        }
    }
}

/// An entry as a line for people, or nothing for those that would drown the others. Times are of arrival, since `started_ms`: a
/// net's own clock may stand far from this machine's.
#[must_use]
pub fn describe_entry(name: &str, entry: &Entry, started_ms: u64) -> Option<String> {
    let text = match &entry.fact {
        Fact::Event(event) => describe(&event.kind)?.0,
        Fact::Lost(reason) => format!("is down: {reason}"),
        Fact::Status(_) | Fact::Peers(_) | Fact::Transaction(_) | Fact::Back(_) => return None,
    };
    let seconds = entry.at_ms.saturating_sub(started_ms) as f64 / 1e3;
    Some(format!("{seconds:>8.1}s {name} {text}"))
}

fn as_json(name: &str, entry: &Entry) -> Option<String> {
    let value = match &entry.fact {
        Fact::Status(_) | Fact::Peers(_) | Fact::Transaction(_) | Fact::Back(_) => return None,
        Fact::Event(event) => {
            let mut value = serde_json::to_value(event).expect("an event has a JSON form");
            value.as_object_mut().expect("an event is an object").insert("node".to_owned(), json!(name));
            value
        }
        Fact::Lost(reason) => json!({"event": "down", "node": name, "reason": reason}),
    };
    Some(value.to_string())
}
