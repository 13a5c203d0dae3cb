use super::{bandwidth, offset_ms, share};

#[test]
fn shares_bandwidths_and_offsets_are_read_exactly_or_not_at_all() {
    for (text, ppm) in [
        ("0%", 0),
        ("5%", 50_000),
        ("0.5%", 5_000),
        ("0.0001%", 1),
        ("99.9999%", 999_999),
        ("100%", 1_000_000),
        ("100.0%", 1_000_000),
    ] {
        assert_eq!(share(text), Ok(ppm), "{text}");
    }
    for text in ["5", "-1%", "101%", "100.0001%", "0.00001%", "%", ".5%", "5.%", "1e1%", "99999999999%", "five%", "+5%"]
    {
        assert!(share(text).is_err(), "{text}");
    }
    for (text, bytes) in [("1000B/s", 1_000), ("64kB/s", 64_000), ("1MB/s", 1_000_000)] {
        assert_eq!(bandwidth(text), Ok(bytes), "{text}");
    }
    for text in ["1", "1MB", "MB/s", "-1MB/s", "1.5MB/s", "1Mbit/s", "99999999999999999MB/s"] {
        assert!(bandwidth(text).is_err(), "{text}");
    }
    for (text, ms) in [("5s", 5_000), ("+5s", 5_000), ("-1500ms", -1_500), ("0s", 0), ("-0s", 0)] {
        assert_eq!(offset_ms(text), Ok(ms), "{text}");
    }
    for text in ["5", "--5s", "s", "", "-", "99999999999999999h"] {
        assert!(offset_ms(text).is_err(), "{text}");
    }
}
