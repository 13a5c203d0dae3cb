//! Whole screens at three sizes, fed from recordings of real nets: what is written, and how.

use super::{Zones, draw};
use crate::input::Intent;
use crate::look::{Marker, Theme};
use crate::state::History;
use crate::testing::{PBFT, POW, history, ui};
use crate::ui::{Screen, Ui};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn drawn(ui: &Ui, histories: &[History], (width, height): (u16, u16)) -> (Terminal<TestBackend>, Zones) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test backend does not fail");
    let mut zones = Zones::default();
    terminal.draw(|frame| zones = draw(frame, ui, histories)).expect("drawing to memory does not fail");
    (terminal, zones)
}

fn text(ui: &Ui, histories: &[History], size: (u16, u16)) -> String {
    crate::picture::text(drawn(ui, histories, size).0.backend().buffer())
}

/// A letter for how a cell looks: `.` is plain.
fn style(cell: &Cell) -> char {
    let letter = match cell.fg {
        Color::Reset => 'p',
        Color::Green => 'g',
        Color::Yellow => 'y',
        Color::Red => 'r',
        Color::Cyan => 'c',
        Color::Magenta => 'm',
        Color::Blue => 'b',
        _ => 'o',
    };
    let is = |modifier: Modifier| cell.modifier.contains(modifier);
    match letter {
        'p' if is(Modifier::REVERSED) => 'R',
        'p' if is(Modifier::DIM) => 'd',
        'p' if is(Modifier::BOLD) => 'B',
        'p' if is(Modifier::UNDERLINED) => 'U',
        'p' => '.',
        letter if is(Modifier::REVERSED) => letter.to_ascii_uppercase(),
        letter => letter,
    }
}

/// TestBackend shows no styles, so a map of them stands below the text, each run with its length.
fn text_and_styles(ui: &Ui, histories: &[History], size: (u16, u16)) -> String {
    let (terminal, _) = drawn(ui, histories, size);
    let buffer = terminal.backend().buffer();
    let mut out = crate::picture::text(buffer);
    for y in 0..buffer.area.height {
        let mut runs: Vec<(char, usize)> = Vec::new();
        for x in 0..buffer.area.width {
            let letter = style(&buffer[(x, y)]);
            match runs.last_mut() {
                Some((last, count)) if *last == letter => *count += 1,
                Some(_) | None => runs.push((letter, 1)),
            }
        }
        let runs: Vec<String> = runs.into_iter().map(|(letter, count)| format!("{letter}{count}")).collect();
        out += &format!("{y:>2} {}\n", runs.join(" "));
    }
    out
}

fn on(screen: Screen) -> Ui {
    Ui { screen, ..ui(1) }
}

fn snapshots(name: &str, ui: &Ui, histories: &[History]) {
    for size in SIZES {
        let name = format!("{name}_{}x{}", size.0, size.1);
        insta::assert_snapshot!(name, text_and_styles(ui, histories, size));
    }
}

#[test]
fn the_overview_of_both_engines() {
    snapshots("overview_pbft", &on(Screen::Overview), &[history(PBFT)]);
    snapshots("overview_pow", &on(Screen::Overview), &[history(POW)]);
}

#[test]
fn the_lanes_of_a_round_that_is_done_and_of_one_that_is_stuck() {
    let mut ui = Ui { observer: 1, ..on(Screen::Pbft) };
    snapshots("pbft_stuck", &ui, &[history(PBFT)]);
    let mut histories = [history(PBFT)];
    let zones = drawn(&ui, &histories, SIZES[0]).1;
    ui.apply(Intent::Sideways(-1), &mut histories, &zones);
    snapshots("pbft_earlier_round", &ui, &histories);
}

#[test]
fn the_tree_with_its_fork() {
    snapshots("work", &on(Screen::Pow), &[history(POW)]);
}

#[test]
fn peers_pool_faults_and_logs() {
    for (name, screen) in
        [("peers", Screen::Peers), ("pool", Screen::Pool), ("faults", Screen::Faults), ("logs", Screen::Logs)]
    {
        snapshots(name, &on(screen), &[history(PBFT)]);
    }
}

/// The pictures of the book are what the program draws. `UPDATE_FIGURES=1 cargo test -p bezant-tui figures` makes them anew.
#[test]
fn the_figures_of_the_book_are_what_is_drawn() {
    let figures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/figures");
    let screens = [
        ("dashboard-pbft", PBFT, Ui { observer: 1, back: 1, ..on(Screen::Pbft) }),
        ("dashboard-work", POW, on(Screen::Pow)),
        ("dashboard-faults", PBFT, on(Screen::Faults)),
    ];
    for (name, trace, mut ui) in screens {
        ui.powers.is_replay = true;
        ui.powers.can_fault = false;
        let (terminal, _) = drawn(&ui, &[history(trace)], (120, 32));
        let picture = crate::picture::svg(terminal.backend().buffer(), false);
        let file = figures.join(format!("{name}.svg"));
        if std::env::var_os("UPDATE_FIGURES").is_some() {
            std::fs::write(&file, &picture).expect("figures can be written");
        }
        let kept = std::fs::read_to_string(&file).expect("the figure is there");
        assert!(kept == picture, "{name}.svg is not what is drawn any more; make it anew");
    }
}

#[test]
fn two_nets_on_one_scale() {
    snapshots("two_nets", &Ui { screen: Screen::Compare, ..ui(2) }, &[history(PBFT), history(POW)]);
}

#[test]
fn the_panel_that_follows_is_there_until_it_is_closed() {
    let mut histories = [history(PBFT)];
    let mut ui = on(Screen::Pool);
    for (shown, intent) in [(true, Intent::Escape), (false, Intent::Select), (true, Intent::Redraw)] {
        for size in SIZES {
            let (drawn, zones) = (text(&ui, &histories, size), drawn(&ui, &histories, size).1);
            assert_eq!(drawn.contains("Esc closes it"), shown, "{drawn}");
            assert_eq!(drawn.contains("since it was first heard of"), shown, "{drawn}");
            let rows = zones.list.expect("transactions are a list").area.height;
            assert_eq!(rows == size.1 - 4 - 3, !shown, "the list has all of the room then");
        }
        ui.apply(intent, &mut histories, &Zones::default());
    }
}

#[test]
fn small_screens_get_a_summary() {
    for (name, trace) in [("summary_pbft", PBFT), ("summary_pow", POW)] {
        insta::assert_snapshot!(name, text_and_styles(&on(Screen::Overview), &[history(trace)], (60, 12)));
    }
}

#[test]
fn a_filter_that_leaves_nothing_says_so() {
    for screen in [Screen::Pool, Screen::Logs] {
        let ui = Ui { filter: "zebra".to_owned(), ..on(screen) };
        assert!(text(&ui, &[history(PBFT)], SIZES[0]).contains("nothing here has \"zebra\" in it"));
    }
}

#[test]
fn small_screens_say_so_and_show_what_is_said() {
    let mut ui = on(Screen::Overview);
    let shown = |ui: &Ui| text(ui, &[history(PBFT)], (60, 20));
    let keys = shown(&ui);
    for word in ["80x20 shows the screens", "t transfer", "a arm", "q stop the net"] {
        assert!(keys.contains(word), "{word}: {keys}");
    }
    ui.notice = Some("it is on its way".to_owned());
    assert!(shown(&ui).contains("it is on its way"));
    ui.armed = true;
    assert!(shown(&ui).contains("press 6 for the keys that hurt"));
    ui.screen = Screen::Faults;
    assert!(shown(&ui).contains("ARMED for node0: x kill"));
    ui.prompt = Some((crate::ui::Prompt::Lie(1), String::new()));
    assert!(shown(&ui).contains("equivocate") && shown(&ui).contains("how shall node1 lie?"));
}

#[test]
fn a_cut_under_proof_of_work_is_told_of_to_the_end() {
    let mut history = history(POW);
    let (end, _) = history.position();
    let is_cut = |history: &History| crate::state::cut(history.model()).is_some();
    let at = (0..end).find(|at| {
        history.seek(*at);
        is_cut(&history)
    });
    assert!(at.is_some(), "the net of the recording is cut");
    for size in SIZES {
        let shown = text(&on(Screen::Pow), std::slice::from_ref(&history), size);
        assert!(shown.contains("are undone.") || shown.contains("undone. "), "{shown}");
    }
}

#[test]
fn final_by_work_is_said_with_its_depth() {
    let shown = text(&Ui { screen: Screen::Compare, ..ui(2) }, &[history(PBFT), history(POW)], SIZES[1]);
    assert!(shown.contains("Final means: 6 deep."), "{shown}");
}

#[test]
fn a_member_whose_vote_is_missing_is_marked_when_it_is_down() {
    use bezant_api::event::{Event, EventKind};
    use bezant_api::trace::{Entry, Fact};
    let (header, entries) = crate::testing::trace(PBFT);
    let names = header.nodes.iter().map(|node| node.name.clone());
    let mut live = History::live(crate::state::Model::new("n", names, Some(header.engine)));
    let is_snapshot =
        |entry: &&Entry| matches!(&entry.fact, Fact::Event(event) if matches!(event.kind, EventKind::Snapshot { .. }));
    entries.iter().filter(is_snapshot).take(4).for_each(|entry| live.push(entry.clone()));
    let at_ms = live.model().now_ms;
    let tell = |live: &mut History, node: usize, kind: EventKind| {
        live.push(Entry { at_ms, node, fact: Fact::Event(Box::new(Event { seq: 1, time_ms: 1, kind })) });
    };
    let vote = |kind: &str, signer: u16| {
        let (vote, view, height) = (kind.to_owned(), 0, 90);
        EventKind::Vote { vote, signer, view, height, votes: 1, quorum: 3 }
    };
    let phase = |phase: &str| {
        let (phase, block) = (phase.to_owned(), "aa".to_owned());
        EventKind::Phase { phase, view: 0, height: 90, block }
    };
    let lane = |live: &History, name: &str| -> String {
        let shown = text(&on(Screen::Pbft), std::slice::from_ref(live), SIZES[1]);
        let lane = shown.lines().find(|line| line.starts_with(&format!("│ {name} ")));
        lane.unwrap_or_else(|| panic!("no lane of {name}:\n{shown}")).to_owned()
    };
    tell(&mut live, 0, vote("pre-prepare", 0));
    tell(&mut live, 0, vote("prepare", 1));
    tell(&mut live, 0, vote("prepare", 2));
    let steps = [("pre-prepared", "missing: prepare", ""), ("prepared", "missing: prepare", "missing: commit")];
    let last = ("committed", "silent, not needed", "prepared");
    for (reached, silent, prepared) in steps.into_iter().chain([last]) {
        tell(&mut live, 0, phase(reached));
        for (node, name, words) in [(3, "node3", silent), (2, "node2", prepared)] {
            assert!(lane(&live, name).contains(words), "{reached}: {}", lane(&live, name));
            assert!(!lane(&live, name).contains("(down)"), "{reached}: {}", lane(&live, name));
            live.push(Entry { at_ms, node, fact: Fact::Lost("gone".to_owned()) });
            let is_marked = words.contains("missing") || words.contains("silent");
            assert_eq!(lane(&live, name).contains(&format!("{words} (down)")), is_marked, "{}", lane(&live, name));
            live.push(Entry { at_ms, node, fact: Fact::Back(bezant_api::trace::Back {}) });
        }
    }
}

#[test]
fn help_is_found_by_what_it_is_about() {
    let mut ui = on(Screen::Overview);
    ui.help = Some(String::new());
    let all = text(&ui, &[history(PBFT)], SIZES[2]);
    for word in ["stop the net and leave", "send 1 BZT", ":height N", "f+1 votes"] {
        assert!(all.contains(word), "{word} is missing:\n{all}");
    }
    ui.help = Some("lie".to_owned());
    let some = text(&ui, &[history(PBFT)], SIZES[2]);
    assert!(some.contains(":lie N MODE") && !some.contains("send 1 BZT"), "{some}");
    ui.help = Some("zebra".to_owned());
    assert!(text(&ui, &[history(PBFT)], SIZES[0]).contains("nothing here has to do with \"zebra\""));
}

#[test]
fn help_that_does_not_fit_is_scrolled_to() {
    let mut histories = [history(PBFT)];
    let mut ui = on(Screen::Overview);
    ui.help = Some(String::new());
    let last = "so deep that nobody expects";
    let (_, zones) = drawn(&ui, &histories, SIZES[0]);
    assert!(!text(&ui, &histories, SIZES[0]).contains(last) && zones.help_top_max > 0);
    assert!(text(&ui, &histories, SIZES[0]).contains("↑ ↓ for the others"));
    ui.apply(Intent::Move(500), &mut histories, &zones);
    assert!(text(&ui, &histories, SIZES[0]).contains(last));
    ui.apply(Intent::Type('q'), &mut histories, &zones);
    assert_eq!(ui.help_top, 0, "a search begins at its first row");
}

#[test]
fn the_ways_to_lie_are_listed_and_so_is_what_comes_of_them() {
    let mut ui = Ui { armed: true, ..on(Screen::Faults) };
    ui.prompt = Some((crate::ui::Prompt::Lie(1), String::new()));
    for size in SIZES {
        let shown = text(&ui, &[history(PBFT)], size);
        assert!(shown.contains("equivocate") && shown.contains("replaced"), "{shown}");
        assert!(!shown.contains("withhold"), "{shown}");
    }
    assert!(text(&ui, &[history(POW)], SIZES[0]).contains("withhold"));
}

#[test]
fn keys_and_sentences_are_never_cut_in_their_middle() {
    for screen in Screen::ALL {
        for armed in [false, true] {
            let ui = Ui { screen, armed, ..on(screen) };
            let shown = text(&ui, &[history(PBFT)], SIZES[0]);
            let last = shown.lines().last().unwrap_or_default().trim_end();
            assert!(last.ends_with("q stop the net and leave"), "{screen:?}: {last:?}");
        }
    }
    let mut recording = on(Screen::Faults);
    recording.powers = crate::ui::Powers { is_replay: true, ..Default::default() };
    let shown = text(&recording, &[history(PBFT)], SIZES[0]);
    assert!(!shown.contains("a arm") && shown.trim_end().ends_with("q leave"), "{shown}");
    let first = shown.lines().next().unwrap_or_default();
    let (at, _) = history(PBFT).position();
    assert!(first.contains(&format!("recording ‖ paused {at}/{at}")), "{first:?}");
    let mut ui = on(Screen::Faults);
    ui.notice = Some(format!("{} the end", "a long sentence ".repeat(8)));
    assert!(text(&ui, &[history(PBFT)], SIZES[0]).contains("the end"));
}

#[test]
fn no_size_is_too_small_and_no_screen_is_too_early() {
    let early = || {
        let (header, entries) = crate::testing::trace(PBFT);
        History::replay(&header, entries)
    };
    for screen in Screen::ALL {
        for size in [(1, 1), (10, 3), (79, 24), (80, 19), (80, 20), (300, 100)] {
            let ui = Ui { screen, help: (size.0 == 10).then(String::new), ..ui(2) };
            drawn(&ui, &[early(), early()], size);
            drawn(&ui, &[history(PBFT), history(POW)], size);
            drawn(&ui, &[history(POW), history(PBFT)], size);
        }
    }
}

#[test]
fn themes_and_markers_take_nothing_away() {
    let words = |ui: &Ui| text(ui, &[history(PBFT)], SIZES[1]);
    let mut ui = Ui { observer: 1, ..on(Screen::Pbft) };
    let plain_words = words(&ui);
    for theme in Theme::ALL {
        ui.look.theme = theme;
        assert_eq!(words(&ui), plain_words, "{}: colour is never all there is", theme.name());
    }
    let (terminal, _) = drawn(&ui, &[history(PBFT)], SIZES[1]);
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "mono has no colour");
    ui.look.marker = Marker::Plain;
    let letters = words(&ui);
    assert!(letters.contains("P---") && letters.contains("quorum after"), "{letters}");
    assert!(!letters.contains('◆') && !letters.contains('█'), "{letters}");
}

#[test]
fn the_mouse_finds_tabs_and_rows() {
    let mut histories = [history(PBFT)];
    let mut ui = on(Screen::Overview);
    let (_, zones) = drawn(&ui, &histories, SIZES[0]);
    let (tab, screen) = zones.tabs[6];
    ui.apply(Intent::Click { x: tab.x + 1, y: tab.y }, &mut histories, &zones);
    assert_eq!((ui.screen, screen), (Screen::Logs, Screen::Logs));
    let (_, zones) = drawn(&ui, &histories, SIZES[0]);
    let list = zones.list.expect("the log is a list");
    ui.apply(Intent::Click { x: list.area.x, y: list.area.y + 3 }, &mut histories, &zones);
    assert_eq!(ui.cursor(), 3);
    ui.apply(Intent::Move(i64::from(list.area.height) + 2), &mut histories, &zones);
    let (_, zones) = drawn(&ui, &histories, SIZES[0]);
    assert!(zones.list.expect("still").offset > 0, "the list follows the cursor");
}
