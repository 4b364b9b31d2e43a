//! The order of lanes of which events were deferred. Whoever takes a lane's events reads here which of them come first: they
//! may be on their way through a retry queue, and another dispatcher may have put them there.

use std::collections::HashSet;
use std::time::Duration;

use event::{EventId, Lane};
use jiff::Timestamp;

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
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let longest = words.next()?.parse().ok().map(Duration::from_secs)?;
        let back_by = words.next()?.parse().ok();
        Some(Self { ids: words.map(EventId::new).collect(), longest, back_by })
    }

    /// Its text in the store: the longest time in seconds, when the last is to be back, and the ids. `None` if nothing is
    /// deferred any more.
    pub(crate) fn to_text(&self) -> Option<String> {
        let back_by = self.back_by.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let mut words = vec![self.longest.as_secs().to_string(), back_by];
        words.extend(self.ids.iter().map(EventId::to_string));
        (!self.ids.is_empty()).then(|| words.join(" "))
    }

    /// Adds events that are not among them, behind those that are.
    pub fn defer(&mut self, new: &NewDeferral<'_>) {
        let known: HashSet<EventId> = self.ids.iter().cloned().collect();
        self.ids.extend(new.ids.iter().filter(|id| !known.contains(*id)).cloned());
        self.longest = self.longest.max(new.delay);
        self.back_by = self.back_by.max(Some(new.now + new.delay));
    }

    /// Removes events that are settled.
    pub fn forget(&mut self, settled: &[EventId]) {
        self.ids.retain(|id| !settled.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_read_as_it_was_written() {
        let ids = ["evt_a", "evt_b"].map(EventId::new).to_vec();
        let back_by = Some("2026-11-29T12:00:00.5Z".parse().unwrap());
        for lane in [
            DeferredLane { ids: ids.clone(), longest: Duration::from_mins(10), back_by },
            DeferredLane { ids, longest: Duration::ZERO, back_by: None },
        ] {
            assert_eq!(DeferredLane::from_text(&lane.to_text().unwrap()), Some(lane));
        }
    }

    #[test]
    fn of_a_lane_without_deferred_events_nothing_is_stored() {
        assert_eq!(DeferredLane::default().to_text(), None);
        assert_eq!(DeferredLane::from_text(""), None);
    }
}
