//! What ingest counts.

use std::time::Duration;

use chassis::Registrar;
use event::{Class, Event};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry, exponential_buckets};

use crate::receive::Outcome;

/// What ingest counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    notifications: IntCounterVec,
    answer_seconds: Histogram,
    notification_bytes: Histogram,
    events: IntCounterVec,
    unrecognized: IntCounter,
    timestamps_replaced: IntCounter,
    handshakes: IntCounterVec,
    bytes_in_flight: IntGauge,
}

/// What is in a notification.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contents {
    /// Of each class, in the order of `Class::ALL`.
    events: [u64; Class::ALL.len()],
    unrecognized: u64,
    timestamps_replaced: u64,
}

impl Contents {
    pub(crate) fn of(events: &[Event]) -> Self {
        let count =
            |is_counted: &dyn Fn(&Event) -> bool| events.iter().filter(|event| is_counted(event)).count() as u64;
        Self {
            events: Class::ALL.map(|class| count(&|event| event.class == class)),
            unrecognized: count(&Event::is_unrecognized),
            timestamps_replaced: count(&|event| event.timestamp_replaced),
        }
    }
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handshake {
    Answered,
    Refused,
}

impl Handshake {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
        }
    }
}

impl Metrics {
    /// Registers all of them, each label value at 0.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let new = Registrar(registry);
        // Meta wants a median under 250 ms and 1 s for all but 1 %; 5 s is the end of its patience.
        let seconds = vec![0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0, 5.0];
        let metrics = Self {
            notifications: new.counters(
                "ingest_notifications_total",
                "Notifications answered, by outcome.",
                "outcome",
            )?,
            answer_seconds: new.histogram(
                "ingest_answer_seconds",
                "Time from a notification's headers to its 200.",
                seconds,
            )?,
            notification_bytes: new.histogram(
                "ingest_notification_bytes",
                "Size of signed notifications.",
                exponential_buckets(256.0, 4.0, 8)?,
            )?,
            events: new.counters("ingest_events_total", "Events split out of accepted notifications.", "class")?,
            unrecognized: new
                .counter("ingest_unrecognized_total", "Signed bodies that are no notification we know.")?,
            timestamps_replaced: new.counter(
                "ingest_timestamps_replaced_total",
                "Events whose time made no sense; they carry the time of receipt.",
            )?,
            handshakes: new.counters("ingest_handshakes_total", "Handshakes of Meta, by outcome.", "outcome")?,
            bytes_in_flight: new.gauge("ingest_bytes_in_flight", "Bytes of bodies and envelopes held now.")?,
        };
        for outcome in Outcome::ALL {
            metrics.notifications.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        metrics.accepted(&Contents::default());
        for handshake in [Handshake::Answered, Handshake::Refused] {
            metrics.handshakes.with_label_values(&[handshake.as_str()]).inc_by(0);
        }
        Ok(metrics)
    }

    pub(crate) fn answered(&self, outcome: Outcome, took: Duration) {
        self.notifications.with_label_values(&[outcome.as_str()]).inc();
        if outcome == Outcome::Accepted {
            self.answer_seconds.observe(took.as_secs_f64());
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a size is far below 2^52 bytes")]
    pub(crate) fn signed(&self, bytes: usize) {
        self.notification_bytes.observe(bytes as f64);
    }

    /// What is not accepted comes again, and would be counted twice.
    pub(crate) fn accepted(&self, contents: &Contents) {
        for (class, count) in Class::ALL.into_iter().zip(contents.events) {
            self.events.with_label_values(&[class.as_str()]).inc_by(count);
        }
        self.unrecognized.inc_by(contents.unrecognized);
        self.timestamps_replaced.inc_by(contents.timestamps_replaced);
    }

    pub(crate) fn handshake(&self, handshake: Handshake) {
        self.handshakes.with_label_values(&[handshake.as_str()]).inc();
    }

    pub(crate) fn bytes_in_flight(&self, bytes: u64) {
        self.bytes_in_flight.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
