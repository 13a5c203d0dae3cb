use super::{FaultList, Moment};
use crate::net::error::NetError;
use crate::net::spec::NodeSpec;
use bezant_api::control::FaultOrder;
use bezant_api::fault::{LINK_FAULTS_MAX, LinkEffects};
use std::time::{Duration, Instant};

const SLOW: LinkEffects = LinkEffects { delay_ms: 100, cut: false, ..LinkEffects::CUT };

fn order(from: &[usize], to: &[usize], both: bool, effects: LinkEffects, for_ms: Option<u64>) -> FaultOrder {
    FaultOrder { from: from.to_vec(), to: to.to_vec(), both, effects, for_ms }
}

fn at(ms: u64) -> Moment {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    Moment { at: *START.get_or_init(Instant::now) + Duration::from_millis(ms), ms }
}

fn members(count: usize) -> Vec<NodeSpec> {
    let member = |index| NodeSpec {
        peer_id: format!("peer{index}"),
        validator: None,
        p2p_port: 1,
        rpc_port: 2,
        stratum_port: None,
    };
    (0..count).map(member).collect()
}

/// For each fault of a node: its number, whom it treats, who does not hear it, and what is left of it.
type Told = (u64, Vec<String>, Vec<String>, Option<u64>);

fn told(faults: &mut FaultList, now: Moment, node: usize) -> Vec<Told> {
    let told = faults.of_node(now, node, &members(4), 1);
    told.into_iter().map(|it| (it.id, it.from.into_iter().map(|end| end.peer_id).collect(), it.to, it.for_ms)).collect()
}

fn peers(nodes: &[usize]) -> Vec<String> {
    nodes.iter().map(|node| format!("peer{node}")).collect()
}

#[test]
fn links_are_directed_and_each_node_is_told_its_own() {
    let mut faults = FaultList::default();
    let one = faults.add(at(0), order(&[0], &[1, 2], false, SLOW, None), 4).unwrap();
    assert_eq!((one.id, &*one.what, &*one.links), (1, "delay 100ms", &[(0, 1), (0, 2)][..]));
    assert_eq!(told(&mut faults, at(0), 0), [], "it is the others who hear it late");
    assert_eq!(told(&mut faults, at(0), 1), [(1, peers(&[0]), vec![], None)]);
    assert_eq!(told(&mut faults, at(0), 3), []);
    let both = faults.add(at(0), order(&[0, 1], &[1], true, SLOW, None), 4).unwrap();
    assert_eq!(both.links, [(0, 1), (1, 0)], "no node hears itself over a link");
    let all = faults.add(at(0), order(&[], &[], false, SLOW, None), 4).unwrap();
    assert_eq!(all.links.len(), 12);
    let cut = faults.add(at(0), order(&[3], &[0], false, LinkEffects::CUT, None), 4).unwrap();
    assert_eq!(told(&mut faults, at(0), 3).last(), Some(&(cut.id, vec![], peers(&[0]), None)));
    assert_eq!(told(&mut faults, at(0), 0).last(), Some(&(cut.id, peers(&[3]), vec![], None)));
}

#[test]
fn each_link_of_each_fault_has_dice_of_its_own_that_the_nets_seed_decides() {
    let seeds = |seed: u64| -> Vec<u64> {
        let mut faults = FaultList::default();
        for _ in 0..2 {
            faults.add(at(0), order(&[], &[], false, SLOW, None), 3).unwrap();
        }
        let told = (0..3).flat_map(|node| faults.of_node(at(0), node, &members(3), seed));
        told.flat_map(|fault| fault.from.into_iter().map(|end| end.seed)).collect()
    };
    let mut one = seeds(1);
    assert_eq!(one, seeds(1));
    assert_ne!(one, seeds(2));
    one.sort_unstable();
    one.dedup();
    assert_eq!(one.len(), 12);
}

#[test]
fn a_fault_is_over_after_its_time_and_its_number_is_not_used_again() {
    let mut faults = FaultList::default();
    let one = faults.add(at(0), order(&[0], &[1], false, SLOW, Some(1_000)), 4).unwrap();
    assert_eq!((one.since_ms, one.until_ms), (0, Some(1_000)));
    assert_eq!(
        told(&mut faults, at(400), 1),
        [(1, peers(&[0]), vec![], Some(600))],
        "a node that starts is told what is left"
    );
    assert_eq!(faults.list(at(999)).len(), 1);
    assert_eq!(faults.list(at(1_000)), []);
    assert_eq!(faults.add(at(1_001), order(&[0], &[1], false, SLOW, None), 4).unwrap().id, 2);
    assert_eq!(faults.clear(at(1_002), &[1]).unwrap(), [], "over already is as good as ended");
    let unknown = faults.clear(at(1_002), &[3]).unwrap_err();
    assert!(matches!(&unknown, NetError::Usage(text) if text.contains("no fault 3")), "{unknown}");
    assert_eq!(faults.clear(at(1_002), &[2]).unwrap().len(), 1);
}

#[test]
fn a_partition_cuts_between_groups_and_healing_ends_what_cuts_and_nothing_else() {
    let mut faults = FaultList::default();
    faults.add(at(0), order(&[], &[], false, SLOW, None), 4).unwrap();
    faults.add(at(0), order(&[0], &[1], false, LinkEffects::CUT, None), 4).unwrap();
    let halves = faults.partition(at(0), vec![vec![0, 1], vec![2]], None, 4).unwrap();
    assert_eq!((&*halves.what, halves.links.len()), ("partition 0,1/2/3", 10));
    assert_eq!(told(&mut faults, at(0), 2)[1], (3, peers(&[0, 1, 3]), peers(&[0, 1, 3]), None));
    let other = faults.partition(at(0), vec![vec![0]], Some(50), 4).unwrap();
    assert_eq!(other.what, "partition 0/1,2,3");
    let ids = |faults: &mut FaultList, ms| faults.list(at(ms)).iter().map(|fault| fault.id).collect::<Vec<_>>();
    assert_eq!(ids(&mut faults, 0), [1, 2, 4], "one partition at a time");
    for (groups, word) in [(vec![vec![0, 1], vec![1]], "two groups"), (vec![vec![4]], "no node 4"), (vec![], "no link")]
    {
        let error = faults.partition(at(0), groups, None, 4).unwrap_err();
        assert!(matches!(&error, NetError::Usage(text) if text.contains(word)), "{error}");
        assert_eq!(ids(&mut faults, 0), [1, 2, 4], "what was there stays");
    }
    let healed: Vec<u64> = faults.heal(at(10)).iter().map(|fault| fault.id).collect();
    assert_eq!((healed, ids(&mut faults, 10)), (vec![2, 4], vec![1]));
    assert_eq!(faults.clear(at(10), &[]).unwrap().len(), 1);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let mut faults = FaultList::default();
    for (asked, word) in [
        (order(&[4], &[0], false, SLOW, None), "no node 4"),
        (order(&[0], &[9], false, SLOW, None), "no node 9"),
        (order(&[2], &[2], true, SLOW, None), "no link"),
        (order(&[0], &[1], false, LinkEffects::default(), None), "no effect"),
        (order(&[0], &[1], false, SLOW, Some(0)), "--for"),
    ] {
        let error = faults.add(at(0), asked, 4).unwrap_err();
        assert!(matches!(&error, NetError::Usage(text) if text.contains(word)), "{error}");
    }
    for _ in 0..LINK_FAULTS_MAX {
        faults.add(at(0), order(&[0], &[1], false, SLOW, Some(100)), 4).unwrap();
    }
    assert!(matches!(faults.add(at(0), order(&[0], &[1], false, SLOW, None), 4), Err(NetError::Refused(_))));
    faults.add(at(100), order(&[0], &[1], false, SLOW, None), 4).expect("what is over makes room");
}
