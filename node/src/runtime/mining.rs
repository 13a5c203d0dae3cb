//! The node's own miner, blocks on demand, and templates for miners elsewhere.

use crate::offers::{Board, Offers};
use bezant_api::types::TipView;
use bezant_consensus::engine::{BlockWish, InstructionError, Template};
use bezant_consensus::ledger::genesis::LedgerParams;
use bezant_consensus::ledger::hash::BlockId;
use bezant_miner::{Kernel, Miner, MinerConfig, Solution, Space};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

#[cfg(test)]
mod tests;

/// Solutions on their way; of several for one template all but the first are stale.
const SOLUTIONS_MAX: usize = 16;
/// The hash rate is that of the last so many seconds.
const RATE_OVER: Duration = Duration::from_secs(5);
/// `dev_mine` calls that wait at once; further ones are dropped, which their callers see.
const WAITING_MAX: usize = 16;

/// A `dev_mine` that is not done.
#[derive(Debug)]
pub(super) struct OnDemand {
    /// Blocks that are still to come.
    pub(super) left: u64,
    /// What each is to be like.
    pub(super) wish: Option<BlockWish>,
    /// Whether each moves the clock.
    pub(super) advance_clock: bool,
    /// Who waits.
    pub(super) reply: oneshot::Sender<Result<TipView, InstructionError>>,
}

/// How the node mines, and who is told of templates.
#[derive(Debug)]
pub(crate) struct MiningSetup {
    /// The own miner; on dev nets there is one for blocks on demand even where none is to mine.
    pub(crate) miner: Option<MinerConfig>,
    /// Whether the own miner searches all the time, not on demand alone.
    pub(crate) always: bool,
    /// Where templates are offered.
    pub(crate) offers: watch::Sender<Offers>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Mining {
    miner: Option<Miner<Space>>,
    always: bool,
    board: Board,
    hashrate_max: Option<f64>,
    /// As the miner knows it.
    told_hashrate_max: Option<f64>,
    /// The first is at work.
    on_demand: VecDeque<OnDemand>,
    /// Whether the block that is wanted next has been asked for.
    asked: bool,
    /// The last blocks that were found on this node's templates: several may be on their way. Invariant: at most
    /// [`SOLUTIONS_MAX`].
    found: VecDeque<BlockId>,
    samples: VecDeque<(Instant, u64)>,
}

impl Mining {
    pub(super) fn new(setup: MiningSetup, params: LedgerParams) -> (Mining, mpsc::Receiver<Solution>) {
        let config = setup.miner;
        let (sender, solutions) = mpsc::channel(SOLUTIONS_MAX);
        let found = move |solution| {
            if sender.try_send(solution).is_err() {
                tracing::warn!("a solution was lost: the runtime is behind or has stopped");
            }
        };
        if config.is_some() {
            for kernel in Kernel::failed() {
                tracing::warn!("the kernel {} fails its self-test and is not used to mine", kernel.name());
            }
        }
        let hashrate_max = config.and_then(|config| config.hashrate_max);
        let miner = config.map(|config| Miner::start(config, found));
        let mining = Mining {
            miner,
            always: setup.always,
            board: Board::new(params, setup.offers),
            hashrate_max,
            told_hashrate_max: hashrate_max,
            on_demand: VecDeque::new(),
            asked: false,
            found: VecDeque::new(),
            samples: VecDeque::new(),
        };
        (mining, solutions)
    }

    pub(super) fn set_template(&mut self, template: Option<Template>) {
        if let Some(miner) = &self.miner {
            let searches = self.always || self.is_demanded();
            miner.set_task(template.as_ref().filter(|_| searches).cloned().map(Space::new));
        }
        self.limit();
        self.board.set(template);
    }

    pub(super) fn set_hashrate(&mut self, hashes_per_second: u64) {
        self.hashrate_max = Some(hashes_per_second as f64);
        self.limit();
    }

    /// Whether the template that was made last is that of a block on demand. Before it was asked for, and once its block has come, the
    /// templates are those of the blocks that are mined anyway.
    fn is_demanded(&self) -> bool {
        self.asked && self.on_demand.front().is_some_and(|first| first.left > 0)
    }

    /// Blocks on demand do not wait for the limit, and no others profit from that.
    fn present_hashrate_max(&self) -> Option<f64> {
        if self.is_demanded() { None } else { self.hashrate_max }
    }

    /// Tells the miner its limit, if that is another one now.
    pub(super) fn limit(&mut self) {
        let wanted = self.present_hashrate_max();
        if let Some(miner) = self.miner.as_ref().filter(|_| self.told_hashrate_max != wanted) {
            miner.set_hashrate_max(wanted);
            self.told_hashrate_max = wanted;
        }
    }

    pub(super) fn demand(&mut self, demand: OnDemand) {
        if self.on_demand.len() < WAITING_MAX {
            self.on_demand.push_back(demand);
        }
    }

    /// What is demanded, if a block is to be asked for now: what it is to be like, and whether the clock moves.
    pub(super) fn wants_block(&self) -> Option<(Option<BlockWish>, bool)> {
        let first = self.on_demand.front().filter(|_| !self.asked)?;
        Some((first.wish.clone(), first.advance_clock))
    }

    /// What is demanded cannot be.
    pub(super) fn refuse(&mut self, error: InstructionError) {
        if let Some(first) = self.on_demand.pop_front() {
            // The caller may have gone.
            let _ = first.reply.send(Err(error));
            self.limit();
        }
    }

    /// The miner found this block; of proof of work only such count as made on demand.
    pub(super) fn found(&mut self, block: BlockId) {
        if self.found.len() >= SOLUTIONS_MAX {
            self.found.pop_front();
        }
        self.found.push_back(block);
    }

    /// The block that is wanted next has been asked for: the template that comes is that of it.
    pub(super) fn asked(&mut self) {
        self.asked = true;
    }

    /// A block was connected. Of proof of work those of others are not what was demanded.
    pub(super) fn block_came(&mut self, block: &BlockId, is_pow: bool) {
        if is_pow && !self.found.contains(block) {
            return;
        }
        self.asked = false;
        if let Some(first) = self.on_demand.front_mut() {
            first.left = first.left.saturating_sub(1);
        }
        self.limit();
    }

    /// Answers what is done and drops what nobody waits for any more.
    pub(super) fn answer_finished(&mut self, tip: impl Fn() -> TipView) {
        let before = self.on_demand.len();
        while let Some(first) = self.on_demand.pop_front_if(|first| first.left == 0 || first.reply.is_closed()) {
            // The caller may have gone.
            let _ = first.reply.send(Ok(tip()));
        }
        if self.on_demand.len() < before {
            self.asked = false;
            self.limit();
            if let Some(miner) = self.miner.as_ref().filter(|_| !self.always && self.on_demand.is_empty()) {
                miner.set_task(None);
            }
        }
    }

    /// Notes how many hashes there were until now.
    pub(super) fn sample(&mut self) {
        let Some(miner) = &self.miner else { return };
        let now = Instant::now();
        if self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= RATE_OVER / 5) {
            self.samples.push_back((now, miner.hashes()));
        }
        while self.samples.len() > 2 && self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_OVER)
        {
            self.samples.pop_front();
        }
    }

    /// Hashes per second over the last seconds.
    pub(super) fn rate(&self) -> f64 {
        let (Some(miner), Some((since, hashes))) = (&self.miner, self.samples.front()) else { return 0.0 };
        let seconds = since.elapsed().as_secs_f64();
        if seconds < 0.1 { 0.0 } else { (miner.hashes() - hashes) as f64 / seconds }
    }
}
