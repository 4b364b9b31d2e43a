//! Taking on one AMQP channel, until it breaks or the taker wants it to end.

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

/// How long an acknowledgement may wait so that it travels with others.
const ACK_DELAY: Duration = Duration::from_millis(20);
/// As many settled tags are acknowledged without delay, so that a full window moves on.
const ACKS_AT_ONCE: usize = 64;

/// One AMQP channel and its consumer.
pub(super) struct ConsumerSession<'t> {
    link: &'t BrokerLink,
    feed: &'t mut Feed,
    connection: Arc<Connection>,
    channel: Channel,
    /// `None` while nothing is taken.
    consumer: Option<Consumer>,
    ledger: Ledger,
    /// When the settled tags have to be acknowledged.
    acks_due: Option<Instant>,
    watchdog: Watchdog,
    declarations: watch::Receiver<u64>,
}

/// Why a session ends.
pub(super) enum SessionEnd {
    /// The connection, the AMQP channel or the consumer is gone.
    Lost,
    /// Everything goes back, and a new round begins.
    GiveBack(oneshot::Sender<u64>),
    /// Everything goes back, and nothing more is taken.
    Finish(oneshot::Sender<()>),
    /// The taker was dropped without being finished, or the process has stopped.
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
    /// The queues were declared again.
    Declaration,
}

impl<'t> ConsumerSession<'t> {
    /// Opens the AMQP channel and, unless the feed is held, starts the consumer. `None` when that fails.
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
            biased;
            Ok(()) = self.declarations.changed() => SessionEvent::Declaration,
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
            SessionEvent::Feed(FeedEvent::Command(command)) => self.obey(command).await,
            SessionEvent::Feed(FeedEvent::TakerGone) => Err(SessionEnd::TakerGone),
            SessionEvent::Delivery(delivery) => match *delivery {
                Ok(delivery) => {
                    self.hand_out(delivery).await;
                    Ok(())
                }
                Err(error) => Err(self.consumer_lost(&error.to_string())),
            },
            // After our own cancel the stream ends, too, and only then is nothing wrong.
            SessionEvent::ConsumerEnd if self.feed.is_held => {
                self.consumer = None;
                Ok(())
            }
            SessionEvent::ConsumerEnd => Err(self.consumer_lost("the broker ended it")),
            SessionEvent::AcksDue => Ok(()),
            SessionEvent::WatchdogDue => self.watch().await,
            // The queue may be a new one, from which the old consumer gets nothing.
            SessionEvent::Declaration => Err(SessionEnd::Lost),
        }
    }

    async fn obey(&mut self, command: TakerCommand) -> Result<(), SessionEnd> {
        match command {
            TakerCommand::Hold => {
                self.feed.is_held = true;
                if self.consumer.is_none() || self.cancel().await { Ok(()) } else { Err(SessionEnd::Lost) }
            }
            TakerCommand::Resume => {
                let was_held = std::mem::take(&mut self.feed.is_held);
                match self.consumer {
                    // The cancelled stream has not ended yet: a new session is simpler than two consumers.
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

    /// Returns whether the consumer is cancelled.
    async fn cancel(&self) -> bool {
        consumer::cancel(&self.connection, &self.channel, self.link).await
    }

    async fn hand_out(&mut self, delivery: Delivery) {
        self.watchdog.delivered();
        let incoming = wire::incoming(delivery, self.feed.class);
        let tag = incoming.tag;
        self.ledger.arrive(tag);
        if self.feed.hand_out(incoming).await == Arrival::AlreadySettled {
            self.ledger.settle(tag);
        }
    }

    /// Notes the dispositions that have been made, and gives back what was dropped.
    async fn settle(&mut self, disposition: TagDisposition) -> Result<(), SessionEnd> {
        let mut next = Some(disposition);
        while let Some(disposition) = next {
            match disposition {
                TagDisposition::Acknowledge(tags) => tags.into_iter().for_each(|tag| self.ledger.settle(tag)),
                TagDisposition::GiveBack(tags) => {
                    for tag in tags {
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
        let is_due = self.acks_due.is_some_and(|due| due <= Instant::now()) || self.ledger.settled() >= ACKS_AT_ONCE;
        if is_due {
            consumer::acknowledge(&self.channel, &mut self.ledger).await.map_err(|_| SessionEnd::Lost)?;
        }
        let has_settled = self.ledger.settled() > 0;
        self.acks_due = has_settled.then(|| self.acks_due.unwrap_or_else(|| Instant::now() + ACK_DELAY));
        Ok(())
    }

    /// Asks the broker whether envelopes wait that it should have handed out, and whether it knows a consumer at all.
    async fn watch(&mut self) -> Result<(), SessionEnd> {
        if self.consumer.is_none() || self.feed.is_held {
            self.watchdog = Watchdog::new(Instant::now());
            return Ok(());
        }
        let has_room = self.ledger.len() < usize::from(self.feed.window);
        let state = declare::state(&self.channel, QueueName::Class(self.feed.class));
        match timeout(CHANNEL_TIME, state).await {
            Ok(Ok(queue)) => {
                let is_due = queue.consumer_count() == 0 || (queue.message_count() > 0 && has_room);
                if self.watchdog.is_stuck(is_due, Instant::now()) {
                    return Err(self.consumer_lost("the broker has forgotten the consumer"));
                }
                Ok(())
            }
            Ok(Err(error)) => Err(self.consumer_lost(&error.to_string())),
            Err(_) => {
                self.link.give_up(&self.connection);
                Err(SessionEnd::Lost)
            }
        }
    }

    /// Logs why nothing more comes. When the broker cancels a consumer, as it does for a deleted queue, lapin ends the
    /// stream without an error: so the queue may be gone, and is declared again.
    fn consumer_lost(&self, reason: &str) -> SessionEnd {
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

    /// Acknowledges what is settled and gives back the rest in its order, including what was not read yet.
    async fn give_back(mut self) {
        if timeout(CHANNEL_TIME, self.give_back_all()).await.is_err() {
            debug!("The broker takes back by itself what could not be given back in time");
        }
    }

    /// Errors are ignored: an AMQP channel that is gone has given back everything.
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
            // What was dropped goes back with the rest.
            if let TagDisposition::Acknowledge(tags) = disposition {
                tags.into_iter().for_each(|tag| self.ledger.settle(tag));
            }
        }
        consumer::acknowledge(&self.channel, &mut self.ledger).await.ok();
        for tag in self.ledger.chunks(GIVE_BACK_CHUNK) {
            self.channel.basic_nack(tag, BasicNackOptions { requeue: true, multiple: true }).await.ok();
        }
        self.channel.close(200, "done".into()).await.ok();
    }
}
