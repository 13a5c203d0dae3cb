//! `wallet unlock`: what opens a wallet comes from a password, or from the agent that keeps its file's key.

use super::{has_secret, own};
use crate::cli::Global;
use crate::cli::wallet::Password;
use crate::cli::wallet::keys::Unlock;
use crate::commands::{net, password};
use crate::output::{Failure, Outcome, Output};
use bezant_wallet::keys::agent::{self, Agent, KEPT_MAX, Kept};
use bezant_wallet::keys::keystore::{FileKey, SALT_BYTES, Unlocked, WalletFile};
use bezant_wallet::session::Found;
use serde_json::json;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

/// How long the agent may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// What the agent says when it listens.
const READY: u8 = b'!';

/// Where the agent of a wallet listens.
fn socket(wallet: &Path, global: &Global) -> Result<PathBuf, Failure> {
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute() && dir.is_dir());
    Ok(agent::socket(runtime.as_deref(), net::home(global)?.path(), wallet)?)
}

/// Until when an agent keeps this wallet open.
pub(super) fn kept_until_ms(found: &Found, global: &Global) -> Option<u64> {
    agent::kept_until_ms(&socket(&found.path, global).ok()?, &found.wallet.salt()?)
}

/// Ends the agent of a wallet whose file changes; whether there was one.
pub(super) fn end(wallet: &Path, global: &Global) -> bool {
    socket(wallet, global).is_ok_and(|socket| agent::end(&socket))
}

/// What the agent keeps for this file, if it fits.
fn kept(found: &Found, global: &Global) -> Option<FileKey> {
    let kept = agent::key(&socket(&found.path, global).ok()?, &found.wallet.salt()?)?;
    found.wallet.key_of(kept.key).ok()
}

/// What opens a wallet's file: of the password that was named, else of the agent, else of a password that is asked for.
pub(in crate::commands::wallet) fn file_key(
    found: &Found,
    arguments: &Password,
    global: &Global,
) -> Result<FileKey, Failure> {
    // Nobody is asked for the password of a wallet that has none.
    if found.wallet.salt().is_none() {
        return Ok(found.wallet.key(None)?);
    }
    if !password::is_given(arguments)
        && let Some(key) = kept(found, global)
    {
        return Ok(key);
    }
    with_password(&found.wallet, arguments, global)
}

/// The same, of a password only.
pub(super) fn with_password(wallet: &WalletFile, arguments: &Password, global: &Global) -> Result<FileKey, Failure> {
    let password = password::existing(arguments, global, &wallet.name)?;
    Ok(wallet.key(password.as_ref().map(|password| password.as_str()))?)
}

/// A wallet's signing keys.
pub(in crate::commands::wallet) fn unlock(
    found: &Found,
    arguments: &Password,
    global: &Global,
) -> Result<Unlocked, Failure> {
    if found.wallet.is_dev() {
        return Ok(found.wallet.unlock(None)?);
    }
    Ok(found.wallet.unlock_with(&file_key(found, arguments, global)?)?)
}

/// `wallet unlock`.
pub(super) fn keep(arguments: &Unlock, global: &Global, output: &Output) -> Outcome {
    let found = own(&arguments.name, global)?;
    has_secret(&found.wallet, "password")?;
    let name = &arguments.name;
    if arguments.end {
        let ended = end(&found.path, global);
        return output.result(&json!({ "wallet": name, "ended": ended }), || {
            if ended { format!("wallet {name} is locked again") } else { format!("wallet {name} was not unlocked") }
        });
    }
    if arguments.time.is_zero() || arguments.time > KEPT_MAX {
        return Err(Failure::usage("--for: a wallet is kept open for at most 24h, and for some time"));
    }
    let socket = socket(&found.path, global)?;
    let key = with_password(&found.wallet, &arguments.password, global)?;
    found.wallet.unlock_with(&key)?;
    let until_ms = agent::now_ms() + u64::try_from(arguments.time.as_millis()).unwrap_or(u64::MAX);
    let _ = agent::end(&socket);
    start(&socket, until_ms, &key, &found.wallet.salt().expect("it has a password"))?;
    let until_s = until_ms / 1_000;
    output.result(&json!({ "wallet": name, "unlocked_until_s": until_s }), || {
        format!("wallet {name} is unlocked until {}", utc(until_s))
    })
}

/// Starts the agent, and returns when it listens.
fn start(socket: &Path, until_ms: u64, key: &FileKey, salt: &[u8; SALT_BYTES]) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::failed("agent", format!("the agent does not start: {error}"));
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut child = Command::new(program)
        .args(["wallet", "hold"])
        .arg(socket)
        .arg(until_ms.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(&error))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut secret = Zeroizing::new([0; 32 + SALT_BYTES]);
    secret[..32].copy_from_slice(key.bytes());
    secret[32..].copy_from_slice(salt);
    let told = stdin.expect("it is a pipe").write_all(&*secret);
    let (sender, ready) = channel();
    let mut stdout = stdout.expect("it is a pipe");
    std::thread::spawn(move || {
        let mut answer = [0];
        let _ = sender.send(stdout.read_exact(&mut answer).is_ok() && answer[0] == READY);
    });
    match told.map(|()| ready.recv_timeout(START_TIMEOUT)) {
        Ok(Ok(true)) => Ok(()),
        answer => {
            let _ = child.kill();
            let _ = child.wait();
            Err(failed(&match answer {
                Err(error) => error.to_string(),
                Ok(_) => format!("it cannot listen at {}", socket.display()),
            }))
        }
    }
}

/// The agent itself: reads the key, and keeps it until the time is over.
pub(super) async fn hold(socket: &Path, until_ms: u64) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::failed("agent", error);
    // Away from the caller's terminal; and no other program of ours may look into its memory, nor a core file be made of it.
    let _ = nix::unistd::setsid();
    forbid_looking()?;
    let mut secret = Zeroizing::new([0; 32 + SALT_BYTES]);
    std::io::stdin().lock().read_exact(&mut *secret).map_err(|error| failed(&error))?;
    let (mut key, mut salt) = (Zeroizing::new([0; 32]), [0; SALT_BYTES]);
    key.copy_from_slice(&secret[..32]);
    salt.copy_from_slice(&secret[32..]);
    drop(secret);
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = signals else {
        return Err(failed(&"signals cannot be caught"));
    };
    let agent = Agent::listen(socket).map_err(|error| failed(&error))?;
    std::io::stdout().write_all(&[READY]).and_then(|()| std::io::stdout().flush()).map_err(|error| failed(&error))?;
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    };
    agent.serve(Kept { key, salt, until_ms }, shutdown).await;
    Ok(())
}

fn forbid_looking() -> Outcome {
    let failed = |error: nix::errno::Errno| Failure::failed("agent", error);
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0).map_err(failed)?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).map_err(failed)?;
    Ok(())
}

/// Seconds since 1970 as people write them, in UTC. (The calendar is Howard Hinnant's `civil_from_days`.)
pub(super) fn utc(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", time / 3_600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_as_calendars_tell_them() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_868_799, "2000-02-29 23:59:59 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_772_323_199, "2026-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
