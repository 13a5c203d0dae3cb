//! The sockets: one task for each miner, which moves lines between it and its session, and one that writes.

use super::session::{Action, Cut, Session};
use crate::handle::{AskError, NodeHandle};
use crate::limits::{
    STRATUM_BAN_MS, STRATUM_BANS_MAX, STRATUM_CONNECTIONS_MAX, STRATUM_CONNECTIONS_PER_ADDRESS_MAX,
    STRATUM_LINE_BYTES_MAX, STRATUM_LINES_WAITING_MAX, STRATUM_SEND_BUFFER_BYTES, STRATUM_WRITE_TIMEOUT_MS,
};
use crate::metrics::Kind;
use bezant_consensus::ledger::block::Block;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// Bytes read at a time.
const READ_BYTES: usize = 4_096;
/// After a connection could not be accepted, for want of files most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the last words may take when a miner is cut off.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the server is started with.
#[derive(Debug)]
pub struct StratumSetup {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What shares are held to at first.
    pub difficulty: f64,
    /// The node.
    pub handle: NodeHandle,
    /// Becomes true when the server is to stop.
    pub shutdown: watch::Receiver<bool>,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StratumError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address} for miners: {error}; choose another port with stratum.listen, or 0 for a free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
}

/// Starts the server; returns the address it listens on. The task ends after `shutdown`, and all connections with it.
///
/// # Errors
/// When the address is taken or not this machine's.
pub async fn start(setup: StratumSetup) -> Result<(SocketAddr, JoinHandle<()>), StratumError> {
    let fail = |error| StratumError::Listen { address: setup.listen, error };
    let listener = listen(setup.listen).map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    let server = Arc::new(Server {
        handle: setup.handle,
        difficulty: setup.difficulty,
        // Another at each start, and on each node: two miners of one address never search the same blocks.
        next_extranonce: AtomicU32::new(rand::random()),
        door: Mutex::default(),
        began: Instant::now(),
    });
    Ok((bound, tokio::spawn(accept(server, listener, setup.shutdown))))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Taken over by every connection: what a miner that does not read can fill.
    socket.set_send_buffer_size(STRATUM_SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(server: Arc<Server>, listener: TcpListener, mut shutdown: watch::Receiver<bool>) {
    let mut miners = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => break,
            Some(_) = miners.join_next(), if !miners.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => match Seat::take(&server, from.ip()) {
                Ok(seat) => drop(miners.spawn(serve(seat, stream))),
                Err(reason) => {
                    tracing::debug!(%from, reason, "a miner was turned away");
                    server.cut(reason);
                }
            },
            Err(error) => {
                tracing::warn!(%error, "a miner's connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    miners.shutdown().await;
}

#[derive(Debug)]
struct Server {
    handle: NodeHandle,
    difficulty: f64,
    next_extranonce: AtomicU32,
    door: Mutex<Door>,
    began: Instant,
}

/// Who is in, and who must stay out.
#[derive(Debug, Default)]
struct Door {
    /// Connections by address.
    inside: BTreeMap<IpAddr, usize>,
    /// Until when.
    banned: BTreeMap<IpAddr, Instant>,
}

impl Server {
    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn cut(&self, kind: &'static str) {
        self.handle.metrics().stratum_cut_off.get_or_create(&Kind { kind }).inc();
    }

    fn ban(&self, address: IpAddr) {
        let mut door = self.door();
        let now = Instant::now();
        door.banned.retain(|_, until| *until > now);
        if door.banned.len() < STRATUM_BANS_MAX {
            door.banned.insert(address, now + Duration::from_millis(STRATUM_BAN_MS));
        }
    }
}

/// One connection's place; given back when it is dropped.
struct Seat {
    server: Arc<Server>,
    address: IpAddr,
}

impl Seat {
    fn take(server: &Arc<Server>, ip: IpAddr) -> Result<Seat, &'static str> {
        let address = whose(ip);
        let mut door = server.door();
        if door.banned.get(&address).is_some_and(|until| *until > Instant::now()) {
            return Err("banned");
        }
        if door.inside.values().sum::<usize>() >= STRATUM_CONNECTIONS_MAX {
            return Err("full");
        }
        let count = door.inside.entry(address).or_default();
        if *count >= STRATUM_CONNECTIONS_PER_ADDRESS_MAX {
            return Err("full-for-address");
        }
        *count += 1;
        drop(door);
        server.handle.metrics().stratum_connections.inc();
        Ok(Seat { server: server.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.server.handle.metrics().stratum_connections.dec();
        let mut door = self.server.door();
        if let Some(count) = door.inside.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                door.inside.remove(&self.address);
            }
        }
    }
}

/// Whose address it is: whoever has one of IPv6 has its whole /64.
fn whose(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    }
}

/// Lines as they come out of a stream.
#[derive(Debug, Default)]
struct Lines {
    /// What came and is no whole line yet. Invariant: at most a line and a read long.
    bytes: Vec<u8>,
}

impl Lines {
    /// A whole line that is there, without its end.
    fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }

    fn is_too_long(&self) -> bool {
        self.bytes.len() > STRATUM_LINE_BYTES_MAX
    }
}

async fn write_all(mut stream: OwnedWriteHalf, mut lines: mpsc::Receiver<String>) {
    while let Some(line) = lines.recv().await {
        let write = tokio::time::timeout(Duration::from_millis(STRATUM_WRITE_TIMEOUT_MS), async {
            stream.write_all(line.as_bytes()).await
        });
        if !matches!(write.await, Ok(Ok(()))) {
            return;
        }
    }
    // Its end is told by the connection's.
    let _ = stream.shutdown().await;
}

/// A miner from its first line to its last.
async fn serve(seat: Seat, stream: TcpStream) {
    // Without it a job waits for the answer to the one before.
    let _ = stream.set_nodelay(true);
    let (mut reader, writer) = stream.into_split();
    let (out, lines) = mpsc::channel(STRATUM_LINES_WAITING_MAX);
    let mut writing = tokio::spawn(write_all(writer, lines));
    let extranonce = seat.server.next_extranonce.fetch_add(1, Ordering::Relaxed);
    let network = seat.server.handle.genesis().network_id();
    let session = Session::new(network, extranonce, seat.server.difficulty, seat.server.now_ms());
    let mut miner = Miner { seat, session, out };
    let cut = tokio::select! {
        cut = miner.talk(&mut reader) => cut,
        // What was to be said cannot be said.
        _ = &mut writing => Some(Cut::SlowReader),
    };
    let Miner { seat, session, out } = miner;
    drop(out);
    if let Some(cut) = cut {
        tracing::info!(miner = %seat.address, address = session.address(), reason = cut.name(), "a miner was cut off");
        seat.server.cut(cut.name());
        if cut == Cut::Refused {
            seat.server.ban(seat.address);
        }
        if cut != Cut::SlowReader {
            // What it still sends is read and forgotten: hanging up on unread bytes would take the last words back.
            let last_words = async {
                let _ = (&mut writing).await;
                let mut forgotten = vec![0; READ_BYTES];
                while matches!(reader.read(&mut forgotten).await, Ok(count) if count > 0) {}
            };
            let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
        }
    }
    writing.abort();
}

struct Miner {
    seat: Seat,
    session: Session,
    out: mpsc::Sender<String>,
}

impl Miner {
    /// Moves lines until the miner leaves (`None`) or is cut off.
    async fn talk(&mut self, reader: &mut OwnedReadHalf) -> Option<Cut> {
        let mut offers = self.seat.server.handle.offers();
        let mut lines = Lines::default();
        let first = offers.borrow_and_update().clone();
        let actions = self.session.offers(self.now_ms(), &first);
        if let Err(cut) = self.carry_out(actions).await {
            return Some(cut);
        }
        let mut chunk = vec![0; READ_BYTES];
        loop {
            while let Some(line) = lines.next() {
                if line.len() > STRATUM_LINE_BYTES_MAX {
                    return Some(Cut::LongLine);
                }
                let actions = self.session.line(self.now_ms(), &line);
                if let Err(cut) = self.carry_out(actions).await {
                    return Some(cut);
                }
            }
            if lines.is_too_long() {
                return Some(Cut::LongLine);
            }
            let wait = Duration::from_millis(self.session.deadline_ms().saturating_sub(self.now_ms()));
            let actions = tokio::select! {
                read = reader.read(&mut chunk) => match read {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => {
                        lines.bytes.extend_from_slice(&chunk[..count]);
                        continue;
                    }
                },
                changed = offers.changed() => match changed {
                    Ok(()) => {
                        let all = offers.borrow_and_update().clone();
                        self.session.offers(self.now_ms(), &all)
                    }
                    // The node is stopping.
                    Err(_) => return None,
                },
                () = tokio::time::sleep(wait) => self.session.tick(self.now_ms()),
            };
            if let Err(cut) = self.carry_out(actions).await {
                return Some(cut);
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.seat.server.now_ms()
    }

    async fn carry_out(&self, actions: Vec<Action>) -> Result<(), Cut> {
        let metrics = self.seat.server.handle.metrics();
        for action in actions {
            match action {
                Action::Say(line) => {
                    // Until there is room nothing more is read from this miner.
                    let wait = Duration::from_millis(STRATUM_WRITE_TIMEOUT_MS);
                    self.out.send_timeout(line, wait).await.map_err(|_| Cut::SlowReader)?;
                }
                Action::Judged(judged) => {
                    let kind = judged.map_or_else(|code| code.name(), |()| "accepted");
                    metrics.stratum_shares.get_or_create(&Kind { kind }).inc();
                }
                Action::Solved { ticket, block } => self.solved(ticket, *block).await,
                Action::Cut(cut) => return Err(cut),
            }
        }
        Ok(())
    }

    async fn solved(&self, ticket: u64, block: Block) {
        let (id, address) = (block.id(), self.session.address().to_owned());
        match self.seat.server.handle.solve(ticket, block).await {
            Ok(true) => {
                self.seat.server.handle.metrics().stratum_blocks.inc();
                tracing::info!(block = %id, address, "a miner found a block");
            }
            Ok(false) => tracing::info!(block = %id, address, "a miner's block came too late"),
            Err(error @ (AskError::Busy | AskError::Stopped)) => {
                tracing::warn!(block = %id, address, %error, "a miner's block was lost");
            }
            Err(error) => tracing::warn!(block = %id, address, %error, "a miner's block was not taken"),
        }
    }
}
