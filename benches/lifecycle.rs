//! From `testnet up --detach` to its return with the first block, and `testnet down --purge`:
//! `cargo bench --bench lifecycle -- [REPETITIONS] [NODES …]`. For each number of nodes (4 and 13 unless told otherwise) two nets beside
//! each other go up and down that often, each for itself, so that they meet in all of their phases; every second run is a resumed one.
//!
//! `up` returns once height 1 is final on every node (under proof of work: included). After each `down` no process, port, lock, socket
//! or directory of the net may be left.

#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../tests/e2e/net.rs"]
mod net;

use net::Net;
use std::time::{Duration, Instant};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let repetitions = numbers.next().unwrap_or(100);
    let wanted: Vec<usize> = numbers.collect();
    let nodes = if wanted.is_empty() { vec![4, 13] } else { wanted };
    for nodes in nodes {
        measure(nodes, repetitions, "alone", 1);
        measure(nodes, repetitions, "two beside each other", 2);
    }
}

fn measure(nodes: usize, repetitions: usize, how: &str, nets: usize) {
    let all: Vec<[Vec<Duration>; 3]> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..nets).map(|_| scope.spawn(move || cycle(nodes, repetitions / nets))).collect();
        running.into_iter().map(|one| one.join().expect("a net goes up and down")).collect()
    });
    for (index, what) in ["up, made anew", "up, resumed", "down"].into_iter().enumerate() {
        let mut times: Vec<Duration> = all.iter().flat_map(|one| one[index].iter().copied()).collect();
        times.sort_unstable();
        let at = |part: f64| times.get(((times.len() as f64 - 1.0) * part) as usize).map_or(0.0, Duration::as_secs_f64);
        println!(
            "{nodes} nodes, {how}: {what:<14} {} times: half within {:.2} s, 95 of 100 within {:.2} s, all within {:.2} s",
            times.len(),
            at(0.5),
            at(0.95),
            at(1.0)
        );
    }
}

/// Times of starts anew, of resumed ones, and of stops.
fn cycle(nodes: usize, repetitions: usize) -> [Vec<Duration>; 3] {
    let net = Net::empty();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let count = nodes.to_string();
    for repetition in 0..repetitions {
        let resumes = repetition % 2 == 1;
        let begun = Instant::now();
        let manifest = net.start(&["--nodes", &count]);
        times[usize::from(resumes)].push(begun.elapsed());
        assert!(net.final_height(0) >= 1, "it said so");
        let down: &[&str] = if resumes { &["testnet", "down", "--purge"] } else { &["testnet", "down"] };
        let begun = Instant::now();
        net.run(down).ended(0);
        times[2].push(begun.elapsed());
        net.await_gone(&manifest);
        assert!(!manifest.supervisor.control.exists(), "the socket is gone");
        assert_eq!(net.dir().exists(), !resumes, "purged or kept");
    }
    times
}
