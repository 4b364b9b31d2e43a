//! How a session ends: what is in flight goes back in its order, and a queue that is gone is made again.

use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::time::timeout;
use tracing::debug;

use super::call::{CALL_TIME, CallError};
use super::consumer::{self, GIVE_BACK_CHUNK};
use super::declare;
use super::session::ConsumerSession;
use super::session_parts::SessionEnd;
use crate::feed::TagDisposition;
use crate::queue_name::QueueName;

impl ConsumerSession<'_> {
    /// The session ends because of an error. After a call without an answer its connection ends, too.
    pub(super) async fn lose(&mut self, error: &CallError) -> SessionEnd {
        if error.is_time_out() {
            self.parts.link.give_up(&self.connection);
        }
        self.lose_consumer(&error.to_string()).await
    }

    /// Tells of the loss and makes the queue again if it is gone: the broker cancels the consumer of a queue that is
    /// deleted, and lapin then ends the stream without an error.
    pub(super) async fn lose_consumer(&mut self, reason: &str) -> SessionEnd {
        self.parts.intake.stopped(reason);
        if self.parts.link.current().is_some_and(|current| Arc::ptr_eq(&current, &self.connection)) {
            let queue = QueueName::Class(self.parts.feed.class);
            match declare::remake(&self.connection, queue, self.parts.remade).await {
                Ok(true) => return SessionEnd::Renew,
                Ok(false) => {}
                Err(error) => debug!(queue = queue.as_str(), "Could not look for the queue: {error}"),
            }
        }
        SessionEnd::Lost
    }

    /// Closes the AMQP channel, so that the broker takes back what it handed out.
    pub(super) async fn close(self) {
        if timeout(CALL_TIME, self.channel.close(200, "done".into())).await.is_err() {
            self.parts.link.give_up(&self.connection);
        }
    }

    /// Acknowledges what is settled and gives back the rest in its order, including deliveries that are not read from the
    /// stream yet.
    pub(super) async fn give_back(mut self) {
        if timeout(CALL_TIME, self.give_back_all()).await.is_err() {
            // The broker takes it back when the AMQP channel, which is dropped here, closes.
            debug!("Could not give everything back in time; the broker takes it back when the AMQP channel closes");
        }
    }

    /// Ignores errors: once an AMQP channel is closed, the broker takes back everything that is not acknowledged.
    async fn give_back_all(&mut self) {
        if !self.parts.feed.is_held {
            consumer::cancel(&self.channel).await.ok();
        }
        if let Some(mut consumer) = self.consumer.take() {
            while let Some(Ok(unread)) = consumer.next().await {
                self.ledger.arrive(unread.delivery_tag);
            }
        }
        while let Some(disposition) = self.parts.feed.next_disposition() {
            // What was dropped stays in the ledger and goes back with the rest.
            if let TagDisposition::Acknowledge(tags) = disposition {
                tags.into_iter().for_each(|tag| self.ledger.settle(tag));
            }
        }
        consumer::acknowledge(&self.channel, &mut self.ledger).await.ok();
        for last_tag in self.ledger.chunks(GIVE_BACK_CHUNK) {
            consumer::give_back(&self.channel, last_tag, true).await.ok();
        }
        self.channel.close(200, "done".into()).await.ok();
    }
}
