//! The trail of an event that was not delivered at once: which attempts failed, and what is next. It is written beside the
//! delivery, and nothing waits for it. It names no person and no channel: only the event, whose id is a hash.

use std::collections::{BTreeMap, BTreeSet};

use chassis::now;
use event::EventId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ended::Marker;
use crate::error::StoreError;
use crate::keys;
use crate::mark::NewMark;
use crate::store::ChannelStore;

/// The most failures in a trail: beyond these, the first ones and the last ones are kept.
const FAILURES_MAX: usize = 12;
/// How many of the first ones.
const FIRST_FAILURES: usize = 4;
/// Trails that are read, and then written, together.
const BATCH: usize = 512;

/// What is stored of an event that was not delivered at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTrail {
    /// What failed, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedAttempt>,
    /// What is next, unless the event came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// That it came again after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<Repeated>,
}

/// An attempt that failed, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// When it ended.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// Which attempt it was, counted from 1; `None` if no request could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How it ended, in the word of the dispatcher's metric.
    pub outcome: String,
    /// The status of DSK's answer, if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// What is next for an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Next {
    /// It is in flight, and attempted again.
    Attempt {
        /// When.
        #[serde(with = "time")]
        at: Timestamp,
        /// By this dispatcher.
        by: String,
    },
    /// It is in flight, until a pause ends.
    Hold {
        /// Since then.
        #[serde(with = "time")]
        since: Timestamp,
        /// By this dispatcher.
        by: String,
    },
    /// It waits in a retry queue, because attempts failed.
    Retry {
        /// Until then.
        #[serde(with = "time")]
        at: Timestamp,
        /// The queue.
        queue: String,
    },
    /// It waits in a retry queue, so that others come first.
    Defer {
        /// Until then.
        #[serde(with = "time")]
        at: Timestamp,
        /// The queue.
        queue: String,
    },
    /// It is a dead letter.
    Park {
        /// Since then.
        #[serde(with = "time")]
        at: Timestamp,
        /// The dead letter's reason.
        reason: String,
    },
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

/// That an event came again after its end, and was discarded as a duplicate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// When it came last.
    #[serde(with = "time")]
    pub last_at: Timestamp,
    /// How often.
    pub times: u32,
}

/// Something that a trail is to say from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailNote {
    /// The event.
    pub id: EventId,
    /// What happened to it.
    pub happened: Happened,
}

/// What happened to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It goes on in another way than by a delivery, because of a failure or not.
    GoesOn {
        /// The failure.
        failure: Option<FailedAttempt>,
        /// What is next.
        next: Next,
    },
    /// It came again at this time.
    CameAgain(Timestamp),
}

/// What the store knows of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredEvent {
    /// How it came to its end, if it has.
    pub marker: Option<Marker>,
    /// What happened before.
    pub trail: Option<StoredTrail>,
}

/// What the store knows of some events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvents {
    /// In the order in which they were asked for.
    pub events: Vec<StoredEvent>,
    /// Whether erased events look like delivered ones, because the key of erasures is not there.
    pub hides_erasures: bool,
}

impl StoredTrail {
    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn add(&mut self, happened: &Happened) {
        match happened {
            Happened::GoesOn { failure, next } => {
                self.failures.extend(failure.clone());
                self.shorten();
                self.next = Some(next.clone());
            }
            Happened::CameAgain(at) => {
                let times = self.repeated.as_ref().map_or(0, |repeated| repeated.times).saturating_add(1);
                self.repeated = Some(Repeated { last_at: *at, times });
            }
        }
    }

    /// Whatever fails again and again without a request is one failure. An event that probes a long outage fails thousands of
    /// times.
    fn shorten(&mut self) {
        if let [.., before, last] = &self.failures[..]
            && last.attempt.is_none()
            && before.attempt.is_none()
            && before.outcome == last.outcome
        {
            self.failures.remove(self.failures.len() - 2);
        }
        if self.failures.len() > FAILURES_MAX {
            self.failures.remove(FIRST_FAILURES);
        }
    }
}

impl ChannelStore {
    /// Adds to the trails of events. They last as long as a marker that is set now.
    pub async fn note_trails(&self, notes: &[TrailNote]) -> Result<(), StoreError> {
        for notes in notes.chunks(BATCH) {
            let ids: BTreeSet<EventId> = notes.iter().map(|note| note.id.clone()).collect();
            let ids: Vec<EventId> = ids.into_iter().collect();
            let before = self.read_trails(&ids).await?.into_iter().map(Option::unwrap_or_default);
            let mut trails: BTreeMap<EventId, StoredTrail> = ids.into_iter().zip(before).collect();
            for note in notes {
                trails.entry(note.id.clone()).or_default().add(&note.happened);
            }
            let marks = trails.iter().map(|(id, trail)| NewMark { key: keys::trail(id), value: trail.write() });
            self.set_trails(marks.collect(), keys::DELIVERED_TIME).await?;
        }
        Ok(())
    }

    /// What the store knows of these events.
    pub async fn find_events(&self, ids: &[EventId]) -> Result<StoredEvents, StoreError> {
        // Whoever only asks makes no key.
        let keys = self.read_one(keys::ERASURE_KEYS.to_owned()).await?;
        let hashing = self.opened.opened(keys).ok().map(|keys| keys.at(now()));
        let markers = self.read_marks(ids.iter().map(keys::delivered).collect()).await?;
        let trails = self.read_trails(ids).await?;
        let markers = ids.iter().zip(markers).map(|(id, text)| Some(Marker::read(&text?, id, hashing.as_ref())));
        let events = markers.zip(trails).map(|(marker, trail)| StoredEvent { marker, trail });
        Ok(StoredEvents { events: events.collect(), hides_erasures: hashing.is_none() })
    }

    /// Removes the trails of erased events. Where the user list of an older release does not permit that, it has not permitted
    /// to write them either.
    pub(crate) async fn forget_trails(&self, ids: &[EventId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        match self.remove_trails(ids.iter().map(keys::trail).collect()).await {
            Err(error) if error.is_forbidden() => Ok(()),
            outcome => outcome,
        }
    }

    /// A text that is no trail counts as none.
    async fn read_trails(&self, ids: &[EventId]) -> Result<Vec<Option<StoredTrail>>, StoreError> {
        let texts = self.read_trail_texts(ids.iter().map(keys::trail).collect()).await?;
        Ok(texts.into_iter().map(|text| StoredTrail::read(&text?)).collect())
    }
}

/// Times as RFC 3339, to the millisecond.
mod time {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{at:.3}"))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::constant(1_764_417_600, 0) + Duration::from_secs(second)
    }

    fn failed(second: u64, attempt: Option<u32>) -> Happened {
        let outcome = if attempt.is_some() { "unavailable" } else { "unopenable" };
        let failure =
            FailedAttempt { at: at(second), attempt, outcome: outcome.to_owned(), status: attempt.and(Some(503)) };
        Happened::GoesOn { failure: Some(failure), next: Next::Hold { since: at(second), by: "host-1".to_owned() } }
    }

    #[test]
    fn a_trail_is_read_as_it_was_written_and_names_nothing_but_times_outcomes_queues_and_dispatchers() {
        let mut trail = StoredTrail::default();
        trail.add(&failed(0, Some(1)));
        let next = Next::Retry { at: at(10), queue: "meta.messages.retry.10s.v2".to_owned() };
        trail.add(&Happened::GoesOn { failure: None, next });
        trail.add(&Happened::CameAgain(at(20)));

        assert_eq!(
            trail.write(),
            r#"{"failures":[{"at":"2025-11-29T12:00:00.000Z","attempt":1,"outcome":"unavailable","status":503}],"#
                .to_owned()
                + r#""next":{"step":"retry","at":"2025-11-29T12:00:10.000Z","queue":"meta.messages.retry.10s.v2"},"#
                + r#""repeated":{"last_at":"2025-11-29T12:00:20.000Z","times":1}}"#
        );
        assert_eq!(StoredTrail::read(&trail.write()), Some(trail));
    }

    #[test]
    fn what_a_newer_release_writes_does_not_hide_the_rest() {
        let text = r#"{"failures":[],"next":{"step":"teleport","to":"mars"},"colour":"blue"}"#;

        assert_eq!(StoredTrail::read(text), Some(StoredTrail { next: Some(Next::Other), ..StoredTrail::default() }));
    }

    #[test]
    fn a_trail_keeps_the_first_failures_and_the_last_ones_however_many_there_are() {
        let mut trail = StoredTrail::default();
        for number in 1..=1_000 {
            trail.add(&failed(number.into(), Some(number)));
        }

        let kept: Vec<u32> = trail.failures.iter().filter_map(|failure| failure.attempt).collect();
        assert_eq!(kept, [1, 2, 3, 4, 993, 994, 995, 996, 997, 998, 999, 1_000]);
        assert!(trail.write().len() < 1_300, "{} bytes", trail.write().len());
    }

    #[test]
    fn what_fails_without_a_request_again_and_again_is_one_failure() {
        let mut trail = StoredTrail::default();
        [failed(0, Some(1)), failed(1, None), failed(2, None), failed(3, None)].iter().for_each(|one| trail.add(one));

        assert_eq!(trail.failures.iter().map(|failure| failure.at).collect::<Vec<_>>(), [at(0), at(3)]);
    }
}
