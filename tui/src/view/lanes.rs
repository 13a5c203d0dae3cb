//! A lane per node: where it is and, under PBFT, how its next height gathers votes towards the quorum.

use super::palette;
use crate::state::{Model, Node};
use bezant_api::types::EngineName;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Row, Table};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let block = Block::bordered().title(" nodes ");
    match model.engine() {
        Some(EngineName::Pow) => frame.render_widget(pow(model).block(block), area),
        Some(EngineName::Pbft) | None => frame.render_widget(pbft(model).block(block), area),
    }
}

fn head(names: &[&'static str]) -> Row<'static> {
    Row::new(names.iter().copied().map(Cell::from).collect::<Vec<_>>()).style(palette::dim())
}

fn state(node: &Node) -> Cell<'static> {
    if node.up {
        Cell::from(Span::styled("● up", palette::good()))
    } else {
        Cell::from(Span::styled("✗ down", palette::bad()))
    }
}

/// The view, after the epoch once there was more than one, as `testnet status` shows it.
fn view(node: &Node) -> String {
    let epoch = node.status.as_ref().and_then(|status| status.pbft.as_ref()).map_or(0, |pbft| pbft.epoch);
    if epoch == 0 { format!("v{}", node.view) } else { format!("{epoch}/{}", node.view) }
}

/// What it does in its view. A member that says nothing for want of its vote log leads no view either.
fn role(node: &Node) -> &'static str {
    match node.status.as_ref().and_then(|status| status.pbft.as_ref()) {
        Some(pbft) if pbft.me.is_none() || pbft.is_mute => "◌",
        Some(pbft) if pbft.me == Some(node.primary) => "★",
        Some(_) | None => " ",
    }
}

fn pbft(model: &Model) -> Table<'static> {
    let (quorum, n) = model.quorum().unwrap_or((0, 0));
    let rows = model.nodes.iter().map(|node| {
        let (height, flight) = node.current();
        Row::new(vec![
            Cell::from(format!("{}{}", role(node), node.name)),
            state(node),
            Cell::from(node.height.to_string()),
            Cell::from(view(node)),
            Cell::from(format!("{height} {}", flight.phase.label())),
            Cell::from(bar(flight.prepares.len(), quorum, n)),
            Cell::from(bar(flight.commits.len(), quorum, n)),
            Cell::from(node.mempool.to_string()),
            Cell::from(node.peers.to_string()),
        ])
    });
    let bar_width = u16::try_from(n).unwrap_or(u16::MAX).clamp(4, 13) + 7;
    let widths = [
        Constraint::Length(8),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(4),
        Constraint::Min(14),
        Constraint::Length(bar_width),
        Constraint::Length(bar_width),
        Constraint::Length(5),
        Constraint::Length(5),
    ];
    Table::new(rows, widths)
        .header(head(&["node", "state", "final", "view", "deciding", "prepares", "commits", "pool", "peers"]))
}

/// Votes as blocks out of n, the quorum marked by a tick: `███│░ 3/3`.
fn bar(votes: usize, quorum: usize, n: usize) -> Line<'static> {
    let width = n.clamp(4, 13);
    let scale = |count: usize| if n == 0 { 0 } else { (count * width).div_ceil(n).min(width) };
    let (full, tick) = (scale(votes), scale(quorum));
    let mut text = String::new();
    for place in 0..width {
        if place == tick {
            text.push('│');
        }
        text.push(if place < full { '█' } else { '░' });
    }
    if tick == width {
        text.push('│');
    }
    let style = if quorum > 0 && votes >= quorum { palette::good() } else { palette::warn() };
    Line::from(vec![Span::styled(text, style), Span::raw(format!(" {votes}/{quorum}"))])
}

fn pow(model: &Model) -> Table<'static> {
    let best = model.nodes.iter().map(|node| node.height).max().unwrap_or(0);
    let rows = model.nodes.iter().map(|node| {
        let behind = best - node.height.min(best);
        let sync = if behind == 0 { "= at the tip".to_owned() } else { format!("▽ {behind} behind") };
        let hashes = node.status.as_ref().and_then(|status| status.pow.as_ref()).map(|pow| pow.hashes_per_second);
        Row::new(vec![
            Cell::from(node.name.clone()),
            state(node),
            Cell::from(node.height.to_string()),
            Cell::from(node.final_height.to_string()),
            Cell::from(node.tip.get(..12).unwrap_or(&node.tip).to_owned()),
            Cell::from(sync),
            Cell::from(node.mined.to_string()),
            Cell::from(hashes.map_or_else(|| "-".to_owned(), |hashes| format!("{:.0} kH/s", hashes as f64 / 1e3))),
            Cell::from(node.mempool.to_string()),
            Cell::from(node.peers.to_string()),
        ])
    });
    let widths = [
        Constraint::Length(8),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(13),
        Constraint::Min(12),
        Constraint::Length(5),
        Constraint::Length(9),
        Constraint::Length(5),
        Constraint::Length(5),
    ];
    let names = ["node", "state", "height", "final", "tip", "chain", "found", "rate", "pool", "peers"];
    Table::new(rows, widths).header(head(&names))
}
