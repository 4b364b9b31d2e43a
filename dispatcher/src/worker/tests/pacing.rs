//! Look-ups and markings that wait for others, and a repeat that comes meanwhile.

use std::cell::RefCell;
use std::rc::Rc;

use clap::Parser as _;

use super::super::*;
use super::parcel::{envelope, outcome};
use super::shared_world::{Broker, Message, Store};
use crate::destination::Targets;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::room::{Intake, Space};
use crate::settings::Settings;

const LOOK_UP_PACE: Duration = Duration::from_millis(1);
const MARK_PACE: Duration = Duration::from_millis(5);
const SPACE: Space = Space { of_partition: 100, envelopes: 100, bytes: 100_000 };

/// A worker, and the work that it has begun.
struct Paced {
    worker: Worker<Message>,
    under_way: Vec<Work<Message>>,
    broker: Rc<RefCell<Broker>>,
    store: Store,
    now: Moment,
}

impl Paced {
    fn new() -> Self {
        let settings = Settings::parse_from(["dispatcher", "--dsk-url", "https://dsk.example/events"]);
        let targets = Targets::new(&settings.dispatcher).unwrap();
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let state = Arc::new(State::new(targets, Duration::from_mins(25), metrics, || 0.5));
        let paces = Paces { look_up: Pace::every(LOOK_UP_PACE), mark: Pace::every(MARK_PACE) };
        Self {
            worker: Worker::new(state, Class::Messages, 50, Intake { partitions: 1, space: SPACE }, paces),
            under_way: Vec::new(),
            broker: Rc::default(),
            store: Store::default(),
            now: Moment::now(),
        }
    }

    /// Hands the worker one event of each of these lanes.
    fn take(&mut self, id: &str, lane: usize) {
        let message = Message {
            place: 0,
            envelope: envelope(id.to_owned(), lane, self.now.timestamp),
            broker: Rc::clone(&self.broker),
        };
        self.apply(WorkerEvent::Taken(vec![message]));
    }

    fn apply(&mut self, event: WorkerEvent<Message>) {
        let begun = self.worker.apply(event, self.now);
        self.under_way.extend(begun);
    }

    /// Ends the oldest work: each attempt succeeds.
    fn complete(&mut self) {
        let work = self.under_way.remove(0);
        let completion = self.carry_out(work);
        self.apply(WorkerEvent::Completed(vec![completion]));
    }

    fn carry_out(&mut self, work: Work<Message>) -> Completion<Message> {
        match work {
            Work::LookUp(flights) => {
                let found = flights.iter().map(|flight| self.store.found(flight)).collect();
                Completion::LookUp { flights, answers: Some(found) }
            }
            Work::Attempt { flight, permit } => {
                Completion::Attempt(Box::new(AttemptEnd { flight, permit, outcome: outcome(9) }))
            }
            Work::Mark(ended) => {
                let marked = ended.iter().map(|ended| Marked::of(&ended.flight)).collect();
                self.store.delivered.extend(ended.iter().map(|ended| ended.flight.id.clone()));
                ended.into_iter().for_each(|ended| ended.flight.item.acknowledge());
                Completion::Mark(marked)
            }
            Work::Settle { .. } | Work::Note { .. } | Work::Forget { .. } | Work::Survey => panic!("{work:?}"),
        }
    }

    /// Delivers an event, and returns when nothing but its marker is left to be written.
    fn deliver(&mut self, id: &str, lane: usize) {
        self.take(id, lane);
        self.wait();
        self.complete();
        self.complete();
    }

    /// Lets time pass until the worker is due.
    fn wait(&mut self) {
        if let Some(due) = self.worker.next_due() {
            self.now.instant = self.now.instant.max(due);
            self.apply(WorkerEvent::Due);
        }
    }

    /// How many envelopes each look-up, attempt and marking under way has.
    fn under_way(&self) -> Vec<String> {
        let describe = |work: &Work<Message>| match work {
            Work::LookUp(flights) => format!("look up {}", flights.len()),
            Work::Attempt { flight, .. } => format!("attempt {}", flight.id),
            Work::Mark(ended) => format!("mark {}", ended.len()),
            Work::Settle { .. } | Work::Note { .. } | Work::Forget { .. } | Work::Survey => format!("{work:?}"),
        };
        self.under_way.iter().map(describe).collect()
    }
}

#[test]
fn what_comes_soon_after_a_look_up_is_looked_up_together() {
    let mut paced = Paced::new();
    paced.take("1", 1);
    assert_eq!(paced.under_way(), ["look up 1"], "after a rest nothing waits");
    paced.complete();

    paced.take("2", 2);
    paced.take("3", 3);
    assert_eq!(paced.under_way(), ["attempt 1"]);

    assert_eq!(paced.worker.next_due(), Some(paced.now.instant + LOOK_UP_PACE));
    paced.wait();
    assert_eq!(paced.under_way(), ["attempt 1", "look up 2"]);
    assert_eq!(paced.worker.next_due(), None, "another look-up begins after this one");
}

#[test]
fn what_is_delivered_soon_after_a_marking_is_marked_together() {
    let mut paced = Paced::new();
    paced.deliver("1", 1);
    assert_eq!(paced.under_way(), ["mark 1"]);
    paced.complete();

    paced.deliver("2", 2);
    paced.deliver("3", 3);
    assert_eq!(paced.under_way(), [] as [&str; 0]);

    paced.wait();
    assert_eq!(paced.under_way(), ["mark 2"]);
}

#[test]
fn a_stop_waits_for_no_pace() {
    let mut paced = Paced::new();
    paced.deliver("1", 1);
    paced.complete();
    paced.deliver("2", 2);
    assert_eq!(paced.under_way(), [] as [&str; 0]);

    paced.apply(WorkerEvent::Stop);

    assert_eq!(paced.under_way(), ["mark 1"]);
}

#[test]
fn a_repeat_of_an_event_that_is_not_marked_yet_is_skipped() {
    let mut paced = Paced::new();
    paced.deliver("1", 1);
    paced.complete();
    paced.deliver("2", 2);

    paced.take("2", 2);
    paced.now.instant += LOOK_UP_PACE;
    paced.apply(WorkerEvent::Due);
    assert_eq!(paced.under_way(), ["look up 1"]);
    paced.complete();
    assert_eq!(paced.under_way(), [] as [&str; 0], "DSK has it, though it has no marker");

    paced.wait();
    assert_eq!(paced.under_way(), ["mark 1"]);
}
