//! Proof of work: the tree of blocks with its branches, who finds them, and how hard that is.

use super::{Scene, Zones, draw_why, stuck_node, why_height, widgets};
use crate::state::{Model, Tone, counted, short, work_of_bits};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Paragraph};
use std::collections::{BTreeMap, BTreeSet};

/// Branches beside the chain that are drawn.
const BRANCHES_MAX: usize = 6;

/// The panel that says why it is stuck takes no more than it needs: the tree needs the room.
const WHY_HEIGHT_LEAST: u16 = 3;

/// A row of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) id: String,
    height: u64,
    /// 0 is the chain.
    branch: usize,
    /// Branches that pass by at this height, by their place.
    passing: Vec<bool>,
    /// Branches that fork off right above this block.
    forks: Vec<usize>,
}

/// The tree, highest first. At a height the chain's block comes first, then the others.
pub(super) fn rows(model: &Model) -> Vec<Row> {
    let pow = &model.pow;
    let chain = pow.main_chain();
    let on_chain: BTreeMap<&String, u64> = chain.iter().map(|(id, header)| (*id, header.height)).collect();
    let lowest = chain.last().map_or(0, |(_, header)| header.height);
    let mut branch_of: BTreeMap<&String, usize> = on_chain.keys().map(|id| (*id, 0)).collect();
    // (height of the block that it stands on, height of its tip), by branch from 1.
    let mut branches: Vec<(u64, u64)> = Vec::new();
    let parents: BTreeSet<&String> = pow.headers.values().map(|header| &header.parent).collect();
    let mut tips: Vec<_> = pow
        .headers
        .iter()
        .filter(|(id, header)| !on_chain.contains_key(id) && header.height >= lowest && !parents.contains(id))
        .collect();
    tips.sort_by_key(|(id, header)| (std::cmp::Reverse(header.height), *id));
    for (tip, header) in tips.into_iter().take(64) {
        let (branch, mut at, mut fork) = (branches.len() + 1, tip, header.height - 1);
        while let Some((id, header)) = pow.headers.get_key_value(at).filter(|(id, _)| !branch_of.contains_key(id)) {
            branch_of.insert(id, branch);
            (fork, at) = (header.height.saturating_sub(1), &header.parent);
        }
        branches.push((fork, header.height));
    }
    let mut placed: Vec<(&String, usize, u64)> =
        branch_of.iter().map(|(id, branch)| (*id, *branch, pow.headers[*id].height)).collect();
    placed.sort_by_key(|(_, branch, height)| (std::cmp::Reverse(*height), *branch));
    let row = |(id, branch, height): (&String, usize, u64)| Row {
        id: id.clone(),
        height,
        branch,
        passing: branches.iter().take(BRANCHES_MAX).map(|(fork, tip)| *fork < height && height <= *tip).collect(),
        forks: (1..=branches.len().min(BRANCHES_MAX))
            .filter(|of| branch == 0 && branches[of - 1].0 == height)
            .collect(),
    };
    placed.into_iter().map(row).collect()
}

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    if !scene.model.is_pow() {
        let text = "There is one chain under PBFT, and it never forks: press 2.";
        frame.render_widget(Paragraph::new(text).block(widgets::panel("proof of work")), area);
        return;
    }
    let bottom_height = (area.height / 3).clamp(7, 16);
    let stuck = stuck_node(scene);
    let why_height = why_height(scene, stuck, area.width, WHY_HEIGHT_LEAST);
    let [tree, why, bottom] =
        Layout::vertical([Constraint::Min(4), Constraint::Length(why_height), Constraint::Length(bottom_height)])
            .areas(area);
    zones.list = Some(draw_tree(frame, scene, tree));
    draw_why(frame, scene, stuck, why);
    let [left, right] = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(bottom);
    draw_miners(frame, scene, left);
    draw_difficulty(frame, scene, right);
}

fn draw_tree(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) -> super::List {
    let (stale, all) = scene.model.pow.stale();
    let percent = if all == 0 { 0.0 } else { stale as f64 * 100.0 / all as f64 };
    let reorgs = counted(scene.model.pow.reorgs.len() as u64, "reorg");
    let title = format!("blocks: {stale} of {all} in vain (stale {percent:.1} %) · {reorgs}");
    let graph = 2 + 2 * BRANCHES_MAX;
    let head = format!(
        "{:>7} {:<graph$}{:<11} {:<10} {:>8} {:<6} state",
        "height", "branch", "block", "found by", "work", "nodes"
    );
    let rows = rows(scene.model);
    widgets::list(frame, scene, area, &title, Some(Line::raw(head)), rows.len(), |at| tree_row(scene, &rows[at]))
}

fn tree_row(scene: Scene<'_>, row: &Row) -> Line<'static> {
    let (model, look) = (scene.model, scene.ui.look);
    let header = &model.pow.headers[&row.id];
    let is_final = row.height <= model.final_height();
    let mut graph = String::new();
    graph.push(if row.branch == 0 { look.mark('●', 'O') } else { look.mark('│', '|') });
    for (place, passes) in row.passing.iter().enumerate() {
        let branch = place + 1;
        let (line, mark) = match (row.branch == branch, row.forks.contains(&branch), passes) {
            (true, _, _) => (' ', look.mark('○', 'o')),
            (_, true, _) => (look.mark('─', '-'), look.mark('╯', '/')),
            (_, _, true) => (' ', look.mark('│', '|')),
            _ if row.forks.last().is_some_and(|last| *last > branch) => (look.mark('─', '-'), look.mark('─', '-')),
            _ => (' ', ' '),
        };
        graph.extend([line, mark]);
    }
    let miner = model.pow.miner(header).and_then(|node| model.nodes.get(node)).map(|node| node.name.clone());
    let miner = miner
        .or_else(|| header.payee.as_deref().map(|payee| short(payee).to_owned()))
        .unwrap_or_else(|| "?".to_owned());
    let (word, tone) = match (&header.refused, row.branch, is_final, header.on.is_empty()) {
        (Some(reason), ..) => (format!("✗ refused: {reason}"), Tone::Bad),
        (None, 0, true, _) => ("✓ final".to_owned(), Tone::Good),
        (None, 0, false, _) => ("… on the chain".to_owned(), Tone::Plain),
        (None, _, _, true) => ("✗ in vain".to_owned(), Tone::Warn),
        (None, _, _, false) => ("! a branch some nodes are on".to_owned(), Tone::Bad),
    };
    let width = 2 + 2 * BRANCHES_MAX;
    let on = format!("{}/{}", header.on.len(), model.nodes.len());
    Line::from(vec![
        Span::raw(format!("{:>7} ", row.height)),
        Span::styled(format!("{graph:<width$}"), look.accent()),
        Span::raw(format!("{:<11} {miner:<10} {:>8} {on:<6} ", short(&row.id), widgets::short_number(header.work))),
        Span::styled(word, widgets::tone(look, tone)),
    ])
}

fn draw_miners(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let (model, look) = (scene.model, scene.ui.look);
    let chain = model.pow.main_chain();
    let total: u64 = model.nodes.iter().map(crate::state::Node::hashes_per_second).sum();
    let known = chain.iter().filter(|(_, header)| model.pow.miner(header).is_some()).count();
    let mut lines = Vec::new();
    for (index, node) in model.nodes.iter().enumerate() {
        let found = chain.iter().filter(|(_, header)| model.pow.miner(header) == Some(index)).count();
        let share = if total == 0 { 0.0 } else { node.hashes_per_second() as f64 / total as f64 };
        let won = if known == 0 { 0.0 } else { found as f64 * 100.0 / known as f64 };
        lines.push(Line::from(vec![
            Span::raw(format!("{:<8}", node.name)),
            Span::styled(widgets::bar(look, share, 10), look.accent()),
            Span::raw(format!(" {:>3.0}% of hashes, {won:>3.0}% of blocks", share * 100.0)),
        ]));
    }
    for row in model.pow.reorgs.iter().rev() {
        let node = model.nodes.get(row.node).map_or("", |node| node.name.as_str());
        let broke = if row.broke_finality { " ✗ finality broken" } else { "" };
        let text = format!("{} {node} left {} above {}{broke}", widgets::since(model, row.at_ms), row.depth, row.fork);
        lines.push(Line::styled(text, if row.broke_finality { look.bad() } else { look.warn() }));
    }
    let title = format!("miners ({} H/s) and reorgs", widgets::short_number(total as f64));
    frame.render_widget(Paragraph::new(lines).block(widgets::panel(&title)), area);
}

fn draw_difficulty(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let (model, look) = (scene.model, scene.ui.look);
    let points: Vec<(f64, f64)> = {
        let chain = model.pow.main_chain();
        let known = chain.iter().rev().filter(|(_, header)| header.bits != 0);
        known.map(|(_, header)| (header.height as f64, work_of_bits(header.bits))).collect()
    };
    let pow = model.nodes.iter().find_map(|node| node.status.as_ref()?.pow.as_ref());
    let next = match pow.map(|pow| (pow.rule.as_str(), pow.retarget_in)) {
        Some((_, Some(1))) => "changes with every block",
        Some((_, Some(_))) => "changes at the end of the window",
        Some((_, None)) => "never changes",
        None => "",
    };
    let window = pow.and_then(|pow| pow.retarget_in).filter(|blocks| *blocks > 1);
    let next = window.map_or_else(|| next.to_owned(), |blocks| format!("changes in {blocks} blocks"));
    let now = pow.map_or(0.0, |pow| work_of_bits(pow.bits));
    let title = format!("difficulty: {} hashes a block, {next}", widgets::short_number(now));
    let block = widgets::panel(&title);
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        frame.render_widget(Paragraph::new("no block yet").block(block), area);
        return;
    };
    let top = points.iter().map(|(_, work)| *work).fold(1.0, f64::max) * 1.1;
    let marker = if look.mark('b', 'p') == 'b' { symbols::Marker::Braille } else { symbols::Marker::Dot };
    let data = Dataset::default().marker(marker).graph_type(GraphType::Line).style(look.accent()).data(&points);
    let bounds = [first.0, last.0.max(first.0 + 1.0)];
    let x = Axis::default().bounds(bounds).labels([format!("{:.0}", bounds[0]), format!("{:.0}", bounds[1])]);
    let y = Axis::default().bounds([0.0, top]).labels(["0".to_owned(), widgets::short_number(top)]);
    frame.render_widget(
        Chart::new(vec![data]).x_axis(x.style(look.dim())).y_axis(y.style(look.dim())).block(block),
        area,
    );
}
