//! The verdict over evidence made by hand.

use super::*;
use crate::drill::evidence::{Accepted, Parked};
use crate::drill::fault::{Cable, Damage, Manner, Role, TENANTS};

/// A conversation of tenant 1 with messages.
const CONVERSATION: usize = TENANTS + 1;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn place(turn: usize) -> Place {
    Place { conversation: CONVERSATION, turn }
}

fn accepted(turn: usize, seconds: u64) -> Accepted {
    Accepted { place: place(turn), ingest: 0, posted: at(seconds), at: at(seconds) }
}

fn taken(turn: usize, seconds: u64) -> Taken {
    Taken { place: place(turn), attempt: 1, at: at(seconds) }
}

fn happened(fault: Fault, began: u64, ended: u64) -> Happened {
    Happened { fault, began: at(began), ended: at(ended) }
}

/// A service that accepts and delivers one event a second.
fn steady(seconds: u64) -> Evidence {
    let turns = || (0..seconds).map(|second| (usize::try_from(second).unwrap(), second));
    Evidence {
        accepted: turns().map(|(turn, second)| accepted(turn, second)).collect(),
        taken: turns().map(|(turn, second)| taken(turn, second)).collect(),
        load_ended: at(seconds),
        ..Evidence::default()
    }
}

#[test]
fn a_service_that_delivers_everything_once_and_in_order_has_no_complaint() {
    let mut evidence = steady(60);
    evidence.happened.push(happened(Fault::KillBroker, 20, 30));

    let verdict = evidence.judge();

    assert_eq!(verdict.complaints(), Vec::<String>::new());
    assert_eq!((verdict.events, verdict.repeats(), verdict.worst_pause()), (60, 0, at(1)));
}

#[test]
fn what_was_accepted_and_is_nowhere_is_lost_and_a_dead_letter_is_not() {
    let mut evidence = steady(10);
    evidence.taken.retain(|taken| ![3, 4].contains(&taken.place.turn));
    evidence.parked.push(Parked { place: place(4), reason: "rejected".to_owned() });

    let verdict = evidence.judge();

    assert_eq!(verdict.lost, [place(3)]);
    assert_eq!(verdict.parked, BTreeMap::from([("rejected".to_owned(), 1)]));
    assert!(verdict.complaints()[0].starts_with("1 events lost"), "{:?}", verdict.complaints());
}

#[test]
fn what_came_only_after_a_restart_was_stuck_and_is_not_lost() {
    let mut evidence = steady(20);
    evidence.taken.retain(|taken| taken.place.turn != 7);
    evidence.restarted = Some(at(60));
    evidence.taken.push(Taken { attempt: 2, ..taken(7, 62) });

    let verdict = evidence.judge();

    assert_eq!((verdict.stuck.clone(), verdict.lost.len()), (vec![place(7)], 0));
    assert!(verdict.complaints()[0].starts_with("1 events stuck"), "{:?}", verdict.complaints());
}

#[test]
fn what_was_in_a_deleted_queue_is_not_lost_by_the_service_and_what_came_later_is() {
    let mut evidence = steady(30);
    evidence.taken.retain(|taken| ![9, 20].contains(&taken.place.turn));
    evidence.happened.push(happened(Fault::DeleteQueue(0), 10, 11));
    let status = Place { conversation: 1, turn: 0 };
    evidence.accepted.push(Accepted { place: status, ..accepted(0, 5) });

    let verdict = evidence.judge();

    assert!(status.is_update(), "it was in no queue of messages");
    assert_eq!((verdict.deleted, verdict.lost), (vec![place(9)], vec![status, place(20)]));
}

#[test]
fn a_kill_between_explains_a_repeat_and_a_slow_dsk_does_not() {
    for (fault, unexplained) in [
        (Fault::Kill(Role::Dispatcher(1)), 0),
        (Fault::ForgetMarkers, 0),
        (Fault::Dsk(None, Manner::ClosingHalfWay), 0),
        (Fault::Dsk(None, Manner::Slow), 1),
        (Fault::Kill(Role::Ingest(1)), 1),
        (Fault::Upgrade, 1),
    ] {
        let mut evidence = steady(60);
        evidence.happened.push(happened(fault, 20, 22));
        evidence.taken.push(taken(21, 60));

        let verdict = evidence.judge();

        assert_eq!((verdict.unexplained.len(), verdict.repeats()), (unexplained, 1), "{fault}");
    }
}

#[test]
fn a_fault_that_ended_long_before_explains_no_repeat() {
    let mut evidence = steady(60);
    evidence.happened.push(happened(Fault::KillBroker, 1, 2));
    evidence.taken.push(taken(40, 60));

    assert_eq!(evidence.judge().unexplained.len(), 1);
}

#[test]
fn an_overtaken_event_is_out_of_order_unless_it_was_retried() {
    for attempt in [1, 2] {
        let mut evidence = steady(10);
        let late = evidence.taken.remove(3);
        evidence.taken.push(Taken { attempt, ..late });

        let verdict = evidence.judge();

        assert_eq!((verdict.disorder.len(), verdict.overtaken), if attempt == 1 { (1, 0) } else { (0, 1) });
    }
}

#[test]
fn a_parked_event_that_meta_repeats_comes_late_and_is_no_disorder() {
    let mut evidence = steady(60);
    evidence.taken.retain(|taken| taken.place.turn != 4);
    evidence.taken.push(taken(4, 59));
    evidence.parked.push(Parked { place: place(4), reason: "rejected".to_owned() });

    let verdict = evidence.judge();

    assert_eq!((verdict.disorder.len(), verdict.overtaken, verdict.neglected.len()), (0, 1, 0));
}

#[test]
fn a_repeat_after_later_events_is_no_disorder() {
    let mut evidence = steady(10);
    evidence.happened.push(happened(Fault::ForgetMarkers, 4, 4));
    evidence.taken.push(taken(3, 11));

    assert_eq!(evidence.judge().disorder.len(), 0);
}

#[test]
fn a_pause_counts_from_the_end_of_the_fault_and_what_the_design_allows_is_allowed() {
    for (fault, complaints) in [(Fault::KillBroker, 1), (Fault::Dsk(Some(1), Manner::Redirecting), 0)] {
        let mut evidence = steady(60);
        evidence.taken.retain(|taken| !(20..46).contains(&taken.place.turn));
        evidence.taken.extend((20..46).map(|turn| Taken { attempt: 2, ..taken(turn, 46) }));
        evidence.happened.push(happened(fault, 20, 30));

        let verdict = evidence.judge();

        assert_eq!(verdict.worst_pause(), at(16));
        assert_eq!(verdict.complaints().len(), complaints, "{:?}", verdict.complaints());
    }
}

#[test]
fn a_pause_of_one_tenant_or_one_ingest_is_seen_beside_others_that_work() {
    let mut evidence = steady(60);
    evidence.happened.push(happened(Fault::KillBroker, 10, 11));
    let other = Place { conversation: CONVERSATION + 1, turn: 0 };
    evidence.taken.push(Taken { place: other, attempt: 1, at: at(5) });
    evidence.accepted.push(Accepted { place: other, ingest: 1, posted: at(5), at: at(5) });

    let complaints = evidence.judge().complaints();

    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("accepting by ingest 1 paused for 49.0s"), "{complaints:?}");
}

#[test]
fn the_longest_wait_does_not_count_what_a_fault_took() {
    let mut evidence = steady(60);
    evidence.happened.push(happened(Fault::Dsk(None, Manner::Unavailable), 10, 20));
    evidence.happened.push(happened(Fault::Cable(Cable::Redis, Damage::Cut), 12, 25));
    evidence.taken.retain(|taken| taken.place.turn != 8);
    evidence.taken.push(Taken { attempt: 3, ..taken(8, 40) });

    assert_eq!(evidence.judge().longest_wait, Some(Wait { lasted: at(17), place: place(8), attempt: 3 }));
}

#[test]
fn an_event_that_waits_long_for_its_first_attempt_is_neglected_and_one_that_was_retried_is_not() {
    for (attempt, neglected) in [(1, 1), (2, 0)] {
        let mut evidence = steady(60);
        evidence.taken.retain(|taken| taken.place.turn != 59);
        evidence.taken.push(Taken { attempt, ..taken(59, 105) });

        assert_eq!(evidence.judge().neglected.len(), neglected);
    }
}
