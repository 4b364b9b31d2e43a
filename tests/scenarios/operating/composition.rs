//! The composed service without containers: RabbitMQ and Redis with the files that docker-compose.yml mounts, and the
//! processes with the settings that it gives them.

use std::collections::BTreeSet;

use chassis::{Secret, Shutdown};
use ops::webhook::Meta;
use testkit::eventually;
use tokio::process::Command;

use crate::support::bodies::{ADDRESS, text};
use crate::support::composed_servers::{ComposedBroker, LocalSecrets, redis};
use crate::support::dsk::start_dsk;
use crate::support::metrics_page::figure;
use crate::support::stack::{get, program};
use crate::support::workspace::root;

/// The app secret that signs Meta's notifications.
fn app_secret(secrets: &LocalSecrets) -> Secret {
    Secret::new(secrets.read("app-secret"))
}

async fn probe(admin: &str, path: &str) -> (Option<i32>, String) {
    let output = Command::new(program("probe")).arg(format!("http://{admin}{path}")).output().await.expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_delivered_with_the_composed_files_and_settings() {
    let ComposedBroker { secrets, .. } = ComposedBroker::shared().await;
    let redis = redis(secrets).await;
    secrets.lead_to_redis(&redis);
    let shutdown = Shutdown::default();
    let dsk = start_dsk(&secrets.read("dsk-token"), &secrets.read("signing-secret"), &shutdown).await;
    let any_port = ("ADMIN_LISTEN", "127.0.0.1:0");

    let mut ingest = secrets.start("ingest", &[any_port, ("INGEST_LISTEN", "127.0.0.1:0")]);
    let mut dispatcher = secrets.start("dispatcher", &[any_port, ("DSK_URL", &dsk.url())]);
    let token = secrets.path("dsk-token").display().to_string();
    secrets.ops(&["channels", "add", ADDRESS, "--tenant", "acme", "--dsk-token-file", &token], &[]).await;
    let meta = Meta::new(ingest.logs("taken at ").await.parse().expect("an address"), app_secret(secrets));
    eventually("it is accepted", async || (meta.post(text(1)).await.ok()?.as_u16() == 200).then_some(())).await;

    eventually("it is delivered", async || (dsk.events() == 1).then_some(())).await;
    for process in [&mut ingest, &mut dispatcher] {
        let admin = process.logs("Admin port listens on ").await;
        eventually("it is ready", async || (probe(&admin, "/ready").await.0 == Some(0)).then_some(())).await;
        assert_eq!(probe(&admin, "/live").await, (Some(0), String::new()));
    }
    // Redis restores everything from its user list and its append-only file.
    redis.restart().await;
    eventually("another event is accepted", async || (meta.post(text(2)).await.ok()?.as_u16() == 200).then_some(()))
        .await;
    eventually("it is delivered, too", async || (dsk.events() == 2).then_some(())).await;
    let password = secrets.read("redis-password-ops");
    eventually("the dispatcher writes its report", async || {
        let keys = redis.command_as("ops", &password, &["SCAN", "0", "MATCH", "dispatcher:*", "COUNT", "1000"]).await;
        keys.contains("dispatcher:").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_serves_its_pages_with_the_composed_files_and_one_app() {
    let secrets = LocalSecrets::make();
    let redis = redis(&secrets).await;
    secrets.lead_to_redis(&redis);
    std::fs::write(secrets.path("instagram-app-secret"), "given by Meta").expect("the folder is ours");
    let changed = [
        ("CONNECT_URL", "https://connect.example.com"),
        ("INSTAGRAM_APP_ID", "1"),
        ("PRIVACY_CONTACT", "Example Ltd, privacy@example.com"),
    ];
    let any_port = [("ADMIN_LISTEN", "127.0.0.1:0"), ("CONNECT_LISTEN", "127.0.0.1:0")];

    let mut connect = secrets.start("connect", &[&changed[..], &any_port[..]].concat());
    let address = connect.logs("Pages are served at http://").await;
    let admin = connect.logs("Admin port listens on ").await;

    eventually("it is ready", async || (probe(&admin, "/ready").await.0 == Some(0)).then_some(())).await;
    assert_eq!(get(&address, "/privacy").await.0, 200);
    // The rights of the user in Redis cover everything that connect does.
    let (_, page) = get(&admin, "/metrics").await;
    assert_eq!(figure::<u64>(&page, r#"channels_errors_total{reason="refused"}"#), 0, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_why_a_process_is_not_ready() {
    let secrets = LocalSecrets::make();
    secrets.lead_to_broker("127.0.0.1:1");
    let mut ingest = secrets.start("ingest", &[("ADMIN_LISTEN", "127.0.0.1:0"), ("INGEST_LISTEN", "127.0.0.1:0")]);
    let admin = ingest.logs("Admin port listens on ").await;

    let (code, reason) = probe(&admin, "/ready").await;

    assert_eq!(code, Some(1));
    assert!(reason.starts_with("not ready: "), "{reason}");
    assert_eq!(probe("127.0.0.1:1", "/ready").await.0, Some(1));
    assert_eq!(probe("nowhere", "/ready").await.0, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_has_one_user_for_each_process_with_the_rights_that_it_needs_and_shows_its_metrics() {
    let ComposedBroker { server, metrics, secrets } = ComposedBroker::shared().await;

    let users = server.control(&["--quiet", "list_users"]).await;
    for user in ["ingest", "dispatcher", "ops"] {
        server.control(&["authenticate_user", user, &secrets.read(&format!("rabbitmq-password-{user}"))]).await;
    }
    let rights = server.control(&["--quiet", "--vhost", "meta", "list_permissions"]).await;
    let (status, page) = get(metrics, "/metrics").await;

    let names = |table: &str| {
        let lines = table.lines().skip(1).filter_map(|line| line.split_whitespace().next().map(str::to_owned));
        lines.collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&users), BTreeSet::from(["dispatcher", "ingest", "ops"].map(str::to_owned)));
    assert!(users.lines().skip(1).all(|line| line.ends_with("[]")), "a user is an administrator: {users}");
    // Ingest publishes, and can neither read, delete nor declare a queue.
    assert!(rights.lines().any(|line| line == "ingest\t^$\t^amq\\.default$\t^$"), "{rights}");
    assert!(status == 200 && page.contains("rabbitmq_connections"), "{status}: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_limit_the_queues_and_an_operator_may_shorten_them() {
    let broker = ComposedBroker::shared().await;
    broker.secrets.ops(&["topology"], &[]).await;
    let limited = broker.policy("meta.messages.v2.00").await;
    let retried = broker.policy("meta.updates.retry.10s.v2").await;
    let parked = broker.policy("meta.dead.v1").await;

    let shorter = root().join("ops/rabbitmq/shorter-retention.json").display().to_string();
    broker.server.control(&["import_definitions", &shorter]).await;
    let shortened = eventually("the policy with the higher priority holds", async || {
        let policy = broker.policy("meta.messages.v2.00").await;
        (policy.name == "message-partitions-3-days").then_some(policy.line)
    });

    assert_eq!((limited.name.as_str(), retried.name.as_str()), ("message-partitions", "retry-queues"));
    let bytes = r#""max-length-bytes":500000000"#;
    assert!(limited.line.contains(bytes), "{}", limited.line);
    let shortened = shortened.await;
    assert!(shortened.contains(bytes) && shortened.contains(r#""message-ttl":259200000"#), "{shortened}");
    // One policy holds for a queue, so the shorter one has to repeat the limit.
    let parked_shorter = broker.policy("meta.dead.v1").await;
    assert_eq!((parked.name.as_str(), parked_shorter.name.as_str()), ("dead-letters", "dead-letters-5-days"));
    let bytes = format!(r#""max-length-bytes":{}"#, queue::DEAD_BYTES_MAX);
    for policy in [parked, parked_shorter] {
        assert!(policy.line.contains(&bytes), "{}", policy.line);
    }
    broker.secrets.ops(&["topology"], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_killed_starts_again_with_its_events_its_users_and_its_policies() {
    let broker = ComposedBroker::start().await;
    let secrets = &broker.secrets;
    // Ingest may not declare the queues.
    secrets.ops(&["topology"], &[]).await;
    let redis = redis(secrets).await;
    secrets.lead_to_redis(&redis);
    let any_port = ("ADMIN_LISTEN", "127.0.0.1:0");
    let mut ingest = secrets.start("ingest", &[any_port, ("INGEST_LISTEN", "127.0.0.1:0")]);
    let meta = Meta::new(ingest.logs("taken at ").await.parse().expect("an address"), app_secret(secrets));
    let accepted = async |number| {
        eventually("it is accepted", async || (meta.post(text(number)).await.ok()?.as_u16() == 200).then_some(()))
            .await;
    };
    accepted(1).await;

    broker.server.kill();
    broker.server.start_again().await;

    accepted(2).await;
    assert_eq!(broker.policy("meta.messages.v2.00").await.name, "message-partitions");
    let shutdown = Shutdown::default();
    let dsk = start_dsk(&secrets.read("dsk-token"), &secrets.read("signing-secret"), &shutdown).await;
    let token = secrets.path("dsk-token").display().to_string();
    secrets.ops(&["channels", "add", ADDRESS, "--tenant", "acme", "--dsk-token-file", &token], &[]).await;
    let _dispatcher = secrets.start("dispatcher", &[any_port, ("DSK_URL", &dsk.url())]);
    eventually("both are delivered", async || (dsk.events() == 2).then_some(())).await;
}
