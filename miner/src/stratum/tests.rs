//! The client's side of a conversation, line by line.

use super::{Client, Heard};
use crate::job::Share;
use bezant_consensus::ledger::block::Header;
use proptest::prelude::*;

const NOTIFY: &str = r#"{"id":null,"method":"mining.notify","params":["2b","03020100070605040b0a09080f0e0d0c13121110171615141b1a19181f1e1d1c","0101","ffee",["0000000000000000000000000000000000000000000000000000000000000001"],"20000000","1d00ffff","65540064",true]}"#;

/// A client that has said hello and knows its extranonce.
fn subscribed(bytes: usize) -> Client {
    let mut client = Client::new("bzt1alice");
    let hello = client.hello();
    let lines: Vec<&str> = hello.lines().collect();
    let rolling =
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"1fffe000"}]}"#;
    assert_eq!(lines[0], rolling);
    assert!(lines[1].starts_with(r#"{"id":2,"method":"mining.subscribe","params":["bezant/"#), "{hello}");
    assert_eq!(lines[2], r#"{"id":3,"method":"mining.authorize","params":["bzt1alice","x"]}"#);
    let answer = format!(r#"{{"id":2,"result":[[["mining.notify","a"]],"0a0b0c0d",{bytes}],"error":null}}"#);
    assert_eq!(client.line(&answer), Ok(Heard::Nothing));
    client
}

#[test]
fn a_job_is_what_the_lines_say() {
    let mut client = subscribed(4);
    assert_eq!(client.line(r#"{"id":3,"result":true,"error":null}"#), Ok(Heard::Authorized));
    assert_eq!(client.line(r#"{"id":null,"method":"mining.set_difficulty","params":[0.25]}"#), Ok(Heard::Nothing));
    assert_eq!(client.line(NOTIFY), Ok(Heard::Job));
    let job = client.job().unwrap().clone();
    assert_eq!(job.parent.0, std::array::from_fn(|place| place as u8));
    assert_eq!(job.coinbase_first, [1, 1, 0x0a, 0x0b, 0x0c, 0x0d]);
    assert_eq!(job.coinbase_last, [0xff, 0xee]);
    assert_eq!((job.version, job.bits, job.time), (0x2000_0000, 0x1d00_ffff, 0x6554_0064));
    assert_eq!((job.branch.len(), job.branch[0][31], job.extranonce_bytes), (1, 1, 4));
    assert_eq!(format!("{:x}", job.target.value()), format!("4{}{}", "0".repeat(24), "f".repeat(32)));
    let header = Header { nonce: 0x0102_0304, ..job.header(7) };
    let share = Share { job: job.id, extranonce: vec![7, 0, 0, 0], header, is_block: true };
    let line = client.submit(&share).unwrap();
    let expected = r#"{"id":4,"method":"mining.submit","params":["bzt1alice","2b","07000000","65540064","01020304"]}"#;
    assert_eq!(line.trim_end(), expected);
    let accepted = client.line(r#"{"id":4,"result":true,"error":null}"#);
    assert_eq!(accepted, Ok(Heard::Accepted { block: Some(header.id()) }));
    let again = client.submit(&Share { is_block: false, ..share.clone() });
    assert!(again.unwrap().contains("\"id\":5"));
    let refused = client.line(r#"{"id":5,"result":false,"error":[22,"duplicate share",null]}"#);
    assert_eq!(refused, Ok(Heard::Rejected { code: 22, reason: "duplicate share".to_owned() }));
    assert_eq!(client.submit(&Share { job: 99, ..share }), None, "no such job");
}

#[test]
fn versions_are_rolled_only_where_the_server_lets_them() {
    let share = |client: &Client, bits: u32| {
        let job = client.job().unwrap();
        let header = Header { version: job.version ^ bits, ..job.header(0) };
        Share { job: job.id, extranonce: job.extranonce(0), header, is_block: false }
    };
    let refusals = [
        r#"{"id":1,"result":null,"error":[20,"unknown method",null]}"#,
        r#"{"id":1,"result":{"version-rolling":false},"error":null}"#,
    ];
    for refusal in refusals {
        let mut client = subscribed(4);
        assert_eq!(client.line(refusal), Ok(Heard::Nothing));
        client.line(NOTIFY).unwrap();
        assert!(!client.job().unwrap().rolls_version);
        assert!(client.submit(&share(&client, 0)).unwrap().contains(r#""00000000"]"#), "five parameters");
        assert_eq!(client.submit(&share(&client, 0x2000)), None);
    }
    let mut client = subscribed(4);
    let mask = r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"00006000"},"error":null}"#;
    client.line(mask).unwrap();
    client.line(NOTIFY).unwrap();
    assert!(client.job().unwrap().rolls_version);
    assert!(client.submit(&share(&client, 0x4000)).unwrap().contains(r#""00000000","00004000"]"#));
    assert!(client.submit(&share(&client, 0)).unwrap().contains(r#""00000000","00000000"]"#));
    assert_eq!(client.submit(&share(&client, 0x8000)), None);
    // Other bits than those that are rolled, and back.
    for (mask, rolls) in [("00004000", false), ("1fff8000", false), ("ffffffff", true), ("00000000", false)] {
        let line = format!(r#"{{"id":null,"method":"mining.set_version_mask","params":["{mask}"]}}"#);
        assert_eq!(client.line(&line), Ok(Heard::Nothing));
        client.line(NOTIFY).unwrap();
        assert_eq!(client.job().unwrap().rolls_version, rolls, "{mask}");
    }
}

#[test]
fn extranonces_longer_than_are_counted_are_filled_up() {
    let mut client = subscribed(12);
    client.line(NOTIFY).unwrap();
    let job = client.job().unwrap().clone();
    assert_eq!((job.extranonce_bytes, job.coinbase_last.clone()), (8, vec![0, 0, 0, 0, 0xff, 0xee]));
    let share = Share { job: job.id, extranonce: job.extranonce(1), header: job.header(1), is_block: false };
    assert!(client.submit(&share).unwrap().contains("\"010000000000000000000000\""));
    client.line(r#"{"id":null,"method":"mining.set_extranonce","params":["ff",2]}"#).unwrap();
    client.line(NOTIFY).unwrap();
    assert_eq!(client.job().unwrap().coinbase_first, [1, 1, 0xff]);
}

#[test]
fn refusals_carry_the_servers_words() {
    let mut client = subscribed(4);
    let line = r#"{"id":3,"result":false,"error":[24,"this address belongs to another net",null]}"#;
    assert_eq!(client.line(line), Ok(Heard::Refused("this address belongs to another net".to_owned())));
    let mut client = Client::new("x");
    client.hello();
    assert!(matches!(client.line(r#"{"id":2,"result":null,"error":null}"#), Ok(Heard::Refused(_))));
    let answer = client.line(r#"{"id":"v","method":"client.get_version","params":[]}"#);
    assert!(matches!(answer, Ok(Heard::Answer(line)) if line.starts_with(r#"{"id":"v","result":"bezant/"#)));
    assert_eq!(client.line(NOTIFY), Ok(Heard::Nothing), "no extranonce, no job");
}

#[test]
fn nonsense_is_named() {
    for line in [
        "hello",
        "[]",
        "{}",
        r#"{"id":null,"method":"mining.set_difficulty","params":[0]}"#,
        r#"{"id":null,"method":"mining.set_difficulty"}"#,
        r#"{"id":null,"method":"mining.set_version_mask","params":[7]}"#,
        r#"{"id":null,"method":"mining.notify","params":[]}"#,
        &NOTIFY.replace("0101", "010"),
        &NOTIFY.replace("03020100", "0302"),
        &NOTIFY.replace("\"1d00ffff\"", "7"),
        r#"{"id":null,"method":"mining.set_extranonce","params":["zz",4]}"#,
        r#"{"id":null,"method":"mining.set_extranonce","params":["00",0]}"#,
    ] {
        assert!(subscribed(4).line(line).is_err(), "{line}");
    }
}

proptest! {
    #[test]
    fn no_line_does_harm(lines in proptest::collection::vec(".{0,120}", 0..10), cut in 0usize..400, byte in any::<char>()) {
        let mut client = subscribed(4);
        for line in lines {
            let _ = client.line(&line);
        }
        let mut notify = NOTIFY.to_owned();
        let cut = cut.min(notify.len() - 1);
        notify.replace_range(cut..=cut, &byte.to_string());
        let _ = client.line(&notify);
    }
}
