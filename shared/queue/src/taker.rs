//! Taking: what comes out of the queue stays the queue's until it is acknowledged.

use bytes::Bytes;
use chassis::Clock;
use event::{Address, Class, DecodeError, Envelope, EventId, EventType, Lane};
use tokio::sync::{mpsc, oneshot};

/// Takes the envelopes of one class, at most a window of them at once.
#[derive(Debug)]
pub struct Taker {
    pub(crate) taken: mpsc::Receiver<Taken>,
    pub(crate) orders: mpsc::Sender<Order>,
}

/// What a taker can be told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Take nothing until told to resume; what is in hand stays in hand.
    Hold,
    /// Take again.
    Resume,
    /// Take nothing any more; acknowledge what is settled, give back the rest, then answer.
    Finish(oneshot::Sender<()>),
}

impl Taker {
    /// The next envelope; `None` once the process stops.
    pub async fn take(&mut self) -> Option<Taken> {
        self.taken.recv().await
    }

    /// At least one envelope, and all that wait beside it, up to `limit`. 0 once the process stops.
    pub async fn take_many(&mut self, into: &mut Vec<Taken>, limit: usize) -> usize {
        self.taken.recv_many(into, limit).await
    }

    /// Takes nothing until told to resume; what is in hand stays in hand.
    pub async fn hold(&self) {
        self.orders.send(Order::Hold).await.ok();
    }

    /// Takes again.
    pub async fn resume(&self) {
        self.orders.send(Order::Resume).await.ok();
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

/// How a taken envelope leaves our hand.
#[derive(Debug)]
pub(crate) enum Settlement {
    Acknowledge(EventId),
    GiveBack(EventId),
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
}

impl Taken {
    /// Done: the queue may forget it. Only after DSK has the event, or a copy of it is confirmed.
    pub fn acknowledge(mut self) {
        if let Some(settlements) = self.settlements.take() {
            settlements.send(Settlement::Acknowledge(self.envelope.id.clone())).ok();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(settlements) = self.settlements.take() {
            settlements.send(Settlement::GiveBack(self.envelope.id.clone())).ok();
        }
    }
}

/// Carries what is no envelope to the dead letters.
pub(crate) fn stand_in(id: EventId, class: Class, body: Bytes) -> Envelope {
    let now = Clock.now();
    Envelope {
        id,
        event_type: EventType::new("meta.undecodable"),
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
