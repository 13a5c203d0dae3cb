//! The agent: a process in the background that keeps the key of one wallet's file in memory for a while, so that its owner
//! types the password once. Nothing of it is ever on a disk.
//!
//! It listens on a Unix socket in a directory that only its owner may enter, and looks at the user id of whoever connects. What
//! it gives away is the file's key: exactly what the password gives, for this one file, until the password changes. Whoever
//! gets it decrypts the file himself and checks the keys against the file's locks; a key that does not fit is worth nothing.
//!
//! A question has 17 bytes: what is asked (`K` the key, `S` until when, `E` end) and the salt of the file as it is now. The
//! answer has 41: `Y` or `N`, milliseconds since 1970 until which the key is kept (u64, little-endian), and the key (zeros
//! unless it was asked for). One question a connection, each side waits a bounded time. A question with another salt is about
//! another file, or another password, and is answered with `N`.
//!
//! Users are told apart by the system, programs of one user are not: while a wallet is unlocked, whatever its owner runs can
//! have its key. That is what unlocking means.

use crate::error::WalletError;
use crate::keys::keystore::SALT_BYTES;
use bezant_consensus::ledger::hash::tagged;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// How long a key may be kept, at most.
pub const KEPT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of a socket's path, at most: Linux has room for 108 with the zero at the end, others for 104.
const SOCKET_PATH_BYTES_MAX: usize = 103;
/// How long the agent waits for a question, which its own programs ask at once.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an answer may take: a few questions of others come first, on a machine that is busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the agent looks at the clock on the wall, which goes on while a machine sleeps.
const CLOCK_LOOK_INTERVAL: Duration = Duration::from_secs(1);
const QUESTION_BYTES: usize = 1 + SALT_BYTES;
const ANSWER_BYTES: usize = 1 + 8 + 32;

/// What an agent keeps.
pub struct Kept {
    /// The key of a wallet's file.
    pub key: Zeroizing<[u8; 32]>,
    /// The salt that the file's key was made with.
    pub salt: [u8; SALT_BYTES],
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept until {}", self.until_ms)
    }
}

/// Where the agent of a wallet listens: below `runtime` (the user's directory for such things), else below the home. Makes the
/// directory, and checks that it is its owner's alone.
///
/// # Errors
/// [`WalletError::Failed`] when somebody else may enter the directory, its path is too long, or the system refuses.
pub fn socket(runtime: Option<&Path>, home: &Path, wallet: &Path) -> Result<PathBuf, WalletError> {
    let dir = runtime.map_or_else(|| home.join("run"), |runtime| runtime.join("bezant"));
    let failed = |error: &dyn std::fmt::Display| WalletError::Failed(format!("{}: {error}", dir.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|error| failed(&error))?;
    let metadata = std::fs::symlink_metadata(&dir).map_err(|error| failed(&error))?;
    if !metadata.is_dir() || metadata.uid() != own_user() || metadata.permissions().mode() & 0o077 != 0 {
        return Err(failed(&"others may enter it, so no key is kept there; `chmod 700` it, if it is yours"));
    }
    let wallet = std::path::absolute(wallet).map_err(|error| failed(&error))?;
    let id = tagged("bezant/agent", &[wallet.as_os_str().as_encoded_bytes()]);
    let socket = dir.join(format!("{}.sock", hex::encode(&id[..8])));
    if socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        return Err(failed(
            &"its path is too long for a socket; set XDG_RUNTIME_DIR to a directory of yours with a short one",
        ));
    }
    Ok(socket)
}

/// Our user's id.
fn own_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Asks for the key of the file with this salt; `None` when no agent has it.
#[must_use]
pub fn key(socket: &Path, salt: &[u8; SALT_BYTES]) -> Option<Kept> {
    ask(socket, b'K', salt)
}

/// Until when the key of the file with this salt is kept, in milliseconds since 1970; `None` when it is not.
#[must_use]
pub fn kept_until_ms(socket: &Path, salt: &[u8; SALT_BYTES]) -> Option<u64> {
    ask(socket, b'S', salt).map(|kept| kept.until_ms)
}

/// Ends the agent, whatever it keeps; whether there was one. Afterwards nobody listens there.
#[must_use]
pub fn end(socket: &Path) -> bool {
    ask(socket, b'E', &[0; SALT_BYTES]).is_some()
}

fn ask(socket: &Path, what: u8, salt: &[u8; SALT_BYTES]) -> Option<Kept> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    let mut question = [what; QUESTION_BYTES];
    question[1..].copy_from_slice(salt);
    stream.write_all(&question).ok()?;
    let mut answer = Zeroizing::new([0; ANSWER_BYTES]);
    stream.read_exact(&mut *answer).ok()?;
    if answer[0] != b'Y' {
        return None;
    }
    let until_ms = u64::from_le_bytes(answer[1..9].try_into().expect("8 bytes"));
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&answer[9..]);
    Some(Kept { key, salt: *salt, until_ms })
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An agent that listens, and does not answer yet. Its socket's name goes with it.
#[derive(Debug)]
pub struct Agent {
    listener: UnixListener,
    socket: PathBuf,
    inode: u64,
}

impl Agent {
    /// Listens, in the place of an agent that is gone. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen(socket: &Path) -> io::Result<Agent> {
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(socket)?;
        let inode = std::fs::symlink_metadata(socket)?.ino();
        Ok(Agent { listener, socket: socket.to_owned(), inode })
    }

    /// Answers until the time is over, somebody asks it to end, or `shutdown` completes.
    pub async fn serve(self, kept: Kept, shutdown: impl Future<Output = ()>) {
        // Both clocks count: one may be set back, the other may stand still while the machine sleeps.
        let end = Instant::now() + Duration::from_millis(kept.until_ms.saturating_sub(now_ms())).min(KEPT_MAX);
        let is_over = || Instant::now() >= end || now_ms() >= kept.until_ms;
        tokio::pin!(shutdown);
        let mut looks = tokio::time::interval(CLOCK_LOOK_INTERVAL);
        while !is_over() {
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep_until(end.into()) => return,
                _ = looks.tick() => {}
                Ok((mut stream, _)) = self.listener.accept() => {
                    let answered = tokio::time::timeout(QUESTION_TIMEOUT, self.answer(&mut stream, &kept, is_over));
                    if answered.await.unwrap_or(Ok(false)).unwrap_or(false) {
                        return;
                    }
                }
            }
        }
    }

    /// Answers one question; whether it was to end.
    async fn answer(
        &self,
        stream: &mut tokio::net::UnixStream,
        kept: &Kept,
        is_over: impl Fn() -> bool,
    ) -> io::Result<bool> {
        if stream.peer_cred()?.uid() != own_user() {
            return Ok(false);
        }
        let mut question = [0; QUESTION_BYTES];
        stream.read_exact(&mut question).await?;
        let is_end = question[0] == b'E';
        let is_known = matches!(question[0], b'K' | b'S') && question[1..] == kept.salt && !is_over();
        let mut answer = Zeroizing::new([0; ANSWER_BYTES]);
        answer[0] = if is_end || is_known { b'Y' } else { b'N' };
        if is_known {
            answer[1..9].copy_from_slice(&kept.until_ms.to_le_bytes());
        }
        if is_known && question[0] == b'K' {
            answer[9..].copy_from_slice(kept.key.as_slice());
        }
        if is_end {
            // Before the answer: who has it may count on nobody listening.
            self.unlink();
        }
        stream.write_all(&*answer).await?;
        Ok(is_end)
    }

    fn unlink(&self) {
        // Another agent may have taken the place.
        if std::fs::symlink_metadata(&self.socket).is_ok_and(|metadata| metadata.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.socket);
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.unlink();
    }
}
