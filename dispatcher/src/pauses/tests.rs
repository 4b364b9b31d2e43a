//! Tests of what is paused, for how long, and that one probe at a time finds out whether a pause is over.

use hyper::StatusCode;
use proptest::prelude::*;

use super::pause::PROBED_PERIOD;
use super::*;
use crate::destination::samples::{self, target};
use crate::remedy::Failure;

/// When the events of an outage fail, in milliseconds, and how long that takes.
const OUTAGE: [u64; RUN_EVENTS] = [0, 1, 2, 3, 301];
const OUTAGE_TIME: Duration = Duration::from_millis(301);

fn answered(status: u16, retry_after: Option<u64>) -> Outcome {
    let status = StatusCode::from_u16(status).unwrap();
    Outcome::of_answer(status, retry_after.map(Duration::from_secs), String::new())
}

fn timed_out() -> Outcome {
    Outcome::Failed(Failure::TimedOut)
}

fn id(serial: usize) -> EventId {
    EventId::new(format!("evt_{serial}"))
}

/// The permit for an attempt that has to be admitted.
fn permit(pauses: &mut Pauses, target: &Target, now: Instant) -> Permit {
    match pauses.admit(target.clone(), now) {
        Admission::Go(permit) => permit,
        Admission::Wait { .. } | Admission::Defer(_) => panic!("it is not admitted"),
    }
}

/// Makes an attempt that ends at once.
fn attempt(pauses: &mut Pauses, target: &Target, outcome: &Outcome, now: Instant) -> Consequence {
    let permit = permit(pauses, target, now);
    pauses.ended(permit, &id(1), outcome, now, 0.5)
}

/// Until when an attempt that is not admitted has to wait.
fn wait(pauses: &mut Pauses, target: &Target, now: Instant) -> Instant {
    match pauses.admit(target.clone(), now) {
        Admission::Wait { until, .. } => until,
        Admission::Go(_) | Admission::Defer(_) => panic!("it need not wait"),
    }
}

fn is_paused(pauses: &Pauses, target: &Target) -> bool {
    Scopes::of(target).all().into_iter().any(|scope| pauses.paused.contains_key(scope))
}

/// Pauses as an outage of this target makes them.
fn outage(target: &Target, began: Instant) -> Pauses {
    let mut pauses = Pauses::default();
    for (serial, at) in OUTAGE.into_iter().enumerate() {
        let now = began + Duration::from_millis(at);
        let permit = permit(&mut pauses, target, now);
        assert!(!permit.is_probe);
        pauses.ended(permit, &id(serial), &timed_out(), now, 1.0);
    }
    pauses
}

#[test]
fn an_outage_opens_the_breaker_and_lets_one_probe_through_at_a_time() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let other = samples::target("o", "https://dsk.example/b", "whatsapp:2");
    let began = Instant::now();
    let mut pauses = outage(&target, began);
    let now = began + OUTAGE_TIME;

    assert_eq!(wait(&mut pauses, &other, now), now + PROBES.delay(1, 1.0), "it has the same origin");
    let due = now + PROBES.delay(1, 1.0);
    let probe = permit(&mut pauses, &target, due);
    assert!(probe.is_probe);
    wait(&mut pauses, &other, due);

    pauses.ended(probe, &id(9), &Outcome::Failed(Failure::Unreachable), due, 1.0);
    assert_eq!(wait(&mut pauses, &other, due), due + PROBES.delay(2, 1.0), "the second delay is longer");
    let due = due + PROBES.delay(2, 1.0);
    let probe = permit(&mut pauses, &other, due);
    assert!(probe.is_probe);
    let consequence = pauses.ended(probe, &id(9), &answered(204, None), due, 1.0);
    assert_eq!(consequence, Consequence { has_reopened: true, is_paused: false });
    assert!(!permit(&mut pauses, &target, due).is_probe);
}

#[test]
fn an_event_that_dsk_can_not_digest_does_not_keep_its_destination_paused() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let began = Instant::now();
    let mut pauses = Pauses::default();
    attempt(&mut pauses, &target, &answered(429, Some(1)), began);
    let due = wait(&mut pauses, &target, began);

    let consequence = attempt(&mut pauses, &target, &answered(500, None), due);

    assert_eq!(consequence, Consequence { has_reopened: true, is_paused: false }, "DSK asks for no other pause");
}

#[test]
fn a_refused_channel_whose_probe_finds_dsk_unavailable_is_probed_again_a_minute_later() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let began = Instant::now();
    let mut pauses = Pauses::default();
    attempt(&mut pauses, &target, &answered(401, None), began);
    let due = began + MISCONFIGURED;

    attempt(&mut pauses, &target, &answered(503, None), due);

    let reason = pauses.paused.get(&Scopes::of(&target).channel).map(|pause| pause.probe_at);
    assert_eq!(reason, Some(due + MISCONFIGURED), "it would be probed again and again");
}

#[test]
fn an_attempt_that_began_before_the_breaker_opened_says_nothing_new() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let began = Instant::now();
    let mut pauses = Pauses::default();
    let early = permit(&mut pauses, &target, began);
    for (serial, at) in OUTAGE.into_iter().enumerate() {
        let now = began + Duration::from_millis(at);
        let permit = permit(&mut pauses, &target, now);
        pauses.ended(permit, &id(serial), &timed_out(), now, 1.0);
    }
    let due = began + OUTAGE_TIME + PROBES.delay(1, 1.0);
    let probe = permit(&mut pauses, &target, due);

    let consequence = pauses.ended(early, &id(9), &timed_out(), due, 1.0);

    assert_eq!(consequence, Consequence { has_reopened: false, is_paused: true });
    assert_eq!(wait(&mut pauses, &target, due), due + PROBED_PERIOD, "the probe is still under way");
    assert!(pauses.abandoned(probe));
}

#[test]
fn one_event_that_always_fails_is_not_an_outage() {
    let target = target("t", "https://dsk.example/u", "c");
    let mut pauses = Pauses::default();
    let began = Instant::now();

    for seconds in 0..100 {
        attempt(&mut pauses, &target, &answered(503, None), began + Duration::from_secs(seconds));
    }

    assert!(!is_paused(&pauses, &target));
}

#[test]
fn failures_among_good_answers_are_not_an_outage() {
    let target = target("t", "https://dsk.example/u", "c");
    let mut pauses = Pauses::default();
    let began = Instant::now();

    for serial in 0..100 {
        let now = began + Duration::from_secs(serial as u64);
        let outcome = if serial % 4 == 0 { answered(200, None) } else { answered(503, None) };
        let permit = permit(&mut pauses, &target, now);
        pauses.ended(permit, &id(serial), &outcome, now, 0.5);
    }

    assert!(!is_paused(&pauses, &target));
}

#[test]
fn a_tenant_that_is_throttled_does_not_slow_another_at_the_same_url() {
    let throttled = target("t", "https://dsk.example/u", "whatsapp:1");
    let other = target("other", "https://dsk.example/u", "whatsapp:2");
    let mut pauses = Pauses::default();
    let now = Instant::now();

    attempt(&mut pauses, &throttled, &answered(429, Some(3)), now);

    assert_eq!(wait(&mut pauses, &throttled, now), now + Duration::from_secs(3));
    assert!(!permit(&mut pauses, &other, now).is_probe);
}

#[test]
fn a_pause_too_long_to_be_waited_out_in_flight_is_bounded_and_waited_out_in_a_retry_queue() {
    let target = target("t", "https://dsk.example/u", "c");
    let mut pauses = Pauses::default();
    let now = Instant::now();

    attempt(&mut pauses, &target, &answered(503, Some(86_400)), now);

    assert!(matches!(pauses.admit(target.clone(), now), Admission::Defer(Tier::OneHour)));
    let later = now + Duration::from_mins(55);
    assert!(matches!(pauses.admit(target.clone(), later), Admission::Defer(Tier::TenMinutes)));
    assert!(permit(&mut pauses, &target, now + PAUSE_MAX).is_probe);
}

#[test]
fn a_misconfigured_channel_is_probed_once_a_minute_and_at_once_when_its_record_changes() {
    let target = target("t", "https://dsk.example/u", "whatsapp:1");
    let neighbour = samples::target("t", "https://dsk.example/u", "whatsapp:2");
    let mut pauses = Pauses::default();
    let now = Instant::now();
    attempt(&mut pauses, &target, &answered(401, None), now);

    assert_eq!(wait(&mut pauses, &target, now), now + RECORD_PERIOD);
    assert!(!permit(&mut pauses, &neighbour, now).is_probe, "its neighbour has a token of its own");
    let probe = permit(&mut pauses, &target, now + MISCONFIGURED);
    assert!(probe.is_probe);

    pauses.ended(probe, &id(1), &answered(401, None), now, 0.5);
    let rotated = samples::target("t", "https://dsk.example/u", "whatsapp:1");
    assert!(!permit(&mut pauses, &rotated, now).is_probe);
}

#[test]
fn a_probe_that_is_abandoned_leaves_the_pause_to_the_next_one() {
    let target = target("t", "https://dsk.example/u", "c");
    let began = Instant::now();
    let mut pauses = outage(&target, began);
    let due = began + OUTAGE_TIME + Duration::from_secs(1);
    let probe = permit(&mut pauses, &target, due);

    assert!(pauses.abandoned(probe));

    assert!(permit(&mut pauses, &target, due).is_probe);
}

#[test]
fn a_pause_tells_since_when_it_lasts_whatever_its_probes_find_and_when_the_next_one_is_due() {
    let target = target("t", "https://dsk.example/u", "whatsapp:1");
    let began = Instant::now();
    let mut pauses = outage(&target, began);
    let opened = began + OUTAGE_TIME;
    let told = |pauses: &Pauses, now: Instant| {
        let [paused] = &pauses.list(now)[..] else { panic!("one pause is told") };
        assert_eq!(paused.scope, Scopes::of(&target).origin);
        (paused.lasts, paused.probed_in)
    };
    assert_eq!(told(&pauses, opened), (Duration::ZERO, Some(PROBES.delay(1, 1.0))));

    let due = opened + PROBES.delay(1, 1.0);
    let probe = permit(&mut pauses, &target, due);
    assert_eq!(told(&pauses, due), (due - opened, None), "its probe is under way");
    pauses.ended(probe, &id(9), &timed_out(), due, 1.0);
    assert_eq!(told(&pauses, due), (due - opened, Some(PROBES.delay(2, 1.0))));

    let mut pauses = Pauses::default();
    attempt(&mut pauses, &target, &answered(401, None), began);
    attempt(&mut pauses, &target, &answered(401, None), began + MISCONFIGURED);
    let [paused] = &pauses.list(began + MISCONFIGURED)[..] else { panic!("one pause is told") };
    assert_eq!(paused.lasts, MISCONFIGURED, "it goes on");
}

proptest! {
    #[test]
    fn however_attempts_end_there_is_one_probe_at_most_and_what_is_healthy_in_the_end_is_open(
        steps in prop::collection::vec((0_usize..3, 0_usize..7, 0_u64..40), 1..120), dice in 0.0..1.0,
    ) {
        let targets = [
            target("t", "https://dsk.example/u", "whatsapp:1"),
            target("t", "https://dsk.example/u", "whatsapp:2"),
            target("o", "https://dsk.example/u", "whatsapp:3"),
        ];
        let outcomes = [
            answered(200, None), answered(503, None), timed_out(), answered(429, Some(2)), answered(429, None),
            answered(401, None), Outcome::Failed(Failure::Unopenable),
        ];
        let mut pauses = Pauses::default();
        let mut now = Instant::now();
        let mut probes: Vec<Probe> = Vec::new();

        for (serial, (channel, outcome, later)) in steps.into_iter().enumerate() {
            now += Duration::from_millis(later * 100);
            if let Admission::Go(permit) = pauses.admit(targets[channel].clone(), now) {
                if permit.is_probe && outcome % 3 == 0 {
                    let others = probes.iter().filter(|probe| probe.channel == channel).count();
                    prop_assert_eq!(others, 0, "two probes of one channel at once");
                    probes.push(Probe { permit, channel, outcome });
                    continue;
                }
                pauses.ended(permit, &id(serial), &outcomes[outcome], now, dice);
            }
            if later > 30 && let Some(probe) = probes.pop() {
                pauses.ended(probe.permit, &id(serial), &outcomes[probe.outcome], now, dice);
            }
        }

        for probe in probes {
            pauses.abandoned(probe.permit);
        }
        now += PAUSE_MAX;
        for target in &targets {
            attempt(&mut pauses, target, &answered(200, None), now);
            prop_assert!(!permit(&mut pauses, target, now).is_probe);
        }
    }
}

/// A probe that is under way.
struct Probe {
    permit: Permit,
    channel: usize,
    outcome: usize,
}

#[test]
fn a_pause_that_nothing_probes_is_removed() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let began = Instant::now();
    let mut pauses = outage(&target, began);
    let due = began + OUTAGE_TIME + PROBES.delay(1, 1.0);

    pauses.remove_unprobed(due + UNPROBED_FOR - Duration::from_millis(1));
    assert!(is_paused(&pauses, &target));
    pauses.remove_unprobed(due + UNPROBED_FOR);
    assert!(!is_paused(&pauses, &target));
}

#[test]
fn a_pause_whose_probe_is_under_way_is_not_removed() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let began = Instant::now();
    let mut pauses = outage(&target, began);
    let due = began + OUTAGE_TIME + UNPROBED_FOR;
    let probe = permit(&mut pauses, &target, due);
    assert!(probe.is_probe);

    pauses.remove_unprobed(due + UNPROBED_FOR);

    assert!(is_paused(&pauses, &target));
}
