//! Knows the events that DSK has and whose markers a look-up may not have seen: a repeat of one needs no delivery. Pure.

use std::collections::HashSet;

use event::EventId;

/// Events of a worker that DSK has.
#[derive(Debug, Default)]
pub(crate) struct Unmarked {
    ids: HashSet<EventId>,
    /// Those that were marked while a look-up was under way. It may have asked before.
    marked_since: Vec<EventId>,
}

impl Unmarked {
    /// DSK has the event.
    pub(crate) fn deliver(&mut self, id: EventId) {
        self.ids.insert(id);
    }

    /// These events are marked.
    pub(crate) fn mark(&mut self, ids: Vec<EventId>, is_look_up_under_way: bool) {
        if is_look_up_under_way {
            self.marked_since.extend(ids);
        } else {
            for id in &ids {
                self.ids.remove(id);
            }
        }
    }

    /// A look-up has ended, and what it found has been noted. The next one sees every marker that is written by now.
    pub(crate) fn look_up_ended(&mut self) {
        for id in self.marked_since.drain(..) {
            self.ids.remove(&id);
        }
    }

    /// Whether DSK has the event, although a look-up may not say so.
    pub(crate) fn contains(&self, id: &EventId) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_known_until_the_end_of_a_look_up_that_began_before_its_marker_was_written() {
        let id = EventId::new("evt_a");
        let mut unmarked = Unmarked::default();
        unmarked.deliver(id.clone());

        unmarked.mark(vec![id.clone()], true);
        assert!(unmarked.contains(&id));

        unmarked.look_up_ended();
        assert!(!unmarked.contains(&id));
    }

    #[test]
    fn without_a_look_up_under_way_an_event_is_known_until_it_is_marked() {
        let id = EventId::new("evt_a");
        let mut unmarked = Unmarked::default();
        unmarked.deliver(id.clone());

        unmarked.mark(vec![id.clone()], false);

        assert!(!unmarked.contains(&id));
    }
}
