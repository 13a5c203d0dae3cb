//! How long a wallet takes to choose among many coins: `cargo bench --bench selection -- [COINS]`.
//!
//! 100,000 coins of each distribution that makes branch and bound work hardest, and payments of several sizes; the slowest counts.
//! The aim is 100 ms. Signing is not included. Time is that of the processor, which other programs do not disturb much.

use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::hash::TxId;
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_wallet::paying::build::{Sum, sizes};
use bezant_wallet::paying::selection::{Candidate, Want, choose};
use nix::sys::resource::{UsageWho, getrusage};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::time::Duration;

/// What a choice may take.
const LIMIT: Duration = Duration::from_millis(100);
/// Each choice is made so often, and the fastest counts: the machine does other things, too.
const TIMES: usize = 5;

type Distribution = fn(u64, u64) -> u64;

/// What this program has used.
fn used() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the system counts");
    let part = |seconds: i64, micros: i64| Duration::from_micros((seconds * 1_000_000 + micros).unsigned_abs());
    let (user, system) = (usage.user_time(), usage.system_time());
    part(user.tv_sec(), user.tv_usec()) + part(system.tv_sec(), system.tv_usec())
}

fn main() {
    let given = std::env::args().skip(1).find_map(|argument| argument.parse::<u64>().ok());
    let count = given.unwrap_or(100_000);
    let distributions: [(&str, Distribution); 8] = [
        ("powers of two", |number, _| 1_000 << (number % 30)),
        ("all equal", |_, _| 1_000_000),
        ("all dust", |_, _| 1),
        ("just above dust", |number, _| 151 + number % 3),
        ("near misses", |number, _| 1_000_000 + 2 * number),
        ("ever larger", |number, count| 1_000 + number * (1 << 40) / count.max(1)),
        ("one large", |number, _| if number == 0 { 1 << 50 } else { 200 }),
        ("scattered", |number, _| 200 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (1 << 40)),
    ];
    println!("{count} coins {:>22} {:>12}", "slowest choice, ms", "found");
    let mut worst = Duration::ZERO;
    for (name, amount) in distributions {
        let candidate = |number: u64| {
            let mut txid = [0; 32];
            txid[..8].copy_from_slice(&number.to_le_bytes());
            let amount = Amount::from_grains(amount(number, count)).expect("below the supply");
            let index = usize::try_from(number).expect("few");
            Candidate { index, amount, outpoint: OutPoint { txid: TxId(txid), index: 0 }, bytes: sizes().input }
        };
        let candidates: Vec<Candidate> = (0..count).map(candidate).collect();
        let total: u64 = candidates.iter().map(|coin| coin.amount.grains()).fold(0, u64::saturating_add);
        let (mut slowest, mut found) = (Duration::ZERO, 0);
        let wanted = [total / 2, total / 1_000 + 1, 1_999_999, 12_345_677, total / count + 1, total, total * 2 + 1];
        for grains in wanted {
            let Some(grains) = Amount::from_grains(grains) else { continue };
            let sum = Sum::Exactly(grains);
            let want = Want { sum, recipients: 1, rate: 1_000, long_rate: 1_000, all: false };
            let mut best = Duration::MAX;
            for seed in 0..TIMES {
                let mut random = StdRng::seed_from_u64(seed as u64);
                let began = used();
                let chosen = choose(&candidates, &want, sizes(), &mut random);
                best = best.min(used() - began);
                found += usize::from(chosen.is_ok() && seed == 0);
            }
            slowest = slowest.max(best);
        }
        println!("{name:18} {:18.2} {found:12}", slowest.as_secs_f64() * 1_000.0);
        worst = worst.max(slowest);
    }
    assert!(worst < LIMIT, "{} ms, and {} are allowed", worst.as_millis(), LIMIT.as_millis());
}
