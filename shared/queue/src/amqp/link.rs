//! A connection to RabbitMQ that is made again whenever it breaks. Its supervisor is our own, because lapin's recovery
//! can wait for ever.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chassis::{Backoff, Label as _, Secret, Shutdown, dice};
use futures_util::StreamExt as _;
use lapin::{Connection, ConnectionProperties, Event};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::declare;
use crate::broker_address;
use crate::error::QueueError;
use crate::metrics::{Metrics, Side};

/// RabbitMQ proposes 60 s, with which a silent cable is noticed after up to 120 s. Meta waits 5 s for an answer.
const HEARTBEAT_SECONDS: u16 = 10;
/// Longest wait for TCP, TLS and the AMQP opening together.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Longest wait for a connection to close.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Reconnects begin at once and never wait long, because every event that waits for us grows older meanwhile.
const RECONNECT: Backoff = Backoff { base: Duration::from_millis(100), ceiling: Duration::from_secs(3) };
/// How often the connection's state is read, in case an event about it was missed.
const WATCHDOG_PERIOD: Duration = Duration::from_secs(1);

/// A connection that is made again whenever it breaks. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct BrokerLink {
    state: watch::Receiver<LinkState>,
    declarations: Declarations,
    /// The connection on which the broker did not answer in time.
    suspect: watch::Sender<Weak<Connection>>,
}

/// Counts how often the queues had to be declared again. The connections of a process share it: a session that takes from
/// a queue which may be a new one has to end.
pub(super) type Declarations = watch::Sender<u64>;

#[derive(Clone, Debug)]
enum LinkState {
    Connecting,
    Connected(Arc<Connection>),
    /// The last attempt to connect failed.
    Away,
    Mismatch(&'static str, String),
}

impl BrokerLink {
    /// Starts the supervisor of a connection to `url`.
    pub(super) fn start(
        url: Secret,
        side: Side,
        declarations: Declarations,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Self {
        let (sender, state) = watch::channel(LinkState::Connecting);
        let (suspect, suspected) = watch::channel(Weak::new());
        let redeclare = declarations.subscribe();
        let supervisor = Supervisor { url, side, metrics, shutdown: shutdown.clone(), redeclare, suspected };
        shutdown.spawn(supervisor.run(sender));
        Self { state, declarations, suspect }
    }

    /// The present connection; `None` while there is none.
    pub(super) fn current(&self) -> Option<Arc<Connection>> {
        match &*self.state.borrow() {
            LinkState::Connected(connection) if connection.status().connected() => Some(Arc::clone(connection)),
            LinkState::Connected(_) | LinkState::Connecting | LinkState::Away | LinkState::Mismatch(..) => None,
        }
    }

    /// Waits until the state changes. `false` once the supervisor has ended.
    pub(super) async fn changed(&mut self) -> bool {
        self.state.changed().await.is_ok()
    }

    /// Waits at most `limit` for the first connection. A broker that is away is no error; a mismatched queue is one.
    pub(super) async fn first_outcome(&self, limit: Duration) -> Result<(), QueueError> {
        let mut state = self.state.clone();
        let decided = state.wait_for(|state| !matches!(state, LinkState::Connecting | LinkState::Away));
        match timeout(limit, decided).await.ok().and_then(Result::ok).as_deref() {
            Some(LinkState::Mismatch(queue, answer)) => Err(QueueError::Mismatch { queue, answer: answer.clone() }),
            Some(LinkState::Connected(_) | LinkState::Connecting | LinkState::Away) | None => Ok(()),
        }
    }

    /// Has all queues declared again, because one may be gone.
    pub(super) fn redeclare(&self) {
        self.declarations.send_modify(|count| *count += 1);
    }

    /// Replaces a connection on which the broker did not answer in time. The broker may still do what it was asked, and a
    /// consumer that nobody reads from would keep a window of envelopes: only a new connection has none.
    pub(super) fn give_up(&self, connection: &Arc<Connection>) {
        self.suspect.send_replace(Arc::downgrade(connection));
    }

    /// A count that changes whenever the queues have to be declared again.
    pub(super) fn declarations(&self) -> watch::Receiver<u64> {
        self.declarations.subscribe()
    }
}

/// Makes the connection, watches it, and makes it again.
struct Supervisor {
    url: Secret,
    side: Side,
    metrics: Metrics,
    shutdown: Shutdown,
    redeclare: watch::Receiver<u64>,
    suspected: watch::Receiver<Weak<Connection>>,
}

/// What wakes the supervisor of a connection.
enum LinkEvent {
    /// lapin reports something; nothing more after the connection's end.
    Lapin(Option<Event>),
    /// The queues have to be declared again.
    Redeclare,
    /// A link has given up the connection.
    GiveUp,
    WatchdogDue,
    /// The process stops.
    Stop,
}

impl Supervisor {
    async fn run(mut self, state: watch::Sender<LinkState>) {
        let mut failures = 0;
        while !self.shutdown.is_requested() {
            self.metrics.connected.set(self.side, false);
            match self.connect().await {
                Ok(connection) => {
                    info!(queue.side = self.side.as_str(), "Connected to RabbitMQ");
                    failures = 0;
                    self.metrics.connected.set(self.side, true);
                    state.send_replace(LinkState::Connected(Arc::clone(&connection)));
                    self.watch(&connection).await;
                    if self.shutdown.is_requested() {
                        // What is still being settled needs the connection, so it ends with its last user.
                        state.closed().await;
                    }
                    state.send_replace(LinkState::Connecting);
                    close(&connection).await;
                }
                Err(QueueError::Mismatch { queue, answer }) => {
                    let error = QueueError::Mismatch { queue, answer: answer.clone() };
                    state.send_replace(LinkState::Mismatch(queue, answer));
                    self.shutdown.fail(error.to_string());
                    return;
                }
                Err(error) => {
                    failures += 1;
                    state.send_replace(LinkState::Away);
                    let delay = RECONNECT.delay(failures, dice());
                    let delay_ms = delay.as_millis();
                    warn!(queue.side = self.side.as_str(), delay_ms, "Could not connect to RabbitMQ: {error}");
                    self.shutdown.pause(delay).await;
                }
            }
        }
        self.metrics.connected.set(self.side, false);
    }

    async fn connect(&self) -> Result<Arc<Connection>, QueueError> {
        let mut uri = broker_address::parse(&self.url).map_err(QueueError::Away)?;
        uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
        let name = format!("meta-integration-service {}", self.side.as_str());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = match timeout(CONNECT_TIME, Connection::connect_uri(uri, properties)).await {
            Ok(connected) => Arc::new(connected?),
            Err(_) => return Err(QueueError::Away(format!("no answer within {CONNECT_TIME:?}"))),
        };
        match timeout(CONNECT_TIME, declare::declare(&connection)).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => {
                close(&connection).await;
                Err(error)
            }
            Err(_) => Err(QueueError::Away(format!("queues could not be declared within {CONNECT_TIME:?}"))),
        }
    }

    /// Returns when the connection is lost or the process stops.
    async fn watch(&mut self, connection: &Arc<Connection>) {
        let mut events = Box::pin(connection.events_listener());
        loop {
            let event = tokio::select! {
                event = events.next() => LinkEvent::Lapin(event),
                Ok(()) = self.redeclare.changed() => LinkEvent::Redeclare,
                () = given_up(self.suspected.clone(), connection) => LinkEvent::GiveUp,
                goes_on = self.shutdown.pause(WATCHDOG_PERIOD) => {
                    if goes_on { LinkEvent::WatchdogDue } else { LinkEvent::Stop }
                }
            };
            let is_kept = match event {
                LinkEvent::Lapin(Some(event)) => self.apply(event, connection),
                LinkEvent::Redeclare => declare_again(connection).await,
                LinkEvent::WatchdogDue => connection.status().connected(),
                LinkEvent::Lapin(None) | LinkEvent::GiveUp => false,
                LinkEvent::Stop => return,
            };
            if !is_kept {
                self.metrics.blocked.set(self.side, false);
                warn!(queue.side = self.side.as_str(), "Lost the connection to RabbitMQ");
                return;
            }
        }
    }

    /// Applies what lapin reports. Returns whether the connection can be kept.
    fn apply(&self, event: Event, connection: &Connection) -> bool {
        match event {
            Event::ConnectionBlocked(reason) => {
                self.metrics.blocked.set(self.side, true);
                warn!(queue.side = self.side.as_str(), "RabbitMQ accepts no publishes: {reason}");
                true
            }
            Event::ConnectionUnblocked => {
                self.metrics.blocked.set(self.side, false);
                info!(queue.side = self.side.as_str(), "RabbitMQ accepts publishes again");
                true
            }
            Event::Connected | Event::SendFlow(_) => true,
            // An AMQP channel's error arrives here, too. The channel's user deals with it.
            Event::Error(_) => connection.status().connected(),
            _ => false,
        }
    }
}

/// Returns once a link has given up this connection.
async fn given_up(mut suspected: watch::Receiver<Weak<Connection>>, connection: &Arc<Connection>) {
    let is_this = |suspect: &Weak<Connection>| std::ptr::eq(suspect.as_ptr(), Arc::as_ptr(connection));
    if suspected.wait_for(is_this).await.is_err() {
        // There is no link any more that could give it up.
        std::future::pending::<()>().await;
    }
}

/// Returns `false` when the broker did not answer in time.
async fn declare_again(connection: &Connection) -> bool {
    match timeout(CONNECT_TIME, declare::declare(connection)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            warn!("Could not declare the queues again: {error}");
            true
        }
        Err(_) => false,
    }
}

async fn close(connection: &Connection) {
    match timeout(CLOSE_TIME, connection.close(200, "done".into())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!("A connection that was given up did not close: {error}"),
        Err(_) => debug!("A connection that was given up did not close in time"),
    }
}
