//! The queue on RabbitMQ. Publishing has a connection of its own, because a broker in alarm stops reading from one that
//! publishes; each class that is taken has one, so that a queue in trouble costs the other class nothing; and depths are
//! read on another one. Each has a supervisor of our own, because lapin's recovery leaves consumers silent when it gives up.

mod broker;
mod call;
mod connect;
mod consumer;
mod declare;
mod depths;
mod dial;
mod grant;
mod late;
mod link;
mod link_state;
mod presence;
mod reconnects;
mod remake;
mod remake_turn;
mod requests;
mod round;
mod rounds;
mod scan;
mod scan_channel;
mod scan_lock;
mod session;
mod session_end;
mod session_parts;
mod supervisor;
mod take;
mod version_1;
mod watchdog;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::{Secret, Shutdown};
use event::Class;
use lapin::Connection;
use tokio::sync::mpsc;

use crate::broker_queue::partitions;
use crate::error::QueueError;
use crate::feed::Feed;
use crate::intake::ClassIntake;
use crate::metrics::{Metrics, Side};
use crate::publisher::{PublishRequest, Publisher, Tasks};
use crate::queue_name::QueueName;
use crate::taker::Taker;
pub use broker::{Broker, BrokerNode};
use late::RoundsParts;
use link::BrokerLink;
pub(crate) use link_state::Declaring;
use link_state::Purpose;
use presence::Presence;
use remake::Remade;
pub(crate) use scan::AmqpScan;

/// Publishing tasks of a class, each with an AMQP channel of its own. Under 256 connections two tasks are as fast as four
/// and spend a tenth less on each event, because their rounds are larger. One task is slower (`bench accept`).
const CLASS_TASKS: usize = 2;
/// Publishing tasks for the copies of a class. Mostly there are few of them, but when a dispatcher defers a thousand at once,
/// what counts is that their confirms are awaited beside each other.
const COPY_TASKS: usize = 4;
/// AMQP channels that publishing takes: one for each task, and one to declare queues on.
const PUBLISHING_CHANNELS: usize = 2 * (CLASS_TASKS + COPY_TASKS) + 1;
/// AMQP channels that taking a class needs besides one for each partition: to move what version 1 left, and to make a queue
/// again.
const CHANNELS_BESIDE_PARTITIONS: usize = 2;
/// Requests that wait for a publishing task; beyond it, callers wait. A request is one notification's share.
const REQUESTS_MAX: usize = 256;
/// How long a start waits for the broker: long enough to find a mismatched queue, short enough for an orchestrator.
const START_WAIT: Duration = Duration::from_secs(5);

/// The queue on RabbitMQ.
#[derive(Debug)]
pub(crate) struct AmqpQueue {
    url: Secret,
    publishing: BrokerLink,
    watching: BrokerLink,
    taking: Presence,
    intakes: Mutex<Vec<ClassIntake>>,
    remade: Remade,
    publisher: Publisher,
    metrics: Metrics,
    shutdown: Shutdown,
}

impl AmqpQueue {
    pub(crate) async fn open(
        url: Secret,
        declaring: Declaring,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, QueueError> {
        let taking = Presence::new(Side::Take, metrics.clone());
        let presence = Presence::new(Side::Publish, metrics.clone());
        let publishing = BrokerLink::start(
            url.clone(),
            Purpose::Publish { channels: PUBLISHING_CHANNELS, declaring },
            presence,
            shutdown,
        );
        let watching = BrokerLink::start(url.clone(), Purpose::Watch, taking.clone(), shutdown);
        tokio::try_join!(publishing.first_outcome(START_WAIT), watching.first_outcome(START_WAIT))?;
        let remade = Remade::default();
        let parts = RoundsParts {
            link: publishing.clone(),
            remade: remade.clone(),
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
        };
        let start = |count: usize| (0..count).map(|_| start_rounds(parts.clone())).collect();
        let publisher = Publisher::with_tasks(Tasks {
            messages: start(CLASS_TASKS),
            updates: start(CLASS_TASKS),
            message_copies: start(COPY_TASKS),
            update_copies: start(COPY_TASKS),
        });
        shutdown.spawn(depths::watch(watching.clone(), metrics.clone(), shutdown.clone()));
        let intakes = Mutex::default();
        Ok(Self { url, publishing, watching, taking, intakes, remade, publisher, metrics, shutdown: shutdown.clone() })
    }

    pub(crate) fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    pub(crate) fn taker(&self, class: Class, window: u16, instance: &str) -> Taker {
        let channels = partitions(class) + CHANNELS_BESIDE_PARTITIONS;
        let purpose = Purpose::Take { class: class.as_str(), channels };
        let link = BrokerLink::start(self.url.clone(), purpose, self.taking.clone(), &self.shutdown);
        let mover = version_1::Mover {
            class,
            link: link.clone(),
            publisher: self.publisher(),
            shutdown: self.shutdown.clone(),
        };
        self.shutdown.spawn(mover.run());
        let instance: Arc<str> = instance.into();
        let (feeds, taker) = Feed::all(class, partitions(class), window, &self.metrics);
        let intake = ClassIntake::new(class, feeds.len(), self.metrics.clone());
        self.intakes.lock().unwrap_or_else(PoisonError::into_inner).push(intake.clone());
        for feed in feeds {
            let intake = intake.of(feed.partition);
            let task = take::AmqpTaker::new(link.clone(), feed, intake, self.remade.clone(), Arc::clone(&instance));
            self.shutdown.spawn(task.run());
        }
        taker
    }

    /// Why nothing can be published, or a class is not taken.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        match self.publishing.current() {
            None => return Some("the broker can't be reached"),
            Some(connection) if connection.status().blocked() => return Some("the broker is blocked by an alarm"),
            Some(_) => {}
        }
        let intakes = self.intakes.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = |class: Class| intakes.iter().any(|intake| intake.class() == class && !intake.works());
        match (stopped(Class::Messages), stopped(Class::Updates)) {
            (true, true) => Some("nothing is taken from the queues of messages and of updates"),
            (true, false) => Some("nothing is taken from the queue of messages"),
            (false, true) => Some("nothing is taken from the queue of updates"),
            (false, false) => None,
        }
    }

    pub(crate) async fn depths(&self) -> Result<Vec<(QueueName, u64)>, QueueError> {
        depths::all(&*connection(&self.watching)?).await
    }

    pub(crate) async fn takers(&self) -> Result<Vec<(Class, u32)>, QueueError> {
        declare::takers(&*connection(&self.watching)?).await
    }

    pub(crate) async fn scan_dead_letters(&self) -> Result<AmqpScan, QueueError> {
        AmqpScan::start(self.url.clone()).await
    }
}

/// Starts a publishing task. It ends when nobody can send to it any more.
fn start_rounds(parts: RoundsParts) -> mpsc::Sender<PublishRequest> {
    let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
    let shutdown = parts.shutdown.clone();
    shutdown.spawn(rounds::Rounds::new(receiver, parts).run());
    requests
}

fn connection(link: &BrokerLink) -> Result<Arc<Connection>, QueueError> {
    link.current().ok_or_else(|| QueueError::Away("no connection".to_owned()))
}
