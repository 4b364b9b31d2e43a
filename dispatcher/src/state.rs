//! Holds what the workers of both classes share: pauses, the rules they decide by, and what each has in flight. No IO.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::Label as _;
use event::{Class, EventId};
use queue::ClassLabel;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::destination::{Target, Targets};
use crate::metrics::Metrics;
use crate::pauses::{Admission, PauseReason, Pauses, Permit, Scope};
use crate::remedy::Outcome;
use crate::retry_policy::RetryPolicy;

/// What one worker has in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) envelopes: usize,
    /// Age of the oldest one that waits, counted from its entry into the queue.
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
    /// Draws a number of `[0, 1)`.
    pub(crate) dice: fn() -> f64,
    pauses: Mutex<Pauses>,
    /// Changes whenever envelopes that wait for a pause should ask again.
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
            dice,
            pauses: Mutex::default(),
            reopenings: watch::Sender::new(0),
            loads: Mutex::default(),
        }
    }

    /// Changes whenever envelopes that wait for a pause should ask again.
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
        pauses.remove_unprobed(now);
        self.count(&pauses);
    }

    /// Asks for an attempt.
    pub(crate) fn admit(&self, target: Target, now: Instant) -> Admission {
        self.pauses().admit(target, now)
    }

    /// Takes note of how the attempt of event `id` ended; `true` if its target is paused now.
    pub(crate) fn ended(&self, permit: Permit, id: &EventId, outcome: &Outcome, now: Instant) -> bool {
        let mut pauses = self.pauses();
        let had_any = pauses.scopes().next().is_some();
        let consequence = pauses.ended(permit, id, outcome, now, (self.dice)());
        if had_any || consequence.is_paused {
            self.count(&pauses);
        }
        drop(pauses);
        if consequence.has_reopened {
            self.reopen();
        }
        consequence.is_paused
    }

    /// Takes note that an admitted attempt ended without an outcome.
    pub(crate) fn abandoned(&self, permit: Permit) {
        if self.pauses().abandoned(permit) {
            self.reopen();
        }
    }

    /// Whether the last attempt of any destination succeeded, and within this time.
    pub(crate) fn is_any_healthy(&self, now: Instant, within: Duration) -> bool {
        self.pauses().is_any_healthy(now, within)
    }

    /// What is paused now.
    pub(crate) fn paused(&self) -> Vec<Scope> {
        self.pauses().scopes().cloned().collect()
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
