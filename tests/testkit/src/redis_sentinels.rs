//! A Redis with a replica and three sentinels, which make the replica the primary when the primary is lost.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OnceCell;

use crate::eventually;
use crate::keeper::Keeper;
use crate::redis_node::RedisNode;
use crate::rights::{self, ADMIN, PASSWORD};

/// How many sentinels there are; two of them decide.
pub const SENTINELS: usize = 3;
/// The name that the sentinels have for the servers, as `ops/cluster/sentinel.conf` says it.
const SERVICE: &str = "channels";
/// The user of our processes at a sentinel.
const SENTINEL_USER: &str = "service";

/// Two servers, of which one is the primary, and three sentinels, with their own folder and ports.
#[derive(Debug)]
pub struct SentinelSet {
    servers: Vec<RedisNode>,
    sentinels: Vec<RedisNode>,
    given: AtomicUsize,
    keeper: Keeper,
}

impl SentinelSet {
    /// The set that all tests of a run share. No test harms it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<SentinelSet> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts a set for one test, with the settings and users that `ops/cluster` ships, and waits until it is whole.
    pub async fn start() -> Self {
        let keeper = Keeper::new("test-sentinels-");
        let primary = RedisNode::server(&keeper, "");
        let replica = RedisNode::server(&keeper, &format!("replicaof 127.0.0.1 {}\n", primary.address().port()));
        let settings = sentinel_settings(primary.address());
        let sentinels = (0..SENTINELS).map(|_| RedisNode::sentinel(&keeper, &settings)).collect();
        let set = Self { servers: vec![primary, replica], sentinels, given: AtomicUsize::new(0), keeper };
        set.mend().await;
        set
    }

    /// The URL that names every sentinel, with the user who may do everything.
    pub fn url(&self) -> String {
        self.url_with(&[])
    }

    /// The same with further addresses in front, where there may be nobody.
    pub fn url_with(&self, others: &[SocketAddr]) -> String {
        let own = self.sentinels.iter().map(RedisNode::address);
        let addresses: Vec<String> = others.iter().copied().chain(own).map(|address| address.to_string()).collect();
        format!(
            "redis+sentinel://{ADMIN}:{PASSWORD}@{}/{SERVICE}/0?sentinel_user={SENTINEL_USER}&sentinel_password={PASSWORD}",
            addresses.join(",")
        )
    }

    /// A key prefix that no other test uses.
    pub fn prefix(&self) -> String {
        format!("test{}:", self.given.fetch_add(1, Ordering::Relaxed))
    }

    /// Which server is the primary, in the eyes of most sentinels and in its own. Waits until one is.
    pub async fn primary(&self) -> usize {
        eventually("there is a primary", async || {
            let mut votes = vec![0; self.servers.len()];
            for sentinel in &self.sentinels {
                let answer = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]).await;
                let answer = answer.unwrap_or_default();
                let said = |server: &RedisNode| answer.lines().any(|line| line == server.address().port().to_string());
                if let Some(server) = self.servers.iter().position(said) {
                    votes[server] += 1;
                }
            }
            let server = votes.iter().position(|votes| *votes > SENTINELS / 2)?;
            self.is_primary(server).await.then_some(server)
        })
        .await
    }

    /// Runs a command at the primary and returns the raw answer.
    pub async fn command(&self, words: &[&str]) -> String {
        eventually("the primary answers", async || self.servers[self.primary().await].command(words).await).await
    }

    /// Runs a command at one of the servers, if it answers.
    pub async fn command_at(&self, server: usize, words: &[&str]) -> Option<String> {
        self.servers[server].command(words).await
    }

    /// Whether one of the files of the servers holds this text.
    pub fn is_on_disk(&self, text: &str) -> bool {
        self.keeper.holds(text)
    }

    /// Ends a server like a power cut.
    pub fn kill(&self, server: usize) {
        self.servers[server].kill(&self.keeper);
    }

    /// Starts a server again, with its files: one that was killed as the primary believes that it still is the primary.
    pub fn restart(&self, server: usize) {
        self.servers[server].launch(&self.keeper);
    }

    /// Lets a server hang: its connections stay, and it answers nothing.
    pub fn freeze(&self, server: usize) {
        self.servers[server].signal("STOP");
    }

    /// Lets a server that was frozen go on. It believes that it is still what it was.
    pub fn thaw(&self, server: usize) {
        self.servers[server].signal("CONT");
    }

    /// Lets the sentinels make the replica the primary although the primary lives, and waits until they have.
    pub async fn demote(&self) {
        let before = self.primary().await;
        eventually("a failover begins", async || {
            let answer = self.sentinels[0].command(&["SENTINEL", "FAILOVER", SERVICE]).await?;
            answer.starts_with("+OK").then_some(())
        })
        .await;
        eventually("another server is the primary", async || (self.primary().await != before).then_some(())).await;
    }

    /// Ends a sentinel like a power cut.
    pub fn kill_sentinel(&self, sentinel: usize) {
        self.sentinels[sentinel].kill(&self.keeper);
    }

    /// Whether a server takes itself for the primary.
    pub async fn is_primary(&self, server: usize) -> bool {
        self.servers[server].command(&["ROLE"]).await.is_some_and(|role| role.contains("master\r\n"))
    }

    /// Returns once everything runs, the replica copies the primary, and the sentinels know the replica and each other.
    pub async fn mend(&self) {
        self.servers.iter().for_each(|server| self.starts_or_goes_on(server));
        // A sentinel that starts before the replica is there hears of it only 10 s later.
        eventually("a replica copies a primary", async || {
            let roles = [self.is_copied(0).await, self.is_copied(1).await];
            roles.contains(&true).then_some(())
        })
        .await;
        self.sentinels.iter().for_each(|sentinel| self.starts_or_goes_on(sentinel));
        eventually("the replica copies the primary", async || self.is_copied(self.primary().await).await.then_some(()))
            .await;
        for sentinel in &self.sentinels {
            eventually("a sentinel knows the replica and the other sentinels", async || {
                let answer = sentinel.command(&["SENTINEL", "CKQUORUM", SERVICE]).await?;
                let all = format!("+OK {SENTINELS} usable");
                let replicas = sentinel.command(&["SENTINEL", "REPLICAS", SERVICE]).await?;
                let is_known = replicas.starts_with("*1\r\n") && replicas.contains("\r\nslave\r\n");
                (answer.starts_with(&all) && is_known).then_some(())
            })
            .await;
        }
    }

    fn starts_or_goes_on(&self, node: &RedisNode) {
        node.signal("CONT");
        node.launch(&self.keeper);
    }

    /// Whether the other server copies this one.
    async fn is_copied(&self, server: usize) -> bool {
        let replica = &self.servers[1 - server];
        let info = replica.command(&["INFO", "replication"]).await.unwrap_or_default();
        let port = format!("master_port:{}\r\n", self.servers[server].address().port());
        info.contains(&port) && info.contains("master_link_status:up\r\n")
    }
}

/// What `ops/cluster` ships, with the address of the primary here.
fn sentinel_settings(primary: SocketAddr) -> String {
    let shipped = format!("monitor {SERVICE} redis 6379 ");
    let file = rights::shipped("cluster/sentinel.conf");
    assert!(file.contains(&shipped), "ops/cluster/sentinel.conf does not say {shipped:?}");
    let here = format!("monitor {SERVICE} 127.0.0.1 {} ", primary.port());
    let is_own = |line: &&str| !["port ", "bind ", "dir ", "#"].iter().any(|start| line.starts_with(start));
    let file = file.replace(&shipped, &here);
    let settings: Vec<&str> = file.lines().filter(is_own).collect();
    settings.join("\n") + "\n" + &rights::sentinel_users().join("\n") + "\n"
}
