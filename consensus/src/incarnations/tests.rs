use super::{Incarnations, SetBack, SetBackError};
use crate::ledger::units::{Height, Incarnation};
use crate::limits::SET_BACKS_MAX;

fn list(pairs: &[(u32, u64)]) -> Vec<SetBack> {
    let one = |(incarnation, height): &(u32, u64)| SetBack {
        incarnation: Incarnation(*incarnation),
        height: Height(*height),
    };
    pairs.iter().map(one).collect()
}

#[test]
fn each_height_was_decided_by_one_incarnation() {
    let incarnations = Incarnations::new(list(&[(1, 5), (4, 9)])).expect("a good list");
    assert_eq!(incarnations.present(), Incarnation(4));
    for (height, wanted) in [(0, 0), (5, 0), (6, 1), (9, 1), (10, 4), (u64::MAX, 4)] {
        assert_eq!(incarnations.of(Height(height)), Incarnation(wanted), "height {height}");
    }
    assert_eq!(Incarnations::default().of(Height(7)), Incarnation(0));
    for (incarnation, height, stands) in [
        (0, 5, true),
        (0, 6, false),
        (1, 5, true),
        (1, 9, true),
        (1, 10, false),
        (2, 3, false),
        (4, 3, true),
        (4, 10, true),
    ] {
        assert_eq!(incarnations.stands(Incarnation(incarnation), Height(height)), stands, "{incarnation} at {height}");
    }
}

#[test]
fn a_setting_back_undoes_what_was_above() {
    let before = Incarnations::new(list(&[(1, 5), (2, 9)])).expect("a good list");
    let to =
        |height| before.set_back(Incarnation(3), Height(height)).expect("a later incarnation").set_backs().to_vec();
    assert_eq!(to(10), list(&[(1, 5), (2, 9), (3, 10)]));
    assert_eq!(to(9), list(&[(1, 5), (3, 9)]));
    assert_eq!(to(5), list(&[(3, 5)]));
    assert_eq!(to(0), list(&[(3, 0)]));
    assert_eq!(before.set_back(Incarnation(1), Height(20)), Err(SetBackError::Order));
}

#[test]
fn lists_that_nobody_can_have_made_are_refused() {
    for bad in [&[(0, 5)][..], &[(1, 5), (1, 6)], &[(2, 5), (1, 6)], &[(1, 5), (2, 5)], &[(1, 5), (2, 4)]] {
        assert_eq!(Incarnations::new(list(bad)), Err(SetBackError::Order), "{bad:?}");
    }
    let many: Vec<(u32, u64)> = (1..=SET_BACKS_MAX as u32 + 1).map(|it| (it, u64::from(it))).collect();
    assert_eq!(Incarnations::new(list(&many)), Err(SetBackError::TooMany));
    assert!(Incarnations::new(list(&many[1..])).is_ok());
}
