//! Runs a worker: hands it events, carries out the work that follows, and gives back what a stop or a long wait
//! interrupts.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use event::Class;
use futures_util::FutureExt as _;
use queue::{Taken, Taker};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::info;

use crate::lanes::Flight;
use crate::markers::mark;
use crate::pauses::Permit;
use crate::remedy::Outcome;
use crate::settings::DispatcherSettings;
use crate::settle::settle;
use crate::sources::Sources;
use crate::state::State;
use crate::systems::Systems;
use crate::worker::{AttemptEnd, Completion, Moment, Work, Worker, WorkerEvent};

/// Runs the worker of one class.
pub(crate) struct Runner {
    class: Class,
    worker: Worker<Taken>,
    sources: Sources,
    systems: Arc<Systems>,
    completions: mpsc::UnboundedSender<Completion<Taken>>,
}

impl Runner {
    pub(crate) fn new(state: Arc<State>, systems: Arc<Systems>, class: Class, window: u16, taker: Taker) -> Self {
        // Unbounded in name only: it holds at most one completion for each envelope in flight.
        let (completions, completed) = mpsc::unbounded_channel();
        let is_away = systems.lookups.is_away();
        let sources = Sources::new(taker, completed, is_away, state.reopenings(), systems.shutdown.clone());
        Self { class, worker: Worker::new(state, class, window), sources, systems, completions }
    }

    /// Works until a stop is asked for, then finishes the work under way and gives back the rest.
    pub(crate) async fn run(mut self) {
        loop {
            let event = self.sources.next_event(self.worker.next_due()).await;
            match event {
                WorkerEvent::Stop => break,
                WorkerEvent::Store { is_away: true } => self.sources.taker.hold().await,
                WorkerEvent::Store { is_away: false } => self.sources.taker.resume().await,
                WorkerEvent::Taken(_)
                | WorkerEvent::Completed(_)
                | WorkerEvent::Due
                | WorkerEvent::Reopened
                | WorkerEvent::Tick
                | WorkerEvent::GivenBack => {}
            }
            self.apply(event);
            if self.worker.is_drained() {
                self.sources.taker.give_back().await;
                self.apply(WorkerEvent::GivenBack);
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
    }

    fn apply(&mut self, event: WorkerEvent<Taken>) {
        for work in self.worker.apply(event, Moment::now()) {
            self.start(work);
        }
    }

    /// Starts a task that carries out `work`.
    fn start(&self, work: Work<Taken>) {
        let systems = Arc::clone(&self.systems);
        let completions = self.completions.clone();
        // A panic stops the process. The queue has the envelopes of the work back once it has ended.
        self.systems.shutdown.spawn(async move {
            completions.send(carry_out(work, &systems).await).ok();
        });
    }
}

async fn carry_out(work: Work<Taken>, systems: &Systems) -> Completion<Taken> {
    match work {
        Work::LookUp(flights) => {
            let answers = systems.lookups.look_up(flights.iter().map(|flight| &flight.item.envelope)).await;
            Completion::LookUp { flights, answers }
        }
        Work::Attempt { flight, permit } => attempt(flight, permit, systems).await,
        Work::Settle { flight, settlement } => {
            Completion::Settlement(settle(systems, flight, settlement).await.map_err(Box::new))
        }
        Work::Mark(delivered) => {
            let envelopes = delivered.len();
            mark(systems, delivered).await;
            Completion::Mark { envelopes }
        }
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
