//! The queue on RabbitMQ: two connections (a broker in alarm stops reading the one that publishes), each with its own
//! supervisor, because lapin's recovery leaves consumers silent where it gives up.

mod broker;
mod consumer;
mod dead;
mod declare;
mod link;
mod rounds;
mod take;
mod wire;

use std::time::Duration;

use chassis::{Secret, Shutdown};
use event::Class;
use tokio::sync::mpsc;

use crate::metrics::{DEPTHS_PERIOD, Side};
use crate::{Metrics, OpenError, Place, Publisher, Taker};
pub use broker::Broker;
pub(crate) use dead::DeadScan;
use link::{Declarations, Link};

/// Publishing tasks, each with an AMQP channel of its own. Under 256 connections two are as fast as four and spend a tenth
/// less on each event, because their rounds are larger; one is slower (`bench accept`).
const PUBLISHING_TASKS: usize = 2;
/// Requests that wait for a publishing task; beyond it callers wait. One request is one notification's share.
const REQUESTS_MAX: usize = 256;
/// How long a start waits for the broker: long enough to meet a mismatched queue, short enough for an orchestrator.
const START_WAIT: Duration = Duration::from_secs(5);

/// RabbitMQ.
#[derive(Debug)]
pub(crate) struct Amqp {
    publishing: Link,
    taking: Link,
    publisher: Publisher,
    metrics: Metrics,
    shutdown: Shutdown,
}

impl Amqp {
    pub(crate) async fn open(url: Secret, metrics: Metrics, shutdown: &Shutdown) -> Result<Self, OpenError> {
        let declarations = Declarations::default();
        let publishing = Link::start((url.clone(), Side::Publish), declarations.clone(), metrics.clone(), shutdown);
        let taking = Link::start((url, Side::Take), declarations, metrics.clone(), shutdown);
        tokio::try_join!(publishing.first_outcome(START_WAIT), taking.first_outcome(START_WAIT))?;
        let tasks = (0..PUBLISHING_TASKS).map(|_| {
            let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
            let task = rounds::Rounds::new(publishing.clone(), receiver, metrics.clone(), shutdown.clone());
            shutdown.spawn(task.run());
            requests
        });
        let publisher = Publisher::new(tasks.collect());
        let amqp = Self { publishing, taking, publisher, metrics, shutdown: shutdown.clone() };
        amqp.watch_depths();
        Ok(amqp)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    pub(crate) fn taker(&self, class: Class, window: u16) -> Taker {
        let (task, taker) = take::Take::new(self.taking.clone(), (class, window), self.metrics.clone());
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

    pub(crate) async fn depths(&self) -> Result<Vec<(Place, u64)>, OpenError> {
        let connection = self.publishing.current().ok_or_else(|| OpenError::Away("no connection".to_owned()))?;
        declare::depths(&connection).await
    }

    pub(crate) async fn takers(&self) -> Result<Vec<(Class, u32)>, OpenError> {
        let connection = self.publishing.current().ok_or_else(|| OpenError::Away("no connection".to_owned()))?;
        declare::takers(&connection).await
    }

    pub(crate) async fn scan_dead_letters(&self) -> Result<DeadScan, OpenError> {
        let connection = self.taking.current().ok_or_else(|| OpenError::Away("no connection".to_owned()))?;
        DeadScan::start(connection).await
    }

    fn watch_depths(&self) {
        let (publishing, metrics, shutdown) = (self.publishing.clone(), self.metrics.clone(), self.shutdown.clone());
        self.shutdown.spawn(async move {
            loop {
                if let Some(connection) = publishing.current()
                    && let Ok(depths) = declare::depths(&connection).await
                {
                    depths.into_iter().for_each(|(place, envelopes)| metrics.depth(place, envelopes));
                }
                if !shutdown.pause(DEPTHS_PERIOD).await {
                    return;
                }
            }
        });
    }
}
