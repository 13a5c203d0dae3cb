//! PBFT: a lane for each replica with every vote where it was counted, how far the quorums are, and how views changed.

use super::{Scene, WHY_HEIGHT_MIN, WIDE, Zones, draw_why, faults, why_height, widgets};
use crate::state::{Kind, Moment, Node, Round, Sort, Tone, counted};
use bezant_api::types::PbftView;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

/// Columns for the name of a lane, and for its words at the end.
const NAME: usize = 11;
const WORDS: usize = 39;

/// What the panels are drawn from: how a replica sees the votes, and the round that is looked at.
#[derive(Clone, Copy)]
struct Seen<'a> {
    scene: Scene<'a>,
    node: &'a Node,
    pbft: &'a PbftView,
    round: Option<&'a Round>,
}

/// The scale of lanes.
#[derive(Clone, Copy)]
struct Scale {
    /// From the first vote on.
    shown_ms: u64,
    columns: usize,
}

impl Scale {
    fn column(self, ms: u64) -> usize {
        (ms as usize * (self.columns - 1) / self.shown_ms.max(1) as usize).min(self.columns - 1)
    }
}

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, zones: &mut Zones) {
    let node = scene.model.nodes.get(scene.ui.observer);
    let pbft = node.and_then(|node| Some((node, node.status.as_ref()?.pbft.as_ref()?)));
    let Some((node, pbft)) = pbft else {
        let text = if scene.model.is_pow() {
            "There are no votes under proof of work: press 3."
        } else {
            "Waiting for the first answer."
        };
        frame.render_widget(Paragraph::new(text).block(widgets::panel("PBFT")), area);
        return;
    };
    zones.rounds = node.consensus.rounds.len();
    let members = u16::try_from(pbft.n).unwrap_or(u16::MAX);
    let lanes_height = members.saturating_add(3).min(area.height / 2);
    let why_height = why_height(scene, scene.ui.observer, area.width, WHY_HEIGHT_MIN);
    let [lanes, why, rest] =
        Layout::vertical([Constraint::Length(lanes_height), Constraint::Length(why_height), Constraint::Min(4)])
            .areas(area);
    let round = node.consensus.back(scene.ui.back);
    let seen = Seen { scene, node, pbft, round };
    draw_lanes(frame, seen, lanes);
    draw_why(frame, scene, scene.ui.observer, why);
    let everywhere_height = u16::try_from(scene.model.nodes.len()).unwrap_or(u16::MAX).saturating_add(3);
    let everywhere_height = if rest.height >= everywhere_height.saturating_add(9) { everywhere_height } else { 0 };
    let [rest, everywhere] = Layout::vertical([Constraint::Min(4), Constraint::Length(everywhere_height)]).areas(rest);
    if let Some(round) = round.filter(|_| everywhere_height > 0) {
        draw_everywhere(frame, scene, everywhere, round);
    }
    if area.width >= WIDE {
        let [left, right] = Layout::horizontal([Constraint::Percentage(45), Constraint::Percentage(55)]).areas(rest);
        draw_quorums(frame, seen, left);
        draw_views(frame, seen, right);
    } else {
        let [top, bottom] = Layout::vertical([Constraint::Length(5), Constraint::Min(2)]).areas(rest);
        draw_quorums(frame, seen, top);
        draw_views(frame, seen, bottom);
    }
}

/// Milliseconds that the lanes show, from the first vote on.
fn shown_ms(scene: Scene<'_>, node: &Node, round: &Round) -> u64 {
    let last = round.votes.values().chain(&round.committed_ms).chain(&round.connected_ms).max().copied();
    let wanted = node.consensus.wanted.values().flat_map(|votes| votes.values()).max().copied();
    let end = if round.is_done() { last } else { last.max(wanted).max(Some(scene.model.now_ms)) };
    end.unwrap_or(round.started_ms).saturating_sub(round.started_ms).max(10)
}

fn draw_lanes(frame: &mut Frame<'_>, seen: Seen<'_>, area: Rect) {
    let Seen { scene, node, pbft, round } = seen;
    let Some(round) = round else {
        let text = "No vote was counted since the dashboard looks. Press t to send something.";
        frame.render_widget(Paragraph::new(text).block(widgets::panel("votes")), area);
        return;
    };
    let which = if scene.ui.back == 0 { "latest" } else { "earlier" };
    let partial = if round.partial { " · part of it happened while nobody looked" } else { "" };
    let title = format!("height {} in view {} ({which}), as {} counts{partial}", round.height, round.view, node.name);
    let columns = usize::from(area.width).saturating_sub(2 + NAME + WORDS).max(8);
    let scale = Scale { shown_ms: shown_ms(scene, node, round), columns };
    let mut lines = vec![axis(scene, round, scale)];
    for member in 0..u16::try_from(pbft.n).unwrap_or(u16::MAX) {
        lines.push(lane(seen, round, member, scale));
    }
    frame.render_widget(Paragraph::new(lines).block(widgets::panel(&title)), area);
}

fn axis(scene: Scene<'_>, round: &Round, Scale { shown_ms, columns }: Scale) -> Line<'static> {
    let end = widgets::span(shown_ms);
    let reached = |word: &str, at: Option<u64>| {
        at.map_or_else(String::new, |at| format!("{word} {} ", widgets::span(at.saturating_sub(round.started_ms))))
    };
    let fill = columns.saturating_sub(4 + end.chars().count());
    let quorums = format!("{}{}", reached("┊ prepared", round.prepared_ms), reached("│ committed", round.committed_ms));
    let text = format!("{:NAME$}0 ms{:>width$}  {quorums}", "", end, width = fill + end.chars().count());
    Line::styled(text, scene.ui.look.dim())
}

fn lane(seen: Seen<'_>, round: &Round, member: u16, scale: Scale) -> Line<'static> {
    let Seen { scene, node, pbft, .. } = seen;
    let look = scene.ui.look;
    let mut cells: Vec<(char, Tone)> = vec![(look.mark('─', '-'), Tone::Plain); scale.columns];
    for (at, mark) in [(round.prepared_ms, look.mark('┊', ':')), (round.committed_ms, look.mark('│', '|'))] {
        if let Some(at) = at {
            cells[scale.column(at.saturating_sub(round.started_ms))].0 = mark;
        }
    }
    let mut put = |ms: u64, mark: char, tone: Tone| {
        let wanted = scale.column(ms);
        let is_free = |place: &usize| "─-┊│:|".contains(cells[*place].0);
        let place = (wanted..scale.columns).find(is_free).or_else(|| (0..wanted).rev().find(is_free));
        cells[place.unwrap_or(wanted)] = (mark, tone);
    };
    for kind in Kind::ALL {
        if let Some(ms) = round.after_ms(kind, member) {
            let mark = match kind {
                Kind::PrePrepare => look.mark('◆', 'P'),
                Kind::Prepare => look.mark('○', 'p'),
                Kind::Commit => look.mark('●', 'c'),
            };
            put(ms, mark, if round.is_slow(kind, member) { Tone::Warn } else { Tone::Good });
        }
    }
    let wants = node.consensus.wanted.values().filter_map(|votes| votes.get(&member)).max();
    if let Some(at) = wants.filter(|at| **at >= round.started_ms && !round.is_done()) {
        put(at - round.started_ms, look.mark('▲', 'v'), Tone::Warn);
    }
    let primary = u64::from(member) == round.view % (pbft.n.max(1) as u64);
    let name = scene.model.member(member);
    let mut spans = vec![Span::raw(format!("{}{name:<width$}", if primary { "★" } else { " " }, width = NAME - 1))];
    for (mark, tone) in cells {
        let style = if tone == Tone::Plain { look.dim() } else { widgets::tone(look, tone) };
        match spans.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push(mark),
            _ => spans.push(Span::styled(mark.to_string(), style)),
        }
    }
    let (words, tone) = words(seen, round, member, primary);
    spans.push(Span::styled(format!(" {words}"), widgets::tone(look, tone)));
    Line::from(spans)
}

/// What a member did in the round, what is missing of it, and what was slow.
fn words(seen: Seen<'_>, round: &Round, member: u16, primary: bool) -> (String, Tone) {
    let Seen { scene, node, pbft, .. } = seen;
    let wants = node.consensus.wanted.iter().rev().find(|(_, votes)| votes.contains_key(&member));
    let first = if primary { Kind::PrePrepare } else { Kind::Prepare };
    if pbft.liars.contains(&member) {
        return ("✗ proved to have lied".to_owned(), Tone::Bad);
    }
    if !round.is_done()
        && let Some((view, _)) = wants
    {
        return (format!("▲ wants view {view}"), Tone::Warn);
    }
    let has_prepared = round.has_prepared(member);
    let commit = round.after_ms(Kind::Commit, member);
    let is_down = scene.model.nodes.iter().any(|node| node.member() == Some(member) && !node.up);
    let why = if is_down { " (down)" } else { "" };
    match (has_prepared, commit, round.is_done()) {
        (false, None, true) => (format!("✗ silent, not needed{why}"), Tone::Warn),
        (false, None, false) => (format!("✗ missing: {}{why}", first.name()), Tone::Bad),
        (true, None, false) if round.phase >= crate::state::Phase::Prepared => {
            (format!("✗ missing: commit{why}"), Tone::Bad)
        }
        (_, None, _) => ("prepared".to_owned(), Tone::Plain),
        (_, Some(ms), _) => {
            let slow = Kind::ALL.into_iter().find(|kind| round.is_slow(*kind, member));
            match slow {
                Some(kind) => (format!("! slow {}: commit {}", kind.name(), widgets::span(ms)), Tone::Warn),
                None => (format!("✓ commit after {}", widgets::span(ms)), Tone::Good),
            }
        }
    }
}

fn draw_quorums(frame: &mut Frame<'_>, seen: Seen<'_>, area: Rect) {
    let Seen { scene, node, pbft, round } = seen;
    let look = scene.ui.look;
    let f = pbft.n.saturating_sub(1) / 3;
    let width = usize::from(area.width).saturating_sub(48).clamp(4, 26).max(pbft.n.min(13));
    let mut lines = Vec::new();
    let mut row = |name: &str, votes: usize, reached: Option<u64>| {
        let mut line = Line::from(vec![Span::raw(format!("{name:<13}"))]);
        line.spans.extend(widgets::quorum_bar(look, votes, pbft.quorum, pbft.n, width).spans);
        let words = match reached {
            Some(ms) => format!("  quorum after {}", widgets::span(ms)),
            None if votes >= pbft.quorum => "  quorum".to_owned(),
            None => format!("  {} more needed", pbft.quorum - votes),
        };
        line.spans.push(Span::raw(words));
        lines.push(line);
    };
    if let Some(round) = round {
        let after = |at: Option<u64>| at.map(|at| at.saturating_sub(round.started_ms)).filter(|_| !round.partial);
        row("prepares", round.prepares(), after(round.prepared_ms));
        row("commits", round.commits(), after(round.committed_ms));
    }
    if let Some((view, votes)) = node.consensus.wanted.last_key_value() {
        row(&format!("want view {view}"), votes.len(), None);
    }
    let times: Vec<u64> = node
        .consensus
        .rounds
        .values()
        .filter(|round| !round.partial)
        .filter_map(|round| Some(round.committed_ms?.saturating_sub(round.started_ms)))
        .collect();
    let (count, median) = (times.len(), crate::state::median(times));
    if let Some(median) = median {
        lines.push(Line::styled(
            format!(
                "usually a quorum commits after {} (of {})",
                widgets::span(median),
                counted(count as u64, "height")
            ),
            look.dim(),
        ));
    }
    if let Some(pace) = node.consensus.pace {
        let text = format!(
            "patience: {} for a block, {} for one transaction; proposals {} late, {} allowed",
            widgets::span(pace.timeout_ms),
            widgets::span(pace.patience_ms),
            widgets::span(pace.delay_ms),
            widgets::span(pace.delay_allowed_ms)
        );
        lines.push(Line::styled(text, look.dim()));
    }
    let title = format!("votes of {} members: ┊ f+1 = {} │ quorum = {}", pbft.n, f + 1, pbft.quorum);
    let block = widgets::panel(&title);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).block(block), area);
}

/// The same height as every replica saw it.
fn draw_everywhere(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, shown: &Round) {
    let look = scene.ui.look;
    let mut lines = vec![Line::styled(
        format!(
            "{:<10} {:>6}  {:<13} {:<24} {:<24} {:>12}",
            "replica", "view", "phase", "prepares", "commits", "in its chain"
        ),
        look.dim(),
    )];
    for node in &scene.model.nodes {
        let rounds = node.consensus.rounds.range((shown.height, 0)..=(shown.height, u64::MAX));
        let Some((_, round)) = rounds.last() else {
            lines.push(Line::raw(format!("{:<10} {:>6}  – no vote for this height", node.name, "–")));
            continue;
        };
        let (quorum, n) = scene.model.quorum().unwrap_or((0, 0));
        let mut line = Line::from(vec![Span::raw(format!(
            "{:<10} {:>6}  {:<13} ",
            node.name,
            format!("v{}", round.view),
            round.phase.label()
        ))]);
        for (votes, reached) in [(round.prepares(), round.prepared_ms), (round.commits(), round.committed_ms)] {
            let bar = widgets::quorum_bar(look, votes, quorum, n, 4);
            let after = reached.filter(|_| !round.partial).map(|at| widgets::span(at.saturating_sub(round.started_ms)));
            let width = bar.width();
            line.spans.extend(bar.spans);
            let room = 25_usize.saturating_sub(width + 2);
            line.spans
                .push(Span::raw(format!("  {:<room$}", after.map_or_else(String::new, |ms| format!("after {ms}")))));
        }
        let connected = round.connected_ms.map(|at| widgets::since(scene.model, at));
        line.spans.push(Span::raw(connected.unwrap_or_else(|| "not yet".to_owned())));
        lines.push(line);
    }
    let title = format!("height {} at every replica: each counts for itself", shown.height);
    frame.render_widget(Paragraph::new(lines).block(widgets::panel(&title)), area);
}

/// Who was seen to break a rule, who left a view and why, and which views began: what all replicas tell, since one that only joined
/// the others does not know the reason.
fn draw_views(frame: &mut Frame<'_>, seen: Seen<'_>, area: Rect) {
    let (model, look) = (seen.scene.model, seen.scene.ui.look);
    let row = |moment: &Moment| {
        let sign = match moment.sort {
            Sort::Left => look.mark('▲', 'v'),
            Sort::Began => look.mark('★', '*'),
            Sort::Broken | Sort::Deed | Sort::Other => look.mark('✗', 'x'),
        };
        faults::moment_row(seen.scene, moment, &sign.to_string())
    };
    let moments = model.timeline.moments.iter().rev().filter(|moment| moment.sort.concerns_views());
    let mut lines: Vec<Line<'_>> = moments.take(usize::from(area.height)).map(row).collect();
    if lines.is_empty() {
        let primary = model.member(seen.node.consensus.primary);
        let view = seen.node.consensus.view;
        lines.push(Line::raw(format!("view {view}: {primary} leads, and was never replaced while we look")));
    }
    let block = widgets::panel("why views changed, newest first");
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}
