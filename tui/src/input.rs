//! Keys to intents; no I/O.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Quit,
    ToggleHelp,
    CloseHelp,
    Transfer,
    Nothing,
}

/// The intent of a key.
pub(crate) fn intent(key: KeyEvent) -> Intent {
    if key.kind == KeyEventKind::Release {
        return Intent::Nothing;
    }
    match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
        (KeyCode::Char('c'), true) | (KeyCode::Char('q'), false) => Intent::Quit,
        (KeyCode::Char('?'), false) => Intent::ToggleHelp,
        (KeyCode::Esc, _) => Intent::CloseHelp,
        (KeyCode::Char('t'), false) => Intent::Transfer,
        _ => Intent::Nothing,
    }
}
