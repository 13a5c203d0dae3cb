//! What completions know beside the command line itself: names of nets, wallets, accounts and contacts. Only files are looked at,
//! no node is asked, and whatever cannot be read offers nothing.

use bezant_api::home::Home;
use bezant_wallet::contacts;
use bezant_wallet::keys::dev::WALLETS_DIR;
use clap_complete::engine::CompletionCandidate;
use std::path::{Path, PathBuf};

/// Names that are offered, at most.
const OFFERED_MAX: usize = 1_000;

/// The value of a flag on the line that is being completed, or of its variable.
fn given(flag: &str, variable: &str) -> Option<String> {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let apart = words.iter().position(|word| word == flag).and_then(|place| words.get(place + 1).cloned());
    let joined = || words.iter().find_map(|word| word.strip_prefix(flag)?.strip_prefix('=').map(str::to_owned));
    apart.or_else(joined).or_else(|| std::env::var(variable).ok())
}

fn home() -> Option<Home> {
    let home = given("--home", "BEZANT_HOME").map(PathBuf::from);
    Home::discover(home.as_deref()).ok()
}

fn net_dir(home: &Home) -> Option<PathBuf> {
    home.find_net(&given("--net", "BEZANT_NET").unwrap_or_else(|| "default".to_owned())).ok()
}

fn wallets_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let wallets = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    wallets.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).take(OFFERED_MAX).collect()
}

fn offered(mut names: Vec<String>) -> Vec<CompletionCandidate> {
    names.sort();
    names.dedup();
    names.into_iter().take(OFFERED_MAX).map(CompletionCandidate::new).collect()
}

/// Nets.
pub(crate) fn nets() -> Vec<CompletionCandidate> {
    let nets = home().and_then(|home| home.list_nets().ok()).unwrap_or_default();
    offered(nets.into_iter().map(|(name, _)| name).collect())
}

fn own_and_accounts() -> Vec<String> {
    let Some(home) = home() else { return Vec::new() };
    let mut names = wallets_in(&home.wallets());
    names.extend(net_dir(&home).map(|dir| wallets_in(&dir.join(WALLETS_DIR))).unwrap_or_default());
    names
}

fn contact_names() -> Vec<String> {
    let Some(home) = home() else { return Vec::new() };
    let genesis = net_dir(&home).map(|dir| bezant_api::genesis::read(&dir.join(bezant_api::home::GENESIS_FILE)));
    let contacts = match genesis {
        Some(Ok(genesis)) => contacts::list(&home.wallets(), &genesis.network_id()),
        Some(Err(_)) | None => contacts::read(&home.wallets()),
    };
    contacts.unwrap_or_default().into_iter().map(|contact| contact.name).collect()
}

/// One's own wallets, and the net's accounts.
pub(crate) fn wallets() -> Vec<CompletionCandidate> {
    offered(own_and_accounts())
}

/// Contacts.
pub(crate) fn contacts() -> Vec<CompletionCandidate> {
    offered(contact_names())
}

/// Whoever can be paid by a name.
pub(crate) fn recipients() -> Vec<CompletionCandidate> {
    let mut names = own_and_accounts();
    names.extend(contact_names());
    offered(names)
}
