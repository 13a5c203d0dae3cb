//! `bezant tui` and `bezant watch`.

use crate::cli::{Color, Global, LookFlags, MarkerName, Net, ThemeName, Tui, Watch};
use crate::commands::dashboard::Orders;
use crate::commands::{net, trace};
use crate::output::{Failure, Outcome, Output};
use bezant_api::manifest::Manifest;
use bezant_tui::{Look, Marker, NetOptions, NodeTarget, Options, Source, Style, Theme};
use std::io::IsTerminal;

/// The nodes of a net, for the dashboard.
pub(crate) fn targets(manifest: &Manifest) -> Vec<NodeTarget> {
    manifest.nodes.iter().map(|node| NodeTarget { name: node.name.clone(), rpc: node.rpc.clone() }).collect()
}

/// A running net, for the dashboard.
pub(crate) fn shown(manifest: &Manifest) -> NetOptions {
    NetOptions { title: manifest.net.clone(), source: Source::Nodes(targets(manifest)) }
}

/// As asked for; without colours where none are wanted.
pub(crate) fn look(flags: LookFlags, global: &Global) -> Look {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_bare = global.color == Color::Never || (no_color && global.color != Color::Always);
    let theme = match flags.theme {
        Some(ThemeName::Dark) => Theme::Dark,
        Some(ThemeName::Light) => Theme::Light,
        Some(ThemeName::HighContrast) => Theme::HighContrast,
        Some(ThemeName::Mono) => Theme::Mono,
        None if is_bare => Theme::Mono,
        None => Theme::Dark,
    };
    let marker = match flags.marker {
        MarkerName::Braille => Marker::Braille,
        MarkerName::Plain => Marker::Plain,
    };
    Look { theme, marker }
}

pub(crate) async fn tui(options: Tui, global: &Global, output: &Output) -> Outcome {
    let look = look(options.look, global);
    if let Some(file) = &options.replay {
        if !std::io::stdout().is_terminal() {
            return trace::show(file, output);
        }
        let (header, entries) = trace::read(file)?;
        let net = NetOptions { title: header.net.clone(), source: Source::Trace(header, entries) };
        let options =
            Options { nets: vec![net], look, quit_stops_net: false, can_fault: false, orders: None, notices: None };
        return show(options).await;
    }
    let mut manifests = vec![net::running(&options.net, global)?];
    if let Some(other) = options.other {
        manifests.push(net::running(&Net { net: other }, global)?);
    }
    if !std::io::stdout().is_terminal() {
        if manifests.len() > 1 {
            return Err(Failure::usage("two nets need a terminal; `bezant watch --net NAME` prints the events of one"));
        }
        return follow(&manifests[0], Style::Plain, output).await;
    }
    let nets = manifests.iter().map(shown).collect();
    let (orders, notices, doing) = Orders::start(manifests, global, false);
    let options =
        Options { nets, look, quit_stops_net: false, can_fault: true, orders: Some(orders), notices: Some(notices) };
    let shown = show(options).await;
    doing.abort();
    shown
}

async fn show(options: Options) -> Outcome {
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
