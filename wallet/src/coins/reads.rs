//! Reading from several nodes at once, each asked by itself: what one node alone might make up, or not know yet.
//!
//! | level | PBFT | what it promises |
//! |---|---|---|
//! | `latest`, `final` | one node | what that node says |
//! | `attested` | f + 1 members name the same coins | one of them is correct: it was so once. It may be old |
//! | `quorum` | as below | linearizable: all that was final anywhere when the read began is in it |
//!
//! **Quorum.** Whatever is final was committed by a quorum q, and each correct member remembers the highest height for which it sent
//! a COMMIT. Any q members share a correct one with that quorum, so the q-th lowest of what all members tell of themselves is not below
//! any height that was final anywhere when they were asked. Liars who name great heights only push others up in
//! that order: the q correct ones alone keep it down. What f + 1 members that are final up to there say alike is the answer. A height
//! that was given up by a new view is remembered by f correct members at most, and so is not waited for. Should the members of an
//! epoch give way to others meanwhile, all are asked again.
//!
//! **Proof of work** has no members and no such promise. Both levels ask more than half of the nodes that are known here to agree. That
//! proves nothing, since nodes cost nothing; it finds a node that lies, or is cut off, among one's own.
//!
//! Nodes agree when they name the same coins in blocks; their tips may differ by blocks that do not touch the wallet, and the least
//! height counts. Nodes that disagree may be a block apart, so they are asked again for a while. What the mempool does is one node's
//! word, as ever.

use crate::error::WalletError;
use crate::session::{Found, Session};
use bezant_api::client::{Client, ClientError};
use bezant_api::types::{CoinsView, NodeStatus};
use std::collections::BTreeSet;
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

/// The wallet's coins as enough nodes name them alike: true once, perhaps old.
///
/// # Errors
/// [`WalletError::Usage`] when fewer nodes are known than have to agree; [`WalletError::Unreachable`] when fewer answer;
/// [`WalletError::Failed`] when too few agree.
pub async fn attested(session: &Session, found: &Found) -> Result<Agreed, WalletError> {
    Voices::of(session, "attested")?.attested(&locks(found)).await
}

/// The wallet's coins with everything in them that was final anywhere when this was asked.
///
/// # Errors
/// As [`attested`]; [`WalletError::Unreachable`] too when fewer than a quorum of the members answer.
pub async fn quorum(session: &Session, found: &Found) -> Result<Agreed, WalletError> {
    let voices = Voices::of(session, "quorum")?;
    match voices.quorum {
        Some(quorum) => voices.linearizable(quorum, &locks(found)).await,
        None => voices.attested(&locks(found)).await,
    }
}

fn locks(found: &Found) -> Vec<String> {
    found.wallet.lock_hashes().iter().map(ToString::to_string).collect()
}

/// The nodes that are asked.
#[derive(Clone, Debug)]
struct Voices {
    urls: Vec<String>,
    /// How many have to say the same.
    needed: usize,
    /// PBFT: members that share a correct one with any quorum.
    quorum: Option<usize>,
}

impl Voices {
    fn of(session: &Session, level: &str) -> Result<Voices, WalletError> {
        let urls: Vec<String> = session.voices()?.iter().take(VOICES_MAX).cloned().collect();
        let voices = match session.genesis().pow() {
            Some(_) => Voices::of_any(urls),
            None => {
                let n = urls.len().max(session.genesis().members.len());
                Voices::of_members(urls, n)
            }
        };
        if voices.urls.len() < voices.needed {
            return Err(WalletError::Usage(format!(
                "--read {level} wants {} nodes of the net to agree, and {} is known here; leave --rpc and --node out, or read by latest or final",
                voices.needed,
                voices.urls.len()
            )));
        }
        Ok(voices)
    }

    /// Of a net with `n` members.
    fn of_members(urls: Vec<String>, n: usize) -> Voices {
        let f = n.saturating_sub(1) / 3;
        // One node alone is what any other read asks.
        Voices { urls, needed: (f + 1).max(2), quorum: Some((n + f + 1).div_ceil(2)) }
    }

    fn of_any(urls: Vec<String>) -> Voices {
        let needed = (urls.len() / 2 + 1).max(2);
        Voices { urls, needed, quorum: None }
    }

    async fn attested(&self, locks: &[String]) -> Result<Agreed, WalletError> {
        let mut seen = Seen::default();
        for round in 0..ROUNDS_MAX {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let views = self.coins(locks).await;
            seen.answered = views.iter().flatten().count();
            if seen.answered < self.needed {
                break;
            }
            if let Some(agreed) = self.agree(views.into_iter().flatten(), &mut seen) {
                return Ok(agreed);
            }
        }
        Err(self.failure(seen, self.needed))
    }

    async fn linearizable(&self, quorum: usize, locks: &[String]) -> Result<Agreed, WalletError> {
        let mut seen = Seen::default();
        for round in 0..ROUNDS_MAX {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let members = self.members().await;
            seen.answered = members.iter().flatten().count();
            if seen.answered < quorum {
                break;
            }
            let Some((epoch, bar)) = bar(members.iter().flatten(), quorum) else { continue };
            let views = self.coins(locks).await;
            let after = self.members().await;
            // Whose epoch is the same afterwards had no other in between.
            let counts = |view: &CoinsView, member: &Option<Member>| {
                view.final_height >= bar && member.is_some_and(|member| member.epoch == epoch)
            };
            let pairs = views.into_iter().zip(&after);
            let views = pairs.filter_map(|(view, member)| view.filter(|view| counts(view, member)));
            if let Some(agreed) = self.agree(views, &mut seen) {
                return Ok(agreed);
            }
        }
        Err(self.failure(seen, quorum))
    }

    fn agree(&self, views: impl Iterator<Item = CoinsView>, seen: &mut Seen) -> Option<Agreed> {
        let views: Vec<CoinsView> = views.collect();
        let count = |view: &CoinsView| views.iter().filter(|other| other.coins == view.coins).count();
        let (voices, best) = views.iter().map(|view| (count(view), view)).max_by_key(|(voices, _)| *voices)?;
        seen.alike = voices;
        if voices < self.needed {
            return None;
        }
        let alike = || views.iter().filter(|other| other.coins == best.coins);
        let mut view = best.clone();
        view.height = alike().map(|other| other.height).min().unwrap_or(view.height);
        view.final_height = alike().map(|other| other.final_height).min().unwrap_or(view.final_height);
        Some(Agreed { view, voices })
    }

    fn failure(&self, Seen { answered, alike }: Seen, wanted: usize) -> WalletError {
        let count = self.urls.len();
        if answered < wanted {
            let message =
                format!("{answered} of {count} nodes answer, and {wanted} have to; see `bezant testnet status`");
            return WalletError::Unreachable { message, txid: None };
        }
        WalletError::Failed(format!(
            "no {} of {count} nodes name the same coins (at most {alike} do): one lies, or is behind; see `bezant doctor`",
            self.needed
        ))
    }

    /// What each node says, in their order.
    async fn coins(&self, locks: &[String]) -> Vec<Option<CoinsView>> {
        let locks = locks.to_vec();
        self.ask(move |client| {
            let locks = locks.clone();
            async move { client.coins(&locks).await }
        })
        .await
    }

    /// What each node tells of itself as a member, in their order.
    async fn members(&self) -> Vec<Option<Member>> {
        let all = self.ask(|client| async move { client.status().await }).await;
        all.into_iter().map(|status| status.as_ref().and_then(Member::of)).collect()
    }

    async fn ask<T: Send + 'static, F>(&self, question: impl Fn(Client) -> F) -> Vec<Option<T>>
    where
        F: Future<Output = Result<T, ClientError>> + Send + 'static,
    {
        let mut asked: JoinSet<(usize, Option<T>)> = JoinSet::new();
        for (index, url) in self.urls.iter().enumerate() {
            if let Ok(client) = Client::of_one(url) {
                let answer = question(client);
                asked.spawn(async move { (index, answer.await.ok()) });
            }
        }
        let mut answers: Vec<Option<T>> = self.urls.iter().map(|_| None).collect();
        for (index, answer) in asked.join_all().await {
            answers[index] = answer;
        }
        answers
    }
}

/// How near the nodes came to an answer.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    answered: usize,
    alike: usize,
}

/// What a member tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    epoch: u64,
    commit_height: u64,
}

impl Member {
    fn of(status: &NodeStatus) -> Option<Member> {
        let pbft = status.pbft.as_ref()?;
        Some(Member { epoch: pbft.epoch, commit_height: pbft.commit_height? })
    }
}

/// The latest epoch in which a quorum says it is, and a height above which nothing was final when they were asked.
fn bar<'a>(members: impl Iterator<Item = &'a Member> + Clone, quorum: usize) -> Option<(u64, u64)> {
    let epochs: BTreeSet<u64> = members.clone().map(|member| member.epoch).collect();
    epochs.into_iter().rev().find_map(|epoch| {
        let of_epoch = members.clone().filter(|member| member.epoch == epoch);
        let mut heights: Vec<u64> = of_epoch.map(|member| member.commit_height).collect();
        heights.sort_unstable();
        Some((epoch, *heights.get(quorum - 1)?))
    })
}
