//! What the dashboard asks of its caller, and what the caller tells it. The dashboard itself talks to nobody but the nodes it follows.

/// Something that is to be done outside of the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send one transfer from alice to bob.
    Transfer,
    /// Kill a node.
    Kill(usize),
    /// Start a node again.
    Start(usize),
    /// Pause a node.
    Pause(usize),
    /// Resume a paused node.
    Resume(usize),
    /// Cut the net into these groups; nodes not named form one more.
    Partition(Vec<Vec<usize>>),
    /// Undo every cut.
    Heal,
    /// Make a member lie in this mode; `off` makes it honest.
    Byzantine {
        /// Which.
        node: usize,
        /// How.
        mode: String,
    },
}

/// An action, and on which of the nets that are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By its place in the options.
    pub net: usize,
    /// What.
    pub action: Action,
}

/// What became of an order, or anything else that a person should read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// A sentence.
    pub text: String,
    /// The transaction that was sent, which is followed from then on: its id, or the first digits of it.
    pub txid: Option<String>,
}
