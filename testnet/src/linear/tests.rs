use super::*;
use proptest::prelude::*;

fn add(value: u64, begin: u64, end: u64) -> Call {
    Call { action: Action::Add(value), begin, end: Some(end) }
}

fn lost(value: u64, begin: u64) -> Call {
    Call { action: Action::Add(value), begin, end: None }
}

fn read(seen: &[u64], begin: u64, end: u64) -> Call {
    Call { action: Action::Read(seen.iter().copied().collect()), begin, end: Some(end) }
}

#[test]
fn each_anomaly_is_told() {
    let cases: [(&[Call], Result<(), Anomaly>); 12] = [
        (&[], Ok(())),
        (&[add(1, 0, 5), read(&[], 1, 2), read(&[1], 3, 4), read(&[1], 6, 7)], Ok(())),
        (&[lost(1, 0), read(&[], 1, 2), read(&[1], 3, 4)], Ok(())),
        (&[add(1, 0, 5), lost(2, 0), read(&[1, 2], 3, 4), read(&[1, 2], 9, 9)], Ok(())),
        (&[read(&[7], 0, 1)], Err(Anomaly::FromNowhere { read: 0, value: 7 })),
        (&[read(&[1], 0, 1), add(1, 2, 3)], Err(Anomaly::FromTheFuture { read: 0, add: 1, value: 1 })),
        (&[add(1, 0, 1), read(&[], 2, 3)], Err(Anomaly::Missed { read: 1, add: 0, value: 1 })),
        (
            &[add(1, 0, 9), add(2, 0, 9), read(&[1], 1, 2), read(&[2], 1, 2)],
            Err(Anomaly::Disagree { one: 2, other: 3 }),
        ),
        (&[add(1, 0, 9), read(&[1], 1, 2), read(&[], 3, 4)], Err(Anomaly::Backwards { earlier: 1, later: 2 })),
        (&[lost(1, 0), read(&[1], 1, 2), read(&[], 3, 4)], Err(Anomaly::Backwards { earlier: 1, later: 2 })),
        (&[add(1, 1, 2), add(2, 4, 9), read(&[2], 0, 9)], Err(Anomaly::Skipped { read: 2, first: 0, second: 1 })),
        (&[add(1, 1, 4), add(2, 4, 9), read(&[2], 0, 9)], Ok(())),
    ];
    for (history, expected) in cases {
        assert_eq!(check(history), expected, "{history:?}");
        assert_eq!(check(history).is_ok(), is_linearizable(history), "{history:?}");
    }
}

/// The definition, word for word: some order of some of the calls (all that were answered) respects time, and every read in it.
fn is_linearizable(history: &[Call]) -> bool {
    fn goes_on(history: &[Call], left: &mut Vec<usize>, set: &mut BTreeSet<u64>) -> bool {
        if left.iter().all(|place| history[*place].end.is_none()) {
            return true;
        }
        for index in 0..left.len() {
            let place = left[index];
            let call = &history[place];
            // Nothing that is still to come may have ended before this began.
            if left.iter().any(|other| history[*other].end.is_some_and(|end| end < call.begin)) {
                continue;
            }
            left.remove(index);
            let found = match &call.action {
                Action::Read(seen) => seen == set && goes_on(history, left, set),
                Action::Add(value) => {
                    set.insert(*value);
                    let found = goes_on(history, left, set);
                    set.remove(value);
                    found
                }
            };
            left.insert(index, place);
            if found {
                return true;
            }
        }
        false
    }
    goes_on(history, &mut (0..history.len()).collect(), &mut BTreeSet::new())
}

/// Up to three additions and four reads within few moments, so that most overlap, and reads that list anything.
fn histories() -> impl Strategy<Value = Vec<Call>> {
    let times = || (0u64..12, 0u64..6);
    let adds = proptest::collection::vec((times(), any::<bool>()), 0..=3);
    let reads = proptest::collection::vec((times(), 0u8..8), 0..=4);
    (adds, reads).prop_map(|(adds, reads)| {
        let count = adds.len();
        let of_add = |(value, ((begin, time), is_lost)): (usize, ((u64, u64), bool))| Call {
            action: Action::Add(value as u64),
            begin,
            end: (!is_lost).then_some(begin + time),
        };
        let of_read = |((begin, time), bits): ((u64, u64), u8)| {
            let seen = (0..count).filter(|value| bits & 1 << value != 0).map(|value| value as u64).collect();
            Call { action: Action::Read(seen), begin, end: Some(begin + time) }
        };
        adds.into_iter().enumerate().map(of_add).chain(reads.into_iter().map(of_read)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn the_rules_say_what_a_search_through_all_orders_says(history in histories()) {
        prop_assert_eq!(check(&history).is_ok(), is_linearizable(&history));
    }
}

#[test]
#[should_panic(expected = "each value is added once")]
fn a_value_that_is_added_twice_is_no_history() {
    let _ = check(&[add(1, 0, 1), add(1, 2, 3)]);
}
