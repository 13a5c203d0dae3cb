//! Passwords: from a file, an open file descriptor, or a prompt that shows nothing. Never from the arguments.

use crate::cli::{Global, Password};
use crate::output::Failure;
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of a password, at most.
const PASSWORD_BYTES_MAX: u64 = 4_096;

/// The password for a wallet that exists; `None` when nobody can be asked.
pub(crate) fn existing(
    arguments: &Password,
    global: &Global,
    wallet: &str,
) -> Result<Option<Zeroizing<String>>, Failure> {
    if let Some(password) = given(arguments)? {
        return Ok(Some(password));
    }
    if may_ask(global) { prompt(&format!("Password of wallet {wallet}: ")).map(Some) } else { Ok(None) }
}

/// The password for a new wallet, asked for twice.
pub(crate) fn new(arguments: &Password, global: &Global, wallet: &str) -> Result<Zeroizing<String>, Failure> {
    if let Some(password) = given(arguments)? {
        return Ok(password);
    }
    if !may_ask(global) {
        let message = "a new wallet wants a password: give --password-file FILE, or a terminal to ask at";
        return Err(Failure::new(3, "password-wanted", message));
    }
    let password = prompt(&format!("Password for the new wallet {wallet}: "))?;
    if password.is_empty() {
        return Err(Failure::usage("an empty password protects nothing; choose another"));
    }
    if *prompt("The same again: ")? != *password {
        return Err(Failure::usage("the two are not the same; nothing was made"));
    }
    Ok(password)
}

/// A question that is answered with yes or no; `None` when nobody can be asked.
pub(crate) fn confirm(global: &Global, question: &str) -> Result<Option<bool>, Failure> {
    if !may_ask(global) {
        return Ok(None);
    }
    eprint!("{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::failed("input", format!("standard input: {error}")))?;
    Ok(Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")))
}

fn may_ask(global: &Global) -> bool {
    !global.no_input && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn given(arguments: &Password) -> Result<Option<Zeroizing<String>>, Failure> {
    let path = match (&arguments.password_file, arguments.password_fd) {
        (Some(path), _) => path.clone(),
        (None, Some(number)) => PathBuf::from(format!("/dev/fd/{number}")),
        (None, None) => return Ok(None),
    };
    first_line(&path).map(Some).map_err(|error| Failure::usage(format!("password file {}: {error}", path.display())))
}

fn first_line(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    BufReader::new(std::fs::File::open(path)?.take(PASSWORD_BYTES_MAX)).read_line(&mut line)?;
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    if line.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "its first line is empty"));
    }
    Ok(line)
}

/// Restores the terminal on every way out.
struct Raw;

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
        eprintln!();
    }
}

fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: std::io::Error| Failure::failed("terminal", format!("the terminal cannot be read: {error}"));
    eprint!("{question}");
    let _ = std::io::stderr().flush();
    crossterm::terminal::enable_raw_mode().map_err(failed)?;
    let _raw = Raw;
    let mut password = Zeroizing::new(String::with_capacity(128));
    loop {
        let Event::Key(key) = crossterm::event::read().map_err(failed)? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Ok(password),
            KeyCode::Char('c' | 'd') if control => return Err(Failure::failed("interrupted", "given up")),
            KeyCode::Char('u') if control => password.clear(),
            KeyCode::Char(c) if !control => password.push(c),
            KeyCode::Backspace => {
                password.pop();
            }
            _ => {}
        }
    }
}
