//! Keys and mouse to intents; no I/O, and no knowledge of what is shown but whether somebody types.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Quit,
    /// Leave what is open: help, a prompt, the arm switch, a filter, the panel of a transaction.
    Escape,
    Help,
    /// The screen with this number, from 1.
    Screen(usize),
    /// The next, or the one before.
    Turn(bool),
    /// So many rows down, or up.
    Move(i64),
    /// So many steps to later, or earlier.
    Sideways(i64),
    /// To the first row, or the last.
    Edge(bool),
    /// What the row under the cursor offers.
    Select,
    Pause,
    /// One event on, or back.
    Step(bool),
    /// To the next moment of note, or the one before.
    Moment(bool),
    Faster(bool),
    Filter,
    Command,
    Copy,
    Screenshot,
    Transfer,
    Theme,
    Marker,
    OtherNet,
    Observer,
    Arm,
    Fault(FaultKey),
    /// While somebody types.
    Type(char),
    Rub,
    Enter,
    Click {
        x: u16,
        y: u16,
    },
    /// The screen changed its size, or anything that only needs a new frame.
    Redraw,
    Nothing,
}

/// What can be done to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKey {
    Kill,
    Start,
    Pause,
    Cut,
    Heal,
    Lie,
    Honest,
}

/// Keys with what they do, for the help; the first word is searched too.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("1 … 8", "a screen: overview, PBFT, proof of work, peers, pool, faults, logs, two nets"),
    ("Tab ⇧Tab", "the next screen, the one before"),
    ("↑ ↓ j k", "move the cursor; PgUp, PgDn, g and G go far"),
    ("← → h l", "PBFT: an earlier round, a later one; proof of work: scroll"),
    ("Enter", "what the row offers: follow a transaction, look from a node, go to a moment"),
    ("o", "look from another node: every node counts votes for itself"),
    ("Space", "pause and go on; while paused nothing is lost"),
    ("[ ]", "one event back, one event on"),
    ("{ }", "to the moment of note before, after: fault, view change, reorg"),
    ("< >", "a recording: slower, faster"),
    ("/", "filter rows of pool, faults and logs"),
    (":", "a command: :help lists them"),
    ("t", "send 1 BZT from alice to bob, and follow it"),
    ("a", "faults: arm or disarm the keys that hurt; dev nets only"),
    ("x s p", "faults, armed: kill, start, pause or resume the node under the cursor"),
    ("c H", "faults, armed: cut the node off from the others, heal all cuts"),
    ("b B", "faults, armed: make the node lie, in a way to be chosen; make it honest"),
    ("y", "copy what is under the cursor (OSC 52)"),
    ("S", "save the screen as text and SVG in the current directory"),
    ("T M", "the next theme; braille or plain markers"),
    ("w", "two nets: the other one"),
    ("mouse", "click tabs and rows, turn the wheel"),
    ("Esc", "close what is open: help, what is typed, the arm switch, a filter, the panel that follows"),
    ("q", "leave"),
];

/// The commands of `:`, with what they do.
pub(crate) const COMMANDS: &[(&str, &str)] = &[
    (":height N", "go to the moment when block N was first connected"),
    (":fault N", "go to the Nth moment of the faults' timeline, from the newest"),
    (":begin :end", "go to the oldest moment that is kept, to the present"),
    (":follow TXID", "follow a transaction; its first digits do if it is listed"),
    (":filter TEXT", "as /; without a text it ends"),
    (":node N", "look from node N"),
    (":kill N :start N", "armed: kill or start node N"),
    (":pause N :resume N", "armed: pause or resume node N"),
    (":cut 0,1/2,3 :heal", "armed: cut the net into groups; heal"),
    (":lie N MODE", "armed: make node N lie; b on screen 6 lists the modes"),
    (":honest N", "armed: make node N honest"),
    (":theme NAME", "dark, light, high-contrast or mono"),
    (":marker NAME", "braille or plain"),
    (":quit", "leave"),
];

/// The intent of an event. While somebody `types`, letters are text.
pub(crate) fn intent(event: &Event, types: bool) -> Intent {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            if types {
                typed(*key)
            } else {
                pressed(*key)
            }
        }
        Event::Mouse(mouse) => pointed(*mouse),
        Event::Resize(..) | Event::FocusGained => Intent::Redraw,
        Event::Key(_) | Event::Paste(_) | Event::FocusLost => Intent::Nothing,
    }
}

fn typed(key: KeyEvent) -> Intent {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Intent::Quit,
        KeyCode::Char(letter) => Intent::Type(letter),
        KeyCode::Backspace => Intent::Rub,
        KeyCode::Enter => Intent::Enter,
        KeyCode::Esc => Intent::Escape,
        KeyCode::Up => Intent::Move(-1),
        KeyCode::Down => Intent::Move(1),
        _ => Intent::Nothing,
    }
}

fn pressed(key: KeyEvent) -> Intent {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return if key.code == KeyCode::Char('c') { Intent::Quit } else { Intent::Nothing };
    }
    match key.code {
        KeyCode::Char('q') => Intent::Quit,
        KeyCode::Esc => Intent::Escape,
        KeyCode::Char('?') => Intent::Help,
        KeyCode::Char(digit @ '1'..='8') => Intent::Screen(digit as usize - '0' as usize),
        KeyCode::Tab => Intent::Turn(true),
        KeyCode::BackTab => Intent::Turn(false),
        KeyCode::Down | KeyCode::Char('j') => Intent::Move(1),
        KeyCode::Up | KeyCode::Char('k') => Intent::Move(-1),
        KeyCode::PageDown => Intent::Move(10),
        KeyCode::PageUp => Intent::Move(-10),
        KeyCode::Right | KeyCode::Char('l') => Intent::Sideways(1),
        KeyCode::Left | KeyCode::Char('h') => Intent::Sideways(-1),
        KeyCode::Home | KeyCode::Char('g') => Intent::Edge(true),
        KeyCode::End | KeyCode::Char('G') => Intent::Edge(false),
        KeyCode::Enter => Intent::Select,
        KeyCode::Char(' ') => Intent::Pause,
        KeyCode::Char('[') => Intent::Step(false),
        KeyCode::Char(']') => Intent::Step(true),
        KeyCode::Char('{') => Intent::Moment(false),
        KeyCode::Char('}') => Intent::Moment(true),
        KeyCode::Char('<') => Intent::Faster(false),
        KeyCode::Char('>') => Intent::Faster(true),
        KeyCode::Char('/') => Intent::Filter,
        KeyCode::Char(':') => Intent::Command,
        KeyCode::Char('y') => Intent::Copy,
        KeyCode::Char('S') => Intent::Screenshot,
        KeyCode::Char('t') => Intent::Transfer,
        KeyCode::Char('T') => Intent::Theme,
        KeyCode::Char('M') => Intent::Marker,
        KeyCode::Char('w') => Intent::OtherNet,
        KeyCode::Char('o') => Intent::Observer,
        KeyCode::Char('a') => Intent::Arm,
        KeyCode::Char('x') => Intent::Fault(FaultKey::Kill),
        KeyCode::Char('s') => Intent::Fault(FaultKey::Start),
        KeyCode::Char('p') => Intent::Fault(FaultKey::Pause),
        KeyCode::Char('c') => Intent::Fault(FaultKey::Cut),
        KeyCode::Char('H') => Intent::Fault(FaultKey::Heal),
        KeyCode::Char('b') => Intent::Fault(FaultKey::Lie),
        KeyCode::Char('B') => Intent::Fault(FaultKey::Honest),
        _ => Intent::Nothing,
    }
}

fn pointed(mouse: MouseEvent) -> Intent {
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => Intent::Click { x: mouse.column, y: mouse.row },
        MouseEventKind::ScrollDown => Intent::Move(3),
        MouseEventKind::ScrollUp => Intent::Move(-3),
        _ => Intent::Nothing,
    }
}
