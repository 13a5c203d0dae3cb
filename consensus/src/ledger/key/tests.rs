//! The signature rule against public vectors and against itself, single and batched.

use super::*;
use curve25519_dalek::constants::EIGHT_TORSION;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([3; 32])
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex digits")).collect()
}

fn key_of(text: &str) -> PublicKey {
    PublicKey(unhex(text).try_into().expect("32 bytes"))
}

fn signature_of(text: &str) -> Signature {
    Signature(unhex(text).try_into().expect("64 bytes"))
}

/// Cases of a vector file: lines without comments, split at spaces into at most four fields.
fn cases(file: &str) -> Vec<Vec<&str>> {
    file.lines().filter(|line| !line.starts_with('#')).map(|line| line.splitn(4, ' ').collect()).collect()
}

#[test]
fn speccheck() {
    let cases = cases(include_str!("../../../tests/vectors/ed25519_speccheck.txt"));
    let mut row = String::new();
    let mut items = Vec::new();
    for case in &cases {
        let (key, signature, message) = (key_of(case[1]), signature_of(case[2]), unhex(case[3]));
        let verdict = if verify(&key, &message, &signature) { "V" } else { "X" };
        assert_eq!(verdict, case[0]);
        row.push_str(verdict);
        items.push(SignedItem { key, message: message.try_into().expect("32 bytes"), signature });
    }
    assert_eq!(row, "XXXVVVXXXXXX");
    assert_eq!(verify_batch(&items, rng()), [0, 1, 2, 6, 7, 8, 9, 10, 11]);
    assert_eq!(verify_batch(&items[3..6], rng()), [0; 0], "also as a batch that succeeds");
}

/// Accepted iff the flags are none but a low-order component of A or R, or a low-order residue.
#[test]
fn cctv() {
    const ALLOWED: u8 = 0x10 | 0x20 | 0x40;
    let cases = cases(include_str!("../../../tests/vectors/ed25519_cctv.txt"));
    assert_eq!(cases.len(), 914);
    let mut accepted = Vec::new();
    for case in &cases {
        let flags = u8::from_str_radix(case[0], 16).expect("hex digits");
        let (key, signature, message) = (key_of(case[1]), signature_of(case[2]), case[3].as_bytes());
        let valid = verify(&key, message, &signature);
        assert_eq!(valid, flags & !ALLOWED == 0, "{case:?}");
        if valid {
            accepted.push((key, signature, message));
        }
    }
    assert_eq!(accepted.len(), 106);
    let parts = accepted.iter().map(|(key, signature, message)| (key, *message, signature));
    assert!(batch::holds(parts, &Forgetful, &mut rng()), "a batch accepts what single checks accept");
}

/// RFC 8032 §7.1, tests 1, 2, 3 and SHA(abc): seed, key, message, signature.
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24\
         655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee\
         b00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d\
         c027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e\
         2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17a\
         d9bef1177331a704",
    ],
];

#[test]
fn rfc_8032() {
    for [seed, key, message, signature] in RFC_8032 {
        let signer = SigningKey::from_seed(&unhex(seed).try_into().expect("32 bytes"));
        let (key, message, signature) = (key_of(key), unhex(message), signature_of(signature));
        assert_eq!(signer.public(), key);
        assert_eq!(signer.sign(&message), signature);
        assert!(key.is_acceptable() && verify(&key, &message, &signature));
        assert_eq!(signer.seed().to_vec(), unhex(seed));
    }
}

/// The table of patterns is exactly the torsion points: every y of theirs, and nothing else.
#[test]
fn small_order_patterns_are_the_torsion_points() {
    let mut found: Vec<[u8; 32]> = Vec::new();
    for point in EIGHT_TORSION {
        let bytes = point.compress().0;
        assert!(is_refused_by_bytes(&bytes));
        let mut y = bytes;
        y[31] &= 0x7f;
        found.push(y);
    }
    found.sort_unstable();
    found.dedup();
    let mut table = SMALL_ORDER_Y.to_vec();
    table.sort_unstable();
    assert_eq!(found, table);
}

/// All 26 values of y from p to 2^255 − 1 and both signs, and the values just below p that stand for themselves.
#[test]
fn encodings_that_are_not_canonical() {
    for low in 0xe0..=0xff {
        for high in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, high);
            let at_least_p = low >= 0xed;
            let small_order = low == 0xec;
            assert_eq!(is_refused_by_bytes(&bytes), at_least_p || small_order, "{low:x} {high:x}");
            assert!(!(at_least_p && PublicKey(bytes).is_acceptable()));
        }
    }
}

/// What is told by bytes agrees with what the point says, for points and for bytes that are none.
#[test]
fn bytes_and_points_agree() {
    let base = curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
    let mut point = base;
    for torsion in EIGHT_TORSION.into_iter().cycle().take(200) {
        let bytes = (point + torsion).compress().0;
        assert!(PublicKey(bytes).is_acceptable() && !is_refused_by_bytes(&bytes));
        point += base;
    }
    for first in 0..=255 {
        let mut bytes = [0; 32];
        bytes[0] = first;
        if CompressedEdwardsY(bytes).decompress().is_some() {
            assert_eq!(PublicKey(bytes).is_acceptable(), !is_refused_by_bytes(&bytes), "{first}");
        } else {
            assert!(!PublicKey(bytes).is_acceptable());
        }
    }
}

/// S and S + L are one number to a careless verifier.
#[test]
fn a_signature_has_one_form() {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let signer = SigningKey::from_seed(&[1; 32]);
    let mut signature = signer.sign(b"one");
    assert!(verify(&signer.public(), b"one", &signature));
    let mut carry = 0;
    for (byte, add) in signature.0[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert!(!verify(&signer.public(), b"one", &signature));
}

#[test]
fn the_key_for_which_anyone_can_sign() {
    let zero = PublicKey([0; 32]);
    assert!(!zero.is_acceptable() && !verify(&zero, b"any", &Signature([0; 64])));
    let mut identity = [0; 64];
    identity[0] = 1;
    let one = PublicKey(identity[..32].try_into().expect("32 bytes"));
    assert!(!one.is_acceptable() && !verify(&one, b"any", &Signature(identity)));
    assert!("00".repeat(32).parse::<PublicKey>().is_err());
    let good = SigningKey::from_seed(&[1; 32]).public();
    assert_eq!(good.to_string().parse(), Ok(good));
    assert!("xy".repeat(32).parse::<PublicKey>().is_err());
}

/// Tells the point of one key for every key.
#[derive(Debug)]
struct Liar(Point);

impl Points for Liar {
    fn point_of(&self, _: &PublicKey) -> Option<Point> {
        Some(self.0)
    }
}

#[test]
#[should_panic(expected = "a point of another key")]
fn a_memory_of_points_cannot_lend_a_key_to_another() {
    let [mine, others] = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]));
    let memory = Liar(Point::of(&mine.public()).expect("a key"));
    let item = |message| SignedItem { key: others.public(), message, signature: mine.sign(&message) };
    let _ = are_valid(&[item([1; 32]), item([2; 32])], &memory, &mut rng());
}

#[test]
fn secrets_are_not_shown() {
    let signer = SigningKey::from_seed(&[0xab; 32]);
    assert_eq!(format!("{signer:?}"), format!("SigningKey(of {})", signer.public()));
}

/// Changes an item so that it may become invalid: a bit of key, message or signature, or a torsion point added to A or R.
fn corrupt(item: &mut SignedItem, what: u8, place: u8, bit: u8) {
    let flip = |bytes: &mut [u8]| bytes[usize::from(place) % bytes.len()] ^= 1 << (bit % 8);
    let shift = |bytes: &mut [u8]| {
        let point = CompressedEdwardsY::from_slice(bytes).ok().and_then(|point| point.decompress());
        let point = point.expect("of a signature that was valid") + EIGHT_TORSION[usize::from(place) % 8];
        bytes.copy_from_slice(&point.compress().0);
    };
    match what {
        0 => flip(&mut item.key.0),
        1 => flip(&mut item.message),
        2 => flip(&mut item.signature.0),
        3 => shift(&mut item.signature.0[..32]),
        4 => shift(&mut item.key.0),
        5 => item.key.0 = EIGHT_TORSION[usize::from(place) % 8].compress().0,
        6 => item.signature.0[..32].copy_from_slice(&EIGHT_TORSION[usize::from(place) % 8].compress().0),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// However items are grouped, the verdict on each is the single one.
    #[test]
    fn batches_agree_with_singles(
        corruptions in proptest::collection::vec((0u8..30, any::<u8>(), any::<u8>()), 0..12),
        seed in any::<[u8; 32]>(),
    ) {
        let items: Vec<SignedItem> = corruptions
            .iter()
            .enumerate()
            .map(|(number, (what, place, bit))| {
                // Some sign more than once: what is asked of one key is added up.
                let signer = SigningKey::from_seed(&[number as u8 / 3 + 1; 32]);
                let message = [number as u8; 32];
                let signature = signer.sign(&message);
                let mut item = SignedItem { key: signer.public(), message, signature };
                corrupt(&mut item, *what, *place, *bit);
                item
            })
            .collect();
        let singly: Vec<usize> = (0..items.len())
            .filter(|&i| !verify(&items[i].key, &items[i].message, &items[i].signature))
            .collect();
        prop_assert_eq!(verify_batch(&items, ChaCha20Rng::from_seed(seed)), singly.clone());
        for (place, item) in items.iter().enumerate() {
            let alone = verify_batch(std::slice::from_ref(item), rng());
            prop_assert_eq!(alone.is_empty(), !singly.contains(&place));
        }
    }
}
