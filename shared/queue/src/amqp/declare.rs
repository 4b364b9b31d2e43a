//! Declaring the queues, and reading how many envelopes and consumers they have. A queue in trouble holds up no other.

use std::collections::BTreeSet;

use event::Class;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind, Queue};

use super::call::{CallError, call, open_channel};
use super::link_state::Declaring;
use crate::broker_queue::BrokerQueue;
use crate::error::QueueError;
use crate::topology::{Argument, QueueSpec, topology};

/// Declares every queue but those that are left out. A queue that exists with the same arguments stays as it is. A user
/// who may not declare queues (ingest's) needs those that others have declared. Returns what could not be declared. Nothing
/// more is tried after a connection is lost or a queue is mismatched, nor after a queue is missing that this user may not
/// declare: whoever declares one declares all, and one line of the log says that better than one for each queue.
pub(super) async fn declare_all(
    connection: &Connection,
    left_out: &BTreeSet<BrokerQueue>,
    declaring: Declaring,
) -> Vec<(BrokerQueue, QueueError)> {
    let mut failures = Vec::new();
    let mut open = None;
    let mut may_declare = declaring == Declaring::Every;
    for spec in topology().into_iter().filter(|spec| !left_out.contains(&spec.queue)) {
        let mut declared = if may_declare {
            declare_on_open(connection, &mut open, &spec).await
        } else {
            find_on(connection, &mut open, spec.queue).await
        };
        if declaring == Declaring::Missing && matches!(declared, Err(QueueError::Undeclared { .. })) {
            declared = declare_on_open(connection, &mut open, &spec).await;
        }
        // Asked once, because the broker logs each refusal.
        if may_declare && matches!(declared, Err(QueueError::Undeclared { .. })) {
            may_declare = false;
            declared = find_on(connection, &mut open, spec.queue).await;
        }
        match declared {
            Ok(()) => {}
            Err(error) => {
                let is_hopeless = matches!(error, QueueError::Mismatch { .. } | QueueError::Undeclared { .. });
                let is_over = is_hopeless || !connection.status().connected();
                failures.push((spec.queue, error));
                if is_over {
                    return failures;
                }
            }
        }
    }
    if let Some(channel) = open {
        close(channel).await;
    }
    failures
}

/// Declares one queue on the open AMQP channel, or a new one. After a failure that channel is not used any more.
async fn declare_on_open(
    connection: &Connection,
    open: &mut Option<Channel>,
    spec: &QueueSpec,
) -> Result<(), QueueError> {
    let channel = match open.take() {
        Some(channel) => channel,
        None => open_channel(connection).await?,
    };
    declare_on(&channel, spec).await.map_err(|error| refusal(error, spec.queue))?;
    *open = Some(channel);
    Ok(())
}

/// Declares one queue, and what is in front of it.
pub(super) async fn declare_on(channel: &Channel, spec: &QueueSpec) -> Result<(), CallError> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let name = spec.queue.as_str();
    call("queue.declare", channel.queue_declare(name.into(), options, table(spec))).await?;
    if spec.has_exchange {
        put_exchange_before(channel, name).await?;
    }
    Ok(())
}

/// Declares a fanout exchange of the queue's name, and binds the queue to it.
pub(super) async fn put_exchange_before(channel: &Channel, name: &str) -> Result<(), CallError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(name.into(), ExchangeKind::Fanout, options, FieldTable::default());
    call("exchange.declare", declared).await?;
    let bound =
        channel.queue_bind(name.into(), name.into(), "".into(), QueueBindOptions::default(), FieldTable::default());
    call("queue.bind", bound).await
}

/// Finds a queue on the open AMQP channel, or a new one. After a failure that channel is not used any more.
async fn find_on(connection: &Connection, open: &mut Option<Channel>, name: BrokerQueue) -> Result<(), QueueError> {
    let channel = match open.take() {
        Some(channel) => channel,
        None => open_channel(connection).await?,
    };
    match state(&channel, name).await {
        Ok(_) => *open = Some(channel),
        Err(error) if is_missing(&error) => return Err(QueueError::Undeclared { queue: name.as_str() }),
        Err(error) => return Err(refusal(error, name)),
    }
    Ok(())
}

/// How many consumers the partition of each class has that has fewest.
pub(super) async fn takers(connection: &Connection) -> Result<Vec<(Class, u32)>, QueueError> {
    let mut takers = Vec::new();
    for class in Class::ALL {
        let channel = open_channel(connection).await?;
        let mut fewest = u32::MAX;
        for queue in BrokerQueue::of_class(class) {
            fewest = fewest.min(state(&channel, queue).await?.consumer_count());
        }
        takers.push((class, fewest));
        close(channel).await;
    }
    Ok(takers)
}

/// How many envelopes wait in a queue, and how many consumers it has. Asks on the open AMQP channel, or a new one; after a
/// failure that channel is not used any more.
pub(super) async fn state_on_open(
    connection: &Connection,
    open: &mut Option<Channel>,
    name: BrokerQueue,
) -> Result<Queue, CallError> {
    let channel = match open.take() {
        Some(channel) => channel,
        None => open_channel(connection).await?,
    };
    let state = state(&channel, name).await?;
    *open = Some(channel);
    Ok(state)
}

/// How many envelopes wait in a queue, and how many consumers it has. An error ends the AMQP channel.
pub(super) async fn state(channel: &Channel, name: BrokerQueue) -> Result<Queue, CallError> {
    let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    call("queue.declare", channel.queue_declare(name.as_str().into(), options, FieldTable::default())).await
}

/// Closes an AMQP channel that nothing else uses. If that fails, its connection fails, too, and is logged there.
pub(super) async fn close(channel: Channel) {
    call("channel.close", channel.close(200, "done".into())).await.ok();
}

fn table(spec: &QueueSpec) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in &spec.arguments {
        let value = match argument {
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
            Argument::Flag(flag) => AMQPValue::Boolean(*flag),
        };
        table.insert((*name).into(), value);
    }
    table
}

pub(super) fn refusal(error: CallError, name: BrokerQueue) -> QueueError {
    if error.refusal(&AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)).is_some() {
        return QueueError::Undeclared { queue: name.as_str() };
    }
    match error.refusal(&AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) {
        Some(answer) => QueueError::Mismatch { queue: name.as_str(), answer },
        None => error.into(),
    }
}

pub(super) fn is_missing(error: &CallError) -> bool {
    error.refusal(&AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)).is_some()
}

#[cfg(test)]
mod tests {
    use chassis::Secret;
    use testkit::{RabbitMq, as_process};

    use super::super::connect::connect;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn of_all_queues_that_a_user_may_not_declare_one_is_named_with_what_to_do() {
        let vhost = RabbitMq::shared().await.vhost();
        let url = Secret::new(as_process(&vhost.url(), "ingest"));
        let connection = connect(&url, "test", 0).await.unwrap().connection;

        let failures = declare_all(&connection, &BTreeSet::new(), Declaring::Every).await;

        let told: Vec<String> = failures.iter().map(|(_, error)| error.to_string()).collect();
        assert!(told.len() == 1 && told[0].contains("start a dispatcher"), "{told:?}");
    }
}
