//! One scenario in two worlds: real processes, or Replicas in virtual time

pub mod linear;
pub mod net;
pub mod sim;
