//! Reading runs: one key, or all from a key on.

use super::filter::Hashed;
use super::{Kind, Run, chunk_id};
use rusqlite::Connection;
use std::sync::Arc;

/// Reads a chunk and hands it on. `QueryReturnedNoRows` when it is not there (any more).
fn with_chunk<T>(
    connection: &Connection,
    run: &Run,
    chunk: usize,
    take: impl FnOnce(&[u8]) -> T,
) -> rusqlite::Result<T> {
    let mut statement = connection.prepare_cached("SELECT data FROM chunks WHERE id = ?1")?;
    statement.query_row([chunk_id(run.id, chunk)], |row| Ok(take(row.get_ref(0)?.as_blob()?)))
}

/// Where the first record at or above a key is in a chunk.
fn lower_bound(kind: Kind, chunk: &[u8], key: &[u8]) -> usize {
    let width = kind.record();
    let (mut low, mut high) = (0, chunk.len() / width);
    while low < high {
        let middle = usize::midpoint(low, high);
        if &chunk[middle * width..middle * width + kind.key()] < key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The record of a key that is there. `runs` are those of a kind, the newest first.
///
/// `QueryReturnedNoRows` when they are not those that count any more.
pub(in crate::store) fn get<T>(
    connection: &Connection,
    runs: &[Arc<Run>],
    key: &[u8],
    take: impl Fn(&[u8]) -> T,
) -> rusqlite::Result<Option<T>> {
    let hashed = Hashed::of(key);
    for run in runs {
        if !run.filter.may_have(hashed) {
            continue;
        }
        let (kind, width) = (run.kind, run.kind.record());
        let found = with_chunk(connection, run, run.chunk_of(key), |chunk| {
            let record = chunk.get(lower_bound(kind, chunk, key) * width..)?.get(..width)?;
            let is_it = &record[..kind.key()] == key;
            is_it.then(|| (!kind.is_gone(record)).then(|| take(record)))
        })?;
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The runs in which a key, or what it begins with, may be.
pub(in crate::store) fn filtered(runs: &[Arc<Run>], key: &[u8]) -> Vec<Arc<Run>> {
    let hashed = Hashed::of(key);
    runs.iter().filter(|run| run.filter.may_have(hashed)).cloned().collect()
}

/// All records of some runs in the order of their keys, of each key the newest, those that are gone too.
#[derive(Debug)]
pub(in crate::store) struct Scan {
    kind: Kind,
    /// The newest first.
    cursors: Vec<Cursor>,
    /// The record that was returned last.
    record: Vec<u8>,
}

#[derive(Debug)]
struct Cursor {
    run: Arc<Run>,
    /// The next chunk to be read.
    next: usize,
    data: Vec<u8>,
    /// Where the record in turn begins in `data`; the run is at its end when it is behind it.
    at: usize,
}

impl Cursor {
    fn open(connection: &Connection, run: Arc<Run>, from: &[u8]) -> rusqlite::Result<Cursor> {
        let first = run.chunk_of(from);
        let mut cursor = Cursor { next: first, data: Vec::new(), at: 0, run };
        cursor.fill(connection)?;
        cursor.at = lower_bound(cursor.run.kind, &cursor.data, from) * cursor.run.kind.record();
        if cursor.at == cursor.data.len() {
            cursor.fill(connection)?;
        }
        Ok(cursor)
    }

    fn fill(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.data.clear();
        self.at = 0;
        if self.next < self.run.chunks() {
            let data = &mut self.data;
            with_chunk(connection, &self.run, self.next, |chunk| data.extend_from_slice(chunk))?;
            self.next += 1;
        }
        Ok(())
    }

    fn key(&self) -> Option<&[u8]> {
        self.data.get(self.at..)?.get(..self.run.kind.key())
    }

    fn advance(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.at += self.run.kind.record();
        if self.at >= self.data.len() { self.fill(connection) } else { Ok(()) }
    }
}

impl Scan {
    /// From the first record at or above a key, or the beginning of one.
    pub(in crate::store) fn new(
        connection: &Connection,
        kind: Kind,
        runs: &[Arc<Run>],
        from: &[u8],
    ) -> rusqlite::Result<Scan> {
        let open = |run: &Arc<Run>| Cursor::open(connection, run.clone(), from);
        let cursors = runs.iter().map(open).collect::<rusqlite::Result<_>>()?;
        Ok(Scan { kind, cursors, record: Vec::with_capacity(kind.record()) })
    }

    /// The next record.
    pub(in crate::store) fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<&[u8]>> {
        let mut least: Option<(usize, &[u8])> = None;
        for (place, cursor) in self.cursors.iter().enumerate() {
            // Of equal keys the one of the newest run, which comes first.
            if let Some(key) = cursor.key()
                && least.is_none_or(|(_, least)| key < least)
            {
                least = Some((place, key));
            }
        }
        let Some((first, _)) = least else { return Ok(None) };
        let (width, key) = (self.kind.record(), self.kind.key());
        let cursor = &self.cursors[first];
        self.record.clear();
        self.record.extend_from_slice(&cursor.data[cursor.at..cursor.at + width]);
        for cursor in &mut self.cursors[first..] {
            if cursor.key() == Some(&self.record[..key]) {
                cursor.advance(connection)?;
            }
        }
        Ok(Some(&self.record))
    }

    /// The next record that begins so and says that something is there.
    pub(in crate::store) fn next_there(
        &mut self,
        connection: &Connection,
        begin: &[u8],
    ) -> rusqlite::Result<Option<&[u8]>> {
        loop {
            let kind = self.kind;
            match self.next(connection)? {
                Some(record) if record.starts_with(begin) => {
                    if !kind.is_gone(record) {
                        return Ok(Some(&self.record));
                    }
                }
                Some(_) | None => return Ok(None),
            }
        }
    }
}
