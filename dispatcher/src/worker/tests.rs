//! Tests of the worker under any order of events: nothing is lost, and a lane has one attempt under way at most.

mod lane_order;
mod pacing;
mod parcel;
mod shared_world;
mod simulation;
mod trails;

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use queue::Tier;

use super::*;
use crate::remedy::Reason;
use parcel::{CHANNELS, Content, PARTITIONS};
use simulation::{Choice, HOLD_TIME, Simulation};

/// What can happen to a worker.
#[derive(Clone, Debug)]
enum Step {
    Take(usize, Content),
    Complete(Choice),
    Later(u64),
    Tick,
    /// Some partitions belong to another dispatcher.
    Stall(usize),
    Store(bool),
    Lose,
}

fn choice() -> impl Strategy<Value = Choice> {
    (any::<usize>(), any::<usize>(), any::<bool>()).prop_map(|(which, how, is_interrupted)| Choice {
        which,
        how,
        is_interrupted,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let content =
        prop_oneof![8 => Just(Content::Event), 1 => Just(Content::Unrecognized), 1 => Just(Content::Undecodable)];
    let step = prop_oneof![
        5 => (0_usize..6, content).prop_map(|(lane, content)| Step::Take(lane, content)),
        8 => choice().prop_map(Step::Complete),
        2 => (0_u64..20_000).prop_map(Step::Later),
        2 => Just(Step::Tick),
        1 => (1..=PARTITIONS).prop_map(Step::Stall),
        1 => any::<bool>().prop_map(Step::Store),
        1 => Just(Step::Lose),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn no_envelope_is_lost_or_settled_twice_and_a_stop_leaves_nothing_behind_whatever_the_order_of_events(
        steps in steps(), stop in prop::collection::vec_deque(choice(), 0..20),
    ) {
        let mut simulation = Simulation::new();

        for step in steps {
            match step {
                Step::Take(lane, content) => simulation.take(lane, content),
                Step::Complete(choice) => simulation.complete(choice.which, choice.how),
                Step::Later(milliseconds) => simulation.later(Duration::from_millis(milliseconds)),
                Step::Tick => simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() }),
                Step::Stall(count) => {
                    simulation.apply(WorkerEvent::Tick { stalled: Partition::first(count).collect() });
                }
                Step::Store(is_away) => simulation.apply(WorkerEvent::Store { is_away }),
                Step::Lose => simulation.lose(),
            }
            simulation.give_back_if_drained();
        }

        let taken = simulation.taken;
        let fates = simulation.stop(stop);
        let all: BTreeSet<u32> = fates.acknowledged.union(&fates.returned).copied().collect();
        prop_assert!(fates.acknowledged.is_disjoint(&fates.returned), "acknowledged and given back: {fates:?}");
        prop_assert!(all.into_iter().eq(1..=taken), "not all of {taken} were settled or given back: {fates:?}");
    }
}

/// A simulation whose attempts of these lanes are under way.
fn attempting(lanes: &[usize]) -> Simulation {
    let mut simulation = Simulation::new();
    for lane in lanes {
        simulation.take(*lane, Content::Event);
        while matches!(simulation.under_way.last(), Some(Work::LookUp(_))) {
            simulation.complete(simulation.under_way.len() - 1, 5);
        }
    }
    simulation
}

#[test]
fn a_stop_finishes_the_attempts_under_way_and_gives_back_the_rest() {
    let simulation = attempting(&[1, 2, 1]);

    let fates = simulation.stop(VecDeque::new());

    assert_eq!(fates.acknowledged, BTreeSet::from([1, 2]));
    assert_eq!(fates.returned, BTreeSet::from([3]), "it waited behind the first of its lane");
}

/// The envelopes that are being deferred.
fn deferred(simulation: &Simulation) -> Vec<u32> {
    let mut deferred = Vec::new();
    for work in &simulation.under_way {
        if let Work::Note { deferrals, .. } = work {
            assert!(deferrals.iter().all(|deferral| deferral.tier == Tier::TenSeconds));
            deferred.extend(deferrals.iter().map(|deferral| deferral.flight.item.serial()));
        }
    }
    deferred
}

/// A simulation in which an attempt is under way, another envelope has waited for a pause for too long, and the store has
/// said which tenants there are.
fn holding(tenants: &[&'static str]) -> Simulation {
    holding_in(&[0, 4], tenants)
}

fn holding_in(lanes: &[usize], tenants: &[&'static str]) -> Simulation {
    let mut simulation = attempting(lanes);
    simulation.tenants = tenants.to_vec();
    simulation.later(HOLD_TIME);
    simulation.complete(1, 2);
    simulation.complete(1, 5);
    simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });
    assert!(matches!(simulation.under_way[..], [Work::Attempt { .. }, Work::Survey]));
    simulation.complete(1, 1);
    simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });
    simulation
}

#[test]
fn what_is_held_for_too_long_is_given_back_when_no_work_is_under_way() {
    let mut simulation = holding(&["a"]);

    simulation.give_back_if_drained();
    assert_eq!(simulation.worker.in_flight(), 2, "an attempt is still under way");
    simulation.complete(0, 2);
    simulation.give_back_if_drained();

    assert_eq!(simulation.fates.borrow().returned, BTreeSet::from([1, 2]));
}

#[test]
fn a_partition_of_another_dispatcher_is_given_back_once_its_attempts_have_ended() {
    let mut simulation = attempting(&[0, 1]);
    simulation.take(0, Content::Event);
    simulation.take(1, Content::Event);
    simulation.later(Duration::from_secs(3));
    let stalled = PartitionSet::from_iter([Partition::FIRST]);

    simulation.apply(WorkerEvent::Tick { stalled });
    simulation.give_back_if_drained();
    assert!(simulation.fates.borrow().returned.is_empty(), "an attempt is under way");
    simulation.complete(0, 9);
    while simulation.fates.borrow().returned.is_empty() {
        let mark = simulation.under_way.iter().position(|work| matches!(work, Work::Mark(_)));
        simulation.complete(mark.expect("what was delivered is marked first"), 0);
        simulation.give_back_if_drained();
    }

    assert_eq!(simulation.fates.borrow().returned, BTreeSet::from([3]), "the fourth is of a partition of ours");
    assert_eq!(simulation.fates.borrow().acknowledged, BTreeSet::from([1]));
}

#[test]
fn everything_is_given_back_when_the_store_is_away_for_longer_than_a_moment() {
    let mut simulation = attempting(&[0, 1]);
    simulation.complete(0, 9);
    simulation.complete(0, 9);
    simulation.take(0, Content::Event);

    simulation.apply(WorkerEvent::Store { is_away: true });
    simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });
    assert!(simulation.worker.wants_hold() && simulation.worker.draining().is_empty());
    simulation.later(Duration::from_secs(5));
    simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });

    assert_eq!(simulation.worker.draining(), Partition::first(PARTITIONS).collect());
}

#[test]
fn what_a_partition_holds_for_too_long_is_given_back_while_another_partition_has_an_attempt_under_way() {
    let mut simulation = holding_in(&[0, 1], &["a"]);

    simulation.give_back_if_drained();

    assert_eq!(simulation.fates.borrow().returned, BTreeSet::from([2]));
    assert!(matches!(simulation.under_way[..], [Work::Attempt { .. }]));
}

#[test]
fn what_is_held_for_too_long_is_deferred_if_others_would_have_to_wait_for_the_end_of_all_attempts() {
    let simulation = holding(&["a", "b"]);

    assert_eq!(deferred(&simulation), [2]);
    assert!(simulation.worker.draining().is_empty());
}

#[test]
fn a_deferral_that_can_not_be_made_is_not_waited_for() {
    let mut simulation = holding(&["a", "b"]);

    simulation.later(HOLD_TIME);
    simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });

    assert!(!simulation.worker.draining().is_empty());
}

#[test]
fn what_was_given_back_too_often_goes_on_as_a_copy_instead() {
    let mut simulation = attempting(&[1]);
    simulation.tenants = vec!["a"];
    simulation.take(1, Content::Event);
    simulation.take(1, Content::Event);
    simulation.later(HOLD_TIME);
    simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });
    simulation.complete(1, 1);

    simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });

    assert_eq!(deferred(&simulation), [3], "the second was not given back so often");
    assert!(!simulation.worker.draining().is_empty());
}

/// A simulation with as many envelopes of one tenant as there is space for, each in a lane of its own.
fn crowded() -> Simulation {
    let mut simulation = Simulation::new();
    for lane in 0..16 {
        simulation.take(lane * CHANNELS, Content::Event);
    }
    simulation.look_up_all();
    simulation
}

#[test]
fn what_is_being_delivered_makes_room_only_after_a_while() {
    let mut simulation = crowded();
    assert!(matches!(simulation.under_way[..], [Work::Attempt { .. }, ..]));
    assert!(simulation.surveys() == 0 && deferred(&simulation).is_empty());

    simulation.later(Duration::from_secs(1));
    simulation.survey();

    assert!(!deferred(&simulation).is_empty());
}

#[test]
fn what_waits_for_a_pause_makes_room_at_once() {
    let mut simulation = crowded();

    simulation.complete(0, 2);
    simulation.look_up_all();
    simulation.later(Duration::from_millis(10));
    simulation.survey();

    assert!(!deferred(&simulation).is_empty());
}

#[test]
fn nothing_is_due_for_the_room_while_the_store_is_away() {
    let mut simulation = crowded();

    simulation.apply(WorkerEvent::Store { is_away: true });
    simulation.later(Duration::from_secs(1));

    assert_eq!(simulation.worker.next_due(), None, "it would be due again and again");
}

#[test]
fn a_probe_that_panics_is_parked_and_the_next_one_may_probe() {
    let mut simulation = attempting(&[1]);

    simulation.complete(0, 0);
    assert!(matches!(
        simulation.under_way[..],
        [Work::Settle { settlement: Settlement::DeadLetter(Reason::Panicked, None), .. }]
    ));

    simulation.complete(0, 0);
    simulation.check_pauses();
}

#[test]
fn a_lane_whose_look_up_was_given_up_goes_on_when_its_partition_was_given_back() {
    let mut simulation = Simulation::new();
    simulation.take(1, Content::Event);
    simulation.take(1, Content::Event);
    simulation.apply(WorkerEvent::Store { is_away: true });
    simulation.later(Duration::from_secs(5));
    simulation.apply(WorkerEvent::Tick { stalled: PartitionSet::default() });
    simulation.interrupt(0, 0);
    simulation.give_back_if_drained();
    simulation.apply(WorkerEvent::Store { is_away: false });
    assert_eq!(simulation.worker.in_flight(), 0);

    simulation.take(1, Content::Event);

    assert!(matches!(simulation.under_way[..], [Work::LookUp(_)]), "{} kinds of work", simulation.under_way.len());
}
