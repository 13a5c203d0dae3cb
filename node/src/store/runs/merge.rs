//! Merging runs, and sweeping up after it, in steps.

use super::write::Builder;
use super::{CHUNK_BITS, Catalog, FANOUT, Kind, Run, Scan, discard};
use crate::store::rows::{number, sql};
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;

/// A few milliseconds' worth, so that no flush waits long.
const PACE: Pace = Pace { records: 20_000, chunks: 1_000 };
/// So many runs of one kind at a time, and merging goes before everything else.
const RUNS_MAX: usize = 64;

/// What one step does at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Records that it merges.
    pub(super) records: usize,
    /// Chunks that it sweeps.
    pub(super) chunks: u64,
}

/// What is being merged.
#[derive(Debug)]
pub(in crate::store) struct Merging {
    merges: [Option<Merge>; Kind::ALL.len()],
    /// Whether there may be litter that is of no merge.
    is_littered: bool,
    pub(super) pace: Pace,
}

#[derive(Debug)]
struct Merge {
    /// The newest first.
    inputs: Vec<Arc<Run>>,
    scan: Scan,
    output: Builder,
    /// Below these runs there is nothing: what is gone can be forgotten.
    is_lowest: bool,
}

impl Merging {
    /// After a start, when the last run of the program may have left something.
    pub(in crate::store) fn after_start() -> Merging {
        Merging { merges: Default::default(), is_littered: true, pace: PACE }
    }

    /// Whether a step would do something.
    pub(in crate::store) fn has_work(&self, catalog: &Catalog) -> bool {
        self.is_littered
            || Kind::ALL.into_iter().any(|kind| self.merges[kind.number()].is_some() || is_due(catalog, kind))
    }

    /// Whether flushes should wait for a merge.
    pub(in crate::store) fn is_urgent(&self, catalog: &Catalog) -> bool {
        Kind::ALL.into_iter().any(|kind| catalog.of(kind).len() > RUNS_MAX)
    }

    /// All runs of a kind were dropped.
    pub(in crate::store) fn give_up(&mut self, kind: Kind) {
        self.merges[kind.number()] = None;
        self.is_littered = true;
    }

    /// Does a bit of what there is to do, within a transaction; whether the catalog has changed.
    pub(in crate::store) fn step(
        &mut self,
        connection: &Connection,
        catalog: &mut Catalog,
        next_id: &mut u64,
    ) -> rusqlite::Result<bool> {
        for kind in Kind::ALL {
            let slot = &mut self.merges[kind.number()];
            if slot.is_none() && is_due(catalog, kind) {
                *slot = Some(Merge::begin(connection, kind, catalog, *next_id)?);
                *next_id += 1;
            }
            let Some(merge) = slot else { continue };
            if !merge.go_on(connection, self.pace.records)? {
                return Ok(false);
            }
            if let Some(merge) = slot.take() {
                let inputs = merge.inputs.clone();
                catalog.replace(&inputs, merge.finish(connection)?);
                self.is_littered = true;
            }
            return Ok(true);
        }
        self.sweep(connection)?;
        Ok(false)
    }

    /// Takes some chunks away that are of no use; while nothing is merged, so that all litter is of no use.
    fn sweep(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut list = connection.prepare_cached("SELECT run FROM litter ORDER BY run LIMIT 1")?;
        let Some(run) = list.query_row([], |row| number(row, 0)).optional()? else {
            self.is_littered = false;
            return Ok(());
        };
        let (first, end) = (sql(run << CHUNK_BITS), sql((run + 1) << CHUNK_BITS));
        let query = "SELECT id FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1";
        let found = connection.prepare_cached(query)?.query_row([first, end], |row| number(row, 0)).optional()?;
        if let Some(first) = found {
            let until = sql((first + self.pace.chunks).min((run + 1) << CHUNK_BITS));
            let mut delete = connection.prepare_cached("DELETE FROM chunks WHERE id >= ?1 AND id < ?2")?;
            delete.execute([sql(first), until])?;
        } else {
            connection.prepare_cached("DELETE FROM litter WHERE run = ?1")?.execute([sql(run)])?;
        }
        Ok(())
    }
}

/// How many of the newest runs are to be merged: those up to the first of a higher level, for the lowest level of which there
/// are enough among them.
fn due(runs: &[Arc<Run>]) -> Option<usize> {
    let highest = runs.iter().map(|run| run.level()).max()?;
    (0..=highest).find_map(|level| {
        let group = runs.iter().take_while(|run| run.level() <= level);
        let (all, of_level) =
            group.fold((0, 0), |(all, of_level), run| (all + 1, of_level + usize::from(run.level() == level)));
        (of_level >= FANOUT).then_some(all)
    })
}

fn is_due(catalog: &Catalog, kind: Kind) -> bool {
    due(catalog.of(kind)).is_some()
}

impl Merge {
    fn begin(connection: &Connection, kind: Kind, catalog: &Catalog, id: u64) -> rusqlite::Result<Merge> {
        let runs = catalog.of(kind);
        let count = due(runs).unwrap_or(0);
        let inputs = runs[..count].to_vec();
        let records: u64 = inputs.iter().map(|run| run.records).sum();
        let output = Builder::new(kind, id, usize::try_from(records).unwrap_or(usize::MAX));
        connection.prepare_cached("INSERT INTO litter (run) VALUES (?1)")?.execute([sql(id)])?;
        let scan = Scan::new(connection, kind, &inputs, &[])?;
        Ok(Merge { scan, output, is_lowest: count == runs.len(), inputs })
    }

    /// Merges so many records at most; whether all is merged.
    fn go_on(&mut self, connection: &Connection, records: usize) -> rusqlite::Result<bool> {
        let kind = self.inputs[0].kind;
        for _ in 0..records {
            let Some(record) = self.scan.next(connection)? else { return Ok(true) };
            if !(self.is_lowest && kind.is_gone(record)) {
                self.output.push(connection, record)?;
            }
        }
        Ok(false)
    }

    /// The run counts from now on, and its inputs do not.
    fn finish(self, connection: &Connection) -> rusqlite::Result<Option<Arc<Run>>> {
        let order = self.inputs.iter().map(|run| run.order).max().unwrap_or(0);
        discard(connection, &self.inputs)?;
        connection.prepare_cached("DELETE FROM litter WHERE run = ?1")?.execute([sql(self.output.id())])?;
        self.output.finish(connection, order)
    }
}
