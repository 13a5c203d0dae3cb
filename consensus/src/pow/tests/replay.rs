//! Whatever the tree and the order in which it arrives: the state is that of a replay from genesis, and the tip has the most
//! work among the valid blocks that are here.

use super::super::difficulty;
use super::super::tree::Tree;
use super::*;
use crate::ledger::commitment::Buckets;
use crate::ledger::rules::context::{self, Place};
use crate::ledger::target::Work;
use crate::ledger::transaction::Coinbase;
use crate::message::Headers;
use proptest::prelude::*;

/// Owners of coins in these trees.
const OWNERS: u8 = 6;

/// A random tree of blocks, judged by the naive way: the whole coin set above each block.
struct Forest {
    genesis: Arc<Genesis>,
    tree: Tree,
    /// In the order in which they were made: parents first.
    blocks: Vec<Block>,
    /// The coins above each valid block.
    coins: BTreeMap<BlockId, BTreeMap<OutPoint, Coin>>,
}

/// How a block is made.
#[derive(Clone, Debug)]
struct Recipe {
    /// Which of the blocks so far is the parent, counted from the latest.
    parent: u8,
    /// Which coin is spent, of those above the parent or, when odd, above the parent's parent: then it may be gone.
    spend: Option<u16>,
    seconds: u8,
    /// The coinbase takes a grain too much.
    greedy: bool,
}

impl Forest {
    fn new(genesis: &Arc<Genesis>) -> Forest {
        let block = genesis.block();
        let (_, diff) = Base::genesis(genesis);
        let tree = Tree::new(block.header, Target::from_compact(BITS).unwrap());
        let coins = BTreeMap::from([(block.id(), diff.created)]);
        Forest { genesis: genesis.clone(), tree, blocks: vec![block], coins }
    }

    fn grow(&mut self, recipe: &Recipe) {
        let back = usize::from(recipe.parent) % self.blocks.len();
        let parent = self.blocks[self.blocks.len() - 1 - back].clone();
        let id = parent.id();
        let height = self.tree.node(&id).height.next();
        let grains = 500 + u64::from(recipe.greedy);
        let output =
            Output { amount: Amount::from_grains(grains).unwrap(), lock: lock(height.0 as u8 % OWNERS).hash() };
        let coinbase = Coinbase { height, extra: self.blocks.len().to_le_bytes().to_vec(), outputs: vec![output] };
        let mut transactions = vec![Transaction::new(Body::Coinbase(coinbase), Vec::new())];
        let seen_from = if recipe.spend.is_some_and(|spend| spend % 2 == 1) { parent.header.parent } else { id };
        if let (Some(spend), Some(coins)) = (recipe.spend, self.coins.get(&seen_from)) {
            transactions.extend(self.transfer(coins, usize::from(spend / 2)));
        }
        let params = self.genesis.pow().unwrap();
        let mut header = parent.header;
        header.parent = id;
        header.bits = difficulty::expected_bits(params, &self.tree, &id);
        let least = difficulty::least_time(params, &self.tree, &id);
        header.time = (parent.header.time + u32::from(recipe.seconds)).max(least);
        let mut block = Block { header, transactions };
        block.header.merkle_root = block.merkle_root();
        self.add(solve(block));
    }

    /// Spends the coin at a place, to the next owner.
    fn transfer(&self, coins: &BTreeMap<OutPoint, Coin>, place: usize) -> Option<Transaction> {
        let (outpoint, coin) = coins.iter().nth(place % coins.len())?;
        let owner = (0..OWNERS).find(|number| lock(*number).hash() == coin.lock)?;
        let to = lock((owner + 1) % OWNERS).hash();
        (coin.amount.grains() > 10).then(|| transfer(&self.genesis, owner, *outpoint, coin.amount.grains(), to, 10))
    }

    fn add(&mut self, block: Block) {
        let (id, parent) = (block.id(), block.header.parent);
        let height = self.tree.node(&parent).height.next();
        let place = Place { height, time: self.tree.median_time(&parent) };
        self.tree.insert(id, block.header);
        if let Some(below) = self.coins.get(&parent)
            && let Ok(diff) = context::connect(&block, below, place, &self.genesis.ledger)
        {
            let mut coins = below.clone();
            diff.apply(&mut coins).unwrap();
            self.coins.insert(id, coins);
        }
        self.blocks.push(block);
    }

    /// The most work among the valid blocks whose ancestors are all here too.
    fn best_work(&self, here: impl Fn(&BlockId) -> bool) -> Work {
        let genesis = self.blocks[0].id();
        let linked = |id: &BlockId| self.tree.path(Height::GENESIS, id).iter().all(&here);
        let valid = self.coins.keys().filter(|id| **id == genesis || linked(id));
        valid.map(|id| self.tree.node(id).work).max().unwrap()
    }
}

fn recipes() -> impl Strategy<Value = Vec<Recipe>> {
    let spend = prop::option::weighted(0.6, any::<u16>());
    let recipe = (0u8..6, spend, 0u8..40, prop::bool::weighted(0.08));
    let recipe = recipe.prop_map(|(parent, spend, seconds, greedy)| Recipe {
        parent: parent.saturating_sub(2),
        spend,
        seconds,
        greedy,
    });
    prop::collection::vec(recipe, 1..28)
}

fn assert_state(world: &World, forest: &Forest, here: impl Fn(&BlockId) -> bool) {
    let node = &world.nodes[0];
    let tip = node.tip_id();
    let Some(coins) = forest.coins.get(&tip) else { panic!("the tip is valid") };
    assert_eq!(forest.tree.node(&tip).work, forest.best_work(here), "no better branch is here");
    for outpoint in forest.coins.values().flat_map(BTreeMap::keys) {
        assert_eq!(node.engine.chain().get(outpoint), coins.get(outpoint).copied(), "coins are those of a replay");
    }
}

/// The disk takes in what it was handed out so far.
fn flush(world: &mut World) {
    let updates = std::mem::take(&mut world.nodes[0].disk.0.lock().unwrap().unflushed);
    for update in updates {
        world.nodes[0].disk.0.lock().unwrap().flush(&update);
        world.tell(0, Event::Flushed { sequence: update.sequence });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_reorg_of_any_shape_is_a_replay_from_genesis(
        recipes in recipes(),
        order in prop::collection::vec(any::<u32>(), 28),
        steps in prop::collection::vec(0u8..8, 28),
    ) {
        let difficulty = Difficulty::Asert { half_life_s: 40 };
        let genesis = genesis_with(PowParams { difficulty, max_reorg: 1_000, ..params() });
        let mut forest = Forest::new(&genesis);
        recipes.iter().for_each(|recipe| forest.grow(recipe));
        let mut world = World::new(1, &genesis);
        world.now = Time::from_seconds(START_S + 100_000);
        world.nodes[0].flushing = false;
        for block in &forest.blocks[1..] {
            world.deliver(1, 0, Message::Headers(Headers(vec![block.header])));
        }
        let mut arrivals: Vec<(u32, &Block)> = order.into_iter().zip(&forest.blocks[1..]).collect();
        arrivals.sort_by_key(|(place, _)| *place);
        let mut here: Vec<BlockId> = Vec::new();
        for ((_, block), step) in arrivals.into_iter().zip(steps) {
            world.deliver(1, 0, Message::Blocks(crate::message::Blocks(vec![block.clone()])));
            here.push(block.id());
            match step {
                0 => world.restart(0),
                1 | 2 => flush(&mut world),
                _ => {}
            }
            assert_state(&world, &forest, |id| here.contains(id));
        }
        flush(&mut world);
        let tip = world.nodes[0].tip_id();
        prop_assert_eq!(&world.nodes[0].disk.0.lock().unwrap().coins, &forest.coins[&tip]);
        let mut fresh = Buckets::default();
        fresh.apply(&Diff { spent: BTreeMap::new(), created: forest.coins[&tip].clone() });
        prop_assert_eq!(world.nodes[0].engine.chain_mut().commitment(), fresh.commitment());
        world.restart(0);
        prop_assert_eq!(world.nodes[0].tip_id(), tip, "a restart changes nothing");
    }
}
