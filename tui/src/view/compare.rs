//! Two nets on one scale: how long until a payment is safe, and what that costs.

use super::{Scene, widgets};
use crate::state::{History, Model, work_of_bits};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Depths for which the wait is shown.
const DEPTHS: [u64; 5] = [1, 2, 3, 6, 12];

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let halves: [Rect; 2] = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area);
    let models: Vec<&Model> = scene.histories.iter().map(History::model).collect();
    // One scale for both: the longest wait that either shows.
    let waits = models.iter().flat_map(|model| waits(model));
    let longest = waits.filter_map(|(_, ms)| ms).max().unwrap_or(1).max(1);
    for (half, model) in halves.into_iter().zip(models) {
        draw_half(frame, scene, half, model, longest);
    }
}

/// What one waits for, and how long in the median; each since a node first heard of the transaction.
fn waits(model: &Model) -> Vec<(String, Option<u64>)> {
    let (included, last) = model.transactions.medians_ms();
    let mut rows = vec![("in a block".to_owned(), included), ("final".to_owned(), last)];
    if model.is_pow() {
        let deep = |depth: u64| (format!("{depth} deep"), model.time_to_depth_ms(depth).filter(|_| depth > 1));
        rows.extend(DEPTHS.into_iter().skip(1).map(deep));
    }
    rows
}

fn draw_half(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, model: &Model, longest: u64) {
    let look = scene.ui.look;
    let width = usize::from(area.width).saturating_sub(28).max(4);
    let room = usize::from(area.width.saturating_sub(2)).max(1);
    let sentence = |text: &str| widgets::wrapped(text, room).into_iter().map(Line::raw);
    let mut lines = vec![
        Line::from(vec![
            Span::raw(format!("height {} · ", model.height())),
            Span::styled(format!("final {}", model.final_height()), look.good()),
            Span::raw(format!(" · {}/{} up", model.up(), model.nodes.len())),
        ]),
        Line::raw(format!("{:.1} tx/s, {} wait", model.rate(), model.mempool())),
        Line::raw(""),
        Line::styled("How long until it is … (median, one scale)", look.accent()),
    ];
    for (name, ms) in waits(model) {
        let share = ms.map_or(0.0, |ms| ms as f64 / longest as f64);
        let word = ms.map_or_else(|| "–".to_owned(), widgets::span);
        lines.push(Line::from(vec![
            Span::raw(format!("{name:<11} {word:>9} ")),
            Span::styled(widgets::bar(look, share, width), look.accent()),
        ]));
    }
    lines.push(Line::raw(""));
    lines.push(Line::styled("What a block costs", look.accent()));
    let per_block = |total: f64| total / model.heights.max(1) as f64;
    if model.is_pow() {
        let chain = model.pow.main_chain();
        let hashes = chain.first().map_or(0.0, |(_, header)| work_of_bits(header.bits));
        let (stale, all) = model.pow.stale();
        let rate: u64 = model.nodes.iter().map(crate::state::Node::hashes_per_second).sum();
        lines.push(Line::raw(format!(
            "{} hashes a block, {} a second",
            widgets::short_number(hashes),
            widgets::short_number(rate as f64)
        )));
        lines.push(Line::raw(format!("no votes; {stale} of {all} blocks in vain")));
        let depth = model.nodes.iter().find_map(|node| Some(node.status.as_ref()?.pow.as_ref()?.final_depth));
        // A node of an older version does not tell.
        let deep = depth.filter(|depth| *depth > 0).map_or_else(|| "deep".to_owned(), |depth| format!("{depth} deep"));
        lines.extend(sentence(&format!("Final means: {deep}. More work can undo it.")));
    } else {
        lines.push(Line::raw(format!("{:.0} votes a block, all nodes together", per_block(model.votes as f64))));
        lines.push(Line::raw("no hashes; no block in vain"));
        let (quorum, n) = model.quorum().unwrap_or((0, 0));
        lines.extend(sentence(&format!("Final means: {quorum} of {n} signed. Nothing undoes it.")));
    }
    lines.push(Line::raw(""));
    lines.extend(model.blocks.iter().take(8).map(|block| {
        let age = widgets::span(model.now_ms.saturating_sub(block.seen_ms));
        let sign = if block.height <= model.final_height() { "✓ final" } else { "… open" };
        Line::raw(format!("{:>7} {sign:<8} {:>4} tx {age:>8} ago", block.height, block.transactions))
    }));
    let engine = model.engine.map_or_else(String::new, |engine| engine.to_string());
    let here = if std::ptr::eq(model, scene.model) { "▶ " } else { "" };
    frame
        .render_widget(Paragraph::new(lines).block(widgets::panel(&format!("{here}{} · {engine}", model.title))), area);
}
