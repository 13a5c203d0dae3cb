//! How things look: themes and markers. State is told by symbol, word and colour, so that no theme takes anything away.

use ratatui::style::{Color, Modifier, Style};

/// Colours. All but `mono` use the sixteen that every terminal has, so that the user's own palette decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background: nothing yellow, cyan or pale.
    Light,
    /// As much contrast as there is; nothing dim.
    HighContrast,
    /// No colour at all: bold, underlined, reversed.
    Mono,
}

impl Theme {
    /// All, in the order in which a key goes through them.
    pub const ALL: [Theme; 4] = [Theme::Dark, Theme::Light, Theme::HighContrast, Theme::Mono];

    /// As on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Theme::Dark => "dark",
            Theme::Light => "light",
            Theme::HighContrast => "high-contrast",
            Theme::Mono => "mono",
        }
    }
}

/// What small things are drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// Braille dots and symbols.
    #[default]
    Braille,
    /// Letters and plain characters, for fonts without them.
    Plain,
}

impl Marker {
    /// All.
    pub const ALL: [Marker; 2] = [Marker::Braille, Marker::Plain];

    /// As on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Marker::Braille => "braille",
            Marker::Plain => "plain",
        }
    }
}

/// Both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Colours.
    pub theme: Theme,
    /// Markers.
    pub marker: Marker,
}

impl Look {
    fn pick(self, dark: Style, light: Style, high: Style, mono: Style) -> Style {
        match self.theme {
            Theme::Dark => dark,
            Theme::Light => light,
            Theme::HighContrast => high,
            Theme::Mono => mono,
        }
    }

    pub(crate) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(crate) fn good(self) -> Style {
        let green = Style::new().fg(Color::Green);
        self.pick(green, green, Style::new().fg(Color::LightGreen).add_modifier(Modifier::BOLD), Style::new())
    }

    pub(crate) fn warn(self) -> Style {
        let underlined = Style::new().add_modifier(Modifier::UNDERLINED);
        let high = Style::new().fg(Color::LightYellow).add_modifier(Modifier::BOLD);
        self.pick(Style::new().fg(Color::Yellow), Style::new().fg(Color::Magenta), high, underlined)
    }

    pub(crate) fn bad(self) -> Style {
        let red = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let mono = Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED);
        self.pick(red, red, Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD), mono)
    }

    pub(crate) fn accent(self) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        self.pick(Style::new().fg(Color::Cyan), Style::new().fg(Color::Blue), bold.fg(Color::LightCyan), bold)
    }

    pub(crate) fn dim(self) -> Style {
        let dim = Style::new().add_modifier(Modifier::DIM);
        self.pick(dim, dim, Style::new(), dim)
    }

    /// One of two characters.
    pub(crate) fn mark(self, braille: char, plain: char) -> char {
        match self.marker {
            Marker::Braille => braille,
            Marker::Plain => plain,
        }
    }
}
