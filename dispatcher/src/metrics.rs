//! What the dispatcher counts.

use std::time::Duration;

use chassis::Registrar;
use event::Class;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};
use queue::Tier;

use crate::pauses::Scope;
use crate::steps::Forgotten;
use crate::{Cause, Reason};

/// What the dispatcher counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    attempts: IntCounterVec,
    attempt_seconds: Histogram,
    delivered: IntCounterVec,
    age_seconds: HistogramVec,
    forgotten: IntCounterVec,
    retries: IntCounterVec,
    made_room: IntCounterVec,
    given_back: IntCounter,
    pauses: IntGaugeVec,
    oldest_in_hand: GaugeVec,
    dead_letters: IntCounterVec,
    unmarked: IntCounter,
    in_hand: IntGaugeVec,
}

const fn tier_label(tier: Tier) -> &'static str {
    match tier {
        Tier::TenSeconds => "10s",
        Tier::OneMinute => "1m",
        Tier::TenMinutes => "10m",
        Tier::OneHour => "1h",
    }
}

impl Metrics {
    /// Registers all of them, each label value at 0.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let new = Registrar(registry);
        let attempt_buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        // From a local delivery to the day after which an event is given up.
        let ages = vec![0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0];
        let age = "Age of an event, counted from its entry into the queue, when DSK has it.";
        let age = HistogramOpts::new("dispatcher_event_age_seconds", age).buckets(ages);
        let metrics = Self {
            attempts: new.counters(
                "dispatcher_attempts_total",
                "Attempts and look-ups that ended, by outcome.",
                "outcome",
            )?,
            attempt_seconds: new.histogram(
                "dispatcher_attempt_seconds",
                "Time of one attempt, from connect to last byte.",
                attempt_buckets,
            )?,
            delivered: new.counters("dispatcher_delivered_total", "Events that DSK has.", "class")?,
            age_seconds: new.add(HistogramVec::new(age, &["class"])?)?,
            forgotten: new.counters(
                "dispatcher_forgotten_total",
                "Events that needed no delivery, by reason.",
                "why",
            )?,
            retries: new.counters("dispatcher_retries_total", "Envelopes put into a retry queue.", "tier")?,
            made_room: new.counters(
                "dispatcher_made_room_total",
                "Envelopes put into a retry queue without a failed attempt, so that others need not wait.",
                "tier",
            )?,
            given_back: new.counter(
                "dispatcher_given_back_total",
                "Envelopes held for so long that they were given back, and taken again.",
            )?,
            pauses: new.gauges(
                "dispatcher_pauses",
                "Origins (unavailable: the breaker is open), destinations (throttled) and channels (misconfigured) paused now.",
                "reason",
            )?,
            oldest_in_hand: new.add(GaugeVec::new(
                Opts::new("dispatcher_oldest_in_hand_seconds", "Age of the oldest event that waits in hand, counted from its entry into the queue."),
                &["class"],
            )?)?,
            dead_letters: new.counters(
                "dispatcher_dead_letters_total",
                "Events parked for a person, by reason.",
                "reason",
            )?,
            unmarked: new.counter(
                "dispatcher_unmarked_total",
                "Events delivered whose marker could not be written; a repeat of them would be delivered again.",
            )?,
            in_hand: new.gauges(
                "dispatcher_in_hand",
                "Envelopes under way: an attempt, a wait or a settlement.",
                "class",
            )?,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// A series that has nothing to say yet reads 0 instead of missing.
    fn start_at_zero(&self) {
        for outcome in Cause::OUTCOMES {
            self.attempts.with_label_values(&[outcome]).inc_by(0);
        }
        for why in Forgotten::ALL {
            self.forgotten.with_label_values(&[why.as_str()]).inc_by(0);
        }
        for tier in Tier::ALL {
            self.retries.with_label_values(&[tier_label(tier)]).inc_by(0);
            self.made_room.with_label_values(&[tier_label(tier)]).inc_by(0);
        }
        for reason in Reason::ALL {
            self.dead_letters.with_label_values(&[reason.as_str()]).inc_by(0);
        }
        for class in Class::ALL {
            self.delivered.with_label_values(&[class.as_str()]).inc_by(0);
            self.age_seconds.with_label_values(&[class.as_str()]);
            self.in_hand(class, 0);
            self.oldest_in_hand(class, Duration::ZERO);
        }
        self.pauses([].into_iter());
    }

    pub(crate) fn ended(&self, cause: &Cause) {
        self.attempts.with_label_values(&[cause.outcome()]).inc();
    }

    pub(crate) fn attempted(&self, took: Duration) {
        self.attempt_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn delivered(&self, class: Class, age: Duration) {
        self.delivered.with_label_values(&[class.as_str()]).inc();
        self.age_seconds.with_label_values(&[class.as_str()]).observe(age.as_secs_f64());
    }

    pub(crate) fn forgotten(&self, why: Forgotten) {
        self.forgotten.with_label_values(&[why.as_str()]).inc();
    }

    pub(crate) fn retried(&self, tier: Tier) {
        self.retries.with_label_values(&[tier_label(tier)]).inc();
    }

    pub(crate) fn dead_letter(&self, reason: Reason) {
        self.dead_letters.with_label_values(&[reason.as_str()]).inc();
    }

    pub(crate) fn made_room(&self, tier: Tier) {
        self.made_room.with_label_values(&[tier_label(tier)]).inc();
    }

    pub(crate) fn given_back(&self, envelopes: usize) {
        self.given_back.inc_by(envelopes as u64);
    }

    pub(crate) fn pauses<'s>(&self, paused: impl Iterator<Item = &'s Scope>) {
        let mut counts = Scope::REASONS.map(|reason| (reason, 0));
        for scope in paused {
            counts.iter_mut().filter(|(reason, _)| *reason == scope.reason()).for_each(|(_, count)| *count += 1);
        }
        counts.into_iter().for_each(|(reason, count)| self.pauses.with_label_values(&[reason]).set(count));
    }

    pub(crate) fn oldest_in_hand(&self, class: Class, age: Duration) {
        self.oldest_in_hand.with_label_values(&[class.as_str()]).set(age.as_secs_f64());
    }

    pub(crate) fn unmarked(&self, events: usize) {
        self.unmarked.inc_by(events as u64);
    }

    pub(crate) fn in_hand(&self, class: Class, envelopes: usize) {
        self.in_hand.with_label_values(&[class.as_str()]).set(i64::try_from(envelopes).unwrap_or(i64::MAX));
    }
}
