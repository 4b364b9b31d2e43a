//! Taking: an envelope that was taken belongs to the queue until it is acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event::{DecodeError, Envelope, EventId};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot, watch};

use crate::in_flight::LastConnection;
use crate::partition::{Partition, PartitionSet};
use crate::receipts::Receipts;

/// Takes the envelopes of one class from all of its partitions, with at most a window of each in flight.
#[derive(Debug)]
pub struct Taker {
    taken: mpsc::Receiver<Taken>,
    window: u16,
    seen: Seen,
    /// Received while letting go.
    kept: VecDeque<Taken>,
    /// By the numbers of the partitions.
    partitions: Vec<PartitionHandle>,
}

/// What a taker sees of its partitions.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) losses: watch::Receiver<u64>,
    pub(crate) stalled: watch::Receiver<PartitionSet>,
    pub(crate) receipts: Receipts,
}

/// The taker's side of one partition.
#[derive(Debug)]
pub(crate) struct PartitionHandle {
    pub(crate) commands: mpsc::Sender<TakerCommand>,
    pub(crate) dispositions: mpsc::UnboundedSender<Disposition>,
    /// Counts how often everything was given back.
    pub(crate) round: u64,
    /// How many connections were lost.
    pub(crate) losses: Arc<AtomicU64>,
    /// How many of these losses the taker has let go of.
    pub(crate) let_go: u64,
}

/// What a [`Taker`] asks of its back end.
#[derive(Debug)]
pub(crate) enum TakerCommand {
    /// Take nothing until `Resume`. What is in flight stays in flight.
    Hold,
    /// Take again.
    Resume,
    /// Acknowledge what is settled, give back the rest in its order, and take again in a new round. The answer is the
    /// round's number.
    GiveBack(oneshot::Sender<u64>),
    /// Acknowledge what is settled, give back the rest in its order, take nothing more, and answer.
    Finish(oneshot::Sender<()>),
}

impl Taker {
    pub(crate) fn new(taken: mpsc::Receiver<Taken>, window: u16, seen: Seen, partitions: Vec<PartitionHandle>) -> Self {
        Self { taken, window, seen, kept: VecDeque::new(), partitions }
    }

    /// The most envelopes of one partition in flight.
    pub fn window(&self) -> usize {
        self.window.into()
    }

    /// Partitions of which messages wait and nothing comes, although there is room and something is in flight: the broker wants
    /// to give them to another process, and waits until what is in flight of them is settled.
    pub fn stalled(&self) -> PartitionSet {
        *self.seen.stalled.borrow()
    }

    /// When something last came from each partition.
    pub fn receipts(&self) -> Receipts {
        self.seen.receipts.clone()
    }

    /// How many partitions it takes from.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Changes whenever a partition's connection is lost. What was taken from it before then [`is lost`](Taken::is_lost), and
    /// whatever of it only waits is to be dropped: the broker gives it to somebody else, too. Nothing more is taken from the
    /// partition until [`Self::let_go`] says that this is done: what came again before would not be told from what came first.
    pub fn losses(&self) -> watch::Receiver<u64> {
        self.seen.losses.clone()
    }

    /// Lets go of what was lost: drops what of it waits here. The caller has dropped what waits with it.
    pub fn let_go(&mut self) {
        let losses: Vec<u64> =
            self.partitions.iter().map(|partition| partition.losses.load(Ordering::Relaxed)).collect();
        while let Ok(taken) = self.taken.try_recv() {
            self.kept.push_back(taken);
        }
        let kept = std::mem::take(&mut self.kept);
        self.kept = kept.into_iter().filter(|taken| self.is_current(taken)).collect();
        for (partition, losses) in self.partitions.iter_mut().zip(losses) {
            if partition.let_go != losses {
                partition.let_go = losses;
                partition.dispositions.send(Disposition::LetGo { losses }).ok();
            }
        }
    }

    /// Waits for the next envelope; `None` once the process stops. Lets go of what is lost by itself.
    pub async fn take(&mut self) -> Option<Taken> {
        loop {
            let taken = match self.kept.pop_front() {
                Some(kept) => kept,
                None => tokio::select! {
                    biased;
                    Ok(()) = self.seen.losses.changed() => {
                        self.let_go();
                        continue;
                    }
                    taken = self.taken.recv() => taken?,
                },
            };
            if self.is_current(&taken) {
                return Some(taken);
            }
        }
    }

    /// Waits for an envelope and takes all that wait beside it, up to `limit`. Returns 0 once the process stops.
    pub async fn take_many(&mut self, into: &mut Vec<Taken>, limit: usize) -> usize {
        loop {
            let kept = self.kept.len().min(limit);
            into.extend(self.kept.drain(..kept));
            into.retain(|taken| self.is_current(taken));
            if !into.is_empty() {
                return into.len();
            }
            let count = self.taken.recv_many(into, limit).await;
            into.retain(|taken| self.is_current(taken));
            if count == 0 || !into.is_empty() {
                return into.len();
            }
        }
    }

    /// Whether it was neither given back nor lost while it waited here.
    fn is_current(&self, taken: &Taken) -> bool {
        let round = self.partitions.get(taken.partition.index()).map(|partition| partition.round);
        round == Some(taken.round) && !taken.is_lost()
    }

    /// Takes nothing until [`Self::resume`]. What is in flight stays in flight.
    pub async fn hold(&self) {
        self.command_all(|| TakerCommand::Hold).await;
    }

    /// Takes again.
    pub async fn resume(&self) {
        self.command_all(|| TakerCommand::Resume).await;
    }

    /// Acknowledges what is settled of a partition, gives back the rest in its order, and takes again. What was taken from
    /// it before can be dropped: an acknowledgement of it is ignored from now on.
    pub async fn give_back(&mut self, partition: Partition) {
        let Some(handle) = self.partitions.get_mut(partition.index()) else { return };
        let (reply, answer) = oneshot::channel();
        if handle.commands.send(TakerCommand::GiveBack(reply)).await.is_ok()
            && let Ok(round) = answer.await
        {
            handle.round = round;
        }
    }

    /// Acknowledges what is settled and gives back the rest, in its order.
    pub async fn finish(self) {
        drop(self.taken);
        drop(self.kept);
        let finish = async |partition: PartitionHandle| {
            let (reply, answer) = oneshot::channel();
            if partition.commands.send(TakerCommand::Finish(reply)).await.is_ok() {
                answer.await.ok();
            }
        };
        join_all(self.partitions.into_iter().map(finish)).await;
    }

    async fn command_all(&self, command: impl Fn() -> TakerCommand) {
        for partition in &self.partitions {
            partition.commands.send(command()).await.ok();
        }
    }
}

/// What the taker's side does with what it has.
#[derive(Debug)]
pub(crate) enum Disposition {
    /// An envelope stops being in flight. One of an earlier round is ignored, because the queue has its event again.
    Settle { id: EventId, round: u64, kind: DispositionKind },
    /// Of what was lost with so many connections, only that is still there which is being attempted or settled.
    LetGo { losses: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DispositionKind {
    Acknowledge,
    GiveBack,
}

/// An envelope as it came from the queue.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) tag: u64,
    pub(crate) envelope: Envelope,
    /// Why the message could not be decoded.
    pub(crate) fault: Option<DecodeError>,
    pub(crate) was_redelivered: bool,
    /// How often it was delivered before.
    pub(crate) deliveries: u32,
}

/// An envelope in flight. If it is dropped without an acknowledgement, it goes back to the queue.
#[derive(Debug)]
#[must_use = "what is taken has to be settled"]
pub struct Taken {
    /// The envelope. For a message that could not be decoded it is made up to carry the body to the dead letters.
    pub envelope: Envelope,
    /// Why the message could not be decoded.
    pub fault: Option<DecodeError>,
    /// How often it was delivered before.
    deliveries: u32,
    partition: Partition,
    possession: Possession,
    /// `None` once it is settled.
    dispositions: Option<mpsc::UnboundedSender<Disposition>>,
    round: u64,
}

/// Knows whether an envelope is still ours.
#[derive(Debug)]
pub(crate) struct Possession {
    /// How many connections of its partition were lost when the broker handed out the event last.
    pub(crate) last: LastConnection,
    pub(crate) losses: Arc<AtomicU64>,
}

impl Taken {
    pub(crate) fn new(
        incoming: Incoming,
        partition: Partition,
        possession: Possession,
        dispositions: mpsc::UnboundedSender<Disposition>,
        round: u64,
    ) -> Self {
        let Incoming { envelope, fault, deliveries, .. } = incoming;
        Self { envelope, fault, deliveries, partition, possession, dispositions: Some(dispositions), round }
    }

    /// The partition that it was taken from.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// How often the queue had delivered this copy before: each time that it was given back, and each time that a taker
    /// ended with it in flight. The queue parks it once this exceeds [`crate::DELIVERY_LIMIT`].
    pub fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// Whether the connection over which it came is gone, and the broker has not handed it out to us again since: somebody
    /// else may have it. An attempt under way goes on; what only waits is to be dropped.
    pub fn is_lost(&self) -> bool {
        self.possession.last.load(Ordering::Relaxed) != self.possession.losses.load(Ordering::Relaxed)
    }

    /// Lets the queue remove the envelope: only after DSK has the event, or a copy of it is confirmed.
    pub fn acknowledge(mut self) {
        self.settle(DispositionKind::Acknowledge);
    }

    fn settle(&mut self, kind: DispositionKind) {
        if let Some(dispositions) = self.dispositions.take() {
            let id = self.envelope.id.clone();
            dispositions.send(Disposition::Settle { id, round: self.round, kind }).ok();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.settle(DispositionKind::GiveBack);
    }
}
