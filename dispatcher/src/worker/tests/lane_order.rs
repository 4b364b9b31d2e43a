//! Plays dispatchers that follow one another while events of lanes are deferred: killed at any moment, or made to hand their
//! partition over. Whatever happens, DSK first gets a lane's events in their order, and gets all of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ::event::{EventId, Lane};
use channels::TenantEndpoint;
use clap::Parser as _;
use jiff::SignedDuration;
use proptest::prelude::*;
use queue::Tier;

use super::super::*;
use super::parcel::{envelope, outcome};
use super::shared_world::{Broker, Message, Store};
use crate::destination::Targets;
use crate::metrics::Metrics;
use crate::remedy::Outcome;
use crate::room::{Intake, Space};
use crate::settings::Settings;

const WINDOW: u16 = 4;
const SPACE: Space = Space { of_partition: 6, envelopes: 24, bytes: 100_000 };
const LANES: usize = 3;
/// More rounds than anything may need that does not go on for ever: one is a second.
const ROUNDS_MAX: usize = 20_000;

/// More pieces of work than there can be in a row without any time passing.
const WORK_MAX: usize = 1_000;

/// Work that was begun, and what the store said when it was.
#[derive(Debug)]
struct Begun {
    work: Work<Message>,
    store: Store,
}

struct World {
    worker: Worker<Message>,
    under_way: Vec<Begun>,
    broker: Rc<RefCell<Broker>>,
    store: Store,
    now: Moment,
    published: u32,
    /// Those that DSK failed: they may be late.
    retried: BTreeSet<EventId>,
    /// The last event of each lane that DSK got for the first time.
    last: BTreeMap<Lane, u32>,
    arrived: BTreeSet<EventId>,
}

fn worker() -> Worker<Message> {
    let settings = Settings::parse_from(["dispatcher", "--dsk-url", "https://dsk.example/events"]);
    let targets = Targets::new(&settings.dispatcher).unwrap();
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let state = Arc::new(State::new(targets, Duration::from_mins(25), metrics, || 0.5));
    Worker::new(state, Class::Messages, WINDOW, Intake { partitions: 1, space: SPACE }, Paces::default())
}

impl World {
    fn new() -> Self {
        Self {
            worker: worker(),
            under_way: Vec::new(),
            broker: Rc::default(),
            store: Store::default(),
            now: Moment::now(),
            published: 0,
            retried: BTreeSet::new(),
            last: BTreeMap::new(),
            arrived: BTreeSet::new(),
        }
    }

    fn publish(&mut self, lane: usize) {
        self.published += 1;
        let envelope = envelope(self.published.to_string(), lane, self.now.timestamp);
        self.broker.borrow_mut().publish(envelope);
    }

    fn take(&mut self) {
        let mut broker = self.broker.borrow_mut();
        if self.worker.wants_hold()
            || broker.in_flight.len() >= SPACE.of_partition
            || !self.worker.draining().is_empty()
        {
            return;
        }
        let Some((place, envelope)) = broker.waiting.pop_first() else { return };
        broker.in_flight.insert(place, envelope.clone());
        drop(broker);
        let message = Message { place, envelope, broker: Rc::clone(&self.broker) };
        self.apply(WorkerEvent::Taken(vec![message]));
    }

    fn apply(&mut self, event: WorkerEvent<Message>) {
        let begun = self.worker.apply(event, self.now);
        let store = &self.store;
        self.under_way.extend(begun.into_iter().map(|work| Begun { work, store: store.clone() }));
        while let Some(partition) = self.worker.drained() {
            self.broker.borrow_mut().give_back();
            let begun = self.worker.apply(WorkerEvent::GivenBack(partition), self.now);
            assert!(begun.is_empty());
        }
    }

    fn complete(&mut self, which: usize, how: usize) {
        if self.under_way.is_empty() {
            return;
        }
        let begun = self.under_way.swap_remove(which % self.under_way.len());
        let completion = self.carry_out(begun, how);
        self.apply(WorkerEvent::Completed(vec![completion]));
    }

    fn carry_out(&mut self, begun: Begun, how: usize) -> Completion<Message> {
        match begun.work {
            Work::LookUp(flights) => {
                // The store may have been read long before the answer comes.
                let store = if how.is_multiple_of(2) { &self.store } else { &begun.store };
                let found = flights.iter().map(|flight| store.found(flight)).collect();
                Completion::LookUp { flights, answers: Some(found) }
            }
            Work::Attempt { flight, permit } => {
                // It is answered with 200, or with 429.
                let outcome = outcome([9, 9, 9, 9, 3, 4][how % 6]);
                if matches!(outcome, Some(Outcome::Delivered { .. })) {
                    self.arrive(&flight);
                } else if how % 6 == 5 {
                    // It asks for a pause that takes longer than an event may wait in flight.
                    self.retried.insert(flight.id.clone());
                }
                Completion::Attempt(Box::new(AttemptEnd { flight, permit, outcome }))
            }
            Work::Settle { flight, settlement } => {
                self.copy(&flight, &settlement);
                let event = LaneEvent { lane: flight.lane, id: flight.id };
                let bytes = flight.item.envelope.body.len();
                flight.item.acknowledge();
                Completion::Settlement {
                    ticket: flight.ticket,
                    partition: Partition::FIRST,
                    bytes,
                    event,
                    interrupted: None,
                }
            }
            Work::Note { lane, ids, delay, deferrals } => {
                let noted = Some(self.store.note(&lane, &ids, delay, self.now.timestamp));
                Completion::Noted { lane, deferrals, noted }
            }
            Work::Forget { lane, ids } => {
                self.store.forget(&lane, &ids);
                Completion::Forgotten
            }
            Work::Mark(ended) => {
                let marked = ended.iter().map(|ended| Marked::of(&ended.flight)).collect();
                self.store.delivered.extend(ended.iter().map(|ended| ended.flight.id.clone()));
                ended.into_iter().for_each(|ended| ended.flight.item.acknowledge());
                Completion::Mark(marked)
            }
            Work::Survey => {
                let of = |tenant: &str| TenantEndpoint { tenant: tenant.to_owned(), dsk_url: None };
                Completion::Survey(Some(BTreeSet::from(["a", "b"].map(of))))
            }
        }
    }

    fn copy(&mut self, flight: &Flight<Message>, settlement: &Settlement) {
        let original = &flight.item.envelope;
        let copy = Envelope { copies: original.copies + 1, ..original.clone() };
        let tier: Tier = match settlement {
            Settlement::Retry(tier, _) | Settlement::Defer(tier) => *tier,
            Settlement::DeadLetter(..) => panic!("{settlement:?}"),
        };
        self.broker.borrow_mut().defer(copy, self.now.instant + tier.delay());
    }

    /// DSK gets an event.
    fn arrive(&mut self, flight: &Flight<Message>) {
        if !self.arrived.insert(flight.id.clone()) || self.retried.contains(&flight.id) {
            return;
        }
        let number: u32 = flight.id.as_str().parse().unwrap();
        let last = self.last.insert(flight.lane.clone(), number).unwrap_or_default();
        assert!(last < number, "{number} of lane {} came after {last}", flight.lane.as_str());
    }

    fn later(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.timestamp += SignedDuration::try_from(time).unwrap();
        self.broker.borrow_mut().return_due(self.now.instant);
        self.apply(WorkerEvent::Due);
    }

    /// The dispatcher is killed: of what it was doing, some was done, and another one takes its place.
    fn kill(&mut self, mut done: u32) {
        for begun in std::mem::take(&mut self.under_way) {
            let is_done = done & 1 == 1;
            done = done.rotate_right(1);
            match begun.work {
                Work::Attempt { flight, .. } if is_done => self.arrive(&flight),
                Work::Settle { flight, settlement } if is_done => self.copy(&flight, &settlement),
                Work::Note { lane, ids, delay, .. } if is_done => {
                    self.store.note(&lane, &ids, delay, self.now.timestamp);
                }
                Work::Forget { lane, ids } if is_done => self.store.forget(&lane, &ids),
                Work::Mark(ended) if is_done => {
                    self.store.delivered.extend(ended.iter().map(|ended| ended.flight.id.clone()));
                }
                Work::LookUp(_)
                | Work::Attempt { .. }
                | Work::Settle { .. }
                | Work::Note { .. }
                | Work::Forget { .. }
                | Work::Mark(_)
                | Work::Survey => {}
            }
        }
        self.worker = worker();
        self.broker.borrow_mut().give_back();
    }

    /// Nothing more happens but what has to: everything that was published arrives.
    fn finish(&mut self) {
        for _ in 0..ROUNDS_MAX {
            for _ in 0..SPACE.of_partition {
                self.take();
            }
            for _ in 0..WORK_MAX {
                self.complete(0, 0);
            }
            assert!(self.under_way.is_empty(), "it goes round without any time passing: {:?}", self.under_way);
            if self.arrived.len() == self.published as usize {
                return;
            }
            self.later(Duration::from_secs(1));
            self.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });
        }
        panic!("{} of {} arrived: {:?}", self.arrived.len(), self.published, self.broker.borrow());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    Take,
    Complete(usize, usize),
    Later(u64),
    Tick,
    HandOver,
    Kill(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..LANES).prop_map(Step::Publish),
        6 => Just(Step::Take),
        12 => (any::<usize>(), any::<usize>()).prop_map(|(which, how)| Step::Complete(which, how)),
        3 => (0_u64..4_000).prop_map(Step::Later),
        2 => Just(Step::Tick),
        1 => Just(Step::HandOver),
        1 => any::<u32>().prop_map(Step::Kill),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn a_lane_keeps_its_order_through_deferrals_whichever_dispatcher_has_it_and_nothing_circles_for_ever(
        steps in steps(),
    ) {
        let mut world = World::new();

        for step in steps {
            match step {
                Step::Publish(lane) => world.publish(lane),
                Step::Take => world.take(),
                Step::Complete(which, how) => world.complete(which, how),
                Step::Later(milliseconds) => world.later(Duration::from_millis(milliseconds)),
                Step::Tick => world.apply(WorkerEvent::Tick { stalled: PartitionSet::default() }),
                Step::HandOver => world.apply(WorkerEvent::Tick { stalled: Partition::first(1).collect() }),
                Step::Kill(done) => world.kill(done),
            }
        }

        world.finish();
    }
}
