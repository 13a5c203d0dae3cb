use super::book::{Book, Sent};
use super::file::{self, Opened};
use super::fund::{self, Coins};
use super::series::Recorder;
use super::sign::{Ready, Transfers};
use super::{Latency, LoadReport, Loaded, Usage, accounts, sign, usage};
use bezant_api::fault::{FaultKind, FaultState};
use bezant_consensus::ledger::codec::decode;
use bezant_consensus::ledger::hash::{NetworkId, TxId};
use bezant_consensus::ledger::transaction::{Body, OutPoint, Transaction};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

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
        usage: Usage::default(),
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
    let mut coins = Coins::of(3, fund::coin_of(1));
    (0..11).for_each(|number| coins.add(TxId([number; 32]), 450));
    let total = coins.iter().count();
    let keys = Arc::new(accounts(1, 3));
    let mut signed = Transfers::sign(NetworkId([1; 32]), keys, coins, total, 2_000).await;
    assert_eq!(signed.waiting(), 2, "2000 of them are signed, and no more while nobody takes one");
    let mut seen = BTreeSet::new();
    while let Some(Ready { id, bytes }) = signed.next().await.expect("signing does not fail") {
        assert!(bytes.len() > 100);
        let transaction: Transaction = decode(&bytes).expect("a transaction");
        assert_eq!(sign::short(&transaction.id()), id);
        seen.insert(id);
    }
    assert_eq!((seen.len(), total), (4_950, 4_950), "each coin once");
}

#[tokio::test]
async fn an_account_that_spends_its_change_goes_on_with_one_coin() {
    // Fewer accounts than a chunk has room for, and a last round that is not full.
    let (accounts_count, count) = (7, 2_500);
    let each = fund::coin_of(2_500_usize.div_ceil(7));
    let mut coins = Coins::of(accounts_count, each);
    coins.add(TxId([9; 32]), accounts_count);
    let keys = Arc::new(accounts(1, accounts_count));
    let mut unspent: BTreeMap<OutPoint, u64> = coins.iter().map(|coin| (coin.outpoint, coin.grains)).collect();
    let mut signed = Transfers::sign(NetworkId([1; 32]), keys, coins, count, 2_000).await;
    let (mut seen, mut last) = (0, VecDeque::new());
    while let Some(Ready { bytes, .. }) = signed.next().await.expect("signing does not fail") {
        let transaction: Transaction = decode(&bytes).expect("a transaction");
        let Body::Transfer(body) = transaction.body() else { panic!("it moves coins") };
        let [input] = body.inputs[..] else { panic!("one coin") };
        let grains = unspent.remove(&input).expect("it is there, and was not spent before");
        let [paid, change] = [0, 1].map(|index| body.outputs[index].amount.grains());
        assert_eq!(grains, paid + change + fund::FEE_GRAINS);
        unspent.insert(OutPoint { txid: transaction.id(), index: 1 }, change);
        // What follows in the run is far from what it spends.
        assert!(!last.contains(&input.txid), "all other accounts come between");
        last.push_back(transaction.id());
        last.drain(..last.len().saturating_sub(accounts_count - 1));
        seen += 1;
    }
    assert_eq!((seen, unspent.len()), (count, accounts_count));
}

async fn written(dir: &std::path::Path, network: NetworkId) -> std::path::PathBuf {
    let mut coins = Coins::of(2, fund::coin_of(1));
    (0..3).for_each(|number| coins.add(TxId([number; 32]), 500));
    let transfers = Transfers::sign(network, Arc::new(accounts(1, 2)), coins, 1_500, 2_000).await;
    let path = dir.join("transfers");
    assert_eq!(file::write(&path, network, transfers).await.expect("there is room"), 1_500);
    path
}

#[tokio::test]
async fn what_is_signed_into_a_file_comes_out_as_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = NetworkId([1; 32]);
    let path = written(dir.path(), network).await;
    let opened = Opened::open(&path, &network).expect("it is whole");
    assert_eq!(opened.header.count, 1_500);
    let mut transfers = opened.stream();
    let mut seen = BTreeSet::new();
    while let Some(Ready { id, bytes }) = transfers.next().await.expect("it is whole") {
        let transaction: Transaction = decode(&bytes).expect("a transaction");
        assert_eq!(sign::short(&transaction.id()), id);
        seen.insert(id);
    }
    assert_eq!(seen.len(), 1_500);
    assert_eq!(std::fs::read_dir(dir.path()).expect("it is there").count(), 1, "no part of a file is left");
}

#[tokio::test]
async fn a_file_that_is_not_what_it_should_be_is_refused_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = NetworkId([1; 32]);
    let path = written(dir.path(), network).await;
    let whole = std::fs::read(&path).expect("it is there");
    let refused = |bytes: &[u8], network: &NetworkId| {
        std::fs::write(&path, bytes).expect("there is room");
        let error = Opened::open(&path, network).expect_err("it is refused");
        assert_eq!((error.kind(), error.exit_status()), ("bad-transfers", 3));
        error.to_string()
    };
    assert!(refused(&whole, &NetworkId([2; 32])).contains("signed for the net with id 0101"));
    assert!(refused(b"", &network).contains("holds no transfers"));
    assert!(refused(&[b'x'; 5_000], &network).contains("holds no transfers"));
    assert!(refused(&whole[..20], &network).contains("ends within its head"));
    assert!(refused(&whole[..whole.len() - 1], &network).contains("are expected; copy it again"));
    let mut newer = whole.clone();
    newer[8] = 2;
    assert!(refused(&newer, &network).contains("its format is 2, this program reads 1"));
    // A length that no transfer has is not believed.
    let mut long = whole.clone();
    long[60..62].copy_from_slice(&[0xff, 0xff]);
    std::fs::write(&path, &long).expect("there is room");
    let error = Opened::open(&path, &network).expect("its head is right").next().expect_err("it is refused");
    assert!(error.to_string().contains("a transfer has 65535 bytes"), "{error}");
}

#[test]
fn a_transfer_is_final_when_its_own_node_says_so_however_late_its_block_is_read() {
    let start = Instant::now();
    let mut book = Book::new(2, start + ms(150));
    book.sent(1, Sent { due: start, place: 0 });
    book.sent(2, Sent { due: start + ms(10), place: 1 });
    book.sent(3, Sent { due: start + ms(20), place: 1 });
    book.sent(4, Sent { due: start, place: 0 });
    book.refused(4);
    // Node 0 calls both heights final at once, node 1 one after the other, the second after the window.
    assert!(book.says(0, 2, start + ms(100)).is_empty());
    assert_eq!(book.final_height(), 2);
    assert_eq!(book.read(1, [1, 2, 99]), [(start + ms(100), ms(100))]);
    assert_eq!(book.says(1, 1, start + ms(120)), [(start + ms(120), ms(110))]);
    assert!(book.read(2, [3, 4]).is_empty());
    assert_eq!((book.unfinished(), book.inside()), (1, 2));
    assert_eq!(book.says(1, 2, start + ms(200)), [(start + ms(200), ms(180))]);
    assert_eq!((book.unfinished(), book.inside(), book.latencies().len()), (0, 2, 3));
    // A height that was said before its block is read keeps its time, also when more is said meanwhile.
    book.sent(5, Sent { due: start, place: 0 });
    book.says(0, 3, start + ms(300));
    book.says(0, 4, start + ms(400));
    assert_eq!(book.read(3, [5]), [(start + ms(300), ms(300))]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_process_costs_is_read_of_the_system() {
    let own = std::process::id();
    let spent = || usage::cpu_s(own).expect("the system tells");
    let mut watch = usage::Watch::begin(vec![(3, own), (4, u32::MAX)]);
    let began = spent();
    while spent() < began + 0.05 {}
    watch.look();
    let usage = watch.end().over(10);
    assert_eq!(usage.nodes.iter().map(|node| node.index).collect::<Vec<_>>(), [3, 4]);
    // A difference of decimals may fall short of it by a hair.
    let least_s = 0.05 - 1e-9;
    assert!(usage.nodes[0].cpu_s >= least_s && usage.load_cpu_s >= least_s, "{usage:?}");
    assert!(usage.nodes[0].resident_peak_bytes > 1 << 20, "{usage:?}");
    assert_eq!((usage.nodes[1].cpu_s, usage.nodes[1].resident_peak_bytes), (0.0, 0), "nobody has that number");
    let per_1000 = usage.nodes_cpu_s_per_1000.expect("ten were final");
    assert!((per_1000 - usage.nodes_cpu_s * 100.0).abs() < 1e-9, "{usage:?}");
    assert!(usage.all_cpu_s_per_1000 > usage.nodes_cpu_s_per_1000);
}
