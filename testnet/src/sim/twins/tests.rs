use super::*;

#[test]
fn all_scenarios_are_counted() {
    for (rounds, parts, twins, expected) in
        [(1, 2, 1, 4 * 15), (1, 3, 1, 4 * 40), (2, 3, 1, 4 * 1_600), (1, 3, 2, 6 * 121)]
    {
        let space = Space::new(rounds, parts, twins).expect("in range");
        assert_eq!(space.len(), expected);
        let shown: BTreeSet<String> =
            (0..space.len()).filter_map(|it| space.scenario(it)).map(|it| it.to_string()).collect();
        assert!(shown.len() as u64 >= expected / 2 / twins as u64 && (shown.len() as u64) < expected);
    }
    assert!(Space::new(8, 2, 1).is_err() && Space::new(1, 4, 1).is_err() && Space::new(1, 2, 3).is_err());
}

/// The hundred of every day.
#[test]
fn one_twin_never_forks_and_the_net_goes_on() {
    for (depth, seed) in [(1, 1), (3, 2)] {
        let space = Space::new(ROUNDS_MAX, 3, 1).expect("in range");
        let numbers = space.sample(50, seed);
        let totals = run(&space, &numbers, depth, 0, &|_| {});
        assert_eq!((totals.scenarios, totals.failed, totals.forked), (50, 0, 0), "{totals}");
        assert!(totals.with_evidence > 0 && totals.view_max >= 5 && totals.heights >= 100, "{totals}");
    }
}

#[test]
fn a_scenario_run_twice_ends_the_same() {
    let space = Space::new(3, 3, 1).expect("in range");
    let scenario = space.scenario(space.sample(1, 9)[0]).expect("it is no mirror image");
    assert_eq!(run_scenario(&scenario, 2, None), run_scenario(&scenario, 2, None));
}

#[test]
fn two_twins_of_four_may_fork_and_are_named() {
    let space = Space::new(1, 2, 2).expect("in range");
    let scenarios = (0..space.len()).filter_map(|number| space.scenario(number));
    let outcomes: Vec<Outcome> = scenarios.map(|scenario| run_scenario(&scenario, 2, None)).collect();
    for outcome in &outcomes {
        assert_eq!(outcome.objection, None, "{}", outcome.scenario);
    }
    let is_named = |outcome: &&Outcome| outcome.named.iter().eq(outcome.scenario.twins.iter());
    let forked = || outcomes.iter().filter(|outcome| outcome.forked);
    assert!(forked().count() > 0);
    // A fork within one view names both. One across views need not: the votes of a twin do not contradict each other then.
    assert!(forked().filter(is_named).count() > 0, "{:?}", forked().collect::<Vec<_>>());
}

/// A referee that has never objected proves nothing: it finds quorums that are too small.
#[test]
#[cfg(feature = "plant")]
fn a_small_quorum_is_found() {
    use bezant_consensus::plant::Plant as EnginePlant;
    let space = Space::new(2, 2, 1).expect("in range");
    let find = |number: u64| {
        let scenario = space.scenario(number)?;
        run_scenario(&scenario, 1, Some(Plant::Engine(EnginePlant::SmallQuorum))).objection
    };
    let found = (0..space.len()).find_map(find).expect("it is found");
    assert!(["fork", "refused", "panic"].contains(&found.0), "{found:?}");
}
