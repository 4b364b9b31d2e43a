//! Tests of what the lanes promise under any order of arrivals, outcomes and deferrals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use event::{Address, EventId};
use proptest::prelude::*;

use super::*;
use crate::destination::Destination;
use crate::pauses::Scope;

const WINDOW: usize = 16;

fn lane(number: u8) -> Lane {
    Lane::new(format!("whatsapp:1/{number}"))
}

fn id(item: u32) -> EventId {
    EventId::new(format!("evt_{item}"))
}

fn group(tenant: &str) -> Group {
    let origin = "https://dsk.example".into();
    Group::Destination(Destination { tenant: tenant.into(), url: "https://dsk.example/".into(), origin })
}

fn pause(channel: u8) -> Obstacle {
    Obstacle::Pause(Scope::Channel(Address::new(format!("whatsapp:{channel}"))))
}

fn enter(lanes: &mut Lanes<u32>, number: u8, item: u32, now: Instant) {
    let ticket = u64::from(item);
    let tenant = if number.is_multiple_of(2) { "even" } else { "odd" };
    lanes.enter(Flight::new(item, id(item), lane(number), ticket, now), group(tenant));
}

/// Removes the latest lanes of a group.
fn defer(lanes: &mut Lanes<u32>, tenant: &str, amount: usize) -> Vec<u32> {
    let removed = lanes.remove_latest(&group(tenant), amount, |_| 1);
    removed.into_iter().map(|removed| removed.flight.item).collect()
}

#[test]
fn different_lanes_do_not_wait_for_each_other() {
    let mut lanes = Lanes::new(8);
    let now = Instant::now();
    enter(&mut lanes, 1, 1, now);
    enter(&mut lanes, 2, 2, now);
    enter(&mut lanes, 1, 3, now);

    let first = lanes.next(now).unwrap();
    assert_eq!(first.item, 1);
    assert_eq!(lanes.next(now).unwrap().item, 2);
    assert!(lanes.next(now).is_none(), "the first of its lane is handed out");
    lanes.delay(first, now + Duration::from_secs(1));
    assert!(lanes.next(now).is_none(), "the first of its lane waits");
    assert_eq!(lanes.next(now + Duration::from_secs(1)).unwrap().item, 1);
    lanes.release(&lane(1));
    assert_eq!(lanes.next(now).unwrap().item, 3);
}

#[test]
fn the_latest_lanes_of_the_largest_group_make_room_and_of_the_last_of_them_only_the_end() {
    let mut lanes = Lanes::new(8);
    let now = Instant::now();
    for (item, number) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (6, 1)] {
        enter(&mut lanes, number, item, now);
    }

    let largest = lanes.largest(|_| 1).unwrap();
    assert_eq!((largest.group, largest.amount), (group("odd"), 5));
    assert_eq!(defer(&mut lanes, "odd", 3), [4, 5, 6]);
    assert_eq!(lanes.len(), 3);
}

#[test]
fn what_is_handed_out_makes_no_room_but_what_waits_behind_it_does() {
    let mut lanes = Lanes::new(8);
    let now = Instant::now();
    (1..=5).for_each(|item| enter(&mut lanes, 1, item, now));
    let first = lanes.next(now).unwrap();

    assert_eq!(defer(&mut lanes, "odd", 9), [2, 3, 4, 5]);
    lanes.put_back(first);
    assert_eq!(lanes.next(now).unwrap().item, 1);
}

#[test]
fn what_comes_first_goes_first_if_it_is_here_and_is_waited_for_if_it_is_not() {
    let mut lanes = Lanes::new(8);
    let now = Instant::now();
    let order = [1, 2].map(id);
    (3..=4).for_each(|item| enter(&mut lanes, 1, item, now));
    let later = now + Duration::from_secs(5);

    let third = lanes.next(now).unwrap();
    lanes.wait_behind(third, &order, later);
    assert!(lanes.next(now).is_none(), "the first two are still to come");
    assert_eq!(lanes.next_due(), Some(later));

    enter(&mut lanes, 1, 2, now);
    let third = lanes.next(now).unwrap();
    assert_eq!(third.item, 3, "what comes may be what it waits for");
    assert!(lanes.has_one_before(&lane(1), &id(3), &order));
    lanes.wait_behind(third, &order, later);
    let second = lanes.next(now).unwrap();
    assert_eq!(second.item, 2);
    lanes.wait_behind(second, &order, later);
    enter(&mut lanes, 1, 1, now);

    let second = lanes.next(now).unwrap();
    lanes.wait_behind(second, &order, later);
    for item in 1..=4 {
        assert_eq!(lanes.next(now).unwrap().item, item);
        lanes.release(&lane(1));
    }
}

#[test]
fn a_lane_waits_for_what_never_comes_no_longer_than_it_may() {
    let mut lanes = Lanes::new(8);
    let now = Instant::now();
    enter(&mut lanes, 1, 2, now);
    let due = now + Duration::from_secs(5);
    let second = lanes.next(now).unwrap();
    lanes.wait_behind(second, &[id(1)], due);

    assert_eq!(lanes.next(due).unwrap().item, 2);
}

#[test]
fn a_lane_that_never_waited_goes_behind_those_that_wait_for_the_same_limit() {
    let mut lanes = Lanes::new(8);
    let now = Instant::now();
    (1..=2).for_each(|number| enter(&mut lanes, number, u32::from(number), now));
    let first = lanes.next(now).unwrap();
    lanes.park(first, pause(1), now);
    let second = lanes.next(now).unwrap();

    assert!(lanes.park_behind(second, &pause(1)).is_none());
    lanes.wake(&pause(1), 1, now);
    let woken = lanes.next(now).unwrap();
    assert_eq!(woken.item, 1);
    assert!(lanes.park_behind(woken, &pause(1)).is_some());
}

/// What can happen to lanes.
#[derive(Clone, Debug)]
enum Step {
    Enter(u8),
    Next,
    /// The nth of those that are handed out does not come back.
    Release(usize),
    /// The nth of those that are handed out is put back, for this many seconds.
    Delay(usize, u64),
    PutBack(usize),
    Park(usize, u8),
    Wake(u8, usize),
    /// The nth of those that are handed out turns out to be of this group.
    Assign(usize, bool),
    Later(u64),
    /// Room is made for this many.
    Defer(bool, usize),
    /// The nth of those that are deferred returns.
    Return(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..5).prop_map(Step::Enter),
        4 => Just(Step::Next),
        3 => any::<usize>().prop_map(Step::Release),
        1 => (any::<usize>(), 0_u64..3).prop_map(|(which, time)| Step::Delay(which, time)),
        1 => any::<usize>().prop_map(Step::PutBack),
        1 => (any::<usize>(), 0_u8..2).prop_map(|(which, obstacle)| Step::Park(which, obstacle)),
        1 => (0_u8..2, 1_usize..3).prop_map(|(obstacle, lanes)| Step::Wake(obstacle, lanes)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, even)| Step::Assign(which, even)),
        1 => (0_u64..2).prop_map(Step::Later),
        1 => (any::<bool>(), 1_usize..6).prop_map(|(even, amount)| Step::Defer(even, amount)),
        1 => any::<usize>().prop_map(Step::Return),
    ];
    prop::collection::vec(step, 1..200)
}

/// Lanes, and what the test knows of their envelopes.
struct Model {
    lanes: Lanes<u32>,
    now: Instant,
    lane_of: BTreeMap<u32, u8>,
    entered: u32,
    out: Vec<Flight<u32>>,
    deferred: Vec<u32>,
    /// Whoever looks up their lanes knows where they belong.
    returned: BTreeSet<u32>,
    gone: BTreeSet<u32>,
    last_of_lane: BTreeMap<u8, u32>,
}

impl Model {
    fn new() -> Self {
        Self {
            lanes: Lanes::new(WINDOW),
            now: Instant::now(),
            lane_of: BTreeMap::new(),
            entered: 0,
            out: Vec::new(),
            deferred: Vec::new(),
            returned: BTreeSet::new(),
            gone: BTreeSet::new(),
            last_of_lane: BTreeMap::new(),
        }
    }

    fn play(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Enter(number) => {
                self.entered += 1;
                self.lane_of.insert(self.entered, number);
                enter(&mut self.lanes, number, self.entered, now);
            }
            Step::Next => self.out.extend(self.lanes.next(now)),
            Step::Release(which) => {
                if let Some(flight) = self.take(which) {
                    self.release(&flight);
                }
            }
            Step::Delay(which, time) => {
                if let Some(flight) = self.take(which) {
                    self.lanes.delay(flight, now + Duration::from_secs(time));
                }
            }
            Step::PutBack(which) => {
                if let Some(flight) = self.take(which) {
                    self.lanes.put_back(flight);
                }
            }
            Step::Park(which, obstacle) => {
                if let Some(flight) = self.take(which) {
                    self.lanes.park(flight, pause(obstacle), now);
                }
            }
            Step::Wake(obstacle, count) => self.lanes.wake(&pause(obstacle), count, now),
            Step::Assign(which, even) => {
                if let Some(flight) = self.take(which) {
                    self.out.extend(self.lanes.assign(flight, &group(if even { "even" } else { "odd" })));
                }
            }
            Step::Later(seconds) => self.now += Duration::from_secs(seconds),
            Step::Defer(even, amount) => {
                let removed = defer(&mut self.lanes, if even { "even" } else { "odd" }, amount);
                self.deferred.extend(removed);
            }
            Step::Return(which) if !self.deferred.is_empty() => {
                let item = self.deferred.remove(which % self.deferred.len());
                self.returned.insert(item);
                enter(&mut self.lanes, self.lane_of[&item], item, now);
            }
            Step::Return(_) => {}
        }
        self.check();
    }

    fn take(&mut self, which: usize) -> Option<Flight<u32>> {
        (!self.out.is_empty()).then(|| self.out.swap_remove(which % self.out.len()))
    }

    fn release(&mut self, flight: &Flight<u32>) {
        self.lanes.release(&flight.lane);
        if !self.returned.contains(&flight.item) {
            let last = self.last_of_lane.insert(self.lane_of[&flight.item], flight.item).unwrap_or_default();
            assert!(last < flight.item, "{} after {last} in one lane", flight.item);
        }
        assert!(self.gone.insert(flight.item), "{} left twice", flight.item);
    }

    fn check(&self) {
        let lanes_out: BTreeSet<&Lane> = self.out.iter().map(|flight| &flight.lane).collect();
        assert_eq!(lanes_out.len(), self.out.len(), "two of one lane are handed out");
        assert!(self.out.len() <= WINDOW);
        let all = self.gone.len() + self.out.len() + self.deferred.len() + self.lanes.len();
        assert_eq!(all, self.entered as usize, "one is lost, or there twice");
    }
}

proptest! {
    #[test]
    fn a_lane_keeps_its_order_has_one_handed_out_at_most_and_all_leave_once(steps in steps()) {
        let mut model = Model::new();

        steps.into_iter().take(150).for_each(|step| model.play(step));
        let rest = std::mem::take(&mut model.deferred);
        model.returned.extend(&rest);
        rest.into_iter().for_each(|item| enter(&mut model.lanes, model.lane_of[&item], item, model.now));
        (0..2).for_each(|obstacle| model.lanes.wake(&pause(obstacle), usize::MAX, model.now));
        model.now += Duration::from_secs(3);
        while model.gone.len() < model.entered as usize {
            let before = model.gone.len();
            while let Some(flight) = model.lanes.next(model.now) {
                model.out.push(flight);
            }
            for flight in std::mem::take(&mut model.out) {
                model.release(&flight);
            }
            prop_assert!(model.gone.len() > before, "the rest never goes on");
        }
    }

    #[test]
    fn what_waits_leaves_at_once_and_what_is_handed_out_stays(steps in steps()) {
        let mut model = Model::new();
        steps.into_iter().for_each(|step| model.play(step));

        let waiting = model.lanes.remove_waiting(|_| true);

        prop_assert_eq!(waiting.len() + model.out.len() + model.deferred.len() + model.gone.len(), model.entered as usize);
        prop_assert_eq!(model.lanes.len(), 0);
        for flight in std::mem::take(&mut model.out) {
            model.lanes.release(&flight.lane);
        }
        prop_assert!(model.lanes.next(model.now).is_none());
        prop_assert!(model.lanes.clear().is_empty());
    }
}
