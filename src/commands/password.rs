//! Passwords and other secrets: from a file, an open file descriptor, or a prompt that shows nothing. Never from the arguments.
//!
//! An empty password is refused, a short one is warned of: the cost of making a key of it slows guessing down a few hundred
//! thousand times, which is nothing against a word of a dictionary. Refusing more would only make scripts write longer bad ones.

use crate::cli::Global;
use crate::cli::wallet::Password;
use crate::cli::wallet::keys::{Passphrase, Passwd, Restore};
use crate::output::{Failure, Outcome};
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// Bytes of a password, a passphrase or a mnemonic, at most.
const SECRET_BYTES_MAX: usize = 4_096;
/// Characters below which a password is warned of.
const SHORT_BELOW: usize = 8;

/// Where a secret may come from, but for a prompt.
struct Source<'a> {
    /// What it is.
    what: &'static str,
    file: Option<&'a Path>,
    fd: Option<u32>,
}

impl Source<'_> {
    /// The text's first line; `None` when no source was named.
    fn line(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let read = |reader: io::Take<std::fs::File>| {
            let mut line = Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX));
            BufReader::new(reader).read_line(&mut line)?;
            let end = line.trim_end_matches(['\n', '\r']).len();
            line.truncate(end);
            if line.is_empty() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its first line is empty"));
            }
            Ok(line)
        };
        self.read(read)
    }

    /// The whole text.
    fn text(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        self.read(|mut reader| {
            let mut text = Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX));
            reader.read_to_string(&mut text)?;
            Ok(text)
        })
    }

    fn read(
        &self,
        read: impl FnOnce(io::Take<std::fs::File>) -> io::Result<Zeroizing<String>>,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = match (self.file, self.fd) {
            (Some(path), _) => path.to_owned(),
            (None, Some(number)) => PathBuf::from(format!("/dev/fd/{number}")),
            (None, None) => return Ok(None),
        };
        let opened = std::fs::File::open(&path).map(|file| file.take(SECRET_BYTES_MAX as u64));
        let failed = |error| Failure::usage(format!("{} file {}: {error}", self.what, path.display()));
        opened.and_then(read).map(Some).map_err(failed)
    }
}

fn given(arguments: &Password) -> Result<Option<Zeroizing<String>>, Failure> {
    Source { what: "password", file: arguments.password_file.as_deref(), fd: arguments.password_fd }.line()
}

/// Whether a password was named, so that no agent has to be asked.
pub(crate) fn is_given(arguments: &Password) -> bool {
    arguments.password_file.is_some() || arguments.password_fd.is_some()
}

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
    let wanted = "a new wallet wants a password: give --password-file FILE, or a terminal to ask at";
    chosen(given(arguments)?, global, &format!("Password for the new wallet {wallet}: "), wanted)
}

/// The password that takes the place of another, asked for twice.
pub(crate) fn replacing(arguments: &Passwd, global: &Global) -> Result<Zeroizing<String>, Failure> {
    let file = arguments.new_password_file.as_deref();
    let given = Source { what: "new password", file, fd: arguments.new_password_fd }.line()?;
    let wanted = "the new password is missing: give --new-password-file FILE, or a terminal to ask at";
    chosen(given, global, &format!("New password of wallet {}: ", arguments.name), wanted)
}

fn chosen(
    given: Option<Zeroizing<String>>,
    global: &Global,
    question: &str,
    wanted: &str,
) -> Result<Zeroizing<String>, Failure> {
    let password = match given {
        Some(password) => password,
        None if !may_ask(global) => return Err(Failure::new(3, "password-wanted", wanted)),
        None => {
            let password = prompt(question)?;
            if password.is_empty() {
                return Err(Failure::usage("an empty password protects nothing; choose another"));
            }
            if *prompt("The same again: ")? != *password {
                return Err(Failure::usage("the two are not the same; nothing was changed"));
            }
            password
        }
    };
    if password.chars().count() < SHORT_BELOW && !global.quiet {
        eprintln!(
            "warning: a password of less than {SHORT_BELOW} characters is guessed by whoever gets the file; `bezant wallet passwd` changes it"
        );
    }
    Ok(password)
}

/// The words' passphrase; empty when none was named.
pub(crate) fn passphrase(arguments: &Passphrase) -> Result<Zeroizing<String>, Failure> {
    let source = Source { what: "passphrase", file: arguments.passphrase_file.as_deref(), fd: None };
    Ok(source.line()?.unwrap_or_default())
}

/// The words of a wallet that is restored: from where it was said, a prompt, or standard input.
pub(crate) fn mnemonic(arguments: &Restore, global: &Global) -> Result<Zeroizing<String>, Failure> {
    let source = Source { what: "mnemonic", file: arguments.mnemonic_file.as_deref(), fd: arguments.mnemonic_fd };
    if let Some(text) = source.text()? {
        return Ok(text);
    }
    if may_ask(global) {
        return prompt("The 12 or 24 words, in one line (they are not shown): ");
    }
    if io::stdin().is_terminal() {
        let message = "the words are missing: give --mnemonic-file FILE, or write them to standard input";
        return Err(Failure::new(3, "mnemonic-wanted", message));
    }
    Source { what: "mnemonic", file: Some(Path::new("/dev/stdin")), fd: None }.text().map(Option::unwrap_or_default)
}

/// Asks a question that wants a yes. `why` it is asked is for a script, whom nobody can ask; `otherwise` is what was not done then.
pub(crate) fn confirm(global: &Global, question: &str, why: &str, otherwise: &str) -> Outcome {
    if !may_ask(global) {
        let message = format!("{why}, and nobody can be asked; add --yes; {otherwise}");
        return Err(Failure::new(3, "confirmation-wanted", message));
    }
    eprint!("{question} [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::failed("input", format!("standard input: {error}")))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(3, "not-confirmed", format!("not confirmed; {otherwise}"))),
    }
}

fn may_ask(global: &Global) -> bool {
    !global.no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A terminal that shows nothing of what is typed. It is restored on every way out: a return, a panic, a signal.
struct Silent {
    signals: Option<JoinHandle<()>>,
}

impl Silent {
    fn begin() -> io::Result<Silent> {
        enable_raw_mode()?;
        // Typed, Ctrl-C is a key now; but others may send signals, and a terminal that is closed does.
        let signals = tokio::runtime::Handle::try_current().ok().map(|runtime| runtime.spawn(restore_on_signals()));
        Ok(Silent { signals })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.signals.iter().for_each(JoinHandle::abort);
        let _ = disable_raw_mode();
        eprintln!();
    }
}

/// Ends the program as the signal would have, with the terminal as it was.
async fn restore_on_signals() {
    let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
    let [Ok(mut hangup), Ok(mut interrupt), Ok(mut terminate)] = kinds.map(signal) else { return };
    let number = tokio::select! {
        _ = hangup.recv() => kinds[0],
        _ = interrupt.recv() => kinds[1],
        _ = terminate.recv() => kinds[2],
    };
    let _ = disable_raw_mode();
    eprintln!();
    std::process::exit(128 + number.as_raw_value());
}

fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::failed("terminal", format!("the terminal cannot be read: {error}"));
    // First silent, then asked: whoever answers quickly is not shown either.
    let _silent = Silent::begin().map_err(failed)?;
    eprint!("{question}");
    let _ = io::stderr().flush();
    let mut secret = Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX));
    loop {
        let Event::Key(key) = crossterm::event::read().map_err(failed)? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Ok(secret),
            KeyCode::Char('c' | 'd') if control => return Err(Failure::failed("interrupted", "given up")),
            KeyCode::Char('u') if control => secret.clear(),
            KeyCode::Char(c) if !control && secret.len() + c.len_utf8() <= SECRET_BYTES_MAX => secret.push(c),
            KeyCode::Backspace => {
                secret.pop();
            }
            _ => {}
        }
    }
}
