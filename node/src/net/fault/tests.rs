use super::{Change, Fate, Links};
use crate::links::{LinkCounts, LinkRule};
use crate::net::limits::{HELD_BYTES_MAX, HELD_MESSAGES_MAX, REORDER_HOLD};
use bezant_api::fault::LinkEffects;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NONE: LinkEffects = LinkEffects {
    cut: false,
    delay_ms: 0,
    jitter_ms: 0,
    drop_ppm: 0,
    duplicate_ppm: 0,
    reorder_ppm: 0,
    bytes_per_s: None,
};

fn rule(id: u64, peer: PeerId, seed: u64, effects: LinkEffects) -> Arc<LinkRule> {
    let from = BTreeMap::from([(peer, seed)]);
    Arc::new(LinkRule { id, from, to: BTreeSet::new(), effects, counts: LinkCounts::default() })
}

/// A link with these faults, and who is heard over it.
fn link(faults: &[LinkEffects], seed: u64) -> (Links, PeerId, Vec<Arc<LinkRule>>) {
    let (mut links, peer) = (Links::new(true), PeerId::random());
    let rules: Vec<_> = (1..).zip(faults).map(|(id, effects)| rule(id, peer, seed, *effects)).collect();
    links.set(&rules);
    (links, peer, rules)
}

/// After how many microseconds messages of 100 bytes, one each `every_us`, arrive; `None` when they are lost. What arrives makes
/// room before the next is judged.
fn arrivals(links: &mut Links, peer: &PeerId, count: u64, every_us: u64) -> Vec<Option<u64>> {
    let start = Instant::now();
    let mut held: Vec<Instant> = Vec::new();
    (0..count)
        .map(|number| {
            let now = start + Duration::from_micros(number * every_us);
            held.retain(|due| {
                if *due <= now {
                    links.released(peer, 100);
                }
                *due > now
            });
            let us = |due: Instant| u64::try_from((due - start).as_micros()).unwrap();
            match links.arrive(now, peer, 100) {
                Fate::Pass => Some(us(now)),
                Fate::Lost => None,
                Fate::Later { due, twice } => {
                    held.extend(std::iter::repeat_n(due, 1 + usize::from(twice)));
                    Some(us(due))
                }
            }
        })
        .collect()
}

#[test]
fn delays_keep_the_order_and_their_bounds() {
    let (mut links, peer, rules) = link(&[LinkEffects { delay_ms: 100, ..NONE }], 1);
    let arrived = arrivals(&mut links, &peer, 50, 1_000);
    let wanted: Vec<_> = (0..50).map(|number| Some(number * 1_000 + 100_000)).collect();
    assert_eq!(arrived, wanted);
    assert_eq!((rules[0].counts.heard(), rules[0].counts.held(), rules[0].counts.lost()), (50, 50, 0));
    // Far apart, so that nobody waits for the one before.
    let (mut links, peer, _) = link(&[LinkEffects { delay_ms: 100, jitter_ms: 20, ..NONE }], 1);
    let delays: Vec<u64> =
        (0..).zip(arrivals(&mut links, &peer, 500, 50_000)).map(|(at, due)| due.unwrap() - at * 50_000).collect();
    assert!(delays.iter().all(|us| (80_000..=120_000).contains(us)), "{delays:?}");
    assert!(delays.iter().min() < Some(&82_000) && delays.iter().max() > Some(&118_000), "{delays:?}");
    // Close together, the jitter is greater than their distance, and they still keep their order.
    let (mut links, peer, _) = link(&[LinkEffects { delay_ms: 10, jitter_ms: 60, ..NONE }], 1);
    let arrived = arrivals(&mut links, &peer, 500, 500);
    assert!(arrived.windows(2).all(|pair| pair[0] <= pair[1]), "{arrived:?}");
}

#[test]
fn the_chosen_ones_are_overtaken_and_the_others_keep_their_order() {
    for delay_ms in [0, 30] {
        let (mut links, peer, _) = link(&[LinkEffects { delay_ms, reorder_ppm: 200_000, ..NONE }], 5);
        let arrived = arrivals(&mut links, &peer, 1_000, 200);
        let late: Vec<u64> =
            (0..).zip(&arrived).map(|(number, due)| due.unwrap() - number * 200 - delay_ms * 1_000).collect();
        let chosen = late.iter().filter(|us| **us > 0).count();
        assert!((150..250).contains(&chosen), "{chosen}");
        let bounds = REORDER_HOLD.0.as_micros()..=REORDER_HOLD.1.as_micros();
        assert!(late.iter().all(|us| *us == 0 || bounds.contains(&u128::from(*us))), "{late:?}");
    }
}

#[test]
fn the_share_that_is_lost_is_the_one_asked_for_and_the_seed_decides_which() {
    let lost = |seed: u64, drop_ppm: u32| -> Vec<bool> {
        let (mut links, peer, rules) = link(&[LinkEffects { drop_ppm, ..NONE }], seed);
        let lost: Vec<bool> = arrivals(&mut links, &peer, 10_000, 10).iter().map(Option::is_none).collect();
        assert_eq!(rules[0].counts.lost(), lost.iter().filter(|lost| **lost).count() as u64);
        lost
    };
    let count = |lost: &[bool]| lost.iter().filter(|lost| **lost).count();
    let some = lost(7, 200_000);
    assert!((1_850..2_150).contains(&count(&some)), "{}", count(&some));
    assert_eq!(some, lost(7, 200_000), "the same seed throws the same dice");
    assert_ne!(some, lost(8, 200_000));
    // What is lost at 5 % is lost at 20 % too: the dice do not depend on the effects.
    assert!(lost(7, 50_000).iter().zip(&some).all(|(few, some)| !few || *some));
    assert_eq!((count(&lost(7, 0)), count(&lost(7, 1_000_000))), (0, 10_000));
}

#[test]
fn the_share_that_arrives_twice_is_the_one_asked_for() {
    let (mut links, peer, _) = link(&[LinkEffects { duplicate_ppm: 100_000, ..NONE }], 3);
    let now = Instant::now();
    let mut twice = 0;
    for _ in 0..10_000 {
        match links.arrive(now, &peer, 10) {
            Fate::Pass => {}
            Fate::Later { due, twice: true } => {
                assert_eq!(due, now);
                twice += 1;
                links.released(&peer, 10);
                links.released(&peer, 10);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((900..1_100).contains(&twice), "{twice}");
}

#[test]
fn bandwidth_is_a_queue_of_its_own_and_what_is_lost_does_not_stand_in_it() {
    // 100 bytes at 10 kB/s take 10 ms; they come every millisecond.
    let slow = LinkEffects { bytes_per_s: Some(10_000), ..NONE };
    let (mut links, peer, _) = link(&[slow], 1);
    let arrived = arrivals(&mut links, &peer, 20, 1_000);
    let wanted: Vec<_> = (1..=20).map(|number| Some(number * 10_000)).collect();
    assert_eq!(arrived, wanted);
    let (mut links, peer, _) = link(&[slow, LinkEffects { drop_ppm: 500_000, ..NONE }], 1);
    let arrived: Vec<u64> = arrivals(&mut links, &peer, 100, 1).into_iter().flatten().collect();
    assert!((30..70).contains(&arrived.len()), "{arrived:?}");
    assert!(arrived.windows(2).all(|pair| pair[1] - pair[0] == 10_000), "{arrived:?}");
}

#[test]
fn faults_of_one_link_add_up() {
    let delay = |delay_ms| LinkEffects { delay_ms, ..NONE };
    let (mut links, peer, _) = link(&[delay(100), delay(20)], 1);
    assert_eq!(arrivals(&mut links, &peer, 1, 1), [Some(120_000)]);
    let (mut links, peer, rules) = link(&[delay(100), LinkEffects::CUT], 1);
    assert_eq!(arrivals(&mut links, &peer, 2, 1), [None, None]);
    assert_eq!((rules[0].counts.lost(), rules[1].counts.lost()), (0, 2));
}

#[test]
fn what_is_held_back_is_bounded_and_what_is_beyond_is_counted() {
    let (mut links, peer, rules) = link(&[LinkEffects { delay_ms: 60_000, ..NONE }], 1);
    let now = Instant::now();
    let is_held = |fate: Fate| matches!(fate, Fate::Later { .. });
    for number in 0..HELD_MESSAGES_MAX {
        assert!(is_held(links.arrive(now, &peer, 10)), "{number}");
    }
    assert_eq!(links.arrive(now, &peer, 10), Fate::Lost);
    assert_eq!((rules[0].counts.overflowed(), rules[0].counts.lost()), (1, 0));
    // Another link has room of its own.
    assert_eq!(links.arrive(now, &PeerId::random(), 10), Fate::Pass);
    links.released(&peer, 10);
    assert!(is_held(links.arrive(now, &peer, 10)));
    let (mut links, peer, _) = link(&[LinkEffects { delay_ms: 60_000, ..NONE }], 1);
    for _ in 0..4 {
        assert!(is_held(links.arrive(now, &peer, HELD_BYTES_MAX / 4)));
    }
    assert_eq!(links.arrive(now, &peer, 1), Fate::Lost);
}

#[test]
fn a_fault_goes_on_as_it_was_while_others_come_and_go() {
    let fates = |change_in_between: bool| {
        let (mut links, peer, rules) = link(&[LinkEffects { drop_ppm: 300_000, ..NONE }], 9);
        let mut fates = arrivals(&mut links, &peer, 100, 0);
        if change_in_between {
            let more = rule(2, PeerId::random(), 1, LinkEffects::CUT);
            links.set(&[rules[0].clone(), more]);
        }
        fates.extend(arrivals(&mut links, &peer, 100, 0));
        fates.iter().map(Option::is_none).collect::<Vec<_>>()
    };
    assert_eq!(fates(false), fates(true));
}

#[test]
fn what_was_held_back_arrives_when_the_faults_end_before_anything_newer() {
    let (mut links, peer, _) = link(&[LinkEffects { delay_ms: 100, ..NONE }], 1);
    let now = Instant::now();
    assert!(matches!(links.arrive(now, &peer, 10), Fate::Later { .. }));
    assert_eq!(links.set(&[]), Change { freed: vec![peer], ..Change::default() });
    assert_eq!(links.arrive(now, &peer, 10), Fate::Later { due: now, twice: false }, "behind the one before");
    links.released(&peer, 10);
    links.released(&peer, 10);
    assert_eq!(links.arrive(now, &peer, 10), Fate::Pass);
    assert!(links.is_empty());
}

#[test]
fn only_a_link_that_is_cut_both_ways_has_no_connection() {
    let mut links = Links::new(true);
    let peer = PeerId::random();
    let deaf = rule(1, peer, 1, LinkEffects::CUT);
    let to = BTreeSet::from([peer]);
    let mute = LinkRule {
        id: 2,
        from: BTreeMap::new(),
        to: to.clone(),
        effects: LinkEffects::CUT,
        counts: LinkCounts::default(),
    };
    let mute = Arc::new(mute);
    // What others do to what they hear from here is theirs, unless it is a cut.
    let theirs = LinkRule {
        id: 3,
        from: BTreeMap::new(),
        to,
        effects: LinkEffects { delay_ms: 1, ..NONE },
        counts: LinkCounts::default(),
    };
    let theirs = Arc::new(theirs);
    let steps: [(&[Arc<LinkRule>], bool, Change); 5] = [
        (std::slice::from_ref(&mute), false, Change::default()),
        (std::slice::from_ref(&deaf), false, Change { lost: vec![peer], ..Change::default() }),
        (&[deaf.clone(), theirs], false, Change::default()),
        (&[deaf.clone(), mute.clone()], true, Change { closed: vec![peer], ..Change::default() }),
        (std::slice::from_ref(&mute), false, Change { opened: vec![peer], freed: vec![peer], ..Change::default() }),
    ];
    for (rules, is_closed, change) in steps {
        assert_eq!(links.set(rules), change, "{rules:?}");
        assert_eq!(links.is_closed(&peer), is_closed, "{rules:?}");
        let heard = links.arrive(Instant::now(), &peer, 1) == Fate::Pass;
        assert_eq!(heard, !rules.iter().any(|rule| Arc::ptr_eq(rule, &deaf)), "{rules:?}");
    }
}

#[test]
fn faults_exist_on_dev_nets_only() {
    let (mut links, peer) = (Links::new(false), PeerId::random());
    assert_eq!(links.set(&[rule(1, peer, 1, LinkEffects::CUT)]), Change::default());
    assert_eq!(links.arrive(Instant::now(), &peer, 1), Fate::Pass);
}
