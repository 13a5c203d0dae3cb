//! A measured curve beside its theory: as a table, as JSON, and as a picture.

use serde::Serialize;
use std::fmt::{self, Write as _};

/// One measured value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// What was set.
    pub x: f64,
    /// What came of it, in the mean.
    pub measured: f64,
    /// The standard error of that mean.
    pub error: f64,
    /// What theory says.
    pub theory: f64,
}

impl Point {
    /// By how many standard errors measurement and theory differ.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        (self.measured - self.theory) / self.error.max(f64::MIN_POSITIVE)
    }
}

/// Points of one curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// What is the same for all of them.
    pub name: String,
    /// In the order of x.
    pub points: Vec<Point>,
    /// The theory's curve between the points: x and y.
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
}

/// Curves that share their axes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Over the picture.
    pub title: String,
    /// What x is.
    pub x: String,
    /// What y is.
    pub y: String,
    /// A straight line from (0, 0) that means "no gain", if that makes sense.
    pub diagonal: Option<String>,
    /// The curves.
    pub series: Vec<Series>,
    /// Sentences below the table.
    pub notes: Vec<String>,
}

/// As a table in Markdown.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        writeln!(f, "| | {} | {} | theory |\n|---|---|---|---|", self.x, self.y)?;
        for series in &self.series {
            for Point { x, measured, error, theory } in &series.points {
                writeln!(f, "| {} | {x:.3} | {measured:.4} ± {error:.4} | {theory:.4} |", series.name)?;
            }
        }
        writeln!(f, "\n± is one standard error of the mean.")?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

impl Figure {
    /// As a picture: curves are theory, dots with bars of two standard errors are measurements.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let axes = Axes::of(self);
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = self.draw(&axes, &mut svg);
        svg
    }

    fn draw(&self, axes: &Axes, svg: &mut String) -> fmt::Result {
        writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{}\" y=\"24\" text-anchor=\"middle\" font-size=\"15\">{}</text>",
            WIDTH / 2.0,
            escaped(&self.title)
        )?;
        axes.draw(self, svg)?;
        if self.diagonal.is_some() {
            let end = axes.x_max.min(axes.y_max);
            let line = axes.polyline(&[(0.0, 0.0), (end, end)]);
            writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"#999\" stroke-dasharray=\"5 4\"/>")?;
        }
        for (index, series) in self.series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let line = axes.polyline(&series.curve);
            writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>")?;
            for point in &series.points {
                let (x, y) = axes.place(point.x, point.measured);
                let (_, low) = axes.place(point.x, point.measured - 2.0 * point.error);
                let (_, high) = axes.place(point.x, point.measured + 2.0 * point.error);
                writeln!(
                    svg,
                    "<path d=\"M{x:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h8M{:.1} {high:.1}h8\" stroke=\"{colour}\"/>\
                     <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>",
                    x - 4.0,
                    x - 4.0,
                )?;
            }
            self.legend(index, colour, &series.name, svg)?;
        }
        if let Some(text) = &self.diagonal {
            self.legend(self.series.len(), "#999", text, svg)?;
        }
        writeln!(svg, "</svg>")
    }

    fn legend(&self, row: usize, colour: &str, text: &str, svg: &mut String) -> fmt::Result {
        let y = TOP + 16.0 + 18.0 * row as f64;
        writeln!(
            svg,
            "<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            LEFT + 12.0,
            y - 6.0,
            LEFT + 32.0,
            escaped(text)
        )
    }
}

/// Size of the picture and of its margins.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 52.0;
const COLOURS: [&str; 6] = ["#1b6ca8", "#c8442b", "#2f8f4e", "#8a4fa3", "#b8860b", "#444444"];

struct Axes {
    x_max: f64,
    y_max: f64,
}

impl Axes {
    fn of(figure: &Figure) -> Axes {
        let points = || figure.series.iter().flat_map(|series| &series.points);
        let curves = || figure.series.iter().flat_map(|series| &series.curve);
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let x_max = most(&mut points().map(|point| point.x).chain(curves().map(|(x, _)| *x)));
        let y_max =
            most(&mut points().map(|point| point.measured + 2.0 * point.error).chain(curves().map(|(_, y)| *y)));
        Axes { x_max: x_max.max(1e-9), y_max: (y_max * 1.05).max(1e-9) }
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let across = LEFT + x / self.x_max * (WIDTH - LEFT - RIGHT);
        let down = HEIGHT - BOTTOM - y.clamp(0.0, self.y_max) / self.y_max * (HEIGHT - TOP - BOTTOM);
        (across, down)
    }

    fn polyline(&self, points: &[(f64, f64)]) -> String {
        let places = points.iter().map(|(x, y)| self.place(*x, *y));
        places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
    }

    fn draw(&self, figure: &Figure, svg: &mut String) -> fmt::Result {
        for (value, (x, y)) in ticks(self.x_max).map(|x| (x, self.place(x, 0.0))) {
            let top = TOP;
            writeln!(svg, "<path d=\"M{x:.1} {y:.1}V{top}\" stroke=\"#eee\"/>")?;
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", y + 18.0, label(value))?;
        }
        for (value, (x, y)) in ticks(self.y_max).map(|y| (y, self.place(0.0, y))) {
            let right = WIDTH - RIGHT;
            writeln!(svg, "<path d=\"M{x:.1} {y:.1}H{right}\" stroke=\"#eee\"/>")?;
            writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                x - 6.0,
                y + 4.0,
                label(value)
            )?;
        }
        let (x, y) = self.place(0.0, 0.0);
        writeln!(svg, "<path d=\"M{x} {TOP}V{y}H{}\" stroke=\"#333\" fill=\"none\"/>", WIDTH - RIGHT)?;
        let (middle, bottom) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0);
        writeln!(svg, "<text x=\"{middle}\" y=\"{bottom}\" text-anchor=\"middle\">{}</text>", escaped(&figure.x))?;
        let down = (TOP + HEIGHT - BOTTOM) / 2.0;
        writeln!(
            svg,
            "<text x=\"16\" y=\"{down}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {down})\">{}</text>",
            escaped(&figure.y)
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

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
