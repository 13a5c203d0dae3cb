//! Reads the text of a policy.

use bezant_consensus::ledger::key::PublicKey;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::{LOCK_DEPTH_MAX, LOCK_NODES_MAX, THRESHOLD_CHILDREN_MAX};
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

/// Bytes of a text, at most; the largest tree there can be takes less than half of it.
pub const POLICY_BYTES_MAX: usize = 16 * 1024;

/// A text that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {problem}", at + 1)]
pub struct PolicyError {
    /// Where, in characters from 0.
    pub at: usize,
    /// What is wrong there, and what is expected.
    pub problem: String,
}

/// The lock that a text describes. `resolve` gives the lock of an address or name.
///
/// # Errors
/// Where the text is wrong first, and why.
pub fn parse(text: &str, resolve: impl Fn(&str) -> Result<Lock, String>) -> Result<Lock, PolicyError> {
    if text.len() > POLICY_BYTES_MAX {
        return Err(PolicyError {
            at: 0,
            problem: format!("{} bytes are more than the {POLICY_BYTES_MAX} of the largest policy", text.len()),
        });
    }
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, nodes: 0, resolve: &resolve };
    let lock = reader.policy(1)?;
    reader.space();
    if reader.at < chars.len() {
        return Err(reader.wrong("the policy ends before this"));
    }
    // Names may stand for whole trees.
    lock.check_shape().map_err(|error| PolicyError { at: 0, problem: error.to_string() })?;
    Ok(lock)
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    nodes: usize,
    resolve: &'a dyn Fn(&str) -> Result<Lock, String>,
}

impl Reader<'_> {
    fn wrong(&self, problem: impl Into<String>) -> PolicyError {
        PolicyError { at: self.at, problem: problem.into() }
    }

    fn space(&mut self) {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), PolicyError> {
        self.space();
        match self.chars.get(self.at) {
            Some(c) if *c == wanted => {
                self.at += 1;
                Ok(())
            }
            Some(c) => Err(self.wrong(format!("\"{wanted}\" is expected, not \"{}\"", c.escape_debug()))),
            None => Err(self.wrong(format!("\"{wanted}\" is expected; the text ends too early"))),
        }
    }

    fn is_next(&mut self, wanted: char) -> bool {
        self.space();
        self.chars.get(self.at) == Some(&wanted)
    }

    /// Letters, digits and what stands in names, addresses and dates; where it began.
    fn word(&mut self) -> (usize, String) {
        self.space();
        let start = self.at;
        let is_part = |c: &char| c.is_ascii_alphanumeric() || "-_:+.".contains(*c);
        while self.chars.get(self.at).is_some_and(is_part) {
            self.at += 1;
        }
        (start, self.chars[start..self.at].iter().collect())
    }

    /// A word that `read` understands.
    fn value<T>(&mut self, read: impl Fn(&str) -> Result<T, String>) -> Result<T, PolicyError> {
        let (at, word) = self.word();
        read(&word).map_err(|problem| PolicyError { at, problem })
    }

    fn policy(&mut self, depth: usize) -> Result<Lock, PolicyError> {
        self.nodes += 1;
        if depth > LOCK_DEPTH_MAX {
            return Err(self.wrong(format!("deeper than the {LOCK_DEPTH_MAX} levels of a lock")));
        }
        if self.nodes > LOCK_NODES_MAX {
            return Err(self.wrong(format!("more than the {LOCK_NODES_MAX} parts of a lock")));
        }
        let (at, kind) = self.word();
        if !["pk", "thresh", "and", "or", "after", "older", "sha256"].contains(&kind.as_str()) {
            let problem = format!(
                "\"{kind}\" is no part of a policy; pk(…), thresh(k, …), and(…), or(…), after(…), older(…) and sha256(…) are"
            );
            return Err(PolicyError { at, problem });
        }
        self.expect('(')?;
        let resolve = self.resolve;
        let lock = match kind.as_str() {
            "pk" => self.value(|word| party(word, resolve))?,
            "after" => Lock::After(self.value(lock_time)?),
            "older" => Lock::Older(self.value(|word| number(word, "blocks"))?),
            "sha256" => Lock::Hash(self.value(|word| bytes(word, "the hash"))?),
            "thresh" => {
                let k: u8 = self.value(|word| number(word, "branches"))?;
                self.expect(',')?;
                let of = self.list(depth)?;
                if k == 0 || usize::from(k) > of.len() {
                    let problem = format!("{k} of {} makes no sense: 1 to {} are expected", of.len(), of.len());
                    return Err(PolicyError { at, problem });
                }
                Lock::Threshold { k, of }
            }
            and_or => {
                let of = self.list(depth)?;
                if of.len() < 2 {
                    return Err(PolicyError { at, problem: format!("{and_or}(…) takes two or more") });
                }
                let all = u8::try_from(of.len()).expect("a list has at most 16 entries");
                Lock::Threshold { k: if and_or == "and" { all } else { 1 }, of }
            }
        };
        self.expect(')')?;
        Ok(lock)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Lock>, PolicyError> {
        let mut of = vec![self.policy(depth + 1)?];
        while self.is_next(',') {
            self.at += 1;
            if of.len() == THRESHOLD_CHILDREN_MAX {
                return Err(self.wrong(format!("more than {THRESHOLD_CHILDREN_MAX} branches side by side")));
            }
            of.push(self.policy(depth + 1)?);
        }
        Ok(of)
    }
}

fn party(word: &str, resolve: &dyn Fn(&str) -> Result<Lock, String>) -> Result<Lock, String> {
    if word.is_empty() {
        return Err("a key, an address or a name is expected".to_owned());
    }
    if word.len() == 64 && word.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let key = PublicKey(bytes(word, "the key")?);
        // A coin that waits for a signature by such a key waits for ever, or can be taken by anybody.
        return if key.is_acceptable() { Ok(Lock::Key(key)) } else { Err("this is no good public key".to_owned()) };
    }
    resolve(word)
}

fn number<T: std::str::FromStr>(word: &str, what: &str) -> Result<T, String> {
    if word.is_empty() || !word.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(format!("a number of {what} is expected, not \"{word}\""));
    }
    word.parse().map_err(|_| format!("{word} {what} are too many"))
}

fn bytes(word: &str, what: &str) -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(word, &mut bytes).map_err(|_| format!("{what} has 64 hex digits"))?;
    Ok(bytes)
}

/// Reads a height, or a moment like `2026-12-31T18:00Z`.
///
/// # Errors
/// A sentence.
pub(crate) fn lock_time(word: &str) -> Result<LockTime, String> {
    if !word.is_empty() && word.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(LockTime::Height(Height(number(word, "blocks")?)));
    }
    let wrong = || format!("a height, or a moment like 2026-12-31T18:00Z (UTC) is expected, not \"{word}\"");
    let (date, time) = word.strip_suffix('Z').and_then(|word| word.split_once('T')).ok_or_else(wrong)?;
    let field = |text: &str, digits: usize| {
        let is_good = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit());
        is_good.then(|| text.parse::<u16>().ok()).flatten().ok_or_else(wrong)
    };
    let small = |text: &str| field(text, 2).map(|number| number as u8);
    let [year, month, day] = date.split('-').collect::<Vec<_>>()[..] else { return Err(wrong()) };
    let parts: Vec<&str> = time.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (small(hour)?, small(minute)?, 0),
        [hour, minute, second] => (small(hour)?, small(minute)?, small(second)?),
        _ => return Err(wrong()),
    };
    let month = time::Month::try_from(small(month)?).map_err(|_| wrong())?;
    let date = Date::from_calendar_date(i32::from(field(year, 4)?), month, small(day)?).map_err(|_| wrong())?;
    let time = Time::from_hms(hour, minute, second).map_err(|_| wrong())?;
    let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
    let time = u32::try_from(seconds).map_err(|_| format!("{word} is outside of 1970 to 2106"))?;
    Ok(LockTime::Time(time))
}

/// A second since 1970 as the text of a policy has it.
#[must_use]
pub fn moment(time: u32) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(i64::from(time)).expect("32 bits of seconds end in 2106");
    let (date, clock) = (moment.date(), moment.time());
    let seconds = if clock.second() == 0 { String::new() } else { format!(":{:02}", clock.second()) };
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}{seconds}Z", clock.hour(), clock.minute())
}
