//! Why is it stuck? One sentence from one node's view: what it waits for, from whom, and for how long yet.
//!
//! Events are ahead of the last answer about a node's status, so what that answer told of another view or height counts no more.

use super::{Kind, Model, Node, Phase, Round, Tone, counted, cut};
use bezant_api::types::PbftView;
use std::collections::{BTreeMap, BTreeSet};

/// A block is late under proof of work after so many spacings: a correct net is that unlucky once in 150 blocks.
const LATE_SPACINGS: u64 = 5;

/// What a node waits for, and how bad that is.
pub(crate) fn why(model: &Model, observer: usize) -> (String, Tone) {
    let Some(node) = model.nodes.get(observer) else { return ("there is no such node".to_owned(), Tone::Plain) };
    if model.up() == 0 {
        return ("No node answers; the dashboard goes on trying.".to_owned(), Tone::Bad);
    }
    if !node.up {
        return (format!("{} does not answer, so nothing is known from there.", node.name), Tone::Bad);
    }
    match node.status.as_ref().map(|status| (&status.pbft, &status.pow)) {
        Some((Some(pbft), _)) => pbft_why(model, node, pbft),
        Some((_, Some(pow))) => {
            if let Some(refused) = &pow.refused {
                let text = format!(
                    "{} refuses a branch with more work that forks off at height {}, too deep to follow by itself. It mines \
                     nothing until a person decides: `bezant chain reconsider`.",
                    node.name, refused.fork
                );
                return (text, Tone::Bad);
            }
            pow_why(model, node, u64::from(pow.spacing_s))
        }
        _ => ("waiting for the first answer.".to_owned(), Tone::Plain),
    }
}

/// The node that waits for the gravest reason; the one looked from when nobody does.
pub(crate) fn most_stuck(model: &Model, observer: usize) -> usize {
    let grave = |tone: Tone| match tone {
        Tone::Bad => 2,
        Tone::Warn => 1,
        Tone::Plain | Tone::Good => 0,
    };
    let graver = |best: usize, node: usize| {
        let (now, other) = (grave(why(model, best).1), grave(why(model, node).1));
        if other > now { node } else { best }
    };
    // A node that is down says nothing about the others.
    (0..model.nodes.len()).filter(|node| model.nodes[*node].up).fold(observer, graver)
}

/// When its timer ends, by this machine's clock; nothing while it does not run. The deadline is told on the net's clock, and is that
/// of the view and the height of which it was told.
fn deadline_ms(node: &Node, pbft: &PbftView) -> Option<u64> {
    let (status, consensus) = (node.status.as_ref()?, &node.consensus);
    let is_of_now = (pbft.view, pbft.is_active, status.height) == (consensus.view, consensus.active, node.height);
    pbft.deadline_ms.filter(|_| is_of_now)?.checked_add_signed(-status.clock_offset_ms)
}

/// The same in words.
fn timer(model: &Model, node: &Node, pbft: &PbftView) -> String {
    let Some(deadline) = deadline_ms(node, pbft) else { return String::new() };
    // A member that is alone is the primary of every view.
    let [then, now] = if pbft.n > 1 {
        ["asks for another primary", "it asks for another primary now"]
    } else {
        ["begins another view", "it begins another view now"]
    };
    match deadline.checked_sub(model.now_ms) {
        Some(left) if left > 0 => format!(" It waits {:.1} s more, then {then}.", left as f64 / 1e3),
        Some(_) | None => format!(" Its patience is over: {now}."),
    }
}

fn pbft_why(model: &Model, node: &Node, pbft: &PbftView) -> (String, Tone) {
    let (consensus, q) = (&node.consensus, pbft.quorum);
    let down = model.nodes.iter().filter(|node| !node.up && node.member().is_some()).count();
    if pbft.n - down.min(pbft.n) < q {
        let text = format!(
            "{down} of {} members do not answer; {q} votes are needed for every step, so nothing can be decided until members \
             come back.",
            pbft.n
        );
        return (text, Tone::Bad);
    }
    if !consensus.active {
        let (text, tone) = view_why(model, node, pbft);
        return (text + &timer(model, node, pbft), tone);
    }
    let mut open = consensus.rounds.values().filter(|round| !round.is_done() && round.height > node.height);
    // Votes of views before count no more, but what was prepared there is owed yet.
    if let Some(round) = open.clone().find(|round| round.view == consensus.view) {
        return (round_why(model, round, pbft) + &timer(model, node, pbft), Tone::Warn);
    }
    let (primary, view) = (model.member(consensus.primary), consensus.view);
    if let Some(Round { height, view: before, .. }) = open.find(|round| round.phase >= Phase::Prepared) {
        let text = format!(
            "Height {height} was prepared in view {before} and is not decided; the primary {primary} of view {view} has to \
             propose a block."
        );
        return (text + &timer(model, node, pbft), Tone::Warn);
    }
    let is_owed = deadline_ms(node, pbft).is_some();
    let text = match (node.mempool, is_owed) {
        (0, false) => {
            let text = "Nothing waits: an idle PBFT net stands still until somebody sends something.";
            return (text.to_owned(), Tone::Good);
        }
        (0, true) => format!("A block is due; the primary {primary} has to propose it."),
        (1, _) => format!("1 transaction waits; the primary {primary} has to propose a block."),
        (count, _) => format!("{count} transactions wait; the primary {primary} has to propose a block."),
    };
    (text + &timer(model, node, pbft), if is_owed { Tone::Warn } else { Tone::Plain })
}

/// What a member waits for that has left its view.
fn view_why(model: &Model, node: &Node, pbft: &PbftView) -> (String, Tone) {
    let (consensus, q) = (&node.consensus, pbft.quorum);
    let view = consensus.view;
    let heard = consensus.wanted.get(&view).into_iter().flat_map(BTreeMap::keys);
    let told = pbft.changes.iter().filter(|_| (pbft.view, pbft.is_active) == (view, false));
    // Whoever left for a view wants it.
    let who: BTreeSet<u16> = heard.chain(told).copied().chain(pbft.me).collect();
    if who.len() >= q {
        let want = if who.len() == 1 { "1 member wants".to_owned() } else { format!("{} members want", who.len()) };
        let primary = model.member(consensus.primary);
        return (format!("{want} view {view}; its primary {primary} has to begin it."), Tone::Warn);
    }
    let others = missing(model, pbft, |member| who.contains(&member));
    let text = format!(
        "{} has left its view for view {view}; {} of {q} members want it. Not yet: {others}.",
        node.name,
        who.len()
    );
    let goes_on = match quorum_in_a_view(model, pbft) {
        Some((other, count)) => format!(" {count} members are in view {other}, a quorum: they can decide without it."),
        None if node.mempool == 0 => " Nothing waits there; the others may have gone on without it.".to_owned(),
        None => String::new(),
    };
    (text + &goes_on, if node.mempool == 0 { Tone::Plain } else { Tone::Warn })
}

/// The view in which so many members are seen to be that they can decide, and how many.
fn quorum_in_a_view(model: &Model, pbft: &PbftView) -> Option<(u64, usize)> {
    let mut views: BTreeMap<u64, usize> = BTreeMap::new();
    for (index, node) in model.nodes.iter().enumerate() {
        let its = node.status.as_ref().and_then(|status| status.pbft.as_ref());
        let has_voice = its.is_some_and(|its| its.epoch == pbft.epoch && its.me.is_some() && !its.is_mute);
        if has_voice && node.up && node.consensus.active && !is_paused(model, index) {
            *views.entry(node.consensus.view).or_default() += 1;
        }
    }
    let most = views.into_iter().max_by_key(|(_, members)| *members);
    most.filter(|(_, members)| *members >= pbft.quorum && cut(model).is_none())
}

fn is_paused(model: &Model, node: usize) -> bool {
    model.timeline.acting_on(node).any(|what| what == "paused")
}

fn round_why(model: &Model, round: &Round, pbft: &PbftView) -> String {
    let (prepares, commits, q) = (round.prepares(), round.commits(), pbft.quorum);
    if prepares < q {
        let others = missing(model, pbft, |member| round.has_prepared(member));
        return format!("Height {} has {prepares} of {q} prepares. Missing: {others}.", round.height);
    }
    if commits < q {
        let others = missing(model, pbft, |member| round.votes.contains_key(&(Kind::Commit, member)));
        return format!("Height {} is prepared and has {commits} of {q} commits. Missing: {others}.", round.height);
    }
    format!("Height {} has all its votes and waits for its block to be connected.", round.height)
}

/// The members that did not, by name, with those that do not answer marked.
fn missing(model: &Model, pbft: &PbftView, did: impl Fn(u16) -> bool) -> String {
    let members = 0..u16::try_from(pbft.n).unwrap_or(u16::MAX);
    let name = |member: u16| {
        let name = model.member(member);
        let index = model.nodes.iter().position(|node| node.member() == Some(member));
        match index {
            Some(index) if !model.nodes[index].up => format!("{name} (down)"),
            Some(index) if is_paused(model, index) => format!("{name} (paused)"),
            Some(_) | None => name,
        }
    };
    let names: Vec<String> = members.filter(|member| !did(*member)).map(name).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn pow_why(model: &Model, node: &Node, spacing_s: u64) -> (String, Tone) {
    let best = model.height();
    if node.height < best {
        let behind = best - node.height;
        let them = if behind == 1 { "it" } else { "them" };
        let behind = counted(behind, "block");
        let text = format!("{} is {behind} behind the best chain and fetches {them}.", node.name);
        return (text, Tone::Warn);
    }
    let total: u64 = model.nodes.iter().map(Node::hashes_per_second).sum();
    if total == 0 {
        return ("Nobody mines, as far as the nodes tell: no block will come.".to_owned(), Tone::Warn);
    }
    let newest = model.blocks.front().map_or(model.now_ms, |block| block.seen_ms);
    let age_s = model.now_ms.saturating_sub(newest) / 1_000;
    if spacing_s > 0 && age_s > LATE_SPACINGS * spacing_s {
        let text = format!(
            "No block for {age_s} s, wanted is one in {spacing_s} s: bad luck, or less hash power than before."
        );
        return (text, Tone::Warn);
    }
    ("Nothing is stuck: blocks come by luck, about as often as wanted.".to_owned(), Tone::Good)
}
