//! Decides whether an event may go on, or others of its lane come first because some of the lane was deferred. The store
//! knows which they are, whichever dispatcher deferred them; here is what it may not know yet. Pure.

#[cfg(test)]
pub(crate) mod played;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use channels::DeferredLane;
use event::{EventId, Lane};
use tokio::time::Instant;

use crate::worker::Moment;

/// How much longer than it was deferred an event is waited for, while others of its lane wait: there may be a long backlog
/// before it in its partition. What does not come by then was lost, such as with its retry queue.
const OVERDUE_AFTER: Duration = Duration::from_mins(10);
/// How long a lane is remembered of which nothing is deferred any more: a look-up that is older may still say so.
const MEMORY_TIME: Duration = Duration::from_mins(2);

/// The same of a lane that waits: longer than what waits can be in a retry queue meanwhile.
const WAIT_MEMORY_TIME: Duration = Duration::from_hours(2);

/// The lanes of which something was deferred, as far as this dispatcher knows.
#[derive(Debug, Default)]
pub(crate) struct DeferredLanes {
    lanes: HashMap<Lane, Known>,
    /// Counts look-ups, which are made one after the other.
    look_ups: u64,
}

#[derive(Debug)]
struct Known {
    /// Those that come first, as the store last said.
    ids: Vec<EventId>,
    /// Those of them that were settled here. The store may not know that yet.
    settled: HashSet<EventId>,
    /// Those whose copies are being published.
    leaving: HashSet<EventId>,
    note: Note,
    /// Which one others wait for.
    awaited: Option<Awaited>,
    touched: Instant,
}

#[derive(Debug)]
struct Awaited {
    id: EventId,
    since: Instant,
    /// Those that were here since then.
    seen: HashSet<EventId>,
}

/// Whether the store knows what was deferred here.
#[derive(Debug)]
enum Note {
    /// It is being written. What is being looked up meanwhile, or was by then, may not say so.
    UnderWay,
    /// It was written during or after this look-up.
    WrittenIn(u64),
}

/// Whether an event may go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    First,
    Behind(Behind),
}

/// Which events of the lane come first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    /// In their order. The event itself may be among them.
    pub(crate) order: Vec<EventId>,
    /// When the last of them is to be back.
    pub(crate) back_in: Duration,
}

impl DeferredLanes {
    /// A look-up begins.
    pub(crate) fn look_up(&mut self) {
        self.look_ups += 1;
    }

    /// The store is being told that something of a lane is deferred, and that these events come before all others.
    pub(crate) fn note(&mut self, lane: &Lane, ids: &[EventId], now: Instant) {
        let known = self.known(lane, now);
        known.note = Note::UnderWay;
        let more: Vec<EventId> = ids.iter().filter(|id| !known.ids.contains(id)).cloned().collect();
        known.ids.extend(more);
    }

    /// Whether the store is being told. Nothing else of the lane may be deferred then.
    pub(crate) fn is_being_noted(&self, lane: &Lane) -> bool {
        self.lanes.get(lane).is_some_and(|known| matches!(known.note, Note::UnderWay))
    }

    /// The store was told. Returns what was settled meanwhile, which it has to forget; `None` means that it was not told.
    pub(crate) fn noted(&mut self, lane: &Lane, noted: Option<DeferredLane>, now: Instant) -> Vec<EventId> {
        let look_up = self.look_ups;
        let known = self.known(lane, now);
        known.note = Note::WrittenIn(look_up);
        if let Some(noted) = noted {
            known.ids = noted.ids;
        }
        known.to_forget()
    }

    /// The copy of a deferred event is being published.
    pub(crate) fn leaves(&mut self, lane: &Lane, id: &EventId, now: Instant) {
        let known = self.known(lane, now);
        known.settled.remove(id);
        known.leaving.insert(id.clone());
    }

    /// The copy was published, or is not.
    pub(crate) fn left(&mut self, lane: &Lane, id: &EventId, now: Instant) {
        if let Some(known) = self.lanes.get_mut(lane) {
            known.leaving.remove(id);
            known.touched = now;
            if let Some(awaited) = known.awaited.as_mut().filter(|awaited| awaited.id == *id) {
                awaited.since = now;
            }
        }
    }

    /// An event is settled. Returns what the store has to forget.
    pub(crate) fn settled(&mut self, lane: &Lane, id: &EventId) -> Vec<EventId> {
        let Some(known) = self.lanes.get_mut(lane) else { return Vec::new() };
        if !matches!(known.note, Note::UnderWay) && !known.ids.contains(id) {
            return Vec::new();
        }
        known.settled.insert(id.clone());
        known.to_forget()
    }

    /// Whether an event that was just looked up may go on. `deferred` is what the store said of its lane.
    pub(crate) fn standing(
        &mut self,
        lane: &Lane,
        id: &EventId,
        deferred: Option<DeferredLane>,
        now: Moment,
    ) -> Standing {
        let look_up = self.look_ups;
        let Some(deferred) = self.newest(lane, deferred, look_up) else { return Standing::First };
        let known = self.known(lane, now.instant);
        known.ids = deferred.ids;
        known.settled.retain(|id| known.ids.contains(id));
        let mut open = known.open();
        if known.is_overdue(&open, id, deferred.longest, now.instant) {
            open = known.open();
        }
        if open.first().is_none_or(|first| first == id) {
            known.awaited = None;
            return Standing::First;
        }
        let back_in = deferred.back_by.map(|time| Duration::try_from(time.duration_since(now.timestamp)));
        Standing::Behind(Behind { order: open, back_in: back_in.and_then(Result::ok).unwrap_or_default() })
    }

    /// Nothing could be taken for a while, because the store was away: what is waited for is not late yet.
    pub(crate) fn wait_anew(&mut self, now: Instant) {
        for awaited in self.lanes.values_mut().filter_map(|known| known.awaited.as_mut()) {
            awaited.since = now;
        }
    }

    /// Forgets lanes that nobody has asked about for a while.
    pub(crate) fn remove_old(&mut self, now: Instant) {
        self.lanes.retain(|_, known| {
            let time = if known.awaited.is_some() { WAIT_MEMORY_TIME } else { MEMORY_TIME };
            matches!(known.note, Note::UnderWay) || !known.leaving.is_empty() || now < known.touched + time
        });
    }

    /// What is known of a lane now. A look-up that began before the store was told knows less than we do.
    fn newest(&mut self, lane: &Lane, deferred: Option<DeferredLane>, look_up: u64) -> Option<DeferredLane> {
        let Some(known) = self.lanes.get_mut(lane) else { return deferred };
        let is_old = match known.note {
            Note::UnderWay => true,
            Note::WrittenIn(number) => number == look_up,
        };
        if is_old {
            let mut newest = deferred.unwrap_or_default();
            let more: Vec<EventId> = known.ids.iter().filter(|id| !newest.ids.contains(id)).cloned().collect();
            newest.ids.extend(more);
            return Some(newest);
        }
        if deferred.is_none() {
            known.ids.clear();
            known.settled.clear();
            known.awaited = None;
        }
        deferred
    }

    fn known(&mut self, lane: &Lane, now: Instant) -> &mut Known {
        let known = self.lanes.entry(lane.clone()).or_insert_with(|| Known {
            ids: Vec::new(),
            settled: HashSet::new(),
            leaving: HashSet::new(),
            note: Note::WrittenIn(0),
            awaited: None,
            touched: now,
        });
        known.touched = now;
        known
    }
}

impl Known {
    fn to_forget(&self) -> Vec<EventId> {
        self.ids.iter().filter(|id| self.settled.contains(*id)).cloned().collect()
    }

    /// Those that come first and are not settled.
    fn open(&self) -> Vec<EventId> {
        self.ids.iter().filter(|id| !self.settled.contains(*id)).cloned().collect()
    }

    /// Notes that event `id` is here, and waits for the first of those in the order `open` if it is another one. If that was
    /// waited for long enough, it counts as settled, and so do those behind it up to the next one that was here meanwhile.
    fn is_overdue(&mut self, open: &[EventId], id: &EventId, longest: Duration, now: Instant) -> bool {
        let Some(first) = open.first().filter(|first| *first != id) else { return false };
        let is_other = |awaited: &Awaited| awaited.id != *first;
        if self.awaited.as_ref().is_none_or(is_other) || self.leaving.contains(first) {
            self.awaited = Some(Awaited { id: first.clone(), since: now, seen: HashSet::new() });
        }
        let Some(awaited) = &mut self.awaited else { return false };
        awaited.seen.insert(id.clone());
        if now < awaited.since + longest + OVERDUE_AFTER {
            return false;
        }
        self.settled.extend(open.iter().take_while(|id| !awaited.seen.contains(*id)).cloned());
        self.awaited = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    #[test]
    fn what_is_deferred_is_not_late_because_the_store_was_away() {
        let began = Moment { instant: Instant::now(), timestamp: Timestamp::UNIX_EPOCH };
        let later = Moment {
            instant: began.instant + OVERDUE_AFTER * 2,
            timestamp: began.timestamp + SignedDuration::try_from(OVERDUE_AFTER * 2).unwrap(),
        };
        let lane = Lane::new("lane");
        let first = EventId::new("first");
        let second = EventId::new("second");
        let deferred = Some(DeferredLane { ids: vec![first], ..DeferredLane::default() });
        let mut lanes = DeferredLanes::default();
        let behind = |standing: Standing| matches!(standing, Standing::Behind(_));

        assert!(behind(lanes.standing(&lane, &second, deferred.clone(), began)));
        lanes.wait_anew(later.instant);
        assert!(behind(lanes.standing(&lane, &second, deferred.clone(), later)), "nothing could come meanwhile");

        let lost = Moment { instant: later.instant + OVERDUE_AFTER, ..later };
        assert_eq!(lanes.standing(&lane, &second, deferred, lost), Standing::First);
    }
}
