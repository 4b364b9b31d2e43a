//! What the hand promises, under any order of arrivals and outcomes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn lane(number: u8) -> Lane {
    Lane::new(format!("whatsapp:1/{number}"))
}

/// A hand with so many in each of these lanes, all of which wait.
fn waiting_hand(window: usize, lanes: &[(u8, usize)], wait: Wait) -> (Hand<u32>, Instant) {
    let (mut hand, now, mut serial) = (Hand::new(window), Instant::now(), 0);
    for (number, count) in lanes {
        for _ in 0..*count {
            serial += 1;
            hand.enter(lane(*number), serial, now);
        }
    }
    while let Some(held) = hand.next(now) {
        hand.wait(held, now + Duration::from_secs(5), wait);
    }
    (hand, now)
}

fn items(held: Vec<Held<u32>>) -> Vec<u32> {
    held.into_iter().map(|held| held.item).collect()
}

#[test]
fn different_lanes_do_not_wait_for_each_other() {
    let (mut hand, now) = (Hand::new(8), Instant::now());
    [(1, "a"), (2, "b"), (1, "c")].into_iter().for_each(|(number, item)| hand.enter(lane(number), item, now));

    let (first, second) = (hand.next(now).unwrap(), hand.next(now).unwrap());
    assert_eq!((first.item, second.item), ("a", "b"));
    assert!(hand.next(now).is_none(), "the first of its lane is out");
    hand.wait(first, now + Duration::from_secs(1), Wait::Backoff);
    assert!(hand.next(now).is_none(), "the first of its lane waits");
    assert_eq!(hand.next(now + Duration::from_secs(1)).unwrap().item, "a");
    hand.leave(&lane(1));
    assert_eq!(hand.next(now).unwrap().item, "c");
}

#[test]
fn half_a_window_that_waits_makes_room_with_those_who_waited_longest() {
    let (mut hand, _) = waiting_hand(8, &[(1, 2), (2, 1), (3, 2)], Wait::Paused);

    assert_eq!(items(hand.crowded()), [1, 2], "three of eight are less than half");
    assert!(items(hand.crowded()).is_empty());
}

#[test]
fn behind_an_event_that_failed_by_itself_the_next_need_not_wait() {
    let (mut hand, now) = waiting_hand(4, &[(1, 2)], Wait::Backoff);

    assert_eq!(items(hand.crowded()), [1]);
    assert_eq!(hand.next(now).unwrap().item, 2);
}

#[test]
fn a_lane_gives_up_what_exceeds_its_share_from_its_end() {
    let (mut hand, now) = (Hand::new(8), Instant::now());
    (0..6).for_each(|item| hand.enter(lane(1), item, now));

    assert_eq!(items(hand.overflowing()), [2, 3, 4, 5]);
    assert_eq!(hand.len(), 2);
}

#[test]
fn the_end_of_a_pause_is_heard_by_those_it_holds_and_by_nobody_else() {
    let (mut hand, now) = waiting_hand(8, &[(1, 1)], Wait::Paused);
    hand.enter(lane(2), 9, now);
    let failed = hand.next(now).unwrap();
    hand.wait(failed, now + Duration::from_secs(5), Wait::Backoff);

    hand.ask_again();

    assert_eq!(hand.next(now).unwrap().item, 1);
    assert!(hand.next(now).is_none());
}

/// What can happen to a hand.
#[derive(Clone, Debug)]
enum Step {
    Enter(u8),
    Next,
    /// The nth of those that are out leaves, or waits.
    Leave(usize),
    Wait(usize, u64, bool),
    AskAgain,
    Later(u64),
    MakeRoom,
    Overflow,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..5).prop_map(Step::Enter),
        4 => Just(Step::Next),
        2 => any::<usize>().prop_map(Step::Leave),
        2 => (any::<usize>(), 0_u64..9, any::<bool>()).prop_map(|(which, time, paused)| Step::Wait(which, time, paused)),
        1 => Just(Step::AskAgain),
        1 => (0_u64..9).prop_map(Step::Later),
        1 => Just(Step::MakeRoom),
        1 => Just(Step::Overflow),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn a_lane_keeps_its_order_has_one_out_at_most_and_everything_leaves_exactly_once(steps in steps()) {
        let (mut hand, mut now) = (Hand::new(16), Instant::now());
        let (mut entered, mut out, mut gone) = (0_u32, Vec::new(), BTreeSet::new());
        let mut gone_by_lane: BTreeMap<Lane, u32> = BTreeMap::new();

        for step in steps {
            let mut left = Vec::new();
            match step {
                Step::Enter(number) => {
                    entered += 1;
                    hand.enter(lane(number), entered, now);
                }
                Step::Next => out.extend(hand.next(now)),
                Step::Leave(which) if !out.is_empty() => {
                    let held: Held<u32> = out.swap_remove(which % out.len());
                    hand.leave(&held.lane);
                    let last = gone_by_lane.insert(held.lane.clone(), held.item).unwrap_or_default();
                    prop_assert!(last < held.item, "{} after {last} in one lane", held.item);
                    left.push(held.item);
                }
                Step::Wait(which, time, paused) if !out.is_empty() => {
                    let held = out.swap_remove(which % out.len());
                    let wait = if paused { Wait::Paused } else { Wait::Backoff };
                    hand.wait(held, now + Duration::from_secs(time), wait);
                }
                Step::Leave(_) | Step::Wait(..) => {}
                Step::AskAgain => hand.ask_again(),
                Step::Later(seconds) => now += Duration::from_secs(seconds),
                Step::MakeRoom => left.extend(items(hand.crowded())),
                Step::Overflow => left.extend(items(hand.overflowing())),
            }
            for item in left {
                prop_assert!(gone.insert(item), "{item} left twice");
            }
            let lanes: BTreeSet<&Lane> = out.iter().map(|held| &held.lane).collect();
            prop_assert_eq!(lanes.len(), out.len(), "two of one lane are out");
            prop_assert_eq!(gone.len() + out.len() + hand.len(), entered as usize, "one is nowhere, or twice");
        }

        gone.extend(out.into_iter().map(|held| held.item));
        gone.extend(hand.clear());
        prop_assert!(gone.into_iter().eq(1..=entered), "everything leaves");
    }
}
