//! Where an event stands, by what the store, the dispatchers and the dead letters say of it. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use ::channels::{Delivery, FailedAttempt, Marker, Next, StoredEvent, StoredTrail};
use event::EventId;
use jiff::Timestamp;
use queue::{DeadLetter, QueueName, Whereabouts};
use serde_json::Value;

/// How much later than it was due an event may still be on its way back from a retry queue.
const LATE_TIME: Duration = Duration::from_secs(5);

/// Where an event stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// DSK has it.
    Delivered {
        /// An older release did not note more.
        delivery: Option<Delivery>,
        /// Whether it could have been erased instead, which only a key ring tells.
        may_be_erased: bool,
    },
    /// A person or a channel was erased, and the event with them.
    Erased { at: Timestamp },
    /// It is parked.
    DeadLetter { reason: String, at: Timestamp, status: Option<u16>, sighting: Sighting },
    /// Its attempts failed, and it waits in a retry queue.
    Retrying { queue: String, until: Timestamp },
    /// It waits in a retry queue so that others come first.
    Deferred { queue: String, until: Timestamp },
    /// It was seen in a queue, which only a queue in files shows.
    Accepted { queue: QueueName, is_in_flight: bool },
    /// It is back from a retry queue, and nothing was noted since.
    Back { queue: String, since: Timestamp },
    /// A dispatcher has it in flight and attempts it again.
    UnderWay { by: String, at: Timestamp, is_living: bool },
    /// A dispatcher has it in flight until a pause ends.
    Paused { by: String, since: Timestamp, outcome: Option<String>, pauses: Vec<Pause>, is_living: bool },
    /// Something is noted that this version does not know.
    Noted,
}

/// Whether a dead letter is where it was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// It is among the dead letters.
    Seen,
    /// Not all dead letters were looked at.
    NotSeen,
    /// It is not among them any more.
    Gone,
}

/// A dead letter, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) id: EventId,
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
    pub(crate) status: Option<u16>,
}

/// What a dispatcher has paused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pause {
    pub(crate) what: String,
    pub(crate) reason: String,
    /// RFC 3339, if the dispatcher says so.
    pub(crate) since: Option<String>,
    pub(crate) next_probe_at: Option<String>,
}

/// What is known beside an event.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) now: Timestamp,
    /// The dispatchers that have reported lately.
    pub(crate) living: BTreeSet<String>,
    pub(crate) pauses: Vec<Pause>,
    /// Whether an erased event looks like a delivered one.
    pub(crate) hides_erasures: bool,
    /// Whether every dead letter was looked at.
    pub(crate) has_seen_all: bool,
}

impl From<&DeadLetter> for Parked {
    fn from(dead: &DeadLetter) -> Self {
        let letter = &dead.letter;
        Self {
            id: dead.envelope.id.clone(),
            at: letter.parked_at,
            reason: letter.reason.clone(),
            status: letter.status,
        }
    }
}

impl View {
    /// What the dispatchers' reports say.
    pub(crate) fn of_reports(reports: &[String], now: Timestamp) -> Self {
        let reports: Vec<Value> = reports.iter().filter_map(|report| serde_json::from_str(report).ok()).collect();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let pause = |pause: &Value| {
            Some(Pause {
                what: text(&pause["what"])?,
                reason: text(&pause["reason"])?,
                since: text(&pause["since"]),
                next_probe_at: text(&pause["next_probe_at"]),
            })
        };
        let pauses = reports.iter().filter_map(|report| report["paused"].as_array()).flatten().filter_map(pause);
        let mut view = Self {
            now,
            living: reports.iter().filter_map(|report| text(&report["instance"])).collect(),
            pauses: pauses.collect(),
            hides_erasures: false,
            has_seen_all: false,
        };
        // Several dispatchers may have paused the same.
        view.pauses.sort();
        view.pauses.dedup_by(|later, first| later.what == first.what && later.reason == first.reason);
        view
    }

    /// The pauses that can hold an event whose last attempt ended so.
    fn pauses_after(&self, outcome: &str) -> Vec<Pause> {
        let reason = match outcome {
            "unavailable" | "timed_out" => "unavailable",
            "throttled" => "throttled",
            _ => "misconfigured",
        };
        self.pauses.iter().filter(|pause| pause.reason == reason).cloned().collect()
    }
}

impl Standing {
    /// Where an event stands; `None` if nothing is known of it.
    pub(crate) fn of(
        stored: &StoredEvent,
        letter: Option<&Parked>,
        seen: Option<&Whereabouts>,
        view: &View,
    ) -> Option<Self> {
        match stored.marker {
            Some(Marker::Erased { at }) => return Some(Self::Erased { at }),
            Some(Marker::Delivered(delivery)) => {
                return Some(Self::Delivered { delivery, may_be_erased: view.hides_erasures });
            }
            Some(Marker::Parked { .. }) | None => {}
        }
        if let Some(Parked { at, reason, status, .. }) = letter.cloned() {
            return Some(Self::DeadLetter { reason, at, status, sighting: Sighting::Seen });
        }
        let sighting = if view.has_seen_all { Sighting::Gone } else { Sighting::NotSeen };
        if let Some(Marker::Parked { at }) = stored.marker {
            return Some(Self::DeadLetter { reason: "unrecognized".to_owned(), at, status: None, sighting });
        }
        let noted = stored.trail.as_ref().map(|trail| Self::noted(trail, sighting, view));
        match seen {
            Some(Whereabouts { queue: queue @ QueueName::Class(_), is_in_flight: false, .. }) => {
                Some(Self::Accepted { queue: *queue, is_in_flight: false })
            }
            Some(Whereabouts { queue: queue @ (QueueName::Class(_) | QueueName::Retry(..)), is_in_flight, .. })
                if noted.as_ref().is_none_or(|noted| matches!(noted, Self::Back { .. } | Self::DeadLetter { .. })) =>
            {
                Some(Self::Accepted { queue: *queue, is_in_flight: *is_in_flight })
            }
            Some(_) | None => noted,
        }
    }

    /// Where it stands by what was noted last.
    fn noted(trail: &StoredTrail, sighting: Sighting, view: &View) -> Self {
        match trail.next.clone() {
            None | Some(Next::Other) => Self::Noted,
            Some(Next::Park { at, reason }) => {
                Self::DeadLetter { reason, at, status: last(trail).and_then(|failure| failure.status), sighting }
            }
            Some(Next::Retry { at, queue }) if view.now < at + LATE_TIME => Self::Retrying { queue, until: at },
            Some(Next::Defer { at, queue }) if view.now < at + LATE_TIME => Self::Deferred { queue, until: at },
            Some(Next::Retry { at, queue } | Next::Defer { at, queue }) => {
                Self::Back { queue: class_queue(&queue), since: at }
            }
            Some(Next::Attempt { at, by }) => Self::UnderWay { is_living: view.living.contains(&by), by, at },
            Some(Next::Hold { since, by }) => {
                let outcome = last(trail).map(|failure| failure.outcome.clone());
                let pauses = outcome.as_deref().map(|outcome| view.pauses_after(outcome)).unwrap_or_default();
                Self::Paused { is_living: view.living.contains(&by), by, since, outcome, pauses }
            }
        }
    }

    /// Whether it came to an end that nothing changes any more.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self, Self::Delivered { .. } | Self::Erased { .. })
    }

    /// One word for programs.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Erased { .. } => "erased",
            Self::DeadLetter { .. } => "dead_letter",
            Self::Retrying { .. } => "retrying",
            Self::Deferred { .. } => "deferred",
            Self::Accepted { is_in_flight: true, .. } => "in_flight",
            Self::Accepted { is_in_flight: false, .. } | Self::Back { .. } => "waiting",
            Self::UnderWay { .. } => "under_way",
            Self::Paused { .. } => "paused",
            Self::Noted => "noted",
        }
    }
}

fn last(trail: &StoredTrail) -> Option<&FailedAttempt> {
    trail.failures.last()
}

/// The queue to which a retry queue gives back what it holds.
fn class_queue(retry: &str) -> String {
    let queue = QueueName::ALL.into_iter().find(|queue| queue.as_str() == retry);
    match queue {
        Some(QueueName::Retry(class, _)) => QueueName::Class(class).as_str().to_owned(),
        Some(QueueName::Class(_) | QueueName::Dead) | None => retry.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    fn view() -> View {
        let report = |instance: &str, since: &str| {
            let pause = json!({ "reason": "unavailable", "what": "https://dsk.example", "since": since });
            json!({ "instance": instance, "paused": [pause] }).to_string()
        };
        let reports = [report("host-1", "1970-01-01T00:01:31Z"), report("host-3", "1970-01-01T00:01:30Z")];
        View::of_reports(&[&reports[..], &["not JSON".to_owned()]].concat(), at(100))
    }

    fn failed(next: Next) -> StoredEvent {
        let failure =
            FailedAttempt { at: at(90), attempt: Some(1), outcome: "unavailable".to_owned(), status: Some(503) };
        let trail = StoredTrail { failures: vec![failure], next: Some(next), repeated: None };
        StoredEvent { marker: None, trail: Some(trail) }
    }

    fn retry(until: i64) -> Next {
        Next::Retry { at: at(until), queue: "meta.updates.retry.10s.v2".to_owned() }
    }

    #[test]
    fn a_marker_says_more_than_anything_that_was_noted_before() {
        let delivery = Delivery { at: at(95), attempt: 3, status: 200 };
        let marked = |marker| StoredEvent { marker: Some(marker), ..failed(retry(96)) };

        let delivered = Standing::of(&marked(Marker::Delivered(Some(delivery))), None, None, &view());
        let erased = Standing::of(&marked(Marker::Erased { at: at(95) }), None, None, &view());

        assert_eq!(delivered, Some(Standing::Delivered { delivery: Some(delivery), may_be_erased: false }));
        assert_eq!(erased, Some(Standing::Erased { at: at(95) }));
    }

    #[test]
    fn an_event_waits_in_a_retry_queue_until_its_time_and_then_in_the_queue_of_its_class() {
        let standing = |until| Standing::of(&failed(retry(until)), None, None, &view());
        let queue = || "meta.updates.retry.10s.v2".to_owned();

        assert_eq!(standing(105), Some(Standing::Retrying { queue: queue(), until: at(105) }));
        assert_eq!(standing(99), Some(Standing::Retrying { queue: queue(), until: at(99) }), "it may be a bit late");
        assert_eq!(standing(90), Some(Standing::Back { queue: "meta.updates.v2".to_owned(), since: at(90) }));
        let deferred = failed(Next::Defer { at: at(105), queue: queue() });
        assert_eq!(Standing::of(&deferred, None, None, &view()), {
            Some(Standing::Deferred { queue: queue(), until: at(105) })
        });
    }

    #[test]
    fn a_paused_event_says_which_pause_holds_it_and_whether_its_dispatcher_lives() {
        let held =
            |by: &str| Standing::of(&failed(Next::Hold { since: at(91), by: by.to_owned() }), None, None, &view());

        let Some(Standing::Paused { outcome, pauses, is_living, .. }) = held("host-1") else { panic!("it is held") };
        let pause = Pause {
            what: "https://dsk.example".to_owned(),
            reason: "unavailable".to_owned(),
            since: Some("1970-01-01T00:01:30Z".to_owned()),
            next_probe_at: None,
        };
        assert_eq!((outcome.as_deref(), pauses, is_living), (Some("unavailable"), vec![pause], true));
        assert!(matches!(held("host-2"), Some(Standing::Paused { is_living: false, .. })));
    }

    #[test]
    fn a_dead_letter_is_seen_or_gone_or_only_noted() {
        let parked = failed(Next::Park { at: at(91), reason: "rejected".to_owned() });
        let letter = Parked { id: EventId::new("evt_1"), at: at(92), reason: "expired".to_owned(), status: Some(500) };
        let sighting = |letter: Option<&Parked>, view: &View| match Standing::of(&parked, letter, None, view) {
            Some(Standing::DeadLetter { reason, sighting, .. }) => (reason, sighting),
            other => panic!("{other:?}"),
        };

        assert_eq!(sighting(Some(&letter), &view()), ("expired".to_owned(), Sighting::Seen));
        assert_eq!(sighting(None, &view()), ("rejected".to_owned(), Sighting::NotSeen));
        let all = View { has_seen_all: true, ..view() };
        assert_eq!(sighting(None, &all), ("rejected".to_owned(), Sighting::Gone));
    }

    #[test]
    fn what_is_seen_in_a_queue_says_more_than_an_old_note_and_less_than_a_fresh_one() {
        let messages = QueueName::Class(event::Class::Messages);
        let seen = |is_in_flight| Whereabouts { id: EventId::new("evt_1"), queue: messages, is_in_flight };
        let standing =
            |stored: &StoredEvent, is_in_flight| Standing::of(stored, None, Some(&seen(is_in_flight)), &view());

        for stored in [StoredEvent::default(), failed(retry(50))] {
            for is_in_flight in [true, false] {
                let accepted = Standing::Accepted { queue: messages, is_in_flight };
                assert_eq!(standing(&stored, is_in_flight), Some(accepted), "{stored:?}");
            }
        }
        let held = failed(Next::Hold { since: at(91), by: "host-1".to_owned() });
        assert!(matches!(standing(&held, true), Some(Standing::Paused { .. })));
        assert!(matches!(standing(&held, false), Some(Standing::Accepted { .. })), "it was given back");
    }

    #[test]
    fn of_an_event_without_marker_trail_or_dead_letter_nothing_is_known() {
        assert_eq!(Standing::of(&StoredEvent::default(), None, None, &view()), None);
    }
}
