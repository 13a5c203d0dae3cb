use super::*;

/// Up, at this height, in this epoch.
fn line(index: usize, height: u64, epoch: Option<u64>) -> NodeLine {
    NodeLine {
        faults: Some(0),
        clock_offset_ms: 0,
        paused: false,
        restarts: 0,
        index,
        up: true,
        height: Some(height),
        final_height: Some(height - 1),
        tip: Some(format!("tip{height}")),
        view: epoch.map(|_| 0),
        epoch,
        votes: epoch.map(|_| true),
        work: None,
        peers: Some(1),
        mempool: Some(0),
        byzantine: None,
    }
}

fn down(index: usize) -> NodeLine {
    NodeLine { up: false, height: None, final_height: None, tip: None, epoch: None, ..line(index, 1, None) }
}

#[test]
fn a_goal_is_met_when_all_that_are_up_meet_it() {
    let status = NetStatus { nodes: vec![line(0, 7, Some(1)), line(1, 8, Some(2)), down(2)] };
    let met = [Goal::Height(7), Goal::Final(6), Goal::Epoch(1)];
    let missed = [Goal::Height(8), Goal::Final(7), Goal::Epoch(2), Goal::Synced];
    assert!(met.iter().all(|goal| goal.is_met(&status)));
    assert!(missed.iter().all(|goal| !goal.is_met(&status)));
    let later = NetStatus { nodes: vec![NodeLine { view: Some(1), ..line(0, 7, Some(0)) }, down(1)] };
    assert!(Goal::View(1).is_met(&later) && !Goal::View(2).is_met(&later) && !Goal::View(1).is_met(&status));
    let same = NetStatus { nodes: vec![line(0, 7, None), down(1), line(2, 7, None)] };
    assert!(Goal::Synced.is_met(&same) && !Goal::Epoch(0).is_met(&same), "proof of work has no epochs");
    let none = NetStatus { nodes: vec![down(0)] };
    assert!(!Goal::Synced.is_met(&none) && !Goal::Epoch(0).is_met(&none) && !Goal::Height(0).is_met(&none));
}

#[test]
fn what_is_missing_is_said_by_node() {
    let status = NetStatus { nodes: vec![line(0, 7, Some(1)), down(1)] };
    let text = |goal| missing(goal, &status, Duration::from_secs(3));
    assert_eq!(text(Goal::Epoch(2)), "epoch 2 was not reached within 3 s: node0 in epoch 1 at height 7; node1 down");
    assert_eq!(
        text(Goal::Final(9)),
        "final height 9 was not reached within 3 s: node0 at height 7, final 6; node1 down"
    );
}
