//! `bezant trace`: recordings of what nodes tell.

use crate::cli::{Global, Trace};
use crate::commands::{net, watch};
use crate::output::{Failure, Outcome, Output};
use bezant_api::manifest::Manifest;
use bezant_api::trace::{Entry, TRACE_VERSION, TraceHeader, TraceNode, TraceReader, TraceWriter};
use bezant_testnet::sim::SimOptions;
use bezant_testnet::text;
use bezant_tui::{Feed, Wants};
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often what was recorded is handed to the system, so that little is lost when the recorder is killed.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(command: Trace, global: &Global, output: &Output) -> Outcome {
    match command {
        Trace::Record { net, lasts, out } => {
            if lasts.is_some_and(|lasts| lasts.is_zero()) {
                return Err(Failure::usage("--for: in no time there is nothing to record"));
            }
            let manifest = net::running(&net, global)?;
            record(&manifest, lasts, &out, output).await
        }
        Trace::Show { file } => show(&file, output),
    }
}

/// A file that is not there yet.
pub(crate) fn create(out: &Path) -> Result<File, Failure> {
    File::options().write(true).create_new(true).open(out).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} is there already; choose another name", out.display()))
        }
        _ => unwritable(out, error),
    })
}

fn unwritable(out: &Path, error: std::io::Error) -> Failure {
    Failure::failed("trace", format!("{}: {error}", out.display()))
}

/// Runs a simulated seed and writes what its nodes tell; how many entries that is.
pub(crate) fn of_seed(options: &SimOptions, out: &Path) -> Result<usize, Failure> {
    let file = create(out)?;
    let (_, header, entries) = bezant_testnet::sim::record_seed(options, options.seed);
    write(file, out, &header, &entries)?;
    Ok(entries.len())
}

/// Writes a recording to a file that [`create`] made.
pub(crate) fn write(file: File, out: &Path, header: &TraceHeader, entries: &[Entry]) -> Result<(), Failure> {
    let write = || {
        let mut writer = TraceWriter::new(BufWriter::new(file), header)?;
        entries.iter().try_for_each(|entry| writer.write(entry))?;
        writer.flush()
    };
    write().map_err(|error: std::io::Error| unwritable(out, error))
}

/// Says where a recording is, and how it is looked at.
pub(crate) fn remark_on(file: &Path, entries: usize, output: &Output) {
    let entries = text::counted(entries, "entry", "entries");
    output.remark(&format!("{entries} in {0}; `bezant tui --replay {0}` shows them", file.display()));
}

async fn record(manifest: &Manifest, lasts: Option<Duration>, out: &Path, output: &Output) -> Outcome {
    let failed = |error| unwritable(out, error);
    let file = create(out)?;
    let nodes = manifest.nodes.iter().map(|node| TraceNode { name: node.name.clone() }).collect();
    let (net, engine, network_id) = (manifest.net.clone(), manifest.engine, manifest.network_id.clone());
    let header = TraceHeader { bezant_trace: TRACE_VERSION, net, engine, network_id, nodes };
    let mut writer = TraceWriter::new(BufWriter::new(file), &header).map_err(failed)?;
    let mut feed = Feed::start(&watch::targets(manifest));
    feed.want(Wants { peers: true, transaction: None });
    let end = async {
        let time = async {
            match lasts {
                Some(lasts) => tokio::time::sleep(lasts).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            () = net::interrupted() => {}
            () = net::stopped(manifest) => output.remark(&format!("net {} has stopped", manifest.net)),
        }
    };
    tokio::pin!(end);
    output.remark(&format!(
        "recording {} to {}; Ctrl-C ends it",
        text::count(manifest.nodes.len(), "node"),
        out.display()
    ));
    let mut flushes = tokio::time::interval(FLUSH_INTERVAL);
    let (mut entries, began) = (0_u64, Instant::now());
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = flushes.tick() => writer.flush().map_err(failed)?,
            entry = feed.next() => {
                let Some(entry) = entry else { break };
                writer.write(&entry).map_err(failed)?;
                entries += 1;
            }
        }
    }
    writer.flush().map_err(failed)?;
    let seconds = began.elapsed().as_secs_f64();
    let result = json!({ "file": out, "entries": entries, "seconds": (seconds * 10.0).round() / 10.0 });
    let words = || {
        format!(
            "{} in {seconds:.1} s; look at them with `bezant tui --replay {}`",
            text::counted(entries, "entry", "entries"),
            out.display()
        )
    };
    output.result(&result, words)
}

fn open(file: &Path) -> Result<TraceReader<BufReader<File>>, Failure> {
    let opened = File::open(file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    TraceReader::new(BufReader::new(opened)).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(1, "trace", format!("{}: {error}", file.display()))
}

/// All of a recording, to be looked at in the dashboard.
pub(crate) fn read(file: &Path) -> Result<(TraceHeader, Vec<Entry>), Failure> {
    let reader = open(file)?;
    let header = reader.header().clone();
    let entries = bezant_tui::read_all(reader).map_err(|error| unreadable(file, &error))?;
    Ok((header, entries))
}

/// A recording as lines.
pub(crate) fn show(file: &Path, output: &Output) -> Outcome {
    let reader = open(file)?;
    let header = reader.header().clone();
    if output.json {
        output.line(&serde_json::to_string(&header).map_err(|error| Failure::failed("output", error))?)?;
    } else {
        output.line(&format!("net {} ({}), {}", header.net, header.engine, text::count(header.nodes.len(), "node")))?;
    }
    let mut started_ms = None;
    for entry in reader {
        let entry = entry.map_err(|error| unreadable(file, &error))?;
        let started_ms = *started_ms.get_or_insert(entry.at_ms);
        let line = if output.json {
            Some(serde_json::to_string(&entry).map_err(|error| Failure::failed("output", error))?)
        } else {
            bezant_tui::describe_entry(&header.nodes[entry.node].name, &entry, started_ms)
        };
        if let Some(line) = line {
            output.line(&line)?;
        }
    }
    Ok(())
}
