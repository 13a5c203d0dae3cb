use super::*;
use crate::event::EventKind;

fn header() -> TraceHeader {
    TraceHeader {
        bezant_trace: TRACE_VERSION,
        net: "default".to_owned(),
        engine: EngineName::Pbft,
        network_id: "00".repeat(32),
        nodes: vec![TraceNode { name: "node0".to_owned() }, TraceNode { name: "node1".to_owned() }],
    }
}

fn event(at_ms: u64, node: usize) -> Entry {
    let kind = EventKind::Gap { from: 3, to: 7 };
    Entry { at_ms, node, fact: Fact::Event(Box::new(Event { seq: 8, time_ms: at_ms, kind })) }
}

fn written(entries: &[Entry]) -> String {
    let mut bytes = Vec::new();
    let mut writer = TraceWriter::new(&mut bytes, &header()).expect("memory takes all");
    entries.iter().for_each(|entry| writer.write(entry).expect("memory takes all"));
    String::from_utf8(bytes).expect("JSON is text")
}

fn read(text: &str) -> Result<Vec<Entry>, TraceError> {
    TraceReader::new(text.as_bytes())?.collect()
}

#[test]
fn what_is_written_is_read() {
    let transaction = TxStatus {
        txid: "ab".repeat(32),
        state: crate::types::TxState::Pool,
        height: None,
        block: None,
        confirmations: 0,
        reason: None,
        replaced_by: None,
    };
    let peer = PeerView {
        peer_id: "12D3".to_owned(),
        address: "/ip4/127.0.0.1".to_owned(),
        outbound: true,
        member: Some(1),
        height: None,
        round_trip_ms: Some(0.5),
        bytes_in: 1,
        messages_in: 2,
        bytes_out: 3,
        mesh_topics: 3,
        score: 0,
    };
    let facts =
        [Fact::Lost("gone".to_owned()), Fact::Back(Back {}), Fact::Peers(vec![peer]), Fact::Transaction(transaction)];
    let mut entries = vec![event(5, 0)];
    entries.extend(facts.into_iter().map(|fact| Entry { at_ms: 6, node: 1, fact }));
    let text = written(&entries);
    assert_eq!(read(&text).expect("it was just written"), entries);
    let first = text.lines().next().expect("the header");
    assert!(first.starts_with(r#"{"bezant_trace":1,"net":"default","engine":"pbft""#), "{first}");
    let second = text.lines().nth(1).expect("an entry");
    assert_eq!(second, r#"{"at_ms":5,"node":0,"event":{"seq":8,"time_ms":5,"event":"gap","from":3,"to":7}}"#);
}

#[test]
fn a_recording_that_was_cut_off_is_read_up_to_there() {
    let text = written(&[event(1, 0), event(2, 1)]);
    let cut = &text[..text.len() - 10];
    assert_eq!(read(cut).expect("the end is missing, nothing else"), [event(1, 0)]);
}

#[test]
fn times_never_go_back() {
    let entries = read(&written(&[event(9, 0), event(2, 1)])).expect("a trace");
    assert_eq!(entries.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), [9, 9]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let told = |text: &str| read(text).expect_err("it is wrong").to_string();
    let good = written(&[event(1, 0)]);
    assert!(told("").contains("no trace"));
    assert!(told("hello\n").contains("no trace"));
    assert!(told(&good.replacen("\"bezant_trace\":1", "\"bezant_trace\":2", 1)).contains("format 2"));
    assert!(told(&good.replacen("\"pbft\"", "\"raft\"", 1)).contains("line 1"));
    assert!(told(&format!("{good}nonsense\n{good}")).contains("line 3"));
    assert!(told(&written(&[event(1, 2)])).contains("line 2 of the trace cannot be understood: there is no node 2"));
    let nobody = good.replacen(r#"[{"name":"node0"},{"name":"node1"}]"#, "[]", 1);
    assert!(told(&nobody).contains("names 0 nodes"));
}

#[test]
fn a_line_without_an_end_is_bounded() {
    #[derive(Debug)]
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            bytes.fill(b' ');
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
    }
    let mut endless = io::BufReader::new(Endless(0));
    let error = TraceReader::new(&mut endless).expect_err("it has no end");
    assert!(error.to_string().contains("longer than"), "{error}");
    assert!(endless.get_ref().0 <= 2 * TRACE_LINE_BYTES_MAX as u64, "it is not read for ever");
}
