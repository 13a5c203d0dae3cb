//! Events in words.

use bezant_api::event::EventKind;
use bezant_api::fault::FaultState;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at_ms: u64,
    /// Which node told.
    pub(crate) node: usize,
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

/// An id cut to what a person compares.
pub(crate) fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

/// An event in words; `None` for those that would drown the others.
pub(crate) fn describe(kind: &EventKind) -> Option<(String, Tone)> {
    Some(match kind {
        EventKind::Snapshot { status } => (format!("is at height {}", status.height), Tone::Plain),
        EventKind::Gap { from, to } => (format!("events {from} to {to} were missed here"), Tone::Warn),
        EventKind::View { view, primary, reason } => {
            (format!("entered view {view} with primary {primary} ({reason})"), Tone::Warn)
        }
        EventKind::Epoch { epoch, members, start, .. } => {
            (format!("epoch {epoch} has begun above height {start} with {members} members"), Tone::Good)
        }
        EventKind::Leave { from, to, primary, reason, detail } => {
            let why = if detail.is_empty() { reason.clone() } else { format!("{reason}: {detail}") };
            (format!("left view {from} for view {to} with primary {primary} ({why})"), Tone::Warn)
        }
        EventKind::HandOver { primary, count, txid, waited_ms } => {
            let what = if *count == 1 { "transaction".to_owned() } else { format!("{count} transactions, first") };
            (format!("handed primary {primary} {what} {}, due for {waited_ms} ms", short(txid)), Tone::Warn)
        }
        EventKind::HandedOver { by, count } => (format!("was handed {count} transactions by member {by}"), Tone::Plain),
        EventKind::Vote { .. }
        | EventKind::CheckpointVote { .. }
        | EventKind::ViewChange { .. }
        | EventKind::Pace { .. }
        | EventKind::Phase { .. }
        | EventKind::Header { .. } => return None,
        EventKind::Checkpoint { height, .. } => (format!("checkpoint {height} is stable"), Tone::Plain),
        EventKind::Diverged { height, .. } => {
            (format!("has other coins than a quorum at height {height}, and repairs itself"), Tone::Bad)
        }
        EventKind::Transfer { height, done: true, .. } => {
            (format!("goes on from the snapshot of height {height}"), Tone::Good)
        }
        EventKind::Transfer { height, buckets, done: false } => {
            (format!("fetches the snapshot of height {height}: {buckets} of 256 parts"), Tone::Warn)
        }
        EventKind::Block { height, id, transactions, final_height, .. } => {
            let is_final = if final_height >= height { "final" } else { "included" };
            (format!("block {height} {} with {transactions} transactions is {is_final}", short(id)), Tone::Good)
        }
        EventKind::Reorg { fork, depth, tip } => {
            (format!("left {depth} blocks above {fork} for {}, which has more work", short(tip)), Tone::Warn)
        }
        EventKind::FinalityBroken { before, fork } => {
            (format!("finality broken: {before} counted as final, the chain now leaves at {fork}"), Tone::Bad)
        }
        EventKind::ReorgRefused { depth, tip } => {
            (format!("does not follow {} by itself: it would undo {depth} blocks", short(tip)), Tone::Bad)
        }
        EventKind::Mined { height, id } => (format!("found block {height} {}", short(id)), Tone::Good),
        EventKind::Equivocation { signer, view, height } => {
            (format!("member {signer} voted twice in view {view} at height {height}"), Tone::Bad)
        }
        EventKind::Refused { height, id, reason } => {
            (format!("refused block {height} {}: {reason}", short(id)), Tone::Bad)
        }
        EventKind::Pooled { txid, .. } => (format!("took transaction {}", short(txid)), Tone::Plain),
        EventKind::Dropped { txid, reason, replaced_by } => {
            let by = replaced_by.as_deref().map(|by| format!(" by {}", short(by))).unwrap_or_default();
            (format!("dropped transaction {}: {reason}{by}", short(txid)), Tone::Warn)
        }
        EventKind::Peer { peer_id, connected, peers } => {
            let what = if *connected { "met" } else { "lost" };
            (format!("{what} peer …{}, has {peers}", tail(peer_id)), Tone::Plain)
        }
        EventKind::Blame { peer_id, fault, banned } => {
            let then = if *banned { ", and left it" } else { "" };
            (format!("blames peer …{}: {fault}{then}", tail(peer_id)), Tone::Bad)
        }
        EventKind::Fault { state, id, from, what, .. } => fault(*state, *id, from, what),
    })
}

/// A fault of a dev net, with its number as `testnet fault list` shows it.
fn fault(state: FaultState, id: Option<u64>, from: &[String], what: &str) -> (String, Tone) {
    let number = id.map(|id| format!(" {id}")).unwrap_or_default();
    let peers = match from {
        [] => String::new(),
        [one] => format!(", hearing …{}", tail(one)),
        several => format!(", hearing {} peers", several.len()),
    };
    match state {
        FaultState::Begin => (format!("fault{number} begins: {what}{peers}"), Tone::Warn),
        FaultState::End => (format!("fault{number} is over: {what}{peers}"), Tone::Plain),
        FaultState::Once => (format!("fault: {what}"), Tone::Warn),
    }
}

/// Identities start alike and differ at the end.
pub(crate) fn tail(peer_id: &str) -> &str {
    peer_id.len().checked_sub(6).and_then(|start| peer_id.get(start..)).unwrap_or(peer_id)
}

/// Whether an event belongs on the timeline of faults and what they led to.
pub(crate) fn is_moment(kind: &EventKind) -> bool {
    match kind {
        EventKind::Gap { .. }
        | EventKind::Leave { .. }
        | EventKind::View { .. }
        | EventKind::Epoch { .. }
        | EventKind::Diverged { .. }
        | EventKind::Transfer { done: true, .. }
        | EventKind::Reorg { .. }
        | EventKind::FinalityBroken { .. }
        | EventKind::ReorgRefused { .. }
        | EventKind::Equivocation { .. }
        | EventKind::Refused { .. }
        | EventKind::Blame { .. }
        | EventKind::Fault { .. } => true,
        EventKind::Snapshot { .. }
        | EventKind::HandOver { .. }
        | EventKind::HandedOver { .. }
        | EventKind::Pace { .. }
        | EventKind::ViewChange { .. }
        | EventKind::CheckpointVote { .. }
        | EventKind::Checkpoint { .. }
        | EventKind::Transfer { done: false, .. }
        | EventKind::Vote { .. }
        | EventKind::Phase { .. }
        | EventKind::Block { .. }
        | EventKind::Header { .. }
        | EventKind::Mined { .. }
        | EventKind::Pooled { .. }
        | EventKind::Dropped { .. }
        | EventKind::Peer { .. } => false,
    }
}
