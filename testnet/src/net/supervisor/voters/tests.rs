use super::*;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::units::Epoch;

fn set(n: u8) -> ValidatorSet {
    let members = (0..n).map(|member| SigningKey::from_seed(&[member + 1; 32]).public()).collect();
    ValidatorSet { network: NetworkId([0; 32]), epoch: Epoch(0), members }
}

/// Member i is node i.
fn seats(stands: &[Stand]) -> Vec<Seat> {
    stands.iter().enumerate().map(|(node, stand)| Seat { node, stand: *stand }).collect()
}

fn said(action: ValidatorAction, node: usize, stands: &[Stand], joins: bool) -> Option<String> {
    let n = u8::try_from(stands.len()).expect("few");
    let after = match action {
        ValidatorAction::Add => n + 1,
        ValidatorAction::Remove => n - 1,
        ValidatorAction::Rekey => n,
    };
    let seats = seats(stands);
    let lack = lack(action, node, &seats, &set(n), &set(after), joins)?;
    Some(format!("{lack}; {}", next_step(node, action, &seats, joins, "default")))
}

#[test]
fn a_change_that_would_leave_no_quorum_is_refused_with_the_next_step() {
    use Stand::{Down, NotYet, Paused, Votes};
    use ValidatorAction::{Add, Rekey, Remove};
    for (action, node, stands, joins, expected) in [
        (Rekey, 0, &[Votes, Votes, Votes, Votes][..], true, None),
        (
            Rekey,
            0,
            &[Votes, Votes, Votes, Down],
            true,
            Some(
                "while node0 changes its key it does not vote, and without it 2 of 4 validators vote where 3 are needed; start node3 first: `bezant testnet start 3`",
            ),
        ),
        (Rekey, 3, &[Votes, Votes, Votes, Down], false, None),
        (
            Rekey,
            0,
            &[Votes],
            true,
            Some(
                "while node0 changes its key it does not vote, and without it 0 of 1 validator vote where 1 is needed; so few cannot spare one; add a validator first: `bezant testnet validator add NODE`",
            ),
        ),
        (
            Remove,
            0,
            &[Votes, Votes, Paused],
            true,
            Some(
                "without node0 1 of 2 validators would vote where 2 are needed; resume node2 first: `bezant testnet resume 2`",
            ),
        ),
        (Remove, 3, &[Votes, Votes, Votes, Down], false, None),
        (
            Remove,
            3,
            &[Votes, Votes, NotYet, Down],
            false,
            Some(
                "2 of 4 validators vote where 3 are needed; wait until all vote, as `bezant testnet status` shows them",
            ),
        ),
        (Add, 4, &[Votes, Votes, Votes, Down], true, None),
        (
            Add,
            4,
            &[Votes, Votes, Votes, Down],
            false,
            Some(
                "with node4 3 of 5 validators would vote where 4 are needed; start node4 first: `bezant testnet start 4`",
            ),
        ),
    ] {
        assert_eq!(said(action, node, stands, joins).as_deref(), expected, "{action:?} node{node}");
    }
}

#[test]
fn a_net_that_is_not_the_default_is_named() {
    let seats = seats(&[Stand::Votes, Stand::Down]);
    let next = next_step(0, ValidatorAction::Rekey, &seats, true, "other");
    assert_eq!(next, "start node1 first: `bezant testnet start 1 --net other`");
}
