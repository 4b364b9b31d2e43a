//! Three RabbitMQ nodes on this machine that form one cluster: they can be killed, frozen, parted and replaced.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::keeper::Keeper;
use crate::node::{self, environment, scripts, start_node, write_configuration};
use crate::ports::free_port;
use crate::{eventually, eventually_within, rights};

/// How many nodes there are.
pub const NODES: usize = 3;
/// How many virtual hosts there are; each test takes one.
const VHOSTS: usize = 12;
/// What three nodes on a busy machine may need to start.
const START_TIME: Duration = Duration::from_mins(5);
/// The cookie by which the nodes and their tools know each other.
const COOKIE: &str = "CLUSTERTEST";

/// Three nodes that form one cluster, with their own folder, ports and name daemon.
#[derive(Debug)]
pub struct RabbitCluster {
    nodes: Vec<Node>,
    scripts: PathBuf,
    #[expect(dead_code, reason = "the keeper ends it; dropping it here would leave a zombie")]
    name_daemon: Child,
    given: AtomicUsize,
    keeper: Keeper,
}

#[derive(Debug)]
struct Node {
    /// As the others know it.
    name: String,
    address: SocketAddr,
    folder: PathBuf,
    environment: BTreeMap<&'static str, String>,
    child: Mutex<Option<Child>>,
}

impl RabbitCluster {
    /// The cluster that all tests of a run share, one after the other. It starts with the first test.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<RabbitCluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts three empty nodes and waits until they have found each other.
    async fn start() -> Self {
        let keeper = Keeper::new("test-cluster-");
        let names_port = free_port();
        let nodes: Vec<Node> = (0..NODES).map(|_| Node::in_folder(keeper.folder(), names_port)).collect();
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        nodes.iter().for_each(|node| node.configure(&names));
        write_cookie(keeper.folder());
        let name_daemon = keeper.start(Command::new("epmd").envs(&nodes[0].environment), "epmd");
        let cluster = Self { nodes, scripts: scripts(), name_daemon, given: AtomicUsize::new(0), keeper };
        (0..NODES).for_each(|node| cluster.launch(node));
        cluster.is_whole().await;
        // Without Khepri, which is optional in 4.0, a node that hung for longer than the net tick comes back with its own
        // view of which queues exist (measured on 4.0.5), and stays so. From 4.3 on there is nothing else.
        cluster.control(0, &["eval", "rabbit_feature_flags:enable(khepri_db)."]).await;
        cluster
    }

    /// Takes the next virtual host: its name.
    pub fn vhost(&self) -> String {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        assert!(number < VHOSTS, "there are more tests than virtual hosts");
        format!("v{number}")
    }

    /// The URL that names every node.
    pub fn url(&self, vhost: &str) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|node| node.address.to_string()).collect();
        format!("amqp://{}@{}/{vhost}", rights::EVERYTHING, addresses.join(","))
    }

    /// Returns once every node runs and sees the others, whatever earlier tests did to them.
    pub async fn mend(&self) {
        for node in 0..NODES {
            self.thaw(node).await;
            if !self.runs(node) {
                self.launch(node);
            } else if self.is_parted(node).await {
                self.join(node).await;
            }
        }
        self.is_whole().await;
    }

    /// Ends a node like a power cut.
    pub fn kill(&self, node: usize) {
        let child = self.nodes[node].child.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.keeper.kill(&mut child.expect("it runs"));
    }

    /// Stops a node as an operator does, and waits until it has ended.
    pub async fn stop(&self, node: usize) {
        self.control(node, &["stop"]).await;
        let mut child = self.nodes[node].child.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it runs");
        tokio::task::block_in_place(|| child.wait()).expect("it is our child");
    }

    /// Starts a node with its files, and waits until it is in the cluster and takes part in every queue again.
    pub async fn start_again(&self, node: usize) {
        self.launch(node);
        self.is_whole().await;
    }

    /// Starts a node without waiting for it: it may have to wait for others.
    pub fn launch(&self, node: usize) {
        let node = &self.nodes[node];
        // The name and the port of its output are those of the node, so that each has a log of its own.
        let child = start_node(&self.keeper, &self.scripts, &node.environment, &node.log());
        *node.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    /// Lets a node hang: its connections stay, and it answers nothing.
    pub async fn freeze(&self, node: usize) {
        self.signal(node, "STOP").await;
    }

    /// Lets a node that was frozen go on.
    pub async fn thaw(&self, node: usize) {
        self.signal(node, "CONT").await;
    }

    /// Parts a node from the two others, whose clients still reach it. It refuses them and they refuse it, because it takes
    /// their cookie for a wrong one.
    pub async fn part(&self, node: usize) {
        self.parting(node, "wrong").await;
    }

    /// Ends [`Self::part`].
    pub async fn join(&self, node: usize) {
        self.parting(node, COOKIE).await;
    }

    /// Replaces a node by an empty one of the same name, which finds the others by its configuration.
    pub async fn replace(&self, node: usize, asked: usize) {
        self.kill(node);
        let name = &self.nodes[node].name;
        eventually("the others forget the node", async || {
            self.try_control(asked, &["forget_cluster_node", name]).await.ok()
        })
        .await;
        std::fs::remove_dir_all(self.nodes[node].folder.join("mnesia")).expect("the folder is ours");
        self.start_again(node).await;
    }

    /// How many of a virtual host's queues each node leads.
    pub async fn leads(&self, asked: usize, vhost: &str) -> Option<[usize; NODES]> {
        let list =
            self.try_control(asked, &["--quiet", "--vhost", vhost, "list_queues", "name", "leader"]).await.ok()?;
        let of = |node: usize| list.lines().filter(|line| line.ends_with(&self.nodes[node].name)).count();
        Some(std::array::from_fn(of))
    }

    /// A node to which a user is connected.
    pub async fn node_of(&self, user: &str) -> usize {
        let list = self.control(0, &["--quiet", "list_connections", "port", "user"]).await;
        let is_theirs = |node: &Node| list.lines().any(|line| line == format!("{}\t{user}", node.address.port()));
        self.nodes.iter().position(is_theirs).unwrap_or_else(|| panic!("{user} is not connected:\n{list}"))
    }

    /// How many members each queue of a virtual host has that are up.
    pub async fn members(&self, asked: usize, vhost: &str) -> Option<Vec<usize>> {
        let arguments = ["--quiet", "--vhost", vhost, "list_queues", "name", "online"];
        let list = self.try_control(asked, &arguments).await.ok()?;
        let lines = list.lines().filter(|line| line.starts_with("meta."));
        Some(lines.map(|line| line.matches("@localhost").count()).collect())
    }

    async fn is_whole(&self) {
        eventually_within(START_TIME, &format!("every node of {} runs", self.keeper.folder().display()), async || {
            let mut seen = Vec::new();
            for node in 0..NODES {
                let ask = "length(rabbit_nodes:list_running()).";
                seen.push(self.try_control(node, &["eval", ask]).await.ok()?.trim().to_owned());
            }
            seen.iter().all(|count| count == "3").then_some(())
        })
        .await;
    }

    fn runs(&self, node: usize) -> bool {
        let mut child = self.nodes[node].child.lock().unwrap_or_else(PoisonError::into_inner);
        child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    async fn signal(&self, node: usize, signal: &str) {
        let group = self.nodes[node].child.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Child::id);
        let Some(group) = group else { return };
        let script = format!("kill -s {signal} -- -{group}");
        tokio::process::Command::new("sh").args(["-c", &script]).status().await.expect("there is a shell");
    }

    /// Whether a test that failed has left it parted from the others.
    async fn is_parted(&self, node: usize) -> bool {
        let others = self.nodes.iter().filter(|other| other.name != self.nodes[node].name);
        let each = others.map(|other| format!("erlang:get_cookie('{}') == '{COOKIE}'", other.name));
        let ask = format!("{}.", each.collect::<Vec<_>>().join(" andalso "));
        self.try_control(node, &["eval", &ask]).await.is_ok_and(|answer| answer.trim() == "false")
    }

    async fn parting(&self, node: usize, cookie: &str) {
        let others = self.nodes.iter().filter(|other| other.name != self.nodes[node].name);
        let each = others
            .map(|other| format!("erlang:set_cookie('{0}', '{cookie}'), erlang:disconnect_node('{0}')", other.name));
        let script = format!("{}, ok.", each.collect::<Vec<_>>().join(", "));
        self.control(node, &["eval", &script]).await;
    }

    /// Runs `rabbitmqctl` for a node, which must succeed, and returns its output.
    pub async fn control(&self, node: usize, arguments: &[&str]) -> String {
        self.try_control(node, arguments).await.unwrap_or_else(|error| panic!("rabbitmqctl {arguments:?}: {error}"))
    }

    async fn try_control(&self, node: usize, arguments: &[&str]) -> Result<String, String> {
        let mut command = tokio::process::Command::new(self.scripts.join("rabbitmqctl"));
        let command = command.envs(&self.nodes[node].environment).args(["--timeout", "20"]).args(arguments);
        let output = command.output().await.expect("rabbitmqctl can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Node {
    /// A node with ports of its own, whose files lie in a folder of its own.
    fn in_folder(folder: &Path, names_port: u16) -> Self {
        let port = free_port();
        let own = folder.join(format!("node-{port}"));
        std::fs::create_dir(&own).expect("the folder is ours");
        let mut environment = environment(&own, [port, free_port(), names_port]);
        environment.insert("HOME", folder.display().to_string());
        let name = environment["RABBITMQ_NODENAME"].clone();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { name, address, folder: own, environment, child: Mutex::default() }
    }

    fn log(&self) -> String {
        format!("rabbitmq-{}", self.address.port())
    }

    /// Writes the configuration that `ops/cluster` ships, with the names that the nodes have here.
    fn configure(&self, names: &[&str]) {
        write_configuration(&self.folder, VHOSTS);
        let mut lines = rights::shipped("cluster/rabbitmq.conf");
        let shipped = ["rabbit@rabbitmq", "rabbit@rabbitmq-2", "rabbit@rabbitmq-3"];
        // The last one first, because the name of the first is the beginning of the others.
        for (shipped, name) in shipped.iter().zip(names).rev() {
            assert!(lines.contains(shipped), "ops/cluster/rabbitmq.conf does not name {shipped}");
            lines = lines.replace(shipped, name);
        }
        node::configure(&self.folder, &lines);
    }
}

fn write_cookie(folder: &Path) {
    let file = folder.join(".erlang.cookie");
    std::fs::write(&file, COOKIE).expect("the folder is ours");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).expect("the file is ours");
}
