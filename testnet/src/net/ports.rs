//! Ports for the nodes of a net on loopback, chosen so that nobody takes one between the choice and the node's listening.
//!
//! - Not from the ephemeral range, from which the system gives every outgoing connection its port.
//! - From a random place on, so that nets that are made at the same time hardly try the same ones.
//! - Claimed while the net runs, also while a node is down: the supervisor holds the UDP port of the same number, which nodes
//!   of a net do not use (they listen on TCP only). Whoever looks for a port here finds it taken, and when the supervisor dies
//!   in any way, the system releases it.

use crate::net::error::NetError;
use rand::RngExt;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;

#[cfg(test)]
mod tests;

/// Ports below are for services that are known by their number.
const PORT_MIN: u16 = 10_000;
/// With fewer ports than this outside the ephemeral range, that range is used too.
const PORTS_WANTED: usize = 1_000;
/// Where Linux says from which ports it takes those of outgoing connections.
const EPHEMERAL_FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The range that IANA names for that, and other systems use.
const EPHEMERAL_DEFAULT: RangeInclusive<u16> = 49_152..=65_535;

/// The ports of one net, held until this is dropped.
#[derive(Debug, Default)]
pub struct PortClaims {
    held: BTreeMap<u16, UdpSocket>,
}

impl PortClaims {
    /// Claims `port`, unless that was done before.
    ///
    /// # Errors
    /// When somebody listens there, or another net has claimed it.
    pub fn claim(&mut self, port: u16) -> io::Result<()> {
        if let Entry::Vacant(free) = self.held.entry(port) {
            let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            free.insert(claim);
        }
        Ok(())
    }

    /// Claims a port that is free.
    ///
    /// # Errors
    /// When there is none.
    pub fn claim_any(&mut self) -> Result<u16, NetError> {
        let ports = candidates(&ephemeral());
        let start = rand::rng().random_range(0..ports.len());
        let mut turned = ports[start..].iter().chain(&ports[..start]).copied();
        turned
            .find(|port| !self.held.contains_key(port) && self.claim(*port).is_ok())
            .ok_or_else(|| NetError::Usage("no free port was found on loopback".to_owned()))
    }
}

/// The ephemeral range of this system.
fn ephemeral() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string(EPHEMERAL_FILE).unwrap_or_default();
    parse_range(&text).unwrap_or(EPHEMERAL_DEFAULT)
}

/// First and last port, separated by white space.
fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse::<u16>);
    let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (numbers.next().is_none() && first <= last).then_some(first..=last)
}

/// Ports to choose from; never none.
fn candidates(ephemeral: &RangeInclusive<u16>) -> Vec<u16> {
    let outside: Vec<u16> = (PORT_MIN..=u16::MAX).filter(|port| !ephemeral.contains(port)).collect();
    if outside.len() < PORTS_WANTED { (PORT_MIN..=u16::MAX).collect() } else { outside }
}
