//! Reading dead letters under a lock that tells who holds it.
//!
//! A consumer sees at most 2000 unsettled messages, and `basic.get` slows down with each message that is held (60/s with
//! 50,000 in hand, measured on 3.10.8). So one consumer after the other fills its hand and is cancelled; what it got
//! stays in its AMQP channel until it is forgotten or given back.

use std::sync::Arc;
use std::time::Duration;

use event::Class;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer, ErrorKind};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::take::GIVE_BACK_CHUNK;
use super::{consumer, declare, wire};
use crate::dead::{Ticket, holder};
use crate::ledger::Ledger;
use crate::{DeadLetter, OpenError, Place};

/// The lock. It is there while its holder reads from it, and carries the holder's name as an argument: declaring it
/// with another name is refused, and the refusal tells the name. (The refusal of an exclusive queue tells none.)
const SCAN_LOCK: &str = "meta.dead.scan";
/// When the broker removes a lock whose holder died before it read from it.
const LOCK_TTL_MS: i64 = 60_000;
/// Dead letters in one hand. Their bodies may wait in memory; with 2047 AMQP channels that is a million in all.
const HAND: u16 = 512;
/// How long no dead letter comes before the queue is asked whether there are any.
const QUIET_TIME: Duration = Duration::from_secs(1);
/// Longest wait until a chunk that is given back lies in the queue again.
const GIVE_BACK_TIME: Duration = Duration::from_secs(5);
/// Between two looks whether it does.
const GIVE_BACK_LOOK: Duration = Duration::from_millis(1);

/// A look through the dead letters.
pub(crate) struct DeadScan {
    connection: Arc<Connection>,
    hands: Vec<Hand>,
    /// How many there were at the start and are not shown yet: what is parked meanwhile is not looked at, or a replay
    /// would meet its own failures again and again.
    left: u64,
    control: Channel,
    #[expect(dead_code, reason = "the lock is held as long as somebody reads from it")]
    lock: Consumer,
}

/// What one AMQP channel holds.
struct Hand {
    channel: Channel,
    /// `None` once it is full.
    consumer: Option<Consumer>,
    ledger: Ledger,
    has_forgotten: bool,
}

impl std::fmt::Debug for DeadScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadScan").field("left", &self.left).finish_non_exhaustive()
    }
}

impl DeadScan {
    pub(super) async fn start(connection: Arc<Connection>) -> Result<Self, OpenError> {
        let control = connection.create_channel().await.map_err(|error| declare::away(&error))?;
        let lock = lock(&control).await?;
        let left = declare::waiting(&control, Place::Dead).await.map_err(|error| declare::away(&error))?.into();
        Ok(Self { connection, hands: Vec::new(), left, control, lock })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<DeadLetter>, OpenError> {
        if self.left == 0 {
            return Ok(None);
        }
        let next = self.receive().await.map_err(|error| declare::away(&error))?;
        let Some(delivery) = next else {
            // Fewer than there were at the start: some have come to the end of their time.
            self.left = 0;
            return Ok(None);
        };
        self.left -= 1;
        let (tag, properties) = (delivery.delivery_tag, &delivery.properties);
        let parked = wire::broker_parked(properties);
        let parked = parked.as_ref().map(|(reason, at)| (reason.as_str(), *at));
        let (envelope, _) = wire::envelope_or_stand_in(properties, delivery.data.into(), (Class::Messages, tag));
        Ok(Some(DeadLetter::of(envelope, parked, Ticket { hand: self.hands.len() - 1, number: tag })))
    }

    pub(crate) async fn forget(&mut self, tickets: impl Iterator<Item = Ticket>) -> Result<(), OpenError> {
        for Ticket { hand, number } in tickets {
            self.hands[hand].ledger.settle(number);
        }
        for hand in self.hands.iter_mut().filter(|hand| hand.ledger.settled() > 0) {
            hand.has_forgotten = true;
            if !consumer::acknowledge(&hand.channel, &mut hand.ledger).await {
                return Err(OpenError::Away("the connection broke".to_owned()));
            }
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<(), OpenError> {
        let finished = self.give_back().await;
        for hand in self.hands {
            declare::close(hand.channel).await;
        }
        // With it goes the consumer that holds the lock.
        declare::close(self.control).await;
        finished.map_err(|error| declare::away(&error))
    }

    async fn receive(&mut self) -> lapin::Result<Option<Delivery>> {
        loop {
            if self.hands.last().is_none_or(|hand| hand.consumer.is_none()) {
                self.hands.push(Hand::open(&self.connection).await?);
            }
            let Some(hand) = self.hands.last_mut() else { return Ok(None) };
            if let Some(delivery) = hand.receive().await? {
                return Ok(Some(delivery));
            }
            if hand.consumer.is_some() && declare::waiting(&self.control, Place::Dead).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// One chunk after the other: those that meet on their way to the queue come back shuffled (measured on 3.10.8).
    async fn give_back(&mut self) -> lapin::Result<()> {
        let mut beyond = Vec::new();
        for hand in &mut self.hands {
            hand.stop().await?;
            beyond.extend(hand.take_over().await?.into_iter().map(|tag| (hand.channel.clone(), tag)));
        }
        let mut lying = declare::waiting(&self.control, Place::Dead).await?;
        for hand in &self.hands {
            let (mut left, chunks) = (hand.ledger.len(), hand.ledger.chunks(GIVE_BACK_CHUNK));
            for tag in chunks {
                hand.channel.basic_nack(tag, BasicNackOptions { multiple: true, requeue: true }).await?;
                let count = left.min(GIVE_BACK_CHUNK);
                (left, lying) = (left - count, lying + u32::try_from(count).unwrap_or_default());
                if timeout(GIVE_BACK_TIME, self.lie_there(lying)).await.is_err() {
                    debug!("The broker takes back by itself what could not be given back in time");
                    return Ok(());
                }
            }
        }
        for (channel, tag) in beyond {
            channel.basic_nack(tag, BasicNackOptions { multiple: false, requeue: true }).await?;
        }
        Ok(())
    }

    async fn lie_there(&self, count: u32) -> lapin::Result<()> {
        while declare::waiting(&self.control, Place::Dead).await? < count {
            tokio::time::sleep_until(Instant::now() + GIVE_BACK_LOOK).await;
        }
        Ok(())
    }
}

impl Hand {
    async fn open(connection: &Connection) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(HAND, BasicQosOptions::default()).await?;
        let (queue, options, none) = (Place::Dead.queue(), BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel.basic_consume(queue.into(), "scan".into(), options, none).await?;
        Ok(Self { channel, consumer: Some(consumer), ledger: Ledger::default(), has_forgotten: false })
    }

    /// The next one; `None` when the hand is full or nothing came for a while.
    async fn receive(&mut self) -> lapin::Result<Option<Delivery>> {
        if self.ledger.len() >= usize::from(HAND) {
            self.stop().await?;
        }
        let Some(consumer) = &mut self.consumer else { return Ok(None) };
        let Ok(came) = timeout(QUIET_TIME, consumer.next()).await else { return Ok(None) };
        let Some(delivery) = came.transpose()? else {
            self.consumer = None;
            return Ok(None);
        };
        self.ledger.arrive(delivery.delivery_tag);
        Ok(Some(delivery))
    }

    /// Gets no more; what has come unread is in hand too.
    async fn stop(&mut self) -> lapin::Result<()> {
        let Some(mut consumer) = self.consumer.take() else { return Ok(()) };
        self.channel.basic_cancel("scan".into(), BasicCancelOptions::default()).await?;
        while let Some(unread) = consumer.next().await {
            self.ledger.arrive(unread?.delivery_tag);
        }
        Ok(())
    }

    /// Returns once the queue has taken over every acknowledgement. Of more than 32 on their way to a quorum queue the
    /// AMQP channel keeps the rest to itself, and closing it loses them (measured on 3.10.8). Gets go the same way
    /// through the queue's log and are answered: the first when what was sent is through, the second when the rest is.
    /// Gives the tags of what they got.
    async fn take_over(&mut self) -> lapin::Result<Vec<u64>> {
        let mut got = Vec::new();
        if std::mem::take(&mut self.has_forgotten) {
            for _ in 0..2 {
                let get = self.channel.basic_get(Place::Dead.queue().into(), BasicGetOptions::default());
                got.extend(get.await?.map(|got| got.delivery.delivery_tag));
            }
        }
        Ok(got)
    }
}

async fn lock(channel: &Channel) -> Result<Consumer, OpenError> {
    let mut named = FieldTable::default();
    named.insert("x-expires".into(), AMQPValue::LongLongInt(LOCK_TTL_MS));
    // The two arguments that every version compares and that hold free text.
    named.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
    named.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(holder().into()));
    let options = QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    if let Err(error) = channel.queue_declare(SCAN_LOCK.into(), options, named).await {
        return Err(held_by(&error).unwrap_or_else(|| declare::away(&error)));
    }
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let held = channel.basic_consume(SCAN_LOCK.into(), "scan".into(), options, none).await;
    held.map_err(|error| declare::away(&error))
}

/// The name in a refusal such as `… received the value 'B' … but current is the value 'A' …`.
fn held_by(error: &lapin::Error) -> Option<OpenError> {
    let ErrorKind::ProtocolError(refusal) = error.kind() else { return None };
    if *refusal.kind() != AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) {
        return None;
    }
    let text = refusal.get_message().to_string();
    let name = text.rsplit_once("current is").and_then(|(_, current)| current.split('\'').nth(1));
    Some(OpenError::Scanned { holder: name.unwrap_or(&text).to_owned() })
}
