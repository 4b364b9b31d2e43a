//! Where an envelope can be: the names of the queues, written once.

use std::time::Duration;

use event::Class;

/// A queue, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Waiting to be taken.
    Class(Class),
    /// Waiting for its next attempt; comes back to its class by itself.
    Retry(Class, Tier),
    /// Parked for a person.
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
    /// All, shortest first.
    pub const ALL: [Self; 4] = [Self::TenSeconds, Self::OneMinute, Self::TenMinutes, Self::OneHour];

    /// The delay.
    pub const fn delay(self) -> Duration {
        match self {
            Self::TenSeconds => Duration::from_secs(10),
            Self::OneMinute => Duration::from_mins(1),
            Self::TenMinutes => Duration::from_mins(10),
            Self::OneHour => Duration::from_hours(1),
        }
    }

    /// The tier for visit number `visit` (counted from 0): each one once, then the longest for good.
    pub fn for_visit(visit: u32) -> Self {
        usize::try_from(visit).ok().and_then(|index| Self::ALL.get(index)).copied().unwrap_or(Self::OneHour)
    }

    /// The shortest that is not shorter than `wait`; the longest where none is.
    pub fn not_shorter_than(wait: Duration) -> Self {
        Self::ALL.into_iter().find(|tier| tier.delay() >= wait).unwrap_or(Self::OneHour)
    }
}

impl Place {
    /// Every queue, in the order in which they are declared and shown.
    pub fn all() -> impl Iterator<Item = Self> {
        let classes = Class::ALL.into_iter().map(Self::Class);
        let retries = Class::ALL.into_iter().flat_map(|class| Tier::ALL.map(|tier| Self::Retry(class, tier)));
        std::iter::once(Self::Dead).chain(classes).chain(retries)
    }

    /// The queue's name. It carries a version, because a queue's arguments cannot be changed in place.
    pub const fn queue(self) -> &'static str {
        match self {
            Self::Class(Class::Messages) => "meta.messages.v1",
            Self::Class(Class::Updates) => "meta.updates.v1",
            Self::Retry(Class::Messages, Tier::TenSeconds) => "meta.messages.retry.10s.v1",
            Self::Retry(Class::Messages, Tier::OneMinute) => "meta.messages.retry.1m.v1",
            Self::Retry(Class::Messages, Tier::TenMinutes) => "meta.messages.retry.10m.v1",
            Self::Retry(Class::Messages, Tier::OneHour) => "meta.messages.retry.1h.v1",
            Self::Retry(Class::Updates, Tier::TenSeconds) => "meta.updates.retry.10s.v1",
            Self::Retry(Class::Updates, Tier::OneMinute) => "meta.updates.retry.1m.v1",
            Self::Retry(Class::Updates, Tier::TenMinutes) => "meta.updates.retry.10m.v1",
            Self::Retry(Class::Updates, Tier::OneHour) => "meta.updates.retry.1h.v1",
            Self::Dead => "meta.dead.v1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_queue_of_its_own() {
        let names: std::collections::BTreeSet<_> = Place::all().map(Place::queue).collect();

        assert_eq!(names.len(), 11);
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
