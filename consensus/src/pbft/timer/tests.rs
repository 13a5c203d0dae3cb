use super::{EASED_HEIGHTS, HEIGHTS_KEPT, JUDGED_HEIGHTS_MIN, PACE_FACTOR, Pace, START_FACTOR, STRETCH_MAX, Timer};
use crate::ledger::units::Time;

const LEAST_MS: u64 = 300;
const CAP_MS: u64 = 60_000;

fn timer() -> Timer {
    Timer::new(LEAST_MS as u32, CAP_MS as u32)
}

fn after(heights: &[u64]) -> Timer {
    let mut timer = timer();
    heights.iter().for_each(|ms| timer.took(*ms));
    timer
}

#[test]
fn the_timeout_follows_what_the_net_needed() {
    assert_eq!(timer().timeout_ms(), LEAST_MS * START_FACTOR, "nothing is known yet, perhaps others are just starting");
    assert_eq!(after(&[10; 40]).timeout_ms(), LEAST_MS, "a quick net");
    assert_eq!(after(&[100]).timeout_ms(), 100 * PACE_FACTOR);
    assert_eq!(after(&[100; 40]).timeout_ms(), 100 * PACE_FACTOR);
    let recovered = [[100; 40], [5; 40]].concat();
    assert_eq!(after(&recovered).timeout_ms(), LEAST_MS, "what is long ago is forgotten");
}

#[test]
fn one_hiccup_does_not_count_but_several_do() {
    let mut heights = [5; HEIGHTS_KEPT];
    heights[3] = 4_000;
    assert_eq!(after(&heights).timeout_ms(), LEAST_MS);
    heights[20] = 90;
    assert_eq!(after(&heights).timeout_ms(), 90 * PACE_FACTOR, "all but the longest of 32");
    assert_eq!(after(&[4_000, 5]).timeout_ms(), LEAST_MS * STRETCH_MAX, "of few all count");
}

#[test]
fn the_pace_stretches_the_timeout_so_far_and_doublings_up_to_the_cap() {
    let mut timer = after(&[u64::MAX; 40]);
    assert_eq!(timer.timeout_ms(), LEAST_MS * STRETCH_MAX);
    let mut last = 0;
    for _ in 0..100 {
        timer.left(true);
        assert!(timer.timeout_ms() >= last && timer.timeout_ms() <= CAP_MS);
        last = timer.timeout_ms();
    }
    assert_eq!(last, CAP_MS);
    timer.left(false);
    assert_eq!(timer.timeout_ms(), CAP_MS, "a view that made progress did not fail, and is no progress by itself");
    timer.progress();
    assert_eq!(timer.timeout_ms(), LEAST_MS * STRETCH_MAX, "back at the base after one block");
}

#[test]
fn the_timer_runs_while_it_is_wanted() {
    let mut timer = after(&[5]);
    timer.run(Time(1_000), true);
    timer.run(Time(1_100), true);
    assert_eq!(timer.deadline(), Some(Time(1_000 + LEAST_MS)), "from when it began to run");
    timer.run(Time(1_200), false);
    assert_eq!(timer.deadline(), None);
    timer.run(Time(1_300), true);
    timer.progress();
    timer.run(Time(1_400), true);
    assert_eq!(timer.deadline(), Some(Time(1_400 + LEAST_MS)));
}

#[test]
fn a_primary_is_slow_over_many_heights_only() {
    let mut timer = after(&[5; 40]);
    for _ in 1..JUDGED_HEIGHTS_MIN {
        timer.proposed_after(LEAST_MS * 9 / 10);
        assert!(!timer.is_slow());
    }
    timer.proposed_after(LEAST_MS * 9 / 10);
    assert!(timer.is_slow());
    timer.entered();
    assert!(!timer.is_slow(), "the next one begins anew");
    for _ in 0..200 {
        timer.proposed_after(LEAST_MS / 4);
    }
    assert!(!timer.is_slow(), "a quarter is allowed");
    assert_eq!((timer.delay_ms(), timer.delay_allowed_ms()), (LEAST_MS / 4, LEAST_MS / 4));
}

#[test]
fn on_a_slow_net_more_is_allowed() {
    let mut timer = after(&[200; 40]);
    for _ in 0..200 {
        timer.proposed_after(200 * PACE_FACTOR);
    }
    assert!(!timer.is_slow());
    assert_eq!((timer.delay_ms(), timer.delay_allowed_ms()), (200 * PACE_FACTOR, 200 * PACE_FACTOR));
}

/// Whether a primary counts as slow after any of these heights: how long the net needed for each, and how late its proposal came.
fn is_ever_slow(heights: &[(u64, u64)]) -> bool {
    let mut timer = timer();
    heights.iter().any(|(took_ms, delay_ms)| {
        timer.took(*took_ms);
        timer.proposed_after(*delay_ms);
        timer.is_slow()
    })
}

#[test]
fn a_primary_is_not_slow_when_a_burst_of_work_comes_or_goes() {
    // As a loaded machine has it: a few milliseconds for a block of little, a tenth of a second and more for a full one.
    let (light, heavy) = ([(8, 10); 40], [(120, 250); 40]);
    assert!(!is_ever_slow(&[light, heavy, light, heavy].concat()));
    let in_turn: Vec<(u64, u64)> =
        (0..200).map(|height| if height / 5 % 2 == 0 { (8, 10) } else { (120, 250) }).collect();
    assert!(!is_ever_slow(&in_turn));
    // What was heavy is no excuse for what is light.
    assert!(is_ever_slow(&[heavy, [(8, 250); 40]].concat()));
}

#[test]
fn a_primary_that_gives_its_proposal_to_each_in_turn_early_does_not_hide_its_delay() {
    // Each of three backups has every third proposal as soon as the one before it is out, and sees a quorum form late.
    let late_ms = 2_000;
    let early = (late_ms, 0);
    let (next, usual) = ((10, 2 * late_ms), (10, late_ms));
    let heights: Vec<(u64, u64)> = (0..60).map(|height| [early, next, usual][height % 3]).collect();
    assert!(is_ever_slow(&heights));
}

#[test]
fn complaints_ease_both_bars_and_quiet_heights_take_that_back() {
    let mut timer = after(&[5; 40]);
    let (allowed_ms, patience_ms) = (timer.delay_allowed_ms(), timer.patience_ms());
    assert_eq!(patience_ms, 2 * timer.timeout_ms());
    timer.complained();
    timer.complained();
    assert_eq!((timer.delay_allowed_ms(), timer.patience_ms()), (4 * allowed_ms, 4 * patience_ms));
    for _ in 0..2 * EASED_HEIGHTS {
        timer.proposed_after(1);
    }
    assert_eq!((timer.delay_allowed_ms(), timer.patience_ms()), (allowed_ms, patience_ms));
    (0..100).for_each(|_| timer.complained());
    assert!(timer.patience_ms() <= CAP_MS);
}

#[test]
fn figures_are_news_when_one_of_them_has_moved_by_a_quarter() {
    let told = Pace { timeout_ms: 400, patience_ms: 800, delay_ms: 40, delay_allowed_ms: 100 };
    let cases = [
        (told, false),
        (Pace { timeout_ms: 499, ..told }, false),
        (Pace { timeout_ms: 500, ..told }, true),
        (Pace { timeout_ms: 301, ..told }, false),
        (Pace { timeout_ms: 300, ..told }, true),
        (Pace { patience_ms: 999, ..told }, false),
        (Pace { patience_ms: 1_000, ..told }, true),
        (Pace { delay_allowed_ms: 124, ..told }, false),
        (Pace { delay_allowed_ms: 125, ..told }, true),
        // Or when the primary begins to be late, or is late no more: half of what is allowed.
        (Pace { delay_ms: 0, ..told }, false),
        (Pace { delay_ms: 50, ..told }, false),
        (Pace { delay_ms: 51, ..told }, true),
    ];
    for (now, is_news) in cases {
        assert_eq!(now.is_news_after(&told), is_news, "{now:?}");
    }
    let nothing = Pace { timeout_ms: 0, patience_ms: 0, delay_ms: 0, delay_allowed_ms: 0 };
    assert!(!nothing.is_news_after(&nothing));
    assert!(Pace { timeout_ms: 1, ..nothing }.is_news_after(&nothing));
}

#[test]
fn figures_are_told_once_and_again_when_something_was_measured_and_they_moved() {
    let mut timer = timer();
    let first = timer.news().expect("nothing was told yet");
    assert_eq!(first.timeout_ms, LEAST_MS * START_FACTOR);
    assert_eq!(timer.news(), None);
    timer.took(1);
    assert_eq!(timer.news().map(|it| it.timeout_ms), Some(LEAST_MS), "something is known now");
    timer.took(1);
    assert_eq!(timer.news(), None, "the same figures");
    timer.progress();
    assert_eq!(timer.news(), None, "no view had failed");
    timer.left(true);
    assert_eq!((timer.news().map(|it| it.timeout_ms), timer.failed()), (Some(2 * LEAST_MS), 1));
    timer.progress();
    assert_eq!((timer.news().map(|it| it.timeout_ms), timer.failed()), (Some(LEAST_MS), 0));
    // What was measured counts until it is told, also if a block became final since.
    timer.left(true);
    timer.news();
    timer.left(true);
    timer.failed = 0;
    timer.progress();
    assert!(timer.news().is_some());
}

#[test]
fn patience_is_two_timeouts_and_doubles_with_each_complaint() {
    let mut timer = after(&[1]);
    assert_eq!(timer.patience_ms(), 2 * LEAST_MS);
    timer.complained();
    assert_eq!(timer.patience_ms(), 4 * LEAST_MS);
    timer.complained();
    assert_eq!(timer.patience_ms(), 8 * LEAST_MS);
    let mut capped = Timer::new(LEAST_MS as u32, LEAST_MS as u32);
    capped.complained();
    assert_eq!(capped.patience_ms(), 2 * LEAST_MS, "two timeouts at least, whatever the cap");
}
