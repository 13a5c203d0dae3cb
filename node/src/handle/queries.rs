//! Questions about the chain, coins and transactions.

use super::{AskError, NodeHandle, Request, Whereabouts};
use crate::limits::{
    COINS_PER_ANSWER_MAX, EPOCHS_PER_ANSWER_MAX, HEADERS_PER_ANSWER_MAX, HISTORY_PER_ANSWER, HISTORY_PER_ANSWER_MAX,
    LOCKS_PER_QUESTION_MAX,
};
use crate::store::{StoredCoin, StoredEntry, StoredHeader, StoredTip};
use bezant_api::types::{
    BlockRef, BlockView, CoinView, CoinsView, CommitmentView, EpochsView, EvidenceView, HeaderAt, HeadersView,
    HistoryEntry, HistoryView, ProofView, TransactionView, TxState, TxStatus,
};
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::coins::Coin;
use bezant_consensus::ledger::hash::{BlockId, LockHash, TxId};
use bezant_consensus::ledger::transaction::{OutPoint, Transaction};
use bezant_consensus::ledger::units::Height;
use bezant_consensus::message::CommitCertificate;
use bezant_consensus::pbft::light::Proof;
use bezant_consensus::pow::Inclusion;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How often a question about coins is asked again because the tip moved meanwhile.
const TRIES: usize = 3;

impl NodeHandle {
    async fn active_at(&self, height: Height) -> Result<(Option<BlockId>, Height), AskError> {
        self.ask("active_at", |reply| Request::ActiveAt { height, reply }).await
    }

    /// `chain_block`; `None` when there is none of that height or id.
    ///
    /// # Errors
    /// Malformed id, busy, stopping, or the database fails.
    pub async fn block(&self, block: BlockRef) -> Result<Option<BlockView>, AskError> {
        let id: BlockId = match block {
            BlockRef::Height(height) => match self.active_at(Height(height)).await? {
                (Some(id), _) => id,
                (None, _) => return Ok(None),
            },
            BlockRef::Id(text) => text
                .parse()
                .map_err(|_| AskError::Invalid("block: a height or 64 hex digits are expected".to_owned()))?,
        };
        let stored = self.0.readers.ask(move |reader| {
            let Some((height, bytes)) = reader.block(&id)? else { return Ok(None) };
            Ok(Some((height, bytes, reader.body(&id)?, reader.certificate(height)?)))
        });
        let Some((height, bytes, Some(body), certificate)) = stored.await? else { return Ok(None) };
        let (active, final_height) = self.active_at(height).await?;
        let is_final = active == Some(id) && height <= final_height;
        let certificate = certificate.filter(|bytes| certifies(bytes, &id));
        Ok(Some(block_view(id, height, &body, &bytes, certificate.as_deref(), is_final)))
    }

    async fn whereabouts(&self, txid: TxId) -> Result<(Whereabouts, Option<(Height, BlockId)>), AskError> {
        let known = self.ask("tx", |reply| Request::Whereabouts { txid, reply }).await?;
        let place = match known.recent {
            Some(place) => place,
            None if known.pool.is_some() => None,
            None => {
                let stored = self.0.readers.ask(move |reader| reader.place(&txid)).await?;
                stored.map(|place| (place.height, place.block))
            }
        };
        Ok((known, place))
    }

    /// `tx_status`.
    ///
    /// # Errors
    /// Busy, stopping, or the database fails.
    pub async fn tx_status(&self, txid: TxId) -> Result<TxStatus, AskError> {
        let (known, place) = self.whereabouts(txid).await?;
        Ok(tx_status(txid, &known, place))
    }

    /// `chain_tx`; `None` when it is neither in the mempool nor in the active chain.
    ///
    /// # Errors
    /// Busy, stopping, or the database fails.
    pub async fn transaction(&self, txid: TxId) -> Result<Option<TransactionView>, AskError> {
        let (known, place) = self.whereabouts(txid).await?;
        let status = tx_status(txid, &known, place);
        let found: Option<Transaction> = match (place, &known.pool) {
            (Some((_, block)), _) => {
                let body = self.0.readers.ask(move |reader| reader.body(&block)).await?;
                body.and_then(|body| body.transactions.into_iter().find(|transaction| transaction.id() == txid))
            }
            (None, waiting) => waiting.clone(),
        };
        Ok(found.map(|transaction| TransactionView { status, hex: hex::encode(encode(&transaction)) }))
    }

    /// `coins_list`: coins of these locks, and what the mempool does to them.
    ///
    /// # Errors
    /// Too many locks, busy, stopping, or the database fails.
    pub async fn coins(
        &self,
        locks: BTreeSet<LockHash>,
        limit: Option<usize>,
        after: Option<OutPoint>,
    ) -> Result<CoinsView, AskError> {
        check_locks(&locks)?;
        let limit = limit.unwrap_or(COINS_PER_ANSWER_MAX).min(COINS_PER_ANSWER_MAX);
        let locks = Arc::new(locks);
        let mut tries = 0;
        loop {
            tries += 1;
            self.0.barrier.pass().await?;
            let wanted = locks.clone();
            let stored = self.0.readers.ask(move |reader| reader.coins(&wanted, after, limit));
            let (tip, coins, more) = stored.await?;
            let (wanted, names) = (locks.clone(), coins.iter().map(|coin| coin.outpoint).collect());
            let pool = self.ask("coins", |reply| Request::PoolCoins { locks: wanted, coins: names, reply }).await?;
            if pool.tip == tip.id || tries == TRIES {
                return Ok(coins_view(&tip, &coins, more, pool));
            }
        }
    }

    /// `history_list`.
    ///
    /// # Errors
    /// Too many locks, busy, stopping, or the database fails.
    pub async fn history(
        &self,
        locks: BTreeSet<LockHash>,
        from: (Height, u32),
        limit: Option<usize>,
    ) -> Result<HistoryView, AskError> {
        check_locks(&locks)?;
        let limit = limit.unwrap_or(HISTORY_PER_ANSWER).min(HISTORY_PER_ANSWER_MAX);
        self.0.barrier.pass().await?;
        let (tip, entries, more) = self.0.readers.ask(move |reader| reader.history(&locks, from, limit)).await?;
        let view = |entry: &StoredEntry| HistoryEntry {
            txid: entry.txid.to_string(),
            height: entry.height.0,
            position: entry.position,
            block: entry.block.to_string(),
            time_s: entry.time_s,
            received: entry.received.to_string(),
            sent: entry.sent.to_string(),
            is_final: entry.height <= tip.final_height,
        };
        let (height, tip_id, final_height) = (tip.height.0, tip.id.to_string(), tip.final_height.0);
        Ok(HistoryView { entries: entries.iter().map(view).collect(), more, height, tip: tip_id, final_height })
    }

    /// `chain_headers`; `None` when the chain has a block of that height, and this node does not have its header.
    ///
    /// # Errors
    /// Busy, stopping, or the database fails.
    pub async fn headers(&self, from: Height, count: Option<usize>) -> Result<Option<HeadersView>, AskError> {
        let count = count.unwrap_or(HEADERS_PER_ANSWER_MAX).min(HEADERS_PER_ANSWER_MAX);
        self.0.barrier.pass().await?;
        let (tip, headers) = self.0.readers.ask(move |reader| reader.headers(from, count)).await?;
        if headers.is_empty() && count > 0 && from <= tip.height {
            return Ok(None);
        }
        let view = |header: &StoredHeader| HeaderAt { height: header.height.0, hex: hex::encode(header.bytes) };
        Ok(Some(HeadersView {
            headers: headers.iter().map(view).collect(),
            height: tip.height.0,
            tip: tip.id.to_string(),
        }))
    }

    /// `chain_proof`; `None` when there is nothing to be proved: the transaction is in no block, or (PBFT) not final.
    ///
    /// # Errors
    /// Busy, stopping, or the database fails.
    pub async fn proof(&self, txid: TxId) -> Result<Option<ProofView>, AskError> {
        let (known, place) = self.whereabouts(txid).await?;
        let Some((height, block)) = place else { return Ok(None) };
        let is_pow = self.0.genesis.pow().is_some();
        if height > known.final_height && !is_pow {
            return Ok(None);
        }
        let stored = self.0.readers.ask(move |reader| Ok((reader.body(&block)?, reader.certificate(height)?)));
        let (Some(body), certificate) = stored.await? else { return Ok(None) };
        let Some(index) = body.transactions.iter().position(|transaction| transaction.id() == txid) else {
            return Ok(None);
        };
        let (proof, signers) = if is_pow {
            (Inclusion::new(&body, index).map(|proof| encode(&proof)), Vec::new())
        } else {
            let certificate = certificate.and_then(|bytes| borsh::from_slice::<CommitCertificate>(&bytes).ok());
            let signers = certificate.iter().flat_map(|it| &it.commits).map(|seal| seal.signer).collect();
            let proof = certificate.and_then(|certificate| Proof::new(&body, certificate, index));
            (proof.map(|proof| encode(&proof)), signers)
        };
        Ok(proof.map(|proof| ProofView {
            txid: txid.to_string(),
            height: height.0,
            block: block.to_string(),
            confirmations: confirmations(&known, height),
            signers,
            hex: hex::encode(proof),
        }))
    }

    /// `chain_epochs`.
    ///
    /// # Errors
    /// [`AskError::Invalid`] under proof of work, which has no members; busy, stopping, or the database fails.
    pub async fn epochs(&self, from: u64) -> Result<EpochsView, AskError> {
        if self.0.genesis.pbft().is_none() {
            return Err(AskError::Invalid("this is a net of proof of work, which has no members".to_owned()));
        }
        // The latest is read last, so that it is none before those told.
        let stored =
            self.0.readers.ask(move |reader| Ok((reader.epochs(from, EPOCHS_PER_ANSWER_MAX)?, reader.last_epoch()?)));
        let (wanted, last) = stored.await?;
        let genesis = self.0.genesis.validator_set();
        let network = genesis.network;
        let (set, start) = last.map_or((genesis, 0), |last| (last.opening.set(&network), last.height().0));
        Ok(EpochsView {
            epoch: set.epoch.0,
            start,
            quorum: set.quorum(),
            members: set.members.iter().map(ToString::to_string).collect(),
            successions: wanted.iter().map(|succession| hex::encode(encode(succession))).collect(),
        })
    }

    /// `chain_evidence`.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn evidence(&self) -> Result<Vec<EvidenceView>, AskError> {
        self.ask("evidence", |reply| Request::Evidence { reply }).await
    }

    /// `chain_commitment`.
    ///
    /// # Errors
    /// Busy or stopping.
    pub async fn commitment(&self) -> Result<CommitmentView, AskError> {
        let set = self.ask("commitment", |reply| Request::Commitment { reply }).await?;
        Ok(CommitmentView {
            height: set.height.0,
            id: set.id.to_string(),
            commitment: set.commitment.to_string(),
            supply: set.supply.to_string(),
            coins: set.coins,
        })
    }
}

fn check_locks(locks: &BTreeSet<LockHash>) -> Result<(), AskError> {
    if locks.len() > LOCKS_PER_QUESTION_MAX {
        return Err(AskError::Invalid(format!("locks: at most {LOCKS_PER_QUESTION_MAX} are expected")));
    }
    Ok(())
}

fn certifies(bytes: &[u8], id: &BlockId) -> bool {
    borsh::from_slice::<CommitCertificate>(bytes).is_ok_and(|certificate| certificate.ballot.block == *id)
}

fn block_view(
    id: BlockId,
    height: Height,
    block: &Block,
    bytes: &[u8],
    certificate: Option<&[u8]>,
    is_final: bool,
) -> BlockView {
    let header = &block.header;
    BlockView {
        id: id.to_string(),
        height: height.0,
        parent: header.parent.to_string(),
        merkle_root: header.merkle_root.to_string(),
        time: header.time,
        version: header.version,
        bits: header.bits,
        nonce: header.nonce,
        bytes: bytes.len(),
        is_final,
        txids: block.transactions.iter().map(|transaction| transaction.id().to_string()).collect(),
        hex: hex::encode(bytes),
        certificate: certificate.map(hex::encode),
    }
}

fn tx_status(txid: TxId, known: &Whereabouts, place: Option<(Height, BlockId)>) -> TxStatus {
    let state = match place {
        Some((height, _)) if height <= known.final_height => TxState::Final,
        Some(_) => TxState::Included,
        None if known.pool.is_some() => TxState::Pool,
        None if known.dropped.is_some() => TxState::Dropped,
        None => TxState::Unknown,
    };
    let reason = known.dropped.filter(|_| state == TxState::Dropped).map(|reason| reason.name().to_owned());
    TxStatus {
        txid: txid.to_string(),
        state,
        height: place.map(|(height, _)| height.0),
        block: place.map(|(_, block)| block.to_string()),
        confirmations: place.map_or(0, |(height, _)| confirmations(known, height)),
        replaced_by: known.dropped.filter(|_| state == TxState::Dropped).and_then(replaced_by),
        reason,
    }
}

/// Of a block of the active chain.
fn confirmations(known: &Whereabouts, height: Height) -> u64 {
    known.tip.0.saturating_sub(height.0) + 1
}

fn replaced_by(reason: bezant_node_core::io::DropReason) -> Option<String> {
    reason.replaced_by().map(|by| by.to_string())
}

fn coins_view(tip: &StoredTip, coins: &[StoredCoin], more: bool, pool: super::PoolCoins) -> CoinsView {
    let stored: BTreeSet<OutPoint> = coins.iter().map(|coin| coin.outpoint).collect();
    let mut spent: Vec<String> = pool.spent.iter().map(OutPoint::to_string).collect();
    let mut created = Vec::new();
    for (outpoint, output, is_spent) in pool.created {
        if stored.contains(&outpoint) {
            continue;
        }
        if is_spent {
            spent.push(outpoint.to_string());
        }
        let coin = Coin { amount: output.amount, lock: output.lock, height: Height(0), coinbase: false };
        created.push(coin_view(&outpoint, &coin));
    }
    CoinsView {
        height: tip.height.0,
        tip: tip.id.to_string(),
        final_height: tip.final_height.0,
        coins: coins.iter().map(|stored| coin_view(&stored.outpoint, &stored.coin)).collect(),
        spent_in_pool: spent,
        pool_coins: created,
        more,
    }
}

fn coin_view(outpoint: &OutPoint, coin: &Coin) -> CoinView {
    CoinView {
        outpoint: outpoint.to_string(),
        amount: coin.amount.grains().to_string(),
        lock: coin.lock.to_string(),
        height: coin.height.0,
        coinbase: coin.coinbase,
    }
}
