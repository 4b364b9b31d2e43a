//! The names of the queues, written once.

use std::time::Duration;

use event::Class;

/// A queue, by its purpose: a class is one, whatever it consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueName {
    /// Envelopes of a class that wait to be taken.
    Class(Class),
    /// Envelopes that wait for their next attempt and return to their class by themselves.
    Retry(Class, Tier),
    /// Dead letters, parked for a person.
    Dead,
}

/// How long a retry queue keeps an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 10 s.
    TenSeconds,
    /// 1 min.
    OneMinute,
    /// 10 min.
    TenMinutes,
    /// 1 h.
    OneHour,
}

impl Tier {
    /// All tiers, shortest first.
    pub const ALL: [Self; 4] = [Self::TenSeconds, Self::OneMinute, Self::TenMinutes, Self::OneHour];

    /// How long an envelope stays in it.
    pub const fn delay(self) -> Duration {
        match self {
            Self::TenSeconds => Duration::from_secs(10),
            Self::OneMinute => Duration::from_mins(1),
            Self::TenMinutes => Duration::from_mins(10),
            Self::OneHour => Duration::from_hours(1),
        }
    }

    /// The tier for visit number `visit`, counted from 0: each tier once, then the longest every time.
    pub fn for_visit(visit: u32) -> Self {
        usize::try_from(visit).ok().and_then(|index| Self::ALL.get(index)).copied().unwrap_or(Self::OneHour)
    }

    /// The shortest tier that is not shorter than `wait`, or the longest tier.
    pub fn not_shorter_than(wait: Duration) -> Self {
        Self::ALL.into_iter().find(|tier| tier.delay() >= wait).unwrap_or(Self::OneHour)
    }

    /// The longest tier that is not longer than `wait`, or the shortest tier.
    pub fn not_longer_than(wait: Duration) -> Self {
        Self::ALL.into_iter().rev().find(|tier| tier.delay() <= wait).unwrap_or(Self::TenSeconds)
    }
}

impl QueueName {
    /// Every queue, in the order in which they are declared and shown.
    pub const ALL: [Self; 11] = [
        Self::Dead,
        Self::Class(Class::Messages),
        Self::Class(Class::Updates),
        Self::Retry(Class::Messages, Tier::TenSeconds),
        Self::Retry(Class::Messages, Tier::OneMinute),
        Self::Retry(Class::Messages, Tier::TenMinutes),
        Self::Retry(Class::Messages, Tier::OneHour),
        Self::Retry(Class::Updates, Tier::TenSeconds),
        Self::Retry(Class::Updates, Tier::OneMinute),
        Self::Retry(Class::Updates, Tier::TenMinutes),
        Self::Retry(Class::Updates, Tier::OneHour),
    ];

    /// The name by which people, metrics and an embedded queue know it. At a broker a class is several queues, whose names
    /// begin with this one: [`crate::BrokerQueue`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Class(Class::Messages) => "meta.messages.v2",
            Self::Class(Class::Updates) => "meta.updates.v2",
            Self::Retry(Class::Messages, Tier::TenSeconds) => "meta.messages.retry.10s.v2",
            Self::Retry(Class::Messages, Tier::OneMinute) => "meta.messages.retry.1m.v2",
            Self::Retry(Class::Messages, Tier::TenMinutes) => "meta.messages.retry.10m.v2",
            Self::Retry(Class::Messages, Tier::OneHour) => "meta.messages.retry.1h.v2",
            Self::Retry(Class::Updates, Tier::TenSeconds) => "meta.updates.retry.10s.v2",
            Self::Retry(Class::Updates, Tier::OneMinute) => "meta.updates.retry.1m.v2",
            Self::Retry(Class::Updates, Tier::TenMinutes) => "meta.updates.retry.10m.v2",
            Self::Retry(Class::Updates, Tier::OneHour) => "meta.updates.retry.1h.v2",
            Self::Dead => "meta.dead.v1",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_class_and_tier_has_a_queue_of_its_own() {
        let names: BTreeSet<&str> = QueueName::ALL.map(QueueName::as_str).into();
        let retries = Class::ALL.into_iter().flat_map(|class| Tier::ALL.map(|tier| QueueName::Retry(class, tier)));
        let expected: Vec<_> =
            [QueueName::Dead].into_iter().chain(Class::ALL.map(QueueName::Class)).chain(retries).collect();

        assert_eq!(names.len(), QueueName::ALL.len());
        assert_eq!(QueueName::ALL.to_vec(), expected);
    }

    #[test]
    fn visits_climb_the_tiers_and_stay_on_the_last() {
        assert_eq!([0, 1, 2, 3, 4, 99].map(Tier::for_visit), {
            use Tier::{OneHour, OneMinute, TenMinutes, TenSeconds};
            [TenSeconds, OneMinute, TenMinutes, OneHour, OneHour, OneHour]
        });
    }

    #[test]
    fn a_wait_takes_the_shortest_tier_that_is_not_shorter() {
        let tiers = [1, 10, 11, 600, 7_200].map(|seconds| Tier::not_shorter_than(Duration::from_secs(seconds)));

        assert_eq!(tiers, [Tier::TenSeconds, Tier::TenSeconds, Tier::OneMinute, Tier::TenMinutes, Tier::OneHour]);
    }
}
