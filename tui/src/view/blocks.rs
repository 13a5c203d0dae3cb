//! Recent blocks, and on how many nodes each is.

use super::palette;
use crate::state::Model;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Span;
use ratatui::widgets::{Block, Cell, Row, Table};

/// Below this width a row holds what matters, whole, rather than everything, cut off.
const WIDE: u16 = 58;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let n = model.nodes.len();
    let (id_digits, ago) = if area.width < WIDE { (8, "") } else { (10, " ago") };
    let final_height = model.final_height();
    let rows = model.blocks.iter().take(usize::from(area.height)).map(|block| {
        let (word, style) = match (block.on.is_empty(), block.height <= final_height) {
            (true, _) => ("✗ left", palette::bad()),
            (false, true) => ("✓ final", palette::good()),
            (false, false) => ("… open", palette::warn()),
        };
        let age_s = model.now_ms.saturating_sub(block.seen_ms) / 1_000;
        Row::new(vec![
            Cell::from(block.height.to_string()),
            Cell::from(block.id.get(..id_digits).unwrap_or(&block.id).to_owned()),
            Cell::from(block.transactions.to_string()),
            Cell::from(block.bytes.to_string()),
            Cell::from(Span::styled(word, style)),
            Cell::from(format!("{}/{n}", block.on.len())),
            Cell::from(format!("{age_s}s{ago}")),
        ])
    });
    let widths: [u16; 6] = if area.width < WIDE { [6, 8, 4, 6, 7, 5] } else { [7, 11, 5, 7, 8, 5] };
    let widths = widths.map(Constraint::Length).into_iter().chain([Constraint::Min(4)]);
    let head = Row::new(["height", "block", "txs", "bytes", "state", "nodes", "age"]).style(palette::dim());
    let table = Table::new(rows, widths).header(head).block(Block::bordered().title(" recent blocks "));
    frame.render_widget(table, area);
}
