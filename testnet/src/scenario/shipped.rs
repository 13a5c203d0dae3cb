//! Scenarios that come with the program, each with a chapter in `docs/scenarios/`.

use crate::scenario::Scenario;

/// A scenario that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its name, which is that of its file and of its chapter.
    pub name: &'static str,
    /// The text of its file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// All of them, in the order of the book.
        pub const SHIPPED: &[Shipped] = &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../../scenarios/", $name, ".toml")),
        }),*];
    };
}

shipped![
    "silent-primary",
    "lying-primary",
    "slow-primary",
    "split-vote",
    "twin-validator",
    "minority-cut-pbft",
    "minority-cut-pow",
    "crash-of-everything",
    "rolling-restart",
    "joining-validator",
    "bad-weather",
    "double-spend-race",
    "fork-and-reorg",
    "selfish-miner",
];

/// The one of this name.
#[must_use]
pub fn shipped(name: &str) -> Option<Shipped> {
    SHIPPED.iter().copied().find(|shipped| shipped.name == name)
}

impl Shipped {
    /// Reads it.
    ///
    /// # Panics
    /// Never: a test reads all of them.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        Scenario::parse(self.name, self.text).unwrap_or_else(|error| panic!("shipped: {error}"))
    }
}

#[cfg(test)]
mod tests;
