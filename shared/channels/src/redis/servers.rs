//! Each server behind the store by itself. What names no key concerns one server only: its file, its users, its memory.

use std::collections::HashMap;

use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use redis::{Client, ConnectionAddr, ConnectionInfo, FromRedisValue, Pipeline, Value, cmd};

use super::address::{beside, shown};
use super::dial::{Cluster, Dialer, dial};
use super::errors::name;
use super::link::Link;
use super::{RedisStore, read};
use crate::error::StoreError;
use crate::keys;
use crate::server::{AppendOnlyFile, Rewriting, Server, ServerKind, Servers};

/// A server with a connection of its own.
pub(crate) struct OneServer {
    pub(crate) address: String,
    link: Link,
}

/// The servers behind a store.
pub(crate) struct AllServers {
    pub(crate) reached: Vec<OneServer>,
    pub(crate) unreachable: Vec<String>,
}

impl RedisStore {
    /// Every server that holds our data: one, or a primary and its replicas, or all nodes of a cluster.
    pub(crate) async fn all_servers(&self) -> Result<AllServers, StoreError> {
        let addresses = match self.0.connection.dialer() {
            Dialer::One(client) => vec![client.get_connection_info().clone()],
            Dialer::Sentinels(sentinels) => {
                let mut addresses = vec![sentinels.primary().await?];
                addresses.extend(sentinels.replicas().await?);
                addresses
            }
            Dialer::Cluster(cluster) => self.nodes(cluster).await?,
        };
        let reach = async |address: &ConnectionInfo| match Client::open(address.clone()) {
            Ok(client) => dial(&client).await.map(|dialled| dialled.link),
            Err(error) => Err(name(&error)),
        };
        let mut all = AllServers { reached: Vec::new(), unreachable: Vec::new() };
        let mut trouble = None;
        for (address, link) in addresses.iter().zip(join_all(addresses.iter().map(reach)).await) {
            let address = shown(address.addr());
            match link {
                Ok(link) => all.reached.push(OneServer { address, link }),
                Err(error) => {
                    all.unreachable.push(address);
                    trouble = Some(error);
                }
            }
        }
        match trouble {
            Some(error) if all.reached.is_empty() => Err(error),
            _ => Ok(all),
        }
    }

    /// What the servers say about themselves.
    pub(crate) async fn servers(&self) -> Result<Servers, StoreError> {
        let all = self.all_servers().await?;
        let kind = match self.0.connection.dialer() {
            Dialer::One(_) => ServerKind::One,
            Dialer::Sentinels(sentinels) => {
                ServerKind::Sentinels { service: sentinels.service.clone(), count: sentinels.count().await? }
            }
            Dialer::Cluster(_) => ServerKind::Cluster,
        };
        // Any key will do: what Redis loads its file as may have all of them, or none.
        let key = self.key(keys::CHANNEL);
        let mut servers = try_join_all(all.reached.iter().map(|server| server.describe(&key))).await?;
        servers.sort_by_key(|server| !server.is_primary);
        Ok(Servers { kind, servers, unreachable: all.unreachable })
    }

    /// The nodes of a cluster, by what one of them knows: also those that are lost, and not only those that have slots.
    async fn nodes(&self, cluster: &Cluster) -> Result<Vec<ConnectionInfo>, StoreError> {
        let mut shards = cmd("CLUSTER");
        shards.arg("SHARDS");
        let ask = async |mut link: Link| shards.query_async::<Vec<HashMap<String, Value>>>(&mut link).await;
        let shards = self.0.connection.ask(ask).await?;
        let nodes = shards.into_iter().filter_map(|mut shard| shard.remove("nodes")).map(read::<Vec<Value>>);
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
        nodes.map(|node| node_at(read(node)?, &cluster.node)).collect()
    }
}

/// The address of a node, as it wants to be called.
fn node_at(mut node: HashMap<String, Value>, like: &ConnectionInfo) -> Result<ConnectionInfo, StoreError> {
    let port = if matches!(like.addr(), ConnectionAddr::TcpTls { .. }) { "tls-port" } else { "port" };
    let mut part = |name: &str| node.remove(name).unwrap_or(Value::Nil);
    Ok(beside(like, read(part("endpoint"))?, read(part(port))?))
}

impl OneServer {
    /// Sends commands, and returns their answers.
    pub(super) async fn query<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, StoreError> {
        let answers = self.link.send(commands).await.map_err(|error| name(&error))?;
        read(Value::Array(answers))
    }

    async fn describe(&self, key: &str) -> Result<Server, StoreError> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("INFO").cmd("TIME");
        let (info, (seconds, microseconds)) = self.query::<(String, (i64, i32))>(&pipeline).await?;
        let now = Timestamp::new(seconds, microseconds * 1_000).unwrap_or_default();
        Ok(Server::read(self.address.clone(), &info, now, self.loading(key).await?))
    }

    /// Whether the user that Redis loads its append-only file as may run the commands that the file holds.
    async fn loading(&self, key: &str) -> Result<AppendOnlyFile, StoreError> {
        for replayed in [&["EXEC"][..], &["HSET", key, "field", "value"]] {
            let mut dry_run = Pipeline::with_capacity(1);
            dry_run.cmd("ACL").arg("DRYRUN").arg("default").arg(replayed);
            match self.query::<Vec<String>>(&dry_run).await {
                Ok(answer) if answer == ["OK"] => {}
                Ok(_) => return Ok(AppendOnlyFile::Refused),
                Err(StoreError::Refused(code)) => return Ok(AppendOnlyFile::Unknown(code)),
                Err(error) => return Err(error),
            }
        }
        Ok(AppendOnlyFile::Loadable)
    }

    /// How far it is with rewriting its append-only file.
    pub(crate) async fn rewriting(&self) -> Result<Rewriting, StoreError> {
        let mut info = Pipeline::with_capacity(1);
        info.cmd("INFO").arg("persistence");
        Ok(Rewriting::read(&self.query::<Vec<String>>(&info).await?.concat()))
    }

    /// Has it rewrite its append-only file. `false`: it is at it already, and may have passed what was erased since.
    pub(crate) async fn begin_rewrite(&self) -> Result<bool, StoreError> {
        let mut rewrite = Pipeline::with_capacity(1);
        rewrite.cmd("BGREWRITEAOF");
        match self.query::<Value>(&rewrite).await {
            Ok(_) => Ok(true),
            Err(StoreError::Refused(code)) if code == "ERR" => Ok(false),
            Err(error) => Err(error),
        }
    }
}
