//! Fees: what to pay when nobody says, and what looks like a mistake.

use crate::error::WalletError;
use bezant_api::client::{Client, ClientError};
use bezant_consensus::ledger::amount::Amount;

#[cfg(test)]
mod tests;

/// In one of how many blocks a payment is wanted when nobody names a fee rate.
const FEE_TARGET_BLOCKS: u32 = 6;
/// A rate that nobody named is never above the net's least rate times this, whatever a node estimates, ...
const FEE_RATE_MULTIPLE_MAX: u64 = 100;
/// ... where a least rate below this, in grains per 1,000 bytes, counts as this.
const FEE_RATE_BASE_MIN: u64 = 1_000;

/// Above this rate, in grains per 1,000 bytes, a fee is taken for a mistake. `least` is the net's own minimum.
fn rate_bound(least: u64) -> u64 {
    least.max(FEE_RATE_BASE_MIN).saturating_mul(FEE_RATE_MULTIPLE_MAX)
}

/// A fee rate that somebody asked for, unless it looks like a mistake and was not allowed.
///
/// # Errors
/// [`WalletError::Refused`] of kind `fee-too-high`.
pub fn check_rate(asked: Option<u64>, least: u64, is_allowed: bool) -> Result<Option<u64>, WalletError> {
    let bound = rate_bound(least);
    match asked {
        Some(rate) if rate > bound && !is_allowed => {
            let message = format!(
                "{rate} grains per 1000 bytes look like a mistake (above {bound}); leave --fee-rate out, or add --allow-high-fee"
            );
            Err(WalletError::refused("fee-too-high", message))
        }
        asked => Ok(asked),
    }
}

/// The fee of a transfer that others may have made, unless it looks like a mistake and was not allowed. `bytes` is its size.
///
/// # Errors
/// [`WalletError::Refused`] of kind `fee-too-high`.
pub fn check(fee: Amount, bytes: u64, least: u64, is_allowed: bool) -> Result<(), WalletError> {
    let bound = rate_bound(least);
    let most = u64::try_from(u128::from(bytes) * u128::from(bound) / 1_000).unwrap_or(u64::MAX);
    if is_allowed || fee.grains() <= most {
        return Ok(());
    }
    let most = Amount::from_grains(most).map_or_else(|| most.to_string(), |most| most.to_string());
    let message = format!(
        "the fee of {fee} BZT is above {most}, {bound} grains per 1000 bytes: a mistake, or a lie about the coins; if it is meant, add --allow-high-fee"
    );
    Err(WalletError::refused("fee-too-high", message))
}

/// The rate that was asked for; when nobody says, the node's estimate, as far as it makes sense. `least` is the net's own minimum.
///
/// # Errors
/// When no node answers.
pub(crate) async fn rate(asked: Option<u64>, client: &Client, least: u64) -> Result<u64, WalletError> {
    if let Some(asked) = asked {
        return Ok(asked);
    }
    let bound = rate_bound(least);
    match client.fee_estimate(FEE_TARGET_BLOCKS).await {
        Ok(estimate) => Ok(estimate.fee_rate.clamp(least, bound)),
        Err(error @ ClientError::Unreachable(_)) => Err(error.into()),
        // A node that is too busy, or too old, to estimate: the least will do on most nets, and the fee can be named.
        Err(ClientError::Busy(_) | ClientError::Refused { .. } | ClientError::NotFound(_) | ClientError::Other(_)) => {
            Ok(least)
        }
    }
}
