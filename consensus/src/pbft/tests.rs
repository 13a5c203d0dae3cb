//! Runs of whole nets, and single rules. The referee in [`referee`] checks every effect of every run.

mod checkpoint;
pub(super) mod cluster;
mod disk;
mod divergence;
mod edges;
pub(super) mod epochs;
mod evidence;
mod fairness;
mod forge;
mod liars;
mod made;
mod net;
mod new_view;
mod parts;
mod proposing;
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
