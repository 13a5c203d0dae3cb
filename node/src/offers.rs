//! Templates for whoever searches outside this node: over Stratum, and by RPC.
//!
//! The runtime puts each template here as it comes out of the engine. All that are held stand on one parent, and the engine still
//! takes solutions of each of them, so that a miner that is told late does not search in vain.

use bezant_consensus::engine::Template;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::LockHash;
use bezant_consensus::ledger::merkle::{self, Proof};
use bezant_consensus::ledger::transaction::{Body, Output, Transaction};
use bezant_consensus::pow::TEMPLATES_MAX;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// Where the extranonce stands in an encoded coinbase: after version and kind of the body, the height, and the length of the extra
/// data.
pub(crate) const EXTRANONCE_AT: usize = 1 + 1 + 8 + 4;

/// Those that are held, all on one parent, the newest last; none when there is nothing to search.
pub(crate) type Offers = Arc<[Arc<Offer>]>;

/// A template, and what it takes to pay somebody by it.
#[derive(Debug)]
pub(crate) struct Offer {
    template: Template,
    reward: Amount,
    /// From the coinbase to the merkle root; found when it is first wanted.
    branch: OnceLock<Proof>,
}

impl Offer {
    pub(crate) fn new(template: Template, params: &LedgerParams) -> Offer {
        let reward = template.reward(params);
        Offer { template, reward, branch: OnceLock::new() }
    }

    /// Names it towards the engine.
    pub(crate) fn ticket(&self) -> u64 {
        self.template.ticket
    }

    pub(crate) fn height(&self) -> u64 {
        self.template.height.0
    }

    /// The header that is to be searched; its merkle root is that of the template's own coinbase.
    pub(crate) fn header(&self) -> &Header {
        &self.template.block.header
    }

    /// What the coinbase pays.
    pub(crate) fn reward(&self) -> Amount {
        self.reward
    }

    /// The way from the coinbase to the merkle root.
    pub(crate) fn branch(&self) -> &Proof {
        self.branch.get_or_init(|| {
            let leaves: Vec<_> = self.template.block.transactions.iter().map(Transaction::hash).collect();
            merkle::prove(&leaves, 0)
                .expect("a template has a coinbase, and no more transactions than a block may have")
        })
    }

    /// The coinbase that pays everything to `payee`, with an extranonce of zeros.
    pub(crate) fn coinbase_for(&self, payee: LockHash) -> Transaction {
        let mut coinbase = self.template.block.transactions[0].clone();
        if let Body::Coinbase(body) = coinbase.body_mut()
            && self.reward > Amount::ZERO
        {
            body.outputs = vec![Output { amount: self.reward, lock: payee }];
        }
        coinbase
    }

    /// The block of a header that was found with this coinbase.
    pub(crate) fn block(&self, coinbase: Transaction, header: Header) -> Block {
        let mut block = Block { header, transactions: self.template.block.transactions.clone() };
        block.transactions[0] = coinbase;
        block
    }
}

/// The runtime's side.
#[derive(Debug)]
pub(crate) struct Board {
    params: LedgerParams,
    held: Vec<Arc<Offer>>,
    offers: watch::Sender<Offers>,
}

impl Board {
    pub(crate) fn new(params: LedgerParams, offers: watch::Sender<Offers>) -> Board {
        Board { params, held: Vec::new(), offers }
    }

    /// There is something else to search, or nothing.
    pub(crate) fn set(&mut self, template: Option<Template>) {
        let Some(template) = template else {
            self.held.clear();
            return self.publish();
        };
        let parent = template.block.header.parent;
        let oldest = (template.ticket + 1).saturating_sub(TEMPLATES_MAX as u64);
        self.held.retain(|offer| offer.header().parent == parent && offer.ticket() >= oldest);
        self.held.push(Arc::new(Offer::new(template, &self.params)));
        self.publish();
    }

    fn publish(&self) {
        self.offers.send_replace(self.held.clone().into());
    }
}

/// A board's outside, without an offer yet.
pub(crate) fn channel() -> (watch::Sender<Offers>, watch::Receiver<Offers>) {
    watch::channel(Arc::from(Vec::new()))
}
