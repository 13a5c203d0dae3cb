//! Small things that several screens are made of.

use super::{List, Scene};
use crate::look::Look;
use crate::state::{Model, Tone};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

/// A bordered panel.
pub(super) fn panel(title: &str) -> Block<'static> {
    Block::bordered().title(format!(" {title} "))
}

pub(super) fn tone(look: Look, tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Good => look.good(),
        Tone::Warn => look.warn(),
        Tone::Bad => look.bad(),
    }
}

/// A moment, as seconds since the dashboard or the recording began.
pub(super) fn since(model: &Model, at_ms: u64) -> String {
    let started = model.started_ms.unwrap_or(at_ms);
    format!("{:>7.1}s", at_ms.saturating_sub(started) as f64 / 1e3)
}

/// A length of time in its natural unit.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..100_000 => format!("{:.1} s", ms as f64 / 1e3),
        _ => format!("{} s", ms / 1_000),
    }
}

/// Votes out of n, with ticks at f + 1 (`┊`: at least one of them is honest) and at the quorum (`│`).
pub(super) fn quorum_bar(look: Look, votes: usize, quorum: usize, n: usize, width: usize) -> Line<'static> {
    let f = n.saturating_sub(1) / 3;
    let scale = |count: usize| if n == 0 { 0 } else { (count * width).div_ceil(n).min(width) };
    let (full, weak, strong) = (scale(votes), scale(f + 1), scale(quorum));
    let mut text = String::new();
    for place in 0..=width {
        if place == strong && quorum > 0 {
            text.push(look.mark('│', '|'));
        } else if place == weak && n > 1 {
            text.push(look.mark('┊', ':'));
        }
        if place < width {
            text.push(if place < full { look.mark('█', '#') } else { look.mark('░', '.') });
        }
    }
    let style = if quorum > 0 && votes >= quorum { look.good() } else { look.warn() };
    Line::from(vec![Span::styled(text, style), Span::raw(format!(" {votes}/{quorum}"))])
}

/// A plain bar of a share, from 0 to 1.
pub(super) fn bar(look: Look, share: f64, width: usize) -> String {
    let full = ((share.clamp(0.0, 1.0) * width as f64).round() as usize).min(width);
    let [on, off] = [look.mark('█', '#'), look.mark('░', '.')];
    std::iter::repeat_n(on, full).chain(std::iter::repeat_n(off, width - full)).collect()
}

/// A number with a unit of thousands: 12.3k, 4.5M.
pub(super) fn short_number(value: f64) -> String {
    let units = ["", "k", "M", "G", "T", "P", "E"];
    let (mut value, mut unit) = (value, 0);
    while value >= 1_000.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1_000.0, unit + 1);
    }
    if unit == 0 { format!("{value:.0}") } else { format!("{value:.1}{}", units[unit]) }
}

/// A sentence in lines of at most so many columns, broken between words.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// How many lines it takes.
pub(super) fn lines_of(text: &str, width: usize) -> usize {
    wrapped(text, width).iter().map(|line| line.chars().count().div_ceil(width).max(1)).sum()
}

/// Rows with a cursor, scrolled so that it is seen; only those that are seen are made. Says where they are.
pub(super) fn list(
    frame: &mut Frame<'_>,
    scene: Scene<'_>,
    area: Rect,
    title: &str,
    head: Option<Line<'static>>,
    count: usize,
    row: impl Fn(usize) -> Line<'static>,
) -> List {
    let block = panel(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let head_height = u16::from(head.is_some()).min(inner.height);
    if let Some(head) = head {
        frame.render_widget(Paragraph::new(head.style(scene.ui.look.dim())), Rect { height: head_height, ..inner });
    }
    let body = Rect { y: inner.y + head_height, height: inner.height - head_height, ..inner };
    let height = usize::from(body.height);
    let cursor = scene.ui.cursor().min(count.saturating_sub(1));
    let offset = (cursor + 1).saturating_sub(height).min(count.saturating_sub(height));
    let place = |place: usize| {
        let line = row(place);
        if place == cursor { line.patch_style(scene.ui.look.selected()) } else { line }
    };
    let mut lines: Vec<Line<'static>> = (offset..count.min(offset + height)).map(place).collect();
    if count == 0 && !scene.ui.filter.is_empty() {
        lines.push(Line::styled(format!("nothing here has {:?} in it", scene.ui.filter), scene.ui.look.warn()));
    }
    frame.render_widget(Paragraph::new(lines), body);
    List { area: body, offset, rows: count }
}
