//! Sessions told lines and the time, by a miner that reckons as the protocol's description says and shares nothing with the server.

mod sockets;

use super::difficulty::{DIFFICULTY_MIN, Vardiff, clamp, of_block, share_target};
use super::session::{Action, Cut, Session};
use crate::limits::{
    STRATUM_FAULTS_MAX, STRATUM_HANDSHAKE_MS, STRATUM_IDLE_MS, STRATUM_JOB_EVERY_MS, STRATUM_JOB_SPACING_MS,
    STRATUM_JOBS_HELD, STRATUM_JUDGED_MIN, STRATUM_LINES_BURST, STRATUM_SHARES_REMEMBERED,
};
use crate::offers::{Offer, Offers};
use crate::tests::{genesis, transfer};
use bezant_api::address;
use bezant_api::types::EngineName;
use bezant_consensus::engine::Template;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::{BlockId, LockHash, MerkleRoot, NetworkId};
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::{Body, Coinbase, Transaction};
use bezant_consensus::ledger::units::Height;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Every second hash is a block.
const EASY: u32 = 0x207f_ffff;
/// Of difficulty 1: no hash of these tests is a block.
const HARD: u32 = 0x1d00_ffff;
const TIME: u32 = 1_700_000_100;
const LOCK: LockHash = LockHash([0x5a; 32]);
const EXTRANONCE1: u32 = 0x0102_0304;

fn net() -> Genesis {
    genesis(EngineName::Pow, 3)
}

fn network() -> NetworkId {
    net().network_id()
}

fn user() -> String {
    address::encode(&network(), &LOCK)
}

/// A template on a parent with this last byte, with `transfers` transactions beside the coinbase.
fn offer(ticket: u64, parent: u8, bits: u32, transfers: u8) -> Arc<Offer> {
    let genesis = net();
    let mut parent_id: [u8; 32] = std::array::from_fn(|place| place as u8);
    parent_id[31] = parent;
    let extra = [&[0u8; 8][..], &[0xee; 8], &ticket.to_le_bytes()].concat();
    let coinbase = Body::Coinbase(Coinbase { height: Height(7), extra, outputs: Vec::new() });
    let mut transactions = vec![Transaction::new(coinbase, Vec::new())];
    transactions.extend((0..transfers).map(|number| transfer(&genesis, number, 5_000, LOCK)));
    let header = Header {
        version: 0x2000_0000,
        parent: BlockId(parent_id),
        merkle_root: MerkleRoot::default(),
        time: TIME,
        bits,
        nonce: 0,
    };
    let template = Template { ticket, height: Height(7), block: Block { header, transactions } };
    Arc::new(Offer::new(template, &genesis.ledger))
}

fn offers(all: &[&Arc<Offer>]) -> Offers {
    all.iter().map(|offer| Arc::clone(offer)).collect::<Vec<_>>().into()
}

fn says(actions: &[Action]) -> Vec<Value> {
    let text = |action: &Action| match action {
        Action::Say(line) => {
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "one line: {line}");
            Some(serde_json::from_str(line).unwrap())
        }
        _ => None,
    };
    actions.iter().filter_map(text).collect()
}

fn cut(actions: &[Action]) -> Option<Cut> {
    actions.iter().find_map(|action| match action {
        Action::Cut(cut) => Some(*cut),
        _ => None,
    })
}

fn ask(session: &mut Session, now_ms: u64, method: &str, params: Value) -> Vec<Action> {
    session.line(now_ms, json!({"id": 4, "method": method, "params": params}).to_string().as_bytes())
}

/// A connection that has the job of this offer.
fn mining(offer: &Arc<Offer>, difficulty: f64) -> (Session, Notified) {
    let mut session = Session::new(network(), EXTRANONCE1, difficulty, 0);
    session.offers(0, &offers(&[offer]));
    ask(&mut session, 0, "mining.subscribe", json!(["test"]));
    let actions = ask(&mut session, 0, "mining.authorize", json!([user(), "x"]));
    let notified = Notified::of(&says(&actions)[2]);
    (session, notified)
}

fn sha256d(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(Sha256::digest(bytes)).to_vec()
}

/// A job as a miner reads it.
struct Notified {
    job: String,
    parent: Vec<u8>,
    coinb1: Vec<u8>,
    coinb2: Vec<u8>,
    branch: Vec<Vec<u8>>,
    version: Vec<u8>,
    bits: Vec<u8>,
    time: String,
    clean: bool,
}

impl Notified {
    fn of(line: &Value) -> Notified {
        assert_eq!(line["method"], "mining.notify", "{line}");
        let params = line["params"].as_array().unwrap();
        let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
        let reversed = |value: &Value| bytes(value).into_iter().rev().collect::<Vec<u8>>();
        Notified {
            job: params[0].as_str().unwrap().to_owned(),
            parent: bytes(&params[1])
                .chunks(4)
                .flat_map(|word| word.iter().rev().copied().collect::<Vec<_>>())
                .collect(),
            coinb1: bytes(&params[2]),
            coinb2: bytes(&params[3]),
            branch: params[4].as_array().unwrap().iter().map(bytes).collect(),
            version: reversed(&params[5]),
            bits: reversed(&params[6]),
            time: params[7].as_str().unwrap().to_owned(),
            clean: params[8].as_bool().unwrap(),
        }
    }

    fn header(&self, extranonce2: &str, time: &str, nonce: u32, version: &[u8]) -> Vec<u8> {
        let extranonces = [EXTRANONCE1.to_be_bytes().to_vec(), hex::decode(extranonce2).unwrap()].concat();
        let coinbase = [&self.coinb1[..], &extranonces, &self.coinb2].concat();
        let root = self.branch.iter().fold(sha256d(&coinbase), |node, next| sha256d(&[&node[..], next].concat()));
        let time: Vec<u8> = hex::decode(time).unwrap().into_iter().rev().collect();
        [version, &self.parent, &root, &time, &self.bits, &nonce.to_le_bytes()].concat()
    }

    fn hash(&self, nonce: u32) -> Vec<u8> {
        sha256d(&self.header("00000000", &self.time, nonce, &self.version))
    }

    /// The first nonce from `from` on whose hash's highest byte fits.
    fn nonce(&self, from: u32, fits: impl Fn(u8) -> bool) -> u32 {
        (from..).find(|nonce| fits(self.hash(*nonce)[31])).unwrap()
    }

    fn share(&self, nonce: u32) -> Value {
        json!([user(), self.job, "00000000", self.time, format!("{nonce:08x}")])
    }
}

fn code(actions: &[Action]) -> Value {
    let said = says(actions);
    let answer = said.iter().find(|line| line["id"] == 4).expect("an answer");
    assert!(answer.get("result").is_some() && answer.get("error").is_some(), "{answer}");
    if answer["error"].is_null() { answer["result"].clone() } else { answer["error"][0].clone() }
}

#[test]
fn a_job_has_these_bytes() {
    let offer = offer(0x2a, 0x1f, HARD, 2);
    let (_, told) = mining(&offer, 1.0);
    // The same from the ledger's specification: version and kind, height, length of the extra data; its tail, one output, no witness.
    assert_eq!(hex::encode(&told.coinb1), "0101070000000000000018000000");
    let reward = net().ledger.subsidy_at(Height(7)).grains() + 20_000;
    let coinb2 = format!(
        "eeeeeeeeeeeeeeee2a0000000000000001000000{}{}00000000",
        hex::encode(reward.to_le_bytes()),
        "5a".repeat(32)
    );
    assert_eq!(hex::encode(&told.coinb2), coinb2);
    let line = offer_line(&offer);
    assert_eq!(line["params"][0], "1");
    assert_eq!(line["params"][1], "03020100070605040b0a09080f0e0d0c13121110171615141b1a19181f1e1d1c");
    let leaf = |number: u8| transfer(&net(), number, 5_000, LOCK).hash().0;
    let second = sha256d(&[leaf(1), leaf(1)].concat());
    assert_eq!(line["params"][4], json!([hex::encode(leaf(0)), hex::encode(second)]));
    assert_eq!(line["params"][5], "20000000");
    assert_eq!(line["params"][6], "1d00ffff");
    assert_eq!(line["params"][7], format!("{TIME:08x}"));
    assert_eq!(line["params"][8], true);
    assert_eq!(line["id"], Value::Null);
    let extranonces = "0102030405060708";
    let coinbase = [&told.coinb1[..], &hex::decode(extranonces).unwrap(), &told.coinb2].concat();
    assert_eq!(coinbase.len(), 86);
    let decoded: Transaction = bezant_consensus::ledger::codec::decode(&coinbase).unwrap();
    assert_eq!((decoded.outputs()[0].lock, decoded.outputs()[0].amount.grains()), (LOCK, reward));
    assert_eq!(decoded.hash().0.to_vec(), sha256d(&coinbase), "the leaf is the hash of the whole");
}

fn offer_line(offer: &Arc<Offer>) -> Value {
    let mut session = Session::new(network(), EXTRANONCE1, 1.0, 0);
    session.offers(0, &offers(&[offer]));
    ask(&mut session, 0, "mining.subscribe", json!([]));
    says(&ask(&mut session, 0, "mining.authorize", json!([user()])))[2].clone()
}

#[test]
fn the_conversation_begins_as_miners_expect() {
    let mut session = Session::new(network(), EXTRANONCE1, 0.5, 0);
    session.offers(0, &offers(&[&offer(1, 1, HARD, 0)]));
    let configured = says(&ask(
        &mut session,
        0,
        "mining.configure",
        json!([["version-rolling", "minimum-difficulty"], {"version-rolling.mask": "ffffffff"}]),
    ));
    let options = json!({"version-rolling": true, "version-rolling.mask": "1fffe000", "minimum-difficulty": false});
    assert_eq!(configured[0], json!({"id": 4, "result": options, "error": null}));
    let subscribed = says(&ask(&mut session, 0, "mining.subscribe", json!(["cpuminer-opt-26.1-x64L", "session"])));
    assert_eq!(subscribed.len(), 1, "nothing else comes first");
    assert_eq!(subscribed[0]["result"][1], "01020304");
    assert_eq!(subscribed[0]["result"][2], 4);
    let extra = ask(&mut session, 0, "mining.extranonce.subscribe", json!([]));
    assert_eq!(code(&extra), true);
    assert_eq!(code(&ask(&mut session, 0, "mining.ping", json!([]))), 20);
    let worker = format!("{}.rig1", user().to_uppercase());
    let authorized = says(&ask(&mut session, 0, "mining.authorize", json!([worker, "x"])));
    assert_eq!(authorized[0], json!({"id": 4, "result": true, "error": null}));
    assert_eq!(authorized[1], json!({"id": null, "method": "mining.set_difficulty", "params": [0.5]}));
    assert!(Notified::of(&authorized[2]).clean);
    assert_eq!(authorized.len(), 3);
    let again = says(&ask(&mut session, 0, "mining.authorize", json!([format!("{}.rig2", user())])));
    assert_eq!(again.len(), 1, "one address, another worker");
    let other = address::encode(&network(), &LockHash([1; 32]));
    assert_eq!(code(&ask(&mut session, 0, "mining.authorize", json!([other]))), 24);
}

#[test]
fn wrong_names_are_refused_with_the_reason() {
    let elsewhere = address::encode(&NetworkId([3; 32]), &LOCK);
    let mut session = Session::new(network(), 1, 1.0, 0);
    for (name, reason) in [(elsewhere.as_str(), "another net"), ("alice", "bzt1"), ("", "not an address")] {
        let actions = ask(&mut session, 0, "mining.authorize", json!([name, "x"]));
        assert_eq!(code(&actions), 24);
        let text = says(&actions)[0]["error"][1].as_str().unwrap().to_owned();
        assert!(text.contains(reason), "{text}");
        assert_eq!(says(&actions)[0]["result"], false);
    }
    let last = (3..STRATUM_FAULTS_MAX).map(|_| ask(&mut session, 0, "mining.authorize", json!(["x"]))).last().unwrap();
    assert_eq!(cut(&last), Some(Cut::Faults));
}

#[test]
fn a_share_counts_once_and_a_block_is_handed_on() {
    let (mut session, told) = mining(&offer(9, 1, EASY, 2), DIFFICULTY_MIN);
    // Every block of this target is a share; the highest byte decides.
    let nonce = told.nonce(0, |top| top < 0x7f);
    let actions = ask(&mut session, 1, "mining.submit", told.share(nonce));
    assert_eq!(code(&actions), true);
    assert!(actions.contains(&Action::Judged(Ok(()))));
    let solved = actions.iter().find_map(|action| match action {
        Action::Solved { ticket, block } => Some((ticket, block)),
        _ => None,
    });
    let (ticket, block) = solved.expect("it is a block");
    assert_eq!(*ticket, 9);
    assert_eq!(block.id().0.to_vec(), told.hash(nonce), "the header is the one that the miner hashed");
    assert_eq!(block.merkle_root(), block.header.merkle_root);
    assert_eq!(block.transactions.len(), 3);
    assert_eq!(block.transactions[0].outputs()[0].lock, LOCK);
    assert_eq!(code(&ask(&mut session, 1, "mining.submit", told.share(nonce))), 22);
    assert_eq!(session.held(), (1, 1));
}

/// Every refusal, by what is wrong with the share.
#[test]
fn refusals_have_their_codes() {
    // Of about 4 hashes one is a share, and none a block.
    let (mut session, told) = mining(&offer(1, 1, HARD, 1), 9.313e-10);
    let good = told.nonce(0, |top| top < 0x3f);
    let low = told.nonce(0, |top| top > 0x41);
    let (job, time) = (told.job.as_str(), told.time.as_str());
    let nonce = format!("{good:08x}");
    let early = format!("{:08x}", TIME - 1);
    let late = format!("{:08x}", TIME + 601);
    let other = address::encode(&network(), &LockHash([1; 32]));
    let cases = [
        (20, json!([]), "nothing"),
        (20, json!([user(), job, "00000000", time]), "too little"),
        (20, json!([user(), job, "00000000", time, nonce, "00000000", ""]), "too much"),
        (20, json!([user(), job, "00000000", time, good]), "a number"),
        (20, json!([user(), job, "000000", time, nonce]), "a short extranonce"),
        (20, json!([user(), job, "0000000000", time, nonce]), "a long extranonce"),
        (20, json!([user(), job, "zz000000", time, nonce]), "no hex"),
        (20, json!([user(), job, "+0000000", time, nonce]), "a sign"),
        (20, json!([user(), job, "00000000", early, nonce]), "an early time"),
        (20, json!([user(), job, "00000000", late, nonce]), "a late time"),
        (20, json!([user(), job, "00000000", time, "1"]), "a short nonce"),
        (20, json!([user(), job, "00000000", time, nonce, "00002000"]), "bits that were not agreed on"),
        (20, json!([user(), job, "00000000", time, nonce, 0]), "bits as a number"),
        (21, json!([user(), "ffff", "00000000", time, nonce]), "an unknown job"),
        (21, json!([user(), "no hex", "00000000", time, nonce]), "no job"),
        (24, json!(["alice", job, "00000000", time, nonce]), "a wrong name"),
        (24, json!([other, job, "00000000", time, nonce]), "somebody else"),
        (23, json!([user(), job, "00000000", time, format!("{low:08x}")]), "above the target"),
    ];
    for (expected, params, what) in cases {
        assert_eq!(code(&ask(&mut session, 0, "mining.submit", params)), expected, "{what}");
    }
    assert_eq!(code(&ask(&mut session, 0, "mining.submit", told.share(good))), true);
    assert_eq!(code(&ask(&mut session, 0, "mining.submit", told.share(good))), 22);
    // Written otherwise it is the same share.
    let same = json!([user().to_uppercase(), format!("0{job}"), "00000000", time, nonce.to_uppercase()]);
    assert_eq!(code(&ask(&mut session, 0, "mining.submit", same)), 22);

    let mut nobody = Session::new(network(), EXTRANONCE1, 1.0, 0);
    assert_eq!(code(&ask(&mut nobody, 0, "mining.submit", told.share(good))), 25);
    ask(&mut nobody, 0, "mining.subscribe", json!([]));
    assert_eq!(code(&ask(&mut nobody, 0, "mining.submit", told.share(good))), 24);
    ask(&mut nobody, 0, "mining.authorize", json!([user()]));
    assert_eq!(code(&ask(&mut nobody, 0, "mining.submit", told.share(good))), 21, "there is no job yet");
}

#[test]
fn agreed_version_bits_may_be_rolled() {
    let offer = offer(1, 1, EASY, 0);
    let mut session = Session::new(network(), EXTRANONCE1, 1.0, 0);
    ask(&mut session, 0, "mining.configure", json!([["version-rolling"], {"version-rolling.mask": "00006000"}]));
    ask(&mut session, 0, "mining.subscribe", json!([]));
    session.offers(0, &offers(&[&offer]));
    let told = Notified::of(&says(&ask(&mut session, 0, "mining.authorize", json!([user()])))[2]);
    let version = 0x2000_4000u32.to_le_bytes();
    let hash = |nonce: u32| sha256d(&told.header("07000000", &told.time, nonce, &version));
    let nonce = (0u32..).find(|nonce| hash(*nonce)[31] < 0x7f).unwrap();
    let share = |bits: &str| json!([user(), told.job, "07000000", told.time, format!("{nonce:08x}"), bits]);
    assert_eq!(code(&ask(&mut session, 0, "mining.submit", share("00008000"))), 20, "outside of the mask");
    let actions = ask(&mut session, 0, "mining.submit", share("00004000"));
    assert_eq!(code(&actions), true);
    let Some(Action::Solved { block, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!((block.header.version, block.id().0.to_vec()), (0x2000_4000, hash(nonce)));
}

#[test]
fn jobs_follow_the_templates() {
    let first = offer(1, 1, EASY, 0);
    let (mut session, told) = mining(&first, 1.0);
    // Another template of the same parent waits a little, and leaves the job before valid.
    let second = offer(2, 1, EASY, 1);
    assert!(session.offers(1_000, &offers(&[&first, &second])).is_empty());
    assert_eq!(session.deadline_ms(), STRATUM_JOB_SPACING_MS);
    let said = says(&session.tick(STRATUM_JOB_SPACING_MS));
    let newer = Notified::of(&said[0]);
    assert!(!newer.clean && newer.job != told.job && newer.branch.len() == 1);
    let old = told.nonce(0, |top| top < 0x7f);
    assert_eq!(code(&ask(&mut session, 5_000, "mining.submit", told.share(old))), true);
    // Without any news there is a new job all the same, of another name.
    let at = STRATUM_JOB_SPACING_MS + STRATUM_JOB_EVERY_MS;
    let repeated = (5_000..=at).step_by(1_000).flat_map(|now| says(&session.tick(now))).collect::<Vec<_>>();
    let repeated = Notified::of(repeated.last().unwrap());
    assert_eq!(repeated.branch, newer.branch);
    assert!(repeated.job != newer.job && repeated.coinb2 == newer.coinb2);
    assert_eq!(repeated.time, format!("{:08x}", TIME + 1), "or the miner would search the same headers again");
    // Another parent ends all jobs at once.
    let next = offer(3, 2, EASY, 0);
    let said = says(&session.offers(at + 1, &offers(&[&next])));
    assert!(Notified::of(said.last().unwrap()).clean);
    let late = newer.nonce(old + 1, |top| top < 0x7f);
    assert_eq!(code(&ask(&mut session, at + 2, "mining.submit", newer.share(late))), 21);
    // A template that the engine has forgotten is over too.
    let last = Notified::of(says(&session.tick(at + 1 + STRATUM_JOB_EVERY_MS)).last().unwrap());
    session.offers(at + 2 + STRATUM_JOB_EVERY_MS, &offers(&[&offer(11, 2, EASY, 0)]));
    let nonce = last.nonce(0, |top| top < 0x7f);
    assert_eq!(code(&ask(&mut session, at + 3 + STRATUM_JOB_EVERY_MS, "mining.submit", last.share(nonce))), 21);
    assert!(session.held().0 <= STRATUM_JOBS_HELD);
    // Nothing to search: nothing is a share.
    session.offers(at + 4 + STRATUM_JOB_EVERY_MS, &offers(&[]));
    assert_eq!(session.held(), (0, 0));
}

#[test]
fn a_share_is_judged_by_the_difficulty_of_its_job() {
    let (mut session, told) = mining(&offer(1, 1, HARD, 0), 4.66e-10);
    let said = says(&ask(&mut session, 0, "mining.suggest_difficulty", json!([0.5])));
    assert_eq!(said[0]["result"], true);
    assert_eq!(said[1]["params"], json!([0.5]));
    let harder = Notified::of(&said[2]);
    assert!(!harder.clean);
    let nonce = told.nonce(0, |top| top < 0x7f);
    assert_eq!(code(&ask(&mut session, 0, "mining.submit", told.share(nonce))), true, "issued when shares were easy");
    let nonce = harder.nonce(nonce + 1, |top| (1..0x7f).contains(&top));
    assert_eq!(code(&ask(&mut session, 0, "mining.submit", harder.share(nonce))), 23);
    for wrong in [json!([]), json!([0]), json!([-1]), json!(["1"])] {
        assert_eq!(code(&ask(&mut session, 0, "mining.suggest_difficulty", wrong)), 20);
    }
}

#[test]
fn shares_are_never_harder_than_blocks_and_difficulties_never_beyond_reckoning() {
    for bits in [0x1d00_ffff, 0x1e03_ffff, 0x1f00_ffff, 0x207f_ffff, 0x2000_ffff, 0x1715_a35c, 0x0400_0001] {
        let block = Target::from_compact(bits).unwrap();
        let difficulty = clamp(f64::MAX, block);
        if bits != 0x207f_ffff {
            assert!(share_target(difficulty) >= block, "{bits:x}");
        }
        // By pooler's reckoning, which is a little harder: 0xffff0000 · 2^192 / D.
        let pooler = 4_294_901_760.0 * 2f64.powi(192) / difficulty;
        let exact = 2f64.powi(224) / of_block(block);
        assert!(pooler >= exact, "{bits:x}: blocks that this miner would keep to itself");
        assert!(difficulty / of_block(block) > 0.9998, "no easier than needed");
    }
    let one = Target::from_compact(0x1d00_ffff).unwrap();
    assert!((of_block(one) - 1.0).abs() < 2e-5);
    assert!(of_block(Target::from_compact(0x207f_ffff).unwrap()) > DIFFICULTY_MIN);
    assert_eq!(clamp(0.0, one), DIFFICULTY_MIN);
    assert_eq!(format!("{:x}", share_target(1.0).value()), format!("1{}{}", "0".repeat(24), "f".repeat(32)));
    for tiny in [DIFFICULTY_MIN, 0.0, -1.0, f64::MIN_POSITIVE] {
        assert!(share_target(tiny).value().bit_len() == 256, "{tiny}");
    }
}

/// Miners from the slowest to the fastest come to some 15 shares a minute, and stay there.
#[test]
fn the_difficulty_follows_the_speed() {
    for rate in [20e3, 1e6, 30e6, 1e9, 1e12, 1e14] {
        let mut vardiff = Vardiff::new(0.001, 0);
        let (mut now_ms, mut shares_late) = (0.0, 0u32);
        let mut next_share = 0.0;
        let end_ms = 15.0 * 60e3;
        while now_ms < end_ms {
            let each_ms = vardiff.difficulty() * 2f64.powi(32) / rate * 1e3;
            next_share = f64::min(next_share, now_ms + each_ms);
            let deadline = vardiff.deadline_ms() as f64;
            if next_share <= deadline {
                now_ms = next_share;
                next_share = now_ms + each_ms;
                vardiff.share();
                shares_late += u32::from(now_ms > end_ms - 300e3);
            } else {
                now_ms = deadline;
            }
            let issued = vardiff.difficulty();
            if vardiff.adjust(now_ms as u64, issued) {
                assert!(vardiff.difficulty() <= issued * 8.0 && vardiff.difficulty() >= issued / 8.0);
            }
        }
        assert!((40..=135).contains(&shares_late), "{rate}: {shares_late} shares in the last 5 minutes");
    }
}

#[test]
fn who_does_nothing_is_cut_off() {
    let mut session = Session::new(network(), 1, 1.0, 1_000);
    assert_eq!(session.deadline_ms(), 1_000 + STRATUM_HANDSHAKE_MS);
    ask(&mut session, 2_000, "mining.subscribe", json!([]));
    assert!(session.tick(STRATUM_HANDSHAKE_MS).is_empty());
    assert_eq!(cut(&session.tick(1_000 + STRATUM_HANDSHAKE_MS)), Some(Cut::Handshake));

    let (mut session, _) = mining(&offer(1, 1, HARD, 0), 1.0);
    let mut now = 0;
    let end = loop {
        assert!(session.deadline_ms() > now, "time goes on");
        now = session.deadline_ms();
        if let Some(cut) = cut(&session.tick(now)) {
            break cut;
        }
    };
    assert_eq!((end, now), (Cut::Idle, STRATUM_IDLE_MS));
}

#[test]
fn who_floods_talks_nonsense_or_sends_bad_shares_is_cut_off() {
    let (mut session, told) = mining(&offer(1, 1, HARD, 0), 1.0);
    let line = json!({"id": 1, "method": "mining.extranonce.subscribe", "params": []}).to_string();
    let flood = (0..).position(|_| cut(&session.line(0, line.as_bytes())) == Some(Cut::Flood)).unwrap();
    assert!((STRATUM_LINES_BURST - 3..=STRATUM_LINES_BURST).contains(&(flood as u64)), "{flood}");
    // A hundred a second may go on for ever.
    let (mut patient, _) = mining(&offer(1, 1, HARD, 0), 1.0);
    for number in 0..5_000 {
        assert_eq!(cut(&patient.line(number * 10, line.as_bytes())), None);
    }

    let mut session = Session::new(network(), 1, 1.0, 0);
    for number in 1..=STRATUM_FAULTS_MAX {
        let actions = session.line(0, b"GET / HTTP/1.1");
        assert_eq!(says(&actions)[0]["error"][0], 20);
        assert_eq!(cut(&actions).is_some(), number == STRATUM_FAULTS_MAX);
    }

    let (mut session, _) = mining(&offer(1, 1, HARD, 0), 1.0);
    for number in 1..=STRATUM_JUDGED_MIN {
        let actions = ask(&mut session, 0, "mining.submit", told.share(number));
        assert_eq!(code(&actions), 23);
        assert_eq!(cut(&actions), (number == STRATUM_JUDGED_MIN).then_some(Cut::Refused));
    }
    // Late ones are nobody's fault.
    let (mut session, _) = mining(&offer(1, 1, HARD, 0), 1.0);
    for number in 0..3 * STRATUM_JUDGED_MIN {
        let late = json!([user(), "77", "00000000", told.time, format!("{number:08x}")]);
        assert_eq!(cut(&ask(&mut session, 0, "mining.submit", late)), None);
    }
}

#[test]
fn what_is_remembered_of_shares_is_bounded() {
    let (mut session, told) = mining(&offer(1, 1, HARD, 0), DIFFICULTY_MIN);
    let mut taken = 0;
    for nonce in 0.. {
        // The easiest shares there are, as fast as a miner may talk, while the difficulty rises.
        let actions = ask(&mut session, u64::from(nonce) * 10, "mining.submit", told.share(nonce));
        match code(&actions) {
            Value::Bool(true) => taken += 1,
            code if code == 23 => {}
            code => {
                assert!(code == 20 || code == 21, "{code}");
                break;
            }
        }
        assert_eq!(cut(&actions), None);
    }
    assert!(taken <= STRATUM_SHARES_REMEMBERED && session.held().1 <= STRATUM_SHARES_REMEMBERED);
}

/// Lines that look like something.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        Just("mining.subscribe"),
        Just("mining.authorize"),
        Just("mining.submit"),
        Just("mining.configure"),
        Just("mining.suggest_difficulty"),
        Just("mining.extranonce.subscribe"),
        Just("mining.unheard_of"),
    ];
    let leaf = prop_oneof![
        Just(json!(user())),
        Just(json!("1")),
        Just(json!("00000000")),
        Just(json!(format!("{TIME:08x}"))),
        "[0-9a-f]{8}".prop_map(|text| json!(text)),
        ".{0,20}".prop_map(|text| json!(text)),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        Just(Value::Null),
        Just(json!(["version-rolling", "subscribe-extranonce"])),
        Just(json!({"version-rolling.mask": "ffffffff"})),
        Just(json!([[[[{}]]]])),
    ];
    let request =
        (method, proptest::collection::vec(leaf, 0..7), any::<Option<u32>>()).prop_map(|(method, params, id)| {
            json!({"id": id, "method": method, "params": params}).to_string().into_bytes()
        });
    prop_oneof![8 => request, 1 => proptest::collection::vec(any::<u8>(), 0..200), 1 => ".{0,80}".prop_map(String::into_bytes)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_line_does_harm(talk in proptest::collection::vec((lines(), 0u64..3_000, 0u8..12), 1..60)) {
        let templates: Vec<_> = (0..3).map(|number| offer(u64::from(number) + 1, number / 2, EASY, number)).collect();
        let mut session = Session::new(network(), EXTRANONCE1, 1.0, 0);
        let mut now_ms = 0;
        for (line, passed_ms, event) in talk {
            now_ms += passed_ms;
            let mut actions = session.line(now_ms, &line);
            actions.extend(match event {
                0..3 => session.offers(now_ms, &offers(&[&templates[usize::from(event)]])),
                3 => session.offers(now_ms, &offers(&[])),
                4 => session.tick(now_ms),
                _ => Vec::new(),
            });
            for line in says(&actions) {
                prop_assert!(line.get("id").is_some());
                prop_assert!(line.get("method").is_some() || (line.get("result").is_some() && line.get("error").is_some()));
            }
            let (jobs, shares) = session.held();
            prop_assert!(jobs <= STRATUM_JOBS_HELD && shares <= STRATUM_SHARES_REMEMBERED);
            if cut(&actions).is_some() {
                break;
            }
        }
    }
}
