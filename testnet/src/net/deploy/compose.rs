//! A directory for each host with a `compose.yaml`.

use super::{Plan, PlannedNode, Written, open, quoted, readme, secret};
use std::net::Ipv4Addr;

const DOCKERFILE: &str = "\
# Beside it: the program `bezant`, as it was built for Linux.
FROM debian:stable-slim
COPY --chmod=0755 bezant /usr/local/bin/bezant
USER 10001:10001
ENTRYPOINT [\"/usr/local/bin/bezant\"]
";

const HOW: &str = "\
## How

On each host, with the directory that bears its name (`scp -r HOST/ HOST:bezant/`):

1. Put the program `bezant` beside the `Dockerfile`, and build the image: `docker build -t bezant:local .`
2. `BEZANT_UID=$(id -u) BEZANT_GID=$(id -g) docker compose up -d`: the nodes run as you, for whom alone the keys can be read.
3. `docker compose ps`, `docker compose logs -f`, and `docker compose down` to stop. The ledger is in `nodeI/data`.";

pub(super) fn files(plan: &Plan) -> Vec<Written> {
    let mut files = vec![readme(plan, HOW)];
    for host in &plan.hosts {
        let place = host.directory();
        let mut text = format!("name: {}\nservices:\n", quoted(&format!("bezant-{}", plan.net.to_lowercase())));
        for node in plan.of_host(host) {
            text += &service(node);
            let home = format!("{place}/node{}", node.index);
            let reached = |node: &PlannedNode| node.host.multiaddress();
            // Within the container; the port is published on the host's loopback only.
            let config = plan.config(node, "/bezant", reached, Ipv4Addr::UNSPECIFIED);
            files.push(secret(format!("{home}/node.toml"), config));
            files.push(secret(format!("{home}/data/node.key"), node.identity.clone()));
            files.extend(node.validator.iter().map(|key| secret(format!("{home}/validator.key"), key.clone())));
            files.push(open(format!("{home}/genesis.toml"), plan.genesis.clone()));
        }
        files.push(open(format!("{place}/compose.yaml"), text));
        files.push(open(format!("{place}/Dockerfile"), DOCKERFILE.to_owned()));
    }
    files
}

fn service(node: &PlannedNode) -> String {
    let (index, p2p, rpc) = (node.index, node.p2p_port(), node.rpc_port());
    let volume = quoted(&format!("./node{index}:/bezant"));
    let [p2p, rpc] = [format!("{p2p}:{p2p}"), format!("127.0.0.1:{rpc}:{rpc}")].map(|text| quoted(&text));
    format!(
        "  node{index}:\n    image: \"bezant:local\"\n    user: \"${{BEZANT_UID:-1000}}:${{BEZANT_GID:-1000}}\"\n    \
         command: [\"node\", \"--config\", \"/bezant/node.toml\"]\n    restart: unless-stopped\n    stop_grace_period: 30s\n    \
         init: true\n    read_only: true\n    cap_drop: [\"ALL\"]\n    security_opt: [\"no-new-privileges:true\"]\n    \
         tmpfs: [\"/tmp\"]\n    volumes:\n      - {volume}\n    ports:\n      - {p2p}\n      - {rpc}\n"
    )
}
