use super::*;
use crate::net::spec::NodeSpec;
use bezant_consensus::ledger::hash::tagged;
use saphyr::{LoadableYamlNode, Yaml};

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&tagged("test", &[&[number]]))
}

/// Five nodes, the last an observer, on these hosts; of the second host's node 1 the keys are 11 and 21.
fn plan(hosts: &[&str]) -> Plan {
    let hosts: Vec<Host> = hosts.iter().map(|host| host.parse().expect("a host")).collect();
    let member = |index: u8| NodeSpec {
        peer_id: format!("peer{index}"),
        validator: (index < 4).then(|| key(20 + index).public().to_string()),
        p2p_port: 1,
        rpc_port: 2,
        stratum_port: None,
    };
    let spec = NetSpec {
        version: 1,
        net: "My_net".to_owned(),
        engine: EngineName::Pbft,
        nodes: 4,
        observers: 1,
        block_time_ms: 0,
        seed: 7,
        dev_token: "here".to_owned(),
        clock_offset_ms: 5,
        last_alive_ms: 0,
        members: (0..5).map(member).collect(),
        incarnation: 2,
        set_backs: Vec::new(),
        hosts: Vec::new(),
        scenario: None,
    };
    let node = |index: u8| PlannedNode {
        index: usize::from(index),
        host: hosts[usize::from(index) % hosts.len()].clone(),
        identity: keyfile::text(&key(10 + index), None),
        validator: (index < 4).then(|| keyfile::text(&key(20 + index), None)),
    };
    Plan {
        net: "My_net".to_owned(),
        genesis: "version = 1\n# \"quoted\"\n".to_owned(),
        nodes: (0..5).map(node).collect(),
        hosts,
        token: "there".to_owned(),
        spec,
    }
}

fn documents(text: &str) -> Vec<Yaml<'_>> {
    Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn file<'a>(files: &'a [Written], path: &str) -> &'a Written {
    files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}"))
}

/// The configuration as a node reads it.
fn config(text: &str) -> NodeConfig {
    let config = NodeConfig::from_toml(text).expect("a configuration");
    config.check().expect("one that a node starts with");
    config
}

#[test]
fn secrets_are_for_nobody_else_in_all_of_them() {
    let plan = plan(&["one.example", "10.0.0.2"]);
    for target in [Target::Compose, Target::Kubernetes, Target::Systemd] {
        let all = files(&plan, target);
        let seeds: Vec<String> = (0..5).map(|index| plan.nodes[index].identity.trim().to_owned()).collect();
        for file in &all {
            let tells = seeds.iter().any(|seed| file.text.contains(seed)) || file.text.contains("there");
            let tells = tells && file.path != "README.md";
            assert!(!tells || file.mode == 0o600, "{target:?} {} {:o}", file.path, file.mode);
        }
        assert!(all.iter().any(|file| file.mode == 0o600), "{target:?}");
        assert!(file(&all, "README.md").text.contains("| node1 | 10.0.0.2 | validator | 26602 | 26603 |"));
        assert!(file(&all, "README.md").text.contains("| node4 | one.example | observer |"));
        let paths: BTreeSet<&String> = all.iter().map(|file| &file.path).collect();
        assert_eq!(paths.len(), all.len(), "{target:?}");
    }
}

#[test]
fn compose_files_are_yaml_and_their_nodes_find_each_other() {
    let plan = plan(&["one.example", "10.0.0.2"]);
    let all = files(&plan, Target::Compose);
    let text = &file(&all, "10.0.0.2/compose.yaml").text;
    let documents = documents(text);
    assert_eq!(documents[0]["name"].as_str(), Some("bezant-my_net"));
    let services = &documents[0]["services"];
    assert_eq!(services["node1"]["ports"][1].as_str(), Some("127.0.0.1:26603:26603"));
    assert_eq!(services["node3"]["volumes"][0].as_str(), Some("./node3:/bezant"));
    assert_eq!(services["node3"]["command"][0].as_str(), Some("node"));
    assert!(!text.contains("  node0:"), "it is on the other host");
    let config = config(&file(&all, "10.0.0.2/node1/node.toml").text);
    assert_eq!(config.p2p.peers[0], "/dns/one.example/tcp/26600/p2p/peer0");
    assert_eq!(config.p2p.peers[2], "/ip4/10.0.0.2/tcp/26606/p2p/peer3");
    assert_eq!(config.p2p.peers.len(), 4);
    assert_eq!((config.dev.set_backs[0].incarnation, config.dev.set_backs[0].height), (3, 0));
    assert!(!config.dev.stop_with_stdin && config.dev.clock_offset_ms == 0);
    assert!(!all.iter().any(|file| file.path == "one.example/node4/validator.key"), "an observer has none");
}

#[test]
fn the_manifest_of_a_cluster_is_yaml() {
    let plan = plan(&["worker-1", "worker-2"]);
    let all = files(&plan, Target::Kubernetes);
    let documents = documents(&file(&all, "net.yaml").text);
    let kinds: Vec<&str> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
    assert_eq!(kinds.len(), 2 + 3 * 5);
    assert_eq!(kinds[..5], ["Namespace", "ConfigMap", "Secret", "Service", "StatefulSet"]);
    assert_eq!(documents[1]["data"]["genesis.toml"].as_str(), Some(plan.genesis.as_str()), "byte for byte");
    let secret = &documents[2]["stringData"];
    assert_eq!(secret["validator.key"].as_str(), plan.nodes[0].validator.as_deref());
    let config = config(secret["node.toml"].as_str().expect("a text"));
    assert_eq!(config.p2p.peers[0], "/dns/node1.bezant-my-net.svc/tcp/26602/p2p/peer1");
    let pod = &documents[7]["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"]["kubernetes.io/hostname"].as_str(), Some("worker-2"));
    assert_eq!(pod["containers"][0]["ports"][1]["containerPort"].as_integer(), Some(26_603));
    assert!(pod["initContainers"][0]["command"][2].as_str().is_some_and(|copy| copy.contains("validator.key")));
}

#[test]
fn units_run_with_little_and_scripts_are_sound() {
    let plan = plan(&["::1", "two"]);
    let all = files(&plan, Target::Systemd);
    let unit = &file(&all, "__1/bezant-My_net-node2.service").text;
    for wanted in [
        "User=bezant",
        "NoNewPrivileges=yes",
        "ExecStart=/usr/local/bin/bezant node --config /var/lib/bezant/My_net-node2/node.toml",
    ] {
        assert!(unit.contains(wanted), "{unit}");
    }
    let config = config(&file(&all, "two/node1/node.toml").text);
    assert_eq!(config.rpc.listen.to_string(), "127.0.0.1:26603");
    assert_eq!(config.p2p.peers[0], "/ip6/::1/tcp/26600/p2p/peer0");
    let script = &file(&all, "two/install.sh").text;
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("install.sh");
    std::fs::write(&path, script).expect("a file");
    let checked = std::process::Command::new("sh").arg("-n").arg(&path).output().expect("there is a shell");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn hosts_are_names_or_addresses() {
    for good in ["a", "a.b-c.example", "10.0.0.1", "::1", "2001:db8::1"] {
        assert!(good.parse::<Host>().is_ok(), "{good}");
    }
    for bad in ["", "a b", "a/b", "../x", "-a", "a..b", "a;rm", "$(x)", "a\nb", &"a".repeat(64)] {
        assert!(bad.parse::<Host>().is_err(), "{bad}");
    }
}

#[test]
fn all_is_written_or_nothing() {
    let plan = plan(&["one"]);
    let place = tempfile::tempdir().expect("a directory");
    let to = place.path().join("out");
    let deployed = write(&plan, Target::Compose, &to).expect("it is written");
    assert_eq!(deployed.hosts[0].nodes, [0, 1, 2, 3, 4]);
    let key = std::fs::metadata(to.join("one/node0/validator.key")).expect("it is there");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert!(write(&plan, Target::Compose, &to).is_err(), "it is there already");
    assert_eq!(std::fs::read_dir(place.path()).expect("a directory").count(), 1, "nothing else is left");
}
