//! The queues of `cargo bench --bench scale`, which has no harness for tests.

#[allow(dead_code, reason = "the tests use a part of what the bench needs")]
mod model;

use model::{Disk, MS, S, SYNC_NS, Server, US, power_fit, transmission_ns, verify_ns, wire_bytes};

#[test]
fn a_server_does_one_thing_after_another() {
    let mut server = Server::default();
    // (comes at, work, done at)
    for (now, work, done) in [(0, 10, 10), (3, 5, 15), (15, 5, 20), (40, 1, 41)] {
        assert_eq!(server.serve(now, work), done, "work of {work} that comes at {now}");
    }
    assert_eq!((server.busy, server.free_at()), (21, 41));
}

#[test]
fn a_disk_syncs_together_what_came_during_a_sync() {
    let mut disk = Disk::default();
    let steps = [
        (0, SYNC_NS),
        (1, 2 * SYNC_NS),
        (SYNC_NS - 1, 2 * SYNC_NS),
        // The second sync is under way.
        (SYNC_NS, 3 * SYNC_NS),
        (2 * SYNC_NS + 1, 4 * SYNC_NS),
        (10 * SYNC_NS, 11 * SYNC_NS),
    ];
    for (now, durable) in steps {
        assert_eq!(disk.sync(now), durable, "written at {now}");
    }
    assert_eq!(disk.syncs, 5);
}

#[test]
fn a_link_takes_its_time_for_each_byte() {
    for (bytes, bits_per_s, ns) in [
        (125, 1_000_000, MS),
        (1_250, 100_000_000, 100 * US),
        (1, 8 * S, 1),
        (u64::from(u32::MAX), 8, 4_294_967_295 * S),
    ] {
        assert_eq!(transmission_ns(bytes, bits_per_s), ns, "{bytes} bytes at {bits_per_s} a second");
    }
    // A vote of 132 bytes in one packet; what fills two packets; two records of Noise.
    for (encoded, wire) in [(132, 132 + 16 + 18 + 52), (1_448, 1_448 + 34 + 104), (65_504, 65_520 + 36 + 52 * 46)] {
        assert_eq!(wire_bytes(encoded), wire, "{encoded} encoded");
    }
}

#[test]
fn signatures_are_cheaper_together() {
    let us = |signatures| verify_ns(signatures) / US;
    assert_eq!([us(0), us(1), us(2), us(256)], [0, 43, 60, 4_378]);
}

#[test]
fn a_power_is_found_again() {
    let points: Vec<(f64, f64)> = [4.0, 7.0, 31.0, 100.0].map(|n: f64| (n, 2.5 * n.powf(1.75))).to_vec();
    let (factor, exponent) = power_fit(&points);
    assert!((factor - 2.5).abs() < 1e-9 && (exponent - 1.75).abs() < 1e-9, "{factor} {exponent}");
}
