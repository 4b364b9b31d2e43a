//! Which events leave a trail, and what it says.

use super::super::Work;
use super::attempting;
use super::parcel::Content;
use super::simulation::Simulation;
use crate::remedy::Reason;
use crate::trails::Step;

fn steps(simulation: &Simulation) -> Vec<Step> {
    simulation.notes().into_iter().map(|note| note.step).collect()
}

/// What is noted when a look-up is answered in this way.
fn after_look_up(answer: usize) -> Vec<Step> {
    let mut simulation = Simulation::new();
    simulation.take(0, Content::Event);
    simulation.complete(0, answer);
    steps(&simulation)
}

/// What is noted when the first attempt ends in this way.
fn after_attempt(outcome: usize) -> Simulation {
    let mut simulation = attempting(&[1]);
    simulation.complete(0, outcome);
    simulation
}

#[test]
fn what_is_held_removed_or_undecodable_leaves_no_trail() {
    for answer in [1, 2, 11] {
        assert_eq!(after_look_up(answer), [], "{answer}");
    }
    let mut simulation = Simulation::new();
    simulation.take(0, Content::Undecodable);
    assert_eq!(steps(&simulation), []);

    simulation.take(1, Content::Unrecognized);
    assert_eq!(steps(&simulation), [Step::Park(Reason::Unrecognized)]);
    assert_eq!(after_look_up(0), [Step::Repeat]);
}

#[test]
fn an_event_that_its_first_attempt_delivers_leaves_no_trail_and_every_failure_is_noted() {
    assert_eq!(steps(&after_attempt(9)), []);

    assert_eq!(steps(&after_attempt(0)), [Step::Park(Reason::Panicked)]);
    assert_eq!(steps(&after_attempt(1)), [Step::Park(Reason::Rejected)]);
    assert_eq!(steps(&after_attempt(2)), [Step::Hold]);
    assert!(matches!(steps(&after_attempt(4))[..], [Step::Retry(_)]));
    assert!(matches!(steps(&after_attempt(7))[..], [Step::Attempt(_)]));
    assert!(matches!(after_look_up(3)[..], [Step::Retry(_)]));
    let failure = after_attempt(8).notes().remove(0).failure.expect("DSK answered 503");
    assert_eq!((failure.attempt, failure.status, failure.outcome.as_str()), (Some(1), Some(503), "unavailable"));
}

#[test]
fn nothing_is_noted_any_more_of_an_event_that_turns_out_to_be_erased() {
    let mut simulation = after_attempt(2);
    let look_up = simulation.under_way.iter().position(|work| matches!(work, Work::LookUp(_)));

    simulation.complete(look_up.expect("a held event is looked up again"), 1);

    assert_eq!(steps(&simulation), []);
}
