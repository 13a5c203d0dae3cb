//! `wallet sign-message` and `verify-message`.

use super::super::session;
use super::unlock;
use crate::cli::Global;
use crate::cli::wallet::keys::{SignMessage, VerifyMessage};
use crate::output::{Failure, Outcome, Output};
use bezant_wallet::error::WalletError;
use bezant_wallet::keys::message::{MESSAGE_BYTES_MAX, Speaker};
use serde_json::json;
use std::io::Read;
use std::path::Path;

pub(super) async fn sign(arguments: &SignMessage, global: &Global, output: &Output) -> Outcome {
    let session = session(&arguments.target, global).await?;
    let found = session.wallet(&arguments.wallet)?;
    let lock = match &arguments.address {
        Some(text) => bezant_api::address::decode(session.network(), text).map_err(WalletError::from)?,
        None => found.wallet.lock_hashes()[0],
    };
    if !found.wallet.lock_hashes().contains(&lock) {
        let message =
            format!("wallet {} has no such address; see `bezant wallet address --wallet {0}`", arguments.wallet);
        return Err(Failure::usage(message));
    }
    let message = text(arguments.message.as_deref(), arguments.file.as_deref())?;
    let address = session.address(&lock);
    let unlocked = unlock(&found, &arguments.password, global)?;
    let signature = Speaker::of(&address).map_err(WalletError::from)?.sign(&unlocked, &message)?;
    let value = json!({ "wallet": found.wallet.name, "address": address, "signature": signature });
    output.remark(&format!("signed by {address}"));
    output.result(&value, || signature.clone())
}

pub(super) fn verify(arguments: &VerifyMessage, output: &Output) -> Outcome {
    let speaker = Speaker::of(&arguments.address).map_err(WalletError::from)?;
    let (given, signature) = match (&arguments.what[..], &arguments.file) {
        ([signature], Some(_)) => (None, signature),
        ([message, signature], None) => (Some(message.as_str()), signature),
        (_, Some(_)) => return Err(Failure::usage("with --file, only the signature is expected after the address")),
        (_, None) => return Err(Failure::usage("a message and a signature are expected after the address")),
    };
    let message = text(given, arguments.file.as_deref())?;
    let public_key = speaker
        .verify(&message, signature)
        .map_err(|error| Failure::new(3, error.kind(), format!("the signature proves nothing: {error}")))?;
    let value = json!({ "ok": true, "address": arguments.address, "public_key": public_key.to_string() });
    output.result(&value, || format!("the signature is good: the owner of {} signed this message", arguments.address))
}

fn text(given: Option<&str>, file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(file) = file else { return Ok(given.unwrap_or_default().as_bytes().to_vec()) };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map(|opened| opened.take(MESSAGE_BYTES_MAX as u64 + 1));
    let failed = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    opened.and_then(|mut opened| opened.read_to_end(&mut bytes)).map_err(|error| failed(&error))?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(failed(&format!("a message has at most {MESSAGE_BYTES_MAX} bytes; sign its hash instead")));
    }
    Ok(bytes)
}
