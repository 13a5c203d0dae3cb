//! The table of RPC methods: names, parameters, results and who may call them. The server registers what stands here, the
//! OpenRPC document is made of it, and parameters are checked against it.
//!
//! Parameters may be named (an object) or positional (an array, in the table's order); parameters that have a default may be
//! left out. Unknown names are refused, so that a misspelt one is not silently ignored.
//!
//! | code | `data.kind` | meaning |
//! |---|---|---|
//! | −32601 | – | no such method; `dev_*` and `admin_*` exist only where they are allowed |
//! | −32602 | `invalid-params`, with `data.field` | a parameter is missing, unknown, malformed or out of range |
//! | −32603 | `internal`, `storage` | the node failed |
//! | −32001 | of the rule, like `tx-missing-coin`, `mempool-fee-too-low` or `solution-stale` | a transaction or a solution was refused |
//! | −32002 | `busy`, `stopping` | try again in a moment, or another node |
//! | −32003 | `not-found` | what was asked for is not there |
//! | −32004 | `unauthorized` | a wrong token |

use crate::event::Event;
use crate::fault::{DevLinksParams, DevNoteParams};
use crate::types::{
    BlockParams, BlockView, CoinsParams, CoinsView, CommitmentView, DevByzantineParams, DevHashrateParams,
    DevMineParams, DevTimeParams, EpochsParams, EpochsView, EventsParams, EvidenceView, FeeParams, FeeView,
    GenesisView, HeaderView, HeadersParams, HeadersView, HistoryParams, HistoryView, InstructParams, MempoolView,
    NodeStatus, PackageParams, PackageResult, PeerView, ProofView, SolutionParams, SolutionView, SubmitManyParams,
    SubmitManyResult, SubmitParams, SubmitResult, TemplateParams, TemplateView, TestView, TipView, TokenParams,
    TransactionView, TxParams, TxStatus,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

#[cfg(test)]
mod tests;

/// Code of a refused transaction, or of a solution that is none.
pub const REFUSED: i32 = -32_001;
/// Code of a node that has too much to do, or is stopping.
pub const BUSY: i32 = -32_002;
/// Code of something that is not there.
pub const NOT_FOUND: i32 = -32_003;
/// Code of a wrong token.
pub const UNAUTHORIZED: i32 = -32_004;
/// Code of a wrong parameter.
pub const INVALID_PARAMS: i32 = -32_602;
/// Code of a failure of the node.
pub const INTERNAL: i32 = -32_603;

/// Of methods without parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoParams {}

/// Of methods that answer nothing but that it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {}

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone who reaches the server.
    Open,
    /// Dev nets only, with the token of `run.json`.
    Dev,
    /// With the token of the node's configuration.
    Admin,
    /// With the token of the node's configuration, or on dev nets that of `run.json`.
    Owner,
}

/// An RPC method.
#[derive(Clone, Copy)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Names of its parameters, in the order of an array.
    pub params: &'static [&'static str],
    params_schema: fn(&mut SchemaGenerator) -> Schema,
    result_schema: fn(&mut SchemaGenerator) -> Schema,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Method").field("name", &self.name).field("access", &self.access).finish_non_exhaustive()
    }
}

macro_rules! methods {
    ($($access:ident $name:ident($params:ty: $($param:ident),*) -> $result:ty, $summary:literal;)*) => {
        /// All methods, by namespace.
        pub const METHODS: &[Method] = &[$(Method {
            name: stringify!($name),
            summary: $summary,
            access: Access::$access,
            params: &[$(stringify!($param)),*],
            params_schema: <$params as JsonSchema>::json_schema,
            result_schema: |generator| generator.subschema_for::<$result>(),
        }),*];
    };
}

methods! {
    Open node_status(NoParams:) -> NodeStatus, "The node at a glance.";
    Open chain_tip(NoParams:) -> TipView, "The tip of the active chain.";
    Open chain_block(BlockParams: block) -> BlockView, "A block by height or id.";
    Open chain_header(BlockParams: block) -> HeaderView, "A block's header by height or id.";
    Open chain_headers(HeadersParams: from, count) -> HeadersView, "Headers of the active chain, one height after another.";
    Open chain_tx(TxParams: txid) -> TransactionView, "A transaction of the active chain or the mempool.";
    Open chain_proof(TxParams: txid) -> ProofView,
        "Proof, checkable with the genesis alone, that a transaction is final (PBFT) or in a block (proof of work).";
    Open chain_epochs(EpochsParams: from) -> EpochsView, "The present members, and proof of how epochs began (PBFT).";
    Open chain_evidence(NoParams:) -> Vec<EvidenceView>, "Proofs that members lied (PBFT).";
    Open chain_commitment(NoParams:) -> CommitmentView, "The commitment to the coin set at the tip.";
    Open chain_genesis(NoParams:) -> GenesisView, "The genesis file of the net.";
    Owner chain_invalidate(InstructParams: token, block) -> TipView,
        "Rules a block and all above it out, for this node alone (proof of work).";
    Owner chain_reconsider(InstructParams: token, block) -> TipView,
        "Takes back what rules a block out, or lets a branch be followed that forks off too deep (proof of work).";
    Open tx_submit(SubmitParams: transaction) -> SubmitResult, "Hands in a signed transaction.";
    Open tx_check(SubmitParams: transaction) -> SubmitResult, "What handing in a transaction would say.";
    Open tx_submit_package(PackageParams: transactions) -> PackageResult,
        "Hands in a signed transaction with those it spends from, all or none.";
    Open tx_submit_many(SubmitManyParams: transactions) -> SubmitManyResult,
        "Hands in signed transactions, each judged for itself.";
    Open tx_test(PackageParams: transactions) -> TestView,
        "What handing in a transaction or a package would do, refusals included.";
    Open tx_status(TxParams: txid) -> TxStatus, "Where a transaction is.";
    Open coins_list(CoinsParams: locks, limit, after) -> CoinsView, "Unspent coins of some locks.";
    Open history_list(HistoryParams: locks, from_height, limit, from_position) -> HistoryView, "What blocks did to some locks.";
    Open mempool_list(NoParams:) -> MempoolView, "Transactions that wait for a block.";
    Open fee_estimate(FeeParams: blocks) -> FeeView, "The fee rate to pay to be in one of the next blocks.";
    Open mining_template(TemplateParams: to, known, wait_ms) -> TemplateView,
        "A block that lacks its nonce and pays whom the caller says (proof of work).";
    Open mining_submit(SolutionParams: ticket, coinbase, version, time, nonce) -> SolutionView,
        "Hands in what was found on a template (proof of work).";
    Open peers_list(NoParams:) -> Vec<PeerView>, "Connected peers.";
    Open events_subscribe(EventsParams: from, kinds) -> String,
        "Subscribes to events, of all kinds or of some, over WebSocket: notifications events_event carry an Event each.";
    Open rpc_discover(NoParams:) -> Map<String, Value>, "This document.";
    Dev dev_links(DevLinksParams: token, faults) -> Done, "Sets the faults of this node's links: exactly these.";
    Dev dev_note(DevNoteParams: token, state, kind, what) -> Done,
        "Puts what was done to the node from outside into its event stream.";
    Dev dev_byzantine(DevByzantineParams: token, mode, target) -> Done, "Makes this member lie; off ends it.";
    Dev dev_mine(DevMineParams: token, count, to, transactions, advance_clock) -> TipView, "Makes blocks now, empty if need be.";
    Dev dev_hashrate(DevHashrateParams: token, hashes_per_second) -> Done, "Limits the node's own miner.";
    Dev dev_time(DevTimeParams: token, advance_ms) -> Done, "Moves the node's clock forward.";
    Admin admin_stop(TokenParams: token) -> Done, "Stops the node in order.";
}

/// What the parameters of each method look like: made once, looked at in every call.
static SCHEMAS: LazyLock<BTreeMap<&'static str, Schema>> = LazyLock::new(|| {
    let schema = |method: &Method| (method.params_schema)(&mut settings().into_generator());
    METHODS.iter().map(|method| (method.name, schema(method))).collect()
});

/// The method of that name.
#[must_use]
pub fn method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// A parameter that a method cannot be called with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ParamError {
    /// The parameter; `params` when it is all of them.
    pub field: String,
    /// What is wrong with it and what is expected.
    pub problem: String,
}

impl ParamError {
    /// An error about one parameter.
    #[must_use]
    pub fn new(field: &str, problem: impl Into<String>) -> ParamError {
        ParamError { field: field.to_owned(), problem: problem.into() }
    }
}

impl Method {
    /// The parameters by name, given as an object, an array, or not at all.
    ///
    /// # Errors
    /// The first parameter that is missing, unknown or of the wrong type.
    pub fn named(&self, given: Option<Value>) -> Result<Map<String, Value>, ParamError> {
        let named = match given {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(named)) => named,
            Some(Value::Array(list)) => self.name_all(list)?,
            Some(_) => return Err(ParamError::new("params", "an object or an array is expected")),
        };
        if let Some(unknown) = named.keys().find(|name| !self.params.contains(&name.as_str())) {
            return Err(ParamError::new(unknown, format!("unknown; expected are {}", self.params.join(", "))));
        }
        let schema = &SCHEMAS[self.name];
        for param in self.params {
            match named.get(*param) {
                Some(value) => check_type(param, value, property(schema, param))?,
                None if is_required(schema, param) => return Err(ParamError::new(param, "missing")),
                None => {}
            }
        }
        Ok(named)
    }

    fn name_all(&self, list: Vec<Value>) -> Result<Map<String, Value>, ParamError> {
        if list.len() > self.params.len() {
            let problem = format!("{} are given, at most {} are expected", list.len(), self.params.len());
            return Err(ParamError::new("params", problem));
        }
        Ok(self.params.iter().map(|name| (*name).to_owned()).zip(list).collect())
    }

    /// The method as OpenRPC describes it.
    fn describe(&self, generator: &mut SchemaGenerator) -> Value {
        let schema = (self.params_schema)(generator);
        let param = |name: &&str| {
            json!({
                "name": name,
                "required": is_required(&schema, name),
                "schema": property(&schema, name).cloned().unwrap_or(Value::Bool(true)),
            })
        };
        let params: Vec<Value> = self.params.iter().map(param).collect();
        let result = (self.result_schema)(generator);
        json!({
            "name": self.name,
            "summary": self.summary,
            "paramStructure": "either",
            "params": params,
            "result": { "name": "result", "schema": result },
        })
    }
}

fn property<'a>(schema: &'a Schema, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}

fn is_required(schema: &Schema, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|each| each == name))
}

/// Checks what a schema says of a value's type; what it does not say is left to decoding.
fn check_type(field: &str, value: &Value, schema: Option<&Value>) -> Result<(), ParamError> {
    let Some(schema) = schema else { return Ok(()) };
    let allowed: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let fits = |kind: &&str| match *kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        "integer" => is_integer(value, schema.get("format").and_then(Value::as_str)),
        _ => value.is_number(),
    };
    if !allowed.iter().any(fits) {
        return Err(ParamError::new(field, format!("{} is expected", allowed.join(" or "))));
    }
    let mut items = value.as_array().into_iter().flatten();
    items.try_for_each(|item| check_type(field, item, schema.get("items")))
}

fn is_integer(value: &Value, format: Option<&str>) -> bool {
    match format {
        Some("uint32") => value.as_u64().is_some_and(|number| u32::try_from(number).is_ok()),
        Some("uint16") => value.as_u64().is_some_and(|number| u16::try_from(number).is_ok()),
        Some("uint" | "uint64") => value.is_u64(),
        _ => value.is_i64() || value.is_u64(),
    }
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft07().with(|settings| settings.definitions_path = "/components/schemas".into())
}

/// The OpenRPC document of a server that has the methods for which `offered` says so.
#[must_use]
pub fn open_rpc(offered: impl Fn(&Method) -> bool) -> Value {
    let mut generator = settings().into_generator();
    let methods: Vec<Value> =
        METHODS.iter().filter(|method| offered(method)).map(|method| method.describe(&mut generator)).collect();
    // What notifications carry; no result names it.
    let _ = generator.subschema_for::<Event>();
    json!({
        "openrpc": "1.3.2",
        "info": { "title": "Bezant node", "version": env!("CARGO_PKG_VERSION") },
        "methods": methods,
        "components": { "schemas": generator.take_definitions(true) },
    })
}
