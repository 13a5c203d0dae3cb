//! The dashboard: feed → state → view.
//!
//! One task per node follows its event stream ([`Feed`]); what comes in is an entry of a trace, from nodes or from a file, and
//! changes a model, a pure value; the view draws the model, and only when it changed. Input handlers return intents and never do I/O;
//! what an intent does outside the dashboard (sending a transfer, hurting a node) is the caller's, told through a channel. [`watch`]
//! turns the same feed into lines where there is no terminal.

mod action;
mod app;
mod feed;
mod input;
mod lies;
mod look;
mod picture;
mod recording;
mod rehearsal;
mod state;
mod terminal;
#[cfg(test)]
mod testing;
mod ui;
mod view;
mod watch;

pub use action::{Action, Notice, Order};
pub use app::{DashboardError, NetOptions, Options, Source, dashboard};
pub use feed::{FEED_MESSAGES_MAX, Feed, NodeTarget, Wants};
pub use lies::{LIES, Lie};
pub use look::{Look, Marker, Theme};
pub use recording::{REPLAY_ENTRIES_MAX, ReplayError, read_all};
pub use rehearsal::{Rehearsal, rehearse};
pub use watch::{Style, describe_entry, watch};

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
