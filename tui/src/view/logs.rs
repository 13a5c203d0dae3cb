//! What every node told.

use super::{Scene, Zones, selected, widgets};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let rows: Vec<&crate::state::Line> = selected::lines(scene.ui, scene.model).collect();
    let all = scene.model.lines.len();
    let title = if scene.ui.filter.is_empty() {
        format!("events ({all})")
    } else {
        format!("events with \"{}\" ({} of {all})", scene.ui.filter, rows.len())
    };
    zones.list = Some(widgets::list(frame, scene, area, &title, None, rows.len(), |at| line(scene, rows[at])));
}

/// A line of the log.
pub(super) fn line(scene: Scene<'_>, line: &crate::state::Line) -> Line<'static> {
    let name = scene.model.nodes.get(line.node).map_or("", |node| node.name.as_str());
    Line::from(vec![
        Span::styled(format!("{} ", widgets::since(scene.model, line.at_ms)), scene.ui.look.dim()),
        Span::styled(format!("{name:<8} "), scene.ui.look.accent()),
        Span::styled(line.text.clone(), widgets::tone(scene.ui.look, line.tone)),
    ])
}
