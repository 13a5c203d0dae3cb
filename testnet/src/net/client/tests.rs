use super::ask;
use crate::net::error::NetError;
use bezant_api::control::ControlRequest;
use bezant_api::manifest::{Manifest, SupervisorEntry};
use bezant_api::types::EngineName;
use std::os::unix::net::UnixListener;

#[tokio::test]
async fn a_supervisor_that_is_gone_means_that_the_net_is_not_running() {
    let dir = tempfile::tempdir().expect("a directory");
    let control = dir.path().join("control.sock");
    let manifest = Manifest {
        version: 1,
        net: "n".to_owned(),
        engine: EngineName::Pbft,
        network_id: String::new(),
        dir: dir.path().to_owned(),
        seed: 0,
        dev_token: String::new(),
        supervisor: SupervisorEntry { pid: 0, started: String::new(), control: control.clone() },
        nodes: Vec::new(),
        clock_offset_ms: 0,
        accounts: Vec::new(),
    };
    let asked = || ask(&manifest, &ControlRequest::Heal);
    assert!(matches!(asked().await, Err(NetError::NotRunning(net)) if net == "n"), "its socket is gone");
    drop(UnixListener::bind(&control).expect("a socket"));
    assert!(matches!(asked().await, Err(NetError::NotRunning(_))), "its socket was left, and nobody listens");
}
