use super::*;
use crate::keys::dev;
use crate::keys::mnemonic::Mnemonic;
use bezant_api::types::EngineName;
use bezant_consensus::ledger::genesis::{EngineParams, GENESIS_VERSION};
use bezant_consensus::ledger::transaction::Output;

/// A home with a net of this kind that does not run, and its accounts' wallets.
fn home(dev_net: bool) -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let net = home.create_net("default", None).unwrap();
    let key = dev::accounts(1)[0].key.public();
    let genesis = Genesis {
        version: GENESIS_VERSION,
        salt: [1; 32],
        time: 1,
        dev: dev_net,
        engine: EngineParams::Pbft(genesis::pbft_defaults()),
        ledger: genesis::ledger_defaults(EngineName::Pbft),
        members: vec![key],
        allocations: vec![Output {
            amount: "5".parse().unwrap(),
            lock: bezant_consensus::ledger::lock::Lock::Key(key).hash(),
        }],
    };
    std::fs::write(net.join(GENESIS_FILE), genesis::to_toml(&genesis)).unwrap();
    dev::write_wallets(&net.join(WALLETS_DIR), 1).unwrap();
    (dir, home)
}

fn options(home: &Home) -> SessionOptions {
    SessionOptions { home: home.clone(), net: "default".to_owned(), rpc: None, node: None }
}

#[tokio::test]
async fn names_are_found_and_addresses_are_of_this_net() {
    let (_dir, home) = home(true);
    let session = Session::open(options(&home)).await.unwrap();
    let alice = session.recipient("alice").unwrap();
    assert_eq!(session.recipient(&alice.address).unwrap().lock, alice.lock);
    assert_eq!(session.recipient(&alice.address.to_uppercase()).unwrap().lock, alice.lock);
    assert_eq!(session.wallets(None).unwrap().len(), 10);
    for wrong in ["nobody", "", "../alice", "bzt1qqqq", "bzt1"] {
        assert_eq!(session.recipient(wrong).unwrap_err().exit_status(), 2, "{wrong}");
    }
    let other = address::encode(&NetworkId([9; 32]), &alice.lock);
    let message = session.recipient(&other).unwrap_err().to_string();
    assert!(message.contains("belongs to another net"), "{message}");
    assert_eq!(session.client().unwrap_err().exit_status(), 6);
}

#[tokio::test]
async fn one_name_in_two_places_is_ambiguous() {
    let (_dir, home) = home(true);
    let mnemonic = Mnemonic::parse(
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
    )
    .unwrap();
    keystore::create(&home.wallets(), &WalletFile::encrypted("alice", &mnemonic, "p").unwrap()).unwrap();
    keystore::create(&home.wallets(), &WalletFile::encrypted("mine", &mnemonic, "p").unwrap()).unwrap();
    let session = Session::open(options(&home)).await.unwrap();
    assert_eq!(session.recipient("alice").unwrap_err().exit_status(), 2);
    assert_eq!(session.wallet("alice").unwrap_err().exit_status(), 2);
    assert!(session.wallet("bob").is_ok() && session.wallet("mine").is_ok());
    let own: Vec<String> = session.wallets(None).unwrap().into_iter().map(|found| found.wallet.name).collect();
    assert_eq!(own, ["alice", "mine"], "without a name, one's own");
}

#[tokio::test]
async fn dev_accounts_refuse_other_nets() {
    let (_dir, home) = home(false);
    let session = Session::open(options(&home)).await.unwrap();
    let error = session.wallet("alice").unwrap_err();
    assert_eq!((error.exit_status(), error.kind()), (3, "dev-wallet"));
    assert_eq!(session.wallets(None).unwrap_err().exit_status(), 3);
}

#[tokio::test]
async fn no_net_and_a_broken_genesis_are_said() {
    let (_dir, home) = home(true);
    let missing = Session::open(SessionOptions { net: "other".to_owned(), ..options(&home) }).await.unwrap_err();
    assert_eq!(missing.exit_status(), 6);
    std::fs::write(home.find_net("default").unwrap().join(GENESIS_FILE), "version = 9").unwrap();
    assert_eq!(Session::open(options(&home)).await.unwrap_err().exit_status(), 2);
}
