//! Taking from RabbitMQ: one session after the other, and what is in flight outlives them.

use std::sync::Arc;
use std::time::Duration;

use chassis::dice;
use lapin::Connection;
use tokio::time::{Instant, sleep_until};

use super::link::BrokerLink;
use super::reconnects::Reconnects;
use super::remake::Remade;
use super::session::ConsumerSession;
use super::session_parts::{SessionEnd, SessionParts};
use crate::feed::{Feed, FeedEvent};
use crate::intake::Intake;
use crate::taker::TakerCommand;

/// The pause before a session that replaces one on a good connection (mostly because its queue was deleted).
const RENEW_PAUSE: Duration = Duration::from_millis(200);

/// The task that takes one partition.
pub(super) struct AmqpTaker {
    link: BrokerLink,
    feed: Feed,
    intake: Intake,
    remade: Remade,
    instance: Arc<str>,
    reconnects: Reconnects,
}

impl AmqpTaker {
    pub(super) fn new(link: BrokerLink, feed: Feed, intake: Intake, remade: Remade, instance: Arc<str>) -> Self {
        Self { link, feed, intake, remade, instance, reconnects: Reconnects::default() }
    }

    /// Runs until the taker finishes.
    pub(super) async fn run(mut self) {
        let mut pause_ends = None;
        loop {
            let connection = self.link.current();
            if connection.is_none() && self.intake.works() {
                self.intake.stopped("there is no connection");
            }
            let paused_until = pause_ends.filter(|end| *end > Instant::now());
            let end = match connection.filter(|_| paused_until.is_none()) {
                Some(connection) => {
                    let began = Instant::now();
                    let end = self.session(connection).await;
                    self.feed.connection_lost();
                    pause_ends = match end {
                        SessionEnd::Lost => Some(Instant::now() + self.reconnects.lost_after(began.elapsed(), dice())),
                        SessionEnd::Renew => Some(Instant::now() + RENEW_PAUSE),
                        SessionEnd::GiveBack(_) | SessionEnd::Finish(_) | SessionEnd::TakerGone => None,
                    };
                    end
                }
                None => self.wait(paused_until).await,
            };
            match end {
                SessionEnd::Lost | SessionEnd::Renew => {}
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

    async fn session(&mut self, connection: Arc<Connection>) -> SessionEnd {
        let Self { link, feed, intake, remade, instance, .. } = self;
        match ConsumerSession::open(connection, SessionParts { link, feed, intake, remade, instance }).await {
            Some(session) => session.run().await,
            None => SessionEnd::Lost,
        }
    }

    /// Waits for a connection, or until a pause ends. The feed remembers what is settled meanwhile, so that a redelivery of
    /// it is acknowledged at once.
    async fn wait(&mut self, pause_ends: Option<Instant>) -> SessionEnd {
        let pause = async {
            match pause_ends {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(pause);
        loop {
            let event = tokio::select! {
                is_kept = self.link.changed() => return if is_kept { SessionEnd::Lost } else { SessionEnd::TakerGone },
                () = &mut pause => return SessionEnd::Lost,
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
