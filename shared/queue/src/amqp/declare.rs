//! Declaring the queues, and reading how many envelopes and consumers they have.

use event::Class;
use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Error, ErrorKind, Queue};

use crate::error::QueueError;
use crate::queue_name::QueueName;
use crate::topology::{Argument, QueueSpec, topology};

/// Declares every queue. A queue that exists with the same arguments stays as it is.
pub(super) async fn declare(connection: &Connection) -> Result<(), QueueError> {
    let channel = connection.create_channel().await?;
    for spec in topology() {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(spec.name.as_str().into(), options, table(&spec)).await;
        queue.map_err(|error| refusal(error, spec.name))?;
    }
    close(channel).await;
    Ok(())
}

/// How many consumers each class has.
pub(super) async fn takers(connection: &Connection) -> Result<Vec<(Class, u32)>, QueueError> {
    let channel = connection.create_channel().await?;
    let mut takers = Vec::new();
    for class in Class::ALL {
        takers.push((class, state(&channel, QueueName::Class(class)).await?.consumer_count()));
    }
    close(channel).await;
    Ok(takers)
}

/// How many envelopes wait in each queue. Those in flight do not count.
pub(super) async fn depths(connection: &Connection) -> Result<Vec<(QueueName, u64)>, QueueError> {
    let channel = connection.create_channel().await?;
    let mut depths = Vec::new();
    for name in QueueName::ALL {
        let queue = state(&channel, name).await.map_err(|error| refusal(error, name))?;
        depths.push((name, queue.message_count().into()));
    }
    close(channel).await;
    Ok(depths)
}

/// How many envelopes wait in a queue, and how many consumers it has. An error ends the AMQP channel.
pub(super) async fn state(channel: &Channel, name: QueueName) -> lapin::Result<Queue> {
    let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await
}

/// Closes an AMQP channel that nothing else uses. If that fails, its connection fails, too, and is logged there.
pub(super) async fn close(channel: Channel) {
    channel.close(200, "done".into()).await.ok();
}

fn table(spec: &QueueSpec) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in &spec.arguments {
        let value = match argument {
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    table
}

fn refusal(error: Error, name: QueueName) -> QueueError {
    let mismatch = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
    if let ErrorKind::ProtocolError(refusal) = error.kind()
        && *refusal.kind() == mismatch
    {
        return QueueError::Mismatch { queue: name.as_str(), answer: refusal.get_message().to_string() };
    }
    error.into()
}
