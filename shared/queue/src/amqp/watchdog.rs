//! Notices a consumer that gets nothing although messages wait and its window has room, or that the broker does not know.
//!
//! When a quorum queue is deleted while an acknowledgement is on its way, RabbitMQ 3.10 does not cancel the consumer, and
//! gives it a window of the next queue's messages, none of which arrives (measured). 4.3 has left consumers hanging for ever
//! (rabbitmq-server #17317).

use std::time::Duration;

use tokio::time::Instant;

/// How often the watchdog looks. A healthy broker hands out a message within milliseconds.
const WATCH_PERIOD: Duration = Duration::from_secs(3);
/// When it looks first: a consumer that has just begun may already be none.
const FIRST_LOOK: Duration = Duration::from_millis(300);
/// After how many looks a consumer is opened again that has nothing in flight and gets nothing. Mostly another process has
/// the active consumer; if the broker believes that this one is it, this makes it give the messages out again.
const STAND_BY_LOOKS: u32 = 10;

/// Looks at a consumer again and again.
#[derive(Debug)]
pub(super) struct Watchdog {
    due: Instant,
    has_delivered: bool,
    /// Looks in a row at which nothing had come that should have.
    idle_looks: u32,
}

/// What the broker says of a consumer's queue, and what the consumer has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Whether the queue has any consumer.
    pub(super) has_consumer: bool,
    /// Whether messages wait for which there is room.
    pub(super) is_due: bool,
    /// Whether messages are not settled.
    pub(super) has_in_flight: bool,
}

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Messages come, or none waits.
    Well,
    /// It may be a coincidence.
    Suspect,
    /// Nothing comes while something is in flight: the broker waits until it is settled, to turn to another consumer.
    HeldUp,
    /// Nothing is in flight and nothing comes: another process has the active consumer, or the broker is wrong about this one.
    StandBy,
    /// The broker knows no consumer.
    Forgotten,
}

impl Watchdog {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now + WATCH_PERIOD, has_delivered: false, idle_looks: 0 }
    }

    /// Of a consumer that has just begun.
    pub(super) fn of_new_consumer(now: Instant) -> Self {
        Self { due: now + FIRST_LOOK, ..Self::new(now) }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Notes that a message came.
    pub(super) fn delivered(&mut self) {
        self.has_delivered = true;
    }

    /// Looks.
    pub(super) fn look(&mut self, look: Look, now: Instant) -> Finding {
        let is_idle = (look.is_due || !look.has_consumer) && !self.has_delivered;
        let idle_looks = if is_idle { self.idle_looks + 1 } else { 0 };
        *self = Self { idle_looks, ..Self::new(now) };
        match idle_looks {
            0 => Finding::Well,
            1 => Finding::Suspect,
            _ if !look.has_consumer => Finding::Forgotten,
            _ if look.has_in_flight => Finding::HeldUp,
            STAND_BY_LOOKS.. => Finding::StandBy,
            _ => Finding::Suspect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: Look = Look { has_consumer: true, is_due: true, has_in_flight: false };

    fn looks(watchdog: &mut Watchdog, look: Look, count: usize) -> Vec<Finding> {
        let now = Instant::now();
        (0..count).map(|_| watchdog.look(look, now)).collect()
    }

    #[test]
    fn a_consumer_is_suspect_once_and_something_is_wrong_when_twice_in_a_row_nothing_came_that_should_have() {
        use Finding::{Forgotten, HeldUp, Suspect, Well};
        let mut watchdog = Watchdog::new(Instant::now());

        assert_eq!(looks(&mut watchdog, Look { has_in_flight: true, ..WAITING }, 2), [Suspect, HeldUp]);
        watchdog.delivered();
        assert_eq!(looks(&mut watchdog, WAITING, 2), [Well, Suspect]);
        assert_eq!(looks(&mut watchdog, Look { is_due: false, ..WAITING }, 1), [Well], "nothing waits");
        assert_eq!(looks(&mut watchdog, Look { has_consumer: false, ..WAITING }, 2), [Suspect, Forgotten]);
    }

    #[test]
    fn a_consumer_that_stands_by_is_opened_again_after_half_a_minute() {
        let mut watchdog = Watchdog::new(Instant::now());

        let findings = looks(&mut watchdog, WAITING, 10);

        assert_eq!(findings.iter().position(|finding| *finding == Finding::StandBy), Some(9), "{findings:?}");
    }
}
