use super::compare::rows;
use super::figures::{Build, Document, FORMAT, Machine, SuiteResult};
use super::{ALL, with_defaults};
use serde_json::json;

fn document(suites: Vec<SuiteResult>) -> Document {
    Document { format: FORMAT, machine: Machine::this(), build: Build::this(), suites }
}

fn suite(name: &str, figures: &[(&str, f64)]) -> SuiteResult {
    let mut result = SuiteResult::new(name, json!({}), &[]);
    figures.iter().for_each(|(name, value)| result.add(name, *value, "1/s"));
    result
}

#[test]
fn every_suite_runs_without_options() {
    for name in ALL {
        let _ = with_defaults(name);
    }
}

#[test]
fn figures_are_compared_by_suite_and_name() {
    let before = document(vec![suite("a", &[("x", 10.0), ("old", 1.0)]), suite("b", &[("x", 0.0)])]);
    let after = document(vec![suite("b", &[("x", 3.0)]), suite("a", &[("x", 15.0), ("new", 2.0)])]);
    let found: Vec<_> = rows(&before, &after).iter().map(|row| serde_json::to_value(row).expect("JSON")).collect();
    let row = |suite: &str, name: &str, before: Option<f64>, after: Option<f64>, ratio: Option<f64>| json!({"suite": suite, "name": name, "unit": "1/s", "before": before, "after": after, "ratio": ratio});
    let wanted = [
        row("b", "x", Some(0.0), Some(3.0), None),
        row("a", "x", Some(10.0), Some(15.0), Some(1.5)),
        row("a", "new", None, Some(2.0), None),
        row("a", "old", Some(1.0), None, None),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn quantiles_are_times_that_were_seen() {
    let mut result = suite("a", &[]);
    result.add_times("none", Vec::new());
    result.add_times("one", vec![7.0]);
    result.add_times("many", (1..=200).rev().map(f64::from).collect());
    let values: Vec<(&str, f64)> = result.figures.iter().map(|it| (it.name.as_str(), it.value)).collect();
    let wanted = [
        ("one_p50", 7.0),
        ("one_p95", 7.0),
        ("one_p99", 7.0),
        ("one_max", 7.0),
        ("many_p50", 100.0),
        ("many_p95", 190.0),
        ("many_p99", 198.0),
        ("many_max", 200.0),
    ];
    assert_eq!(values, wanted);
}

#[test]
fn a_document_says_where_and_what_ran() {
    let text = serde_json::to_string(&document(vec![suite("a", &[("x", 1.5)])])).expect("JSON");
    let again: Document = serde_json::from_str(&text).expect("the same form");
    assert_eq!(again.suites[0].figures[0].value, 1.5);
    assert!(again.machine.cores >= 1 && !again.machine.cpu.is_empty());
    assert!(["debug", "release"].contains(&again.build.profile.as_str()), "{}", again.build.profile);
    assert!(!again.build.commit.is_empty());
}
