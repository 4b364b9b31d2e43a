//! The connection to Redis: it is made again after it breaks, every request has a bound, and every failure a name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chassis::Shutdown;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
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

/// The connection that all requests share.
pub(super) struct Connection {
    client: Client,
    state: Mutex<State>,
    is_connected: AtomicBool,
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
    pub(super) fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, state: Mutex::default(), is_connected: AtomicBool::new(false), metrics }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    /// Sends a request over the current connection, and drops that connection if it broke.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let (connection, generation) = self.current().await?;
        match question(connection).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let error = name(&error);
                if matches!(error, StoreError::Away | StoreError::TimedOut) {
                    self.lost(generation, &error).await;
                }
                Err(error)
            }
        }
    }

    /// The open connection and its generation. Connects if there is none.
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
        let bounds = AsyncConnectionConfig::new();
        let bounds = bounds.set_connection_timeout(Some(ANSWER_TIME)).set_response_timeout(Some(ANSWER_TIME));
        match self.client.get_multiplexed_async_connection_with_config(&bounds).await {
            Ok(connection) => {
                state.open = Some(connection.clone());
                state.generation += 1;
                if state.failure.take().is_some() {
                    info!("The channel store can be reached again");
                }
                self.set_connected(true);
                Ok((connection, state.generation))
            }
            Err(error) => {
                let error = name(&error);
                if state.failure.is_none() {
                    warn!(%error, "The channel store failed");
                }
                state.failure = Some(Failure { at: Instant::now(), error: error.clone() });
                self.set_connected(false);
                Err(error)
            }
        }
    }

    async fn lost(&self, generation: u64, error: &StoreError) {
        let mut state = self.state.lock().await;
        if state.generation == generation && state.open.take().is_some() {
            warn!(%error, "The channel store failed");
            state.failure = Some(Failure { at: Instant::now(), error: error.clone() });
            self.set_connected(false);
        }
    }

    fn set_connected(&self, is_connected: bool) {
        self.is_connected.store(is_connected, Ordering::Relaxed);
        self.metrics.connected.set(is_connected);
    }
}

/// Tries the connection periodically until the process stops.
pub(super) async fn watch(connection: Arc<Connection>, shutdown: Shutdown) {
    loop {
        let ping = async |mut connection| redis::cmd("PING").query_async::<()>(&mut connection).await;
        // The connection itself logs and counts what went wrong.
        connection.ask(ping).await.ok();
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
    StoreError::Refused(error.code().map_or_else(|| error.category().to_owned(), str::to_owned))
}
