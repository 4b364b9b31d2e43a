//! What ingest counts.

use std::time::Duration;

use chassis::Registrar;
use event::Class;
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
        for class in Class::ALL {
            metrics.events(class, 0);
        }
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

    pub(crate) fn events(&self, class: Class, count: u64) {
        self.events.with_label_values(&[class.as_str()]).inc_by(count);
    }

    pub(crate) fn unrecognized(&self) {
        self.unrecognized.inc();
    }

    pub(crate) fn timestamp_replaced(&self) {
        self.timestamps_replaced.inc();
    }

    pub(crate) fn handshake(&self, handshake: Handshake) {
        self.handshakes.with_label_values(&[handshake.as_str()]).inc();
    }

    pub(crate) fn bytes_in_flight(&self, bytes: u64) {
        self.bytes_in_flight.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
