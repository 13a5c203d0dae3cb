//! The list from which one chooses how a node is to lie, above the line where one types.

use super::{Scene, widgets};
use crate::ui::Prompt;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

/// Columns for the names.
const NAME: usize = 16;

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let Some((Prompt::Lie(node), _)) = &scene.ui.prompt else { return };
    let look = scene.ui.look;
    let name = scene.model.nodes.get(*node).map_or("", |node| node.name.as_str());
    let lies = scene.ui.lies(scene.model);
    let row = |(at, lie): (usize, &&'static crate::lies::Lie)| {
        let line = Line::from(vec![Span::styled(format!("{:<NAME$}", lie.mode), look.accent()), Span::raw(lie.what)]);
        if at == scene.ui.choice { line.patch_style(look.selected()) } else { line }
    };
    let mut lines: Vec<Line<'_>> = lies.iter().enumerate().map(row).collect();
    if lines.is_empty() {
        lines.push(Line::styled("no way to lie has that in its name", look.warn()));
    }
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let place = Rect { y: area.bottom() - height, height, ..area };
    frame.render_widget(Clear, place);
    let title = format!("how {name} may lie; censoring is left to `bezant testnet byzantine`");
    frame.render_widget(Paragraph::new(lines).block(widgets::panel(&title)), place);
}
