//! Header chains judged without a node: for light clients and for whoever checks one.

use super::headers::judge;
use super::tree::Tree;
use crate::ledger::block::Header;
use crate::ledger::genesis::Genesis;
use crate::ledger::target::{Target, Work};
use crate::ledger::units::Height;

/// A header that does not stand up in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header at height {height}: {reason}")]
pub struct HeaderChainError {
    /// Its height.
    pub height: Height,
    /// Which rule it breaks.
    pub reason: String,
}

/// Judges `headers`, the first standing on genesis and each on the one before, by every rule but the clock's (links, expected
/// targets, work done, median times), and returns the work behind them, genesis included. Says nothing of heavier chains.
///
/// # Errors
/// The first header that breaks a rule; height 0 when the net does not run on proof of work.
pub fn verify_headers(genesis: &Genesis, headers: &[Header]) -> Result<Work, HeaderChainError> {
    let fail = |height: Height, reason: String| Err(HeaderChainError { height, reason });
    let Some(params) = genesis.pow() else {
        return fail(Height::GENESIS, "this net does not run on proof of work".to_owned());
    };
    let Some(target) = Target::from_compact(params.bits) else {
        return fail(Height::GENESIS, "the genesis target is none".to_owned());
    };
    let first = genesis.block().header;
    let mut tree = Tree::new(first, target);
    let (mut parent, mut height) = (first.id(), Height::GENESIS);
    for header in headers {
        height = height.next();
        let id = header.id();
        if header.parent != parent {
            return fail(height, "it does not stand on the header before".to_owned());
        }
        if let Err(error) = judge(params, &tree, &id, header) {
            return fail(height, error.to_string());
        }
        tree.insert(id, *header);
        parent = id;
    }
    Ok(tree.node(&parent).work)
}
