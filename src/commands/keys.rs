//! `bezant keys`: validator key files.

use crate::cli::Keys;
use crate::output::{Failure, Outcome, Output};
use bezant_api::keyfile;
use bezant_consensus::ledger::key::SigningKey;
use bezant_testnet::net::spec;
use serde_json::json;
use std::path::Path;

pub(crate) fn run(command: Keys, output: &Output) -> Outcome {
    let key = match &command {
        Keys::New { file } => new(file)?,
        Keys::Show { file } => show(file)?,
    };
    let public = key.public().to_string();
    output.result(&json!({ "public": public }), || public.clone())
}

fn new(file: &Path) -> Result<SigningKey, Failure> {
    if file.exists() {
        let text = format!("{} exists; a key is never overwritten, choose another name", file.display());
        return Err(Failure::failed("key", text));
    }
    let file = std::path::absolute(file).map_err(|error| Failure::failed("key", error))?;
    let key = SigningKey::from_seed(&spec::random_bytes());
    spec::write_key(&file, &key)?;
    Ok(key)
}

fn show(file: &Path) -> Result<SigningKey, Failure> {
    let name = file.display();
    let fail = |what: String| Failure::failed("key", format!("key file {name}: {what}"));
    let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => fail(format!("there is none; `bezant keys new {name}` makes one")),
        _ => fail(format!("{error}; check that it is a file and belongs to you")),
    })?;
    keyfile::key(&text).ok_or_else(|| {
        fail("64 hex digits are expected; `bezant keys new FILE` makes a key, under another name".to_owned())
    })
}
