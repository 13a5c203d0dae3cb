//! BIP39 mnemonics, English, of 12 or 24 words, perhaps with a passphrase of the owner's (the "25th word").
//!
//! The passphrase is part of the secret: other keys come of the same words with another one, and nothing tells that it is wrong.
//! A wallet's file keeps it encrypted beside the words, so that the password alone opens the wallet; on paper it is not.

use crate::error::WalletError;
use bip39::{Language, Mnemonic as Words};
use rand::TryRng;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// Bytes of a passphrase, at most; so much room is kept for it in each file, whether there is one or not.
pub const PASSPHRASE_BYTES_MAX: usize = 255;
/// Bytes of a secret as a wallet's file encrypts it: always as many, so that the file tells neither the number of words nor
/// whether there is a passphrase.
const SECRET_BYTES: usize = 1 + 32 + 1 + PASSPHRASE_BYTES_MAX;

/// How many words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WordCount {
    /// 12 words, 128 bits.
    #[default]
    Twelve,
    /// 24 words, 256 bits.
    TwentyFour,
}

/// A mnemonic: what a wallet's keys come from. Zeroised when dropped, never shown but by [`Mnemonic::words`].
#[derive(Clone)]
pub struct Mnemonic {
    entropy: Zeroizing<Vec<u8>>,
    passphrase: Zeroizing<String>,
}

impl Mnemonic {
    /// A fresh one, from the system's source of randomness.
    ///
    /// # Errors
    /// When that source fails.
    pub fn generate(count: WordCount) -> Result<Mnemonic, WalletError> {
        let mut entropy = Zeroizing::new(vec![0; if count == WordCount::Twelve { 16 } else { 32 }]);
        rand::rngs::SysRng
            .try_fill_bytes(&mut entropy)
            .map_err(|error| WalletError::Failed(format!("the system gives no random numbers: {error}")))?;
        Ok(Mnemonic { entropy, passphrase: Zeroizing::default() })
    }

    /// The same words with this passphrase; an empty one is none.
    ///
    /// # Errors
    /// [`WalletError::Usage`] when it has more than [`PASSPHRASE_BYTES_MAX`] bytes.
    pub fn with_passphrase(mut self, passphrase: &str) -> Result<Mnemonic, WalletError> {
        if passphrase.len() > PASSPHRASE_BYTES_MAX {
            let message = format!("the passphrase has more than {PASSPHRASE_BYTES_MAX} bytes; take a shorter one");
            return Err(WalletError::Usage(message));
        }
        self.passphrase = Zeroizing::new(passphrase.to_owned());
        Ok(self)
    }

    /// Reads 12 or 24 English words; case and spaces do not matter.
    ///
    /// # Errors
    /// For unknown words, a wrong number of them, or a wrong checksum. The message repeats none of them.
    pub fn parse(words: &str) -> Result<Mnemonic, WalletError> {
        let clean: Zeroizing<String> =
            Zeroizing::new(words.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" "));
        let problem = match Words::parse_in_normalized(Language::English, &clean) {
            Ok(parsed) if matches!(parsed.word_count(), 12 | 24) => {
                let entropy = Zeroizing::new(parsed.to_entropy());
                return Ok(Mnemonic { entropy, passphrase: Zeroizing::default() });
            }
            Ok(_) | Err(bip39::Error::BadWordCount(_)) => "12 or 24 words are expected".to_owned(),
            Err(bip39::Error::UnknownWord(index)) => format!("word {} is not in the BIP39 English list", index + 1),
            Err(bip39::Error::InvalidChecksum) => "a word is wrong or misplaced (the checksum does not fit)".to_owned(),
            Err(_) => "not a BIP39 mnemonic".to_owned(),
        };
        Err(WalletError::Usage(format!("mnemonic: {problem}")))
    }

    #[cfg(test)]
    pub(crate) fn from_entropy(entropy: &[u8]) -> Option<Mnemonic> {
        let entropy = Zeroizing::new(entropy.to_vec());
        matches!(entropy.len(), 16 | 32).then(|| Mnemonic { entropy, passphrase: Zeroizing::default() })
    }

    /// What a wallet's file encrypts: the number of bytes of entropy, the entropy in 32 bytes, the number of bytes of the
    /// passphrase, the passphrase in 255 bytes; zeros behind both.
    pub(crate) fn secret(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES]);
        let passphrase = self.passphrase.as_bytes();
        bytes[0] = u8::try_from(self.entropy.len()).expect("16 or 32 bytes");
        bytes[1..=self.entropy.len()].copy_from_slice(&self.entropy);
        bytes[33] = u8::try_from(passphrase.len()).expect("at most 255 bytes");
        bytes[34..34 + passphrase.len()].copy_from_slice(passphrase);
        bytes
    }

    /// The mnemonic of such bytes; `None` when they are no other's.
    pub(crate) fn from_secret(bytes: &[u8]) -> Option<Mnemonic> {
        let (entropy_bytes, passphrase_bytes) = (usize::from(*bytes.first()?), usize::from(*bytes.get(33)?));
        if bytes.len() != SECRET_BYTES || !matches!(entropy_bytes, 16 | 32) {
            return None;
        }
        let entropy = Zeroizing::new(bytes[1..=entropy_bytes].to_vec());
        let passphrase = std::str::from_utf8(&bytes[34..34 + passphrase_bytes]).ok()?;
        let mnemonic = Mnemonic { entropy, passphrase: Zeroizing::new(passphrase.to_owned()) };
        (mnemonic.secret().as_slice() == bytes).then_some(mnemonic)
    }

    /// The words, to be written down by their owner and shown nowhere else.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        let words = self.bip39();
        let mut text = Zeroizing::new(String::with_capacity(256));
        for word in words.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// The passphrase; empty when there is none.
    #[must_use]
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// The 64-byte seed of BIP39 (PBKDF2 over the words and the passphrase, both in Unicode's form NFKD).
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.bip39().to_seed(&**self.passphrase))
    }

    fn bip39(&self) -> Words {
        Words::from_entropy_in(Language::English, &self.entropy).expect("16 or 32 bytes are entropy")
    }
}

impl std::fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mnemonic(…)")
    }
}
