//! Holds what the workers of both classes share: pauses, limits, the rules they decide by, and what each has in flight.
//! No IO.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::Label as _;
use event::{Class, EventId};
use queue::ClassLabel;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answers::{Answers, DestinationAnswers};
use crate::destination::{Destination, Target, Targets};
use crate::limiter::{Limit, Limiter};
use crate::metrics::Metrics;
use crate::pauses::{Admission, Obstacle, PauseReason, Paused, Pauses, Permit, Scope, Wake};
use crate::remedy::Outcome;
use crate::retry_policy::RetryPolicy;
use crate::trails::Trails;

/// What one worker has in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) envelopes: usize,
    /// Age of the oldest one, counted from its entry into the queue.
    pub(crate) oldest: Duration,
}

/// What the workers share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) targets: Targets,
    pub(crate) retry_policy: RetryPolicy,
    /// Longest time an envelope is held before it is given back.
    pub(crate) hold_time: Duration,
    pub(crate) metrics: Metrics,
    /// What the store is to remember of events that were not delivered at once.
    pub(crate) trails: Arc<Trails>,
    /// Draws a number of `[0, 1)`.
    pub(crate) dice: fn() -> f64,
    pauses: Mutex<Pauses>,
    limiter: Mutex<Limiter>,
    answers: Mutex<Answers>,
    /// How many dispatchers share the limits of destinations. Written by one task; a worker that reads an older number only
    /// keeps an older share.
    dispatchers: AtomicU32,
    /// Changes whenever envelopes that wait for an obstacle should ask again.
    reopenings: watch::Sender<u64>,
    loads: Mutex<[Load; 2]>,
}

impl State {
    pub(crate) fn new(targets: Targets, hold_time: Duration, metrics: Metrics, dice: fn() -> f64) -> Self {
        Self {
            targets,
            retry_policy: RetryPolicy::default(),
            hold_time,
            metrics,
            trails: Arc::default(),
            dice,
            pauses: Mutex::default(),
            limiter: Mutex::default(),
            answers: Mutex::default(),
            dispatchers: AtomicU32::new(1),
            reopenings: watch::Sender::new(0),
            loads: Mutex::default(),
        }
    }

    /// Changes whenever envelopes that wait for an obstacle should ask again.
    pub(crate) fn reopenings(&self) -> watch::Receiver<u64> {
        self.reopenings.subscribe()
    }

    /// What the worker of a class had in flight when it last reported.
    pub(crate) fn load(&self, class: Class) -> Load {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)[class as usize]
    }

    /// A worker reports what it has in flight.
    pub(crate) fn report(&self, class: Class, load: Load, now: Instant) {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)[class as usize] = load;
        self.metrics.oldest_in_flight_seconds.set(ClassLabel(class), load.oldest);
        self.metrics.in_flight.set(ClassLabel(class), load.envelopes);
        // Some pauses end without an attempt: a record was replaced, or nothing waits for them any more.
        let mut pauses = self.pauses();
        let has_reopened = pauses.remove_unprobed(now);
        self.count(&pauses);
        drop(pauses);
        if has_reopened {
            self.reopen();
        }
    }

    /// This many dispatchers live, this one included.
    pub(crate) fn set_dispatchers(&self, dispatchers: NonZeroU32) {
        self.dispatchers.store(dispatchers.get(), Ordering::Relaxed);
    }

    /// Asks for an attempt.
    pub(crate) fn admit(&self, target: Target, now: Instant) -> Admission {
        let destination = target.destination.clone();
        let limit = self.limit(&target);
        let mut limiter = self.limiter();
        if let Some(until) = limiter.wait(&destination, limit, now) {
            return Admission::Wait { obstacle: Obstacle::Limit(destination), until };
        }
        let mut pauses = self.pauses();
        let before = pauses.scopes().len();
        let admission = pauses.admit(target, now);
        let has_reopened = pauses.scopes().len() < before;
        if matches!(admission, Admission::Go(_)) {
            limiter.begin(&destination, limit, now);
        }
        drop(pauses);
        drop(limiter);
        if has_reopened {
            self.reopen();
        }
        admission
    }

    /// Which of the lanes that wait for this obstacle may ask again.
    pub(crate) fn wake(&self, obstacle: &Obstacle, now: Instant) -> Wake {
        match obstacle {
            Obstacle::Pause(scope) => self.pauses().wake(scope, now),
            Obstacle::Limit(destination) => self.limiter().wake(destination, now),
        }
    }

    /// Takes note of how the attempt of event `id` ended; `true` if its target is paused now.
    pub(crate) fn ended(&self, permit: Permit, id: &EventId, outcome: &Outcome, now: Instant) -> bool {
        let destination = &permit.target().destination;
        let may_another_begin = self.limiter().end(destination, now);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).note(destination, outcome, now);
        let mut pauses = self.pauses();
        let had_any = pauses.scopes().len() > 0;
        let consequence = pauses.ended(permit, id, outcome, now, (self.dice)());
        if had_any || consequence.is_paused {
            self.count(&pauses);
        }
        drop(pauses);
        if consequence.has_reopened || may_another_begin {
            self.reopen();
        }
        consequence.is_paused
    }

    /// Takes note that an admitted attempt ended without an outcome.
    pub(crate) fn abandoned(&self, permit: Permit, now: Instant) {
        let may_another_begin = self.limiter().end(&permit.target().destination, now);
        if self.pauses().abandoned(permit) || may_another_begin {
            self.reopen();
        }
    }

    /// Whether the breaker of the destination's origin is open.
    pub(crate) fn is_down(&self, destination: &Destination) -> bool {
        self.pauses().is_paused(&Scope::Origin(Arc::clone(&destination.origin)))
    }

    /// What is paused now.
    pub(crate) fn paused(&self, now: Instant) -> Vec<Paused> {
        self.pauses().list(now)
    }

    /// How the latest attempts at each destination ended.
    pub(crate) fn answers(&self, now: Instant) -> Vec<DestinationAnswers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).recent(now)
    }

    fn limit(&self, target: &Target) -> Limit {
        let dispatchers = NonZeroU32::new(self.dispatchers.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN);
        let limits = target.route.limits;
        Limit::share(limits.requests_at_once, limits.requests_per_second, dispatchers)
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reopen(&self) {
        self.reopenings.send_modify(|count| *count += 1);
    }

    fn count(&self, pauses: &Pauses) {
        for reason in PauseReason::ALL {
            let paused = pauses.scopes().filter(|scope| scope.reason() == *reason).count();
            self.metrics.pauses.set(*reason, paused);
        }
    }
}
