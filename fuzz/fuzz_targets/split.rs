//! Splits any bytes that Meta might have signed: there is at least one event, each has a body that is JSON, all are no
//! larger than the bytes warrant, and a second time the ids are the same.

#![no_main]

use event::{Event, UnrecognizedReason, split};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

/// Most bytes of events for each byte of a body.
const GROWTH_MAX: usize = 80;
/// Most bytes of events for an empty body.
const BASE_BYTES: usize = 128 << 10;

fuzz_target!(|body: &[u8]| {
    let events = split(body, Timestamp::UNIX_EPOCH);
    assert!(!events.is_empty(), "nothing is dropped");
    let size: usize = events.iter().map(|event| event.body.len() + event.lane.as_str().len()).sum();
    assert!(size <= BASE_BYTES + GROWTH_MAX * body.len(), "{size} bytes of events from {}", body.len());
    events.iter().for_each(check);
    assert_eq!(events[0].is_unrecognized(), UnrecognizedReason::of(body).is_some(), "and there is a reason");
    let again = split(body, Timestamp::UNIX_EPOCH);
    assert!(events.iter().map(|event| &event.id).eq(again.iter().map(|event| &event.id)));
});

fn check(event: &Event) {
    // `Value` cannot hold every number of JSON, and numbers travel as they are written.
    let body = std::str::from_utf8(&event.body).expect("a body is UTF-8");
    serde_json::from_str::<IgnoredAny>(body).expect("a body is JSON");
    assert!(body.starts_with(&format!("{{\"type\":\"{}\",\"timestamp\":\"", event.event_type)));
    assert!(body.contains(&format!("\"data\":{{\"id\":\"{}\",", event.id)) && body.contains("\"payload\":"));
    assert!(event.address.as_str().len() < 300 && event.lane.as_str().len() < 600, "both fit into a header");
}
