//! The help overlay: keys, commands and signs, searchable; what does not fit is scrolled to.

use super::{Scene, widgets};
use crate::input::{COMMANDS, KEYS};
use ratatui::Frame;
use ratatui::layout::Rect;
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

/// Columns for the keys, and for all.
const KEY: usize = 20;
const WIDTH: u16 = 104;

/// Draws it; says which row may be the first on the screen, at most.
pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, query: &str, area: Rect) -> usize {
    let look = scene.ui.look;
    let needle = query.to_lowercase();
    let width = WIDTH.min(area.width);
    let room = usize::from(width).saturating_sub(2 + KEY).max(1);
    let rows = KEYS.iter().chain(COMMANDS).chain(SIGNS);
    let found =
        rows.filter(|(key, what)| key.to_lowercase().contains(&needle) || what.to_lowercase().contains(&needle));
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (key, what) in found {
        let quits = *key == "q" && scene.ui.powers.quit_stops_net;
        let what = if quits { "stop the net and leave" } else { what };
        for (at, part) in widgets::wrapped(what, room).into_iter().enumerate() {
            let key = if at == 0 { *key } else { "" };
            lines.push(Line::from(vec![Span::styled(format!("{key:<KEY$}"), look.accent()), Span::raw(part)]));
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled(format!("nothing here has to do with {query:?}"), look.warn()));
    }
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let shown = usize::from(height.saturating_sub(2));
    let top_max = lines.len().saturating_sub(shown);
    let top = scene.ui.help_top.min(top_max);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let more = if top_max > 0 {
        format!(" {} to {} of {}; ↑ ↓ for the others · Esc closes it ", top + 1, top + shown, lines.len())
    } else {
        " Esc closes it ".to_owned()
    };
    let title = format!(" this help; type to search: {query}▏ ");
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(title).title_bottom(more);
    let lines: Vec<Line<'_>> = lines.into_iter().skip(top).take(shown).collect();
    frame.render_widget(Paragraph::new(lines).block(block), place);
    top_max
}
