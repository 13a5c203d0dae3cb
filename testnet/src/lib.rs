//! One scenario in two worlds: real processes, or Replicas in virtual time

pub mod linear;
pub mod net;
mod plot;
pub mod scenario;
pub mod sim;
pub mod text;
