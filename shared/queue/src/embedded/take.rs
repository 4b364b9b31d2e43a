//! Taking from files: the same feed as with a broker, filled by looking.

use std::sync::Arc;
use std::time::Duration;

use sqlite::Writer;
use tokio::sync::{Notify, OnceCell};
use tokio::time::{Instant, sleep_until};

use super::rows;
use crate::feed::{Feed, FeedEvent, TagDisposition};
use crate::in_flight::Arrival;
use crate::taker::TakerCommand;

/// How often to look for what another process wrote, or what became due by the clock.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// The task that takes one class. Its tags are rows.
pub(super) struct EmbeddedTaker {
    feed: Feed,
    writer: Writer,
}

/// What wakes the task.
enum TakerEvent {
    Feed(FeedEvent),
    LookDue,
}

impl EmbeddedTaker {
    pub(super) fn new(feed: Feed, writer: Writer) -> Self {
        Self { feed, writer }
    }

    /// Runs until the taker finishes. `released` is set by the first taker of this process, once what an earlier process
    /// left in flight waits again. `published` is notified after each publish of this process.
    pub(super) async fn run(mut self, released: Arc<OnceCell<()>>, published: Arc<Notify>) {
        released.get_or_init(|| self.writer.write_with_retry(|database, _| rows::release_all(database))).await;
        loop {
            // Made before looking, so that what is published meanwhile is not missed.
            let notified = published.notified();
            let event = if self.look().await { TakerEvent::LookDue } else { self.next_event(notified).await };
            match event {
                TakerEvent::Feed(FeedEvent::Disposition(disposition)) => self.settle(disposition).await,
                TakerEvent::Feed(FeedEvent::Command(TakerCommand::Hold)) => self.feed.is_held = true,
                TakerEvent::Feed(FeedEvent::Command(TakerCommand::Resume)) => self.feed.is_held = false,
                TakerEvent::Feed(FeedEvent::Command(TakerCommand::GiveBack(reply))) => {
                    self.give_back().await;
                    reply.send(self.feed.begin_round()).ok();
                }
                TakerEvent::Feed(FeedEvent::Command(TakerCommand::Finish(reply))) => {
                    self.finish().await;
                    reply.send(()).ok();
                    return;
                }
                TakerEvent::Feed(FeedEvent::TakerGone) => return,
                TakerEvent::LookDue => {}
            }
        }
    }

    async fn next_event(&mut self, published: impl Future<Output = ()>) -> TakerEvent {
        tokio::select! {
            biased;
            event = self.feed.next_event() => TakerEvent::Feed(event),
            () = published => TakerEvent::LookDue,
            () = sleep_until(Instant::now() + LOOK_PERIOD) => TakerEvent::LookDue,
        }
    }

    /// Takes as many envelopes as fit. Returns whether more may wait and fit.
    async fn look(&mut self) -> bool {
        self.settle_all().await;
        let room = self.feed.room();
        if self.feed.is_held || room == 0 {
            return false;
        }
        let class = self.feed.class;
        let rows = self.writer.read(move |database, now| rows::take(database, class, room, now)).await;
        // After a failed commit the envelopes wait as before; the writer has logged why.
        let rows = rows.unwrap_or_default();
        let is_full = rows.len() == room;
        for row in rows {
            let tag = row.tag;
            if self.feed.hand_out(row).await == Arrival::AlreadySettled {
                self.settle(TagDisposition::Acknowledge(vec![tag])).await;
            }
        }
        is_full && self.feed.room() > 0 && !self.feed.has_command()
    }

    async fn settle_all(&mut self) {
        while let Some(disposition) = self.feed.next_disposition() {
            self.settle(disposition).await;
        }
    }

    /// With retry: an event that was delivered must not come back because one commit failed.
    async fn settle(&mut self, disposition: TagDisposition) {
        match disposition {
            TagDisposition::Acknowledge(tags) if tags.is_empty() => {}
            TagDisposition::Acknowledge(tags) => {
                let delete = move |database: &sqlite::Connection, _| rows::delete(database, &tags);
                self.writer.write_with_retry(delete).await;
            }
            TagDisposition::GiveBack(tags) => {
                let release = move |database: &sqlite::Connection, _| rows::release(database, &tags);
                self.writer.write_with_retry(release).await;
            }
        }
    }

    /// What was in flight waits in its old place; the next look takes it in its order.
    async fn give_back(&mut self) {
        self.settle_all().await;
        let tags = self.feed.release_all();
        self.settle(TagDisposition::GiveBack(tags)).await;
    }

    /// Returns once everything settled is written. What is not settled waits for the next process.
    async fn finish(&mut self) {
        self.settle_all().await;
        self.feed.release_all();
        // The writer keeps the order, so this is written after what was settled before.
        self.writer.write(|_, _| Ok(())).await.ok();
    }
}
