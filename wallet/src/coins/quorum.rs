//! Reading by quorum (`--read quorum`): several nodes are asked, each by itself, and what enough of them say alike is believed.
//!
//! - **PBFT**: f + 1 members, so that at least one of them is correct as long as no more than f lie. A correct one tells what was
//!   final at its tip.
//! - **Proof of work**: more than half of the nodes that are known. That proves nothing, since nodes cost nothing; it finds a node that
//!   lies, or is cut off, among one's own.
//!
//! Nodes agree when they name the same coins in blocks; their tips may differ by blocks that do not touch the wallet, and the least
//! height counts. Nodes that disagree may be a block apart, so they are asked again for a while. What the mempool does is one node's
//! word, as ever.
//!
//! `attested` is not there: no node can prove yet that a coin is unspent. A proof of inclusion shows that a coin was made, and a
//! checkpoint's commitment covers a 256th of all coins at once, which would have to be read whole for each coin.

use crate::error::WalletError;
use crate::session::{Found, Session};
use bezant_api::client::{Client, ClientError};
use bezant_api::types::CoinsView;
use std::time::Duration;
use tokio::task::JoinSet;

#[cfg(test)]
mod tests;

/// How often nodes that disagree are asked again ...
const ROUNDS_MAX: usize = 20;
/// ... and how long after.
const PAUSE: Duration = Duration::from_millis(250);
/// Nodes that are asked, at most.
pub const VOICES_MAX: usize = 64;

/// What enough nodes say alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    /// The coins; height and final height are the least that one of the nodes names.
    pub view: CoinsView,
    /// How many said so.
    pub voices: usize,
}

/// The wallet's coins as enough nodes see them.
///
/// # Errors
/// [`WalletError::Usage`] when fewer nodes are known than have to agree; [`WalletError::Unreachable`] when fewer answer;
/// [`WalletError::Failed`] when too few agree.
pub async fn coins(session: &Session, found: &Found) -> Result<Agreed, WalletError> {
    let urls: Vec<String> = session.voices()?.iter().take(VOICES_MAX).cloned().collect();
    let needed = match session.genesis().pow() {
        Some(_) => urls.len() / 2 + 1,
        None => urls.len().max(session.genesis().members.len()).saturating_sub(1) / 3 + 1,
    };
    // One node alone is what any other read asks.
    let needed = needed.max(2);
    if urls.len() < needed {
        return Err(WalletError::Usage(format!(
            "--read quorum wants {needed} nodes of the net to agree, and {} is known here; leave --rpc and --node out, or read by latest or final",
            urls.len()
        )));
    }
    let locks: Vec<String> = found.wallet.lock_hashes().iter().map(ToString::to_string).collect();
    agree(&urls, needed, &locks).await
}

async fn agree(urls: &[String], needed: usize, locks: &[String]) -> Result<Agreed, WalletError> {
    let (mut answered, mut most) = (0, 0);
    for round in 0..ROUNDS_MAX {
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let views = ask_all(urls, locks).await;
        answered = views.len();
        if answered < needed {
            break;
        }
        let best = views.iter().map(|view| (views.iter().filter(|other| other.coins == view.coins).count(), view));
        let Some((voices, view)) = best.max_by_key(|(voices, _)| *voices) else { break };
        most = voices;
        if voices >= needed {
            let alike = || views.iter().filter(|other| other.coins == view.coins);
            let mut view = view.clone();
            view.height = alike().map(|other| other.height).min().unwrap_or(view.height);
            view.final_height = alike().map(|other| other.final_height).min().unwrap_or(view.final_height);
            return Ok(Agreed { view, voices });
        }
    }
    let count = urls.len();
    if answered < needed {
        let message =
            format!("{answered} of {count} nodes answer, and {needed} have to agree; see `bezant testnet status`");
        return Err(WalletError::Unreachable { message, txid: None });
    }
    Err(WalletError::Failed(format!(
        "no {needed} of {count} nodes name the same coins (at most {most} do): one lies, or is behind; see `bezant doctor`"
    )))
}

/// What those say that answer.
async fn ask_all(urls: &[String], locks: &[String]) -> Vec<CoinsView> {
    let mut asked: JoinSet<Result<CoinsView, ClientError>> = JoinSet::new();
    for url in urls {
        let (client, locks) = (Client::of_one(url), locks.to_vec());
        asked.spawn(async move { client?.coins(&locks).await });
    }
    asked.join_all().await.into_iter().filter_map(Result::ok).collect()
}
