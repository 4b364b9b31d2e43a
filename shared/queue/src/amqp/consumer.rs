//! The consumer of one partition: how it is opened, and how what it received is settled.

use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};

use super::call::{CallError, call, open_channel};
use crate::broker_queue::{BrokerQueue, priority};
use crate::ledger::Ledger;

/// Opens an AMQP channel that gets at most `window` unacknowledged messages.
pub(super) async fn open(connection: &Connection, window: u16) -> Result<Channel, CallError> {
    let channel = open_channel(connection).await?;
    // Before the consumer: lapin's own buffer has no bound.
    call("basic.qos", channel.basic_qos(window, BasicQosOptions::default())).await?;
    Ok(channel)
}

/// Starts a consumer. The broker gives it the queue's messages while it is the active one: of the consumers of all
/// dispatchers, the one with the highest priority (before RabbitMQ 4.0 the one that came first).
pub(super) async fn consume(channel: &Channel, queue: BrokerQueue, instance: &str) -> Result<Consumer, CallError> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority".into(), AMQPValue::LongInt(priority(instance, queue)));
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.as_str().into(), instance.into(), options, arguments);
    call("basic.consume", consumer).await
}

/// Acknowledges what is settled. After an error the AMQP channel is gone.
pub(super) async fn acknowledge(channel: &Channel, ledger: &mut Ledger) -> Result<(), CallError> {
    for ack in ledger.acknowledge() {
        let options = BasicAckOptions { multiple: ack.multiple };
        call("basic.ack", channel.basic_ack(ack.tag, options)).await?;
    }
    Ok(())
}

/// Acknowledges every outstanding message up to this one.
pub(super) async fn acknowledge_up_to(channel: &Channel, tag: u64) -> Result<(), CallError> {
    call("basic.ack", channel.basic_ack(tag, BasicAckOptions { multiple: true })).await.map(drop)
}

/// Gives back a message, or with `multiple` every unsettled one up to it.
pub(super) async fn give_back(channel: &Channel, tag: u64, multiple: bool) -> Result<(), CallError> {
    let options = BasicNackOptions { requeue: true, multiple };
    call("basic.nack", channel.basic_nack(tag, options)).await.map(drop)
}
