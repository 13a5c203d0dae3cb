use super::*;

const NETWORK: NetworkId = NetworkId([3; 32]);
const OTHER: NetworkId = NetworkId([4; 32]);

fn coin(index: u32) -> OutPoint {
    OutPoint { txid: TxId([7; 32]), index }
}

#[test]
fn they_are_kept_by_net_until_unlocked() {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("alice.json");
    assert!(list(&wallet, &NETWORK).unwrap().is_empty());
    assert_eq!(unlock_all(&wallet, &NETWORK).unwrap(), 0);
    assert!(!crate::store::path(&wallet).exists(), "looking makes no file");
    lock(&wallet, &NETWORK, &[coin(0), coin(1)]).unwrap();
    lock(&wallet, &NETWORK, &[coin(1), coin(u32::MAX)]).unwrap();
    lock(&wallet, &OTHER, &[coin(5)]).unwrap();
    assert_eq!(list(&wallet, &NETWORK).unwrap(), BTreeSet::from([coin(0), coin(1), coin(u32::MAX)]));
    let error = unlock(&wallet, &NETWORK, &BTreeSet::from([coin(0), coin(5)])).unwrap_err();
    assert_eq!((error.kind(), error.exit_status()), ("not-locked", 3));
    assert_eq!(list(&wallet, &NETWORK).unwrap().len(), 3, "all or none");
    unlock(&wallet, &NETWORK, &BTreeSet::from([coin(0)])).unwrap();
    assert_eq!(unlock_all(&wallet, &NETWORK).unwrap(), 2);
    assert_eq!(list(&wallet, &OTHER).unwrap(), BTreeSet::from([coin(5)]));
}

#[test]
fn they_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("alice.json");
    let many: Vec<OutPoint> = (0..u32::try_from(FROZEN_MAX).unwrap()).map(coin).collect();
    lock(&wallet, &NETWORK, &many).unwrap();
    lock(&wallet, &NETWORK, &many[..2]).unwrap();
    let error = lock(&wallet, &NETWORK, &[coin(u32::MAX)]).unwrap_err();
    assert_eq!((error.kind(), error.exit_status()), ("too-many-locked", 3));
    assert_eq!(list(&wallet, &NETWORK).unwrap().len(), FROZEN_MAX, "none of them");
}
