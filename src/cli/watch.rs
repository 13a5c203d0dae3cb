//! `bezant tui`, `bezant watch` and `bezant trace`.

use super::{Net, duration, names};
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Debug)]
pub(crate) struct Tui {
    #[command(flatten)]
    pub(crate) net: Net,
    /// A second net, shown beside it on one scale
    #[arg(long = "with", env = "BEZANT_WITH", value_name = "NAME", add = ArgValueCandidates::new(names::nets), conflicts_with = "replay")]
    pub(crate) other: Option<String>,
    /// Show a recording instead of a net; no net has to run
    #[arg(long, env = "BEZANT_REPLAY", value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) look: LookFlags,
}

/// How the dashboard looks.
#[derive(Args, Debug, Clone, Copy)]
pub(crate) struct LookFlags {
    /// Colours of the dashboard [default: dark; mono with NO_COLOR or --color never]
    #[arg(long, env = "BEZANT_THEME", value_name = "THEME")]
    pub(crate) theme: Option<ThemeName>,
    /// What the dashboard draws with; plain is for fonts without braille
    #[arg(long, env = "BEZANT_MARKER", value_name = "MARKER", default_value = "braille")]
    pub(crate) marker: MarkerName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ThemeName {
    Dark,
    Light,
    HighContrast,
    Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MarkerName {
    Braille,
    Plain,
}

#[derive(Args, Debug)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) net: Net,
    /// Lines for people (the default)
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Trace {
    /// Record what all nodes of a net tell, until Ctrl-C or for some time; `bezant tui --replay FILE` shows it
    #[command(after_help = "Example:\n  bezant trace record --for 30s --out run.trace")]
    Record {
        #[command(flatten)]
        net: Net,
        /// For so long [default: until Ctrl-C, or until the net stops]
        #[arg(long = "for", env = "BEZANT_RECORD_FOR", value_name = "DUR", value_parser = duration)]
        lasts: Option<Duration>,
        /// The file, which must not exist
        #[arg(long, env = "BEZANT_OUT", value_name = "FILE")]
        out: PathBuf,
    },
    /// A recording as lines
    #[command(after_help = "Example:\n  bezant trace show run.trace")]
    Show {
        /// The file
        file: PathBuf,
    },
}
