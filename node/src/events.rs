//! The event stream: numbered from 1, a ring of the last ones, and bounded buffers for subscribers.
//!
//! Only the runtime publishes, so a status that it makes and the number of the next event belong together.

use crate::handle::{AskError, NodeHandle};
use crate::limits::EVENTS_HELD_MAX;
use bezant_api::event::{Event, EventKind};
use bezant_api::types::NodeStatus;
use bezant_consensus::ledger::units::Time;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Numbers events and hands them out; owned by the runtime.
#[derive(Debug)]
pub struct Hub {
    /// Number of the next event.
    next: u64,
    /// Invariant: the last [`EVENTS_HELD_MAX`] events or all, in order, the last one numbered `next − 1`.
    ring: VecDeque<Arc<Event>>,
    live: broadcast::Sender<Arc<Event>>,
}

/// What a new subscriber starts from: made in one piece, so that nothing is missed or told twice.
#[derive(Debug)]
pub struct Start {
    /// The node at that moment.
    pub status: NodeStatus,
    /// When, on the node's clock.
    pub time: Time,
    /// Events asked for that are still held.
    pub backlog: Vec<Arc<Event>>,
    /// What comes from then on.
    pub live: broadcast::Receiver<Arc<Event>>,
}

impl Default for Hub {
    fn default() -> Self {
        Hub { next: 1, ring: VecDeque::new(), live: broadcast::channel(EVENTS_HELD_MAX).0 }
    }
}

impl Hub {
    /// Number of the next event.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Publishes an event.
    pub fn publish(&mut self, now: Time, kind: EventKind) {
        let event = Arc::new(Event { seq: self.next, time_ms: now.0, kind });
        self.next += 1;
        if self.ring.len() == EVENTS_HELD_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(event.clone());
        // Without subscribers nobody receives it, which is fine.
        let _ = self.live.send(event);
    }

    /// A subscription from `from` as far as held, or from now on.
    #[must_use]
    pub fn start(&self, status: NodeStatus, time: Time, from: Option<u64>) -> Start {
        let from = from.unwrap_or(self.next);
        let backlog = self.ring.iter().filter(|event| event.seq >= from).cloned().collect();
        Start { status, time, backlog, live: self.live.subscribe() }
    }
}

/// One subscriber's stream: a snapshot, then events whose numbers rise by one; when it was too slow, a gap marker and a new
/// snapshot. A snapshot has the number of the event before the next one. Where only some kinds are wanted, the others are left out, which
/// is no gap.
#[derive(Debug)]
pub struct EventStream {
    handle: NodeHandle,
    /// Told before anything that is live.
    ready: VecDeque<Arc<Event>>,
    live: broadcast::Receiver<Arc<Event>>,
    /// Number of the next event to be told.
    next: u64,
    /// Kinds that are wanted; `None` for all.
    kinds: Option<BTreeSet<&'static str>>,
}

impl EventStream {
    pub(crate) async fn open(
        handle: NodeHandle,
        from: Option<u64>,
        kinds: Option<Vec<String>>,
    ) -> Result<EventStream, AskError> {
        let name = |kind: &String| {
            EventKind::NAMES.iter().copied().find(|name| name == kind).ok_or_else(|| {
                let names = EventKind::NAMES.join(", ");
                AskError::Invalid(format!("kinds: there is no `{}`, but {names}", kind.escape_default()))
            })
        };
        let kinds = kinds.map(|kinds| kinds.iter().map(name).collect::<Result<_, _>>()).transpose()?;
        let start = handle.subscription(from).await?;
        let wanted = from.unwrap_or(start.status.next_event).clamp(1, start.status.next_event);
        Ok(EventStream::resume(handle, start, wanted, kinds))
    }

    /// A stream that owes its reader everything from `wanted` on.
    fn resume(handle: NodeHandle, start: Start, wanted: u64, kinds: Option<BTreeSet<&'static str>>) -> EventStream {
        let first = start.backlog.first().map_or(start.status.next_event, |event| event.seq);
        let time_ms = start.time.0;
        let mut ready = VecDeque::new();
        if wanted < first {
            let kind = EventKind::Gap { from: wanted, to: first - 1 };
            ready.push_back(Arc::new(Event { seq: first - 1, time_ms, kind }));
        }
        let next = start.status.next_event;
        let kind = EventKind::Snapshot { status: Box::new(start.status) };
        ready.push_back(Arc::new(Event { seq: first - 1, time_ms, kind }));
        ready.extend(start.backlog);
        EventStream { handle, ready, live: start.live, next, kinds }
    }

    fn wants(&self, event: &Event) -> bool {
        event.kind.concerns_stream() || self.kinds.as_ref().is_none_or(|kinds| kinds.contains(event.kind.name()))
    }

    /// The next event; `None` when the node stops.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                if self.wants(&event) {
                    return Some(event);
                }
                continue;
            }
            match self.live.recv().await {
                Ok(event) if event.seq < self.next => {}
                Ok(event) => {
                    self.next = event.seq + 1;
                    if self.wants(&event) {
                        return Some(event);
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    let start = self.handle.subscription(None).await.ok()?;
                    *self = EventStream::resume(self.handle.clone(), start, self.next, self.kinds.take());
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
