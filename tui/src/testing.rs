//! What tests of several modules share: recordings of real nets.
//!
//! `pbft.trace`: four replicas; node 0 proposes what does not fit its header and is replaced; node 3 is paused; the net is cut in two.
//! `pow.trace`: four miners; the net is cut in two, each side mines on, and one side's blocks are undone when it heals.

use crate::look::Look;
use crate::state::History;
use crate::ui::{Powers, Ui};
use bezant_api::trace::{Entry, TraceHeader, TraceReader};

pub(crate) const PBFT: &str = include_str!("../tests/traces/pbft.trace");
pub(crate) const POW: &str = include_str!("../tests/traces/pow.trace");

pub(crate) fn trace(text: &str) -> (TraceHeader, Vec<Entry>) {
    let reader = TraceReader::new(text.as_bytes()).expect("a trace");
    let header = reader.header().clone();
    (header, reader.collect::<Result<_, _>>().expect("entries"))
}

/// A recording, at its end.
pub(crate) fn history(text: &str) -> History {
    let (header, entries) = trace(text);
    let mut history = History::replay(&header, entries);
    history.seek(usize::MAX);
    history
}

/// As of a running dev net.
pub(crate) fn ui(nets: usize) -> Ui {
    let powers = Powers { can_transfer: true, can_fault: true, quit_stops_net: true, is_replay: false };
    Ui::new(nets, Look::default(), powers)
}
