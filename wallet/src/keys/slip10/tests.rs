use super::*;

/// (path, chain code, private key, public key), from the SLIP-0010 document, "Test vector 1 for ed25519" and "2".
type Vector = (&'static [u32], &'static str, &'static str, &'static str);

fn check(seed: &str, vectors: &[Vector]) {
    let seed = hex::decode(seed).unwrap();
    for (path, chain_code, private, public) in vectors {
        let node = Node::master(&seed).at(path);
        assert_eq!(hex::encode(node.chain_code), *chain_code, "{path:?}");
        assert_eq!(hex::encode(node.key), *private, "{path:?}");
        assert_eq!(node.signing_key().public().to_string(), *public, "{path:?}");
    }
}

#[test]
fn first_vector_of_the_standard() {
    check(
        "000102030405060708090a0b0c0d0e0f",
        &[
            (
                &[],
                "90046a93de5380a72b5e45010748567d5ea02bbf6522f979e05c0d8d8ca9fffb",
                "2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7",
                "a4b2856bfec510abab89753fac1ac0e1112364e7d250545963f135f2a33188ed",
            ),
            (
                &[0],
                "8b59aa11380b624e81507a27fedda59fea6d0b779a778918a2fd3590e16e9c69",
                "68e0fe46dfb67e368c75379acec591dad19df3cde26e63b93a8e704f1dade7a3",
                "8c8a13df77a28f3445213a0f432fde644acaa215fc72dcdf300d5efaa85d350c",
            ),
            (
                &[0, 1],
                "a320425f77d1b5c2505a6b1b27382b37368ee640e3557c315416801243552f14",
                "b1d0bad404bf35da785a64ca1ac54b2617211d2777696fbffaf208f746ae84f2",
                "1932a5270f335bed617d5b935c80aedb1a35bd9fc1e31acafd5372c30f5c1187",
            ),
            (
                &[0, 1, 2, 2, 1_000_000_000],
                "68789923a0cac2cd5a29172a475fe9e0fb14cd6adb5ad98a3fa70333e7afa230",
                "8f94d394a8e8fd6b1bc2f3f49f5c47e385281d5c17e65324b0f62483e37e8793",
                "3c24da049451555d51a7014a37337aa4e12d41e485abccfa46b47dfb2af54b7a",
            ),
        ],
    );
}

#[test]
fn second_vector_of_the_standard() {
    check(
        "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542",
        &[
            (
                &[],
                "ef70a74db9c3a5af931b5fe73ed8e1a53464133654fd55e7a66f8570b8e33c3b",
                "171cb88b1b3c1db25add599712e36245d75bc65a1a5c9e18d76f9f2b1eab4012",
                "8fe9693f8fa62a4305a140b9764c5ee01e455963744fe18204b4fb948249308a",
            ),
            (
                &[0, 2_147_483_647, 1, 2_147_483_646, 2],
                "5d70af781f3a37b829f0d060924d5e960bdc02e85423494afc0b1a41bbe196d4",
                "551d333177df541ad876a60ea71f00447931c0a9da16f227c11ea080d7391b8d",
                "47150c75db263559a70d5778bf36abbab30fb061ad69f69ece61a72b0cfa4fc0",
            ),
        ],
    );
}

#[test]
fn an_address_is_where_its_path_says() {
    let seed = hex::decode("000102030405060708090a0b0c0d0e0f").unwrap();
    let expected = Node::master(&seed).at(&[44, 6_453_876, 0, 0, 7]).signing_key().public();
    assert_eq!(address_key(&seed, 7).public(), expected);
    assert_eq!(address_path(7), "m/44'/6453876'/0'/0'/7'");
    // A vector of ours: whoever restores a wallet with other tools can check his derivation with it.
    assert_eq!(
        address_key(&seed, 0).public().to_string(),
        "f9c8a06790b3aed7866aae11ebd7f249a4e63deddb4b41497d9bdf89e1b228ab"
    );
}
