//! The help overlay: keys, commands and signs, searchable.

use super::Scene;
use crate::input::{COMMANDS, KEYS};
use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

/// What symbols mean.
const SIGNS: &[(&str, &str)] = &[
    ("★ ◌", "primary of the view; has no vote"),
    ("◆ ○ ● ▲", "pre-prepare, prepare, commit, view change, where they were counted"),
    ("○ ◔ ◑ ●", "a height on a node: idle, proposed, prepared, committed"),
    ("┊ │", "on a bar: f+1 votes (one of them is honest), a quorum"),
    ("✓ … ✗", "a block: final, not final yet, left the chain"),
    ("v3?", "a view that is wanted and has not begun"),
    ("final", "PBFT: for ever. Proof of work: so deep that nobody expects it to leave"),
];

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, query: &str, area: Rect) {
    let look = scene.ui.look;
    let needle = query.to_lowercase();
    let rows = KEYS.iter().chain(COMMANDS).chain(SIGNS);
    let found =
        rows.filter(|(key, what)| key.to_lowercase().contains(&needle) || what.to_lowercase().contains(&needle));
    let mut lines: Vec<Line<'_>> = found
        .map(|(key, what)| {
            let quits = *key == "q" && scene.ui.powers.quit_stops_net;
            let what = if quits { "stop the net and leave" } else { what };
            Line::from(vec![Span::styled(format!("{key:<20}"), look.accent()), Span::raw(what.to_owned())])
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line::styled(format!("nothing here has to do with {query:?}"), look.warn()));
    }
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let [row] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(area);
    let [place] = Layout::horizontal([Constraint::Length(100)]).flex(Flex::Center).areas(row);
    let title = format!(" this help; type to search: {query}▏ ");
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(title).title_bottom(" Esc closes it ");
    frame.render_widget(Paragraph::new(lines).block(block), place);
}
