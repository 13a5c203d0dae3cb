//! Instructions of a few hot paths, counted by callgrind, so that a regression shows on a machine that is busy with other things:
//! `cargo test -p bezant-node-core --bench instructions -- [--check | --record]`.
//!
//! Without an option the counts are printed; `--check` compares them with `instructions.txt` beside this file and fails when one differs by more than
//! [`TOLERANCE_PERCENT`]; `--record` writes that file. Where there is no valgrind, or the counts were recorded with another compiler, nothing is
//! compared, and it says so. Counts are those of the dev profile, whose builds every check has at hand: what is optimised there, and
//! invariants that are checked there alone, are part of them. Valgrind has no SHA and no AVX-512 instructions, so the portable code is counted.
//!
//! Each path runs in a process of its own, which prepares it, and then does it once inside [`counted_work`]; callgrind counts there and nowhere else.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench starts processes and shares coins, which the crate must not"
)]

#[allow(dead_code, reason = "each bench uses a part of it")]
mod support;

use bezant_consensus::ledger::codec::{decode, encode};
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::commitment::Buckets;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::rules::context::{Place, connect};
use bezant_consensus::ledger::rules::isolated::check_block;
use bezant_consensus::ledger::transaction::Transaction;
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::message::{Ballot, Message, Vote, VoteKind};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use support::{Bench, GRAINS, block, key, owner, pbft};

/// How far a count may be from the recorded one.
const TOLERANCE_PERCENT: f64 = 3.0;
/// Transfers of a path that concerns many.
const TRANSFERS: u64 = 100;
/// What each path does, and by what its count is divided.
const PATHS: [(&str, u64); 7] = [
    ("nothing", 1),
    ("decode_and_hash_a_transfer", TRANSFERS),
    ("check_a_block_alone_each_transfer", TRANSFERS),
    ("connect_a_block_each_transfer", TRANSFERS),
    ("admit_to_the_mempool", TRANSFERS),
    ("check_a_vote", 1),
    ("commit_to_a_coin", 1),
];
/// Where the counting itself costs more than that, it does not count what it should.
const NOTHING_MAX: u64 = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [option, path] = &arguments[..]
        && option == "--path"
    {
        run(path);
        return ExitCode::SUCCESS;
    }
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed, so no instructions are counted");
        return ExitCode::SUCCESS;
    }
    let counts: Vec<(&str, u64)> = PATHS.iter().map(|(name, share)| (*name, count(name) / share)).collect();
    for (name, count) in &counts {
        println!("{name:<36} {count:>12}");
    }
    assert!(counts[0].1 <= NOTHING_MAX, "callgrind counts more than the path: {} instructions of nothing", counts[0].1);
    if has("--record") {
        let lines: String = counts.iter().skip(1).map(|(name, count)| format!("{name} {count}\n")).collect();
        std::fs::write(recorded_file(), format!("{}\n{lines}", compiler())).expect("the sources can be written");
    }
    if has("--check") { check(&counts[1..]) } else { ExitCode::SUCCESS }
}

fn recorded_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

/// Counts are of one compiler.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    format!("{} {}", text.trim(), std::env::consts::ARCH)
}

fn check(counts: &[(&str, u64)]) -> ExitCode {
    let recorded = std::fs::read_to_string(recorded_file()).expect("the counts are recorded beside this file");
    let mut lines = recorded.lines();
    let of = lines.next().unwrap_or_default();
    if of != compiler() {
        println!("skipped: recorded with {of}, this is {}; record anew with --record", compiler());
        return ExitCode::SUCCESS;
    }
    let recorded: BTreeMap<&str, u64> = lines
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    let mut is_fine = true;
    for (name, count) in counts {
        let Some(before) = recorded.get(name).copied() else {
            println!("{name}: not recorded yet; record it with --record");
            is_fine = false;
            continue;
        };
        let change = (*count as f64 / before as f64 - 1.0) * 100.0;
        if change.abs() > TOLERANCE_PERCENT {
            println!(
                "{name}: {count} instructions, {before} are recorded: {change:+.1} %; better or meant: record it with --record"
            );
            is_fine = false;
        }
    }
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one path under callgrind.
fn count(path: &str) -> u64 {
    let program = std::env::current_exe().expect("this program has a file");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_work*"])
        .arg(program)
        .args(["--path", path])
        .output()
        .expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    collected.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{path}: {said}"))
}

/// The only place where instructions are counted.
#[inline(never)]
fn counted_work(work: &mut dyn FnMut()) {
    work();
}

fn run(path: &str) {
    let mut bench = Bench::new(pbft(), 10_000);
    let transfers = bench.fresh(0..TRANSFERS);
    match path {
        "nothing" => counted_work(&mut || {}),
        "decode_and_hash_a_transfer" => {
            let all: Vec<Vec<u8>> = transfers.iter().map(|transfer| encode(transfer.get())).collect();
            counted_work(&mut || {
                for bytes in &all {
                    let transfer: Transaction = decode(bytes).expect("it was encoded");
                    black_box((transfer.id(), transfer.hash()));
                }
            });
        }
        "check_a_block_alone_each_transfer" => {
            let mut block = block(&transfers).as_ref().clone();
            block.header.merkle_root = block.merkle_root();
            let network = bench.genesis.network_id();
            counted_work(&mut || {
                black_box(check_block(&network, 1_000_000, &block)).expect("it keeps the rules");
            });
        }
        "connect_a_block_each_transfer" => {
            let block = block(&transfers);
            let coins = bench.coins.0.lock().expect("nobody panics here").clone();
            let place = Place { height: Height(1), time: bench.now.seconds() };
            counted_work(&mut || {
                black_box(connect(&block, &coins, place, &bench.genesis.ledger)).expect("its coins are there");
            });
        }
        "admit_to_the_mempool" => {
            bench.hand_in(transfers);
            let mut next = bench.fresh(TRANSFERS..2 * TRANSFERS);
            counted_work(&mut || {
                black_box(bench.hand_in(std::mem::take(&mut next)));
            });
        }
        "check_a_vote" => {
            let ballot = Ballot {
                incarnation: Incarnation(0),
                epoch: Epoch(0),
                view: View(0),
                height: Height(1),
                block: BlockId::default(),
            };
            let vote = Vote::sign(&bench.genesis.network_id(), VoteKind::Commit, ballot, 0, &key());
            let mut message = Some(Message::Vote(vote));
            counted_work(&mut || {
                let message = message.take().expect("it is done once");
                let checked = bench.verifier.message(message, &|_| false, ChaCha20Rng::from_seed([1; 32]));
                black_box(checked).expect("a member signed it");
            });
        }
        "commit_to_a_coin" => {
            let outpoint = bench.coin(1);
            let amount = support::grains(GRAINS);
            let coin = Coin { amount, lock: owner().hash(), height: Height(0), coinbase: false };
            let mut buckets = Buckets::of([]).list().to_vec();
            counted_work(&mut || buckets[0].add(&outpoint, &coin));
            black_box(buckets);
        }
        other => panic!("there is no path {other}"),
    }
}
