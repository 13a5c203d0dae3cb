use super::*;

/// When messages of 1,000 bytes arrive that are sent over one link at these moments and need 1 ms without faults.
fn sent(overlay: &mut Overlay, at_ms: impl IntoIterator<Item = u64>) -> Vec<Vec<u64>> {
    let mut dice = Dice::new(1);
    at_ms.into_iter().map(|at| overlay.arrivals(at, (0, 1), 1_000, vec![at + 1], &mut dice)).collect()
}

fn with(effects: LinkEffects) -> Overlay {
    let mut overlay = Overlay::default();
    overlay.add(BTreeSet::from([(0, 1)]), effects, Some(1_000));
    overlay
}

#[test]
fn a_link_without_faults_is_left_alone() {
    let mut overlay = Overlay::default();
    overlay.add(BTreeSet::from([(1, 0)]), LinkEffects::CUT, None);
    assert_eq!(sent(&mut overlay, [5]), [[6]]);
    assert!(!overlay.is_closed(5, 0, 1), "one direction is open");
}

#[test]
fn a_cut_ends_with_its_time_and_with_healing() {
    let mut overlay = with(LinkEffects::CUT);
    overlay.add(BTreeSet::from([(1, 0)]), LinkEffects::CUT, None);
    assert!(overlay.is_closed(999, 0, 1) && !overlay.is_closed(1_000, 0, 1));
    assert_eq!(sent(&mut overlay, [999, 1_000]), [vec![], vec![1_001]]);
    overlay.heal();
    assert!(!overlay.is_closed(0, 0, 1));
}

#[test]
fn delays_keep_the_order_and_bandwidth_makes_a_queue() {
    let arrived = sent(&mut with(LinkEffects { delay_ms: 50, jitter_ms: 40, ..LinkEffects::default() }), 0..100);
    let arrived: Vec<u64> = arrived.into_iter().flatten().collect();
    assert!(arrived.is_sorted() && arrived.len() == 100, "{arrived:?}");
    assert!(arrived[0] >= 11 && arrived[99] <= 190 && arrived[99] > 110, "{arrived:?}");
    let queued = sent(&mut with(LinkEffects { bytes_per_s: Some(10_000), ..LinkEffects::default() }), [0, 0, 0]);
    assert_eq!(queued, [[101], [201], [301]]);
}

#[test]
fn shares_are_kept() {
    let most =
        LinkEffects { drop_ppm: 250_000, duplicate_ppm: 500_000, reorder_ppm: 500_000, ..LinkEffects::default() };
    let arrived = sent(&mut with(most), (0..1_000).map(|_| 0));
    let count = |copies: usize| arrived.iter().filter(|arrivals| arrivals.len() == copies).count();
    assert!((200..300).contains(&count(0)) && (325..425).contains(&count(2)), "{} {}", count(0), count(2));
    let late = arrived.iter().flatten().filter(|at| **at > 1).count();
    assert!(late > 400, "{late} were overtaken");
}

#[test]
fn a_partition_takes_the_place_of_the_one_before() {
    let mut overlay = Overlay::default();
    overlay.partition(BTreeSet::from([(0, 1), (1, 0)]), None);
    overlay.partition(BTreeSet::from([(0, 2), (2, 0)]), None);
    assert!(!overlay.is_closed(0, 0, 1) && overlay.is_closed(0, 0, 2));
    overlay.clear();
    assert_eq!(sent(&mut overlay, [5]), [[6]]);
}
