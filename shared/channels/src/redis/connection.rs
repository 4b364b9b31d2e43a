//! The connection to Redis: it is made again after it breaks, every request has a bound, and every failure a name.

use std::sync::Arc;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::Duration;

use chassis::Shutdown;
use redis::{Pipeline, RedisResult};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use super::address::shown;
use super::dial::{Dialer, Dialled};
use super::errors::{is_of_no_use, name};
use super::link::Link;
use crate::error::StoreError;
use crate::metrics::Metrics;

/// After a failure, requests are refused at once for this long, instead of each waiting for an attempt of its own.
const AWAY_TIME: Duration = Duration::from_millis(200);
/// How often an idle connection is tried, so that readiness and metrics are true.
const TRY_PERIOD: Duration = Duration::from_secs(2);

/// How often the sentinels are asked whether the primary is still the one. What it is sent after it was replaced, and before it
/// or we hear of that, is lost.
const PRIMARY_PERIOD: Duration = Duration::from_millis(250);

/// The connection that all requests share.
pub(super) struct Connection {
    dialer: Dialer,
    /// Writes. Reading says nothing: a replica and a Redis without memory answer that.
    probe: Pipeline,
    state: Mutex<State>,
    trouble: StdMutex<Option<StoreError>>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    open: Option<Dialled>,
    /// Counts the connections, so that a request that saw an old one break does not close its successor.
    generation: u64,
    failure: Option<Failure>,
}

struct Failure {
    at: Instant,
    error: StoreError,
}

impl Connection {
    pub(super) fn new(dialer: Dialer, probe: Pipeline, metrics: Metrics) -> Self {
        let trouble = StdMutex::new(Some(StoreError::Away));
        Self { dialer, probe, state: Mutex::default(), trouble, metrics }
    }

    /// What was wrong when the store was last tried.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request over the current connection, and drops that connection if it broke or leads to the wrong server.
    pub(super) async fn ask<T>(&self, question: impl AsyncFnOnce(Link) -> RedisResult<T>) -> Result<T, StoreError> {
        let (dialled, generation) = self.current().await?;
        match question(dialled.link).await {
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
    async fn current(&self) -> Result<(Dialled, u64), StoreError> {
        let mut state = self.state.lock().await;
        if let Some(dialled) = &state.open {
            return Ok((dialled.clone(), state.generation));
        }
        if let Some(failure) = &state.failure
            && failure.at.elapsed() < AWAY_TIME
        {
            return Err(failure.error.clone());
        }
        match self.connect().await {
            Ok((dialled, trouble)) => {
                state.open = Some(dialled.clone());
                state.generation += 1;
                if state.failure.take().is_some() {
                    info!("The channel store can be reached again");
                }
                self.set_trouble(trouble);
                Ok((dialled, state.generation))
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
    async fn connect(&self) -> Result<(Dialled, Option<StoreError>), StoreError> {
        let dialled = self.dialer.connect().await?;
        match dialled.link.send(&self.probe).await.map_err(|error| name(&error)) {
            Err(error) if is_of_no_use(&error) => Err(error),
            probed => Ok((dialled, probed.err())),
        }
    }

    /// The way to Redis.
    pub(super) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Tries whether the store can be reached and takes what we write.
    async fn try_it(&self) {
        match self.ask(async |link| link.send(&self.probe).await).await {
            Ok(_) => self.set_trouble(None),
            // The connection is kept: what is stored can be read.
            Err(error) if !is_of_no_use(&error) => self.set_trouble(Some(error)),
            // This was noted when the connection was dropped.
            Err(_) => {}
        }
    }

    /// Leaves a primary that was cut off and replaced. It may live on and take writes, which are lost when it finds out.
    async fn leave_old_primary(&self) {
        let (server, generation) = {
            let state = self.state.lock().await;
            (state.open.as_ref().and_then(|dialled| dialled.server.clone()), state.generation)
        };
        if let Some(server) = server
            && self.dialer.has_another_primary(&server).await
        {
            let mut state = self.state.lock().await;
            if state.generation == generation && state.open.take().is_some() {
                info!(server = shown(&server), "The channel store has another primary now");
            }
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

/// Tries the connection periodically until the process stops.
pub(super) async fn watch(connection: Arc<Connection>, shutdown: Shutdown) {
    loop {
        connection.try_it().await;
        if !shutdown.pause(TRY_PERIOD).await {
            return;
        }
    }
}

/// Leaves a primary as soon as the sentinels have replaced it, until the process stops.
pub(super) async fn watch_primary(connection: Arc<Connection>, shutdown: Shutdown) {
    while shutdown.pause(PRIMARY_PERIOD).await {
        connection.leave_old_primary().await;
    }
}
