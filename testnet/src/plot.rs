//! What pictures of curves share: axes with round values, lines, and text that SVG can hold.

use std::fmt::{self, Write as _};

/// Colours of the curves, in order.
pub(crate) const COLOURS: [&str; 6] = ["#1b6ca8", "#c8442b", "#2f8f4e", "#8a4fa3", "#b8860b", "#444444"];

/// The beginning of a picture of this size.
pub(crate) fn begin(width: f64, height: f64, title: &str, svg: &mut String) -> fmt::Result {
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{}\" y=\"24\" text-anchor=\"middle\" font-size=\"15\">{}</text>",
        width / 2.0,
        escaped(title)
    )
}

/// Where in a picture the curves are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// Axes from 0 to the highest values, in a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axes {
    pub(crate) frame: Frame,
    pub(crate) x_max: f64,
    pub(crate) y_max: f64,
}

impl Axes {
    /// With some room above the highest value.
    pub(crate) fn of(frame: Frame, x_max: f64, y_max: f64) -> Axes {
        Axes { frame, x_max: x_max.max(1e-9), y_max: (y_max * 1.05).max(1e-9) }
    }

    pub(crate) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let Frame { left, top, right, bottom } = self.frame;
        let across = left + x / self.x_max * (right - left);
        let down = bottom - y.clamp(0.0, self.y_max) / self.y_max * (bottom - top);
        (across, down)
    }

    pub(crate) fn polyline(&self, points: &[(f64, f64)]) -> String {
        let places = points.iter().map(|(x, y)| self.place(*x, *y));
        places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
    }

    /// Draws the axes, with what x and y are.
    pub(crate) fn draw(&self, x: &str, y: &str, svg: &mut String) -> fmt::Result {
        let Frame { left, top, right, bottom } = self.frame;
        for (value, (x, y)) in ticks(self.x_max).map(|x| (x, self.place(x, 0.0))) {
            writeln!(svg, "<path d=\"M{x:.1} {y:.1}V{top}\" stroke=\"#eee\"/>")?;
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", y + 18.0, label(value))?;
        }
        for (value, (x, y)) in ticks(self.y_max).map(|y| (y, self.place(0.0, y))) {
            writeln!(svg, "<path d=\"M{x:.1} {y:.1}H{right}\" stroke=\"#eee\"/>")?;
            writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                x - 6.0,
                y + 4.0,
                label(value)
            )?;
        }
        let (x0, y0) = self.place(0.0, 0.0);
        writeln!(svg, "<path d=\"M{x0} {top}V{y0}H{right}\" stroke=\"#333\" fill=\"none\"/>")?;
        let (middle, below) = ((left + right) / 2.0, bottom + 40.0);
        writeln!(svg, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escaped(x))?;
        let down = (top + bottom) / 2.0;
        writeln!(
            svg,
            "<text x=\"16\" y=\"{down}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {down})\">{}</text>",
            escaped(y)
        )
    }

    /// The name of a curve, in its colour, as row `row` of a list in the frame's corner.
    pub(crate) fn legend(&self, row: usize, colour: &str, text: &str, svg: &mut String) -> fmt::Result {
        let y = self.frame.top + 16.0 + 18.0 * row as f64;
        writeln!(
            svg,
            "<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            self.frame.left + 12.0,
            y - 6.0,
            self.frame.left + 32.0,
            escaped(text)
        )
    }
}

/// Round values from 0 to at most `most`, four to ten of them.
fn ticks(most: f64) -> impl Iterator<Item = f64> {
    let power = 10f64.powf((most / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0].map(|factor| factor * power).into_iter().find(|step| most / step >= 4.0);
    let step = step.unwrap_or(power);
    (0..).map(move |count| f64::from(count) * step).take_while(move |value| *value <= most * 1.000_001)
}

fn label(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
