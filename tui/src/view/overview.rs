//! Every node, the newest blocks, what waits, and why.

use super::{Scene, WHY_HEIGHT_MIN, WIDE, Zones, draw_why, stuck_node, why_height, widgets};
use crate::state::{Node, Tone};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

/// Columns for a height and its phase.
const DECIDING: usize = 20;

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let nodes = u16::try_from(scene.model.nodes.len()).unwrap_or(u16::MAX);
    let nodes_height = nodes.saturating_add(3).min(area.height / 2);
    let stuck = stuck_node(scene);
    let why_height = why_height(scene, stuck, area.width, WHY_HEIGHT_MIN);
    let [top, why, rest] =
        Layout::vertical([Constraint::Length(nodes_height), Constraint::Length(why_height), Constraint::Min(4)])
            .areas(area);
    zones.list = Some(draw_nodes(frame, scene, top));
    draw_why(frame, scene, stuck, why);
    let log_height = if rest.height > 14 { rest.height / 2 } else { 0 };
    let [middle, log] = Layout::vertical([Constraint::Min(4), Constraint::Length(log_height)]).areas(rest);
    let [left, right] = Layout::horizontal([Constraint::Percentage(62), Constraint::Percentage(38)]).areas(middle);
    draw_blocks(frame, scene, left);
    draw_throughput(frame, scene, right);
    if log_height > 0 {
        draw_log(frame, scene, log);
    }
}

fn draw_nodes(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) -> super::List {
    let is_pow = scene.model.is_pow();
    let head = if is_pow {
        let names = ["height", "final", "tip", "chain", "found", "hashes/s", "pool"];
        let [height, last, tip, chain, found, rate, pool] = names;
        format!(
            " {:<9}{:<8}{height:>6} {last:>6}  {tip:<10} {chain:<12} {found:>5} {rate:>9} {pool:>5}",
            "node", "state"
        )
    } else {
        let [last, view, deciding, prepares, commits, pool] =
            ["final", "view", "deciding", "prepares", "commits", "pool"];
        // Peers are on a screen of their own, too.
        let peers = if area.width < WIDE { "" } else { " peers" };
        format!(
            " {:<9}{:<8}{last:>5} {view:>5}  {deciding:<DECIDING$}{prepares:<11}{commits:<11}{pool:>4}{peers}",
            "node", "state"
        )
    };
    let nodes = &scene.model.nodes;
    let is_wide = area.width >= WIDE;
    let row = |at: usize| if is_pow { pow_row(scene, &nodes[at]) } else { pbft_row(scene, &nodes[at], is_wide) };
    let title = if is_pow { "nodes" } else { "nodes (★ leads · votes: ┊ f+1 │ quorum)" };
    widgets::list(frame, scene, area, title, Some(Line::raw(head)), nodes.len(), row)
}

/// Symbol and word.
pub(super) fn state(scene: Scene<'_>, node: &Node) -> Span<'static> {
    let look = scene.ui.look;
    if node.up {
        Span::styled(format!("{:<8}", "● up"), look.good())
    } else {
        Span::styled(format!("{:<8}", "✗ down"), look.bad())
    }
}

/// What it does in its view. A member that says nothing for want of its vote log leads no view either.
pub(super) fn role(node: &Node) -> &'static str {
    match node.status.as_ref().and_then(|status| status.pbft.as_ref()) {
        Some(pbft) if pbft.me.is_none() || pbft.is_mute => "◌",
        // Who is down leads nobody, nor does who only wants to.
        Some(pbft) if pbft.me == Some(node.consensus.primary) && node.consensus.active && node.up => "★",
        Some(_) | None => " ",
    }
}

/// The view, after the epoch once there was more than one, as `testnet status` shows it.
pub(super) fn view(node: &Node) -> String {
    let epoch = node.status.as_ref().and_then(|status| status.pbft.as_ref()).map_or(0, |pbft| pbft.epoch);
    let wanted = if node.consensus.active || !node.up { "" } else { "?" };
    if epoch == 0 {
        format!("v{}{wanted}", node.consensus.view)
    } else {
        format!("{epoch}/{}{wanted}", node.consensus.view)
    }
}

fn pbft_row(scene: Scene<'_>, node: &Node, is_wide: bool) -> Line<'static> {
    let (quorum, n) = scene.model.quorum().unwrap_or((0, 0));
    let round = node.consensus.current();
    let deciding = match round {
        Some(round) => format!("{} {}", round.height, round.phase.label()),
        None => "– nothing yet".to_owned(),
    };
    let (prepares, commits) = round.map_or((0, 0), |round| (round.prepares(), round.commits()));
    let mut spans = vec![
        Span::raw(format!("{}{:<9}", role(node), node.name)),
        state(scene, node),
        Span::raw(format!("{:>5} {:>5}  {deciding:<DECIDING$}", node.final_height, view(node))),
    ];
    for votes in [prepares, commits] {
        let bar = widgets::quorum_bar(scene.ui.look, votes, quorum, n, 4);
        let width = bar.width();
        spans.extend(bar.spans);
        spans.push(Span::raw(" ".repeat(11_usize.saturating_sub(width))));
    }
    let peers = if is_wide { format!(" {:>5}", node.peers) } else { String::new() };
    spans.push(Span::raw(format!("{:>4}{peers}", node.mempool)));
    Line::from(spans)
}

fn pow_row(scene: Scene<'_>, node: &Node) -> Line<'static> {
    let best = scene.model.height();
    let behind = best - node.height.min(best);
    let sync = if behind == 0 { "= at the tip".to_owned() } else { format!("▽ {behind} behind") };
    let rate = widgets::short_number(node.hashes_per_second() as f64);
    Line::from(vec![
        Span::raw(format!(" {:<9}", node.name)),
        state(scene, node),
        Span::raw(format!(
            "{:>6} {:>6}  {:<10} {sync:<12} {:>5} {:>9} {:>5}",
            node.height,
            node.final_height,
            crate::state::short(&node.tip),
            node.mined,
            format!("{rate}H/s"),
            node.mempool
        )),
    ])
}

fn draw_blocks(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let (model, look) = (scene.model, scene.ui.look);
    let block = widgets::panel("newest blocks");
    let digits = if area.width < 58 { 8 } else { 10 };
    let mut lines = vec![Line::styled(
        format!(
            "{:>7} {:<digits$} {:>5} {:>8}  {:<9} {:<6} {}",
            "height", "block", "txs", "bytes", "state", "nodes", "age"
        ),
        look.dim(),
    )];
    for row in model.blocks.iter().take(usize::from(area.height)) {
        let (word, tone) = match (row.on.is_empty(), row.height <= model.final_height()) {
            (true, _) => ("✗ left", Tone::Bad),
            (false, true) => ("✓ final", Tone::Good),
            (false, false) => ("… open", Tone::Warn),
        };
        let id = row.id.get(..digits).unwrap_or(&row.id);
        let age_s = model.now_ms.saturating_sub(row.seen_ms) / 1_000;
        let on = format!("{}/{}", row.on.len(), model.nodes.len());
        lines.push(Line::from(vec![
            Span::raw(format!("{:>7} {id:<digits$} {:>5} {:>8}  ", row.height, row.transactions, row.bytes)),
            Span::styled(format!("{word:<9} "), widgets::tone(look, tone)),
            Span::raw(format!("{on:<6} {age_s} s")),
        ]));
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_throughput(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let (included, last) = scene.model.transactions.medians_ms();
    let word = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), widgets::span);
    let title = format!("{:.1} transactions a second", scene.model.rate());
    let block = widgets::panel(&title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [chart, text] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(inner);
    let series = scene.model.throughput_series(usize::from(chart.width));
    frame.render_widget(Sparkline::default().data(&series).style(scene.ui.look.accent()), chart);
    let line = format!("in a block {} · final {}", word(included), word(last));
    frame.render_widget(Paragraph::new(Line::styled(line, scene.ui.look.dim())), text);
}

pub(super) fn draw_log(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let height = usize::from(area.height.saturating_sub(2));
    let lines: Vec<Line<'_>> =
        scene.model.lines.iter().rev().take(height).map(|line| super::logs::line(scene, line)).collect();
    let title = if area.width >= WIDE { "newest events of all nodes (all on screen 7)" } else { "newest events" };
    frame.render_widget(Paragraph::new(lines).block(widgets::panel(title)), area);
}
