//! The miner's side of Stratum v1, without a socket: lines in, lines and jobs out.
//!
//! | field | in a line | in the header |
//! |---|---|---|
//! | version, time, bits, nonce | eight hex digits, a number | little-endian |
//! | parent | its bytes with each word of four reversed | its bytes |
//! | branch | bytes | folded over the coinbase's hash |
//! | extranonce2 | bytes as they stand in the coinbase | – |
//!
//! To try each nonce with a few versions is faster, so the server is asked to allow for that (`version-rolling`, BIP 310). Where it
//! does not, or leaves other bits to miners, the version of a job stays as it is.

use crate::job::{EXTRANONCE_BYTES_MAX, Job, Share};
use crate::kernel::ROLLED_BITS;
use bezant_consensus::ledger::hash::BlockId;
use bezant_consensus::ledger::target::{Target, U320};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

#[cfg(test)]
mod tests;

/// The easiest difficulty that miners can reckon with.
pub const DIFFICULTY_MIN: f64 = 2.33e-10;
/// Version bits that are for miners (BIP 320).
const FREE_BITS: u32 = 0x1fff_e000;
const _: () = assert!(ROLLED_BITS & !FREE_BITS == 0, "no other bits are rolled");
/// Jobs whose names are remembered, so that a share found just before a change still goes out.
const JOBS_HELD: usize = 8;
/// Questions without an answer; a server that leaves more open is not worth talking to.
const OPEN_MAX: usize = 1_024;
/// Bytes of either half of a coinbase, and of the extranonces.
const COINBASE_BYTES_MAX: usize = 16 * 1_024;
const EXTRANONCE_MAX: usize = 16;
/// Steps of a branch.
const BRANCH_MAX: usize = 32;

/// The target of a share: ⌊2^96 / difficulty⌋ · 2^128 + 2^128 − 1, that is 2^224 / difficulty with the lowest bits all ones.
/// Difficulties below [`DIFFICULTY_MIN`] count as that.
///
/// # Panics
/// Never: the number has 1 to 256 bits.
#[must_use]
pub fn share_target(difficulty: f64) -> Target {
    let high = 2f64.powi(96) / difficulty.max(DIFFICULTY_MIN);
    // Below 2^128, for the difficulty is above 2^-32.
    let value = (U320::from(high as u128) << 128usize) | U320::from(u128::MAX);
    Target::from_value(value).expect("a number of 1 to 256 bits is a target")
}

/// What a line of the server means.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Nothing that concerns anyone.
    Nothing,
    /// The name is accepted.
    Authorized,
    /// The name, or the whole miner, is refused: for this reason.
    Refused(String),
    /// There is something else to search; see [`Client::job`].
    Job,
    /// A share counts; whether it was a block by its header.
    Accepted {
        /// Of the header.
        block: Option<BlockId>,
    },
    /// A share does not count.
    Rejected {
        /// 21 stale, 22 duplicate, 23 low, 24 unauthorised, 25 not subscribed, 20 anything else.
        code: i64,
        /// In the server's words.
        reason: String,
    },
    /// A line to be sent back.
    Answer(String),
}

/// A line that no server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonsense(pub String);

impl std::fmt::Display for Nonsense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server says what Stratum does not know: {}", self.0)
    }
}

impl std::error::Error for Nonsense {}

/// What was asked.
#[derive(Clone, Debug)]
enum Asked {
    Configure,
    Subscribe,
    Authorize,
    Share(Option<BlockId>),
}

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    user: String,
    last_id: u64,
    /// Questions without an answer yet. Bounded.
    open: BTreeMap<u64, Asked>,
    extranonce1: Option<Vec<u8>>,
    extranonce2_bytes: usize,
    difficulty: f64,
    job: Option<Job>,
    /// Bits of the version that the server lets be rolled, as far as they are for miners.
    mask: u32,
    /// The server's names of jobs and their versions, by our names.
    names: VecDeque<(u64, String, u32)>,
    jobs: u64,
}

impl Client {
    /// One that mines as `user`.
    #[must_use]
    pub fn new(user: &str) -> Client {
        Client {
            user: user.to_owned(),
            last_id: 0,
            open: BTreeMap::new(),
            extranonce1: None,
            extranonce2_bytes: 0,
            difficulty: 1.0,
            job: None,
            mask: 0,
            names: VecDeque::new(),
            jobs: 0,
        }
    }

    fn ask(&mut self, asked: Asked, method: &str, params: &Value) -> String {
        self.last_id += 1;
        self.open.insert(self.last_id, asked);
        while self.open.len() > OPEN_MAX {
            self.open.pop_first();
        }
        format!("{{\"id\":{},\"method\":\"{method}\",\"params\":{params}}}\n", self.last_id)
    }

    /// The first lines to be sent.
    pub fn hello(&mut self) -> String {
        let agent = json!([format!("bezant/{}", env!("CARGO_PKG_VERSION"))]);
        let user = json!([self.user, "x"]);
        let rolling = json!([["version-rolling"], {"version-rolling.mask": format!("{FREE_BITS:08x}")}]);
        self.ask(Asked::Configure, "mining.configure", &rolling)
            + &self.ask(Asked::Subscribe, "mining.subscribe", &agent)
            + &self.ask(Asked::Authorize, "mining.authorize", &user)
    }

    /// What is to be searched now.
    #[must_use]
    pub fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// What shares are held to from the next job on.
    #[must_use]
    pub fn difficulty(&self) -> f64 {
        self.difficulty
    }

    /// The line that hands in a share; `None` when its job is long over, or its version is one that the server does not want.
    pub fn submit(&mut self, share: &Share) -> Option<String> {
        let (_, name, version) = self.names.iter().find(|(id, ..)| *id == share.job)?.clone();
        if (share.header.version ^ version) & !self.mask != 0 {
            return None;
        }
        let mut extranonce = share.extranonce.clone();
        extranonce.resize(self.extranonce2_bytes, 0);
        let mut params = json!([
            self.user,
            name,
            hex::encode(extranonce),
            format!("{:08x}", share.header.time),
            format!("{:08x}", share.header.nonce),
        ]);
        if let Some(params) = params.as_array_mut().filter(|_| self.mask != 0) {
            params.push(json!(format!("{:08x}", share.header.version & self.mask)));
        }
        let block = share.is_block.then(|| share.header.id());
        Some(self.ask(Asked::Share(block), "mining.submit", &params))
    }

    /// A line came.
    ///
    /// # Errors
    /// When it is nothing that a server says; the connection is of no more use.
    pub fn line(&mut self, line: &str) -> Result<Heard, Nonsense> {
        let nonsense = || Nonsense(line.chars().take(80).collect());
        let message: Value = serde_json::from_str(line).map_err(|_| nonsense())?;
        let params = message.get("params").and_then(Value::as_array);
        match message.get("method").and_then(Value::as_str) {
            None => self.answered(&message).ok_or_else(nonsense),
            Some("mining.set_difficulty") => {
                let difficulty = params.and_then(|params| params.first()?.as_f64()).filter(|number| *number > 0.0);
                self.difficulty = difficulty.ok_or_else(nonsense)?;
                Ok(Heard::Nothing)
            }
            Some("mining.set_extranonce") => {
                let params = params.ok_or_else(nonsense)?;
                self.set_extranonce(params.first(), params.get(1)).ok_or_else(nonsense)?;
                Ok(Heard::Nothing)
            }
            Some("mining.set_version_mask") => {
                let mask = params.and_then(|params| mask(params.first()?));
                // For jobs to come: the present one is not searched anew.
                self.mask = mask.ok_or_else(nonsense)?;
                Ok(Heard::Nothing)
            }
            Some("mining.notify") => {
                // A job before the extranonce is known cannot be searched.
                if self.extranonce1.is_none() {
                    return Ok(Heard::Nothing);
                }
                params.and_then(|params| self.notified(params)).ok_or_else(nonsense)?;
                Ok(Heard::Job)
            }
            Some("client.get_version") => {
                let id = message.get("id").cloned().unwrap_or(Value::Null);
                let version = json!(format!("bezant/{}", env!("CARGO_PKG_VERSION")));
                Ok(Heard::Answer(format!("{{\"id\":{id},\"result\":{version},\"error\":null}}\n")))
            }
            Some(_) => Ok(Heard::Nothing),
        }
    }

    fn answered(&mut self, message: &Value) -> Option<Heard> {
        let Some(asked) = message.get("id").and_then(Value::as_u64).and_then(|id| self.open.remove(&id)) else {
            // A refusal of what nobody asked; the server may say more before it hangs up.
            return message.get("error").map(|_| Heard::Nothing);
        };
        let result = message.get("result").unwrap_or(&Value::Null);
        let refusal = message.get("error").filter(|error| !error.is_null());
        let is_good = refusal.is_none() && !result.is_null() && *result != Value::Bool(false);
        let reason = || {
            let text =
                refusal.map(|error| error.get(1).and_then(Value::as_str).map_or(error.to_string(), str::to_owned));
            text.unwrap_or_else(|| "the server gives no reason".to_owned())
        };
        match asked {
            Asked::Configure => {
                let is_allowed = is_good && result.get("version-rolling") == Some(&Value::Bool(true));
                let granted = result.get("version-rolling.mask").filter(|_| is_allowed);
                self.mask = granted.and_then(mask).unwrap_or(0);
                Some(Heard::Nothing)
            }
            Asked::Subscribe if is_good => {
                self.set_extranonce(result.get(1), result.get(2))?;
                Some(Heard::Nothing)
            }
            Asked::Authorize if is_good => Some(Heard::Authorized),
            Asked::Subscribe | Asked::Authorize => Some(Heard::Refused(reason())),
            Asked::Share(block) if is_good => Some(Heard::Accepted { block }),
            Asked::Share(_) => {
                let code = refusal.and_then(|error| error.get(0)?.as_i64()).unwrap_or(20);
                Some(Heard::Rejected { code, reason: reason() })
            }
        }
    }

    fn set_extranonce(&mut self, first: Option<&Value>, bytes: Option<&Value>) -> Option<()> {
        let first = hex::decode(first?.as_str()?).ok().filter(|first| first.len() <= EXTRANONCE_MAX)?;
        let bytes = usize::try_from(bytes?.as_u64()?).ok().filter(|bytes| (1..=EXTRANONCE_MAX).contains(bytes))?;
        (self.extranonce1, self.extranonce2_bytes) = (Some(first), bytes);
        Some(())
    }

    fn notified(&mut self, params: &[Value]) -> Option<()> {
        let text = |at: usize| params.get(at)?.as_str();
        let half = |at: usize| hex::decode(text(at)?).ok().filter(|bytes| bytes.len() <= COINBASE_BYTES_MAX);
        let number = |at: usize| u32::from_str_radix(text(at)?, 16).ok();
        let mut parent: [u8; 32] = hex::decode(text(1)?).ok()?.try_into().ok()?;
        parent.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        let branch = params.get(4)?.as_array().filter(|branch| branch.len() <= BRANCH_MAX)?;
        let step = |step: &Value| <[u8; 32]>::try_from(hex::decode(step.as_str()?).ok()?).ok();
        let counted = self.extranonce2_bytes.min(EXTRANONCE_BYTES_MAX);
        let uncounted = vec![0; self.extranonce2_bytes - counted];
        self.jobs += 1;
        self.job = Some(Job {
            id: self.jobs,
            version: number(5)?,
            rolls_version: ROLLED_BITS & !self.mask == 0,
            parent: BlockId(parent),
            coinbase_first: [half(2)?, self.extranonce1.clone()?].concat(),
            coinbase_last: [uncounted, half(3)?].concat(),
            extranonce_bytes: counted,
            extranonce_start: 0,
            branch: branch.iter().map(step).collect::<Option<_>>()?,
            time: number(7)?,
            bits: number(6)?,
            target: share_target(self.difficulty),
        });
        if self.names.len() >= JOBS_HELD {
            self.names.pop_front();
        }
        self.names.push_back((self.jobs, text(0)?.to_owned(), number(5)?));
        Some(())
    }
}

/// The bits that a server lets be rolled, of those that are for miners.
fn mask(value: &Value) -> Option<u32> {
    u32::from_str_radix(value.as_str()?, 16).ok().map(|mask| mask & FREE_BITS)
}
