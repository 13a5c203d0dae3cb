use super::*;
use crate::testing::{PBFT, history, ui};

fn press(ui: &mut Ui, histories: &mut [History], intent: Intent) -> Option<Effect> {
    ui.apply(intent, histories, &Zones::default())
}

fn type_in(ui: &mut Ui, histories: &mut [History], text: &str) -> Option<Effect> {
    press(ui, histories, Intent::Command);
    text.chars().for_each(|letter| drop(press(ui, histories, Intent::Type(letter))));
    press(ui, histories, Intent::Enter)
}

#[test]
fn keys_that_hurt_do_nothing_unless_armed() {
    let mut histories = [history(PBFT)];
    let mut ui = Ui { screen: Screen::Faults, ..ui(1) };
    for key in FAULT_KEYS {
        assert_eq!(press(&mut ui, &mut histories, Intent::Fault(key)), None, "{key:?}");
        assert!(ui.notice.as_deref().is_some_and(|notice| notice.contains("press a first")), "{:?}", ui.notice);
        assert_eq!(ui.prompt, None);
    }
    for command in ["kill 0", "pause 1", "heal", "cut 0/1", "lie 0 silent", "honest 0", "start 0", "resume 0"] {
        assert_eq!(type_in(&mut ui, &mut histories, command), None, "{command}");
    }
    press(&mut ui, &mut histories, Intent::Arm);
    let killed = press(&mut ui, &mut histories, Intent::Fault(FaultKey::Kill));
    assert_eq!(killed, Some(Effect::Order(Order { net: 0, action: Action::Kill(0) })));
    let cut = type_in(&mut ui, &mut histories, "cut 0,1/2,3");
    assert_eq!(cut, Some(Effect::Order(Order { net: 0, action: Action::Partition(vec![vec![0, 1], vec![2, 3]]) })));
    press(&mut ui, &mut histories, Intent::Escape);
    assert!(!ui.armed, "Esc disarms");
}

#[test]
fn a_recording_cannot_be_hurt_and_nothing_is_sent_from_it() {
    let mut histories = [history(PBFT)];
    let mut ui = ui(1);
    ui.powers = Powers { is_replay: true, ..Powers::default() };
    ui.screen = Screen::Faults;
    press(&mut ui, &mut histories, Intent::Arm);
    assert!(!ui.armed);
    assert_eq!(type_in(&mut ui, &mut histories, "kill 0"), None);
    assert_eq!(press(&mut ui, &mut histories, Intent::Transfer), None);
}

const FAULT_KEYS: [FaultKey; 7] =
    [FaultKey::Kill, FaultKey::Start, FaultKey::Pause, FaultKey::Cut, FaultKey::Heal, FaultKey::Lie, FaultKey::Honest];

#[test]
fn keys_that_hurt_do_so_on_the_screen_of_faults_alone() {
    let mut histories = [history(PBFT)];
    for screen in Screen::ALL {
        for key in FAULT_KEYS {
            let mut ui = Ui { screen, armed: true, ..ui(2) };
            let effect = press(&mut ui, &mut histories, Intent::Fault(key));
            let is_there = screen == Screen::Faults;
            assert_eq!(effect.is_some() || ui.prompt.is_some(), is_there, "{screen:?} {key:?}");
            let says_where = ui.notice.as_deref().is_some_and(|notice| notice.contains("screen 6"));
            assert_eq!(says_where, !is_there, "{screen:?} {key:?} {:?}", ui.notice);
        }
    }
}

#[test]
fn nobody_is_offered_to_make_a_node_lie_who_may_not() {
    let mut histories = [history(PBFT)];
    // The switch cannot be on there; if it were, it would do nothing.
    for armed in [false, true] {
        let mut ui = Ui { screen: Screen::Faults, armed, ..ui(1) };
        ui.powers.can_fault = false;
        let refused = |ui: &Ui| ui.notice.as_deref().is_some_and(|notice| notice.contains("need a running dev net"));
        assert_eq!(press(&mut ui, &mut histories, Intent::Fault(FaultKey::Lie)), None);
        assert!(ui.prompt.is_none() && refused(&ui), "{:?} {:?}", ui.prompt, ui.notice);
        assert_eq!(type_in(&mut ui, &mut histories, "lie 0 silent"), None);
        assert!(refused(&ui), "{:?}", ui.notice);
        // Nor when a list is open.
        ui.prompt = Some((Prompt::Lie(0), "silent".to_owned()));
        assert_eq!(press(&mut ui, &mut histories, Intent::Enter), None);
        assert!(refused(&ui), "{:?}", ui.notice);
    }
}

#[test]
fn a_node_is_made_to_lie_by_name_of_the_mode() {
    let mut histories = [history(PBFT)];
    let mut ui = Ui { screen: Screen::Faults, ..ui(1) };
    press(&mut ui, &mut histories, Intent::Arm);
    ui.cursors[Screen::Faults as usize] = 2;
    assert_eq!(press(&mut ui, &mut histories, Intent::Fault(FaultKey::Lie)), None);
    "silent".chars().for_each(|letter| drop(press(&mut ui, &mut histories, Intent::Type(letter))));
    let action = Action::Byzantine { node: 2, mode: "silent".to_owned() };
    assert_eq!(press(&mut ui, &mut histories, Intent::Enter), Some(Effect::Order(Order { net: 0, action })));
}

#[test]
fn a_way_to_lie_is_chosen_from_the_list() {
    let mut histories = [history(PBFT)];
    let mut ui = Ui { screen: Screen::Faults, armed: true, ..ui(1) };
    let offered = |ui: &Ui, histories: &[History]| -> Vec<&str> {
        ui.lies(histories[0].model()).iter().map(|lie| lie.mode).collect()
    };
    press(&mut ui, &mut histories, Intent::Fault(FaultKey::Lie));
    let all = offered(&ui, &histories);
    assert!(all.contains(&"equivocate") && !all.contains(&"withhold"), "{all:?}");
    press(&mut ui, &mut histories, Intent::Move(i64::from(u16::MAX)));
    press(&mut ui, &mut histories, Intent::Move(-1));
    let chosen = all[all.len() - 2];
    let lies = |mode: &str| {
        let action = Action::Byzantine { node: 0, mode: mode.to_owned() };
        Some(Effect::Order(Order { net: 0, action }))
    };
    assert_eq!(press(&mut ui, &mut histories, Intent::Enter), lies(chosen));
    assert_eq!(ui.cursor(), 0, "the arrows moved nothing else");
    // What is typed narrows the list; what is not in it is asked for as it is, and refused with words.
    press(&mut ui, &mut histories, Intent::Fault(FaultKey::Lie));
    "bad".chars().for_each(|letter| drop(press(&mut ui, &mut histories, Intent::Type(letter))));
    assert_eq!(offered(&ui, &histories), ["bad-digest", "bad-signature"]);
    press(&mut ui, &mut histories, Intent::Move(1));
    assert_eq!(press(&mut ui, &mut histories, Intent::Enter), lies("bad-signature"));
    press(&mut ui, &mut histories, Intent::Fault(FaultKey::Lie));
    "zebra".chars().for_each(|letter| drop(press(&mut ui, &mut histories, Intent::Type(letter))));
    assert_eq!(press(&mut ui, &mut histories, Intent::Enter), lies("zebra"));
}

#[test]
fn one_jumps_to_heights_and_moments_and_back() {
    let mut histories = [history(PBFT)];
    let mut ui = ui(1);
    type_in(&mut ui, &mut histories, "height 2");
    assert_eq!(histories[0].model().height(), 2, "{:?}", ui.notice);
    press(&mut ui, &mut histories, Intent::Step(false));
    assert_eq!(histories[0].model().height(), 1);
    press(&mut ui, &mut histories, Intent::Step(true));
    assert_eq!(histories[0].model().height(), 2);
    let (before, _) = histories[0].position();
    press(&mut ui, &mut histories, Intent::Moment(true));
    let (after, end) = histories[0].position();
    assert!(before < after && after < end);
    type_in(&mut ui, &mut histories, "height 999");
    assert!(ui.notice.as_deref().is_some_and(|notice| notice.contains("999")), "{:?}", ui.notice);
    type_in(&mut ui, &mut histories, "end");
    assert_eq!(histories[0].position(), (end, end));
    type_in(&mut ui, &mut histories, "nonsense");
    assert!(ui.notice.as_deref().is_some_and(|notice| notice.contains(":help")), "{:?}", ui.notice);
}

#[test]
fn what_is_typed_into_a_filter_filters_at_once() {
    let mut histories = [history(PBFT)];
    let mut ui = Ui { screen: Screen::Logs, ..ui(1) };
    press(&mut ui, &mut histories, Intent::Filter);
    "view".chars().for_each(|letter| drop(press(&mut ui, &mut histories, Intent::Type(letter))));
    assert_eq!(ui.filter, "view");
    press(&mut ui, &mut histories, Intent::Enter);
    assert!(!ui.types());
    let shown = selected::text(&ui, histories[0].model()).expect("views were left in the recording");
    assert!(shown.contains("view"), "{shown}");
    press(&mut ui, &mut histories, Intent::Escape);
    assert_eq!(ui.filter, "");
}

#[test]
fn enter_follows_a_transaction_and_y_copies_its_id() {
    let mut histories = [history(PBFT)];
    let mut ui = Ui { screen: Screen::Pool, ..ui(1) };
    press(&mut ui, &mut histories, Intent::Select);
    let followed = ui.follow.chosen().cloned().expect("there are transactions");
    assert_eq!(histories[0].model().transactions.followed.as_ref(), Some(&followed));
    assert_eq!(press(&mut ui, &mut histories, Intent::Copy), Some(Effect::Copy(followed.clone())));
    type_in(&mut ui, &mut histories, &format!("follow {}", &followed[..6]));
    assert_eq!(ui.follow, Follow::Chosen(followed));
    type_in(&mut ui, &mut histories, "follow zz");
    assert!(ui.notice.is_some());
}

#[test]
fn esc_closes_the_panel_that_follows_after_all_else_that_is_open() {
    let mut histories = [history(PBFT)];
    let mut ui = Ui { screen: Screen::Pool, ..ui(1) };
    press(&mut ui, &mut histories, Intent::Select);
    let chosen = ui.follow.clone();
    assert!(chosen.chosen().is_some());
    type_in(&mut ui, &mut histories, &format!("filter {}", &chosen.chosen().expect("it is")[..6]));
    press(&mut ui, &mut histories, Intent::Arm);
    for _ in ["disarms", "ends the filter"] {
        press(&mut ui, &mut histories, Intent::Escape);
        assert_eq!(ui.follow, chosen);
    }
    assert!(!ui.armed && ui.filter.is_empty());
    ui.screen = Screen::Logs;
    press(&mut ui, &mut histories, Intent::Escape);
    assert_eq!(ui.follow, chosen, "the panel is not seen there");
    ui.screen = Screen::Pool;
    press(&mut ui, &mut histories, Intent::Escape);
    assert_eq!(ui.follow, Follow::Closed);
    assert_eq!(histories[0].model().transactions.followed, None, "nothing is kept for its sake any more");
    press(&mut ui, &mut histories, Intent::Select);
    assert_eq!(ui.follow, chosen, "Enter opens it again");
}

#[test]
fn the_help_is_searched_by_typing() {
    let mut histories = [history(PBFT)];
    let mut ui = ui(1);
    press(&mut ui, &mut histories, Intent::Help);
    assert!(ui.types(), "letters are text now, and q does not leave");
    "copy".chars().for_each(|letter| drop(press(&mut ui, &mut histories, Intent::Type(letter))));
    assert_eq!(ui.help.as_deref(), Some("copy"));
    press(&mut ui, &mut histories, Intent::Escape);
    assert_eq!(ui.help, None);
}

#[test]
fn a_filter_that_is_given_up_leaves_what_was_in_force() {
    let mut histories = [history(PBFT)];
    let mut ui = Ui { screen: Screen::Logs, ..ui(1) };
    type_in(&mut ui, &mut histories, "filter view");
    press(&mut ui, &mut histories, Intent::Filter);
    assert_eq!(ui.prompt, Some((Prompt::Filter, String::new())), "it is begun anew");
    "ab".chars().for_each(|letter| drop(press(&mut ui, &mut histories, Intent::Type(letter))));
    assert_eq!(ui.filter, "ab");
    press(&mut ui, &mut histories, Intent::Escape);
    assert_eq!((ui.filter.as_str(), &ui.prompt), ("view", &None));
    press(&mut ui, &mut histories, Intent::Arm);
    press(&mut ui, &mut histories, Intent::Escape);
    assert!(ui.notice.as_deref().is_some_and(|notice| notice.starts_with("disarmed")), "{:?}", ui.notice);
    assert_eq!(ui.filter, "view");
}

#[test]
fn the_cursor_stands_on_a_row_that_a_filter_left() {
    let mut histories = [history(PBFT)];
    for screen in [Screen::Pool, Screen::Faults, Screen::Logs] {
        let mut ui = Ui { screen, armed: true, ..ui(1) };
        ui.cursors[screen as usize] = 7;
        let wanted = {
            let mut at_top = ui.clone();
            at_top.cursors[screen as usize] = if screen == Screen::Faults { 4 } else { 1 };
            selected::text(&at_top, histories[0].model()).expect("there are rows")
        };
        ui.filter.clone_from(&wanted);
        assert_eq!(press(&mut ui, &mut histories, Intent::Copy), Some(Effect::Copy(wanted)), "{screen:?}");
    }
    // It goes on from where it is seen.
    let list = crate::view::List { area: ratatui::layout::Rect::ZERO, offset: 0, rows: 3 };
    let mut ui = Ui { screen: Screen::Logs, ..ui(1) };
    ui.cursors[Screen::Logs as usize] = 7;
    ui.apply(Intent::Move(-1), &mut histories, &Zones { list: Some(list), ..Zones::default() });
    assert_eq!(ui.cursor(), 1);
    // Of the faults the nodes stay, and the keys that hurt concern the one that is marked.
    let mut ui = Ui { screen: Screen::Faults, armed: true, ..crate::testing::ui(1) };
    (ui.filter, ui.cursors[Screen::Faults as usize]) = ("zebra".to_owned(), 9);
    let killed = press(&mut ui, &mut histories, Intent::Fault(FaultKey::Kill));
    assert_eq!(killed, Some(Effect::Order(Order { net: 0, action: Action::Kill(3) })));
}

#[test]
fn commands_say_what_is_wrong_with_them() {
    let mut histories = [history(PBFT)];
    let mut ui = ui(1);
    for (command, words) in [
        ("node 9", "there is no node 9 (0 to 3)"),
        ("kill 9", "there is no node 9 (0 to 3)"),
        ("lie x silent", "there is no node x (0 to 3)"),
        ("kill", "which node? 0 to 3"),
        ("height abc", "a height is a number"),
        ("cut", ":cut needs a word more"),
        ("zebra 9", "\"zebra 9\" is no command"),
    ] {
        assert_eq!(type_in(&mut ui, &mut histories, command), None);
        assert!(ui.notice.as_deref().is_some_and(|notice| notice.starts_with(words)), "{command}: {:?}", ui.notice);
    }
    press(&mut ui, &mut histories, Intent::Moment(true));
    assert_eq!(ui.notice.as_deref(), Some("no moment of note after this one"));
}
