//! The consumer of one class: how it is opened, and a watchdog that notices when the broker has forgotten it.

use std::sync::Arc;
use std::time::Duration;

use event::Class;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::link::BrokerLink;
use crate::ledger::Ledger;
use crate::queue_name::QueueName;

/// Longest wait for an AMQP channel to open, to answer, or to give back and close.
pub(super) const CHANNEL_TIME: Duration = Duration::from_secs(2);
/// The name of the one consumer of an AMQP channel.
const CONSUMER_TAG: &str = "dispatcher";
/// RabbitMQ 3.10 shuffles messages if more than 32 of them come back together (measured: an Erlang map with more keys has
/// no order).
pub(super) const GIVE_BACK_CHUNK: usize = 32;
/// How often the watchdog looks. A healthy broker hands out a message within milliseconds.
const WATCH_PERIOD: Duration = Duration::from_secs(3);

/// Opens an AMQP channel that gets at most `window` unacknowledged messages.
pub(super) async fn open(connection: &Arc<Connection>, window: u16, link: &BrokerLink) -> Option<Channel> {
    let opening = async {
        let channel = connection.create_channel().await?;
        // Before the consumer: lapin's own buffer has no bound.
        channel.basic_qos(window, BasicQosOptions::default()).await?;
        Ok::<_, lapin::Error>(channel)
    };
    match timeout(CHANNEL_TIME, opening).await {
        Ok(Ok(channel)) => Some(channel),
        Ok(Err(error)) => {
            warn!("Could not open an AMQP channel for taking: {error}");
            None
        }
        Err(_) => {
            link.give_up(connection);
            None
        }
    }
}

/// Starts the consumer of a class. If that fails, the queues are declared again.
pub(super) async fn consume(
    connection: &Arc<Connection>,
    channel: &Channel,
    class: Class,
    link: &BrokerLink,
) -> Option<Consumer> {
    let queue = QueueName::Class(class).as_str();
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), CONSUMER_TAG.into(), options, FieldTable::default());
    match timeout(CHANNEL_TIME, consumer).await {
        Ok(Ok(consumer)) => Some(consumer),
        Ok(Err(error)) => {
            warn!(queue, "Could not take from {queue}: {error}");
            link.redeclare();
            None
        }
        Err(_) => {
            link.give_up(connection);
            None
        }
    }
}

/// Cancels the consumer; its stream ends soon after. Returns `false` when the AMQP channel cannot be used any more.
pub(super) async fn cancel(connection: &Arc<Connection>, channel: &Channel, link: &BrokerLink) -> bool {
    let cancel = channel.basic_cancel(CONSUMER_TAG.into(), BasicCancelOptions::default());
    match timeout(CHANNEL_TIME, cancel).await {
        Ok(result) => result.is_ok(),
        Err(_) => {
            link.give_up(connection);
            false
        }
    }
}

/// Acknowledges what is settled. After an error the AMQP channel is gone.
pub(super) async fn acknowledge(channel: &Channel, ledger: &mut Ledger) -> lapin::Result<()> {
    for ack in ledger.acknowledge() {
        let options = BasicAckOptions { multiple: ack.multiple };
        if let Err(error) = channel.basic_ack(ack.tag, options).await {
            warn!("Could not acknowledge: {error}");
            return Err(error);
        }
    }
    Ok(())
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
