use super::*;
use crate::keys::keystore::WalletFile;
use bezant_consensus::ledger::hash::NetworkId;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::lock::Lock;
use jsonrpsee::server::{RpcModule, Server, ServerHandle};
use proptest::prelude::*;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

const NETWORK: NetworkId = NetworkId([3; 32]);

/// What one transaction moves: number of the lock, received, sent.
type Moves = Vec<(u8, u64, u64)>;

/// Changes an answer.
type Lie = fn(&mut HistoryView);

#[derive(Clone, Debug)]
struct Block {
    id: BlockId,
    transactions: Vec<(TxId, Moves)>,
}

/// A node's chain, and how it answers.
struct Chain {
    blocks: Vec<Block>,
    made: u64,
    /// Blocks that are not final.
    depth: u64,
    page_max: usize,
    /// Questions, and entries that were given.
    asked: usize,
    given: usize,
    /// Changes each answer.
    lie: Option<Lie>,
    /// After each question a block that moves lock 0, and one that moves lock 1.
    grows: bool,
}

impl Chain {
    fn new() -> Chain {
        let (depth, page_max) = (3, 4);
        Chain { blocks: Vec::new(), made: 0, depth, page_max, asked: 0, given: 0, lie: None, grows: false }
    }

    fn extend(&mut self, transactions: &[Moves]) {
        self.made += 1;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&self.made.to_le_bytes());
        let txid = |place: usize| {
            let mut txid = id;
            txid[31] = u8::try_from(place).unwrap() + 1;
            TxId(txid)
        };
        let transactions = transactions.iter().enumerate().map(|(place, moves)| (txid(place), moves.clone())).collect();
        self.blocks.push(Block { id: BlockId(id), transactions });
    }

    fn reorg(&mut self, depth: usize) {
        self.blocks.truncate(self.blocks.len().saturating_sub(depth));
    }

    fn all(&self, locks: &[String]) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (height, block) in (1..).zip(&self.blocks) {
            for (position, (txid, moves)) in (0..).zip(&block.transactions) {
                let ours = moves.iter().filter(|(number, _, _)| locks.contains(&lock(*number).hash().to_string()));
                let (mut received, mut sent, mut any) = (0, 0, false);
                for (_, one, other) in ours {
                    (received, sent, any) = (received + one, sent + other, true);
                }
                if any {
                    let amount = |grains| Amount::from_grains(grains).unwrap();
                    let (block, txid, time_s) = (block.id, *txid, height as u32);
                    let (received, sent) = (amount(received), amount(sent));
                    facts.push(Fact { height, position, block, txid, time_s, received, sent });
                }
            }
        }
        facts
    }

    fn answer(&mut self, params: &HistoryParams) -> HistoryView {
        self.asked += 1;
        let from = (params.from_height, params.from_position);
        let wanted: Vec<Fact> =
            self.all(&params.locks).into_iter().filter(|fact| (fact.height, fact.position) >= from).collect();
        let limit = self.page_max.min(params.limit.unwrap_or(1_000));
        let entry = |fact: &Fact| HistoryEntry {
            txid: fact.txid.to_string(),
            height: fact.height,
            position: fact.position,
            block: fact.block.to_string(),
            time_s: fact.time_s,
            received: fact.received.grains().to_string(),
            sent: fact.sent.grains().to_string(),
            is_final: false,
        };
        let height = self.blocks.len() as u64;
        let mut view = HistoryView {
            entries: wanted.iter().take(limit).map(entry).collect(),
            more: wanted.len() > limit,
            height,
            tip: self.blocks.last().map_or_else(String::new, |block| block.id.to_string()),
            final_height: height.saturating_sub(self.depth),
        };
        self.given += view.entries.len();
        if let Some(lie) = self.lie {
            lie(&mut view);
        }
        if self.grows {
            self.extend(&[vec![(0, 1, 0)]]);
            self.extend(&[vec![(1, 1, 0)]]);
        }
        view
    }
}

fn lock(number: u8) -> Lock {
    Lock::Key(SigningKey::from_seed(&[number + 1; 32]).public())
}

struct Node {
    chain: Arc<Mutex<Chain>>,
    client: Client,
    _server: ServerHandle,
}

impl Node {
    async fn start() -> Node {
        let chain = Arc::new(Mutex::new(Chain::new()));
        let mut module = RpcModule::new(chain.clone());
        module
            .register_method("history_list", |params, chain, _| {
                let answer = chain.lock().unwrap().answer(&params.parse::<HistoryParams>().unwrap());
                Ok::<_, jsonrpsee::types::ErrorObjectOwned>(answer)
            })
            .unwrap();
        let server = Server::builder().build("127.0.0.1:0").await.unwrap();
        let client = Client::of_one(&format!("http://{}", server.local_addr().unwrap())).unwrap();
        Node { chain, client, _server: server.start(module) }
    }

    fn with<T>(&self, what: impl FnOnce(&mut Chain) -> T) -> T {
        what(&mut self.chain.lock().unwrap())
    }

    async fn sync(&self, history: &mut History) -> Result<Synced, WalletError> {
        history.sync(&self.client, &mut |_, _| {}).await
    }

    /// What a naive reader of the whole chain sees.
    fn truth(&self, count: u8) -> Vec<Fact> {
        let locks: Vec<String> = (0..count).map(|number| lock(number).hash().to_string()).collect();
        self.with(|chain| chain.all(&locks))
    }
}

/// The history of a wallet with so many addresses.
fn history(dir: &Path, count: u8) -> History {
    let wallet = WalletFile::watching("w", (0..count).map(lock).collect());
    let found = Found { wallet, path: dir.join("w.json") };
    let locks = found.wallet.lock_hashes().into_iter().collect();
    History { cache: Cache::open(&found.path, &NETWORK).unwrap(), locks, found }
}

fn all(history: &History) -> Vec<Fact> {
    history.facts(0).unwrap()
}

#[tokio::test]
async fn a_sync_asks_for_what_is_new_only() {
    let (dir, node) = (tempfile::tempdir().unwrap(), Node::start().await);
    node.with(|chain| (0..50).for_each(|_| chain.extend(&[vec![(0, 5, 0)], vec![(9, 1, 1)], vec![(0, 1, 2)]])));
    let mut first = history(dir.path(), 1);
    let synced = node.sync(&mut first).await.unwrap();
    assert_eq!((synced.height, synced.final_height, synced.facts, synced.changed_from), (50, 47, 100, Some(1)));
    assert_eq!(all(&first), node.truth(1));
    assert_eq!(first.balance_before(u64::MAX).unwrap(), 50 * 4);
    assert_eq!(first.balance_before(11).unwrap(), 10 * 4);

    node.with(|chain| (chain.asked, chain.given) = (0, 0));
    assert_eq!(node.sync(&mut first).await.unwrap().changed_from, None);
    assert_eq!(node.with(|chain| (chain.asked, chain.given)), (1, 2), "one question, the last height again");
    node.with(|chain| chain.extend(&[vec![(0, 7, 0)]]));
    drop(first);
    let mut second = history(dir.path(), 1);
    assert_eq!(node.sync(&mut second).await.unwrap().changed_from, Some(51));
    assert_eq!(node.with(|chain| (chain.asked, chain.given)), (2, 5), "the file is gone on from");
    assert_eq!(all(&second), node.truth(1));
}

#[tokio::test]
async fn blocks_that_left_are_not_shown_and_come_back() {
    let (dir, node) = (tempfile::tempdir().unwrap(), Node::start().await);
    node.with(|chain| (0..40).for_each(|_| chain.extend(&[vec![(0, 5, 0)]])));
    let mut history = history(dir.path(), 1);
    node.sync(&mut history).await.unwrap();
    let before = node.with(|chain| chain.blocks.clone());
    for depth in [1, 2, 7, 39, 40] {
        node.with(|chain| {
            chain.reorg(depth);
            chain.extend(&[]);
            chain.extend(&[vec![(0, 9, 0)]]);
        });
        let changed = node.sync(&mut history).await.unwrap().changed_from.unwrap();
        assert!(changed <= 41 - depth as u64, "{depth}: {changed}");
        assert_eq!(all(&history), node.truth(1), "{depth}");
        node.with(|chain| chain.blocks = before.clone());
        node.sync(&mut history).await.unwrap();
        assert_eq!(all(&history), node.truth(1), "{depth}, back");
    }
    node.with(|chain| chain.blocks.clear());
    node.sync(&mut history).await.unwrap();
    assert!(all(&history).is_empty());
}

#[tokio::test]
async fn new_addresses_are_looked_for_alone() {
    let (dir, node) = (tempfile::tempdir().unwrap(), Node::start().await);
    let both = vec![(0, 5, 0), (1, 3, 0)];
    node.with(|chain| (0..60).for_each(|_| chain.extend(&[vec![(0, 5, 0)], both.clone()])));
    node.with(|chain| chain.extend(&[vec![(2, 8, 1)]]));
    let mut one = history(dir.path(), 1);
    node.sync(&mut one).await.unwrap();
    drop(one);
    node.with(|chain| (chain.asked, chain.given, chain.page_max) = (0, 0, 1_000));
    let mut three = history(dir.path(), 3);
    assert_eq!(node.sync(&mut three).await.unwrap().changed_from, Some(0));
    assert_eq!(all(&three), node.truth(3));
    assert!(node.with(|chain| chain.given) < 80, "the old addresses are not read again");
    drop(three);
    let mut fewer = history(dir.path(), 2);
    node.sync(&mut fewer).await.unwrap();
    assert_eq!(all(&fewer), node.truth(2), "another wallet of that name");
}

#[tokio::test]
async fn a_look_back_stops_where_the_facts_do() {
    let (dir, node) = (tempfile::tempdir().unwrap(), Node::start().await);
    node.with(|chain| chain.depth = 0);
    node.with(|chain| (0..30).for_each(|_| chain.extend(&[vec![(0, 5, 0), (1, 2, 0)]])));
    let mut one = history(dir.path(), 1);
    node.sync(&mut one).await.unwrap();
    drop(one);
    // While the new address is looked for, all the time, both get more, and it is final at once.
    node.with(|chain| {
        chain.page_max = 1_000;
        chain.lie = Some(|view| view.tip = "one tip".to_owned());
        chain.grows = true;
    });
    let mut two = history(dir.path(), 2);
    node.sync(&mut two).await.unwrap();
    let truth: Vec<Fact> = node.truth(2);
    let seen = all(&two);
    assert!(seen.len() >= 30);
    assert_eq!(seen[..], truth[..seen.len()]);
}

#[tokio::test]
async fn what_was_read_of_a_chain_that_runs_away_is_kept() {
    let (dir, node) = (tempfile::tempdir().unwrap(), Node::start().await);
    node.with(|chain| (0..40).for_each(|_| chain.extend(&[vec![(0, 5, 0)]])));
    node.with(|chain| chain.grows = true);
    let mut history = history(dir.path(), 1);
    let (mut error, mut tries) = (None, 0);
    while let Err(wrong) = node.sync(&mut history).await {
        (error, tries) = (Some(wrong), tries + 1);
        assert!(tries < 100, "it makes progress");
    }
    assert_eq!(error.map(|error| error.exit_status()), Some(1));
    let seen = all(&history);
    assert_eq!(seen[..], node.truth(1)[..seen.len()]);
}

#[tokio::test]
async fn a_lying_node_changes_nothing() {
    let lies: [(&str, Lie); 12] = [
        ("backwards", |view| view.entries.reverse()),
        ("twice", |view| {
            let again = view.entries[0].clone();
            view.entries.insert(1, again);
        }),
        ("nothing and more", |view| {
            view.entries.clear();
            view.more = true;
        }),
        ("two blocks at a height", |view| {
            let mut other = view.entries[0].clone();
            other.position += 1;
            other.block = "ee".repeat(32);
            view.entries.insert(1, other);
        }),
        ("above its tip", |view| view.height = 1),
        ("final above its tip", |view| view.final_height = view.height + 1),
        ("too many", |view| {
            let first = view.entries[0].clone();
            let entry = |position: usize| {
                let position = u32::try_from(position).unwrap();
                HistoryEntry { position, ..first.clone() }
            };
            view.entries = (0..=PAGE).map(entry).collect();
        }),
        ("too much money", |view| view.entries[0].received = u64::MAX.to_string()),
        ("no number", |view| view.entries[0].sent = "-1".to_owned()),
        ("no id", |view| view.entries[0].txid = "x".to_owned()),
        ("the last position", |view| view.entries.last_mut().unwrap().position = u32::MAX),
        ("a height out of this world", |view| view.height = u64::MAX),
    ];
    let (dir, node) = (tempfile::tempdir().unwrap(), Node::start().await);
    node.with(|chain| (0..30).for_each(|_| chain.extend(&[vec![(0, 5, 0)], vec![(0, 0, 1)]])));
    let mut history = history(dir.path(), 1);
    node.sync(&mut history).await.unwrap();
    let before = all(&history);
    node.with(|chain| chain.extend(&[vec![(0, 5, 0)], vec![(0, 5, 0)]]));
    for (name, lie) in lies {
        node.with(|chain| chain.lie = Some(lie));
        let error = node.sync(&mut history).await.unwrap_err();
        assert!(error.to_string().contains("makes no sense"), "{name}: {error}");
        assert_eq!(all(&history), before, "{name}");
    }
    node.with(|chain| chain.lie = None);
    node.sync(&mut history).await.unwrap();
    assert_eq!(all(&history), node.truth(1));
}

#[tokio::test]
async fn the_file_may_be_deleted_or_damaged_at_any_time() {
    let (dir, node) = (tempfile::tempdir().unwrap(), Node::start().await);
    node.with(|chain| (0..30).for_each(|_| chain.extend(&[vec![(0, 5, 0)]])));
    let file = path(&dir.path().join("w.json"));
    let spoil: [fn(&Path); 4] = [
        |_| {},
        |file| std::fs::remove_file(file).unwrap(),
        |file| std::fs::write(file, "no database, and longer than a header; ".repeat(9)).unwrap(),
        |file| {
            let connection = rusqlite::Connection::open(file).unwrap();
            connection.pragma_update(None, "user_version", 99).unwrap();
        },
    ];
    for spoil in spoil {
        let mut history = history(dir.path(), 1);
        node.sync(&mut history).await.unwrap();
        assert_eq!(all(&history), node.truth(1));
        drop(history);
        spoil(&file);
    }
    use std::os::unix::fs::PermissionsExt;
    drop(history(dir.path(), 1));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn two_commands_at_once_count_nothing_twice() {
    let (dir, node) = (tempfile::tempdir().unwrap(), Node::start().await);
    // What is new lies below, where no sync looks again.
    node.with(|chain| (0..30).for_each(|_| chain.extend(&[vec![(0, 5, 0), (1, 1, 0)]])));
    node.with(|chain| (0..30).for_each(|_| chain.extend(&[vec![(0, 5, 0)]])));
    let mut first = history(dir.path(), 1);
    node.sync(&mut first).await.unwrap();
    drop(first);
    let (mut one, mut two) = (history(dir.path(), 2), history(dir.path(), 2));
    let (a, b) = tokio::join!(node.sync(&mut one), node.sync(&mut two));
    assert!(a.is_ok() || b.is_ok(), "{a:?} {b:?}");
    assert_eq!(all(&one), node.truth(2));
    node.with(|chain| chain.extend(&[vec![(0, 5, 0)]]));
    let (a, b) = tokio::join!(node.sync(&mut one), node.sync(&mut two));
    assert!(a.is_ok() || b.is_ok(), "{a:?} {b:?}");
    assert_eq!(all(&two), node.truth(2));
}

/// What may happen between two syncs.
#[derive(Clone, Debug)]
enum Step {
    Extend(Vec<Moves>),
    Reorg(usize),
    Address,
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let moves = proptest::collection::vec((0u8..4, 0u64..9, 0u64..9), 1..3).prop_map(|moves| {
        let mut seen = BTreeSet::new();
        moves.into_iter().filter(|(number, _, _)| seen.insert(*number)).collect::<Moves>()
    });
    prop_oneof![
        6 => proptest::collection::vec(moves, 0..4).prop_map(Step::Extend),
        2 => (1usize..6).prop_map(Step::Reorg),
        1 => Just(Step::Address),
        3 => Just(Step::Sync),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn facts_are_what_a_naive_reader_of_the_chain_sees(steps in proptest::collection::vec(step(), 1..60)) {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        runtime.block_on(async {
            let node = Node::start().await;
            node.with(|chain| chain.depth = 6);
            let mut addresses = 1;
            for step in steps.into_iter().chain([Step::Sync]) {
                match step {
                    Step::Extend(transactions) => node.with(|chain| chain.extend(&transactions)),
                    Step::Reorg(depth) => node.with(|chain| chain.reorg(depth)),
                    Step::Address => addresses = (addresses + 1).min(4),
                    Step::Sync => {
                        let mut history = history(dir.path(), addresses);
                        node.sync(&mut history).await.unwrap();
                        assert_eq!(all(&history), node.truth(addresses));
                    }
                }
            }
        });
    }
}

mod lines_tests {
    use super::*;

    fn entry(label: Option<&str>) -> Entry {
        Entry {
            wallet: "w".to_owned(),
            txid: "ab".repeat(32),
            height: Some(7),
            block: Some("cd".repeat(32)),
            time_s: Some(1_700_000_000),
            received: "150000000".to_owned(),
            sent: "250000001".to_owned(),
            balance: "1".to_owned(),
            state: EntryState::Final,
            is_final: true,
            label: label.map(str::to_owned),
        }
    }

    #[test]
    fn csv_has_a_fixed_head_and_no_formulas() {
        let waiting = Entry { height: None, block: None, time_s: None, state: EntryState::Pool, ..entry(None) };
        let all = [entry(Some("=HYPERLINK(\"x\"), and more")), entry(Some("rent")), waiting];
        let (txid, block) = ("ab".repeat(32), "cd".repeat(32));
        let line = format!("w,2023-11-14T22:13:20Z,7,{block},{txid},final,1.5,2.50000001,-1.00000001,0.00000001");
        let expected = format!(
            "wallet,time,height,block,txid,state,received,sent,net,balance,label\r\n\
             {line},\"'=HYPERLINK(\"\"x\"\"), and more\"\r\n{line},rent\r\n\
             w,,,,{txid},pool,1.5,2.50000001,-1.00000001,0.00000001,\r\n"
        );
        assert_eq!(csv(&all), expected);
    }
}
