//! An open connection: to one server, or to all nodes of a cluster.

use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

/// An open connection, which many requests share. Cheap to clone.
#[derive(Clone)]
pub(super) enum Link {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// Sends commands, and returns their answers. A server gets them together. Of a cluster, each node gets those whose keys
    /// it has, all at once. (The crate sends a pipeline to one node, and refuses one whose keys lie in several slots. While a
    /// slot moves, its new node would let in no more than the pipeline's first command.)
    pub(super) async fn send(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        match self {
            Self::Server(server) => commands.query_async(&mut server.clone()).await,
            Self::Cluster(cluster) => send_to_all(cluster, commands).await,
        }
    }
}

async fn send_to_all(cluster: &ClusterConnection, commands: &Pipeline) -> RedisResult<Vec<Value>> {
    let send = async |command: &Cmd| command.query_async::<Value>(&mut cluster.clone()).await;
    let answers = join_all(commands.cmd_iter().map(send)).await;
    let mut values = Vec::with_capacity(answers.len());
    for (command, answer) in commands.cmd_iter().zip(answers) {
        values.push(match answer {
            // The new node of a slot that moves lets one command in for each ASKING that comes right before it, and those of
            // other commands may come between them.
            Err(error) if error.is_cluster_error() => send(command).await?,
            answer => answer?,
        });
    }
    Ok(values)
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
