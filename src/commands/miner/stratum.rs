//! Mining for a Stratum server.

use super::report::Report;
use super::{Backoff, JobMiner, ended, start};
use crate::cli::Miner;
use crate::output::{Failure, Outcome, Output};
use bezant_miner::Share;
use bezant_miner::stratum::{Client, Heard};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that says nothing for so long is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Bytes of a line.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Lines of the server that wait to be read.
const LINES_MAX: usize = 64;

/// How a connection ended.
enum End {
    /// It may go again.
    Lost(String),
    /// It will not.
    Refused(String),
    Failed(Failure),
}

pub(super) async fn run(server: &str, to: &str, options: &Miner, output: &Output) -> Outcome {
    let address = server.strip_prefix("stratum+tcp://").unwrap_or(server);
    if address.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
        return Err(Failure::usage(format!("--stratum: HOST:PORT is expected, like 127.0.0.1:3333, not {server}")));
    }
    let (miner, mut shares) = start(options);
    let mut report = Report::new(output);
    let mut backoff = Backoff::new();
    let mut was_there = false;
    let stop = ended(output);
    tokio::pin!(stop);
    loop {
        let mut connection = Connection { address, to, miner: &miner, report: &mut report, is_authorized: false };
        let end = tokio::select! {
            () = &mut stop => break,
            end = connection.mine(&mut shares) => end,
        };
        if connection.is_authorized {
            was_there = true;
            backoff = Backoff::new();
        }
        miner.set_task(None);
        match end {
            End::Failed(failure) => return Err(failure),
            End::Refused(reason) => {
                return Err(Failure::new(3, "refused", format!("the server refuses {to}: {reason}")));
            }
            End::Lost(reason) if !was_there => {
                let advice = "is the server running, and was the node started with --stratum?";
                return Err(Failure::new(6, "unreachable", format!("{address}: {reason}; {advice}")));
            }
            End::Lost(reason) => {
                let wait = backoff.next();
                report.lost(&reason, wait)?;
                tokio::select! {
                    () = &mut stop => break,
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
    report.end(&miner)
}

struct Connection<'a, 'b> {
    address: &'a str,
    to: &'a str,
    miner: &'a JobMiner,
    report: &'a mut Report<'b>,
    is_authorized: bool,
}

impl Connection<'_, '_> {
    async fn mine(&mut self, shares: &mut mpsc::Receiver<Share>) -> End {
        match self.talk(shares).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn talk(&mut self, shares: &mut mpsc::Receiver<Share>) -> Result<std::convert::Infallible, End> {
        let lost = |error: std::io::Error| End::Lost(error.to_string());
        let connect = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(self.address)).await;
        let stream = connect.map_err(|_| End::Lost("no answer".to_owned()))?.map_err(lost)?;
        // Without it a share waits for the answer to the one before.
        let _ = stream.set_nodelay(true);
        let (reader, mut writer) = stream.into_split();
        let (sender, mut lines) = mpsc::channel(LINES_MAX);
        // Ends with the connection, or when nobody takes its lines.
        tokio::spawn(read(reader, sender));
        let mut client = Client::new(self.to);
        writer.write_all(client.hello().as_bytes()).await.map_err(lost)?;
        let mut status = tokio::time::interval(self.report.every());
        status.tick().await;
        let silence = tokio::time::sleep(SILENCE_MAX);
        tokio::pin!(silence);
        loop {
            let to_send = tokio::select! {
                line = lines.recv() => {
                    silence.as_mut().reset(tokio::time::Instant::now() + SILENCE_MAX);
                    let line = line.ok_or_else(|| End::Lost("the server closed the connection".to_owned()))?;
                    self.heard(&mut client, &line)?
                }
                Some(share) = shares.recv() => client.submit(&share),
                _ = status.tick() => {
                    self.report.status(self.miner).map_err(End::Failed)?;
                    None
                }
                () = &mut silence => return Err(End::Lost("the server is silent".to_owned())),
            };
            if let Some(line) = to_send {
                writer.write_all(line.as_bytes()).await.map_err(lost)?;
            }
        }
    }

    fn heard(&mut self, client: &mut Client, line: &str) -> Result<Option<String>, End> {
        let heard = client.line(line).map_err(|nonsense| {
            let text = nonsense.to_string();
            if self.is_authorized { End::Lost(text) } else { End::Failed(Failure::failed("protocol", text)) }
        })?;
        match heard {
            Heard::Nothing => {}
            Heard::Authorized => {
                self.is_authorized = true;
                self.report.connected(self.address).map_err(End::Failed)?;
            }
            Heard::Refused(reason) => return Err(End::Refused(reason)),
            Heard::Job => self.miner.set_task(client.job().cloned()),
            Heard::Accepted { block } => {
                let block = block.map(|block| block.to_string());
                self.report.accepted(block.as_deref()).map_err(End::Failed)?;
            }
            Heard::Rejected { code, reason } => {
                self.report.refused(Some(code), &reason).map_err(End::Failed)?;
            }
            Heard::Answer(line) => return Ok(Some(line)),
        }
        Ok(None)
    }
}

/// Hands on whole lines, none longer than the limit.
async fn read(reader: OwnedReadHalf, lines: mpsc::Sender<String>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await;
        if read.is_err() || line.pop() != Some(b'\n') {
            return;
        }
        let Ok(line) = String::from_utf8(line) else { return };
        if lines.send(line).await.is_err() {
            return;
        }
    }
}
