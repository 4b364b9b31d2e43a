//! The consumer of one class: how it is opened, and a watchdog for the one that the broker has silently forgotten.

use std::sync::Arc;
use std::time::Duration;

use event::Class;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::link::Link;
use crate::Place;
use crate::ledger::Ledger;

/// Longest wait for an AMQP channel to open, to answer, or to give back and close.
pub(super) const CHANNEL_TIME: Duration = Duration::from_secs(2);
/// The one consumer of an AMQP channel.
pub(super) const CONSUMER_TAG: &str = "dispatcher";
/// How often the watchdog looks. A broker hands out in milliseconds what it can hand out.
const WATCH_PERIOD: Duration = Duration::from_secs(3);

/// An AMQP channel with our window.
pub(super) async fn open(connection: &Arc<Connection>, (class, window): (Class, u16), link: &Link) -> Option<Channel> {
    let opened = async {
        let channel = connection.create_channel().await?;
        // Before the consumer: lapin's own buffer has no bound.
        channel.basic_qos(window, BasicQosOptions::default()).await?;
        Ok::<_, lapin::Error>(channel)
    };
    match timeout(CHANNEL_TIME, opened).await {
        Ok(Ok(channel)) => Some(channel),
        Ok(Err(error)) => {
            warn!(%error, class = class.as_str(), "Could not open an AMQP channel for taking: {error}");
            None
        }
        Err(_) => {
            link.give_up(connection);
            None
        }
    }
}

/// Starts the consumer. A queue that is not there is declared again.
pub(super) async fn consume(
    (connection, channel): (&Arc<Connection>, &Channel),
    class: Class,
    link: &Link,
) -> Option<Consumer> {
    let queue = Place::Class(class).queue();
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), CONSUMER_TAG.into(), options, FieldTable::default());
    match timeout(CHANNEL_TIME, consumer).await {
        Ok(Ok(consumer)) => Some(consumer),
        Ok(Err(error)) => {
            warn!(%error, queue, "Could not take from {queue}: {error}");
            link.redeclare();
            None
        }
        Err(_) => {
            link.give_up(connection);
            None
        }
    }
}

/// Acknowledges what is settled; `false` when the AMQP channel is gone.
pub(super) async fn acknowledge(channel: &Channel, ledger: &mut Ledger) -> bool {
    for ack in ledger.acknowledge() {
        let options = BasicAckOptions { multiple: ack.multiple };
        if let Err(error) = channel.basic_ack(ack.tag, options).await {
            warn!(%error, "Could not acknowledge: {error}");
            return false;
        }
    }
    true
}

/// Notices a consumer that gets nothing although envelopes wait and its hand has room, or that the broker does not know
/// of. RabbitMQ 3.10 does not cancel the consumer of a quorum queue that is deleted with an acknowledgement under way,
/// and gives it a window of the next queue's messages, none of which arrives (measured); 4.3 has left consumers hanging
/// for ever (rabbitmq-server #17317).
#[derive(Debug)]
pub(super) struct Watchdog {
    due: Instant,
    has_come: bool,
    is_suspect: bool,
}

impl Watchdog {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now + WATCH_PERIOD, has_come: false, is_suspect: false }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// An envelope came: all is well.
    pub(super) fn delivered(&mut self) {
        self.has_come = true;
    }

    /// Nothing is asked for, so nothing can be missing.
    pub(super) fn rest(&mut self, now: Instant) -> bool {
        *self = Self::new(now);
        true
    }

    /// Whether nothing came for two looks in a row, though something should have.
    pub(super) fn is_stuck(&mut self, should_come: bool, now: Instant) -> bool {
        let is_idle = should_come && !self.has_come;
        let was_suspect = self.is_suspect;
        *self = Self { is_suspect: is_idle, ..Self::new(now) };
        is_idle && was_suspect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_consumer_is_stuck_when_twice_in_a_row_nothing_came_that_should_have() {
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
