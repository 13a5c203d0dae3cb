//! What a miner tells of itself: a line for people on stderr, or with `--json` one object a line on stdout.

use super::JobMiner;
use crate::output::{Outcome, Output};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two reports, where each is a line of its own.
const EVERY_LINE: Duration = Duration::from_secs(10);
/// Between two, where the last is written over.
const EVERY_LOOK: Duration = Duration::from_secs(1);
/// The hash rate is that of the last so many seconds.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Counts, and tells.
pub(super) struct Report<'a> {
    output: &'a Output,
    /// Whether the last line on stderr is written over.
    on_terminal: bool,
    accepted: u64,
    refused: u64,
    blocks: u64,
    samples: VecDeque<(Instant, u64)>,
}

impl Report<'_> {
    pub(super) fn new(output: &Output) -> Report<'_> {
        let on_terminal = !output.json && output.shows_progress();
        let on_terminal = on_terminal && std::io::stderr().is_terminal();
        Report {
            output,
            on_terminal,
            accepted: 0,
            refused: 0,
            blocks: 0,
            samples: VecDeque::from([(Instant::now(), 0)]),
        }
    }

    /// How often a status is wanted.
    pub(super) fn every(&self) -> Duration {
        if self.on_terminal { EVERY_LOOK } else { EVERY_LINE }
    }

    fn say(&self, event: &Value, text: &str) -> Outcome {
        if self.output.json {
            return self.output.line(&event.to_string());
        }
        if self.on_terminal {
            // The status is written over, and comes again with the next look.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
        self.output.remark(text);
        Ok(())
    }

    pub(super) fn connected(&self, to: &str) -> Outcome {
        self.say(&json!({"event": "connected", "to": to}), &format!("mining for {to}"))
    }

    pub(super) fn lost(&self, reason: &str, again: Duration) -> Outcome {
        let event = json!({"event": "lost", "reason": reason, "again_ms": again.as_millis() as u64});
        self.say(&event, &format!("the connection is lost ({reason}); again in {:.1} s", again.as_secs_f64()))
    }

    pub(super) fn accepted(&mut self, block: Option<&str>) -> Outcome {
        self.accepted += 1;
        match block {
            Some(block) => {
                self.blocks += 1;
                self.say(&json!({"event": "block", "block": block}), &format!("found block {block}"))
            }
            None if self.output.json => self.say(&json!({"event": "accepted"}), ""),
            None => Ok(()),
        }
    }

    pub(super) fn refused(&mut self, code: Option<i64>, reason: &str) -> Outcome {
        self.refused += 1;
        self.say(&json!({"event": "refused", "code": code, "reason": reason}), &format!("refused: {reason}"))
    }

    fn rate(&mut self, miner: &JobMiner) -> f64 {
        let now = Instant::now();
        self.samples.push_back((now, miner.hashes()));
        while self.samples.len() > 2 && self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_OVER)
        {
            self.samples.pop_front();
        }
        let (Some((since, before)), Some((until, after))) = (self.samples.front(), self.samples.back()) else {
            return 0.0;
        };
        let seconds = until.duration_since(*since).as_secs_f64();
        if seconds < 0.05 { 0.0 } else { (after - before) as f64 / seconds }
    }

    /// How it goes now.
    pub(super) fn status(&mut self, miner: &JobMiner) -> Outcome {
        self.told("status", miner)
    }

    /// How it went.
    pub(super) fn end(&mut self, miner: &JobMiner) -> Outcome {
        let outcome = self.told("end", miner);
        if self.on_terminal {
            let _ = writeln!(std::io::stderr());
        }
        outcome
    }

    fn told(&mut self, event: &str, miner: &JobMiner) -> Outcome {
        let rate = self.rate(miner);
        if self.output.json {
            let line = json!({
                "event": event,
                "hashes_per_second": rate as u64,
                "hashes": miner.hashes(),
                "accepted": self.accepted,
                "refused": self.refused,
                "blocks": self.blocks,
            });
            return self.output.line(&line.to_string());
        }
        let speed = if rate >= 1e6 { format!("{:.2} MH/s", rate / 1e6) } else { format!("{:.1} kH/s", rate / 1e3) };
        let text =
            format!("{speed} · {} shares accepted, {} refused · {} blocks", self.accepted, self.refused, self.blocks);
        if self.on_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        } else {
            self.output.remark(&text);
        }
        Ok(())
    }
}
