//! RabbitMQ and Redis with the files that docker-compose.yml mounts, and the settings and secrets that it gives the
//! processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use testkit::{Process, RabbitMq, Redis, free_port};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::documents::container_files::{compose, object};
use crate::support::stack::program;
use crate::support::workspace::{read, root};

/// RabbitMQ as it is composed, and the secrets that ops/local-secrets.sh made for it.
pub(crate) struct ComposedBroker {
    pub(crate) server: RabbitMq,
    pub(crate) metrics: String,
    pub(crate) secrets: LocalSecrets,
}

/// A policy of RabbitMQ: its name, and its line in the list of policies.
pub(crate) struct QueuePolicy {
    pub(crate) name: String,
    pub(crate) line: String,
}

/// A folder like `local/`, with the addresses of a test's servers.
pub(crate) struct LocalSecrets(TempDir);

impl LocalSecrets {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = root().join("ops/local-secrets.sh");
        let made = std::process::Command::new("bash").arg(script).arg(folder.path()).output().expect("there is bash");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        read(&self.path(name)).trim().to_owned()
    }

    /// Lets every process use the test's broker instead of the composed one.
    pub(crate) fn lead_to_broker(&self, address: &str) {
        ["ingest", "dispatcher", "ops"].iter().for_each(|process| {
            self.replace(&format!("queue-url-{process}"), "@rabbitmq:5672/", &format!("@{address}/"));
        });
    }

    /// Lets every process use the test's Redis instead of the composed one.
    pub(crate) fn lead_to_redis(&self, redis: &Redis) {
        ["dispatcher", "connect", "ops"].iter().for_each(|process| {
            self.replace(&format!("channels-url-{process}"), "@redis:6379/", &format!("@{}/", redis.address()));
        });
    }

    /// The addresses of sentinels in place of those in ops/cluster.
    #[cfg(feature = "long")]
    pub(crate) fn lead_to_sentinels(&self, addresses: &[String]) {
        let composed = "@sentinel:26379,sentinel-2:26379,sentinel-3:26379/";
        ["dispatcher", "connect", "ops"].iter().for_each(|process| {
            let file = format!("channels-url-{process}-cluster");
            self.replace(&file, composed, &format!("@{}/", addresses.join(",")));
        });
    }

    /// Replaces the address of a composed server by that of the test's server.
    fn replace(&self, name: &str, composed: &str, actual: &str) {
        let text = self.read(name);
        assert!(text.contains(composed), "{name} does not lead to {composed}");
        std::fs::write(self.path(name), text.replace(composed, actual)).expect("the folder is ours");
    }

    /// The settings of a service in docker-compose.yml on a machine that sets none of its variables.
    pub(crate) fn settings(&self, service: &str) -> BTreeMap<String, String> {
        let environment = object(&compose(), &format!("/services/{service}/environment")).into_iter();
        environment
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| {
                let value = value.as_str().unwrap_or_default();
                let preset = value.strip_prefix("${").and_then(|rest| rest.split_once(":-")?.1.strip_suffix('}'));
                let value = preset.unwrap_or(value);
                let secret = value.strip_prefix("/run/secrets/").map(|name| self.path(name).display().to_string());
                (name, secret.unwrap_or_else(|| value.to_owned()))
            })
            .collect()
    }

    pub(crate) fn start(&self, service: &str, changed: &[(&str, &str)]) -> Process {
        let mut settings = self.settings(service);
        settings.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Process::start(&program(service), &[], &settings)
    }

    /// Runs a command of `ops` that must succeed, with some settings changed, and returns its output.
    pub(crate) async fn ops(&self, arguments: &[&str], changed: &[(&str, &str)]) -> String {
        let mut command = Command::new(program("ops"));
        command.env_clear().envs(self.settings("ops")).envs(changed.iter().copied()).args(arguments);
        let output = command.output().await.expect("it runs");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {shown}{errors}");
        shown
    }
}

impl ComposedBroker {
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<ComposedBroker> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    pub(crate) async fn start() -> Self {
        let secrets = LocalSecrets::make();
        let definitions = secrets.path("definitions.d");
        std::fs::create_dir(&definitions).expect("the folder is ours");
        let copy = |from: &Path, to: &str| std::fs::copy(from, definitions.join(to)).expect("it is there");
        copy(&root().join("ops/rabbitmq/definitions.json"), "10-service.json");
        copy(&secrets.path("rabbitmq-users"), "20-users.json");

        let management = free_port();
        let metrics = free_port();
        let configuration = read(&root().join("ops/rabbitmq/rabbitmq.conf"));
        let configure = |port: u16| {
            let mut text = configuration;
            for (composed, actual) in [
                ("listeners.tcp.default = 5672", format!("listeners.tcp.default = 127.0.0.1:{port}")),
                ("management.tcp.port = 15672", local("management", management)),
                ("prometheus.tcp.port = 15692", local("prometheus", metrics)),
                ("/etc/rabbitmq/definitions.d", definitions.display().to_string()),
                // A machine that runs tests may have less room than one that runs the service.
                ("disk_free_limit.absolute = 2GB", "disk_free_limit.absolute = 1MB".to_owned()),
            ] {
                assert!(text.contains(composed), "rabbitmq.conf does not say {composed}");
                text = text.replace(composed, &actual);
            }
            text
        };
        let plugins = read(&root().join("ops/rabbitmq/enabled_plugins"));
        let server = RabbitMq::start_configured(configure, &plugins).await;
        secrets.lead_to_broker(&server.address().to_string());
        Self { server, metrics: format!("127.0.0.1:{metrics}"), secrets }
    }

    /// The policy that applies to a queue.
    pub(crate) async fn policy(&self, queue: &str) -> QueuePolicy {
        let queues = self.server.control(&["--quiet", "--vhost", "meta", "list_queues", "name", "policy"]).await;
        let policies = self.server.control(&["--quiet", "--vhost", "meta", "list_policies"]).await;
        let of_queue = queues.lines().find_map(|line| line.strip_prefix(queue)).unwrap_or_else(|| panic!("{queues}"));
        let is_its_line = |line: &&str| line.split('\t').nth(1) == Some(of_queue.trim());
        let line = policies
            .lines()
            .find(is_its_line)
            .unwrap_or_else(|| panic!("{queue} has the policy {of_queue}, which is not in {policies}"));
        QueuePolicy { name: of_queue.trim().to_owned(), line: line.to_owned() }
    }
}

fn local(plugin: &str, port: u16) -> String {
    format!("{plugin}.tcp.port = {port}\n{plugin}.tcp.ip = 127.0.0.1")
}

/// Redis as it is composed.
pub(crate) async fn redis(secrets: &LocalSecrets) -> Redis {
    let folder = secrets.0.path().display().to_string();
    let composed = read(&root().join("ops/redis/redis.conf"));
    let text = composed.replace("dir /data", &format!("dir {folder}")).replace("/run/secrets/", &format!("{folder}/"));
    std::fs::write(secrets.path("redis.conf"), text).expect("the folder is ours");
    Redis::start_with(&[secrets.path("redis.conf").to_str().expect("the path is Unicode")]).await
}
