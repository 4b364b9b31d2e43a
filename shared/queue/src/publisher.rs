//! Publishing: the only way to a [`Confirmed`], without which no original may be acknowledged.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use event::{Envelope, Lane, Wire};
use tokio::sync::{mpsc, oneshot};

use crate::queue_name::QueueName;

/// Proof that the queue has taken over everything that was published. There is no other way to make one.
#[must_use = "only this entitles us to answer Meta with 200, or to acknowledge an original"]
#[derive(Debug)]
pub struct Confirmed(());

/// Why not everything that was published is confirmed. Some of it may be in the queue all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection, or it broke before the confirm.
    #[error("the queue can't be reached")]
    Away,
    /// The broker reads nothing because it is short of memory or disk.
    #[error("the broker is blocked by a memory or disk alarm")]
    Blocked,
    /// The broker refused it (nack), or the embedded queue could not be written.
    #[error("the queue refused the envelope")]
    Refused,
    /// The broker has no such queue and returned the message. The queue is declared again.
    #[error("the queue does not exist")]
    Unroutable,
    /// The confirm did not come in time.
    #[error("the queue did not confirm in time")]
    TimedOut,
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

impl PublishError {
    /// As a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
            Self::Unroutable => "unroutable",
            Self::TimedOut => "timed_out",
            Self::Stopping => "stopping",
        }
    }
}

/// One envelope on its way into a queue.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) queue: QueueName,
    pub(crate) wire: Wire,
}

/// Envelopes for one publishing task, which publishes them in this order and answers once.
#[derive(Debug)]
pub(crate) struct PublishRequest {
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) reply: oneshot::Sender<Result<(), PublishError>>,
}

/// Publishes envelopes. Cheap to clone. A caller that stops waiting does not stop its publish.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// A lane always uses the same task, so that its order is kept.
    tasks: Vec<mpsc::Sender<PublishRequest>>,
}

impl Publisher {
    pub(crate) fn new(tasks: Vec<mpsc::Sender<PublishRequest>>) -> Self {
        Self { tasks }
    }

    /// Publishes each envelope into the queue of its class, in this order within a lane.
    pub async fn publish_all(&self, envelopes: &[Envelope]) -> Result<Confirmed, PublishError> {
        let mut shares: Vec<Vec<Outgoing>> = self.tasks.iter().map(|_| Vec::new()).collect();
        for envelope in envelopes {
            let outgoing = Outgoing { queue: QueueName::Class(envelope.class), wire: envelope.encode() };
            shares[self.task_of(&envelope.lane)].push(outgoing);
        }
        let mut publishes = Vec::new();
        for (task, share) in self.tasks.iter().zip(shares) {
            if !share.is_empty() {
                publishes.push(publish_through(task, share));
            }
        }
        futures_util::future::try_join_all(publishes).await?;
        Ok(Confirmed(()))
    }

    /// Publishes one envelope into any queue: a retry, a dead letter, a replay.
    pub async fn publish(&self, queue: QueueName, envelope: &Envelope) -> Result<Confirmed, PublishError> {
        let task = &self.tasks[self.task_of(&envelope.lane)];
        publish_through(task, vec![Outgoing { queue, wire: envelope.encode() }]).await?;
        Ok(Confirmed(()))
    }

    fn task_of(&self, lane: &Lane) -> usize {
        let mut hasher = DefaultHasher::new();
        lane.as_str().hash(&mut hasher);
        usize::try_from(hasher.finish() % self.tasks.len() as u64).unwrap_or_default()
    }
}

async fn publish_through(task: &mpsc::Sender<PublishRequest>, outgoing: Vec<Outgoing>) -> Result<(), PublishError> {
    let (reply, answer) = oneshot::channel();
    task.send(PublishRequest { outgoing, reply }).await.map_err(|_| PublishError::Stopping)?;
    answer.await.map_err(|_| PublishError::Stopping)?
}
