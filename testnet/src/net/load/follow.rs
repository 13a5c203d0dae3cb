//! Following what becomes final: every node's events say when, the blocks of one node say what.

use super::Node;
use super::run::{Shared, held};
use super::sign::ShortId;
use bezant_api::client::{Client, ClientError};
use bezant_api::event::{Event, EventKind};
use bezant_api::fault::{FaultKind, FaultState};
use bezant_api::types::{BlockParams, BlockRef};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two tries to follow a node that is away, or to read a block.
const AGAIN_INTERVAL: Duration = Duration::from_millis(200);

/// Kinds of events that say something here.
const KINDS: [&str; 2] = ["block", "fault"];

/// Follows a node's events, also after it was away.
pub(super) async fn events(node: Node, shared: Arc<Shared>, place: usize) {
    let mut is_away = false;
    loop {
        if let Ok(mut events) = node.client.events_of(&KINDS).await {
            if std::mem::replace(&mut is_away, false) {
                shared.mark(node.index, FaultState::End, FaultKind::Process, "away".to_owned());
            }
            while let Some(event) = events.next().await {
                heard(event, &node, &shared, place);
            }
        }
        if !std::mem::replace(&mut is_away, true) {
            shared.mark(node.index, FaultState::Begin, FaultKind::Process, "away".to_owned());
        }
        tokio::time::sleep(AGAIN_INTERVAL).await;
    }
}

fn heard(event: Event, node: &Node, shared: &Shared, place: usize) {
    let now = Instant::now();
    let final_height = match event.kind {
        EventKind::Snapshot { status } => status.final_height,
        EventKind::Block { final_height, .. } => final_height,
        EventKind::Fault { state, kind, what, .. } => return shared.mark(node.index, state, kind, what),
        _ => return,
    };
    let finals = held(&shared.book).says(place, final_height, now);
    shared.are_final(finals);
    shared.news.notify_one();
}

/// Reads every block above `base` once it is final somewhere, at whichever node answers.
pub(super) async fn blocks(client: Client, shared: Arc<Shared>, base: u64) {
    let mut next = base + 1;
    loop {
        while held(&shared.book).final_height() < next {
            shared.news.notified().await;
        }
        match ids_at(&client, next).await {
            Ok(ids) => {
                let finals = held(&shared.book).read(next, ids);
                shared.are_final(finals);
                next += 1;
            }
            // The node that is asked now may be behind, or just gone.
            Err(_) => tokio::time::sleep(AGAIN_INTERVAL).await,
        }
    }
}

async fn ids_at(client: &Client, height: u64) -> Result<impl Iterator<Item = ShortId> + use<>, ClientError> {
    let params = BlockParams { block: BlockRef::Height(height) };
    let block: Ids = client.request("chain_block", &params).await?;
    Ok(block.txids.into_iter().map(|id| id.0))
}

/// Of a block no more is read than what its transactions are called.
#[derive(Deserialize)]
struct Ids {
    txids: Vec<Short>,
}

struct Short(ShortId);

impl<'de> Deserialize<'de> for Short {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Short, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Short;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 hex digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Short, E> {
                let mut bytes = [0; 8];
                let digits = text.get(..16).ok_or_else(|| E::custom("an id has 64 hex digits"))?;
                hex::decode_to_slice(digits, &mut bytes).map_err(E::custom)?;
                Ok(Short(ShortId::from_le_bytes(bytes)))
            }
        }
        from.deserialize_str(Digits)
    }
}
