//! `bezant wallet receipt` and `verify-receipt`.

use super::bzt;
use crate::cli::Global;
use crate::cli::wallet::{MakeReceipt, VerifyReceipt};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_consensus::receipt::{Demands, Receipt, ReceiptError};
use bezant_wallet::files;
use bezant_wallet::receipt::{self, CertifiedView, IssueError, ReceiptView, WorkedView};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Failure {
        match error {
            IssueError::Client(error) => error.into(),
            unproved @ IssueError::Unproved(_) => Failure::new(1, "bad-proof", unproved),
            long @ IssueError::TooLong(_) => Failure::new(1, "receipt-too-long", long),
        }
    }
}

fn refusal(error: &ReceiptError) -> Failure {
    let next = match error {
        ReceiptError::OtherNet { .. } => "; name that net with --net NAME, or give its genesis with --genesis FILE",
        ReceiptError::TooLittleWork { .. } | ReceiptError::Untrusted(_) => {
            "; ask for a new one, or ask a node of yours with `bezant chain proof`"
        }
        _ => "",
    };
    Failure::new(3, error.kind(), format!("{error}{next}"))
}

fn exists(file: &Path) -> Failure {
    Failure::new(2, "file-exists", format!("{} is there already; --force overwrites it", file.display()))
}

pub(super) async fn make(options: &MakeReceipt, global: &Global, output: &Output) -> Outcome {
    if let Some(file) = options.out.as_ref().filter(|file| !options.force && file.exists()) {
        return Err(exists(file));
    }
    let client = net::client(&options.target, global)?;
    let genesis = net::genesis(options.genesis.as_deref(), &options.target, global, output, &client).await?;
    let issued = receipt::issue(&client, &Arc::new(genesis), &options.txid).await?;
    let Some(file) = &options.out else {
        output.remark(&text(&issued.view));
        return output.result(&json!({ "receipt": issued.text, "proves": issued.view }), || issued.text.clone());
    };
    files::give(file, issued.text.as_bytes(), options.force)?;
    let bytes = issued.text.len();
    output.result(&json!({ "file": file, "bytes": bytes, "proves": issued.view }), || {
        format!("{}\nwritten to  {}, {bytes} bytes", text(&issued.view), file.display())
    })
}

pub(super) fn verify(options: &VerifyReceipt, global: &Global, output: &Output) -> Outcome {
    let genesis = Arc::new(net::own_genesis(options.genesis.as_deref(), &options.net, global)?);
    let demands_work =
        options.min_work.is_some() || options.confirmations.is_some() || options.trusted_header.is_some();
    if demands_work && genesis.pow().is_none() {
        return Err(Failure::usage(
            "--min-work, --confirmations and --trusted-header are for proof of work; under PBFT the signatures decide",
        ));
    }
    let demands = Demands {
        work_min: options.min_work.unwrap_or_default(),
        confirmations_min: options.confirmations.unwrap_or(0),
        trusted: options.trusted_header,
    };
    let file = receipt::read(&options.file).map_err(|error| {
        Failure::new(2, "file", format!("the receipt {} cannot be read: {error}", options.file.display()))
    })?;
    let view = receipt::check(&file, &genesis, &demands).map_err(|error| refusal(&error))?;
    if options.genesis.is_none() {
        let known = net::set_backs(&options.net, global)?;
        let stands = Receipt::from_text(&file).and_then(|it| it.check_set_backs(&known));
        stands.map_err(|error| refusal(&error))?;
    }
    output.result(&view, || format!("the receipt holds\n{}", text(&view)))
}

/// What a receipt proves, in words.
fn text(view: &ReceiptView) -> String {
    let paid = |paid: &receipt::PaidView| format!("paid        {} BZT to {}", bzt(&paid.amount), paid.address);
    let mut lines: Vec<String> = view.outputs.iter().map(paid).collect();
    let fee = view.fee.as_ref().map_or_else(String::new, |fee| format!(", and a fee of {}", bzt(fee)));
    lines.push(match view.kind {
        "coinbase" => format!("in all      {} BZT, to the maker of the block", bzt(&view.paid)),
        "epoch-change" => "paid        nothing: it changes the members".to_owned(),
        _ => format!("in all      {} BZT{fee}", bzt(&view.paid)),
    });
    lines.push(format!("transaction {}", view.txid));
    lines.push(format!("block       {} at height {}", view.block, view.height));
    lines.extend(view.pbft.iter().flat_map(certified));
    lines.extend(view.pow.iter().flat_map(|pow| worked(pow, view)));
    lines.join("\n")
}

fn certified(view: &CertifiedView) -> Vec<String> {
    let CertifiedView { epoch, members, .. } = view;
    let signers: Vec<String> = view.signers.iter().map(u16::to_string).collect();
    let (signers, f) = (signers.join(", "), members.saturating_sub(1) / 3);
    let mut lines = vec![format!("final       signed by members {signers} of {members}, epoch {epoch}")];
    if view.successions > 0 {
        let times = if view.successions == 1 { "time" } else { "times" };
        lines.push(format!("members     changed {} {times} since the genesis, each time proved", view.successions));
    }
    let before = if view.successions > 0 { ", or of an epoch before more than its own third" } else { "" };
    lines.push(format!("unless      more than {f} of them lied{before}"));
    if view.incarnation > 0 {
        lines
            .push(format!("beware      the net was set back; this was signed in its incarnation {}", view.incarnation));
    }
    lines
}

fn worked(pow: &WorkedView, view: &ReceiptView) -> Vec<String> {
    let depth = if view.is_final { "final" } else { "not final" };
    let mut lines = vec![
        format!("depth       {} confirmations ({depth}: {} are needed)", pow.confirmations, pow.final_depth),
        format!("tip         {} at height {}, when the receipt was made", pow.tip, pow.tip_height),
        format!("work        0x{} in all, 0x{} on top of the block", pow.work, pow.work_on_top),
    ];
    lines.extend(pow.trusted_height.map(|height| {
        if height >= view.height {
            format!("trusted     block at height {height}: the payment is as sure as that one")
        } else {
            format!("trusted     block at height {height}, below the payment: only the work above it speaks for that")
        }
    }));
    lines.push("unless      there is a heavier chain: no receipt can exclude that".to_owned());
    lines
}
