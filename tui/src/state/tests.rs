use super::*;

fn model() -> Model {
    let target = |index: usize| NodeTarget { name: format!("node{index}"), rpc: String::new() };
    Model::new("default", &[target(0), target(1)], 1_000)
}

fn event(node: usize, kind: EventKind) -> FeedMessage {
    FeedMessage::Event { node, event: Box::new(Event { seq: 1, time_ms: 5_000, kind }) }
}

fn block(height: u64, id: &str, final_height: u64) -> EventKind {
    EventKind::Block {
        height,
        id: id.to_owned(),
        transactions: 4,
        bytes: 900,
        time_s: 5,
        payee: None,
        final_height,
        held: 2,
    }
}

#[test]
fn a_block_is_counted_once_and_remembers_who_has_it() {
    let mut model = model();
    model.update(event(0, block(1, "aa", 1)), 5_000);
    model.update(event(1, block(1, "aa", 1)), 5_100);
    assert_eq!(model.blocks.len(), 1);
    assert_eq!(model.blocks[0].on, BTreeSet::from([0, 1]));
    assert_eq!(model.throughput_series(1), [3], "the coinbase is no transfer");
    assert_eq!((model.final_height(), model.mempool()), (1, 2));
}

#[test]
fn a_reorg_takes_the_node_off_the_blocks_it_left() {
    let mut model = model();
    model.update(event(0, block(1, "aa", 0)), 5_000);
    model.update(event(0, block(2, "bb", 0)), 5_000);
    model.update(event(0, EventKind::Reorg { fork: 1, depth: 1, tip: "cc".to_owned() }), 5_000);
    model.update(event(0, block(2, "cc", 0)), 5_000);
    let on = |id: &str| model.blocks.iter().find(|block| block.id == id).map(|block| block.on.len());
    assert_eq!((on("aa"), on("bb"), on("cc")), (Some(1), Some(0), Some(1)));
}

#[test]
fn votes_gather_for_the_height_above_the_last_block() {
    let mut model = model();
    model.update(event(0, block(1, "aa", 1)), 5_000);
    for (vote, signer) in [("pre-prepare", 0), ("prepare", 1), ("prepare", 2), ("prepare", 2), ("commit", 1)] {
        let vote = vote.to_owned();
        let kind = EventKind::Vote { vote, signer, view: 0, height: 2, votes: 1, quorum: 3 };
        model.update(event(0, kind), 5_000);
    }
    let (height, flight) = model.nodes[0].current();
    assert_eq!((height, flight.prepares.len(), flight.commits.len()), (2, 3, 1));
}

#[test]
fn a_node_that_goes_down_says_so_once() {
    let mut model = model();
    model.update(event(0, block(1, "aa", 1)), 5_000);
    for _ in 0..3 {
        model.update(FeedMessage::Down { node: 0, reason: "gone".to_owned() }, 6_000);
    }
    assert!(!model.nodes[0].up);
    assert_eq!(model.lines.iter().filter(|line| line.tone == Tone::Bad).count(), 1);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut model = model();
    for height in 1..2_000 {
        model.update(event(0, block(height, &height.to_string(), height)), height * 1_000);
        let kind =
            EventKind::Vote { vote: "commit".to_owned(), signer: 0, view: 0, height: height * 7, votes: 1, quorum: 3 };
        model.update(event(0, kind), height * 1_000);
    }
    assert!(model.blocks.len() <= BLOCKS_MAX && model.lines.len() <= LINES_MAX);
    assert!(model.throughput.len() <= SECONDS_MAX && model.nodes[0].flights.len() <= 32);
}

#[test]
fn faults_are_told_with_their_number_and_whom_they_concern() {
    use bezant_api::fault::{FaultKind, FaultState};
    let told = |state, kind, id, from: &[&str], what: &str| {
        let from = from.iter().map(ToString::to_string).collect();
        log::describe(&EventKind::Fault { state, kind, id, from, what: what.to_owned() }).expect("faults are told")
    };
    let begun = told(FaultState::Begin, FaultKind::Link, Some(3), &["12D3KooWabcdef"], "drop 5%");
    assert_eq!(begun, ("fault 3 begins: drop 5%, hearing …abcdef".to_owned(), log::Tone::Warn));
    let over = told(FaultState::End, FaultKind::Link, Some(3), &["12D3KooWabcdef", "12D3KooWfedcba"], "drop 5%");
    assert_eq!(over, ("fault 3 is over: drop 5%, hearing 2 peers".to_owned(), log::Tone::Plain));
    assert_eq!(told(FaultState::Begin, FaultKind::Process, None, &[], "paused").0, "fault begins: paused");
    assert_eq!(
        told(FaultState::End, FaultKind::Byzantine, None, &[], "byzantine: silent").0,
        "fault is over: byzantine: silent"
    );
    assert_eq!(told(FaultState::Once, FaultKind::Clock, None, &[], "clock moved").0, "fault: clock moved");
}
