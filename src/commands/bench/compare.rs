//! `bezant bench compare`: two documents beside each other.

use super::figures::{Build, Document, FORMAT, Figure, Machine};
use crate::output::{Failure, Outcome, Output, table};
use serde::Serialize;
use std::path::Path;

/// A document is some tens of KiB.
const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug, Serialize)]
struct Comparison {
    before: Side,
    after: Side,
    /// What is not the same of both, so that ratios may say something else than they seem to.
    warnings: Vec<String>,
    figures: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Side {
    machine: Machine,
    build: Build,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Row {
    suite: String,
    name: String,
    unit: String,
    before: Option<f64>,
    after: Option<f64>,
    /// The second by the first; `None` where one is missing or the first is 0.
    ratio: Option<f64>,
}

pub(super) fn run(before: &Path, after: &Path, output: &Output) -> Outcome {
    let [before, after] = [read(before)?, read(after)?];
    let comparison = Comparison {
        warnings: warnings(&before, &after),
        figures: rows(&before, &after),
        before: Side { machine: before.machine, build: before.build },
        after: Side { machine: after.machine, build: after.build },
    };
    output.result(&comparison, || {
        let side = |side: &Side| format!("{} ({}), {}\n", side.build.commit, side.build.profile, side.machine.cpu);
        let mut text = format!("before  {}after   {}", side(&comparison.before), side(&comparison.after));
        for warning in &comparison.warnings {
            text += &format!("note    {warning}\n");
        }
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let line = |row: &Row| {
            let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
            vec![row.suite.clone(), row.name.clone(), row.unit.clone(), number(row.before), number(row.after), ratio]
        };
        text + &table(
            &["suite", "figure", "unit", "before", "after", "after ÷ before"],
            comparison.figures.iter().map(line),
        )
    })
}

fn read(path: &Path) -> Result<Document, Failure> {
    let wrong = |why: String| {
        Failure::usage(format!("{}: {why}; a file written by `bezant bench SUITE --json` is expected", path.display()))
    };
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > DOCUMENT_BYTES_MAX {
        return Err(wrong(format!("{length} bytes are too many")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let document: Document = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if document.format != FORMAT {
        return Err(wrong(format!("its format is {}, this program reads {FORMAT}", document.format)));
    }
    Ok(document)
}

fn warnings(before: &Document, after: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut differ = |what: &str, is_other: bool| {
        if is_other {
            warnings.push(format!("the {what} differs"));
        }
    };
    differ("processor", before.machine.cpu != after.machine.cpu);
    differ("number of cores", before.machine.cores != after.machine.cores);
    differ("build profile", before.build.profile != after.build.profile);
    differ("set of target features", before.build.target_features != after.build.target_features);
    for suite in &after.suites {
        let same = before.suites.iter().find(|other| other.suite == suite.suite);
        differ(
            &format!("choice of options of {}", suite.suite),
            same.is_some_and(|other| other.options != suite.options),
        );
    }
    for (what, machine) in [("first", &before.machine), ("second", &after.machine)] {
        if machine.load_before.is_some_and(|load| load > 0.5) {
            let load = machine.load_before.unwrap_or(0.0);
            warnings.push(format!("the machine was busy before the {what} run (load {load})"));
        }
    }
    warnings
}

/// All figures of both, in the order of the second, then what only the first has.
pub(super) fn rows(before: &Document, after: &Document) -> Vec<Row> {
    let of = |document: &Document| -> Vec<(String, Figure)> {
        let each = document
            .suites
            .iter()
            .flat_map(|suite| suite.figures.iter().map(|figure| (suite.suite.clone(), figure.clone())));
        each.collect()
    };
    let (before, after) = (of(before), of(after));
    let find = |all: &[(String, Figure)], key: &(String, Figure)| {
        all.iter().find(|(suite, figure)| *suite == key.0 && figure.name == key.1.name).map(|(_, figure)| figure.value)
    };
    let gone = before.iter().filter(|key| find(&after, key).is_none());
    let row = |key: &(String, Figure)| {
        let (first, second) = (find(&before, key), find(&after, key));
        let ratio = first.zip(second).filter(|(first, _)| *first != 0.0).map(|(first, second)| second / first);
        let (suite, Figure { name, unit, .. }) = key.clone();
        Row { suite, name, unit, before: first, after: second, ratio }
    };
    after.iter().chain(gone).map(row).collect()
}
