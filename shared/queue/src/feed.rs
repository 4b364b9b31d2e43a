//! The back end's side of a [`Taker`]: hands out envelopes, and receives how they were settled and what is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event::Class;
use tokio::sync::{mpsc, watch};
use tracing::debug;

use crate::in_flight::{Arrival, CopyKey, InFlight};
use crate::metrics::{ClassLabel, Metrics};
use crate::partition::{Partition, PartitionSet};
use crate::receipts::Receipts;
use crate::taker::{
    Disposition, DispositionKind, Incoming, PartitionHandle, Possession, Seen, Taken, Taker, TakerCommand,
};

/// Commands that wait for the back end; a taker that sends more waits.
const COMMANDS_MAX: usize = 8;

/// Feeds a [`Taker`] from one partition. Its back end knows each envelope by a tag: RabbitMQ's delivery tag, or the row.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) class: Class,
    pub(crate) partition: Partition,
    /// The most envelopes in flight at once.
    pub(crate) window: u16,
    /// Whether nothing may be taken until the taker resumes.
    pub(crate) is_held: bool,
    metrics: Metrics,
    in_flight: InFlight,
    /// How many connections were lost. Every envelope in flight reads it.
    losses: Arc<AtomicU64>,
    /// Whether the taker may still have something of a lost connection that only waits.
    is_letting_go: bool,
    /// Counts the losses of all partitions. The taker's side watches it.
    all_losses: watch::Sender<u64>,
    /// The partitions of which nothing comes until what is in flight is settled.
    stalled: watch::Sender<PartitionSet>,
    receipts: Receipts,
    round: u64,
    taken: mpsc::Sender<Taken>,
    commands: mpsc::Receiver<TakerCommand>,
    dispositions: mpsc::UnboundedReceiver<Disposition>,
    /// Goes along with every envelope, so that it can be settled.
    disposition_sender: mpsc::UnboundedSender<Disposition>,
}

/// What the taker's side wants.
#[derive(Debug)]
pub(crate) enum FeedEvent {
    Disposition(TagDisposition),
    Command(TakerCommand),
    /// The taker was dropped without being finished.
    TakerGone,
}

/// What becomes of an event's tags on the present connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TagDisposition {
    Acknowledge(Vec<u64>),
    GiveBack(Vec<u64>),
}

impl Feed {
    /// A taker with at most `window` envelopes of each of these partitions in flight, and what feeds it.
    pub(crate) fn all(class: Class, partitions: usize, window: u16, metrics: &Metrics) -> (Vec<Self>, Taker) {
        let window = window.max(1);
        let (taken, receiver) = mpsc::channel(usize::from(window) * partitions);
        let all_losses = watch::Sender::new(0);
        let stalled = watch::Sender::new(PartitionSet::default());
        let receipts = Receipts::new(partitions);
        let mut feeds = Vec::new();
        let mut handles = Vec::new();
        for partition in Partition::first(partitions) {
            let (command_sender, commands) = mpsc::channel(COMMANDS_MAX);
            // Unbounded in name only: it holds at most one disposition for each envelope in flight.
            let (disposition_sender, dispositions) = mpsc::unbounded_channel();
            let losses = Arc::new(AtomicU64::new(0));
            handles.push(PartitionHandle {
                commands: command_sender,
                dispositions: disposition_sender.clone(),
                round: 0,
                losses: Arc::clone(&losses),
                let_go: 0,
            });
            feeds.push(Self {
                class,
                partition,
                window,
                is_held: false,
                metrics: metrics.clone(),
                in_flight: InFlight::default(),
                losses,
                is_letting_go: false,
                all_losses: all_losses.clone(),
                stalled: stalled.clone(),
                receipts: receipts.clone(),
                round: 0,
                taken: taken.clone(),
                commands,
                dispositions,
                disposition_sender,
            });
        }
        let seen = Seen { losses: all_losses.subscribe(), stalled: stalled.subscribe(), receipts };
        (feeds, Taker::new(receiver, window, seen, handles))
    }

    /// Waits for what the taker's side wants. Commands go first.
    pub(crate) async fn next_event(&mut self) -> FeedEvent {
        tokio::select! {
            biased;
            command = self.commands.recv() => command.map_or(FeedEvent::TakerGone, FeedEvent::Command),
            Some(disposition) = self.dispositions.recv() => FeedEvent::Disposition(self.settle(disposition)),
        }
    }

    /// The next disposition that has already been made.
    pub(crate) fn next_disposition(&mut self) -> Option<TagDisposition> {
        let disposition = self.dispositions.try_recv().ok()?;
        Some(self.settle(disposition))
    }

    pub(crate) fn has_command(&self) -> bool {
        !self.commands.is_empty()
    }

    /// How many more events fit into the window.
    pub(crate) fn room(&self) -> usize {
        usize::from(self.window).saturating_sub(self.in_flight.len())
    }

    /// Hands an envelope to the taker, unless its event is in flight already or this very copy was settled before.
    pub(crate) async fn hand_out(&mut self, incoming: Incoming) -> Arrival {
        self.receipts.note(self.partition);
        self.metrics.taken_total.inc(ClassLabel(self.class));
        if incoming.was_redelivered {
            self.metrics.redelivered_total.inc();
        }
        let arrival = self.in_flight.arrive(incoming.tag, CopyKey::of(&incoming.envelope), incoming.was_redelivered);
        match arrival {
            Arrival::New => {
                let last = self.in_flight.last_connection(&incoming.envelope.id);
                let possession = Possession { last, losses: Arc::clone(&self.losses) };
                let taken =
                    Taken::new(incoming, self.partition, possession, self.disposition_sender.clone(), self.round);
                // If the taker is gone, the envelope is dropped here, and so goes back to the queue.
                self.taken.send(taken).await.ok();
            }
            Arrival::Joined => self.metrics.joined_total.inc(),
            Arrival::AlreadySettled => {
                let id = &incoming.envelope.id;
                debug!(event.id = %id, "Event {id} was settled before the connection broke");
            }
        }
        arrival
    }

    /// Notes whether nothing comes until what is in flight is settled.
    pub(crate) fn note_stall(&self, is_stalled: bool) {
        self.stalled.send_if_modified(|stalled| {
            let is_news = stalled.contains(self.partition) != is_stalled;
            if is_stalled {
                stalled.insert(self.partition);
            } else {
                stalled.remove(self.partition);
            }
            is_news
        });
    }

    /// The connection is gone, and its tags with it. What is in flight stays in flight.
    pub(crate) fn connection_lost(&mut self) {
        self.in_flight.connection_lost();
        self.note_stall(false);
        self.is_letting_go = self.in_flight.len() > 0;
        self.losses.fetch_add(1, Ordering::Relaxed);
        self.all_losses.send_modify(|losses| *losses += 1);
    }

    /// Nothing is in flight any more. Returns the tags of what was.
    pub(crate) fn release_all(&mut self) -> Vec<u64> {
        self.is_letting_go = false;
        self.in_flight.release_all()
    }

    /// Begins a new round: dispositions of envelopes that were handed out before are ignored. Returns its number.
    pub(crate) fn begin_round(&mut self) -> u64 {
        self.round += 1;
        self.round
    }

    /// Whether nothing may be taken now: the taker does not want it, or may still have what would come again.
    pub(crate) fn must_wait(&self) -> bool {
        self.is_held || self.is_letting_go
    }

    fn settle(&mut self, disposition: Disposition) -> TagDisposition {
        match disposition {
            Disposition::Settle { id, round, kind } if round == self.round => match kind {
                DispositionKind::Acknowledge => TagDisposition::Acknowledge(self.in_flight.settle(&id)),
                DispositionKind::GiveBack => TagDisposition::GiveBack(self.in_flight.release(&id)),
            },
            Disposition::Settle { .. } => TagDisposition::Acknowledge(Vec::new()),
            Disposition::LetGo { losses } => {
                self.is_letting_go &= losses != self.losses.load(Ordering::Relaxed);
                TagDisposition::Acknowledge(Vec::new())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use event::EventId;
    use prometheus::Registry;

    use super::*;
    use crate::stand_in::stand_in;

    fn feed(window: u16) -> (Feed, Taker) {
        let (mut feeds, taker) = Feed::all(Class::Messages, 1, window, &Metrics::register(&Registry::new()).unwrap());
        (feeds.remove(0), taker)
    }

    fn incoming(tag: u64, id: &str) -> Incoming {
        let envelope = stand_in(EventId::new(id), Class::Messages, "{}".into());
        Incoming { tag, envelope, fault: None, was_redelivered: false, deliveries: 0 }
    }

    #[tokio::test]
    async fn an_acknowledgement_settles_the_tags_of_every_copy() {
        let (mut feed, mut taker) = feed(10);
        assert_eq!(feed.hand_out(incoming(1, "evt_a")).await, Arrival::New);
        assert_eq!(feed.hand_out(incoming(2, "evt_a")).await, Arrival::Joined);
        assert_eq!(feed.room(), 9, "copies of one event need one place");

        taker.take().await.unwrap().acknowledge();

        assert_eq!(feed.next_disposition(), Some(TagDisposition::Acknowledge(vec![1, 2])));
        assert_eq!(feed.next_disposition(), None);
        assert_eq!(feed.room(), 10);
    }

    #[tokio::test]
    async fn an_envelope_that_is_dropped_is_given_back() {
        let (mut feed, mut taker) = feed(10);
        feed.hand_out(incoming(1, "evt_a")).await;

        drop(taker.take().await);

        assert_eq!(feed.next_disposition(), Some(TagDisposition::GiveBack(vec![1])));
    }

    #[tokio::test]
    async fn an_acknowledgement_of_an_earlier_round_is_ignored() {
        let (mut feed, mut taker) = feed(10);
        feed.hand_out(incoming(1, "evt_a")).await;
        let old = taker.take().await.unwrap();

        assert_eq!(feed.release_all(), [1]);
        feed.begin_round();
        feed.hand_out(incoming(2, "evt_a")).await;
        old.acknowledge();

        assert_eq!(feed.next_disposition(), Some(TagDisposition::Acknowledge(Vec::new())));
        assert_eq!(feed.room(), 9, "its event is in flight again");
    }
}
