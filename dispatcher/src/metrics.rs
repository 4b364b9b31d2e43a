//! Counts what the dispatcher does; the labels' types stand here, too.

use chassis::{Counter, Counters, DurationGauges, Gauges, Histogram, Histograms, Label};
use queue::{ClassLabel, Tier};

use crate::pauses::PauseReason;
use crate::remedy::{Failure, Outcome, Reason, Remedy};

chassis::metrics! {
    /// What the dispatcher counts.
    pub struct Metrics("dispatcher") {
        /// Attempts and look-ups that ended, by outcome.
        attempts_total: Counters<OutcomeLabel>,
        /// Time of one attempt, from connect to last byte.
        attempt_seconds: Histogram = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
        /// Events that DSK has.
        delivered_total: Counters<ClassLabel>,
        /// Age of an event, counted from its entry into the queue, when DSK has it.
        event_age_seconds: Histograms<ClassLabel> = EVENT_AGES,
        /// Events settled without a delivery, by reason.
        skipped_total: Counters<SkipReason>,
        /// Envelopes put into a retry queue after a failed attempt.
        retries_total: Counters<Tier>,
        /// Envelopes put into a retry queue without a failed attempt, so that others need not wait.
        deferred_total: Counters<Tier>,
        /// Envelopes given back because they were held for a long time, and taken again.
        given_back_total: Counter,
        /// Origins (unavailable: the breaker is open), destinations (throttled) and channels (misconfigured) paused now.
        pauses: Gauges<PauseReason>,
        /// Age of the oldest event in flight, whatever is being done with it, counted from its entry into the queue.
        oldest_in_flight_seconds: DurationGauges<ClassLabel>,
        /// Events parked for a person, by reason.
        dead_letters_total: Counters<Reason>,
        /// Events delivered whose marker could not be written; a repeat of them would be delivered again.
        unmarked_total: Counter,
        /// Envelopes taken and not yet settled.
        in_flight: Gauges<ClassLabel>,
    }
}

/// From a local delivery to the day after which an event is given up.
const EVENT_AGES: [f64; 14] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0];

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeLabel {
    Delivered,
    Unavailable,
    TimedOut,
    Throttled,
    Misconfigured,
    Unopenable,
    UnknownChannel,
    Rejected,
}

impl From<&Outcome> for OutcomeLabel {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Delivered { .. } => Self::Delivered,
            Outcome::Failed(failure) => Self::from(failure),
        }
    }
}

impl From<&Failure> for OutcomeLabel {
    fn from(failure: &Failure) -> Self {
        match (failure, failure.remedy()) {
            (Failure::UnknownChannel, _) => Self::UnknownChannel,
            (Failure::TimedOut, _) => Self::TimedOut,
            (Failure::Unopenable, _) => Self::Unopenable,
            (_, Remedy::Retry) => Self::Unavailable,
            (_, Remedy::Wait(_)) => Self::Throttled,
            (_, Remedy::Mend | Remedy::Await) => Self::Misconfigured,
            (_, Remedy::DeadLetter(_)) => Self::Rejected,
        }
    }
}

impl Label for OutcomeLabel {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[
        Self::Delivered,
        Self::Unavailable,
        Self::TimedOut,
        Self::Throttled,
        Self::Misconfigured,
        Self::Unopenable,
        Self::UnknownChannel,
        Self::Rejected,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Throttled => "throttled",
            Self::Misconfigured => "misconfigured",
            Self::Unopenable => "unopenable",
            Self::UnknownChannel => "unknown_channel",
            Self::Rejected => "rejected",
        }
    }
}

/// Why an event is settled without a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SkipReason {
    /// DSK has it already.
    Duplicate,
    /// The person or channel asked for erasure.
    Erased,
    /// The channel is disconnected.
    Disconnected,
}

impl Label for SkipReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[Self::Duplicate, Self::Erased, Self::Disconnected];

    fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Erased => "erased",
            Self::Disconnected => "disconnected",
        }
    }
}

impl Label for PauseReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[Self::Unavailable, Self::Throttled, Self::Misconfigured];

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }
}

impl Label for Reason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }
}
