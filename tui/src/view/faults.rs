//! What was done to nodes and what it led to; and the keys that hurt, behind the arm switch.

use super::{Scene, Zones, overview, selected, widgets};
use crate::state::{Moment, Sort, Tone, counted, too_many_liars};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let warning = too_many_liars(scene.model);
    let switch_height = 1 + u16::from(warning.is_some());
    let [switch, body] = Layout::vertical([Constraint::Length(switch_height), Constraint::Min(4)]).areas(area);
    let warning = warning.map(|(text, tone)| Line::styled(format!(" {text}"), widgets::tone(scene.ui.look, tone)));
    let lines: Vec<Line<'_>> = [arm_switch(scene)].into_iter().chain(warning).collect();
    frame.render_widget(Paragraph::new(lines), switch);
    let nodes = scene.model.nodes.len();
    let moments: Vec<&Moment> = selected::moments(scene.ui, scene.model).collect();
    let count = moments.len();
    let told = counted(count as u64, "moment");
    let title = format!("nodes (★ leads), and {told}, newest first (▼ done to the net, ↳ what it led to)");
    let row = |at: usize| if at < nodes { node_row(scene, at) } else { timeline_row(scene, moments[at - nodes]) };
    zones.list = Some(widgets::list(frame, scene, body, &title, None, nodes + count, row));
}

/// A moment: when, of what sort, who, and what.
pub(super) fn moment_row(scene: Scene<'_>, moment: &Moment, sign: &str) -> Line<'static> {
    let nodes = scene.model.nodes.len();
    let names = moment.nodes.iter().filter_map(|node| Some(scene.model.nodes.get(*node)?.name.as_str()));
    let who: Vec<&str> = names.collect();
    let who = if who.len() == nodes && nodes > 1 { "all nodes".to_owned() } else { who.join(" ") };
    Line::from(vec![
        Span::styled(format!("{} ", widgets::since(scene.model, moment.at_ms)), scene.ui.look.dim()),
        Span::raw(format!("{sign:<3}")),
        Span::styled(format!("{who}: "), scene.ui.look.accent()),
        Span::styled(moment.text.clone(), widgets::tone(scene.ui.look, moment.tone)),
    ])
}

fn timeline_row(scene: Scene<'_>, moment: &Moment) -> Line<'static> {
    moment_row(scene, moment, if moment.sort == Sort::Deed { "▼" } else { " ↳" })
}

pub(super) fn arm_switch(scene: Scene<'_>) -> Line<'static> {
    let look = scene.ui.look;
    if !scene.ui.powers.can_fault {
        let why = if scene.ui.powers.is_replay {
            "this is a recording"
        } else {
            "only running dev nets of this machine can be hurt"
        };
        return Line::styled(format!(" ○ the keys that hurt are off: {why}"), look.dim());
    }
    let node = selected::fault_node(scene.ui, scene.model);
    let name = scene.model.nodes.get(node).map_or("", |node| node.name.as_str());
    if scene.ui.armed {
        let text = format!(" ⚠ ARMED for {name}: x kill s start p pause c cut off H heal b lie B honest ");
        Line::styled(text, look.bad())
    } else {
        Line::raw(format!(" ○ safe: press a to arm the keys that kill, pause, cut and corrupt (now: {name})"))
    }
}

fn node_row(scene: Scene<'_>, index: usize) -> Line<'static> {
    let node = &scene.model.nodes[index];
    let acting: Vec<&str> = scene.model.timeline.acting_on(index).map(String::as_str).collect();
    let (text, tone) = if acting.is_empty() {
        ("nothing is done to it".to_owned(), Tone::Plain)
    } else {
        (scene.model.with_names(acting.join("; ")), Tone::Warn)
    };
    Line::from(vec![
        Span::raw(format!("{}{:<10}", overview::role(node), node.name)),
        overview::state(scene, node),
        Span::raw(format!(
            "height {:<7} {:<6} ",
            node.height,
            if scene.model.is_pow() { String::new() } else { overview::view(node) }
        )),
        Span::styled(text, widgets::tone(scene.ui.look, tone)),
    ])
}
