//! One JSON object a line. Every answer has `id`, `result` and `error`, for there are miners that stumble over a missing one.

use serde_json::{Value, json};

/// Why something was refused: the codes that miners know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// Malformed, unknown or out of range.
    Other,
    /// The job is unknown, or over.
    Stale,
    /// The same was sent before.
    Duplicate,
    /// The hash is above the target.
    Low,
    /// Not authorised.
    Unauthorized,
    /// Not subscribed.
    NotSubscribed,
}

impl Code {
    pub(super) fn number(self) -> u8 {
        match self {
            Code::Other => 20,
            Code::Stale => 21,
            Code::Duplicate => 22,
            Code::Low => 23,
            Code::Unauthorized => 24,
            Code::NotSubscribed => 25,
        }
    }

    /// A stable name, for figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Code::Other => "malformed",
            Code::Stale => "stale",
            Code::Duplicate => "duplicate",
            Code::Low => "low",
            Code::Unauthorized => "unauthorized",
            Code::NotSubscribed => "not-subscribed",
        }
    }
}

/// A refusal with its reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(code: Code, reason: impl Into<String>) -> Refusal {
        Refusal { code, reason: reason.into() }
    }
}

/// What a miner asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// Given back with the answer.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Vec<Value>,
}

/// Reads a line; `None` when it is no request.
pub(super) fn parse(line: &[u8]) -> Option<Request> {
    let Ok(Value::Object(mut object)) = serde_json::from_slice(line) else { return None };
    let Some(Value::String(method)) = object.remove("method") else { return None };
    let params = match object.remove("params") {
        Some(Value::Array(params)) => params,
        None | Some(Value::Null) => Vec::new(),
        Some(_) => return None,
    };
    let id = object.remove("id").filter(|id| id.is_number() || id.is_string()).unwrap_or(Value::Null);
    Some(Request { id, method, params })
}

/// The answer to a request.
pub(super) fn answer(id: &Value, result: &Value) -> String {
    format!("{{\"id\":{id},\"result\":{result},\"error\":null}}\n")
}

/// The refusal of a request.
pub(super) fn refuse(id: &Value, refusal: &Refusal) -> String {
    let error = json!([refusal.code.number(), refusal.reason, null]);
    format!("{{\"id\":{id},\"result\":false,\"error\":{error}}}\n")
}

/// Something that nobody asked for.
pub(super) fn notification(method: &str, params: &Value) -> String {
    format!("{{\"id\":null,\"method\":\"{method}\",\"params\":{params}}}\n")
}

/// The parameter at a place, as text.
pub(super) fn text(params: &[Value], at: usize) -> Option<&str> {
    params.get(at).and_then(Value::as_str)
}

/// Exactly eight hex digits, as the number that they write.
pub(super) fn number(digits: &str) -> Option<u32> {
    let is_hex = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}
