//! What the service of a drill runs on: servers of its own, or files.

use std::net::SocketAddr;
use std::path::Path;

use chassis::{Shutdown, now};
use prometheus::Registry;
use queue::{Queue, QueueName, QueueSettings};
use testkit::{RabbitCluster, RabbitMq, Redis};

use super::evidence::Parked;
use super::fault::Ground;
use super::notification;

/// The virtual host of a broker that is started for one drill.
const VHOST: &str = "v0";

/// The broker or the files that hold the queue.
#[derive(Debug)]
pub(crate) enum Broker {
    Rabbit(Box<RabbitMq>),
    Cluster(&'static RabbitCluster),
    Files,
}

/// The servers and the addresses of queue and store, without any cable.
#[derive(Debug)]
pub(crate) struct Engines {
    pub(crate) broker: Broker,
    pub(crate) redis: Option<Redis>,
    pub(crate) queue_url: String,
    pub(crate) channels_url: String,
    pub(crate) key_prefix: String,
}

impl Engines {
    pub(crate) async fn start(ground: Ground, folder: &Path) -> Self {
        let broker = match ground {
            Ground::Rabbitmq => Broker::Rabbit(Box::new(RabbitMq::start().await)),
            Ground::Cluster => Broker::Cluster(RabbitCluster::shared().await),
            Ground::Embedded => {
                let url = format!("embedded:{}", folder.join("data").display());
                let key_prefix = String::new();
                return Self {
                    broker: Broker::Files,
                    redis: None,
                    queue_url: url.clone(),
                    channels_url: url,
                    key_prefix,
                };
            }
        };
        let queue_url = match &broker {
            Broker::Rabbit(rabbit) => rabbit.vhost().url(),
            Broker::Cluster(cluster) => cluster.url(&cluster.vhost()),
            Broker::Files => String::new(),
        };
        assert!(queue_url.ends_with(&format!("/{VHOST}")), "{queue_url}");
        let redis = Redis::start().await;
        let key_prefix = redis.prefix();
        Self { broker, queue_url, channels_url: redis.url(), redis: Some(redis), key_prefix }
    }

    /// The addresses of the nodes of the broker.
    pub(crate) fn nodes(&self) -> Vec<SocketAddr> {
        let hosts = self.queue_url.rsplit('@').next().and_then(|rest| rest.split('/').next()).unwrap_or_default();
        hosts.split(',').filter_map(|host| host.parse().ok()).collect()
    }

    pub(crate) fn rabbit(&self) -> &RabbitMq {
        let Broker::Rabbit(rabbit) = &self.broker else { panic!("this ground has not one RabbitMQ") };
        rabbit
    }

    pub(crate) fn cluster(&self) -> &'static RabbitCluster {
        let Broker::Cluster(cluster) = self.broker else { panic!("this ground has no cluster") };
        cluster
    }

    pub(crate) fn redis(&self) -> &Redis {
        self.redis.as_ref().expect("this ground has a Redis")
    }

    /// Runs `rabbitmqctl` for the virtual host of the drill.
    pub(crate) async fn control(&self, arguments: &[&str]) {
        let arguments = [&["--vhost", VHOST], arguments].concat();
        match &self.broker {
            Broker::Rabbit(rabbit) => _ = rabbit.control(&arguments).await,
            Broker::Cluster(cluster) => _ = cluster.control(0, &arguments).await,
            Broker::Files => panic!("files have no rabbitmqctl"),
        }
    }

    /// Gives every queue another leader.
    pub(crate) async fn move_leaders(&self) {
        let moves = format!(
            "[begin {{Name, Node}} = amqqueue:get_pid(Queue), [Other | _] = rabbit_nodes:list_running() -- [Node], \
             ra:transfer_leadership({{Name, Node}}, {{Name, Other}}) end || Queue <- rabbit_amqqueue:list(<<\"{VHOST}\">>), \
             amqqueue:get_type(Queue) =:= rabbit_quorum_queue], ok."
        );
        self.cluster().control(0, &["eval", &moves]).await;
    }

    /// Runs a command of Redis on the keys of the drill that match a pattern.
    pub(crate) async fn remove_keys(&self, pattern: &str) {
        let script = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 1";
        let pattern = format!("{}{pattern}", self.key_prefix);
        self.ask_redis(&["EVAL", script, "0", &pattern]).await;
    }

    /// Runs a command of Redis, which must succeed.
    pub(crate) async fn ask_redis(&self, words: &[&str]) {
        let answer = self.redis().command(words).await;
        assert!(!answer.starts_with('-'), "{words:?}: {answer}");
    }

    /// The dead letters that are events of the drill.
    pub(crate) async fn parked(&self) -> Result<Vec<Parked>, String> {
        let shutdown = Shutdown::default();
        let read = async {
            let mut scan = self.queue(&shutdown).await?.scan_dead_letters().await.map_err(|error| error.to_string())?;
            let mut parked = Vec::new();
            while let Some(letter) = scan.next().await.map_err(|error| error.to_string())? {
                if let Some(place) = notification::place(&letter.envelope.body) {
                    parked.push(Parked { place, reason: letter.letter.reason });
                }
            }
            scan.finish().await.map_err(|error| error.to_string())?;
            Ok(parked)
        };
        let parked = read.await;
        shutdown.request();
        parked
    }

    /// How many events are on their way: those that wait in any queue but that of dead letters.
    pub(crate) async fn waiting(&self) -> Result<u64, String> {
        let shutdown = Shutdown::default();
        let read = async { self.queue(&shutdown).await?.depths().await.map_err(|error| error.to_string()) };
        let depths = read.await;
        shutdown.request();
        depths.map(|depths| depths.into_iter().filter(|(of, _)| *of != QueueName::Dead).map(|(_, depth)| depth).sum())
    }

    async fn queue(&self, shutdown: &Shutdown) -> Result<Queue, String> {
        let metrics = queue::Metrics::register(&Registry::new()).expect("metrics register once");
        Queue::open(&QueueSettings::at(&self.queue_url), metrics, shutdown).await.map_err(|error| error.to_string())
    }
}

/// The time for a name of a folder.
pub(crate) fn timestamp() -> String {
    now().strftime("%Y%m%dT%H%M%S").to_string()
}
