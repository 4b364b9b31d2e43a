//! The dead letters as the list shows them: what an operator selects by, and no body, no answer and no person.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use event::EventId;
use jiff::Timestamp;
use queue::DeadLetter;

use crate::dead_letters::{Selection, Traits, is_undeliverable};

/// The dead letters that were read, oldest first. Each takes about 75 bytes: 200,000 of them 15 MB.
#[derive(Debug)]
pub(crate) struct Index {
    rows: Vec<Row>,
    /// The ids of all, one after the other. An allocation for each would lie between those of the bodies, which come and go,
    /// and take twice as much memory.
    ids: String,
    names: Names,
    /// When they were read. What was parked later is not in it.
    pub(crate) read_at: Timestamp,
}

/// One dead letter. The names are the same for many.
#[derive(Clone, Copy, Debug)]
struct Row {
    place: IdPlace,
    parked_at: Timestamp,
    address: u32,
    event_type: u32,
    reason: u32,
    attempts: u32,
    status: Option<u16>,
}

/// Where an id stands among all ids.
#[derive(Clone, Copy, Debug)]
struct IdPlace {
    begin: u32,
    length: u32,
}

/// How long an id is, mostly.
const ID_LENGTH: usize = 30;

/// A dead letter as the list shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed<'a> {
    pub(crate) traits: Traits<'a>,
    pub(crate) attempts: u32,
    pub(crate) status: Option<u16>,
}

/// What a selection comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) by_reason: BTreeMap<String, usize>,
    pub(crate) oldest: Option<Timestamp>,
    pub(crate) newest: Option<Timestamp>,
    /// How many nobody can deliver. They are counted among the others, too.
    pub(crate) undeliverable: usize,
}

impl Summary {
    pub(crate) fn count(&self) -> usize {
        self.by_reason.values().sum()
    }
}

/// Tells a dead letter from another copy of the same event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    id: EventId,
    parked_at: Timestamp,
}

impl RowKey {
    pub(crate) fn of(dead: &DeadLetter) -> Self {
        Self { id: dead.envelope.id.clone(), parked_at: dead.letter.parked_at }
    }
}

impl Index {
    /// An index with room for this many.
    pub(crate) fn new(read_at: Timestamp, expected: usize) -> Self {
        let rows = Vec::with_capacity(expected);
        Self { rows, ids: String::with_capacity(expected * ID_LENGTH), names: Names::default(), read_at }
    }

    /// Adds a dead letter. Its body and its lane are not kept.
    pub(crate) fn add(&mut self, dead: &DeadLetter) {
        let envelope = &dead.envelope;
        let place = self.place_of(envelope.id.as_str());
        self.rows.push(Row {
            place,
            parked_at: dead.letter.parked_at,
            address: self.names.place(envelope.address.as_str()),
            event_type: self.names.place(envelope.event_type.as_str()),
            reason: self.names.place(&dead.letter.reason),
            attempts: envelope.attempts,
            status: dead.letter.status,
        });
    }

    /// The same without these, which were replayed or discarded since.
    pub(crate) fn without(&self, gone: &BTreeSet<RowKey>) -> Self {
        let gone: BTreeSet<_> = gone.iter().map(|key| (key.id.as_str(), key.parked_at)).collect();
        let mut left = Self::new(self.read_at, self.rows.len().saturating_sub(gone.len()));
        left.names = self.names.clone();
        for row in &self.rows {
            let id = self.id(row);
            if !gone.contains(&(id, row.parked_at)) {
                let place = left.place_of(id);
                left.rows.push(Row { place, ..*row });
            }
        }
        left
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The dead letters of a selection, oldest first.
    pub(crate) fn select(&self, selection: &Selection, now: Timestamp) -> impl Iterator<Item = Listed<'_>> {
        self.rows.iter().map(|row| self.listed(row)).filter(move |listed| selection.matches_traits(&listed.traits, now))
    }

    /// The dead letters of that event: it may have been parked more than once.
    pub(crate) fn of_event(&self, id: &str) -> impl Iterator<Item = Listed<'_>> {
        self.rows.iter().filter(move |row| self.id(row) == id).map(|row| self.listed(row))
    }

    pub(crate) fn summary(&self, selection: &Selection, now: Timestamp) -> Summary {
        let mut summary = Summary::default();
        for Listed { traits, .. } in self.select(selection, now) {
            *summary.by_reason.entry(traits.reason.to_owned()).or_default() += 1;
            summary.oldest = summary.oldest.into_iter().chain([traits.parked_at]).min();
            summary.newest = summary.newest.into_iter().chain([traits.parked_at]).max();
            summary.undeliverable += usize::from(is_undeliverable(traits.event_type));
        }
        summary
    }

    /// Stores an id.
    fn place_of(&mut self, id: &str) -> IdPlace {
        let begin = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        self.ids.push_str(id);
        IdPlace { begin, length: u32::try_from(id.len()).unwrap_or_default() }
    }

    fn id(&self, row: &Row) -> &str {
        let IdPlace { begin, length } = row.place;
        let number = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        self.ids.get(number(begin)..number(begin).saturating_add(number(length))).unwrap_or_default()
    }

    fn listed<'a>(&'a self, row: &'a Row) -> Listed<'a> {
        let traits = Traits {
            id: self.id(row),
            reason: self.names.text(row.reason),
            event_type: self.names.text(row.event_type),
            address: self.names.text(row.address),
            parked_at: row.parked_at,
        };
        Listed { traits, attempts: row.attempts, status: row.status }
    }
}

/// Names that many dead letters share, each once.
#[derive(Clone, Debug, Default)]
struct Names {
    texts: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

impl Names {
    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.places.insert(text, place);
        place
    }

    fn text(&self, place: u32) -> &str {
        usize::try_from(place).ok().and_then(|place| self.texts.get(place)).map_or("", AsRef::as_ref)
    }
}
