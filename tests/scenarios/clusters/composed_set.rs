//! The Redis servers and sentinels of `ops/cluster`, without containers: the scripts and files that compose.yml mounts.

use std::path::PathBuf;

use testkit::{Process, eventually, free_port};
use tokio::process::Command;

use crate::support::composed_servers::LocalSecrets;
use crate::support::workspace::{read, root};

/// The first server, which starts as the primary, and the number of all.
const FIRST: usize = 0;
const SERVERS: usize = 3;

/// A server or sentinel of the set.
struct Member {
    port: u16,
    folder: PathBuf,
    /// What its script gets.
    arguments: Vec<String>,
    process: Option<Process>,
}

/// Three servers and three sentinels on this machine.
struct ComposedSet {
    secrets: LocalSecrets,
    servers: Vec<Member>,
    sentinels: Vec<Member>,
}

/// A text of `ops` in which each of these words, which it has to contain, stands for something else on this machine.
fn adapted(file: &str, words: &[(&str, String)]) -> String {
    let mut text = read(&root().join("ops").join(file));
    for (composed, here) in words {
        assert!(text.contains(composed), "{file} does not say {composed}");
        text = text.replace(composed, here);
    }
    text
}

impl Member {
    fn new(secrets: &LocalSecrets, arguments: &[&str]) -> Self {
        let port = free_port();
        let folder = secrets.path(&format!("member-{port}"));
        std::fs::create_dir(&folder).expect("the folder is ours");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { port, folder, arguments, process: None }
    }

    fn write(&self, name: &str, text: String) {
        std::fs::write(self.folder.join(name), text).expect("the folder is ours");
    }

    /// Runs its script, which becomes the server.
    fn start(&mut self) {
        let script = self.folder.join("start.sh").display().to_string();
        let arguments: Vec<&str> =
            [script.as_str()].into_iter().chain(self.arguments.iter().map(String::as_str)).collect();
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        self.process = Some(Process::start(&PathBuf::from("/bin/sh"), &arguments, &[("PATH", path)]));
    }

    async fn kill(&mut self) {
        self.process.take().expect("it runs").kill().await;
    }
}

impl ComposedSet {
    fn new() -> Self {
        let secrets = LocalSecrets::make();
        let local = |name: &str| secrets.path(name).display().to_string();
        let servers: Vec<Member> =
            [&[][..], &["127.0.0.1"], &["127.0.0.1"]].map(|arguments| Member::new(&secrets, arguments)).into();
        let first = servers[FIRST].port;
        for server in &servers {
            let folder = server.folder.display().to_string();
            let here = ("$(hostname)", "127.0.0.1".to_owned());
            let script = [
                ("/data/", format!("{folder}/")),
                ("/etc/redis/", format!("{folder}/shipped-")),
                ("/run/secrets/redis-password-replica", local("redis-password-replica")),
                ("$1 6379", format!("$1 {first}")),
                here,
            ];
            server.write("start.sh", adapted("cluster/redis.sh", &script));
            let settings = [
                ("port 6379", format!("port {}", server.port)),
                ("dir /data", format!("dir {folder}")),
                ("/run/secrets/redis-acl", local("redis-acl-cluster")),
            ];
            server.write("shipped-redis.conf", adapted("redis/redis.conf", &settings));
        }
        let sentinels: Vec<Member> = (0..SERVERS).map(|_| Member::new(&secrets, &[])).collect();
        for sentinel in &sentinels {
            let folder = sentinel.folder.display().to_string();
            let script = [
                ("/data/", format!("{folder}/")),
                ("/etc/redis/", format!("{folder}/shipped-")),
                ("/run/secrets/sentinel-users", local("sentinel-users")),
                ("$(hostname)", "127.0.0.1".to_owned()),
            ];
            sentinel.write("start.sh", adapted("cluster/sentinel.sh", &script));
            let settings = [
                ("port 26379", format!("port {}", sentinel.port)),
                ("dir /data", format!("dir {folder}")),
                ("channels redis 6379", format!("channels 127.0.0.1 {first}")),
            ];
            sentinel.write("shipped-sentinel.conf", adapted("cluster/sentinel.conf", &settings));
        }
        Self { secrets, servers, sentinels }
    }

    /// Starts what does not run, and waits until there is one primary, two replicas copy it, and the sentinels know them all.
    async fn start(&mut self) -> usize {
        let members = self.servers.iter_mut().chain(&mut self.sentinels);
        members.filter(|member| member.process.is_none()).for_each(Member::start);
        eventually("two replicas copy the primary", async || {
            let primary = self.primary().await?;
            let info = self.ask(&self.servers[primary], "ops", &["INFO", "replication"]).await;
            let copies = info.lines().filter(|line| line.starts_with("slave") && line.contains("state=online")).count();
            for sentinel in &self.sentinels {
                let known = self.ask(sentinel, "sentinel", &["SENTINEL", "MASTER", "channels"]).await;
                let knows = |field: &str| known.contains(&format!("{field}\n{}\n", SERVERS - 1));
                if !knows("num-slaves") || !knows("num-other-sentinels") {
                    return None;
                }
            }
            (copies == SERVERS - 1).then_some(primary)
        })
        .await
    }

    /// Which server all sentinels that run name.
    async fn primary(&self) -> Option<usize> {
        let mut named = Vec::new();
        for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.process.is_some()) {
            let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "channels"];
            let answer = self.ask(sentinel, "service", &words).await;
            let port: u16 = answer.lines().nth(1)?.parse().ok()?;
            named.push(self.servers.iter().position(|server| server.port == port)?);
        }
        named.dedup();
        (named.len() == 1).then(|| named[0])
    }

    /// Runs a command as one of the users that `ops/local-secrets.sh` made, and returns the answer, if any.
    async fn ask(&self, member: &Member, user: &str, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.env("REDISCLI_AUTH", self.secrets.read(&format!("redis-password-{user}")));
        let output = command.args(["-p", &member.port.to_string(), "--user", user]).args(words).output().await;
        String::from_utf8_lossy(&output.expect("there is redis-cli").stdout).trim().to_owned()
    }

    /// Stores a marker at a server as a dispatcher does.
    async fn mark(&self, server: usize, event: &str) {
        let key = format!("delivered:{event}");
        let stored = async || {
            let answer = self.ask(&self.servers[server], "dispatcher", &["SETEX", &key, "1000", "1"]).await;
            (answer == "OK").then_some(())
        };
        eventually("the marker is stored", stored).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composed_set_that_failed_over_and_was_stopped_as_a_whole_starts_with_what_was_stored_last() {
    let mut set = ComposedSet::new();
    assert_eq!(set.start().await, FIRST);
    set.mark(FIRST, "before").await;

    set.servers[FIRST].kill().await;
    let second =
        eventually("another server is the primary", async || set.primary().await.filter(|primary| *primary != FIRST))
            .await;
    set.mark(second, "after").await;
    for member in set.servers.iter_mut().chain(&mut set.sentinels).filter(|member| member.process.is_some()) {
        member.kill().await;
    }

    assert_eq!(set.start().await, second);
    for server in &set.servers {
        let has_both = async || {
            let answer = set.ask(server, "dispatcher", &["EXISTS", "delivered:before", "delivered:after"]).await;
            (answer == "2").then_some(())
        };
        eventually("every server has what was stored before and after the failover", has_both).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_reaches_the_composed_set_with_the_address_that_is_made_for_it() {
    let mut set = ComposedSet::new();
    set.start().await;
    let sentinels: Vec<String> = set.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
    set.secrets.lead_to_sentinels(&sentinels);

    let file = set.secrets.path("channels-url-ops-cluster").display().to_string();
    let listed = set.secrets.ops(&["channels", "list"], &[("CHANNELS_URL_FILE", &file)]).await;

    assert!(listed.contains("0 channels"), "{listed}");
}
