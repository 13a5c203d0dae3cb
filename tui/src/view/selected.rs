//! What is under the cursor. The rows of lists are made here, so that what is drawn and what is acted on are the same.

use crate::state::{Life, Line, Model, why};
use crate::ui::{Screen, Ui};

fn holds(filter: &str, text: &str) -> bool {
    filter.is_empty() || text.to_lowercase().contains(&filter.to_lowercase())
}

/// Transactions of the pool screen, newest first.
pub(super) fn transactions<'a>(ui: &'a Ui, model: &'a Model) -> impl Iterator<Item = (&'a String, &'a Life)> {
    model.transactions.newest().filter(|(txid, _)| holds(&ui.filter, txid))
}

/// Lines of the log, newest first.
pub(super) fn lines<'a>(ui: &'a Ui, model: &'a Model) -> impl Iterator<Item = &'a Line> {
    let name = |line: &Line| model.nodes.get(line.node).map_or("", |node| node.name.as_str());
    let is_wanted =
        move |line: &&Line| ui.filter.is_empty() || holds(&ui.filter, &format!("{} {}", name(line), line.text));
    model.lines.iter().rev().filter(is_wanted)
}

/// Moments of the timeline, newest first; they stand below the nodes.
pub(super) fn moments<'a>(ui: &'a Ui, model: &'a Model) -> impl Iterator<Item = &'a crate::state::Moment> {
    model.timeline.moments.iter().rev().filter(move |moment| holds(&ui.filter, &moment.text))
}

/// The row under the cursor, which stands on the last one where a filter left fewer, as [`super::widgets::list`] draws it.
fn under_cursor<T>(rows: impl Iterator<Item = T>, ui: &Ui) -> Option<T> {
    rows.take(ui.cursor().saturating_add(1)).last()
}

/// The moment under the cursor, which may also be on a node above them.
fn moment<'a>(ui: &'a Ui, model: &'a Model) -> Option<&'a crate::state::Moment> {
    let nodes = model.nodes.iter().map(|_| None);
    under_cursor(nodes.chain(moments(ui, model).map(Some)), ui)?
}

/// The node that the faults' keys concern: the cursor's, or the one looked from when the cursor is on the timeline.
pub(crate) fn fault_node(ui: &Ui, model: &Model) -> usize {
    let last = (model.nodes.len() + moments(ui, model).count()).saturating_sub(1);
    let cursor = ui.cursors[Screen::Faults as usize].min(last);
    if cursor < model.nodes.len() { cursor } else { ui.observer.min(model.nodes.len().saturating_sub(1)) }
}

pub(crate) fn transaction(ui: &Ui, model: &Model) -> Option<String> {
    let (txid, _) = under_cursor(transactions(ui, model), ui)?;
    Some(txid.clone())
}

/// When what is under the cursor happened.
pub(crate) fn moment_ms(ui: &Ui, model: &Model) -> Option<u64> {
    match ui.screen {
        Screen::Logs => under_cursor(lines(ui, model), ui).map(|line| line.at_ms),
        Screen::Faults => moment(ui, model).map(|moment| moment.at_ms),
        _ => None,
    }
}

/// What is copied.
pub(crate) fn text(ui: &Ui, model: &Model) -> Option<String> {
    match ui.screen {
        Screen::Pool => transaction(ui, model),
        Screen::Logs => under_cursor(lines(ui, model), ui).map(|line| line.text.clone()),
        Screen::Faults => moment(ui, model).map(|moment| moment.text.clone()),
        Screen::Pow => under_cursor(super::pow::rows(model).into_iter(), ui).map(|row| row.id),
        Screen::Peers => under_cursor(model.nodes.iter(), ui)?.status.as_ref().map(|status| status.peer_id.clone()),
        Screen::Overview => {
            under_cursor(model.nodes.iter(), ui).map(|node| node.tip.clone()).filter(|tip| !tip.is_empty())
        }
        Screen::Pbft | Screen::Compare => Some(why(model, ui.observer).0),
    }
}

/// The transaction whose id begins so; a whole id need not be known.
pub(crate) fn find(model: &Model, prefix: &str) -> Option<String> {
    let prefix = prefix.to_lowercase();
    let is_whole = prefix.len() == 64 && prefix.chars().all(|digit| digit.is_ascii_hexdigit());
    let listed = model.transactions.newest().find(|(txid, _)| txid.starts_with(&prefix)).map(|(txid, _)| txid.clone());
    listed.or(is_whole.then_some(prefix))
}
