//! `bezant tui` and `bezant watch`.

use crate::cli::{Global, Net, Watch};
use crate::commands::net;
use crate::output::{Failure, Outcome, Output};
use bezant_api::manifest::Manifest;
use bezant_tui::{NodeTarget, Options, Style};
use std::io::IsTerminal;

/// The nodes of a net, for the dashboard.
pub(crate) fn targets(manifest: &Manifest) -> Vec<NodeTarget> {
    manifest.nodes.iter().map(|node| NodeTarget { name: node.name.clone(), rpc: node.rpc.clone() }).collect()
}

pub(crate) async fn tui(net: &Net, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(net, global)?;
    if !std::io::stdout().is_terminal() {
        return follow(&manifest, Style::Plain, output).await;
    }
    let options = Options {
        title: manifest.net.clone(),
        targets: targets(&manifest),
        quit_stops_net: false,
        actions: None,
        notices: None,
    };
    bezant_tui::dashboard(options, net::interrupted()).await.map_err(|error| Failure::failed("terminal", error))
}

pub(crate) async fn watch(options: &Watch, global: &Global, output: &Output) -> Outcome {
    let manifest = net::running(&options.net, global)?;
    follow(&manifest, if output.json && !options.plain { Style::Json } else { Style::Plain }, output).await
}

/// Events as lines until interrupted, or until the net has stopped.
async fn follow(manifest: &Manifest, style: Style, output: &Output) -> Outcome {
    let end = async {
        tokio::select! {
            () = net::interrupted() => {}
            () = net::stopped(manifest) => output.remark(&format!("net {} has stopped", manifest.net)),
        }
    };
    lines(manifest, style, end).await
}

/// Events as lines on stdout until `end` completes, or nobody reads them any more.
pub(crate) async fn lines(manifest: &Manifest, style: Style, end: impl Future<Output = ()>) -> Outcome {
    let end = async {
        tokio::select! {
            () = end => {}
            () = net::unread() => {}
        }
    };
    let mut out = std::io::stdout();
    let watched = bezant_tui::watch(&targets(manifest), style, &mut out, end).await;
    watched.map_err(|error| Failure::failed("output", error))
}
