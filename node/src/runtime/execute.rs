//! Executing outputs, in order, after their records are durable.

use super::{Core, Step};
use crate::error::NodeError;
use crate::limits::BAN_MS;
use crate::metrics::Kind;
use crate::ports::{NetCommand, Reply};
use bezant_api::event::EventKind;
use bezant_consensus::chain::snapshot::SnapshotStep;
use bezant_consensus::chain::{ChainUpdate, Link};
use bezant_consensus::engine::{Instruction, Peer, To};
use bezant_consensus::ledger::genesis::ValidatorSet;
use bezant_consensus::message::Message;
use bezant_node_core::compact;
use bezant_node_core::io::{Input, Output};
use bezant_node_core::limits::COMPACT_ABOVE;
use tokio::sync::mpsc::error::TrySendError;

impl Core {
    pub(super) fn execute(&mut self, step: Step) -> Result<(), NodeError> {
        let mut reply = step.reply;
        for output in step.outputs {
            self.execute_one(output, &mut reply)?;
        }
        if let Some(question) = step.question {
            self.answer(question)?;
        }
        Ok(())
    }

    fn execute_one(&mut self, output: Output, reply: &mut Option<(Peer, Reply)>) -> Result<(), NodeError> {
        match output {
            Output::Persist(_) => unreachable!("records are taken out before a round is executed"),
            Output::Send { to, message } => self.send(to, message, reply),
            Output::Mine(template) => self.mining.set_template(template.map(|template| self.lies.template(template))),
            Output::Chain(update) => self.switch(update)?,
            Output::Snapshot(step) => self.snapshot(step)?,
            Output::Members { set, is_present } => self.members(set, is_present),
            Output::Submitted { request, result } => {
                if let Some(user) = self.submissions.remove(&request) {
                    // The user may have gone.
                    let _ = user.send(result);
                }
            }
            Output::PackageSubmitted { request, result } => {
                if let Some(user) = self.packages.remove(&request) {
                    // The user may have gone.
                    let _ = user.send(result);
                }
            }
            Output::Blame { peer, fault, ban } => {
                let peer_id = self.peers.name(peer);
                tracing::warn!(peer = %peer_id, %fault, ban, "a peer broke a rule");
                self.publish(EventKind::Blame { peer_id, fault: fault.to_string(), banned: ban });
                if ban {
                    self.command(NetCommand::Ban { peer, duration_ms: BAN_MS }, "ban");
                }
            }
            Output::Notice(notice) => self.notice(notice),
        }
        Ok(())
    }

    /// The one place through which all that the replica says leaves.
    fn send(&mut self, to: To, message: Message, reply: &mut Option<(Peer, Reply)>) {
        let tip = self.replica.chain().tip().height;
        for (to, message) in self.lies.outgoing(self.clock.now(), tip, to, message) {
            self.say(to, message, reply);
        }
    }

    /// Dev nets: what a lying member held back until now.
    pub(super) fn say_what_was_held(&mut self) {
        while let Some((to, message)) = self.lies.due(self.clock.now()) {
            self.say(to, message, &mut None);
        }
    }

    pub(super) fn say(&mut self, to: To, message: Message, reply: &mut Option<(Peer, Reply)>) {
        let message = compact(message, COMPACT_ABOVE);
        let kind = message.name();
        if is_answer(&message) && to_peer(to).is_some() && to_peer(to) == reply.as_ref().map(|(peer, _)| *peer) {
            if let Some((_, reply)) = reply.take() {
                reply.send(message);
            }
            return;
        }
        self.command(NetCommand::Send { to, message }, kind);
    }

    /// Never waits: what the network cannot take is lost, like anything that is sent.
    pub(super) fn command(&self, command: NetCommand, kind: &'static str) {
        if self.commands.try_send(command).is_err() {
            self.metrics.messages_dropped.get_or_create(&Kind { kind }).inc();
        }
    }

    /// For what holds until the network is told otherwise: never waits either, but tells it as soon as there is room, unless there
    /// is something newer of its kind by then.
    pub(super) fn command_surely(&mut self, command: NetCommand, kind: &'static str) {
        self.owed.insert(kind, command);
        self.tell_what_is_owed();
    }

    pub(super) fn tell_what_is_owed(&mut self) {
        while let Some((kind, command)) = self.owed.pop_first() {
            match self.commands.try_send(command) {
                // When the network is gone, the node is stopping.
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(command)) => {
                    self.owed.insert(kind, command);
                    return;
                }
            }
        }
    }

    fn switch(&mut self, update: ChainUpdate) -> Result<(), NodeError> {
        for link in &update.disconnected {
            self.count(link, true);
            self.metrics.blocks_disconnected.inc();
        }
        for link in &update.connected {
            self.count(link, false);
            self.metrics.transactions.inc_by(link.block.transactions.len().saturating_sub(1) as u64);
            self.publish_block(link, update.final_height);
        }
        self.recent.switched(&update);
        let is_pow = self.genesis.pow().is_some();
        update.connected.iter().for_each(|link| self.mining.block_came(&link.block.id(), is_pow));
        tracing::debug!(height = update.tip.height.0, id = %update.tip.id, final_height = update.final_height.0, "tip");
        self.state.update(update)?;
        Ok(())
    }

    fn snapshot(&mut self, step: SnapshotStep) -> Result<(), NodeError> {
        if let SnapshotStep::Switched(tip) = &step {
            tracing::info!(height = tip.height.0, id = %tip.id, "goes on from a snapshot");
        }
        self.state.snapshot(step)?;
        Ok(())
    }

    /// What members of an epoch sign can be checked from now on; if it is the present one, they are who is talked to.
    fn members(&mut self, set: ValidatorSet, is_present: bool) {
        self.pool.learn_members(set.clone());
        if is_present {
            tracing::info!(epoch = set.epoch.0, members = set.n(), "the present epoch");
            self.lies.members(&set);
            self.command_surely(NetCommand::SetMembers(Box::new(set)), "members");
        }
    }

    /// Keeps supply and number of coins up to date.
    fn count(&mut self, link: &Link, is_disconnected: bool) {
        let sum = |coins: &std::collections::BTreeMap<_, bezant_consensus::ledger::coins::Coin>| -> (u64, u64) {
            (coins.values().map(|coin| coin.amount.grains()).sum(), coins.len() as u64)
        };
        let (created, spent) = (sum(&link.diff.created), sum(&link.diff.spent));
        let (plus, minus) = if is_disconnected { (spent, created) } else { (created, spent) };
        self.supply = self.supply + plus.0 - minus.0;
        self.coins = self.coins + plus.1 - minus.1;
    }

    /// Dev nets: asks for the next block of a `dev_mine`, or answers it.
    pub(super) fn go_on_mining(&mut self) -> Result<(), NodeError> {
        self.mining.answer_finished(|| super::answer::tip_view(&self.replica));
        while let Some((wish, advance_clock)) = self.mining.wants_block() {
            let order = match wish.map(Instruction::Mine) {
                Some(instruction) => {
                    if let Err(error) = self.replica.admits_instruction(&instruction) {
                        self.mining.refuse(error);
                        continue;
                    }
                    Input::Instruct(instruction)
                }
                None => Input::BlockNow,
            };
            if let Some(params) = self.genesis.pow().filter(|_| advance_clock) {
                self.clock.advance(u64::from(params.spacing_s) * 1_000);
            }
            let step = self.tell(order);
            self.mining.asked();
            self.finish_quietly(step)?;
            // The template may be the one that there was.
            self.mining.limit();
            self.mining.answer_finished(|| super::answer::tip_view(&self.replica));
        }
        Ok(())
    }

    pub(super) fn finish_quietly(&mut self, mut step: Step) -> Result<(), NodeError> {
        let mut records = Vec::new();
        self.hand_out(&mut step, &mut records);
        if !records.is_empty() {
            self.facts.commit(&records)?;
        }
        self.execute(step)
    }
}

fn to_peer(to: To) -> Option<Peer> {
    match to {
        To::Peer(peer) => Some(peer),
        To::All | To::Members | To::Member(_) => None,
    }
}

fn is_answer(message: &Message) -> bool {
    match message {
        Message::Certified(_)
        | Message::Headers(_)
        | Message::Blocks(_)
        | Message::Transactions(_)
        | Message::Snapshot(_)
        | Message::Successions(_)
        | Message::Buckets(_) => true,
        Message::Transaction(_)
        | Message::TransactionBatch(_)
        | Message::PrePrepare(_)
        | Message::Vote(_)
        | Message::CompactPrePrepare(_)
        | Message::Tip(_)
        | Message::GetCertified { .. }
        | Message::GetHeaders(_)
        | Message::GetBlocks(_)
        | Message::GetTransactions(_)
        | Message::CompactBlock(_)
        | Message::ViewChange(_)
        | Message::NewView(_)
        | Message::Evidence(_)
        | Message::Overdue(_)
        | Message::Checkpoint(_)
        | Message::Checkpointed(_)
        | Message::GetSnapshot { .. }
        | Message::GetSuccessions { .. }
        | Message::GetBuckets { .. } => false,
    }
}
