//! How a connection is made: to a server at one address, to the primary that sentinels name, or to a cluster.

use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::{Client, ConnectionAddr, ConnectionInfo, RedisResult};
use tokio::time::timeout;

use super::address::RedisAddress;
use super::bounds::{ANSWER_TIME, bounds, tcp_settings};
use super::errors::name;
use super::link::Link;
use super::sentinels::Sentinels;
use crate::error::StoreError;

/// How long a node of a cluster may take to accept a connection. All are tried at once, twice: those of the address, and then
/// those that the cluster names.
const NODE_CONNECT_TIME: Duration = Duration::from_secs(1);
/// A cluster whose nodes can't be found out in this time counts as away.
const CLUSTER_CONNECT_TIME: Duration = Duration::from_secs(4);
/// How often the crate sends a request again that a cluster could not serve because a slot moves or a primary is gone.
const RETRIES_MAX: u32 = 5;
/// The shortest and the longest wait before that, in milliseconds.
const RETRY_MS_MIN: u64 = 20;
const RETRY_MS_MAX: u64 = 200;

/// How to reach Redis.
pub(super) enum Dialer {
    One(Client),
    Sentinels(Sentinels),
    Cluster(Box<Cluster>),
}

/// A cluster.
pub(super) struct Cluster {
    client: ClusterClient,
    /// How to log in to a node. The host in it is that of one node.
    pub(super) node: ConnectionInfo,
}

/// A connection that was made.
#[derive(Clone)]
pub(super) struct Dialled {
    pub(super) link: Link,
    /// The server at its end, unless that is a cluster.
    pub(super) server: Option<ConnectionAddr>,
}

impl Dialer {
    pub(super) fn new(address: RedisAddress) -> RedisResult<Self> {
        match address {
            RedisAddress::One(address) => Client::open(address.set_tcp_settings(tcp_settings())).map(Self::One),
            RedisAddress::Sentinels(address) => Sentinels::new(*address).map(Self::Sentinels),
            RedisAddress::Cluster(nodes) => Cluster::new(nodes).map(Box::new).map(Self::Cluster),
        }
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Dialled, StoreError> {
        match self {
            Self::One(client) => dial(client).await,
            Self::Sentinels(sentinels) => {
                let primary = sentinels.primary().await?;
                dial(&Client::open(primary).map_err(|error| name(&error))?).await
            }
            Self::Cluster(cluster) => cluster.connect().await,
        }
    }

    /// Whether sentinels have made another server the primary. The one before may be alive, and may not know it.
    pub(super) async fn has_another_primary(&self, server: &ConnectionAddr) -> bool {
        let Self::Sentinels(sentinels) = self else { return false };
        sentinels.primary().await.is_ok_and(|primary| primary.addr() != server)
    }
}

impl Cluster {
    fn new(nodes: Vec<ConnectionInfo>) -> RedisResult<Self> {
        let node = nodes[0].clone().set_tcp_settings(tcp_settings());
        let client = ClusterClient::builder(nodes)
            .tcp_settings(tcp_settings())
            .connection_timeout(NODE_CONNECT_TIME)
            .response_timeout(ANSWER_TIME)
            .overall_response_timeout(Some(ANSWER_TIME))
            .retries(RETRIES_MAX)
            .min_retry_wait(RETRY_MS_MIN)
            .max_retry_wait(RETRY_MS_MAX)
            .build()?;
        Ok(Self { client, node })
    }

    async fn connect(&self) -> Result<Dialled, StoreError> {
        let connected = timeout(CLUSTER_CONNECT_TIME, self.client.get_async_connection()).await;
        let connected = connected.map_err(|_| StoreError::TimedOut)?.map_err(|error| name(&error));
        match connected {
            Ok(cluster) => Ok(Dialled { link: Link::Cluster(cluster), server: None }),
            // The crate does not say why a node refuses us. One of them is asked.
            Err(StoreError::Away) => match Client::open(self.node.clone()) {
                Ok(node) => Err(dial(&node).await.err().unwrap_or(StoreError::Away)),
                Err(error) => Err(name(&error)),
            },
            // So a server says that it is none, and the code alone would say nothing.
            Err(StoreError::Refused(code)) if code == "ERR" => {
                Err(StoreError::Refused("no cluster at CHANNELS_URL".to_owned()))
            }
            Err(error) => Err(error),
        }
    }
}

/// Connects to one server.
pub(super) async fn dial(client: &Client) -> Result<Dialled, StoreError> {
    let connected = client.get_multiplexed_async_connection_with_config(&bounds(ANSWER_TIME)).await;
    let link = connected.map(Link::Server).map_err(|error| name(&error))?;
    Ok(Dialled { link, server: Some(client.get_connection_info().addr().clone()) })
}
