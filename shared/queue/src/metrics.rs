//! What the queue counts, whichever back end it has.

use std::time::Duration;

use chassis::{Counter, Counters, Gauges, Histogram, Label};
use event::Class;

use crate::publisher::PublishError;
use crate::queue_name::{QueueName, Tier};

/// How often the queues' depths are read.
pub(crate) const DEPTHS_PERIOD: Duration = Duration::from_secs(15);

chassis::metrics! {
    /// What the queue counts, whichever back end it has.
    pub struct Metrics("queue") {
        /// 1 while every connection to the queue is there.
        connected: Gauges<Side>,
        /// 1 while an alarm of the broker stops our publishing.
        blocked: Gauges<Side>,
        /// Envelopes published, by outcome.
        published_total: Counters<PublishOutcome>,
        /// Time from a round's first publish to its last confirm.
        // 0.5 ms to 8 s: a confirmed write takes about 5 ms on one machine, and a round is given up after seconds.
        round_seconds: Histogram = [
            0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192,
        ],
        /// 1 while a class is taken, or would be if any of its envelopes waited; 0 also in a process that takes nothing.
        taking: Gauges<ClassLabel>,
        /// Envelopes taken from the queue.
        taken_total: Counters<ClassLabel>,
        /// Envelopes that the broker handed out again.
        redelivered_total: Counter,
        /// Envelopes that joined the same event, which was already in flight.
        joined_total: Counter,
        /// Envelopes that wait in a queue and are not in flight.
        depth: Gauges<QueueName>,
        /// 1 while a queue's depth can't be read, so that `queue_depth` shows an old one.
        depth_unreadable: Gauges<QueueName>,
        /// Partitions of a class in which envelopes wait and from which no dispatcher takes.
        unconsumed: Gauges<ClassLabel>,
    }
}

/// What connections are for: one publishes, the others take and read depths. They are separate, so that a broker in alarm
/// cannot stop our acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Publish,
    Take,
}

impl Label for Side {
    const NAME: &'static str = "side";
    const ALL: &'static [Self] = &[Self::Publish, Self::Take];

    fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Take => "take",
        }
    }
}

/// How a publish ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishOutcome(pub(crate) Result<(), PublishError>);

impl Label for PublishOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[
        Self(Ok(())),
        Self(Err(PublishError::Away)),
        Self(Err(PublishError::Blocked)),
        Self(Err(PublishError::Refused)),
        Self(Err(PublishError::Unroutable)),
        Self(Err(PublishError::TimedOut)),
        Self(Err(PublishError::Stopping)),
    ];

    fn as_str(self) -> &'static str {
        self.0.map_or_else(PublishError::as_str, |()| "confirmed")
    }
}

/// The class of an event or envelope as a metric's label, for every crate that counts by class: `event` is pure and knows
/// no metrics.
#[derive(Clone, Copy, Debug)]
pub struct ClassLabel(pub Class);

impl Label for ClassLabel {
    const NAME: &'static str = "class";
    const ALL: &'static [Self] = &[Self(Class::Messages), Self(Class::Updates)];

    fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

impl Label for QueueName {
    const NAME: &'static str = "queue";
    const ALL: &'static [Self] = &QueueName::ALL;

    fn as_str(self) -> &'static str {
        QueueName::as_str(self)
    }
}

impl Label for Tier {
    const NAME: &'static str = "tier";
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::OneMinute => "1m",
            Self::TenMinutes => "10m",
            Self::OneHour => "1h",
        }
    }
}
