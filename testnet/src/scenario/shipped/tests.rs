use super::*;
use crate::scenario::{Report, play_in_virtual_time, play_seeds};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of the files of a kind in a directory of the project.
fn names(directory: &str, extension: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(directory)).expect("the directory is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let of_kind = paths.filter(|path| path.extension().is_some_and(|it| it == extension));
    of_kind.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect()
}

#[test]
fn every_file_is_shipped_and_every_shipped_one_has_its_chapter() {
    let shipped: BTreeSet<String> = SHIPPED.iter().map(|shipped| shipped.name.to_owned()).collect();
    assert_eq!(names("scenarios", "toml"), shipped);
    let mut chapters = names("docs/scenarios", "md");
    assert!(chapters.remove("README"), "there is an index");
    assert_eq!(chapters, shipped);
    let index = std::fs::read_to_string(root().join("docs/scenarios/README.md")).expect("it can be read");
    for name in shipped {
        assert!(index.contains(&format!("({name}.md)")), "the index leads to {name}");
        let chapter =
            std::fs::read_to_string(root().join(format!("docs/scenarios/{name}.md"))).expect("it can be read");
        let command = format!("--scenario {name}");
        assert!(chapter.contains(&command), "the chapter of {name} names its command");
    }
}

/// What a chapter shows is what is printed: every judgement of seed 1 in virtual time, as far as it does not depend on times.
#[test]
fn every_chapter_shows_what_is_expected() {
    for shipped in SHIPPED {
        let path = root().join(format!("docs/scenarios/{}.md", shipped.name));
        let chapter = std::fs::read_to_string(path).expect("it can be read");
        let scenario = shipped.scenario();
        assert!(chapter.contains(&scenario.title), "{} has its title", shipped.name);
        for judgement in crate::scenario::judge::Judge::new(&scenario).give_up(0) {
            assert!(chapter.contains(&judgement.expected), "{} shows {:?}", shipped.name, judgement.expected);
        }
    }
}

macro_rules! each_passes {
    ($($test:ident: $name:literal;)*) => {
        $(#[test]
        fn $test() {
            let scenario = shipped($name).expect("it is shipped").scenario();
            let mut steps = 0;
            let verdict = play_in_virtual_time(&scenario, 1, |report| steps += usize::from(matches!(report, Report::Step { .. })));
            assert!(verdict.passed, "{:?}", verdict.failures().collect::<Vec<_>>());
            assert_eq!(verdict.expectations.len(), scenario.expectations.len());
            assert_eq!(steps, scenario.steps.len(), "every step is made");
        })*

        #[test]
        fn each_has_a_test() {
            let tested: BTreeSet<&str> = BTreeSet::from([$($name),*]);
            assert_eq!(tested, SHIPPED.iter().map(|shipped| shipped.name).collect());
        }
    };
}

each_passes! {
    silent_primary: "silent-primary";
    lying_primary: "lying-primary";
    slow_primary: "slow-primary";
    split_vote: "split-vote";
    twin_validator: "twin-validator";
    minority_cut_pbft: "minority-cut-pbft";
    minority_cut_pow: "minority-cut-pow";
    crash_of_everything: "crash-of-everything";
    rolling_restart: "rolling-restart";
    joining_validator: "joining-validator";
    bad_weather: "bad-weather";
    double_spend_race: "double-spend-race";
    fork_and_reorg: "fork-and-reorg";
    selfish_miner: "selfish-miner";
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_another() {
    for name in ["silent-primary", "double-spend-race"] {
        let scenario = shipped(name).expect("it is shipped").scenario();
        let trace = |seed: u64| play_in_virtual_time(&scenario, seed, |_| {}).tally.trace.expect("in virtual time");
        assert_eq!(trace(7), trace(7), "{name}");
        assert_ne!(trace(7), trace(8), "{name}");
        let all = |jobs: usize| play_seeds(|_| scenario.clone(), 1..4, jobs, &|_| {}).1;
        assert_eq!(all(1), all(2), "{name}");
    }
}
