//! What people see: the dashboard in a pseudo-terminal, and the same events as lines.

use crate::net::{LIMIT, Net, finish, signal, until};
use bezant_api::manifest::Manifest;
use nix::sys::signal::Signal;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

const SIZE: PtySize = PtySize { rows: 40, cols: 140, pixel_width: 0, pixel_height: 0 };

fn parser() -> vt100::Parser {
    let [rows, columns] = [SIZE.rows, SIZE.cols].map(|size| NonZero::new(size).expect("not zero"));
    vt100::Parser::new(rows, columns, 0)
}

/// A program on a terminal of its own, and what the terminal shows.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Everything that was ever written to it.
    written: Arc<Mutex<Vec<u8>>>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// `None`, said aloud, where the machine has no pseudo-terminals.
    pub(crate) fn run(net: &Net, test: &str, arguments: &[&str]) -> Option<Terminal> {
        Terminal::run_program(net, test, env!("CARGO_BIN_EXE_bezant"), arguments)
    }

    /// The same for any program.
    pub(crate) fn run_program(net: &Net, test: &str, program: &str, arguments: &[&str]) -> Option<Terminal> {
        let pair = match native_pty_system().openpty(SIZE) {
            Ok(pair) => pair,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "{test} cannot run here: no pseudo-terminal ({error})");
                return None;
            }
        };
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        for (name, value) in net.environment() {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().expect("a reader");
        let keys = pair.master.take_writer().expect("a writer");
        let screen = Arc::new(Mutex::new(parser()));
        let (shown, written) = (Arc::clone(&screen), Arc::new(Mutex::new(Vec::new())));
        let all = Arc::clone(&written);
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count) = output.read(&mut bytes) {
                if count == 0 {
                    return;
                }
                all.lock().expect("nobody panics with it").extend_from_slice(&bytes[..count]);
                shown.lock().expect("nobody panics with it").process(&bytes[..count]);
            }
        });
        Some(Terminal { child, keys, screen, written, _master: pair.master })
    }

    pub(crate) fn text(&self) -> String {
        self.screen.lock().expect("nobody panics with it").screen().contents()
    }

    pub(crate) fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).and_then(|()| self.keys.flush()).expect("the terminal takes keys");
    }

    #[track_caller]
    pub(crate) fn shows(&self, what: &str) {
        until(&format!("the screen shows {what:?}; it shows\n{}", self.text()), LIMIT, || {
            self.text().contains(what).then_some(())
        });
    }

    /// Whether this was ever written to the terminal.
    pub(crate) fn was_shown(&self, what: &str) -> bool {
        let written = self.written.lock().expect("nobody panics with it");
        written.windows(what.len()).any(|bytes| bytes == what.as_bytes())
    }

    /// The program's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    /// The exit status at the program's end.
    #[track_caller]
    pub(crate) fn status(&mut self) -> u32 {
        until("the program on the terminal ends", LIMIT, || self.child.try_wait().expect("a child")).exit_code()
    }

    #[track_caller]
    fn ends(&mut self) {
        let status = until("the program on the terminal ends", LIMIT, || self.child.try_wait().expect("a child"));
        assert!(status.success(), "{status:?}");
        // What it wrote last may still be on its way from the terminal to here.
        until("the terminal is given back as it was, with its cursor", LIMIT, || {
            let parser = self.screen.lock().expect("nobody panics with it");
            let screen = parser.screen();
            (!screen.alternate_screen() && !screen.hide_cursor()).then_some(())
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn the_dashboard_shows_a_net_sends_a_transfer_and_stops_it() {
    let net = Net::empty();
    let test = "the_dashboard_shows_a_net_sends_a_transfer_and_stops_it";
    let Some(mut terminal) = Terminal::run(&net, test, &["testnet", "up", "--tui"]) else { return };
    for node in ["node0", "node1", "node2", "node3"] {
        terminal.shows(node);
    }
    terminal.shows("4/4 nodes up");
    // The first transfer is sent without being asked for.
    terminal.shows("1 BZT from alice to bob is final at height 2");
    terminal.shows("final 2");
    let manifest = net.manifest();
    terminal.press("?");
    terminal.shows("this help; type to search");
    terminal.press("\x1b");
    until("help is closed", LIMIT, || (!terminal.text().contains("this help; type to search")).then_some(()));
    terminal.press("t");
    terminal.shows("1 BZT from alice to bob is final at height 3");
    terminal.shows("final 3");
    until("it is final on the last node too", LIMIT, || (net.final_height(3) == 3).then_some(()));
    net.check();
    terminal.press("q");
    terminal.ends();
    net.await_gone(&manifest);
}

#[test]
fn leaving_the_dashboard_of_a_detached_net_leaves_the_net() {
    let net = Net::up(&["--engine", "pow", "--block-time", "1s"]);
    let test = "leaving_the_dashboard_of_a_detached_net_leaves_the_net";
    let Some(mut terminal) = Terminal::run(&net, test, &["tui"]) else { return };
    terminal.shows("4/4 nodes up");
    terminal.shows("kH/s");
    terminal.press("q");
    terminal.ends();
    assert_eq!(net.send("alice", "bob", "1", &["--wait", "included"])["status"], "included");
}

#[test]
fn from_the_screen_alone_the_primary_is_made_to_lie_and_seen_to_be_replaced() {
    let net = Net::up(&[]);
    let test = "from_the_screen_alone_the_primary_is_made_to_lie_and_seen_to_be_replaced";
    let Some(mut terminal) = Terminal::run(&net, test, &["tui"]) else { return };
    terminal.shows("4/4 nodes up");
    // On a slow machine others may have led before.
    let leads = |node: &usize| terminal.text().contains(&format!("★node{node}"));
    let primary = until("somebody leads", LIMIT, || (0..4).find(leads));
    terminal.shows("leads view");
    terminal.press("t");
    terminal.shows("1 BZT from alice to bob is final at height 2");
    terminal.press("5");
    terminal.shows("final everywhere, block 2");
    terminal.press("2");
    terminal.shows("height 2 in view");
    terminal.shows("✓ commit after");
    terminal.press("6");
    terminal.shows("safe: press a");
    terminal.press("b");
    terminal.shows("not armed");
    terminal.press(&format!("a{}", "j".repeat(primary)));
    terminal.shows(&format!("ARMED for node{primary}"));
    terminal.press("b");
    terminal.shows(&format!("how shall node{primary} lie?"));
    terminal.press("bad-digest\r");
    terminal.shows("byzantine: bad-digest");
    terminal.press("t");
    terminal.shows("left view");
    terminal.shows("entered view");
    terminal.press("B");
    terminal.shows("fault is over: byzantine: bad-digest");
    terminal.press("2");
    terminal.shows("why views changed");
    terminal.shows("blames node");
    terminal.press(":cut 0,1/2,3\r");
    terminal.shows("The net is cut: node0 node1 | node2 node3. No side has 3 of the 4 members");
    terminal.press(":heal\r");
    until("the cut is told of no more", LIMIT, || (!terminal.text().contains("The net is cut")).then_some(()));
    terminal.press(":kill 3\r");
    terminal.press("1");
    terminal.shows("3/4 nodes up");
    terminal.shows("✗ down");
    terminal.press(":start 3\r");
    terminal.shows("4/4 nodes up");
    terminal.press("q");
    terminal.ends();
    net.check();
}

#[test]
fn after_sigterm_the_terminal_is_as_it_was() {
    let net = Net::up(&[]);
    let Some(mut terminal) = Terminal::run(&net, "after_sigterm_the_terminal_is_as_it_was", &["tui"]) else { return };
    terminal.shows("4/4 nodes up");
    assert!(terminal.was_shown("\x1b[?1000h"), "the mouse is used");
    signal(terminal.pid(), Signal::SIGTERM);
    terminal.ends();
    until("the mouse is given back", LIMIT, || terminal.was_shown("\x1b[?1000l").then_some(()));
}

#[test]
fn what_was_recorded_is_shown_again_from_nets_and_from_the_simulator() {
    let net = Net::up(&[]);
    let test = "what_was_recorded_is_shown_again_from_nets_and_from_the_simulator";
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("run.trace");
    let file = file.to_str().expect("a path of text");
    let recorder = net.command(&["trace", "record", "--json", "--out", file]).spawn().expect("the program starts");
    until("the recorder has begun", LIMIT, || {
        std::fs::read_to_string(file).ok().filter(|text| text.lines().count() > 4)
    });
    net.send("alice", "bob", "1", &[]);
    let has_block = |text: &String| text.contains(r#""event":"block","height":2"#);
    until("the block is in the file", LIMIT, || std::fs::read_to_string(file).ok().filter(has_block));
    signal(recorder.id(), Signal::SIGINT);
    let told = finish(recorder, LIMIT).ended(0).json();
    assert!(told["entries"].as_u64() > Some(4), "{told}");
    let again = net.run(&["trace", "record", "--out", file]).ended(2);
    assert!(again.stderr.contains("is there already"), "{again:?}");
    let shown = net.run(&["trace", "show", file]).ended(0);
    assert!(shown.stdout.contains("block 2"), "{shown:?}");
    net.json(&["testnet", "down"]);

    let Some(mut terminal) = Terminal::run(&net, test, &["tui", "--replay", file]) else { return };
    terminal.shows("recording");
    terminal.press(":end\r");
    terminal.shows("final 2");
    // Paused, or it would play on from there.
    terminal.press(" ");
    terminal.shows("‖");
    terminal.press(":begin\r");
    terminal.shows("final 0");
    terminal.press("6a");
    terminal.shows("a recording or a foreign net cannot be hurt");
    terminal.press("q");
    terminal.ends();

    let of_seed = dir.path().join("seed.trace");
    let of_seed = of_seed.to_str().expect("a path of text");
    let plain = net.run(&["sim", "--seed", "3", "--nodes", "4"]).ended(0);
    let recorded = net.run(&["sim", "--seed", "3", "--nodes", "4", "--trace", of_seed]).ended(0);
    assert_eq!(recorded.stdout, plain.stdout, "being recorded changes nothing");
    assert!(net.run(&["trace", "show", of_seed]).ended(0).stdout.contains("block 1"));
    net.run(&["sim", "--seeds", "2", "--trace", of_seed]).ended(2);

    std::fs::write(of_seed, "hello\n").expect("written");
    let none = net.run(&["trace", "show", of_seed]).ended(1);
    assert!(none.stderr.contains("this is no trace"), "{none:?}");
}

/// Lines of a program's stdout as they come.
fn lines(child: &mut std::process::Child) -> Receiver<String> {
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[track_caller]
fn a_line_comes(lines: &Receiver<String>, name: &str, is_it: impl Fn(&str) -> bool) -> String {
    let end = std::time::Instant::now() + LIMIT;
    let mut seen = Vec::new();
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) if is_it(&line) => return line,
            Ok(line) => seen.push(line),
            Err(error) => panic!("no line with {name} ({error}); but {seen:#?}"),
        }
    }
}

#[test]
fn without_a_terminal_the_events_come_as_lines_until_sigterm() {
    let net = Net::empty();
    let mut child = net.command(&["testnet", "up", "--tui", "--json"]).spawn().expect("the program starts");
    let lines = lines(&mut child);
    let first = a_line_comes(&lines, "the manifest", |_| true);
    let manifest: Manifest = serde_json::from_str(&first).expect("the manifest");
    let missing = std::cell::RefCell::new(vec!["node0", "node1", "node2", "node3"]);
    a_line_comes(&lines, "the last node's block with the first transfer", |line| {
        let event: Value = serde_json::from_str(line).expect("one JSON object a line");
        if event["event"] == "block" && event["height"] == 2 {
            missing.borrow_mut().retain(|node| event["node"] != *node);
        }
        missing.borrow().is_empty()
    });
    net.check();
    signal(child.id(), Signal::SIGTERM);
    finish(child, LIMIT).ended(0);
    net.await_gone(&manifest);
}

#[test]
fn watch_prints_lines_for_people_and_for_programs() {
    let net = Net::up(&[]);
    let mut plain = net.command(&["watch", "--plain"]).spawn().expect("the program starts");
    let mut json = net.command(&["watch", "--json"]).spawn().expect("the program starts");
    let (plain_lines, json_lines) = (lines(&mut plain), lines(&mut json));
    for _ in 0..4 {
        a_line_comes(&json_lines, "a snapshot", |line| {
            let event: Value = serde_json::from_str(line).expect("one JSON object a line");
            event["event"] == "snapshot" && event["node"].is_string()
        });
    }
    let sent = net.send("alice", "bob", "1", &[]);
    let height = &sent["height"];
    a_line_comes(&json_lines, "the block", |line| {
        let event: Value = serde_json::from_str(line).expect("one JSON object a line");
        event["event"] == "block" && event["height"] == *height && event["id"] == sent["block"]
    });
    a_line_comes(&plain_lines, "the block", |line| line.contains("node") && line.contains(&format!("block {height}")));
    for child in [plain, json] {
        signal(child.id(), Signal::SIGINT);
        finish(child, LIMIT).ended(0);
    }
}

#[test]
fn watch_ends_with_its_reader_and_with_the_net() {
    let net = Net::up(&[]);
    let mut unread = net.command(&["watch"]).spawn().expect("the program starts");
    let mut read = net.command(&["watch", "--json"]).spawn().expect("the program starts");
    let lines = lines(&mut read);
    a_line_comes(&lines, "a snapshot", |line| line.contains("snapshot"));
    // Nothing happens on an idle net: the end of the reader alone must end it.
    drop(unread.stdout.take());
    finish(unread, LIMIT).ended(0);
    net.json(&["testnet", "down"]);
    let ran = finish(read, LIMIT).ended(0);
    assert!(ran.stderr.contains("has stopped"), "{ran:?}");
}
