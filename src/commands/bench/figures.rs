//! What a benchmark says: figures with units, and all that one has to know to read them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the document.
pub(super) const FORMAT: u32 = 1;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    /// `1/s`, `ms`, `s`, `MiB`, `%` or empty for a number of things.
    pub(super) unit: String,
}

/// What one suite found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SuiteResult {
    pub(super) suite: String,
    /// As it was run.
    pub(super) options: Value,
    /// What the figures include.
    pub(super) includes: Vec<String>,
    pub(super) figures: Vec<Figure>,
    /// What stands behind them, suite by suite.
    pub(super) details: Value,
}

impl SuiteResult {
    pub(super) fn new(suite: &str, options: Value, includes: &[&str]) -> SuiteResult {
        let includes = includes.iter().map(|it| (*it).to_owned()).collect();
        SuiteResult { suite: suite.to_owned(), options, includes, figures: Vec::new(), details: Value::Null }
    }

    /// Adds a figure, of three decimals at most.
    pub(super) fn add(&mut self, name: &str, value: f64, unit: &str) {
        let value = (value * 1_000.0).round() / 1_000.0;
        self.figures.push(Figure { name: name.to_owned(), value, unit: unit.to_owned() });
    }

    /// Adds the half, the slow and the slowest of times in milliseconds.
    pub(super) fn add_times(&mut self, name: &str, mut times_ms: Vec<f64>) {
        times_ms.sort_by(f64::total_cmp);
        let Some(last) = times_ms.len().checked_sub(1) else { return };
        for (what, part) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
            // The least time that so many do not exceed.
            let place = ((times_ms.len() as f64 * part).ceil() as usize).clamp(1, last + 1) - 1;
            self.add(&format!("{name}_{what}"), times_ms[place], "ms");
        }
    }
}

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) format: u32,
    pub(super) machine: Machine,
    pub(super) build: Build,
    pub(super) suites: Vec<SuiteResult>,
}

/// Where it ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) memory_mib: Option<u64>,
    pub(super) system: String,
    /// Processes that wanted a core in the minute before the run; what else runs spoils figures.
    pub(super) load_before: Option<f64>,
}

/// What ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Build {
    pub(super) version: String,
    pub(super) commit: String,
    pub(super) profile: String,
    /// Of the processor, which the program was built for.
    pub(super) target_features: Vec<String>,
}

impl Machine {
    pub(super) fn this() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, key: &str| {
            text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_start_matches([' ', '\t', ':']).to_owned()))
        };
        let memory = after(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        let release = read("/proc/sys/kernel/osrelease");
        Machine {
            cpu: after(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mib: kib.map(|kib| kib / 1024),
            system: format!("{} {}", std::env::consts::OS, release.trim()).trim().to_owned(),
            load_before: read("/proc/loadavg").split_whitespace().next().and_then(|load| load.parse().ok()),
        }
    }
}

impl Build {
    pub(super) fn this() -> Build {
        let features = env!("BEZANT_TARGET_FEATURES").split(',').filter(|name| !name.is_empty());
        Build {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("BEZANT_COMMIT").to_owned(),
            profile: env!("BEZANT_PROFILE").to_owned(),
            target_features: features.map(str::to_owned).collect(),
        }
    }
}
