//! PBFT.
