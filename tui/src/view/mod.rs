//! Drawing: a pure function of model and ui. State is told by symbol, word and colour, never by colour alone. Each screen begins with
//! a line that says what one sees.

mod compare;
mod faults;
mod help;
mod logs;
mod overview;
mod pbft;
mod peers;
mod pool;
mod pow;
pub(crate) mod selected;
#[cfg(test)]
mod tests;
mod widgets;

use crate::state::{History, Model, most_stuck, why};
use crate::ui::{Prompt, Screen, Ui};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

/// Below this the summary is drawn instead of screens.
const WIDTH_MIN: u16 = 80;
const HEIGHT_MIN: u16 = 20;
/// From this width on panels stand beside each other.
pub(super) const WIDE: u16 = 110;

/// Where things are on the screen, for the mouse and the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Zones {
    pub(crate) tabs: Vec<(Rect, Screen)>,
    pub(crate) list: Option<List>,
    /// PBFT: rounds that can be looked at.
    pub(crate) rounds: usize,
}

/// A list with a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    /// Of its rows on the screen.
    pub(crate) area: Rect,
    /// The first row that is on the screen.
    pub(crate) offset: usize,
    /// All rows.
    pub(crate) rows: usize,
}

/// What screens are drawn from.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) ui: &'a Ui,
    pub(super) model: &'a Model,
    pub(super) histories: &'a [History],
}

/// Draws everything; says where things are.
pub(crate) fn draw(frame: &mut Frame<'_>, ui: &Ui, histories: &[History]) -> Zones {
    let mut zones = Zones::default();
    let area = frame.area();
    let scene = Scene { ui, model: histories[ui.net].model(), histories };
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        summary(frame, scene, area);
    } else {
        whole(frame, scene, area, &mut zones);
    }
    if let Some(query) = &ui.help {
        help::draw(frame, scene, query, area);
    }
    zones
}

fn whole(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let [top, tabs, hint, body, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(title(scene)), top);
    draw_tabs(frame, scene, tabs, zones);
    frame.render_widget(Paragraph::new(Line::styled(format!(" {}", hint_of(scene)), scene.ui.look.dim())), hint);
    match scene.ui.screen {
        Screen::Overview => overview::draw(frame, scene, body, zones),
        Screen::Pbft => pbft::draw(frame, scene, body, zones),
        Screen::Pow => pow::draw(frame, scene, body, zones),
        Screen::Peers => peers::draw(frame, scene, body, zones),
        Screen::Pool => pool::draw(frame, scene, body, zones),
        Screen::Faults => faults::draw(frame, scene, body, zones),
        Screen::Logs => logs::draw(frame, scene, body, zones),
        Screen::Compare => compare::draw(frame, scene, body),
    }
    frame.render_widget(Paragraph::new(footer(scene)), bottom);
}

/// A sentence for whoever sees the screen for the first time.
fn hint_of(scene: Scene<'_>) -> String {
    let node = scene.model.nodes.get(scene.ui.observer).map_or("", |node| node.name.as_str());
    match scene.ui.screen {
        Screen::Overview => "Every node, the newest blocks, and what the net is waiting for.".to_owned(),
        Screen::Pbft if scene.model.is_pow() => "This net decides by proof of work; see screen 3.".to_owned(),
        Screen::Pbft => {
            format!("Final is what a quorum prepared, then committed. Votes as {node} counted them.")
        }
        Screen::Pow if scene.model.is_pow() => {
            "The branch with the most work is the chain; the others were in vain.".to_owned()
        }
        Screen::Pow => "This net decides by PBFT, where branches cannot be; see screen 2.".to_owned(),
        Screen::Peers => "Who hears whom: time for a message there and back, and how each behaved.".to_owned(),
        Screen::Pool => "Transactions on their way, newest first. Enter follows one through every node.".to_owned(),
        Screen::Faults => "What was done to the nodes, and what it led to, newest first.".to_owned(),
        Screen::Logs => "What every node told, newest first. / filters.".to_owned(),
        Screen::Compare => "Two nets on one scale: when is a payment safe, and what does that cost?".to_owned(),
    }
}

fn title(scene: Scene<'_>) -> Line<'static> {
    let (model, look) = (scene.model, scene.ui.look);
    let engine = model.engine.map_or_else(|| "connecting".to_owned(), |engine| engine.to_string());
    let final_height = model.final_height();
    let mut spans = vec![
        Span::styled(" bezant ", look.title()),
        Span::raw(format!(" {} · {engine} · {}/{} nodes up · ", model.title, model.up(), model.nodes.len())),
        Span::styled(format!("final {final_height}"), look.good()),
        Span::raw(format!(" · {:.1} tx/s · {} in pool", model.rate(), model.mempool())),
    ];
    let history = &scene.histories[scene.ui.net];
    if scene.ui.powers.is_replay {
        let (at, end) = history.position();
        let state = if scene.ui.plays { format!("▶ plays ×{}", scene.ui.speed()) } else { "‖ paused".to_owned() };
        spans.push(Span::styled(format!(" · recording {state} {at}/{end}"), look.warn()));
    } else if history.is_paused() {
        let (at, end) = history.position();
        spans.push(Span::styled(format!(" · ‖ PAUSED at event {at} of {end}"), look.warn()));
    }
    if scene.ui.armed {
        spans.push(Span::styled(" ⚠ ARMED ", look.bad()));
    }
    Line::from(spans)
}

fn draw_tabs(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let mut spans = Vec::new();
    let mut x = area.x;
    for (index, screen) in Screen::ALL.into_iter().take(scene.ui.screens()).enumerate() {
        let text = format!(" {} {} ", index + 1, screen.title());
        let width = text.chars().count() as u16;
        zones.tabs.push((Rect { x, y: area.y, width, height: 1 }, screen));
        x += width;
        let is_here = screen == scene.ui.screen;
        spans.push(Span::styled(text, if is_here { scene.ui.look.selected() } else { scene.ui.look.accent() }));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

fn footer(scene: Scene<'_>) -> Line<'static> {
    let (ui, look) = (scene.ui, scene.ui.look);
    if let Some((prompt, text)) = &ui.prompt {
        let before = match prompt {
            Prompt::Filter => "/".to_owned(),
            Prompt::Command => ":".to_owned(),
            Prompt::Lie(node) => {
                let node = scene.model.nodes.get(*node).map_or("", |node| node.name.as_str());
                format!("how shall {node} lie? (equivocate, silent, delay, bad-digest, …) ")
            }
        };
        return Line::styled(format!(" {before}{text}▏"), look.accent());
    }
    if let Some(notice) = &ui.notice {
        return Line::styled(format!(" {notice}"), look.accent());
    }
    let quit = if ui.powers.quit_stops_net { "q stop the net and leave" } else { "q leave" };
    let transfer = if ui.powers.can_transfer { " · t transfer" } else { "" };
    let own = match ui.screen {
        Screen::Overview | Screen::Peers => " · Enter look from this node",
        Screen::Pbft => " · ←→ rounds · o other node",
        Screen::Pow | Screen::Compare => "",
        Screen::Pool => " · Enter follow · / filter · y copy id",
        Screen::Faults if ui.armed => " · x kill · s start · p pause · c cut · H heal · b lie · B honest",
        Screen::Faults => " · a arm · Enter go to that moment · / filter",
        Screen::Logs => " · / filter · Enter go to that moment",
    };
    let filter = if ui.filter.is_empty() { String::new() } else { format!(" · filter \"{}\"", ui.filter) };
    Line::styled(format!(" ? help{own}{filter} · Space pause{transfer} · {quit}"), look.dim())
}

/// The panel that says what `observer` waits for.
pub(super) fn draw_why(frame: &mut Frame<'_>, scene: Scene<'_>, observer: usize, area: Rect) {
    let (text, tone) = why(scene.model, observer);
    let node = scene.model.nodes.get(observer).map_or("", |node| node.name.as_str());
    let block = widgets::panel(&format!("why is it stuck? as {node} sees it"));
    let text = Paragraph::new(Line::styled(text, widgets::tone(scene.ui.look, tone))).wrap(Wrap { trim: true });
    frame.render_widget(text.block(block), area);
}

/// Whom to ask why it is stuck, on screens that show all nodes.
pub(super) fn stuck_node(scene: Scene<'_>) -> usize {
    most_stuck(scene.model, scene.ui.observer)
}

/// For screens too small for panels: one line per node, and what is waited for.
fn summary(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let mut lines = vec![title(scene)];
    for node in &scene.model.nodes {
        let state = if node.up { "●" } else { "✗ down" };
        let view = if scene.model.is_pow() { String::new() } else { format!(" v{}", node.consensus.view) };
        lines.push(Line::from(format!("{} {state} h{} f{}{view}", node.name, node.height, node.final_height)));
    }
    let (text, tone) = why(scene.model, stuck_node(scene));
    lines.push(Line::styled(text, widgets::tone(scene.ui.look, tone)));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), area);
}
