use super::{CALM, PAUSE_MAX, PAUSE_MIN, RestartPolicy, Revival};
use std::time::{Duration, Instant};

#[test]
fn the_pauses_grow_up_to_a_bound_and_are_short_again_after_a_calm() {
    let (now, soon) = (Instant::now(), Duration::from_secs(1));
    let mut revival = Revival::default();
    let pauses: Vec<Duration> =
        (0..10).map(|_| revival.died(now, soon, RestartPolicy::OnFailure, true).unwrap()).collect();
    assert_eq!(pauses[..3], [PAUSE_MIN, PAUSE_MIN * 2, PAUSE_MIN * 4]);
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(pauses[9], PAUSE_MAX);
    assert_eq!(revival.died(now, CALM, RestartPolicy::OnFailure, true), Some(PAUSE_MIN));
    assert!(revival.cancel() && !revival.cancel());
}

#[test]
fn the_policy_says_who_is_started_again() {
    let now = Instant::now();
    for (text, failed, is_revived) in [
        ("never", true, false),
        ("never", false, false),
        ("on-failure", true, true),
        ("on-failure", false, false),
        ("always", true, true),
        ("always", false, true),
    ] {
        let policy: RestartPolicy = text.parse().unwrap();
        assert_eq!(policy.to_string(), text);
        let pause = Revival::default().died(now, CALM, policy, failed);
        assert_eq!(pause.is_some(), is_revived, "{text}, failed: {failed}");
    }
    assert!("sometimes".parse::<RestartPolicy>().is_err());
}
