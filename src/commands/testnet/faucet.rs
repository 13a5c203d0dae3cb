//! `bezant testnet faucet`.

use crate::cli::{Faucet, Global};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_consensus::ledger::amount::Amount;
use bezant_testnet::net::faucet;
use bezant_wallet::session::{Session, SessionOptions};

pub(super) async fn run(options: Faucet, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(&options.net, global)?;
    let amount: Amount = options.amount.parse().map_err(|error| Failure::usage(format!("AMOUNT: {error}")))?;
    let session = SessionOptions { home: net::home(global)?, net: options.net.net.clone(), rpc: None, node: None };
    let session = Session::open(session).await?;
    let to = session.recipient(&options.to)?;
    let paid = faucet::pay(&session, manifest.seed, to.lock, amount, options.timeout).await?;
    output.result(&paid, || {
        let name = to.name.map_or_else(String::new, |name| format!("{name}, "));
        let sent = &paid.sent;
        let height = sent.height.map_or_else(String::new, |height| format!(" at height {height}"));
        let whom = format!("{name}{}", to.address);
        format!("{amount} BZT to {whom}\n{}{height} after {} ms\n{}", sent.status, sent.elapsed_ms, sent.txid)
    })
}
