//! Markers of events that came to their end: when, by which attempt, and with which status of DSK's answer.
//!
//! A copy of the store must not tell whose data was erased, and the ids of some events can be guessed. So the marker of an
//! erased event looks like that of a delivered one. Only whoever has the key of erasures can tell them apart: the last part of
//! its marker is a hash under that key, where others have a random number.

use chassis::random;
use event::EventId;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::fields;
use crate::hashing::Hashing;
use crate::keys;
use crate::mark::NewMark;
use crate::store::ChannelStore;

/// Bytes of the last part of a marker. Of four billion delivered events, one is taken for an erased one.
const TAG_BYTES: usize = 4;
/// What the marker of an erased event shows if nobody knows how DSK usually answers.
const ANY_STATUS: u16 = 200;

/// How an event came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// DSK has it.
    Delivered {
        /// The attempt, counted from 1.
        attempt: u32,
        /// The status of DSK's answer.
        status: u16,
    },
    /// It is parked, and nobody can deliver it: what comes again is a repeat.
    Parked,
    /// It is erased: what comes again is no newer event.
    Erased,
}

impl End {
    const fn status(self) -> Option<u16> {
        match self {
            Self::Delivered { status, .. } => Some(status),
            Self::Parked | Self::Erased => None,
        }
    }
}

/// An event that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedEvent {
    /// The event.
    pub id: EventId,
    /// How it ended.
    pub end: End,
}

/// What the marker of an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// DSK has the event. An older release did not note more.
    Delivered(Option<Delivery>),
    /// The event is parked, and nobody can deliver it.
    Parked {
        /// When it was parked.
        at: Timestamp,
    },
    /// The event was erased.
    Erased {
        /// When it was discarded.
        at: Timestamp,
    },
}

/// How DSK got an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When its answer was noted, to the second.
    pub at: Timestamp,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The status of its answer.
    pub status: u16,
}

impl Marker {
    /// Reads a marker. Without the key of erasures, an erased event looks like a delivered one.
    pub(crate) fn read(text: &str, id: &EventId, hashing: Option<&Hashing>) -> Self {
        let Some(parts) = Parts::read(text) else { return Self::Delivered(None) };
        let Parts { at, attempt, status, tag } = parts;
        let is_of = |hashing: &Hashing| hashing.all(id.as_str()).iter().any(|hash| end_of(hash) == tag);
        if hashing.is_some_and(is_of) {
            return Self::Erased { at };
        }
        if status == 0 {
            return Self::Parked { at };
        }
        Self::Delivered(Some(Delivery { at, attempt, status }))
    }
}

/// The parts of a marker's text, which a space separates.
struct Parts<'t> {
    at: Timestamp,
    attempt: u32,
    status: u16,
    tag: &'t str,
}

impl<'t> Parts<'t> {
    /// `None` for the marker of an older release, which is `1` or nothing. What a newer one may add is left out.
    fn read(text: &'t str) -> Option<Self> {
        let mut parts = text.split(' ');
        let at = Timestamp::from_second(parts.next()?.parse().ok()?).ok()?;
        let attempt = parts.next()?.parse().ok()?;
        let status = parts.next()?.parse().ok()?;
        Some(Self { at, attempt, status, tag: parts.next()? })
    }

    fn write(&self) -> String {
        let Self { at, attempt, status, tag } = self;
        format!("{} {attempt} {status} {tag}", at.as_second())
    }
}

/// The end of a hash, which tells no more than a random number to whoever lacks its key.
fn end_of(hash: &str) -> &str {
    hash.get(hash.len().saturating_sub(2 * TAG_BYTES)..).unwrap_or_default()
}

impl ChannelStore {
    /// Remembers that these events came to their end, for as long as Meta may send them again. Of an erased event, nothing
    /// else is left.
    pub async fn mark_ended(&self, ended: &[EndedEvent], now: Timestamp) -> Result<(), StoreError> {
        if let Some(status) = ended.iter().rev().find_map(|event| event.end.status()) {
            self.usual_status.learn(status);
        }
        let (erased, others): (Vec<&EndedEvent>, Vec<&EndedEvent>) =
            ended.iter().partition(|event| event.end == End::Erased);
        // First, because the others need no key.
        if !others.is_empty() {
            self.set_marks(others.into_iter().map(|event| mark(event, None, now)).collect(), keys::DELIVERED_TIME)
                .await?;
        }
        if erased.is_empty() {
            return Ok(());
        }
        let looks = self.looks_of_erased().await?;
        let marks = erased.iter().map(|event| mark(event, Some(&looks), now)).collect();
        self.set_marks(marks, keys::DELIVERED_TIME).await?;
        let erased: Vec<EventId> = erased.into_iter().map(|event| event.id.clone()).collect();
        self.forget_trails(&erased).await
    }

    async fn looks_of_erased(&self) -> Result<Looks, StoreError> {
        let hashing = self.hashing().await?;
        let status = match self.usual_status.get() {
            Some(status) => status,
            None => self.usual_status_of_dispatchers().await?.unwrap_or(ANY_STATUS),
        };
        Ok(Looks { hashing, status })
    }

    async fn usual_status_of_dispatchers(&self) -> Result<Option<u16>, StoreError> {
        let instances = self.read_one(keys::DISPATCHERS.to_owned()).await?;
        let reports = self.read(instances.keys().map(|instance| keys::dispatcher(instance)).collect()).await?;
        Ok(reports.iter().find_map(|report| fields::text(report, fields::USUAL_STATUS)?.parse().ok()))
    }
}

/// How the marker of an erased event looks.
struct Looks {
    hashing: Hashing,
    status: u16,
}

fn mark(event: &EndedEvent, looks: Option<&Looks>, at: Timestamp) -> NewMark {
    NewMark { key: keys::delivered(&event.id), value: marker(event, looks, at) }
}

fn marker(event: &EndedEvent, looks: Option<&Looks>, at: Timestamp) -> String {
    let random_tag = hex::encode(random::<TAG_BYTES>());
    let text = |attempt, status, tag: &str| Parts { at, attempt, status, tag }.write();
    match (event.end, looks) {
        (End::Delivered { attempt, status }, _) => text(attempt, status, &random_tag),
        (End::Erased, Some(looks)) => text(1, looks.status, end_of(&looks.hashing.hash(event.id.as_str()))),
        (End::Parked, _) | (End::Erased, None) => text(0, 0, &random_tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::samples::key;

    const MARKER_BYTES_MAX: usize = 40;

    fn ended(end: End) -> EndedEvent {
        EndedEvent { id: EventId::new("evt_1"), end }
    }

    fn at() -> Timestamp {
        Timestamp::constant(1_764_417_600, 0)
    }

    #[test]
    fn a_marker_says_when_by_which_attempt_and_with_which_status_in_forty_bytes() {
        let end = End::Delivered { attempt: 123_456, status: 202 };

        let text = marker(&ended(end), None, at());

        let delivery = Delivery { at: at(), attempt: 123_456, status: 202 };
        assert!(text.len() <= MARKER_BYTES_MAX && text.starts_with("1764417600 123456 202 "), "{text}");
        assert_eq!(Marker::read(&text, &EventId::new("evt_1"), None), Marker::Delivered(Some(delivery)));
    }

    #[test]
    fn markers_of_older_releases_and_of_unknown_forms_say_that_dsk_has_the_event() {
        for text in ["1", "", "delivered", "1764417600", "1764417600 1 ok 00", "9999999999999999 1 200 00"] {
            assert_eq!(Marker::read(text, &EventId::new("evt_1"), None), Marker::Delivered(None), "{text:?}");
        }
        let longer = Marker::read("1764417600 1 200 00000000 more", &EventId::new("evt_1"), None);
        assert!(matches!(longer, Marker::Delivered(Some(Delivery { status: 200, .. }))), "of a newer release");
    }

    #[test]
    fn only_the_key_of_erasures_tells_the_marker_of_an_erased_event_from_that_of_a_delivered_one() {
        let hashing = Hashing::keyed(key("0000000000000001"));
        let looks = Looks { hashing: hashing.clone(), status: 202 };
        let id = EventId::new("evt_1");

        let erased = marker(&ended(End::Erased), Some(&looks), at());
        let delivered = marker(&ended(End::Delivered { attempt: 1, status: 202 }), None, at());

        assert_eq!(Marker::read(&erased, &id, Some(&hashing)), Marker::Erased { at: at() });
        let looks_delivered = Marker::Delivered(Some(Delivery { at: at(), attempt: 1, status: 202 }));
        assert_eq!(Marker::read(&erased, &id, None), looks_delivered);
        assert_eq!(Marker::read(&delivered, &id, Some(&hashing)), looks_delivered);
        let beginning = |text: &str| text.rsplit_once(' ').map(|(beginning, tag)| (beginning.to_owned(), tag.len()));
        assert_eq!(beginning(&erased), beginning(&delivered));
        assert_eq!(Marker::read(&erased, &EventId::new("evt_2"), Some(&hashing)), looks_delivered, "of another event");
    }
}
