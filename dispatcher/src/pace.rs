//! Says when work of one kind may begin again, so that under load each piece of it is about many envelopes. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The least time from one look-up to the next. Each costs nearly the same whether it is about one envelope or about ten.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(1);
/// The least time from one marking to the next: DSK has the events already, and nobody waits.
const MARK_INTERVAL: Duration = Duration::from_millis(5);

/// The paces of a worker. Those of the default never wait.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    pub(crate) look_up: Pace,
    pub(crate) mark: Pace,
}

impl Paces {
    /// Those of a worker that a runner runs.
    pub(crate) const fn of_a_runner() -> Self {
        Self { look_up: Pace::every(LOOK_UP_INTERVAL), mark: Pace::every(MARK_INTERVAL) }
    }
}

/// Work of one kind, which begins at most once in an interval. After a longer rest it begins at once.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    interval: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// Work that begins at most once in this interval.
    pub(crate) const fn every(interval: Duration) -> Self {
        Self { interval, next: None }
    }

    /// Whether the work may begin now.
    pub(crate) fn may_begin(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// The work begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.next = (!self.interval.is_zero()).then(|| now + self.interval);
    }

    /// From when on it may begin again; `None` if it never began.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(5);

    #[test]
    fn work_begins_at_once_after_a_rest_and_then_at_most_once_in_an_interval() {
        let start = Instant::now();
        let mut pace = Pace::every(INTERVAL);
        assert!(pace.may_begin(start));

        pace.begin(start);

        assert!(!pace.may_begin(start + INTERVAL / 2));
        assert_eq!(pace.next(), Some(start + INTERVAL));
        assert!(pace.may_begin(start + INTERVAL));
    }

    #[test]
    fn without_an_interval_nothing_waits() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.begin(start);

        assert!(pace.may_begin(start) && pace.next().is_none());
    }
}
