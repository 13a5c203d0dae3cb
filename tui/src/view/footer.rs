//! The last line: what is being typed, what there is to be read, or else the keys of the screen, as many as there is room for.

use super::{HEIGHT_MIN, Scene, WIDTH_MIN, widgets};
use crate::ui::{Prompt, Screen};
use ratatui::text::Line;

/// Lines that a sentence may take.
const LINES_MAX: usize = 3;
/// Lines of a small window below which its keys leave the room to what the net waits for.
const SMALL_HEIGHT_MIN: u16 = 16;

pub(super) struct Footer {
    pub(super) text: Line<'static>,
    pub(super) height: u16,
}

pub(super) fn footer(scene: Scene<'_>, width: u16) -> Footer {
    let (ui, look) = (scene.ui, scene.ui.look);
    let width = usize::from(width);
    let said = |text: String| {
        let lines = widgets::lines_of(&text, width.max(1)).clamp(1, LINES_MAX);
        Footer { text: Line::styled(text, look.accent()), height: lines as u16 }
    };
    if let Some((prompt, text)) = &ui.prompt {
        let before = match prompt {
            Prompt::Filter => "/".to_owned(),
            Prompt::Command => ":".to_owned(),
            Prompt::Lie(node) => {
                let node = scene.model.nodes.get(*node).map_or("", |node| node.name.as_str());
                format!("how shall {node} lie? ↑ ↓ and Enter, or type: ")
            }
        };
        return said(format!(" {before}{text}▏"));
    }
    match &ui.notice {
        Some(notice) => said(format!(" {notice}")),
        None => Footer { text: Line::styled(keys(scene, width), look.dim()), height: 1 },
    }
}

/// The line of a window that is too small for screens: which size is not, and which keys do something here.
pub(super) fn small(scene: Scene<'_>, width: u16, height: u16) -> Footer {
    let powers = scene.ui.powers;
    let quit = if powers.quit_stops_net { "q stop the net and leave" } else { "q leave" };
    let transfer = if powers.can_transfer { " · t transfer" } else { "" };
    let arm = if powers.can_fault { " · a arm" } else { "" };
    let text = if height < SMALL_HEIGHT_MIN {
        format!(" {WIDTH_MIN}x{HEIGHT_MIN} shows the screens · ? help · {quit}")
    } else {
        format!(
            " {WIDTH_MIN}x{HEIGHT_MIN} shows the screens. Here: ? help · : command · Space pause{transfer}{arm} · {quit}"
        )
    };
    let lines = widgets::lines_of(&text, usize::from(width).max(1)).clamp(1, LINES_MAX);
    Footer { text: Line::styled(text, scene.ui.look.dim()), height: lines as u16 }
}

/// The keys of the screen; where they do not fit, those that are of every screen go first, but not the one that stops the net.
fn keys(scene: Scene<'_>, width: usize) -> String {
    let ui = scene.ui;
    let own = match ui.screen {
        Screen::Overview | Screen::Peers => " · Enter look from this node",
        Screen::Pbft => " · ←→ rounds · o other node",
        Screen::Pow | Screen::Compare => "",
        Screen::Pool => " · Enter follow · / filter · y copy id",
        Screen::Faults if ui.armed => " · :cut 0,1/2,3 · a disarm · Enter go there",
        Screen::Faults if ui.powers.can_fault => " · a arm · Enter go to that moment · / filter",
        Screen::Faults => " · Enter go to that moment · / filter",
        Screen::Logs => " · / filter · Enter go to that moment",
    };
    let filter = if ui.filter.is_empty() { String::new() } else { format!(" · filter \"{}\"", ui.filter) };
    let quit = if ui.powers.quit_stops_net { "q stop the net and leave" } else { "q leave" };
    let transfer = if ui.powers.can_transfer { " · t transfer" } else { "" };
    let texts = [
        format!(" ? help{own}{filter} · Space pause{transfer} · {quit}"),
        format!(" ? help{own}{filter}{transfer} · {quit}"),
        format!(" ? help{own}{filter} · {quit}"),
        format!(" ? help{filter} · {quit}"),
        format!(" ? help{own} · {quit}"),
    ];
    let [.., last] = &texts;
    let fitting = texts.iter().find(|text| text.chars().count() <= width);
    fitting.unwrap_or(last).clone()
}
