use super::fund::Coins;
use super::series::Recorder;
use super::{Latency, LoadReport, Loaded, accounts, sign};
use bezant_api::fault::{FaultKind, FaultState};
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn loaded(recorder: Recorder) -> Loaded {
    let latency_ms = Latency { p50: 1.0, p95: 2.0, p99: 3.0, max: 4.0 };
    let report = LoadReport {
        offered_per_second: 10.0,
        accepted_per_second: 10.0,
        final_per_second: 9.5,
        latency_ms,
        refused: BTreeMap::new(),
        prepared_s: 0.5,
        unfinished: 0,
    };
    Loaded { report, series: recorder.finish() }
}

#[test]
fn a_run_is_told_bucket_by_bucket() {
    let mut recorder = Recorder::new(ms(3_000));
    for at in [0, 500, 1_000, 2_500] {
        recorder.due(ms(at));
    }
    recorder.is_final(ms(900), ms(400));
    recorder.is_final(ms(3_100), ms(600));
    recorder.is_final(ms(3_200), ms(5));
    let series = recorder.finish();
    assert_eq!(series.bucket_s, 1.0);
    let offered: Vec<u64> = series.buckets.iter().map(|bucket| bucket.offered).collect();
    let finals: Vec<u64> = series.buckets.iter().map(|bucket| bucket.finals).collect();
    assert_eq!((offered, finals), (vec![2, 1, 1, 0], vec![1, 0, 0, 2]));
    assert_eq!(series.buckets[1].p50_ms, None, "nothing became final: that is no latency of 0");
    let near = |value: Option<f64>, wanted: f64| value.is_some_and(|value| (value / wanted - 1.0).abs() < 0.02);
    assert!(near(series.buckets[3].p50_ms, 5.0) && near(series.buckets[3].p99_ms, 600.0), "{series:?}");
    // Long runs have longer buckets, not more.
    assert_eq!(Recorder::new(ms(3_600_000)).finish().bucket_s, 12.0);
}

#[test]
fn what_several_nodes_say_of_one_deed_is_one_mark() {
    let mut recorder = Recorder::new(ms(3_000));
    let mut cut = |at, node, state| recorder.mark(ms(at), node, state, FaultKind::Link, "cut <1>".to_owned());
    cut(100, 2, FaultState::Begin);
    cut(150, 0, FaultState::Begin);
    cut(160, 0, FaultState::Begin);
    cut(2_000, 0, FaultState::End);
    cut(2_900, 1, FaultState::Begin);
    recorder.due(ms(0));
    recorder.is_final(ms(10), ms(10));
    let loaded = loaded(recorder);
    let faults = &loaded.series.faults;
    assert_eq!(faults.iter().map(|mark| mark.nodes.clone()).collect::<Vec<_>>(), [vec![0, 2], vec![0], vec![1]]);
    let svg = loaded.to_svg();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    assert!(svg.contains("1  0.1 s  begins: cut &lt;1&gt; (node 0,2)"), "{svg}");
    assert_eq!(svg.matches("stroke-dasharray").count(), 3, "a line for each mark");
    let json = serde_json::to_value(&loaded).expect("it has a JSON form");
    assert_eq!(json["final_per_second"], 9.5);
    assert_eq!(json["faults"][0]["state"], "begin");
}

#[tokio::test]
async fn transfers_are_signed_as_they_are_wanted_and_never_all_at_once() {
    let mut coins = Coins::of(3);
    (0..11).for_each(|number| coins.add(TxId([number; 32]), 450));
    let total = coins.iter().count();
    let keys = Arc::new(accounts(1, 3));
    let mut signed = sign::Signed::begin(NetworkId([1; 32]), keys, coins, 2_000).await;
    assert_eq!(signed.waiting(), 2, "2000 of them are signed, and no more while nobody takes one");
    let mut seen = BTreeSet::new();
    while let Some((txid, hex)) = signed.next().await {
        assert!(hex.len() > 200);
        seen.insert(txid);
    }
    assert_eq!((seen.len(), total), (4_950, 4_950), "each coin once");
}
