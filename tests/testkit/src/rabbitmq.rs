//! A private RabbitMQ with its own folder, ports and name daemon: one for a test run, a virtual host for each test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::keeper::Keeper;
use crate::node::{environment, scripts, show_metrics, start_node, write_configuration};
use crate::ports::free_port;
use crate::{Link, eventually, eventually_within, rights};

/// How many virtual hosts the shared broker has; each test takes one.
const SHARED_VHOSTS: usize = 200;
/// How many virtual hosts the broker of a single test has.
const OWN_VHOSTS: usize = 2;
/// The name of the file with a broker's output.
const LOG: &str = "rabbitmq";

/// A running broker.
#[derive(Debug)]
pub struct RabbitMq {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    environment: BTreeMap<&'static str, String>,
    scripts: PathBuf,
    #[expect(dead_code, reason = "the keeper ends it; dropping it here would leave a zombie")]
    name_daemon: Child,
    node: Mutex<Child>,
    vhosts: usize,
    given: AtomicUsize,
    keeper: Keeper,
}

/// A virtual host that no other test uses.
#[derive(Debug)]
pub struct Vhost<'b> {
    broker: &'b RabbitMq,
    name: String,
}

impl RabbitMq {
    /// The broker that all tests of a run share. No test stops it or raises its alarms.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<RabbitMq> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start_with(SHARED_VHOSTS, None)).await
    }

    /// Starts a broker for one test, which may do anything to it.
    pub async fn start() -> Self {
        Self::start_with(OWN_VHOSTS, None).await
    }

    /// Starts a broker for one test with the plugin that shows its metrics.
    pub async fn watched() -> Self {
        Self::start_with(OWN_VHOSTS, Some(SocketAddr::from(([127, 0, 0, 1], free_port())))).await
    }

    /// Starts a broker for one test with other plugins, and the configuration that `configure` writes for its port.
    pub async fn start_configured(configure: impl FnOnce(u16) -> String, plugins: &str) -> Self {
        let keeper = Keeper::new("test-rabbitmq-");
        let port = free_port();
        write_configuration(keeper.folder(), 0);
        let write =
            |name: &str, text: &str| std::fs::write(keeper.folder().join(name), text).expect("the folder is ours");
        write("rabbitmq.conf", &configure(port));
        write("enabled_plugins", plugins);
        Self::start_in(keeper, port, 0, None).await
    }

    async fn start_with(vhosts: usize, metrics_address: Option<SocketAddr>) -> Self {
        let keeper = Keeper::new("test-rabbitmq-");
        write_configuration(keeper.folder(), vhosts);
        if let Some(address) = metrics_address {
            show_metrics(keeper.folder(), address);
        }
        Self::start_in(keeper, free_port(), vhosts, metrics_address).await
    }

    async fn start_in(keeper: Keeper, port: u16, vhosts: usize, metrics_address: Option<SocketAddr>) -> Self {
        let scripts = scripts();
        let ports = [port, free_port(), free_port()];
        let environment = environment(keeper.folder(), ports);
        let name_daemon = keeper.start(Command::new("epmd").envs(&environment), "epmd");
        let node = start_node(&keeper, &scripts, &environment, LOG);
        let address = SocketAddr::from(([127, 0, 0, 1], ports[0]));
        let given = AtomicUsize::new(0);
        let node = Mutex::new(node);
        let broker = Self { address, metrics_address, environment, scripts, name_daemon, node, vhosts, given, keeper };
        broker.is_up().await;
        broker
    }

    /// The address at which clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The id of its process, whose children are its node.
    pub fn process_id(&self) -> u32 {
        self.node.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// The address at which it shows its metrics, if it does.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Whether one of its files holds this text.
    pub fn is_on_disk(&self, text: &str) -> bool {
        self.keeper.holds(text)
    }

    /// Takes the next virtual host.
    pub fn vhost(&self) -> Vhost<'_> {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        assert!(number < self.vhosts, "there are more tests than virtual hosts: raise SHARED_VHOSTS");
        Vhost { broker: self, name: format!("v{number}") }
    }

    /// Ends it like a power cut.
    pub fn kill(&self) {
        self.keeper.kill(&mut self.node.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Starts it again after a kill, on the same port and with its files.
    pub async fn start_again(&self) {
        let node = start_node(&self.keeper, &self.scripts, &self.environment, LOG);
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = node;
        self.is_up().await;
    }

    /// From now on, grants each new connection at most so many AMQP channels.
    pub async fn limit_channels(&self, channel_max: u16) {
        self.control(&["eval", &format!("application:set_env(rabbit, channel_max, {channel_max}).")]).await;
    }

    /// Makes the broker read nothing more from publishers.
    pub async fn raise_memory_alarm(&self) {
        self.control(&["set_vm_memory_high_watermark", "0"]).await;
    }

    /// Ends the alarm.
    pub async fn clear_memory_alarm(&self) {
        self.control(&["set_vm_memory_high_watermark", "0.6"]).await;
    }

    async fn is_up(&self) {
        let log = self.keeper.folder().join("rabbitmq.log");
        eventually_within(Duration::from_mins(3), &format!("RabbitMQ answers (see {})", log.display()), async || {
            let mut connection = TcpStream::connect(self.address).await.ok()?;
            connection.write_all(b"AMQP\x00\x00\x09\x01").await.ok()?;
            let mut first = [0; 1];
            connection.read_exact(&mut first).await.ok().map(drop)
        })
        .await;
    }

    /// Runs `rabbitmqctl`, which must succeed, and returns its output.
    pub async fn control(&self, arguments: &[&str]) -> String {
        let output = self.try_control(arguments).await;
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn try_control(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(self.scripts.join("rabbitmqctl"));
        command.envs(&self.environment).args(arguments).output().await.expect("rabbitmqctl can be run")
    }
}

impl Vhost<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL at which clients connect that may do everything. [`as_process`](crate::as_process) makes of it the URL of a
    /// process, which may do no more than `ops/rabbitmq/users.json` says.
    pub fn url(&self) -> String {
        self.url_at(self.broker.address)
    }

    /// The URL through a link.
    pub fn url_through(&self, link: &Link) -> String {
        self.url_at(link.address())
    }

    fn url_at(&self, address: SocketAddr) -> String {
        format!("amqp://{}@{address}/{}", rights::EVERYTHING, self.name)
    }

    /// Stops the Raft server of a queue, as a fault of the broker's disk does: the queue exists and does nothing.
    pub async fn stop_queue(&self, queue: &str) {
        let stop = format!("ok = ra:stop_server(quorum_queues, {{'{}_{queue}', node()}}).", self.name);
        self.broker.control(&["eval", &stop]).await;
    }

    /// How many messages these queues hold: those that wait, and those that somebody has and has not acknowledged.
    pub async fn held_in(&self, queues: impl IntoIterator<Item = &str>) -> u64 {
        let servers: Vec<String> = queues.into_iter().map(|queue| format!("'{}_{queue}'", self.name)).collect();
        let held =
            "{ok, {_, Held}, _} = ra:local_query({Server, node()}, fun rabbit_fifo:query_messages_total/1), Held";
        let ask = format!("lists:sum([begin {held} end || Server <- [{}]]).", servers.join(", "));
        let held = self.broker.control(&["eval", &ask]).await;
        held.trim().parse().unwrap_or_else(|_| panic!("this is no number of messages: {held}"))
    }

    /// Lets a queue answer nothing until [`Self::resume_queue`]: what is published into it is confirmed then.
    pub async fn pause_queue(&self, queue: &str) {
        self.control_queue("suspend", queue).await;
    }

    /// Lets a queue that was paused go on.
    pub async fn resume_queue(&self, queue: &str) {
        self.control_queue("resume", queue).await;
    }

    /// Lets every queue answer nothing, as on a node that is parted from the others of its cluster.
    pub async fn pause_all_queues(&self) {
        let pause =
            "[ok = sys:suspend(element(1, amqqueue:get_pid(Queue))) || Queue <- rabbit_amqqueue:list(<<\"VHOST\">>)].";
        self.broker.control(&["eval", &pause.replace("VHOST", &self.name)]).await;
    }

    async fn control_queue(&self, verb: &str, queue: &str) {
        let call = format!("ok = sys:{verb}(whereis('{}_{queue}')).", self.name);
        self.broker.control(&["eval", &call]).await;
    }

    /// Deletes it with all that is in it.
    pub async fn delete(self) {
        self.broker.control(&["delete_vhost", &self.name]).await;
    }

    /// Deletes a queue while processes use it.
    pub async fn delete_queue(&self, queue: &str) {
        let arguments = ["--vhost", &self.name, "delete_queue", queue];
        // A quorum queue that has just been declared may not have a leader yet.
        eventually("the queue is deleted", async || {
            self.broker.try_control(&arguments).await.status.success().then_some(())
        })
        .await;
    }
}
