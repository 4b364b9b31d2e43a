//! Publishing: the only way to a [`Confirmed`], which is what entitles anyone to forget the original.

use event::{Envelope, Lane, Wire};
use tokio::sync::{mpsc, oneshot};

use crate::Place;

/// Proof that the queue has taken over everything that was published. There is no other way to make one.
#[must_use = "this is what entitles us to say 200 to Meta, or to acknowledge an original"]
#[derive(Debug)]
pub struct Confirmed(());

/// Why not everything that was published is safe. Some of it may be in the queue all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection, or it broke before the confirm.
    #[error("the queue can't be reached")]
    Away,
    /// The broker reads nothing because it is short of memory or disk.
    #[error("the broker is blocked by a memory or disk alarm")]
    Blocked,
    /// The broker said no (nack), or the disk did.
    #[error("the queue refused the envelope")]
    Refused,
    /// There is no such queue (returned). It is declared again.
    #[error("the queue does not exist")]
    Unroutable,
    /// No confirm within the bound.
    #[error("the queue did not confirm in time")]
    TimedOut,
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

impl PublishError {
    /// All, for metrics that read 0 from the start.
    pub const ALL: [Self; 6] =
        [Self::Away, Self::Blocked, Self::Refused, Self::Unroutable, Self::TimedOut, Self::Stopping];

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
    pub(crate) place: Place,
    pub(crate) wire: Wire,
}

/// What a publishing task is asked for: all of them, in this order, and one answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) reply: oneshot::Sender<Result<(), PublishError>>,
}

/// Publishes envelopes. Cheap to clone; a caller that goes away does not stop what it asked for.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// A lane always uses the same one, so its order is kept.
    tasks: Vec<mpsc::Sender<Request>>,
}

impl Publisher {
    pub(crate) fn new(tasks: Vec<mpsc::Sender<Request>>) -> Self {
        Self { tasks }
    }

    /// Publishes each envelope into the queue of its class, in this order within a lane.
    pub async fn publish_all(&self, envelopes: &[Envelope]) -> Result<Confirmed, PublishError> {
        let mut shares: Vec<Vec<Outgoing>> = self.tasks.iter().map(|_| Vec::new()).collect();
        for envelope in envelopes {
            let outgoing = Outgoing { place: Place::Class(envelope.class), wire: envelope.encode() };
            shares[self.task_of(&envelope.lane)].push(outgoing);
        }
        let asked: Vec<_> = self.tasks.iter().zip(shares).filter(|(_, share)| !share.is_empty()).collect();
        let answers = asked.into_iter().map(|(task, share)| ask(task, share));
        futures_util::future::try_join_all(answers).await?;
        Ok(Confirmed(()))
    }

    /// Publishes one envelope to any place: a retry, a dead letter, a replay.
    pub async fn publish(&self, place: Place, envelope: &Envelope) -> Result<Confirmed, PublishError> {
        let task = &self.tasks[self.task_of(&envelope.lane)];
        ask(task, vec![Outgoing { place, wire: envelope.encode() }]).await?;
        Ok(Confirmed(()))
    }

    /// FNV-1a: the same on every run and machine, and far cheaper than what it spreads.
    fn task_of(&self, lane: &Lane) -> usize {
        let hash = lane
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        usize::try_from(hash % self.tasks.len() as u64).unwrap_or_default()
    }
}

async fn ask(task: &mpsc::Sender<Request>, outgoing: Vec<Outgoing>) -> Result<(), PublishError> {
    let (reply, answer) = oneshot::channel();
    task.send(Request { outgoing, reply }).await.map_err(|_| PublishError::Stopping)?;
    answer.await.map_err(|_| PublishError::Stopping)?
}
