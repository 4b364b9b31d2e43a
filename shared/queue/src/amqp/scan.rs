//! Scanning RabbitMQ's dead letters under a lock that carries its holder's name.
//!
//! A consumer sees at most 2000 unsettled messages, and `basic.get` slows down with each unsettled message (60/s with
//! 50,000 of them, measured on 3.10.8). So one consumer after the other fills its AMQP channel and is cancelled. What it
//! received stays in its channel until it is removed or given back.

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
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::consumer::GIVE_BACK_CHUNK;
use super::{consumer, declare, wire};
use crate::dead_letter::{DeadLetter, ScanTag, scan_holder};
use crate::error::QueueError;
use crate::ledger::Ledger;
use crate::queue_name::QueueName;

/// The lock: a queue that exists while its holder reads from it, with the holder's name as an argument. Declaring it with
/// another name is refused, and the refusal contains the name. (The refusal of an exclusive queue does not.)
const SCAN_LOCK: &str = "meta.dead.scan";
/// The name of the one consumer of each AMQP channel.
const CONSUMER_TAG: &str = "scan";
/// When the broker removes a lock whose holder died before it began to read.
const LOCK_TTL_MS: i64 = 60_000;
/// Dead letters in one AMQP channel. Their bodies may wait in memory. With 2047 channels that is a million in all.
const CHANNEL_WINDOW: u16 = 512;
/// When no dead letter comes for this long, the scan asks whether any are left.
const QUIET_TIME: Duration = Duration::from_secs(1);
/// Longest wait until a chunk that was given back is in the queue again.
const GIVE_BACK_TIME: Duration = Duration::from_secs(5);
/// How often to look whether it is.
const GIVE_BACK_LOOK_PERIOD: Duration = Duration::from_millis(1);

/// A scan of the dead letters.
pub(crate) struct AmqpScan {
    connection: Arc<Connection>,
    channels: Vec<ScanChannel>,
    /// How many of the dead letters that existed at the start are not read yet. Those that are parked during the scan are
    /// not read, or a replay would meet its own failures again and again.
    unread: u64,
    /// For questions to the broker, and for the lock.
    control: Channel,
    #[expect(dead_code, reason = "the lock is held as long as this consumer exists")]
    lock: Consumer,
}

/// One AMQP channel and the dead letters that it received.
struct ScanChannel {
    channel: Channel,
    /// `None` once the channel is full.
    consumer: Option<Consumer>,
    ledger: Ledger,
    has_removed: bool,
    /// What the gets of [`Self::flush`] received.
    flush_tags: Vec<u64>,
}

impl std::fmt::Debug for AmqpScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AmqpScan").field("unread", &self.unread).finish_non_exhaustive()
    }
}

impl AmqpScan {
    pub(super) async fn start(connection: Arc<Connection>) -> Result<Self, QueueError> {
        let control = connection.create_channel().await?;
        let lock = lock(&control).await?;
        let unread = declare::state(&control, QueueName::Dead).await?.message_count().into();
        Ok(Self { connection, channels: Vec::new(), unread, control, lock })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        if self.unread == 0 {
            return Ok(None);
        }
        let Some(delivery) = self.receive().await? else {
            // There are fewer than at the start because some have expired.
            self.unread = 0;
            return Ok(None);
        };
        self.unread -= 1;
        let number = delivery.delivery_tag;
        let properties = &delivery.properties;
        let parking = wire::broker_parking(properties);
        let (envelope, _) = wire::envelope_or_stand_in(properties, delivery.data.into(), Class::Messages, number);
        Ok(Some(DeadLetter::new(envelope, parking, ScanTag { channel: self.channels.len() - 1, number })))
    }

    pub(crate) async fn remove(&mut self, tags: Vec<ScanTag>) -> Result<(), QueueError> {
        for ScanTag { channel, number } in tags {
            self.channels[channel].ledger.settle(number);
        }
        for channel in self.channels.iter_mut().filter(|channel| channel.ledger.settled() > 0) {
            channel.has_removed = true;
            consumer::acknowledge(&channel.channel, &mut channel.ledger).await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<(), QueueError> {
        let result = self.give_back().await;
        for channel in self.channels {
            declare::close(channel.channel).await;
        }
        // This ends the consumer that holds the lock.
        declare::close(self.control).await;
        Ok(result?)
    }

    /// The next dead letter; `None` when the queue is empty.
    async fn receive(&mut self) -> lapin::Result<Option<Delivery>> {
        loop {
            if self.channels.last().is_none_or(|channel| channel.consumer.is_none()) {
                self.channels.push(ScanChannel::open(&self.connection).await?);
            }
            let Some(channel) = self.channels.last_mut() else { return Ok(None) };
            if let Some(delivery) = channel.receive().await? {
                return Ok(Some(delivery));
            }
            if channel.consumer.is_some() && self.waiting().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn waiting(&self) -> lapin::Result<u32> {
        declare::state(&self.control, QueueName::Dead).await.map(|queue| queue.message_count())
    }

    /// Gives back one chunk after the other: chunks that meet on their way to the queue come back shuffled (measured on
    /// 3.10.8).
    async fn give_back(&mut self) -> lapin::Result<()> {
        for channel in &mut self.channels {
            channel.stop().await?;
            channel.flush().await?;
        }
        let mut waiting = self.waiting().await?;
        for channel in &self.channels {
            let mut left = channel.ledger.len();
            for tag in channel.ledger.chunks(GIVE_BACK_CHUNK) {
                channel.channel.basic_nack(tag, BasicNackOptions { multiple: true, requeue: true }).await?;
                let count = left.min(GIVE_BACK_CHUNK);
                left -= count;
                waiting += u32::try_from(count).unwrap_or_default();
                if timeout(GIVE_BACK_TIME, self.wait_until(waiting)).await.is_err() {
                    debug!("The broker takes back by itself what could not be given back in time");
                    return Ok(());
                }
            }
        }
        for channel in &self.channels {
            for tag in &channel.flush_tags {
                channel.channel.basic_nack(*tag, BasicNackOptions { multiple: false, requeue: true }).await?;
            }
        }
        Ok(())
    }

    /// Returns once `count` dead letters are in the queue.
    async fn wait_until(&self, count: u32) -> lapin::Result<()> {
        while self.waiting().await? < count {
            sleep_until(Instant::now() + GIVE_BACK_LOOK_PERIOD).await;
        }
        Ok(())
    }
}

impl ScanChannel {
    async fn open(connection: &Connection) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(CHANNEL_WINDOW, BasicQosOptions::default()).await?;
        let queue = QueueName::Dead.as_str().into();
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue, CONSUMER_TAG.into(), options, FieldTable::default()).await?;
        let ledger = Ledger::default();
        Ok(Self { channel, consumer: Some(consumer), ledger, has_removed: false, flush_tags: Vec::new() })
    }

    /// The next dead letter; `None` when the channel is full or nothing came for a while.
    async fn receive(&mut self) -> lapin::Result<Option<Delivery>> {
        if self.ledger.len() >= usize::from(CHANNEL_WINDOW) {
            self.stop().await?;
        }
        let Some(consumer) = &mut self.consumer else { return Ok(None) };
        let Ok(next) = timeout(QUIET_TIME, consumer.next()).await else { return Ok(None) };
        let Some(delivery) = next.transpose()? else {
            self.consumer = None;
            return Ok(None);
        };
        self.ledger.arrive(delivery.delivery_tag);
        Ok(Some(delivery))
    }

    /// Cancels the consumer. What it received and nobody read is in the ledger, too.
    async fn stop(&mut self) -> lapin::Result<()> {
        let Some(mut consumer) = self.consumer.take() else { return Ok(()) };
        self.channel.basic_cancel(CONSUMER_TAG.into(), BasicCancelOptions::default()).await?;
        while let Some(unread) = consumer.next().await {
            self.ledger.arrive(unread?.delivery_tag);
        }
        Ok(())
    }

    /// Returns once the queue has taken over every acknowledgement. Of more than 32 that are on their way to a quorum
    /// queue the AMQP channel keeps the rest to itself, and closing it loses them (measured on 3.10.8). Gets pass through
    /// the queue's log like acknowledgements, and are answered: the first when what was sent is through, the second when
    /// the rest is.
    async fn flush(&mut self) -> lapin::Result<()> {
        if std::mem::take(&mut self.has_removed) {
            for _ in 0..2 {
                let get = self.channel.basic_get(QueueName::Dead.as_str().into(), BasicGetOptions::default());
                self.flush_tags.extend(get.await?.map(|message| message.delivery.delivery_tag));
            }
        }
        Ok(())
    }
}

/// Takes the lock: declares its queue and reads from it.
async fn lock(channel: &Channel) -> Result<Consumer, QueueError> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongLongInt(LOCK_TTL_MS));
    // Every version compares these two arguments, and they hold free text.
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
    arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(scan_holder().into()));
    let options = QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    if let Err(error) = channel.queue_declare(SCAN_LOCK.into(), options, arguments).await {
        return Err(match holder_in(&error) {
            Some(holder) => QueueError::ScanLocked { holder },
            None => error.into(),
        });
    }
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(SCAN_LOCK.into(), CONSUMER_TAG.into(), options, FieldTable::default()).await?)
}

/// The name in a refusal such as `… received the value 'B' … but current is the value 'A' …`.
fn holder_in(error: &lapin::Error) -> Option<String> {
    let ErrorKind::ProtocolError(refusal) = error.kind() else { return None };
    if *refusal.kind() != AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) {
        return None;
    }
    let text = refusal.get_message().to_string();
    let name = text.rsplit_once("current is").and_then(|(_, current)| current.split('\'').nth(1));
    Some(name.unwrap_or(&text).to_owned())
}
