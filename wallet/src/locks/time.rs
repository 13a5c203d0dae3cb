//! Time, as locks have it: where the next block will stand, and whether a lock lets its coin go there at all.

use crate::error::WalletError;
use crate::locks::policy::satisfy::Moment;
use crate::session::Session;
use bezant_api::client::Client;
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::units::Height;
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(test)]
mod tests;

/// Headers whose median time counts under proof of work.
const MEDIAN_SPAN: u64 = 11;

/// The block after `height`, where coins of these locks are to be spent. Its time is looked up only if one of them needs it, and is 0
/// otherwise.
///
/// # Errors
/// When no node answers, or one says what makes no sense.
pub async fn next_block<'a>(
    session: &Session,
    height: u64,
    locks: impl IntoIterator<Item = &'a Lock>,
) -> Result<Place, WalletError> {
    let time = if locks.into_iter().any(has_time) { now(session, height).await? } else { 0 };
    Ok(Place { height: Height(height.saturating_add(1)), time })
}

/// The time by which a net judges the block after `height`: under PBFT the node's clock, under proof of work the median time of the blocks
/// up to there.
///
/// # Errors
/// When no node answers, or one says what makes no sense.
pub async fn now(session: &Session, height: u64) -> Result<u32, WalletError> {
    let client = session.client()?;
    if session.genesis().pow().is_some() {
        return median_time(client, height).await;
    }
    // The node judges by its own clock; if that is behind, it refuses, and says so.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i128::try_from(now.as_millis()).unwrap_or(0) + i128::from(session.clock_offset_ms());
    let now = u32::try_from(now_ms.max(0) / 1_000).unwrap_or(u32::MAX);
    Ok(now.max(client.status().await?.tip_time_s))
}

async fn median_time(client: &Client, height: u64) -> Result<u32, WalletError> {
    let nonsense = || WalletError::Failed("a node gave headers that make no sense".to_owned());
    let view = client.headers(height.saturating_sub(MEDIAN_SPAN - 1), Some(MEDIAN_SPAN as usize)).await?;
    let header = |hex: &str| hex::decode(hex).ok().and_then(|bytes| decode::<Header>(&bytes).ok());
    let times: Option<Vec<u32>> = view.headers.iter().map(|at| Some(header(&at.hex)?.time)).collect();
    let mut times = times.ok_or_else(nonsense)?;
    times.sort_unstable();
    times.get(times.len() / 2).copied().ok_or_else(nonsense)
}

/// Whether a lock has a condition on time that is no height.
fn has_time(lock: &Lock) -> bool {
    lock.revealed_leaves().iter().any(|(_, leaf)| matches!(leaf, Lock::After(LockTime::Time(_))))
}

/// Whether time lets a coin of this lock be spent, whoever has its keys and preimages.
#[must_use]
pub fn is_ripe(lock: &Lock, moment: &Moment) -> bool {
    match lock {
        Lock::Threshold { k, of } => of.iter().filter(|child| is_ripe(child, moment)).count() >= usize::from(*k),
        leaf => moment.opens(leaf).is_none_or(|from| moment.next.reaches(from)),
    }
}
