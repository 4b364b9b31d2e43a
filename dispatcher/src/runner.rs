//! Runs a worker: hands it events, carries out the work that follows, and gives back what a stop or a long wait
//! interrupts.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use chassis::now;
use event::{Class, Envelope};
use futures_util::FutureExt as _;
use queue::{PartitionSet, Taken, Taker};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use crate::contacts::Found;
use crate::lanes::Flight;
use crate::markers::{Done, mark};
use crate::notes::{forget_deferred, note_deferral};
use crate::pace::Paces;
use crate::pauses::Permit;
use crate::remedy::Outcome;
use crate::room::{Intake, Space};
use crate::settings::DispatcherSettings;
use crate::settle::settle;
use crate::sources::Sources;
use crate::state::State;
use crate::systems::Systems;
use crate::worker::{AttemptEnd, Completion, Deferral, Ended, LaneEvent, Marked, Moment, Work, Worker, WorkerEvent};

/// Runs the worker of one class.
pub(crate) struct Runner {
    class: Class,
    worker: Worker<Taken>,
    sources: Sources,
    systems: Arc<Systems>,
    completions: mpsc::UnboundedSender<Completion<Taken>>,
    /// The partitions of which everything in flight is about to be given back: a copy that can't be published is not waited
    /// for then.
    draining: watch::Sender<PartitionSet>,
    is_held: bool,
}

impl Runner {
    /// The most envelopes of a partition in flight: RabbitMQ gives one consumer no more. One conversation may have as many.
    pub(crate) const WINDOW: u16 = 2_000;
    /// The most envelopes of a class in flight.
    const IN_FLIGHT_MAX: usize = 4_096;
    /// The most bytes of bodies of a class in flight.
    const BYTES_IN_FLIGHT_MAX: usize = 64 * 1024 * 1024;

    pub(crate) fn new(state: Arc<State>, systems: Arc<Systems>, class: Class, window: u16, taker: Taker) -> Self {
        // Unbounded in name only: it holds at most one completion for each envelope in flight.
        let (completions, completed) = mpsc::unbounded_channel();
        let is_away = systems.lookups.is_away();
        let space =
            Space { of_partition: taker.window(), envelopes: Self::IN_FLIGHT_MAX, bytes: Self::BYTES_IN_FLIGHT_MAX };
        let partitions = taker.partitions();
        let sources = Sources::new(taker, completed, is_away, state.reopenings(), systems.shutdown.clone());
        let intake = Intake { partitions, space };
        let worker = Worker::new(state, class, window, intake, Paces::of_a_runner());
        Self { class, worker, sources, systems, completions, draining: watch::Sender::default(), is_held: false }
    }

    /// Works until a stop is asked for, then finishes the work under way and gives back the rest.
    pub(crate) async fn run(mut self) {
        loop {
            let event = self.sources.next_event(self.worker.next_due()).await;
            if matches!(event, WorkerEvent::Stop) {
                break;
            }
            let is_lost = matches!(event, WorkerEvent::Lost);
            self.apply(event);
            if is_lost {
                self.sources.taker.let_go();
            }
            self.hold_or_resume().await;
            while let Some(partition) = self.worker.drained() {
                self.sources.taker.give_back(partition).await;
                self.apply(WorkerEvent::GivenBack(partition));
            }
        }
        self.stop().await;
    }

    async fn stop(mut self) {
        self.sources.taker.hold().await;
        let drained = timeout(DispatcherSettings::DRAIN, async {
            self.apply(WorkerEvent::Stop);
            while self.worker.is_busy()
                && let Some(event) = self.sources.next_completion().await
            {
                self.apply(event);
            }
        });
        drained.await.ok();
        let unfinished = self.worker.out();
        let unsettled = self.worker.finish();
        let class = self.class.as_str();
        info!(class, unfinished, given_back = unsettled.len(), "Giving back what is not settled");
        // The queue gives all of them back in their order before they are dropped one by one.
        self.sources.taker.finish().await;
        drop(unsettled);
        self.systems.trails.write(&self.systems.store, &self.systems.instance).await;
    }

    /// Takes nothing while the worker wants nothing more.
    async fn hold_or_resume(&mut self) {
        let wants_hold = self.worker.wants_hold();
        if wants_hold == self.is_held {
            return;
        }
        self.is_held = wants_hold;
        if wants_hold {
            self.sources.taker.hold().await;
        } else {
            self.sources.taker.resume().await;
        }
    }

    fn apply(&mut self, event: WorkerEvent<Taken>) {
        for work in self.worker.apply(event, Moment::now()) {
            self.start(work);
        }
        let draining = self.worker.draining();
        self.draining.send_if_modified(|before| std::mem::replace(before, draining) != draining);
    }

    /// Starts a task that carries out `work`.
    fn start(&self, work: Work<Taken>) {
        let systems = Arc::clone(&self.systems);
        let completions = self.completions.clone();
        let draining = self.draining.subscribe();
        // A panic stops the process. The queue has the envelopes of the work back once it has ended.
        self.systems.shutdown.spawn(async move {
            completions.send(carry_out(work, &systems, draining).await).ok();
        });
    }
}

async fn carry_out(work: Work<Taken>, systems: &Systems, draining: watch::Receiver<PartitionSet>) -> Completion<Taken> {
    match work {
        Work::LookUp(flights) => {
            let answers = look_up(&flights, systems, draining).await;
            Completion::LookUp { flights, answers }
        }
        Work::Attempt { flight, permit } => attempt(flight, permit, systems).await,
        Work::Settle { flight, settlement } => {
            let ticket = flight.ticket;
            let partition = flight.item.partition();
            let bytes = flight.item.envelope.body.len();
            let event = LaneEvent { lane: flight.lane.clone(), id: flight.id.clone() };
            let interrupted = settle(systems, flight, settlement, draining).await.err().map(Box::new);
            Completion::Settlement { ticket, partition, bytes, event, interrupted }
        }
        Work::Note { lane, ids, delay, deferrals } => {
            let given_up = all_drain(deferrals.iter().map(|Deferral { flight, .. }| flight), draining);
            let noted = note_deferral(systems, &lane, &ids, delay, given_up).await;
            Completion::Noted { lane, deferrals, noted }
        }
        Work::Forget { lane, ids } => {
            forget_deferred(systems, &lane, &ids).await;
            Completion::Forgotten
        }
        Work::Mark(ended) => {
            let marked = ended.iter().map(|ended| Marked::of(&ended.flight)).collect();
            let done = ended.into_iter().map(|Ended { flight, end }| Done { taken: flight.item, end });
            mark(systems, done.collect()).await;
            Completion::Mark(marked)
        }
        Work::Survey => {
            let endpoints = systems.store.endpoints(now()).await;
            Completion::Survey(endpoints.inspect_err(|error| debug!("Could not read the endpoints: {error}")).ok())
        }
    }
}

/// Gives up if all of them are about to be given back while the store is away.
async fn look_up(
    flights: &[Flight<Taken>],
    systems: &Systems,
    draining: watch::Receiver<PartitionSet>,
) -> Option<Vec<Found>> {
    let envelopes: Vec<&Envelope> = flights.iter().map(|flight| &flight.item.envelope).collect();
    systems.lookups.look_up(&envelopes, all_drain(flights.iter(), draining)).await
}

/// Waits until all of these are about to be given back.
fn all_drain<'f>(
    flights: impl Iterator<Item = &'f Flight<Taken>>,
    mut draining: watch::Receiver<PartitionSet>,
) -> impl Future<Output = ()> {
    let partitions: PartitionSet = flights.map(|flight| flight.item.partition()).collect();
    async move {
        draining.wait_for(|draining| partitions.iter().all(|partition| draining.contains(partition))).await.ok();
    }
}

async fn attempt(flight: Flight<Taken>, permit: Permit, systems: &Systems) -> Completion<Taken> {
    let number = flight.item.envelope.attempts + flight.attempts + 1;
    let started = Instant::now();
    let outcome = {
        let attempt = std::pin::pin!(systems.attempts.make(&flight.item.envelope, permit.target(), number));
        AssertUnwindSafe(attempt).catch_unwind().await.ok()
    };
    if outcome.as_ref().is_some_and(Outcome::is_attempt) {
        systems.metrics.attempt_seconds.observe_duration(started.elapsed());
    }
    Completion::Attempt(Box::new(AttemptEnd { flight, permit, outcome }))
}
