//! What is paused, for how long, and that one probe at a time finds out.

use channels::{KeyRing, KeyRingSettings, Metrics, new_key};
use chassis::Secret;
use hyper::StatusCode;
use proptest::prelude::*;

use super::*;

const OUTAGE: [u64; RUN_EVENTS] = [0, 1, 2, 3, 301];

fn target(tenant: &str, url: &str, channel: &str) -> Target {
    let settings = KeyRingSettings { key_ring: Some(new_key()), key_ring_file: None };
    let ring = KeyRing::load(&settings, &Metrics::register(&prometheus::Registry::new()).unwrap()).unwrap();
    let (name, tenant, url): (_, Arc<str>, Arc<str>) = (tenant.to_owned(), tenant.into(), url.into());
    let dsk_token = ring.seal(&Secret::new("token"));
    let route = Route { tenant: name, dsk_url: None, dsk_token, signing_secret: None };
    let address = Address::new(channel);
    let destination = Destination::parse(&url, crate::Allowed::default()).unwrap();
    Target { destination, party: Party { tenant, url }, address, route: Arc::new(route) }
}

fn answered(status: u16, retry_after: Option<u64>) -> Cause {
    let status = StatusCode::from_u16(status).unwrap();
    Cause::Answered { status, retry_after: retry_after.map(Duration::from_secs), answer: String::new() }
}

fn id(serial: usize) -> EventId {
    EventId::new(format!("evt_{serial}"))
}

/// Pauses as this outage makes them, and when it ended.
fn outage(target: &Target) -> (Pauses, Instant) {
    let (mut pauses, now) = (Pauses::default(), Instant::now());
    for (serial, at) in OUTAGE.into_iter().enumerate() {
        let now = now + Duration::from_millis(at);
        assert_eq!(pauses.admit(target, now), Admission::Go { is_probe: false });
        pauses.ended((target, false), (&id(serial), &Cause::TimedOut), (now, 1.0));
    }
    (pauses, now + Duration::from_millis(301))
}

#[test]
fn an_outage_opens_the_breaker_and_lets_one_probe_through_at_a_time() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let other = self::target("https://dsk.example/u", "https://dsk.example/b", "whatsapp:2");
    let (mut pauses, now) = outage(&target);

    assert_eq!(pauses.admit(&other, now), Admission::Wait(now + PROBES.delay(1, 1.0)), "the same origin");
    let due = now + PROBES.delay(1, 1.0);
    assert_eq!(pauses.admit(&target, due), Admission::Go { is_probe: true });
    assert!(matches!(pauses.admit(&other, due), Admission::Wait(_)), "a second probe");

    pauses.ended((&target, true), (&id(9), &Cause::Unreachable), (due, 1.0));
    assert_eq!(pauses.admit(&other, due), Admission::Wait(due + PROBES.delay(2, 1.0)), "a later one");
    let due = due + PROBES.delay(2, 1.0);
    assert_eq!(pauses.admit(&other, due), Admission::Go { is_probe: true });
    assert!(pauses.ended((&other, true), (&id(9), &answered(204, None)), (due, 1.0)), "everyone may go on");
    assert_eq!(pauses.admit(&target, due), Admission::Go { is_probe: false });
}

#[test]
fn one_event_that_always_fails_is_no_outage() {
    let (target, mut pauses, now) = (target("t", "https://dsk.example/u", "c"), Pauses::default(), Instant::now());

    for at in 0..100 {
        let now = now + Duration::from_secs(at);
        pauses.ended((&target, false), (&id(1), &answered(503, None)), (now, 0.5));
    }

    assert!(!pauses.is_paused(&target));
}

#[test]
fn failures_among_good_answers_are_no_outage() {
    let (target, mut pauses, now) = (target("t", "https://dsk.example/u", "c"), Pauses::default(), Instant::now());

    for serial in 0..100 {
        let now = now + Duration::from_secs(serial as u64);
        let cause = if serial % 4 == 0 { answered(200, None) } else { answered(503, None) };
        pauses.ended((&target, false), (&id(serial), &cause), (now, 0.5));
    }

    assert!(!pauses.is_paused(&target));
}

#[test]
fn a_tenant_that_is_throttled_does_not_slow_another_at_the_same_url() {
    let (throttled, other) =
        (target("t", "https://dsk.example/u", "whatsapp:1"), target("other", "https://dsk.example/u", "whatsapp:2"));
    let (mut pauses, now) = (Pauses::default(), Instant::now());

    pauses.ended((&throttled, false), (&id(1), &answered(429, Some(3))), (now, 0.5));

    assert_eq!(pauses.admit(&throttled, now), Admission::Wait(now + Duration::from_secs(3)));
    assert_eq!(pauses.admit(&other, now), Admission::Go { is_probe: false });
}

#[test]
fn a_pause_too_long_to_be_held_is_waited_out_in_a_queue_and_bounded() {
    let (target, mut pauses, now) = (target("t", "https://dsk.example/u", "c"), Pauses::default(), Instant::now());

    pauses.ended((&target, false), (&id(1), &answered(503, Some(86_400))), (now, 0.5));

    assert_eq!(pauses.admit(&target, now), Admission::Park(Tier::OneHour));
    assert_eq!(pauses.admit(&target, now + Duration::from_mins(55)), Admission::Park(Tier::TenMinutes));
    assert_eq!(pauses.admit(&target, now + PAUSE_MAX), Admission::Go { is_probe: true });
}

#[test]
fn a_misconfigured_channel_is_probed_once_a_minute_and_at_once_when_its_record_changes() {
    let (target, sibling) =
        (target("t", "https://dsk.example/u", "whatsapp:1"), target("t", "https://dsk.example/u", "whatsapp:2"));
    let (mut pauses, now) = (Pauses::default(), Instant::now());
    pauses.ended((&target, false), (&id(1), &answered(401, None)), (now, 0.5));

    assert_eq!(pauses.admit(&target, now), Admission::Wait(now + RECORD_PERIOD));
    assert_eq!(pauses.admit(&sibling, now), Admission::Go { is_probe: false }, "its neighbour has a token of its own");
    assert_eq!(pauses.admit(&target, now + MISCONFIGURED), Admission::Go { is_probe: true });

    pauses.ended((&target, true), (&id(1), &answered(401, None)), (now, 0.5));
    let rotated = self::target("t", "https://dsk.example/u", "whatsapp:1");
    assert_eq!(pauses.admit(&rotated, now), Admission::Go { is_probe: false });
}

#[test]
fn a_probe_that_is_interrupted_leaves_the_pause_to_the_next() {
    let target = target("t", "https://dsk.example/u", "c");
    let (mut pauses, now) = outage(&target);
    let due = now + Duration::from_secs(1);
    assert_eq!(pauses.admit(&target, due), Admission::Go { is_probe: true });

    assert!(pauses.abandoned(&target));

    assert_eq!(pauses.admit(&target, due), Admission::Go { is_probe: true });
}

proptest! {
    #[test]
    fn however_attempts_end_there_is_one_probe_at_most_and_what_is_well_in_the_end_is_open(
        steps in prop::collection::vec((0_usize..3, 0_usize..7, 0_u64..40), 1..120), dice in 0.0..1.0,
    ) {
        let targets = [target("t", "https://dsk.example/u", "whatsapp:1"), target("t", "https://dsk.example/u", "whatsapp:2"), target("o", "https://dsk.example/u", "whatsapp:3")];
        let causes = [
            answered(200, None), answered(503, None), Cause::TimedOut, answered(429, Some(2)), answered(429, None),
            answered(401, None), Cause::Unopenable,
        ];
        let (mut pauses, mut now, mut probes) = (Pauses::default(), Instant::now(), Vec::new());

        for (serial, (which, cause, later)) in steps.into_iter().enumerate() {
            now += Duration::from_millis(later * 100);
            if let Admission::Go { is_probe } = pauses.admit(&targets[which], now) {
                if is_probe && cause % 3 == 0 {
                    probes.push((which, cause));
                    let shared = probes.iter().filter(|(other, _)| *other == which).count();
                    prop_assert_eq!(shared, 1, "two probes of one channel at once");
                    continue;
                }
                pauses.ended((&targets[which], is_probe), (&id(serial), &causes[cause]), (now, dice));
            }
            if later > 30 && let Some((which, cause)) = probes.pop() {
                pauses.ended((&targets[which], true), (&id(serial), &causes[cause]), (now, dice));
            }
        }

        for target in &targets {
            pauses.ended((target, true), (&id(0), &answered(200, None)), (now, dice));
            prop_assert_eq!(pauses.admit(target, now), Admission::Go { is_probe: false });
        }
    }
}

#[test]
fn a_pause_that_nobody_probes_is_forgotten() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let (mut pauses, now) = outage(&target);
    let due = now + PROBES.delay(1, 1.0);

    pauses.forget_unasked(due + UNASKED_FOR - Duration::from_millis(1));
    assert!(pauses.is_paused(&target));
    pauses.forget_unasked(due + UNASKED_FOR);
    assert!(!pauses.is_paused(&target));
}

#[test]
fn a_pause_whose_probe_is_under_way_is_not_forgotten() {
    let target = target("t", "https://dsk.example/a", "whatsapp:1");
    let (mut pauses, now) = outage(&target);
    let due = now + UNASKED_FOR;
    assert_eq!(pauses.admit(&target, due), Admission::Go { is_probe: true });

    pauses.forget_unasked(due + UNASKED_FOR);

    assert!(pauses.is_paused(&target));
}
