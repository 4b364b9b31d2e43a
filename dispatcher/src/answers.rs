//! Counts how the attempts of the last one or two minutes ended, by destination. Pure: the time is an argument.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::destination::Destination;
use crate::remedy::{Failure, Outcome};

/// How long a period is. What is told is the current one and the one before. It names tenants, so it must not outlast the
/// deletion of one by much.
const PERIOD: Duration = Duration::from_mins(1);
/// Most destinations that are counted each for itself in a period; a reader looks for one in trouble, not for all of them.
const DESTINATIONS_MAX: usize = 1_000;
/// Most destinations that are told, those with the most failures first. A report is written every 5 s.
const TOLD_MAX: usize = 50;

/// How DSK answered, or that it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// With this status.
    Status { code: u16, is_delivery: bool },
    /// Not in time.
    TimedOut,
    /// There was no connection.
    Unreachable,
}

type Counts = BTreeMap<Answer, u64>;

/// How the attempts at one destination ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationAnswers {
    /// `None` for all those together that are not counted each for itself.
    pub(crate) destination: Option<Destination>,
    pub(crate) counts: Counts,
}

/// The attempts of this period and of the one before.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    began: Option<Instant>,
    current: Period,
    before: Period,
}

#[derive(Debug, Default)]
struct Period {
    destinations: HashMap<Destination, Counts>,
    others: Counts,
}

impl Answer {
    /// `None` if no request was made.
    fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Delivered { status } => Some(Self::Status { code: status.as_u16(), is_delivery: true }),
            Outcome::Failed(Failure::Answered { status, .. }) => {
                Some(Self::Status { code: status.as_u16(), is_delivery: false })
            }
            Outcome::Failed(Failure::TimedOut) => Some(Self::TimedOut),
            Outcome::Failed(Failure::Unreachable) => Some(Self::Unreachable),
            Outcome::Failed(Failure::Unopenable | Failure::Damaged(_) | Failure::UnknownChannel) => None,
        }
    }

    const fn is_failure(self) -> bool {
        !matches!(self, Self::Status { is_delivery: true, .. })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, .. } => write!(f, "{code}"),
            Self::TimedOut => f.write_str("timed_out"),
            Self::Unreachable => f.write_str("unreachable"),
        }
    }
}

impl Answers {
    /// Takes note of how an attempt ended.
    pub(crate) fn note(&mut self, destination: &Destination, outcome: &Outcome, now: Instant) {
        let Some(answer) = Answer::of(outcome) else { return };
        self.turn(now);
        *self.current.counts(destination).entry(answer).or_default() += 1;
    }

    /// What is told of the last minutes: the destinations with the most failures first, then those with the most attempts.
    pub(crate) fn recent(&mut self, now: Instant) -> Vec<DestinationAnswers> {
        self.turn(now);
        let mut together = self.current.destinations.clone();
        for (destination, counts) in &self.before.destinations {
            add(together.entry(destination.clone()).or_default(), counts);
        }
        let mut others = self.current.others.clone();
        add(&mut others, &self.before.others);
        let mut sorted: Vec<_> = together.into_iter().collect();
        sorted.sort_by_cached_key(|(destination, counts)| {
            let failures: u64 = counts.iter().filter(|(answer, _)| answer.is_failure()).map(|(_, count)| count).sum();
            Reverse((
                failures,
                counts.values().sum::<u64>(),
                Reverse((destination.tenant.clone(), destination.url.clone())),
            ))
        });
        sorted.iter().skip(TOLD_MAX).for_each(|(_, counts)| add(&mut others, counts));
        sorted.truncate(TOLD_MAX);
        let told = sorted.into_iter().map(|(one, counts)| DestinationAnswers { destination: Some(one), counts });
        let rest = (!others.is_empty()).then_some(DestinationAnswers { destination: None, counts: others });
        told.chain(rest).collect()
    }

    /// Begins the next period when it is time.
    fn turn(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let age = now.saturating_duration_since(began);
        if age < PERIOD {
            return;
        }
        let ended = std::mem::take(&mut self.current);
        self.before = if age < 2 * PERIOD { ended } else { Period::default() };
        self.began = Some(now);
    }
}

impl Period {
    fn counts(&mut self, destination: &Destination) -> &mut Counts {
        let is_full = self.destinations.len() >= DESTINATIONS_MAX;
        match self.destinations.entry(destination.clone()) {
            Entry::Occupied(counted) => counted.into_mut(),
            Entry::Vacant(place) if !is_full => place.insert(Counts::default()),
            Entry::Vacant(_) => &mut self.others,
        }
    }
}

fn add(sum: &mut Counts, counts: &Counts) {
    counts.iter().for_each(|(answer, count)| *sum.entry(*answer).or_default() += count);
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;
    use crate::destination::samples::target;

    fn destination(tenant: &str) -> Destination {
        target(tenant, "https://dsk.example/events", "whatsapp:1").destination
    }

    fn answered(status: u16) -> Outcome {
        Outcome::of_answer(StatusCode::from_u16(status).unwrap(), None, String::new())
    }

    /// Each destination as one line, such as `acme 204: 2, timed_out: 1`.
    fn lines(answers: &mut Answers, now: Instant) -> Vec<String> {
        let line = |one: DestinationAnswers| {
            let tenant = one.destination.map_or_else(|| "others".into(), |one| one.tenant);
            let counts: Vec<_> = one.counts.iter().map(|(answer, count)| format!("{answer}: {count}")).collect();
            format!("{tenant} {}", counts.join(", "))
        };
        answers.recent(now).into_iter().map(line).collect()
    }

    #[test]
    fn the_destination_with_the_most_failures_comes_first_and_what_was_no_request_does_not_count() {
        let now = Instant::now();
        let mut answers = Answers::default();
        for outcome in [answered(204), answered(204), answered(409)] {
            answers.note(&destination("busy"), &outcome, now);
        }
        for outcome in [Outcome::Failed(Failure::TimedOut), answered(503), Outcome::Failed(Failure::UnknownChannel)] {
            answers.note(&destination("ill"), &outcome, now);
        }
        answers.note(&destination("calm"), &answered(204), now);

        assert_eq!(lines(&mut answers, now), ["ill 503: 1, timed_out: 1", "busy 204: 2, 409: 1", "calm 204: 1"]);
    }

    #[test]
    fn what_is_older_than_two_periods_is_forgotten() {
        let now = Instant::now();
        let mut answers = Answers::default();
        answers.note(&destination("acme"), &answered(503), now);

        assert_eq!(lines(&mut answers, now + PERIOD), ["acme 503: 1"]);
        answers.note(&destination("acme"), &answered(204), now + PERIOD);
        assert_eq!(lines(&mut answers, now + PERIOD), ["acme 204: 1, 503: 1"]);
        assert_eq!(lines(&mut answers, now + 2 * PERIOD), ["acme 204: 1"]);
        assert_eq!(lines(&mut answers, now + 9 * PERIOD), [""; 0]);
    }

    #[test]
    fn more_destinations_than_a_report_can_hold_are_told_together() {
        let now = Instant::now();
        let mut answers = Answers::default();
        for serial in 0..DESTINATIONS_MAX + 7 {
            answers.note(&destination(&format!("tenant-{serial:04}")), &answered(204), now);
        }

        let told = lines(&mut answers, now);

        assert_eq!(told.len(), TOLD_MAX + 1);
        assert_eq!(told.last(), Some(&format!("others 204: {}", DESTINATIONS_MAX + 7 - TOLD_MAX)));
        assert!(answers.current.destinations.len() <= DESTINATIONS_MAX);
    }
}
