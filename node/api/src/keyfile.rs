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

/// The number of the key's vote log, if one was begun; an error when the line makes no sense.
///
/// # Errors
/// What was expected.
pub fn vote_log(text: &str) -> Result<Option<[u8; 32]>, String> {
    let number = |line: &str| {
        let mut number = [0; 32];
        let decoded = hex::decode_to_slice(line.trim(), &mut number);
        decoded.map(|()| number).map_err(|_| "64 hex digits are expected after vote-log".to_owned())
    };
    text.lines().skip(1).filter_map(|line| line.strip_prefix(VOTE_LOG)).last().map(number).transpose()
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
        let damaged = format!("{}\nvote-log 1234\n", hex::encode([7; 32]));
        assert!(vote_log(&damaged).is_err());
    }
}
