//! The text of a validator's key file.
//!
//! ```text
//! seed                64 hex digits
//! vote-log NUMBER     64 hex digits; added by the first node that uses the key
//! ```
//!
//! The second line names the log in which a node records what the key signs. A node that finds it and has no such log knows that
//! the key may have signed what nobody there remembers.

use bezant_consensus::ledger::key::SigningKey;

/// What stands before the number of a vote log.
const VOTE_LOG: &str = "vote-log ";

/// The key; `None` when the first line is no seed.
#[must_use]
pub fn key(text: &str) -> Option<SigningKey> {
    let mut seed = [0; 32];
    hex::decode_to_slice(text.lines().next()?.trim(), &mut seed).ok()?;
    Some(SigningKey::from_seed(&seed))
}

/// The number of the key's vote log, if one was begun. Whatever else follows the seed is damage: a line that was cut off must not
/// be taken for none.
///
/// # Errors
/// What was expected.
pub fn vote_log(text: &str) -> Result<Option<[u8; 32]>, String> {
    let wrong = || "after the seed only a line `vote-log` with 64 hex digits is expected".to_owned();
    let mut number = None;
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let mut bytes = [0; 32];
        let digits = line.strip_prefix(VOTE_LOG).filter(|_| number.is_none()).ok_or_else(wrong)?;
        hex::decode_to_slice(digits.trim(), &mut bytes).map_err(|_| wrong())?;
        number = Some(bytes);
    }
    Ok(number)
}

/// The text of a key file.
#[must_use]
pub fn text(key: &SigningKey, vote_log: Option<&[u8; 32]>) -> String {
    let seed = hex::encode(key.seed());
    vote_log.map_or_else(|| format!("{seed}\n"), |number| format!("{seed}\n{VOTE_LOG}{}\n", hex::encode(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let signing = SigningKey::from_seed(&[7; 32]);
        for log in [None, Some([9; 32])] {
            let text = text(&signing, log.as_ref());
            assert_eq!(key(&text).unwrap().public(), signing.public());
            assert_eq!(vote_log(&text), Ok(log));
        }
        assert_eq!(key(&format!("  {}  ", hex::encode([7; 32]))).unwrap().public(), signing.public());
        for none in ["", "\n", "07", "zz", &"07".repeat(33)] {
            assert!(key(none).is_none(), "{none:?}");
        }
        let whole = text(&signing, Some(&[9; 32]));
        for length in 66..whole.len() - 1 {
            assert!(vote_log(&whole[..length]).is_err(), "cut off after {length} bytes");
        }
        assert!(vote_log(&format!("{whole}more")).is_err() && vote_log(&whole.repeat(2)).is_err());
    }
}
