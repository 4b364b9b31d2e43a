//! The queue as a whole: it is opened once, and gives a publisher and takers.

use std::sync::Arc;

use chassis::Shutdown;
use event::{Class, EventId};

use crate::amqp::{AmqpQueue, Declaring};
use crate::embedded::EmbeddedQueue;
use crate::error::QueueError;
use crate::metrics::Metrics;
use crate::publisher::Publisher;
use crate::queue_name::QueueName;
use crate::scan::DeadLetterScan;
use crate::settings::{QueueLocation, QueueSettings};
use crate::taker::Taker;
use crate::whereabouts::Whereabouts;

/// RabbitMQ, or files on this machine.
#[derive(Clone, Debug)]
pub struct Queue {
    back_end: BackEnd,
}

#[derive(Clone, Debug)]
enum BackEnd {
    Amqp(Arc<AmqpQueue>),
    Embedded(Arc<EmbeddedQueue>),
}

impl Queue {
    /// Opens the queue and declares what it consists of. Waits a short time for a broker that is away and then returns
    /// without it; the connection is made as soon as it can be.
    pub async fn open(settings: &QueueSettings, metrics: Metrics, shutdown: &Shutdown) -> Result<Self, QueueError> {
        Self::open_declaring(Declaring::Every, settings, metrics, shutdown).await
    }

    /// Opens the queue for a process whose user need not be allowed to declare what it consists of.
    pub async fn open_declared(
        settings: &QueueSettings,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, QueueError> {
        Self::open_declaring(Declaring::Missing, settings, metrics, shutdown).await
    }

    async fn open_declaring(
        declaring: Declaring,
        settings: &QueueSettings,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, QueueError> {
        let back_end = match settings.location()? {
            QueueLocation::Amqp(url) => {
                BackEnd::Amqp(Arc::new(AmqpQueue::open(url, declaring, metrics, shutdown).await?))
            }
            QueueLocation::Embedded(folder) => {
                BackEnd::Embedded(Arc::new(EmbeddedQueue::open(&folder, metrics, shutdown)?))
            }
        };
        Ok(Self { back_end })
    }

    /// Publishes into the queue.
    pub fn publisher(&self) -> Publisher {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.publisher(),
            BackEnd::Embedded(embedded) => embedded.publisher(),
        }
    }

    /// Takes envelopes of one class, with at most `window` of each partition in flight. `instance` is a name that no other
    /// process has which takes from the same queue: it decides which partitions are whose.
    pub fn taker(&self, class: Class, window: u16, instance: &str) -> Result<Taker, QueueError> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => Ok(amqp.taker(class, window, instance)),
            BackEnd::Embedded(embedded) => embedded.taker(class, window),
        }
    }

    /// Why nothing can be published now; `None` when publishing works.
    pub fn trouble(&self) -> Option<&'static str> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.trouble(),
            BackEnd::Embedded(embedded) => embedded.trouble(),
        }
    }

    /// How many envelopes wait in each queue. Those in flight do not count.
    pub async fn depths(&self) -> Result<Vec<(QueueName, u64)>, QueueError> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.depths().await,
            BackEnd::Embedded(embedded) => embedded.depths().await,
        }
    }

    /// Where the envelopes of these events are. `None` for RabbitMQ: nobody can look into its queues without taking from them.
    pub async fn whereabouts(&self, ids: Vec<EventId>) -> Result<Option<Vec<Whereabouts>>, QueueError> {
        match &self.back_end {
            BackEnd::Amqp(_) => Ok(None),
            BackEnd::Embedded(embedded) => embedded.whereabouts(ids).await.map(Some),
        }
    }

    /// How many consumers each partition of a class has on RabbitMQ, or the one that has fewest; empty for an embedded queue, from which one process takes.
    pub async fn takers(&self) -> Result<Vec<(Class, u32)>, QueueError> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.takers().await,
            BackEnd::Embedded(_) => Ok(Vec::new()),
        }
    }

    /// Begins a scan of the dead letters. There can be one scan at a time.
    pub async fn scan_dead_letters(&self) -> Result<DeadLetterScan, QueueError> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.scan_dead_letters().await.map(DeadLetterScan::from),
            BackEnd::Embedded(embedded) => embedded.scan_dead_letters().await.map(DeadLetterScan::from),
        }
    }
}
