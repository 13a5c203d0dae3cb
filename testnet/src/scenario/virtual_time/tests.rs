use super::*;

fn play_text(text: &str) -> (Verdict, Vec<Report>) {
    let scenario = Scenario::parse("test", text).expect("it makes sense");
    let mut reports = Vec::new();
    let verdict = play_in_virtual_time(&scenario, 1, |report| reports.push(report));
    (verdict, reports)
}

#[track_caller]
fn passes(text: &str) -> Verdict {
    let (verdict, reports) = play_text(text);
    assert!(verdict.passed, "{:#?}\n{reports:#?}", verdict.failures().collect::<Vec<_>>());
    verdict
}

/// Steps and expectations, one a line: `step at = "1s"; heal = true`.
fn lines(text: &str) -> String {
    let entry = |line: &str| {
        let (kind, fields) = line.trim().split_once(' ').expect("what it is, and its fields");
        format!("[[{kind}]]\n{}\n", fields.replace("; ", "\n"))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(entry).collect()
}

const PBFT: &str = "title = \"Test\"\nend = \"60s\"\n[net]\nengine = \"pbft\"\nnodes = 4\nobservers = 1\ncheckpoint_interval = 10\n[load]\nrate = 5\nuntil = \"55s\"\non = [1, 2]\n";
const POW: &str = "title = \"Test\"\nend = \"60s\"\n[net]\nengine = \"pow\"\nnodes = 4\nobservers = 1\nblock_time = \"1s\"\nfinal_depth = 3\n[load]\nrate = 2\nuntil = \"40s\"\n";

#[test]
fn every_step_that_pbft_knows_can_be_made() {
    let steps = r#"
        step at = "1s"; partition = [[0, 1, 2], [3]]; for = "2s"
        step at = "2s"; link = { from = 0, to = [1, 2], both = true, delay = "20ms", jitter = "10ms" }
        step at = "4s"; clear = true
        step at = "5s"; link = { to = 3, cut = true }
        step at = "6s"; heal = true
        step at = "7s"; kill = 3; for = "1s"
        step at = "9s"; stop = [3]
        step at = "10s"; start = 3
        step at = "11s"; pause = 2
        step at = "13s"; resume = "all"
        step at = "14s"; restart = { nodes = "all", set = { log = "debug" } }
        step at = "18s"; clock = { nodes = 1, offset = "2s" }; for = "2s"
        step at = "22s"; advance = "1m"
        step at = "24s"; mine = { count = 2 }
        step at = "26s"; add_validator = 4
        step at = "32s"; rekey_validator = 3
        step at = "38s"; remove_validator = 4
        step at = "44s"; lie = { nodes = "primary", mode = "censor", target = "bob" }
        step at = "45s"; pay = { name = "rent", node = 2, to = "bob" }
        step at = "50s"; truth = "all"
        expect at = "31s"; voters = [0, 1, 2, 3, 4]
        expect at = "44s"; voters = [0, 1, 2, 3]
        expect at = "12s"; down = [2]
        expect from = "44s"; by = "60s"; final = ["rent"]
        expect transfers_min = "80%"
        expect by = "60s"; from = "56s"; on = "all"; synced = true
    "#;
    let verdict = passes(&(PBFT.to_owned() + &lines(steps)));
    assert_eq!(verdict.objections, Vec::<String>::new());
}

#[test]
fn every_step_that_proof_of_work_knows_can_be_made() {
    let steps = r#"
        step at = "1s"; hashrate = { nodes = 0, rate = 100000 }; for = "5s"
        step at = "8s"; mine = { node = 2, count = 3 }
        step at = "10s"; reorg = { node = 1, depth = 2 }
        step at = "13s"; pause = 3; for = "3s"
        step at = "17s"; restart = { nodes = 3, set = { mines = false } }
        step at = "20s"; restart = { nodes = 3, set = { mines = true, hashrate = 20000 } }
        step at = "22s"; lie = { nodes = 0, mode = "withhold" }; for = "3s"
        step at = "26s"; lie = { nodes = 0, mode = "bad-block" }; for = "3s"
        step at = "30s"; lie = { nodes = 0, mode = "low-work-spam" }; for = "3s"
        step at = "34s"; clock = { nodes = 1, offset = "-3s" }
        step at = "36s"; advance = "5s"
        step at = "38s"; kill = "all"; for = "1s"
        expect from = "10s"; by = "20s"; reorg_min = 2
        expect from = "45s"; by = "60s"; on = [1, 2, 3, 4]; synced = true
        expect on = [1, 2, 3, 4]; transfers_min = "50%"
    "#;
    passes(&(POW.to_owned() + &lines(steps)));
}

#[test]
fn what_is_expected_in_vain_fails_and_is_named() {
    for (engine, expect, seen) in [
        (PBFT, "[[expect]]\nby = \"5s\"\nview_min = 3", "view ≥ 3 by 5 s"),
        (PBFT, "[[expect]]\nfrom = \"2s\"\nuntil = \"6s\"\nstands = \"final\"", "the final height stands still"),
        (PBFT, "[[expect]]\nby = \"6s\"\nevidence = [0]", "proof against node0"),
        (PBFT, "[[expect]]\nat = \"2s\"\nvoters = [0, 1]", "voters: node0, node1"),
        (PBFT, "[[expect]]\nat = \"2s\"\ndown = [0]", "down: node0"),
        (POW, "[[expect]]\nby = \"3s\"\nheight_min = 1000", "height ≥ 1000"),
        (POW, "[[expect]]\nby = \"9s\"\nfinality_broken = true", "finality was broken by 9 s"),
    ] {
        let (verdict, _) = play_text(&format!("{engine}{expect}\n"));
        let failures: Vec<String> = verdict.failures().collect();
        assert!(!verdict.passed && failures.len() == 1, "{failures:?}");
        assert!(failures[0].starts_with("expectation 1: ") && failures[0].contains(seen), "{failures:?}");
    }
}

#[test]
fn a_step_that_cannot_be_made_stops_the_play() {
    let steps = "[[step]]\nat = \"1s\"\nremove_validator = 4\n[[expect]]\nby = \"5s\"\nfinal_min = 1\n[[expect]]\nview_max = 9\n";
    let (verdict, _) = play_text(&format!("{PBFT}{steps}"));
    assert_eq!(verdict.stopped.as_deref(), Some("step 1: node4 is no validator"));
    assert!(!verdict.passed && verdict.expectations[0].passed && !verdict.expectations[1].passed, "{verdict:?}");
}

/// More liars than the net bears: the referee sees what comes of it. (Two of four who tell the same two stories.)
#[test]
fn the_referee_objects_to_a_fork() {
    let steps = "[[step]]\nat = \"2s\"\nlie = { nodes = [0, 1], mode = \"equivocate\" }\n";
    let net = PBFT.replace("observers = 1\n", "");
    let found = (1..40).any(|seed| {
        let scenario = Scenario::parse("test", &format!("{net}{steps}")).expect("it makes sense");
        let verdict = play_in_virtual_time(&scenario, seed, |_| {});
        verdict.objections.iter().any(|objection| objection.starts_with("final-conflict"))
    });
    assert!(found, "in some seed both stories become final");
}
