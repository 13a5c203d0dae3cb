//! Payment URIs, after BIP 21: `bezant:ADDRESS?amount=1.5&label=Shop&message=Invoice%2017`.
//!
//! The amount is in BZT, as on the command line. `label` says whose the address is, `message` what is paid for; both are
//! percent-encoded UTF-8, within the limits of labels. A parameter that this program does not know is passed over, unless its name
//! begins with `req-`: then the URI asks for something that would not be done, and is refused. No parameter stands twice.

use crate::coins::labels;
use crate::error::WalletError;
use bezant_consensus::ledger::amount::Amount;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

#[cfg(test)]
mod tests;

const SCHEME: &str = "bezant:";
/// Bytes of a URI: an address, and two texts of which every character takes four bytes that are percent-encoded.
pub const URI_BYTES_MAX: usize = 8 * 1024;
const _: () = assert!(URI_BYTES_MAX > 2 * labels::LABEL_CHARS_MAX * 4 * 3 + 512);
/// What RFC 3986 leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a payment URI asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentUri {
    /// Who is paid, as it stands there; not checked yet.
    pub address: String,
    /// How much.
    pub amount: Option<Amount>,
    /// Whose address it is.
    pub label: Option<String>,
    /// What for.
    pub message: Option<String>,
}

/// Whether this is meant to be an address, right or not.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("bzt1"))
}

/// Whether this is meant to be a payment URI, right or not.
#[must_use]
pub fn is_uri(text: &str) -> bool {
    text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

impl PaymentUri {
    /// Reads a payment URI. Its address is checked by whoever knows the net.
    ///
    /// # Errors
    /// [`WalletError::Usage`] that says what is wrong.
    pub fn read(text: &str) -> Result<PaymentUri, WalletError> {
        let wrong = |why: String| WalletError::Usage(format!("payment URI: {why}"));
        if text.len() > URI_BYTES_MAX {
            return Err(wrong(format!("more than {URI_BYTES_MAX} bytes")));
        }
        let rest =
            if is_uri(text) { &text[SCHEME.len()..] } else { return Err(wrong(format!("{SCHEME} is missing"))) };
        // What follows # is for whoever shows it.
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = PaymentUri { address: address.to_owned(), ..PaymentUri::default() };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            uri.take(name, value).map_err(wrong)?;
        }
        Ok(uri)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let decoded = percent_decode_str(value).decode_utf8().map_err(|_| format!("{name} is no UTF-8"))?;
        let is_twice = match name {
            "amount" => {
                let amount: Amount = decoded.parse().map_err(|error| format!("amount \"{decoded}\": {error}"))?;
                if amount == Amount::ZERO {
                    return Err("an amount above 0 is expected".to_owned());
                }
                self.amount.replace(amount).is_some()
            }
            "label" | "message" if decoded.is_empty() => false,
            "label" | "message" => {
                labels::check(&decoded).map_err(|_| {
                    let most = labels::LABEL_CHARS_MAX;
                    format!("{name} has more than {most} characters, or control characters")
                })?;
                let field = if name == "label" { &mut self.label } else { &mut self.message };
                field.replace(decoded.into_owned()).is_some()
            }
            _ if name.starts_with("req-") => {
                return Err(format!(
                    "it requires \"{name}\", which this program does not know; ask for a plain address"
                ));
            }
            _ => false,
        };
        if is_twice { Err(format!("{name} stands there twice")) } else { Ok(()) }
    }

    /// What to call the payment: label and message, within the limits of a label.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let parts: Vec<&str> = [&self.label, &self.message].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(": ").chars().take(labels::LABEL_CHARS_MAX).collect())
    }
}

impl std::fmt::Display for PaymentUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{SCHEME}{}", self.address)?;
        let amount = self.amount.map(|amount| amount.to_string());
        let texts = [("amount", &amount), ("label", &self.label), ("message", &self.message)];
        let given = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
        for (place, (name, text)) in given.enumerate() {
            let mark = if place == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={}", utf8_percent_encode(text, ENCODED))?;
        }
        Ok(())
    }
}
