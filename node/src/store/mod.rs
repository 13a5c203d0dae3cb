//! What a node keeps on disk, in two SQLite files of its data directory.
//!
//! - `facts.sqlite`: what must not be forgotten. Bodies, commit certificates, own votes and prepared certificates, headers
//!   and marks. Written by the runtime's own thread; a commit has been fsynced when it returns, so nothing that rests on a
//!   record leaves before. All records of one round of inputs share one commit.
//! - `state.sqlite`: what follows from the facts. Coins with their index by lock, the active chain, undo, the commitment's
//!   buckets, where each transaction is, and the history by lock. Written behind by a thread of its own, many chain updates in
//!   one transaction, so that a coin created and spent between two flushes never touches the disk; coins and indices as sorted
//!   `runs`, so that nothing is written at random. Tip, coins, undo and indices move together. It may be deleted: what is missing is connected again from the facts, or comes as a snapshot.
//!
//! Two files because SQLite has one writer per file: a vote's commit never waits for a flush of thousands of coins. Facts are
//! always ahead: a chain update is handed on only after the records that it rests on are durable, and votes are forgotten only
//! after the state above which they count is durable.
//!
//! Reads go through connections of their own: [`View`] is the core's read seam, [`Reader`] answers users.

mod changes;
mod error;
mod facts;
mod log;
mod open;
mod reader;
mod rows;
mod runs;
mod schema;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod view;

pub use error::StoreError;
pub use facts::{Facts, VoteLogNumber};
pub use open::{Opened, lock, open, open_locked};
pub use reader::{Reader, StoredCoin, StoredEntry, StoredHeader, StoredPlace, StoredTip};
pub use snapshot::Totals;
pub use state::{Barrier, Flushed, StateWriter};
pub use view::View;
