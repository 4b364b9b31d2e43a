//! A connection to RabbitMQ that is made again whenever it breaks: what its users see of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chassis::{Secret, Shutdown};
use lapin::Connection;
use tokio::sync::watch;
use tokio::time::timeout;

use super::link_state::{LinkState, Purpose, Suspicion};
use super::presence::Presence;
use super::remake_turn::RemakeTurn;
use super::supervisor::Supervisor;
use crate::error::QueueError;

/// A connection that is made again whenever it breaks. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct BrokerLink {
    state: watch::Receiver<LinkState>,
    /// The connection on which the broker did not answer in time.
    suspect: watch::Sender<Suspicion>,
    /// How many rounds of publishes the broker has answered.
    answered: Arc<AtomicU64>,
    /// Only one of its users makes a queue again at a time.
    pub(super) remake_turn: RemakeTurn,
}

impl BrokerLink {
    /// Starts the supervisor of a connection to `url`.
    pub(super) fn start(url: Secret, purpose: Purpose, presence: Presence, shutdown: &Shutdown) -> Self {
        let (sender, state) = watch::channel(LinkState::Connecting);
        let (suspect, suspected) = watch::channel(Suspicion::default());
        let supervisor = Supervisor::new(url, purpose, presence, shutdown.clone(), suspected);
        shutdown.spawn(supervisor.run(sender));
        Self { state, suspect, answered: Arc::default(), remake_turn: RemakeTurn::default() }
    }

    /// The present connection; `None` while there is none.
    pub(super) fn current(&self) -> Option<Arc<Connection>> {
        self.state.borrow().connection().map(Arc::clone)
    }

    /// Waits until the state changes, or an alarm begins or ends. `false` once the supervisor has ended.
    pub(super) async fn changed(&mut self) -> bool {
        self.state.changed().await.is_ok()
    }

    /// Returns once this connection is not the present one any more.
    pub(super) async fn lost(&self, connection: &Arc<Connection>) {
        self.until(|state| state.connection().is_none_or(|current| !Arc::ptr_eq(current, connection))).await;
    }

    /// Returns once the broker has blocked this connection by an alarm.
    pub(super) async fn blocked(&self, connection: &Arc<Connection>) {
        self.until(|_| connection.status().blocked()).await;
    }

    async fn until(&self, is_so: impl FnMut(&LinkState) -> bool) {
        // An error means that the supervisor has ended, and the connection with it.
        self.state.clone().wait_for(is_so).await.ok();
    }

    /// Waits at most `limit` for the first connection. A broker that is away is no error; one with a
    /// mismatched queue or with too few AMQP channels is one.
    pub(super) async fn first_outcome(&self, limit: Duration) -> Result<(), QueueError> {
        let mut state = self.state.clone();
        let decided = state.wait_for(|state| !matches!(state, LinkState::Connecting | LinkState::Away));
        match timeout(limit, decided).await.ok().and_then(Result::ok).as_deref() {
            Some(LinkState::Unusable(error)) => Err(error.clone()),
            Some(LinkState::Connected(_) | LinkState::Connecting | LinkState::Away) | None => Ok(()),
        }
    }

    /// Replaces a connection on which the broker did not answer in time. The broker may still do what it was asked, and a
    /// consumer that nobody reads from would keep a window of envelopes: only a new connection has none.
    pub(super) fn give_up(&self, connection: &Arc<Connection>) {
        self.suspect.send_replace(Suspicion::of(connection));
    }

    /// Replaces a connection by one to another node, if there is one.
    pub(super) fn leave(&self, connection: &Arc<Connection>) {
        self.suspect.send_replace(Suspicion::of(connection).if_there_is_another());
    }

    /// Notes that the broker has answered a round of publishes.
    pub(super) fn note_answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many rounds of publishes the broker has answered so far.
    pub(super) fn answers(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}
