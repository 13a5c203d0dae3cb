//! Mining for a node by its RPC.

use super::report::Report;
use super::{Backoff, ended, start};
use crate::cli::Miner;
use crate::output::{Failure, Outcome, Output};
use bezant_api::address;
use bezant_api::client::{Client, ClientError};
use bezant_api::types::{SolutionParams, TemplateParams, TemplateView};
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::target::Target;
use bezant_miner::{EXTRANONCE_BYTES_MAX, Job, Share};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long one question for a newer template waits at the node.
const TEMPLATE_WAIT_MS: u64 = 8_000;
/// Between two questions that had the same answer, at least.
const PAUSE: Duration = Duration::from_millis(500);
/// Templates that are remembered, so that what was found just before a new one still goes out.
const TEMPLATES_HELD: usize = 4;

/// A template, or why there is none and when it is asked for again.
type Answer = Result<TemplateView, (ClientError, Duration)>;

pub(super) async fn run(url: &str, to: &str, options: &Miner, output: &Output) -> Outcome {
    let client = Client::of_one(url).map_err(|error| Failure::usage(format!("--rpc: {error}")))?;
    let stop = ended(output);
    tokio::pin!(stop);
    let network = tokio::select! {
        () = &mut stop => return Ok(()),
        genesis = client.genesis() => genesis?.network_id,
    };
    let network: NetworkId = network.parse().map_err(|_| Failure::failed("node", "the node names no network id"))?;
    address::decode(&network, to).map_err(|error| Failure::usage(format!("--to: {error}")))?;
    let client = Arc::new(client);
    let (sender, mut templates) = mpsc::channel(1);
    let asking = tokio::spawn(ask(client.clone(), to.to_owned(), sender));
    let (miner, mut shares) = start(options);
    let mut work = Work { client, templates: VecDeque::new(), report: Report::new(output) };
    let mut status = tokio::time::interval(work.report.every());
    status.tick().await;
    let outcome = loop {
        let step = tokio::select! {
            () = &mut stop => break Ok(()),
            Some(answer) = templates.recv() => work.template(url, answer).map(|job| miner.set_task(job)),
            Some(share) = shares.recv() => work.submit(&share).await,
            _ = status.tick() => work.report.status(&miner),
        };
        if step.is_err() {
            break step;
        }
    };
    asking.abort();
    outcome?;
    work.report.end(&miner)
}

/// Asks for one template after another, and for none in between while the node cannot be reached.
async fn ask(client: Arc<Client>, to: String, templates: mpsc::Sender<Answer>) {
    let mut backoff = Backoff::new();
    let mut known = None;
    loop {
        let params = TemplateParams { to: to.clone(), known, wait_ms: TEMPLATE_WAIT_MS };
        let asked = Instant::now();
        let (answer, pause) = match client.mining_template(&params).await {
            // A node that does not wait as it is asked to is not asked all the time.
            Ok(same) if Some(same.ticket) == known => (None, PAUSE.saturating_sub(asked.elapsed())),
            Ok(template) => {
                known = Some(template.ticket);
                backoff = Backoff::new();
                (Some(Ok(template)), Duration::ZERO)
            }
            Err(error) => {
                // The node may come back with other tickets.
                known = None;
                let wait = backoff.next();
                (Some(Err((error, wait))), wait)
            }
        };
        if let Some(answer) = answer
            && templates.send(answer).await.is_err()
        {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

struct Work<'a> {
    client: Arc<Client>,
    /// What is searched is the last.
    templates: VecDeque<TemplateView>,
    report: Report<'a>,
}

impl Work<'_> {
    /// What is to be searched now.
    fn template(&mut self, url: &str, answer: Answer) -> Result<Option<Job>, Failure> {
        match answer {
            Ok(template) => {
                if self.templates.is_empty() {
                    self.report.connected(url)?;
                }
                let job = job(&template)
                    .ok_or_else(|| Failure::failed("node", "the node's template is none that this program knows"))?;
                self.templates.push_back(template);
                if self.templates.len() > TEMPLATES_HELD {
                    self.templates.pop_front();
                }
                Ok(Some(job))
            }
            // What is so at the first question will be so at the next.
            Err((error, _)) if self.templates.is_empty() => Err(error.into()),
            Err((error, again)) => {
                self.report.lost(&error.to_string(), again)?;
                Ok(None)
            }
        }
    }

    async fn submit(&mut self, share: &Share) -> Outcome {
        let Some(template) = self.templates.iter().rev().find(|it| it.ticket == share.job) else { return Ok(()) };
        let Ok(mut coinbase) = hex::decode(&template.coinbase) else { return Ok(()) };
        let end = template.extranonce_at + share.extranonce.len();
        coinbase[template.extranonce_at..end].copy_from_slice(&share.extranonce);
        let params = SolutionParams {
            ticket: share.job,
            coinbase: hex::encode(coinbase),
            version: share.header.version,
            time: share.header.time,
            nonce: share.header.nonce,
        };
        match self.client.mining_submit(&params).await {
            Ok(found) => self.report.accepted(Some(&found.block)),
            Err(error) => self.report.refused(None, &error.to_string()),
        }
    }
}

/// A template as work; `None` when it makes no sense.
fn job(template: &TemplateView) -> Option<Job> {
    let coinbase = hex::decode(&template.coinbase).ok()?;
    let counted = template.extranonce_bytes.min(EXTRANONCE_BYTES_MAX);
    let (first, rest) = coinbase.split_at_checked(template.extranonce_at)?;
    let (_, last) = rest.split_at_checked(counted)?;
    let step = |step: &String| <[u8; 32]>::try_from(hex::decode(step).ok()?).ok();
    Some(Job {
        id: template.ticket,
        version: template.version,
        rolls_version: true,
        parent: template.parent.parse().ok()?,
        coinbase_first: first.to_vec(),
        coinbase_last: last.to_vec(),
        extranonce_bytes: counted,
        // Somewhere: another miner may search for the same address.
        extranonce_start: RandomState::new().hash_one(template.ticket),
        branch: template.branch.iter().map(step).collect::<Option<_>>()?,
        time: template.time,
        bits: template.bits,
        target: Target::from_compact(template.bits)?,
    })
}
