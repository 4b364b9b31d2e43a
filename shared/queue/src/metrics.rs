//! What the queue counts.

use std::time::Duration;

use chassis::Registrar;
use event::Class;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGaugeVec, Registry, exponential_buckets};

use crate::{Place, PublishError};

/// How often queue depths are asked for.
pub(crate) const DEPTHS_PERIOD: Duration = Duration::from_secs(15);

/// What the queue counts, whichever back end it has.
#[derive(Clone, Debug)]
pub struct Metrics {
    connected: IntGaugeVec,
    blocked: IntGaugeVec,
    published: IntCounterVec,
    round_seconds: Histogram,
    taken: IntCounterVec,
    redelivered: IntCounter,
    joined: IntCounter,
    depth: IntGaugeVec,
}

/// Which of our connections: they are separate, so that a broker in alarm cannot stop our acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Publish,
    Take,
}

impl Side {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Take => "take",
        }
    }
}

impl Metrics {
    /// Registers all of them, each label value at 0.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let new = Registrar(registry);
        // 0.5 ms to 8 s: a confirmed write is about 5 ms on one machine, and a round is given up after seconds.
        let buckets = exponential_buckets(0.000_5, 2.0, 15)?;
        let rounds = "Time from a round's first publish to its last confirm.";
        let metrics = Self {
            connected: new.gauges("queue_connected", "1 while there is a connection to the queue.", "side")?,
            blocked: new.gauges("queue_blocked", "1 while the broker's alarm stops our publishing.", "side")?,
            published: new.counters("queue_published_total", "Envelopes published, by outcome.", "outcome")?,
            round_seconds: new.histogram("queue_round_seconds", rounds, buckets)?,
            taken: new.counters("queue_taken_total", "Envelopes taken from the queue.", "class")?,
            redelivered: new.counter("queue_redelivered_total", "Envelopes the broker handed out again.")?,
            joined: new.counter("queue_joined_total", "Envelopes that joined the same event already in hand.")?,
            depth: new.gauges("queue_depth", "Envelopes that wait in a queue and are in nobody's hand.", "queue")?,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// A series that has nothing to say yet reads 0 instead of missing.
    fn start_at_zero(&self) {
        for side in [Side::Publish, Side::Take] {
            self.connected(side, false);
            self.blocked(side, false);
        }
        Place::all().for_each(|place| self.depth(place, 0));
        PublishError::ALL.into_iter().for_each(|error| self.published(Err(error), 0));
        self.published(Ok(()), 0);
        Class::ALL.into_iter().for_each(|class| self.taken.with_label_values(&[class.as_str()]).inc_by(0));
    }

    pub(crate) fn connected(&self, side: Side, is_connected: bool) {
        self.connected.with_label_values(&[side.as_str()]).set(is_connected.into());
    }

    pub(crate) fn blocked(&self, side: Side, is_blocked: bool) {
        self.blocked.with_label_values(&[side.as_str()]).set(is_blocked.into());
    }

    pub(crate) fn published(&self, outcome: Result<(), PublishError>, envelopes: usize) {
        let label = outcome.map_or_else(PublishError::as_str, |()| "confirmed");
        self.published.with_label_values(&[label]).inc_by(envelopes as u64);
    }

    pub(crate) fn round(&self, took: Duration) {
        self.round_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn taken(&self, class: Class, was_redelivered: bool) {
        self.taken.with_label_values(&[class.as_str()]).inc();
        self.redelivered.inc_by(was_redelivered.into());
    }

    pub(crate) fn joined(&self) {
        self.joined.inc();
    }

    pub(crate) fn depth(&self, place: Place, envelopes: u64) {
        self.depth.with_label_values(&[place.queue()]).set(i64::try_from(envelopes).unwrap_or(i64::MAX));
    }
}
