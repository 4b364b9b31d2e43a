//! Knows what became of each event, and what may have become of it: no event is settled twice or never, and none overtakes
//! another one of its lane.

use std::rc::Rc;
use std::time::Duration;

use event::{Envelope, EventId};

use super::plan::{Kind, Plan};
use super::store::number;
use crate::remedy::Reason;

/// An event of a customer whom nothing troubles has this long, from its entry into the queue, whatever troubles others.
const UNTROUBLED_AGE_MAX: Duration = Duration::from_mins(1);
/// The same where the trouble of another customer may open the breaker of their origin.
const NEIGHBOUR_AGE_MAX: Duration = Duration::from_mins(4);
/// How much longer it takes if it is deferred in favour of others, whose lane waits then for what was deferred for longest.
const DEFERRED_TIME_MAX: Duration = Duration::from_mins(30);
/// How late a deferred event may be before later ones of its lane go on: what the contract names, and the time that a
/// dispatcher takes to notice.
const OVERDUE_AFTER: Duration = Duration::from_mins(10);

#[expect(clippy::struct_excessive_bools, reason = "each of them may happen to an event, whatever else happens")]
#[derive(Clone, Debug, Default)]
struct Record {
    published_at: Duration,
    /// How often DSK got it.
    arrivals: u32,
    /// Why it is a dead letter.
    parked: Option<Reason>,
    is_skipped: bool,
    /// Meta sends it again: whatever parked the first one parks the second one, too.
    is_repeated: bool,
    /// Something happened after which it may come twice.
    may_repeat: bool,
    /// It leaves its lane after a failure: later events may overtake it, even if no copy of it can be published.
    may_be_late: bool,
    /// When it was to be back that was deferred for the first time.
    back_by: Option<Duration>,
    /// How many copies of it were published.
    copies: u32,
    panicked: bool,
}

/// Why an envelope was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Acknowledged {
    /// A copy of it was published.
    Copied,
    /// DSK has it, or it needs no delivery.
    Done { may_be_skipped: bool },
}

impl Record {
    fn is_settled(&self) -> bool {
        self.arrivals > 0 || self.parked.is_some() || self.is_skipped
    }

    /// Whether DSK, a retry queue or a person may get it now.
    fn may_go_on(&self) -> bool {
        let is_parked_once = self.arrivals == 0 && !self.is_skipped && self.is_repeated;
        !self.is_settled() || is_parked_once || self.may_repeat
    }
}

/// What became of the events.
#[derive(Debug)]
pub(super) struct Ledger {
    plan: Rc<Plan>,
    records: Vec<Record>,
    /// The last event of each lane that DSK got for the first time.
    last: Vec<Option<usize>>,
    /// The oldest that an event of an untroubled customer was when DSK got it.
    pub(super) oldest_untroubled: Duration,
    pub(super) oldest_neighbour: Duration,
    pub(super) arrivals: u64,
}

impl Ledger {
    pub(super) fn new(plan: Rc<Plan>) -> Self {
        Self {
            records: vec![Record::default(); plan.events.len()],
            last: vec![None; plan.lanes.len()],
            oldest_untroubled: Duration::ZERO,
            oldest_neighbour: Duration::ZERO,
            arrivals: 0,
            plan,
        }
    }

    pub(super) fn publish(&mut self, event: usize, time: Duration) {
        self.records[event].published_at = time;
    }

    /// Meta sends an event again.
    pub(super) fn repeat(&mut self, event: usize) {
        self.records[event].is_repeated = true;
    }

    /// Something happened after which any event may come twice.
    pub(super) fn may_repeat_all(&mut self) {
        self.records.iter_mut().for_each(|record| record.may_repeat = true);
    }

    /// Something happened after which this event may come twice.
    pub(super) fn may_repeat(&mut self, id: &EventId) {
        self.records[number(id)].may_repeat = true;
    }

    /// An event leaves its lane, which goes on.
    pub(super) fn leaves_lane(&mut self, id: &EventId) {
        self.records[number(id)].may_be_late = true;
    }

    pub(super) fn panicked(&mut self, event: usize) {
        self.records[event].panicked = true;
    }

    /// DSK has an event.
    pub(super) fn arrive(&mut self, event: usize, time: Duration) {
        self.arrivals += 1;
        let record = &mut self.records[event];
        assert!(record.may_go_on(), "event {event} was settled twice: {record:?}");
        record.arrivals += 1;
        if record.arrivals > 1 {
            return;
        }
        let age = time.saturating_sub(record.published_at);
        self.check_age(event, age);
        self.check_order(event, time);
    }

    /// An event is first after all earlier ones of its lane that DSK gets at all.
    fn check_order(&mut self, event: usize, time: Duration) {
        let lane = self.plan.events[event].lane;
        let last = self.last[lane].max(Some(event));
        let before = std::mem::replace(&mut self.last[lane], last);
        let record = &self.records[event];
        let is_overdue = record.back_by.is_some_and(|back_by| time >= back_by + OVERDUE_AFTER);
        if let Some(before) = before.filter(|before| *before > event) {
            assert!(
                record.may_be_late || is_overdue,
                "event {event} of lane {lane} came after {before}: {record:?}, {:?}",
                self.records[before]
            );
        }
    }

    fn check_age(&mut self, event: usize, age: Duration) {
        let customer = self.plan.customer_of(self.plan.events[event].lane);
        if !self.plan.is_untroubled(customer) {
            return;
        }
        if self.records[event].back_by.is_some() {
            assert!(
                age <= UNTROUBLED_AGE_MAX + DEFERRED_TIME_MAX,
                "event {event} waited for {age:?}, and was deferred"
            );
        } else if self.plan.has_troubled_neighbour(customer) {
            self.oldest_neighbour = self.oldest_neighbour.max(age);
            assert!(age <= NEIGHBOUR_AGE_MAX, "event {event} waited for {age:?} because of a neighbour");
        } else {
            self.oldest_untroubled = self.oldest_untroubled.max(age);
            assert!(
                age <= UNTROUBLED_AGE_MAX,
                "event {event} waited for {age:?}, though nothing troubles its customer"
            );
        }
    }

    /// A copy goes to a retry queue.
    pub(super) fn retry(&mut self, copy: &Envelope, was_failed: bool, back_at: Duration) {
        let record = &mut self.records[number(&copy.id)];
        record.copies = record.copies.max(copy.copies);
        record.back_by = Some(record.back_by.unwrap_or(back_at));
        // It may be deferred before anybody has looked whether DSK has it.
        assert!(record.may_go_on() || !was_failed, "event {} goes on though it is settled: {record:?}", copy.id);
    }

    /// A copy becomes a dead letter.
    pub(super) fn park(&mut self, copy: &Envelope, reason: Reason, is_restricted: bool) {
        let event = number(&copy.id);
        let record = &mut self.records[event];
        record.copies = record.copies.max(copy.copies);
        // While the store is away, a second dead letter is better than none.
        let is_parked_again = reason == Reason::Unrecognized && record.is_repeated;
        assert!(record.may_go_on() || is_parked_again, "event {event} is parked though it is settled: {record:?}");
        record.parked = Some(reason);
        let kind = self.plan.events[event].kind;
        let is_right = match reason {
            Reason::Rejected => kind == Kind::Rejected,
            Reason::Expired => kind == Kind::Indigestible && copy.visits >= 26,
            Reason::UnknownChannel => copy.visits >= 10,
            Reason::Unrecognized => kind == Kind::Unrecognized,
            Reason::Undecodable => kind == Kind::Undecodable,
            Reason::Panicked => record.panicked,
            Reason::Held => is_restricted,
        };
        assert!(is_right, "event {event} is parked as {reason:?}: {kind:?}, {copy:?}");
    }

    /// The queue may forget this copy of an event: another copy goes on, or it is settled.
    pub(super) fn acknowledge(&mut self, envelope: &Envelope, how: Acknowledged) {
        let record = &mut self.records[number(&envelope.id)];
        let is_right = match how {
            Acknowledged::Copied => record.copies > envelope.copies,
            Acknowledged::Done { may_be_skipped } => {
                record.is_skipped |= may_be_skipped;
                record.is_settled()
            }
        };
        assert!(is_right, "event {} was acknowledged and not settled: {record:?}", envelope.id);
    }

    /// Nothing is in any queue or in flight any more.
    pub(super) fn check_end(&self) {
        for (event, record) in self.records.iter().enumerate() {
            assert!(record.is_settled(), "event {event} was lost: {record:?}");
        }
    }
}
