use super::*;

/// Every seed passes, and run again gives the same trace.
fn campaign(engine: SimEngine, nodes: usize, seeds: u64, faults: Faults) {
    let options = SimOptions { engine, nodes, seed: 1, seeds, faults, ..SimOptions::default() };
    let first = run(&options, &|_| {});
    assert!(first.passed(), "{options}\n{first}");
    let totals = first.totals();
    assert!(totals.final_transactions > seeds && totals.final_height >= seeds, "{first}");
    if faults == Faults::ALL {
        assert!(totals.crashes > 0 && totals.lost > 0 && totals.partitions > 0 && totals.conflicts > 0, "{first}");
    }
    let second = run(&options, &|_| {});
    assert_eq!(first.trace_hex(), second.trace_hex(), "a seed run twice gives one trace");
}

#[test]
fn pbft_without_faults() {
    campaign(SimEngine::Pbft, 4, 4, Faults::NONE);
}

#[test]
fn pbft_of_one() {
    campaign(SimEngine::Pbft, 1, 4, Faults::NONE.with(Fault::Crash));
}

#[test]
fn pbft_of_four() {
    campaign(SimEngine::Pbft, 4, 20, Faults::ALL);
}

#[test]
fn pbft_of_seven() {
    campaign(SimEngine::Pbft, 7, 20, Faults::ALL);
}

/// One member of four lies for ever, each time in another way: nothing that correct members do is objectionable.
fn lies(mode: Lie, seeds: u64) -> SeedStats {
    let options =
        SimOptions { seeds, faults: Faults::NONE.with(Fault::Lies), lie: Some(mode), ..SimOptions::default() };
    let report = run(&options, &|_| {});
    assert!(report.passed(), "{options}\n{report}");
    report.totals()
}

macro_rules! each_lie {
    ($($name:ident: $mode:ident, $is_told:literal;)*) => {$(
        #[test]
        fn $name() {
            let totals = lies(Lie::$mode, 8);
            assert_eq!(totals.lies > 0, $is_told, "{totals:?}");
        }
    )*};
}

each_lie! {
    a_silent_member: Silent, true;
    an_equivocating_member: Equivocate, true;
    a_member_that_delays: Delay, true;
    a_censor: Censor, false;
    bad_digests: BadDigest, true;
    bad_signatures: BadSignature, true;
    stale_views: StaleView, true;
    huge_views: HugeView, true;
    empty_proofs: EmptyProofs, true;
    lies_about_checkpoints: LieCheckpoint, true;
    mutations: Mutate, true;
}

#[test]
fn liars_and_all_other_faults() {
    campaign(SimEngine::Pbft, 4, 20, Faults::ALL.with(Fault::Lies));
    campaign(SimEngine::Pbft, 7, 20, Faults::ALL.with(Fault::Lies));
}

/// One more than the others can bear: two of four that lie together fork the other two, and the referee sees it.
#[test]
fn two_of_four_fork_the_others() {
    let base =
        SimOptions { faults: Faults::NONE.with(Fault::Lies), lie: Some(Lie::Equivocate), ..SimOptions::default() };
    let forks = |liars: usize| -> usize {
        let reports = run(&SimOptions { liars: Some(liars), seeds: 16, ..base.clone() }, &|_| {}).seeds;
        let objections = reports.iter().filter_map(|seed| seed.objection.as_ref());
        objections.filter(|objection| objection.rule == "final-conflict").count()
    };
    assert_eq!(forks(1), 0);
    assert!(forks(2) > 1);
}

#[test]
fn nobody_lies_unless_asked_to() {
    for (engine, faults, nodes) in [
        (SimEngine::Pbft, Faults::ALL, 4),
        (SimEngine::Pow, Faults::ALL.with(Fault::Lies), 4),
        (SimEngine::Pbft, Faults::NONE.with(Fault::Lies), 3),
    ] {
        let options = SimOptions { engine, nodes, faults, seeds: 4, ..SimOptions::default() };
        let report = run(&options, &|_| {});
        assert!(report.passed() && report.totals().lies == 0, "{report}");
    }
}

#[test]
fn pbft_nodes_that_were_away_for_long_come_back_by_snapshots() {
    let faults = Faults::NONE.with(Fault::Absence).with(Fault::Loss).with(Fault::Reorder);
    let options = SimOptions { seed: 1, seeds: 32, faults, ..SimOptions::default() };
    let report = run(&options, &|_| {});
    assert!(report.passed(), "{options}\n{report}");
    assert!(report.totals().transfers >= 3, "{report}");
}

#[test]
fn pow_without_faults() {
    campaign(SimEngine::Pow, 4, 4, Faults::NONE);
}

#[test]
fn pow_of_one() {
    campaign(SimEngine::Pow, 1, 4, Faults::NONE.with(Fault::Crash));
}

#[test]
fn pow_of_four() {
    campaign(SimEngine::Pow, 4, 20, Faults::ALL);
}

#[test]
fn pow_of_seven() {
    campaign(SimEngine::Pow, 7, 20, Faults::ALL);
}

/// The referee finds a bug within so many seeds, by one of these rules, and says how to see it again.
fn finds(plant: Plant, seeds: u64, rules: &[&str]) {
    for engine in plant.engines() {
        let one = |seed| {
            let options = SimOptions { engine: *engine, seed, plant: Some(plant), ..SimOptions::default() };
            run(&options, &|_| {}).reproduction
        };
        let found = (1..=seeds).find_map(one).unwrap_or_else(|| panic!("{plant} was not found under {engine}"));
        println!("{plant} under {engine}: {} ({})", found.objection, found.options);
        assert!(rules.contains(&found.objection.rule), "{plant} under {engine}: {}", found.objection);
        let again = run_seed(&found.options, found.options.seed);
        assert_eq!(again.objection.as_ref(), Some(&found.objection), "the reproduction reproduces");
        let until = SimOptions { steps: Some(found.objection.step), ..found.options };
        assert!(run_seed(&until, until.seed).objection.is_some(), "it fails at the step that is named");
    }
}

#[test]
fn early_send_is_found() {
    finds(Plant::Shell(ShellPlant::EarlySend), 8, &["not-durable"]);
}

#[test]
fn lost_writes_are_found() {
    finds(
        Plant::Shell(ShellPlant::LostWrites),
        400,
        &["double-vote", "not-durable", "final-lost", "most-work", "replay", "panic"],
    );
}

#[test]
fn a_torn_flush_is_found() {
    finds(Plant::Shell(ShellPlant::TornFlush), 24, &["coin-set", "flush", "most-work", "panic"]);
}

#[test]
fn immortal_coins_are_found() {
    finds(Plant::Shell(ShellPlant::ImmortalCoins), 8, &["coin-set", "flush", "panic"]);
}

#[test]
fn forgotten_votes_are_found() {
    finds(Plant::Shell(ShellPlant::ForgottenVotes), 24, &["not-durable", "double-vote"]);
}

#[cfg(feature = "plant")]
mod engine_plants {
    use super::{Plant, finds};
    use bezant_consensus::plant::Plant as EnginePlant;

    macro_rules! found {
        ($($name:ident: $plant:ident within $seeds:literal by $rules:expr;)*) => {$(
            #[test]
            fn $name() {
                finds(Plant::Engine(EnginePlant::$plant), $seeds, &$rules);
            }
        )*};
    }

    found! {
        forgotten_own_votes_are_found: ForgetVotes within 40 by ["double-vote", "panic"];
        a_small_quorum_is_found: SmallQuorum within 8 by ["certificate", "refused", "final-conflict"];
        late_persistence_is_found: PersistAfterSend within 8 by ["not-durable"];
        a_skipped_link_is_found: SkipLink within 40 by ["unlinked"];
        finality_without_a_commit_is_found: ConnectUncommitted within 8 by ["not-durable", "final-conflict"];
        height_instead_of_work_is_found: TipByHeight within 400 by ["most-work"];
        a_silent_reorg_is_found: SilentReorg within 60 by ["silent-finality"];
        undo_from_the_wrong_end_is_found: UndoOrder within 40 by ["chain-update", "panic"];
    }
}

#[test]
fn text_forms_are_read_back() {
    let lies = [Faults::ALL.with(Fault::Lies), Faults::NONE.with(Fault::Lies)];
    for faults in
        lies.into_iter().chain([Faults::ALL, Faults::NONE, Faults::NONE.with(Fault::Loss).with(Fault::PowerCut)])
    {
        assert_eq!(faults.to_string().parse::<Faults>(), Ok(faults));
    }
    for plant in Plant::all() {
        assert_eq!(plant.name().parse::<Plant>(), Ok(plant));
    }
    assert_eq!("loss, crash".parse::<Faults>(), Ok(Faults::NONE.with(Fault::Loss).with(Fault::Crash)));
    assert!(!Faults::ALL.has(Fault::Lies));
    assert_eq!("all, lies".parse::<Faults>(), Ok(Faults::ALL.with(Fault::Lies)));
    assert!("lightning".parse::<Faults>().is_err());
    let options = SimOptions { steps: Some(7), seed: 3, ..SimOptions::default() };
    assert_eq!(options.to_string(), "bezant sim --engine pbft --nodes 4 --seed 3 --seeds 1 --faults all --steps 7");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let base = SimOptions::default();
    assert!(base.check().is_ok());
    assert!(SimOptions { nodes: 0, ..base.clone() }.check().is_err());
    assert!(SimOptions { seeds: 0, ..base.clone() }.check().is_err());
    assert!(SimOptions { seed: u64::MAX, seeds: 2, ..base.clone() }.check().is_err());
    assert!(SimOptions { lie: Some(Lie::Silent), ..base.clone() }.check().is_err());
    let early = Some(Plant::Shell(ShellPlant::EarlySend));
    assert!(SimOptions { engine: SimEngine::Pow, plant: early, ..base }.check().is_err());
}

#[test]
fn a_report_ends_with_the_trace() {
    let options = SimOptions { steps: Some(50), seeds: 2, ..SimOptions::default() };
    let ended = std::sync::Mutex::new(Vec::new());
    let report = run(&options, &|count| ended.lock().expect("no test panics here").push(count));
    let mut ended = ended.into_inner().expect("no test panics here");
    ended.sort_unstable();
    assert_eq!(ended, [1, 2]);
    let last = report.to_string().lines().last().map(str::to_owned);
    assert_eq!(last, Some(format!("trace {}", report.trace_hex())));
    assert_eq!(report.to_json()["trace"], report.trace_hex());
}

/// The mean is right within a few percent, with no floating point on the way.
#[test]
fn exponential_waits_have_their_mean() {
    let mut dice = dice::Dice::new(1);
    let sum: u64 = (0..10_000).map(|_| dice.exponential(1_000)).sum();
    assert!((950..1_050).contains(&(sum / 10_000)), "{}", sum / 10_000);
}
