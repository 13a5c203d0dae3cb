//! Scenarios: files that say what is done to a net and what is expected of it, played in virtual time or on processes.
//!
//! `docs/spec/scenario.md` is the format. A file is read by [`Scenario::parse`], which refuses what it does not know and what makes
//! no sense. Both worlds are driven by one piece of code (module `play`): it reaches the next moment, does what is due, looks, and
//! judges; a world only knows how to let time pass, to act, to be looked at, and to ask its referee. So the two can differ in
//! what happens, and not in what is expected of it.

mod file;
mod judge;
mod load;
mod plan;
mod play;
mod processes;
mod random;
mod shipped;
pub(crate) mod users;
mod values;
mod view;
mod virtual_time;

pub use judge::Judgement;
pub use load::ScenarioError;
pub use plan::{NetPlan, Scenario, seconds};
pub use play::{Place, Report, Tally, Verdict};
pub use processes::{PACE_MAX, play_on_processes};
pub use random::random;
pub use shipped::{SHIPPED, Shipped, shipped};
pub use virtual_time::{play_in_virtual_time, play_seeds, record_play};

pub(crate) use plan::{Action, LieMode, LieTarget, Step};
pub(crate) use play::{Halt, Tally as PlayTally, World as PlayWorld};
pub(crate) use view::{Book, Index, NetView, NodeView, Written};
