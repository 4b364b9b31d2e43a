//! Publishing: the only way to a [`Confirmed`], without which no original may be acknowledged.

use std::any::Any;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use event::{Class, Envelope, Lane, Wire};
use tokio::sync::{mpsc, oneshot};

use crate::broker_queue::{BrokerQueue, partition_of};
use crate::partition::Partition;
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
    /// The partition of its lane. An embedded queue has none.
    pub(crate) partition: Partition,
    pub(crate) wire: Wire,
}

impl Outgoing {
    pub(crate) fn new(queue: QueueName, envelope: &Envelope) -> Self {
        Self { queue, partition: partition_of(&envelope.lane, envelope.class), wire: envelope.encode() }
    }

    /// The queue at a broker into which it goes.
    pub(crate) fn broker_queue(&self) -> BrokerQueue {
        match self.queue {
            QueueName::Class(class) => BrokerQueue::Partition(class, self.partition),
            QueueName::Retry(class, tier) => BrokerQueue::Retry(class, tier),
            QueueName::Dead => BrokerQueue::Dead,
        }
    }
}

/// Envelopes for one publishing task, which publishes them in this order and answers once.
#[derive(Debug)]
pub(crate) struct PublishRequest {
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) patience: Patience,
    pub(crate) reply: Reply,
}

/// How long the caller of a publish waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Meta waits: a publish that is not confirmed in time has failed, and comes again under the same id.
    Limited,
    /// The original stays in flight meanwhile. A second copy would be delivered as well, so a late confirm is awaited.
    UntilConfirmed,
}

/// What is kept from being used for other things, such as memory, as long as a publish needs it.
pub type Held = Arc<dyn Any + Send + Sync>;

/// Where the answer to a request goes, and what the request holds until it ends, even if nobody waits for the answer.
pub(crate) struct Reply {
    /// `None` once it is answered.
    answer: Option<oneshot::Sender<Result<(), PublishError>>>,
    #[expect(dead_code, reason = "it is given back when the reply is dropped")]
    held: Option<Held>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("answer", &self.answer).finish_non_exhaustive()
    }
}

impl Reply {
    /// Answers. What the request holds stays held until this is dropped.
    pub(crate) fn answer(&mut self, result: Result<(), PublishError>) {
        if let Some(answer) = self.answer.take() {
            // A caller that has stopped waiting needs no answer.
            answer.send(result).ok();
        }
    }

    /// Answers, and gives back what the request holds. An error means that nobody waited any more.
    pub(crate) fn send(mut self, result: Result<(), PublishError>) -> Result<(), Result<(), PublishError>> {
        self.answer.take().map_or(Err(result), |answer| answer.send(result))
    }

    /// Whether nobody waits for an answer.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.answer.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

/// Publishes envelopes. Cheap to clone. What its caller does not wait for any more is not sent, unless it is on its way.
#[derive(Clone, Debug)]
pub struct Publisher {
    tasks: Tasks,
}

/// The publishing tasks. A lane always uses the same one of its queue, so that its order is kept; and a queue that
/// confirms nothing holds up only its own.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    pub(crate) messages: Vec<mpsc::Sender<PublishRequest>>,
    pub(crate) updates: Vec<mpsc::Sender<PublishRequest>>,
    /// For copies of messages: retries and dead letters.
    pub(crate) message_copies: Vec<mpsc::Sender<PublishRequest>>,
    /// For copies of updates.
    pub(crate) update_copies: Vec<mpsc::Sender<PublishRequest>>,
}

impl Tasks {
    fn of(&self, queue: QueueName, class: Class) -> &[mpsc::Sender<PublishRequest>] {
        match (queue, class) {
            (QueueName::Class(Class::Messages), _) => &self.messages,
            (QueueName::Class(Class::Updates), _) => &self.updates,
            (QueueName::Retry(..) | QueueName::Dead, Class::Messages) => &self.message_copies,
            (QueueName::Retry(..) | QueueName::Dead, Class::Updates) => &self.update_copies,
        }
    }
}

impl Publisher {
    /// The same tasks publish into every queue.
    pub(crate) fn new(tasks: Vec<mpsc::Sender<PublishRequest>>) -> Self {
        let tasks = Tasks {
            messages: tasks.clone(),
            updates: tasks.clone(),
            message_copies: tasks.clone(),
            update_copies: tasks,
        };
        Self { tasks }
    }

    pub(crate) fn with_tasks(tasks: Tasks) -> Self {
        Self { tasks }
    }

    /// Publishes each envelope into the queue of its class, in this order within a lane and class.
    pub async fn publish_all(&self, envelopes: &[Envelope]) -> Result<Confirmed, PublishError> {
        self.publish_shares(envelopes, None).await
    }

    /// Like [`Self::publish_all`]. `held` is dropped when the queue has let go of the envelopes' bytes, which may be long
    /// after the caller has stopped waiting.
    pub async fn publish_all_holding(&self, envelopes: &[Envelope], held: Held) -> Result<Confirmed, PublishError> {
        self.publish_shares(envelopes, Some(held)).await
    }

    async fn publish_shares(&self, envelopes: &[Envelope], held: Option<Held>) -> Result<Confirmed, PublishError> {
        let mut shares: BTreeMap<(Class, usize), Vec<Outgoing>> = BTreeMap::new();
        for envelope in envelopes {
            let queue = QueueName::Class(envelope.class);
            let task = task_of(&envelope.lane, self.tasks.of(queue, envelope.class).len());
            shares.entry((envelope.class, task)).or_default().push(Outgoing::new(queue, envelope));
        }
        let publishes = shares.into_iter().map(|((class, task), outgoing)| {
            let task = &self.tasks.of(QueueName::Class(class), class)[task];
            publish_through(task, outgoing, Patience::Limited, held.clone())
        });
        futures_util::future::try_join_all(publishes).await?;
        Ok(Confirmed(()))
    }

    /// Publishes copies of what is in another queue, all of one class, in this order. A late confirm is awaited.
    pub(crate) async fn republish(&self, copies: Vec<Outgoing>) -> Result<Confirmed, PublishError> {
        let Some(first) = copies.first() else { return Ok(Confirmed(())) };
        let QueueName::Class(class) = first.queue else { return Err(PublishError::Unroutable) };
        publish_through(&self.tasks.of(first.queue, class)[0], copies, Patience::UntilConfirmed, None).await?;
        Ok(Confirmed(()))
    }

    /// Publishes one envelope into any queue: a retry, a dead letter, a replay. A confirm that is late is awaited, so that
    /// no second copy is made while the first may be queued.
    pub async fn publish(&self, queue: QueueName, envelope: &Envelope) -> Result<Confirmed, PublishError> {
        let tasks = self.tasks.of(queue, envelope.class);
        let task = &tasks[task_of(&envelope.lane, tasks.len())];
        let outgoing = vec![Outgoing::new(queue, envelope)];
        publish_through(task, outgoing, Patience::UntilConfirmed, None).await?;
        Ok(Confirmed(()))
    }
}

fn task_of(lane: &Lane, tasks: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    lane.as_str().hash(&mut hasher);
    usize::try_from(hasher.finish() % tasks as u64).unwrap_or_default()
}

async fn publish_through(
    task: &mpsc::Sender<PublishRequest>,
    outgoing: Vec<Outgoing>,
    patience: Patience,
    held: Option<Held>,
) -> Result<(), PublishError> {
    let (sender, answer) = oneshot::channel();
    let reply = Reply { answer: Some(sender), held };
    task.send(PublishRequest { outgoing, patience, reply }).await.map_err(|_| PublishError::Stopping)?;
    answer.await.map_err(|_| PublishError::Stopping)?
}
