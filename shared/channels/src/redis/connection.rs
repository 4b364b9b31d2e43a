//! The connection to Redis: it is made again after it breaks, every request has a bound, and every failure a name.

use std::sync::Arc;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::Duration;

use chassis::{KEEP_ALIVE_TIME, KEEP_ALIVE_TRIES, Shutdown, UNACKNOWLEDGED_TIME};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, RedisResult};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::error::StoreError;
use crate::metrics::Metrics;

/// A Redis that takes longer to answer counts as away.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// After a failure, requests are refused at once for this long, instead of each waiting for an attempt of its own.
const AWAY_TIME: Duration = Duration::from_millis(200);
/// How often an idle connection is tried, so that readiness and metrics are true.
const TRY_PERIOD: Duration = Duration::from_secs(2);

/// Errors of a Redis that is the wrong one (a replica, after a failover behind one address) or not able to serve yet. The
/// connection is made again, and the name resolved again, until there is one that serves.
const WRONG_SERVER: [&str; 9] =
    ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN", "NOAUTH", WRONG_PASSWORD];
/// The crate keeps Redis' own word for this one to itself.
const WRONG_PASSWORD: &str = "WRONGPASS";

/// The connection that all requests share.
pub(super) struct Connection {
    client: Client,
    /// A write. Reading says nothing: a replica and a Redis without memory answer that.
    probe: Cmd,
    state: Mutex<State>,
    trouble: StdMutex<Option<StoreError>>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    open: Option<MultiplexedConnection>,
    /// Counts the connections, so that a request that saw an old one break does not close its successor.
    generation: u64,
    failure: Option<Failure>,
}

struct Failure {
    at: Instant,
    error: StoreError,
}

impl Connection {
    pub(super) fn new(client: Client, probe: Cmd, metrics: Metrics) -> Self {
        let trouble = StdMutex::new(Some(StoreError::Away));
        Self { client, probe, state: Mutex::default(), trouble, metrics }
    }

    /// What was wrong when the store was last tried.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request over the current connection, and drops that connection if it broke or leads to the wrong server.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let (connection, generation) = self.current().await?;
        match question(connection).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let error = name(&error);
                if is_of_no_use(&error) {
                    self.lost(generation, &error).await;
                }
                Err(error)
            }
        }
    }

    /// The open connection and its generation. Connects first if no connection is open.
    async fn current(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.open {
            return Ok((connection.clone(), state.generation));
        }
        if let Some(failure) = &state.failure
            && failure.at.elapsed() < AWAY_TIME
        {
            return Err(failure.error.clone());
        }
        match self.connect(&bounds()).await {
            Ok((connection, trouble)) => {
                state.open = Some(connection.clone());
                state.generation += 1;
                if state.failure.take().is_some() {
                    info!("The channel store can be reached again");
                }
                self.set_trouble(trouble);
                Ok((connection, state.generation))
            }
            Err(error) => {
                if state.failure.is_none() {
                    warn!(%error, "The channel store failed");
                }
                state.failure = Some(Failure { at: Instant::now(), error: error.clone() });
                self.set_trouble(Some(error.clone()));
                Err(error)
            }
        }
    }

    /// A new connection, and what is wrong with the server although it can be used: it may only be read, for example.
    async fn connect(
        &self,
        bounds: &AsyncConnectionConfig,
    ) -> Result<(MultiplexedConnection, Option<StoreError>), StoreError> {
        let connection = self.client.get_multiplexed_async_connection_with_config(bounds).await;
        let mut connection = connection.map_err(|error| name(&error))?;
        match self.probe.query_async::<()>(&mut connection).await.map_err(|error| name(&error)) {
            Err(error) if is_of_no_use(&error) => Err(error),
            probed => Ok((connection, probed.err())),
        }
    }

    /// Tries whether the store can be reached and takes what we write.
    async fn try_it(&self) {
        let probed = self.ask(async |mut connection| self.probe.query_async::<()>(&mut connection).await).await;
        match probed {
            Ok(()) => self.set_trouble(None),
            // The connection is kept: what is stored can be read.
            Err(error) if !is_of_no_use(&error) => self.set_trouble(Some(error)),
            // This was noted when the connection was dropped.
            Err(_) => {}
        }
    }

    async fn lost(&self, generation: u64, error: &StoreError) {
        let mut state = self.state.lock().await;
        if state.generation == generation && state.open.take().is_some() {
            warn!(%error, "The channel store failed");
            state.failure = Some(Failure { at: Instant::now(), error: error.clone() });
            self.set_trouble(Some(error.clone()));
        }
    }

    fn set_trouble(&self, trouble: Option<StoreError>) {
        self.metrics.connected.set(trouble.is_none());
        let before =
            std::mem::replace(&mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner), trouble.clone());
        // A connection that is lost or made again is logged where that happens.
        let is_refusal = |trouble: &Option<StoreError>| trouble.as_ref().is_some_and(|error| !is_of_no_use(error));
        match &trouble {
            Some(error) if is_refusal(&trouble) && before != trouble => {
                warn!(%error, "The channel store takes no writes");
            }
            None if is_refusal(&before) => info!("The channel store takes writes again"),
            Some(_) | None => {}
        }
    }
}

/// Bounds for a connection. All addresses of a name are tried at once.
fn bounds() -> AsyncConnectionConfig {
    let bounds = AsyncConnectionConfig::new();
    bounds.set_connection_timeout(Some(ANSWER_TIME)).set_response_timeout(Some(ANSWER_TIME))
}

/// What the kernel does about a server that has gone without a word.
pub(super) fn tcp_settings() -> TcpSettings {
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE_TIME).with_interval(KEEP_ALIVE_TIME);
    let settings = TcpSettings::default().set_nodelay(true).set_user_timeout(UNACKNOWLEDGED_TIME);
    settings.set_keepalive(keep_alive.with_retries(KEEP_ALIVE_TRIES))
}

/// Tries the connection periodically until the process stops.
pub(super) async fn watch(connection: Arc<Connection>, shutdown: Shutdown) {
    loop {
        connection.try_it().await;
        if !shutdown.pause(TRY_PERIOD).await {
            return;
        }
    }
}

/// Names an error by what is safe to show: the texts of Redis may repeat what was sent.
fn name(error: &RedisError) -> StoreError {
    if error.is_timeout() {
        return StoreError::TimedOut;
    }
    if error.is_io_error() || error.is_connection_dropped() || error.is_connection_refusal() {
        return StoreError::Away;
    }
    if error.kind() == ErrorKind::AuthenticationFailed {
        return StoreError::Refused(WRONG_PASSWORD.to_owned());
    }
    // A pipeline has an error for each of its commands.
    let code = error.clone().into_server_errors().and_then(|errors| Some(errors.first()?.1.code().to_owned()));
    StoreError::Refused(code.unwrap_or_else(|| error.category().to_owned()))
}

/// Whether the connection that gave this error has to be replaced.
fn is_of_no_use(error: &StoreError) -> bool {
    match error {
        StoreError::Away | StoreError::TimedOut => true,
        StoreError::Refused(code) => WRONG_SERVER.contains(&code.as_str()),
        StoreError::NotInitialised
        | StoreError::Files(_)
        | StoreError::Conflict
        | StoreError::OtherTenant { .. }
        | StoreError::ErasureKey(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use redis::RedisFuture;
    use redis::io::AsyncDNSResolver;
    use testkit::Redis;
    use tokio::net::{TcpSocket, TcpStream};
    use tokio::time::timeout;

    use super::*;

    /// A name with two addresses.
    struct TwoAddresses([SocketAddr; 2]);

    impl AsyncDNSResolver for TwoAddresses {
        fn resolve<'a, 'b: 'a>(
            &'a self,
            _: &'b str,
            _: u16,
        ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
            let addresses: Box<dyn Iterator<Item = SocketAddr> + Send> = Box::new(self.0.into_iter());
            Box::pin(std::future::ready(Ok(addresses)))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_address_that_swallows_packets_does_not_hide_one_that_works() {
        let redis = Redis::shared().await;
        // Its backlog holds one connection, and nobody accepts it: further requests for a connection get no answer.
        let swallows = TcpSocket::new_v4().unwrap();
        swallows.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        let swallows = swallows.listen(0).unwrap();
        let first = swallows.local_addr().unwrap();
        let _fills_the_backlog = TcpStream::connect(first).await.unwrap();
        let one_more = timeout(Duration::from_millis(300), TcpStream::connect(first)).await;
        assert!(one_more.is_err(), "the first address swallows packets");
        let bounds = bounds().set_dns_resolver(TwoAddresses([first, redis.address()]));
        let client = Client::open("redis://redis.example:6379").unwrap();

        let connected = client.get_multiplexed_async_connection_with_config(&bounds).await;

        redis::cmd("PING").query_async::<()>(&mut connected.unwrap()).await.unwrap();
    }
}
