//! Plays the queue, the store and DSK to a worker, and checks after every event that no envelope is lost.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use ::event::{DecodeError, EventType, Lane, UNRECOGNIZED};
use bytes::Bytes;
use channels::{DeferredLane, LookupAnswer, TenantEndpoint};
use clap::Parser as _;
use jiff::SignedDuration;

use super::super::*;
use super::parcel::{
    CHANNELS, Content, Fates, PARTITIONS, Parcel, ROUTES, address, answer, envelope, outcome, partition,
};
use crate::contacts::Found;
use crate::destination::Targets;
use crate::metrics::Metrics;
use crate::pauses::Admission;
use crate::room::{Intake, Space};
use crate::settings::Settings;
use crate::trails::Note;

const WINDOW: u16 = 8;
const SPACE: Space = Space { of_partition: 12, envelopes: 24, bytes: 2_400 };
pub(super) const HOLD_TIME: Duration = Duration::from_mins(1);
/// Longer than any pause.
const LATER: Duration = Duration::from_hours(2);

/// How one piece of work ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// Which of those under way it is.
    pub(super) which: usize,
    pub(super) how: usize,
    /// A stop comes while it waits for the store or the queue.
    pub(super) is_interrupted: bool,
}

/// A worker, the work that it has begun, and what the test knows of its envelopes.
pub(super) struct Simulation {
    state: Arc<State>,
    pub(super) worker: Worker<Parcel>,
    pub(super) under_way: Vec<Work<Parcel>>,
    now: Moment,
    pub(super) taken: u32,
    /// The lanes of what was taken, in their order.
    lanes: Vec<usize>,
    /// The tenants that the store knows.
    pub(super) tenants: Vec<&'static str>,
    losses: Rc<Cell<u64>>,
    pub(super) fates: Rc<RefCell<Fates>>,
    /// Which envelopes may be acknowledged: skipped, marked, or copied.
    settled: BTreeSet<u32>,
    /// Which envelopes may be dropped: the queue has them back.
    given_back: BTreeSet<u32>,
}

impl Simulation {
    pub(super) fn new() -> Self {
        let settings = Settings::parse_from(["dispatcher", "--dsk-url", "https://dsk.example/events"]);
        let targets = Targets::new(&settings.dispatcher).unwrap();
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let state = Arc::new(State::new(targets, HOLD_TIME, metrics, || 0.5));
        Self {
            worker: Worker::new(
                Arc::clone(&state),
                Class::Messages,
                WINDOW,
                Intake { partitions: PARTITIONS, space: SPACE },
                Paces::default(),
            ),
            state,
            under_way: Vec::new(),
            now: Moment::now(),
            taken: 0,
            lanes: Vec::new(),
            tenants: vec!["a", "b"],
            losses: Rc::default(),
            fates: Rc::default(),
            settled: BTreeSet::new(),
            given_back: BTreeSet::new(),
        }
    }

    /// Hands one envelope to the worker, if there is space for it.
    pub(super) fn take(&mut self, lane: usize, content: Content) {
        if self.worker.in_flight_of(partition(lane)) >= SPACE.of_partition || self.worker.wants_hold() {
            return;
        }
        self.taken += 1;
        self.lanes.push(lane);
        let body = Bytes::from_static(&[0; 150]);
        let envelope = Envelope { body, ..envelope(format!("evt_{}", self.taken), lane, self.now.timestamp) };
        let envelope = match content {
            Content::Unrecognized => Envelope { event_type: EventType::new(UNRECOGNIZED), ..envelope },
            Content::Event | Content::Undecodable => envelope,
        };
        let fault = matches!(content, Content::Undecodable).then_some(DecodeError::Missing("lane"));
        let fates = Rc::clone(&self.fates);
        let parcel = Parcel {
            serial: self.taken,
            envelope,
            fault,
            connection: self.losses.get(),
            losses: Rc::clone(&self.losses),
            // Every other one was given back so often that the queue would soon park it.
            deliveries: self.taken % 2 * 980,
            partition: partition(lane),
            is_acknowledged: false,
            fates,
        };
        self.apply(WorkerEvent::Taken(vec![parcel]));
    }

    /// Ends one piece of work in one of the ways in which it can end.
    pub(super) fn complete(&mut self, which: usize, choice: usize) {
        if self.under_way.is_empty() {
            return;
        }
        let work = self.under_way.swap_remove(which % self.under_way.len());
        let completion = self.carry_out(work, choice);
        self.apply(WorkerEvent::Completed(vec![completion]));
    }

    /// Ends every look-up: the store knows the channel.
    pub(super) fn look_up_all(&mut self) {
        while let Some(place) = self.under_way.iter().position(|work| matches!(work, Work::LookUp(_))) {
            self.complete(place, 5);
        }
    }

    /// What the store is to remember.
    pub(super) fn notes(&self) -> Vec<Note> {
        self.state.trails.unwritten()
    }

    pub(super) fn surveys(&self) -> usize {
        self.under_way.iter().filter(|work| matches!(work, Work::Survey)).count()
    }

    /// Ends the survey that is under way: the store says which destinations there are.
    pub(super) fn survey(&mut self) {
        let survey = self.under_way.iter().position(|work| matches!(work, Work::Survey));
        self.complete(survey.expect("the store is being asked"), 1);
        self.later(Duration::from_millis(10));
    }

    fn carry_out(&mut self, work: Work<Parcel>, choice: usize) -> Completion<Parcel> {
        match work {
            Work::LookUp(flights) => {
                let answers: Vec<LookupAnswer> =
                    flights.iter().zip(choice % 12..).map(|(flight, choice)| answer(choice, &flight.lane)).collect();
                // What was erased is marked first.
                let is_skipped =
                    |answer: &LookupAnswer| matches!(answer, LookupAnswer::Delivered | LookupAnswer::Disconnected);
                let skipped = flights.iter().zip(&answers).filter(|(_, answer)| is_skipped(answer));
                self.settled.extend(skipped.map(|(flight, _)| flight.item.serial));
                let found = answers.into_iter().map(|answer| Found { answer, deferred: None }).collect();
                Completion::LookUp { flights, answers: Some(found) }
            }
            Work::Attempt { flight, permit } => {
                Completion::Attempt(Box::new(AttemptEnd { flight, permit, outcome: outcome(choice) }))
            }
            Work::Settle { flight, .. } => {
                self.settled.insert(flight.item.serial);
                let ticket = flight.ticket;
                let partition = flight.item.partition;
                let bytes = flight.item.envelope.body.len();
                let event = LaneEvent { lane: flight.lane, id: flight.id };
                flight.item.acknowledge();
                Completion::Settlement { ticket, partition, bytes, event, interrupted: None }
            }
            Work::Mark(ended) => {
                let marked = ended.iter().map(|ended| Marked::of(&ended.flight)).collect();
                self.settled.extend(ended.iter().map(|ended| ended.flight.item.serial));
                ended.into_iter().for_each(|ended| ended.flight.item.acknowledge());
                Completion::Mark(marked)
            }
            Work::Note { lane, deferrals, .. } => {
                Completion::Noted { lane, deferrals, noted: Some(DeferredLane::default()) }
            }
            Work::Forget { .. } => Completion::Forgotten,
            Work::Survey => Completion::Survey((!choice.is_multiple_of(3)).then(|| self.endpoints())),
        }
    }

    /// Ends one piece of work as a stop does that comes while it waits for the store or the queue.
    pub(super) fn interrupt(&mut self, which: usize, choice: usize) {
        let work = self.under_way.swap_remove(which % self.under_way.len());
        let completion = match work {
            Work::LookUp(flights) => Completion::LookUp { flights, answers: None },
            Work::Settle { flight, .. } => Completion::Settlement {
                ticket: flight.ticket,
                partition: flight.item.partition,
                bytes: flight.item.envelope.body.len(),
                event: LaneEvent { lane: flight.lane.clone(), id: flight.id.clone() },
                interrupted: Some(Box::new(flight)),
            },
            Work::Note { lane, deferrals, .. } => Completion::Noted { lane, deferrals, noted: None },
            work @ (Work::Forget { .. } | Work::Attempt { .. } | Work::Mark(_) | Work::Survey) => {
                self.carry_out(work, choice)
            }
        };
        self.apply(WorkerEvent::Completed(vec![completion]));
    }

    fn endpoints(&self) -> BTreeSet<TenantEndpoint> {
        let of = |tenant: &&str| TenantEndpoint { tenant: (*tenant).to_owned(), dsk_url: None };
        self.tenants.iter().map(of).collect()
    }

    pub(super) fn later(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.timestamp += SignedDuration::try_from(time).unwrap();
        self.apply(WorkerEvent::Due);
    }

    pub(super) fn apply(&mut self, event: WorkerEvent<Parcel>) {
        self.under_way.extend(self.worker.apply(event, self.now));
        self.check();
    }

    /// The connection is lost: what only waits is dropped, and nothing else.
    pub(super) fn lose(&mut self) {
        self.losses.set(self.losses.get() + 1);
        let work = self.worker.apply(WorkerEvent::Lost, self.now);
        self.under_way.extend(work);
        self.given_back = self.fates.borrow().returned.clone();
        assert_eq!(self.worker.waiting(), 0, "what waits has been given to somebody else");
        self.check();
    }

    fn partition_of(&self, serial: u32) -> Partition {
        partition(self.lanes[serial as usize - 1])
    }

    /// What the runner does after each event.
    pub(super) fn give_back_if_drained(&mut self) {
        while let Some(drained) = self.worker.drained() {
            let fates = self.fates.borrow();
            let of_drained = (1..=self.taken).filter(|serial| self.partition_of(*serial) == drained);
            let given_back: Vec<u32> = of_drained.filter(|serial| !fates.acknowledged.contains(serial)).collect();
            drop(fates);
            self.given_back.extend(given_back);
            self.apply(WorkerEvent::GivenBack(drained));
            assert_eq!(self.worker.in_flight_of(drained), 0, "something is left behind");
        }
    }

    /// What holds after every event.
    fn check(&self) {
        let fates = self.fates.borrow();
        assert_eq!(fates.acknowledged, self.settled, "acknowledged, and settled");
        assert_eq!(fates.returned, self.given_back, "dropped, and given back");
        let gone = fates.acknowledged.len() + fates.returned.len();
        assert_eq!(gone + self.worker.in_flight(), self.taken as usize, "one is lost, or there twice");
        let out: usize = self.under_way.iter().map(Work::envelopes).sum();
        assert_eq!((self.worker.out(), self.worker.is_busy()), (out, !self.under_way.is_empty()));

        let handed_out = self.under_way.iter().flat_map(|work| match work {
            Work::LookUp(flights) => flights.iter().map(|flight| &flight.lane).collect(),
            Work::Attempt { flight, .. } => vec![&flight.lane],
            Work::Settle { .. } | Work::Note { .. } | Work::Forget { .. } | Work::Mark(_) | Work::Survey => Vec::new(),
        });
        let handed_out: Vec<&Lane> = handed_out.collect();
        let lanes: BTreeSet<&Lane> = handed_out.iter().copied().collect();
        assert_eq!(lanes.len(), handed_out.len(), "a lane has two under way");
        assert!(handed_out.len() <= usize::from(WINDOW), "more is under way than the window allows");
    }

    /// No probe is under way any more: everything may be attempted in the end.
    pub(super) fn check_pauses(&self) {
        for channel in 0..CHANNELS {
            let target = self.state.targets.of(&address(channel), Arc::clone(&ROUTES[channel])).unwrap();
            match self.state.admit(target, self.now.instant + LATER) {
                Admission::Go(permit) => self.state.abandoned(permit, self.now.instant),
                Admission::Wait { .. } | Admission::Defer(_) => panic!("channel {channel} is never attempted again"),
            }
        }
    }

    /// Stops the worker; the work under way ends in this order and in these ways.
    pub(super) fn stop(mut self, mut choices: VecDeque<Choice>) -> Fates {
        self.apply(WorkerEvent::Stop);
        while self.worker.is_busy() {
            let choice = choices.pop_front().unwrap_or(Choice { which: 0, how: 9, is_interrupted: false });
            if choice.is_interrupted {
                self.interrupt(choice.which, choice.how);
            } else {
                self.complete(choice.which, choice.how);
            }
        }
        self.check_pauses();
        assert!(self.under_way.is_empty());
        drop(self.worker.finish());
        let Self { fates, .. } = self;
        Rc::try_unwrap(fates).expect("no envelope is left behind").into_inner()
    }
}
