//! Makes a connection, watches it, and makes it again. It is our own, because lapin's recovery can wait for ever.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chassis::{Secret, Shutdown, dice};
use futures_util::StreamExt as _;
use lapin::options::BasicQosOptions;
use lapin::{Channel, Connection, Event};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::call::{CallError, call, open_channel};
use super::connect::{NodeConnection, close, connect};
use super::link_state::{LinkState, Purpose, Suspicion};
use super::presence::Presence;
use super::reconnects::Reconnects;
use super::{declare, grant};
use crate::broker_address::by_chance;
use crate::broker_queue::BrokerQueue;
use crate::error::QueueError;

/// How often the connection's state is read, in case an event about it was missed.
const WATCHDOG_PERIOD: Duration = Duration::from_secs(1);
/// How often a node is asked whether it still answers, where there are others.
const PROBE_PERIOD: Duration = Duration::from_millis(500);

/// Makes the connection, watches it, and makes it again.
pub(super) struct Supervisor {
    url: Secret,
    purpose: Purpose,
    presence: Presence,
    shutdown: Shutdown,
    suspected: watch::Receiver<Suspicion>,
    reconnects: Reconnects,
    /// The number of the address that is tried first: by chance, and after a failure the next one.
    first: usize,
    /// Queues whose declaration broke the connection. They are left out once, so that the others can be used.
    left_out: BTreeSet<BrokerQueue>,
    /// The last failure that was logged as a warning: a state is worth one line.
    told: Option<String>,
}

/// What wakes the supervisor of a connection.
enum LinkEvent {
    /// lapin reports something; nothing more after the connection's end.
    Lapin(Option<Event>),
    /// A link has given up the connection, or its node is silent.
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
        suspected: watch::Receiver<Suspicion>,
    ) -> Self {
        presence.missing();
        let reconnects = Reconnects::default();
        let first = by_chance(dice());
        Self { url, purpose, presence, shutdown, suspected, reconnects, first, left_out: BTreeSet::new(), told: None }
    }

    pub(super) async fn run(mut self, state: watch::Sender<LinkState>) {
        while !self.shutdown.is_requested() {
            let connected = self.connect().await;
            let delay = match connected {
                Ok(node) => self.keep(node, &state).await,
                Err(error) if error.ends_process() => {
                    state.send_replace(LinkState::Unusable(error.clone()));
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
            self.first = self.first.wrapping_add(1);
            self.shutdown.pause(delay).await;
        }
    }

    async fn connect(&mut self) -> Result<NodeConnection, QueueError> {
        let node = connect(&self.url, self.purpose.as_str(), self.first).await?;
        self.first = node.number;
        if let Err(error) = grant::check(&node.connection, self.purpose.channels()).await {
            close(&node.connection).await;
            return Err(error);
        }
        let Purpose::Publish { declaring, .. } = self.purpose else { return Ok(node) };
        for (queue, error) in declare::declare_all(&node.connection, &self.left_out, declaring).await {
            if matches!(error, QueueError::Mismatch { .. }) {
                close(&node.connection).await;
                return Err(error);
            }
            self.tell(format!("Could not declare {}: {error}", queue.as_str()));
            if !node.connection.status().connected() {
                self.left_out.insert(queue);
                return Err(error);
            }
        }
        self.left_out.clear();
        Ok(node)
    }

    /// Watches a connection until it is lost or the process stops. Returns the delay before the next one.
    async fn keep(&mut self, node: NodeConnection, state: &watch::Sender<LinkState>) -> Duration {
        let NodeConnection { connection, address, has_others, .. } = node;
        let connection = Arc::new(connection);
        let began = Instant::now();
        if self.reconnects.is_relapsing() {
            debug!(queue.connection = self.purpose.as_str(), "Connected to RabbitMQ at {address}");
        } else {
            info!(queue.connection = self.purpose.as_str(), "Connected to RabbitMQ at {address}");
        }
        self.presence.connected();
        state.send_replace(LinkState::Connected(Arc::clone(&connection)));
        self.watch(&connection, has_others, state).await;
        if self.shutdown.is_requested() {
            // What is still being settled needs the connection, so it ends with its last user.
            state.closed().await;
        }
        state.send_replace(LinkState::Connecting);
        self.presence.missing();
        self.presence.blocked(false);
        if has_others && !self.shutdown.is_requested() {
            // A silent node does not answer the close either, and another one can be reached meanwhile.
            self.shutdown.spawn(async move { close(&connection).await });
        } else {
            close(&connection).await;
        }
        self.reconnects.lost_after(began.elapsed(), dice())
    }

    /// Returns when the connection is lost or the process stops.
    async fn watch(&mut self, connection: &Arc<Connection>, has_others: bool, state: &watch::Sender<LinkState>) {
        let mut events = Box::pin(connection.events_listener());
        let mut silence = Box::pin(silence(connection, has_others, self.shutdown.clone()));
        loop {
            let event = tokio::select! {
                event = events.next() => LinkEvent::Lapin(event),
                () = given_up(self.suspected.clone(), connection, has_others) => LinkEvent::GiveUp,
                () = &mut silence => LinkEvent::GiveUp,
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
async fn given_up(mut suspected: watch::Receiver<Suspicion>, connection: &Arc<Connection>, has_others: bool) {
    let is_this = |suspect: &Suspicion| suspect.is_about(connection) && (has_others || !suspect.needs_other);
    if suspected.wait_for(is_this).await.is_err() {
        // There is no link any more that could give it up.
        std::future::pending::<()>().await;
    }
}

/// Returns once the node does not answer, if there are others. Heartbeats notice a node that hangs after 20 s; what is
/// published or acknowledged there waits as long.
async fn silence(connection: &Connection, has_others: bool, shutdown: Shutdown) {
    if !has_others {
        return std::future::pending().await;
    }
    let mut probed = None;
    while shutdown.pause(PROBE_PERIOD).await {
        // A blocked connection is not read, and a connection without a free AMQP channel is used a lot.
        let answer = match &probed {
            _ if connection.status().blocked() => continue,
            Some(channel) => probe(channel).await,
            None => open_channel(connection).await.map(|channel| probed = Some(channel)),
        };
        match answer {
            Ok(()) => {}
            Err(error) if error.ends_connection() && !connection.status().blocked() => return,
            Err(_) => probed = None,
        }
    }
    std::future::pending::<()>().await;
}

/// A question that the node answers by itself, without a queue. It changes nothing, because this AMQP channel has no
/// consumer.
async fn probe(channel: &Channel) -> Result<(), CallError> {
    call("basic.qos", channel.basic_qos(1, BasicQosOptions::default())).await
}
