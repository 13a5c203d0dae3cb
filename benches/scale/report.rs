//! Runs the nets, and puts what came out beside the theory: tables, fits, pictures.

use crate::model::power_fit;
use crate::theory::{Bounds, REGIONS, faulty, ms, proposal_bytes, quorum, rounds, sent_bytes, votes_in_all};
use crate::world::{Outcome, Setup, run};
use bezant_testnet::sim::mining::{Figure, Point, Series};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

const MBIT: u64 = 1_000_000;
/// Transfers of a block and bits a second of an up-link.
const KINDS: [(u64, u64); 6] = [
    (1, 100 * MBIT),
    (100, 100 * MBIT),
    (1_000, 100 * MBIT),
    (5_000, 100 * MBIT),
    (1_000, 1_000 * MBIT),
    (5_000, 1_000 * MBIT),
];
/// Of these, nets above this size take longer for a block than anybody would wait, and as long to simulate.
const SLOW: (u64, u64) = (5_000, 100 * MBIT);
const SLOW_MAX: usize = 40;
/// Runs at a time.
const THREADS: usize = 2;

/// Runs all, the largest first; in the order given.
fn run_all(setups: &[Setup]) -> Vec<Outcome> {
    let mut order: Vec<usize> = (0..setups.len()).collect();
    order.sort_by_key(|place| setups[*place].n);
    let (waiting, done) = (Mutex::new(order), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let next = waiting.lock().expect("nobody panics with it").pop();
            let Some(place) = next else { return };
            let (setup, begun) = (&setups[place], Instant::now());
            let outcome = run(setup);
            eprintln!(
                "{} nodes, {} in a block, {} Mbit/s: {:.1} s, {} blocks, {} transfers a second",
                setup.n,
                setup.block,
                setup.bits_per_s / MBIT,
                begun.elapsed().as_secs_f64(),
                outcome.blocks,
                outcome.transfers_per_s as u64,
            );
            done.lock().expect("nobody panics with it").insert(place, outcome);
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    done.into_inner().expect("nobody panics with it").into_values().collect()
}

fn name((block, bits_per_s): (u64, u64)) -> String {
    let link = if bits_per_s >= 1_000 * MBIT { "1 Gbit/s" } else { "100 Mbit/s" };
    format!("{block} in a block, {link}")
}

/// One curve: what was measured, and what theory says.
struct Curve {
    name: String,
    points: Vec<(f64, f64, f64)>,
}

impl Curve {
    fn series(&self) -> Series {
        let point =
            |(x, measured, theory): &(f64, f64, f64)| Point { x: *x, measured: *measured, error: 0.0, theory: *theory };
        let curve = self.points.iter().map(|(x, _, theory)| (*x, *theory)).collect();
        Series { name: self.name.clone(), points: self.points.iter().map(point).collect(), curve }
    }

    /// Of powers of n, by least squares on logarithms; from 13 nodes on, as smaller nets have not all regions.
    fn fit(&self, what: &str) {
        let of = |pick: fn(&(f64, f64, f64)) -> (f64, f64)| {
            let points = self.points.iter().filter(|point| point.0 >= 13.0 && point.1 > 0.0);
            power_fit(&points.map(pick).collect::<Vec<_>>())
        };
        let ((a, b), (c, d)) = (of(|point| (point.0, point.1)), of(|point| (point.0, point.2)));
        if b.is_finite() {
            println!("| {what}, {} | {a:.4} · n^{b:.2} | {c:.4} · n^{d:.2} |", self.name);
        }
    }
}

/// See the bench.
pub(crate) fn far(sizes: &[usize], dir: Option<&Path>) {
    let mut setups = Vec::new();
    for kind in KINDS {
        let sizes = sizes.iter().filter(|n| kind != SLOW || **n <= SLOW_MAX);
        setups.extend(sizes.map(|n| Setup::new(*n, kind.0, kind.1)));
    }
    for n in sizes {
        let counted = 10;
        setups.push(Setup { alone: true, warm: 3, counted, ..Setup::new(*n, 1, 100 * MBIT) });
    }
    let outcomes = run_all(&setups);
    let runs: Vec<(Setup, Outcome)> = setups.into_iter().zip(outcomes).collect();
    let of = |kind: (u64, u64)| {
        let is_kind =
            move |it: &&(Setup, Outcome)| (it.0.block, it.0.bits_per_s, it.0.alone) == (kind.0, kind.1, false);
        runs.iter().filter(is_kind).collect::<Vec<_>>()
    };
    let alone: Vec<&(Setup, Outcome)> = runs.iter().filter(|it| it.0.alone).collect();
    let curve = |name: String, runs: &[&'_ (Setup, Outcome)], values: &dyn Fn(&Setup, &Outcome) -> (f64, f64)| {
        let point = |it: &&(Setup, Outcome)| {
            let (measured, theory) = values(&it.0, &it.1);
            (it.0.n as f64, measured, theory)
        };
        Curve { name, points: runs.iter().map(point).collect() }
    };

    let votes = curve("all of a block".to_owned(), &of(KINDS[1]), &|setup, it| (it.votes, votes_in_all(setup.n)));
    let sent = |who: usize| {
        let name = ["the primary", "another node"][who].to_owned();
        curve(name, &of(KINDS[0]), &|setup, it| (it.sent[who].messages, 2.0 * (setup.n as f64 - 1.0)))
    };
    let bytes = |kind: usize, who: usize| {
        let name = format!("{}, {}", ["the primary", "another node"][who], name(KINDS[kind]));
        curve(name, &of(KINDS[kind]), &|setup, it| {
            (it.sent[who].bytes / 1e6, sent_bytes(setup.n, it.fill.round() as u64)[who] / 1e6)
        })
    };
    let blocks: Vec<Curve> = KINDS
        .iter()
        .map(|kind| {
            curve(name(*kind), &of(*kind), &|setup, it| (it.blocks_per_s, 1e9 / Bounds::of(setup).interval() as f64))
        })
        .collect();
    let transfers: Vec<Curve> = KINDS
        .iter()
        .map(|kind| {
            curve(name(*kind), &of(*kind), &|setup, it| {
                (it.transfers_per_s, setup.block as f64 * 1e9 / Bounds::of(setup).interval() as f64)
            })
        })
        .collect();
    let finals: Vec<Curve> =
        KINDS.iter().map(|kind| curve(name(*kind), &of(*kind), &|setup, it| (it.final_ms, final_ms(setup)))).collect();
    let lone = curve("handed in anywhere, alone".to_owned(), &alone, &|setup, it| (it.transfer_ms, lone_ms(setup)));

    println!("node i is in region i mod 10 of {}\n", REGIONS.join(", "));
    println!(
        "| n | q | votes and proposals of a block, in all | 2n(n − 1) | sent by the primary for a block, all messages | by another | 2(n − 1) |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (place, (n, measured, theory)) in votes.points.iter().enumerate() {
        let [primary, other] = [0, 1].map(|who| sent(who).points[place].1);
        let q = quorum(*n as usize);
        println!("| {n} | {q} | {measured:.0} | {theory:.0} | {primary:.0} | {other:.0} | {:.0} |", 2.0 * (n - 1.0));
    }
    for kind in [0, 2, 3] {
        println!(
            "\n{}:\n\n| n | MB of the primary for a block | theory | MB of another | theory | of which one proposal to all |",
            name(KINDS[kind])
        );
        println!("|---|---|---|---|---|---|");
        let (primary, other) = (bytes(kind, 0), bytes(kind, 1));
        for (a, b) in primary.points.iter().zip(&other.points) {
            let proposals = (a.0 - 1.0) * proposal_bytes(KINDS[kind].0) as f64 / 1e6;
            println!("| {} | {:.3} | {:.3} | {:.3} | {:.3} | {proposals:.3} |", a.0, a.1, a.2, b.1, b.2);
        }
    }
    for (place, kind) in KINDS.iter().enumerate() {
        println!(
            "\n{}:\n\n| n | blocks a second | bound | bound by | transfers a second | final after, ms | theory | up-link of the primary, of another | processor of the primary, of another |",
            name(*kind)
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for (at, (setup, it)) in of(*kind).into_iter().enumerate() {
            let (rate, last) = (&blocks[place].points[at], &finals[place].points[at]);
            println!(
                "| {} | {:.2} | {:.2} | {} | {:.0} | {:.0} | {:.0} | {:.0} %, {:.0} % | {:.0} %, {:.0} % |",
                setup.n,
                rate.1,
                rate.2,
                Bounds::of(setup).name(),
                it.transfers_per_s,
                last.1,
                last.2,
                it.uplink[0] * 100.0,
                it.uplink[1] * 100.0,
                it.processor[0] * 100.0,
                it.processor[1] * 100.0,
            );
            if it.views_left > 0 {
                println!("| | {} views were left | | | | | | | |", it.views_left);
            }
        }
    }
    println!("\n| n | a transfer alone, ms | theory |\n|---|---|---|");
    for (n, measured, theory) in &lone.points {
        println!("| {n} | {measured:.0} | {theory:.0} |");
    }
    println!("\n| | fit, n ≥ 13 | theory, fitted likewise |\n|---|---|---|");
    votes.fit("messages");
    [0, 1].iter().for_each(|who| sent(*who).fit("messages sent for a block"));
    for kind in [0, 2, 3] {
        [0, 1].iter().for_each(|who| bytes(kind, *who).fit("MB for a block"));
    }
    blocks.iter().for_each(|it| it.fit("blocks a second"));
    finals.iter().for_each(|it| it.fit("ms to finality"));
    lone.fit("ms to finality");

    let Some(dir) = dir else { return };
    let picture = |file: &str, title: &str, y: &str, curves: &[&Curve]| {
        let figure = Figure {
            title: title.to_owned(),
            x: "replicas".to_owned(),
            y: y.to_owned(),
            diagonal: None,
            series: curves.iter().map(|it| it.series()).collect(),
            notes: Vec::new(),
        };
        std::fs::write(dir.join(file), figure.to_svg()).expect("the directory is there");
    };
    picture("scale-votes.svg", "Votes and proposals of one block, in all", "messages", &[&votes]);
    picture(
        "scale-messages.svg",
        "Messages of one node for one block of one transfer",
        "messages",
        &[&sent(0), &sent(1)],
    );
    picture(
        "scale-bytes.svg",
        "Bytes of one node for one block",
        "MB",
        &[&bytes(0, 0), &bytes(0, 1), &bytes(2, 0), &bytes(2, 1)],
    );
    picture(
        "scale-blocks.svg",
        "Blocks a second; lines: what binds first",
        "blocks a second",
        &blocks.iter().collect::<Vec<_>>(),
    );
    picture(
        "scale-transfers.svg",
        "Transfers a second; lines: what binds first",
        "transfers a second",
        &transfers[1..].iter().collect::<Vec<_>>(),
    );
    let mut latencies: Vec<&Curve> =
        finals.iter().filter(|it| !it.name.starts_with("5000 in a block, 100 M")).collect();
    latencies.push(&lone);
    picture("scale-latency.svg", "From the proposal to finality at a node, mean", "ms", &latencies);
}

/// Without queues: distance, the primary's up-link, and judging.
fn final_ms(setup: &Setup) -> f64 {
    let everybody: Vec<usize> = (0..setup.n).collect();
    let apart = crate::model::transmission_ns(proposal_bytes(setup.block), setup.bits_per_s);
    let judging = 2 * setup.block * crate::model::TRANSFER_JUDGED_NS;
    rounds(setup.n, &everybody, apart, judging).mean_final() / 1e6
}

/// A transfer that meets no other: to the primary, and its block back.
fn lone_ms(setup: &Setup) -> f64 {
    let everybody: Vec<usize> = (0..setup.n).collect();
    let of = rounds(setup.n, &everybody, 0, 0);
    let total: u64 = (0..setup.n).map(|at| crate::theory::one_way_ns(at, 0) + of.all_final[at]).sum();
    total as f64 / setup.n as f64 / 1e6
}

/// See the bench.
pub(crate) fn one(setup: &Setup) {
    let (bounds, it) = (Bounds::of(setup), run(setup));
    println!(
        "least time between blocks, ms: distance {:.1}, up-link {:.1}, processor {:.1}",
        ms(bounds.distance),
        ms(bounds.uplink),
        ms(bounds.processor)
    );
    println!(
        "blocks {}, a second {:.2}, with {:.0} transfers each: {:.0} a second",
        it.blocks, it.blocks_per_s, it.fill, it.transfers_per_s
    );
    println!(
        "final after, ms: at the primary {:.1}, mean {:.1}; a transfer {:.1}",
        it.primary_final_ms, it.final_ms, it.transfer_ms
    );
    println!(
        "views left {}, longest time without a block {:.0} ms, NEW-VIEW {} bytes",
        it.views_left, it.gap_ms, it.new_view_bytes
    );
    for (name, [primary, others]) in [("up-link", it.uplink), ("processor", it.processor), ("disk", it.disk)] {
        println!(
            "{name}: not idle {:.1} % of the time at the primary, {:.1} % at others",
            primary * 100.0,
            others * 100.0
        );
    }
    println!(
        "for a block: {:.0} votes and proposals in all; the primary sends {:.0} messages, another {:.0}",
        it.votes, it.sent[0].messages, it.sent[1].messages
    );
    for (name, bytes) in it.bytes_by_name {
        println!("{bytes:12.0} bytes of {name}");
    }
}

/// See the bench.
pub(crate) fn faults(sizes: &[usize]) {
    let of = |n: usize| {
        let base = Setup { warm: 6, counted: 8, ..Setup::new(n, 100, 100 * MBIT) };
        let silent = Setup { silent: true, ..base.clone() };
        [base.clone(), silent, Setup { kill: true, ..base }]
    };
    let setups: Vec<Setup> = sizes.iter().flat_map(|n| of(*n)).collect();
    let outcomes = run_all(&setups);
    println!(
        "| n | f | final after, ms; theory | with f silent; theory | blocks a second | with f silent | primary killed: longest time without a block, ms | views left | NEW-VIEW, bytes |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (setup, outcomes) in setups.chunks(3).zip(outcomes.chunks(3)) {
        let [base, silent, kill] = outcomes else { unreachable!("three of each") };
        let n = setup[0].n;
        let speaking: Vec<usize> = (0..n - faulty(n)).collect();
        let theory = |speaking: &[usize]| {
            let all = rounds(n, speaking, 0, 0).all_final;
            ms(speaking.iter().map(|at| all[*at]).sum::<u64>()) / speaking.len() as f64
        };
        println!(
            "| {n} | {} | {:.0}; {:.0} | {:.0}; {:.0} | {:.2} | {:.2} | {:.0} | {} | {} |",
            faulty(n),
            base.final_ms,
            theory(&(0..n).collect::<Vec<_>>()),
            silent.final_ms,
            theory(&speaking),
            base.blocks_per_s,
            silent.blocks_per_s,
            kill.gap_ms,
            kill.views_left,
            kill.new_view_bytes,
        );
    }
}
