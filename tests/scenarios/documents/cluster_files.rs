//! `ops/cluster` agrees with itself, with the service on one broker, and with the secrets that are made for it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::documents::container_files::{self, object, texts};
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

/// The secrets of compose.yml whose names begin like this, as ops/local-secrets.sh makes them.
fn made_secrets(start: &str) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = Command::new("bash").arg(root().join("ops/local-secrets.sh")).arg(folder.path()).output();
    assert!(made.expect("there is bash").status.success());
    let secrets = object(&cluster("compose.yml"), "/secrets").into_iter().filter(|(name, _)| name.starts_with(start));
    let text = |given: &Value| {
        let file = given["file"].as_str().and_then(|file| file.strip_prefix("./local/")).expect("it lies in local");
        read(&folder.path().join(file))
    };
    secrets.map(|(name, given)| (name, text(&given))).collect()
}

#[test]
fn the_nodes_that_find_each_other_are_those_that_compose_starts_and_that_processes_reach() {
    let compose = cluster("compose.yml");
    let services = object(&compose, "/services");
    let nodes = nodes();

    assert_eq!(nodes, ["rabbitmq", "rabbitmq-2", "rabbitmq-3"]);
    for node in &nodes {
        let service = services.get(node).unwrap_or_else(|| panic!("no service is called {node}"));
        // The first keeps the host name that docker-compose.yml gives it, and so the queues that it had alone.
        let host = service.get("hostname").and_then(Value::as_str);
        assert!(host == Some(node) || host.is_none() && node == "rabbitmq", "{node}");
        let configuration = "./ops/cluster/rabbitmq.conf:/etc/rabbitmq/conf.d/30-cluster.conf:ro";
        assert!(texts(service, "/volumes").iter().any(|volume| volume == configuration), "{node}");
    }
    let hosts: Vec<String> = nodes.iter().map(|node| format!("{node}:5672")).collect();
    let addresses = made_secrets("queue-url-");
    assert_eq!(addresses.len(), 3);
    assert!(addresses.iter().all(|(_, text)| text.ends_with(&format!("@{}/meta", hosts.join(",")))), "{addresses:?}");
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

#[test]
fn the_sentinels_watch_the_first_server_and_processes_reach_all_three() {
    let compose = cluster("compose.yml");
    let services = object(&compose, "/services");
    let settings = read(&root().join("ops/cluster/sentinel.conf"));

    assert!(settings.contains("sentinel monitor channels redis 6379 2\n"), "{settings}");
    for (name, first) in [("redis", None), ("redis-2", Some("redis")), ("redis-3", Some("redis"))] {
        let service = &services[name];
        let command: Vec<&str> = ["sh", "/etc/redis/redis.sh"].into_iter().chain(first).collect();
        assert_eq!((service["hostname"].as_str(), texts(service, "/command")), (Some(name), owned(&command)), "{name}");
        assert_eq!(texts(service, "/secrets"), ["redis-password-replica"], "{name}");
        // docker-compose.yml gives the first one its volume.
        let is_kept = first.is_none() || texts(service, "/volumes").contains(&format!("{name}:/data"));
        assert!(is_kept, "{name} loses its data with its container");
    }
    let sentinels = ["sentinel", "sentinel-2", "sentinel-3"];
    for name in sentinels {
        let service = &services[name];
        assert_eq!(service["hostname"], name);
        assert!(texts(service, "/volumes").contains(&format!("{name}:/data")), "{name} forgets who is the primary");
        let alone = &container_files::services()["redis"];
        assert_eq!((&service["image"], &service["user"]), (&alone["image"], &alone["user"]), "{name}");
        assert_eq!(texts(service, "/networks"), texts(alone, "/networks"), "{name}");
        for right in ["read_only", "cap_drop", "security_opt", "ulimits", "restart", "logging"] {
            assert_eq!(service[right], alone[right], "{name}: {right}");
        }
        assert_eq!(service.pointer("/deploy/resources/limits/pids").and_then(Value::as_u64), Some(1_024), "{name}");
    }
    let hosts = sentinels.map(|name| format!("{name}:26379")).join(",");
    let addresses = made_secrets("channels-url-");
    assert_eq!(addresses.len(), 3);
    for (name, url) in addresses {
        let user = name.trim_start_matches("channels-url-");
        assert!(url.starts_with(&format!("redis+sentinel://{user}:")), "{name}");
        assert!(url.contains(&format!("@{hosts}/channels/0?sentinel_user=service&sentinel_password=")), "{name}");
    }
}

#[test]
fn the_users_of_the_set_are_those_of_one_redis_and_those_of_the_servers_themselves() {
    let names = |list: &str| -> Vec<String> {
        let lines = list.lines().filter_map(|line| line.strip_prefix("user "));
        lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let alone = read(&root().join("ops/redis/users.acl"));
    let made = made_secrets("redis-acl").remove("redis-acl").expect("it is made");

    assert_eq!(names(&made), [names(&alone), owned(&["replica", "sentinel"])].concat());
    assert!(!made.contains("PASSWORD"), "a password was not inserted: {made}");
    let sentinels = made_secrets("sentinel-users").remove("sentinel-users").expect("it is made");
    assert!(!sentinels.contains("PASSWORD"), "a password was not inserted");
    assert_eq!(names(&sentinels), owned(&["default", "sentinel", "service", "health"]));
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
