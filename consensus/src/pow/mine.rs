//! Templates for miners, and the blocks that they find.
//!
//! A solved block is taken when it stands on a template of the present tip and differs from it only where miners may roll:
//! version, time, nonce, the first 8 bytes of the coinbase's extra data, and with them the merkle root; and in who is paid. The
//! coinbase pays whom the template pays, or in one output all that there is to claim to somebody else: miners that search for
//! themselves are served with the same templates. Nobody is helped by claiming less, and more breaks a rule.

use super::Pow;
use super::difficulty;
use super::headers::header_joined;
use crate::engine::{BlockWish, Effect, PayloadRequest, Record, Template, To, Trace};
use crate::ledger::amount::Amount;
use crate::ledger::block::{Block, Header};
use crate::ledger::genesis::LedgerParams;
use crate::ledger::hash::{BlockId, LockHash, MerkleRoot, tagged};
use crate::ledger::rules::{BlockError, isolated};
use crate::ledger::transaction::{Body, Coinbase, Output, Transaction, Witness};
use crate::ledger::units::{Height, Time};
use crate::limits::HEADER_BYTES;
use crate::plant::{Plant, armed};

/// Bytes at the start of the coinbase's extra data that miners may roll.
pub const EXTRANONCE_BYTES: usize = 8;
/// A template is renewed at most this often while transactions wait.
const RENEW_MS: u64 = 1_000;
/// A template is renewed this often when nothing happens, so that its time is not far behind.
const RENEW_IDLE_MS: u64 = 5_000;
/// Templates of the present tip whose solutions are still taken, by the number of their tickets: a miner far away that was told of
/// one a moment before the next has some 7 seconds.
pub const TEMPLATES_MAX: usize = 8;
/// The version of headers made here; miners may roll it.
const HEADER_VERSION: u32 = 0x2000_0000;
/// The length of a block's list of transactions.
const LIST_LENGTH_BYTES: usize = 4;

/// A request for transactions that is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    ticket: u64,
    parent: BlockId,
    at: Time,
}

/// What is known of mining here.
#[derive(Debug, Default)]
pub(super) struct Mining {
    next_ticket: u64,
    asked: Option<Asked>,
    /// Invariant: all on one parent, newest last, at most [`TEMPLATES_MAX`].
    templates: Vec<Template>,
    /// When the newest was made.
    made_at: Time,
    /// Whether transactions wait.
    pending: bool,
    /// A block that is wanted now, whether this node mines or not.
    wish: Option<BlockWish>,
}

impl Mining {
    pub(super) fn set_pending(&mut self, pending: bool) {
        self.pending = pending;
    }

    /// Wants this block now; a new template says so.
    pub(super) fn force(&mut self, wish: BlockWish) {
        self.wish = Some(wish);
        self.renew_at_once();
    }

    fn renew_at_once(&mut self) {
        self.asked = None;
        self.made_at = Time(0);
    }

    fn renew_after_ms(&self) -> u64 {
        if self.pending { RENEW_MS } else { RENEW_IDLE_MS }
    }
}

impl Template {
    /// All that the coinbase may claim: subsidy and fees. A solved block claims it in one output, whoever is paid, unless it is
    /// nothing.
    #[must_use]
    pub fn reward(&self, params: &LedgerParams) -> Amount {
        reward(params, self.height, self.block.transactions.iter().skip(1))
    }
}

impl Pow {
    fn wants_block(&self) -> bool {
        (self.config.mine && (self.tree.refused_branch().is_none() || armed(Plant::MineContested)))
            || self.mining.wish.is_some()
    }

    fn template_parent(&self) -> Option<BlockId> {
        self.mining.templates.last().map(|template| template.block.header.parent)
    }

    /// When the template is to be renewed.
    pub(super) fn template_due(&self) -> Option<Time> {
        self.wants_block().then(|| match self.mining.asked {
            Some(asked) => asked.at.plus_ms(RENEW_MS),
            None => self.mining.made_at.plus_ms(self.mining.renew_after_ms()),
        })
    }

    /// Asks for transactions when the tip is new or the template is old; stops the search when no block is wanted any more.
    pub(super) fn renew_template(&mut self) {
        let tip = self.chain.tip();
        if !self.wants_block() {
            if !self.mining.templates.is_empty() {
                self.mining.templates.clear();
                self.emit(Effect::Mine(None));
            }
            return;
        }
        let fresh = match self.mining.asked {
            Some(asked) => asked.parent == tip.id && self.now < asked.at.plus_ms(RENEW_MS),
            None => self.template_parent() == Some(tip.id) && self.template_due().is_none_or(|due| self.now < due),
        };
        if fresh {
            return;
        }
        if self.give_up_wish() {
            return self.renew_template();
        }
        let ticket = self.mining.next_ticket;
        self.mining.next_ticket += 1;
        if let Some(transactions) = self.mining.wish.as_ref().and_then(BlockWish::transactions) {
            return self.make_template(ticket, transactions);
        }
        self.mining.asked = Some(Asked { ticket, parent: tip.id, at: self.now });
        let height = tip.height.next();
        // With an output even where nobody is paid here: miners that search for themselves put one in.
        let payee = Some(self.config.payee.unwrap_or_default());
        let coinbase = self.coinbase(ticket, height, Amount::MAX, payee).bytes();
        let block_bytes = self.config.genesis.ledger.block_bytes_max as usize;
        self.emit(Effect::WantPayload(PayloadRequest {
            ticket,
            height,
            time: self.tree.median_time(&tip.id),
            bytes_max: block_bytes.saturating_sub(HEADER_BYTES + LIST_LENGTH_BYTES + coinbase),
            above: Vec::new(),
        }));
    }

    /// Makes a template of the transactions that were asked for.
    pub(super) fn on_payload(&mut self, ticket: u64, transactions: Vec<Transaction>) {
        let tip = self.chain.tip();
        if self.mining.asked.is_none_or(|asked| asked.ticket != ticket || asked.parent != tip.id) {
            return;
        }
        self.mining.asked = None;
        self.make_template(ticket, transactions);
    }

    fn make_template(&mut self, ticket: u64, transactions: Vec<Transaction>) {
        let tip = self.chain.tip();
        let block = self.checked_template(ticket, transactions);
        if self.template_parent() != Some(tip.id) {
            self.mining.templates.clear();
        }
        if self.mining.templates.len() >= TEMPLATES_MAX {
            self.mining.templates.remove(0);
        }
        let template = Template { ticket, height: tip.height.next(), block };
        self.mining.made_at = self.now;
        self.mining.templates.push(template.clone());
        self.emit(Effect::Mine(Some(template)));
    }

    /// Whether a block as it is wanted would be valid now.
    pub(super) fn judge_wish(&self, wish: &BlockWish) -> Result<(), BlockError> {
        let block = self.assemble(self.mining.next_ticket, wish.transactions().unwrap_or_default());
        isolated::check_block(&self.chain.network(), self.config.genesis.ledger.block_bytes_max, &block)?;
        self.judge_template(&block)
    }

    /// Gives up a wish that the chain has made impossible; true when there was one.
    fn give_up_wish(&mut self) -> bool {
        let Some(Err(error)) = self.mining.wish.as_ref().map(|wish| self.judge_wish(wish)) else { return false };
        let wish = self.mining.wish.take().unwrap_or_default();
        let block = self.assemble(self.mining.next_ticket, wish.transactions().unwrap_or_default()).id();
        let height = self.chain.tip().height.next();
        self.trace(Trace::Refused { height, block, reason: format!("wanted: {error}") });
        true
    }

    fn judge_template(&self, block: &Block) -> Result<(), BlockError> {
        self.chain.judge(block, self.tree.median_time(&self.tree.tip())).map(drop)
    }

    /// A block with these transactions, or an empty one if they break a rule: no work is spent on what is invalid.
    fn checked_template(&mut self, ticket: u64, transactions: Vec<Transaction>) -> Block {
        let block = self.assemble(ticket, transactions);
        match self.judge_template(&block) {
            Ok(()) => block,
            Err(error) => {
                let height = self.chain.tip().height.next();
                self.trace(Trace::Refused { height, block: block.id(), reason: format!("template: {error}") });
                self.assemble(ticket, Vec::new())
            }
        }
    }

    fn assemble(&self, ticket: u64, transactions: Vec<Transaction>) -> Block {
        let tip = self.chain.tip();
        let height = tip.height.next();
        let reward = reward(&self.config.genesis.ledger, height, transactions.iter());
        let wished = self.mining.wish.as_ref().and_then(|wish| wish.payee);
        let mut all = vec![self.coinbase(ticket, height, reward, wished.or(self.config.payee))];
        all.extend(transactions);
        let header = Header {
            version: HEADER_VERSION,
            parent: tip.id,
            merkle_root: MerkleRoot::default(),
            time: self.next_time(),
            bits: difficulty::expected_bits(&self.params, &self.tree, &tip.id),
            nonce: 0,
        };
        let mut block = Block { header, transactions: all };
        block.header.merkle_root = block.merkle_root();
        block
    }

    /// Extra data: the extranonce, then what tells runs of nodes and their templates apart, so that no two search the same blocks,
    /// and a node that is started again on an old tip finds a new block.
    fn coinbase(&self, ticket: u64, height: Height, reward: Amount, payee: Option<LockHash>) -> Transaction {
        let payee = payee.filter(|_| reward > Amount::ZERO);
        let outputs = payee.map(|lock| Output { amount: reward, lock }).into_iter().collect();
        let tag = tagged("bezant/miner", &[&self.config.payee.unwrap_or_default().0, &self.config.salt]);
        let mut extra = vec![0; EXTRANONCE_BYTES];
        extra.extend_from_slice(&tag[..8]);
        extra.extend_from_slice(&ticket.to_le_bytes());
        Transaction::new(Body::Coinbase(Coinbase { height, extra, outputs }), Vec::new())
    }

    /// A miner found a block.
    pub(super) fn on_solved(&mut self, ticket: u64, block: Block) {
        let template = self.mining.templates.iter().find(|template| template.ticket == ticket);
        let fits = template.is_some_and(|template| {
            let reward = template.reward(&self.config.genesis.ledger);
            template.block.header.parent == self.chain.tip().id
                && differs_only_by_search(&template.block, reward, &block)
        });
        let id = block.id();
        if !fits || self.judge_header(&id, &block.header).is_err() {
            return;
        }
        let height = self.chain.tip().height.next();
        self.persist(Record::Header(block.header));
        self.tree.insert(id, block.header);
        let work = self.tree.node(&id).work;
        self.trace(Trace::Mined { height, block: id });
        self.trace(header_joined(id, &block.header, height, work));
        self.accept_body(None, id, block.clone());
        self.select();
        if self.tree.is_active(&id) {
            self.mining.wish = None;
            let announcement = self.announcement(&block);
            self.send(To::All, announcement);
        }
    }
}

/// Subsidy and fees of a block of these transactions, its coinbase apart.
fn reward<'a>(
    params: &LedgerParams,
    height: Height,
    mut transactions: impl Iterator<Item = &'a Transaction>,
) -> Amount {
    let fees = transactions.try_fold(Amount::ZERO, |sum, transaction| sum.checked_add(fee(transaction)));
    fees.and_then(|fees| fees.checked_add(params.subsidy_at(height))).unwrap_or(Amount::MAX)
}

/// What a valid transfer pays to the miner.
fn fee(transaction: &Transaction) -> Amount {
    let stated = transaction.witnesses().iter().map(|witness| match witness {
        Witness::Spend(spend) => spend.amount,
        Witness::Member { .. } => Amount::ZERO,
    });
    let inputs = Amount::checked_sum(stated);
    let outputs = Amount::checked_sum(transaction.outputs().iter().map(|output| output.amount));
    inputs.zip(outputs).and_then(|(inputs, outputs)| inputs.checked_sub(outputs)).unwrap_or(Amount::ZERO)
}

/// Whether a solved block is its template but for what miners may roll, and for who is paid the `reward`.
fn differs_only_by_search(template: &Block, reward: Amount, solved: &Block) -> bool {
    let Some((first, others)) = solved.transactions.split_first() else { return false };
    let Some((wanted, wanted_others)) = template.transactions.split_first() else { return false };
    is_coinbase_of(wanted, reward, first)
        && others == wanted_others
        && solved.header.bits == template.header.bits
        && solved.merkle_root() == solved.header.merkle_root
}

fn is_coinbase_of(template: &Transaction, reward: Amount, solved: &Transaction) -> bool {
    let (Body::Coinbase(wanted), Body::Coinbase(solved_body)) = (template.body(), solved.body()) else { return false };
    let (Some(wanted_tail), Some(tail)) =
        (wanted.extra.get(EXTRANONCE_BYTES..), solved_body.extra.get(EXTRANONCE_BYTES..))
    else {
        return false;
    };
    let pays_all = match solved_body.outputs.as_slice() {
        [output] => reward > Amount::ZERO && output.amount == reward,
        _ => false,
    };
    solved_body.height == wanted.height
        && tail == wanted_tail
        && (solved_body.outputs == wanted.outputs || pays_all)
        && solved.witnesses() == template.witnesses()
}
