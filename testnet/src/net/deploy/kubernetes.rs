//! One manifest for a cluster: of each node its secrets, a service, and a stateful set on the machine that was named.

use super::{Plan, PlannedNode, Written, open, quoted, readme, secret};
use std::net::Ipv4Addr;

const HOW: &str = "\
## How

1. Make an image of the program (`FROM debian:stable-slim`, `COPY bezant /usr/local/bin/`), and name it in `net.yaml` in the place of
   `bezant:local`, or load it onto the machines.
2. `kubectl apply -f net.yaml`. It holds the keys as secrets: keep the file to yourself.
3. `kubectl -n NAMESPACE get pods -o wide`, and `kubectl -n NAMESPACE port-forward node0-0 8545:26601` for RPC.

The hosts are names of the cluster's machines (`kubectl get nodes`).";

pub(super) fn files(plan: &Plan) -> Vec<Written> {
    let name = format!("bezant-{}", plan.net.to_lowercase().replace('_', "-"));
    // A label of DNS.
    let namespace = name.chars().take(63).collect::<String>().trim_end_matches('-').to_owned();
    let mut parts = vec![format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n", quoted(&namespace))];
    parts.push(format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: genesis\n  namespace: {}\ndata:\n  genesis.toml: {}\n",
        quoted(&namespace),
        quoted(&plan.genesis)
    ));
    for node in &plan.nodes {
        parts.extend([secrets(plan, node, &namespace), service(node, &namespace), stateful_set(node, &namespace)]);
    }
    let how = HOW.replace("NAMESPACE", &namespace);
    vec![readme(plan, &how), secret("net.yaml".to_owned(), parts.join("---\n")), open(
        "Dockerfile".to_owned(),
        "FROM debian:stable-slim\nCOPY --chmod=0755 bezant /usr/local/bin/bezant\nUSER 10001:10001\nENTRYPOINT [\"/usr/local/bin/bezant\"]\n".to_owned(),
    )]
}

fn secrets(plan: &Plan, node: &PlannedNode, namespace: &str) -> String {
    let reached = |node: &PlannedNode| format!("/dns/node{}.{namespace}.svc", node.index);
    let config = plan.config(node, "/bezant", reached, Ipv4Addr::UNSPECIFIED);
    let mut text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: node{}\n  namespace: {}\nstringData:\n  node.toml: {}\n  node.key: {}\n",
        node.index,
        quoted(namespace),
        quoted(&config),
        quoted(&node.identity)
    );
    if let Some(key) = &node.validator {
        text += &format!("  validator.key: {}\n", quoted(key));
    }
    text
}

fn service(node: &PlannedNode, namespace: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: node{index}\n  namespace: {namespace}\nspec:\n  clusterIP: None\n  \
         publishNotReadyAddresses: true\n  selector:\n    app: node{index}\n  ports:\n    - name: p2p\n      port: {p2p}\n",
        index = node.index,
        namespace = quoted(namespace),
        p2p = node.p2p_port(),
    )
}

/// The node writes into its key, so it has a copy of its own, made once.
const COPY: &str = "umask 077; mkdir -p /bezant/data; cp /genesis/genesis.toml /secret/node.toml /bezant/; \
    for key in validator.key data/node.key; do from=/secret/$(basename $key); \
    if [ -e $from ] && [ ! -e /bezant/$key ]; then cp $from /bezant/$key.new && mv /bezant/$key.new /bezant/$key; fi; done";

fn stateful_set(node: &PlannedNode, namespace: &str) -> String {
    let (index, rpc) = (node.index, node.rpc_port());
    format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: node{index}\n  namespace: {namespace}\nspec:\n  replicas: 1\n  \
         serviceName: node{index}\n  selector:\n    matchLabels:\n      app: node{index}\n  template:\n    metadata:\n      \
         labels:\n        app: node{index}\n    spec:\n      nodeSelector:\n        kubernetes.io/hostname: {host}\n      \
         securityContext:\n        runAsNonRoot: true\n        runAsUser: 10001\n        runAsGroup: 10001\n        fsGroup: 10001\n      \
         terminationGracePeriodSeconds: 30\n      initContainers:\n        - name: keys\n          image: \"bezant:local\"\n          \
         command: [\"/bin/sh\", \"-ec\", {copy}]\n          volumeMounts:\n            - {{name: home, mountPath: /bezant}}\n            \
         - {{name: secret, mountPath: /secret, readOnly: true}}\n            - {{name: genesis, mountPath: /genesis, readOnly: true}}\n      \
         containers:\n        - name: node\n          image: \"bezant:local\"\n          \
         command: [\"/usr/local/bin/bezant\", \"node\", \"--config\", \"/bezant/node.toml\"]\n          ports:\n            \
         - {{name: p2p, containerPort: {p2p}}}\n            - {{name: rpc, containerPort: {rpc}}}\n          \
         readinessProbe:\n            tcpSocket: {{port: {rpc}}}\n          volumeMounts:\n            \
         - {{name: home, mountPath: /bezant}}\n      volumes:\n        - name: secret\n          secret:\n            \
         secretName: node{index}\n            defaultMode: 0440\n        - name: genesis\n          configMap:\n            name: genesis\n  \
         volumeClaimTemplates:\n    - metadata:\n        name: home\n      spec:\n        accessModes: [\"ReadWriteOnce\"]\n        \
         resources:\n          requests:\n            storage: 10Gi\n",
        namespace = quoted(namespace),
        host = quoted(&node.host.0),
        copy = quoted(COPY),
        p2p = node.p2p_port(),
    )
}
