//! Errors as JSON-RPC tells them: stable codes, a sentence for people, and `data.kind` for programs.

use crate::handle::AskError;
use bezant_api::methods::{BUSY, INTERNAL, INVALID_PARAMS, Method, NOT_FOUND, ParamError, REFUSED, UNAUTHORIZED};
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::json;

fn error(code: i32, message: impl Into<String>, kind: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message, Some(json!({ "kind": kind })))
}

/// A parameter is wrong.
pub(super) fn param(fault: &ParamError) -> ErrorObjectOwned {
    let data = json!({ "kind": "invalid-params", "field": fault.field });
    ErrorObjectOwned::owned(INVALID_PARAMS, fault.to_string(), Some(data))
}

/// There is no such thing.
pub(super) fn not_found(what: &str) -> ErrorObjectOwned {
    error(NOT_FOUND, what, "not-found")
}

/// The token is wrong.
pub(super) fn unauthorized() -> ErrorObjectOwned {
    error(
        UNAUTHORIZED,
        "wrong token; dev_* want the one in run.json, admin_* the one in the configuration, others either",
        "unauthorized",
    )
}

/// It takes too long.
pub(super) fn late(what: &str) -> ErrorObjectOwned {
    error(BUSY, what, "busy")
}

/// The node has no answer to a call of `method`.
pub(super) fn ask(method: &Method, fault: &AskError) -> ErrorObjectOwned {
    let code = match fault {
        AskError::Busy | AskError::Backlog | AskError::Stopped => BUSY,
        AskError::Refused(_) | AskError::Solution(_) => REFUSED,
        AskError::PackageRefused(refused) => {
            let data = json!({ "kind": fault.kind(), "txid": refused.txid.map(|txid| txid.to_string()) });
            return ErrorObjectOwned::owned(REFUSED, fault.to_string(), Some(data));
        }
        AskError::Storage(_) => INTERNAL,
        AskError::Invalid(text) => {
            let (field, problem) = text.split_once(": ").unwrap_or(("params", text));
            let field = if method.params.contains(&field) { field } else { "params" };
            let problem = if field == "params" { text } else { problem };
            return param(&ParamError::new(field, problem));
        }
    };
    error(code, fault.to_string(), fault.kind())
}

/// The node failed.
pub(super) fn failed(what: &str) -> ErrorObjectOwned {
    error(INTERNAL, what, "internal")
}
