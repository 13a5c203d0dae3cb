//! One miner's connection, without socket and clock: it is told lines, templates and the time (milliseconds of any clock that only
//! goes forward), and says what is to be done.
//!
//! What a miner can fill is bounded: [`STRATUM_JOBS_HELD`] jobs, [`STRATUM_SHARES_REMEMBERED`] shares, and nothing of its lines is
//! kept but the address that it is paid to.

use super::difficulty::{Vardiff, clamp};
use super::job::{Found, Job, Worth};
use super::wire::{self, Code, Refusal, Request};
use crate::limits::{
    STRATUM_FAULTS_MAX, STRATUM_HANDSHAKE_MS, STRATUM_IDLE_MS, STRATUM_JOB_EVERY_MS, STRATUM_JOB_SPACING_MS,
    STRATUM_JOBS_HELD, STRATUM_JUDGED_MIN, STRATUM_LINES_BURST, STRATUM_LINES_PER_SECOND, STRATUM_REFUSED_PERCENT_MAX,
    STRATUM_SHARES_REMEMBERED, STRATUM_TIME_ROLL_MAX_S, STRATUM_VERSION_MASK,
};
use crate::offers::{Offer, Offers};
use bezant_api::address;
use bezant_consensus::ledger::block::Block;
use bezant_consensus::ledger::hash::{LockHash, NetworkId};
use bezant_consensus::ledger::target::Target;
use bezant_consensus::pow::TEMPLATES_MAX;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Bytes of the extranonce that the server chooses …
const EXTRANONCE1_BYTES: usize = 4;
/// … and that the miner counts.
const EXTRANONCE2_BYTES: usize = 4;

/// What is to be done, in order.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Send this line.
    Say(String),
    /// A share was accepted (`Ok`), or refused.
    Judged(Result<(), Code>),
    /// A share is a block.
    Solved { ticket: u64, block: Box<Block> },
    /// Send what is to be sent, and hang up.
    Cut(Cut),
}

/// Why a miner is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Not authorised in time.
    Handshake,
    /// Silent for too long.
    Idle,
    /// Too many lines a second.
    Flood,
    /// A line that does not end.
    LongLine,
    /// Too much that is no request, or too many names that are none.
    Faults,
    /// Too many refused shares; the address is banned.
    Refused,
    /// It does not read what it is told.
    SlowReader,
}

impl Cut {
    /// A stable name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Cut::Handshake => "handshake",
            Cut::Idle => "idle",
            Cut::Flood => "flood",
            Cut::LongLine => "long-line",
            Cut::Faults => "faults",
            Cut::Refused => "refused-shares",
            Cut::SlowReader => "slow-reader",
        }
    }
}

/// Who is paid.
#[derive(Clone, Debug)]
struct Payee {
    address: String,
    lock: LockHash,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    network: NetworkId,
    extranonce1: [u8; EXTRANONCE1_BYTES],
    subscribed: bool,
    payee: Option<Payee>,
    /// Version bits that this miner said it rolls.
    mask: u32,
    vardiff: Vardiff,
    /// The difficulty that the miner was told last.
    told: Option<f64>,
    /// The newest template.
    offer: Option<Arc<Offer>>,
    /// Invariant: all on one parent, the newest last, at most [`STRATUM_JOBS_HELD`].
    jobs: VecDeque<Job>,
    jobs_made: u64,
    /// Accepted shares of those jobs, with the tickets of their templates. Invariant: at most [`STRATUM_SHARES_REMEMBERED`].
    seen: BTreeSet<(u64, Found)>,
    accepted: u32,
    refused: u32,
    faults: u32,
    /// Lines that may come at once, in thousandths.
    credit_milli: u64,
    credit_at_ms: u64,
    opened_ms: u64,
    heard_ms: u64,
    job_ms: u64,
}

impl Session {
    pub(super) fn new(network: NetworkId, extranonce1: u32, difficulty: f64, now_ms: u64) -> Session {
        Session {
            network,
            extranonce1: extranonce1.to_be_bytes(),
            subscribed: false,
            payee: None,
            mask: 0,
            vardiff: Vardiff::new(difficulty, now_ms),
            told: None,
            offer: None,
            jobs: VecDeque::new(),
            jobs_made: 0,
            seen: BTreeSet::new(),
            accepted: 0,
            refused: 0,
            faults: 0,
            credit_milli: STRATUM_LINES_BURST * 1_000,
            credit_at_ms: now_ms,
            opened_ms: now_ms,
            heard_ms: now_ms,
            job_ms: 0,
        }
    }

    /// Whether it has subscribed and may be paid.
    pub(super) fn is_mining(&self) -> bool {
        self.subscribed && self.payee.is_some()
    }

    /// Who is paid, for people.
    pub(super) fn address(&self) -> &str {
        self.payee.as_ref().map_or("nobody", |payee| &payee.address)
    }

    /// A line came, without its end.
    pub(super) fn line(&mut self, now_ms: u64, line: &[u8]) -> Vec<Action> {
        let mut actions = Vec::new();
        self.heard_ms = now_ms;
        if !self.spend_credit(now_ms) {
            actions.push(Action::Cut(Cut::Flood));
            return actions;
        }
        if line.is_empty() {
            return actions;
        }
        match wire::parse(line) {
            Some(request) => self.request(now_ms, &request, &mut actions),
            None => {
                let refusal = Refusal::new(Code::Other, "no request: one JSON object a line with id, method, params");
                actions.push(Action::Say(wire::refuse(&Value::Null, &refusal)));
                self.fault(&mut actions);
            }
        }
        actions
    }

    /// A miner may run ahead of its lines a second by a burst.
    fn spend_credit(&mut self, now_ms: u64) -> bool {
        let earned = now_ms.saturating_sub(self.credit_at_ms).saturating_mul(STRATUM_LINES_PER_SECOND);
        self.credit_milli = self.credit_milli.saturating_add(earned).min(STRATUM_LINES_BURST * 1_000);
        self.credit_at_ms = now_ms;
        let left = self.credit_milli.checked_sub(1_000);
        self.credit_milli = left.unwrap_or(self.credit_milli);
        left.is_some()
    }

    fn fault(&mut self, actions: &mut Vec<Action>) {
        self.faults += 1;
        if self.faults >= STRATUM_FAULTS_MAX {
            actions.push(Action::Cut(Cut::Faults));
        }
    }

    fn request(&mut self, now_ms: u64, request: &Request, actions: &mut Vec<Action>) {
        let was_mining = self.is_mining();
        let answer = match request.method.as_str() {
            "mining.subscribe" => Ok(self.subscribe()),
            "mining.authorize" => self.authorize(&request.params),
            "mining.extranonce.subscribe" => Ok(Value::Bool(true)),
            "mining.configure" => self.configure(&request.params),
            "mining.suggest_difficulty" => self.suggest(now_ms, &request.params),
            "mining.submit" => return self.submitted(now_ms, request, actions),
            other => {
                let shown: String = other.chars().take(40).collect();
                Err(Refusal::new(Code::Other, format!("unknown method {shown}")))
            }
        };
        let is_bad_name = matches!(&answer, Err(refusal) if refusal.code == Code::Unauthorized);
        actions.push(Action::Say(match &answer {
            Ok(result) => wire::answer(&request.id, result),
            Err(refusal) => wire::refuse(&request.id, refusal),
        }));
        if is_bad_name {
            self.fault(actions);
        }
        if self.is_mining() && !was_mining {
            self.vardiff.set(self.vardiff.difficulty(), now_ms);
            self.issue(now_ms, true, actions);
        } else if request.method == "mining.suggest_difficulty" {
            self.renew_if_harder_or_easier(now_ms, actions);
        }
    }

    fn subscribe(&mut self) -> Value {
        self.subscribed = true;
        let name = hex::encode(self.extranonce1);
        json!([[["mining.set_difficulty", name], ["mining.notify", name]], name, EXTRANONCE2_BYTES])
    }

    /// The user name is the address that is paid, and a name of the worker behind a dot. One connection pays one address.
    fn authorize(&mut self, params: &[Value]) -> Result<Value, Refusal> {
        let user = wire::text(params, 0).unwrap_or_default();
        let name = user.split('.').next().unwrap_or_default();
        let lock = address::decode(&self.network, name).map_err(|error| {
            Refusal::new(Code::Unauthorized, format!("the user name is the address to pay, and {error}"))
        })?;
        match &self.payee {
            Some(payee) if payee.lock != lock => {
                Err(Refusal::new(Code::Unauthorized, "this connection pays another address; open one for each"))
            }
            Some(_) | None => {
                self.payee = Some(Payee { address: name.to_ascii_lowercase(), lock });
                Ok(Value::Bool(true))
            }
        }
    }

    fn configure(&mut self, params: &[Value]) -> Result<Value, Refusal> {
        let malformed = || Refusal::new(Code::Other, "a list of extensions and an object of options are expected");
        let names = params.first().and_then(Value::as_array).ok_or_else(malformed)?;
        let mut answer = serde_json::Map::new();
        for name in names {
            let name = name.as_str().ok_or_else(malformed)?;
            match name {
                "version-rolling" => {
                    let wanted = params.get(1).and_then(|options| options.get("version-rolling.mask"));
                    let wanted = wanted.and_then(Value::as_str).and_then(|mask| u32::from_str_radix(mask, 16).ok());
                    self.mask = wanted.unwrap_or(u32::MAX) & STRATUM_VERSION_MASK;
                    answer.insert(name.to_owned(), Value::Bool(true));
                    answer.insert("version-rolling.mask".to_owned(), json!(format!("{:08x}", self.mask)));
                }
                "subscribe-extranonce" => drop(answer.insert(name.to_owned(), Value::Bool(true))),
                _ => drop(answer.insert(name.to_owned(), Value::Bool(false))),
            }
        }
        Ok(Value::Object(answer))
    }

    fn suggest(&mut self, now_ms: u64, params: &[Value]) -> Result<Value, Refusal> {
        let difficulty = params.first().and_then(Value::as_f64).filter(|difficulty| *difficulty > 0.0);
        let difficulty = difficulty.ok_or_else(|| Refusal::new(Code::Other, "a difficulty above 0 is expected"))?;
        self.vardiff.set(difficulty, now_ms);
        Ok(Value::Bool(true))
    }

    fn submitted(&mut self, now_ms: u64, request: &Request, actions: &mut Vec<Action>) {
        let judged = self.judge(&request.params);
        match &judged {
            Ok(_) => {
                self.accepted += 1;
                self.vardiff.share();
                actions.push(Action::Say(wire::answer(&request.id, &Value::Bool(true))));
                actions.push(Action::Judged(Ok(())));
            }
            Err(refusal) => {
                // A share that came too late is the network's fault.
                self.refused += u32::from(refusal.code != Code::Stale);
                actions.push(Action::Say(wire::refuse(&request.id, refusal)));
                actions.push(Action::Judged(Err(refusal.code)));
            }
        }
        if let Ok(Some((ticket, block))) = judged {
            actions.push(Action::Solved { ticket, block });
        }
        let all = self.accepted + self.refused;
        if all >= STRATUM_JUDGED_MIN && self.refused * 100 > all * STRATUM_REFUSED_PERCENT_MAX {
            actions.push(Action::Cut(Cut::Refused));
        }
        if all >= 4 * STRATUM_JUDGED_MIN {
            // What was long ago counts less.
            (self.accepted, self.refused) = (self.accepted / 2, self.refused / 2);
        }
        self.adjust(now_ms, actions);
    }

    /// Whether a share is one; if it is a block too, that block.
    fn judge(&mut self, params: &[Value]) -> Result<Option<(u64, Box<Block>)>, Refusal> {
        let other = |reason: &str| Refusal::new(Code::Other, reason);
        if !self.subscribed {
            return Err(Refusal::new(Code::NotSubscribed, "not subscribed"));
        }
        let payee = self.payee.as_ref().ok_or_else(|| Refusal::new(Code::Unauthorized, "not authorised"))?;
        let five = params.get(..5).filter(|_| params.len() <= 6).and_then(texts);
        let Some([user, job, extranonce2, time, nonce]) = five.and_then(|five| <[&str; 5]>::try_from(five).ok()) else {
            return Err(other("five or six texts are expected: user, job, extranonce2, time, nonce, version bits"));
        };
        if !user.split('.').next().is_some_and(|name| name.eq_ignore_ascii_case(&payee.address)) {
            return Err(Refusal::new(Code::Unauthorized, "this name is not authorised here"));
        }
        let stale = || Refusal::new(Code::Stale, "stale: this job is unknown or over");
        let job_id = u64::from_str_radix(job, 16).map_err(|_| stale())?;
        let newest = self.offer.as_ref().ok_or_else(stale)?.ticket();
        let job = self.jobs.iter().find(|job| job.id == job_id).ok_or_else(stale)?;
        if newest.saturating_sub(job.offer.ticket()) >= TEMPLATES_MAX as u64 {
            return Err(stale());
        }
        let numbers = [extranonce2, time, nonce].map(wire::number);
        let [Some(extranonce2), Some(time), Some(nonce)] = numbers else {
            return Err(other("extranonce2, time and nonce are eight hex digits each"));
        };
        let earliest = job.time;
        if time < earliest || time - earliest > STRATUM_TIME_ROLL_MAX_S {
            return Err(other("the time is out of range"));
        }
        let rolled = match params.get(5) {
            None => 0,
            Some(bits) => {
                let bits =
                    bits.as_str().and_then(wire::number).ok_or_else(|| other("version bits: eight hex digits"))?;
                if bits & !self.mask != 0 {
                    return Err(other("version bits that were not agreed on"));
                }
                bits
            }
        };
        let version = match params.get(5) {
            None => job.offer.header().version,
            Some(_) => (job.offer.header().version & !self.mask) | rolled,
        };
        let mut extranonce = [0; EXTRANONCE1_BYTES + EXTRANONCE2_BYTES];
        extranonce[..EXTRANONCE1_BYTES].copy_from_slice(&self.extranonce1);
        extranonce[EXTRANONCE1_BYTES..].copy_from_slice(&extranonce2.to_be_bytes());
        let found = Found { extranonce, version, time, nonce };
        // By template, not by job: the same header is the same share under any name.
        let ticket = job.offer.ticket();
        if self.seen.contains(&(ticket, found)) {
            return Err(Refusal::new(Code::Duplicate, "duplicate share"));
        }
        let worth = job.worth(&job.header(&found).id());
        if worth == Worth::Nothing {
            return Err(Refusal::new(Code::Low, format!("low difficulty: {} is wanted", job.difficulty)));
        }
        if self.seen.len() >= STRATUM_SHARES_REMEMBERED {
            return Err(other("too many shares for one block; wait for the next"));
        }
        self.seen.insert((ticket, found));
        Ok((worth == Worth::Block).then(|| (ticket, Box::new(job.block(&found)))))
    }

    /// Templates have changed.
    pub(super) fn offers(&mut self, now_ms: u64, offers: &Offers) -> Vec<Action> {
        let mut actions = Vec::new();
        let parent = |offer: &Arc<Offer>| offer.header().parent;
        let before = self.offer.take();
        self.offer = offers.last().cloned();
        let is_new_parent = self.offer.as_ref().map(parent) != before.as_ref().map(parent);
        if is_new_parent {
            self.jobs.clear();
            self.seen.clear();
        }
        if is_new_parent || now_ms.saturating_sub(self.job_ms) >= STRATUM_JOB_SPACING_MS {
            self.issue(now_ms, is_new_parent, &mut actions);
        }
        actions
    }

    /// Tells a miner of the newest template, and of its difficulty before if that has changed.
    fn issue(&mut self, now_ms: u64, clean: bool, actions: &mut Vec<Action>) {
        let (Some(offer), Some(payee), true) = (self.offer.clone(), &self.payee, self.subscribed) else { return };
        let lock = payee.lock;
        let Some(difficulty) = self.difficulty_now() else { return };
        if self.told != Some(difficulty) {
            self.told = Some(difficulty);
            actions.push(Action::Say(wire::notification("mining.set_difficulty", &json!([difficulty]))));
        }
        self.jobs_made += 1;
        self.job_ms = now_ms;
        let first = offer.header().time;
        let again = self.jobs.back().filter(|job| job.offer.ticket() == offer.ticket());
        let time = again.map_or(first, |job| (job.time + 1).min(first.saturating_add(STRATUM_TIME_ROLL_MAX_S)));
        let job = Job::new(self.jobs_made, offer, time, lock, difficulty);
        actions.push(Action::Say(job.notify(clean)));
        if self.jobs.len() >= STRATUM_JOBS_HELD {
            self.jobs.pop_front();
        }
        self.jobs.push_back(job);
    }

    /// What the next job would be issued with.
    fn difficulty_now(&self) -> Option<f64> {
        let target = Target::from_compact(self.offer.as_ref()?.header().bits)?;
        Some(clamp(self.vardiff.difficulty(), target))
    }

    fn adjust(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if let Some(told) = self.told
            && self.vardiff.adjust(now_ms, told)
        {
            self.renew_if_harder_or_easier(now_ms, actions);
        }
    }

    /// A difficulty holds from the next job on, so there is one at once.
    fn renew_if_harder_or_easier(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.difficulty_now() != self.told {
            self.issue(now_ms, false, actions);
        }
    }

    /// When [`tick`](Session::tick) is wanted.
    pub(super) fn deadline_ms(&self) -> u64 {
        if !self.is_mining() {
            return self.opened_ms + STRATUM_HANDSHAKE_MS;
        }
        let idle = self.heard_ms + STRATUM_IDLE_MS;
        let vardiff = self.told.map_or(u64::MAX, |_| self.vardiff.deadline_ms());
        idle.min(self.job_due_ms()).min(vardiff)
    }

    fn job_due_ms(&self) -> u64 {
        let Some(offer) = &self.offer else { return u64::MAX };
        let is_told = self.jobs.back().is_some_and(|job| job.offer.ticket() == offer.ticket());
        self.job_ms + if is_told { STRATUM_JOB_EVERY_MS } else { STRATUM_JOB_SPACING_MS }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        if !self.is_mining() {
            if now_ms >= self.opened_ms + STRATUM_HANDSHAKE_MS {
                actions.push(Action::Cut(Cut::Handshake));
            }
            return actions;
        }
        if now_ms >= self.heard_ms + STRATUM_IDLE_MS {
            actions.push(Action::Cut(Cut::Idle));
            return actions;
        }
        self.adjust(now_ms, &mut actions);
        if now_ms >= self.job_due_ms() {
            self.issue(now_ms, false, &mut actions);
        }
        actions
    }

    /// What is held for the miner's sake: jobs and shares.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.jobs.len(), self.seen.len())
    }
}

/// All of them, if all are texts.
fn texts(values: &[Value]) -> Option<Vec<&str>> {
    values.iter().map(Value::as_str).collect()
}
