//! `bezant bench`: that it measures what it says, quickly, and leaves nothing behind.

use crate::net::Net;
use serde_json::Value;

fn figure(document: &Value, name: &str) -> f64 {
    let figures = document["suites"][0]["figures"].as_array().expect("figures");
    let found = figures.iter().find(|figure| figure["name"] == name);
    found.and_then(|figure| figure["value"].as_f64()).unwrap_or_else(|| panic!("{name}: {document}"))
}

#[test]
fn a_bench_of_transfers_says_what_it_measured_and_leaves_nothing() {
    let net = Net::empty();
    let arguments = ["bench", "transfers", "--nodes", "4", "--rate", "20", "--duration", "1s", "--idle", "2"];
    let document = net.json(&arguments);
    for key in ["machine", "build", "format"] {
        assert!(!document[key].is_null(), "{key}: {document}");
    }
    assert_eq!(document["suites"][0]["suite"], "transfers");
    assert_eq!(document["suites"][0]["details"]["offered_per_second"], 20.0);
    assert_eq!((figure(&document, "offered"), figure(&document, "accepted")), (20.0, 20.0), "{document}");
    assert_eq!((figure(&document, "refused"), figure(&document, "unfinished")), (0.0, 0.0), "{document}");
    let [p50, p95, p99, max] = ["p50", "p95", "p99", "max"].map(|part| figure(&document, &format!("latency_{part}")));
    assert!(0.0 < p50 && p50 <= p95 && p95 <= p99 && p99 <= max, "{document}");
    assert!(figure(&document, "idle_latency_max") > 0.0);
    assert!(figure(&document, "resident_max") > 1.0);
    let listed = net.json(&["testnet", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(0), "{listed}");

    // Its own form is what it compares.
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("run.json");
    std::fs::write(&file, document.to_string()).expect("there is room");
    let path = file.to_str().expect("text");
    let compared = net.json(&["bench", "compare", path, path]);
    let rows = compared["figures"].as_array().expect("figures");
    assert!(rows.iter().any(|row| row["name"] == "final" && row["before"] == row["after"]), "{compared}");
    std::fs::write(&file, "{}").expect("there is room");
    let refused = net.run(&["bench", "compare", path, path]);
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{refused:?}");
    assert!(refused.stderr.contains("written by `bezant bench SUITE --json`"), "{refused:?}");
}
