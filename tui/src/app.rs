//! The loop: feed and keys in, frames out, drawn only when something changed and at most [`FRAMES_PER_SECOND_MAX`] times a
//! second.

use crate::feed::{Feed, NodeTarget};
use crate::input::{Intent, intent};
use crate::state::Model;
use crate::terminal::Guard;
use crate::view;
use crossterm::event::{Event as TerminalEvent, EventStream};
use futures::StreamExt;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;

/// Frames per second, at most.
const FRAMES_PER_SECOND_MAX: u64 = 20;
/// Messages taken before a frame may be drawn.
const MESSAGES_PER_TURN_MAX: usize = 1_024;

/// What the dashboard asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send one transfer from alice to bob.
    Transfer,
}

/// How the dashboard is opened.
#[derive(Debug)]
pub struct Options {
    /// Shown at the top: the net's name.
    pub title: String,
    /// The nodes.
    pub targets: Vec<NodeTarget>,
    /// Whether leaving stops the net, so that the screen can say so.
    pub quit_stops_net: bool,
    /// Where actions go; without it the keys for them are not offered.
    pub actions: Option<mpsc::Sender<Action>>,
    /// Sentences from the caller, shown at the bottom: what became of an action.
    pub notices: Option<mpsc::Receiver<String>>,
}

/// Why the dashboard ended.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The terminal cannot be used.
    #[error("the terminal cannot be used ({0}); `bezant watch --plain` works without one")]
    Terminal(#[from] std::io::Error),
}

/// What is shown beside the model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Screen {
    pub(crate) help: bool,
    pub(crate) can_transfer: bool,
    pub(crate) quit_stops_net: bool,
}

/// Shows the dashboard until a person leaves it or `shutdown` completes. The terminal is restored on every way out.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn dashboard(mut options: Options, shutdown: impl Future<Output = ()>) -> Result<(), DashboardError> {
    let mut guard = Guard::new()?;
    let mut feed = Feed::start(&options.targets);
    let mut keys = EventStream::new();
    let mut model = Model::new(&options.title, &options.targets, now_ms());
    let mut screen =
        Screen { help: false, can_transfer: options.actions.is_some(), quit_stops_net: options.quit_stops_net };
    let mut frames = tokio::time::interval(Duration::from_millis(1_000 / FRAMES_PER_SECOND_MAX));
    frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut dirty, mut drawn_second) = (true, 0);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            _ = frames.tick() => {
                model.now_ms = now_ms();
                // Ages and rates change with the second even when nothing happens.
                if dirty || model.now_ms / 1_000 != drawn_second {
                    guard.terminal.draw(|frame| view::draw(frame, &model, screen))?;
                    (dirty, drawn_second) = (false, model.now_ms / 1_000);
                }
            }
            Some(message) = feed.next() => {
                model.update(message, now_ms());
                for _ in 0..MESSAGES_PER_TURN_MAX {
                    let Some(message) = feed.try_next() else { break };
                    model.update(message, now_ms());
                }
                dirty = true;
            }
            Some(notice) = next_notice(&mut options.notices) => {
                model.notice = Some(notice);
                dirty = true;
            }
            key = keys.next() => match key {
                Some(Ok(TerminalEvent::Key(key))) => {
                    dirty = true;
                    match intent(key) {
                        Intent::Quit => return Ok(()),
                        Intent::ToggleHelp => screen.help = !screen.help,
                        Intent::CloseHelp => screen.help = false,
                        Intent::Transfer => model.notice = ask(options.actions.as_ref(), Action::Transfer),
                        Intent::Nothing => {}
                    }
                }
                Some(Ok(_)) => dirty = true,
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
        }
    }
}

fn ask(actions: Option<&mpsc::Sender<Action>>, action: Action) -> Option<String> {
    match actions?.try_send(action) {
        Ok(()) => Some("sending 1 BZT from alice to bob …".to_owned()),
        Err(_) => Some("still busy with the last one; try again in a moment".to_owned()),
    }
}

async fn next_notice(notices: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match notices {
        Some(receiver) => match receiver.recv().await {
            Some(notice) => Some(notice),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
