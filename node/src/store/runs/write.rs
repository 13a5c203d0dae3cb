//! Making runs.

use super::filter::Filter;
use super::{Kind, Run, chunk_id, insert_run};
use rusqlite::{Connection, params};
use std::sync::Arc;

/// Records that gather for a run, in any order.
#[derive(Debug)]
pub(in crate::store) struct Records {
    kind: Kind,
    bytes: Vec<u8>,
}

impl Records {
    pub(in crate::store) fn new(kind: Kind) -> Records {
        Records { kind, bytes: Vec::new() }
    }

    /// Makes room for so many more.
    pub(in crate::store) fn reserve(&mut self, more: usize) {
        self.bytes.reserve(more * self.kind.record());
    }

    /// Adds a record, given in parts.
    pub(in crate::store) fn push(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        debug_assert!(self.bytes.len().is_multiple_of(self.kind.record()), "a whole record");
    }

    fn len(&self) -> usize {
        self.bytes.len() / self.kind.record()
    }

    fn record(&self, at: u32) -> &[u8] {
        let width = self.kind.record();
        &self.bytes[at as usize * width..][..width]
    }

    /// In the order of keys; of records with one key the last.
    fn sorted(&self) -> Vec<u32> {
        let key = |at: u32| &self.record(at)[..self.kind.key()];
        let begin = |at: u32| u64::from_be_bytes(key(at)[..8].try_into().expect("a key is longer"));
        let mut order: Vec<(u64, u32)> = (0..self.len() as u32).map(|at| (begin(at), at)).collect();
        order.sort_unstable_by(|one, other| {
            let beginnings = one.0.cmp(&other.0);
            beginnings.then_with(|| key(one.1).cmp(key(other.1))).then(one.1.cmp(&other.1))
        });
        let mut sorted: Vec<u32> = Vec::with_capacity(order.len());
        for (_, at) in order {
            match sorted.last_mut() {
                Some(last) if key(*last) == key(at) => *last = at,
                Some(_) | None => sorted.push(at),
            }
        }
        sorted
    }
}

/// Writes records as a run that is newer than all others; `None` when there are none.
pub(in crate::store) fn write_run(
    connection: &Connection,
    id: u64,
    records: &Records,
) -> rusqlite::Result<Option<Arc<Run>>> {
    let sorted = records.sorted();
    let mut builder = Builder::new(records.kind, id, sorted.len());
    for at in sorted {
        builder.push(connection, records.record(at))?;
    }
    builder.finish(connection, id)
}

/// A run in the making, from records in the order of their keys.
#[derive(Debug)]
pub(super) struct Builder {
    run: Run,
    chunk: Vec<u8>,
}

impl Builder {
    /// Of at most so many records.
    pub(super) fn new(kind: Kind, id: u64, most: usize) -> Builder {
        let filter = Filter::new(if kind.filtered() == 0 { 0 } else { most });
        let run = Run { id, order: id, kind, records: 0, fences: Vec::new(), filter };
        Builder { run, chunk: Vec::with_capacity(super::CHUNK_BYTES) }
    }

    pub(super) fn id(&self) -> u64 {
        self.run.id
    }

    pub(super) fn push(&mut self, connection: &Connection, record: &[u8]) -> rusqlite::Result<()> {
        let kind = self.run.kind;
        if self.chunk.len() == kind.records_per_chunk() * kind.record() {
            self.write_chunk(connection)?;
        }
        if self.chunk.is_empty() {
            self.run.fences.extend_from_slice(&record[..kind.key()]);
        }
        if kind.filtered() > 0 {
            self.run.filter.add(&record[..kind.filtered()]);
        }
        self.chunk.extend_from_slice(record);
        self.run.records += 1;
        Ok(())
    }

    fn write_chunk(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let id = chunk_id(self.run.id, self.run.chunks() - 1);
        let mut insert = connection.prepare_cached("INSERT INTO chunks (id, data) VALUES (?1, ?2)")?;
        insert.execute(params![id, self.chunk])?;
        self.chunk.clear();
        Ok(())
    }

    /// Writes what is left, and lists the run under the order given.
    pub(super) fn finish(mut self, connection: &Connection, order: u64) -> rusqlite::Result<Option<Arc<Run>>> {
        if !self.chunk.is_empty() {
            self.write_chunk(connection)?;
        }
        self.run.order = order;
        if self.run.records == 0 {
            return Ok(None);
        }
        insert_run(connection, &self.run)?;
        Ok(Some(Arc::new(self.run)))
    }
}
