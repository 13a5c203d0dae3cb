//! Whether what several clients did and saw at the same time could have happened one after the other: linearizability, after Herlihy
//! and Wing, "Linearizability: A Correctness Condition for Concurrent Objects" (1990).
//!
//! The object is a **set that only grows**: payments to a lock whose coins nobody spends. An [`Action::Add`] pays; it began when it was
//! handed in, and ended when its sender was told that it is final, or never. An [`Action::Read`] lists what was paid. Nothing here knows
//! of nodes, blocks or views: only of calls, and of when each began and ended.
//!
//! A history is linearizable if all calls can be put in one order in which each stands between its beginning and its end, and each
//! read lists exactly what was added before it. For such a set that can be told without a search:
//!
//! 1. a read lists only what was begun before the read ended ([`Anomaly::FromTheFuture`]);
//! 2. a read lists all that was added for good before the read began ([`Anomaly::Missed`]);
//! 3. of any two reads one lists all that the other does ([`Anomaly::Disagree`]), and, if it began after the other ended, it is that one
//!    ([`Anomaly::Backwards`]);
//! 4. whoever lists an addition lists those that had ended before it began ([`Anomaly::Skipped`]).
//!
//! Each is plainly needed. Together they suffice: put reads in the order of what they list and then of time, and each addition right before the
//! first read that lists it, or, if none does, where it began; additions between the same two reads in the order in which they began.
//! The tests hold this against a search through all orders.

use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Added this, which nobody else adds.
    Add(u64),
    /// Saw these.
    Read(BTreeSet<u64>),
}

/// One call of a client. Times are of one clock, in any unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it was.
    pub action: Action,
    /// When the client asked.
    pub begin: u64,
    /// When it was answered; `None` if it never was, so that it may have happened or not, at any time since. A read is always answered.
    pub end: Option<u64>,
}

/// Why a history is not linearizable. Calls are named by their places in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Anomaly {
    /// A read lists what nobody added.
    #[error("call {read} lists {value}, which nobody added")]
    FromNowhere {
        /// The read.
        read: usize,
        /// What it lists.
        value: u64,
    },
    /// A read lists what was added only after it had ended.
    #[error("call {read} lists {value}, whose call {add} began only afterwards")]
    FromTheFuture {
        /// The read.
        read: usize,
        /// The addition.
        add: usize,
        /// What it added.
        value: u64,
    },
    /// A read does not list what had been added before it began: it is stale.
    #[error("call {read} misses {value}, which call {add} had added before")]
    Missed {
        /// The read.
        read: usize,
        /// The addition.
        add: usize,
        /// What it added.
        value: u64,
    },
    /// Two reads each list what the other does not.
    #[error("calls {one} and {other} list things in different orders")]
    Disagree {
        /// A read.
        one: usize,
        /// Another.
        other: usize,
    },
    /// A later read lists less than an earlier one.
    #[error("call {later} lists less than call {earlier}, which had ended before: something was taken back")]
    Backwards {
        /// The read that lists more.
        earlier: usize,
        /// The read that began after the other had ended.
        later: usize,
    },
    /// A read lists an addition and not another that had ended before that one began.
    #[error("call {read} lists what call {second} added, and not what call {first} had added before that")]
    Skipped {
        /// The read.
        read: usize,
        /// The addition that is not listed.
        first: usize,
        /// The addition that is.
        second: usize,
    },
}

/// Says whether a history is linearizable, beginning with the empty set.
///
/// # Errors
/// An anomaly, if it is not.
///
/// # Panics
/// For a read that was never answered, and for two additions of one value.
pub fn check(history: &[Call]) -> Result<(), Anomaly> {
    let (mut adds, mut reads) = (Vec::new(), Vec::new());
    for (place, call) in history.iter().enumerate() {
        match &call.action {
            Action::Add(value) => adds.push(Add { place, value: *value, begin: call.begin, end: call.end }),
            Action::Read(seen) => {
                let end = call.end.expect("a read that was not answered saw nothing");
                reads.push(Read { place, seen, begin: call.begin, end });
            }
        }
    }
    let values: BTreeSet<u64> = adds.iter().map(|add| add.value).collect();
    assert_eq!(values.len(), adds.len(), "each value is added once");
    for read in &reads {
        if let Some(&value) = read.seen.difference(&values).next() {
            return Err(Anomaly::FromNowhere { read: read.place, value });
        }
        adds.iter().try_for_each(|add| read.agrees_with(add))?;
        skipped(read, &adds)?;
    }
    for (index, one) in reads.iter().enumerate() {
        reads[index + 1..].iter().try_for_each(|other| one.agrees_with_read(other))?;
    }
    Ok(())
}

struct Add {
    place: usize,
    value: u64,
    begin: u64,
    end: Option<u64>,
}

struct Read<'a> {
    place: usize,
    seen: &'a BTreeSet<u64>,
    begin: u64,
    end: u64,
}

impl Read<'_> {
    fn agrees_with(&self, add: &Add) -> Result<(), Anomaly> {
        let (read, &Add { place: add, value, begin, end }) = (self.place, add);
        match self.seen.contains(&value) {
            true if begin > self.end => Err(Anomaly::FromTheFuture { read, add, value }),
            false if end.is_some_and(|end| end < self.begin) => Err(Anomaly::Missed { read, add, value }),
            _ => Ok(()),
        }
    }

    fn agrees_with_read(&self, other: &Read<'_>) -> Result<(), Anomaly> {
        let (more, less) = match (self.seen.is_superset(other.seen), other.seen.is_superset(self.seen)) {
            (true, true) => return Ok(()),
            (true, false) => (self, other),
            (false, true) => (other, self),
            (false, false) => return Err(Anomaly::Disagree { one: self.place, other: other.place }),
        };
        if more.end < less.begin {
            return Err(Anomaly::Backwards { earlier: more.place, later: less.place });
        }
        Ok(())
    }
}

/// Rule 4. The addition that ended first of those that are not listed, and the one that began last of those that are, are the pair to look at.
fn skipped(read: &Read<'_>, adds: &[Add]) -> Result<(), Anomaly> {
    let absent = adds.iter().filter(|add| !read.seen.contains(&add.value));
    let first = absent.filter_map(|add| Some((add.end?, add.place))).min();
    let second = adds.iter().filter(|add| read.seen.contains(&add.value)).map(|add| (add.begin, add.place)).max();
    match (first, second) {
        (Some((end, first)), Some((begin, second))) if end < begin => {
            Err(Anomaly::Skipped { read: read.place, first, second })
        }
        _ => Ok(()),
    }
}
