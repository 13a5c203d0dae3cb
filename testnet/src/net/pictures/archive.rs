//! A net in one file: a picture as a tar archive, compressed with gzip.
//!
//! ```text
//! bezant-net.json                     first: {"format":"bezant-net","version":1,"made_ms":…,"height":…}
//! genesis.toml  net.json  wallets/…  nodeI/validator.key  nodeI/data/…
//! ```
//!
//! The file holds the validators' keys and what their nodes signed. Whoever imports it has the same ledger on a net of his own:
//! with other ports, other identities of the nodes, and in a later incarnation, so that no vote of the one counts in the other.
//!
//! What is imported was made by anybody. Only plain files are taken, only under the names above, within the limits below, and all
//! of it before anything of the net that is there is touched. A genesis that is not one of a dev net is refused: elsewhere nobody
//! may go back.

use super::{MAKING, Picture, SetBackReport, install, set_back, take};
use crate::net::error::NetError;
use crate::net::ports::PortClaims;
use crate::net::spec::{self, GENESIS_FILE, NODES_MAX, NetSpec, SPEC_FILE, node_dir};
use crate::net::supervisor;
use bezant_api::keyfile;
use bezant_consensus::ledger::key::SigningKey;
use bezant_wallet::keys::dev::WALLETS_DIR;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The first entry.
const HEAD_FILE: &str = "bezant-net.json";
/// What it says of the format.
const FORMAT: &str = "bezant-net";
/// The version that this program writes and reads.
const VERSION: u32 = 1;
/// Entries that are looked at, at most.
pub const ENTRIES_MAX: usize = 4_096;
/// Bytes of all files together, at most.
pub const TOTAL_BYTES_MAX: u64 = 64 << 30;
/// Bytes of a file that is read as a whole (genesis, specification, keys, wallets), at most.
pub const SMALL_FILE_BYTES_MAX: u64 = 16 << 20;
/// Characters of a file's name, at most.
const NAME_CHARS_MAX: usize = 100;

/// The first entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    made_ms: u64,
    height: Option<u64>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// As in [`Picture::height`].
    pub height: Option<u64>,
}

/// Writes a picture to one file, for nobody else to read, whole or not at all. `force` replaces a file that is there.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub fn export(picture: &Path, file: &Path, force: bool) -> Result<Exported, NetError> {
    let said = Picture::read(picture)?;
    let place = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<u64> {
        // The crate makes such files with mode 0600.
        let mut unfinished = tempfile::Builder::new().prefix(MAKING).tempfile_in(place)?;
        let compressed = GzEncoder::new(BufWriter::new(unfinished.as_file_mut()), Compression::fast());
        let mut archive = tar::Builder::new(compressed);
        let head = Head { format: FORMAT.to_owned(), version: VERSION, made_ms: said.made_ms, height: said.height };
        let head = serde_json::to_vec(&head).map_err(io::Error::from)?;
        archive.append_data(&mut header(head.len() as u64), HEAD_FILE, head.as_slice())?;
        for part in &said.parts {
            append(&mut archive, picture, part)?;
        }
        archive.into_inner()?.finish()?.flush()?;
        unfinished.as_file().sync_all()?;
        let bytes = unfinished.as_file().metadata()?.len();
        let placed = if force { unfinished.persist(file) } else { unfinished.persist_noclobber(file) };
        placed.map_err(|error| error.error)?;
        File::open(place)?.sync_all()?;
        Ok(bytes)
    };
    match write() {
        Ok(bytes) => Ok(Exported { file: file.to_owned(), bytes, height: said.height }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(NetError::Usage(format!(
            "{} is there already; --force overwrites it, or choose another name",
            file.display()
        ))),
        Err(error) => Err(NetError::Io { path: file.to_owned(), error }),
    }
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(bytes);
    header
}

fn append<W: Write>(archive: &mut tar::Builder<W>, picture: &Path, part: &str) -> io::Result<()> {
    let path = picture.join(part);
    if path.is_dir() {
        let mut names: Vec<String> = std::fs::read_dir(&path)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        names.sort();
        return names.into_iter().try_for_each(|name| append(archive, picture, &format!("{part}/{name}")));
    }
    let file = File::open(&path)?;
    let bytes = file.metadata()?.len();
    archive.append_data(&mut header(bytes), part, BufReader::new(file))
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    /// The net, as it is now.
    pub spec: NetSpec,
    /// Where it goes on.
    pub set_back: SetBackReport,
}

/// Makes the net in `dir`, which carries Bezant's marker, out of an archive. It does not run. `fresh` replaces one that is there,
/// in one step.
///
/// # Errors
/// When there is one already, or the file is no archive of a dev net within the limits; then nothing has changed.
pub async fn import(net: &str, dir: &Path, file: &Path, fresh: bool) -> Result<Imported, NetError> {
    let _lock = supervisor::lock(net, dir)?;
    supervisor::stop_leftovers(dir).await;
    install::finish(dir)?;
    if NetSpec::read(dir).is_ok_and(|spec| spec.is_some()) && !fresh {
        return Err(NetError::Refused(format!(
            "net {net} exists already; import under another name with --net NAME, or add --fresh to replace it (its ledger is deleted)"
        )));
    }
    let made = take::making(dir)?;
    match unpacked(net, file, &made).await {
        Ok(imported) => {
            install::install(dir, &made)?;
            Ok(imported)
        }
        Err(error) => {
            install::discard(dir, &made)?;
            Err(error)
        }
    }
}

async fn unpacked(net: &str, file: &Path, made: &Path) -> Result<Imported, NetError> {
    let refused = |reason: String| NetError::BadArchive { file: file.to_owned(), reason };
    let opened = File::open(file).map_err(|error| NetError::Usage(format!("{}: {error}", file.display())))?;
    let head = unpack(opened, made).map_err(refused)?;
    let mut spec = NetSpec::read(made)
        .map_err(|error| refused(error.to_string()))?
        .ok_or_else(|| refused(format!("it has no {SPEC_FILE}")))?;
    check(&spec, made).map_err(refused)?;
    net.clone_into(&mut spec.net);
    // What anybody could have written is made anew.
    spec.dev_token = hex::encode(spec::random_bytes::<16>());
    let mut claims = PortClaims::default();
    for index in 0..spec.count() {
        let key = SigningKey::from_seed(&spec::random_bytes());
        let data = node_dir(made, index).join("data");
        spec::write_private(&data.join("node.key"), keyfile::text(&key, None).as_bytes())?;
        let member = &mut spec.members[index];
        member.peer_id = bezant_api::peer_id::of_ed25519(&key.public());
        (member.p2p_port, member.rpc_port) = (claims.claim_any()?, claims.claim_any()?);
        if member.stratum_port.is_some() {
            member.stratum_port = Some(claims.claim_any()?);
        }
    }
    spec::write_wallets(made, spec.seed)?;
    let height = set_back::height(made, &spec).await.map_err(|error| refused(error.to_string()))?;
    let incarnation = spec.incarnation.checked_add(1).ok_or_else(|| refused("it was set back too often".to_owned()))?;
    spec.go_back(incarnation, height, Vec::new(), &[]);
    spec.write(made)?;
    let parts = parts(made, &spec);
    let picture = Picture {
        version: super::VERSION,
        engine: spec.engine,
        made_ms: head.made_ms,
        height: Some(height),
        bytes: 0,
        parts,
        replaces: true,
    };
    picture.write(made)?;
    sync(made, &spec)?;
    Ok(Imported { spec, set_back: SetBackReport { height, incarnation } })
}

fn parts(made: &Path, spec: &NetSpec) -> Vec<String> {
    let mut parts = vec![GENESIS_FILE.to_owned(), WALLETS_DIR.to_owned()];
    for index in 0..spec.count() {
        parts.push(format!("node{index}/data"));
        let key = format!("node{index}/validator.key");
        if made.join(&key).exists() {
            parts.push(key);
        }
    }
    parts.push(SPEC_FILE.to_owned());
    parts
}

fn sync(made: &Path, spec: &NetSpec) -> Result<(), NetError> {
    take::sync_dir(&made.join(WALLETS_DIR))?;
    for index in 0..spec.count() {
        take::sync_dir(&node_dir(made, index).join("data"))?;
        take::sync_dir(&node_dir(made, index))?;
    }
    Ok(())
}

/// Whether what was unpacked is one dev net, with all of its nodes and no other.
fn check(spec: &NetSpec, made: &Path) -> Result<(), String> {
    if spec.version != 1 {
        return Err(format!("its net.json is of version {}, and this program knows 1", spec.version));
    }
    if spec.nodes == 0 || spec.observers > NODES_MAX || spec.nodes > NODES_MAX || spec.count() > NODES_MAX {
        return Err(format!("its net.json names {} nodes; 1 to {NODES_MAX} are possible", spec.nodes));
    }
    if spec.members.len() != spec.count() {
        return Err("its net.json does not name each node once".to_owned());
    }
    let genesis = std::fs::read_to_string(made.join(GENESIS_FILE)).map_err(|_| format!("it has no {GENESIS_FILE}"))?;
    let genesis = bezant_api::genesis::from_toml(&genesis).map_err(|error| format!("its {GENESIS_FILE}: {error}"))?;
    if !genesis.dev {
        return Err("its genesis is not one of a dev net, and no other may be set back".to_owned());
    }
    if genesis.pow().is_some() != (spec.engine == bezant_api::types::EngineName::Pow) {
        return Err("its net.json names another engine than its genesis".to_owned());
    }
    for index in 0..NODES_MAX {
        let has_data = node_dir(made, index).join("data").is_dir();
        if has_data != (index < spec.count()) {
            return Err(format!("it has the data of other nodes than the {} that its net.json names", spec.count()));
        }
        let has_key = node_dir(made, index).join("validator.key").exists();
        if has_key != spec.members.get(index).is_some_and(|member| member.validator.is_some()) {
            return Err(format!("it has no key of node{index}, or one that its net.json does not name"));
        }
    }
    for (index, pair) in spec.set_backs.windows(2).enumerate() {
        if pair[0].incarnation >= pair[1].incarnation || pair[0].height >= pair[1].height {
            return Err(format!("its net.json lists settings back out of order, at number {index}"));
        }
    }
    let last = spec.set_backs.last().map_or(0, |it| it.incarnation);
    if last > spec.incarnation || spec.set_backs.iter().any(|it| it.undone.len() > set_back::UNDONE_MAX) {
        return Err("its net.json lists settings back that nobody can have done".to_owned());
    }
    Ok(())
}

/// Unpacks an archive into an empty directory.
fn unpack(file: impl Read, to: &Path) -> Result<Head, String> {
    let no_archive = |error: io::Error| format!("it cannot be read as an archive of a net ({error})");
    // Headers and padding come on top of the files.
    let plain = GzDecoder::new(BufReader::new(file)).take(TOTAL_BYTES_MAX + 2_048 * ENTRIES_MAX as u64);
    let mut archive = tar::Archive::new(plain);
    let mut head: Option<Head> = None;
    let mut seen = BTreeSet::new();
    let mut total = 0_u64;
    // Raw: names that other entries would make longer are longer than any of ours.
    for entry in archive.entries().map_err(no_archive)?.raw(true) {
        let mut entry = entry.map_err(no_archive)?;
        if seen.len() >= ENTRIES_MAX {
            return Err(format!("it has more than {ENTRIES_MAX} files"));
        }
        let name =
            String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| "a name in it is no text".to_owned())?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(format!("{name:?} in it is no plain file"));
        }
        let bytes = entry.header().size().map_err(no_archive)?;
        total = total.saturating_add(bytes);
        if total > TOTAL_BYTES_MAX {
            return Err(format!("its files are more than {TOTAL_BYTES_MAX} bytes"));
        }
        if head.is_none() {
            head = Some(read_head(&name, &mut entry)?);
            seen.insert(name);
            continue;
        }
        let kind = Kind::of(&name).ok_or_else(|| format!("{name:?} in it is no part of a net"))?;
        if bytes > kind.bytes_max() {
            return Err(format!("{name:?} in it is {bytes} bytes long; at most {} are allowed", kind.bytes_max()));
        }
        if !seen.insert(name.clone()) {
            return Err(format!("{name:?} is in it twice"));
        }
        write(&mut entry, &to.join(&name), bytes).map_err(|error| format!("{name:?} cannot be unpacked: {error}"))?;
    }
    head.ok_or_else(|| "it is empty".to_owned())
}

fn read_head(name: &str, entry: &mut impl Read) -> Result<Head, String> {
    if name != HEAD_FILE {
        return Err(format!("it does not begin with {HEAD_FILE}; `bezant testnet export` makes such files"));
    }
    let mut text = Vec::new();
    entry.take(SMALL_FILE_BYTES_MAX).read_to_end(&mut text).map_err(|error| error.to_string())?;
    let head: Head = serde_json::from_slice(&text).map_err(|error| format!("its {HEAD_FILE}: {error}"))?;
    if head.format != FORMAT {
        return Err(format!("its format is {:?}, not {FORMAT:?}", head.format));
    }
    if head.version != VERSION {
        return Err(format!("it is of version {}, and this program knows {VERSION}; a newer one may", head.version));
    }
    Ok(head)
}

/// Which file of a net it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Read as a whole.
    Small,
    /// A node's data.
    Data,
}

impl Kind {
    /// By its whole name; `None` for what no net has.
    fn of(name: &str) -> Option<Kind> {
        let parts: Vec<&str> = name.split('/').collect();
        match *parts.as_slice() {
            [GENESIS_FILE | SPEC_FILE] => Some(Kind::Small),
            [WALLETS_DIR, file] if is_plain(file) && take::is_wallet(file) => Some(Kind::Small),
            [node, "validator.key"] if is_node(node) => Some(Kind::Small),
            [node, "data", file] if is_node(node) && is_plain(file) && take::is_data(file) => Some(Kind::Data),
            _ => None,
        }
    }

    fn bytes_max(self) -> u64 {
        match self {
            Kind::Small => SMALL_FILE_BYTES_MAX,
            Kind::Data => TOTAL_BYTES_MAX,
        }
    }
}

fn is_node(name: &str) -> bool {
    (0..NODES_MAX).any(|index| name == format!("node{index}"))
}

fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('.')
}

fn write(from: &mut impl Read, path: &Path, bytes: u64) -> io::Result<()> {
    std::fs::create_dir_all(path.parent().expect("it is below the net's directory"))?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    if io::copy(&mut from.take(bytes), &mut file)? != bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.sync_all()
}

#[cfg(test)]
mod tests;
