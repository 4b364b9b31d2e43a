//! One connection to RabbitMQ that is kept: our own supervisor, because lapin's recovery can wait for ever.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chassis::{Backoff, Secret, Shutdown, dice};
use futures_util::StreamExt as _;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Event};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::declare;
use crate::metrics::Side;
use crate::{Metrics, OpenError};

/// RabbitMQ proposes 60 s, which takes up to 120 s to notice a silent cable; Meta's patience is 5 s.
const HEARTBEAT_SECONDS: u16 = 10;
/// Longest wait for TCP, TLS and the AMQP opening together.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Longest wait for a connection's orderly end.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Reconnects begin at once and never wait long: an event that waits for us is older by that much.
const RECONNECT: Backoff = Backoff { base: Duration::from_millis(100), ceiling: Duration::from_secs(3) };
/// How often the connection's state is read, should an event about it have been missed.
const WATCHDOG_PERIOD: Duration = Duration::from_secs(1);

/// A connection that is made again whenever it breaks. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Link {
    state: watch::Receiver<State>,
    declarations: Declarations,
    suspect: watch::Sender<Weak<Connection>>,
}

/// Counts how often the queues had to be declared again, shared by the connections of a process: whoever takes from a
/// queue that may be another one than before begins anew.
pub(super) type Declarations = watch::Sender<u64>;

#[derive(Clone, Debug)]
enum State {
    Connecting,
    Connected(Arc<Connection>),
    /// Tried, and not reached.
    Away,
    Mismatch(&'static str, String),
}

impl Link {
    /// Starts the supervisor.
    pub(super) fn start(
        (url, side): (Secret, Side),
        declarations: Declarations,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let (suspect, suspected) = watch::channel(Weak::new());
        let redeclare = declarations.subscribe();
        let supervisor = Supervisor { url, side, metrics, shutdown: shutdown.clone(), redeclare, suspected };
        shutdown.spawn(supervisor.run(sender));
        Self { state, declarations, suspect }
    }

    /// The connection, if there is one now.
    pub(super) fn current(&self) -> Option<Arc<Connection>> {
        match &*self.state.borrow() {
            State::Connected(connection) if connection.status().connected() => Some(Arc::clone(connection)),
            State::Connected(_) | State::Connecting | State::Away | State::Mismatch(..) => None,
        }
    }

    /// Waits until the state is another one than when this was asked last. `false` once the supervisor has ended.
    pub(super) async fn changed(&mut self) -> bool {
        self.state.changed().await.is_ok()
    }

    /// Waits at most `limit` for the first connection; a broker that is away is no error, a mismatch is.
    pub(super) async fn first_outcome(&self, limit: Duration) -> Result<(), OpenError> {
        let mut state = self.state.clone();
        let decided = state.wait_for(|state| !matches!(state, State::Connecting | State::Away));
        match timeout(limit, decided).await.ok().and_then(Result::ok).as_deref() {
            Some(State::Mismatch(queue, answer)) => Err(OpenError::Mismatch { queue, answer: answer.clone() }),
            Some(State::Connected(_) | State::Connecting | State::Away) | None => Ok(()),
        }
    }

    /// A queue may be gone: declare all of them again.
    pub(super) fn redeclare(&self) {
        self.declarations.send_modify(|count| *count += 1);
    }

    /// The broker did not answer on this connection in time. What was asked may still be done, behind our back (a
    /// consumer that nobody reads would keep a window of envelopes): only a new connection is known to be clean.
    pub(super) fn give_up(&self, connection: &Arc<Connection>) {
        self.suspect.send_replace(Arc::downgrade(connection));
    }

    /// Changes whenever the queues have to be declared again.
    pub(super) fn declarations(&self) -> watch::Receiver<u64> {
        self.declarations.subscribe()
    }
}

struct Supervisor {
    url: Secret,
    side: Side,
    metrics: Metrics,
    shutdown: Shutdown,
    redeclare: watch::Receiver<u64>,
    suspected: watch::Receiver<Weak<Connection>>,
}

impl Supervisor {
    async fn run(mut self, state: watch::Sender<State>) {
        let mut failures = 0;
        self.metrics.blocked(self.side, false);
        while !self.shutdown.is_requested() {
            self.metrics.connected(self.side, false);
            match self.connect().await {
                Ok(connection) => {
                    info!(queue.side = self.side.as_str(), "Connected to RabbitMQ");
                    failures = 0;
                    self.metrics.connected(self.side, true);
                    state.send_replace(State::Connected(Arc::clone(&connection)));
                    self.watch(&connection).await;
                    if self.shutdown.is_requested() {
                        // Those who still settle need the connection; it ends when the last of them lets go.
                        state.closed().await;
                    }
                    state.send_replace(State::Connecting);
                    close(&connection).await;
                }
                Err(OpenError::Mismatch { queue, answer }) => {
                    let error = OpenError::Mismatch { queue, answer: answer.clone() };
                    state.send_replace(State::Mismatch(queue, answer));
                    self.shutdown.fail(error.to_string());
                    return;
                }
                Err(error) => {
                    failures += 1;
                    state.send_replace(State::Away);
                    let delay = RECONNECT.delay(failures, dice());
                    let delay_ms = delay.as_millis();
                    warn!(queue.side = self.side.as_str(), %error, delay_ms, "Could not connect to RabbitMQ: {error}");
                    self.shutdown.pause(delay).await;
                }
            }
        }
        self.metrics.connected(self.side, false);
    }

    async fn connect(&self) -> Result<Arc<Connection>, OpenError> {
        let away = |error: String| OpenError::Away(error);
        let mut uri: AMQPUri = self.url.expose().parse().map_err(|error: String| away(error))?;
        uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
        let name = format!("meta-integration-service {}", self.side.as_str());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = match timeout(CONNECT_TIME, Connection::connect_uri(uri, properties)).await {
            Ok(connected) => Arc::new(connected.map_err(|error| away(error.to_string()))?),
            Err(_) => return Err(away(format!("no answer within {CONNECT_TIME:?}"))),
        };
        match timeout(CONNECT_TIME, declare::declare(&connection)).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => {
                close(&connection).await;
                Err(error)
            }
            Err(_) => Err(away(format!("queues could not be declared within {CONNECT_TIME:?}"))),
        }
    }

    /// Returns when the connection is lost or the process stops.
    async fn watch(&mut self, connection: &Arc<Connection>) {
        let mut events = Box::pin(connection.events_listener());
        let mut suspected = self.suspected.clone();
        let is_this = |suspect: &Weak<Connection>| std::ptr::eq(suspect.as_ptr(), Arc::as_ptr(connection));
        let mut given_up = Box::pin(async move {
            if suspected.wait_for(is_this).await.is_err() {
                // Nobody is left who could give it up.
                std::future::pending::<()>().await;
            }
        });
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                Ok(()) = self.redeclare.changed() => {
                    match timeout(CONNECT_TIME, declare::declare(connection)).await {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => {
                            warn!(%error, "Could not declare the queues again: {error}");
                            continue;
                        }
                        Err(_) => None,
                    }
                }
                () = &mut given_up => None,
                stays = self.shutdown.pause(WATCHDOG_PERIOD) => match (stays, connection.status().connected()) {
                    (true, true) => continue,
                    (true, false) => None,
                    (false, _) => return,
                },
            };
            match event {
                Some(Event::ConnectionBlocked(reason)) => {
                    self.metrics.blocked(self.side, true);
                    warn!(queue.side = self.side.as_str(), reason, "RabbitMQ takes no publishes: {reason}");
                }
                Some(Event::ConnectionUnblocked) => {
                    self.metrics.blocked(self.side, false);
                    info!(queue.side = self.side.as_str(), "RabbitMQ takes publishes again");
                }
                Some(Event::Connected | Event::SendFlow(_)) => {}
                // An AMQP channel's error arrives here as well; its own user deals with that.
                Some(Event::Error(_)) if connection.status().connected() => {}
                Some(_) | None => {
                    self.metrics.blocked(self.side, false);
                    warn!(queue.side = self.side.as_str(), "Lost the connection to RabbitMQ");
                    return;
                }
            }
        }
    }
}

async fn close(connection: &Connection) {
    match timeout(CLOSE_TIME, connection.close(200, "done".into())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "A connection that was given up did not close: {error}"),
        Err(_) => debug!("A connection that was given up did not close in time"),
    }
}
