//! Taking from RabbitMQ: one session after the other, and what is in flight outlives them.

use std::time::Duration;

use chassis::Shutdown;
use event::Class;

use super::link::BrokerLink;
use super::session::{ConsumerSession, SessionEnd};
use crate::feed::{Feed, FeedEvent};
use crate::metrics::Metrics;
use crate::taker::{Taker, TakerCommand};

/// The pause after a session that broke on a good connection (mostly because its queue was deleted).
const SESSION_PAUSE: Duration = Duration::from_millis(200);

/// The task that takes one class.
pub(super) struct AmqpTaker {
    link: BrokerLink,
    feed: Feed,
}

impl AmqpTaker {
    pub(super) fn new(link: BrokerLink, class: Class, window: u16, metrics: Metrics) -> (Self, Taker) {
        let (feed, taker) = Feed::new(class, window, metrics);
        (Self { link, feed }, taker)
    }

    /// Runs until the taker finishes.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        loop {
            let end = match self.link.current() {
                Some(connection) => match ConsumerSession::open(connection, &self.link, &mut self.feed).await {
                    Some(session) => session.run().await,
                    None => SessionEnd::Lost,
                },
                None => self.wait_for_connection().await,
            };
            self.feed.connection_lost();
            match end {
                SessionEnd::Lost => drop(shutdown.pause(SESSION_PAUSE).await),
                SessionEnd::GiveBack(reply) => {
                    self.feed.release_all();
                    reply.send(self.feed.begin_round()).ok();
                }
                SessionEnd::Finish(reply) => {
                    reply.send(()).ok();
                    return;
                }
                SessionEnd::TakerGone => return,
            }
        }
    }

    /// Without a connection the feed remembers what is settled, so that a redelivery of it is acknowledged at once.
    async fn wait_for_connection(&mut self) -> SessionEnd {
        loop {
            let event = tokio::select! {
                is_kept = self.link.changed() => return if is_kept { SessionEnd::Lost } else { SessionEnd::TakerGone },
                event = self.feed.next_event() => event,
            };
            match event {
                // Its tags ended with their connection.
                FeedEvent::Disposition(_) => {}
                FeedEvent::Command(TakerCommand::Hold) => self.feed.is_held = true,
                FeedEvent::Command(TakerCommand::Resume) => self.feed.is_held = false,
                FeedEvent::Command(TakerCommand::GiveBack(reply)) => return SessionEnd::GiveBack(reply),
                FeedEvent::Command(TakerCommand::Finish(reply)) => return SessionEnd::Finish(reply),
                FeedEvent::TakerGone => return SessionEnd::TakerGone,
            }
        }
    }
}
