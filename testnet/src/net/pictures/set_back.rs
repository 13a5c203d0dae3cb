//! Going back: what was signed above the height of the picture counts no more.
//!
//! Under PBFT the net goes on in another incarnation ([`bezant_consensus::incarnations`]) from the height above the highest that is
//! final at any node of the picture. That height is what the nodes themselves would find ([`bezant_api::config::StandingLine`]).
//! Under proof of work nothing is signed. There the blocks with which the branch begins that is left are noted: a receipt whose
//! headers lead through one of them proves nothing any more.

use super::{Picture, SetBackReport, install, take};
use crate::net::error::NetError;
use crate::net::spec::{self, NetSpec, SetBackSpec};
use bezant_api::config::StandingLine;
use bezant_api::types::EngineName;
use bezant_consensus::limits::SET_BACKS_MAX;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

/// Blocks that are remembered as undone by one setting back, at most: one or two of each node.
pub const UNDONE_MAX: usize = 4 * spec::NODES_MAX;

/// Goes back to `picture`. The caller holds the lock of the net in `dir`, `spec` is what it is now, and no node runs.
///
/// # Errors
/// When the picture cannot be read or copied; then nothing has changed.
pub async fn revert(dir: &Path, spec: &NetSpec, picture: &Path) -> Result<SetBackReport, NetError> {
    let made = take::copy_of(dir, picture)?;
    let prepared = prepare(dir, spec, &made).await;
    let report = match prepared {
        Ok(report) => report,
        Err(error) => {
            install::discard(dir, &made)?;
            return Err(error);
        }
    };
    install::install(dir, &made)?;
    Ok(report)
}

async fn prepare(dir: &Path, present: &NetSpec, made: &Path) -> Result<SetBackReport, NetError> {
    let mut next = NetSpec::read(made)?.ok_or_else(|| NetError::Damaged {
        path: made.to_owned(),
        reason: "the snapshot has no net.json; take it anew".to_owned(),
    })?;
    let height = height(made, &next).await?;
    let undone = if present.engine == EngineName::Pow { undone(dir, present, &next, height).await } else { Vec::new() };
    let incarnation = present.incarnation.max(next.incarnation) + 1;
    next.go_back(incarnation, height, undone, &present.set_backs);
    if next.set_backs.len() > SET_BACKS_MAX {
        let text = format!("the net was set back to {SET_BACKS_MAX} heights already; make a new one with `up --fresh`");
        return Err(NetError::Refused(text));
    }
    // Whoever talks to the net goes on doing so.
    next.net.clone_from(&present.net);
    next.dev_token.clone_from(&present.dev_token);
    for (member, now) in next.members.iter_mut().zip(&present.members) {
        (member.p2p_port, member.rpc_port, member.stratum_port) = (now.p2p_port, now.rpc_port, now.stratum_port);
    }
    next.write(made)?;
    let picture = Picture { height: Some(height), ..Picture::read(made)? };
    picture.write(made)?;
    Ok(SetBackReport { height, incarnation })
}

/// The first blocks of the present chains that the chains of the picture do not have.
async fn undone(dir: &Path, present: &NetSpec, next: &NetSpec, height: u64) -> Vec<String> {
    // Above the picture; and, if it is of another branch, above where the present one began.
    let is_left = |it: &&SetBackSpec| !next.set_backs.iter().any(|kept| kept.incarnation == it.incarnation);
    let begun = present.set_backs.iter().filter(is_left).map(|it| it.height).filter(|it| *it < height);
    let heights: Vec<u64> = begun.chain([height]).map(|height| height + 1).collect();
    let mut found = BTreeSet::new();
    for index in 0..present.count() {
        // A net that is gone back from because it is damaged has nothing that anybody could prove.
        if let Ok(standing) = standing(dir, present, index, &heights).await {
            found.extend(standing.at.into_iter().flatten());
        }
    }
    found.into_iter().take(UNDONE_MAX).collect()
}

/// The highest height that is final (under proof of work: the highest tip) at any node of a net that does not run.
///
/// # Errors
/// When a node's data cannot be read.
pub async fn height(dir: &Path, spec: &NetSpec) -> Result<u64, NetError> {
    let mut highest = 0;
    for index in 0..spec.count() {
        highest = highest.max(standing(dir, spec, index, &[]).await?.height);
    }
    Ok(highest)
}

/// Asks this very program where a node would begin.
async fn standing(dir: &Path, spec: &NetSpec, index: usize, heights: &[u64]) -> Result<StandingLine, NetError> {
    let failed = |reason: String| NetError::Node { index, reason };
    let mut config = spec::node_config(dir, spec, index);
    config.validator_key = None;
    config.rpc.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let file = tempfile::NamedTempFile::new().map_err(NetError::io(std::env::temp_dir()))?;
    std::fs::write(file.path(), config.to_toml()).map_err(NetError::io(file.path()))?;
    let heights: Vec<String> = std::iter::once(0).chain(heights.iter().copied()).map(|it| it.to_string()).collect();
    let mut command = tokio::process::Command::new(spec::program()?);
    spec::clean_environment(&mut command);
    let output = command
        .args(["--json", "node", "--standing-at", &heights.join(","), "--log", "error", "--config"])
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| failed(error.to_string()))?;
    let said: Result<StandingLine, _> = serde_json::from_slice(&output.stdout);
    let mut standing = said.map_err(|_| {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        failed(format!("its data cannot be read: {}", String::from_utf8_lossy(&said).trim()))
    })?;
    // The first is the genesis.
    standing.at.remove(0);
    Ok(standing)
}
