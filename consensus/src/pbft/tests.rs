//! Runs of whole nets, and single rules. The referee in [`cluster`] checks every effect of every run.

mod cluster;
mod net;
mod rules;
mod transcripts;
