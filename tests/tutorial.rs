//! The documentation, held against the program: the tutorial is carried out command by command, and every command line that
//! any page shows is one that the program understands.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// No command of the tutorial takes longer, even on a busy machine.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(240);
/// Nets of the tutorial.
const NETS: [&str; 2] = ["default", "pow"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block of a page: the words behind its fence, and its lines with continued ones joined and comments left out.
#[derive(Debug)]
struct Block {
    words: Vec<String>,
    lines: Vec<String>,
}

impl Block {
    fn is_shell(&self) -> bool {
        self.words.first().is_some_and(|word| word == "sh")
    }

    /// Blocks that are not to be carried out say so.
    fn is_run(&self) -> bool {
        match self.words[1..] {
            [] => true,
            [ref word] if word == "no-run" => false,
            _ => panic!("a block is marked {:?}; only `sh` and `sh no-run` are known", self.words),
        }
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut all = Vec::new();
    let mut open: Option<Block> = None;
    let mut line_so_far = String::new();
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => all.extend(open.take()),
            (Some(words), None) => {
                open = Some(Block { words: words.split_whitespace().map(str::to_owned).collect(), lines: Vec::new() });
            }
            (None, Some(block)) => {
                line_so_far += line.trim();
                if line_so_far.ends_with('\\') {
                    line_so_far.pop();
                    continue;
                }
                let whole = std::mem::take(&mut line_so_far);
                if !whole.is_empty() && !whole.starts_with('#') {
                    block.lines.push(whole);
                }
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    all
}

/// A shell with a home of its own, and the built program first in its path. Stops the nets when it goes.
struct Shell {
    dir: tempfile::TempDir,
}

impl Shell {
    fn new() -> Shell {
        Shell { dir: tempfile::tempdir().expect("a temporary directory can be made") }
    }

    fn command(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_bezant")).parent().expect("a program is in a directory");
        let mut path = OsString::from(program);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BEZANT_")) {
            command.env_remove(name);
        }
        command.args(["-c", line]).current_dir(self.dir.path()).env("PATH", path);
        command.env("BEZANT_HOME", self.dir.path().join("home")).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Carries out one line.
    fn run(&self, line: &str) -> Output {
        let child: Child = self.command(line).spawn().expect("sh starts");
        let pid = nix::unistd::Pid::from_raw(child.id().try_into().expect("a process id is small"));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        match receiver.recv_timeout(COMMAND_TIMEOUT) {
            Ok(output) => output.expect("the output can be read"),
            Err(_) => {
                // It may have ended just now, which is no better.
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
                panic!("`{line}` did not end within {COMMAND_TIMEOUT:?}");
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for net in NETS {
            // After a run that went well nothing is left to stop.
            let _ = self.command(&format!("bezant testnet down --net {net}")).output();
        }
    }
}

/// Carries out a tutorial, which has at least so many commands.
fn carry_out(page: &str, commands_min: usize) {
    let page = fs::read_to_string(root().join("docs/tutorials").join(page)).expect("the tutorial is there");
    let shell = Shell::new();
    let mut count = 0;
    for block in blocks(&page).iter().filter(|block| block.is_shell() && block.is_run()) {
        for line in &block.lines {
            let output = shell.run(line);
            let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "`{line}` ended with {}\n{told}\n{said}", output.status);
            count += 1;
        }
    }
    assert!(count >= commands_min, "the tutorial has commands: {count}");
    let left = shell.run("bezant testnet list --json");
    let left = String::from_utf8_lossy(&left.stdout).into_owned();
    assert!(!left.contains("\"running\":true"), "the tutorial leaves a net behind: {left}");
}

#[test]
fn every_command_of_the_first_tutorial_works() {
    carry_out("two-minutes.md", 20);
}

#[test]
fn every_command_of_a_lying_primary_works() {
    carry_out("a-lying-primary.md", 15);
}

#[test]
fn every_command_of_changing_validators_works() {
    carry_out("changing-validators.md", 13);
}

#[test]
fn every_command_of_a_fork_works() {
    carry_out("a-fork.md", 20);
}

#[test]
fn every_command_of_51_percent_works() {
    carry_out("51-percent.md", 17);
}

#[test]
fn every_command_of_a_wallet_works() {
    carry_out("a-wallet.md", 45);
}

#[test]
fn every_command_of_a_swap_works() {
    carry_out("a-swap.md", 15);
}

fn pages(dir: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).expect("docs can be read");
    for path in entries.map(|entry| entry.expect("docs can be read").path()) {
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// A page's command line as far as the program itself reads it: without what a shell does with the output, and without a remark.
fn own_part(line: &str) -> Option<&str> {
    let line = line.strip_prefix("cargo run --release -- ").or_else(|| line.strip_prefix("bezant "))?;
    let line = line.split(" #").next().unwrap_or(line);
    Some(line.split(['|', '>', '&', ';']).next().unwrap_or(line).trim())
}

#[test]
fn every_command_shown_anywhere_exists() {
    let mut found = vec![root().join("README.md")];
    pages(&root().join("docs"), &mut found);
    let shell = Shell::new();
    let mut count = 0;
    for path in &found {
        let page = fs::read_to_string(path).expect("a page can be read");
        for block in blocks(&page).iter().filter(|block| block.is_shell()) {
            for line in block.lines.iter().filter_map(|line| own_part(line)) {
                // What stands before `--help` is parsed first, and refused when it is unknown.
                let output = shell.run(&format!("bezant {line} --help"));
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}: `bezant {line}`\n{said}", path.display());
                count += 1;
            }
        }
    }
    assert!(count >= 40, "pages show commands: {count}");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut found = vec![root().join("README.md")];
    pages(&root().join("docs"), &mut found);
    for path in &found {
        let page = fs::read_to_string(path).expect("a page can be read");
        for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or(target);
            // Formulas have brackets too, but no path has spaces.
            if file.is_empty() || file.contains("://") || file.contains(' ') {
                continue;
            }
            let there = path.parent().expect("a page is in a directory").join(file);
            assert!(there.exists(), "{}: {target} leads nowhere", path.display());
        }
    }
}

#[test]
fn blocks_are_read_as_written() {
    let page = "text\n```sh\n# a comment\none \\\n  two\nthree\n```\n```text\nnot this\n```\n```sh no-run\nfour\n```\n";
    let found = blocks(page);
    assert_eq!(found.len(), 3);
    assert!(found[0].is_shell() && found[0].is_run());
    assert_eq!(found[0].lines, ["one two", "three"]);
    assert!(!found[1].is_shell());
    assert!(found[2].is_shell() && !found[2].is_run());
    assert_eq!(own_part("bezant watch --json | head -1"), Some("watch --json"));
    assert_eq!(own_part("bezant bench   # all of them"), Some("bench"));
    assert_eq!(own_part("cargo test --workspace"), None);
}
