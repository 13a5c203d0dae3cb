//! Templates for miners that ask by RPC, and what they find.
//!
//! Both are open to whoever reaches the server. A template tells nothing that the mempool does not, and asking for one makes the node do
//! nothing that it does not do anyway: it exists only where the node mines or serves miners. A solution costs its sender the work of a
//! block before the runtime hears of it.

use super::calls::{Outcome, Told, wrong};
use super::refuse;
use crate::handle::{AskError, NodeHandle, SolutionError};
use crate::offers::{EXTRANONCE_AT, Offer};
use bezant_api::address;
use bezant_api::methods::Method;
use bezant_api::types::{SolutionParams, SolutionView, TemplateParams, TemplateView};
use bezant_consensus::ledger::block::Header;
use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::pow::EXTRANONCE_BYTES;
use std::sync::Arc;

/// Bytes of a coinbase with one output are 86; whatever is far longer is none.
const COINBASE_BYTES_MAX: usize = 1_024;

/// `mining_template`.
pub(super) async fn template(handle: &NodeHandle, method: &Method, params: TemplateParams) -> Outcome<TemplateView> {
    let payee = payee(handle, &params.to)?;
    let found = handle.template(params.known, params.wait_ms).await.told(method)?;
    found.map(|offer| view(&offer, payee)).ok_or_else(|| {
        refuse::not_found(
            "this node has no template: it mines nothing, or waits for a person to decide between branches; start it with --mine or --stratum",
        )
    })
}

/// Who is to be paid: an address of this net, or a lock hash.
fn payee(handle: &NodeHandle, text: &str) -> Outcome<LockHash> {
    match text.parse() {
        Ok(lock) => Ok(lock),
        Err(_) => address::decode(&handle.genesis().network_id(), text).map_err(|error| wrong("to", error.to_string())),
    }
}

fn view(offer: &Arc<Offer>, payee: LockHash) -> TemplateView {
    let header = offer.header();
    let target = Target::from_compact(header.bits).map(Target::value).unwrap_or_default();
    TemplateView {
        ticket: offer.ticket(),
        height: offer.height(),
        parent: header.parent.to_string(),
        version: header.version,
        time: header.time,
        bits: header.bits,
        target: format!("{target:064x}"),
        coinbase: hex::encode(encode(&offer.coinbase_for(payee))),
        extranonce_at: EXTRANONCE_AT,
        extranonce_bytes: EXTRANONCE_BYTES,
        branch: offer.branch().siblings.iter().map(hex::encode).collect(),
        reward: offer.reward().grains().to_string(),
    }
}

/// `mining_submit`.
pub(super) async fn submit(handle: &NodeHandle, method: &Method, params: SolutionParams) -> Outcome<SolutionView> {
    let coinbase = coinbase(&params.coinbase)?;
    let offers = handle.offers().borrow().clone();
    let offer = offers.iter().find(|offer| offer.ticket() == params.ticket);
    let refused = |error: SolutionError| Err(AskError::from(error)).told(method);
    let Some(offer) = offer else { return refused(SolutionError::Stale) };
    let root = offer.branch().root_from(coinbase.hash()).unwrap_or_default();
    let header = Header {
        version: params.version,
        merkle_root: root,
        time: params.time,
        nonce: params.nonce,
        ..*offer.header()
    };
    let id = header.id();
    // Before anything else is done: no caller may keep the node busy without work of its own.
    if !Target::from_compact(header.bits).is_some_and(|target| target.is_met_by(&id)) {
        return refused(SolutionError::Low);
    }
    if handle.solve(params.ticket, offer.block(coinbase, header)).await.told(method)? {
        Ok(SolutionView { block: id.to_string(), height: offer.height() })
    } else {
        refused(SolutionError::Refused)
    }
}

fn coinbase(text: &str) -> Outcome<Transaction> {
    if text.len() > 2 * COINBASE_BYTES_MAX {
        return Err(wrong("coinbase", format!("at most {COINBASE_BYTES_MAX} bytes are allowed")));
    }
    let bytes = hex::decode(text).map_err(|error| wrong("coinbase", format!("no hex: {error}")))?;
    let coinbase: Transaction = decode(&bytes).map_err(|error| wrong("coinbase", error.to_string()))?;
    if coinbase.is_coinbase() { Ok(coinbase) } else { Err(wrong("coinbase", "this transaction is no coinbase")) }
}
