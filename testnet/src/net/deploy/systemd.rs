//! A directory for each host with a hardened unit for each of its nodes.

use super::{Plan, PlannedNode, Written, open, readme, secret};
use std::net::Ipv4Addr;

const HOW: &str = "\
## How

On each host, with the directory that bears its name, as root: put the program at `/usr/local/bin/bezant`, then `sh install.sh`. It
makes the user `bezant`, copies files to `/etc/systemd/system` and `/var/lib/bezant`, and starts the nodes. What is at home there
already is left alone. Then `systemctl status 'bezant-*'` and `journalctl -u UNIT -f`.";

pub(super) fn files(plan: &Plan) -> Vec<Written> {
    let mut files = vec![readme(plan, HOW)];
    for host in &plan.hosts {
        let place = host.directory();
        let mut units = Vec::new();
        for node in plan.of_host(host) {
            let unit = unit_name(plan, node);
            let home = format!("/var/lib/bezant/{}-node{}", plan.net, node.index);
            files.push(open(format!("{place}/{unit}.service"), service(plan, node, &home)));
            let below = format!("{place}/node{}", node.index);
            let reached = |node: &PlannedNode| node.host.multiaddress();
            files.push(secret(format!("{below}/node.toml"), plan.config(node, &home, reached, Ipv4Addr::LOCALHOST)));
            files.push(secret(format!("{below}/data/node.key"), node.identity.clone()));
            files.extend(node.validator.iter().map(|key| secret(format!("{below}/validator.key"), key.clone())));
            files.push(open(format!("{below}/genesis.toml"), plan.genesis.clone()));
            units.push((unit, node.index, home));
        }
        files.push(open(format!("{place}/install.sh"), install(&units)));
    }
    files
}

fn unit_name(plan: &Plan, node: &PlannedNode) -> String {
    format!("bezant-{}-node{}", plan.net, node.index)
}

fn service(plan: &Plan, node: &PlannedNode, home: &str) -> String {
    format!(
        "[Unit]\nDescription=Bezant {net}, node{index}\nAfter=network-online.target\nWants=network-online.target\n\n\
         [Service]\nUser=bezant\nGroup=bezant\nExecStart=/usr/local/bin/bezant node --config {home}/node.toml\n\
         Restart=on-failure\nRestartSec=2\nTimeoutStopSec=30\nUMask=0077\n\
         NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\nReadWritePaths={home}\nPrivateTmp=yes\nPrivateDevices=yes\n\
         ProtectKernelTunables=yes\nProtectKernelModules=yes\nProtectControlGroups=yes\nRestrictSUIDSGID=yes\n\
         RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX\nLockPersonality=yes\nCapabilityBoundingSet=\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        net = plan.net,
        index = node.index,
    )
}

fn install(units: &[(String, usize, String)]) -> String {
    let mut text = "#!/bin/sh\nset -eu\ncd \"$(dirname \"$0\")\"\n\
        id bezant >/dev/null 2>&1 || useradd --system --home-dir /var/lib/bezant --shell /usr/sbin/nologin bezant\n\
        install -d -m 0755 -o bezant -g bezant /var/lib/bezant\n"
        .to_owned();
    for (unit, index, home) in units {
        text += &format!(
            "\n# A validator's key is never put back: the node writes into it.\nif [ ! -e {home} ]; then\n  \
             cp -R node{index} {home}.new\n  chown -R bezant:bezant {home}.new\n  chmod -R go-rwx {home}.new\n  \
             mv {home}.new {home}\nfi\ninstall -m 0644 {unit}.service /etc/systemd/system/{unit}.service\n"
        );
    }
    text += "\nsystemctl daemon-reload\n";
    for (unit, ..) in units {
        text += &format!("systemctl enable --now {unit}.service\n");
    }
    text
}
