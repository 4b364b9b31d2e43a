//! `ops/cluster` agrees with itself, with the service on one broker, and with the secrets that are made for it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::documents::container_files::{object, texts};
use crate::support::workspace::{read, root};

fn cluster(file: &str) -> Value {
    serde_saphyr::from_str(&read(&root().join("ops/cluster").join(file))).expect("it is YAML")
}

/// The lines of a configuration of RabbitMQ: name and value.
fn lines(text: &str) -> BTreeSet<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(" = "));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The hosts of the nodes that find each other.
fn nodes() -> Vec<String> {
    let configured = lines(&read(&root().join("ops/cluster/rabbitmq.conf")));
    let nodes = configured.iter().filter(|(name, _)| name.starts_with("cluster_formation.classic_config.nodes."));
    nodes.filter_map(|(_, node)| node.strip_prefix("rabbit@").map(str::to_owned)).collect()
}

#[test]
fn the_nodes_that_find_each_other_are_those_that_compose_starts_and_that_processes_reach() {
    let compose = cluster("compose.yml");
    let services = object(&compose, "/services");
    let nodes = nodes();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = Command::new("bash").arg(root().join("ops/local-secrets.sh")).arg(folder.path()).output();
    assert!(made.expect("there is bash").status.success());

    assert_eq!(nodes, ["rabbitmq", "rabbitmq-2", "rabbitmq-3"]);
    for node in &nodes {
        let service = services.get(node).unwrap_or_else(|| panic!("no service is called {node}"));
        // The first keeps the host name that docker-compose.yml gives it, and so the queues that it had alone.
        let host = service.get("hostname").and_then(Value::as_str);
        assert!(host == Some(node) || host.is_none() && node == "rabbitmq", "{node}");
        let configuration = "./ops/cluster/rabbitmq.conf:/etc/rabbitmq/conf.d/30-cluster.conf:ro";
        assert!(texts(service, "/volumes").iter().any(|volume| volume == configuration), "{node}");
    }
    for (secret, given) in object(&compose, "/secrets") {
        let file = given["file"].as_str().and_then(|file| file.strip_prefix("./local/")).expect("it lies in local");
        let text = read(&folder.path().join(file));
        let hosts: Vec<String> = nodes.iter().map(|node| format!("{node}:5672")).collect();
        assert!(secret == "erlang-cookie" || text.ends_with(&format!("@{}/meta", hosts.join(","))), "{file}");
    }
}

#[test]
fn kubernetes_runs_the_nodes_with_the_settings_of_compose() {
    let resource = cluster("rabbitmq.yaml");
    let given = lines(resource.pointer("/spec/rabbitmq/additionalConfig").and_then(Value::as_str).unwrap_or_default());
    let alone = lines(&read(&root().join("ops/rabbitmq/rabbitmq.conf")));
    let together = lines(&read(&root().join("ops/cluster/rabbitmq.conf")));

    // The operator writes these: how nodes find each other, the ports, and logs on standard output.
    let by_operator =
        ["cluster_formation.", "cluster_partition_handling", "listeners.", "management.", "prometheus.", "log."];
    let expected = alone.union(&together).filter(|(name, _)| !by_operator.iter().any(|one| name.starts_with(one)));
    assert_eq!(given, expected.cloned().collect());
    assert_eq!(resource["spec"]["replicas"], 3);
    let compose = read(&root().join("docker-compose.yml"));
    let image = resource["spec"]["image"].as_str().expect("it names its image");
    assert!(compose.contains(&format!("image: {image}\n")), "{image} is not the image of compose");
}
