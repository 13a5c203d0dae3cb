//! BIP39 mnemonics, English, of 12 or 24 words and without a passphrase of their own.

use crate::error::WalletError;
use bip39::{Language, Mnemonic as Words};
use rand::TryRng;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

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
        Ok(Mnemonic { entropy })
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
                return Ok(Mnemonic { entropy: Zeroizing::new(parsed.to_entropy()) });
            }
            Ok(_) | Err(bip39::Error::BadWordCount(_)) => "12 or 24 words are expected".to_owned(),
            Err(bip39::Error::UnknownWord(index)) => format!("word {} is not in the BIP39 English list", index + 1),
            Err(bip39::Error::InvalidChecksum) => "a word is wrong or misplaced (the checksum does not fit)".to_owned(),
            Err(_) => "not a BIP39 mnemonic".to_owned(),
        };
        Err(WalletError::Usage(format!("mnemonic: {problem}")))
    }

    pub(crate) fn from_entropy(entropy: &[u8]) -> Option<Mnemonic> {
        matches!(entropy.len(), 16 | 32).then(|| Mnemonic { entropy: Zeroizing::new(entropy.to_vec()) })
    }

    pub(crate) fn entropy(&self) -> &[u8] {
        &self.entropy
    }

    /// The words, to be written down by their owner and shown nowhere else.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        Zeroizing::new(self.bip39().words().collect::<Vec<_>>().join(" "))
    }

    /// The 64-byte seed of BIP39 (PBKDF2, empty passphrase).
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.bip39().to_seed_normalized(""))
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
