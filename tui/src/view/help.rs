//! The help overlay.

use crate::app::Screen;
use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

pub(super) fn draw(frame: &mut Frame<'_>, screen: Screen, area: Rect) {
    let quit = if screen.quit_stops_net { "stop the net and leave" } else { "leave" };
    let mut lines = vec![Line::from("?      this help; Esc closes it"), Line::from(format!("q      {quit}"))];
    if screen.can_transfer {
        lines.push(Line::from("t      send 1 BZT from alice to bob"));
    }
    lines.extend([
        Line::from(""),
        Line::from("★      primary of the view   ◌ has no vote   ● up, ✗ down"),
        Line::from("○ idle → ◔ proposed → ◑ prepared → ● committed"),
        Line::from("███│░  votes held; │ marks the quorum"),
        Line::from("✓ final   … included, not final yet   ✗ left the chain"),
    ]);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let [row] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(area);
    let [place] = Layout::horizontal([Constraint::Length(62)]).flex(Flex::Center).areas(row);
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" help ")), place);
}
