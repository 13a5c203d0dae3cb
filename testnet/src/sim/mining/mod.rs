//! What miners gain and lose: nets of real engines in virtual time, measured over many seeds, beside what theory says.
//!
//! Every scenario is a net of proof-of-work engines that speak the real protocol to each other. When a block is found is drawn
//! exponentially, as hashing would have it; everything else is what a node does. The attacker is one of the nodes: an ordinary
//! engine behind a filter of its messages (module `attack`). Blocks are empty, the target is fixed, and blocks come every 10 s in the
//! mean, so that delays of milliseconds are as good as none.
//!
//! | scenario | measured | theory |
//! |---|---|---|
//! | [`Scenario::Stale`] | blocks that end beside the chain | this module's [`Theory`](theory), after Decker and Wattenhofer (2013) |
//! | [`Scenario::Selfish`] | the attacker's share of the chain | Eyal and Sirer (2014), equation 8 |
//! | [`Scenario::Withhold`] | attempts to undo N blocks at once | negative binomial |
//! | [`Scenario::DoubleSpend`] | attempts that undo a final payment | Rosenfeld (2014) |
//! | [`Scenario::Eclipse`] | payments to a victim that hears the attacker alone | Erlang, negative binomial |

mod attack;
mod figure;
mod net;
mod scenario;
#[cfg(test)]
mod tests;
pub mod theory;

pub use figure::{Figure, Point, Series};
pub use scenario::{Scenario, ScenarioOptions, run};
