//! What the tests of the queue stand on: an open queue, and envelopes to put into it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use chassis::{Drained, Shutdown};
use event::{Address, Class, Envelope, EventId, EventType, Lane, Letter};
use jiff::Timestamp;
use prometheus::{Registry, TextEncoder};
use queue::{
    Confirmed, DeadLetter, Metrics, Partition, Publisher, Queue, QueueError, QueueName, QueueSettings, Taken, Taker,
};
use testkit::eventually;

/// Makes of each claim one test on RabbitMQ and one on files.
macro_rules! contract {
    ($($claim:ident),* $(,)?) => {
        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let vhost = testkit::RabbitMq::shared().await.vhost();
                super::$claim(queue::QueueSettings::at(vhost.url())).await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let folder = tempfile::tempdir().expect("a temporary folder");
                super::$claim(queue::QueueSettings::embedded(folder.path())).await;
            })*
        }
    };
}
pub(crate) use contract;

/// An open queue, as one process has it.
pub(crate) struct Rig {
    pub(crate) queue: Queue,
    registry: Registry,
    shutdown: Shutdown,
}

impl Rig {
    pub(crate) async fn open(settings: &QueueSettings) -> Self {
        Self::try_open(settings).await.expect("the queue opens")
    }

    pub(crate) async fn try_open(settings: &QueueSettings) -> Result<Self, QueueError> {
        let shutdown = Shutdown::default();
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("metrics register once");
        let queue = Queue::open(settings, metrics, &shutdown).await?;
        Ok(Self { queue, registry, shutdown })
    }

    /// Takes class `messages` with at most `window` envelopes of a partition in flight. All tests use one lane.
    pub(crate) fn taker(&self, window: u16) -> Taker {
        self.queue.taker(Class::Messages, window, "test").expect("nobody else takes")
    }

    /// Whether its metrics have this line.
    pub(crate) fn shows(&self, line: &str) -> bool {
        self.metrics().lines().any(|shown| shown == line)
    }

    /// Its metrics as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("metrics are text")
    }

    /// Ends like a process that is asked to stop.
    pub(crate) async fn stop(self) {
        let Self { queue, shutdown, .. } = self;
        shutdown.request();
        drop(queue);
        assert_eq!(shutdown.drain(Duration::from_secs(10)).await, Drained::Cleanly, "every task ends with the process");
    }
}

/// Envelope number `serial` of class `messages`, one lane for all.
pub(crate) fn envelope(serial: u32) -> Envelope {
    let received_at = Timestamp::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    Envelope {
        id: EventId::new(format!("evt_{serial:026}")),
        event_type: EventType::new("whatsapp.message"),
        address: Address::new("whatsapp:100000000000001"),
        lane: Lane::new("whatsapp:100000000000001/1"),
        class: Class::Messages,
        effect: None,
        received_at,
        queued_at: received_at,
        attempts: 0,
        visits: 0,
        copies: 0,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        letter: None,
        body: Bytes::from(format!(r#"{{"type":"whatsapp.message","serial":{serial}}}"#)),
    }
}

pub(crate) fn envelopes(serials: std::ops::Range<u32>) -> Vec<Envelope> {
    serials.map(envelope).collect()
}

/// Waits until envelope number `serial` can be published.
pub(crate) async fn publishing_works_again(publisher: &Publisher, serial: u32) {
    let sent = [envelope(serial)];
    let again = eventually("publishing works again", async || publisher.publish_all(&sent).await.ok());
    let _confirmed: Confirmed = again.await;
}

/// Takes `count` envelopes, one after the other.
pub(crate) async fn take(taker: &mut Taker, count: usize) -> Vec<Taken> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(40), taker.take()).await;
        let had = taken.len();
        taken.push(
            next.unwrap_or_else(|_| panic!("{had} of {count} envelopes came")).expect("the process does not stop"),
        );
    }
    taken
}

/// Gives back everything in flight.
pub(crate) async fn give_back_all(taker: &mut Taker) {
    for partition in Partition::first(taker.partitions()) {
        taker.give_back(partition).await;
    }
}

/// Takes and acknowledges everything that comes, until all of these ids have come.
pub(crate) async fn take_until(taker: &mut Taker, ids: &BTreeSet<EventId>) -> Vec<EventId> {
    let mut came = Vec::new();
    let mut missing = ids.clone();
    while !missing.is_empty() {
        let next = tokio::time::timeout(Duration::from_secs(40), taker.take()).await;
        let taken = next.unwrap_or_else(|_| panic!("{} of {} never came", missing.len(), ids.len()));
        let taken = taken.expect("the process does not stop");
        missing.remove(&taken.envelope.id);
        came.push(taken.envelope.id.clone());
        taken.acknowledge();
    }
    came
}

/// Whether no other envelope comes within a short time.
pub(crate) async fn nothing_comes(taker: &mut Taker) -> bool {
    tokio::time::timeout(Duration::from_millis(700), taker.take()).await.is_err()
}

/// How many envelopes wait in the queue of class `messages`.
pub(crate) async fn waiting(queue: &Queue) -> Option<u64> {
    let depths = queue.depths().await.ok()?;
    depths.into_iter().find(|(name, _)| *name == QueueName::Class(Class::Messages)).map(|(_, depth)| depth)
}

/// Publishes envelopes as dead letters, in their order.
pub(crate) async fn park(queue: &Queue, serials: std::ops::Range<u32>) {
    let publisher = queue.publisher();
    let letter = Letter {
        reason: "rejected".to_owned(),
        status: Some(400),
        answer: String::new(),
        parked_at: Timestamp::UNIX_EPOCH,
    };
    let serials: Vec<u32> = serials.collect();
    // Fewer than tokio lets a task do before it has to yield, which would shuffle them.
    for some in serials.chunks(50) {
        let publishes = some.iter().map(|serial| {
            let parked = Envelope { letter: Some(letter.clone()), ..envelope(*serial) };
            let publisher = &publisher;
            async move { publisher.publish(QueueName::Dead, &parked).await.map(drop) }
        });
        let confirmed: Result<Vec<()>, _> = futures_util::future::join_all(publishes).await.into_iter().collect();
        confirmed.expect("the queue takes them");
    }
}

/// All dead letters, which stay where they are.
pub(crate) async fn dead_letters(queue: &Queue) -> Result<Vec<DeadLetter>, QueueError> {
    let mut scan = queue.scan_dead_letters().await?;
    let mut letters = Vec::new();
    while let Some(letter) = scan.next().await? {
        letters.push(letter);
    }
    scan.finish().await.map(|()| letters)
}

pub(crate) fn ids(letters: &[DeadLetter]) -> Vec<EventId> {
    letters.iter().map(|letter| letter.envelope.id.clone()).collect()
}
