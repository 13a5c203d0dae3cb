//! Transactions on their way, and one of them through every node and phase.

use super::{Scene, WIDE, Zones, selected, widgets};
use crate::state::{Life, Node, Place, Tone, counted, short};
use crate::ui::Follow;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let nodes = u16::try_from(scene.model.nodes.len()).unwrap_or(u16::MAX);
    let is_open = scene.ui.follow != Follow::Closed;
    let follow_height = if is_open { nodes.saturating_add(4).min(area.height / 2) } else { 0 };
    let [top, bottom] = Layout::vertical([Constraint::Min(4), Constraint::Length(follow_height)]).areas(area);
    let rows: Vec<(&String, &Life)> = selected::transactions(scene.ui, scene.model).collect();
    let head = format!(
        "  {:<12} {:>9} {:>7}  on each node (· ○ waits ◑ in a block ● final ✗ dropped)",
        "transaction", "fee", "age"
    );
    let waiting =
        scene.model.nodes.iter().map(|node| format!("{} {}", node.name, node.mempool)).collect::<Vec<_>>().join(", ");
    let seen = counted(scene.model.transactions.order.len() as u64, "transaction");
    let title = format!("{seen} seen; waiting: {waiting}");
    zones.list = Some(widgets::list(frame, scene, top, &title, Some(Line::raw(head)), rows.len(), |at| {
        row(scene, rows[at].0, rows[at].1)
    }));
    if is_open {
        draw_follow(frame, scene, bottom);
    }
}

fn sign(place: &Place) -> char {
    place.label().chars().next().unwrap_or(' ')
}

fn row(scene: Scene<'_>, txid: &str, life: &Life) -> Line<'static> {
    let followed = scene.ui.follow.chosen().is_some_and(|chosen| chosen == txid);
    let signs: String = life.places.iter().map(|place| format!("{} ", sign(place))).collect();
    let finals = life.places.iter().filter(|place| matches!(place, Place::Final { .. })).count();
    let all_final = finals == life.places.len();
    let dropped = life.places.iter().any(|place| matches!(place, Place::Dropped { .. }));
    let (word, tone) = match (life.height(), all_final, dropped) {
        (Some(height), true, _) => (format!("final everywhere, block {height}"), Tone::Good),
        (Some(height), false, _) if finals > 0 => {
            (format!("final on {finals} of {}, block {height}", life.places.len()), Tone::Plain)
        }
        (Some(height), false, _) => (format!("in block {height}"), Tone::Plain),
        (None, _, true) => ("dropped".to_owned(), Tone::Bad),
        (None, _, false) => ("waits".to_owned(), Tone::Warn),
    };
    let age = widgets::span(scene.model.now_ms.saturating_sub(life.first_ms));
    let fee = life.fee.clone().unwrap_or_else(|| "?".to_owned());
    Line::from(vec![
        Span::styled(if followed { "▶ " } else { "  " }, scene.ui.look.accent()),
        Span::raw(format!("{:<12} {fee:>9} {age:>7}  {signs} ", short(txid))),
        Span::styled(word, widgets::tone(scene.ui.look, tone)),
    ])
}

/// The latest step that is known of a transaction, for whoever did not say which to follow.
fn draw_follow(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let (model, look) = (scene.model, scene.ui.look);
    let panel = |title: &str| widgets::panel(title).title_bottom(" Esc closes it ");
    let newest = || model.transactions.newest().next().map(|(txid, _)| txid);
    let Some(txid) = scene.ui.follow.chosen().or_else(newest) else {
        let text = "No transaction yet. Press t to send one, or :follow TXID.";
        frame.render_widget(Paragraph::new(text).block(panel("follow my transaction")), area);
        return;
    };
    let Some(life) = model.transactions.lives.get(txid) else {
        let text = format!("No node has told of {txid} since the dashboard looks.");
        frame.render_widget(Paragraph::new(text).block(panel("follow my transaction")), area);
        return;
    };
    let phases = if model.is_pow() { "" } else { "proposed  prepared committed" };
    // Under PBFT a block of the chain is final, so a narrow screen shows one of the two.
    let shows_block = model.is_pow() || area.width >= WIDE;
    let in_block = if shows_block { format!("{:>9} ", "in block") } else { String::new() };
    let head = format!("{:<10} {:>9} {phases:<29} {in_block}{:>9}  now", "node", "waits", "final");
    let mut lines = vec![Line::styled(head, look.dim())];
    for (index, node) in model.nodes.iter().enumerate() {
        lines.push(follow_row(scene, life, index, node, shows_block));
    }
    let replaced = life.replaced_by.as_deref().map(|by| format!(", replaced by {}", short(by))).unwrap_or_default();
    let block = life.block.as_deref().map(|block| format!(" in block {}", short(block))).unwrap_or_default();
    let title = format!("follow {}{block}{replaced}: milliseconds since it was first heard of", short(txid));
    frame.render_widget(Paragraph::new(lines).block(panel(&title)), area);
}

fn follow_row(scene: Scene<'_>, life: &Life, index: usize, node: &Node, shows_block: bool) -> Line<'static> {
    let word = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("+{ms}"));
    let after = |at: u64| at.saturating_sub(life.first_ms);
    let place = life.places.get(index).cloned().unwrap_or_default();
    let phases = if scene.model.is_pow() {
        String::new()
    } else {
        let round =
            life.height().and_then(|height| node.consensus.rounds.range((height, 0)..=(height, u64::MAX)).next_back());
        let round = round.map(|(_, round)| round).filter(|round| !round.partial);
        let proposed = round.map(|round| after(round.started_ms));
        let prepared = round.and_then(|round| round.prepared_ms).map(after);
        let committed = round.and_then(|round| round.committed_ms).map(after);
        format!("{:>8} {:>9} {:>9}", word(proposed), word(prepared), word(committed))
    };
    let tone = match place {
        Place::Final { .. } => Tone::Good,
        Place::Dropped { .. } => Tone::Bad,
        Place::Unknown | Place::Pool | Place::Block { .. } => Tone::Plain,
    };
    let pooled = life.after_ms(index, |place| *place == Place::Pool);
    let block = life.after_ms(index, |place| matches!(place, Place::Block { .. }));
    let block = if shows_block { format!("{:>9} ", word(block)) } else { String::new() };
    let last = life.after_ms(index, |place| matches!(place, Place::Final { .. }));
    Line::from(vec![
        Span::raw(format!("{:<10} {:>9} {phases:<29} {block}{:>9}  ", node.name, word(pooled), word(last))),
        Span::styled(place.label(), widgets::tone(scene.ui.look, tone)),
    ])
}
