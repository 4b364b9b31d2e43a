//! How a session ends: what is in flight goes back in its order, and a queue that is gone is made again.

use std::sync::Arc;

use tokio::time::timeout;
use tracing::debug;

use super::call::{CALL_TIME, CallError};
use super::consumer;
use super::remake::remake;
use super::session::ConsumerSession;
use super::session_parts::SessionEnd;
use crate::feed::TagDisposition;

impl ConsumerSession<'_> {
    /// The session ends because of an error. After a call without an answer its connection ends, too.
    pub(super) async fn lose(&mut self, error: &CallError) -> SessionEnd {
        if error.ends_connection() {
            self.parts.link.give_up(&self.connection);
        }
        self.lose_consumer(&error.to_string()).await
    }

    /// Tells of the loss and makes the queue again if it is gone: the broker cancels the consumer of a queue that is
    /// deleted, and lapin then ends the stream without an error.
    pub(super) async fn lose_consumer(&mut self, reason: &str) -> SessionEnd {
        self.parts.intake.stopped(reason);
        if self.parts.link.current().is_some_and(|current| Arc::ptr_eq(&current, &self.connection)) {
            let queue = self.parts.queue();
            match remake(self.parts.link, &self.connection, queue, self.parts.remade).await {
                Ok(true) => return SessionEnd::Renew,
                Ok(false) => {}
                Err(error) => debug!(queue = queue.as_str(), "Could not look for the queue: {error}"),
            }
        }
        SessionEnd::Lost
    }

    /// Closes the AMQP channel, so that the broker takes back what it handed out, in its order, and only then turns to the
    /// next consumer of the queue. (After `basic.cancel`, which lapin also sends when a consumer is dropped, it would turn to
    /// the next one at once, which would get what comes after the envelopes that are still here.)
    pub(super) async fn close(self) {
        if timeout(CALL_TIME, self.channel.close(200, "done".into())).await.is_err() {
            self.parts.link.give_up(&self.connection);
        }
    }

    /// Acknowledges what is settled and gives back the rest, including deliveries that are not read from the stream yet.
    pub(super) async fn give_back(mut self) {
        while let Some(disposition) = self.parts.feed.next_disposition() {
            // What was dropped stays in the ledger and goes back with the rest.
            if let TagDisposition::Acknowledge(tags) = disposition {
                tags.into_iter().for_each(|tag| self.ledger.settle(tag));
            }
        }
        // Once an AMQP channel is closed, the broker takes back everything that is not acknowledged.
        consumer::acknowledge(&self.channel, &mut self.ledger).await.ok();
        self.close().await;
    }
}
