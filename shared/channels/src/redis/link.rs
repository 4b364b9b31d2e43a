//! An open connection: to one server, or to all nodes of a cluster.

use futures_util::future::try_join_all;
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
            Self::Cluster(cluster) => {
                let send = async |command: &Cmd| command.query_async(&mut cluster.clone()).await;
                try_join_all(commands.cmd_iter().map(send)).await
            }
        }
    }
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
