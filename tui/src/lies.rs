//! The ways in which a node can be made to lie from the dashboard, with what is to be seen of each. Those that need more than a name
//! are left to `bezant testnet byzantine`.

/// A way to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// Its name, as `bezant testnet byzantine` takes it.
    pub mode: &'static str,
    /// What the node does, and what becomes of it.
    pub what: &'static str,
    /// Whether it is one under proof of work; otherwise under PBFT.
    pub is_pow: bool,
}

const fn lie(is_pow: bool, mode: &'static str, what: &'static str) -> Lie {
    Lie { mode, what, is_pow }
}

/// All of them, those first that show most.
pub const LIES: &[Lie] = &[
    lie(false, "bad-digest", "proposes blocks that do not fit their headers: a primary is blamed and replaced"),
    lie(
        false,
        "equivocate",
        "tells two halves of the members two stories: proved by what it signed; a primary is replaced",
    ),
    lie(false, "silent", "says nothing: a primary is replaced when the others' patience runs out"),
    lie(false, "delay", "holds its proposals back to just below the timeout: a primary is replaced as slow"),
    lie(false, "bad-signature", "signs wrongly: a primary is replaced, whoever it is gets banned"),
    lie(false, "stale-view", "votes in views that are over; does little harm"),
    lie(false, "huge-view", "wants a view that is far away; nobody joins it"),
    lie(false, "empty-proofs", "leaves certificates out when views change"),
    lie(false, "lie-checkpoint", "states other coins at checkpoints"),
    lie(false, "mutate", "changes its messages at random"),
    lie(true, "withhold", "tells nobody of the blocks it finds; `B` tells all of them at once"),
    lie(true, "selfish", "lets its blocks out when that costs the others the most work"),
    lie(true, "bad-block", "announces blocks that pay it more than there is"),
    lie(true, "low-work-spam", "sends branches of headers that took the least work there is"),
];

/// Those of one engine.
pub(crate) fn lies_of(is_pow: bool) -> impl Iterator<Item = &'static Lie> {
    LIES.iter().filter(move |lie| lie.is_pow == is_pow)
}
