//! Keeps the limits that operators set for destinations: requests at once and requests a second. Pure.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use crate::destination::Destination;
use crate::pauses::Wake;

/// Requests may come this much ahead of an even pace, so that a timer that is late costs nothing.
const BURST_TIME: Duration = Duration::from_millis(100);
/// How long a lane waits for the end of another attempt, in case it misses it.
const AT_ONCE_WAIT: Duration = Duration::from_secs(1);

/// The most requests that a destination gets from this dispatcher: its share of what the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limit {
    pub(crate) at_once: Option<NonZeroU32>,
    /// The time from one request to the next.
    pub(crate) interval: Option<Duration>,
}

impl Limit {
    /// This dispatcher's share of a limit that `dispatchers` keep together. Where there are more dispatchers than requests
    /// at once, each still makes one.
    pub(crate) fn share(at_once: Option<NonZeroU32>, per_second: Option<NonZeroU32>, dispatchers: NonZeroU32) -> Self {
        let at_once = at_once.map(|at_once| NonZeroU32::new(at_once.get() / dispatchers).unwrap_or(NonZeroU32::MIN));
        let interval = per_second.map(|per_second| Duration::from_secs(1) * dispatchers.get() / per_second.get());
        Self { at_once, interval }
    }
}

/// What each destination gets now. A destination takes memory only while a limit or an attempt concerns it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limiter {
    usages: HashMap<Destination, Usage>,
}

#[derive(Clone, Debug)]
struct Usage {
    limit: Limit,
    under_way: u32,
    /// When the next request would be due at an even pace.
    next_at: Option<Instant>,
}

impl Limiter {
    /// Until when an attempt has to wait; `None` if it may be made now.
    pub(crate) fn wait(&mut self, destination: &Destination, limit: Limit, now: Instant) -> Option<Instant> {
        let usage = self.usages.get_mut(destination)?;
        usage.limit = limit;
        usage.wait(now)
    }

    /// An attempt begins.
    pub(crate) fn begin(&mut self, destination: &Destination, limit: Limit, now: Instant) {
        let usage = self.usages.entry(destination.clone());
        let usage = usage.or_insert(Usage { limit, under_way: 0, next_at: None });
        usage.limit = limit;
        usage.under_way += 1;
        if let Some(interval) = limit.interval {
            usage.next_at = Some(usage.next_at.map_or(now, |next_at| next_at.max(now)) + interval);
        }
    }

    /// An attempt has ended. Returns whether another one may have waited for this.
    pub(crate) fn end(&mut self, destination: &Destination, now: Instant) -> bool {
        let Some(usage) = self.usages.get_mut(destination) else { return false };
        usage.under_way -= 1;
        let is_limited = usage.limit.at_once.is_some();
        if usage.under_way == 0 && usage.next_at.is_none_or(|next_at| next_at <= now) {
            self.usages.remove(destination);
        }
        is_limited
    }

    /// How many of the lanes that wait may ask again, and when the others may.
    pub(crate) fn wake(&self, destination: &Destination, now: Instant) -> Wake {
        let Some(usage) = self.usages.get(destination) else { return Wake { lanes: usize::MAX, again_at: now } };
        if let Some(until) = usage.wait(now) {
            return Wake { lanes: 0, again_at: until };
        }
        let free = usage.limit.at_once.map_or(u32::MAX, |at_once| at_once.get().saturating_sub(usage.under_way));
        let due = usage.limit.interval.map_or(u32::MAX, |interval| {
            let ahead = usage.next_at.map_or(Duration::ZERO, |next_at| next_at.saturating_duration_since(now));
            let due = BURST_TIME.saturating_sub(ahead).as_nanos() / interval.as_nanos().max(1);
            u32::try_from(due).unwrap_or(u32::MAX).saturating_add(1)
        });
        let lanes = usize::try_from(free.min(due)).unwrap_or(usize::MAX);
        let again_at = now + usage.limit.interval.map_or(AT_ONCE_WAIT, |interval| interval.min(AT_ONCE_WAIT));
        Wake { lanes, again_at }
    }
}

impl Usage {
    fn wait(&self, now: Instant) -> Option<Instant> {
        let is_full = self.limit.at_once.is_some_and(|at_once| self.under_way >= at_once.get());
        let paced = self.limit.interval.and(self.next_at).map(|next_at| next_at - BURST_TIME);
        let paced = paced.filter(|until| *until > now);
        paced.or(is_full.then_some(now + AT_ONCE_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination() -> Destination {
        let origin = "https://dsk.example".into();
        Destination { tenant: "t".into(), url: "https://dsk.example/".into(), origin }
    }

    fn number(number: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(number)
    }

    #[test]
    fn a_destination_has_as_many_requests_at_once_as_it_may_have() {
        let now = Instant::now();
        let limit = Limit { at_once: number(2), interval: None };
        let mut limiter = Limiter::default();
        assert_eq!(limiter.wait(&destination(), limit, now), None);
        limiter.begin(&destination(), limit, now);
        assert_eq!(limiter.wake(&destination(), now).lanes, 1);
        limiter.begin(&destination(), limit, now);

        assert!(limiter.wait(&destination(), limit, now).is_some());
        assert_eq!(limiter.wake(&destination(), now).lanes, 0);
        assert!(limiter.end(&destination(), now), "one that waits may begin");
        assert_eq!(limiter.wait(&destination(), limit, now), None);
    }

    #[test]
    fn requests_keep_their_pace_and_what_they_miss_is_not_made_up_for() {
        let mut now = Instant::now();
        let limit = Limit::share(None, number(20), NonZeroU32::MIN);
        let mut limiter = Limiter::default();
        let mut begun = Vec::new();
        let began = now;
        while now < began + Duration::from_secs(10) {
            if limiter.wait(&destination(), limit, now).is_none() && now != began + Duration::from_secs(4) {
                limiter.begin(&destination(), limit, now);
                limiter.end(&destination(), now);
                begun.push(now);
            }
            now += Duration::from_millis(10);
        }

        assert!((200..=203).contains(&begun.len()), "{} in 10 s", begun.len());
        let in_a_second = begun
            .iter()
            .map(|from| begun.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count());
        assert!(in_a_second.max() <= Some(22));
    }

    #[test]
    fn dispatchers_share_a_limit_and_each_makes_at_least_one_request() {
        let three = NonZeroU32::new(3).unwrap();

        let share = Limit::share(number(10), number(30), three);
        assert_eq!(share, Limit { at_once: number(3), interval: Some(Duration::from_millis(100)) });
        assert_eq!(Limit::share(number(2), None, three).at_once, number(1));
        assert_eq!(Limit::share(None, None, three), Limit::default());
    }

    #[test]
    fn an_attempt_that_began_before_the_limit_was_set_counts() {
        let now = Instant::now();
        let mut limiter = Limiter::default();
        limiter.begin(&destination(), Limit::default(), now);

        let limit = Limit { at_once: number(1), interval: None };
        assert!(limiter.wait(&destination(), limit, now).is_some());
        limiter.end(&destination(), now);
        assert_eq!(limiter.wait(&destination(), limit, now), None);
    }
}
