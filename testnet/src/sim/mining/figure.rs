//! A measured curve beside its theory: as a table, as JSON, and as a picture.

use crate::plot::{self, Axes, COLOURS, Frame};
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
        let axes = self.axes();
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = self.draw(&axes, &mut svg);
        svg
    }

    fn draw(&self, axes: &Axes, svg: &mut String) -> fmt::Result {
        plot::begin(WIDTH, HEIGHT, &self.title, svg)?;
        axes.draw(&self.x, &self.y, svg)?;
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
            axes.legend(index, colour, &series.name, svg)?;
        }
        if let Some(text) = &self.diagonal {
            axes.legend(self.series.len(), "#999", text, svg)?;
        }
        writeln!(svg, "</svg>")
    }

    fn axes(&self) -> Axes {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let curves = || self.series.iter().flat_map(|series| &series.curve);
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let x_max = most(&mut points().map(|point| point.x).chain(curves().map(|(x, _)| *x)));
        let y_max =
            most(&mut points().map(|point| point.measured + 2.0 * point.error).chain(curves().map(|(_, y)| *y)));
        Axes::of(FRAME, x_max, y_max)
    }
}

/// Size of the picture and of its margins.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 460.0;
const FRAME: Frame = Frame { left: 64.0, top: 40.0, right: WIDTH - 20.0, bottom: HEIGHT - 52.0 };
