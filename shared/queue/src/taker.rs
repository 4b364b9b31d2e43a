//! Taking: what comes out of the queue stays the queue's until it is acknowledged.

use bytes::Bytes;
use chassis::now;
use event::{Address, Class, DecodeError, Envelope, EventId, EventType, Lane};
use tokio::sync::{mpsc, oneshot};

use crate::UNDECODABLE;

/// Takes the envelopes of one class, at most a window of them at once.
#[derive(Debug)]
pub struct Taker {
    pub(crate) taken: mpsc::Receiver<Taken>,
    pub(crate) orders: mpsc::Sender<Order>,
    /// Counts the times that everything was given back.
    pub(crate) round: u64,
}

/// What a taker can be told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Take nothing until told to resume; what is in hand stays in hand.
    Hold,
    /// Take again.
    Resume,
    /// Acknowledge what is settled, give back the rest in its order, and take again in a new round, whose number is
    /// the answer.
    GiveBack(oneshot::Sender<u64>),
    /// Take nothing any more; acknowledge what is settled, give back the rest, then answer.
    Finish(oneshot::Sender<()>),
}

impl Taker {
    pub(crate) fn new(taken: mpsc::Receiver<Taken>, orders: mpsc::Sender<Order>) -> Self {
        Self { taken, orders, round: 0 }
    }

    /// The next envelope; `None` once the process stops.
    pub async fn take(&mut self) -> Option<Taken> {
        loop {
            let taken = self.taken.recv().await?;
            if taken.round == self.round {
                return Some(taken);
            }
        }
    }

    /// At least one envelope, and all that wait beside it, up to `limit`. 0 once the process stops.
    pub async fn take_many(&mut self, into: &mut Vec<Taken>, limit: usize) -> usize {
        loop {
            let count = self.taken.recv_many(into, limit).await;
            into.retain(|taken| taken.round == self.round);
            if count == 0 || !into.is_empty() {
                return into.len();
            }
        }
    }

    /// Takes nothing until told to resume; what is in hand stays in hand.
    pub async fn hold(&self) {
        self.orders.send(Order::Hold).await.ok();
    }

    /// Takes again.
    pub async fn resume(&self) {
        self.orders.send(Order::Resume).await.ok();
    }

    /// Acknowledges what is settled, gives back the rest in its order, and takes again. What was in hand before has no
    /// say any more: it may be dropped, its acknowledgement would be ignored.
    pub async fn give_back(&mut self) {
        let (reply, answer) = oneshot::channel();
        if self.orders.send(Order::GiveBack(reply)).await.is_ok()
            && let Ok(round) = answer.await
        {
            self.round = round;
        }
    }

    /// Acknowledges what is settled and gives back the rest, in its order.
    pub async fn finish(self) {
        let (reply, answer) = oneshot::channel();
        drop(self.taken);
        if self.orders.send(Order::Finish(reply)).await.is_ok() {
            answer.await.ok();
        }
    }
}

/// How a taken envelope leaves our hand. One of an earlier round is ignored: its event is the queue's again.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) id: EventId,
    pub(crate) round: u64,
    pub(crate) is_done: bool,
}

/// An envelope in hand. Dropped without an acknowledgement it goes back to the queue.
#[derive(Debug)]
#[must_use = "what is taken has to be settled"]
pub struct Taken {
    /// The envelope; where the message was none, one made up to carry its body to the dead letters.
    pub envelope: Envelope,
    /// Why the message was no envelope.
    pub fault: Option<DecodeError>,
    pub(crate) settlements: Option<mpsc::UnboundedSender<Settlement>>,
    pub(crate) round: u64,
}

impl Taken {
    /// Done: the queue may forget it. Only after DSK has the event, or a copy of it is confirmed.
    pub fn acknowledge(mut self) {
        self.settle(true);
    }

    fn settle(&mut self, is_done: bool) {
        if let Some(settlements) = self.settlements.take() {
            let (id, round) = (self.envelope.id.clone(), self.round);
            settlements.send(Settlement { id, round, is_done }).ok();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.settle(false);
    }
}

/// Carries what is no envelope to the dead letters.
pub(crate) fn stand_in(id: EventId, class: Class, body: Bytes) -> Envelope {
    let now = now();
    Envelope {
        id,
        event_type: EventType::new(UNDECODABLE),
        address: Address::new("meta:undecodable"),
        lane: Lane::new("meta:undecodable"),
        class,
        effect: None,
        received_at: now,
        queued_at: now,
        attempts: 0,
        visits: 0,
        copies: 0,
        traceparent: None,
        letter: None,
        body,
    }
}
