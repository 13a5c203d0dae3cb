//! The screen as text and as a picture, for READMEs, books and questions.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write;

/// Size of one character, in the picture's units.
const CELL: (f32, f32) = (8.4, 17.0);

/// Lines without styles; trailing spaces are left out.
pub(crate) fn text(buffer: &Buffer) -> String {
    let row = |y: u16| {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        line.trim_end().to_owned() + "\n"
    };
    (0..buffer.area.height).map(row).collect()
}

/// A self-contained SVG: one text element for each run of equal style, placed to the cell so that every font keeps the columns.
pub(crate) fn svg(buffer: &Buffer, is_light: bool) -> String {
    let (ink, paper) = if is_light { ("#1f2328", "#ffffff") } else { ("#d0d7de", "#0d1117") };
    let (width, height) = (f32::from(buffer.area.width) * CELL.0, f32::from(buffer.area.height) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{paper}\"/>\n"
    );
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let first = &buffer[(x, y)];
            let is_same = |cell: &Cell| (cell.fg, cell.bg, cell.modifier) == (first.fg, first.bg, first.modifier);
            let end = (x..buffer.area.width).find(|at| !is_same(&buffer[(*at, y)])).unwrap_or(buffer.area.width);
            let words: String = (x..end).map(|at| buffer[(at, y)].symbol()).collect();
            run(&mut out, x, y, end - x, &words, first, ink, paper);
            x = end;
        }
    }
    out + "</svg>\n"
}

#[expect(clippy::too_many_arguments, reason = "a run is where it is, what it says and how")]
fn run(out: &mut String, x: u16, y: u16, cells: u16, words: &str, cell: &Cell, ink: &str, paper: &str) {
    let mut colours = [name(cell.fg, ink), name(cell.bg, paper)];
    if cell.modifier.contains(Modifier::REVERSED) {
        colours.reverse();
    }
    let (left, top, wide) = (f32::from(x) * CELL.0, f32::from(y) * CELL.1, f32::from(cells) * CELL.0);
    if colours[1] != paper {
        let (fill, tall) = (colours[1], CELL.1);
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" fill=\"{fill}\"/>"
        );
    }
    if words.trim().is_empty() {
        return;
    }
    let mut extra = String::new();
    if cell.modifier.contains(Modifier::BOLD) {
        extra += " font-weight=\"bold\"";
    }
    if cell.modifier.contains(Modifier::DIM) {
        extra += " opacity=\"0.6\"";
    }
    if cell.modifier.contains(Modifier::UNDERLINED) {
        extra += " text-decoration=\"underline\"";
    }
    let (base, fill) = (top + CELL.1 * 0.75, colours[0]);
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{base:.1}\" textLength=\"{wide:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{fill}\"{extra} \
         xml:space=\"preserve\">{words}</text>"
    );
}

fn name(colour: Color, otherwise: &str) -> &str {
    match colour {
        Color::Red | Color::LightRed => "#f85149",
        Color::Green | Color::LightGreen => "#3fb950",
        Color::Yellow | Color::LightYellow => "#d29922",
        Color::Blue | Color::LightBlue => "#58a6ff",
        Color::Magenta | Color::LightMagenta => "#bc8cff",
        Color::Cyan | Color::LightCyan => "#39c5cf",
        Color::Gray | Color::DarkGray => "#8b949e",
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn a_picture_says_what_the_screen_says() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(0, 0, "a < b", Style::new().fg(Color::Green));
        buffer.set_string(0, 1, "now", Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD));
        assert_eq!(text(&buffer), "a < b\nnow\n");
        let picture = svg(&buffer, false);
        assert!(picture.contains("fill=\"#3fb950\" xml:space=\"preserve\">a &lt; b</text>"), "{picture}");
        assert!(picture.contains("fill=\"#0d1117\" font-weight=\"bold\""), "reversed: {picture}");
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    }
}
