//! Declaring the queues, and asking how full they are.

use event::Class;
use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Error, ErrorKind, Queue};

use crate::topology::{Argument, QueueSpec};
use crate::{OpenError, Place, topology};

/// Declares every queue. Those that are there with the same arguments stay as they are.
pub(super) async fn declare(connection: &Connection) -> Result<(), OpenError> {
    let channel = connection.create_channel().await.map_err(|error| away(&error))?;
    for spec in topology() {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let name = spec.place.queue();
        channel.queue_declare(name.into(), options, table(&spec)).await.map_err(|error| refused(&error, name))?;
    }
    close(channel).await;
    Ok(())
}

/// How many envelopes of a class wait, and how many take from it. An error ends the AMQP channel, as when the queue is
/// not there.
pub(super) async fn waiting_and_takers(channel: &Channel, class: Class) -> lapin::Result<(u32, u32)> {
    let queue = ask(channel, Place::Class(class)).await?;
    Ok((queue.message_count(), queue.consumer_count()))
}

/// How many take from each class.
pub(super) async fn takers(connection: &Connection) -> Result<Vec<(Class, u32)>, OpenError> {
    let channel = connection.create_channel().await.map_err(|error| away(&error))?;
    let mut takers = Vec::new();
    for class in Class::ALL {
        takers.push((class, waiting_and_takers(&channel, class).await.map_err(|error| away(&error))?.1));
    }
    close(channel).await;
    Ok(takers)
}

/// How many envelopes wait in each queue, in nobody's hand.
pub(super) async fn depths(connection: &Connection) -> Result<Vec<(Place, u64)>, OpenError> {
    let channel = connection.create_channel().await.map_err(|error| away(&error))?;
    let mut depths = Vec::new();
    for place in Place::all() {
        let asked = waiting(&channel, place).await;
        depths.push((place, asked.map_err(|error| refused(&error, place.queue()))?.into()));
    }
    close(channel).await;
    Ok(depths)
}

/// How many envelopes wait in a queue, in nobody's hand. An error ends the AMQP channel.
pub(super) async fn waiting(channel: &Channel, place: Place) -> lapin::Result<u32> {
    ask(channel, place).await.map(|queue| queue.message_count())
}

async fn ask(channel: &Channel, place: Place) -> lapin::Result<Queue> {
    let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(place.queue().into(), options, FieldTable::default()).await
}

/// Ends an AMQP channel that nobody else uses; if that fails, its connection is failing too and says so.
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

pub(super) fn away(error: &Error) -> OpenError {
    OpenError::Away(error.to_string())
}

fn refused(error: &Error, queue: &'static str) -> OpenError {
    let mismatch = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
    if let ErrorKind::ProtocolError(refusal) = error.kind()
        && *refusal.kind() == mismatch
    {
        return OpenError::Mismatch { queue, answer: refusal.get_message().to_string() };
    }
    away(error)
}
