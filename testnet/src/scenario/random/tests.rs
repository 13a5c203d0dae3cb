use super::*;
use crate::scenario::play_seeds;
use std::collections::BTreeSet;

#[test]
fn a_seed_has_one_text_which_reads_as_the_same_scenario() {
    let mut texts = BTreeSet::new();
    for seed in 0..200 {
        let scenario = random(seed);
        assert_eq!(scenario.to_toml(), random(seed).to_toml(), "seed {seed}");
        let read = Scenario::parse(&scenario.name, &scenario.to_toml());
        assert_eq!(read.as_ref(), Ok(&scenario), "seed {seed}");
        texts.insert(scenario.to_toml());
    }
    assert!(texts.len() > 195, "seeds differ");
}

#[test]
fn what_is_drawn_is_as_varied_as_what_can_be_written() {
    let all: String = (0..400).map(|seed| random(seed).to_toml()).collect();
    for word in [
        "pbft",
        "pow",
        "partition",
        "step.link",
        "kill = \"all\"",
        "kill = 1",
        "stop",
        "pause",
        "step.restart",
        "step.clock",
        "step.lie",
        "step.hashrate",
        "step.reorg",
        "drop",
        "duplicate",
        "reorder",
        "bandwidth",
        "jitter",
    ] {
        assert!(all.contains(word), "{word} is drawn");
    }
}

#[test]
fn random_scenarios_pass_in_virtual_time() {
    let (verdicts, _) = play_seeds(random, 1..11, 0, &|_| {});
    for verdict in verdicts {
        let failures: Vec<String> = verdict.failures().collect();
        assert!(verdict.passed, "seed {}: {failures:?}\n{}", verdict.seed, random(verdict.seed).to_toml());
    }
}
