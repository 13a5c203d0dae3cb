//! Styles by meaning. Only the sixteen colours that every terminal has, so that the user's own theme decides.

use crate::state::Tone;
use ratatui::style::{Color, Modifier, Style};

pub(crate) fn title() -> Style {
    Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED)
}

pub(crate) fn good() -> Style {
    Style::new().fg(Color::Green)
}

pub(crate) fn warn() -> Style {
    Style::new().fg(Color::Yellow)
}

pub(crate) fn bad() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

pub(crate) fn accent() -> Style {
    Style::new().fg(Color::Cyan)
}

pub(crate) fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

pub(crate) fn tone(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Good => good(),
        Tone::Warn => warn(),
        Tone::Bad => bad(),
    }
}
