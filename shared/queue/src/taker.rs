//! Taking: an envelope that was taken belongs to the queue until it is acknowledged.

use std::sync::atomic::Ordering;

use event::{DecodeError, Envelope, EventId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::in_flight::LastConnection;

/// Takes the envelopes of one class, with at most a window of them in flight.
#[derive(Debug)]
pub struct Taker {
    taken: mpsc::Receiver<Taken>,
    commands: mpsc::Sender<TakerCommand>,
    losses: watch::Sender<u64>,
    /// Counts how often everything was given back.
    round: u64,
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
    pub(crate) fn new(
        taken: mpsc::Receiver<Taken>,
        commands: mpsc::Sender<TakerCommand>,
        losses: watch::Sender<u64>,
    ) -> Self {
        Self { taken, commands, losses, round: 0 }
    }

    /// Changes whenever the connection is lost. What was taken before then [`is lost`](Taken::is_lost), and whatever of it
    /// only waits is to be dropped: the broker gives it to somebody else, too.
    pub fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// Waits for the next envelope; `None` once the process stops.
    pub async fn take(&mut self) -> Option<Taken> {
        loop {
            let taken = self.taken.recv().await?;
            if self.is_current(&taken) {
                return Some(taken);
            }
        }
    }

    /// Waits for an envelope and takes all that wait beside it, up to `limit`. Returns 0 once the process stops.
    pub async fn take_many(&mut self, into: &mut Vec<Taken>, limit: usize) -> usize {
        loop {
            let count = self.taken.recv_many(into, limit).await;
            into.retain(|taken| self.is_current(taken));
            if count == 0 || !into.is_empty() {
                return into.len();
            }
        }
    }

    /// Whether it was neither given back nor lost while it waited here.
    fn is_current(&self, taken: &Taken) -> bool {
        taken.round == self.round && !taken.is_lost()
    }

    /// Takes nothing until [`Self::resume`]. What is in flight stays in flight.
    pub async fn hold(&self) {
        self.commands.send(TakerCommand::Hold).await.ok();
    }

    /// Takes again.
    pub async fn resume(&self) {
        self.commands.send(TakerCommand::Resume).await.ok();
    }

    /// Acknowledges what is settled, gives back the rest in its order, and takes again. What was taken before can be
    /// dropped: an acknowledgement of it is ignored from now on.
    pub async fn give_back(&mut self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(TakerCommand::GiveBack(reply)).await.is_ok()
            && let Ok(round) = answer.await
        {
            self.round = round;
        }
    }

    /// Acknowledges what is settled and gives back the rest, in its order.
    pub async fn finish(self) {
        let (reply, answer) = oneshot::channel();
        drop(self.taken);
        if self.commands.send(TakerCommand::Finish(reply)).await.is_ok() {
            answer.await.ok();
        }
    }
}

/// How an envelope stops being in flight. One of an earlier round is ignored, because the queue has its event again.
#[derive(Debug)]
pub(crate) struct Disposition {
    pub(crate) id: EventId,
    pub(crate) round: u64,
    pub(crate) kind: DispositionKind,
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
    possession: Possession,
    /// `None` once it is settled.
    dispositions: Option<mpsc::UnboundedSender<Disposition>>,
    round: u64,
}

/// Knows whether an envelope is still ours.
#[derive(Debug)]
pub(crate) struct Possession {
    /// How many connections were lost when the broker handed out the event last.
    pub(crate) last: LastConnection,
    pub(crate) losses: watch::Sender<u64>,
}

impl Taken {
    pub(crate) fn new(
        incoming: Incoming,
        possession: Possession,
        dispositions: mpsc::UnboundedSender<Disposition>,
        round: u64,
    ) -> Self {
        let Incoming { envelope, fault, deliveries, .. } = incoming;
        Self { envelope, fault, deliveries, possession, dispositions: Some(dispositions), round }
    }

    /// How often the queue had delivered this copy before: each time that it was given back, and each time that a taker
    /// ended with it in flight. The queue parks it once this exceeds [`crate::DELIVERY_LIMIT`].
    pub fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// Whether the connection over which it came is gone, and the broker has not handed it out to us again since: somebody
    /// else may have it. An attempt under way goes on; what only waits is to be dropped.
    pub fn is_lost(&self) -> bool {
        self.possession.last.load(Ordering::Relaxed) != *self.possession.losses.borrow()
    }

    /// Lets the queue remove the envelope: only after DSK has the event, or a copy of it is confirmed.
    pub fn acknowledge(mut self) {
        self.settle(DispositionKind::Acknowledge);
    }

    fn settle(&mut self, kind: DispositionKind) {
        if let Some(dispositions) = self.dispositions.take() {
            let id = self.envelope.id.clone();
            dispositions.send(Disposition { id, round: self.round, kind }).ok();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.settle(DispositionKind::GiveBack);
    }
}
