use super::limits::*;
use super::*;
use crate::testing::{PBFT, POW, history, trace};
use bezant_api::event::Event;
use bezant_api::fault::{FaultKind, FaultState};
use bezant_api::trace::Back;
use std::collections::BTreeSet;

fn model(nodes: usize) -> Model {
    Model::new("default", (0..nodes).map(|index| format!("node{index}")), None)
}

fn entry(at_ms: u64, node: usize, kind: EventKind) -> Entry {
    Entry { at_ms, node, fact: Fact::Event(Box::new(Event { seq: 1, time_ms: 5_000, kind })) }
}

fn tell(model: &mut Model, at_ms: u64, node: usize, kind: EventKind) {
    model.update(&entry(at_ms, node, kind));
}

fn block(height: u64, id: &str, final_height: u64, txids: &[&str]) -> EventKind {
    EventKind::Block {
        height,
        id: id.to_owned(),
        transactions: 4,
        bytes: 900,
        time_s: 5,
        payee: None,
        final_height,
        held: 2,
        parent: String::new(),
        bits: 0,
        txids: txids.iter().map(ToString::to_string).collect(),
    }
}

fn vote(vote: &str, signer: u16, height: u64) -> EventKind {
    EventKind::Vote { vote: vote.to_owned(), signer, view: 0, height, votes: 1, quorum: 3 }
}

fn header(height: u64, id: &str, parent: &str, work: &str) -> EventKind {
    let [id, parent, work] = [id, parent, work].map(str::to_owned);
    EventKind::Header { height, id, work, parent, bits: 0x1f00_ffff, time_s: 1 }
}

fn pow_block(height: u64, id: &str, parent: &str) -> EventKind {
    let mut kind = block(height, id, 0, &[]);
    if let EventKind::Block { bits, parent: below, payee, .. } = &mut kind {
        (*bits, *below, *payee) = (0x1f00_ffff, parent.to_owned(), Some(format!("payee of {id}")));
    }
    kind
}

/// Nodes 0, 1, … of four members, each connected with these; told at once.
fn linked(links: &[&[usize]]) -> Model {
    let (header, entries) = trace(PBFT);
    let names = header.nodes.iter().map(|node| node.name.clone());
    let mut model = Model::new("default", names, Some(header.engine));
    let is_snapshot =
        |entry: &&Entry| matches!(&entry.fact, Fact::Event(event) if matches!(event.kind, EventKind::Snapshot { .. }));
    let mut at_ms = 0;
    for node in 0..links.len() {
        let entry = entries.iter().filter(is_snapshot).find(|entry| entry.node == node).expect("each tells one");
        model.update(entry);
        at_ms = at_ms.max(entry.at_ms);
    }
    let ids: Vec<String> = model.nodes.iter().map(|node| node.status.as_ref().expect("told").peer_id.clone()).collect();
    for (node, peers) in links.iter().enumerate() {
        let met = |peer: &usize| EventKind::Peer { peer_id: ids[*peer].clone(), connected: true, peers: peers.len() };
        model.update(&Entry { at_ms, node, fact: Fact::Peers(Vec::new()) });
        peers.iter().for_each(|peer| tell(&mut model, at_ms, node, met(peer)));
    }
    model
}

#[test]
fn a_cut_says_which_side_goes_on_and_why() {
    let whole: &[&[usize]] = &[&[1], &[0, 2], &[1, 3], &[2]];
    let mut model = linked(whole);
    model.now_ms += 5_000;
    assert_eq!(cut(&model), None, "who is reached by way of another is no side of its own");
    let mut model = linked(&[&[1], &[0], &[3], &[2]]);
    assert_eq!(cut(&model), None, "nodes that start meet one after another");
    model.now_ms += 5_000;
    let (text, tone) = cut(&model).expect("two sides");
    assert_eq!(tone, Tone::Bad);
    assert!(text.starts_with("The net is cut: node0 node1 | node2 node3. No side has 3 of the 4 members"), "{text}");
    let mut model = linked(&[&[2, 3], &[], &[0], &[0]]);
    model.now_ms += 5_000;
    let (text, tone) = cut(&model).expect("two sides");
    assert_eq!(tone, Tone::Warn);
    assert!(text.contains("node0 node2 node3 can go on, 3 of 4 members, since 3 are a quorum; not node1"), "{text}");
    // One that is down is no side: that it is down is told elsewhere.
    model.update(&Entry { at_ms: model.now_ms, node: 1, fact: Fact::Lost("gone".to_owned()) });
    assert_eq!(cut(&model), None);
    let settled = |links: &[&[usize]]| {
        let mut model = linked(links);
        model.now_ms += 5_000;
        model
    };
    // The side that goes on is named first, wherever it stands among the nodes.
    let (text, _) = cut(&settled(&[&[], &[2, 3], &[1], &[1]])).expect("two sides");
    assert!(text.contains("node1 node2 node3 can go on, 3 of 4 members, since 3 are a quorum; not node0"), "{text}");
    // Who hears and is not heard is not connected, nor who is heard and does not hear.
    let (hears, is_heard): (&[&[usize]], &[&[usize]]) =
        (&[&[1, 2, 3], &[2, 3], &[1, 3], &[1, 2]], &[&[], &[0, 2, 3], &[0, 1, 3], &[0, 1, 2]]);
    for links in [hears, is_heard] {
        let (text, _) = cut(&settled(links)).expect("two sides");
        assert!(text.contains("not node0"), "{text}");
    }
    // One that is down does not hide that the others are apart; one that has not told yet does.
    let mut model = settled(&[&[1], &[0], &[], &[]]);
    model.update(&Entry { at_ms: model.now_ms, node: 3, fact: Fact::Lost("gone".to_owned()) });
    let (text, _) = cut(&model).expect("two sides");
    assert!(text.starts_with("The net is cut: node0 node1 | node2. No side has"), "{text}");
    model.nodes[1].links = None;
    assert_eq!(cut(&model), None);
    let mut model = settled(&[&[1], &[0], &[3], &[2]]);
    model.engine = Some(EngineName::Pow);
    model.nodes.iter_mut().enumerate().for_each(|(index, node)| node.height = index as u64);
    let (text, _) = cut(&model).expect("two sides");
    assert!(text.starts_with("The net is cut: node2 node3 (height 3) | node0 node1 (height 1)."), "{text}");
    assert!(text.contains("Each side mines on"), "{text}");
}

#[test]
fn who_leads_is_what_most_members_say() {
    let mut model = linked(&[&[], &[], &[], &[]]);
    let (leader, view) = model.leader().expect("a view has begun");
    assert_eq!((leader.as_str(), view), ("node0", 0));
    for node in 0..3 {
        let reason = "new view".to_owned();
        tell(&mut model, 1, node, EventKind::View { view: 5, primary: 1, reason });
    }
    assert_eq!(model.leader(), Some(("node1".to_owned(), 5)));
}

#[test]
fn sentences_name_nodes_and_cut_ids() {
    let mut model = linked(&[&[], &[], &[], &[]]);
    let peer_id = model.nodes[2].status.as_ref().expect("told").peer_id.clone();
    let fault = format!("invalid pre-prepare: merkle root is {}, not {}", "ab".repeat(32), "cd".repeat(32));
    tell(&mut model, 1, 0, EventKind::Blame { peer_id: peer_id.clone(), fault, banned: false });
    let line = |model: &Model| model.lines.back().expect("a line").text.clone();
    assert_eq!(line(&model), "blames node2: invalid pre-prepare: merkle root is ababababab…, not cdcdcdcdcd…");
    tell(&mut model, 1, 0, EventKind::HandedOver { by: 3, count: 1 });
    assert_eq!(line(&model), "was handed 1 transaction by node3");
    tell(&mut model, 1, 0, EventKind::View { view: 1, primary: 1, reason: "new view".to_owned() });
    assert_eq!(line(&model), "entered view 1 with primary node1 (new view)");
    let fault = EventKind::Fault {
        state: FaultState::Begin,
        kind: FaultKind::Link,
        id: Some(1),
        from: vec![peer_id],
        what: "cut".to_owned(),
    };
    tell(&mut model, 1, 0, fault);
    assert_eq!(line(&model), "fault 1 begins: cut (from node2)");
    assert_eq!(
        model.timeline.acting_on(0).map(|what| model.with_names(what.clone())).next().as_deref(),
        Some("cut (from node2)")
    );
}

#[test]
fn a_block_is_counted_once_and_remembers_who_has_it() {
    let mut model = model(2);
    tell(&mut model, 5_000, 0, block(1, "aa", 1, &[]));
    tell(&mut model, 5_100, 1, block(1, "aa", 1, &[]));
    assert_eq!(model.blocks.len(), 1);
    assert_eq!(model.blocks[0].on.keys().copied().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(model.throughput_series(1), [3], "the coinbase is no transfer");
    assert_eq!((model.final_height(), model.mempool()), (1, 2));
}

#[test]
fn a_reorg_takes_the_node_off_the_blocks_it_left() {
    let mut model = model(2);
    for (id, height) in [("aa", 1), ("bb", 2)] {
        tell(&mut model, 5_000, 0, block(height, id, 0, &[]));
    }
    tell(&mut model, 5_000, 0, EventKind::Reorg { fork: 1, depth: 1, tip: "cc".to_owned() });
    tell(&mut model, 5_000, 0, block(2, "cc", 0, &[]));
    let on = |id: &str| model.blocks.iter().find(|block| block.id == id).map(|block| block.on.len());
    assert_eq!((on("aa"), on("bb"), on("cc")), (Some(1), Some(0), Some(1)));
}

#[test]
fn votes_are_kept_with_their_times_and_slow_ones_are_known() {
    let mut model = model(1);
    tell(&mut model, 1_000, 0, block(1, "aa", 1, &[]));
    for (at_ms, kind, signer) in
        [(1_010, "pre-prepare", 0), (1_020, "prepare", 1), (1_022, "prepare", 2), (1_400, "prepare", 3)]
    {
        tell(&mut model, at_ms, 0, vote(kind, signer, 2));
        tell(&mut model, at_ms + 500, 0, vote(kind, signer, 2));
    }
    let round = model.nodes[0].consensus.current().expect("a round");
    assert_eq!((round.height, round.prepares(), round.commits()), (2, 4, 0));
    assert_eq!(round.after_ms(Kind::Prepare, 1), Some(10), "the first time counts");
    assert!(round.is_slow(Kind::Prepare, 3) && !round.is_slow(Kind::Prepare, 2));
}

#[test]
fn the_tree_follows_work_and_not_height_and_counts_what_was_in_vain() {
    let mut model = model(2);
    for (height, id, parent, work) in
        [(1, "a1", "g", "10"), (2, "a2", "a1", "1f"), (2, "b2", "a1", "20"), (3, "a3", "a2", "2f")]
    {
        tell(&mut model, 1_000, 0, header(height, id, parent, work));
    }
    tell(&mut model, 1_000, 0, header(3, "b3", "b2", "100"));
    assert_eq!(model.pow.best().map(String::as_str), Some("b3"), "0x100 is more than 0x2f");
    let chain: Vec<&str> = model.pow.main_chain().into_iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(chain, ["b3", "b2", "a1"]);
    assert_eq!(model.pow.stale(), (2, 5));
    tell(&mut model, 1_000, 1, EventKind::Mined { height: 2, id: "b2".to_owned() });
    tell(&mut model, 1_000, 0, pow_block(2, "b2", "a1"));
    assert_eq!(model.pow.miner(&model.pow.headers["b2"]), Some(1));
}

#[test]
fn broken_finality_is_part_of_the_reorg_that_broke_it() {
    let mut model = model(1);
    tell(&mut model, 1_000, 0, EventKind::FinalityBroken { before: 9, fork: 3 });
    tell(&mut model, 1_000, 0, EventKind::Reorg { fork: 3, depth: 8, tip: "cc".to_owned() });
    tell(&mut model, 2_000, 0, EventKind::Reorg { fork: 10, depth: 1, tip: "dd".to_owned() });
    let rows: Vec<(u64, bool)> = model.pow.reorgs.iter().map(|row| (row.depth, row.broke_finality)).collect();
    assert_eq!(rows, [(8, true), (1, false)]);
}

#[test]
fn a_transaction_is_followed_through_pool_block_reorg_and_finality() {
    let mut model = model(2);
    let pooled = || EventKind::Pooled { txid: "t".to_owned(), fee: "5".to_owned(), held: 1 };
    tell(&mut model, 1_000, 0, pooled());
    tell(&mut model, 1_010, 1, pooled());
    tell(&mut model, 1_500, 0, block(7, "aa", 0, &["t"]));
    assert_eq!(model.transactions.lives["t"].places, [Place::Block { height: 7 }, Place::Pool]);
    tell(&mut model, 1_600, 0, EventKind::Reorg { fork: 6, depth: 1, tip: "x".to_owned() });
    assert_eq!(model.transactions.lives["t"].places[0], Place::Pool, "its block has left");
    tell(&mut model, 1_700, 0, block(7, "bb", 0, &["t"]));
    tell(&mut model, 2_000, 0, block(8, "cc", 7, &[]));
    let life = &model.transactions.lives["t"];
    assert_eq!(life.places[0], Place::Final { height: 7 });
    assert_eq!(life.after_ms(0, |place| matches!(place, Place::Final { .. })), Some(1_000));
    assert_eq!(model.transactions.medians_ms(), (Some(500), Some(1_000)));
    assert_eq!(model.time_to_depth_ms(2), Some(1_000), "it waited for its block, too");
}

#[test]
fn the_one_that_is_followed_outlives_all_others() {
    let mut model = model(1);
    let pool = |model: &mut Model, txid: String| {
        tell(model, 1_000, 0, EventKind::Pooled { txid, fee: "5".to_owned(), held: 1 });
    };
    pool(&mut model, "mine".to_owned());
    model.transactions.follow(Some("mine".to_owned()));
    (0..3 * TRANSACTIONS_MAX).for_each(|number| pool(&mut model, format!("{number}")));
    assert!(model.transactions.lives.contains_key("mine"));
    assert_eq!((model.transactions.lives.len(), model.transactions.order.len()), (TRANSACTIONS_MAX, TRANSACTIONS_MAX));
}

#[test]
fn a_node_that_goes_and_comes_says_so_once() {
    let mut model = model(1);
    let fact = |at_ms: u64, fact: Fact| Entry { at_ms, node: 0, fact };
    model.update(&fact(1_000, Fact::Back(Back {})));
    assert!(model.lines.is_empty(), "the first connection is no news");
    (0..3).for_each(|_| model.update(&fact(2_000, Fact::Lost("gone".to_owned()))));
    assert_eq!((model.lines.len(), model.nodes[0].up), (1, false));
    model.update(&fact(3_000, Fact::Back(Back {})));
    assert_eq!((model.lines.len(), model.nodes[0].up), (2, true));
}

#[test]
fn a_gap_stays_a_gap() {
    let mut model = model(1);
    tell(&mut model, 1_000, 0, vote("prepare", 1, 2));
    tell(&mut model, 2_000, 0, EventKind::Gap { from: 10, to: 90 });
    let gap = model.nodes[0].gaps.back().expect("a gap");
    assert_eq!((gap.from, gap.to), (10, 90));
    assert!(model.nodes[0].consensus.current().expect("a round").partial, "its times are not to be trusted");
    assert!(model.lines.iter().any(|line| line.text.contains("10 to 90 were missed")));
}

#[test]
fn a_gap_takes_nothing_from_rounds_that_are_over() {
    let mut model = model(1);
    let phase = |height: u64, phase: &str| EventKind::Phase {
        phase: phase.to_owned(),
        view: 0,
        height,
        block: "aa".to_owned(),
    };
    tell(&mut model, 1_000, 0, vote("pre-prepare", 0, 1));
    tell(&mut model, 1_010, 0, block(1, "aa", 1, &[]));
    tell(&mut model, 1_020, 0, phase(2, "committed"));
    tell(&mut model, 1_030, 0, phase(3, "prepared"));
    tell(&mut model, 2_000, 0, EventKind::Gap { from: 10, to: 90 });
    tell(&mut model, 3_000, 0, vote("pre-prepare", 0, 4));
    let partial: Vec<(u64, bool)> =
        model.nodes[0].consensus.rounds.values().map(|round| (round.height, round.partial)).collect();
    assert_eq!(partial, [(1, false), (2, false), (3, true), (4, false)], "of those it is known when they ended");
}

#[test]
fn what_several_nodes_tell_at_once_is_one_moment() {
    let mut model = model(3);
    let leave =
        || EventKind::Leave { from: 0, to: 1, primary: 1, reason: "no progress".to_owned(), detail: String::new() };
    (0..3).for_each(|node| tell(&mut model, 1_000 + node as u64, node, leave()));
    tell(&mut model, 60_000, 0, leave());
    let nodes: Vec<&BTreeSet<usize>> = model.timeline.moments.iter().map(|moment| &moment.nodes).collect();
    assert_eq!(nodes, [&BTreeSet::from([0, 1, 2]), &BTreeSet::from([0])]);
}

#[test]
fn why_it_is_stuck_names_whose_votes_are_missing_and_when_the_timer_ends() {
    let mut history = history(PBFT);
    let (text, tone) = why(history.model(), 2);
    assert!(text.contains("1 of 3 members want it. Not yet: node0, node1, node3 (paused)."), "{text}");
    assert_eq!(tone, Tone::Warn);
    // The liar is found out: its proposal is refused, and everybody's patience runs.
    let is_leave =
        |entry: &Entry| matches!(&entry.fact, Fact::Event(event) if matches!(event.kind, EventKind::Leave { .. }));
    assert!(history.find_first(is_leave));
    history.step(false);
    let (text, _) = why(history.model(), 1);
    assert!(text.contains("the primary node0 has to propose a block"), "{text}");
    assert!(text.contains("s more, then asks for another primary") || text.contains("patience is over"), "{text}");
    // A vote is missing.
    let mut model = history.model().clone();
    for (kind, signer) in [("pre-prepare", 0), ("prepare", 2)] {
        tell(&mut model, 9_000, 1, vote(kind, signer, 3));
    }
    let (text, _) = why(&model, 1);
    assert!(text.contains("Height 3 has 2 of 3 prepares. Missing: node1, node3."), "{text}");
    // Two of four are down: no patience helps.
    for node in [0, 3] {
        model.update(&Entry { at_ms: 9_000, node, fact: Fact::Lost("gone".to_owned()) });
    }
    let (text, tone) = why(&model, 1);
    assert!(text.contains("2 of 4 members do not answer; 3 votes are needed"), "{text}");
    assert_eq!(tone, Tone::Bad);
    let (text, _) = why(self::history(POW).model(), 0);
    assert!(text.contains("Nothing is stuck") || text.contains("No block for"), "{text}");
}

#[test]
fn whose_vote_is_missing_since_he_is_down_or_paused_is_said_so() {
    let mut model = linked(&[&[], &[], &[], &[]]);
    model.nodes.iter_mut().for_each(|node| node.height = 4);
    tell(&mut model, 9_000, 0, vote("pre-prepare", 0, 5));
    let missing = |model: &Model| why(model, 0).0;
    assert!(missing(&model).contains("Missing: node1, node2, node3."), "{}", missing(&model));
    model.update(&Entry { at_ms: 9_000, node: 2, fact: Fact::Lost("gone".to_owned()) });
    assert!(missing(&model).contains("Missing: node1, node2 (down), node3."), "{}", missing(&model));
    let (from, what) = (Vec::new(), "paused".to_owned());
    let (state, kind, id) = (FaultState::Begin, FaultKind::Process, None);
    tell(&mut model, 9_000, 3, EventKind::Fault { state, kind, id, from, what });
    assert!(missing(&model).contains("Missing: node1, node2 (down), node3 (paused)."), "{}", missing(&model));
}

/// What the first node of a recording waits for, after a change of what is known of it.
fn why_after(recording: &str, change: impl Fn(&mut Model)) -> (String, Tone) {
    let mut model = history(recording).model().clone();
    change(&mut model);
    why(&model, 0)
}

fn status(model: &mut Model) -> &mut bezant_api::types::NodeStatus {
    model.nodes[0].status.as_mut().expect("it answered")
}

fn pbft(model: &mut Model) -> &mut bezant_api::types::PbftView {
    seat(model, 0)
}

fn seat(model: &mut Model, node: usize) -> &mut bezant_api::types::PbftView {
    let status = model.nodes[node].status.as_mut().expect("it answered");
    status.pbft.as_mut().expect("a net of PBFT")
}

#[test]
fn every_reason_to_be_stuck_under_pbft_has_its_sentence() {
    let says = |text: &str, tone: Tone, change: fn(&mut Model)| {
        let (said, its_tone) = why_after(PBFT, |model| {
            for node in &mut model.nodes {
                node.up = true;
            }
            model.nodes[0].consensus.active = true;
            model.nodes[0].consensus.view = 0;
            (model.nodes[0].height, model.nodes[0].mempool) = (50, 0);
            status(model).height = 50;
            (pbft(model).view, pbft(model).is_active, pbft(model).deadline_ms) = (0, true, None);
            change(model);
        });
        assert!(said.contains(text), "{text}: {said}");
        assert_eq!(its_tone, tone, "{said}");
    };
    says("does not answer, so nothing is known", Tone::Bad, |model| model.nodes[0].up = false);
    says("waiting for the first answer", Tone::Plain, |model| model.nodes[0].status = None);
    says("Nothing waits", Tone::Good, |_| {});
    says("7 transactions wait; the primary", Tone::Plain, |model| {
        model.nodes[0].mempool = 7;
        pbft(model).deadline_ms = None;
    });
    says("s more, then asks for another primary", Tone::Warn, |model| {
        model.nodes[0].mempool = 7;
        let offset = status(model).clock_offset_ms;
        pbft(model).deadline_ms = Some((model.now_ms + 900).saturating_add_signed(offset));
    });
    says("Its patience is over", Tone::Warn, |model| {
        model.nodes[0].mempool = 7;
        // The deadline is on the net's clock.
        status(model).clock_offset_ms = 5_000;
        pbft(model).deadline_ms = Some(model.now_ms + 4_999);
    });
    says("Nothing waits", Tone::Good, |model| {
        (model.nodes[2].up, model.nodes[3].up) = (false, false);
        // One that only follows is no vote less.
        let observer = model.nodes[3].status.as_mut().and_then(|status| status.pbft.as_mut());
        observer.expect("a net of PBFT").me = None;
    });
    says("3 members want view 9; its primary", Tone::Warn, |model| {
        let consensus = &mut model.nodes[0].consensus;
        (consensus.active, consensus.view) = (false, 9);
        consensus.wanted.insert(9, (0..3).map(|member| (member, 1)).collect());
    });
    says("has left its view for view 9; 2 of 3 members want it. Not yet: node1, node3", Tone::Warn, |model| {
        let consensus = &mut model.nodes[0].consensus;
        (consensus.active, consensus.view) = (false, 9);
        consensus.wanted.insert(9, [(2, 1)].into());
        model.nodes[0].mempool = 1;
    });
    says("A block is due; the primary", Tone::Warn, |model| {
        pbft(model).deadline_ms = Some(u64::MAX / 4);
    });
    let earlier: [fn(&mut Model); 3] = [
        |model| status(model).height = 49,
        |model| model.nodes[0].consensus.view = 1,
        |model| pbft(model).is_active = false,
    ];
    for change in earlier {
        let (said, tone) = why_after(PBFT, |model| {
            model.nodes.iter_mut().for_each(|node| node.up = true);
            (model.nodes[0].height, model.nodes[0].mempool, status(model).height) = (50, 0, 50);
            (model.nodes[0].consensus.view, model.nodes[0].consensus.active) = (0, true);
            (pbft(model).view, pbft(model).is_active, pbft(model).deadline_ms) = (0, true, Some(u64::MAX / 4));
            change(model);
        });
        assert!(said.contains("Nothing waits"), "a deadline is that of its view and height: {said}");
        assert_eq!(tone, Tone::Good);
    }
    says("Nothing waits", Tone::Good, |model| {
        // Another node showed it that block already.
        model.nodes[0].height = 60;
        tell(model, 9_000, 0, vote("pre-prepare", 0, 60));
    });
    let voted = |model: &mut Model, kind: &str, signers: &[u16]| {
        signers.iter().for_each(|signer| tell(model, 9_000, 0, vote(kind, *signer, 60)));
    };
    says("Height 60 has 2 of 3 prepares. Missing: node1, node3", Tone::Warn, |model| {
        tell(model, 9_000, 0, vote("pre-prepare", 0, 60));
        tell(model, 9_000, 0, vote("prepare", 2, 60));
    });
    let (said, tone) = why_after(PBFT, |model| {
        model.nodes.iter_mut().for_each(|node| node.up = true);
        (model.nodes[0].consensus.active, model.nodes[0].consensus.view, model.nodes[0].height) = (true, 0, 50);
        voted(model, "pre-prepare", &[0]);
        voted(model, "prepare", &[1, 2]);
        voted(model, "commit", &[0, 2]);
    });
    assert!(said.contains("Height 60 is prepared and has 2 of 3 commits. Missing: node1, node3"), "{said}");
    assert_eq!(tone, Tone::Warn);
}

/// The only node that is seen, of a net of so many members, just told that it is at height 0 of view 0.
fn alone(members: usize) -> Model {
    let mut model = linked(&[&[], &[], &[], &[]]);
    model.nodes.truncate(1);
    (model.nodes[0].height, model.nodes[0].mempool, status(&mut model).height) = (0, 0, 0);
    model.nodes[0].consensus = node::Node::new(String::new()).consensus;
    let pbft = pbft(&mut model);
    (pbft.n, pbft.quorum, pbft.deadline_ms) = (members, members - members.saturating_sub(1) / 3, None);
    let (pbft, at_ms) = (pbft.clone(), model.now_ms);
    model.nodes[0].consensus.snapshot(&pbft, at_ms);
    model
}

#[test]
fn a_lone_node_in_a_view_above_0_is_not_said_to_be_stuck_when_it_is_not() {
    // As events come, one after another.
    let left = |reason: &str| {
        let (reason, detail) = (reason.to_owned(), String::new());
        EventKind::Leave { from: 0, to: 1, primary: 0, reason, detail }
    };
    let entered = || EventKind::View { view: 1, primary: 0, reason: "new view".to_owned() };
    let of_one = |steps: &[EventKind], change: fn(&mut Model)| {
        let mut model = alone(1);
        steps.iter().for_each(|step| tell(&mut model, 9_000, 0, step.clone()));
        change(&mut model);
        why(&model, 0)
    };
    let is = |said: (String, Tone), text: &str, tone: Tone| assert_eq!(said, (text.to_owned(), tone));
    let idle = "Nothing waits: an idle PBFT net stands still until somebody sends something.";
    is(of_one(&[], |_| {}), idle, Tone::Good);
    let begins = "1 member wants view 1; its primary node0 has to begin it.";
    is(of_one(&[left("no progress")], |_| {}), begins, Tone::Warn);
    is(of_one(&[left("no progress"), entered()], |_| {}), idle, Tone::Good);
    // What was proposed in a view before is no more.
    let proposed = || vote("pre-prepare", 0, 1);
    is(of_one(&[proposed()], |_| {}), "Height 1 is prepared and has 0 of 1 commits. Missing: node0.", Tone::Warn);
    is(of_one(&[proposed(), left("no progress"), entered()], |_| {}), idle, Tone::Good);
    let phase = |phase: &str| EventKind::Phase { phase: phase.to_owned(), view: 0, height: 1, block: "aa".to_owned() };
    is(
        of_one(&[proposed(), phase("prepared"), left("no progress"), entered()], |_| {}),
        "Height 1 was prepared in view 0 and is not decided; the primary node0 of view 1 has to propose a block.",
        Tone::Warn,
    );
    // There is no other primary; and a deadline of the view before is over with that view.
    let waits = |model: &mut Model| {
        model.nodes[0].mempool = 2;
        let offset = status(model).clock_offset_ms;
        pbft(model).deadline_ms = Some((model.now_ms + 700).saturating_add_signed(offset));
    };
    is(
        of_one(&[], waits),
        "2 transactions wait; the primary node0 has to propose a block. It waits 0.7 s more, then begins another view.",
        Tone::Warn,
    );
    is(
        of_one(&[], |model| {
            model.nodes[0].mempool = 2;
            pbft(model).deadline_ms = Some(0);
        }),
        "2 transactions wait; the primary node0 has to propose a block. Its patience is over: it begins another view now.",
        Tone::Warn,
    );
    is(
        of_one(&[left("no progress"), entered()], waits),
        "2 transactions wait; the primary node0 has to propose a block.",
        Tone::Plain,
    );
}

#[test]
fn a_member_that_has_left_its_view_alone_does_not_keep_the_others() {
    let left = EventKind::Leave { from: 0, to: 1, primary: 1, reason: "slow".to_owned(), detail: String::new() };
    let mut model = alone(4);
    tell(&mut model, 9_000, 0, left.clone());
    let alone = "node0 has left its view for view 1; 1 of 3 members want it. Not yet: member 1, member 2, member 3.";
    let unseen = " Nothing waits there; the others may have gone on without it.";
    assert_eq!(why(&model, 0), (format!("{alone}{unseen}"), Tone::Plain));
    model.nodes[0].mempool = 1;
    assert_eq!(why(&model, 0), (alone.to_owned(), Tone::Warn));
    // Who else wants it may have been told with the status, before the event.
    let told = pbft(&mut model);
    (told.view, told.is_active, told.changes) = (1, false, vec![0, 2, 3]);
    let begins = "3 members want view 1; its primary member 1 has to begin it.";
    assert_eq!(why(&model, 0), (begins.to_owned(), Tone::Warn));
    pbft(&mut model).view = 2;
    assert_eq!(why(&model, 0).0, alone, "that was of another view");
    // The others are seen, too.
    let others = |change: fn(&mut Model)| {
        let mut model = linked(&[&[1, 2, 3], &[0, 2, 3], &[0, 1, 3], &[0, 1, 2]]);
        tell(&mut model, 9_000, 0, left.clone());
        model.nodes.iter_mut().for_each(|node| node.mempool = 0);
        change(&mut model);
        model.now_ms += 5_000;
        let (text, tone) = why(&model, 0);
        let start = "node0 has left its view for view 1; 1 of 3 members want it. Not yet: ";
        assert!(text.starts_with(start), "{text}");
        assert_eq!(tone, if model.nodes[0].mempool == 0 { Tone::Plain } else { Tone::Warn });
        let all = " 3 members are in view 0, a quorum: they can decide without it.";
        assert_eq!(text.contains(all), text.contains("quorum"), "{text}");
        text.contains(all)
    };
    assert!(others(|_| {}));
    assert!(others(|model| model.nodes[0].mempool = 1));
    assert!(!others(|model| model.nodes[1].consensus.view = 1));
    assert!(!others(|model| model.nodes[1].consensus.active = false));
    assert!(!others(|model| model.nodes[1].up = false));
    assert!(!others(|model| seat(model, 1).is_mute = true));
    assert!(!others(|model| seat(model, 1).epoch += 1));
    assert!(!others(|model| seat(model, 1).me = None));
    assert!(!others(|model| drop(model.timeline.active.insert((1, "process", None), "paused".to_owned()))));
    assert!(!others(|model| {
        let peer_id = model.nodes[3].status.as_ref().expect("told").peer_id.clone();
        for node in 0..3 {
            tell(model, 9_000, node, EventKind::Peer { peer_id: peer_id.clone(), connected: false, peers: 2 });
        }
    }));
}

#[test]
fn every_reason_to_be_stuck_under_proof_of_work_has_its_sentence() {
    let pow = |model: &mut Model| {
        let best = model.height();
        for node in &mut model.nodes {
            (node.up, node.height) = (true, best);
            if let Some(pow) = node.status.as_mut().and_then(|status| status.pow.as_mut()) {
                (pow.refused, pow.spacing_s, pow.hashes_per_second) = (None, 2, 100);
            }
        }
        model.blocks.front_mut().expect("there are blocks").seen_ms = model.now_ms;
    };
    let says = |text: &str, tone: Tone, change: fn(&mut Model)| {
        let (said, its_tone) = why_after(POW, |model| {
            pow(model);
            change(model);
        });
        assert!(said.contains(text), "{text}: {said}");
        assert_eq!(its_tone, tone, "{said}");
    };
    says("Nothing is stuck", Tone::Good, |_| {});
    says("2 blocks behind the best chain", Tone::Warn, |model| model.nodes[0].height -= 2);
    says("Nobody mines", Tone::Warn, |model| {
        for node in &mut model.nodes {
            let pow = node.status.as_mut().and_then(|status| status.pow.as_mut());
            pow.expect("a net of proof of work").hashes_per_second = 0;
        }
    });
    says("No block for 11 s, wanted is one in 2 s", Tone::Warn, |model| model.now_ms += 11_000);
    says("Nothing is stuck", Tone::Good, |model| model.now_ms += 10_000);
    says("too deep to follow by itself", Tone::Bad, |model| {
        let branch =
            bezant_api::types::RefusedBranchView { id: "aa".to_owned(), height: 9, work: "1".to_owned(), fork: 3 };
        status(model).pow.as_mut().expect("a net of proof of work").refused = Some(branch);
    });
}

#[test]
fn the_gravest_reason_is_shown_and_not_of_who_is_down() {
    let mut model = history(PBFT).model().clone();
    for node in &mut model.nodes {
        node.up = true;
        (node.consensus.active, node.mempool, node.height) = (true, 0, 90);
    }
    assert_eq!(most_stuck(&model, 1), 1, "nobody waits");
    (model.nodes[2].consensus.active, model.nodes[2].consensus.view, model.nodes[2].mempool) = (false, 9, 1);
    assert_eq!(most_stuck(&model, 1), 2);
    model.nodes[0].up = false;
    assert_eq!(most_stuck(&model, 1), 2);
}

#[test]
fn going_back_and_forth_shows_what_was_shown() {
    for recording in [PBFT, POW] {
        let (header, entries) = trace(recording);
        let mut history = History::replay(&header, entries.clone());
        let mut model = Model::new(&header.net, header.nodes.iter().map(|node| node.name.clone()), Some(header.engine));
        let mut shown = vec![format!("{model:?}")];
        for entry in &entries {
            model.update(entry);
            shown.push(format!("{model:?}"));
        }
        history.seek(usize::MAX);
        for to in [0, 17, entries.len(), entries.len() / 2, 3, entries.len() - 1] {
            history.seek(to);
            assert_eq!(format!("{:?}", history.model()), shown[to], "after {to} entries");
        }
        history.step(false);
        assert_eq!(format!("{:?}", history.model()), shown[entries.len() - 2]);
    }
}

#[test]
fn looking_back_loses_nothing_of_the_present() {
    let (header, entries) = trace(PBFT);
    let names = || header.nodes.iter().map(|node| node.name.clone());
    let (first, second) = entries.split_at(entries.len() / 2);
    let mut history = History::live(Model::new("default", names(), None));
    first.iter().for_each(|entry| history.push(entry.clone()));
    history.pause();
    history.seek(5);
    let past = history.model().height();
    second.iter().for_each(|entry| history.push(entry.clone()));
    assert_eq!(history.model().height(), past);
    history.resume();
    let mut all = Model::new("default", names(), None);
    entries.iter().for_each(|entry| all.update(entry));
    assert_eq!(format!("{:?}", history.model()), format!("{all:?}"));
}

/// About how many bytes a model takes: what it holds, each thing at its greatest.
fn weight(model: &Model) -> usize {
    const TEXT: usize = 90;
    let round = |round: &Round| 160 + round.votes.len() * 32;
    let node = |node: &Node| {
        let consensus = &node.consensus;
        2_000
            + consensus.rounds.values().map(round).sum::<usize>()
            + consensus.wanted.values().map(|votes| votes.len() * 32).sum::<usize>()
            + node.peer_views.len() * 400
    };
    let life = |life: &Life| 4 * TEXT + life.places.len() * 32 + life.steps.len() * 48;
    model.nodes.iter().map(node).sum::<usize>()
        + model.blocks.iter().map(|block| 200 + block.on.len() * 32).sum::<usize>()
        + model.lines.len() * 3 * TEXT
        + model.pow.headers.values().map(|header| 7 * TEXT + header.on.len() * 16).sum::<usize>()
        + model.transactions.lives.values().map(life).sum::<usize>()
        + model.timeline.moments.iter().map(|moment| 2 * TEXT + moment.nodes.len() * 16).sum::<usize>()
}

/// All kinds of events that make something grow, with ever new ids, heights, views and texts.
fn flood(number: u64) -> EventKind {
    let id = format!("{number:064x}");
    match number % 9 {
        0 => {
            vote(["pre-prepare", "prepare", "commit"][number as usize / 9 % 3], (number / 9 % 13) as u16, number / 400)
        }
        1 => EventKind::Pooled { txid: id, fee: "253".to_owned(), held: 1 },
        2 => {
            let mut block = pow_block(number, &id, &format!("{:064x}", number.wrapping_sub(9)));
            if let EventKind::Block { txids, .. } = &mut block {
                *txids = (0..4).map(|back| format!("{:064x}", number.saturating_sub(1 + 9 * back))).collect();
            }
            block
        }
        3 => header(number, &id, "", "ff"),
        4 => {
            EventKind::Leave { from: number, to: number + 1, primary: 0, reason: "no progress".to_owned(), detail: id }
        }
        5 => EventKind::ViewChange { signer: (number % 4_000) as u16, view: number, votes: 1, quorum: 3 },
        6 => EventKind::Reorg { fork: number - 6, depth: 1, tip: id },
        7 => EventKind::Gap { from: number, to: number + 1 },
        _ => EventKind::Dropped { txid: id, reason: "expired".to_owned(), replaced_by: None },
    }
}

#[test]
fn a_day_of_a_thousand_events_a_second_stays_within_the_stated_memory() {
    // Each list is full long before the end of this; from then on nothing grows, however long it goes on.
    let mut model = model(13);
    let mut weights = Vec::new();
    for number in 0..60_000 {
        tell(&mut model, number, (number % 13) as usize, flood(number));
        if number % 20_000 == 19_999 {
            weights.push(weight(&model));
        }
    }
    assert!(model.blocks.len() == BLOCKS_MAX && model.lines.len() == LINES_MAX, "the lists are full");
    assert!(model.pow.headers.len() == HEADERS_MAX && model.pow.reorgs.len() == REORGS_MAX);
    assert!(model.transactions.lives.len() == TRANSACTIONS_MAX && model.timeline.moments.len() == MOMENTS_MAX);
    assert!(model.transactions.lives.values().all(|life| life.steps.len() <= STEPS_MAX));
    for node in &model.nodes {
        let consensus = &node.consensus;
        assert!(consensus.rounds.len() <= ROUNDS_MAX);
        assert!(consensus.wanted.len() <= WANTED_VIEWS_MAX && node.gaps.len() == GAPS_MAX);
    }
    assert!(weights[2] < weights[1] * 102 / 100, "it does not grow any more: {weights:?}");
    assert!(weights[2] < MODEL_BYTES_MAX, "{weights:?}");
}

#[test]
fn the_history_forgets_its_beginning_and_still_knows_how_it_was() {
    let mut history = History::live(model(2));
    let mut all = model(2);
    for number in 0..(HISTORY_ENTRIES_MAX + 3_000) as u64 {
        let entry = entry(number, (number % 2) as usize, vote("prepare", (number % 4) as u16, number / 100));
        all.update(&entry);
        history.push(entry);
    }
    let (_, kept) = history.position();
    assert!(kept <= HISTORY_ENTRIES_MAX && kept > HISTORY_ENTRIES_MAX - 2_048, "{kept}");
    history.seek(0);
    assert!(history.model().entries > 0, "what is forgotten has happened all the same");
    history.seek(usize::MAX);
    assert_eq!(format!("{:?}", history.model()), format!("{all:?}"));
}

#[test]
fn more_liars_than_the_others_can_bear_are_told_of() {
    let history = crate::testing::history(crate::testing::PBFT);
    let mut model = history.model().clone();
    model.timeline.active.clear();
    model.nodes.iter_mut().for_each(|node| node.up = true);
    let mut lie = |node: usize| {
        model.timeline.active.insert((node, "byzantine", None), "byzantine: silent".to_owned());
        too_many_liars(&model).map(|(text, _)| text)
    };
    assert_eq!(lie(1), None, "one of four");
    let told = lie(3).expect("two of four");
    assert!(told.starts_with("2 of 4 members lie now; the others can bear 1"), "{told}");
    model.nodes[1].up = false;
    assert_eq!(too_many_liars(&model), None, "who is down tells nobody anything");
}

#[test]
fn broken_finality_says_up_to_where_blocks_still_count() {
    let (text, _) = describe(&EventKind::FinalityBroken { before: 63, fork: 61 }).expect("it is told");
    assert_eq!(text, "finality broken: what counted as final up to 63 counts so up to 61 only");
    let (text, _) = describe(&EventKind::Reorg { fork: 3, depth: 1, tip: "cc".to_owned() }).expect("it is told");
    assert_eq!(text, "left 1 block above 3 for cc, which has more work");
}
