//! Lying under proof of work: what a miner can do with the blocks that it finds, and what it finds at all.
//!
//! The replica behind it is an ordinary one. It goes on mining on the branch with the most work that it knows, its own on a
//! tie, which is all that the attacks below want of it; only what leaves, and what is searched, is another.
//!
//! | mode | what happens |
//! |---|---|
//! | `withhold` | no block found here is told to anybody until the mode ends; then all are. With most of the hash power that takes back whatever the others confirmed meanwhile |
//! | `selfish` | Eyal and Sirer (2014), Algorithm 1 ([`Selfish`]): blocks are held back while the own branch leads, and let out when that costs others the most work |
//! | `bad-block` | what is found pays its maker one grain more than there is, and is announced like any block |
//! | `low-work-spam` | headers above genesis, at the least work that there may be, are found and sent to all |

use super::selfish::{Holding, Selfish};
use bezant_consensus::engine::{Template, To};
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::transaction::Body;
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::relay::CompactBlock;
use bezant_consensus::message::{Headers, Message};
use bezant_consensus::pow::verify_headers;
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Blocks that are held back at most; then the lowest is let out.
const HELD_BLOCKS_MAX: usize = 1_000;
/// Headers of one branch of spam; then the next one begins.
const SPAM_HEADERS_MAX: usize = 64;

/// A way to lie under proof of work; the module says what each does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MiningMode {
    /// Tells nobody of what it finds.
    Withhold,
    /// Tells when it pays.
    Selfish,
    /// Finds invalid blocks.
    BadBlock,
    /// Finds headers that are cheap.
    LowWorkSpam,
}

impl MiningMode {
    /// All of them.
    pub const ALL: [MiningMode; 4] =
        [MiningMode::Withhold, MiningMode::Selfish, MiningMode::BadBlock, MiningMode::LowWorkSpam];

    /// A stable name for command lines, events and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MiningMode::Withhold => "withhold",
            MiningMode::Selfish => "selfish",
            MiningMode::BadBlock => "bad-block",
            MiningMode::LowWorkSpam => "low-work-spam",
        }
    }
}

impl fmt::Display for MiningMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mode {0:?}: under proof of work one of {names}", names = MiningMode::ALL.map(MiningMode::name).join(", "))]
pub struct MiningModeError(pub String);

impl FromStr for MiningMode {
    type Err = MiningModeError;
    fn from_str(text: &str) -> Result<MiningMode, MiningModeError> {
        MiningMode::ALL.into_iter().find(|mode| mode.name() == text).ok_or_else(|| MiningModeError(text.to_owned()))
    }
}

/// A block that nobody else is to know.
#[derive(Debug)]
struct Held {
    height: Height,
    id: BlockId,
    announcement: Message,
}

/// A miner that lies; see the module.
#[derive(Debug)]
pub struct LyingMiner {
    mode: MiningMode,
    genesis: Arc<Genesis>,
    /// Lowest first, each on the one before.
    held: VecDeque<Held>,
    /// When that pays, and when it is lost.
    selfish: Selfish,
    /// The present branch of spam.
    spam: Vec<Header>,
}

impl LyingMiner {
    /// On a net of proof of work, from a moment at which its tip is this high.
    #[must_use]
    pub fn new(mode: MiningMode, genesis: Arc<Genesis>, tip: Height) -> LyingMiner {
        LyingMiner { mode, genesis, held: VecDeque::new(), selfish: Selfish::new(tip), spam: Vec::new() }
    }

    /// What leaves instead of a message that the replica says when its tip is this high.
    pub fn outgoing(&mut self, tip: Height, to: To, message: Message) -> Vec<(To, Message)> {
        match message {
            Message::CompactBlock(compact) if self.holds_back() => {
                let id = compact.header.id();
                self.held.push_back(Held { height: tip, id, announcement: Message::CompactBlock(compact) });
                let holding = self.selfish.found(tip);
                let mut said = self.hold(holding);
                said.extend(self.let_out(self.held.len().saturating_sub(HELD_BLOCKS_MAX)));
                said
            }
            other => {
                let is_held = |id: &BlockId| self.held.iter().any(|held| held.id == *id);
                without(other, is_held).map(|message| (to, message)).into_iter().collect()
            }
        }
    }

    fn holds_back(&self) -> bool {
        matches!(self.mode, MiningMode::Withhold | MiningMode::Selfish)
    }

    /// What leaves because of what others say.
    pub fn heard(&mut self, message: &Message) -> Vec<(To, Message)> {
        let Message::Tip(tip) = message else { return Vec::new() };
        let holding = self.selfish.heard(tip.height);
        self.hold(holding)
    }

    /// Does so with what is held; who withholds lets nothing out.
    fn hold(&mut self, holding: Holding) -> Vec<(To, Message)> {
        match holding {
            Holding::UpTo(height) if self.mode == MiningMode::Selfish => {
                self.let_out(self.held.iter().filter(|held| held.height <= height).count())
            }
            Holding::UpTo(_) | Holding::On => Vec::new(),
            Holding::Lost => {
                self.held.clear();
                Vec::new()
            }
        }
    }

    /// Announces the lowest of what is held.
    fn let_out(&mut self, count: usize) -> Vec<(To, Message)> {
        self.held.drain(..count).map(|held| (To::All, held.announcement)).collect()
    }

    /// It lies no more: what was held back.
    pub fn end(mut self) -> Vec<(To, Message)> {
        self.let_out(self.held.len())
    }

    /// What is searched instead of a template.
    #[must_use]
    pub fn template(&self, mut template: Template) -> Template {
        match self.mode {
            MiningMode::Withhold | MiningMode::Selfish => {}
            MiningMode::BadBlock => {
                if let Some(transaction) = template.block.transactions.first_mut()
                    && let Body::Coinbase(coinbase) = transaction.body_mut()
                    && let Some(output) = coinbase.outputs.first_mut()
                {
                    let more = Amount::from_grains(1).and_then(|grain| output.amount.checked_add(grain));
                    output.amount = more.unwrap_or(output.amount);
                }
                template.block.header.merkle_root = template.block.merkle_root();
            }
            MiningMode::LowWorkSpam => {
                let first = self.genesis.block().header;
                template.block.transactions.truncate(1);
                let header = &mut template.block.header;
                (header.parent, header.bits) = (self.spam.last().map_or(first.id(), Header::id), first.bits);
                template.block.header.merkle_root = template.block.merkle_root();
            }
        }
        template
    }

    /// What is said of a block that was found; `None` when the replica is to hear of it as usual.
    pub fn solved(&mut self, block: &Block) -> Option<Vec<(To, Message)>> {
        match self.mode {
            MiningMode::Withhold | MiningMode::Selfish => None,
            MiningMode::BadBlock => {
                let whole = CompactBlock::new(block, 0, |_| true);
                Some(vec![(To::All, Message::CompactBlock(whole))])
            }
            MiningMode::LowWorkSpam => {
                self.spam.push(block.header);
                let is_valid = verify_headers(&self.genesis, &self.spam).is_ok();
                let said = Message::Headers(Headers(self.spam.clone()));
                if !is_valid || self.spam.len() >= SPAM_HEADERS_MAX {
                    // The net is too young for a branch as long at the least work; the next one has another first block.
                    self.spam.clear();
                }
                Some(if is_valid { vec![(To::All, said)] } else { Vec::new() })
            }
        }
    }
}

/// A message without the blocks that nobody is to know; `None` when nothing is left to say.
#[must_use]
pub fn without(message: Message, is_held: impl Fn(&BlockId) -> bool) -> Option<Message> {
    match message {
        Message::Tip(tip) if is_held(&tip.id) => None,
        Message::CompactBlock(compact) if is_held(&compact.header.id()) => None,
        Message::Transactions(answer) if is_held(&answer.block) => None,
        Message::Headers(mut headers) => {
            let known = headers.0.iter().take_while(|header| !is_held(&header.id())).count();
            headers.0.truncate(known);
            Some(Message::Headers(headers))
        }
        Message::Blocks(mut blocks) => {
            blocks.0.retain(|block| !is_held(&block.id()));
            Some(Message::Blocks(blocks))
        }
        other => Some(other),
    }
}

#[cfg(test)]
mod tests;
