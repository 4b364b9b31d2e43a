//! What ingest counts.

use chassis::{Counter, Counters, Gauge, Histogram, Label};
use event::{Class, Event};
use queue::ClassLabel;

/// Meta wants a median below 250 ms, and 1 s for all but 1 % of the answers; it waits 5 s at most.
const ANSWER_SECONDS: [f64; 13] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0, 5.0];
/// From a small status to the largest body that is accepted.
const NOTIFICATION_BYTES: [f64; 8] = [256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];

chassis::metrics! {
    /// What ingest counts.
    pub struct Metrics("ingest") {
        /// Notifications answered, by outcome.
        notifications_total: Counters<NotificationOutcome>,
        /// Time from a notification's headers to its 200.
        answer_seconds: Histogram = ANSWER_SECONDS,
        /// Size of signed notifications.
        notification_bytes: Histogram = NOTIFICATION_BYTES,
        /// Events split out of accepted notifications.
        events_total: Counters<ClassLabel>,
        /// Signed bodies that are not a notification we know.
        unrecognized_total: Counter,
        /// Events with something else than a time, which carry the time of receipt.
        timestamps_replaced_total: Counter,
        /// Handshakes of Meta, by outcome.
        handshakes_total: Counters<HandshakeOutcome>,
        /// Bytes of bodies and envelopes held now.
        bytes_in_flight: Gauge,
    }
}

/// How a notification was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotificationOutcome {
    Accepted,
    TooLarge,
    TooSlow,
    BrokenOff,
    Unsigned,
    NotJson,
    Full,
    Unpublished,
}

/// How a handshake was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HandshakeOutcome {
    Answered,
    Refused,
}

/// What a notification holds. It is counted when the notification is accepted, and not before: one that is refused comes
/// again, and would be counted twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents {
    /// Events of each class, in the order of `Class::ALL`.
    events: [usize; Class::ALL.len()],
    unrecognized: usize,
    timestamps_replaced: usize,
}

impl Contents {
    pub(crate) fn of(events: &[Event]) -> Self {
        let count = |is_counted: &dyn Fn(&Event) -> bool| events.iter().filter(|event| is_counted(event)).count();
        Self {
            events: Class::ALL.map(|class| count(&|event| event.class == class)),
            unrecognized: count(&Event::is_unrecognized),
            timestamps_replaced: count(&|event| event.timestamp_replaced),
        }
    }
}

impl Metrics {
    #[expect(clippy::cast_precision_loss, reason = "a size is far below 2^52 bytes")]
    pub(crate) fn signed(&self, bytes: usize) {
        self.notification_bytes.observe(bytes as f64);
    }

    pub(crate) fn accepted(&self, contents: &Contents) {
        for (class, count) in Class::ALL.into_iter().zip(contents.events) {
            self.events_total.add(ClassLabel(class), count);
        }
        self.unrecognized_total.add(contents.unrecognized);
        self.timestamps_replaced_total.add(contents.timestamps_replaced);
    }
}

impl Label for NotificationOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[
        Self::Accepted,
        Self::TooLarge,
        Self::TooSlow,
        Self::BrokenOff,
        Self::Unsigned,
        Self::NotJson,
        Self::Full,
        Self::Unpublished,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenOff => "broken_off",
            Self::Unsigned => "unsigned",
            Self::NotJson => "not_json",
            Self::Full => "full",
            Self::Unpublished => "unpublished",
        }
    }
}

impl Label for HandshakeOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Answered, Self::Refused];

    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
        }
    }
}
