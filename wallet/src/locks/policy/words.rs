//! Locks, and what is missing to open them, in words.

use super::satisfy::{Missing, Wait};
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::lock::{Lock, LockTime};
use bezant_consensus::ledger::rules::context::Place;
use bezant_consensus::ledger::units::Height;

/// Who stands behind a lock: a name if there is one, else an address.
pub type Names<'a> = &'a dyn Fn(&LockHash) -> String;

/// A lock in words, like `2 of 3: alice, bob, carol` or `from block 1,000 on, carol alone`.
#[must_use]
pub fn lock(lock: &Lock, names: Names<'_>) -> String {
    match lock {
        Lock::Key(_) | Lock::Opaque(_) => format!("{} alone", names(&lock.hash())),
        Lock::After(_) | Lock::Older(_) | Lock::Hash(_) => format!("{}, anybody", condition(lock)),
        Lock::Threshold { .. } => branch(lock, names, true),
    }
}

fn is_condition(lock: &Lock) -> bool {
    matches!(lock, Lock::After(_) | Lock::Older(_) | Lock::Hash(_))
}

/// A condition in words; empty for anything else.
pub(crate) fn condition(lock: &Lock) -> String {
    match lock {
        Lock::After(from) => format!("from {} on", time(*from)),
        Lock::Older(blocks) => format!("once a coin is {} old", count(u64::from(*blocks), "block")),
        Lock::Hash(image) => format!("with the preimage of {}", hex::encode(image)),
        Lock::Key(_) | Lock::Opaque(_) | Lock::Threshold { .. } => String::new(),
    }
}

fn branch(lock: &Lock, names: Names<'_>, is_outermost: bool) -> String {
    let Lock::Threshold { k, of } = lock else {
        return if is_condition(lock) { condition(lock) } else { names(&lock.hash()) };
    };
    let (k, n) = (usize::from(*k), of.len());
    let inner = |child: &Lock| match child {
        Lock::Threshold { .. } => format!("({})", branch(child, names, false)),
        other => branch(other, names, false),
    };
    if k == n {
        // Conditions first, then who has to sign.
        let mut parts: Vec<String> = of.iter().filter(|child| is_condition(child)).map(inner).collect();
        let parties: Vec<String> = of.iter().filter(|child| !is_condition(child)).map(inner).collect();
        match &parties[..] {
            [] => parts.push("anybody".to_owned()),
            [one] if is_outermost || !parts.is_empty() => parts.push(format!("{one} alone")),
            [one] => parts.push(one.clone()),
            many => parts.push(format!("{} together", list(many, "and"))),
        }
        return parts.join(", ");
    }
    if k == 1 {
        // Each stands for a way of its own, whole.
        let ways: Vec<String> = of.iter().map(|child| way(child, names)).collect();
        return format!("either {}", ways.join("; or "));
    }
    let parts: Vec<String> = of.iter().map(inner).collect();
    format!("{k} of {n}: {}", parts.join(", "))
}

fn way(lock: &Lock, names: Names<'_>) -> String {
    match lock {
        Lock::Threshold { k, of } if usize::from(*k) == of.len() => branch(lock, names, true),
        Lock::Threshold { .. } => format!("({})", branch(lock, names, true)),
        other => branch(other, names, false),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(parts: &[String], word: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// A height or moment: `block 1,000`, `2026-12-31T18:00Z`.
#[must_use]
pub fn time(time: LockTime) -> String {
    match time {
        LockTime::Height(Height(height)) => format!("block {}", grouped(height)),
        LockTime::Time(time) => super::moment(time),
    }
}

fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A number with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let place = |(index, digit): (usize, char)| {
        let comma = index > 0 && (digits.len() - index).is_multiple_of(3);
        [comma.then_some(','), Some(digit)].into_iter().flatten()
    };
    digits.chars().enumerate().flat_map(place).collect()
}

/// Why nothing can be spent now, as the rest of a sentence: `locked until block 1,000, now 412`, or `needs one more of: bob, carol`.
#[must_use]
pub fn missing(missing: &Missing, next: Place, names: Names<'_>) -> String {
    let Some(wait) = missing.wait() else { return format!("needs {}", phrase(missing, names)) };
    let sooner = missing.sooner().map(|other| format!("; sooner it needs {}", phrase(&other, names)));
    format!("locked until {}{}", until(wait, next), sooner.unwrap_or_default())
}

fn until(wait: Wait, next: Place) -> String {
    let height = wait
        .height
        .map(|height| format!("{}, now {}", time(LockTime::Height(height)), grouped(next.height.0.saturating_sub(1))));
    let moment = wait.time.map(|from| format!("{}, now {}", super::moment(from), super::moment(next.time)));
    let both: Vec<String> = [height, moment].into_iter().flatten().collect();
    both.join(" and until ")
}

fn phrase(missing: &Missing, names: Names<'_>) -> String {
    match missing {
        Missing::Key(key) => names(&Lock::Key(*key).hash()),
        Missing::Hidden(hash) => names(hash),
        Missing::Preimage(image) => format!("the preimage of {}", hex::encode(image)),
        Missing::Until(from) => format!("to wait until {}", time(*from)),
        Missing::Some { need, have, of } => {
            let inner = |one: &Missing| match one {
                Missing::Some { need, of, .. } if of.len() > 1 && *need < of.len() => {
                    format!("({})", phrase(one, names))
                }
                one => phrase(one, names),
            };
            let parts: Vec<String> = of.iter().map(inner).collect();
            let number = if *need == 1 { "one".to_owned() } else { need.to_string() };
            match (*need == of.len(), *have > 0) {
                (true, _) => list(&parts, "and"),
                (false, true) => format!("{number} more of: {}", parts.join(", ")),
                (false, false) => format!("{number} of: {}", parts.join(", ")),
            }
        }
    }
}
