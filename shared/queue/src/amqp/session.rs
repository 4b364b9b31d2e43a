//! Consumes from one AMQP channel until it fails or the taker (who has the other end of the feed) ends it: hands out what
//! arrives, acknowledges what the taker has settled, and notices a consumer that the broker has forgotten.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::BasicNackOptions;
use lapin::{Channel, Connection, Consumer};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use super::consumer::{self, CHANNEL_TIME, GIVE_BACK_CHUNK, Watchdog};
use super::link::BrokerLink;
use super::{declare, wire};
use crate::feed::{Feed, FeedEvent, TagDisposition};
use crate::in_flight::Arrival;
use crate::ledger::Ledger;
use crate::queue_name::QueueName;
use crate::taker::TakerCommand;

/// How long a settled tag may wait to be acknowledged together with others.
const ACK_DELAY: Duration = Duration::from_millis(20);
/// Once this many tags are settled they are acknowledged at once: a full window must not wait out [`ACK_DELAY`]. In a
/// smaller window only the delay counts.
const ACK_BATCH: usize = 64;

/// One AMQP channel and its consumer.
pub(super) struct ConsumerSession<'t> {
    link: &'t BrokerLink,
    feed: &'t mut Feed,
    connection: Arc<Connection>,
    channel: Channel,
    /// `None` before consuming starts, and once a cancelled stream has ended.
    consumer: Option<Consumer>,
    ledger: Ledger,
    /// When the settled tags have to be acknowledged; `None` if none is settled.
    acks_due: Option<Instant>,
    watchdog: Watchdog,
    /// Changes when the queues are declared again. Subscribed to before the AMQP channel opens, so that none is missed.
    declarations: watch::Receiver<u64>,
}

/// Why a session ends.
pub(super) enum SessionEnd {
    /// The connection, the AMQP channel or the consumer is gone, or a new session is simpler than mending this one.
    Lost,
    /// Everything goes back, and a new session takes it again. The reply is the number of the new round: what belongs to
    /// an earlier one is ignored.
    GiveBack(oneshot::Sender<u64>),
    /// Everything goes back, and nothing more is taken.
    Finish(oneshot::Sender<()>),
    /// The taker was dropped without being finished, because the process is shutting down. The broker takes everything
    /// back when the connection ends.
    TakerGone,
}

/// What wakes a session.
enum SessionEvent {
    Feed(FeedEvent),
    Delivery(Box<lapin::Result<Delivery>>),
    /// The consumer's stream ended.
    ConsumerEnd,
    AcksDue,
    WatchdogDue,
    QueuesRedeclared,
}

impl<'t> ConsumerSession<'t> {
    /// Opens the AMQP channel and, unless the feed is held, starts the consumer. `None` if either fails; the
    /// cause is logged where it is found.
    pub(super) async fn open(connection: Arc<Connection>, link: &'t BrokerLink, feed: &'t mut Feed) -> Option<Self> {
        let declarations = link.declarations();
        let channel = consumer::open(&connection, feed.window, link).await?;
        let mut session = Self {
            link,
            feed,
            connection,
            channel,
            consumer: None,
            ledger: Ledger::default(),
            acks_due: None,
            watchdog: Watchdog::new(Instant::now()),
            declarations,
        };
        if !session.feed.is_held {
            session.consume().await.ok()?;
        }
        Some(session)
    }

    /// Applies one event after the other until one of them ends the session.
    pub(super) async fn run(mut self) -> SessionEnd {
        loop {
            let event = self.next_event().await;
            let step = match self.apply(event).await {
                Ok(()) => self.acknowledge_when_due().await,
                Err(end) => Err(end),
            };
            match step {
                Ok(()) => {}
                Err(SessionEnd::Lost) => {
                    self.close().await;
                    return SessionEnd::Lost;
                }
                Err(SessionEnd::TakerGone) => return SessionEnd::TakerGone,
                Err(end @ (SessionEnd::GiveBack(_) | SessionEnd::Finish(_))) => {
                    self.give_back().await;
                    return end;
                }
            }
        }
    }

    async fn next_event(&mut self) -> SessionEvent {
        let acks_due = self.acks_due;
        let acks_due = async {
            match acks_due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let consumer = self.consumer.as_mut();
        let delivery = async {
            match consumer {
                Some(consumer) => consumer.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Settling comes before taking, so that a full window moves on; the watchdog is last, because whatever else
            // happens shows that the consumer lives.
            biased;
            Ok(()) = self.declarations.changed() => SessionEvent::QueuesRedeclared,
            () = acks_due => SessionEvent::AcksDue,
            event = self.feed.next_event() => SessionEvent::Feed(event),
            delivery = delivery => match delivery {
                Some(delivery) => SessionEvent::Delivery(Box::new(delivery)),
                None => SessionEvent::ConsumerEnd,
            },
            () = sleep_until(self.watchdog.due()) => SessionEvent::WatchdogDue,
        }
    }

    async fn apply(&mut self, event: SessionEvent) -> Result<(), SessionEnd> {
        match event {
            SessionEvent::Feed(FeedEvent::Disposition(disposition)) => self.settle(disposition).await,
            SessionEvent::Feed(FeedEvent::Command(command)) => self.carry_out(command).await,
            SessionEvent::Feed(FeedEvent::TakerGone) => Err(SessionEnd::TakerGone),
            SessionEvent::Delivery(delivery) => match *delivery {
                Ok(delivery) => {
                    self.hand_out(delivery).await;
                    Ok(())
                }
                Err(error) => Err(self.lose_consumer(&error.to_string())),
            },
            // The stream also ends after our own cancel; that is the only harmless case.
            SessionEvent::ConsumerEnd if self.feed.is_held => {
                self.consumer = None;
                Ok(())
            }
            SessionEvent::ConsumerEnd => Err(self.lose_consumer("the broker ended it")),
            // `run` acknowledges after every event.
            SessionEvent::AcksDue => Ok(()),
            SessionEvent::WatchdogDue => self.check_for_stall().await,
            // The queue may have been made again; the old consumer would receive nothing from the new one.
            SessionEvent::QueuesRedeclared => Err(SessionEnd::Lost),
        }
    }

    async fn carry_out(&mut self, command: TakerCommand) -> Result<(), SessionEnd> {
        match command {
            TakerCommand::Hold => {
                self.feed.is_held = true;
                if self.consumer.is_none() || self.cancel().await { Ok(()) } else { Err(SessionEnd::Lost) }
            }
            TakerCommand::Resume => {
                let was_held = std::mem::take(&mut self.feed.is_held);
                match self.consumer {
                    // The cancelled stream has not ended yet: a new session is simpler than a second consumer beside it.
                    Some(_) if was_held => Err(SessionEnd::Lost),
                    Some(_) => Ok(()),
                    None => self.consume().await,
                }
            }
            TakerCommand::GiveBack(reply) => Err(SessionEnd::GiveBack(reply)),
            TakerCommand::Finish(reply) => Err(SessionEnd::Finish(reply)),
        }
    }

    async fn consume(&mut self) -> Result<(), SessionEnd> {
        self.consumer = consumer::consume(&self.connection, &self.channel, self.feed.class, self.link).await;
        if self.consumer.is_some() { Ok(()) } else { Err(SessionEnd::Lost) }
    }

    /// Asks the broker to cancel the consumer; `true` if it did.
    async fn cancel(&self) -> bool {
        consumer::cancel(&self.connection, &self.channel, self.link).await
    }

    async fn hand_out(&mut self, delivery: Delivery) {
        self.watchdog.delivered();
        let incoming = wire::incoming(delivery, self.feed.class);
        let tag = incoming.tag;
        // Before the envelope is handed out: its disposition may come at once, and has to find its tag.
        self.ledger.arrive(tag);
        // A copy that was settled on an earlier connection, whose acknowledgement was lost with it.
        if self.feed.hand_out(incoming).await == Arrival::AlreadySettled {
            self.ledger.settle(tag);
        }
    }

    /// Applies every disposition that waits: notes what is settled, and gives back at once what the taker has dropped.
    async fn settle(&mut self, disposition: TagDisposition) -> Result<(), SessionEnd> {
        let mut next = Some(disposition);
        while let Some(disposition) = next {
            match disposition {
                TagDisposition::Acknowledge(tags) => tags.into_iter().for_each(|tag| self.ledger.settle(tag)),
                TagDisposition::GiveBack(tags) => {
                    for tag in tags {
                        // Out of the ledger first: a tag that is given back twice closes the AMQP channel.
                        self.ledger.remove(tag);
                        let options = BasicNackOptions { requeue: true, multiple: false };
                        self.channel.basic_nack(tag, options).await.map_err(|_| SessionEnd::Lost)?;
                    }
                }
            }
            next = self.feed.next_disposition();
        }
        Ok(())
    }

    async fn acknowledge_when_due(&mut self) -> Result<(), SessionEnd> {
        let is_due = self.acks_due.is_some_and(|due| due <= Instant::now()) || self.ledger.settled() >= ACK_BATCH;
        if is_due {
            consumer::acknowledge(&self.channel, &mut self.ledger).await.map_err(|_| SessionEnd::Lost)?;
        }
        let has_settled = self.ledger.settled() > 0;
        self.acks_due = has_settled.then(|| self.acks_due.unwrap_or_else(|| Instant::now() + ACK_DELAY));
        Ok(())
    }

    /// Asks the broker whether messages wait although there is room for them, and whether the queue has any consumer.
    async fn check_for_stall(&mut self) -> Result<(), SessionEnd> {
        if self.consumer.is_none() || self.feed.is_held {
            // Nothing is expected, so the watchdog starts afresh.
            self.watchdog = Watchdog::new(Instant::now());
            return Ok(());
        }
        let has_room = self.ledger.len() < usize::from(self.feed.window);
        let state = declare::state(&self.channel, QueueName::Class(self.feed.class));
        match timeout(CHANNEL_TIME, state).await {
            Ok(Ok(queue)) => {
                let looks_stalled = queue.consumer_count() == 0 || (queue.message_count() > 0 && has_room);
                if self.watchdog.is_stuck(looks_stalled, Instant::now()) {
                    return Err(self.lose_consumer("messages wait, and the broker sends none"));
                }
                Ok(())
            }
            Ok(Err(error)) => Err(self.lose_consumer(&error.to_string())),
            Err(_) => {
                self.link.give_up(&self.connection);
                Err(SessionEnd::Lost)
            }
        }
    }

    /// Logs the loss and asks for the queues to be declared again: the broker cancels the consumer of a queue that is
    /// deleted, and lapin then ends the stream without an error.
    fn lose_consumer(&self, reason: &str) -> SessionEnd {
        let queue = QueueName::Class(self.feed.class).as_str();
        warn!(queue, "Taking from {queue} stopped: {reason}");
        self.link.redeclare();
        SessionEnd::Lost
    }

    /// Closes the AMQP channel, so that the broker takes back what it handed out.
    async fn close(self) {
        if timeout(CHANNEL_TIME, declare::close(self.channel)).await.is_err() {
            self.link.give_up(&self.connection);
        }
    }

    /// Acknowledges what is settled and gives back the rest in its order, including deliveries that are not read from the
    /// stream yet.
    async fn give_back(mut self) {
        if timeout(CHANNEL_TIME, self.give_back_all()).await.is_err() {
            // The broker takes it back when the AMQP channel, which is dropped here, closes.
            debug!("Could not give everything back in time; the broker takes it back when the AMQP channel closes");
        }
    }

    /// Ignores errors: once an AMQP channel is closed, the broker takes back everything that is not acknowledged.
    async fn give_back_all(&mut self) {
        if !self.feed.is_held {
            self.cancel().await;
        }
        if let Some(mut consumer) = self.consumer.take() {
            while let Some(Ok(unread)) = consumer.next().await {
                self.ledger.arrive(unread.delivery_tag);
            }
        }
        while let Some(disposition) = self.feed.next_disposition() {
            // What was dropped stays in the ledger and goes back with the rest.
            if let TagDisposition::Acknowledge(tags) = disposition {
                tags.into_iter().for_each(|tag| self.ledger.settle(tag));
            }
        }
        consumer::acknowledge(&self.channel, &mut self.ledger).await.ok();
        for last_tag in self.ledger.chunks(GIVE_BACK_CHUNK) {
            self.channel.basic_nack(last_tag, BasicNackOptions { requeue: true, multiple: true }).await.ok();
        }
        self.channel.close(200, "done".into()).await.ok();
    }
}
