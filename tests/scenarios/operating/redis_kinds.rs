//! The whole service on a Redis with sentinels and on a Redis Cluster: deliveries, connect's pages, the operator's commands.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::{RabbitMq, RedisCluster, SentinelSet, eventually, with_rights};

use crate::support::bodies::{ADDRESS, text};
use crate::support::connect_stack::ConnectStack;
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::{Backends, Processes, program};

/// A channel that the operator stores beside that of the processes.
const OTHER: &str = "instagram:17841400000000077";

/// The service on one kind of Redis.
struct Service {
    processes: Processes,
    connect: ConnectStack,
    settings: Vec<(&'static str, String)>,
}

/// How a command of `ops` ended.
struct Ended {
    code: Option<i32>,
    output: String,
}

impl Service {
    async fn start(channels_url: &str, key_prefix: String) -> Self {
        let queue_url = RabbitMq::shared().await.vhost().url();
        let backends = || Backends {
            queue_url: queue_url.clone(),
            channels_url: channels_url.to_owned(),
            key_prefix: key_prefix.clone(),
        };
        let processes = Processes::start(backends(), &backends(), 1).await;
        let connect = ConnectStack::on(channels_url, &key_prefix, &processes.key(), &[]).await;
        let settings = vec![
            ("QUEUE_URL", queue_url.clone()),
            ("CHANNELS_URL", channels_url.to_owned()),
            ("CHANNELS_KEY_PREFIX", key_prefix.clone()),
            ("KEY_RING", processes.key().expose().to_owned()),
            ("DSK_URL", processes.dsk.url()),
        ];
        Self { processes, connect, settings }
    }

    /// Runs a command of `ops` with the rights of its own user.
    async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = tokio::process::Command::new(program("ops"));
        let output = command.env_clear().envs(with_rights("ops", &self.settings)).args(arguments).output().await;
        let output = output.expect("it can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code(), output: text(&output.stdout) + text(&output.stderr).as_str() }
    }

    /// Runs one that must succeed, and returns its output.
    async fn ops(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.output);
        ended.output
    }

    /// The addresses of the channels that are connected.
    async fn connected(&self) -> BTreeSet<String> {
        let list = self.ops(&["channels", "list", "--json"]).await;
        let records = list.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
        let connected = records.filter(|record| record["state"] == "connected");
        connected.filter_map(|record| Some(record["address"].as_str()?.to_owned())).collect()
    }

    /// A store whose keys begin in another way, and so is empty.
    fn beside(&self, key_prefix: String) -> Vec<(&'static str, String)> {
        let is_kept = |setting: &&(&str, String)| setting.0 != "CHANNELS_KEY_PREFIX";
        self.settings.iter().filter(is_kept).cloned().chain([("CHANNELS_KEY_PREFIX", key_prefix)]).collect()
    }
}

async fn everything_works_on(channels_url: &str, key_prefix: String, other_prefix: String) {
    let mut service = Service::start(channels_url, key_prefix).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("token"), DSK_TOKEN).expect("the folder is ours");

    // An event reaches DSK, a repeat of it does not.
    service.processes.post_until_accepted(text(1)).await;
    service.processes.delivered(1).await;
    service.processes.post_until_accepted(text(1)).await;
    eventually("the repeat is noticed", async || {
        let skipped = service.processes.dispatcher_metric("dispatcher_skipped_total{reason=\"duplicate\"}").await;
        (skipped > 0.0).then_some(())
    })
    .await;
    assert_eq!(service.processes.dsk.requests(), 1);

    // A business connects a number by a link, an operator stores another channel.
    let mut browser = service.connect.begin("acme").await;
    let page = service.connect.sign_up(&mut browser).await;
    assert!(page.status == 200 && page.body.contains("Connected"), "{page:?}");
    service.ops(&["channels", "add", OTHER, "--tenant", "other", "--dsk-token-file", &path("token")]).await;
    let whatsapp = format!("whatsapp:{}", ops::graph::NUMBER);
    let all = service.connected().await;
    assert!([ADDRESS, OTHER, &whatsapp].iter().all(|address| all.contains(*address)), "{all:?}");

    let report = eventually("the dispatcher has reported", async || {
        let ended = service.run(&["doctor"]).await;
        (!ended.output.contains("no dispatcher takes")).then_some(ended)
    })
    .await;
    assert_eq!(report.code, Some(0), "{}", report.output);
    println!("{}", report.output);

    // What is exported is there again in an empty store, but what is removed or erased stays so.
    service.ops(&["channels", "export", &path("backup")]).await;
    service.ops(&["channels", "remove", &whatsapp, "--yes"]).await;
    service.ops(&["erase", "--channel", OTHER, "--yes"]).await;
    service.ops(&["erase", "--contact", &format!("{ADDRESS}/4915550000001"), "--yes"]).await;
    service.ops(&["channels", "import", &path("backup")]).await;
    assert_eq!(service.connected().await, BTreeSet::from([ADDRESS.to_owned()]));
    service.settings = service.beside(other_prefix);
    service.ops(&["channels", "import", &path("backup")]).await;
    assert_eq!(service.connected().await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_service_works_on_a_redis_with_sentinels() {
    let set = SentinelSet::shared().await;

    everything_works_on(&set.url(), set.prefix(), set.prefix()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_service_works_on_a_redis_cluster() {
    let cluster = RedisCluster::shared().await;

    everything_works_on(&cluster.url(), cluster.prefix(), cluster.prefix()).await;
}
