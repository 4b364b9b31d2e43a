//! Meta's times, which are seconds or milliseconds, and numbers or text.

use jiff::Timestamp;

use crate::json::Value;

/// From this number on, a time is in milliseconds: as seconds it would be the year 33658. Meta gives `entry.time` in
/// seconds beside `changes` and in milliseconds beside `messaging`.
const MILLISECONDS_FROM: i64 = 1_000_000_000_000;
/// September 2001. Nothing that Meta reports is older, so a smaller number is no time at all.
const SECONDS_MIN: i64 = 1_000_000_000;

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventTime {
    pub(crate) at: Timestamp,
    /// Whether Meta gave something that is not a time, so that this is another one.
    pub(crate) is_replaced: bool,
}

impl EventTime {
    /// The first of the given values that is a time, or else the time at which we received the notification.
    pub(crate) fn from_first<'d>(given: impl IntoIterator<Item = Option<Value<'d>>>, received_at: Timestamp) -> Self {
        let mut is_replaced = false;
        for value in given.into_iter().flatten().filter(|value| !value.is_empty()) {
            match parse(value) {
                Some(at) => return Self { at, is_replaced },
                None => is_replaced = true,
            }
        }
        Self { at: received_at, is_replaced }
    }
}

/// The time that Meta gives, if it is one.
pub(crate) fn parse(value: Value<'_>) -> Option<Timestamp> {
    let text = value.scalar()?;
    let at: Option<Timestamp> = match text.parse::<i64>() {
        Ok(number) if number >= MILLISECONDS_FROM => Timestamp::from_millisecond(number).ok(),
        Ok(number) => Timestamp::from_second(number).ok(),
        Err(_) => text.parse().ok(),
    };
    at.filter(|at| at.as_second() >= SECONDS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn read(json: &str) -> EventTime {
        let document = Document::parse(json.as_bytes()).unwrap();
        let received_at = "2026-11-23T18:10:00Z".parse().unwrap();
        EventTime::from_first([Some(document.root())], received_at)
    }

    #[test]
    fn seconds_and_milliseconds_are_distinguished_by_their_size() {
        for json in
            ["1767225600", "\"1767225600\"", "1767225600000", "\"1767225600000\"", "\"2026-01-01T00:00:00+0000\""]
        {
            let time = read(json);

            assert_eq!((time.at.to_string().as_str(), time.is_replaced), ("2026-01-01T00:00:00Z", false), "{json}");
        }
    }

    #[test]
    fn a_nonsense_time_is_replaced_by_the_time_of_receipt_and_reported() {
        for json in [
            "0",
            "-1",
            "12341",
            "\"soon\"",
            "99999999999999999999",
            "9999999999999999",
            "1.5",
            "true",
            "[1]",
            "\"1999-12-31T23:59:59Z\"",
        ] {
            let time = read(json);

            assert_eq!((time.at.to_string().as_str(), time.is_replaced), ("2026-11-23T18:10:00Z", true), "{json}");
        }
    }

    #[test]
    fn a_time_that_is_missing_does_not_count_as_replaced() {
        assert!(!read("null").is_replaced);
    }
}
