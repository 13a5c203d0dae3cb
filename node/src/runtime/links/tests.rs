use super::{LinkTable, Wanted};
use crate::links::{LinkCounts, LinkRule};
use bezant_api::fault::LinkEffects;
use bezant_consensus::ledger::units::Time;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

fn wanted(id: u64, peer: PeerId, delay_ms: u64, lasts_ms: Option<u64>) -> Wanted {
    let effects = LinkEffects { delay_ms, ..LinkEffects::default() };
    let rule =
        LinkRule { id, from: BTreeMap::from([(peer, 1)]), to: BTreeSet::new(), effects, counts: LinkCounts::default() };
    (rule, lasts_ms.map(Duration::from_millis))
}

/// Numbers of what has ended and what has begun.
fn numbers(changes: &super::Changes) -> (Vec<u64>, Vec<u64>) {
    let of = |rules: &[std::sync::Arc<LinkRule>]| rules.iter().map(|rule| rule.id).collect();
    (of(&changes.ended), of(&changes.begun))
}

#[test]
fn faults_end_by_themselves_and_what_stays_goes_on_as_it_was() {
    let (peer, start) = (PeerId::random(), Instant::now());
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut table = LinkTable::default();
    assert_eq!(table.deadline(at(0)), None);
    let set = table.set(at(0), Time(7), vec![wanted(1, peer, 5, Some(1_000)), wanted(2, peer, 6, None)]);
    assert_eq!(numbers(&set), (vec![], vec![1, 2]));
    let first = table.rules();
    // Given again, with what is left: the end is the one that was given first.
    let set = table.set(at(400), Time(9), vec![wanted(1, peer, 5, Some(5_000)), wanted(3, peer, 1, Some(100))]);
    assert_eq!(numbers(&set), (vec![2], vec![3]));
    assert!(std::sync::Arc::ptr_eq(&first[0], &table.rules()[0]), "its dice and counts go on");
    assert_eq!(table.deadline(at(400)), Some(Duration::from_millis(100)));
    let views = table.views(at(450));
    let shown: Vec<_> = views.iter().map(|view| (view.id, view.since_ms, view.left_ms)).collect();
    assert_eq!(shown, [(1, 7, Some(550)), (3, 9, Some(50))]);
    assert_eq!(numbers(&table.expire(at(499))), (vec![], vec![]));
    assert_eq!(numbers(&table.expire(at(500))), (vec![3], vec![]));
    // Another effect under the same number is another fault.
    let set = table.set(at(600), Time(10), vec![wanted(1, peer, 50, None)]);
    assert_eq!(numbers(&set), (vec![1], vec![1]));
    assert_eq!(table.deadline(at(600)), None);
    assert_eq!(numbers(&table.set(at(700), Time(11), Vec::new())), (vec![1], vec![]));
}
