//! Why is it stuck? One sentence from one node's view: what it waits for, from whom, and for how long yet.

use super::{Kind, Model, Node, Round, Tone};
use bezant_api::types::PbftView;
use std::collections::BTreeSet;

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

/// When its timer ends, in words. The deadline is on the net's clock.
fn timer(model: &Model, node: &Node, pbft: &PbftView) -> String {
    let offset = node.status.as_ref().map_or(0, |status| status.clock_offset_ms);
    let Some(deadline) = pbft.deadline_ms.and_then(|deadline| deadline.checked_add_signed(-offset)) else {
        return String::new();
    };
    match deadline.checked_sub(model.now_ms) {
        Some(left) if left > 0 => {
            format!(" It waits {:.1} s more, then asks for another primary.", left as f64 / 1e3)
        }
        Some(_) | None => " Its patience is over: it asks for another primary now.".to_owned(),
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
        let wanted = consensus.wanted.get(&consensus.view);
        let who: BTreeSet<u16> = wanted.map(|votes| votes.keys().copied().collect()).unwrap_or_default();
        let primary = model.member(consensus.primary);
        let text = if who.len() >= q {
            format!("{} members want view {}; its primary {primary} has to begin it.", who.len(), consensus.view)
        } else {
            let others = missing(model, pbft, |member| who.contains(&member));
            format!(
                "{} has left its view for view {}; {} of {q} members want it. Not yet: {others}.",
                node.name,
                consensus.view,
                who.len()
            )
        };
        return (text + &timer(model, node, pbft), Tone::Warn);
    }
    let open = consensus.current().filter(|round| !round.is_done() && round.height > node.height);
    let Some(round) = open else {
        if node.mempool == 0 {
            return (
                "Nothing waits: an idle PBFT net stands still until somebody sends something.".to_owned(),
                Tone::Good,
            );
        }
        let primary = model.member(consensus.primary);
        let text = format!("{} transactions wait; the primary {primary} has to propose a block.", node.mempool);
        return (text + &timer(model, node, pbft), if pbft.deadline_ms.is_some() { Tone::Warn } else { Tone::Plain });
    };
    (round_why(model, round, pbft) + &timer(model, node, pbft), Tone::Warn)
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
        let is_paused = |node: usize| model.timeline.acting_on(node).any(|what| what == "paused");
        match index {
            Some(index) if !model.nodes[index].up => format!("{name} (down)"),
            Some(index) if is_paused(index) => format!("{name} (paused)"),
            Some(_) | None => name,
        }
    };
    let names: Vec<String> = members.filter(|member| !did(*member)).map(name).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn pow_why(model: &Model, node: &Node, spacing_s: u64) -> (String, Tone) {
    let best = model.height();
    if node.height < best {
        let text = format!("{} is {} blocks behind the best chain and fetches them.", node.name, best - node.height);
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
