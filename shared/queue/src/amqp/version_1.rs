//! Moves what waits in the queues of version 1, which had one queue a class, into the partitions of this version.
//!
//! One process moves at a time, so that lanes keep their order: it consumes exclusively, which the broker refuses while a
//! dispatcher of version 1 takes from the queue. What that one has deferred returns to the queue of version 1, too.

use std::time::Duration;

use chassis::Shutdown;
use event::{Class, Envelope, Wire};
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tracing::{debug, info, warn};

use super::call::{CallError, call, open_channel};
use super::link::BrokerLink;
use super::{consumer, declare, wire};
use crate::publisher::{Outgoing, Publisher};
use crate::queue_name::QueueName;

/// The queue of a class in version 1. What version 1 has put into retry queues returns to it.
const fn queue(class: Class) -> &'static str {
    match class {
        Class::Messages => "meta.messages.v1",
        Class::Updates => "meta.updates.v1",
    }
}

/// Messages that are moved together.
const BATCH: usize = 200;
/// How often to look for the queue, and whether it may be consumed from.
const LOOK_PERIOD: Duration = Duration::from_secs(5);
/// How often to look for a queue that was not there: a process of version 1 that is started again declares it.
const ABSENT_PERIOD: Duration = Duration::from_mins(10);

/// Moves one class.
pub(super) struct Mover {
    pub(super) class: Class,
    pub(super) link: BrokerLink,
    pub(super) publisher: Publisher,
    pub(super) shutdown: Shutdown,
}

/// What came of a try to move.
enum End {
    /// There is no such queue.
    Absent,
    /// Somebody else takes from it, or the connection was lost.
    Later,
}

impl Mover {
    /// Moves whatever comes until the process stops.
    pub(super) async fn run(self) {
        loop {
            let end = match self.link.current() {
                Some(connection) => self.move_on(&connection).await.unwrap_or_else(|error| {
                    debug!(queue = queue(self.class), "Could not move what version 1 left: {error}");
                    if error.ends_connection() {
                        self.link.give_up(&connection);
                    }
                    End::Later
                }),
                None => End::Later,
            };
            let pause = match end {
                End::Absent => ABSENT_PERIOD,
                End::Later => LOOK_PERIOD,
            };
            if !self.shutdown.pause(pause).await {
                return;
            }
        }
    }

    async fn move_on(&self, connection: &Connection) -> Result<End, CallError> {
        let queue = queue(self.class);
        let mut channel = open_channel(connection).await?;
        let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        match call("queue.declare", channel.queue_declare(queue.into(), options, FieldTable::default())).await {
            Ok(_) => {}
            Err(error) if declare::is_missing(&error) => return Ok(End::Absent),
            Err(error) => return Err(error),
        }
        declare::close(channel).await;
        channel = consumer::open(connection, u16::try_from(BATCH).unwrap_or(u16::MAX)).await?;
        let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(queue.into(), "mover".into(), options, FieldTable::default());
        let mut consumer = match call("basic.consume", consumer).await {
            Ok(consumer) => consumer,
            Err(error) => {
                debug!(queue, "Another process still takes from {queue}: {error}");
                return Ok(End::Later);
            }
        };
        info!(queue, "Moving what waits in {queue} into the partitions");
        while let Some(batch) = self.next_batch(&mut consumer).await {
            self.move_batch(&channel, batch).await?;
        }
        declare::close(channel).await;
        Ok(End::Later)
    }

    /// Waits for a message and takes what has come beside it; `None` at the end of the consumer or the process.
    async fn next_batch(&self, consumer: &mut Consumer) -> Option<Vec<Delivery>> {
        let first = tokio::select! {
            first = consumer.next() => first?.ok()?,
            () = self.shutdown.requested() => return None,
        };
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Some(Some(Ok(next))) = consumer.next().now_or_never()
        {
            batch.push(next);
        }
        Some(batch)
    }

    /// Publishes copies, and acknowledges the originals once all are confirmed. If they are not, the broker keeps the
    /// originals, and whatever was confirmed is there twice, under the same ids.
    async fn move_batch(&self, channel: &Channel, batch: Vec<Delivery>) -> Result<(), CallError> {
        let Some(last) = batch.last().map(|delivery| delivery.delivery_tag) else { return Ok(()) };
        let count = batch.len();
        let copies = batch.into_iter().map(|delivery| copy(delivery, self.class)).collect();
        if let Err(error) = self.publisher.republish(copies).await {
            warn!(queue = queue(self.class), "Could not move {count} envelopes, which stay where they are: {error}");
            return Err(CallError::TimedOut { call: "basic.publish", limit: LOOK_PERIOD });
        }
        consumer::acknowledge_up_to(channel, last).await?;
        debug!(queue = queue(self.class), "Moved {count} envelopes");
        Ok(())
    }
}

/// A message that is no envelope keeps its bytes, so that whoever takes it finds that out as before.
fn copy(delivery: Delivery, class: Class) -> Outgoing {
    let queue = QueueName::Class(class);
    let tag = delivery.delivery_tag;
    match wire::envelope_or_stand_in(&delivery.properties, delivery.data.into(), class, tag) {
        (envelope, None) => Outgoing::new(queue, &Envelope { copies: envelope.copies + 1, ..envelope }),
        (stand_in, Some(_)) => {
            let wire = Wire { message_id: stand_in.id.clone(), headers: Vec::new(), body: stand_in.body.clone() };
            Outgoing { wire, ..Outgoing::new(queue, &stand_in) }
        }
    }
}
