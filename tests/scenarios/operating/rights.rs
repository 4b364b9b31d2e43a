//! The users of RabbitMQ and Redis have the rights that docs/security-rights.md lists, and no others.

use std::collections::BTreeMap;

use testkit::Redis;
use tokio::process::Command;

use crate::documents::container_files::compose;
use crate::support::composed_servers::{LocalSecrets, redis};
use crate::support::workspace::{read, root};

/// A key of each kind.
const KEYS: [&str; 12] = [
    "channel:whatsapp:1",
    "channels:initialised",
    "user:1",
    "delivered:evt_1",
    "trail:evt_1",
    "erased:1",
    "dispatcher:1",
    "ticket:1",
    "session:1",
    "erasure:1",
    "deletion:1",
    "lease:maintenance",
];

/// The answer of Redis to a command of a process.
async fn answer(redis: &Redis, secrets: &LocalSecrets, process: &str, command: &[&str]) -> String {
    let password = secrets.read(&format!("redis-password-{process}"));
    redis.command_as(process, &password, command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_reaches_its_own_keys_in_redis_and_no_others() {
    let secrets = LocalSecrets::make();
    let redis = redis(&secrets).await;

    assert!(redis.command(&["HGETALL", KEYS[0]]).await.starts_with("-NOAUTH"));
    for (process, unreachable) in [
        ("dispatcher", &["ticket:1", "session:1", "deletion:1", "lease:maintenance"][..]),
        ("connect", &["delivered:evt_1", "trail:evt_1", "dispatcher:1"]),
        ("ops", &[]),
    ] {
        for key in KEYS.into_iter().chain(["somebody-else"]) {
            let answer = answer(&redis, &secrets, process, &["HGETALL", key]).await;
            let is_refused = unreachable.contains(&key) || key == "somebody-else";
            assert_eq!(answer.starts_with("-NOPERM"), is_refused, "{process}, {key}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_can_change_delete_or_list_more_than_its_work_needs() {
    let secrets = LocalSecrets::make();
    let redis = redis(&secrets).await;

    for process in ["dispatcher", "connect", "ops"] {
        for refused in [
            &["FLUSHALL"][..],
            &["KEYS", "*"],
            &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
            &["CONFIG", "GET", "dir"],
            &["ACL", "LIST"],
            &["CLIENT", "KILL", "TYPE", "normal"],
            &["REPLICAOF", "203.0.113.1", "6379"],
            &["SHUTDOWN"],
            &["EVAL", "return 1", "0"],
        ] {
            let answer = answer(&redis, &secrets, process, refused).await;
            assert!(answer.starts_with("-NOPERM"), "{process}, {refused:?}: {answer}");
        }
        let rewrites = answer(&redis, &secrets, process, &["BGREWRITEAOF"]).await;
        assert_eq!(rewrites.starts_with("-NOPERM"), process != "dispatcher", "{process}: {rewrites}");
    }
    for refused in [&["INFO"][..], &["HGETALL", KEYS[0]], &["SCAN", "0"]] {
        let answer = redis.command_as("health", "any", refused).await;
        assert!(answer.starts_with("-NOPERM"), "{refused:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_of_redis_passes_and_nothing_is_evicted_or_forgotten() {
    let secrets = LocalSecrets::make();
    let redis = redis(&secrets).await;

    let script = compose()["services"]["redis"]["healthcheck"]["test"][1].as_str().unwrap_or_default().to_owned();
    let script = script.replace("redis-cli", &format!("redis-cli -p {}", redis.address().port()));
    let check = Command::new("sh").args(["-c", &script]).output().await.expect("there is a shell");

    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    // Without these lines Redis would evict records, or keep them in memory only.
    let file = read(&root().join("ops/redis/redis.conf"));
    for line in ["appendonly yes", "maxmemory-policy noeviction"] {
        assert!(file.lines().any(|other| other == line), "redis.conf does not say {line}");
    }
}

/// The rows of the tables in the document: the cells behind a user's name.
fn rows(document: &str) -> BTreeMap<String, Vec<String>> {
    let cells = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells
        .map(|(user, cells)| {
            let code = cells.split('`').skip(1).step_by(2);
            (user.to_owned(), code.map(|code| code.replace("\\|", "|")).collect())
        })
        .collect()
}

/// Every right is in the table, so that a reader of the table knows all of them.
#[test]
fn the_table_of_rights_is_that_of_the_shipped_files() {
    let rows = rows(&read(&root().join("docs/security-rights.md")));

    let users: serde_json::Value =
        serde_json::from_str(&read(&root().join("ops/rabbitmq/users.json"))).expect("it is JSON");
    for right in users["permissions"].as_array().expect("there are rights") {
        let user = right["user"].as_str().unwrap_or_default();
        let rights = ["configure", "write", "read"].map(|kind| right[kind].as_str().unwrap_or_default().to_owned());
        assert_eq!(rows.get(&format!("amqp {user}")), Some(&rights.to_vec()), "RabbitMQ's user {user}");
    }
    for line in read(&root().join("ops/redis/users.acl")).lines().filter_map(|line| line.strip_prefix("user ")) {
        let user = line.split(' ').next().unwrap_or_default();
        let rights = line.split(' ').filter(|word| word.starts_with(['~', '+'])).map(|word| word[1..].to_owned());
        let rights: Vec<String> = rights.collect();
        if user != "default" {
            assert_eq!(rows.get(&format!("redis {user}")), Some(&rights), "Redis' user {user}");
        }
    }
}
