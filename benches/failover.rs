//! How long a net of four stands still when a node is killed under load: `cargo bench --bench failover -- [KILLS] [RATE]`.
//!
//! Each round kills (SIGKILL) the primary, every fifth one a backup too, while transfers are offered at a constant rate, and
//! measures on another node the longest time without a new final block, from the kill until three seconds after it. The node
//! is started again before the next round.

#[allow(dead_code, reason = "the bench uses a part of what the tests need")]
#[path = "../tests/e2e/net.rs"]
mod net;

use bezant_api::event::EventKind;
use net::{LIMIT, Net, until};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

const WATCHED: Duration = Duration::from_secs(3);

/// For so many primaries one backup is killed.
const PRIMARIES_PER_BACKUP: u64 = 5;

/// Blocks after which the load's own funding is surely over.
const FUNDING_BLOCKS: usize = 30;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (kills, rate) = (numbers.next().unwrap_or(50), numbers.next().unwrap_or(50));
    let net = Net::up(&[]);
    let (mut of_primary, mut of_backup) = (Vec::new(), Vec::new());
    for kill in 0..kills {
        let primary = await_primary(&net);
        of_primary.push(stall(&net, primary, rate));
        if kill % PRIMARIES_PER_BACKUP == 0 {
            let backup = (await_primary(&net) + 2) % 4;
            of_backup.push(stall(&net, backup, rate));
        }
    }
    print("primary", of_primary);
    print("backup", of_backup);
    net.check();
}

/// The primary that all four nodes agree on, once they are up and have one view.
fn await_primary(net: &Net) -> usize {
    until("all nodes are in one view", LIMIT, || {
        let seen: Vec<_> = (0..4)
            .filter_map(|node| net.block_on(net.client(node).status()).ok()?.pbft.filter(|pbft| pbft.is_active))
            .map(|pbft| (pbft.view, pbft.primary))
            .collect();
        (seen.len() == 4 && seen.windows(2).all(|pair| pair[0] == pair[1])).then(|| usize::from(seen[0].1))
    })
}

/// Kills a node under load; the longest time without a block that another node sees.
fn stall(net: &Net, victim: usize, rate: u64) -> Duration {
    let client = net.client((victim + 1) % 4);
    let rate = rate.to_string();
    let mut load = net
        .command(&["testnet", "load", "--rate", &rate, "--duration", "15s", "--accounts", "10"])
        .spawn()
        .expect("the program starts");
    let longest = net.block_on(async {
        let mut events = client.events_of(&["block"]).await.expect("the node tells its events");
        let mut blocks = 0;
        while blocks < FUNDING_BLOCKS {
            let event = tokio::time::timeout(LIMIT, events.next()).await.expect("the load makes blocks");
            blocks += usize::from(matches!(event.map(|event| event.kind), Some(EventKind::Block { .. })));
        }
        let killed = Instant::now();
        net::signal(net.manifest().nodes[victim].pid, Signal::SIGKILL);
        let (mut last, mut longest) = (killed, Duration::ZERO);
        while killed.elapsed() < WATCHED {
            let left = WATCHED.saturating_sub(killed.elapsed());
            match tokio::time::timeout(left, events.next()).await {
                Ok(Some(event)) if matches!(event.kind, EventKind::Block { .. }) => {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                Ok(_) => {}
                Err(_) => longest = longest.max(last.elapsed()),
            }
        }
        longest
    });
    net::signal(load.id(), Signal::SIGKILL);
    let _ = load.wait();
    net.json(&["testnet", "start", &victim.to_string()]);
    net.await_synced();
    longest
}

fn print(what: &str, mut stalls: Vec<Duration>) {
    stalls.sort_unstable();
    let at = |share: usize| stalls[(stalls.len() - 1) * share / 100].as_millis();
    println!(
        "{what} killed {} times: longest time without a block, ms: min {} p50 {} p90 {} p99 {} max {}",
        stalls.len(),
        at(0),
        at(50),
        at(90),
        at(99),
        at(100)
    );
}
