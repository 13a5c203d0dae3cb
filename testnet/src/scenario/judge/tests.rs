use super::*;
use crate::scenario::view::BookView;
use bezant_consensus::ledger::hash::BlockId;

const FILE: &str = r#"
    title = "Test"
    end = "10s"
    [net]
    engine = "ENGINE"
    nodes = 3
    [load]
    rate = 1
    [[step]]
    at = "0s"
    pay = { name = "a", node = 0 }
    [[step]]
    at = "0s"
    pay = { name = "b", node = 0, against = "a" }
    [[expect]]
"#;

/// Three nodes that are alike.
fn net(at_ms: u64, change: impl Fn(&mut [NodeView])) -> NetView {
    let node = NodeView { up: true, height: 5, final_height: 4, votes: true, ..NodeView::default() };
    let mut nodes = vec![node; 3];
    change(&mut nodes);
    NetView { at_ms, nodes }
}

/// What is judged of one expectation, and when, given these looks.
fn judged(engine: &str, expect: &str, looks: &[NetView]) -> Option<(bool, u64)> {
    let text = FILE.replace("ENGINE", engine) + expect;
    let scenario = Scenario::parse("test", &text).unwrap_or_else(|error| panic!("{error}"));
    let mut judge = Judge::new(&scenario);
    let found: Vec<Judgement> = looks.iter().flat_map(|look| judge.look(look)).collect();
    assert!(found.len() <= 1, "each is judged once: {found:?}");
    assert_eq!(found.is_empty(), !judge.give_up(10_000).is_empty(), "what was not judged has failed");
    found.first().map(|judgement| (judgement.passed, judgement.at_ms))
}

#[test]
fn time_decides_when_it_is_judged() {
    let view = |at_ms: u64, view: u64| net(at_ms, |nodes| nodes.iter_mut().for_each(|node| node.view = view));
    let (none, late, soon) = ([view(1_000, 0)], [view(1_000, 0), view(5_000, 0)], [view(1_000, 0), view(2_000, 1)]);
    assert_eq!(judged("pbft", "by = \"5s\"\nview_min = 1", &none), None);
    assert_eq!(judged("pbft", "by = \"5s\"\nview_min = 1", &late), Some((false, 5_000)));
    assert_eq!(judged("pbft", "by = \"5s\"\nview_min = 1", &soon), Some((true, 2_000)));
    let early = [view(1_000, 1), view(3_000, 1)];
    assert_eq!(judged("pbft", "from = \"2s\"\nby = \"5s\"\nview_min = 1", &early), Some((true, 3_000)));
    assert_eq!(judged("pbft", "at = \"2s\"\nview_min = 1", &soon), Some((true, 2_000)));
    assert_eq!(judged("pbft", "at = \"1s\"\nview_min = 1", &soon), Some((false, 1_000)));
    let during = "from = \"1s\"\nuntil = \"3s\"\nview_max = 0";
    assert_eq!(judged("pbft", during, &soon), Some((false, 2_000)));
    assert_eq!(judged("pbft", during, &[view(1_000, 0), view(3_000, 0), view(4_000, 9)]), Some((true, 3_000)));
    assert_eq!(judged("pbft", "view_min = 1", &[view(9_000, 1), view(10_000, 1)]), Some((true, 10_000)));
}

#[test]
fn growing_and_standing_are_about_each_node() {
    let at = |at_ms: u64, finals: [u64; 3]| {
        net(at_ms, |nodes| nodes.iter_mut().zip(finals).for_each(|(node, height)| node.final_height = height))
    };
    let (grows, stands) =
        ("from = \"1s\"\nuntil = \"4s\"\ngrows = \"final\"", "from = \"1s\"\nuntil = \"4s\"\nstands = \"final\"");
    let all =
        [at(0, [0, 0, 0]), at(1_000, [1, 1, 1]), at(2_000, [2, 2, 1]), at(3_000, [3, 2, 2]), at(4_000, [4, 4, 4])];
    assert_eq!(judged("pbft", grows, &all), Some((true, 3_000)));
    assert_eq!(judged("pbft", stands, &all), Some((false, 2_000)));
    let one = [at(1_000, [1, 1, 1]), at(4_000, [5, 5, 1])];
    assert_eq!(judged("pbft", grows, &one), Some((false, 4_000)));
    assert_eq!(judged("pbft", &format!("on = 2\n{stands}"), &one), Some((true, 4_000)));
}

#[test]
fn who_lies_or_is_down_is_asked_only_by_name() {
    let view = net(2_000, |nodes| {
        (nodes[0].is_tainted, nodes[1].up) = (true, false);
        nodes[2].view = 3;
    });
    assert_eq!(judged("pbft", "at = \"2s\"\nview_min = 3", std::slice::from_ref(&view)), Some((true, 2_000)));
    assert_eq!(
        judged("pbft", "at = \"2s\"\non = [1, 2]\nview_min = 3", std::slice::from_ref(&view)),
        Some((false, 2_000))
    );
    assert_eq!(judged("pbft", "at = \"2s\"\non = \"all\"\nview_max = 3", &[view]), Some((false, 2_000)));
    let nobody = net(2_000, |nodes| nodes.iter_mut().for_each(|node| node.up = false));
    assert_eq!(judged("pbft", "at = \"2s\"\nview_max = 3", &[nobody]), Some((false, 2_000)));
}

/// An expectation, whether it holds on three nodes that are alike, and a change after which that is otherwise.
type Row = (&'static str, &'static str, bool, fn(&mut [NodeView]));

#[test]
fn each_thing_that_can_be_expected() {
    let rows: [Row; 24] = [
        ("pbft", "view_min = 1", false, |nodes| nodes.iter_mut().for_each(|node| node.view = 1)),
        ("pbft", "view_max = 0", true, |nodes| nodes[1].view = 1),
        ("pbft", "epoch_min = 1", false, |nodes| nodes.iter_mut().for_each(|node| node.epoch = 1)),
        ("pbft", "height_min = 5", true, |nodes| nodes[0].height = 4),
        ("pbft", "final_min = 4", true, |nodes| nodes[2].final_height = 3),
        ("pbft", "synced = true", true, |nodes| nodes[2].final_height = 2),
        ("pow", "synced = true", true, |nodes| nodes[2].tip = BlockId([1; 32])),
        ("pow", "synced = false", false, |nodes| nodes[2].tip = BlockId([1; 32])),
        ("pbft", "final = [\"a\"]", false, |nodes| nodes.iter_mut().for_each(|node| place(node, 0, Place::Final))),
        ("pbft", "included = [\"a\"]", false, |nodes| {
            nodes.iter_mut().for_each(|node| place(node, 0, Place::Included))
        }),
        ("pbft", "missing = [\"a\"]", true, |nodes| place(&mut nodes[0], 0, Place::Included)),
        ("pbft", "one_of = [\"a\", \"b\"]", false, |nodes| {
            nodes.iter_mut().for_each(|node| place(node, 1, Place::Final))
        }),
        ("pow", "reorg_min = 2", false, |nodes| nodes[0].book.reorg_depth = 2),
        ("pow", "finality_broken = false", true, |nodes| nodes[1].book.finality_broken = true),
        ("pow", "refused = true", false, |nodes| nodes[1].refused = true),
        ("pbft", "evidence = [2]", false, |nodes| nodes[0].evidence = BTreeSet::from([2])),
        ("pbft", "left = \"slow\"", false, |nodes| nodes[0].left = BTreeSet::from(["slow".to_owned()])),
        ("pbft", "evidence = []", true, |nodes| nodes[0].evidence = BTreeSet::from([2])),
        ("pbft", "voters = [0, 1, 2]", true, |nodes| nodes[0].votes = false),
        ("pbft", "voters = [0, 1, 2]", true, |nodes| nodes[0].up = false),
        ("pbft", "up = [0, 1]", true, |nodes| nodes[1].up = false),
        ("pbft", "down = [1]", false, |nodes| nodes[1].up = false),
        ("pow", "refused = false", true, |nodes| nodes[1].refused = true),
        ("pow", "finality_broken = true", false, |nodes| nodes[1].book.finality_broken = true),
    ];
    for (engine, expect, holds, change) in rows {
        let plain = judged(engine, &format!("at = \"2s\"\n{expect}"), &[net(2_000, |_| {})]);
        assert_eq!(plain, Some((holds, 2_000)), "{expect}");
        let changed = judged(engine, &format!("at = \"2s\"\n{expect}"), &[net(2_000, change)]);
        assert_eq!(changed, Some((!holds, 2_000)), "{expect} after the change");
    }
}

fn place(node: &mut NodeView, number: usize, place: Place) {
    node.book.places.insert(number, place);
}

#[test]
fn one_of_two_is_final_and_the_same_everywhere() {
    let with = |finals: [&'static [usize]; 3]| {
        net(2_000, |nodes| {
            for (node, finals) in nodes.iter_mut().zip(finals) {
                finals.iter().for_each(|number| place(node, *number, Place::Final));
            }
        })
    };
    for (finals, holds) in [
        ([&[0][..], &[0], &[0]], true),
        ([&[0], &[0], &[1]], false),
        ([&[0, 1], &[0, 1], &[0, 1]], false),
        ([&[0], &[0], &[]], false),
        ([&[], &[], &[]], false),
    ] {
        let seen = judged("pow", "at = \"2s\"\none_of = [\"a\", \"b\"]", &[with(finals)]);
        assert_eq!(seen, Some((holds, 2_000)), "{finals:?}");
    }
}

#[test]
fn transfers_count_when_every_node_has_them_final() {
    // Due until 3 s: those of 0, 1, 2 and 3 s, which have the numbers 2 to 5.
    let with = |counts: [usize; 3]| {
        net(3_000, |nodes| {
            for (node, count) in nodes.iter_mut().zip(counts) {
                node.book = BookView { transfers: (2..2 + count).collect(), ..BookView::default() };
            }
        })
    };
    for (expect, counts, holds) in [
        ("transfers_min = 3", [3, 4, 3], true),
        ("transfers_min = 3", [4, 4, 2], false),
        ("transfers_min = \"75%\"", [3, 3, 3], true),
        ("transfers_min = \"76%\"", [3, 3, 3], false),
    ] {
        let seen = judged("pbft", &format!("at = \"3s\"\n{expect}"), &[with(counts)]);
        assert_eq!(seen, Some((holds, 3_000)), "{expect} of {counts:?}");
    }
}

#[test]
fn a_share_is_of_the_blocks_of_each_chain() {
    let with = |own: u64| {
        net(2_000, |nodes| {
            nodes.iter_mut().for_each(|node| node.book.mined = BTreeMap::from([(0, own), (1, 10 - own)]))
        })
    };
    for (own, holds) in [(5, true), (4, false)] {
        let expect = "at = \"2s\"\nshare_min = { node = 0, share = \"50%\" }";
        assert_eq!(judged("pow", expect, &[with(own)]), Some((holds, 2_000)));
    }
}

#[test]
fn what_was_seen_once_stays_seen_of_who_is_down_but_not_of_who_lies() {
    let of = |change: fn(&mut NodeView)| net(2_000, |nodes| change(&mut nodes[1]));
    for expect in ["reorg_min = 2", "finality_broken = true"] {
        let reorg = of(|node| (node.up, node.book.reorg_depth, node.book.finality_broken) = (false, 2, true));
        let liar = of(|node| (node.is_tainted, node.book.reorg_depth, node.book.finality_broken) = (true, 2, true));
        assert_eq!(judged("pow", &format!("at = \"2s\"\n{expect}"), &[reorg]), Some((true, 2_000)), "{expect}");
        assert_eq!(judged("pow", &format!("at = \"2s\"\n{expect}"), &[liar]), Some((false, 2_000)), "{expect}");
    }
    let left = of(|node| (node.up, node.left) = (false, BTreeSet::from(["slow".to_owned()])));
    assert_eq!(judged("pbft", "at = \"2s\"\nleft = \"slow\"", &[left]), Some((true, 2_000)));
    let refuses = of(|node| (node.up, node.refused) = (false, true));
    assert_eq!(judged("pow", "at = \"2s\"\nrefused = true", &[refuses]), Some((false, 2_000)), "that is about now");
}

#[test]
fn who_goes_down_meanwhile_is_not_asked_whether_it_grew() {
    let at = |at_ms: u64, up: [bool; 3], height: u64| {
        net(at_ms, |nodes| {
            for (node, up) in nodes.iter_mut().zip(up) {
                (node.up, node.final_height) = (up, if up { height } else { 1 });
            }
        })
    };
    let grows = "from = \"1s\"\nuntil = \"4s\"\ngrows = \"final\"";
    let all = [true, true, true];
    let one_less = [at(1_000, all, 1), at(2_000, [true, true, false], 2)];
    assert_eq!(judged("pbft", grows, &one_less), Some((true, 2_000)));
    let nobody = [at(1_000, all, 1), at(4_000, [false; 3], 2)];
    assert_eq!(judged("pbft", grows, &nobody), Some((false, 4_000)));
}

#[test]
fn under_pbft_one_block_apart_is_together() {
    let apart = |blocks: u64| net(2_000, |nodes| nodes[0].final_height -= blocks);
    assert_eq!(judged("pbft", "at = \"2s\"\nsynced = true", &[apart(1)]), Some((true, 2_000)));
    assert_eq!(judged("pbft", "at = \"2s\"\nsynced = false", &[apart(1)]), Some((false, 2_000)));
    assert_eq!(judged("pbft", "at = \"2s\"\nsynced = false", &[apart(2)]), Some((true, 2_000)));
}

#[test]
fn of_nothing_no_share_is_enough_and_nobody_is_in_step() {
    let share = "at = \"2s\"\nshare_min = { node = 0, share = \"1%\" }";
    assert_eq!(judged("pow", share, &[net(2_000, |_| {})]), Some((false, 2_000)), "a chain without blocks");
    let nobody = net(2_000, |nodes| nodes.iter_mut().for_each(|node| node.up = false));
    assert_eq!(judged("pbft", "at = \"2s\"\nsynced = true", &[nobody]), Some((false, 2_000)));
    let load = FILE.replace("rate = 1", "rate = 1\n    from = \"5s\"").replace("ENGINE", "pbft");
    let scenario = Scenario::parse("test", &(load + "at = \"2s\"\ntransfers_min = \"1%\"")).expect("it makes sense");
    let judgements = Judge::new(&scenario).look(&net(2_000, |_| {}));
    assert!(matches!(&judgements[..], [judgement] if !judgement.passed), "none is due: {judgements:?}");
}
