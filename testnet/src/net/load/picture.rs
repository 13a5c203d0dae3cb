//! A run as a picture: throughput above, latency below, and what was done to the net as lines across both.

use super::series::{Bucket, Mark};
use super::{Loaded, Series};
use crate::net::faults::nodes_text;
use crate::plot::{self, Axes, COLOURS, Frame};
use bezant_api::fault::FaultState;
use std::fmt::{self, Write as _};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 20.0;
const UPPER: Frame = Frame { left: LEFT, top: 40.0, right: RIGHT, bottom: 260.0 };
const LOWER: Frame = Frame { left: LEFT, top: 320.0, right: RIGHT, bottom: 540.0 };
/// Where the list of marks begins, and the height of its lines.
const LIST: f64 = 610.0;
const LINE: f64 = 18.0;
/// Marks that are drawn; the JSON report has all.
const DRAWN_MAX: usize = 40;

pub(super) fn svg(loaded: &Loaded) -> String {
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = draw(loaded, &mut svg);
    svg
}

fn draw(loaded: &Loaded, svg: &mut String) -> fmt::Result {
    let Series { bucket_s, buckets, faults } = &loaded.series;
    let marks = &faults[..faults.len().min(DRAWN_MAX)];
    let report = &loaded.report;
    let title = format!(
        "{:.1} transfers a second offered, {:.1} final; latency p50 {:.0} ms, p99 {:.0} ms",
        report.offered_per_second, report.final_per_second, report.latency_ms.p50, report.latency_ms.p99
    );
    let height = LIST + LINE * marks.len() as f64;
    plot::begin(WIDTH, height, &title, svg)?;
    let x_max = buckets.last().map_or(1.0, |last| last.at_s + bucket_s);
    let most = |of: &dyn Fn(&Bucket) -> f64| buckets.iter().map(of).fold(0.0, f64::max);
    let offered = |bucket: &Bucket| bucket.offered as f64 / bucket_s;
    let finals = |bucket: &Bucket| bucket.finals as f64 / bucket_s;
    let p50 = |bucket: &Bucket| bucket.p50_ms.unwrap_or(0.0);
    let p99 = |bucket: &Bucket| bucket.p99_ms.unwrap_or(0.0);
    let upper = Axes::of(UPPER, x_max, most(&offered).max(most(&finals)));
    let lower = Axes::of(LOWER, x_max, most(&p99));
    upper.draw("seconds", "transfers a second", svg)?;
    lower.draw("seconds", "due to final, ms", svg)?;
    marks.iter().enumerate().try_for_each(|(number, mark)| across(&lower, number + 1, mark, svg))?;
    let steps = |of: &dyn Fn(&Bucket) -> f64| -> Vec<(f64, f64)> {
        let step = |bucket: &Bucket| [(bucket.at_s, of(bucket)), (bucket.at_s + bucket_s, of(bucket))];
        buckets.iter().flat_map(step).collect()
    };
    curve(&upper, 0, "offered", &[steps(&offered)], svg)?;
    curve(&upper, 1, "final", &[steps(&finals)], svg)?;
    // Where nothing became final there is no latency to draw.
    let middle = |bucket: &Bucket, ms: f64| (bucket.at_s + bucket_s / 2.0, ms);
    let pieces = |of: &dyn Fn(&Bucket) -> f64| -> Vec<Vec<(f64, f64)>> {
        let runs = buckets.split(|bucket| bucket.finals == 0);
        runs.map(|run| run.iter().map(|bucket| middle(bucket, of(bucket))).collect()).collect()
    };
    curve(&lower, 2, "half are faster", &pieces(&p50), svg)?;
    curve(&lower, 3, "99 of 100 are faster", &pieces(&p99), svg)?;
    marks.iter().enumerate().try_for_each(|(number, mark)| line(number + 1, mark, svg))?;
    writeln!(svg, "</svg>")
}

fn curve(axes: &Axes, colour: usize, name: &str, pieces: &[Vec<(f64, f64)>], svg: &mut String) -> fmt::Result {
    let stroke = COLOURS[colour];
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        // A lone value is a short stroke.
        let ends: &[(f64, f64)] = piece;
        let lone = [ends[0], (ends[0].0 + axes.x_max / 200.0, ends[0].1)];
        let line = axes.polyline(if ends.len() == 1 { &lone } else { ends });
        writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.5\"/>")?;
    }
    axes.legend(colour % 2, stroke, name, svg)
}

fn across(axes: &Axes, number: usize, mark: &Mark, svg: &mut String) -> fmt::Result {
    let (x, _) = axes.place(mark.at_s.min(axes.x_max), 0.0);
    let (colour, dash) = match mark.state {
        FaultState::Begin => ("#c8442b", "4 3"),
        FaultState::End => ("#2f8f4e", "4 3"),
        FaultState::Once => ("#8a4fa3", "1 3"),
    };
    let (top, bottom) = (UPPER.top, LOWER.bottom);
    writeln!(svg, "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\"/>")?;
    // Neighbours do not cover each other.
    let y = UPPER.bottom + 20.0 + 12.0 * (number % 2) as f64;
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{colour}\">{number}</text>"
    )
}

fn line(number: usize, mark: &Mark, svg: &mut String) -> fmt::Result {
    let state = match mark.state {
        FaultState::Begin => "begins",
        FaultState::End => "ends",
        FaultState::Once => "happens",
    };
    let text = format!("{number}  {:.1} s  {}: {} (node {})", mark.at_s, state, mark.what, nodes_text(&mark.nodes));
    let y = LIST + LINE * (number as f64 - 1.0);
    writeln!(svg, "<text x=\"{LEFT}\" y=\"{y}\">{}</text>", plot::escaped(&text))
}
