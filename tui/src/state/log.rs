//! Events in words.

use super::faults::Sort;
use bezant_api::event::EventKind;
use bezant_api::fault::FaultState;

/// Hexadecimal digits from which on a word is an id, which nobody reads in full.
const ID_DIGITS_MIN: usize = 32;
/// Peers that are named where something concerns several.
const PEERS_NAMED_MAX: usize = 6;

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
            (format!("left view {from} ({why}) for view {to} with primary {primary}"), Tone::Warn)
        }
        EventKind::HandOver { primary, count, txid, waited_ms } => {
            let what = if *count == 1 { "transaction".to_owned() } else { format!("{count} transactions, first") };
            (format!("handed primary {primary} {what} {}, due for {waited_ms} ms", short(txid)), Tone::Warn)
        }
        EventKind::HandedOver { by, count } => {
            (format!("was handed {} by member {by}", counted(*count as u64, "transaction")), Tone::Plain)
        }
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
            let held = counted(*transactions as u64, "transaction");
            (format!("block {height} {} with {held} is {is_final}", short(id)), Tone::Good)
        }
        EventKind::Reorg { fork, depth, tip } => {
            let left = counted(*depth, "block");
            (format!("left {left} above {fork} for {}, which has more work", short(tip)), Tone::Warn)
        }
        EventKind::FinalityBroken { before, fork } => {
            // It is told too when no block has left, and one that was final is so deep no more.
            let text = format!("finality broken: what counted as final up to {before} counts so up to {fork} only");
            (text, Tone::Bad)
        }
        EventKind::ReorgRefused { depth, tip } => {
            let undone = counted(*depth, "block");
            (format!("does not follow {} by itself: it would undo {undone}", short(tip)), Tone::Bad)
        }
        EventKind::Mined { height, id } => (format!("found block {height} {}", short(id)), Tone::Good),
        EventKind::Equivocation { signer, view, height } => {
            (format!("member {signer} voted twice in view {view} at height {height}"), Tone::Bad)
        }
        EventKind::Refused { height, id, reason } => {
            (format!("refused block {height} {}: {}", short(id), with_short_ids(reason)), Tone::Bad)
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
            (format!("blames peer …{}: {}{then}", tail(peer_id), with_short_ids(fault)), Tone::Bad)
        }
        EventKind::Fault { state, id, from, what, .. } => fault(*state, *id, from, what),
    })
}

/// A number of things.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// A sentence with its ids cut to what a person compares.
fn with_short_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() >= ID_DIGITS_MIN && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let cut = |word: &str| if is_id(word) { format!("{}…", short(word)) } else { word.to_owned() };
    let mut parts = Vec::new();
    for word in text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        parts.push(cut(bare) + &word[bare.len()..]);
    }
    parts.concat()
}

/// What is done to what a node hears, and from whom.
pub(crate) fn link_fault(what: &str, from: &[String]) -> String {
    let peers: Vec<String> = from.iter().map(|peer_id| format!("…{}", tail(peer_id))).collect();
    match peers.len() {
        0 => what.to_owned(),
        1..=PEERS_NAMED_MAX => format!("{what} (from {})", peers.join(" ")),
        many => format!("{what} (from {many} peers)"),
    }
}

/// A fault of a dev net, with its number as `testnet fault list` shows it.
fn fault(state: FaultState, id: Option<u64>, from: &[String], what: &str) -> (String, Tone) {
    let number = id.map(|id| format!(" {id}")).unwrap_or_default();
    let what = link_fault(what, from);
    match state {
        FaultState::Begin => (format!("fault{number} begins: {what}"), Tone::Warn),
        FaultState::End => (format!("fault{number} is over: {what}"), Tone::Plain),
        FaultState::Once => (format!("fault: {what}"), Tone::Warn),
    }
}

/// Identities start alike and differ at the end.
pub(crate) fn tail(peer_id: &str) -> &str {
    peer_id.len().checked_sub(6).and_then(|start| peer_id.get(start..)).unwrap_or(peer_id)
}

/// What an event is on the timeline of faults and what they led to; nothing for those that are not on it.
pub(crate) fn sort(kind: &EventKind) -> Option<Sort> {
    match kind {
        EventKind::Fault { .. } => Some(Sort::Deed),
        EventKind::Leave { .. } => Some(Sort::Left),
        EventKind::View { .. } | EventKind::Epoch { .. } => Some(Sort::Began),
        EventKind::Equivocation { .. } | EventKind::Refused { .. } | EventKind::Blame { .. } => Some(Sort::Broken),
        EventKind::Gap { .. }
        | EventKind::Diverged { .. }
        | EventKind::Transfer { done: true, .. }
        | EventKind::Reorg { .. }
        | EventKind::FinalityBroken { .. }
        | EventKind::ReorgRefused { .. } => Some(Sort::Other),
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
        | EventKind::Peer { .. } => None,
    }
}
