//! One AMQP channel of a scan, and the dead letters that it received.

use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::timeout;

use super::call::{CallError, call, call_within, open_channel};
use super::consumer;
use crate::ledger::Ledger;
use crate::queue_name::QueueName;

/// A quorum queue hands one consumer at most so many (measured).
pub(super) const CHANNEL_WINDOW_MAX: u16 = 2_000;
/// The name of the one consumer of each AMQP channel.
const CONSUMER_TAG: &str = "scan";
/// When no dead letter comes for this long, the scan asks whether any are left.
const QUIET_TIME: Duration = Duration::from_secs(1);
/// Longest wait for a call that goes through the queue itself: it may have hundreds of thousands to sort.
pub(super) const QUEUE_CALL_TIME: Duration = Duration::from_secs(20);

/// One AMQP channel and the dead letters that it received.
pub(super) struct ScanChannel {
    pub(super) channel: Channel,
    /// `None` once the channel is full.
    consumer: Option<Consumer>,
    window: u16,
    pub(super) ledger: Ledger,
    has_removed: bool,
    /// What the gets of [`Self::flush`] received.
    pub(super) flush_tags: Vec<u64>,
}

impl ScanChannel {
    pub(super) async fn open(connection: &Connection, window: u16) -> Result<Self, CallError> {
        let channel = open_channel(connection).await?;
        call("basic.qos", channel.basic_qos(window, BasicQosOptions::default())).await?;
        let queue = QueueName::Dead.as_str().into();
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue, CONSUMER_TAG.into(), options, FieldTable::default());
        let consumer = Some(call_within(QUEUE_CALL_TIME, "basic.consume", consumer).await?);
        let ledger = Ledger::default();
        Ok(Self { channel, consumer, window, ledger, has_removed: false, flush_tags: Vec::new() })
    }

    /// Whether nothing more is received.
    pub(super) fn is_full(&self) -> bool {
        self.consumer.is_none()
    }

    /// The next dead letter; `None` when the channel is full or nothing came for a while.
    pub(super) async fn receive(&mut self) -> Result<Option<Delivery>, CallError> {
        // Every removal makes room for another one, which has to be read, too.
        if self.ledger.len() >= usize::from(self.window) {
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
    pub(super) async fn stop(&mut self) -> Result<(), CallError> {
        let Some(mut consumer) = self.consumer.take() else { return Ok(()) };
        let cancel = self.channel.basic_cancel(CONSUMER_TAG.into(), BasicCancelOptions::default());
        call_within(QUEUE_CALL_TIME, "basic.cancel", cancel).await?;
        while let Some(unread) = consumer.next().await {
            self.ledger.arrive(unread?.delivery_tag);
        }
        Ok(())
    }

    /// Acknowledges what is settled, so that it is removed.
    pub(super) async fn remove_settled(&mut self) -> Result<(), CallError> {
        self.has_removed = true;
        consumer::acknowledge(&self.channel, &mut self.ledger).await
    }

    /// Returns once the queue has taken over every acknowledgement. Of more than 32 that are on their way to a quorum
    /// queue the AMQP channel keeps the rest to itself, and closing it loses them (measured on 3.10.8). Gets pass through
    /// the queue's log like acknowledgements, and are answered: the first when what was sent is through, the second when
    /// the rest is.
    pub(super) async fn flush(&mut self) -> Result<(), CallError> {
        if std::mem::take(&mut self.has_removed) {
            for _ in 0..2 {
                let get = self.channel.basic_get(QueueName::Dead.as_str().into(), BasicGetOptions::default());
                let message = call_within(QUEUE_CALL_TIME, "basic.get", get).await?;
                self.flush_tags.extend(message.map(|message| message.delivery.delivery_tag));
            }
        }
        Ok(())
    }

    /// Closes the AMQP channel. The queue gets back in their order what it received and did not remove.
    pub(super) async fn close(self) -> Result<(), CallError> {
        call_within(QUEUE_CALL_TIME, "channel.close", self.channel.close(200, "done".into())).await
    }
}
