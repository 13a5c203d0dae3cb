//! Who hears whom: a heat map of round trips, and how each node's peers behaved.

use super::{Scene, Zones, widgets};
use crate::state::{Node, PEERS_MAX, Tone, tail};
use bezant_api::types::PeerView;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of one cell of the map.
const CELL: usize = 8;
/// Round trips above these are marked, milliseconds.
const FAIR_MS: f64 = 20.0;
const SLOW_MS: f64 = 150.0;

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let nodes = u16::try_from(scene.model.nodes.len()).unwrap_or(u16::MAX);
    let [map, rest] =
        Layout::vertical([Constraint::Length(nodes.saturating_add(3).min(area.height / 2)), Constraint::Min(4)])
            .areas(area);
    zones.list = Some(draw_map(frame, scene, map));
    draw_peers(frame, scene, rest);
}

fn view_of<'a>(scene: Scene<'a>, from: &'a Node, to: usize) -> Option<&'a PeerView> {
    from.peer_views.iter().find(|peer| scene.model.node_of_peer(&peer.peer_id) == Some(to))
}

fn draw_map(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) -> super::List {
    let room = (usize::from(area.width).saturating_sub(12 + 24) / CELL).max(1);
    let shown = scene.model.nodes.len().min(room);
    let mut head = format!("{:<10}", "from \\ to");
    for node in scene.model.nodes.iter().take(shown) {
        head += &format!("{:>CELL$}", node.name);
    }
    head += if shown < scene.model.nodes.len() { "  …" } else { "   " };
    head += "  hears       tells";
    let nodes = &scene.model.nodes;
    let title = "round trips, milliseconds (· itself, – not connected, ? not told, ! slow)";
    let row = |at: usize| map_row(scene, at, &nodes[at], shown);
    widgets::list(frame, scene, area, title, Some(Line::raw(head)), nodes.len(), row)
}

fn map_row(scene: Scene<'_>, from: usize, node: &Node, shown: usize) -> Line<'static> {
    let look = scene.ui.look;
    let mut spans = vec![Span::raw(format!("{:<10}", node.name))];
    for to in 0..shown {
        let (text, tone) = match view_of(scene, node, to).map(|peer| peer.round_trip_ms) {
            _ if from == to => ("·".to_owned(), Tone::Plain),
            _ if !node.up => ("✗".to_owned(), Tone::Bad),
            None if node.links.is_none() => ("?".to_owned(), Tone::Plain),
            None => ("–".to_owned(), Tone::Bad),
            Some(None) => ("?".to_owned(), Tone::Plain),
            Some(Some(ms)) if ms > SLOW_MS => (format!("!{ms:.0}"), Tone::Bad),
            Some(Some(ms)) if ms > FAIR_MS => (format!("~{ms:.0}"), Tone::Warn),
            Some(Some(ms)) => (format!("{ms:.1}"), Tone::Good),
        };
        spans.push(Span::styled(format!("{text:>CELL$}"), widgets::tone(look, tone)));
    }
    let word = |bytes: u64| format!("{}B/s", widgets::short_number(bytes as f64));
    let (hears, tells) = node.bandwidth.map_or_else(|| ("–".to_owned(), "–".to_owned()), |(i, o)| (word(i), word(o)));
    spans.push(Span::raw(format!("     {hears:<11} {tells:<9}")));
    Line::from(spans)
}

fn draw_peers(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let (model, look) = (scene.model, scene.ui.look);
    let at = scene.ui.cursor().min(model.nodes.len().saturating_sub(1));
    let Some(node) = model.nodes.get(at) else { return };
    let mut lines = vec![Line::styled(
        format!(
            "{:<10} {:<9} {:>7} {:>9} {:>9} {:>9}  {:<10} behaviour",
            "peer", "dialled", "height", "messages", "heard", "told", "gossip"
        ),
        look.dim(),
    )];
    for peer in node.peer_views.iter().take(PEERS_MAX) {
        let name = model.node_of_peer(&peer.peer_id).and_then(|other| model.nodes.get(other));
        let name = name.map_or_else(|| format!("…{}", tail(&peer.peer_id)), |node| node.name.clone());
        let height = peer.height.map_or_else(|| "?".to_owned(), |height| height.to_string());
        let (word, tone) = match peer.score {
            0 => ("✓ good".to_owned(), Tone::Good),
            score if score < 100 => (format!("! {score} of 100 bad points"), Tone::Warn),
            score => (format!("✗ banned ({score})"), Tone::Bad),
        };
        let bytes = |bytes: u64| format!("{}B", widgets::short_number(bytes as f64));
        let mesh = match peer.mesh_topics {
            0 => "not in mesh".to_owned(),
            topics => format!("mesh {topics}/3"),
        };
        let side = if peer.outbound { "→ by us" } else { "← by it" };
        lines.push(Line::from(vec![
            Span::raw(format!(
                "{name:<10} {side:<9} {height:>7} {:>9} {:>9} {:>9}  {mesh:<11}",
                peer.messages_in,
                bytes(peer.bytes_in),
                bytes(peer.bytes_out)
            )),
            Span::styled(word, widgets::tone(look, tone)),
        ]));
    }
    if node.peer_views.is_empty() {
        lines.push(Line::raw(if node.up { "no peers were told yet" } else { "it does not answer" }));
    }
    let title = format!("peers of {}, as it sees them", node.name);
    frame.render_widget(Paragraph::new(lines).block(widgets::panel(&title)), area);
}
