//! A wallet reads its history: `cargo bench --bench history -- [TRANSFERS]`.
//!
//! A chain with TRANSFERS transfers of one wallet (100,000), 1,000 in a block, is put on the disk of a node under proof of work, as if it
//! had heard of it. Then a wallet that has never asked reads all of it; asks again, when there is nothing new; and makes the lines
//! that `bezant wallet history` prints. The node's start is not included; its answers over loopback are.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod support;

use bezant_wallet::coins::history::{self, History};
use bezant_wallet::keys::keystore::WalletFile;
use bezant_wallet::session::{Found, Session, SessionOptions};
use std::time::Instant;
use support::chains::{Branch, genesis, owner};
use support::solo::Home;
use support::{TRANSFERS_PER_BLOCK, net, numbers, put};

fn main() {
    let [transfers] = numbers([100_000]);
    let blocks = transfers.div_ceil(TRANSFERS_PER_BLOCK);
    let genesis = genesis(TRANSFERS_PER_BLOCK as usize, blocks);
    let home = Home::new(&genesis);
    let mut branch = Branch::new(&genesis, 0, 0..TRANSFERS_PER_BLOCK);
    put(&home, &genesis, &mut branch, blocks, TRANSFERS_PER_BLOCK);
    let node = home.start(&[]);

    let place = tempfile::tempdir().expect("a temporary directory");
    let wallets = bezant_api::home::Home::at(place.path());
    let options = SessionOptions {
        home: wallets,
        net: "default".to_owned(),
        rpc: Some(node.client.url().to_owned()),
        node: None,
    };
    let session = node.block_on(Session::open(options)).expect("the node answers");
    let wallet = WalletFile::watching("bench", vec![owner()]);
    let found = Found { wallet, path: place.path().join("bench.json") };
    let mut kept = History::open(&session, &found).expect("a new file");
    let mut synced = None;
    for name in ["first sync", "next sync"] {
        let began = Instant::now();
        let client = session.client().expect("it answers");
        let done = node.block_on(kept.sync(client, &mut |_, _| {})).expect("the node tells the truth");
        println!("{name:12} {:9} transactions {:9.1} ms", done.facts, began.elapsed().as_secs_f64() * 1_000.0);
        assert!(done.facts as u64 >= u64::from(transfers), "all of them");
        synced = Some(done);
    }
    let began = Instant::now();
    let synced = synced.expect("there were two");
    let lines = history::entries(&session, &kept, &synced, 0, None).expect("they are kept");
    println!("{:12} {:9} lines        {:9.1} ms", "view", lines.len(), began.elapsed().as_secs_f64() * 1_000.0);
}
