//! The lock of a scan: a queue that exists while its holder reads from it, with the holder's name as an argument.

use std::sync::Arc;

use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer, ErrorKind};

use super::call::{CallError, call};
use super::declare;
use crate::dead_letter::scan_holder;
use crate::error::QueueError;
use crate::queue_name::QueueName;

/// Declaring it with another holder's name is refused, and the refusal contains the name. (The refusal of an exclusive
/// queue does not.)
const SCAN_LOCK: &str = "meta.dead.scan";
/// The name of the consumer that holds it.
const CONSUMER_TAG: &str = "scan";
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
        let channel = call("channel.open", connection.create_channel()).await?;
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

    /// How many dead letters are in the queue, without those that somebody reads.
    pub(super) async fn waiting(&self) -> Result<u32, CallError> {
        declare::state(&self.channel, QueueName::Dead).await.map(|queue| queue.message_count())
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
