//! Drawing: a pure function of the model. State is told by symbol, word and colour, never by colour alone.

mod blocks;
mod help;
mod lanes;
mod palette;
mod panels;
#[cfg(test)]
mod tests;

use crate::app::Screen;
use crate::state::Model;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Below this the summary is drawn instead of the panels.
const WIDTH_MIN: u16 = 80;
const HEIGHT_MIN: u16 = 20;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, screen: Screen) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        summary(frame, model, area);
    } else {
        panels(frame, model, screen, area);
    }
    if screen.help {
        help::draw(frame, screen, area);
    }
}

fn panels(frame: &mut Frame<'_>, model: &Model, screen: Screen, area: Rect) {
    let lanes_height = u16::try_from(model.nodes.len()).unwrap_or(u16::MAX).saturating_add(3).min(area.height / 2);
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(lanes_height),
        Constraint::Min(6),
        Constraint::Length(5.min(area.height / 5)),
        Constraint::Length(1),
    ])
    .split(area);
    let columns = Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).split(rows[2]);
    let right = Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).split(columns[1]);
    frame.render_widget(Paragraph::new(title(model)), rows[0]);
    lanes::draw(frame, model, rows[1]);
    blocks::draw(frame, model, columns[0]);
    panels::throughput(frame, model, right[0]);
    panels::mempool(frame, model, right[1]);
    panels::log(frame, model, rows[3]);
    frame.render_widget(Paragraph::new(footer(model, screen)), rows[4]);
}

fn title(model: &Model) -> Line<'static> {
    let engine = model.engine().map_or_else(|| "connecting".to_owned(), |engine| engine.to_string());
    let up = model.nodes.iter().filter(|node| node.up).count();
    Line::from(vec![
        Span::styled(" bezant ", palette::title()),
        Span::raw(format!(" {} · {engine} · {up}/{} nodes up · ", model.title, model.nodes.len())),
        Span::styled(format!("final {}", model.final_height()), palette::good()),
        Span::raw(format!(" · {:.1} tx/s · {} in pool", model.rate(), model.mempool())),
    ])
}

fn footer(model: &Model, screen: Screen) -> Line<'static> {
    if let Some(notice) = &model.notice {
        return Line::from(Span::styled(format!(" {notice}"), palette::accent()));
    }
    let quit = if screen.quit_stops_net { "q stop the net and leave" } else { "q leave" };
    let transfer = if screen.can_transfer { " · t send a transfer" } else { "" };
    Line::from(Span::styled(format!(" ? help{transfer} · {quit}"), palette::dim()))
}

/// For screens too small for panels: one line per node.
fn summary(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let mut lines = vec![title(model)];
    for node in &model.nodes {
        let state = if node.up { "●" } else { "✗ down" };
        lines.push(Line::from(format!("{} {state} h{} f{}", node.name, node.height, node.final_height)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}
