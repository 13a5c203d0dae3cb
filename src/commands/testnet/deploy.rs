//! `bezant testnet export-deploy`.

use crate::cli::{DeployTarget, ExportDeploy, Global};
use crate::commands::net;
use crate::output::{Outcome, Output};
use bezant_testnet::net::deploy::{self, Plan, Target};
use std::path::PathBuf;

pub(super) fn run(options: ExportDeploy, global: &Global, output: &Output) -> Outcome {
    let dir = net::dir(&options.net, global)?;
    let (target, name) = match options.target {
        DeployTarget::Compose => (Target::Compose, "compose"),
        DeployTarget::Kubernetes => (Target::Kubernetes, "kubernetes"),
        DeployTarget::Systemd => (Target::Systemd, "systemd"),
    };
    let out = options.out.unwrap_or_else(|| PathBuf::from(format!("{}-{name}", options.net.net)));
    let plan = Plan::read(&options.net.net, &dir, options.hosts)?;
    let deployed = deploy::write(&plan, target, &out)?;
    output.remark("the files hold the validators' keys: give each host its own, and nobody else any");
    output.result(&deployed, || {
        let count = deployed.files.len();
        format!("{count} files in {}; README.md there says how to go on", deployed.dir.display())
    })
}
