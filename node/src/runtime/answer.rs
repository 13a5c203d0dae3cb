//! Answers to users.

use super::Core;
use super::mining::OnDemand;
use crate::error::NodeError;
use crate::handle::{Commitment, PoolCoins, Request, Whereabouts};
use crate::limits::MEMPOOL_IDS_PER_ANSWER_MAX;
use bezant_api::fault::{FaultKind, FaultState};
use bezant_api::types::{EngineName, EvidenceView, FeeView, MempoolView, NodeStatus, PowView, TipView, vote_name};
use bezant_consensus::engine::Status;
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::coins::Coins;
use bezant_consensus::ledger::hash::{LockHash, TxId};
use bezant_consensus::ledger::transaction::OutPoint;
use bezant_consensus::limits::WINDOW_DEPTH_MAX;
use bezant_consensus::message::Evidence;
use bezant_node_core::Replica;
use bezant_node_core::io::Input;
use bezant_node_core::mempool::FeeEstimate;
use std::collections::BTreeSet;
use std::time::Instant;

impl Core {
    /// Whoever asked may have gone, so failures to answer are ignored.
    pub(super) fn answer(&mut self, question: Request) -> Result<(), NodeError> {
        match question {
            Request::Submit { .. }
            | Request::SubmitMany { .. }
            | Request::SubmitPackage { .. }
            | Request::Restore { .. } => {
                unreachable!("submissions are inputs, not questions")
            }
            Request::Test { transactions, reply } => {
                let _ = reply.send(self.replica.test_accept(self.clock.now(), &transactions));
            }
            Request::Fee { blocks, reply } => {
                let FeeEstimate { rate, minimum, backlog, recent } =
                    self.replica.estimate_fee(self.clock.now(), blocks);
                let _ = reply.send(FeeView { blocks, fee_rate: rate, minimum, backlog, recent });
            }
            Request::Status { reply } => drop(reply.send(self.status())),
            Request::Ready { reply } => drop(reply.send(self.is_ready())),
            Request::Subscribe { from, reply } => {
                let start = self.hub.start(self.status(), self.clock.now(), from);
                drop(reply.send(start));
            }
            Request::Commitment { reply } => drop(reply.send(self.commitment())),
            Request::Evidence { reply } => drop(reply.send(self.evidence())),
            Request::Mempool { reply } => drop(reply.send(self.mempool())),
            Request::Peers { reply } => {
                let now = self.clock.now();
                drop(reply.send(self.peers.views(|peer| self.replica.score(now, peer))));
            }
            Request::ActiveAt { height, reply } => {
                let chain = self.replica.chain();
                let _ = reply.send((chain.active_at(height), chain.final_height()));
            }
            Request::Whereabouts { txid, reply } => drop(reply.send(self.whereabouts(&txid))),
            Request::PoolCoins { locks, coins, reply } => drop(reply.send(self.pool_coins(&locks, coins))),
            Request::DevLinks { faults, reply } => {
                self.set_links(faults);
                let _ = reply.send(());
            }
            Request::DevNote { state, kind, what, reply } => {
                self.publish_fault(state, kind, what);
                let _ = reply.send(());
            }
            Request::DevByzantine { lie, reply } => {
                let before = self.lies.lie();
                let can_lie = self.lies.set(self.clock.now(), self.replica.chain().tip().height, lie);
                if can_lie {
                    self.replica.leave_out(lie.and_then(|lie| lie.target()));
                    for (state, lie) in [(FaultState::End, before), (FaultState::Begin, lie)] {
                        if let Some(lie) = lie {
                            self.publish_fault(state, FaultKind::Byzantine, format!("byzantine: {lie}"));
                        }
                    }
                }
                let _ = reply.send(can_lie);
            }
            Request::Instruct { instruction, reply } => {
                let admitted = self.replica.admits_instruction(&instruction);
                if admitted.is_ok() {
                    tracing::warn!(?instruction, "by hand");
                    let step = self.tell(Input::Instruct(instruction));
                    self.finish_quietly(step)?;
                }
                let _ = reply.send(admitted.map(|()| tip_view(&self.replica)));
            }
            Request::Solve { ticket, block, reply } => {
                let (id, block) = (block.id(), *block);
                self.mining.found(id);
                let step = self.tell(Input::Solved { ticket, block });
                self.finish_quietly(step)?;
                let _ = reply.send(self.replica.chain().tip().id == id);
            }
            Request::DevMine { count, wish, advance_clock, reply } => {
                self.mining.demand(OnDemand { left: u64::from(count), wish, advance_clock, reply });
            }
            Request::DevHashrate { hashes_per_second, reply } => {
                self.mining.set_hashrate(hashes_per_second);
                let what = format!("hash rate: at most {hashes_per_second} a second");
                self.publish_fault(FaultState::Once, FaultKind::Hashrate, what);
                let _ = reply.send(());
            }
            Request::DevAdvance { ms, reply } => {
                self.clock.advance(ms);
                let what = format!("clock moved forward by {ms} ms");
                self.publish_fault(FaultState::Once, FaultKind::Clock, what);
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    fn status(&self) -> NodeStatus {
        let status = self.replica.status();
        let (pbft, pow) = match status.engine {
            Status::Pbft(pbft) => (Some(pbft.into()), None),
            // Whole hashes; a rate is never negative.
            Status::Pow(pow) => {
                let rate = self.mining.rate() as u64;
                (None, Some(PowView::of(pow, self.genesis.pow(), status.tip.height, rate)))
            }
        };
        NodeStatus {
            version: crate::VERSION.to_owned(),
            network_id: self.replica.chain().network().to_string(),
            engine: if pbft.is_some() { EngineName::Pbft } else { EngineName::Pow },
            dev: self.genesis.dev,
            peer_id: self.peer_id.to_string(),
            height: status.tip.height.0,
            final_height: status.final_height.0,
            tip: status.tip.id.to_string(),
            tip_time_s: status.tip.header.time,
            peers: self.peers.count(),
            mempool: status.mempool_count,
            mempool_bytes: status.mempool_bytes,
            next_event: self.hub.next(),
            byzantine: self.lies.lie().map(|lie| lie.to_string()),
            faults: self.links.views(Instant::now()),
            clock_offset_ms: self.clock.offset_ms(),
            pbft,
            pow,
        }
    }

    fn is_ready(&self) -> bool {
        let height = self.replica.chain().tip().height;
        let behind = self.peers.greatest_claim().map_or(0, |claim| claim.0.saturating_sub(height.0));
        (self.peers.count() > 0 || !self.needs_peers) && behind <= WINDOW_DEPTH_MAX
    }

    fn evidence(&self) -> Vec<EvidenceView> {
        let Status::Pbft(status) = self.replica.status().engine else { return Vec::new() };
        let view = |evidence: &Evidence| {
            let ballot = &evidence.first.ballot;
            EvidenceView {
                signer: evidence.first.signer,
                vote: vote_name(evidence.first.kind).to_owned(),
                epoch: ballot.epoch.0,
                view: ballot.view.0,
                height: ballot.height.0,
                blocks: [ballot.block.to_string(), evidence.second.ballot.block.to_string()],
                hex: hex::encode(encode(evidence)),
            }
        };
        status.evidence.iter().map(view).collect()
    }

    fn commitment(&mut self) -> Commitment {
        let tip = self.replica.chain().tip();
        let commitment = self.replica.chain_mut().commitment();
        Commitment { height: tip.height, id: tip.id, commitment, supply: self.supply, coins: self.coins }
    }

    fn mempool(&self) -> MempoolView {
        let mempool = self.replica.mempool();
        MempoolView {
            count: mempool.len(),
            bytes: mempool.bytes(),
            count_max: mempool.config().count_max,
            bytes_max: mempool.config().bytes_max,
            fee_rate_min: mempool.fee_rate_min(self.clock.now(), &self.genesis.ledger),
            waiting: mempool.orphans(),
            txids: mempool.iter().take(MEMPOOL_IDS_PER_ANSWER_MAX).map(|(txid, _)| txid.to_string()).collect(),
        }
    }

    fn whereabouts(&self, txid: &TxId) -> Whereabouts {
        let chain = self.replica.chain();
        Whereabouts {
            tip: chain.tip().height,
            final_height: chain.final_height(),
            pool: self.replica.mempool().get(txid).map(|entry| entry.transaction.clone()),
            recent: self.recent.place(txid),
            dropped: self.recent.drop_reason(txid),
        }
    }

    fn pool_coins(&self, locks: &BTreeSet<LockHash>, coins: Vec<OutPoint>) -> PoolCoins {
        let (mempool, chain) = (self.replica.mempool(), self.replica.chain());
        // A coin that was spent by a block since the database was asked is no longer to be had either.
        let is_taken = |outpoint: &OutPoint| mempool.spender(outpoint).is_some() || chain.get(outpoint).is_none();
        let mut created = Vec::new();
        for lock in locks {
            let outputs = mempool.outputs_to(*lock);
            created.extend(outputs.map(|(outpoint, output)| (outpoint, output, mempool.spender(&outpoint).is_some())));
        }
        PoolCoins { tip: chain.tip().id, spent: coins.into_iter().filter(is_taken).collect(), created }
    }
}

/// `chain_tip`.
pub(super) fn tip_view(replica: &Replica) -> TipView {
    let (tip, final_height) = (replica.chain().tip(), replica.chain().final_height());
    TipView { height: tip.height.0, id: tip.id.to_string(), final_height: final_height.0 }
}
