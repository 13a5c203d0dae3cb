//! Whether a change of the members leaves enough of them that vote: to decide it, and to go on with the new ones.

use super::Supervisor;
use crate::net::client;
use crate::net::error::{NetError, net_flag};
use crate::text;
use bezant_api::control::ValidatorAction;
use bezant_api::types::PbftView;
use bezant_consensus::ledger::genesis::ValidatorSet;
use std::collections::BTreeMap;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A view that is just being changed has so long to begin before its members count as not voting.
const VIEW_TIMEOUT: Duration = Duration::from_secs(5);

/// How a member stands to voting now, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stand {
    Votes,
    /// Up, but mute, or its view or epoch has not begun yet.
    NotYet,
    Paused,
    Down,
}

/// A member of the present set: the node that has its key, and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seat {
    node: usize,
    stand: Stand,
}

impl Supervisor {
    /// Refuses a change that the validators that vote now cannot decide, or after which too few would vote.
    pub(super) async fn check_voters(
        &self,
        action: ValidatorAction,
        node: usize,
        set: &ValidatorSet,
        after: &ValidatorSet,
    ) -> Result<(), NetError> {
        let end = tokio::time::Instant::now() + VIEW_TIMEOUT;
        loop {
            let seats = self.seats(set).await?;
            let joins = self.slots[node].is_listening();
            let Some(lack) = lack(action, node, &seats, set, after, joins) else { return Ok(()) };
            let may_begin = seats.iter().any(|seat| seat.stand == Stand::NotYet);
            if !may_begin || tokio::time::Instant::now() >= end {
                let next = next_step(node, action, &seats, joins, &self.spec.net);
                return Err(NetError::Refused(format!("{lack}; {next}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn seats(&self, set: &ValidatorSet) -> Result<Vec<Seat>, NetError> {
        let keys = (0..self.slots.len()).map(|node| self.key_of(node)).collect::<Result<Vec<_>, _>>()?;
        let places = keys.iter().enumerate().filter_map(|(node, key)| {
            let place = key.as_ref().and_then(|key| set.index_of(&key.public()))?;
            Some((node, place))
        });
        let asked = places.map(async |(node, place)| (place, Seat { node, stand: self.stand(node, place, set).await }));
        let mut seats: BTreeMap<u16, Seat> = BTreeMap::new();
        for (place, seat) in futures::future::join_all(asked).await {
            // Of twins with one key it is enough that one votes.
            let best = seats.entry(place).or_insert(seat);
            if seat.stand < best.stand {
                *best = seat;
            }
        }
        Ok(seats.into_values().collect())
    }

    async fn stand(&self, node: usize, place: u16, set: &ValidatorSet) -> Stand {
        let slot = &self.slots[node];
        if !slot.is_running() {
            return Stand::Down;
        }
        if slot.paused {
            return Stand::Paused;
        }
        let votes = |it: &PbftView| it.me == Some(place) && it.epoch == set.epoch.0 && it.is_active && !it.is_mute;
        let status = client::node_status(&self.node_entry(node)).await.and_then(|status| status.pbft);
        if status.as_ref().is_some_and(votes) { Stand::Votes } else { Stand::NotYet }
    }
}

/// What is missing, in a clause; `None` when nothing is.
fn lack(
    action: ValidatorAction,
    node: usize,
    seats: &[Seat],
    set: &ValidatorSet,
    after: &ValidatorSet,
    joins: bool,
) -> Option<String> {
    let vote = seats.iter().filter(|seat| seat.stand == Stand::Votes).count();
    let others = seats.iter().filter(|seat| seat.stand == Stand::Votes && seat.node != node).count();
    let of = |votes: usize, n: usize, verb: &str, needed: usize| {
        format!(
            "{votes} of {} {verb} where {needed} {} needed",
            text::count(n, "validator"),
            if needed == 1 { "is" } else { "are" }
        )
    };
    let (n, quorum) = (set.n(), set.quorum());
    if action == ValidatorAction::Rekey {
        let short = || format!("while node{node} changes its key it does not vote, and without it ");
        return (others < quorum).then(|| short() + &of(others, n, "vote", quorum));
    }
    if vote < quorum {
        return Some(of(vote, n, "vote", quorum));
    }
    let (votes, word) = match action {
        ValidatorAction::Add => (vote + usize::from(joins), "with"),
        ValidatorAction::Remove | ValidatorAction::Rekey => (others, "without"),
    };
    let needed = after.quorum();
    (votes < needed).then(|| format!("{word} node{node} {}", of(votes, after.n(), "would vote", needed)))
}

/// What to do first.
fn next_step(node: usize, action: ValidatorAction, seats: &[Seat], joins: bool, net: &str) -> String {
    let net = net_flag(net);
    let wanted = |stand: Stand| seats.iter().find(|seat| seat.stand == stand && seat.node != node);
    if action == ValidatorAction::Add && !joins {
        return format!("start node{node} first: `bezant testnet start {node}{net}`");
    }
    if let Some(Seat { node, .. }) = wanted(Stand::Down) {
        return format!("start node{node} first: `bezant testnet start {node}{net}`");
    }
    if let Some(Seat { node, .. }) = wanted(Stand::Paused) {
        return format!("resume node{node} first: `bezant testnet resume {node}{net}`");
    }
    if seats.iter().all(|seat| seat.stand == Stand::Votes) {
        return format!("so few cannot spare one; add a validator first: `bezant testnet validator add NODE{net}`");
    }
    format!("wait until all vote, as `bezant testnet status{net}` shows them")
}
