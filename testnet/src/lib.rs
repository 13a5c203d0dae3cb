//! One scenario in two worlds: real processes, or Replicas in virtual time

pub mod net;
pub mod scenario;
pub mod sim;
pub mod text;
