//! Secrets at a terminal: asked for without being shown, new ones twice, and the terminal as it was on every way out.

use crate::keys::{PASSWORD, WORDS, home, password, wallet_file};
use crate::net::{LIMIT, Net, finish, signal, until};
use crate::screen::Terminal;
use nix::sys::signal::Signal;

/// What `stty` says of a terminal that shows what is typed and reads lines.
const AS_IT_WAS: &str = "echo-yes lines-yes";

/// Runs the program on a terminal, and then says how the terminal was left.
fn run(net: &Net, test: &str, arguments: &[&str]) -> Option<Terminal> {
    let script = r#""$0" "$@"; echo "status-$?"; stty -a | tr ' ;' '\n\n' > "$BEZANT_HOME/stty"
        grep -qx echo "$BEZANT_HOME/stty" && echo echo-yes lines-$(grep -qx icanon "$BEZANT_HOME/stty" && echo yes)"#;
    let shell = [&["-c", script, env!("CARGO_BIN_EXE_bezant")], arguments].concat();
    Terminal::run_program(net, test, "sh", &shell)
}

#[track_caller]
fn ended(terminal: &mut Terminal, status: u8) {
    terminal.shows(&format!("status-{status}"));
    terminal.shows(AS_IT_WAS);
    assert_eq!(terminal.status(), 0, "the shell's own");
}

#[test]
fn a_new_password_is_asked_for_twice_and_never_shown() {
    let net = Net::empty();
    let test = "a_new_password_is_asked_for_twice_and_never_shown";
    let new = ["wallet", "new", "savings"];
    let Some(mut terminal) = run(&net, test, &new) else { return };
    terminal.shows("Password for the new wallet savings:");
    terminal.press(PASSWORD);
    terminal.press("\r");
    terminal.shows("The same again:");
    terminal.press("another one\r");
    ended(&mut terminal, 2);
    assert!(terminal.text().contains("the two are not the same"), "{}", terminal.text());
    assert!(!wallet_file(&net, "savings").exists());
    let Some(mut empty) = run(&net, test, &new) else { return };
    empty.shows("Password for the new wallet savings:");
    empty.press("\r");
    ended(&mut empty, 2);
    assert!(empty.text().contains("an empty password protects nothing"), "{}", empty.text());
    let Some(mut good) = run(&net, test, &new) else { return };
    good.shows("Password for the new wallet savings:");
    // Mistyped, and thrown away.
    good.press("something\u{15}");
    good.press(PASSWORD);
    good.press("x\u{7f}\r");
    good.shows("The same again:");
    good.press(PASSWORD);
    good.press("\r");
    ended(&mut good, 0);
    assert!(good.text().contains("mnemonic  "), "{}", good.text());
    for terminal in [&terminal, &good] {
        assert!(
            !terminal.was_shown(PASSWORD) && !terminal.was_shown("another one") && !terminal.was_shown("something")
        );
    }
    // The password is what was typed.
    let file = password(&net);
    net.json(&["wallet", "export", "savings", "--words", "--password-file", &file]);
}

#[test]
fn words_and_old_passwords_are_asked_for_in_the_dark() {
    let net = Net::empty();
    let test = "words_and_old_passwords_are_asked_for_in_the_dark";
    let file = password(&net);
    let restore = ["wallet", "restore", "savings", "--password-file", &file];
    let Some(mut terminal) = run(&net, test, &restore) else { return };
    terminal.shows("The 12 or 24 words");
    terminal.press(WORDS);
    terminal.press("\r");
    ended(&mut terminal, 0);
    assert!(!terminal.was_shown("abandon"), "{}", terminal.text());
    let words = net.json(&["wallet", "export", "savings", "--words", "--password-file", &file]);
    assert_eq!(words["mnemonic"], WORDS);
    let Some(mut passwd) = run(&net, test, &["wallet", "passwd", "savings"]) else { return };
    passwd.shows("Password of wallet savings:");
    passwd.press(PASSWORD);
    passwd.press("\r");
    passwd.shows("New password of wallet savings:");
    passwd.press("quite another\r");
    passwd.shows("The same again:");
    passwd.press("quite another\r");
    ended(&mut passwd, 0);
    let Some(mut unlock) = run(&net, test, &["wallet", "unlock", "savings", "--for", "60s"]) else { return };
    unlock.shows("Password of wallet savings:");
    unlock.press("quite another\r");
    ended(&mut unlock, 0);
    net.json(&["wallet", "unlock", "savings", "--end"]);
    let Some(mut remove) = run(&net, test, &["wallet", "remove", "savings"]) else { return };
    remove.shows("Remove wallet savings? [y/N]");
    remove.press("n\r");
    ended(&mut remove, 3);
    assert!(wallet_file(&net, "savings").exists());
    let Some(mut remove) = run(&net, test, &["wallet", "remove", "savings"]) else { return };
    remove.shows("come back only from its words");
    remove.press("y\r");
    ended(&mut remove, 0);
    assert!(!wallet_file(&net, "savings").exists());
    for terminal in [&terminal, &passwd, &unlock] {
        assert!(!terminal.was_shown(PASSWORD) && !terminal.was_shown("quite another"), "{}", terminal.text());
    }
    let Some(mut quiet) = run(&net, test, &["wallet", "new", "more", "--no-input"]) else { return };
    ended(&mut quiet, 3);
    assert!(!quiet.was_shown("Password for"), "{}", quiet.text());
}

/// The program below a shell.
#[cfg(target_os = "linux")]
fn child_of(shell: u32) -> u32 {
    until("the shell has started the program", LIMIT, || {
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

/// How much a process has read so far.
#[cfg(target_os = "linux")]
fn bytes_read(process: u32) -> usize {
    let io = std::fs::read_to_string(format!("/proc/{process}/io")).expect("it runs");
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("a count");
    line.parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
fn the_terminal_is_given_back_on_every_way_out() {
    let net = Net::empty();
    let test = "the_terminal_is_given_back_on_every_way_out";
    let new = ["wallet", "new", "savings"];
    for key in ["\u{3}", "\u{4}"] {
        let Some(mut terminal) = run(&net, test, &new) else { return };
        terminal.shows("Password for the new wallet savings:");
        terminal.press("half a passw");
        terminal.press(key);
        ended(&mut terminal, 1);
        assert!(!terminal.was_shown("half a"));
    }
    for (sent, status) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130)] {
        let Some(mut terminal) = run(&net, test, &new) else { return };
        terminal.shows("Password for the new wallet savings:");
        let program = child_of(terminal.pid());
        let before = bytes_read(program);
        let typed = "half a passw";
        terminal.press(typed);
        // What reaches the terminal only after the program's end is anybody's, and shown.
        until("the program has read it", LIMIT, || (bytes_read(program) >= before + typed.len()).then_some(()));
        signal(program, sent);
        ended(&mut terminal, status);
        assert!(!terminal.was_shown("half a"), "{sent}: {}", terminal.text());
    }
    assert!(!wallet_file(&net, "savings").exists());
}

/// Whoever unlocks a wallet in a script, or on a terminal that he then closes, is not held up by the agent.
#[test]
fn an_agent_holds_nothing_of_its_callers() {
    let net = Net::empty();
    let file = password(&net);
    net.json(&["wallet", "new", "savings", "--password-file", &file]);
    let unlock = ["wallet", "unlock", "savings", "--for", "600s", "--password-file", &file];
    // `finish` waits for the end of everything that holds stdout or stderr.
    let child = net.command(&unlock).spawn().expect("the program starts");
    finish(child, LIMIT).ended(0);
    let test = "an_agent_holds_nothing_of_its_callers";
    if let Some(mut terminal) = run(&net, test, &unlock) {
        ended(&mut terminal, 0);
        drop(terminal);
        // The terminal is gone, and with it whatever belonged to it.
        let list = net.json(&["wallet", "list"]);
        assert!(list["wallets"][0]["unlocked_until_s"].is_u64(), "{list}");
    }
    net.json(&["wallet", "unlock", "savings", "--end"]);
    assert!(std::fs::read_dir(home(&net).join("run")).map_or(0, Iterator::count) == 0, "no socket is left");
}
