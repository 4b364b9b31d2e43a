//! Six Redis nodes that form one Redis Cluster: three primaries with a replica each. They can be killed and frozen, and slots
//! can be moved between them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OnceCell;

use crate::eventually;
use crate::keeper::Keeper;
use crate::ports::free_port;
use crate::redis_node::RedisNode;
use crate::rights::{ADMIN, PASSWORD};

/// How many nodes there are.
pub const REDIS_NODES: usize = 6;
const PRIMARIES: usize = 3;
/// How many hash slots there are, in every Redis Cluster.
const SLOTS: usize = 16_384;
/// A node that has not answered for 2 s counts as lost.
const SETTINGS: &str = "cluster-enabled yes\ncluster-node-timeout 2000\n";

/// Three primaries and a replica of each, with their own folder and ports.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisNode>,
    given: AtomicUsize,
    keeper: Keeper,
}

/// A node as another one sees it.
#[derive(Debug)]
struct Seen {
    id: String,
    is_primary: bool,
    /// Whether it counts as reachable.
    is_up: bool,
    /// The id of its primary, if it is a replica.
    primary: String,
    slots: Vec<RangeInclusive<usize>>,
}

/// Where the slot of a key is.
#[derive(Clone, Copy, Debug)]
pub struct SlotPlace {
    /// The primary that has it.
    pub node: usize,
    /// How many lower slots that one has.
    pub before: usize,
}

impl RedisCluster {
    /// The cluster that all tests of a run share. No test harms it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<RedisCluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts a cluster for one test and waits until it is whole.
    pub async fn start() -> Self {
        let keeper = Keeper::new("test-redis-cluster-");
        let buses: Vec<u16> = (0..REDIS_NODES).map(|_| free_port()).collect();
        let settings = buses.iter().map(|port| format!("{SETTINGS}cluster-port {port}\n"));
        let nodes: Vec<RedisNode> = settings.map(|settings| RedisNode::server(&keeper, &settings)).collect();
        let cluster = Self { nodes, given: AtomicUsize::new(0), keeper };
        cluster.nodes.iter().for_each(|node| node.launch(&cluster.keeper));
        cluster.form(&buses).await;
        cluster.is_whole().await;
        cluster
    }

    /// The first half of the nodes become primaries, and each of the others the replica of one of them.
    async fn form(&self, buses: &[u16]) {
        let first = self.nodes[0].address();
        let port = first.port().to_string();
        let bus = buses[0].to_string();
        for (number, node) in self.nodes.iter().enumerate() {
            // Different numbers, or the nodes would have to agree on them first.
            self.must(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).await;
            self.must(node, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        for (number, node) in self.nodes[..PRIMARIES].iter().enumerate() {
            let slot = |share: usize| (share * SLOTS / PRIMARIES).to_string();
            let last = ((number + 1) * SLOTS / PRIMARIES - 1).to_string();
            self.must(node, &["CLUSTER", "ADDSLOTSRANGE", &slot(number), &last]).await;
        }
        for number in PRIMARIES..REDIS_NODES {
            let primary = self.id(number - PRIMARIES).await;
            self.must(&self.nodes[number], &["CLUSTER", "REPLICATE", &primary]).await;
        }
    }

    /// Runs a command until it succeeds: a node may have to hear of another one first.
    async fn must(&self, node: &RedisNode, words: &[&str]) {
        eventually(&format!("{words:?} succeeds"), async || {
            node.command(words).await.filter(|answer| answer.starts_with("+OK")).map(drop)
        })
        .await;
    }

    /// The URL that names every node, with the user who may do everything.
    pub fn url(&self) -> String {
        self.url_with(&[])
    }

    /// The same with further addresses in front, where there may be nobody.
    pub fn url_with(&self, others: &[SocketAddr]) -> String {
        let own = self.nodes.iter().map(RedisNode::address);
        let addresses: Vec<String> = others.iter().copied().chain(own).map(|address| address.to_string()).collect();
        format!("redis+cluster://{ADMIN}:{PASSWORD}@{}", addresses.join(","))
    }

    /// A key prefix that no other test uses.
    pub fn prefix(&self) -> String {
        format!("test{}:", self.given.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a command at the node that has its key, and returns the raw answer.
    pub async fn command(&self, words: &[&str]) -> String {
        eventually("a node that has the key answers", async || {
            for node in &self.nodes {
                // A replica answers MOVED, too.
                let answer = node.command(words).await.unwrap_or_default();
                if !answer.is_empty() && !["-MOVED", "-CLUSTERDOWN"].iter().any(|start| answer.starts_with(start)) {
                    return Some(answer);
                }
            }
            None
        })
        .await
    }

    /// Runs a command at one of the nodes, if it answers.
    pub async fn command_at(&self, node: usize, words: &[&str]) -> Option<String> {
        self.nodes[node].command(words).await
    }

    /// Whether one of the files of the nodes holds this text.
    pub fn is_on_disk(&self, text: &str) -> bool {
        self.keeper.holds(text)
    }

    /// The nodes that have slots, as most nodes see it, and the replica of each.
    pub async fn primaries(&self) -> BTreeMap<usize, Option<usize>> {
        eventually("there are three primaries", async || {
            let seen = self.seen_by_most().await?;
            let number = |id: &str| seen.iter().position(|node| node.id == id);
            let primaries = (0..REDIS_NODES).filter(|node| seen[*node].is_primary && seen[*node].is_up);
            let with_replicas = primaries.map(|primary| {
                let replica = seen.iter().find(|node| node.primary == seen[primary].id && node.is_up);
                (primary, replica.and_then(|node| number(&node.id)))
            });
            let primaries: BTreeMap<usize, Option<usize>> = with_replicas.collect();
            (primaries.len() == PRIMARIES).then_some(primaries)
        })
        .await
    }

    /// Ends a node like a power cut.
    pub fn kill(&self, node: usize) {
        self.nodes[node].kill(&self.keeper);
    }

    /// Starts a node again, with its files.
    pub fn restart(&self, node: usize) {
        self.nodes[node].launch(&self.keeper);
    }

    /// Lets a node hang: its connections stay, and it answers nothing.
    pub fn freeze(&self, node: usize) {
        self.nodes[node].signal("STOP");
    }

    /// Lets a node that was frozen go on.
    pub fn thaw(&self, node: usize) {
        self.nodes[node].signal("CONT");
    }

    /// The node that has the slot of this key, and how many of its slots come before that one.
    pub async fn place(&self, key: &str) -> SlotPlace {
        let slot = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]).await.unwrap_or_default();
        let slot: usize = slot.trim().trim_start_matches(':').parse().expect("a slot is a number");
        eventually("a node has the slot", async || {
            for node in self.primaries().await.into_keys() {
                let seen = self.seen_by(&self.nodes[node]).await?;
                let slots = &seen[node].slots;
                if slots.iter().any(|range| range.contains(&slot)) {
                    let before = slots.iter().map(|range| range.clone().filter(|other| *other < slot).count()).sum();
                    return Some(SlotPlace { node, before });
                }
            }
            None
        })
        .await
    }

    /// Moves the lowest slots of a primary with their keys to another, as an operator does, and returns once they are there.
    pub async fn move_slots(&self, from: usize, to: usize, count: usize) {
        let any = self.nodes[from].address().to_string();
        let from = self.id(from).await;
        let to = self.id(to).await;
        let mut command = tokio::process::Command::new("redis-cli");
        command.env("REDISCLI_AUTH", PASSWORD).args(["--user", ADMIN, "--cluster", "reshard", &any]);
        command.args(["--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", &count.to_string()]);
        let output = command.arg("--cluster-yes").stdin(Stdio::null()).output().await.expect("there is redis-cli");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Moves the slot of a key from one primary to another. `half_moved` is run while half of the slot's keys are there.
    pub async fn move_slot(&self, key: &str, from: usize, to: usize, half_moved: impl AsyncFnOnce()) {
        let slot = self.nodes[from].command(&["CLUSTER", "KEYSLOT", key]).await.expect("it answers");
        let slot = slot.trim().trim_start_matches(':');
        let from = &self.nodes[from];
        let to = &self.nodes[to];
        let from_id = self.id_of(from).await;
        let to_id = self.id_of(to).await;
        self.must(to, &["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id]).await;
        self.must(from, &["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id]).await;
        let keys = from.command(&["CLUSTER", "GETKEYSINSLOT", slot, "1000"]).await.expect("it answers");
        let keys: Vec<&str> = keys.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        let (first, rest) = keys.split_at(keys.len() / 2);
        self.migrate(from, to, first).await;
        half_moved().await;
        self.migrate(from, to, rest).await;
        for node in [to, from] {
            self.must(node, &["CLUSTER", "SETSLOT", slot, "NODE", &to_id]).await;
        }
    }

    async fn migrate(&self, from: &RedisNode, to: &RedisNode, keys: &[&str]) {
        let port = to.address().port().to_string();
        for key in keys {
            self.must(from, &["MIGRATE", "127.0.0.1", &port, key, "0", "5000", "AUTH2", ADMIN, PASSWORD]).await;
        }
    }

    /// How many keys each node has.
    pub async fn keys(&self) -> Vec<usize> {
        let mut keys = Vec::new();
        for node in &self.nodes {
            let answer = node.command(&["DBSIZE"]).await.unwrap_or_default();
            keys.push(answer.trim().trim_start_matches(':').parse().unwrap_or_default());
        }
        keys
    }

    /// Returns once everything runs and the cluster is whole.
    pub async fn mend(&self) {
        for node in &self.nodes {
            node.signal("CONT");
            node.launch(&self.keeper);
        }
        self.is_whole().await;
    }

    /// Waits until each node finds the cluster in order and sees all others, and each primary has a replica that copies it.
    pub async fn is_whole(&self) {
        eventually("every node finds the cluster whole", async || {
            for node in &self.nodes {
                let state = node.field(&["CLUSTER", "INFO"], "cluster_state").await?;
                let role = node.field(&["INFO", "replication"], "role").await?;
                let link = match role.as_str() {
                    "master" => "up".to_owned(),
                    _ => node.field(&["INFO", "replication"], "master_link_status").await?,
                };
                let seen = self.seen_by(node).await?;
                if state != "ok" || link != "up" || !seen.iter().all(|node| node.is_up) {
                    return None;
                }
            }
            let primaries = self.primaries().await;
            primaries.values().all(Option::is_some).then_some(())
        })
        .await;
    }

    async fn id(&self, node: usize) -> String {
        self.id_of(&self.nodes[node]).await
    }

    async fn id_of(&self, node: &RedisNode) -> String {
        let id = eventually("a node says its id", async || node.command(&["CLUSTER", "MYID"]).await).await;
        id.lines().nth(1).expect("an id follows its length").to_owned()
    }

    /// Every node as the most up-to-date one sees it: that with the highest epoch.
    async fn seen_by_most(&self) -> Option<Vec<Seen>> {
        let mut newest = None;
        for node in &self.nodes {
            let epoch = node.field(&["CLUSTER", "INFO"], "cluster_current_epoch").await;
            let epoch: u64 = epoch.and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
            if epoch > 0 && newest.is_none_or(|(highest, _)| epoch > highest) {
                newest = Some((epoch, node));
            }
        }
        self.seen_by(newest?.1).await
    }

    /// Every node as this one sees it, in our own order; nothing while it does not know them all.
    async fn seen_by(&self, node: &RedisNode) -> Option<Vec<Seen>> {
        let answer = node.command(&["CLUSTER", "NODES"]).await?;
        let lines: Vec<Vec<&str>> = answer.lines().map(|line| line.split(' ').collect()).collect();
        let of = |node: &RedisNode| {
            let start = format!("{}@", node.address());
            let line = lines.iter().find(|line| line.get(1).is_some_and(|address| address.starts_with(&start)))?;
            let is_up =
                !line[2].contains("fail") && !line[2].contains("handshake") && line.get(7) == Some(&"connected");
            let is_primary = line[2].contains("master") && line.len() > 8;
            let slots = line.iter().skip(8).filter_map(|range| slots(range)).collect();
            Some(Seen { id: line[0].to_owned(), is_primary, is_up, primary: line[3].to_owned(), slots })
        };
        self.nodes.iter().map(of).collect()
    }
}

/// A range of slots as `CLUSTER NODES` shows it. One that is being moved is shown in another way, beside its range.
fn slots(shown: &str) -> Option<RangeInclusive<usize>> {
    let (first, last) = shown.split_once('-').unwrap_or((shown, shown));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
