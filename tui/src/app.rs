//! The loop: feeds and keys in, frames out. A frame is drawn only when something changed, and at most [`FRAMES_PER_SECOND_MAX`] times a
//! second; while nothing happens, once a second, since ages change with the second.

use crate::action::{Notice, Order};
use crate::feed::{Feed, NodeTarget, Wants};
use crate::input::intent;
use crate::look::Look;
use crate::now_ms;
use crate::picture;
use crate::state::{History, Model};
use crate::terminal::Guard;
use crate::ui::{Effect, Powers, Screen, Ui};
use crate::view::{self, Zones};
use bezant_api::trace::{Entry, TraceHeader};
use crossterm::event::EventStream;
use futures::StreamExt;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Frames per second, at most.
const FRAMES_PER_SECOND_MAX: u64 = 12;
/// Entries taken before a frame may be drawn.
const ENTRIES_PER_TURN_MAX: usize = 1_024;
/// While nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A recording plays on after at most this, however long nothing happened.
const REPLAY_PAUSE_MAX_MS: u64 = 2_000;

/// One net that is shown.
#[derive(Debug)]
pub struct NetOptions {
    /// Shown at the top: the net's name.
    pub title: String,
    /// Where its facts come from.
    pub source: Source,
}

/// Where facts come from.
#[derive(Debug)]
pub enum Source {
    /// Running nodes.
    Nodes(Vec<NodeTarget>),
    /// A trace.
    Trace(TraceHeader, Vec<Entry>),
}

/// How the dashboard is opened.
#[derive(Debug)]
pub struct Options {
    /// One net, or two side by side.
    pub nets: Vec<NetOptions>,
    /// How things look.
    pub look: Look,
    /// Whether leaving stops the net, so that the screen can say so.
    pub quit_stops_net: bool,
    /// Whether the nets may be hurt: dev nets of this machine.
    pub can_fault: bool,
    /// Where orders go; without it none can be given.
    pub orders: Option<mpsc::Sender<Order>>,
    /// What the caller has to say.
    pub notices: Option<mpsc::Receiver<Notice>>,
}

/// Why the dashboard ended.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The terminal cannot be used.
    #[error("the terminal cannot be used ({0}); `bezant watch --plain` works without one")]
    Terminal(#[from] std::io::Error),
    /// There is nothing to be shown.
    #[error("no net is given")]
    NoNet,
}

/// All that the loop owns beside the terminal.
struct App {
    ui: Ui,
    histories: Vec<History>,
    feeds: Vec<Feed>,
    zones: Zones,
    orders: Option<mpsc::Sender<Order>>,
    /// A recording: when its next event is shown; made up once for each, so that nothing that happens meanwhile puts it off.
    play_due: Option<Instant>,
    /// A recording: the moment from which on its last frame showed events.
    played_ms: u64,
}

impl App {
    fn new(options: &mut Options) -> App {
        let (mut histories, mut feeds) = (Vec::new(), Vec::new());
        for net in std::mem::take(&mut options.nets) {
            match net.source {
                Source::Nodes(targets) => {
                    let names = targets.iter().map(|target| target.name.clone());
                    histories.push(History::live(Model::new(&net.title, names, None)));
                    feeds.push(Feed::start(&targets));
                }
                Source::Trace(header, entries) => histories.push(History::replay(&header, entries)),
            }
        }
        let is_replay = feeds.is_empty();
        let powers = Powers {
            can_transfer: options.orders.is_some() && !is_replay,
            can_fault: options.can_fault && options.orders.is_some() && !is_replay,
            quit_stops_net: options.quit_stops_net,
            is_replay,
        };
        let ui = Ui::new(histories.len(), options.look, powers);
        App {
            ui,
            histories,
            feeds,
            zones: Zones::default(),
            orders: options.orders.take(),
            play_due: None,
            played_ms: 0,
        }
    }

    /// Whatever a feed brings, with all that is there already; completes when there was something.
    async fn take_entries(&mut self) {
        let feeds = &mut self.feeds;
        let (net, entry) = poll_fn(|context| {
            for (net, feed) in feeds.iter_mut().enumerate() {
                if let Poll::Ready(Some(entry)) = feed.poll_next(context) {
                    return Poll::Ready((net, entry));
                }
            }
            Poll::Pending
        })
        .await;
        self.push(net, entry);
        for net in 0..self.feeds.len() {
            for _ in 0..ENTRIES_PER_TURN_MAX {
                let Some(entry) = self.feeds[net].try_next() else { break };
                self.push(net, entry);
            }
        }
    }

    fn push(&mut self, net: usize, entry: Entry) {
        let history = &mut self.histories[net];
        // One that is only just met has not come back: what its caller says may be ahead of its nodes.
        let was_met = history.present().engine.is_some();
        let was_there = history.present().up() > 0;
        history.push(entry);
        if was_met && was_there != (history.present().up() > 0) {
            // What was said of a net that was gone is not true of one that is back.
            self.ui.notice = None;
        }
    }

    /// When a recording shows its next event.
    fn next_play(&mut self) -> Option<Instant> {
        if !self.ui.plays {
            self.play_due = None;
        } else if self.play_due.is_none() {
            let history = &self.histories[0];
            let now_ms = history.model().now_ms;
            // A frame shows all events of its length at once, and lasts as long; unless somebody has gone elsewhere since.
            let is_next = (self.played_ms..=self.played_ms + self.frame_ms()).contains(&now_ms);
            let from_ms = if is_next { self.played_ms } else { now_ms };
            let wait_ms = history.next_entry()?.at_ms.saturating_sub(from_ms).min(REPLAY_PAUSE_MAX_MS);
            // The first entry follows upon nothing.
            let wait_ms = if history.position().0 == 0 { 0 } else { wait_ms };
            self.play_due = Some(Instant::now() + Duration::from_secs_f64(wait_ms as f64 / 1e3 / self.ui.speed()));
        }
        self.play_due
    }

    /// So much of a recording is one frame.
    fn frame_ms(&self) -> u64 {
        (1e3 / FRAMES_PER_SECOND_MAX as f64 * self.ui.speed()) as u64
    }

    /// Shows the next event of a recording, and all that came in the same frame.
    fn play(&mut self) {
        let frame_ms = self.frame_ms();
        let history = &mut self.histories[0];
        let Some(first_ms) = history.next_entry().map(|entry| entry.at_ms) else { return };
        (self.play_due, self.played_ms) = (None, first_ms);
        let (mut at, _) = history.position();
        while history.next_entry().is_some_and(|entry| entry.at_ms <= first_ms + frame_ms) {
            at += 1;
            history.seek(at);
        }
        if history.next_entry().is_none() {
            self.ui.plays = false;
        }
    }

    /// Tells feeds what is looked at.
    fn want(&self) {
        for (net, feed) in self.feeds.iter().enumerate() {
            let looks = self.ui.screen == Screen::Peers && net == self.ui.net || self.ui.screen == Screen::Compare;
            feed.want(Wants { peers: looks, transaction: self.ui.follow.chosen().cloned() });
        }
    }

    fn notice(&mut self, notice: Notice) {
        let prefix = notice.txid.as_deref();
        let model = self.histories[self.ui.net].model();
        if let Some(txid) = prefix.and_then(|prefix| view::selected::find(model, prefix)) {
            self.ui.follow(txid, &mut self.histories);
            // Nodes are asked about it, which they are not about others.
            self.want();
        }
        self.ui.notice = Some(notice.text);
    }

    fn order(&mut self, order: Order) {
        let sent = self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok());
        if !sent {
            self.ui.notice = Some("still busy with the last one; try again in a moment".to_owned());
        }
    }

    fn draw(&mut self, guard: &mut Guard) -> std::io::Result<ratatui::buffer::Buffer> {
        let (ui, histories) = (&self.ui, &self.histories);
        let mut zones = Zones::default();
        let drawn = guard.terminal.draw(|frame| zones = view::draw(frame, ui, histories))?;
        let buffer = drawn.buffer.clone();
        self.zones = zones;
        Ok(buffer)
    }

    /// Writes what is on the screen into the current directory, and says where.
    fn screenshot(&mut self, guard: &mut Guard) -> std::io::Result<()> {
        let buffer = self.draw(guard)?;
        let is_light = self.ui.look.theme == crate::look::Theme::Light;
        let stem = format!("bezant-{}-{}", self.ui.screen.title().to_lowercase().replace(' ', "-"), now_ms() / 1_000);
        let written = std::fs::write(format!("{stem}.txt"), picture::text(&buffer))
            .and_then(|()| std::fs::write(format!("{stem}.svg"), picture::svg(&buffer, is_light)));
        self.ui.notice = Some(match written {
            Ok(()) => format!("saved {stem}.svg and {stem}.txt in the current directory"),
            Err(error) => format!("the screenshot was not saved: {error}"),
        });
        Ok(())
    }
}

/// Shows the dashboard until a person leaves it or `shutdown` completes. The terminal is restored on every way out.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn dashboard(mut options: Options, shutdown: impl Future<Output = ()>) -> Result<(), DashboardError> {
    if options.nets.is_empty() {
        return Err(DashboardError::NoNet);
    }
    let mut guard = Guard::new()?;
    let mut app = App::new(&mut options);
    let mut keys = EventStream::new();
    let mut notices = options.notices;
    let frame = Duration::from_millis(1_000 / FRAMES_PER_SECOND_MAX);
    let (mut dirty, mut drawn) = (true, None::<Instant>);
    tokio::pin!(shutdown);
    loop {
        let due = match drawn {
            None => Instant::now(),
            Some(drawn) if dirty => drawn + frame,
            Some(drawn) => drawn + HEARTBEAT,
        };
        let play = app.next_play();
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = tokio::time::sleep_until(due) => {
                app.histories.iter_mut().filter(|_| !app.ui.powers.is_replay).for_each(|history| history.tick(now_ms()));
                app.draw(&mut guard)?;
                (dirty, drawn) = (false, Some(Instant::now()));
            }
            () = app.take_entries() => dirty = true,
            () = tokio::time::sleep_until(play.unwrap_or_else(Instant::now)), if play.is_some() => {
                app.play();
                dirty = true;
            }
            Some(notice) = next_notice(&mut notices) => {
                app.notice(notice);
                dirty = true;
            }
            key = keys.next() => {
                let Some(event) = key.transpose()? else { return Ok(()) };
                dirty = true;
                let intent = intent(&event, app.ui.types());
                let effect = app.ui.apply(intent, &mut app.histories, &app.zones);
                app.want();
                match effect {
                    Some(Effect::Quit) => return Ok(()),
                    Some(Effect::Order(order)) => app.order(order),
                    Some(Effect::Copy(text)) => guard.copy(&text)?,
                    Some(Effect::Screenshot) => app.screenshot(&mut guard)?,
                    None => {}
                }
            }
        }
    }
}

async fn next_notice(notices: &mut Option<mpsc::Receiver<Notice>>) -> Option<Notice> {
    let receiver = match notices {
        Some(receiver) => receiver,
        None => return std::future::pending().await,
    };
    match receiver.recv().await {
        Some(notice) => Some(notice),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
