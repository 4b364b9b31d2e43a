//! What follows from a look-up or from the end of an attempt.

use std::time::Duration;

use ::event::Envelope;
use channels::{End, LookupAnswer};
use chassis::Label as _;
use hyper::StatusCode;
use queue::ClassLabel;
use tracing::{debug, error, info, warn};

use super::defer::NOTE_TIME;
use super::{AttemptEnd, Ended, Item, Moment, Settlement, Work, Worker, age};
use crate::contacts::Found;
use crate::deferred::Standing;
use crate::group::Group;
use crate::lanes::Flight;
use crate::metrics::{OutcomeLabel, SkipReason};
use crate::pauses::{Admission, Obstacle};
use crate::remedy::{Failure, Outcome, Reason};
use crate::retry_policy::{Next, Situation};
use crate::trails::Step;

/// How often a record that can't be used is read again.
const DAMAGED_WAIT: Duration = Duration::from_secs(5);

impl<T: Item> Worker<T> {
    pub(super) fn looked_up(&mut self, flight: Flight<T>, found: Found, now: Moment) {
        if self.unmarked.contains(&flight.id) {
            return self.skip(flight, SkipReason::Duplicate, now);
        }
        let target = match found.answer {
            LookupAnswer::Delivered => return self.skip(flight, SkipReason::Duplicate, now),
            LookupAnswer::Erased => return self.skip(flight, SkipReason::Erased, now),
            LookupAnswer::Disconnected => return self.skip(flight, SkipReason::Disconnected, now),
            LookupAnswer::Held => return self.move_on(flight, Settlement::DeadLetter(Reason::Held, None), now),
            LookupAnswer::Unknown => Err(Failure::UnknownChannel),
            LookupAnswer::Damaged(reason) => Err(Failure::Damaged(reason)),
            LookupAnswer::Channel(route) => self.state.targets.of(&flight.item.envelope().address, route),
        };
        let address = flight.item.envelope().address.clone();
        let group = match &target {
            Ok(target) => Group::Destination(target.destination.clone()),
            Err(_) => Group::Channel(address.clone()),
        };
        self.hints.learn(&address, &group);
        let Some(flight) = self.lanes.assign(flight, &group) else { return };
        if let Standing::Behind(behind) = self.deferred.standing(&flight.lane, &flight.id, found.deferred, now) {
            return self.wait_behind(flight, &behind, now);
        }
        let target = match target {
            Ok(target) => target,
            Err(failure) => return self.follow(flight, Outcome::Failed(failure), false, now),
        };
        if self.draining().contains(flight.item.partition()) {
            return self.lanes.put_back(flight);
        }
        let limit = Obstacle::Limit(target.destination.clone());
        let Some(flight) = self.lanes.park_behind(flight, &limit) else { return };
        match self.state.admit(target, now.instant) {
            Admission::Go(permit) => self.start(Work::Attempt { flight, permit }),
            Admission::Wait { obstacle, until } => {
                // A limit is no pause: an event that always fails would never leave.
                let is_pause = matches!(obstacle, Obstacle::Pause(_));
                let flight = if is_pause { flight.without_failures() } else { flight };
                self.lanes.park(flight, obstacle, until);
            }
            Admission::Defer(_) if self.deferred.is_being_noted(&flight.lane) => {
                self.lanes.delay(flight, now.instant + NOTE_TIME);
            }
            Admission::Defer(tier) => self.defer_rest(flight, tier, now),
        }
    }

    pub(super) fn attempted(&mut self, end: AttemptEnd<T>, now: Moment) {
        let AttemptEnd { mut flight, permit, outcome } = end;
        let envelope = flight.item.envelope();
        let Some(outcome) = outcome else {
            error!(event.id = %envelope.id, trace_id = envelope.trace_id(), "Delivering event {} panicked", envelope.id);
            self.state.abandoned(permit, now.instant);
            return self.move_on(flight, Settlement::DeadLetter(Reason::Panicked, None), now);
        };
        let is_paused = self.state.ended(permit, &envelope.id, &outcome, now.instant);
        flight.attempts += u32::from(outcome.is_attempt());
        self.follow(flight, outcome, is_paused, now);
    }

    /// Does what follows from the outcome of an attempt, or from the reason why none could be made.
    fn follow(&mut self, mut flight: Flight<T>, outcome: Outcome, is_paused: bool, now: Moment) {
        self.state.metrics.attempts_total.inc(OutcomeLabel::from(&outcome));
        let failure = match outcome {
            Outcome::Delivered { status } => return self.deliver(flight, status, now),
            Outcome::Failed(failure) => failure,
        };
        flight.failures += 1;
        let failing_since = *flight.failing_since.get_or_insert(now.instant);
        let envelope = flight.item.envelope();
        let situation = Situation {
            age: age(envelope, now.timestamp),
            failures: flight.failures,
            failing_for: now.instant.saturating_duration_since(failing_since),
            visits: envelope.visits,
            copies: envelope.copies,
            is_paused,
        };
        match self.state.retry_policy.next(&failure, situation, (self.state.dice)()) {
            Next::AttemptAgain(delay) => {
                log_failure(&flight, &failure, Some(delay));
                self.note_failure(&flight, &failure, Step::Attempt(delay), now);
                self.lanes.delay(flight, now.instant + delay);
            }
            Next::Hold => {
                log_failure(&flight, &failure, None);
                self.note_failure(&flight, &failure, Step::Hold, now);
                // It asks again at once, and is told what to wait for.
                let wait = if is_paused { Duration::ZERO } else { DAMAGED_WAIT };
                self.lanes.delay(flight.without_failures(), now.instant + wait);
            }
            Next::Retry(tier) => self.move_on(flight, Settlement::Retry(tier, failure), now),
            Next::DeadLetter(reason) => self.move_on(flight, Settlement::DeadLetter(reason, Some(failure)), now),
        }
    }

    /// DSK has the event: the next one of its lane may go on, and the event is to be marked.
    fn deliver(&mut self, flight: Flight<T>, status: StatusCode, now: Moment) {
        self.lanes.release(&flight.lane);
        self.note_settled(&flight);
        let envelope = flight.item.envelope();
        let age = age(envelope, now.timestamp);
        self.state.metrics.delivered_total.inc(ClassLabel(envelope.class));
        self.state.metrics.event_age_seconds.observe_duration(ClassLabel(envelope.class), age);
        log_delivered(envelope, status, age);
        let end = End::Delivered { attempt: envelope.attempts + flight.attempts, status: status.as_u16() };
        self.mark(flight, end);
    }

    /// The event is to be marked, together with others.
    fn mark(&mut self, flight: Flight<T>, end: End) {
        self.unmarked.deliver(flight.id.clone());
        self.ended.push(Ended { flight, end });
    }

    fn skip(&mut self, flight: Flight<T>, reason: SkipReason, now: Moment) {
        self.lanes.release(&flight.lane);
        self.note_settled(&flight);
        self.state.metrics.skipped_total.inc(reason);
        log_skipped(flight.item.envelope(), reason);
        match reason {
            SkipReason::Erased => {
                self.state.trails.forget(&flight.id);
                // It is marked: Meta may repeat it, and that is no newer event.
                return self.mark(flight, End::Erased);
            }
            SkipReason::Duplicate => self.note(&flight, None, Step::Repeat, now),
            // A trail would show for days that its channel was removed, which nothing else in the store may tell.
            SkipReason::Disconnected => {}
        }
        self.tally.leave(flight.ticket);
        flight.item.acknowledge();
    }

    /// The next envelope of the lane may go on, because a copy of this one goes elsewhere.
    fn move_on(&mut self, flight: Flight<T>, settlement: Settlement, now: Moment) {
        self.lanes.release(&flight.lane);
        self.settle(flight, settlement, now);
    }
}

fn log_delivered(envelope: &Envelope, status: StatusCode, age: Duration) {
    info!(
        event.id = %envelope.id, event.type = %envelope.event_type, trace_id = envelope.trace_id(),
        status = status.as_u16(), age_ms = age.as_millis(), "Delivered event {}", envelope.id
    );
}

fn log_skipped(envelope: &Envelope, reason: SkipReason) {
    info!(
        event.id = %envelope.id, trace_id = envelope.trace_id(), reason = reason.as_str(),
        "Event {} needs no delivery", envelope.id
    );
}

/// Logs an envelope's first failure as a warning, later ones at debug.
fn log_failure<T: Item>(flight: &Flight<T>, failure: &Failure, delay: Option<Duration>) {
    let id = &flight.item.envelope().id;
    let trace_id = flight.item.envelope().trace_id();
    let attempts = flight.attempts;
    let delay_ms = delay.map(|delay| delay.as_millis());
    let what = if delay.is_some() { "Will try event" } else { "Holding event" };
    if attempts <= 1 && flight.failures <= 1 {
        warn!(event.id = %id, trace_id, attempts, delay_ms, "{what} {id}: {failure}");
    } else {
        debug!(event.id = %id, trace_id, attempts, delay_ms, "{what} {id}: {failure}");
    }
}
