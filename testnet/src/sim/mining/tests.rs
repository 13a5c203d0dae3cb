use super::theory::{double_spend, more_than, selfish_revenue, selfish_threshold, stale_rate};
use super::*;

fn near(a: f64, b: f64, within: f64) -> bool {
    (a - b).abs() <= within
}

#[test]
fn theory_agrees_with_what_was_published() {
    // Rosenfeld 2014, table 1, in per cent.
    for (q, z, percent) in [(0.1, 1, 20.0), (0.1, 2, 5.6), (0.1, 6, 0.059), (0.3, 6, 15.645)] {
        assert!(near(double_spend(q, z) * 100.0, percent, 0.01 * percent), "{q} {z} {}", double_spend(q, z));
    }
    assert!(near(double_spend(0.5, 6), 1.0, 1e-12));
    // Eyal and Sirer 2014: the thresholds, at which the revenue is the share.
    assert!(near(selfish_threshold(0.0), 1.0 / 3.0, 1e-12) && near(selfish_threshold(0.5), 0.25, 1e-12));
    for gamma in [0.0, 0.45, 0.9] {
        let threshold = selfish_threshold(gamma);
        assert!(near(selfish_revenue(threshold, gamma), threshold, 1e-9), "{gamma}");
    }
    // One block against one: two in a row.
    assert!(near(more_than(0.3, 1), 0.09, 1e-12));
}

#[test]
fn the_stale_rate_has_its_limits() {
    assert!(near(stale_rate(1, 0.5), 0.0, 1e-9));
    assert!(near(stale_rate(100_000, 0.5), 0.5 / 1.5, 1e-4));
    assert!(near(stale_rate(8, 0.001), 0.001 * 7.0 / 8.0, 2e-6));
}

/// Few seeds, and the measured values within four standard errors and a little of what theory says.
fn agrees(scenario: Scenario, share: Option<f64>, depth: Option<u32>, seeds: u64, length: u64, slack: f64) {
    let options = ScenarioOptions { share, depth, seeds, length, ..ScenarioOptions::of(scenario) };
    let figure = run(&options).expect("the options make sense");
    for series in &figure.series {
        for point in &series.points {
            let within = 4.0 * point.error + slack;
            assert!(near(point.measured, point.theory, within), "{} {point:?}\n{figure}", series.name);
        }
    }
    let svg = figure.to_svg();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"), "{svg}");
}

#[test]
fn stale_blocks_are_as_many_as_theory_says() {
    agrees(Scenario::Stale, None, None, 4, 150, 0.03);
}

#[test]
fn a_selfish_miner_earns_what_theory_says() {
    agrees(Scenario::Selfish, Some(0.4), None, 6, 200, 0.02);
}

#[test]
fn a_double_spend_succeeds_as_often_as_theory_says() {
    agrees(Scenario::DoubleSpend, Some(0.3), Some(2), 6, 20, 0.02);
}

#[test]
fn half_of_the_hash_power_undoes_everything() {
    agrees(Scenario::DoubleSpend, Some(0.6), Some(3), 3, 5, 0.0);
}

#[test]
fn withheld_blocks_win_as_often_as_theory_says() {
    agrees(Scenario::Withhold, Some(0.4), Some(2), 6, 30, 0.02);
}

#[test]
fn an_eclipsed_victim_believes_the_attacker() {
    agrees(Scenario::Eclipse, Some(0.4), Some(2), 40, 1, 0.02);
}

/// A victim that knows how much work there must be follows no chain with less, however it is told of it.
#[test]
fn an_eclipsed_victim_that_knows_the_work_believes_nothing() {
    let options =
        ScenarioOptions { share: Some(0.3), seeds: 2, depth: Some(1), ..ScenarioOptions::of(Scenario::Eclipse) };
    let figure = run(&options).expect("the options make sense");
    assert!(figure.notes.iter().any(|note| note.contains("heights: [0] ")), "{figure}");
}
