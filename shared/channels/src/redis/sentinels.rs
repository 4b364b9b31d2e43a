//! The sentinels of a service: which server is its primary, and which are its replicas.
//!
//! The crate's own client believes the first sentinel of the list that answers. That one may be cut off together with an old
//! primary, which would keep us there. So all are asked at once, and the one with the newest configuration is believed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ConnectionInfo, FromRedisValue, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::address::{SentinelAddress, beside};
use super::bounds::{bounds, tcp_settings};
use super::errors::name;
use crate::error::StoreError;

/// A sentinel that takes longer to answer counts as silent.
const SENTINEL_TIME: Duration = Duration::from_secs(1);

/// The number of a configuration.
const EPOCH: &str = "config-epoch";

/// The sentinels of a service.
pub(super) struct Sentinels {
    all: Vec<Sentinel>,
    pub(super) service: String,
    server: ConnectionInfo,
    /// The newest configuration that was believed.
    epoch: AtomicUsize,
}

struct Sentinel {
    client: Client,
    open: Mutex<Option<MultiplexedConnection>>,
}

/// What a sentinel says of a server.
type Description = HashMap<String, String>;

impl Sentinels {
    pub(super) fn new(address: SentinelAddress) -> RedisResult<Self> {
        let SentinelAddress { sentinels, service, server } = address;
        let sentinel = |address: ConnectionInfo| {
            let client = Client::open(address.set_tcp_settings(tcp_settings()))?;
            Ok(Sentinel { client, open: Mutex::default() })
        };
        let all = sentinels.into_iter().map(sentinel).collect::<RedisResult<_>>()?;
        Ok(Self { all, service, server: server.set_tcp_settings(tcp_settings()), epoch: AtomicUsize::default() })
    }

    /// The address of the primary.
    pub(super) async fn primary(&self) -> Result<ConnectionInfo, StoreError> {
        self.newest().await.and_then(|described| self.server_at(&described))
    }

    /// The addresses of the replicas, also of those that are down.
    pub(super) async fn replicas(&self) -> Result<Vec<ConnectionInfo>, StoreError> {
        let described = self.ask_all::<Vec<Description>>(&["REPLICAS", &self.service]).await?;
        // Whoever knows most of them: a sentinel that has just started knows none.
        let described = described.into_iter().max_by_key(Vec::len).unwrap_or_default();
        described.iter().map(|replica| self.server_at(replica)).collect()
    }

    /// How many sentinels watch the service, by what the one with the newest configuration knows.
    pub(super) async fn count(&self) -> Result<usize, StoreError> {
        Ok(number(&self.newest().await?, "num-other-sentinels").unwrap_or_default() + 1)
    }

    async fn newest(&self) -> Result<Description, StoreError> {
        let answers = self.ask_all::<Vec<Description>>(&["MASTERS"]).await?;
        let are_most = answers.len() > self.all.len() / 2;
        let is_ours = |described: &Description| described.get("name") == Some(&self.service);
        let unknown = || StoreError::Refused("no such service at the sentinels".to_owned());
        let newest = newest(answers.into_iter().flatten().filter(is_ours)).ok_or_else(unknown)?;
        let epoch = number(&newest, EPOCH).unwrap_or_default();
        if !is_believed(epoch, self.epoch.load(Ordering::Relaxed), are_most) {
            return Err(StoreError::Away);
        }
        self.epoch.store(epoch, Ordering::Relaxed);
        Ok(newest)
    }

    /// The answers of the sentinels that gave one. An error if none did.
    async fn ask_all<T: FromRedisValue>(&self, what: &[&str]) -> Result<Vec<T>, StoreError> {
        let mut question = redis::cmd("SENTINEL");
        question.arg(what);
        let answers = join_all(self.all.iter().map(|sentinel| sentinel.ask(&question))).await;
        let (answers, errors): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        if answers.is_empty() {
            let errors = errors.into_iter().filter_map(Result::err);
            // One that refuses us says more than one that is silent.
            return Err(errors.max_by_key(|error| matches!(error, StoreError::Refused(_))).unwrap_or(StoreError::Away));
        }
        Ok(answers.into_iter().flatten().collect())
    }

    fn server_at(&self, described: &Description) -> Result<ConnectionInfo, StoreError> {
        let port = number(described, "port").and_then(|port| u16::try_from(port).ok());
        match (described.get("ip"), port) {
            (Some(host), Some(port)) => Ok(beside(&self.server, host.clone(), port)),
            (_, _) => Err(StoreError::Refused("a sentinel names no address".to_owned())),
        }
    }
}

impl Sentinel {
    async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Result<T, StoreError> {
        let ask = async {
            let mut open = self.open.lock().await;
            // A connection that fails, or is too slow, is not put back.
            let mut connection = match open.take() {
                Some(connection) => connection,
                None => self.client.get_multiplexed_async_connection_with_config(&bounds(SENTINEL_TIME)).await?,
            };
            let answer = question.query_async(&mut connection).await?;
            *open = Some(connection);
            Ok(answer)
        };
        let answer = timeout(SENTINEL_TIME, ask).await.map_err(|_| StoreError::TimedOut)?;
        answer.map_err(|error| name(&error))
    }
}

/// What the sentinel with the newest configuration says: each failover has a higher epoch than those before.
fn newest(described: impl IntoIterator<Item = Description>) -> Option<Description> {
    described.into_iter().max_by_key(|described| number(described, EPOCH))
}

/// Whether to believe a configuration after another one. Who had the newer one may be silent for a moment, and who is left be
/// cut off with an old primary. An older one that most sentinels have is that of sentinels that were set up anew.
fn is_believed(epoch: usize, before: usize, are_most: bool) -> bool {
    epoch >= before || are_most
}

fn number(described: &Description, field: &str) -> Option<usize> {
    described.get(field)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_that_is_cut_off_with_an_old_primary_is_not_believed() {
        let described = |ip: &str, epoch: &str| {
            Description::from([("ip".to_owned(), ip.to_owned()), (EPOCH.to_owned(), epoch.to_owned())])
        };

        let primary = newest([described("old", "9"), described("new", "10"), described("old", "9")]);

        assert_eq!(primary.unwrap()["ip"], "new");
        assert_eq!(newest([]), None);
    }

    #[test]
    fn an_older_configuration_is_believed_only_if_most_sentinels_have_it() {
        assert!(is_believed(10, 9, false) && is_believed(10, 10, false));
        assert!(!is_believed(9, 10, false));
        assert!(is_believed(0, 10, true), "the sentinels were set up anew");
    }
}
