use super::{LINK_DELAY_MS_MAX, LinkEffects, PPM};

#[test]
fn effects_are_checked_and_read_like_they_are_written() {
    let none = LinkEffects::default();
    let all = LinkEffects {
        cut: false,
        delay_ms: 100,
        jitter_ms: 20,
        drop_ppm: 50_000,
        duplicate_ppm: 10_000,
        reorder_ppm: 5_000,
        bytes_per_s: Some(1_000_000),
    };
    for (effects, text) in [
        (LinkEffects::CUT, "cut"),
        (all, "delay 100ms ±20ms, drop 5%, duplicate 1%, reorder 0.5%, bandwidth 1MB/s"),
        (LinkEffects { delay_ms: LINK_DELAY_MS_MAX, ..none }, "delay 60000ms"),
        (LinkEffects { drop_ppm: PPM, ..none }, "drop 100%"),
        (LinkEffects { bytes_per_s: Some(64_000), ..none }, "bandwidth 64kB/s"),
        (LinkEffects { bytes_per_s: Some(1_001), ..none }, "bandwidth 1001B/s"),
    ] {
        assert_eq!(effects.check(), Ok(()), "{text}");
        assert_eq!(effects.to_string(), text);
    }
    for (effects, word) in [
        (none, "no effect"),
        (LinkEffects { cut: true, ..all }, "--cut"),
        (LinkEffects { delay_ms: LINK_DELAY_MS_MAX + 1, ..none }, "delay"),
        (LinkEffects { jitter_ms: LINK_DELAY_MS_MAX + 1, ..none }, "jitter"),
        (LinkEffects { drop_ppm: PPM + 1, ..none }, "drop"),
        (LinkEffects { duplicate_ppm: PPM + 1, ..none }, "duplicate"),
        (LinkEffects { reorder_ppm: PPM + 1, ..none }, "reorder"),
        (LinkEffects { bytes_per_s: Some(999), ..none }, "bandwidth"),
    ] {
        let problem = effects.check().expect_err(word);
        assert!(problem.contains(word), "{problem}");
    }
}
