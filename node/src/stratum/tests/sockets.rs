//! The server's sockets, against those who mean no good.

use super::{net, user};
use crate::limits::{STRATUM_CONNECTIONS_PER_ADDRESS_MAX, STRATUM_JUDGED_MIN, STRATUM_LINE_BYTES_MAX};
use crate::stratum::{StratumSetup, start};
use crate::tests::Alone;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a node that is all alone, and nothing to mine.
struct Served {
    node: Alone,
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Served {
    async fn start() -> Served {
        let dir = tempfile::tempdir().unwrap();
        let node = Alone::start(dir.path(), &net()).unwrap();
        let (stop, shutdown) = watch::channel(false);
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let setup = StratumSetup { listen, difficulty: 1.0, handle: node.handle.clone(), shutdown };
        let (address, task) = start(setup).await.unwrap();
        Served { node, address, stop, task, _dir: dir }
    }

    /// Sends bytes and reads until the server hangs up.
    async fn until_cut(&self, bytes: &[u8]) -> String {
        let (mut reader, mut writer) = TcpStream::connect(self.address).await.unwrap().into_split();
        let mut heard = Vec::new();
        let talk = async { tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut heard)) };
        let _ = timeout(PATIENCE, talk).await.expect("the server hangs up");
        String::from_utf8_lossy(&heard).into_owned()
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.task).await.expect("the server stops").unwrap();
        self.node.stop().await.unwrap();
    }

    fn cut_off(&self, kind: &str) -> bool {
        self.node.handle.metrics().render().contains(&format!("bezant_stratum_cut_off_total{{kind=\"{kind}\"}}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_endless_lines_and_slow_readers_are_cut_off_and_others_served() {
    let served = Served::start().await;
    let mut good = TcpStream::connect(served.address).await.unwrap();
    served.until_cut(&vec![b'x'; 100_000]).await;
    assert!(served.cut_off("long-line"));
    let flood = "{\"id\":1,\"method\":\"mining.ping\"}\n".repeat(5_000);
    assert!(served.until_cut(flood.as_bytes()).await.contains("unknown method"));
    assert!(served.cut_off("flood"));
    let heard = served.until_cut("GET / HTTP/1.1\r\nhost: x\r\n".repeat(10).as_bytes()).await;
    assert!(heard.contains("no request"));
    assert!(served.cut_off("faults"));

    // It asks for long answers and reads none.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = socket.connect(served.address).await.unwrap();
    let names: Vec<String> = (0..400).map(|number| format!("{number:05}")).collect();
    let line = json!({"id": 1, "method": "mining.configure", "params": [names]}).to_string() + "\n";
    assert!(line.len() < STRATUM_LINE_BYTES_MAX);
    let talk = async {
        for _ in 0..900 {
            if slow.write_all(line.as_bytes()).await.is_err() {
                break;
            }
        }
        while !served.cut_off("slow-reader") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, talk).await.expect("the slow reader is cut off");

    good.write_all(b"{\"id\":7,\"method\":\"mining.subscribe\",\"params\":[]}\n").await.unwrap();
    let mut answer = vec![0; 8];
    timeout(PATIENCE, good.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"{\"id\":7,");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sends_bad_shares_stays_out_for_a_while() {
    let served = Served::start().await;
    let share = format!("{{\"id\":1,\"method\":\"mining.submit\",\"params\":[\"{}\"]}}\n", user());
    let heard = served.until_cut(share.repeat(80).as_bytes()).await;
    assert_eq!(heard.matches("[25,").count(), STRATUM_JUDGED_MIN as usize);
    assert!(served.cut_off("refused-shares"));
    let hello = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n";
    assert_eq!(served.until_cut(hello).await, "", "banned");
    assert!(served.cut_off("banned"));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_connections_come_from_one_address() {
    let served = Served::start().await;
    let mut held = Vec::new();
    for number in 0..STRATUM_CONNECTIONS_PER_ADDRESS_MAX {
        let mut miner = TcpStream::connect(served.address).await.unwrap();
        miner.write_all(b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n").await.unwrap();
        let mut answer = [0; 1];
        timeout(PATIENCE, miner.read_exact(&mut answer)).await.unwrap().unwrap_or_else(|_| panic!("{number}"));
        held.push(miner);
    }
    assert_eq!(served.until_cut(b"\n").await, "");
    assert!(served.cut_off("full-for-address"));
    drop(held);
    let let_in_again = async {
        loop {
            let mut miner = TcpStream::connect(served.address).await.unwrap();
            let _ = miner.write_all(b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n").await;
            if matches!(miner.read(&mut [0; 64]).await, Ok(count) if count > 0) {
                break;
            }
        }
    };
    timeout(PATIENCE, let_in_again).await.expect("places are given back");
    served.stop().await;
}
