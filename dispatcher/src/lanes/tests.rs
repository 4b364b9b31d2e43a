//! Tests of what the lanes promise under any order of arrivals and outcomes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn lane(number: u8) -> Lane {
    Lane::new(format!("whatsapp:1/{number}"))
}

/// Lanes with one envelope for each number of `lane_numbers`, whose first envelopes wait from `now` on.
fn waiting_lanes(window: usize, lane_numbers: &[u8], wait: Wait, now: Instant) -> Lanes<u32> {
    let mut lanes = Lanes::new(window);
    for (number, item) in lane_numbers.iter().zip(1..) {
        lanes.enter(lane(*number), item, now);
    }
    while let Some(flight) = lanes.next(now) {
        lanes.wait(flight, now + Duration::from_secs(5), wait);
    }
    lanes
}

fn items(flights: Vec<Flight<u32>>) -> Vec<u32> {
    flights.into_iter().map(|flight| flight.item).collect()
}

#[test]
fn different_lanes_do_not_wait_for_each_other() {
    let mut lanes = Lanes::new(8);
    let now = Instant::now();
    lanes.enter(lane(1), "a", now);
    lanes.enter(lane(2), "b", now);
    lanes.enter(lane(1), "c", now);

    let first = lanes.next(now).unwrap();
    assert_eq!(first.item, "a");
    assert_eq!(lanes.next(now).unwrap().item, "b");
    assert!(lanes.next(now).is_none(), "the first of its lane is handed out");
    lanes.wait(first, now + Duration::from_secs(1), Wait::Backoff);
    assert!(lanes.next(now).is_none(), "the first of its lane waits");
    assert_eq!(lanes.next(now + Duration::from_secs(1)).unwrap().item, "a");
    lanes.release(&lane(1));
    assert_eq!(lanes.next(now).unwrap().item, "c");
}

#[test]
fn when_half_of_the_window_waits_the_longest_waiting_are_removed() {
    let mut lanes = waiting_lanes(8, &[1, 1, 2, 3, 3], Wait::Pause, Instant::now());

    assert_eq!(items(lanes.remove_longest_waiting()), [1, 2], "three of eight are less than half");
    assert!(items(lanes.remove_longest_waiting()).is_empty());
}

#[test]
fn the_next_event_need_not_wait_behind_one_that_failed_by_itself() {
    let now = Instant::now();
    let mut lanes = waiting_lanes(4, &[1, 1], Wait::Backoff, now);

    assert_eq!(items(lanes.remove_longest_waiting()), [1]);
    assert_eq!(lanes.next(now).unwrap().item, 2);
}

#[test]
fn a_lane_loses_what_exceeds_its_share_from_its_end() {
    let mut lanes = Lanes::new(8);
    let now = Instant::now();
    (0..6).for_each(|item| lanes.enter(lane(1), item, now));

    assert_eq!(items(lanes.remove_overflow()), [2, 3, 4, 5]);
    assert_eq!(lanes.len(), 2);
}

#[test]
fn the_end_of_a_pause_wakes_the_lanes_that_wait_for_one_and_no_others() {
    let now = Instant::now();
    let mut lanes = waiting_lanes(8, &[1], Wait::Pause, now);
    lanes.enter(lane(2), 9, now);
    let failed = lanes.next(now).unwrap();
    lanes.wait(failed, now + Duration::from_secs(5), Wait::Backoff);

    lanes.end_pauses();

    assert_eq!(lanes.next(now).unwrap().item, 1);
    assert!(lanes.next(now).is_none());
}

/// What can happen to lanes.
#[derive(Clone, Debug)]
enum Step {
    Enter(u8),
    Next,
    /// The nth of those that are handed out does not come back.
    Release(usize),
    /// The nth of those that are handed out waits, for this many seconds.
    Wait(usize, u64, Wait),
    EndPauses,
    Later(u64),
    RemoveLongestWaiting,
    RemoveOverflow,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![Just(Wait::Pause), Just(Wait::Backoff)];
    let step = prop_oneof![
        4 => (0_u8..5).prop_map(Step::Enter),
        4 => Just(Step::Next),
        2 => any::<usize>().prop_map(Step::Release),
        2 => (any::<usize>(), 0_u64..9, wait).prop_map(|(which, time, wait)| Step::Wait(which, time, wait)),
        1 => Just(Step::EndPauses),
        1 => (0_u64..9).prop_map(Step::Later),
        1 => Just(Step::RemoveLongestWaiting),
        1 => Just(Step::RemoveOverflow),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn a_lane_keeps_its_order_has_one_handed_out_at_most_and_everything_leaves_exactly_once(steps in steps()) {
        let mut lanes = Lanes::new(16);
        let mut now = Instant::now();
        let mut entered = 0_u32;
        let mut out: Vec<Flight<u32>> = Vec::new();
        let mut gone = BTreeSet::new();
        let mut last_of_lane: BTreeMap<Lane, u32> = BTreeMap::new();

        for step in steps {
            let mut removed = Vec::new();
            match step {
                Step::Enter(number) => {
                    entered += 1;
                    lanes.enter(lane(number), entered, now);
                }
                Step::Next => out.extend(lanes.next(now)),
                Step::Release(which) if !out.is_empty() => {
                    let flight = out.swap_remove(which % out.len());
                    lanes.release(&flight.lane);
                    let last = last_of_lane.insert(flight.lane.clone(), flight.item).unwrap_or_default();
                    prop_assert!(last < flight.item, "{} after {last} in one lane", flight.item);
                    removed.push(flight.item);
                }
                Step::Wait(which, time, wait) if !out.is_empty() => {
                    let flight = out.swap_remove(which % out.len());
                    lanes.wait(flight, now + Duration::from_secs(time), wait);
                }
                Step::Release(_) | Step::Wait(..) => {}
                Step::EndPauses => lanes.end_pauses(),
                Step::Later(seconds) => now += Duration::from_secs(seconds),
                Step::RemoveLongestWaiting => removed.extend(items(lanes.remove_longest_waiting())),
                Step::RemoveOverflow => removed.extend(items(lanes.remove_overflow())),
            }
            for item in removed {
                prop_assert!(gone.insert(item), "{item} left twice");
            }
            let lanes_out: BTreeSet<&Lane> = out.iter().map(|flight| &flight.lane).collect();
            prop_assert_eq!(lanes_out.len(), out.len(), "two of one lane are handed out");
            prop_assert_eq!(gone.len() + out.len() + lanes.len(), entered as usize, "one is lost, or there twice");
        }

        gone.extend(out.into_iter().map(|flight| flight.item));
        gone.extend(lanes.clear());
        prop_assert!(gone.into_iter().eq(1..=entered), "everything leaves");
    }
}
