//! The consumer of one class: how it is opened, and a watchdog that notices when the broker has forgotten it.

use std::time::Duration;

use event::Class;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::Instant;

use super::call::{CallError, call};
use crate::ledger::Ledger;
use crate::queue_name::QueueName;

/// The name of the one consumer of an AMQP channel.
const CONSUMER_TAG: &str = "dispatcher";
/// RabbitMQ 3.10 shuffles messages if more than 32 of them come back together (measured: an Erlang map with more keys has
/// no order).
pub(super) const GIVE_BACK_CHUNK: usize = 32;
/// How often the watchdog looks. A healthy broker hands out a message within milliseconds.
const WATCH_PERIOD: Duration = Duration::from_secs(3);
/// When the watchdog looks first: a consumer that has just begun may already be none.
const FIRST_LOOK: Duration = Duration::from_millis(300);

/// Opens an AMQP channel that gets at most `window` unacknowledged messages.
pub(super) async fn open(connection: &Connection, window: u16) -> Result<Channel, CallError> {
    let channel = call("channel.open", connection.create_channel()).await?;
    // Before the consumer: lapin's own buffer has no bound.
    call("basic.qos", channel.basic_qos(window, BasicQosOptions::default())).await?;
    Ok(channel)
}

/// Starts the consumer of a class.
pub(super) async fn consume(channel: &Channel, class: Class) -> Result<Consumer, CallError> {
    let queue = QueueName::Class(class).as_str();
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), CONSUMER_TAG.into(), options, FieldTable::default());
    call("basic.consume", consumer).await
}

/// Cancels the consumer; its stream ends soon after.
pub(super) async fn cancel(channel: &Channel) -> Result<(), CallError> {
    call("basic.cancel", channel.basic_cancel(CONSUMER_TAG.into(), BasicCancelOptions::default())).await
}

/// Acknowledges what is settled. After an error the AMQP channel is gone.
pub(super) async fn acknowledge(channel: &Channel, ledger: &mut Ledger) -> Result<(), CallError> {
    for ack in ledger.acknowledge() {
        let options = BasicAckOptions { multiple: ack.multiple };
        call("basic.ack", channel.basic_ack(ack.tag, options)).await?;
    }
    Ok(())
}

/// Gives back a message, or with `multiple` every unsettled one up to it.
pub(super) async fn give_back(channel: &Channel, tag: u64, multiple: bool) -> Result<(), CallError> {
    let options = BasicNackOptions { requeue: true, multiple };
    call("basic.nack", channel.basic_nack(tag, options)).await.map(drop)
}

/// Notices a consumer that gets nothing although envelopes wait and its window has room, or that the broker does not
/// know. When a quorum queue is deleted while an acknowledgement is on its way, RabbitMQ 3.10 does not cancel the
/// consumer, and gives it a window of the next queue's messages, none of which arrives (measured). 4.3 has left consumers
/// hanging for ever (rabbitmq-server #17317).
#[derive(Debug)]
pub(super) struct Watchdog {
    due: Instant,
    has_delivered: bool,
    is_suspect: bool,
}

impl Watchdog {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now + WATCH_PERIOD, has_delivered: false, is_suspect: false }
    }

    /// Of a consumer that has just begun.
    pub(super) fn of_new_consumer(now: Instant) -> Self {
        Self { due: now + FIRST_LOOK, ..Self::new(now) }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Notes that an envelope came.
    pub(super) fn delivered(&mut self) {
        self.has_delivered = true;
    }

    /// Looks. Returns whether for the second time in a row nothing came that should have come.
    pub(super) fn is_stuck(&mut self, is_due: bool, now: Instant) -> bool {
        let is_idle = is_due && !self.has_delivered;
        let was_suspect = self.is_suspect;
        *self = Self { is_suspect: is_idle, ..Self::new(now) };
        is_idle && was_suspect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_consumer_is_stuck_when_twice_in_a_row_nothing_came_that_should_have_come() {
        let now = Instant::now();
        let mut watchdog = Watchdog::new(now);

        assert!(!watchdog.is_stuck(true, now), "once may be a coincidence");
        watchdog.delivered();
        assert!(!watchdog.is_stuck(true, now), "something came");
        assert!(!watchdog.is_stuck(false, now), "nothing waits");
        assert!(!watchdog.is_stuck(true, now));
        assert!(watchdog.is_stuck(true, now));
    }
}
