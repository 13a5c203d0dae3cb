use super::*;
use crate::genesis::{ledger_defaults, pbft_defaults, pow_defaults};
use crate::types::EngineName;
use bezant_consensus::ledger::block::{Block, Header};
use bezant_consensus::ledger::codec::encode;
use bezant_consensus::ledger::genesis::{Difficulty, EngineParams, GENESIS_VERSION, Genesis, PowParams};
use bezant_consensus::ledger::hash::CoinCommitment;
use bezant_consensus::ledger::key::SigningKey;
use bezant_consensus::ledger::target::Target;
use bezant_consensus::ledger::transaction::MemberList;
use bezant_consensus::ledger::units::{Epoch, Height, Incarnation};
use bezant_consensus::message::Seal;
use bezant_consensus::message::checkpoint::{Checkpoint, CheckpointCertificate, CheckpointVote};
use bezant_consensus::message::epoch::{Opening, Succession};
use bezant_consensus::pow::{Inclusion, InclusionError};
use bezant_consensus::verify::Verifier;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

/// A node that answers every HTTP request with this JSON-RPC result or error.
async fn node(answer: impl Into<String>) -> String {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let mut length = 0;
            while !String::from_utf8_lossy(&request[..length]).contains("\"id\":") {
                match stream.read(&mut request[length..]).await.unwrap_or(0) {
                    0 => break,
                    n => length += n,
                }
            }
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let id: String =
                text.split("\"id\":").nth(1).unwrap_or("0").chars().take_while(char::is_ascii_digit).collect();
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{answer}}}");
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    url
}

/// A port at which nobody listens.
async fn nobody() -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    // Held, without listening, as long as the tests run: else another test's listener may get the port.
    std::mem::forget(socket);
    url
}

const TIP: &str = "\"result\":{\"height\":7,\"id\":\"aa\",\"final_height\":6}";
const REFUSED: &str =
    "\"error\":{\"code\":-32001,\"message\":\"coin is spent\",\"data\":{\"kind\":\"tx-missing-coin\"}}";
const NOT_FOUND: &str = "\"error\":{\"code\":-32003,\"message\":\"no such block\",\"data\":{\"kind\":\"not-found\"}}";
const BUSY_NODE: &str = "\"error\":{\"code\":-32002,\"message\":\"too much to do\",\"data\":{\"kind\":\"busy\"}}";
const BROKEN: &str = "\"error\":{\"code\":-32603,\"message\":\"no disk\",\"data\":{\"kind\":\"storage\"}}";
const UNKNOWN_METHOD: &str = "\"error\":{\"code\":-32601,\"message\":\"Method not found\"}";

#[tokio::test]
async fn the_next_node_is_asked_when_one_is_gone_and_stays_the_first() {
    let live = node(TIP).await;
    let client = Client::new([nobody().await, live.clone()]).unwrap();
    assert_eq!(client.tip().await.unwrap().height, 7);
    assert_eq!(client.url(), live);
    client.move_on();
    assert_ne!(client.url(), live);
    assert_eq!(client.tip().await.unwrap().final_height, 6);
}

#[tokio::test]
async fn when_none_answers_every_one_is_named() {
    let (a, b) = (nobody().await, nobody().await);
    let client = Client::new([&a, &b]).unwrap();
    let Err(ClientError::Unreachable(reason)) = client.tip().await else { panic!("nobody listens") };
    assert!(reason.contains(&a) && reason.contains(&b), "{reason}");
    assert!(matches!(client.events(None).await, Err(ClientError::Unreachable(_))));
}

#[tokio::test]
async fn what_a_node_refuses_is_not_asked_of_another() {
    let client = Client::new([node(REFUSED).await, node(TIP).await]).unwrap();
    let Err(ClientError::Refused { kind, message }) = client.submit("00".to_owned()).await else { panic!("refused") };
    assert_eq!((kind.as_str(), message.as_str()), ("tx-missing-coin", "coin is spent"));
    let client = Client::of_one(&node(NOT_FOUND).await).unwrap();
    assert_eq!(client.block(BlockRef::Height(9)).await, Err(ClientError::NotFound("no such block".to_owned())));
    let client = Client::of_one(&node(UNKNOWN_METHOD).await).unwrap();
    assert!(matches!(client.status().await, Err(ClientError::Other(_))));
    let client = Client::of_one(&node("\"result\":17").await).unwrap();
    assert!(matches!(client.status().await, Err(ClientError::Other(_))));
}

#[tokio::test]
async fn a_node_with_too_much_to_do_is_passed_over() {
    let busy = node(BUSY_NODE).await;
    let client = Client::new([busy.clone(), node(TIP).await]).unwrap();
    assert_eq!(client.tip().await.unwrap().height, 7);
    let client = Client::new([busy, nobody().await]).unwrap();
    assert_eq!(client.tip().await, Err(ClientError::Busy("too much to do".to_owned())));
    let client = Client::of_one(&node(BROKEN).await).unwrap();
    assert!(matches!(client.tip().await, Err(ClientError::Other(_))), "the node's fault refuses nothing");
}

#[test]
fn a_bad_url_is_said_at_once() {
    assert!(matches!(Client::of_one("not a url"), Err(ClientError::Other(_))));
    assert!(matches!(Client::new(Vec::<String>::new()), Err(ClientError::Unreachable(_))));
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

/// Key 1 decides first.
fn genesis() -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        salt: [9; 32],
        time: 1_700_000_000,
        dev: true,
        members: vec![key(1).public()],
        engine: EngineParams::Pbft(pbft_defaults()),
        ledger: ledger_defaults(EngineName::Pbft),
        allocations: Vec::new(),
    }
}

/// In epoch e key e + 1 decides, if this key is the one that decided before.
fn succession(epoch: u64, sealed_by: u8) -> String {
    let network = genesis().network_id();
    let header: Header = genesis().block().header;
    let member = u8::try_from(epoch + 1).unwrap();
    let members = MemberList(vec![key(member).public()]);
    let opening = Opening { epoch: Epoch(epoch), members, readmitted: Vec::new() };
    let checkpoint = Checkpoint {
        incarnation: Incarnation(0),
        epoch: Epoch(epoch - 1),
        height: Height(epoch * u64::from(pbft_defaults().checkpoint_interval)),
        block: header.id(),
        coins: CoinCommitment([1; 32]),
        next: opening.hash(&network),
    };
    let vote = CheckpointVote::sign(&network, checkpoint, 0, &key(sealed_by));
    let seals = vec![Seal { signer: 0, signature: vote.signature }];
    hex::encode(encode(&Succession { certificate: CheckpointCertificate { checkpoint, seals }, header, opening }))
}

/// What a verifier that knows the genesis learns by following a node that always tells these, and the latest epoch that it knows then.
async fn follow(told: &[String], up_to: u64) -> (Result<Vec<u64>, FollowError>, u64) {
    let list: Vec<String> = told.iter().map(|text| format!("\"{text}\"")).collect();
    let list = list.join(",");
    let view = format!("\"result\":{{\"epoch\":9,\"start\":0,\"members\":[],\"quorum\":1,\"successions\":[{list}]}}");
    let client = Client::of_one(&node(view).await).unwrap();
    let mut verifier = Verifier::new(Arc::new(genesis()));
    let result = client.follow_epochs(&mut verifier, Epoch(up_to)).await;
    let known = (0..).take_while(|epoch| verifier.set_of(Epoch(*epoch)).is_ok()).last().unwrap();
    (result.map(|learned| learned.iter().map(|it| it.epoch().0).collect()), known)
}

#[tokio::test]
async fn epochs_are_followed_as_far_as_they_are_proved() {
    let all = [succession(1, 1), succession(2, 2)];
    assert_eq!(follow(&[], 0).await, (Ok(vec![]), 0), "nothing to ask");
    assert_eq!(follow(&all, 2).await, (Ok(vec![1, 2]), 2));
    assert_eq!(follow(&all[..1], 1).await, (Ok(vec![1]), 1));
    assert_eq!(follow(&all, 1).await, (Ok(vec![1]), 1), "no further than was asked");
    assert_eq!(follow(&[], 1).await, (Err(FollowError::Missing(1)), 0));
    let is_unproved = |result, at: u64| matches!(result, Err(FollowError::Unproved { epoch, .. }) if epoch == at);
    let (result, known) = follow(&[succession(1, 1), succession(2, 1)], 2).await;
    assert!(is_unproved(result, 2) && known == 1, "sealed by one who left");
    let (result, known) = follow(&all, 3).await;
    assert!(is_unproved(result, 3) && known == 2, "the same again");
    let (result, known) = follow(&["zz".to_owned()], 1).await;
    assert!(is_unproved(result, 1) && known == 0);
    let client = Client::of_one(&node(REFUSED).await).unwrap();
    let refused = client.follow_epochs(&mut Verifier::new(Arc::new(genesis())), Epoch(1)).await;
    assert!(matches!(refused, Err(FollowError::Client(ClientError::Refused { .. }))));
}

/// A net on which every other nonce is good.
fn pow_genesis() -> Genesis {
    let params = PowParams { bits: 0x207f_ffff, difficulty: Difficulty::Fixed, ..pow_defaults(1) };
    Genesis {
        members: Vec::new(),
        engine: EngineParams::Pow(params),
        ledger: ledger_defaults(EngineName::Pow),
        ..genesis()
    }
}

/// The first block, which repeats the transactions of genesis: nobody judges them here.
fn first_block() -> Block {
    let mut block = pow_genesis().block();
    let below = block.header;
    block.header = Header { parent: below.id(), time: below.time + 1, ..below };
    while !Target::from_compact(below.bits).unwrap().is_met_by(&block.id()) {
        block.header.nonce += 1;
    }
    block
}

/// An answer to `chain_headers` and `chain_proof` alike, since the node of these tests knows one answer.
fn told(headers: &[(u64, String)], tip: u64, proof: (&Inclusion, u64)) -> String {
    let list: Vec<String> =
        headers.iter().map(|(height, hex)| format!("{{\"height\":{height},\"hex\":\"{hex}\"}}")).collect();
    let (inclusion, confirmations) = proof;
    let (txid, block) = (inclusion.transaction.id(), inclusion.header.id());
    format!(
        "\"result\":{{\"headers\":[{}],\"height\":{tip},\"tip\":\"\",\"txid\":\"{txid}\",\"block\":\"{block}\",\
         \"confirmations\":{confirmations},\"signers\":[],\"hex\":\"{}\"}}",
        list.join(","),
        hex::encode(encode(inclusion))
    )
}

#[tokio::test]
async fn what_a_node_says_of_headers_is_not_believed() {
    let genesis = pow_genesis();
    let block = first_block();
    let proof = Inclusion::new(&block, 0).unwrap();
    let txid = proof.transaction.id().to_string();
    let good = hex::encode(block.header.to_bytes());
    let find = async |headers: &[(u64, String)], proof: &Inclusion, txid: &str| {
        let client = Client::of_one(&node(told(headers, 1, (proof, 1))).await).unwrap();
        client.find(&genesis, txid).await.map(|found| found.included.height)
    };
    assert_eq!(find(&[(1, good.clone())], &proof, &txid).await, Ok(Height(1)));
    let is_malformed = |result| matches!(result, Err(HeadersError::Malformed(_)));
    assert!(is_malformed(find(&[(1, good.clone())], &proof, &"ab".repeat(32)).await), "another was asked for");
    assert!(is_malformed(find(&[(2, good.clone())], &proof, &txid).await), "another height");
    assert!(is_malformed(find(&[(1, "zz".to_owned())], &proof, &txid).await));
    assert!(is_malformed(find(&[(1, good[2..].to_owned())], &proof, &txid).await));
    let again = find(&[(1, good.clone()), (2, good.clone())], &proof, &txid).await;
    assert!(matches!(again, Err(HeadersError::Chain(error)) if error.height == Height(2)));
    let none = find(&[], &proof, &txid).await;
    assert_eq!(none, Err(HeadersError::Inclusion(InclusionError::OtherChain(block.id()))));
    // A node that says the same of every height comes no further than the first.
    let client = Client::of_one(&node(told(&[(1, good.clone())], 9, (&proof, 1))).await).unwrap();
    assert!(matches!(client.header_chain(&genesis).await, Err(HeadersError::Malformed(_))));
    let mut forged = proof.clone();
    forged.path.index = 1;
    assert!(matches!(find(&[(1, good)], &forged, &txid).await, Err(HeadersError::Inclusion(InclusionError::Path(_)))));
    let client = Client::of_one(&node(REFUSED).await).unwrap();
    assert!(matches!(client.find(&genesis, &txid).await, Err(HeadersError::Client(_))));
}

#[tokio::test]
async fn who_is_in_a_hurry_gives_each_node_its_share() {
    let listeners = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    // They take connections, and never say a word.
    let urls = listeners.each_ref().map(|listener| format!("http://{}", listener.local_addr().unwrap()));
    let answering = node(TIP).await;
    let mut client = Client::new([&urls[0], &urls[1], &answering]).unwrap();
    client.hurry(Duration::from_millis(300));
    let patient = tokio::time::timeout(REQUEST_TIMEOUT, client.tip()).await;
    assert_eq!(patient.expect("long before a patient one would be").unwrap().height, 7);
    let mut client = Client::new(&urls).unwrap();
    client.hurry(Duration::from_secs(3_600));
    assert_eq!(client.answer_timeout, REQUEST_TIMEOUT, "nobody waits longer than anybody");
    client.hurry(Duration::from_millis(200));
    let events = tokio::time::timeout(REQUEST_TIMEOUT, client.events(None)).await.expect("soon");
    assert!(matches!(events, Err(ClientError::Unreachable(_))), "{events:?}");
}
