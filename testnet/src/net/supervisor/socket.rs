//! The control socket: requests come in, each connection's in order, and every one is answered by the loop.

use super::CONTROL_FILE;
use crate::net::error::NetError;
use bezant_api::control::{ControlRequest, ControlResponse, read_line};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

/// Longest path that a local socket may have on all systems we know.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// A request, and where its answer goes.
pub(super) type Request = (ControlRequest, oneshot::Sender<ControlResponse>);

/// Where the socket of the net in `dir` is.
pub(super) fn control_path(dir: &Path) -> Result<PathBuf, NetError> {
    let path = dir.join(CONTROL_FILE);
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok(path);
    }
    // A deep directory: the socket lives in a private one of the system's temporary files instead.
    let short = tempfile::Builder::new().prefix("bezant-").tempdir().map_err(NetError::io(std::env::temp_dir()))?;
    Ok(short.keep().join(CONTROL_FILE))
}

/// Takes connections, each in a task of its own.
pub(super) async fn accept(listener: UnixListener, requests: mpsc::Sender<Request>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, requests.clone()));
    }
}

async fn converse(stream: UnixStream, requests: mpsc::Sender<Request>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let response = match read_line::<ControlRequest, _>(&mut reader).await {
            Ok(None) => return,
            Ok(Some(request)) => {
                let (answer, answered) = oneshot::channel();
                if requests.send((request, answer)).await.is_err() {
                    return;
                }
                let Ok(response) = answered.await else { return };
                response
            }
            Err(error) => ControlResponse::Failed { message: format!("not understood: {error}") },
        };
        let failed = matches!(response, ControlResponse::Failed { .. });
        let mut line = serde_json::to_vec(&response).expect("a response has a JSON form");
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() || failed {
            return;
        }
    }
}
