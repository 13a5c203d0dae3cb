use super::*;
use crate::scenario::SHIPPED;

/// A file with these lines behind the usual ones.
fn file(engine: &str, lines: &str) -> String {
    format!("title = \"Test\"\nend = \"20s\"\n[net]\nengine = \"{engine}\"\nnodes = 4\nobservers = 1\n{lines}\n")
}

fn refused(text: &str) -> String {
    Scenario::parse("test", text).expect_err(text).to_string()
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let pbft = |lines: &str| refused(&file("pbft", lines));
    let pow = |lines: &str| refused(&file("pow", lines));
    for (lines, said) in [
        ("[[step]]\nat = \"1s\"", "step 1: it says nothing"),
        ("[[step]]\nat = \"1s\"\nkill = 0\nstop = 1", "step 1: it says kill and stop"),
        ("[[step]]\nat = \"21s\"\nkill = 0", "step 1: at: this is after the end"),
        ("[[step]]\nat = \"15s\"\nkill = 0\nfor = \"6s\"", "step 1: for: this is after the end"),
        ("[[step]]\nat = \"15s\"\nkill = 0\nfor = \"0s\"", "step 1: for: at least 1ms"),
        ("[[step]]\nat = \"1s\"\nheal = true\nfor = \"2s\"", "step 1: for: this cannot be undone"),
        ("[[step]]\nat = \"1s\"\nheal = false", "heal = true is expected"),
        ("[[step]]\nat = \"1s\"\nkill = 5", "there is no node 5; the net has nodes 0 to 4"),
        ("[[step]]\nat = \"1s\"\nkill = []", "an empty list of nodes"),
        ("[[step]]\nat = \"1s\"\nkill = \"most\"", "line 9: "),
        ("[[step]]\nat = \"1s\"\nkill = -1", "line 9: "),
        ("[[step]]\nat = \"1\"\nkill = 1", "like 500ms or 30s"),
        ("[[step]]\nat = \"1s\"\nexplode = 1", "unknown field `explode`"),
        ("[[step]]\nat = \"1s\"\npartition = [[0, 1], [1, 2]]", "node 1 stands in two groups"),
        ("[[step]]\nat = \"1s\"\npartition = [[0, 1, 2, 3, 4]]", "at least two groups"),
        ("[[step]]\nat = \"1s\"\nlink = { to = 1 }", "no effect is given"),
        ("[[step]]\nat = \"1s\"\nlink = { cut = true, delay = \"5ms\" }", "--cut goes without other effects"),
        ("[[step]]\nat = \"1s\"\nlink = { from = 1, to = 1, cut = true }", "no link is named"),
        ("[[step]]\nat = \"1s\"\nlink = { to = \"primary\", cut = true }", "\"primary\" is not possible here"),
        ("[[step]]\nat = \"1s\"\nlink = { drop = \"101%\" }", "from 0% to 100%"),
        ("[[step]]\nat = \"1s\"\nlie = { nodes = 0, mode = \"selfish\" }", "unknown mode"),
        ("[[step]]\nat = \"1s\"\nlie = { nodes = 0, mode = \"censor\" }", "needs a target"),
        ("[[step]]\nat = \"1s\"\nlie = { nodes = 0, mode = \"silent\", target = \"bob\" }", "takes no target"),
        ("[[step]]\nat = \"1s\"\nlie = { nodes = 0, mode = \"censor\", target = \"zoe\" }", "no payment \"zoe\""),
        ("[[step]]\nat = \"1s\"\nclock = { nodes = 0, offset = \"25h\" }", "at most 24h"),
        ("[[step]]\nat = \"1s\"\nadvance = \"25h\"", "from 1ms to 24h"),
        ("[[step]]\nat = \"1s\"\nhashrate = { nodes = 0, rate = 1 }", "a hash rate means nothing under pbft"),
        ("[[step]]\nat = \"1s\"\nreorg = { node = 0, depth = 1 }", "a reorg means nothing under pbft"),
        ("[[step]]\nat = \"1s\"\nmine = { node = 0, count = 1 }", "under PBFT the primary makes the blocks"),
        ("[[step]]\nat = \"1s\"\nmine = { count = 0 }", "1 to 100 blocks"),
        ("[[step]]\nat = \"1s\"\ntwin = { node = 0, of = 0 }", "its own key already"),
        ("[[step]]\nat = \"1s\"\nrestart = { nodes = 0, set = { mines = true } }", "mining means nothing under pbft"),
        ("[[step]]\nat = \"1s\"\nrestart = { nodes = 0, set = { connections = 0 } }", "1 to 1000"),
        ("[[step]]\nat = \"1s\"\npay = { name = \"\", node = 0 }", "a name of 1 to 32 bytes"),
        ("[[step]]\nat = \"1s\"\npay = { name = \"alice\", node = 0 }", "is taken already"),
        ("[[step]]\nat = \"1s\"\npay = { name = \"a\", node = 0, to = \"zoe\" }", "is no account of the net"),
        (
            "[[step]]\nat = \"1s\"\npay = { name = \"a\", node = 0, against = \"b\" }",
            "against: there is no payment \"b\"",
        ),
        ("[[expect]]\nby = \"1s\"", "expect 1: it says nothing"),
        ("[[expect]]\nby = \"1s\"\nview_min = 1\nfinal_min = 1", "it says view_min and final_min"),
        ("[[expect]]\nby = \"1s\"\nat = \"2s\"\nview_min = 1", "when: by, from with by"),
        ("[[expect]]\nfrom = \"2s\"\nview_min = 1", "when: by, from with by"),
        ("[[expect]]\nfrom = \"2s\"\nuntil = \"2s\"\nview_min = 1", "from is not before until"),
        ("[[expect]]\nfrom = \"3s\"\nby = \"2s\"\nview_min = 1", "from is not before by"),
        ("[[expect]]\nby = \"21s\"\nview_min = 1", "by: this is after the end"),
        ("[[expect]]\nby = \"2s\"\ngrows = \"final\"", "grows and stands need from and until"),
        ("[[expect]]\nfinal = [\"a\"]", "final: there is no payment \"a\""),
        ("[[expect]]\nfinal = []", "an empty list of payments"),
        ("[[expect]]\nreorg_min = 1", "reorg_min: this means nothing under pbft"),
        ("[[expect]]\nleft = \"boredom\"", "\"boredom\" is no reason"),
        ("[[expect]]\ntransfers_min = 1", "there is no [load]"),
        ("[load]\nrate = 0", "1 to 5000 transfers"),
        ("[load]\nrate = 1000", "1 to 5000 transfers"),
        ("[load]\nrate = nan", "1 to 5000 transfers"),
        ("[load]\nrate = 1\nfrom = \"5s\"\nuntil = \"5s\"", "from is not before until"),
        ("[load]\nrate = 1\non = 7", "there is no node 7"),
    ] {
        let problem = pbft(lines);
        assert!(problem.contains(said), "{lines}\n{problem}");
        assert!(problem.starts_with("scenario test: ") && !problem.contains('\n'), "{problem}");
    }
    for (lines, said) in [
        ("[[step]]\nat = \"1s\"\nkill = \"primary\"", "\"primary\" means nothing under pow"),
        ("[[step]]\nat = \"1s\"\nlie = { nodes = 0, mode = \"silent\" }", "unknown mode"),
        ("[[step]]\nat = \"1s\"\nadd_validator = 4", "a validator means nothing under pow"),
        ("[[step]]\nat = \"1s\"\ntwin = { node = 4, of = 0 }", "a twin means nothing under pow"),
        ("[[step]]\nat = \"1s\"\nhashrate = { nodes = 0, rate = 1000001 }", "at most 1000000"),
        ("[[step]]\nat = \"1s\"\nreorg = { node = 0, depth = 101 }", "1 to 100 blocks"),
        ("[[expect]]\nview_min = 1", "view_min: this means nothing under pow"),
    ] {
        let problem = pow(lines);
        assert!(problem.contains(said), "{lines}\n{problem}");
    }
}

#[test]
fn a_net_that_cannot_be_is_refused() {
    for (net, said) in [
        ("engine = \"pbft\"\nnodes = 0", "1 to 64"),
        ("engine = \"pbft\"\nnodes = 60\nobservers = 5", "1 to 64"),
        ("engine = \"raft\"", "line 4: "),
        ("engine = \"pow\"\nview_timeout = \"1s\"", "view_timeout means nothing under pow"),
        ("engine = \"pbft\"\nfinal_depth = 3", "final_depth means nothing under pbft"),
        ("engine = \"pow\"\nblock_time = \"1500ms\"", "whole seconds"),
        ("engine = \"pow\"\nfinal_depth = 3\nmax_reorg = 2", "not below final_depth"),
        ("engine = \"pbft\"\nview_timeout = \"10ms\"", "from 50ms to 60s"),
        ("engine = \"pbft\"\ncheckpoint_interval = 0", "at least 1"),
    ] {
        let problem = refused(&format!("title = \"Test\"\nend = \"20s\"\n[net]\n{net}\n"));
        assert!(problem.contains(said), "{net}\n{problem}");
    }
    for text in
        ["", "title = 5", "title = \"x\"\nend = \"2h\"\n[net]\nengine = \"pbft\"", "\u{0}", "[[[", "title = \"x"]
    {
        let problem = refused(text);
        assert!(!problem.contains('\n'), "{problem}");
    }
    assert!(refused(&"#".repeat(FILE_BYTES_MAX + 1)).contains("bytes are too many"));
    let steps = "[[step]]\nat = \"1s\"\nheal = true\n".repeat(STEPS_MAX + 1);
    assert!(refused(&file("pbft", &steps)).contains("at most 500 are possible"));
    let faults = "[[step]]\nat = \"1s\"\nlink = { drop = \"1%\" }\n".repeat(LINK_FAULTS_MAX + 1);
    assert!(refused(&file("pbft", &faults)).contains("at most 64 are possible"));
}

#[test]
fn what_was_read_is_written_and_read_the_same() {
    for shipped in SHIPPED {
        let first = shipped.scenario();
        let again = Scenario::parse(shipped.name, &first.to_toml());
        assert_eq!(again.as_ref(), Ok(&first), "{}", first.to_toml());
    }
}

#[test]
fn a_step_with_an_end_is_two_steps_about_the_same_nodes() {
    let text =
        file("pbft", "[[step]]\nat = \"4s\"\npause = \"primary\"\nfor = \"2s\"\n[[step]]\nat = \"5s\"\nheal = true");
    let steps = Scenario::parse("test", &text).expect("it makes sense").steps;
    let seen: Vec<(u64, usize, bool)> = steps.iter().map(|step| (step.at_ms, step.number, step.is_undoing)).collect();
    assert_eq!(seen, [(4_000, 1, false), (5_000, 2, false), (6_000, 1, true)]);
    assert_eq!((&steps[0].action, &steps[2].action), (&Action::Pause, &Action::Resume));
}

#[test]
fn a_load_is_spread_over_time_and_nodes() {
    let text = file("pbft", "[load]\nrate = 2.5\nfrom = \"1s\"\nuntil = \"3s\"\non = [1, 3]");
    let payments = Scenario::parse("test", &text).expect("it makes sense").payments;
    let seen: Vec<(u64, usize, usize)> = payments.iter().map(|it| (it.at_ms, it.node, it.coin)).collect();
    assert_eq!(seen, [(1_000, 1, 0), (1_400, 3, 1), (1_800, 1, 2), (2_200, 3, 3), (2_600, 1, 4)]);
}
