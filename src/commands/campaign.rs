//! Long work in parts: a progress bar, and a file from which a campaign that was stopped goes on.

use crate::output::{Failure, Outcome, Output};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is to be done, and where its state is kept.
pub(crate) struct Campaign<'a> {
    /// Names it; what was begun as another does not go on.
    pub(crate) command: String,
    /// Items, numbered from 0.
    pub(crate) count: u64,
    /// After so many items the state is written.
    pub(crate) chunk: u64,
    /// What the items are called.
    pub(crate) items: &'static str,
    /// Where the state is kept, if at all.
    pub(crate) file: Option<&'a Path>,
}

/// What is kept between two sittings.
#[derive(Serialize, Deserialize)]
struct State<T> {
    command: String,
    /// Of the program: what one build began is not ended by another, or the sum would be of neither.
    version: String,
    next: u64,
    /// Of all sittings.
    worked_ms: u64,
    totals: T,
}

/// A sum that grows item by item.
pub(crate) trait Sum: Default + Serialize + DeserializeOwned {
    /// Items to which the referee objected.
    fn failed(&self) -> u64;
}

impl Campaign<'_> {
    /// Runs what is left. `part` adds some items, the next ones, to the sum, and tells how many of them have ended.
    pub(crate) fn run<T: Sum>(
        &self,
        output: &Output,
        part: impl Fn(&mut T, Range<u64>, &(dyn Fn(u64) + Sync)),
    ) -> Result<T, Failure> {
        let mut state: State<T> = self.load()?;
        let bar = self.bar(output, state.next);
        while state.next < self.count {
            let begun = Instant::now();
            let before = state.next;
            let last = self.count.min(before + self.chunk);
            part(&mut state.totals, before..last, &|done| bar.set_position(before + done));
            state.next = last;
            state.worked_ms += u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            bar.set_message(format!("{} failed", state.totals.failed()));
            self.save(&state)?;
        }
        bar.finish_and_clear();
        let worked = Duration::from_millis(state.worked_ms.max(1));
        let (seconds, rate) = (worked.as_secs(), state.next as f64 / worked.as_secs_f64());
        output.remark(&format!("{} {} in {seconds} s, {rate:.2} a second", state.next, self.items));
        Ok(state.totals)
    }

    fn bar(&self, output: &Output, position: u64) -> indicatif::ProgressBar {
        let bar = indicatif::ProgressBar::new(self.count).with_position(position);
        let template = format!("{{wide_bar}} {{pos}}/{{len}} {}, {{per_sec}}, {{eta}} left {{msg}}", self.items);
        bar.set_style(indicatif::ProgressStyle::default_bar().template(&template).expect("it is valid"));
        // What earlier sittings did says nothing of the speed of this one.
        bar.reset_eta();
        if !output.shows_progress() {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        bar
    }

    fn load<T: Sum>(&self) -> Result<State<T>, Failure> {
        let version = crate::VERSION.to_owned();
        let new = State { command: self.command.clone(), version, next: 0, worked_ms: 0, totals: T::default() };
        let Some(file) = self.file.filter(|file| file.exists()) else { return Ok(new) };
        let fail = |error: String| Failure::failed("resume", format!("{}: {error}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))?;
        let state: State<T> = serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?;
        if state.command != self.command {
            return Err(fail(format!("it is of another campaign, {}", state.command)));
        }
        if state.version != new.version {
            return Err(fail(format!("it was begun by another build, {}", state.version)));
        }
        Ok(state)
    }

    fn save<T: Sum>(&self, state: &State<T>) -> Outcome {
        let Some(file) = self.file else { return Ok(()) };
        let fail = |error: std::io::Error| Failure::failed("resume", format!("{}: {error}", file.display()));
        let text = serde_json::to_string(state).map_err(|error| Failure::failed("resume", error))?;
        let new = file.with_extension("new");
        std::fs::write(&new, text).map_err(fail)?;
        std::fs::rename(&new, file).map_err(fail)
    }
}
