//! The order of lanes of which events were deferred. Whoever takes a lane's events reads here which of them come first: they
//! may be on their way through a retry queue, and another dispatcher may have put them there.

use std::collections::HashSet;
use std::time::Duration;

use event::{EventId, Lane};
use jiff::Timestamp;

use crate::fields::{self, Fields};

/// The events that come before any other of their lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeferredLane {
    /// In their order: those that were deferred, and those that were in flight before them.
    pub ids: Vec<EventId>,
    /// The longest time for which one of them was deferred.
    pub longest: Duration,
    /// When the last of them is to be back.
    pub back_by: Option<Timestamp>,
}

/// What is about to be deferred of a lane.
#[derive(Clone, Copy, Debug)]
pub struct NewDeferral<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// The events in their order, with those in flight that come before them.
    pub ids: &'a [EventId],
    /// How long they are deferred.
    pub delay: Duration,
    /// The present time.
    pub now: Timestamp,
}

impl DeferredLane {
    /// Reads what the store holds of a lane; `None` if nothing of it was deferred.
    pub(crate) fn from_fields(fields: &Fields) -> Option<Self> {
        let ids = fields::text(fields, fields::IDS)?;
        let longest = fields::text(fields, fields::LONGEST_SECONDS).and_then(|seconds| seconds.parse().ok());
        Some(Self {
            ids: ids.split(' ').map(EventId::new).collect(),
            longest: Duration::from_secs(longest.unwrap_or_default()),
            back_by: fields::text(fields, fields::BACK_BY).and_then(|time| time.parse().ok()),
        })
    }

    pub(crate) fn to_fields(&self) -> Fields {
        if self.ids.is_empty() {
            return Fields::new();
        }
        let ids: Vec<&str> = self.ids.iter().map(EventId::as_str).collect();
        fields::collect([
            (fields::IDS, Some(ids.join(" "))),
            (fields::LONGEST_SECONDS, Some(self.longest.as_secs().to_string())),
            (fields::BACK_BY, self.back_by.map(|time| time.to_string())),
        ])
    }

    pub(crate) fn defer(&mut self, new: &NewDeferral<'_>) {
        let known: HashSet<EventId> = self.ids.iter().cloned().collect();
        self.ids.extend(new.ids.iter().filter(|id| !known.contains(*id)).cloned());
        self.longest = self.longest.max(new.delay);
        self.back_by = self.back_by.max(Some(new.now + new.delay));
    }
}
