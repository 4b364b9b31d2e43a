//! The lock of a scan: a queue that exists while its holder reads from it, with the holder's name as an argument.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicGetOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer, ErrorKind};
use tokio::time::{Instant, sleep_until};

use super::call::{CallError, call, call_within, open_channel};
use super::scan_channel::QUEUE_CALL_TIME;
use super::{consumer, declare};
use crate::dead_letter::scan_holder;
use crate::error::QueueError;
use crate::queue_name::QueueName;

/// Declaring it with another holder's name is refused, and the refusal contains the name. (The refusal of an exclusive
/// queue does not.)
const SCAN_LOCK: &str = "meta.dead.scan";
/// The name of the consumer that holds it.
const CONSUMER_TAG: &str = "scan";
/// How often to look whether what an earlier scan held is back.
const REST_LOOK_PERIOD: Duration = Duration::from_millis(200);
/// Longest wait for it. Dead letters arrive meanwhile, too, so the looks may never agree.
const REST_TIME: Duration = Duration::from_secs(30);
/// When the broker removes a lock whose holder died before it began to read.
const LOCK_TTL_MS: i64 = 60_000;

/// The lock of a scan, and an AMQP channel for questions to the broker.
pub(super) struct ScanLock {
    channel: Channel,
    #[expect(dead_code, reason = "the lock is held as long as this consumer exists")]
    consumer: Consumer,
}

impl ScanLock {
    /// Takes the lock: declares its queue and reads from it.
    pub(super) async fn take(connection: &Arc<Connection>) -> Result<Self, QueueError> {
        let channel = open_channel(connection).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(LOCK_TTL_MS));
        // Every version compares these two arguments, and they hold free text.
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
        arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(scan_holder().into()));
        let options = QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let declared = call("queue.declare", channel.queue_declare(SCAN_LOCK.into(), options, arguments)).await;
        if let Err(error) = declared {
            return Err(match holder_in(&error) {
                Some(holder) => QueueError::ScanLocked { holder },
                None => error.into(),
            });
        }
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(SCAN_LOCK.into(), CONSUMER_TAG.into(), options, FieldTable::default());
        let consumer = call("basic.consume", consumer).await?;
        Ok(Self { channel, consumer })
    }

    /// How many dead letters are in the queue, without those that somebody reads. A quorum queue that is busy is shown as
    /// empty (RabbitMQ waits 250 ms for it), so 0 proves nothing: see [`Self::is_empty`].
    pub(super) async fn waiting(&self) -> Result<u32, CallError> {
        let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let state = self.channel.queue_declare(QueueName::Dead.as_str().into(), options, FieldTable::default());
        call_within(QUEUE_CALL_TIME, "queue.declare", state).await.map(|queue| queue.message_count())
    }

    /// How many there are at the start: once two looks agree, because what an earlier scan held may be on its way back.
    pub(super) async fn waiting_at_rest(&self) -> Result<u32, CallError> {
        let mut before = self.waiting().await?;
        let end = Instant::now() + REST_TIME;
        loop {
            sleep_until(Instant::now() + REST_LOOK_PERIOD).await;
            let now = self.waiting().await?;
            if now == before && (now > 0 || self.is_empty().await?) || Instant::now() > end {
                return Ok(now);
            }
            before = now;
        }
    }

    /// Whether no dead letter is in the queue. A get passes through the queue's log, so its answer can be relied on.
    pub(super) async fn is_empty(&self) -> Result<bool, CallError> {
        let get = self.channel.basic_get(QueueName::Dead.as_str().into(), BasicGetOptions::default());
        let Some(message) = call_within(QUEUE_CALL_TIME, "basic.get", get).await? else { return Ok(true) };
        consumer::give_back(&self.channel, message.delivery.delivery_tag, false).await?;
        Ok(false)
    }

    pub(super) async fn release(self) {
        declare::close(self.channel).await;
    }
}

/// The name in a refusal such as `… received the value 'B' … but current is the value 'A' …`.
fn holder_in(error: &CallError) -> Option<String> {
    let CallError::Failed(error) = error else { return None };
    let ErrorKind::ProtocolError(refusal) = error.kind() else { return None };
    if *refusal.kind() != AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) {
        return None;
    }
    let text = refusal.get_message().to_string();
    let name = text.rsplit_once("current is").and_then(|(_, current)| current.split('\'').nth(1));
    Some(name.unwrap_or(&text).to_owned())
}
