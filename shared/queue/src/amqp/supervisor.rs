//! Makes a connection, watches it, and makes it again. It is our own, because lapin's recovery can wait for ever.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use chassis::{Secret, Shutdown, dice};
use futures_util::StreamExt as _;
use lapin::{Connection, Event};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::connect::{close, connect};
use super::link_state::{LinkState, Purpose};
use super::presence::Presence;
use super::reconnects::Reconnects;
use super::{declare, grant};
use crate::error::QueueError;
use crate::queue_name::QueueName;

/// How often the connection's state is read, in case an event about it was missed.
const WATCHDOG_PERIOD: Duration = Duration::from_secs(1);

/// Makes the connection, watches it, and makes it again.
pub(super) struct Supervisor {
    url: Secret,
    purpose: Purpose,
    presence: Presence,
    shutdown: Shutdown,
    suspected: watch::Receiver<Weak<Connection>>,
    reconnects: Reconnects,
    /// Queues whose declaration broke the connection. They are left out once, so that the others can be used.
    left_out: BTreeSet<QueueName>,
    /// The last failure that was logged as a warning: a state is worth one line.
    told: Option<String>,
}

/// What wakes the supervisor of a connection.
enum LinkEvent {
    /// lapin reports something; nothing more after the connection's end.
    Lapin(Option<Event>),
    /// A link has given up the connection.
    GiveUp,
    WatchdogDue,
    /// The process stops.
    Stop,
}

impl Supervisor {
    pub(super) fn new(
        url: Secret,
        purpose: Purpose,
        presence: Presence,
        shutdown: Shutdown,
        suspected: watch::Receiver<Weak<Connection>>,
    ) -> Self {
        presence.missing();
        let reconnects = Reconnects::default();
        Self { url, purpose, presence, shutdown, suspected, reconnects, left_out: BTreeSet::new(), told: None }
    }

    pub(super) async fn run(mut self, state: watch::Sender<LinkState>) {
        while !self.shutdown.is_requested() {
            let delay = match self.connect().await {
                Ok(connection) => self.keep(connection, &state).await,
                Err(QueueError::Mismatch { queue, answer }) => {
                    let error = QueueError::Mismatch { queue, answer: answer.clone() };
                    state.send_replace(LinkState::Mismatch(queue, answer));
                    self.shutdown.fail(error.to_string());
                    return;
                }
                Err(QueueError::TooFewChannels { needed, answer }) => {
                    let error = QueueError::TooFewChannels { needed, answer: answer.clone() };
                    state.send_replace(LinkState::TooFewChannels(needed, answer));
                    self.shutdown.fail(error.to_string());
                    return;
                }
                Err(error) => {
                    state.send_replace(LinkState::Away);
                    let delay = self.reconnects.failed(dice());
                    self.tell(format!("Could not connect to RabbitMQ: {error}"));
                    delay
                }
            };
            self.shutdown.pause(delay).await;
        }
    }

    async fn connect(&mut self) -> Result<Arc<Connection>, QueueError> {
        let first = usize::try_from(self.reconnects.failures()).unwrap_or_default();
        let connection = Arc::new(connect(&self.url, self.purpose.as_str(), first).await?);
        let Purpose::Publish { channels, declaring } = self.purpose else { return Ok(connection) };
        if let Err(error) = grant::check(&connection, channels).await {
            close(&connection).await;
            return Err(error);
        }
        for (queue, error) in declare::declare_all(&connection, &self.left_out, declaring).await {
            if matches!(error, QueueError::Mismatch { .. }) {
                close(&connection).await;
                return Err(error);
            }
            self.tell(format!("Could not declare {}: {error}", queue.as_str()));
            if !connection.status().connected() {
                self.left_out.insert(queue);
                return Err(error);
            }
        }
        self.left_out.clear();
        Ok(connection)
    }

    /// Watches a connection until it is lost or the process stops. Returns the delay before the next one.
    async fn keep(&mut self, connection: Arc<Connection>, state: &watch::Sender<LinkState>) -> Duration {
        let began = Instant::now();
        if self.reconnects.is_relapsing() {
            debug!(queue.connection = self.purpose.as_str(), "Connected to RabbitMQ");
        } else {
            info!(queue.connection = self.purpose.as_str(), "Connected to RabbitMQ");
        }
        self.presence.connected();
        state.send_replace(LinkState::Connected(Arc::clone(&connection)));
        self.watch(&connection, state).await;
        if self.shutdown.is_requested() {
            // What is still being settled needs the connection, so it ends with its last user.
            state.closed().await;
        }
        state.send_replace(LinkState::Connecting);
        self.presence.missing();
        self.presence.blocked(false);
        close(&connection).await;
        self.reconnects.lost_after(began.elapsed(), dice())
    }

    /// Returns when the connection is lost or the process stops.
    async fn watch(&mut self, connection: &Arc<Connection>, state: &watch::Sender<LinkState>) {
        let mut events = Box::pin(connection.events_listener());
        loop {
            let event = tokio::select! {
                event = events.next() => LinkEvent::Lapin(event),
                () = given_up(self.suspected.clone(), connection) => LinkEvent::GiveUp,
                goes_on = self.shutdown.pause(WATCHDOG_PERIOD) => {
                    if goes_on { LinkEvent::WatchdogDue } else { LinkEvent::Stop }
                }
            };
            let is_kept = match event {
                LinkEvent::Lapin(Some(event)) => self.apply(event, connection, state),
                LinkEvent::WatchdogDue => connection.status().connected(),
                LinkEvent::Lapin(None) | LinkEvent::GiveUp => false,
                LinkEvent::Stop => return,
            };
            if !is_kept {
                self.tell("Lost the connection to RabbitMQ".to_owned());
                return;
            }
        }
    }

    /// Applies what lapin reports. Returns whether the connection can be kept.
    fn apply(&self, event: Event, connection: &Connection, state: &watch::Sender<LinkState>) -> bool {
        match event {
            Event::ConnectionBlocked(reason) => {
                self.presence.blocked(true);
                warn!(queue.connection = self.purpose.as_str(), "RabbitMQ accepts no publishes: {reason}");
                // The state is the same; whoever publishes looks at it again.
                state.send_modify(|_| {});
                true
            }
            Event::ConnectionUnblocked => {
                self.presence.blocked(false);
                info!(queue.connection = self.purpose.as_str(), "RabbitMQ accepts publishes again");
                state.send_modify(|_| {});
                true
            }
            Event::Connected | Event::SendFlow(_) => true,
            // An AMQP channel's error arrives here, too. The channel's user deals with it.
            Event::Error(_) => connection.status().connected(),
            _ => false,
        }
    }

    /// Logs a failure as a warning the first time, and in debug as long as the same one repeats.
    fn tell(&mut self, failure: String) {
        if self.told.as_ref() == Some(&failure) && (self.reconnects.is_relapsing() || self.reconnects.failures() > 1) {
            debug!(queue.connection = self.purpose.as_str(), "{failure}");
        } else {
            warn!(queue.connection = self.purpose.as_str(), "{failure}");
        }
        self.told = Some(failure);
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
