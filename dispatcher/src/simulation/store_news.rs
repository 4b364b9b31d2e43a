//! What simulated dispatchers hear of the store: that it was lost, and that it is back.

use super::agenda::{Due, SeatId};
use super::chance::millis;
use super::world::World;

impl World {
    /// A dispatcher looks whether the store is back.
    pub(super) fn ask_store(&mut self, id: u64) {
        let Some(dispatcher) = self.dispatchers.get(&id).filter(|dispatcher| dispatcher.knows_store_is_away) else {
            return;
        };
        if self.plan.is_store_away(dispatcher.place, self.elapsed()) {
            self.later(millis(100..2_000), Due::AskStore(id));
        } else {
            self.note_store_back(id);
        }
    }

    pub(super) fn note_store_away(&mut self, id: u64) {
        let Some(dispatcher) = self.dispatchers.get_mut(&id).filter(|dispatcher| !dispatcher.knows_store_is_away)
        else {
            return;
        };
        dispatcher.tell_store(true);
        self.later(millis(100..200), Due::AskStore(id));
        (0..self.plan.classes).for_each(|class| self.wake_soon(SeatId { dispatcher: id, class }));
    }

    pub(super) fn note_store_back(&mut self, id: u64) {
        let Some(dispatcher) = self.dispatchers.get_mut(&id).filter(|dispatcher| dispatcher.knows_store_is_away) else {
            return;
        };
        dispatcher.tell_store(false);
        (0..self.plan.classes).for_each(|class| self.wake_soon(SeatId { dispatcher: id, class }));
    }
}
