//! What stands in a body, also in one that is no event: what an erasure looks for where nobody can say whose a body is.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::Document;
use crate::{Envelope, UNRECOGNIZED};

/// Shortest number that may be an id at Meta, in digits.
const NUMBER_DIGITS_MIN: usize = 5;
/// Longest one.
const NUMBER_DIGITS_MAX: usize = 25;
/// Most numbers of one body.
const NUMBERS_MAX: usize = 256;

/// Whether an id stands anywhere in the body, as a word of its own. For a body that is no event, so that nobody can say
/// whose it is.
pub fn mentions(envelope: &Envelope, id: &str) -> bool {
    let body = readable_body(envelope);
    let is_apart = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let ends = body.windows(id.len().max(1)).enumerate().filter(|(_, window)| *window == id.as_bytes());
    ends.map(|(start, _)| (start, start + id.len())).any(|(start, end)| {
        is_apart(start.checked_sub(1).and_then(|before| body.get(before))) && is_apart(body.get(end))
    })
}

/// The numbers that stand in the body as words of their own and may be ids at Meta: the first of them, without repeats.
pub fn numbers(envelope: &Envelope) -> BTreeSet<String> {
    let body = readable_body(envelope);
    let words = body.split(|byte| !byte.is_ascii_alphanumeric());
    let is_number = |word: &&[u8]| {
        (NUMBER_DIGITS_MIN..=NUMBER_DIGITS_MAX).contains(&word.len()) && word.iter().all(u8::is_ascii_digit)
    };
    let mut numbers = BTreeSet::new();
    for number in words.filter(is_number).map(String::from_utf8_lossy) {
        if numbers.len() == NUMBERS_MAX {
            break;
        }
        if !numbers.contains(&*number) {
            numbers.insert(number.into_owned());
        }
    }
    numbers
}

/// The body, or what Meta signed if the event holds a whole body.
pub fn readable_body(envelope: &Envelope) -> Cow<'_, [u8]> {
    let is_whole = envelope.event_type.as_str() == UNRECOGNIZED;
    let decoded = is_whole.then(|| whole_body(&envelope.body)).flatten();
    decoded.map_or(Cow::Borrowed(&envelope.body), Cow::Owned)
}

fn whole_body(body: &[u8]) -> Option<Vec<u8>> {
    let document = Document::parse(body)?;
    let encoded = document.root().at(&["data", "payload", "body"])?.text()?;
    STANDARD.decode(encoded.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::split;

    fn envelopes(body: &str) -> Vec<Envelope> {
        let now = Timestamp::UNIX_EPOCH;
        split(body.as_bytes(), now).into_iter().map(|event| Envelope::first(event, now, None)).collect()
    }

    #[test]
    fn an_id_in_a_body_that_is_no_event_is_found_as_a_whole_word_only() {
        let unrecognized = envelopes(r#"{"object":"user","wa":"+4915"}"#);

        assert!(mentions(&unrecognized[0], "4915"));
        assert!(!mentions(&unrecognized[0], "491"));
        assert!(!mentions(&unrecognized[0], ""));
    }

    #[test]
    fn the_numbers_of_a_body_that_is_no_event_are_found_once_each() {
        let unrecognized =
            envelopes(r#"{"object":"user","id":"100000000000001","other":100000000000001,"wa":"+4915","a":"x12345"}"#);

        assert_eq!(numbers(&unrecognized[0]).into_iter().collect::<Vec<_>>(), ["100000000000001"]);
    }
}
