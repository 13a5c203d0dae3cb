//! Scenarios on processes, and that what fails there or in virtual time is named.

use crate::net::{LIMIT, Net, Ran, finish};
use serde_json::Value;

/// Each second of a scenario takes so many: the machine may be busy with other tests.
const PACE: &str = "3";

/// Plays a scenario to its end.
#[track_caller]
fn play(net: &Net, scenario: &str, options: &[&str]) -> Ran {
    let arguments = [&["testnet", "up", "--scenario", scenario, "--pace", PACE], options].concat();
    finish(net.command(&arguments).spawn().expect("the program starts"), LIMIT * 8)
}

/// The lines of a play, as JSON.
#[track_caller]
fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[track_caller]
fn passes(scenario: &str) {
    let net = Net::empty();
    let ran = play(&net, scenario, &["--json"]).ended(0);
    let lines = lines(&ran);
    let last = lines.last().expect("there is a verdict");
    assert_eq!((&last["event"], &last["verdict"]["passed"]), (&Value::from("verdict"), &Value::from(true)), "{last}");
    assert!(lines.iter().any(|line| line["event"] == "step"), "{lines:?}");
    assert!(lines.iter().any(|line| line["event"] == "referee"), "{lines:?}");
}

#[test]
fn a_silent_primary_is_replaced() {
    passes("silent-primary");
}

#[test]
fn a_lying_primary_is_replaced() {
    passes("lying-primary");
}

#[test]
fn a_double_spend_is_decided() {
    passes("double-spend-race");
}

const HOPELESS: &str = "title = \"Hopeless\"\nend = \"3s\"\n[net]\nengine = \"pbft\"\n[[step]]\nat = \"1s\"\nkill = 3\n\
                        [[expect]]\nby = \"2s\"\nview_min = 1000\n[[expect]]\nat = \"3s\"\ndown = [3]\n";

#[test]
fn what_does_not_come_true_is_status_1_and_named_in_both_worlds() {
    let net = Net::empty();
    let file = net.dir().with_file_name("hopeless.toml");
    std::fs::create_dir_all(file.parent().expect("a directory")).expect("it can be made");
    std::fs::write(&file, HOPELESS).expect("it can be written");
    let path = file.display().to_string();
    let simulated = net.run(&["sim", "--scenario", &path]).ended(1);
    let played = play(&net, &path, &[]).ended(1);
    for ran in [simulated, played] {
        assert!(ran.stdout.contains("✗ FAILED view ≥ 1000 by 2 s"), "{ran:?}");
        assert!(ran.stdout.contains("✓ down: node3 at the end"), "{ran:?}");
        assert!(ran.stderr.contains("expectation 1: view ≥ 1000 by 2 s"), "{ran:?}");
    }
    // Its net is stopped, and another scenario may take its place; a net that was made for something else is kept.
    assert!(net.run(&["testnet", "status"]).ended(6).stdout.is_empty());
    let other = net.beside();
    other.start(&[]);
    other.run(&["testnet", "down"]).ended(0);
    let refused = play(&other, &path, &[]).ended(1);
    assert!(refused.stderr.contains("--fresh"), "{refused:?}");
}

#[test]
fn the_simulator_says_the_same_twice() {
    let net = Net::empty();
    let trace = |arguments: &[&str]| net.run(arguments).ended(0).stdout.lines().last().map(str::to_owned);
    let one = ["sim", "--scenario", "silent-primary", "--seed", "5"];
    assert_eq!(trace(&one), trace(&one));
    let drawn = net.run(&["sim", "--scenario", "random", "--seed", "3"]).ended(0).stdout;
    assert!(drawn.contains("[net]") && drawn.contains("trace "), "{drawn}");
    let listed = net.json(&["sim", "--scenario", "list"]);
    assert!(listed.as_array().is_some_and(|all| all.len() >= 12), "{listed}");
}

/// All that are shipped, in both worlds: a quarter of an hour and more.
#[test]
#[ignore = "a long campaign: cargo test --test e2e -- --ignored both_worlds_agree"]
fn both_worlds_agree_on_all_that_are_shipped() {
    let mut differ = Vec::new();
    for shipped in bezant_testnet::scenario::SHIPPED {
        let net = Net::empty();
        let simulated = net.run(&["sim", "--scenario", shipped.name]);
        let played = play(&net, shipped.name, &[]);
        println!("{}: {} and {}\n{}", shipped.name, simulated.status, played.status, played.stdout);
        if (simulated.status, played.status) != (0, 0) {
            differ.push(shipped.name);
        }
    }
    assert_eq!(differ, Vec::<&str>::new(), "they pass in both worlds");
}
