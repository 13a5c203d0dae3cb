use super::*;

/// What strikes honest nodes.
const HONEST: Faults = Faults::ALL.without(Fault::Lies).without(Fault::Epochs);
/// With members that stay.
const SETTLED: Faults = Faults::ALL.without(Fault::Epochs);

/// Four honest nodes, one seed.
fn four() -> SimOptions {
    SimOptions { nodes: Some(4), faults: HONEST, ..SimOptions::default() }
}

/// Every seed passes, and run again gives the same trace.
fn campaign(engine: SimEngine, nodes: usize, seeds: u64, faults: Faults) {
    let options = SimOptions { engine, nodes: Some(nodes), seed: 1, seeds, faults, ..SimOptions::default() };
    let first = run(&options, &|_| {});
    assert!(first.passed(), "{options}\n{first}");
    let totals = &first.totals.stats;
    assert!(totals.final_transactions > seeds && totals.final_height >= seeds, "{first}");
    if faults == HONEST || faults == Faults::ALL {
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
    campaign(SimEngine::Pbft, 4, 20, HONEST);
}

#[test]
fn pbft_of_seven() {
    campaign(SimEngine::Pbft, 7, 20, HONEST);
}

/// The mix of a campaign, a little of it: sizes drawn by the seed, liars, and all other faults.
#[test]
fn pbft_of_all_sizes() {
    let options = SimOptions { seed: 100, seeds: 21, ..SimOptions::default() };
    let report = run(&options, &|_| {});
    assert!(report.passed(), "{options}\n{report}");
    assert!(report.totals.stats.lies > 0 && report.totals.sizes.len() > 4, "{report}");
    assert!(report.totals.stats.healing_ms <= liveness_ms_max(4), "{report}");
}

/// Seeds that failed once, and why. What they draw may have moved since: each has a test of its own where it was mended.
#[test]
fn seeds_that_failed_once() {
    let seeds = [
        (316, "the referee looked when the disk had switched to a snapshot and the replica was not told yet"),
        (1919, "a member that lied claimed a snapshot that nobody served any more, and was waited for"),
        (10438, "snapshots were gone before they came, and blocks were fetched for too short a while in between"),
        (11_102, "a member that was silent for now did not persist the view in which it was to speak"),
        (101_063, "a member that began with a snapshot, and served none yet, was blamed for having no block below"),
    ];
    for (seed, why) in seeds {
        let report = run_seed(&SimOptions::default(), seed);
        assert_eq!(report.objection, None, "seed {seed} of {} nodes, where once {why}", report.nodes);
    }
}

/// One member of four lies for ever, each time in another way: nothing that correct members do is objectionable.
fn lies(mode: Lie, seeds: u64) -> SeedStats {
    let options = SimOptions { seeds, faults: Faults::NONE.with(Fault::Lies), lie: Some(mode), ..four() };
    let report = run(&options, &|_| {});
    assert!(report.passed(), "{options}\n{report}");
    report.totals.stats
}

/// (A primary that crawls is judged over more blocks than a seed makes; that is tested with the replica.)
#[test]
fn unfair_primaries_are_complained_of() {
    let totals = lies(Lie::Censor, 12);
    assert!(totals.complaints > 0, "{totals:?}");
}

/// Nobody is complained of when nobody lies and the net works.
#[test]
fn honest_primaries_stay() {
    for nodes in [4, 7] {
        let options = SimOptions { nodes: Some(nodes), seeds: 8, faults: Faults::NONE, ..SimOptions::default() };
        let report = run(&options, &|_| {});
        assert!(report.passed(), "{options}\n{report}");
        assert_eq!(report.totals.stats.complaints, 0, "{report}");
    }
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
    campaign(SimEngine::Pbft, 4, 20, Faults::ALL);
    campaign(SimEngine::Pbft, 7, 20, Faults::ALL);
}

/// One more than the others can bear: two of four that lie together fork the other two, and the referee sees it.
#[test]
fn two_of_four_fork_the_others() {
    let base = SimOptions { faults: Faults::NONE.with(Fault::Lies), lie: Some(Lie::Equivocate), ..four() };
    let forks = |liars: usize| -> usize {
        let failures = run(&SimOptions { liars: Some(liars), seeds: 64, ..base.clone() }, &|_| {}).totals.failures;
        failures.iter().filter(|failure| failure.objection.rule == "final-conflict").count()
    };
    assert_eq!(forks(1), 0);
    assert!(forks(2) > 1);
}

/// Members change, and one loses its vote log, among all other faults.
#[test]
fn members_that_change() {
    let options = SimOptions { seed: 540, seeds: 40, faults: Faults::ALL, ..SimOptions::default() };
    let report = run(&options, &|_| {});
    assert!(report.passed(), "{options}\n{report}");
    let totals = &report.totals.stats;
    assert!(totals.epochs > 20 && totals.wipes > 4 && totals.lies > 0 && totals.transfers > 0, "{report}");
    let again = run(&SimOptions { seeds: 8, ..options.clone() }, &|_| {}).trace_hex();
    assert_eq!(again, run(&SimOptions { seeds: 8, ..options }, &|_| {}).trace_hex());
}

#[test]
fn members_stay_unless_asked_to() {
    for (engine, faults) in [(SimEngine::Pbft, SETTLED), (SimEngine::Pow, Faults::ALL)] {
        let options = SimOptions { engine, faults, seeds: 8, ..four() };
        let report = run(&options, &|_| {});
        assert!(report.passed() && report.totals.stats.epochs + report.totals.stats.wipes == 0, "{report}");
    }
    let run_with = |faults, seed| run_seed(&SimOptions { faults, ..four() }, seed);
    let (mut same, mut other) = (0, 0);
    for seed in 1..=8 {
        let (changing, settled) = (run_with(Faults::ALL, seed), run_with(SETTLED, seed));
        if changing.stats.epochs == 0 {
            assert_eq!(changing, settled);
            same += 1;
        } else {
            assert_ne!(changing.trace, settled.trace);
            other += 1;
        }
    }
    assert!(same > 0 && other > 0);
}

#[test]
fn nobody_lies_unless_asked_to() {
    for (engine, faults, nodes) in [
        (SimEngine::Pbft, HONEST, 4),
        (SimEngine::Pow, Faults::ALL, 4),
        (SimEngine::Pbft, Faults::NONE.with(Fault::Lies), 3),
    ] {
        let options = SimOptions { engine, nodes: Some(nodes), faults, seeds: 4, ..SimOptions::default() };
        let report = run(&options, &|_| {});
        assert!(report.passed() && report.totals.stats.lies == 0, "{report}");
    }
}

#[test]
fn pbft_nodes_that_were_away_for_long_come_back_by_snapshots() {
    let faults = Faults::NONE.with(Fault::Absence).with(Fault::Loss).with(Fault::Reorder);
    let options = SimOptions { seeds: 128, faults, ..four() };
    let report = run(&options, &|_| {});
    assert!(report.passed(), "{options}\n{report}");
    assert!(report.totals.stats.transfers >= 3, "{report}");
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
    campaign(SimEngine::Pow, 4, 20, HONEST);
}

#[test]
fn pow_of_seven() {
    campaign(SimEngine::Pow, 7, 20, HONEST);
}

/// The mix of a campaign, a little of it: hash power spread over nets of all sizes, and partitions of which some make more
/// blocks than may be undone. Those end in an alarm, and then persons decide.
#[test]
fn pow_of_all_sizes() {
    let options = SimOptions { engine: SimEngine::Pow, seed: 100, seeds: 24, ..SimOptions::default() };
    let report = run(&options, &|_| {});
    assert!(report.passed(), "{options}\n{report}");
    let totals = &report.totals.stats;
    assert!(report.totals.sizes.len() > 6 && totals.reorgs > 0 && totals.finality_broken > 0, "{report}");
    assert!(totals.alarms > 0 && totals.decisions > 0, "{report}");
}

/// Two refused branches had equal work, and the referee asked for what the other one shares.
#[test]
fn pow_seeds_that_failed_once() {
    let options = SimOptions { engine: SimEngine::Pow, ..SimOptions::default() };
    assert_eq!(run_seed(&options, 4912).objection, None);
}

/// Nobody raises an alarm, and nobody has to decide, while nothing cuts the net.
#[test]
fn pow_without_partitions_needs_nobody() {
    let options = SimOptions { engine: SimEngine::Pow, seeds: 12, faults: Faults::NONE, ..SimOptions::default() };
    let report = run(&options, &|_| {});
    assert!(report.passed(), "{options}\n{report}");
    assert_eq!(report.totals.stats.alarms + report.totals.stats.decisions, 0, "{report}");
}

/// The referee finds a bug within so many seeds, by one of these rules, and says how to see it again.
fn finds(plant: Plant, seeds: u64, rules: &[&str]) {
    finds_in(&four(), plant, seeds, rules);
}

fn finds_in(base: &SimOptions, plant: Plant, seeds: u64, rules: &[&str]) {
    for engine in plant.engines() {
        let one = |seed| {
            let options = SimOptions { engine: *engine, seed, plant: Some(plant), ..base.clone() };
            run(&options, &|_| {}).reproduction
        };
        let found = (1..=seeds).find_map(one).unwrap_or_else(|| panic!("{plant} was not found under {engine}"));
        println!("{plant} under {engine}: {} ({})", found.objection, found.options);
        assert!(rules.contains(&found.objection.rule.as_str()), "{plant} under {engine}: {}", found.objection);
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
        &[
            "double-vote",
            "left-view",
            "not-durable",
            "final-lost",
            "silent-finality",
            "most-work",
            "alarm",
            "replay",
            "panic",
        ],
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
    use super::{Faults, Plant, SimOptions, finds, finds_in};
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
        finality_that_a_crash_takes_away_is_found: ForgetFinal within 200 by ["silent-finality"];
        undo_from_the_wrong_end_is_found: UndoOrder within 40 by ["chain-update", "panic"];
        a_reorg_that_is_too_deep_is_found: DeepReorg within 40 by ["too-deep", "alarm"];
        an_alarm_that_is_not_raised_is_found: MuteAlarm within 40 by ["alarm"];
        mining_on_a_refused_side_is_found: MineContested within 40 by ["alarm"];
        finality_on_a_refused_side_is_found: FinalContested within 40 by ["alarm"];
        a_tie_that_moves_the_tip_is_found: TieMoves within 8 by ["tie"];
        headers_that_nobody_asks_for_are_found: AskNobody within 8 by ["liveness"];
    }

    macro_rules! found_in_epochs {
        ($($name:ident: $plant:ident within $seeds:literal by $rules:expr;)*) => {$(
            #[test]
            fn $name() {
                let base = SimOptions { nodes: Some(7), faults: Faults::ALL, ..SimOptions::default() };
                finds_in(&base, Plant::Engine(EnginePlant::$plant), $seeds, &$rules);
            }
        )*};
    }

    found_in_epochs! {
        votes_without_a_vote_log_are_found: AmnesiacVotes within 60 by ["mute"];
        an_epoch_without_an_end_is_found: EndlessEpoch within 400 by ["epoch", "panic"];
    }
}

#[test]
fn text_forms_are_read_back() {
    let few = Faults::NONE.with(Fault::Loss).with(Fault::PowerCut);
    for faults in [Faults::ALL, HONEST, Faults::NONE, Faults::NONE.with(Fault::Lies), few] {
        assert_eq!(faults.to_string().parse::<Faults>(), Ok(faults));
    }
    for plant in Plant::all() {
        assert_eq!(plant.name().parse::<Plant>(), Ok(plant));
    }
    assert_eq!("loss, crash".parse::<Faults>(), Ok(Faults::NONE.with(Fault::Loss).with(Fault::Crash)));
    assert_eq!(("all".parse::<Faults>(), Faults::ALL.has(Fault::Lies)), (Ok(Faults::ALL), true));
    assert!("lightning".parse::<Faults>().is_err());
    let options = SimOptions { steps: Some(7), seed: 3, ..SimOptions::default() };
    assert_eq!(options.to_string(), "bezant sim --engine pbft --seed 3 --seeds 1 --faults all --steps 7");
    let options = SimOptions { nodes: Some(4), ..options };
    assert_eq!(options.to_string(), "bezant sim --engine pbft --nodes 4 --seed 3 --seeds 1 --faults all --steps 7");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let base = SimOptions { faults: HONEST, ..SimOptions::default() };
    assert!(base.check().is_ok());
    assert!(SimOptions { nodes: Some(0), ..base.clone() }.check().is_err());
    assert!(SimOptions { seeds: 0, ..base.clone() }.check().is_err());
    assert!(SimOptions { seed: u64::MAX, seeds: 2, ..base.clone() }.check().is_err());
    assert!(SimOptions { lie: Some(Lie::Silent), ..base.clone() }.check().is_err());
    assert!(SimOptions { liars: Some(1), faults: Faults::ALL, ..base.clone() }.check().is_err());
    assert!(SimOptions { liars: Some(5), nodes: Some(4), faults: Faults::ALL, ..base.clone() }.check().is_err());
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

/// A campaign in two sittings, with what is kept between them, has the sum of one in one.
#[test]
fn a_campaign_goes_on_where_it_stopped() {
    let options = SimOptions { steps: Some(200), seed: 5, seeds: 20, ..SimOptions::default() };
    let whole = run(&options, &|_| {});
    assert!(whole.totals.sizes.len() > 3, "{whole}");
    let mut totals = Totals::default();
    add_seeds(&mut totals, &options, 5..12, 1, &|_| {});
    let kept = serde_json::to_string(&totals).expect("it can be kept");
    let mut totals: Totals = serde_json::from_str(&kept).expect("it was just kept");
    add_seeds(&mut totals, &options, 12..25, 2, &|_| {});
    assert_eq!(report(&options, totals), whole);
}

/// The size does not change what else the seed decides.
#[test]
fn a_drawn_size_is_the_same_run_as_one_that_is_said() {
    let drawn = SimOptions { steps: Some(300), ..SimOptions::default() };
    let sizes: Vec<usize> = (1..=200).map(|seed| drawn.nodes_of(seed)).collect();
    assert!(NODES_DRAWN.iter().all(|nodes| sizes.contains(nodes)));
    assert_eq!(run_seed(&drawn, 7), run_seed(&drawn.of_seed(7), 7));
}

/// The mean is right within a few percent, with no floating point on the way.
#[test]
fn exponential_waits_have_their_mean() {
    let mut dice = dice::Dice::new(1);
    let sum: u64 = (0..10_000).map(|_| dice.exponential(1_000)).sum();
    assert!((950..1_050).contains(&(sum / 10_000)), "{}", sum / 10_000);
}

#[test]
fn a_run_that_is_recorded_is_the_same_run_and_tells_of_its_blocks() {
    use bezant_api::event::EventKind;
    use bezant_api::trace::Fact;
    for engine in [SimEngine::Pbft, SimEngine::Pow] {
        let options = SimOptions { engine, nodes: Some(4), ..SimOptions::default() };
        let plain = run_seed(&options, 7);
        let (recorded, header, entries) = record_seed(&options, 7);
        assert_eq!(recorded, plain);
        assert_eq!(header.nodes.len(), 4);
        assert!(entries.is_sorted_by_key(|entry| entry.at_ms));
        let tells = |is_it: &dyn Fn(&EventKind) -> bool| {
            entries.iter().any(|entry| matches!(&entry.fact, Fact::Event(event) if is_it(&event.kind)))
        };
        assert!(tells(&|kind| matches!(kind, EventKind::Snapshot { .. })));
        assert!(tells(&|kind| matches!(kind, EventKind::Block { height: 1, .. })));
        assert!(tells(&|kind| matches!(kind, EventKind::Pooled { .. })));
        let votes = tells(&|kind| matches!(kind, EventKind::Vote { .. }));
        assert_eq!(votes, engine == SimEngine::Pbft);
    }
}

/// A recorded lie is named as the events and the status of a node of a dev net name it.
#[test]
fn a_recorded_lie_has_its_mode() {
    use bezant_api::event::EventKind;
    use bezant_api::fault::{FaultKind, FaultState};
    use bezant_api::trace::Fact;
    use bezant_api::types::NodeStatus;
    use bezant_node_core::lies::Mode;
    let faults = Faults::NONE.with(Fault::Lies).with(Fault::Crash);
    let four = SimOptions { nodes: Some(4), faults, ..SimOptions::default() };
    // How many lies began and ended, and what nodes that were started again and such that were asked said of theirs.
    let (mut begun, mut ended) = (0, 0);
    let (mut restarted, mut asked) = (0, 0);
    for (seed, lie) in [(1, Some(Mode::Silent)), (2, Some(Mode::Censor)), (3, None), (4, None), (5, None), (6, None)] {
        let (report, _, entries) = record_seed(&SimOptions { lie, ..four.clone() }, seed);
        assert!(report.objection.is_none(), "{report:?}");
        let mut lies: Vec<Option<String>> = vec![None; 4];
        let check = |lies: &[Option<String>], node: usize, status: &NodeStatus| {
            let said = status.byzantine.as_ref().map(|lie| format!("byzantine: {lie}"));
            assert_eq!(said, lies[node], "seed {seed}, node {node}");
            u64::from(said.is_some())
        };
        for entry in &entries {
            let event = match &entry.fact {
                Fact::Status(status) => {
                    asked += check(&lies, entry.node, status);
                    continue;
                }
                Fact::Event(event) => &event.kind,
                _ => continue,
            };
            match event {
                EventKind::Snapshot { status } => restarted += check(&lies, entry.node, status),
                EventKind::Fault { state, kind: FaultKind::Byzantine, what, .. } => {
                    let mode = what.strip_prefix("byzantine: ").and_then(|lie| lie.split(' ').next());
                    let mode: Mode = mode.expect("it is named").parse().expect("there is such a mode");
                    assert!(lie.is_none_or(|lie| lie == mode), "{what}");
                    assert_eq!(mode.takes_target(), what.contains(" transaction "), "{what}");
                    let before = lies[entry.node].take();
                    if *state == FaultState::Begin {
                        assert_eq!(before, None);
                        lies[entry.node] = Some(what.clone());
                        begun += 1;
                    } else {
                        assert_eq!(before.as_ref(), Some(what), "what ends is what began");
                        ended += 1;
                    }
                }
                _ => {}
            }
        }
    }
    assert!(begun >= 6 && ended > 0 && restarted > 0 && asked > 0, "{begun} {ended} {restarted} {asked}");
}
