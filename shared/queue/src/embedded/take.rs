//! Taking from the embedded queue: the same hand as with a broker, fed by looking.

use std::sync::Arc;
use std::time::Duration;

use event::Class;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::rows::TakenRow;
use super::writer::Job;
use crate::in_hand::{Arrival, CopyKey, InHand};
use crate::taker::{Order, Settlement};
use crate::{Metrics, Taken, Taker};

/// How often to look for what another process wrote, or what became due by the clock.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// The task that takes one class.
pub(super) struct Take {
    jobs: mpsc::UnboundedSender<Job>,
    written: Arc<Notify>,
    class: Class,
    window: usize,
    metrics: Metrics,
    hand: InHand,
    taken: mpsc::Sender<Taken>,
    settlements: mpsc::UnboundedReceiver<Settlement>,
    settler: mpsc::UnboundedSender<Settlement>,
    orders: mpsc::Receiver<Order>,
    round: u64,
    is_held: bool,
}

/// What woke the task.
enum Wake {
    Settled(Settlement),
    Told(Option<Order>),
    Look,
}

impl Take {
    pub(super) fn new(
        jobs: mpsc::UnboundedSender<Job>,
        written: Arc<Notify>,
        (class, window): (Class, u16),
        metrics: Metrics,
    ) -> (Self, Taker) {
        // Unbounded in name only: it holds at most one settlement for each envelope in hand.
        let (settler, settlements) = mpsc::unbounded_channel();
        let window = usize::from(window).max(1);
        let (taken, receiver) = mpsc::channel(window);
        let (order, orders) = mpsc::channel(8);
        let hand = InHand::default();
        let (round, is_held) = (0, false);
        let task =
            Self { jobs, written, class, window, metrics, hand, taken, settlements, settler, orders, round, is_held };
        (task, Taker::new(receiver, order))
    }

    pub(super) async fn run(mut self) {
        let written = Arc::clone(&self.written);
        loop {
            // Registered before looking: what is written meanwhile is not missed.
            let rung = written.notified();
            let look_again = self.look().await;
            let wake = if look_again { Wake::Look } else { self.wake(rung).await };
            match wake {
                Wake::Settled(settlement) => self.settle(settlement),
                Wake::Told(Some(Order::Hold)) => self.is_held = true,
                Wake::Told(Some(Order::Resume)) => self.is_held = false,
                Wake::Told(Some(Order::GiveBack(reply))) => {
                    self.give_back();
                    reply.send(self.round).ok();
                }
                Wake::Told(Some(Order::Finish(reply))) => {
                    self.finish().await;
                    reply.send(()).ok();
                    return;
                }
                Wake::Told(None) => return,
                Wake::Look => {}
            }
        }
    }

    async fn wake(&mut self, rung: impl Future<Output = ()>) -> Wake {
        tokio::select! {
            biased;
            order = self.orders.recv() => Wake::Told(order),
            Some(settlement) = self.settlements.recv() => Wake::Settled(settlement),
            () = rung => Wake::Look,
            () = sleep_until(Instant::now() + LOOK_PERIOD) => Wake::Look,
        }
    }

    /// Takes as many as fit; `true` when there may be more.
    async fn look(&mut self) -> bool {
        while let Ok(settlement) = self.settlements.try_recv() {
            self.settle(settlement);
        }
        let room = self.window.saturating_sub(self.hand.len());
        if self.is_held || room == 0 {
            return false;
        }
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Take(self.class, room, reply)).ok();
        let rows = answer.await.unwrap_or_default();
        let is_full = rows.len() == room;
        for row in rows {
            self.hand_out(row).await;
        }
        is_full && self.hand.len() < self.window && self.orders.is_empty()
    }

    async fn hand_out(&mut self, row: TakenRow) {
        self.metrics.taken(self.class, row.was_redelivered);
        match self.hand.arrive(row.seq, CopyKey::of(&row.envelope), row.was_redelivered) {
            Arrival::New => {
                let settlements = Some(self.settler.clone());
                let taken = Taken { envelope: row.envelope, fault: row.fault, settlements, round: self.round };
                self.taken.send(taken).await.ok();
            }
            Arrival::Joined => self.metrics.joined(),
            // Only a connection that broke makes the hand remember, and there is none here.
            Arrival::AlreadySettled => drop(self.jobs.send(Job::Delete(row.seq))),
        }
    }

    fn settle(&mut self, settlement: Settlement) {
        if settlement.round != self.round {
            return;
        }
        if settlement.is_done {
            self.hand.settle(&settlement.id).into_iter().for_each(|seq| drop(self.jobs.send(Job::Delete(seq))));
        } else {
            self.hand.release(&settlement.id).into_iter().for_each(|seq| drop(self.jobs.send(Job::Release(seq))));
        }
    }

    /// What is in hand lies where it lay before; the next look takes it in its order.
    fn give_back(&mut self) {
        while let Ok(settlement) = self.settlements.try_recv() {
            self.settle(settlement);
        }
        self.hand.release_all().into_iter().for_each(|seq| drop(self.jobs.send(Job::Release(seq))));
        self.round += 1;
    }

    /// Returns once everything settled is written; what is not settled waits for the next taker.
    async fn finish(&mut self) {
        while let Ok(settlement) = self.settlements.try_recv() {
            self.settle(settlement);
        }
        self.hand.release_all();
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Depths(reply)).ok();
        answer.await.ok();
    }
}
