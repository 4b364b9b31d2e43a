//! Consumes from one AMQP channel until it fails or the taker (who has the other end of the feed) ends it: hands out what
//! arrives, acknowledges what the taker has settled, and notices a consumer that the broker has forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::{Channel, Connection, Consumer};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::consumer;
use super::session_parts::{SessionEnd, SessionParts};
use super::watchdog::{Finding, Look, Watchdog};
use super::{declare, wire};
use crate::broker_queue::BrokerQueue;
use crate::feed::{FeedEvent, TagDisposition};
use crate::in_flight::Arrival;
use crate::ledger::Ledger;
use crate::taker::TakerCommand;

/// How long a settled tag may wait to be acknowledged together with others.
const ACK_DELAY: Duration = Duration::from_millis(20);
/// Once this many tags are settled they are acknowledged at once: a full window must not wait out [`ACK_DELAY`]. In a
/// smaller window only the delay counts.
const ACK_BATCH: usize = 64;

/// One AMQP channel and its consumer.
pub(super) struct ConsumerSession<'t> {
    pub(super) parts: SessionParts<'t>,
    pub(super) connection: Arc<Connection>,
    pub(super) channel: Channel,
    /// `None` before consuming starts.
    pub(super) consumer: Option<Consumer>,
    pub(super) ledger: Ledger,
    /// When the settled tags have to be acknowledged; `None` if none is settled.
    acks_due: Option<Instant>,
    watchdog: Watchdog,
    /// Changes when a queue is made again. Subscribed to before the AMQP channel opens, so that none is missed.
    remakes: watch::Receiver<BTreeMap<BrokerQueue, u64>>,
    /// How often the queue of this session had been made again when it began.
    remakes_before: u64,
}

/// What wakes a session.
enum SessionEvent {
    Feed(FeedEvent),
    Delivery(Box<lapin::Result<Delivery>>),
    /// The consumer's stream ended.
    ConsumerEnd,
    AcksDue,
    WatchdogDue,
    QueueRemade,
}

impl<'t> ConsumerSession<'t> {
    /// Opens the AMQP channel and, unless the feed is held, starts the consumer. `None` if either fails.
    pub(super) async fn open(connection: Arc<Connection>, parts: SessionParts<'t>) -> Option<Self> {
        let queue = parts.queue();
        let remakes = parts.remade.subscribe();
        let remakes_before = remakes.borrow().get(&queue).copied().unwrap_or_default();
        let channel = match consumer::open(&connection, parts.feed.window).await {
            Ok(channel) => channel,
            Err(error) => {
                parts.intake.stopped(&error.to_string());
                if error.ends_connection() {
                    parts.link.give_up(&connection);
                }
                return None;
            }
        };
        let mut session = Self {
            parts,
            connection,
            channel,
            consumer: None,
            ledger: Ledger::default(),
            acks_due: None,
            watchdog: Watchdog::new(Instant::now()),
            remakes,
            remakes_before,
        };
        session.consume_when_possible().await.ok()?;
        Some(session)
    }

    /// Applies one event after the other until one of them ends the session.
    pub(super) async fn run(mut self) -> SessionEnd {
        loop {
            let event = self.next_event().await;
            let step = match self.apply(event).await {
                Ok(()) => self.after_event().await,
                Err(end) => Err(end),
            };
            match step {
                Ok(()) => {}
                Err(end @ (SessionEnd::Lost | SessionEnd::Renew | SessionEnd::TakerGone)) => {
                    self.close().await;
                    return end;
                }
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
        // What arrives while the feed is held stays in the stream. The consumer is not cancelled, because then another one would
        // get what comes after the envelopes that are in flight here.
        let consumer = self.consumer.as_mut().filter(|_| !self.parts.feed.is_held);
        let delivery = async {
            match consumer {
                Some(consumer) => consumer.next().await,
                None => std::future::pending().await,
            }
        };
        let queue = self.parts.queue();
        let before = self.remakes_before;
        let is_remade = self.remakes.wait_for(|counts| counts.get(&queue).copied().unwrap_or_default() != before);
        tokio::select! {
            // Settling comes before taking, so that a full window moves on; the watchdog is last, because whatever else
            // happens shows that the consumer lives.
            biased;
            Ok(_) = is_remade => SessionEvent::QueueRemade,
            () = acks_due => SessionEvent::AcksDue,
            event = self.parts.feed.next_event() => SessionEvent::Feed(event),
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
            SessionEvent::Feed(FeedEvent::Command(command)) => self.carry_out(command),
            SessionEvent::Feed(FeedEvent::TakerGone) => Err(SessionEnd::TakerGone),
            SessionEvent::Delivery(delivery) => match *delivery {
                Ok(delivery) => {
                    self.hand_out(delivery).await;
                    Ok(())
                }
                Err(error) => Err(self.lose(&error.into()).await),
            },
            SessionEvent::ConsumerEnd => Err(self.lose_consumer("the broker ended it").await),
            // `run` acknowledges after every event.
            SessionEvent::AcksDue => Ok(()),
            SessionEvent::WatchdogDue => self.check_for_stall().await,
            // The old consumer would receive nothing from the new queue.
            SessionEvent::QueueRemade => Err(SessionEnd::Renew),
        }
    }

    fn carry_out(&mut self, command: TakerCommand) -> Result<(), SessionEnd> {
        match command {
            TakerCommand::Hold => {
                self.parts.feed.is_held = true;
                self.parts.intake.proved();
                Ok(())
            }
            TakerCommand::Resume => {
                self.parts.feed.is_held = false;
                self.watchdog = Watchdog::new(Instant::now());
                Ok(())
            }
            TakerCommand::GiveBack(reply) => Err(SessionEnd::GiveBack(reply)),
            TakerCommand::Finish(reply) => Err(SessionEnd::Finish(reply)),
        }
    }

    /// Does what is due after any event.
    async fn after_event(&mut self) -> Result<(), SessionEnd> {
        self.acknowledge_when_due().await?;
        self.consume_when_possible().await
    }

    /// Starts the consumer, unless it runs or nothing may be taken now.
    async fn consume_when_possible(&mut self) -> Result<(), SessionEnd> {
        if self.consumer.is_some() {
            return Ok(());
        }
        if self.parts.feed.must_wait() {
            self.parts.intake.proved();
            return Ok(());
        }
        self.consume().await
    }

    async fn consume(&mut self) -> Result<(), SessionEnd> {
        match consumer::consume(&self.channel, self.parts.queue(), self.parts.instance).await {
            Ok(consumer) => {
                self.consumer = Some(consumer);
                self.watchdog = Watchdog::of_new_consumer(Instant::now());
                self.parts.intake.began();
                Ok(())
            }
            Err(error) => Err(self.lose(&error).await),
        }
    }

    async fn hand_out(&mut self, delivery: Delivery) {
        self.watchdog.delivered();
        self.parts.intake.proved();
        let incoming = wire::incoming(delivery, self.parts.feed.class);
        let tag = incoming.tag;
        // Before the envelope is handed out: its disposition may come at once, and has to find its tag.
        self.ledger.arrive(tag);
        // A copy that was settled on an earlier connection, whose acknowledgement was lost with it.
        if self.parts.feed.hand_out(incoming).await == Arrival::AlreadySettled {
            self.ledger.settle(tag);
        }
    }

    /// Applies every disposition that waits: notes what is settled. What the taker has dropped is given back by a new session,
    /// together with everything else: a message that goes back alone comes again behind those that are in flight.
    async fn settle(&mut self, disposition: TagDisposition) -> Result<(), SessionEnd> {
        let mut next = Some(disposition);
        while let Some(disposition) = next {
            match disposition {
                TagDisposition::Acknowledge(tags) => tags.into_iter().for_each(|tag| self.ledger.settle(tag)),
                TagDisposition::GiveBack(tags) if tags.is_empty() => {}
                TagDisposition::GiveBack(_) => {
                    return match consumer::acknowledge(&self.channel, &mut self.ledger).await {
                        Ok(()) => Err(SessionEnd::Renew),
                        Err(error) => Err(self.lose(&error).await),
                    };
                }
            }
            next = self.parts.feed.next_disposition();
        }
        Ok(())
    }

    async fn acknowledge_when_due(&mut self) -> Result<(), SessionEnd> {
        let is_due = self.acks_due.is_some_and(|due| due <= Instant::now()) || self.ledger.settled() >= ACK_BATCH;
        if is_due && let Err(error) = consumer::acknowledge(&self.channel, &mut self.ledger).await {
            return Err(self.lose(&error).await);
        }
        let has_settled = self.ledger.settled() > 0;
        self.acks_due = has_settled.then(|| self.acks_due.unwrap_or_else(|| Instant::now() + ACK_DELAY));
        Ok(())
    }

    /// Asks the broker whether messages wait although there is room for them, and whether the queue has any consumer. What it
    /// does not tell is which consumer is the active one, which gets all messages.
    async fn check_for_stall(&mut self) -> Result<(), SessionEnd> {
        if self.consumer.is_none() || self.parts.feed.is_held {
            // Nothing is expected, so the watchdog starts afresh.
            self.watchdog = Watchdog::new(Instant::now());
            return Ok(());
        }
        let has_room = self.ledger.len() < usize::from(self.parts.feed.window);
        match declare::state(&self.channel, self.parts.queue()).await {
            Ok(queue) => {
                let look = Look {
                    has_consumer: queue.consumer_count() > 0,
                    is_due: queue.message_count() > 0 && has_room,
                    has_in_flight: self.ledger.len() > 0,
                };
                let finding = self.watchdog.look(look, Instant::now());
                self.parts.feed.note_stall(finding == Finding::HeldUp);
                match finding {
                    Finding::Well => self.parts.intake.proved(),
                    Finding::Suspect | Finding::HeldUp => {}
                    Finding::StandBy => return Err(SessionEnd::Renew),
                    Finding::Forgotten => {
                        return Err(self.lose_consumer("the broker does not know this consumer any more").await);
                    }
                }
                Ok(())
            }
            Err(error) => Err(self.lose(&error).await),
        }
    }
}
