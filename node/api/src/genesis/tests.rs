use super::*;
use bezant_consensus::ledger::key::SigningKey;

fn sample(engine: EngineParams) -> Genesis {
    let key = |seed: u8| SigningKey::from_seed(&[seed; 32]).public();
    let pbft = matches!(engine, EngineParams::Pbft(_));
    let name = if pbft { EngineName::Pbft } else { EngineName::Pow };
    Genesis {
        version: GENESIS_VERSION,
        salt: [7; 32],
        time: 1_735_689_600,
        dev: true,
        engine,
        ledger: ledger_defaults(name),
        members: if pbft { (1..=4).map(key).collect() } else { Vec::new() },
        allocations: (10..13)
            .map(|seed| Output { amount: "1000.00000001".parse().unwrap(), lock: Lock::Key(key(seed)).hash() })
            .collect(),
    }
}

fn both() -> [Genesis; 4] {
    let fixed = PowParams { difficulty: Difficulty::Fixed, ..pow_defaults(2) };
    let bitcoin = PowParams { difficulty: Difficulty::Bitcoin, ..pow_defaults(600) };
    [
        sample(EngineParams::Pbft(pbft_defaults())),
        sample(EngineParams::Pow(pow_defaults(2))),
        sample(EngineParams::Pow(fixed)),
        sample(EngineParams::Pow(bitcoin)),
    ]
}

#[test]
fn written_and_read_back_it_is_the_same_in_value_and_in_bytes() {
    for genesis in both() {
        let text = to_toml(&genesis);
        let read = from_toml(&text).unwrap();
        assert_eq!(read, genesis);
        assert_eq!(read.network_id(), genesis.network_id());
        assert_eq!(to_toml(&read), text);
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let key = SigningKey::from_seed(&[1; 32]).public();
    let head = format!("version = 1\nsalt = \"{}\"\ntime = 5\n", "07".repeat(32));
    let tail = format!("[[allocations]]\nkey = \"{key}\"\namount = \"12.5\"\n");
    let pbft = from_toml(&format!("{head}engine = \"pbft\"\nmembers = [\"{key}\"]\n{tail}")).unwrap();
    assert_eq!(pbft.engine, EngineParams::Pbft(pbft_defaults()));
    assert_eq!(pbft.ledger, ledger_defaults(EngineName::Pbft));
    assert!(!pbft.dev);
    assert_eq!(pbft.allocations[0].lock, Lock::Key(key).hash());
    assert_eq!(pbft.allocations[0].amount.grains(), 1_250_000_000);
    let pow = from_toml(&format!("{head}engine = \"pow\"\n[pow]\nspacing_s = 30\n{tail}")).unwrap();
    assert_eq!(pow.engine, EngineParams::Pow(pow_defaults(30)));
}

#[test]
fn a_wrong_field_is_named() {
    let text = to_toml(&both()[0]);
    let pow = to_toml(&both()[1]);
    let cases: [(&str, String); 16] = [
        ("version", text.replace("version = 1", "version = 2")),
        ("salt", text.replace("0707", "zz07")),
        ("members[0]", text.replacen("  \"", "  \"00", 1)),
        ("members", text.replacen("members = [", "members = [\n  \"ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c\",\n  \"ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c\",", 1)),
        ("ledger.block_bytes_max", text.replace("block_bytes_max = 1048576", "block_bytes_max = 7")),
        ("ledger.subsidy", text.replace("subsidy = \"0\"", "subsidy = \"0.123456789\"")),
        ("pbft.depth", text.replace("depth = 2", "depth = 17")),
        ("pbft.view_timeout_max_ms", text.replace("view_timeout_ms = 1000", "view_timeout_ms = 60001")),
        ("allocations[0].amount", text.replacen("1000.00000001", "-1", 1)),
        ("allocations[0].lock", text.replacen("lock = \"", "lock = \"00", 1)),
        ("allocations[0]", text.replacen("lock = ", "amount_of = 1\nlock = ", 1).replacen("amount_of = 1\n", "key = \"00\"\n", 1)),
        ("pow", format!("{text}\n[pow]\n")),
        ("pbft", format!("{pow}\n[pbft]\n")),
        ("pow.bits", pow.replace("0x1e03ffff", "0")),
        ("pow.half_life_s", pow.replace("\"asert\"", "\"fixed\"")),
        ("pow.max_reorg", pow.replace("max_reorg = 1000", "max_reorg = 5")),
    ];
    for (field, text) in cases {
        assert_eq!(from_toml(&text).unwrap_err().field, field, "{text}");
    }
}

#[test]
fn text_of_another_form_shows_the_line() {
    let text = to_toml(&both()[0]);
    for (word, broken) in [
        ("speed", text.replace("dev = true", "speed = 3")),
        ("depth", text.replace("depth = 2", "depth = \"two\"")),
        ("salt", text.replacen("salt", "pepper", 1)),
        ("time", text.replacen("time = 1735689600", "time = -1", 1)),
    ] {
        let error = from_toml(&broken).unwrap_err();
        assert_eq!(error.field, "file");
        assert!(error.problem.contains(word), "{}", error.problem);
    }
    assert!(from_toml("").is_err() && from_toml("\u{0}\u{1}[[[[").is_err());
}
