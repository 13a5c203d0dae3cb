//! The methods, one line each: decode the parameters, ask the node, encode the answer.

use super::limits::DEV_MINE_TIMEOUT;
use super::{mining, refuse, stream};
use crate::handle::{AskError, MineOrder, NodeHandle};
use crate::links::{LinkCounts, LinkRule};
use crate::runtime::lies::Lie;
use crate::runtime::links::Wanted;
use bezant_api::address;
use bezant_api::fault::{DevLinksParams, DevNoteParams, LinkFaultParams};
use bezant_api::methods::{Access, Done, METHODS, Method, NoParams, ParamError, open_rpc};
use bezant_api::types::{
    BlockParams, BlockRef, BlockView, CoinsParams, DevByzantineParams, DevHashrateParams, DevMineParams, DevTimeParams,
    EpochsParams, FeeParams, HeaderView, HeadersParams, HistoryParams, InstructParams, PackageParams, SUBMIT_MANY_MAX,
    SolutionParams, SubmitManyParams, SubmitParams, TemplateParams, TokenParams, TxParams,
};
use bezant_consensus::engine::Instruction;
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{BlockId, LockHash, sha256};
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::limits::{HEADER_BYTES, TRANSACTION_BYTES_MAX};
use bezant_node_core::lies::{MiningModeError, Mode, ModeError, Target};
use bezant_node_core::limits::PACKAGE_COUNT_MAX;
use jsonrpsee::server::{RegisterMethodError, RpcModule};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use libp2p::PeerId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// What every call may use.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) handle: NodeHandle,
    pub(super) dev_token: Option<String>,
    pub(super) admin_token: Option<String>,
}

impl Shared {
    /// Whether a method exists on this server.
    pub(super) fn offers(&self, method: &Method) -> bool {
        match method.access {
            Access::Open => true,
            Access::Dev => self.dev_token.is_some() && self.handle.genesis().dev,
            Access::Admin => self.admin_token.is_some(),
            Access::Owner => self.admin_token.is_some() || self.dev_token.is_some(),
        }
    }
}

pub(super) type Outcome<T> = Result<T, ErrorObjectOwned>;

/// The parameters of a call, checked against the table.
pub(super) fn params<P: DeserializeOwned>(method: &Method, given: &Params<'_>) -> Outcome<P> {
    let wrong = |field: &str, problem: String| refuse::param(&ParamError::new(field, problem));
    let given: Option<Value> =
        given.as_str().map(serde_json::from_str).transpose().map_err(|error| wrong("params", error.to_string()))?;
    let named = method.named(given).map_err(|fault| refuse::param(&fault))?;
    serde_json::from_value(Value::Object(named)).map_err(|error| {
        // The table knows the types; what is left can only be wrong inside one parameter.
        let field = if let [only] = method.params { only } else { "params" };
        wrong(field, error.to_string())
    })
}

/// Puts a method of the table into the module.
fn register<P, R, F, Fut>(
    module: &mut RpcModule<Shared>,
    method: &'static Method,
    call: F,
) -> Result<(), RegisterMethodError>
where
    P: DeserializeOwned + Send + 'static,
    R: Serialize + Clone + Send + 'static,
    F: Fn(Arc<Shared>, &'static Method, P) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Outcome<R>> + Send,
{
    module.register_async_method(method.name, move |given, shared, _| {
        let call = call.clone();
        async move { call(shared, method, params(method, &given)?).await }
    })?;
    Ok(())
}

/// All methods that this server offers.
pub(super) fn module(shared: Shared) -> Result<RpcModule<Shared>, RegisterMethodError> {
    let offered: Vec<&'static Method> = METHODS.iter().filter(|method| shared.offers(method)).collect();
    let mut module = RpcModule::new(shared);
    for method in offered {
        add(&mut module, method)?;
    }
    Ok(module)
}

/// # Panics
/// For a method of the table that is not served here; a test calls them all.
fn add(module: &mut RpcModule<Shared>, method: &'static Method) -> Result<(), RegisterMethodError> {
    match method.name {
        "node_status" => register(module, method, |s, m, _: NoParams| async move { s.handle.status().await.told(m) }),
        "chain_tip" => register(module, method, |s, m, _: NoParams| async move { s.handle.tip().await.told(m) }),
        "chain_block" => register(module, method, |s, m, p: BlockParams| async move { block(&s, m, p).await }),
        "chain_header" => {
            register(module, method, |s, m, p: BlockParams| async move { Ok(header(block(&s, m, p).await?)) })
        }
        "chain_headers" => register(module, method, |s, m, p: HeadersParams| async move {
            let found = s.handle.headers(Height(p.from), p.count).await.told(m)?;
            found.ok_or_else(|| refuse::not_found(&format!("this node does not have the header of height {}", p.from)))
        }),
        "chain_tx" => register(module, method, |s, m, p: TxParams| async move {
            let found = s.handle.transaction(hash("txid", &p.txid)?).await.told(m)?;
            found.ok_or_else(|| refuse::not_found(&format!("no transaction {} in the chain or the mempool", p.txid)))
        }),
        "chain_proof" => register(module, method, |s, m, p: TxParams| async move {
            let found = s.handle.proof(hash("txid", &p.txid)?).await.told(m)?;
            found.ok_or_else(|| refuse::not_found(&unproved(&s.handle, &p.txid)))
        }),
        "chain_epochs" => {
            register(module, method, |s, m, p: EpochsParams| async move { s.handle.epochs(p.from).await.told(m) })
        }
        "chain_evidence" => {
            register(module, method, |s, m, _: NoParams| async move { s.handle.evidence().await.told(m) })
        }
        "chain_commitment" => {
            register(module, method, |s, m, _: NoParams| async move { s.handle.commitment().await.told(m) })
        }
        "chain_genesis" => register(module, method, |s, _, _: NoParams| async move { Ok(s.handle.genesis_view()) }),
        "tx_submit" => register(module, method, |s, m, p: SubmitParams| async move {
            s.handle.submit(transaction(&p.transaction)?).await.told(m)
        }),
        "tx_check" => register(module, method, |s, m, p: SubmitParams| async move {
            s.handle.check(transaction(&p.transaction)?).await.told(m)
        }),
        "tx_submit_package" => register(module, method, |s, m, p: PackageParams| async move {
            s.handle.submit_package(package(&p.transactions)?).await.told(m)
        }),
        "tx_submit_many" => register(module, method, |s, m, p: SubmitManyParams| async move {
            s.handle.submit_many(transactions(&p.transactions, SUBMIT_MANY_MAX)?).await.told(m)
        }),
        "tx_test" => register(module, method, |s, m, p: PackageParams| async move {
            s.handle.test(package(&p.transactions)?).await.told(m)
        }),
        "fee_estimate" => {
            register(module, method, |s, m, p: FeeParams| async move { s.handle.fee_estimate(p.blocks).await.told(m) })
        }
        "tx_status" => register(module, method, |s, m, p: TxParams| async move {
            s.handle.tx_status(hash("txid", &p.txid)?).await.told(m)
        }),
        "coins_list" => register(module, method, |s, m, p: CoinsParams| async move {
            let after = p.after.as_deref().map(outpoint).transpose()?;
            s.handle.coins(locks(&p.locks)?, p.limit, after).await.told(m)
        }),
        "history_list" => register(module, method, |s, m, p: HistoryParams| async move {
            s.handle.history(locks(&p.locks)?, (Height(p.from_height), p.from_position), p.limit).await.told(m)
        }),
        "mempool_list" => register(module, method, |s, m, _: NoParams| async move { s.handle.mempool().await.told(m) }),
        "mining_template" => {
            register(module, method, |s, m, p: TemplateParams| async move { mining::template(&s.handle, m, p).await })
        }
        "mining_submit" => {
            register(module, method, |s, m, p: SolutionParams| async move { mining::submit(&s.handle, m, p).await })
        }
        "peers_list" => register(module, method, |s, m, _: NoParams| async move { s.handle.peers().await.told(m) }),
        "events_subscribe" => stream::register(module, method),
        "rpc_discover" => {
            register(module, method, |s, _, _: NoParams| async move { Ok(open_rpc(|method| s.offers(method))) })
        }
        _ => add_guarded(module, method),
    }
}

/// Methods that want a token.
fn add_guarded(module: &mut RpcModule<Shared>, method: &'static Method) -> Result<(), RegisterMethodError> {
    match method.name {
        "dev_links" => register(module, method, |s, m, p: DevLinksParams| async move {
            check_token(&s.dev_token, &p.token)?;
            let faults = p.faults.iter().map(link_fault).collect::<Outcome<Vec<Wanted>>>()?;
            s.handle.dev_links(faults).await.told(m)?;
            Ok(Done {})
        }),
        "dev_note" => register(module, method, |s, m, p: DevNoteParams| async move {
            check_token(&s.dev_token, &p.token)?;
            s.handle.dev_note(p.state, p.kind, p.what).await.told(m)?;
            Ok(Done {})
        }),
        "dev_byzantine" => register(module, method, |s, m, p: DevByzantineParams| async move {
            check_token(&s.dev_token, &p.token)?;
            s.handle.dev_byzantine(lie(&s, &p)?).await.told(m)?;
            Ok(Done {})
        }),
        "dev_mine" => register(module, method, |s, m, p: DevMineParams| async move {
            check_token(&s.dev_token, &p.token)?;
            match tokio::time::timeout(DEV_MINE_TIMEOUT, s.handle.dev_mine(mine_order(&s, &p)?)).await {
                Ok(mined) => mined.told(m),
                Err(_) => Err(refuse::late("the blocks did not come in time; see node_status for why")),
            }
        }),
        "dev_hashrate" => register(module, method, |s, m, p: DevHashrateParams| async move {
            check_token(&s.dev_token, &p.token)?;
            s.handle.dev_hashrate(p.hashes_per_second).await.told(m)?;
            Ok(Done {})
        }),
        "dev_time" => register(module, method, |s, m, p: DevTimeParams| async move {
            check_token(&s.dev_token, &p.token)?;
            s.handle.dev_time(p.advance_ms).await.told(m)?;
            Ok(Done {})
        }),
        "chain_invalidate" => register(module, method, |s, m, p: InstructParams| async move {
            let block = owned_block(&s, &p)?;
            s.handle.instruct(Instruction::Invalidate(block)).await.told(m)
        }),
        "chain_reconsider" => register(module, method, |s, m, p: InstructParams| async move {
            let block = owned_block(&s, &p)?;
            s.handle.instruct(Instruction::Reconsider(block)).await.told(m)
        }),
        "admin_stop" => register(module, method, |s, _, p: TokenParams| async move {
            check_token(&s.admin_token, &p.token)?;
            tracing::info!("stop asked for over RPC");
            // The program stops in order at this signal, whoever sends it.
            let sent = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM);
            sent.map_err(|error| refuse::failed(&format!("the signal to stop was not sent: {error}")))?;
            Ok(Done {})
        }),
        other => unreachable!("{other} is in the table of methods and is not served"),
    }
}

/// The node's answer as a call's.
pub(super) trait Told<T> {
    fn told(self, method: &Method) -> Outcome<T>;
}

impl<T> Told<T> for Result<T, AskError> {
    fn told(self, method: &Method) -> Outcome<T> {
        self.map_err(|error| refuse::ask(method, &error))
    }
}

async fn block(shared: &Shared, method: &Method, params: BlockParams) -> Outcome<BlockView> {
    let name = match &params.block {
        BlockRef::Height(height) => format!("no block at height {height}"),
        BlockRef::Id(id) => format!("no block {id}"),
    };
    shared.handle.block(params.block).await.told(method)?.ok_or_else(|| refuse::not_found(&name))
}

fn header(block: BlockView) -> HeaderView {
    let hex = block.hex[..2 * HEADER_BYTES].to_owned();
    HeaderView {
        id: block.id,
        height: block.height,
        parent: block.parent,
        merkle_root: block.merkle_root,
        time: block.time,
        version: block.version,
        bits: block.bits,
        nonce: block.nonce,
        is_final: block.is_final,
        hex,
        certificate: block.certificate,
    }
}

pub(super) fn wrong(field: &str, problem: impl Into<String>) -> ErrorObjectOwned {
    refuse::param(&ParamError::new(field, problem))
}

fn hash<T: FromStr>(field: &str, text: &str) -> Outcome<T> {
    text.parse().map_err(|_| wrong(field, "64 hex digits are expected"))
}

fn locks(texts: &[String]) -> Outcome<BTreeSet<LockHash>> {
    texts.iter().map(|text| hash("locks", text)).collect()
}

fn outpoint(text: &str) -> Outcome<OutPoint> {
    let parts = text
        .split_once(':')
        .and_then(|(txid, index)| Some(OutPoint { txid: txid.parse().ok()?, index: index.parse().ok()? }));
    parts.ok_or_else(|| wrong("after", "an outpoint like <64 hex digits>:0 is expected"))
}

fn peer_id(text: &str) -> Outcome<PeerId> {
    text.parse().map_err(|_| wrong("faults", format!("\"{text}\" is no libp2p identity")))
}

fn link_fault(fault: &LinkFaultParams) -> Outcome<Wanted> {
    let from = fault.from.iter().map(|end| Ok((peer_id(&end.peer_id)?, end.seed)));
    let rule = LinkRule {
        id: fault.id,
        from: from.collect::<Outcome<_>>()?,
        to: fault.to.iter().map(|text| peer_id(text)).collect::<Outcome<_>>()?,
        effects: fault.effects,
        counts: LinkCounts::default(),
    };
    Ok((rule, fault.for_ms.map(Duration::from_millis)))
}

/// How to lie; `off` is not at all.
fn lie(shared: &Shared, params: &DevByzantineParams) -> Outcome<Option<Lie>> {
    if params.mode == "off" {
        return Ok(None);
    }
    if shared.handle.genesis().pow().is_some() {
        let mode = params.mode.parse().map_err(|error: MiningModeError| wrong("mode", error.to_string()))?;
        return match params.target {
            None => Ok(Some(Lie::Mining(mode))),
            Some(_) => Err(wrong("target", format!("{mode} takes none"))),
        };
    }
    let mode: Mode = params.mode.parse().map_err(|error: ModeError| wrong("mode", error.to_string()))?;
    let target = params.target.as_deref().map(|text| {
        if let Ok(txid) = text.parse() {
            return Ok(Target::Transaction(txid));
        }
        let lock = address::decode(&shared.handle.genesis().network_id(), text);
        lock.map(Target::Lock)
            .map_err(|error| wrong("target", format!("it is no transaction's id; and as an address: {error}")))
    });
    Ok(Some(Lie::Voting { mode, target: target.transpose()? }))
}

fn mine_order(shared: &Shared, params: &DevMineParams) -> Outcome<MineOrder> {
    let network = shared.handle.genesis().network_id();
    let payee = params.to.as_deref().map(|text| address::decode(&network, text));
    let payee = payee.transpose().map_err(|error| wrong("to", error.to_string()))?;
    let each = |texts: &Vec<String>| texts.iter().map(|text| transaction_of("transactions", text)).collect();
    let exactly = params.transactions.as_ref().map(each).transpose()?;
    Ok(MineOrder { count: params.count, payee, exactly, advance_clock: params.advance_clock })
}

fn package(texts: &[String]) -> Outcome<Vec<Transaction>> {
    transactions(texts, PACKAGE_COUNT_MAX)
}

fn transactions(texts: &[String], count_max: usize) -> Outcome<Vec<Transaction>> {
    if texts.is_empty() || texts.len() > count_max {
        let problem = format!("{} transactions, 1 to {count_max} are expected", texts.len());
        return Err(wrong("transactions", problem));
    }
    texts.iter().map(|text| transaction_of("transactions", text)).collect()
}

fn transaction(text: &str) -> Outcome<Transaction> {
    transaction_of("transaction", text)
}

fn transaction_of(field: &str, text: &str) -> Outcome<Transaction> {
    if text.len() > 2 * TRANSACTION_BYTES_MAX {
        let problem = format!("{} bytes, at most {TRANSACTION_BYTES_MAX} are allowed", text.len() / 2);
        return Err(wrong(field, problem));
    }
    let bytes = hex::decode(text).map_err(|error| wrong(field, format!("no hex: {error}")))?;
    decode(&bytes).map_err(|error| wrong(field, error.to_string()))
}

/// The block that somebody who may names.
fn owned_block(shared: &Shared, params: &InstructParams) -> Outcome<BlockId> {
    check_token(&shared.admin_token, &params.token).or_else(|_| check_token(&shared.dev_token, &params.token))?;
    let wrong = |_| refuse::param(&ParamError::new("block", "64 hex digits are expected"));
    params.block.parse().map_err(wrong)
}

/// Compares digests, so that the time taken says nothing about the token.
fn check_token(expected: &Option<String>, given: &str) -> Outcome<()> {
    let digest = |text: &str| sha256(text.as_bytes());
    let expected = expected.as_deref().ok_or_else(refuse::unauthorized)?;
    let difference = digest(expected).iter().zip(digest(given)).fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
    if difference == 0 { Ok(()) } else { Err(refuse::unauthorized()) }
}

fn unproved(handle: &NodeHandle, txid: &str) -> String {
    let what = if handle.genesis().pow().is_some() { "is in a block of the chain" } else { "is final" };
    format!("no proof that transaction {txid} {what}")
}
