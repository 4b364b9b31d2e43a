//! Carries out the work of simulated dispatchers: it takes its effect after a while, and its worker hears of that later. Where the
//! store or the queue is away, it is tried again until a drain or a stop gives it up, as the runner does.

use std::rc::Rc;
use std::time::Duration;

use event::{Envelope, EventId, Lane};

use super::agenda::{Due, SeatId};
use super::broker::Message;
use super::chance::{millis, one_in};
use super::dsk::{self, Reply};
use super::faults::What;
use super::parcel::Parcel;
use super::store::{lane_number, number};
use super::task::{Answer, Task};
use super::world::World;
use crate::lanes::Flight;
use crate::remedy::{Outcome, Reason};
use crate::retry_policy::RetryPolicy;
use crate::worker::{Deferral, Ended, Settlement, Work};

/// Something has taken its effect. Its worker hears of that after `takes`.
struct Effect {
    answer: Answer,
    takes: Duration,
}

impl World {
    pub(super) fn begin(&mut self, id: SeatId, work: Work<Parcel>) {
        self.check_work(id, &work);
        if let Work::Settle { flight, settlement: Settlement::Retry(..) | Settlement::DeadLetter(..) } = &work {
            self.ledger.leaves_lane(&flight.id);
        }
        let takes = match &work {
            Work::Attempt { .. } | Work::Settle { .. } => millis(0..15),
            Work::LookUp(_) | Work::Note { .. } | Work::Forget { .. } | Work::Mark(_) | Work::Survey => {
                self.store_time()
            }
        };
        self.last_task += 1;
        let task = self.last_task;
        if let Some(seat) = self.seat(id) {
            seat.tasks.insert(task, Task { work, failures: 0, answer: None });
        }
        self.later(takes, Due::Effect { seat: id, task, failures: 0 });
    }

    pub(super) fn take_effect(&mut self, id: SeatId, number: u64, failures: u32) {
        let Some(mut task) = self.seat(id).and_then(|seat| seat.tasks.remove(&number)) else { return };
        if task.answer.is_none() && task.failures == failures {
            if let Some(Effect { answer, takes }) = self.effect(id, &task) {
                task.answer = Some(answer);
                self.later(takes, Due::Done { seat: id, task: number });
            } else {
                task.failures += 1;
                self.later(millis(100..2_000), Due::Effect { seat: id, task: number, failures: task.failures });
            }
        }
        if let Some(seat) = self.seat(id) {
            seat.tasks.insert(number, task);
        }
    }

    pub(super) fn complete(&mut self, id: SeatId, number: u64) {
        let Some(seat) = self.seat(id) else { return };
        let Some(task) = seat.tasks.remove(&number) else { return };
        self.note_asked_pause(id, &task);
        let is_copied = task.is_copied();
        let Some(seat) = self.seat(id) else { return };
        seat.completed.push(task.complete());
        self.dispose_of(id, is_copied);
        self.wake_soon(id);
    }

    /// What waits for the store or the queue hears that a drain has begun.
    pub(super) fn give_up_waiting(&mut self, id: SeatId) {
        let Some(seat) = self.seat(id) else { return };
        let waiting = seat.tasks.iter_mut().filter(|(_, task)| task.failures > 0 && task.answer.is_none());
        let again: Vec<Due> = waiting
            .map(|(number, task)| {
                task.failures += 1;
                Due::Effect { seat: id, task: *number, failures: task.failures }
            })
            .collect();
        again.into_iter().for_each(|due| self.later(Duration::ZERO, due));
    }

    /// `None`: it has to be tried again.
    fn effect(&mut self, id: SeatId, task: &Task) -> Option<Effect> {
        match &task.work {
            Work::LookUp(flights) => self.look_up(id, flights, task.failures),
            Work::Attempt { flight, .. } => Some(self.attempt(number(&flight.id))),
            Work::Settle { flight, settlement } => self.settle(id, flight, settlement, task.failures),
            Work::Note { deferrals, .. } if task.failures > 0 && self.all_drain(id, flights_of(deferrals)) => {
                Some(Effect { answer: Answer::Noted(None), takes: Duration::ZERO })
            }
            Work::Note { deferrals, .. } if self.is_store_away(id) => self
                .all_drain(id, flights_of(deferrals))
                .then_some(Effect { answer: Answer::Noted(None), takes: Duration::ZERO }),
            Work::Note { lane, ids, delay, .. } => {
                let noted = self.store.note(lane, ids, *delay, self.now.timestamp);
                Some(Effect { answer: Answer::Noted(Some(noted)), takes: self.store_time() })
            }
            Work::Forget { lane, ids } => self.forget(id, lane, ids),
            Work::Mark(ended) => Some(self.mark(id, ended)),
            Work::Survey => {
                let endpoints = (!self.is_store_away(id)).then(|| self.store.endpoints().collect());
                Some(Effect { answer: Answer::Surveyed(endpoints), takes: self.store_time() })
            }
        }
    }

    fn look_up(&mut self, id: SeatId, flights: &[Flight<Parcel>], failures: u32) -> Option<Effect> {
        let given_up = Effect { answer: Answer::Found(None), takes: Duration::ZERO };
        let is_given_up = self.all_drain(id, flights.iter());
        if failures > 0 && is_given_up {
            return Some(given_up);
        }
        if self.is_store_away(id) {
            self.note_store_away(id.dispatcher);
            return is_given_up.then_some(given_up);
        }
        self.note_store_back(id.dispatcher);
        let time = self.elapsed();
        let found = |flight: &Flight<Parcel>| self.store.found(&self.plan, &flight.item.envelope, time);
        let answer = Answer::Found(Some(flights.iter().map(found).collect()));
        Some(Effect { answer, takes: self.store_time() })
    }

    fn attempt(&mut self, event: usize) -> Effect {
        let Reply { outcome, takes, is_stored } = dsk::reply(&self.plan, event, self.elapsed());
        self.trace(|_| format!("event {event} is attempted: {outcome:?}"));
        if is_stored {
            self.ledger.arrive(event, self.elapsed());
        }
        if is_stored && !matches!(outcome, Some(Outcome::Delivered { .. })) {
            self.ledger.may_repeat(&EventId::new(event.to_string()));
        }
        if outcome.is_none() {
            self.ledger.panicked(event);
        }
        Effect { answer: Answer::Attempted(outcome), takes }
    }

    fn settle(
        &mut self,
        id: SeatId,
        flight: &Flight<Parcel>,
        settlement: &Settlement,
        failures: u32,
    ) -> Option<Effect> {
        let settled = |is_copied, takes| Effect { answer: Answer::Settled { is_copied }, takes };
        let envelope = &flight.item.envelope;
        let is_unrecognized = matches!(settlement, Settlement::DeadLetter(Reason::Unrecognized, _));
        let is_store_away = self.is_store_away(id);
        let needs_no_letter = self.store.is_marked(&flight.id) || self.store.is_erased(envelope);
        if is_unrecognized && !is_store_away && needs_no_letter {
            return Some(settled(true, self.store_time()));
        }
        let place = self.dispatchers.get(&id.dispatcher).map_or(0, |dispatcher| dispatcher.place);
        if self.plan.lacks_confirms(place, self.elapsed()) {
            if failures == 0 && one_in(3) {
                // It arrived, and only its confirm did not.
                self.ledger.may_repeat(&flight.id);
                self.publish_copy(flight, settlement);
            }
            let is_draining = self.seat(id).is_some_and(|seat| seat.draining.contains(flight.item.partition));
            return is_draining.then(|| settled(false, Duration::ZERO));
        }
        self.publish_copy(flight, settlement);
        if is_unrecognized && is_store_away {
            self.ledger.may_repeat(&flight.id);
        } else if is_unrecognized {
            self.store.mark(&flight.id);
        }
        Some(settled(true, millis(0..15)))
    }

    fn publish_copy(&mut self, flight: &Flight<Parcel>, settlement: &Settlement) {
        let original = &*flight.item.envelope;
        let attempts = original.attempts + flight.attempts;
        let mut copy = Envelope { attempts, copies: original.copies + 1, ..original.clone() };
        let lane = lane_number(&copy.lane);
        self.trace(|_| format!("event {} of lane {lane} is settled: {settlement:?}", copy.id));
        let mut was_failed = false;
        let tier = match settlement {
            Settlement::Retry(tier, failure) => {
                copy.visits += u32::from(RetryPolicy::counts(failure));
                was_failed = true;
                tier
            }
            Settlement::Defer(tier) => tier,
            Settlement::DeadLetter(reason, _) => {
                return self.ledger.park(&copy, *reason, self.store.is_restricted(lane));
            }
        };
        self.ledger.retry(&copy, was_failed, self.elapsed() + tier.delay());
        let planned = &self.plan.lanes[lane];
        let queue = self.plan.queue(planned.class, planned.partition);
        let message = Message { envelope: Rc::new(copy), fault: None, deliveries: 0, was_redelivered: false, queue };
        self.broker.publish_for_later(message, self.now.instant + tier.delay());
    }

    fn forget(&mut self, id: SeatId, lane: &Lane, ids: &[EventId]) -> Option<Effect> {
        let done = Effect { answer: Answer::Done, takes: self.store_time() };
        if self.is_store_away(id) {
            let is_stopping = self.dispatchers.get(&id.dispatcher).is_some_and(|dispatcher| dispatcher.is_stopping);
            return is_stopping.then_some(done);
        }
        self.store.forget(lane, ids);
        Some(done)
    }

    fn mark(&mut self, id: SeatId, ended: &[Ended<Parcel>]) -> Effect {
        let is_away = self.is_store_away(id);
        for Ended { flight, .. } in ended {
            if is_away {
                self.ledger.may_repeat(&flight.id);
            } else {
                self.store.mark(&flight.id);
            }
        }
        Effect { answer: Answer::Done, takes: self.store_time() }
    }

    fn is_store_away(&self, id: SeatId) -> bool {
        let place = self.dispatchers.get(&id.dispatcher).map(|dispatcher| dispatcher.place);
        place.is_some_and(|place| self.plan.is_store_away(place, self.elapsed()))
    }

    /// Half of the time that the store takes.
    fn store_time(&self) -> Duration {
        let is_slow = self.plan.faults_at(self.elapsed()).any(|what| what == What::StoreSlow);
        millis(if is_slow { 100..6_000 } else { 0..6 })
    }

    /// Whether everything of their partitions is about to be given back.
    fn all_drain<'f>(&mut self, id: SeatId, mut flights: impl Iterator<Item = &'f Flight<Parcel>>) -> bool {
        let draining = self.seat(id).map(|seat| seat.draining).unwrap_or_default();
        flights.all(|flight| draining.contains(flight.item.partition))
    }
}

fn flights_of(deferrals: &[Deferral<Parcel>]) -> impl Iterator<Item = &Flight<Parcel>> {
    deferrals.iter().map(|deferral| &deferral.flight)
}
