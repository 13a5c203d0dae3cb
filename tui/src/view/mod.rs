//! Drawing: a pure function of model and ui. State is told by symbol, word and colour, never by colour alone. Each screen begins with
//! a line that says what one sees.

mod compare;
mod faults;
mod footer;
mod help;
mod lies;
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

use crate::state::{History, Model, Tone, cut, most_stuck, too_many_liars, why};
use crate::ui::{Screen, Ui};
use bezant_api::types::EngineName;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

/// Below this the summary is drawn instead of screens.
const WIDTH_MIN: u16 = 80;
const HEIGHT_MIN: u16 = 20;
/// From this width on panels stand beside each other.
pub(super) const WIDE: u16 = 110;

/// Lines of the panel that says why it is stuck, at least and at most.
pub(super) const WHY_HEIGHT_MIN: u16 = 4;
const WHY_HEIGHT_MAX: u16 = 8;

/// Where things are on the screen, for the mouse and the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Zones {
    pub(crate) tabs: Vec<(Rect, Screen)>,
    pub(crate) list: Option<List>,
    /// PBFT: rounds that can be looked at.
    pub(crate) rounds: usize,
    /// The help: the last row that may be its first on the screen.
    pub(crate) help_top_max: usize,
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
        summary(frame, scene, area, &mut zones);
    } else {
        whole(frame, scene, area, &mut zones);
    }
    if let Some(query) = &ui.help {
        zones.help_top_max = help::draw(frame, scene, query, area);
    }
    zones
}

fn whole(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let footer = footer::footer(scene, area.width);
    let [top, tabs, hint, body, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(footer.height),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(title(scene, usize::from(area.width))), top);
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
    lies::draw(frame, scene, body);
    frame.render_widget(Paragraph::new(footer.text).wrap(Wrap { trim: false }), bottom);
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

/// The first line. Where it does not fit, who leads goes first, then how many are up and the engine: not whether it is the present.
fn title(scene: Scene<'_>, width: usize) -> Line<'static> {
    let (model, look) = (scene.model, scene.ui.look);
    let engine = model.engine.map_or_else(|| "connecting".to_owned(), |engine| engine.to_string());
    let engine = format!(" · {engine}");
    let leader = match (model.engine, model.leader()) {
        (Some(EngineName::Pbft), Some((leader, view))) => format!(" · ★ {leader} leads view {view}"),
        (Some(EngineName::Pbft), None) => " · nobody leads yet".to_owned(),
        (Some(EngineName::Pow) | None, _) => String::new(),
    };
    let up = format!(" · {}/{} nodes up", model.up(), model.nodes.len());
    let line = |[engine, leader, up]: [&str; 3]| {
        let mut spans = vec![
            Span::styled(" bezant ", look.title()),
            Span::raw(format!(" {}{engine}{leader}{up} · ", model.title)),
            Span::styled(format!("final {}", model.final_height()), look.good()),
        ];
        let history = &scene.histories[scene.ui.net];
        let (at, end) = history.position();
        if scene.ui.powers.is_replay {
            let state =
                if scene.ui.plays { format!("▶ plays ×{}", scene.ui.speed()) } else { "‖ paused".to_owned() };
            spans.push(Span::styled(format!(" · recording {state} {at}/{end}"), look.warn()));
        } else if history.is_paused() {
            spans.push(Span::styled(format!(" · ‖ PAUSED at event {at} of {end}"), look.warn()));
        }
        if scene.ui.armed {
            spans.push(Span::styled(" ⚠ ARMED", look.bad()));
        }
        Line::from(spans)
    };
    let (engine, leader, up) = (engine.as_str(), leader.as_str(), up.as_str());
    let shorter = [[engine, leader, up], [engine, "", up], [engine, "", ""], ["", "", ""]];
    let mut lines = shorter.into_iter().map(line);
    let mut line = lines.find(|line| line.width() <= width).unwrap_or_else(|| line(["", "", ""]));
    // What a narrow screen has no room for.
    line.spans.push(Span::raw(format!(" · {} in pool · {:.1} tx/s", model.mempool(), model.rate())));
    line
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

/// The panel that says what `observer` waits for.
pub(super) fn draw_why(frame: &mut Frame<'_>, scene: Scene<'_>, observer: usize, area: Rect) {
    let node = scene.model.nodes.get(observer).map_or("", |node| node.name.as_str());
    let block = widgets::panel(&format!("why is it stuck? as {node} sees it"));
    let line = |(text, tone): (String, Tone)| Line::styled(text, widgets::tone(scene.ui.look, tone));
    let lines: Vec<Line<'_>> = reasons(scene, observer).into_iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).block(block), area);
}

/// Too many liars and a cut concern all nodes; what one of them waits for, if it does, comes after it.
fn reasons(scene: Scene<'_>, observer: usize) -> Vec<(String, Tone)> {
    let (cut, why) = (cut(scene.model), why(scene.model, observer));
    let is_needless = cut.is_some() && why.1 == Tone::Good;
    too_many_liars(scene.model).into_iter().chain(cut).chain((!is_needless).then_some(why)).collect()
}

/// How high that panel is: so much at least, more where the net is cut.
pub(super) fn why_height(scene: Scene<'_>, observer: usize, width: u16, least: u16) -> u16 {
    let reasons = reasons(scene, observer);
    let room = usize::from(width.saturating_sub(2)).max(1);
    let lines: usize = reasons.iter().map(|(text, _)| widgets::lines_of(text, room)).sum();
    u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2).clamp(least, WHY_HEIGHT_MAX)
}

/// Whom to ask why it is stuck, on screens that show all nodes.
pub(super) fn stuck_node(scene: Scene<'_>) -> usize {
    most_stuck(scene.model, scene.ui.observer)
}

/// For screens too small for panels: one line per node, and what is waited for; what is said, or else which keys do something here.
fn summary(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let is_said = scene.ui.prompt.is_some() || scene.ui.notice.is_some();
    let footer =
        if is_said { footer::footer(scene, area.width) } else { footer::small(scene, area.width, area.height) };
    let [body, bottom] = Layout::vertical([Constraint::Min(1), Constraint::Length(footer.height)]).areas(area);
    let mut lines = vec![title(scene, usize::MAX)];
    if scene.ui.armed {
        lines.push(armed(scene));
    }
    for node in &scene.model.nodes {
        let state = if node.up { "●" } else { "✗ down" };
        let view = if scene.model.is_pow() { String::new() } else { format!(" v{}", node.consensus.view) };
        lines.push(Line::from(format!("{} {state} h{} f{}{view}", node.name, node.height, node.final_height)));
    }
    for (text, tone) in reasons(scene, stuck_node(scene)) {
        lines.push(Line::styled(text, widgets::tone(scene.ui.look, tone)));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), body);
    if scene.ui.screen == Screen::Faults {
        // Its cursor says whom the keys that hurt concern.
        zones.list = Some(List { area: Rect::ZERO, offset: 0, rows: scene.model.nodes.len() });
    }
    lies::draw(frame, scene, body);
    frame.render_widget(Paragraph::new(footer.text).wrap(Wrap { trim: false }), bottom);
}

/// Which keys hurt whom.
fn armed(scene: Scene<'_>) -> Line<'static> {
    if scene.ui.screen == Screen::Faults {
        faults::arm_switch(scene)
    } else {
        Line::styled("⚠ ARMED: press 6 for the keys that hurt; Esc disarms", scene.ui.look.bad())
    }
}
