//! The simulated world: its clock, what is in it, and what happens next.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use event::{Address, Class, DecodeError, Envelope, EventId, EventType, Lane, UNRECOGNIZED};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::agenda::{Agenda, Due, SeatId};
use super::broker::{Broker, Message};
use super::chance::millis;
use super::dispatcher::{Dispatcher, Seat};
use super::faults::What;
use super::ledger::Ledger;
use super::plan::{Kind, Plan};
use super::store::Store;
use crate::worker::{Moment, WorkerEvent};

/// When every simulation begins, for what reads dates.
const EPOCH: Timestamp = Timestamp::constant(1_800_000_000, 0);
/// More steps than there can be in a row without any time passing.
const STEPS_AT_ONCE_MAX: u32 = 5_000;
/// The bytes of a body.
const BODY: [u8; 100] = [0; 100];

pub(super) struct World {
    pub(super) plan: Rc<Plan>,
    began: Instant,
    pub(super) now: Moment,
    pub(super) agenda: Agenda,
    pub(super) broker: Broker,
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    pub(super) dispatchers: BTreeMap<u64, Dispatcher>,
    pub(super) last_dispatcher: u64,
    pub(super) last_task: u64,
    unpublished: usize,
    steps_at_once: u32,
    /// Whether to print what happens.
    is_traced: bool,
}

/// What happens next.
#[derive(Clone, Copy)]
enum Next {
    Agenda,
    Return,
    Due(SeatId),
    Tick(SeatId),
}

struct Upcoming {
    at: Instant,
    next: Next,
}

impl World {
    pub(super) fn new(plan: Plan, is_traced: bool) -> Self {
        let plan = Rc::new(plan);
        let began = Instant::now();
        let queues = plan.classes * plan.partitions;
        Self {
            began,
            now: Moment { instant: began, timestamp: EPOCH },
            agenda: Agenda::default(),
            broker: Broker::new(queues, plan.has_preference, plan.space.of_partition),
            store: Store::new(&plan),
            ledger: Ledger::new(Rc::clone(&plan)),
            dispatchers: BTreeMap::new(),
            last_dispatcher: 0,
            last_task: 0,
            unpublished: plan.events.len() + plan.repeats.len(),
            steps_at_once: 0,
            is_traced,
            plan,
        }
    }

    /// Plays until everything is settled, and checks what has to hold then.
    pub(super) fn play(mut self) -> Ledger {
        self.trace(|world| format!("{:#?}", world.plan));
        self.open();
        while !self.is_settled() {
            self.step();
        }
        self.check_end();
        self.ledger
    }

    fn open(&mut self) {
        let plan = Rc::clone(&self.plan);
        for (event, planned) in plan.events.iter().enumerate() {
            self.later(planned.at, Due::Publish { event, is_repeat: false });
        }
        for repeat in &plan.repeats {
            self.later(repeat.at, Due::Publish { event: repeat.event, is_repeat: true });
        }
        for (index, fault) in plan.faults.iter().enumerate() {
            self.later(fault.from, Due::FaultBegins(index));
            self.later(fault.until, Due::FaultEnds(index));
        }
        let is_absent = |place: usize| plan.faults.iter().any(|fault| fault.what == What::Absence { place });
        (0..plan.places).filter(|place| !is_absent(*place)).for_each(|place| self.start(place));
    }

    fn is_settled(&self) -> bool {
        self.unpublished == 0
            && self.elapsed() >= self.plan.calm_from
            && self.broker.is_empty()
            && self.dispatchers.values().all(Dispatcher::is_idle)
    }

    fn step(&mut self) {
        let Upcoming { at, next } = self.upcoming();
        self.pass_to(at);
        self.check_time();
        match next {
            Next::Agenda => {
                if let Some(due) = self.agenda.pop() {
                    self.happen(due);
                }
            }
            Next::Return => {
                if let Some(queue) = self.broker.return_next() {
                    self.pump(queue);
                }
            }
            Next::Due(seat) => self.apply(seat, WorkerEvent::Due),
            Next::Tick(seat) => self.tick(seat),
        }
    }

    fn upcoming(&self) -> Upcoming {
        let mut upcoming: Option<Upcoming> = None;
        let mut offer = |at: Option<Instant>, next: Next| {
            if let Some(at) = at
                && upcoming.as_ref().is_none_or(|upcoming| at < upcoming.at)
            {
                upcoming = Some(Upcoming { at, next });
            }
        };
        offer(self.agenda.next_at(), Next::Agenda);
        offer(self.broker.next_return(), Next::Return);
        for (id, dispatcher) in self.dispatchers.iter().filter(|(_, dispatcher)| !dispatcher.is_stopping) {
            for (class, seat) in dispatcher.seats.iter().enumerate() {
                let id = SeatId { dispatcher: *id, class };
                offer(seat.worker.next_due(), Next::Due(id));
                offer(Some(seat.next_tick()), Next::Tick(id));
            }
        }
        upcoming.expect("a dispatcher ticks for ever, or is about to start")
    }

    /// Lets time pass. What is due already happens now.
    pub(super) fn pass_to(&mut self, at: Instant) {
        if at <= self.now.instant {
            self.steps_at_once += 1;
            assert!(self.steps_at_once < STEPS_AT_ONCE_MAX, "it goes round without any time passing");
            return;
        }
        self.steps_at_once = 0;
        let passed = SignedDuration::try_from(at - self.now.instant).expect("it is a few days at most");
        self.now = Moment { instant: at, timestamp: self.now.timestamp + passed };
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Publish { event, is_repeat } => self.publish(event, is_repeat),
            Due::FaultBegins(index) => self.begin_fault(self.plan.faults[index].what),
            Due::FaultEnds(index) => self.end_fault(self.plan.faults[index].what),
            Due::Consume(feed) => self.consume(feed),
            Due::Arrive { feed, session, messages } => self.arrive(feed, session, messages),
            Due::Acknowledge(feed) => self.acknowledge(feed),
            Due::Notice { queue, session } => {
                self.broker.leave(queue, session);
                self.pump(queue);
            }
            Due::Wake(seat) => self.wake(seat),
            Due::Effect { seat, task, failures } => self.take_effect(seat, task, failures),
            Due::Done { seat, task } => self.complete(seat, task),
            Due::AskStore(dispatcher) => self.ask_store(dispatcher),
            Due::StopOverdue(dispatcher) => self.end_stop(dispatcher),
        }
    }

    fn publish(&mut self, event: usize, is_repeat: bool) {
        self.unpublished -= 1;
        if is_repeat {
            self.ledger.repeat(event);
        } else {
            self.ledger.publish(event, self.elapsed());
        }
        let planned = &self.plan.events[event];
        let lane = &self.plan.lanes[planned.lane];
        let queue = self.plan.queue(lane.class, lane.partition);
        let event_type = if planned.kind == Kind::Unrecognized { UNRECOGNIZED } else { "whatsapp.message" };
        let envelope = Envelope {
            id: EventId::new(event.to_string()),
            event_type: EventType::new(event_type),
            address: Address::new(format!("whatsapp:{}", lane.channel)),
            lane: Lane::new(planned.lane.to_string()),
            class: Class::ALL[lane.class],
            effect: None,
            received_at: self.now.timestamp,
            queued_at: self.now.timestamp,
            attempts: 0,
            visits: 0,
            copies: 0,
            traceparent: None,
            letter: None,
            body: Bytes::from_static(&BODY),
        };
        let fault = (planned.kind == Kind::Undecodable).then_some(DecodeError::Missing("lane"));
        let deliveries = self.plan.deliveries;
        let message = Message { envelope: Rc::new(envelope), fault, deliveries, was_redelivered: false, queue };
        self.broker.publish(message);
        self.pump(queue);
    }

    /// Time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.now.instant - self.began
    }

    /// When it was or will be this long since the beginning.
    pub(super) fn at(&self, elapsed: Duration) -> Instant {
        self.began + elapsed
    }

    pub(super) fn later(&mut self, delay: Duration, due: Due) {
        self.agenda.add(self.now.instant + delay, due);
    }

    pub(super) fn seat(&mut self, id: SeatId) -> Option<&mut Seat> {
        self.dispatchers.get_mut(&id.dispatcher).and_then(|dispatcher| dispatcher.seats.get_mut(id.class))
    }

    /// A worker will apply what waits for it.
    pub(super) fn wake_soon(&mut self, id: SeatId) {
        let Some(seat) = self.seat(id) else { return };
        if !std::mem::replace(&mut seat.is_waking, true) {
            self.later(millis(0..3), Due::Wake(id));
        }
    }

    /// Prints what happens, if somebody looks.
    pub(super) fn trace(&self, what: impl FnOnce(&Self) -> String) {
        if self.is_traced {
            println!("{:>10.3} {}", self.elapsed().as_secs_f64(), what(self));
        }
    }
}
