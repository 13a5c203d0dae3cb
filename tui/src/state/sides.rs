//! Is the net in parts? Which running nodes reach which, over the connections that they tell of; and which part goes on, and why.

use super::{Model, Node, Tone};
use std::collections::BTreeSet;

/// A cut is told of when connections have been so for this long: nodes that start meet one after another.
const SETTLED_MS: u64 = 1_000;

/// Nodes that reach each other, and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    nodes: Vec<usize>,
    /// Of those that vote.
    members: usize,
    /// The highest that one of them is at.
    height: u64,
}

/// The parts, the one with the most members first; of equally many the highest. One for a whole net, none while that is not known.
fn sides(model: &Model) -> Vec<Side> {
    let mut left: BTreeSet<usize> = (0..model.nodes.len()).filter(|index| model.nodes[*index].up).collect();
    let is_known = |index: &usize| {
        let node = &model.nodes[*index];
        let since_ms = node.links.as_ref().map(|(_, since_ms)| *since_ms);
        node.status.is_some() && since_ms.is_some_and(|since_ms| model.now_ms >= since_ms + SETTLED_MS)
    };
    if !left.iter().all(is_known) {
        return Vec::new();
    }
    let hears = |from: &Node, to: &Node| {
        let (links, status) = (from.links.as_ref(), to.status.as_ref());
        links.zip(status).is_some_and(|((links, _), status)| links.contains(&status.peer_id))
    };
    let are_linked = |one: usize, other: usize| {
        let (one, other) = (&model.nodes[one], &model.nodes[other]);
        // One that is paused tells of connections that the other has given up.
        hears(one, other) && hears(other, one)
    };
    let mut sides = Vec::new();
    while let Some(first) = left.pop_first() {
        let mut nodes = vec![first];
        let mut next = 0;
        while let Some(from) = nodes.get(next).copied() {
            let reached: Vec<usize> = left.iter().copied().filter(|to| are_linked(from, *to)).collect();
            left.retain(|node| !reached.contains(node));
            nodes.extend(reached);
            next += 1;
        }
        nodes.sort_unstable();
        let members = nodes.iter().filter(|node| model.nodes[**node].member().is_some()).count();
        let height = nodes.iter().map(|node| model.nodes[*node].height).max().unwrap_or(0);
        sides.push(Side { nodes, members, height });
    }
    sides.sort_by_key(|side| std::cmp::Reverse((side.members, side.height)));
    sides
}

/// When the net is in parts: which they are, which of them goes on, and why.
pub(crate) fn cut(model: &Model) -> Option<(String, Tone)> {
    let sides = sides(model);
    if sides.len() < 2 {
        return None;
    }
    let names = |side: &Side| {
        let names: Vec<&str> = side.nodes.iter().map(|node| model.nodes[*node].name.as_str()).collect();
        names.join(" ")
    };
    if model.is_pow() {
        let parts: Vec<String> = sides.iter().map(|side| format!("{} (height {})", names(side), side.height)).collect();
        let text = format!(
            "The net is cut: {}. Each side mines on; once it is healed the chain with the most work stays, and the blocks of \
             the others are undone.",
            parts.join(" | ")
        );
        return Some((text, Tone::Warn));
    }
    let (quorum, n) = model.quorum()?;
    let (first, others) = sides.split_first().expect("there are several");
    let others = others.iter().map(names).collect::<Vec<_>>().join(" | ");
    if first.members < quorum {
        let text = format!(
            "The net is cut: {} | {others}. No side has {quorum} of the {n} members, a quorum, so nothing becomes final until \
             it is healed.",
            names(first)
        );
        return Some((text, Tone::Bad));
    }
    let text = format!(
        "The net is cut: {} can go on, {} of {n} members, since {quorum} are a quorum; not {others}, until it is healed.",
        names(first),
        first.members
    );
    Some((text, Tone::Warn))
}
