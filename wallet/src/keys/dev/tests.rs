use super::*;
use bezant_consensus::ledger::lock::Lock;

#[test]
fn the_same_seed_gives_the_same_ten_keys_and_another_gives_others() {
    let (a, b, c) = (accounts(1), accounts(1), accounts(2));
    let keys = |accounts: &[DevAccount]| accounts.iter().map(|account| account.key.public()).collect::<Vec<_>>();
    assert_eq!(keys(&a), keys(&b));
    assert!(keys(&a).iter().all(|key| !keys(&c).contains(key)));
    let distinct: std::collections::BTreeSet<_> = keys(&a).into_iter().collect();
    assert_eq!(distinct.len(), NAMES.len());
}

#[test]
fn wallet_files_open_without_a_password_and_hold_those_keys() {
    let dir = tempfile::tempdir().unwrap();
    write_wallets(dir.path(), 7).unwrap();
    write_wallets(dir.path(), 7).unwrap();
    for account in accounts(7) {
        let file = keystore::read(&wallet_path(dir.path(), &account.name)).unwrap();
        assert!(file.is_dev());
        assert_eq!(file.name, account.name);
        assert_eq!(file.locks, [Lock::Key(account.key.public())]);
        assert_eq!(file.unlock(None).unwrap().keys[0].public(), account.key.public());
    }
}
