use super::super::tests::cluster::{Setup, World};
use crate::chain::snapshot::BucketPage;
use crate::chain::{Archive, Base, Chain};
use crate::ledger::amount::Amount;
use crate::ledger::block::Block;
use crate::ledger::coins::{Coin, Coins, Diff};
use crate::ledger::hash::{BlockId, LockHash, TxId};
use crate::ledger::transaction::OutPoint;
use crate::ledger::units::Height;
use crate::limits::{BUCKETS_PER_REQUEST, SNAPSHOT_COINS_PER_MESSAGE_MAX};
use crate::message::{CommitCertificate, Message};
use crate::pbft::Pbft;
use std::collections::BTreeMap;
use std::sync::Arc;

const MOST: usize = SNAPSHOT_COINS_PER_MESSAGE_MAX;

fn engine(world: &mut World) -> &mut Pbft {
    world.nodes[0].engine.as_mut().expect("it is up")
}

/// With checkpoints that are stable at 2 and 4.
fn net() -> World {
    let mut world = World::new(Setup { checkpoint_interval: 2, ..Setup::of(4) });
    for index in 0..5 {
        world.submit(index);
        world.run();
    }
    world
}

/// A store with so many coins in each bucket, at every height, numbered from 0.
struct Counted(BTreeMap<u8, usize>);

impl Coins for Counted {
    fn get(&self, _: &OutPoint) -> Option<Coin> {
        None
    }
}

impl Archive for Counted {
    fn block(&self, _: &BlockId) -> Option<Arc<Block>> {
        None
    }

    fn diff(&self, _: &BlockId) -> Option<Arc<Diff>> {
        None
    }

    fn active_at(&self, _: Height) -> Option<BlockId> {
        None
    }

    fn certificate(&self, _: Height) -> Option<CommitCertificate> {
        None
    }

    fn bucket_at(&self, _: Height, bucket: u8, after: Option<OutPoint>, limit: usize) -> Option<BucketPage> {
        let amount = Amount::from_grains(1).expect("it is little");
        let coin = Coin { amount, lock: LockHash([1; 32]), height: Height(1), coinbase: false };
        let begin = after.map_or(0, |after| after.index + 1);
        let all = begin..self.0.get(&bucket).map_or(0, |count| *count as u32);
        let is_last = all.len() <= limit;
        let coins = all.take(limit).map(|index| (OutPoint { txid: TxId([1; 32]), index }, coin)).collect();
        Some(BucketPage { coins, is_last })
    }
}

#[test]
fn what_is_asked_for_is_served_or_else_the_latest_above() {
    let mut world = net();
    let engine = engine(&mut world);
    let served = |engine: &Pbft, height| {
        let Message::Snapshot(snapshot) = engine.snapshot_from(Height(height)) else { panic!("it answers") };
        snapshot.map(|it| it.certificate.checkpoint.height.0)
    };
    let all = [0, 1, 2, 3, 4, 5].map(|height| served(engine, height));
    assert_eq!(all, [Some(4), Some(4), Some(2), Some(4), Some(4), None]);
    assert_eq!(engine.served(), Height(4));
    engine.halted = true;
    assert_eq!((engine.served(), served(engine, 2)), (Height(0), None), "its state is not what it should be");
}

#[test]
fn buckets_are_served_as_far_as_they_fit_one_message() {
    let mut world = net();
    let (base, _) = Base::genesis(&world.genesis);
    let genesis = world.genesis.clone();
    let engine = engine(&mut world);
    let mut parts = |coins: &[(u8, usize)], height, first, last, after: Option<u32>| {
        let store = Box::new(Counted(coins.iter().copied().collect()));
        engine.chain = Chain::new(genesis.clone(), store, base.clone(), &[0; 32]);
        let after = after.map(|index| OutPoint { txid: TxId([1; 32]), index });
        let Message::Buckets(answer) = engine.buckets_of(Height(height), first, last, after) else {
            panic!("it answers")
        };
        answer.parts.into_iter().map(|it| (it.bucket, it.coins.len(), it.is_last)).collect::<Vec<_>>()
    };
    let empty = |buckets: std::ops::Range<u8>| buckets.map(|bucket| (bucket, 0, true)).collect::<Vec<_>>();
    assert_eq!(parts(&[], 4, 0, 255, None), empty(0..BUCKETS_PER_REQUEST as u8), "so many at a time");
    assert_eq!(parts(&[], 4, 250, 255, None)[5], (255, 0, true));
    assert_eq!(parts(&[], 3, 0, 255, None), [], "that is no checkpoint");
    assert_eq!(parts(&[(1, 5)], 4, 0, 2, None), [(0, 0, true), (1, 5, true), (2, 0, true)]);
    assert_eq!(parts(&[(1, 5), (2, 5)], 4, 1, 2, Some(2)), [(1, 2, true), (2, 5, true)], "after the third coin");
    assert_eq!(parts(&[(0, MOST)], 4, 0, 3, None), [(0, MOST, true)], "full, at the end of a bucket");
    assert_eq!(parts(&[(0, MOST - 1), (1, 2)], 4, 0, 3, None), [(0, MOST - 1, true), (1, 1, false)], "and within one");
    engine.halted = true;
    assert_eq!(engine.buckets_of(Height(4), 0, 0, None), engine.buckets_of(Height(4), 1, 0, None), "it has stopped");
}
