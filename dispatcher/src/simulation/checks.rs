//! What has to hold in a simulation, at every step and at the end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use event::Address;

use super::agenda::SeatId;
use super::dispatcher::{AskedPause, Seat};
use super::parcel::Parcel;
use super::plan::Kind;
use super::store::lane_number;
use super::task::Task;
use super::world::World;
use crate::lanes::Flight;
use crate::pauses::Admission;
use crate::worker::Work;

/// How long after everything is well the last event may be settled: it may come out of the longest retry queue, and others
/// of its lane after it.
const SETTLED_AFTER: Duration = Duration::from_hours(3);
/// The same where DSK never takes an event, which is tried for a day.
const GIVEN_UP_AFTER: Duration = Duration::from_hours(30);
/// How long an envelope may be in flight while everything is well.
const IN_FLIGHT_MAX: Duration = Duration::from_mins(3);
/// A worker has applied the end of an attempt after this time.
const HEARD_AFTER: Duration = Duration::from_millis(50);
/// Longer than any pause, and than any is kept that nothing waits for.
const LATER: Duration = Duration::from_hours(2);

impl World {
    /// What a worker begins.
    pub(super) fn check_work(&mut self, id: SeatId, work: &Work<Parcel>) {
        let Work::Attempt { flight, .. } = work else { return };
        let Some(dispatcher) = self.dispatchers.get_mut(&id.dispatcher) else { return };
        let lane = lane_number(&flight.lane);
        let of_worker: Vec<&Flight<Parcel>> = dispatcher.seats[id.class].attempts().collect();
        assert!(of_worker.len() < usize::from(self.plan.window), "more is under way than the window allows");
        assert!(of_worker.iter().all(|other| other.lane != flight.lane), "lane {lane} has two attempts under way");

        let customer = self.plan.customer_of(lane);
        let limits = self.plan.customers[customer].limits;
        let all = dispatcher.seats.iter().flat_map(Seat::attempts);
        let at_once = all.filter(|other| self.plan.customer_of(lane_number(&other.lane)) == customer).count();
        let is_allowed = limits.requests_at_once.is_none_or(|limit| at_once < limit.get() as usize);
        assert!(is_allowed, "customer {customer} gets more requests at once than it may: {limits:?}");

        let now = self.now.instant;
        let is_paused = |pause: &AskedPause| (pause.from..pause.until).contains(&now);
        let asked = dispatcher.asked_pauses[customer].as_ref();
        assert!(!asked.is_some_and(is_paused), "customer {customer} gets a request in a pause: {asked:?}");
        let requests = &mut dispatcher.requests[customer];
        while requests.front().is_some_and(|first| *first + Duration::from_secs(1) <= now) {
            requests.pop_front();
        }
        requests.push_back(now);
        let is_allowed =
            limits.requests_per_second.is_none_or(|limit| requests.len() <= limit.get() as usize * 11 / 10 + 2);
        assert!(is_allowed, "customer {customer} gets more requests a second than it may: {limits:?}");
    }

    /// An attempt has ended. Any other answer may end a pause, also one that the worker hears of after it.
    pub(super) fn note_asked_pause(&mut self, id: SeatId, task: &Task) {
        let Some(flight) = task.attempted() else { return };
        let customer = self.plan.customer_of(lane_number(&flight.lane));
        let now = self.now.instant;
        if let Some(dispatcher) = self.dispatchers.get_mut(&id.dispatcher) {
            let asked = &mut dispatcher.asked_pauses[customer];
            let is_unclear = asked.as_ref().is_some_and(|last| last.is_over() && now < last.from + HEARD_AFTER);
            *asked = Some(match task.asked_pause().filter(|_| !is_unclear) {
                Some(pause) => AskedPause { from: now + HEARD_AFTER, until: now + pause },
                None => AskedPause { from: now, until: now },
            });
        }
    }

    /// Nothing is lost, nor there twice.
    pub(super) fn check_seat(&mut self, id: SeatId) {
        let Some(seat) = self.seat(id) else { return };
        if seat.completed.is_empty() {
            let in_flight: usize = seat.feeds.iter().map(|feed| feed.in_flight.len()).sum();
            let known = seat.worker.in_flight() + seat.arrived.len();
            assert_eq!(in_flight, known, "in flight, and known to the worker");
        }
        assert_eq!(seat.worker.is_busy(), !seat.tasks.is_empty() || !seat.completed.is_empty(), "work under way");
    }

    /// Once everything is well, nothing stays in flight.
    pub(super) fn check_held(&mut self, id: SeatId) {
        let now = self.now.instant;
        let calm_from = self.at(self.plan.calm_from);
        let Some(seat) = self.seat(id) else { return };
        for (event, copies) in seat.feeds.iter().flat_map(|feed| &feed.in_flight) {
            let held_since = copies.taken_at.max(calm_from);
            assert!(now <= held_since + IN_FLIGHT_MAX, "event {event} is held, though everything is well");
        }
    }

    pub(super) fn check_time(&self) {
        let is_given_up_late = self.plan.events.iter().any(|event| event.kind == Kind::Indigestible);
        let bound = if is_given_up_late { GIVEN_UP_AFTER } else { SETTLED_AFTER };
        let passed = self.elapsed().saturating_sub(self.plan.calm_from);
        assert!(passed <= bound, "something is not settled after {passed:?}: {:?}", self.broker);
    }

    /// Everything is settled, and nothing is paused for ever.
    pub(super) fn check_end(&mut self) {
        self.ledger.check_end();
        self.pass_to(self.now.instant + LATER);
        let ids: Vec<u64> = self.dispatchers.keys().copied().collect();
        for dispatcher in ids {
            (0..self.plan.classes).for_each(|class| self.tick(SeatId { dispatcher, class }));
        }
        for dispatcher in self.dispatchers.values() {
            let paused = dispatcher.state.paused(self.now.instant);
            assert!(paused.is_empty(), "paused for ever: {paused:?}");
            let mut asked = BTreeSet::new();
            for (channel, route) in self.store.routes().enumerate() {
                let address = Address::new(format!("whatsapp:{channel}"));
                let target = dispatcher.state.targets.of(&address, Arc::clone(route)).expect("the record is right");
                if !asked.insert(target.destination.tenant.clone()) {
                    continue;
                }
                match dispatcher.state.admit(target, self.now.instant) {
                    Admission::Go(permit) => dispatcher.state.abandoned(permit, self.now.instant),
                    Admission::Wait { obstacle, .. } => panic!("it waits for ever for {obstacle:?}"),
                    Admission::Defer(tier) => panic!("it is deferred for ever: {tier:?}"),
                }
            }
        }
    }
}
