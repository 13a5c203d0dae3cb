//! Faults on the links of a dev net: what is done to messages on their way from one node to another.
//!
//! A link is directed: it carries what `to` hears from `from`. A fault acts at the hearing node, on everything that its engine
//! would hear from that peer, and nowhere else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A whole, in parts per million: the unit of shares.
pub const PPM: u32 = 1_000_000;
/// Longest delay, and greatest jitter, of a link, milliseconds.
pub const LINK_DELAY_MS_MAX: u64 = 60_000;
/// Least bandwidth of a link that is not cut, bytes a second.
pub const LINK_BYTES_PER_S_MIN: u64 = 1_000;
/// Longest time after which a fault ends by itself, milliseconds: 366 days.
pub const LINK_FAULT_MS_MAX: u64 = 366 * 24 * 3_600 * 1_000;
/// Faults that one net may have at a time.
pub const LINK_FAULTS_MAX: usize = 64;
/// Bytes of the sentence of a `dev_note`.
pub const NOTE_BYTES_MAX: usize = 500;

/// What is done to the messages of a link. Shares are in parts per million of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkEffects {
    /// Nothing arrives. Goes alone.
    pub cut: bool,
    /// Each message arrives later by this.
    pub delay_ms: u64,
    /// The delay varies by up to this in both directions.
    pub jitter_ms: u64,
    /// This share is lost.
    pub drop_ppm: u32,
    /// This share arrives twice.
    pub duplicate_ppm: u32,
    /// This share is overtaken by what comes after it. Without it messages keep their order whatever their delays.
    pub reorder_ppm: u32,
    /// So many bytes a second get through; the others wait for their turn.
    pub bytes_per_s: Option<u64>,
}

impl LinkEffects {
    /// A link that is cut.
    pub const CUT: LinkEffects = LinkEffects {
        cut: true,
        delay_ms: 0,
        jitter_ms: 0,
        drop_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        bytes_per_s: None,
    };

    /// Whether these effects make sense.
    ///
    /// # Errors
    /// A sentence that names the first that does not, when there is none at all, or something beside a cut.
    pub fn check(&self) -> Result<(), String> {
        let rest = LinkEffects { cut: false, ..*self };
        if *self == LinkEffects::default() {
            return Err("no effect is given; choose at least one, like --delay 100ms or --drop 5%".to_owned());
        }
        if self.cut && rest != LinkEffects::default() {
            return Err("a link that is cut carries nothing: --cut goes without other effects".to_owned());
        }
        for (name, ms) in [("delay", self.delay_ms), ("jitter", self.jitter_ms)] {
            if ms > LINK_DELAY_MS_MAX {
                return Err(format!("{name}: at most {} s is possible", LINK_DELAY_MS_MAX / 1_000));
            }
        }
        for (name, ppm) in [("drop", self.drop_ppm), ("duplicate", self.duplicate_ppm), ("reorder", self.reorder_ppm)] {
            if ppm > PPM {
                return Err(format!("{name}: a share from 0% to 100% is expected"));
            }
        }
        match self.bytes_per_s {
            Some(bytes) if bytes < LINK_BYTES_PER_S_MIN => Err(format!(
                "bandwidth: at least {LINK_BYTES_PER_S_MIN} bytes a second are expected; --cut lets nothing through"
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// As people write it: `delay 100ms ±20ms, drop 5%`.
impl fmt::Display for LinkEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.cut {
            parts.push("cut".to_owned());
        }
        match (self.delay_ms, self.jitter_ms) {
            (0, 0) => {}
            (delay, 0) => parts.push(format!("delay {delay}ms")),
            (delay, jitter) => parts.push(format!("delay {delay}ms ±{jitter}ms")),
        }
        for (name, ppm) in [("drop", self.drop_ppm), ("duplicate", self.duplicate_ppm), ("reorder", self.reorder_ppm)] {
            if ppm > 0 {
                parts.push(format!("{name} {}%", f64::from(ppm) / 10_000.0));
            }
        }
        if let Some(bytes) = self.bytes_per_s {
            parts.push(match bytes {
                _ if bytes % 1_000_000 == 0 => format!("bandwidth {}MB/s", bytes / 1_000_000),
                _ if bytes % 1_000 == 0 => format!("bandwidth {}kB/s", bytes / 1_000),
                _ => format!("bandwidth {bytes}B/s"),
            });
        }
        f.write_str(&parts.join(", "))
    }
}

/// A peer whose messages a fault treats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkEnd {
    /// Its libp2p identity.
    pub peer_id: String,
    /// Where the dice of this link begin: the same seed throws the same dice.
    pub seed: u64,
}

/// One fault, as a node is told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkFaultParams {
    /// Its number in the net. What keeps its number keeps its dice and its end.
    pub id: u64,
    /// What this node hears from these is treated.
    pub from: Vec<LinkEnd>,
    /// libp2p identities of those that treat what they hear from this node. Only a cut says so: where both directions are cut,
    /// the connection is closed and refused.
    #[serde(default)]
    pub to: Vec<String>,
    /// What is done.
    pub effects: LinkEffects,
    /// After so long the node itself ends it; never unless given.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

/// Parameters of `dev_links`: the faults of this node's links. Replaces what was set before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DevLinksParams {
    /// The token.
    pub token: String,
    /// All of them.
    pub faults: Vec<LinkFaultParams>,
}

/// A fault in force, as the node shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkFaultView {
    /// Its number in the net.
    pub id: u64,
    /// libp2p identities of those whose messages it treats here.
    pub from: Vec<String>,
    /// What is done.
    pub effects: LinkEffects,
    /// Since when, milliseconds on the node's clock.
    pub since_ms: u64,
    /// When it ends by itself, milliseconds from now; null when it does not.
    pub left_ms: Option<u64>,
    /// Messages that it was shown.
    pub heard: u64,
    /// Of those it has lost.
    pub lost: u64,
    /// Of those it has held back.
    pub held: u64,
    /// Of those found no room where messages are held back, and were lost for that.
    pub overflowed: u64,
}

/// Whether a fault begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultState {
    /// It acts from now on.
    Begin,
    /// It does not act any more.
    End,
    /// It happened, and is over.
    Once,
}

/// What a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// What the node hears from others.
    Link,
    /// What the node says.
    Byzantine,
    /// The node's clock.
    Clock,
    /// The node's miner.
    Hashrate,
    /// The node's process.
    Process,
}

/// Parameters of `dev_note`: what was done to the node from outside goes into its event stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DevNoteParams {
    /// The token.
    pub token: String,
    /// Whether it begins or ends.
    pub state: FaultState,
    /// What it concerns.
    pub kind: FaultKind,
    /// What, in words; at most 500 bytes.
    pub what: String,
}

#[cfg(test)]
mod tests;
