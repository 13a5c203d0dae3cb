//! `bezant testnet snapshot`, `revert`, `export` and `import`.

use crate::cli::{Export, Global, Import, Revert, Snapshot};
use crate::commands::net;
use crate::output::{Outcome, Output, table};
use bezant_api::control::SnapshotInfo;
use bezant_testnet::net::error::net_flag;
use bezant_testnet::net::logs::timestamp;
use bezant_testnet::net::pictures::archive::{self, Imported};
use bezant_testnet::net::pictures::{self, install};
use serde_json::json;

pub(super) async fn snapshot(options: Snapshot, global: &Global, output: &Output) -> Outcome {
    let dir = net::dir(&options.net, global)?;
    let net = &options.net.net;
    if let Some(name) = &options.remove {
        pictures::remove(net, &dir, name)?;
        return output.result(&json!({ "removed": name }), || format!("snapshot {name} removed"));
    }
    let Some(name) = &options.name else {
        let all = pictures::list(&dir)?;
        return output.result(&all, || list_text(&all));
    };
    let info = pictures::snapshot(net, &dir, name, options.force).await?;
    output.result(&info, || {
        let height = info.height.map_or_else(String::new, |height| format!(" at height {height}"));
        format!(
            "snapshot {name}{height}, {}; go back with `bezant testnet revert {name}{}`",
            size(info.bytes),
            net_flag(net)
        )
    })
}

fn list_text(all: &[SnapshotInfo]) -> String {
    if all.is_empty() {
        return "there is no snapshot; `bezant testnet snapshot NAME` takes one".to_owned();
    }
    let row = |info: &SnapshotInfo| {
        let height = info.height.map_or_else(|| "-".to_owned(), |height| height.to_string());
        vec![info.name.clone(), timestamp(info.made_ms), height, size(info.bytes)]
    };
    table(&["snapshot", "taken", "height", "size"], all.iter().map(row))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..100_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        100_000..100_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

pub(super) async fn revert(options: Revert, global: &Global, output: &Output) -> Outcome {
    let dir = net::dir(&options.net, global)?;
    let name = &options.name;
    let report = pictures::revert(&options.net.net, &dir, name).await?;
    let value = json!({ "snapshot": name, "height": report.height, "incarnation": report.incarnation });
    output.result(&value, || {
        format!("back at snapshot {name}, height {}; incarnation {} of the net", report.height, report.incarnation)
    })
}

pub(super) async fn export(options: Export, global: &Global, output: &Output) -> Outcome {
    let dir = net::dir(&options.net, global)?;
    let net = &options.net.net;
    let exported = match &options.snapshot {
        Some(name) => archive::export(&pictures::find(net, &dir, name)?, &options.file, options.force)?,
        None => {
            let picture = pictures::picture(net, &dir).await?;
            let exported = archive::export(&picture, &options.file, options.force);
            install::discard(&dir, &picture)?;
            exported?
        }
    };
    output.remark("the file holds the validators' keys: whoever has it can sign for this net");
    output.result(&exported, || format!("{}, {}", exported.file.display(), size(exported.bytes)))
}

pub(super) async fn import(options: Import, global: &Global, output: &Output) -> Outcome {
    let home = net::home(global)?;
    let name = &options.net.net;
    let was_there = home.find_net(name).is_ok();
    let dir = home.create_net(name, options.dir.as_deref())?;
    let Imported { spec, set_back } = match archive::import(name, &dir, &options.file, options.fresh).await {
        Ok(imported) => imported,
        Err(error) => {
            if !was_there {
                home.remove_net(name)?;
            }
            return Err(error.into());
        }
    };
    let (height, incarnation) = (set_back.height, set_back.incarnation);
    let value = json!({
        "net": name, "dir": dir, "engine": spec.engine, "nodes": spec.nodes, "observers": spec.observers,
        "height": height, "incarnation": incarnation,
    });
    output.result(&value, || {
        let nodes = spec.count();
        let net = format!("net {name} ({}), {nodes} nodes, height {height}, in {}", spec.engine, dir.display());
        format!("{net}\nstart it with `bezant testnet up --net {name}`")
    })
}
