use super::*;
use bezant_api::trace::{Back, Fact};

fn entry(at_ms: u64) -> Entry {
    Entry { at_ms, node: 0, fact: Fact::Back(Back {}) }
}

#[test]
fn a_recording_beyond_the_limit_is_refused_and_not_read_on() {
    const LIMIT: usize = 5;
    assert_eq!(at_most(LIMIT, (0..5).map(|at_ms| Ok(entry(at_ms)))).expect("as many as may be").len(), LIMIT);
    let mut read = 0;
    let endless = std::iter::repeat_with(|| {
        read += 1;
        Ok(entry(read))
    });
    let error = at_most(LIMIT, endless).expect_err("one too many");
    assert!(matches!(error, ReplayError::TooLong), "{error}");
    assert!(error.to_string().contains("more than 2000000 entries") && error.to_string().contains("trace show"));
    assert_eq!(read, 6, "it is refused at the first that is too many");
}

#[test]
fn what_cannot_be_read_is_not_shown_in_part() {
    let broken = || Err(TraceError::NotATrace);
    let error = read_all([Ok(entry(1)), broken(), Ok(entry(2))]).expect_err("it is damaged");
    assert!(matches!(error, ReplayError::Trace(TraceError::NotATrace)), "{error}");
}
