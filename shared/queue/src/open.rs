//! The queue as a whole: opened once, then handed out as a publisher and takers.

use std::sync::Arc;

use chassis::{Problem, Shutdown};
use event::Class;

use crate::amqp::Amqp;
use crate::embedded::Embedded;
use crate::settings::Location;
use crate::{DeadScan, Metrics, Place, Publisher, QueueSettings, Taker};

/// RabbitMQ, or files on this machine.
#[derive(Clone, Debug)]
pub struct Queue {
    back_end: BackEnd,
}

#[derive(Clone, Debug)]
enum BackEnd {
    Amqp(Arc<Amqp>),
    Embedded(Arc<Embedded>),
}

/// Why the queue can't be used. A broker that is merely away is none of these: it is waited for.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `QUEUE_URL` is wrong.
    #[error("{0}")]
    Settings(Problem),
    /// A queue is there with other arguments than this version declares.
    #[error(
        "queue {queue} exists with other arguments ({answer}): stop every process, let the queue run empty, delete it \
         and start again; or give QUEUE_URL another vhost"
    )]
    Mismatch {
        /// Its name.
        queue: &'static str,
        /// What the broker said.
        answer: String,
    },
    /// The broker can't be asked now (only where the caller can't wait for it).
    #[error("the broker can't be reached ({0}): start it, or correct QUEUE_URL")]
    Away(String),
    /// Another process takes from this embedded queue.
    #[error("the embedded queue {folder} is taken from by {holder}: stop that process first")]
    Taken {
        /// The queue's folder.
        folder: String,
        /// Who holds the lock.
        holder: String,
    },
    /// Somebody else looks through the dead letters.
    #[error("the dead letters are being looked through by {holder}: wait until it is done, or stop it")]
    Scanned {
        /// Who.
        holder: String,
    },
    /// The embedded queue's files can't be used.
    #[error("the embedded queue can't be used: {0}")]
    Files(String),
}

/// As it is told at start-up, beside what is wrong with other settings.
impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        Self::new("QUEUE_URL", "can't be used", error.to_string())
    }
}

impl From<Problem> for OpenError {
    fn from(problem: Problem) -> Self {
        Self::Settings(problem)
    }
}

impl Queue {
    /// Opens the queue, and declares what it consists of. Waits a short time for a broker that is away, then goes on
    /// without it; the connection is made as soon as it can be.
    pub async fn open(settings: &QueueSettings, metrics: Metrics, shutdown: &Shutdown) -> Result<Self, OpenError> {
        let back_end = match settings.location()? {
            Location::Amqp(url) => BackEnd::Amqp(Arc::new(Amqp::open(url, metrics, shutdown).await?)),
            Location::Embedded(folder) => BackEnd::Embedded(Arc::new(Embedded::open(&folder, metrics, shutdown)?)),
        };
        Ok(Self { back_end })
    }

    /// For publishing.
    pub fn publisher(&self) -> Publisher {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.publisher(),
            BackEnd::Embedded(embedded) => embedded.publisher(),
        }
    }

    /// For taking envelopes of one class, at most `window` at once.
    pub fn taker(&self, class: Class, window: u16) -> Result<Taker, OpenError> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => Ok(amqp.taker(class, window)),
            BackEnd::Embedded(embedded) => embedded.taker(class, window),
        }
    }

    /// Why nothing can be published now; `None` when all is well.
    pub fn trouble(&self) -> Option<&'static str> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.trouble(),
            BackEnd::Embedded(_) => None,
        }
    }

    /// How many envelopes wait in each queue, in nobody's hand.
    pub async fn depths(&self) -> Result<Vec<(Place, u64)>, OpenError> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.depths().await,
            BackEnd::Embedded(embedded) => embedded.depths().await,
        }
    }

    /// How many consumers RabbitMQ knows for each class; nothing for a queue in files, which one process takes from.
    pub async fn takers(&self) -> Result<Vec<(Class, u32)>, OpenError> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.takers().await,
            BackEnd::Embedded(_) => Ok(Vec::new()),
        }
    }

    /// Looks through the dead letters. One at a time may.
    pub async fn scan_dead_letters(&self) -> Result<DeadScan, OpenError> {
        match &self.back_end {
            BackEnd::Amqp(amqp) => amqp.scan_dead_letters().await.map(DeadScan::from),
            BackEnd::Embedded(embedded) => embedded.scan_dead_letters().await.map(DeadScan::from),
        }
    }
}
