//! The ground tests stand on: a private RabbitMQ, Redis, Prometheus and browser, processes, cables that can be cut, and
//! waiting without sleeping. A failure panics, because the test can't go on.

mod chromium;
mod cluster;
mod eventually;
mod keeper;
mod link;
mod node;
mod ports;
mod process;
mod prometheus;
mod rabbitmq;
mod redis;
mod redis_cluster;
mod redis_node;
mod redis_sentinels;
mod rights;

pub use chromium::{BrowserSlot, Chromedriver};
pub use cluster::{NODES, RabbitCluster};
pub use eventually::{eventually, eventually_within};
pub use link::Link;
pub use node::rabbitmq_version;
pub use ports::free_port;
pub use process::Process;
pub use prometheus::Prometheus;
pub use rabbitmq::{RabbitMq, Vhost};
pub use redis::Redis;
pub use redis_cluster::{REDIS_NODES, RedisCluster, SlotPlace};
pub use redis_sentinels::{SENTINELS, SentinelSet};
pub use rights::{PASSWORD, as_process, with_rights};
