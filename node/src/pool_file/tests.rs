use super::{HEAD_BYTES, PoolFileError, parse, read, write};
use crate::tests::{genesis, key, lock_of, transfer};
use bezant_api::types::EngineName;
use bezant_consensus::ledger::hash::{NetworkId, sha256};
use bezant_consensus::ledger::transaction::Transaction;

fn saved() -> (NetworkId, Vec<Transaction>, Vec<u8>) {
    let genesis = genesis(EngineName::Pow, 5);
    let network = genesis.network_id();
    let transactions: Vec<Transaction> =
        (0..5).map(|number| transfer(&genesis, number, 7_000, lock_of(&key(60)))).collect();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("mempool.dat");
    assert!(matches!(read(&path, &network), Ok(none) if none.is_empty()), "no file is an empty mempool");
    write(&path, &network, &transactions[..1]).expect("writes");
    write(&path, &network, &transactions).expect("writes again");
    let files: Vec<_> =
        std::fs::read_dir(dir.path()).expect("lists").map(|it| it.expect("a file").file_name()).collect();
    assert_eq!(files, ["mempool.dat"]);
    let again = read(&path, &network).expect("reads");
    assert_eq!(
        again.iter().map(Transaction::hash).collect::<Vec<_>>(),
        transactions.iter().map(Transaction::hash).collect::<Vec<_>>()
    );
    let bytes = std::fs::read(&path).expect("reads");
    (network, transactions, bytes)
}

/// With a digest that fits.
fn sealed(mut content: Vec<u8>) -> Vec<u8> {
    let digest = sha256(&content);
    content.extend_from_slice(&digest);
    content
}

#[test]
fn what_is_written_is_read_and_nothing_else() {
    let (network, _, bytes) = saved();
    for length in 0..bytes.len() {
        assert!(matches!(parse(&bytes[..length], &network), Err(PoolFileError::Damaged(_))), "cut at {length}");
    }
    for place in (0..bytes.len()).step_by(7) {
        let mut other = bytes.clone();
        other[place] ^= 0x10;
        assert!(parse(&other, &network).is_err(), "changed at {place}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(parse(&longer, &network).is_err());
}

#[test]
fn a_digest_that_fits_does_not_help() {
    let (network, _, bytes) = saved();
    let content = bytes[..bytes.len() - 32].to_vec();
    assert!(parse(&sealed(content.clone()), &network).is_ok());
    assert!(matches!(parse(&sealed(content.clone()), &NetworkId([1; 32])), Err(PoolFileError::OtherNet)));
    let with = |place: usize, number: u32| {
        let mut content = content.clone();
        content[place..place + 4].copy_from_slice(&number.to_le_bytes());
        sealed(content)
    };
    assert!(matches!(parse(&with(8, 2), &network), Err(PoolFileError::Version(2))));
    for bytes in
        [with(HEAD_BYTES - 4, u32::MAX), with(HEAD_BYTES - 4, 1), with(HEAD_BYTES, u32::MAX), with(HEAD_BYTES, 3)]
    {
        assert!(matches!(parse(&bytes, &network), Err(PoolFileError::Damaged(_))));
    }
}
