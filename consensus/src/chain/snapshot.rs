//! What the executor does when the coins of a snapshot take the place of those that a replica has, and what it reads to serve one.

use super::Tip;
use crate::ledger::coins::Coin;
use crate::ledger::commitment::Buckets;
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;

/// A page of a bucket as a store reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketPage {
    /// In strictly ascending order.
    pub coins: Vec<(OutPoint, Coin)>,
    /// Whether the bucket ends here.
    pub is_last: bool,
}

/// What the executor does with the coins of a snapshot.
///
/// The coins gather in a *staging area* beside the coin set, which nothing reads. A crash before the switch, and a start,
/// leave the old state as it was and the staging area empty. The switch is one transaction: afterwards the store shows the new
/// tip and exactly the staged coins; bodies, certificates and the light history stay what they were, heights below the tip that
/// were not there before stay unknown. It is reported by `Event::Flushed` like a chain update,
/// and comes after all chain updates that were handed out before it.
#[derive(Clone, Debug, PartialEq)]
pub enum SnapshotStep {
    /// Empty the staging area: another transfer begins, or the present one is given up.
    Clear,
    /// Add coins of one bucket.
    Stage {
        /// Which.
        bucket: u8,
        /// Those coins.
        coins: Vec<(OutPoint, Coin)>,
    },
    /// Take all staged coins of a bucket away: they were a lie.
    Discard {
        /// Which.
        bucket: u8,
    },
    /// Make the staged coins the coin set, in one transaction.
    Switch(Box<Switch>),
    /// The store has switched, and so has the engine: what rests on the old chain and coins is to be judged anew.
    Switched(Tip),
    /// Snapshots at this height and above may be asked for by [`Archive::bucket_at`](super::Archive::bucket_at); what
    /// only older ones need may go.
    Keep {
        /// The lowest.
        from: Height,
    },
}

/// The switch to a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Switch {
    /// Reported back when it is flushed; counts with the chain updates.
    pub sequence: u64,
    /// The tip afterwards, which is final.
    pub tip: Tip,
    /// The sums of the coins.
    pub buckets: Buckets,
}
