//! Storage by itself: round trips, refusals, interrupted writes.

use super::facts::{Facts, SharedFresh};
use super::log::{IsLong, LOG_BYTES_LONG};
use super::runs::SharedCatalog;
use super::schema::{self, FACTS_FILE, PAGE_BYTES, STATE_FILE};
use super::state::Runs;
use super::{Opened, Reader, StoreError, open};
use crate::metrics::Metrics;
use crate::tests::{genesis, key};
use bezant_api::types::EngineName;
use bezant_consensus::chain::snapshot::{SnapshotStep, Switch};
use bezant_consensus::chain::{Archive, ChainUpdate, Link, Tip};
use bezant_consensus::engine::Record;
use bezant_consensus::ledger::amount::Amount;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::coins::{Coin, Coins, Diff};
use bezant_consensus::ledger::commitment::{Buckets, bucket_of};
use bezant_consensus::ledger::genesis::Genesis;
use bezant_consensus::ledger::hash::{BlockId, LockHash, MerkleRoot};
use bezant_consensus::ledger::transaction::{Body, Coinbase, OutPoint, Output, Transaction};
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation, View};
use bezant_consensus::message::checkpoint::{
    BucketHashes, Checkpoint, CheckpointCertificate, CheckpointState, CheckpointVote,
};
use bezant_consensus::message::epoch::{Opening, Succession};
use bezant_consensus::message::{Ballot, CommitCertificate, Vote, VoteKind};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn opened(dir: &Path, genesis: &Genesis) -> Opened {
    open(dir, genesis, Arc::new(Metrics::new())).expect("opens")
}

fn refused(dir: &Path, genesis: &Genesis) -> StoreError {
    open(dir, genesis, Arc::new(Metrics::new())).map(|_| ()).expect_err("is refused")
}

/// A block that only pays its maker; the store does not judge.
fn block(parent: BlockId, height: u64, salt: u8) -> Block {
    let output = Output { amount: Amount::from_grains(10).expect("small"), lock: LockHash([salt; 32]) };
    let coinbase = Coinbase { height: Height(height), extra: vec![salt], outputs: vec![output] };
    let transactions = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
    let header =
        Header { version: 1, parent, merkle_root: MerkleRoot::default(), time: 1_700_000_001, bits: 0, nonce: 0 };
    let mut block = Block { header, transactions };
    block.header.merkle_root = block.merkle_root();
    block
}

fn link_above(tip: &Tip, salt: u8, spends: Option<(OutPoint, Coin)>) -> Link {
    let height = tip.height.next();
    let block = block(tip.id, height.0, salt);
    let output = block.transactions[0].outputs()[0];
    let outpoint = OutPoint { txid: block.transactions[0].id(), index: 0 };
    let coin = Coin { amount: output.amount, lock: output.lock, height, coinbase: true };
    let diff = Diff { spent: spends.into_iter().collect(), created: BTreeMap::from([(outpoint, coin)]) };
    Link { height, id: block.id(), block: Arc::new(block), diff: Arc::new(diff) }
}

fn tip_of(link: &Link) -> Tip {
    Tip { height: link.height, id: link.id, header: link.block.header }
}

fn vote(height: u64) -> Record {
    let (incarnation, epoch, view) = (Incarnation(0), Epoch(0), View(0));
    let ballot = Ballot { incarnation, epoch, view, height: Height(height), block: BlockId([7; 32]) };
    Record::Vote(Vote::sign(&genesis(EngineName::Pbft, 1).network_id(), VoteKind::Commit, ballot, 0, &key(1)))
}

fn certificate(height: u64, block: BlockId) -> Record {
    let (incarnation, epoch, view) = (Incarnation(0), Epoch(0), View(0));
    let ballot = Ballot { incarnation, epoch, view, height: Height(height), block };
    Record::Committed(CommitCertificate { ballot, commits: Vec::new() })
}

#[test]
fn records_answer_when_handed_out_and_come_back_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pbft, 1);
    let mut store = opened(dir.path(), &genesis);
    assert!(store.records.is_empty());
    let link = link_above(&store.base.tip, 1, None);
    let body = Record::Body(Block::clone(&link.block));
    let records = vec![vote(1), body, certificate(1, link.id)];
    assert_eq!(store.view.block(&link.id), None);
    records.iter().for_each(|record| store.facts.hand_out(record));
    assert_eq!(store.view.block(&link.id), Some(link.block.clone()));
    assert!(store.view.certificate(Height(1)).is_some());
    store.facts.commit(&records).expect("commits");
    assert!(store.view.certificate(Height(1)).is_some() && store.view.block(&link.id).is_some());
    drop(store);
    let mut store = opened(dir.path(), &genesis);
    assert_eq!(store.records.len(), 3);
    assert!(records.iter().all(|record| store.records.contains(record)));
    // Once the height is final and flushed, the vote is forgotten, and what is connected is not handed back.
    let buckets = summed(&store.base.buckets, &[], std::slice::from_ref(&link));
    let update = ChainUpdate {
        sequence: 1,
        disconnected: Vec::new(),
        tip: tip_of(&link),
        connected: vec![link.clone()],
        final_height: Height(1),
        buckets,
    };
    store.state.update(update).expect("takes it");
    store.facts.forget_votes(Height(1));
    store.facts.commit(&[vote(2)]).expect("commits");
    store.state.stop().expect("flushes");
    drop((store.facts, store.view, store.lock));
    let store = opened(dir.path(), &genesis);
    assert_eq!(store.base.tip, tip_of(&link));
    assert_eq!(store.records, [vote(2)]);
    assert!(store.view.block(&link.id).is_some() && store.view.certificate(Height(1)).is_some());
    assert_eq!(store.view.active_at(Height(1)), Some(link.id));
}

/// How many of the last blocks are in memory, of so many transactions each.
fn remembered(transactions: usize) -> usize {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("any.sqlite");
    let mut connection = schema::open_writer(&path).expect("opens");
    super::facts::create(&mut connection, &[1; 32], &genesis(EngineName::Pbft, 1).block()).expect("creates");
    let fresh = SharedFresh::default();
    let mut facts = Facts::new(connection, path, fresh.clone(), IsLong::default());
    let blocks: Vec<Block> = (1..100)
        .map(|height| {
            let mut block = block(BlockId([0; 32]), height, 0);
            block.transactions = vec![block.transactions[0].clone(); transactions];
            block
        })
        .collect();
    for block in &blocks {
        let record = Record::Body(block.clone());
        facts.hand_out(&record);
        facts.commit(&[record]).expect("commits");
    }
    let fresh = fresh.lock();
    let are_there = blocks.iter().rev().take_while(|block| fresh.blocks.contains_key(&block.id())).count();
    assert_eq!(fresh.blocks.len(), are_there, "the last ones, and no others");
    are_there
}

#[test]
fn recent_bodies_are_remembered_fewer_of_large_blocks() {
    assert_eq!([1, 256, 257, 1_024, 2_048, 2_049, 4_000].map(remembered), [64, 64, 63, 16, 8, 8, 8]);
}

#[test]
fn every_commit_is_synced() {
    let dir = tempfile::tempdir().expect("a directory");
    let connection = schema::open_writer(&dir.path().join("any.sqlite")).expect("opens");
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect("answers");
    assert_eq!((pragma("synchronous"), pragma("fullfsync"), pragma("checkpoint_fullfsync")), (2, 1, 1));
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("answers");
    assert_eq!(mode, "wal");
}

#[test]
fn a_log_stays_short_under_a_writer_and_readers_that_never_pause() {
    const COMMITS: u64 = 100;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("any.sqlite");
    let mut writer = schema::open_writer(&path).expect("opens");
    writer.pragma_update(None, "wal_autocheckpoint", 0).expect("a setting");
    super::facts::create(&mut writer, &[1; 32], &genesis(EngineName::Pbft, 1).block()).expect("creates");
    let is_long = IsLong::default();
    let mut facts = Facts::new(writer, path.clone(), SharedFresh::default(), is_long.clone());
    let mut copier = schema::open_writer(&path).expect("opens");
    let is_over = AtomicBool::new(false);
    let mut readers = [(); 2].map(|()| schema::open_reader(&path).expect("opens"));
    let is_begun_anew = std::thread::scope(|scope| {
        // There is always one that has been reading for longer than a commit takes.
        scope.spawn(|| {
            let read = "BEGIN; SELECT COUNT(*) FROM meta;";
            readers[0].execute_batch(read).expect("reads");
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(2));
                readers[1].execute_batch(read).expect("reads");
                readers[0].execute_batch("COMMIT").expect("ends");
                readers.swap(0, 1);
            }
        });
        let mut height = 0;
        let is_begun_anew = (0..40).any(|_| {
            // Copying begins and ends while commits go on, so many for each copy however fast the machine is.
            std::thread::scope(|scope| {
                let (copier, is_long) = (&mut copier, &is_long);
                let copied = scope.spawn(move || is_long.copy(copier).expect("copies"));
                let end = height + COMMITS;
                while height < end || !copied.is_finished() {
                    height += 1;
                    facts.commit(&[Record::Body(block(BlockId([0; 32]), height, 0))]).expect("commits");
                }
            });
            let log_bytes = std::fs::metadata(dir.path().join("any.sqlite-wal")).expect("it is there").len();
            // Each commit writes a page of the blocks and one of each of their indices.
            let written_bytes = height * 3 * u64::from(PAGE_BYTES);
            written_bytes > 4 * log_bytes.max(LOG_BYTES_LONG)
        });
        is_over.store(true, Ordering::Relaxed);
        is_begun_anew
    });
    assert!(is_begun_anew, "else the log holds everything");
}

#[test]
fn another_net_and_a_newer_format_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(opened(dir.path(), &genesis(EngineName::Pbft, 1)));
    let error = refused(dir.path(), &genesis(EngineName::Pbft, 2));
    assert!(matches!(error, StoreError::OtherNet { .. }), "{error}");
    assert!(error.to_string().contains("use the genesis file"));
    let path = dir.path().join(STATE_FILE);
    let state = schema::open_writer(&path).expect("opens");
    state.pragma_update(None, "user_version", 99).expect("writes");
    drop(state);
    let error = refused(dir.path(), &genesis(EngineName::Pbft, 1));
    assert!(matches!(error, StoreError::OtherFormat { found: 99, .. }), "{error}");
    let state = schema::open_writer(&path).expect("opens");
    state.pragma_update(None, "user_version", 6).expect("writes");
    drop(state);
    let error = refused(dir.path(), &genesis(EngineName::Pbft, 1));
    assert!(matches!(error, StoreError::OldState { found: 6, .. }), "{error}");
    assert!(error.to_string().contains("delete this one file"));
}

#[test]
fn damage_is_named_with_what_to_do() {
    let genesis = genesis(EngineName::Pbft, 1);
    for (file, advice) in [(STATE_FILE, "delete this one file"), (FACTS_FILE, "Move both databases away")] {
        for (at, bytes) in [(0, 100), (usize::from(PAGE_BYTES), usize::from(PAGE_BYTES))] {
            let dir = tempfile::tempdir().expect("a directory");
            drop(opened(dir.path(), &genesis));
            assert!(!dir.path().join(format!("{file}-wal")).exists(), "an orderly end leaves no log behind");
            let path = dir.path().join(file);
            let mut content = std::fs::read(&path).expect("reads");
            assert!(content.len() > at + bytes, "the last checkpoint has filled {file}");
            content[at..at + bytes].fill(0xa5);
            std::fs::write(&path, content).expect("writes");
            let error = refused(dir.path(), &genesis).to_string();
            assert!(error.contains("is damaged") && error.contains(advice), "{file} at {at}: {error}");
        }
    }
}

#[test]
fn lost_facts_are_not_made_again_but_lost_state_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pbft, 1);
    drop(opened(dir.path(), &genesis));
    std::fs::remove_file(dir.path().join(STATE_FILE)).expect("removes");
    let store = opened(dir.path(), &genesis);
    assert_eq!(store.base.tip.height, Height(0));
    drop(store);
    std::fs::remove_file(dir.path().join(FACTS_FILE)).expect("removes");
    assert!(matches!(refused(dir.path(), &genesis), StoreError::FactsDamaged { .. }));
}

/// The sums after blocks left and others came.
fn summed(before: &Buckets, disconnected: &[Link], connected: &[Link]) -> Buckets {
    let mut buckets = before.clone();
    disconnected.iter().for_each(|link| buckets.revert(&link.diff));
    connected.iter().for_each(|link| buckets.apply(&link.diff));
    buckets
}

/// Bodies are durable before anything that rests on them.
fn put_bodies(facts: &mut Facts, links: &[Link]) {
    let bodies: Vec<Record> = links.iter().map(|link| Record::Body(Block::clone(&link.block))).collect();
    facts.commit(&bodies).expect("commits");
}

/// A state is what its blocks say: coins, buckets, totals and indices.
fn check_state(dir: &Path, genesis: &Genesis, chain: &[Link]) {
    let store = opened(dir, genesis);
    let height = usize::try_from(store.base.tip.height.0).expect("small");
    assert!(height <= chain.len());
    let (_, genesis_diff) = bezant_consensus::chain::Base::genesis(genesis);
    let mut coins: BTreeMap<OutPoint, Coin> = BTreeMap::new();
    genesis_diff.apply(&mut coins).expect("fits");
    chain[..height].iter().for_each(|link| link.diff.apply(&mut coins).expect("fits"));
    for (outpoint, coin) in &coins {
        assert_eq!(store.view.get(outpoint).as_ref(), Some(coin));
    }
    assert_eq!(store.coins, coins.len() as u64);
    assert_eq!(store.supply, coins.values().map(|coin| coin.amount.grains()).sum::<u64>());
    assert_eq!(store.base.buckets, Buckets::of(&coins));
    let mut reader = Reader::open(dir).expect("opens");
    for (index, link) in chain[..height].iter().enumerate() {
        let place = reader.place(&link.block.transactions[0].id()).expect("reads").expect("is there");
        assert_eq!((place.height, place.block), (Height(index as u64 + 1), link.id));
        let lock = link.block.transactions[0].outputs()[0].lock;
        let (_, entries, _) = reader.history(&BTreeSet::from([lock]), (link.height, 0), 10).expect("reads");
        assert!(entries.iter().any(|entry| entry.block == link.id));
    }
    let locks: BTreeSet<LockHash> = coins.values().map(|coin| coin.lock).collect();
    let (_, whole, _) = reader.history(&locks, (Height(0), 0), 10_000).expect("reads");
    for limit in 1..=3 {
        let (mut paged, mut from) = (Vec::new(), (Height(0), 0));
        loop {
            let (_, page, more) = reader.history(&locks, from, limit).expect("reads");
            from = page.last().map_or(from, |last| (last.height, last.position + 1));
            paged.extend(page);
            if !more {
                break;
            }
        }
        assert_eq!(paged, whole, "pages of {limit}");
    }
    let (_, listed, more) = reader.coins(&locks, None, 10_000).expect("reads");
    assert!(!more && listed.len() == coins.len());
    assert!(listed.iter().all(|stored| coins.get(&stored.outpoint) == Some(&stored.coin)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Blocks come and go; flushes are interrupted at any instruction. What is on disk afterwards is the state before or after.
    #[test]
    fn an_interrupted_flush_leaves_the_state_before_or_after(
        steps in prop::collection::vec((0_u8..4, any::<u8>(), 0_i32..6_000), 1..14),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let genesis = genesis(EngineName::Pow, 1);
        let mut store = opened(dir.path(), &genesis);
        let mut tip = store.base.tip;
        let mut chain: Vec<Link> = Vec::new();
        store.state.stop().expect("stops");
        let path = schema::state_path(dir.path());
        let connection = schema::open_writer(&path).expect("opens");
        let mut state = super::state::State {
            runs: Runs::open(&connection, SharedCatalog::default()).expect("reads"),
            connection,
            path,
            facts: schema::open_writer(&schema::facts_path(dir.path())).expect("opens"),
            facts_log: IsLong::default(),
            buckets: store.base.buckets.clone(),
            keeps_undo: true,
            interval: None,
        };
        drop((store.view, store.lock));
        for (index, (kind, salt, instructions)) in steps.into_iter().enumerate() {
            let sequence = index as u64 + 1;
            let mut next = chain.clone();
            let mut disconnected = Vec::new();
            if kind == 0 && let Some(link) = next.pop() {
                disconnected.push(link);
            }
            let below = next.last().map_or(store.base.tip, tip_of);
            let spends = next.last().filter(|_| kind == 2).and_then(|link| link.diff.created.first_key_value());
            let link = link_above(&below, salt, spends.map(|(outpoint, coin)| (*outpoint, *coin)));
            next.push(link.clone());
            let final_height = Height::GENESIS;
            put_bodies(&mut store.facts, std::slice::from_ref(&link));
            let buckets = summed(&state.buckets, &disconnected, std::slice::from_ref(&link));
            let (tip_after, connected) = (tip_of(&link), vec![link]);
            let update = ChainUpdate { sequence, disconnected, tip: tip_after, connected, final_height, buckets };
            // Salts repeat, so a block may come again that was just left; that is a change of nothing.
            let interrupt = kind == 3;
            if interrupt {
                let mut left = instructions;
                let stop = move || { left -= 50; left < 0 };
                state.connection.progress_handler(50, Some(stop)).expect("sets the handler");
            }
            let applied = state.apply(&[update]).is_ok();
            state.connection.progress_handler(0, None::<fn() -> bool>).expect("clears the handler");
            prop_assert!(applied || interrupt);
            if applied {
                tip = next.last().map_or(store.base.tip, tip_of);
                chain = next;
            }
        }
        drop((state, store.facts));
        check_state(dir.path(), &genesis, &chain);
        prop_assert_eq!(opened(dir.path(), &genesis).base.tip, tip);
    }

    /// A commit of facts that is interrupted leaves none of its records, one that succeeded leaves all.
    #[test]
    fn an_interrupted_commit_leaves_all_or_nothing(commits in prop::collection::vec((1_u64..4, 0_i32..900), 1..12)) {
        let dir = tempfile::tempdir().expect("a directory");
        let genesis = genesis(EngineName::Pbft, 1);
        drop(opened(dir.path(), &genesis));
        let path = schema::facts_path(dir.path());
        let mut expected = Vec::new();
        let mut height = 0;
        for (count, instructions) in commits {
            let mut connection = schema::open_writer(&path).expect("opens");
            let mut left = instructions;
            connection.progress_handler(20, Some(move || { left -= 20; left < 0 })).expect("sets the handler");
            let mut facts = Facts::new(connection, path.clone(), SharedFresh::default(), IsLong::default());
            let records: Vec<Record> = (height + 1..=height + count).map(vote).collect();
            height += count;
            if facts.commit(&records).is_ok() {
                expected.extend(records);
            }
        }
        prop_assert_eq!(&opened(dir.path(), &genesis).records, &expected);
    }
}

/// Coins as they are after each height, and the links that led there: each block spends what the third one below it made.
fn history(genesis: &Genesis, heights: u64) -> (Vec<BTreeMap<OutPoint, Coin>>, Vec<Link>) {
    let (base, diff) = bezant_consensus::chain::Base::genesis(genesis);
    let (mut coins, mut tip) = (diff.created, base.tip);
    let (mut states, mut links) = (vec![coins.clone()], Vec::<Link>::new());
    for height in 1..=heights {
        let made = |link: &Link| link.diff.created.first_key_value().map(|(name, coin)| (*name, *coin));
        let spends = links.len().checked_sub(3).and_then(|index| made(&links[index]));
        let link = link_above(&tip, height as u8, spends);
        link.diff.apply(&mut coins).expect("it fits");
        tip = tip_of(&link);
        states.push(coins.clone());
        links.push(link);
    }
    (states, links)
}

fn read_snapshot(view: &super::View, height: u64) -> Option<BTreeMap<OutPoint, Coin>> {
    let mut all = BTreeMap::new();
    for bucket in 0..=u8::MAX {
        let mut after = None;
        loop {
            let page = view.bucket_at(Height(height), bucket, after, 1)?;
            after = page.coins.last().map(|(name, _)| *name).or(after);
            all.extend(page.coins);
            if page.is_last {
                break;
            }
        }
    }
    Some(all)
}

fn with_checkpoints_every(interval: u32) -> Genesis {
    let mut genesis = genesis(EngineName::Pbft, 1);
    if let bezant_consensus::ledger::genesis::EngineParams::Pbft(params) = &mut genesis.engine {
        params.checkpoint_interval = interval;
    }
    genesis
}

#[test]
fn buckets_are_read_as_they_were_and_a_switch_makes_them_the_coins() {
    let genesis = with_checkpoints_every(4);
    let (states, links) = history(&genesis, 14);
    let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let store = opened(from.path(), &genesis);
    let mut buckets = store.base.buckets.clone();
    for (sequence, link) in (1..).zip(&links) {
        buckets.apply(&link.diff);
        let buckets = buckets.clone();
        let connected = vec![link.clone()];
        let (tip, final_height) = (tip_of(link), link.height);
        let update = ChainUpdate { sequence, disconnected: Vec::new(), connected, tip, final_height, buckets };
        store.state.update(update).expect("takes it");
    }
    store.state.snapshot(SnapshotStep::Keep { from: Height(8) }).expect("takes it");
    store.state.stop().expect("flushes");
    assert_eq!(read_snapshot(&store.view, 4), None, "let go");
    assert_eq!(read_snapshot(&store.view, 8).as_ref(), Some(&states[8]));
    assert_eq!(read_snapshot(&store.view, 12).as_ref(), Some(&states[12]));
    assert_eq!(read_snapshot(&store.view, 16), None, "not there yet");

    // Half a snapshot, a stop, then all of it, a liar's bucket among it.
    let tip = tip_of(&links[7]);
    let stage = |store: &Opened| {
        for bucket in 0..=u8::MAX {
            let of_bucket = store_page(&states[8], bucket);
            store.state.snapshot(SnapshotStep::Stage { bucket, coins: of_bucket }).expect("takes it");
        }
    };
    let half = opened(to.path(), &genesis);
    stage(&half);
    half.state.stop().expect("flushes");
    drop((half.view, half.facts, half.lock));
    let store = opened(to.path(), &genesis);
    assert_eq!(store.base.tip.height, Height::GENESIS, "nothing has happened");
    let lie = link_above(&tip, 99, None).diff.created.clone().into_iter().collect();
    store.state.snapshot(SnapshotStep::Stage { bucket: 7, coins: lie }).expect("takes it");
    store.state.snapshot(SnapshotStep::Discard { bucket: 7 }).expect("takes it");
    stage(&store);
    let buckets = Buckets::of(&states[8]);
    let switch = Switch { sequence: 5, tip, buckets: buckets.clone() };
    store.state.snapshot(SnapshotStep::Switch(Box::new(switch))).expect("takes it");
    let mut flushed = store.state.flushed();
    let is_there = |flushed: &super::Flushed| flushed.sequence == 5 && flushed.final_height == Height(8);
    futures::executor::block_on(flushed.wait_for(is_there)).expect("it is reported");
    assert_eq!(store.view.active_at(Height(8)), Some(tip.id));
    assert_eq!(read_snapshot(&store.view, 8).as_ref(), Some(&states[8]), "and served on");
    store.state.stop().expect("flushes");
    drop((store.view, store.facts, store.lock));
    let store = opened(to.path(), &genesis);
    assert_eq!((store.base.tip, &store.base.buckets), (tip, &buckets));
    let supply: u64 = states[8].values().map(|coin| coin.amount.grains()).sum();
    assert_eq!((store.supply, store.coins), (supply, states[8].len() as u64));
    assert!(states[8].iter().all(|(name, coin)| store.view.get(name) == Some(*coin)));
    assert!(states[14].keys().filter(|name| !states[8].contains_key(name)).all(|name| store.view.get(name).is_none()));
}

fn store_page(coins: &BTreeMap<OutPoint, Coin>, bucket: u8) -> Vec<(OutPoint, Coin)> {
    coins.iter().filter(|(name, _)| bucket_of(name) == bucket).map(|(name, coin)| (*name, *coin)).collect()
}

#[test]
fn headers_are_read_by_the_page_as_far_as_there_is_no_gap() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pow, 1);
    let mut store = opened(dir.path(), &genesis);
    let (_, links) = history(&genesis, 6);
    // The body of the fourth is missing.
    let held = links.iter().filter(|link| link.height != Height(4));
    let bodies: Vec<Record> = held.map(|link| Record::Body(Block::clone(&link.block))).collect();
    store.facts.commit(&bodies).expect("commits");
    let tip = tip_of(&links[5]);
    let (buckets, connected) = (summed(&store.base.buckets, &[], &links), links.clone());
    let final_height = Height(0);
    let update = ChainUpdate { sequence: 1, disconnected: Vec::new(), tip, connected, final_height, buckets };
    store.state.update(update).expect("takes it");
    store.state.stop().expect("flushes");
    let mut reader = Reader::open(dir.path()).expect("opens");
    let mut page = |from: u64, limit: usize| {
        let (told, headers) = reader.headers(Height(from), limit).expect("reads");
        assert_eq!((told.height, told.id), (tip.height, tip.id));
        for header in &headers {
            let below = header.height.0.checked_sub(1).map(|index| links[index as usize].block.header);
            assert_eq!(header.bytes, below.unwrap_or(genesis.block().header).to_bytes());
        }
        headers.iter().map(|header| header.height.0).collect::<Vec<u64>>()
    };
    assert_eq!(page(0, 10), [0, 1, 2, 3]);
    assert_eq!(page(1, 2), [1, 2]);
    assert_eq!(page(5, usize::MAX), [5, 6]);
    assert!(page(4, 10).is_empty() && page(7, 10).is_empty() && page(u64::MAX, 10).is_empty() && page(0, 0).is_empty());
}

#[test]
fn epochs_are_read_by_the_page() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = genesis(EngineName::Pbft, 1);
    let set = genesis.validator_set();
    let mut store = opened(dir.path(), &genesis);
    let succession = |epoch: u64| {
        let opening = Opening { epoch: Epoch(epoch), ..Opening::genesis(&set) };
        let checkpoint = Checkpoint {
            incarnation: Incarnation(0),
            epoch: Epoch(epoch - 1),
            height: Height(epoch * 4),
            block: store.base.tip.id,
            coins: store.base.buckets.commitment(),
            next: opening.hash(&set.network),
        };
        let certificate = CheckpointCertificate { checkpoint, seals: Vec::new() };
        Succession { certificate, header: store.base.tip.header, opening }
    };
    let all: Vec<Succession> = (1..=5).map(succession).collect();
    let reader = Reader::open(dir.path()).expect("opens");
    assert_eq!((reader.epochs(0, 64).expect("reads"), reader.last_epoch().expect("reads")), (Vec::new(), None));
    let records: Vec<Record> = all.iter().cloned().map(Record::Epoch).collect();
    store.facts.commit(&records).expect("commits");
    let page = |from: u64, limit: usize| reader.epochs(from, limit).expect("reads");
    assert_eq!(page(0, usize::MAX), all);
    assert_eq!(page(2, 2), all[1..3]);
    assert_eq!(page(5, 2), all[4..]);
    assert!(page(6, 2).is_empty() && page(u64::MAX, 2).is_empty() && page(1, 0).is_empty());
    assert_eq!(reader.last_epoch().expect("reads"), all.last().cloned());
}

#[test]
fn what_older_checkpoints_need_goes_with_a_newer_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = with_checkpoints_every(4);
    let (base, _) = bezant_consensus::chain::Base::genesis(&genesis);
    let network = genesis.network_id();
    let mut store = opened(dir.path(), &genesis);
    let at = |height: u64| Checkpoint {
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        height: Height(height),
        block: base.tip.id,
        coins: base.buckets.commitment(),
        next: Opening::genesis(&genesis.validator_set()).hash(&genesis.network_id()),
    };
    let mut all = Vec::new();
    for height in [4, 8, 12, 16, 20] {
        let checkpoint = at(height);
        let buckets = BucketHashes::of(&base.buckets);
        all.push(Record::CheckpointState(CheckpointState { checkpoint, header: base.tip.header, buckets }));
        all.push(Record::Checkpoint(CheckpointVote::sign(&network, checkpoint, 0, &key(1))));
        if height < 20 {
            all.push(Record::Stable(CheckpointCertificate { checkpoint, seals: Vec::new() }));
        }
    }
    store.facts.commit(&all).expect("commits");
    drop(store);
    let store = opened(dir.path(), &genesis);
    let kept: Vec<&Record> = all.iter().filter(|record| !record.superseded(Height(16), Height(8))).collect();
    assert_eq!(store.records.len(), kept.len());
    assert!(kept.iter().all(|record| store.records.contains(record)), "{:?}", store.records);
}
