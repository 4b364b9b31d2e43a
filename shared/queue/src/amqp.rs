//! The queue on RabbitMQ. It has two connections, because a broker in alarm stops reading from one that publishes. Each
//! has a supervisor of our own, because lapin's recovery leaves consumers silent when it gives up.

mod broker;
mod consumer;
mod declare;
mod link;
mod rounds;
mod scan;
mod session;
mod take;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use chassis::{Secret, Shutdown};
use event::Class;
use lapin::Connection;
use tokio::sync::mpsc;

use crate::error::QueueError;
use crate::metrics::{DEPTHS_PERIOD, Metrics, Side};
use crate::publisher::Publisher;
use crate::queue_name::QueueName;
use crate::taker::Taker;
pub use broker::Broker;
use link::{BrokerLink, Declarations};
pub(crate) use scan::AmqpScan;

/// Publishing tasks, each with an AMQP channel of its own. Under 256 connections two tasks are as fast as four and spend a
/// tenth less on each event, because their rounds are larger. One task is slower (`bench accept`).
const PUBLISHING_TASKS: usize = 2;
/// Requests that wait for a publishing task; beyond it, callers wait. A request is one notification's share.
const REQUESTS_MAX: usize = 256;
/// How long a start waits for the broker: long enough to find a mismatched queue, short enough for an orchestrator.
const START_WAIT: Duration = Duration::from_secs(5);

/// The queue on RabbitMQ.
#[derive(Debug)]
pub(crate) struct AmqpQueue {
    publishing: BrokerLink,
    taking: BrokerLink,
    publisher: Publisher,
    metrics: Metrics,
    shutdown: Shutdown,
}

impl AmqpQueue {
    pub(crate) async fn open(url: Secret, metrics: Metrics, shutdown: &Shutdown) -> Result<Self, QueueError> {
        let declarations = Declarations::default();
        let publishing = BrokerLink::start(url.clone(), Side::Publish, declarations.clone(), metrics.clone(), shutdown);
        let taking = BrokerLink::start(url, Side::Take, declarations, metrics.clone(), shutdown);
        tokio::try_join!(publishing.first_outcome(START_WAIT), taking.first_outcome(START_WAIT))?;
        let tasks = (0..PUBLISHING_TASKS).map(|_| {
            let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
            let task = rounds::Rounds::new(publishing.clone(), receiver, metrics.clone(), shutdown.clone());
            shutdown.spawn(task.run());
            requests
        });
        let publisher = Publisher::new(tasks.collect());
        let queue = Self { publishing, taking, publisher, metrics, shutdown: shutdown.clone() };
        queue.watch_depths();
        Ok(queue)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    pub(crate) fn taker(&self, class: Class, window: u16) -> Taker {
        let (task, taker) = take::AmqpTaker::new(self.taking.clone(), class, window, self.metrics.clone());
        self.shutdown.spawn(task.run(self.shutdown.clone()));
        taker
    }

    pub(crate) fn trouble(&self) -> Option<&'static str> {
        match self.publishing.current() {
            None => Some("the broker can't be reached"),
            Some(connection) if connection.status().blocked() => Some("the broker is blocked by an alarm"),
            Some(_) => None,
        }
    }

    pub(crate) async fn depths(&self) -> Result<Vec<(QueueName, u64)>, QueueError> {
        let connection = connection(&self.publishing)?;
        declare::depths(&connection).await
    }

    pub(crate) async fn takers(&self) -> Result<Vec<(Class, u32)>, QueueError> {
        let connection = connection(&self.publishing)?;
        declare::takers(&connection).await
    }

    pub(crate) async fn scan_dead_letters(&self) -> Result<AmqpScan, QueueError> {
        AmqpScan::start(connection(&self.taking)?).await
    }

    fn watch_depths(&self) {
        let publishing = self.publishing.clone();
        let metrics = self.metrics.clone();
        let shutdown = self.shutdown.clone();
        self.shutdown.spawn(async move {
            loop {
                if let Some(connection) = publishing.current()
                    && let Ok(depths) = declare::depths(&connection).await
                {
                    depths.into_iter().for_each(|(queue, envelopes)| metrics.depth.set(queue, envelopes));
                }
                if !shutdown.pause(DEPTHS_PERIOD).await {
                    return;
                }
            }
        });
    }
}

fn connection(link: &BrokerLink) -> Result<Arc<Connection>, QueueError> {
    link.current().ok_or_else(|| QueueError::Away("no connection".to_owned()))
}
