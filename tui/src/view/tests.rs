//! Whole screens at three sizes, from events as nodes send them.

use super::draw;
use crate::app::Screen;
use crate::feed::{FeedMessage, NodeTarget};
use crate::state::Model;
use bezant_api::event::{Event, EventKind};
use bezant_api::types::{EngineName, NodeStatus, PbftView, PowView};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

fn status(engine: EngineName, node: usize) -> NodeStatus {
    NodeStatus {
        version: "0.1.0".to_owned(),
        network_id: "00".repeat(32),
        engine,
        dev: true,
        peer_id: format!("peer{node}"),
        height: 1,
        final_height: u64::from(engine == EngineName::Pbft),
        tip: "ab".repeat(32),
        tip_time_s: 1,
        peers: 3,
        mempool: 2,
        mempool_bytes: 400,
        next_event: 1,
        byzantine: None,
        faults: Vec::new(),
        clock_offset_ms: 0,
        pbft: (engine == EngineName::Pbft).then(|| PbftView {
            epoch: 0,
            view: 0,
            primary: 0,
            me: u16::try_from(node).ok(),
            n: 4,
            quorum: 3,
            commit_height: None,
            is_mute: false,
            is_active: true,
            changes: Vec::new(),
            liars: Vec::new(),
            failed_views: 0,
            delay_ms: 0,
            delay_allowed_ms: 0,
            timeout_ms: 1_000,
            deadline_ms: None,
            slots: Vec::new(),
        }),
        pow: (engine == EngineName::Pow).then(|| PowView {
            work: "ff".to_owned(),
            bits: 0x1f00_ffff,
            headers: 2,
            best_header: 1,
            hashes_per_second: 50_000,
            tips: Vec::new(),
            refused: None,
        }),
    }
}

fn targets() -> Vec<NodeTarget> {
    (0..4).map(|index| NodeTarget { name: format!("node{index}"), rpc: String::new() }).collect()
}

fn model(engine: EngineName) -> Model {
    let mut model = Model::new("default", &targets(), 10_000);
    let mut tell = |node: usize, kind: EventKind| {
        let event = Box::new(Event { seq: 1, time_ms: 11_000, kind });
        model.update(FeedMessage::Event { node, event }, 12_000);
    };
    for node in 0..3 {
        tell(node, EventKind::Snapshot { status: Box::new(status(engine, node)) });
        let block = EventKind::Block {
            height: 2,
            id: "cd".repeat(32),
            transactions: 5,
            bytes: 1_234,
            time_s: 11,
            payee: None,
            final_height: if engine == EngineName::Pbft { 2 } else { 0 },
            held: node,
        };
        tell(node, block);
    }
    if engine == EngineName::Pbft {
        for signer in 0..2 {
            let vote = EventKind::Vote {
                vote: "prepare".to_owned(),
                signer,
                view: 0,
                height: 3,
                votes: usize::from(signer) + 1,
                quorum: 3,
            };
            tell(0, vote);
        }
        let phase = "pre-prepared".to_owned();
        tell(0, EventKind::Phase { phase, view: 0, height: 3, block: "ef".repeat(32) });
    }
    model
}

fn screen(model: &Model, width: u16, height: u16, help: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test backend does not fail");
    let screen = Screen { help, can_transfer: true, quit_stops_net: true };
    terminal.draw(|frame| draw(frame, model, screen)).expect("drawing to memory does not fail");
    terminal
}

/// TestBackend shows no styles, so colours and modifiers are listed by run below the text.
fn text_and_styles(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let area = buffer.area;
    let mut runs = String::new();
    for y in 0..area.height {
        let mut last = (Color::Reset, Modifier::empty());
        for x in 0..area.width {
            let cell = &buffer[(x, y)];
            let now = (cell.fg, cell.modifier);
            if now != last {
                runs.push_str(&format!("{y}:{x} {:?} {:?}\n", now.0, now.1));
                last = now;
            }
        }
    }
    format!("{}\n{runs}", terminal.backend())
}

#[test]
fn pbft_at_three_sizes() {
    let model = model(EngineName::Pbft);
    for (width, height) in [(80, 24), (140, 40), (40, 10)] {
        let terminal = screen(&model, width, height, false);
        insta::assert_snapshot!(format!("pbft_{width}x{height}"), text_and_styles(&terminal));
    }
}

#[test]
fn pow_at_three_sizes() {
    let model = model(EngineName::Pow);
    for (width, height) in [(80, 24), (140, 40), (40, 10)] {
        let terminal = screen(&model, width, height, false);
        insta::assert_snapshot!(format!("pow_{width}x{height}"), text_and_styles(&terminal));
    }
}

#[test]
fn a_member_without_its_vote_log_is_marked_until_an_epoch_admits_it() {
    let mut model = model(EngineName::Pbft);
    let tell = |model: &mut Model, node: usize, is_mute: bool, me: Option<u16>| {
        let mut now = status(EngineName::Pbft, node);
        let pbft = now.pbft.as_mut().expect("PBFT");
        (pbft.is_mute, pbft.me) = (is_mute, me);
        model.update(FeedMessage::Status { node, status: Box::new(now) }, 12_000);
    };
    let shows = |model: &Model, name: &str| screen(model, 80, 24, false).backend().to_string().contains(name);
    tell(&mut model, 1, true, Some(1));
    tell(&mut model, 2, false, None);
    assert!(shows(&model, "★node0") && shows(&model, "◌node1") && shows(&model, "◌node2"));
    tell(&mut model, 0, true, Some(0));
    assert!(shows(&model, "◌node0"), "a mute primary leads nothing");
    for node in 0..2 {
        tell(&mut model, node, false, u16::try_from(node).ok());
    }
    assert!(shows(&model, "★node0") && shows(&model, " node1"));
}

#[test]
fn help_lies_over_the_screen_and_names_the_keys() {
    let text = screen(&model(EngineName::Pbft), 80, 24, true).backend().to_string();
    for key in ["q      stop the net", "t      send 1 BZT", "?      this help"] {
        assert!(text.contains(key), "{key} is missing:\n{text}");
    }
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in [(1, 1), (10, 3), (79, 24), (80, 19), (300, 100)] {
        screen(&model(EngineName::Pbft), width, height, true);
    }
}

#[test]
fn a_node_followed_late_counts_by_its_tip() {
    let mut model = Model::new("default", &targets(), 1_000);
    let snapshot = |model: &mut Model, node: usize| {
        let kind = EventKind::Snapshot { status: Box::new(status(EngineName::Pbft, node)) };
        model.update(FeedMessage::Event { node, event: Box::new(Event { seq: 1, time_ms: 1_000, kind }) }, 1_000);
    };
    let tip = status(EngineName::Pbft, 0).tip;
    let kind = EventKind::Block {
        height: 1,
        id: tip,
        transactions: 1,
        bytes: 106,
        time_s: 1,
        payee: None,
        final_height: 1,
        held: 0,
    };
    snapshot(&mut model, 0);
    model.update(FeedMessage::Event { node: 1, event: Box::new(Event { seq: 1, time_ms: 1_000, kind }) }, 1_000);
    snapshot(&mut model, 2);
    assert_eq!(model.blocks[0].on.iter().copied().collect::<Vec<_>>(), [0, 1, 2], "before the row, with it, after it");
}
