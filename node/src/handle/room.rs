//! Room for transactions that users hand in, from the call to its answer.
//!
//! There is a number of places, and beyond it nobody is let in. Under load that alone would make everybody wait for the whole
//! queue; so once it is long, nobody is let in either while those who are answered have waited long. And where transactions are
//! handed in faster than they get ordered, nobody is let in until that is over: the runtime tells.
//!
//! It is asked before anything is done for a transaction, so that what is refused costs those who were let in next to nothing.

use super::AskError;
use crate::limits::{USER_TRANSACTIONS_MAX, USER_TRANSACTIONS_QUICK, USER_WAIT_MAX};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    places: Semaphore,
    /// How long whoever was answered last had waited, in milliseconds.
    waited_ms: AtomicU64,
    has_backlog: AtomicBool,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            places: Semaphore::new(USER_TRANSACTIONS_MAX),
            waited_ms: AtomicU64::new(0),
            has_backlog: AtomicBool::new(false),
        }
    }
}

/// Some places, until it is dropped.
#[derive(Debug)]
pub(super) struct Places<'a> {
    room: &'a Room,
    since: Instant,
    _permit: SemaphorePermit<'a>,
}

impl Room {
    /// Takes so many places.
    ///
    /// # Errors
    /// Busy, or behind.
    pub(super) fn enter(&self, count: usize) -> Result<Places<'_>, AskError> {
        if self.has_backlog.load(Ordering::Relaxed) {
            return Err(AskError::Backlog);
        }
        let taken = USER_TRANSACTIONS_MAX - self.places.available_permits();
        let waited = Duration::from_millis(self.waited_ms.load(Ordering::Relaxed));
        if taken >= USER_TRANSACTIONS_QUICK && waited >= USER_WAIT_MAX {
            return Err(AskError::Busy);
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let permit = self.places.try_acquire_many(count).map_err(|_| AskError::Busy)?;
        Ok(Places { room: self, since: Instant::now(), _permit: permit })
    }

    /// Whether transactions are handed in faster than they get ordered.
    pub(crate) fn tell(&self, has_backlog: bool) {
        self.has_backlog.store(has_backlog, Ordering::Relaxed);
    }
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        let waited_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.room.waited_ms.store(waited_ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_while_few_wait_or_they_are_answered_soon() {
        let long = u64::try_from(USER_WAIT_MAX.as_millis()).expect("a short time");
        for (taken, waited_ms, wanted, is_let_in) in [
            (0, 0, USER_TRANSACTIONS_MAX, true),
            (0, 0, USER_TRANSACTIONS_MAX + 1, false),
            (USER_TRANSACTIONS_MAX, 0, 1, false),
            (USER_TRANSACTIONS_MAX - 1, long - 1, 1, true),
            (USER_TRANSACTIONS_QUICK, long, 1, false),
            (USER_TRANSACTIONS_QUICK - 1, long, 1, true),
        ] {
            let room = Room::default();
            let before = room.enter(taken).expect("there is room");
            room.waited_ms.store(waited_ms, Ordering::Relaxed);
            assert_eq!(room.enter(wanted).is_ok(), is_let_in, "{taken} {waited_ms} {wanted}");
            drop(before);
            assert_eq!(room.places.available_permits(), USER_TRANSACTIONS_MAX, "places are given back");
        }
    }

    #[test]
    fn a_backlog_keeps_everybody_out_until_it_is_over() {
        let room = Room::default();
        room.tell(true);
        assert_eq!(room.enter(1).expect_err("it is told"), AskError::Backlog);
        room.tell(false);
        room.enter(1).expect("it is over");
    }
}
