//! Runs of whole nets, and single rules. The referee in [`referee`] checks every effect of every run.

mod checkpoint;
pub(super) mod cluster;
mod disk;
mod divergence;
mod edges;
pub(super) mod epochs;
mod evidence;
mod fairness;
pub(super) mod forge;
mod liars;
pub(super) mod made;
mod net;
mod new_view;
mod parts;
mod proposing;
mod reading;
mod readmission;
mod referee;
mod restart;
mod rules;
mod say;
mod shell;
mod successions;
mod traces;
mod transcripts;
mod transfer;
mod views;
