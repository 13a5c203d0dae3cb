//! The smaller panels: throughput, mempool, log.

use super::palette;
use crate::state::Model;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Sparkline};

pub(super) fn throughput(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let block = Block::bordered().title(format!(" {:.1} transactions a second ", model.rate()));
    let width = usize::from(area.width.saturating_sub(2));
    let series = model.throughput_series(width);
    frame.render_widget(Sparkline::default().data(&series).style(palette::accent()).block(block), area);
}

pub(super) fn mempool(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let lines: Vec<Line<'_>> = model
        .nodes
        .iter()
        .map(|node| {
            let width = usize::from(area.width.saturating_sub(20));
            let full = node.mempool.min(width);
            Line::from(vec![
                Span::raw(format!("{:<7}{:>6} ", node.name, node.mempool)),
                Span::styled("▪".repeat(full), palette::accent()),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" waiting transactions ")), area);
}

pub(super) fn log(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let shown = usize::from(area.height.saturating_sub(1));
    let start = model.lines.len().saturating_sub(shown);
    let lines: Vec<Line<'_>> = model
        .lines
        .iter()
        .skip(start)
        .map(|line| {
            let seconds = line.time_ms.saturating_sub(model.started_ms) as f64 / 1e3;
            Line::from(vec![
                Span::styled(format!("{seconds:>8.1}s "), palette::dim()),
                Span::raw(format!("{} ", line.node)),
                Span::styled(line.text.clone(), palette::tone(line.tone)),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(Block::new().title(" events ")), area);
}
