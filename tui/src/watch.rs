//! The same events as lines: for pipes, scripts, and where there is no terminal.

use crate::app::now_ms;
use crate::feed::{Feed, FeedMessage, NodeTarget};
use crate::state::describe;
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
    let started_ms = now_ms();
    // A node that stays down is reported once, not at every attempt.
    let mut down = vec![false; targets.len()];
    tokio::pin!(shutdown);
    loop {
        let message = tokio::select! {
            () = &mut shutdown => return Ok(()),
            message = feed.next() => message,
        };
        let Some(message) = message else { return Ok(()) };
        let node = match &message {
            FeedMessage::Status { node, .. } => *node,
            FeedMessage::Event { node, .. } => {
                down[*node] = false;
                *node
            }
            FeedMessage::Down { node, .. } => {
                if std::mem::replace(&mut down[*node], true) {
                    continue;
                }
                *node
            }
        };
        let line = match style {
            Style::Plain => plain(&targets[node].name, &message, started_ms),
            Style::Json => as_json(&targets[node].name, &message),
        };
        if let Some(line) = line {
            match writeln!(out, "{line}").and_then(|()| out.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                result => result?,
            }
        }
    }
}

fn plain(name: &str, message: &FeedMessage, started_ms: u64) -> Option<String> {
    let text = match message {
        FeedMessage::Event { event, .. } => describe(&event.kind)?.0,
        FeedMessage::Down { reason, .. } => format!("is down: {reason}"),
        FeedMessage::Status { .. } => return None,
    };
    // Of arrival: a net's own clock may stand far from this machine's.
    let seconds = now_ms().saturating_sub(started_ms) as f64 / 1e3;
    Some(format!("{seconds:>8.1}s {name} {text}"))
}

fn as_json(name: &str, message: &FeedMessage) -> Option<String> {
    let value = match message {
        FeedMessage::Status { .. } => return None,
        FeedMessage::Event { event, .. } => {
            let mut value = serde_json::to_value(event).expect("an event has a JSON form");
            value.as_object_mut().expect("an event is an object").insert("node".to_owned(), json!(name));
            value
        }
        FeedMessage::Down { reason, .. } => json!({"event": "down", "node": name, "reason": reason}),
    };
    Some(value.to_string())
}
