//! Publishing into files: what waits together is written in one transaction, and answered once it is on disk.

use std::sync::Arc;
use std::time::Instant;

use sqlite::{Connection, Result, WriteError, Writer};
use tokio::sync::{Notify, mpsc};

use super::{dead_bytes, rows};
use crate::metrics::{Metrics, PublishOutcome};
use crate::publisher::{Outgoing, PublishError, PublishRequest, Reply};
use crate::topology::DEAD_BYTES_MAX;

/// Requests that are written together: enough to hide the fsync, few enough to bound the wait.
const ROUND_MAX: usize = 256;

/// The one task that publishes.
pub(super) struct PublishTask {
    writer: Writer,
    published: Arc<Notify>,
    metrics: Metrics,
    dead_bytes_max: i64,
}

impl PublishTask {
    /// `published` is notified after each round.
    pub(super) fn new(writer: Writer, published: Arc<Notify>, metrics: Metrics) -> Self {
        Self { writer, published, metrics, dead_bytes_max: DEAD_BYTES_MAX }
    }

    /// Runs until every publisher is gone.
    pub(super) async fn run(self, mut requests: mpsc::Receiver<PublishRequest>) {
        let mut round = Vec::new();
        while requests.recv_many(&mut round, ROUND_MAX).await > 0 {
            self.publish(std::mem::take(&mut round)).await;
        }
    }

    async fn publish(&self, round: Vec<PublishRequest>) {
        let started = Instant::now();
        let mut requests = Vec::new();
        let mut waiting = Vec::new();
        for request in round {
            waiting.push(Waiting { count: request.outgoing.len(), reply: request.reply });
            requests.push(request.outgoing);
        }
        let dead_bytes_max = self.dead_bytes_max;
        let write = move |database: &Connection, now| {
            requests.iter().map(|outgoing| insert(database, outgoing, now, dead_bytes_max)).collect::<Result<Vec<_>>>()
        };
        let results = self.writer.write(write).await.unwrap_or_else(|error| {
            let error = match error {
                WriteError::Failed => PublishError::Refused,
                WriteError::Stopping => PublishError::Stopping,
            };
            vec![Err(error); waiting.len()]
        });
        let is_any_published = results.iter().any(std::result::Result::is_ok);
        for (Waiting { count, reply }, result) in waiting.into_iter().zip(results) {
            self.metrics.published_total.add(PublishOutcome(result), count);
            // A caller that has stopped waiting needs no answer.
            reply.send(result).ok();
        }
        if is_any_published {
            self.metrics.round_seconds.observe_duration(started.elapsed());
            self.published.notify_waiters();
        }
    }
}

/// A request whose envelopes are being written.
struct Waiting {
    count: usize,
    reply: Reply,
}

/// Puts the envelopes of one request into their queues, all or none.
fn insert(
    database: &Connection,
    outgoing: &[Outgoing],
    now: i64,
    dead_bytes_max: i64,
) -> Result<std::result::Result<(), PublishError>> {
    if !dead_bytes::have_room(database, outgoing, dead_bytes_max)? {
        return Ok(Err(PublishError::Refused));
    }
    rows::insert(database, outgoing, now).map(Ok)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chassis::Shutdown;
    use event::{Class, Envelope, EventId};
    use prometheus::Registry;

    use super::super::schema;
    use super::*;
    use crate::publisher::Publisher;
    use crate::queue_name::QueueName;
    use crate::stand_in::stand_in;

    fn envelope(id: &str) -> Envelope {
        stand_in(EventId::new(id), Class::Messages, Bytes::from_static(&[b'x'; 100]))
    }

    #[tokio::test]
    async fn at_its_byte_limit_the_queue_refuses_a_dead_letter_and_nothing_else_until_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let database = sqlite::open(folder.path(), "queue.db", schema::TABLE).unwrap();
        schema::prepare(&database).unwrap();
        let shutdown = Shutdown::default();
        let writer = Writer::spawn(database, rows::tidy, &shutdown);
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let task = PublishTask::new(writer.clone(), Arc::default(), metrics);
        let (requests, receiver) = mpsc::channel(8);
        shutdown.spawn(PublishTask { dead_bytes_max: 200, ..task }.run(receiver));
        let publisher = Publisher::new(vec![requests]);
        let publish = async |queue, id: &str| publisher.publish(queue, &envelope(id)).await.map(drop);

        for id in ["a", "b"] {
            assert_eq!(publish(QueueName::Dead, id).await, Ok(()));
        }
        let refused = publish(QueueName::Dead, "c");
        let other = publish(QueueName::Class(Class::Messages), "d");
        assert_eq!(tokio::join!(refused, other), (Err(PublishError::Refused), Ok(())), "in one round");

        writer.write(|database, _| rows::delete(database, &[1])).await.unwrap();
        assert_eq!(publish(QueueName::Dead, "c").await, Ok(()));
        assert_eq!(publish(QueueName::Dead, "e").await, Err(PublishError::Refused));
    }
}
