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

/// The node that the faults' keys concern: the cursor's, or the one looked from when the cursor is on the timeline.
pub(crate) fn fault_node(ui: &Ui, model: &Model) -> usize {
    let cursor = ui.cursors[Screen::Faults as usize];
    if cursor < model.nodes.len() { cursor } else { ui.observer.min(model.nodes.len().saturating_sub(1)) }
}

pub(crate) fn transaction(ui: &Ui, model: &Model) -> Option<String> {
    let (txid, _) = transactions(ui, model).nth(ui.cursor())?;
    Some(txid.clone())
}

/// When what is under the cursor happened.
pub(crate) fn moment_ms(ui: &Ui, model: &Model) -> Option<u64> {
    match ui.screen {
        Screen::Logs => lines(ui, model).nth(ui.cursor()).map(|line| line.at_ms),
        Screen::Faults => {
            let row = ui.cursor().checked_sub(model.nodes.len())?;
            moments(ui, model).nth(row).map(|moment| moment.at_ms)
        }
        _ => None,
    }
}

/// What is copied.
pub(crate) fn text(ui: &Ui, model: &Model) -> Option<String> {
    match ui.screen {
        Screen::Pool => transaction(ui, model),
        Screen::Logs => lines(ui, model).nth(ui.cursor()).map(|line| line.text.clone()),
        Screen::Faults => {
            let row = ui.cursor().checked_sub(model.nodes.len())?;
            moments(ui, model).nth(row).map(|moment| moment.text.clone())
        }
        Screen::Pow => super::pow::rows(model).get(ui.cursor()).map(|row| row.id.clone()),
        Screen::Peers => model.nodes.get(ui.cursor())?.status.as_ref().map(|status| status.peer_id.clone()),
        Screen::Overview => model.nodes.get(ui.cursor()).map(|node| node.tip.clone()).filter(|tip| !tip.is_empty()),
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
