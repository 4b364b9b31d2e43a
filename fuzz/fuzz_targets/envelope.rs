//! Decodes any headers and body: it never panics, and an envelope that can be read is written and read again unchanged.

#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use event::{Envelope, Field};
use libfuzzer_sys::fuzz_target;

const HEADERS: [&str; 15] = [
    "type",
    "address",
    "lane",
    "class",
    "effect",
    "received-at",
    "queued-at",
    "attempts",
    "visits",
    "copies",
    "traceparent",
    "reason",
    "status",
    "answer",
    "parked-at",
];

/// Reads a line for each header: its letter (`a` is the first), `=` for text or `#` for a number, and its value. The rest
/// is the body.
fn read(input: &str) -> (BTreeMap<&'static str, Field>, Bytes) {
    let mut headers = BTreeMap::new();
    let mut lines = input.split('\n');
    for line in lines.by_ref() {
        let Some((letter, rest)) = line.split_at_checked(1) else { break };
        let position = usize::from(letter.as_bytes()[0].wrapping_sub(b'a'));
        let Some(header) = HEADERS.get(position) else { break };
        let field = match rest.split_at_checked(1) {
            Some(("#", number)) => Field::Number(number.parse().unwrap_or_default()),
            Some((_, text)) => Field::Text(text.into()),
            None => continue,
        };
        headers.insert(*header, field);
    }
    (headers, Bytes::from(lines.collect::<Vec<_>>().join("\n")))
}

fuzz_target!(|input: &str| {
    let (headers, body) = read(input);
    let Ok(envelope) = Envelope::decode("evt_x", body, |name| headers.get(name).cloned()) else { return };
    let wire = envelope.encode();
    let get = |name: &str| wire.headers.iter().find(|(header, _)| *header == name).map(|(_, field)| field.clone());
    let again = Envelope::decode(wire.message_id.as_str(), wire.body.clone(), get).expect("our own form reads");
    assert_eq!(again, envelope);
});
