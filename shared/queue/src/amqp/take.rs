//! Taking from RabbitMQ: one AMQP channel a class, coalesced acknowledgements, and a hand that outlives connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::Shutdown;
use event::Class;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicNackOptions};
use lapin::{Channel, Connection, Consumer};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::consumer::{self, CHANNEL_TIME, CONSUMER_TAG, Watchdog};
use super::link::Link;
use super::{declare, wire};
use crate::in_hand::{Arrival, CopyKey, InHand};
use crate::ledger::Ledger;
use crate::taker::{Order, Settlement};
use crate::{Metrics, Place, Taken, Taker};

/// Longest time an acknowledgement is held back to travel with others.
const ACK_DELAY: Duration = Duration::from_millis(20);
/// Settled tags that are acknowledged at once, so that a full window moves on.
const ACKS_AT_ONCE: usize = 64;
/// RabbitMQ 3.10 shuffles what more than 32 messages come back together (measured: an Erlang map of more has no order).
pub(super) const GIVE_BACK_CHUNK: usize = 32;
/// Wait after a consumer ended on a good connection (its queue was deleted, mostly).
const CONSUMER_PAUSE: Duration = Duration::from_millis(200);

/// The task that takes one class.
pub(super) struct Take {
    link: Link,
    class: Class,
    window: u16,
    metrics: Metrics,
    hand: InHand,
    ledger: Ledger,
    taken: mpsc::Sender<Taken>,
    settlements: mpsc::UnboundedReceiver<Settlement>,
    settler: mpsc::UnboundedSender<Settlement>,
    orders: mpsc::Receiver<Order>,
    round: u64,
    is_held: bool,
}

/// Why a session ended.
enum Ended {
    /// Connection, AMQP channel or consumer is gone.
    Lost,
    /// All of it goes back, and a new round begins.
    GivenBack(oneshot::Sender<u64>),
    Finished(Option<oneshot::Sender<()>>),
}

/// What woke the session.
enum Wake {
    Came(Option<Box<lapin::Result<Delivery>>>),
    Settled(Settlement),
    AcksDue,
    WatchDue,
    Redeclared,
    Told(Option<Order>),
}

impl Take {
    pub(super) fn new(link: Link, (class, window): (Class, u16), metrics: Metrics) -> (Self, Taker) {
        // Unbounded in name only: it holds at most one settlement for each envelope in hand.
        let (settler, settlements) = mpsc::unbounded_channel();
        let (taken, receiver) = mpsc::channel(usize::from(window).max(1));
        let (order, orders) = mpsc::channel(8);
        let (hand, ledger) = (InHand::default(), Ledger::default());
        let task = Self {
            link,
            class,
            window,
            metrics,
            hand,
            ledger,
            taken,
            settlements,
            settler,
            orders,
            round: 0,
            is_held: false,
        };
        (task, Taker::new(receiver, order))
    }

    pub(super) async fn run(mut self, shutdown: Shutdown) {
        loop {
            let ended = match self.link.current() {
                Some(connection) => self.session(&connection).await,
                None => self.wait_for_connection().await,
            };
            self.ledger = Ledger::default();
            self.hand.connection_lost();
            match ended {
                Ended::Lost => drop(shutdown.pause(CONSUMER_PAUSE).await),
                Ended::GivenBack(reply) => {
                    self.hand.release_all();
                    self.round += 1;
                    reply.send(self.round).ok();
                }
                Ended::Finished(reply) => {
                    reply.map(|reply| reply.send(()).ok());
                    return;
                }
            }
        }
    }

    /// Without a connection outcomes are remembered, so that redeliveries can take them.
    async fn wait_for_connection(&mut self) -> Ended {
        loop {
            tokio::select! {
                is_kept = self.link.changed() => return if is_kept { Ended::Lost } else { Ended::Finished(None) },
                Some(settlement) = self.settlements.recv() => drop(self.note(settlement)),
                order = self.orders.recv() => match order {
                    Some(Order::Hold) => self.is_held = true,
                    Some(Order::Resume) => self.is_held = false,
                    Some(Order::GiveBack(reply)) => return Ended::GivenBack(reply),
                    Some(Order::Finish(reply)) => return Ended::Finished(Some(reply)),
                    None => return Ended::Finished(None),
                },
            }
        }
    }

    async fn session(&mut self, connection: &Arc<Connection>) -> Ended {
        let mut declarations = self.link.declarations();
        let opened = consumer::open(connection, (self.class, self.window), &self.link).await;
        let Some(channel) = opened else { return Ended::Lost };
        let mut consumer = None;
        if !self.is_held {
            consumer = consumer::consume((connection, &channel), self.class, &self.link).await;
            if consumer.is_none() {
                return Ended::Lost;
            }
        }
        let mut acks_due: Option<Instant> = None;
        let mut watchdog = Watchdog::new(Instant::now());
        loop {
            let wake = tokio::select! {
                wake = self.wake(consumer.as_mut(), acks_due, watchdog.due()) => wake,
                Ok(()) = declarations.changed() => Wake::Redeclared,
            };
            let is_well = match wake {
                Wake::Came(Some(came)) => match *came {
                    Ok(delivery) => {
                        watchdog.delivered();
                        self.hand_out(delivery).await
                    }
                    Err(error) => self.consumer_ended(&error.to_string()),
                },
                // After our own cancel the stream ends too, and only then is it silent on purpose.
                Wake::Came(None) if self.is_held => {
                    consumer = None;
                    true
                }
                Wake::Came(None) => self.consumer_ended("the broker ended it"),
                Wake::Settled(settlement) => self.settle(settlement, &channel).await,
                Wake::AcksDue => true,
                Wake::WatchDue if consumer.is_none() || self.is_held => watchdog.rest(Instant::now()),
                Wake::WatchDue => self.watch((connection, &channel), &mut watchdog).await,
                // Our queue may be a new one, of which the old consumer gets nothing.
                Wake::Redeclared => false,
                Wake::Told(Some(Order::Hold)) => self.hold((connection, &channel), consumer.is_some()).await,
                Wake::Told(Some(Order::Resume)) if consumer.is_some() => {
                    // The cancelled stream has not ended yet: a new session is simpler than two consumers.
                    !std::mem::take(&mut self.is_held)
                }
                Wake::Told(Some(Order::Resume)) => {
                    self.is_held = false;
                    consumer = consumer::consume((connection, &channel), self.class, &self.link).await;
                    consumer.is_some()
                }
                Wake::Told(Some(Order::GiveBack(reply))) => {
                    return self.finish((connection, &channel), consumer, Ended::GivenBack(reply)).await;
                }
                Wake::Told(Some(Order::Finish(reply))) => {
                    return self.finish((connection, &channel), consumer, Ended::Finished(Some(reply))).await;
                }
                Wake::Told(None) => return Ended::Finished(None),
            };
            let is_due = acks_due.is_some_and(|due| due <= Instant::now()) || self.ledger.settled() >= ACKS_AT_ONCE;
            if !is_well || (is_due && !consumer::acknowledge(&channel, &mut self.ledger).await) {
                return self.lost(connection, channel).await;
            }
            acks_due = (self.ledger.settled() > 0).then(|| acks_due.unwrap_or_else(|| Instant::now() + ACK_DELAY));
        }
    }

    /// Closes the AMQP channel, so that the broker takes back what it handed to us.
    async fn lost(&self, connection: &Arc<Connection>, channel: Channel) -> Ended {
        if timeout(CHANNEL_TIME, declare::close(channel)).await.is_err() {
            self.link.give_up(connection);
        }
        Ended::Lost
    }

    async fn wake(&mut self, consumer: Option<&mut Consumer>, acks_due: Option<Instant>, watch_due: Instant) -> Wake {
        let came = async {
            match consumer {
                Some(consumer) => consumer.next().await,
                None => std::future::pending().await,
            }
        };
        let due = async {
            match acks_due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            order = self.orders.recv() => Wake::Told(order),
            () = due => Wake::AcksDue,
            Some(settlement) = self.settlements.recv() => Wake::Settled(settlement),
            came = came => Wake::Came(came.map(Box::new)),
            () = tokio::time::sleep_until(watch_due) => Wake::WatchDue,
        }
    }

    /// Asks the broker whether envelopes wait that it should have handed to us, and whether it knows of any consumer.
    async fn watch(&self, (connection, channel): (&Arc<Connection>, &Channel), watchdog: &mut Watchdog) -> bool {
        let has_room = self.ledger.len() < usize::from(self.window);
        match timeout(CHANNEL_TIME, declare::waiting_and_takers(channel, self.class)).await {
            Ok(Ok((waiting, takers)))
                if watchdog.is_stuck(takers == 0 || (waiting > 0 && has_room), Instant::now()) =>
            {
                self.consumer_ended("the broker has forgotten the consumer")
            }
            Ok(Ok(_)) => true,
            Ok(Err(error)) => self.consumer_ended(&error.to_string()),
            Err(_) => {
                self.link.give_up(connection);
                false
            }
        }
    }

    /// lapin ends the stream without an error when the broker cancels the consumer, as it does for a deleted queue.
    fn consumer_ended(&self, reason: &str) -> bool {
        let queue = Place::Class(self.class).queue();
        warn!(queue, reason, "Taking from {queue} stopped: {reason}");
        self.link.redeclare();
        false
    }

    async fn hand_out(&mut self, delivery: Delivery) -> bool {
        let (tag, was_redelivered) = (delivery.delivery_tag, delivery.redelivered);
        let body = Bytes::from(delivery.data);
        let (envelope, fault) = wire::taken(&delivery.properties, body, (self.class, tag));
        self.metrics.taken(self.class, was_redelivered);
        self.ledger.arrive(tag);
        match self.hand.arrive(tag, CopyKey::of(&envelope), was_redelivered) {
            Arrival::New => {
                let taken = Taken { envelope, fault, settlements: Some(self.settler.clone()), round: self.round };
                // The dispatcher always takes; if it is gone, the envelope goes back by its drop.
                self.taken.send(taken).await.ok();
            }
            Arrival::Joined => self.metrics.joined(),
            Arrival::AlreadySettled => {
                debug!(event.id = %envelope.id, "Event {} was settled before the connection broke", envelope.id);
                self.ledger.settle(tag);
            }
        }
        true
    }

    /// Notes an outcome; gives the tags it concerns and whether they are acknowledged or given back.
    fn note(&mut self, settlement: Settlement) -> (Vec<u64>, bool) {
        let Settlement { id, round, is_done } = settlement;
        let tags = match is_done {
            _ if round != self.round => Vec::new(),
            true => self.hand.settle(&id),
            false => self.hand.release(&id),
        };
        (tags, is_done)
    }

    async fn settle(&mut self, settlement: Settlement, channel: &Channel) -> bool {
        let mut next = Some(settlement);
        while let Some(settlement) = next {
            let (tags, is_done) = self.note(settlement);
            for tag in tags {
                if is_done {
                    self.ledger.settle(tag);
                } else {
                    self.ledger.forget(tag);
                    let options = BasicNackOptions { requeue: true, multiple: false };
                    if channel.basic_nack(tag, options).await.is_err() {
                        return false;
                    }
                }
            }
            next = self.settlements.try_recv().ok();
        }
        true
    }

    async fn hold(&mut self, (connection, channel): (&Arc<Connection>, &Channel), is_consuming: bool) -> bool {
        self.is_held = true;
        if !is_consuming {
            return true;
        }
        let cancelled = channel.basic_cancel(CONSUMER_TAG.into(), BasicCancelOptions::default());
        let cancelled = timeout(CHANNEL_TIME, cancelled).await;
        if cancelled.is_err() {
            self.link.give_up(connection);
        }
        matches!(cancelled, Ok(Ok(())))
    }

    /// Acknowledges what is settled and gives back the rest in its order, what nobody has read yet included.
    async fn finish(
        &mut self,
        (connection, channel): (&Arc<Connection>, &Channel),
        consumer: Option<Consumer>,
        ended: Ended,
    ) -> Ended {
        let given_back = async {
            let was_held = self.is_held;
            self.hold((connection, channel), !was_held).await;
            self.is_held = was_held;
            if let Some(mut consumer) = consumer {
                while let Some(Ok(unread)) = consumer.next().await {
                    self.ledger.arrive(unread.delivery_tag);
                }
            }
            while let Ok(settlement) = self.settlements.try_recv() {
                let (tags, is_done) = self.note(settlement);
                tags.into_iter().filter(|_| is_done).for_each(|tag| self.ledger.settle(tag));
            }
            consumer::acknowledge(channel, &mut self.ledger).await;
            for tag in self.ledger.chunks(GIVE_BACK_CHUNK) {
                channel.basic_nack(tag, BasicNackOptions { requeue: true, multiple: true }).await.ok();
            }
            channel.close(200, "done".into()).await.ok();
        };
        if timeout(CHANNEL_TIME, given_back).await.is_err() {
            debug!("The broker takes back by itself what could not be given back in time");
        }
        ended
    }
}
