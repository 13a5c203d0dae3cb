//! The dashboard: feed → state → view.
//!
//! One task per node follows its event stream ([`Feed`]); what comes in changes a model, a pure value; the view draws the model,
//! and only when it changed. Input handlers return intents and never do I/O; what an intent does outside the dashboard (sending
//! a transfer, stopping a net) is the caller's, told through a channel. [`watch`] turns the same feed into lines where there is
//! no terminal.

mod app;
mod feed;
mod input;
mod state;
mod terminal;
mod view;
mod watch;

pub use app::{Action, DashboardError, Options, dashboard};
pub use feed::{FEED_MESSAGES_MAX, Feed, FeedMessage, NodeTarget};
pub use watch::{Style, watch};
