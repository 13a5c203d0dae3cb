//! What the dashboard costs, measured without a terminal: what nodes told is taken in and drawn as live, into a buffer.

use crate::look::Look;
use crate::state::{History, Model};
use crate::ui::{Powers, Screen, Ui};
use crate::view;
use bezant_api::trace::Entry;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::{Duration, Instant};

/// Times that all screens are drawn, spread over the entries.
const ROUNDS: usize = 20;

/// What a rehearsal took.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    /// Entries that were taken in.
    pub entries: usize,
    /// For all of them.
    pub taking_in: Duration,
    /// For each frame, of every screen in turn.
    pub frames: Vec<Duration>,
}

/// Takes entries of nodes of these names in, in their order, and draws each screen so many cells wide and high now and then.
///
/// # Panics
/// When an entry is of a node beyond the names.
#[must_use]
pub fn rehearse(title: &str, names: &[String], entries: Vec<Entry>, (columns, rows): (u16, u16)) -> Rehearsal {
    let powers = Powers { can_transfer: false, can_fault: false, quit_stops_net: false, is_replay: false };
    let mut ui = Ui::new(1, Look::default(), powers);
    let mut histories = [History::live(Model::new(title, names.iter().cloned(), None))];
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a buffer does not fail");
    let mut rehearsal = Rehearsal { entries: entries.len(), ..Rehearsal::default() };
    let pause = entries.len().div_ceil(ROUNDS).max(1);
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        let began = Instant::now();
        entries.by_ref().take(pause).for_each(|entry| histories[0].push(entry));
        rehearsal.taking_in += began.elapsed();
        for screen in Screen::ALL {
            ui.screen = screen;
            let began = Instant::now();
            terminal.draw(|frame| drop(view::draw(frame, &ui, &histories))).expect("a buffer does not fail");
            rehearsal.frames.push(began.elapsed());
        }
    }
    rehearsal
}

#[cfg(test)]
mod tests {
    use super::{ROUNDS, rehearse};
    use crate::testing::{PBFT, POW, trace};
    use crate::ui::Screen;

    #[test]
    fn all_is_taken_in_and_every_screen_drawn() {
        for text in [PBFT, POW] {
            let (header, entries) = trace(text);
            let names: Vec<String> = header.nodes.iter().map(|node| node.name.clone()).collect();
            let count = entries.len();
            let rehearsal = rehearse("n", &names, entries, (160, 48));
            assert_eq!(rehearsal.entries, count);
            let rounds = count.div_ceil(count.div_ceil(ROUNDS));
            assert_eq!(rehearsal.frames.len(), rounds * Screen::ALL.len());
        }
        assert!(rehearse("n", &[], Vec::new(), (80, 24)).frames.is_empty());
    }
}
