//! Scanning RabbitMQ's dead letters under a lock that carries its holder's name, on connections of its own.
//!
//! A consumer sees at most 2000 unsettled messages, and `basic.get` slows down with each unsettled message (60/s with
//! 50,000 of them, measured on 3.10.8). So one consumer after the other fills its AMQP channel and is cancelled. What it
//! received stays with the broker, which counts it as unsettled, until it is removed or given back; of each dead letter
//! this process keeps some bytes.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Secret, dice};
use event::Class;
use lapin::message::Delivery;
use lapin::{Connection, ErrorKind};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::call::CallError;
use super::connect::{close, connect};
use super::consumer;
use super::scan_channel::{CHANNEL_WINDOW_MAX, ScanChannel};
use super::scan_lock::ScanLock;
use super::wire;
use crate::broker_address::by_chance;
use crate::dead_letter::{DeadLetter, ScanTag};
use crate::error::QueueError;

/// RabbitMQ 3.10 shuffles messages if more than 32 of them come back together (measured: an Erlang map with more keys has
/// no order).
const GIVE_BACK_CHUNK: usize = 32;
/// The first AMQP channel gets few, because nothing is known about their size yet, and a list is often short.
const FIRST_WINDOW: u16 = 64;
/// Bodies that may wait in memory, by the mean size of those that came.
const BODIES_BYTES_MAX: usize = 16 << 20;
/// An AMQP channel gets at least so many, however large they are.
const WINDOW_MIN: u16 = 16;
/// Longest wait until what was given back is in the queue again. With a million in the queue a look alone takes seconds.
const GIVE_BACK_TIME: Duration = Duration::from_mins(1);
/// How often to look whether it is.
const GIVE_BACK_LOOK_PERIOD: Duration = Duration::from_millis(1);

/// A scan of the dead letters.
pub(crate) struct AmqpScan {
    url: Secret,
    /// The last one gets new AMQP channels until the broker grants no more.
    connections: Vec<Arc<Connection>>,
    channels: Vec<ScanChannel>,
    /// How many of the dead letters that existed at the start are not read yet. Those that are parked during the scan are
    /// not read, or a replay would meet its own failures again and again.
    unread: u64,
    lock: ScanLock,
    sizes: Sizes,
}

/// How large the dead letters are that came so far.
#[derive(Debug, Default)]
struct Sizes {
    count: usize,
    bytes: usize,
}

impl Sizes {
    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    /// How many may be received before they are read.
    fn window(&self) -> u16 {
        if self.count == 0 {
            return FIRST_WINDOW;
        }
        let mean = (self.bytes / self.count).max(1);
        u16::try_from(BODIES_BYTES_MAX / mean).unwrap_or(u16::MAX).clamp(WINDOW_MIN, CHANNEL_WINDOW_MAX)
    }
}

impl std::fmt::Debug for AmqpScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AmqpScan").field("unread", &self.unread).finish_non_exhaustive()
    }
}

impl AmqpScan {
    pub(super) async fn start(url: Secret) -> Result<Self, QueueError> {
        let connection = Arc::new(connect(&url, "scan", by_chance(dice())).await?.connection);
        let lock = ScanLock::take(&connection).await?;
        let unread = lock.waiting_at_rest().await?.into();
        let sizes = Sizes::default();
        Ok(Self { url, connections: vec![connection], channels: Vec::new(), unread, lock, sizes })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        if self.unread == 0 {
            return Ok(None);
        }
        let Some(delivery) = self.receive().await? else {
            // There are fewer than at the start because some have expired.
            self.unread = 0;
            return Ok(None);
        };
        self.unread -= 1;
        self.sizes.add(delivery.data.len());
        let number = delivery.delivery_tag;
        let properties = &delivery.properties;
        let parking = wire::broker_parking(properties);
        let (envelope, _) = wire::envelope_or_stand_in(properties, delivery.data.into(), Class::Messages, number);
        Ok(Some(DeadLetter::new(envelope, parking, ScanTag { channel: self.channels.len() - 1, number })))
    }

    pub(crate) async fn remove(&mut self, tags: Vec<ScanTag>) -> Result<(), QueueError> {
        let mut touched: Vec<usize> = tags.iter().map(|tag| tag.channel).collect();
        touched.sort_unstable();
        touched.dedup();
        for ScanTag { channel, number } in tags {
            self.channels[channel].ledger.settle(number);
        }
        for channel in touched {
            self.channels[channel].remove_settled().await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<(), QueueError> {
        let result = self.give_back().await;
        // This ends the consumer that holds the lock.
        self.lock.release().await;
        for connection in &self.connections {
            close(connection).await;
        }
        Ok(result?)
    }

    /// The next dead letter; `None` when the queue is empty.
    async fn receive(&mut self) -> Result<Option<Delivery>, QueueError> {
        loop {
            if self.channels.last().is_none_or(ScanChannel::is_full) {
                let channel = self.open_channel().await?;
                self.channels.push(channel);
            }
            let Some(channel) = self.channels.last_mut() else { return Ok(None) };
            if let Some(delivery) = channel.receive().await? {
                return Ok(Some(delivery));
            }
            if !channel.is_full() && self.lock.is_empty().await? {
                return Ok(None);
            }
        }
    }

    /// Opens an AMQP channel, on a new connection when the broker grants the last one no more.
    async fn open_channel(&mut self) -> Result<ScanChannel, QueueError> {
        let window = self.sizes.window();
        if let Some(connection) = self.connections.last() {
            match ScanChannel::open(connection, window).await {
                Err(CallError::WornOut(error)) if matches!(error.kind(), ErrorKind::ChannelsLimitReached) => {}
                opened => return Ok(opened?),
            }
        }
        let connection = Arc::new(connect(&self.url, "scan", by_chance(dice())).await?.connection);
        let channel = ScanChannel::open(&connection, window).await?;
        self.connections.push(connection);
        Ok(channel)
    }

    /// Gives back one piece after the other: pieces that meet on their way to the queue come back shuffled (measured on
    /// 3.10.8). What an AMQP channel holds comes back in its order when it closes. Only a channel that was used to remove
    /// some has to stay open until all are back, and gives back in chunks.
    async fn give_back(&mut self) -> Result<(), CallError> {
        for channel in &mut self.channels {
            channel.stop().await?;
            channel.flush().await?;
        }
        let mut expected = self.lock.waiting().await?;
        let mut flushed = Vec::new();
        for channel in std::mem::take(&mut self.channels) {
            if channel.flush_tags.is_empty() {
                expected += u32::try_from(channel.ledger.len()).unwrap_or_default();
                channel.close().await?;
                if !self.is_back(expected).await {
                    return Ok(());
                }
                continue;
            }
            let mut left = channel.ledger.len();
            for tag in channel.ledger.chunks(GIVE_BACK_CHUNK) {
                consumer::give_back(&channel.channel, tag, true).await?;
                let count = left.min(GIVE_BACK_CHUNK);
                left -= count;
                expected += u32::try_from(count).unwrap_or_default();
                if !self.is_back(expected).await {
                    return Ok(());
                }
            }
            flushed.push(channel);
        }
        for channel in flushed {
            for tag in &channel.flush_tags {
                consumer::give_back(&channel.channel, *tag, false).await?;
            }
            channel.close().await?;
        }
        Ok(())
    }

    /// Returns `true` once this many dead letters are in the queue, and `false` if that takes too long.
    async fn is_back(&self, count: u32) -> bool {
        let wait = async {
            while self.lock.waiting().await? < count {
                sleep_until(Instant::now() + GIVE_BACK_LOOK_PERIOD).await;
            }
            Ok::<_, CallError>(())
        };
        let is_back = matches!(timeout(GIVE_BACK_TIME, wait).await, Ok(Ok(())));
        if !is_back {
            debug!("The broker takes back by itself what could not be given back in time");
        }
        is_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_the_dead_letters_the_fewer_are_received_before_they_are_read() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.window(), FIRST_WINDOW);

        sizes.add(100);
        assert_eq!(sizes.window(), CHANNEL_WINDOW_MAX);
        sizes.add(4 << 20);
        assert_eq!(sizes.window(), WINDOW_MIN);
    }
}
