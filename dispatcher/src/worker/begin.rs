//! When look-ups and markings begin: at their paces, so that under load each is about many envelopes.

use tokio::time::Instant;

use super::{Item, Moment, Work, Worker};

/// Most envelopes in one look-up: a full window fits, in one round trip to the store.
const LOOK_UP_BATCH_MAX: usize = 256;
/// With so many events a marking does not wait for its pace.
const MARK_BATCH: usize = 256;

impl<T: Item> Worker<T> {
    /// When to send `WorkerEvent::Due` if nothing else happens first. During a stop nothing new may begin, and during a
    /// look-up no other one.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.is_stopping {
            return None;
        }
        let may_mark = !self.under_way.marking && !self.ended.is_empty();
        let marking = self.paces.mark.next().filter(|_| may_mark);
        if self.under_way.look_up {
            return marking;
        }
        // Nobody makes room while the store is away: the time to look for it would have come again and again.
        let look_at = self.room.next_due().filter(|_| !self.hand_overs.is_store_away());
        let look_up = self.paces.look_up.next().filter(|_| self.lanes.may_any_begin());
        [self.lanes.next_due(), look_at, look_up, marking].into_iter().flatten().min()
    }

    /// Begins everything that can begin now: a look-up of the envelopes whose turn it is, and the markers of the events that
    /// came to their end.
    pub(super) fn begin(&mut self, now: Moment) {
        let may_look_up = !self.under_way.look_up && !self.is_stopping;
        if may_look_up && self.lanes.is_ready(now.instant) && self.paces.look_up.may_begin(now.instant) {
            self.paces.look_up.begin(now.instant);
            let flights = std::iter::from_fn(|| self.lanes.next(now.instant)).take(LOOK_UP_BATCH_MAX).collect();
            self.under_way.look_up = true;
            self.deferred.look_up();
            self.start(Work::LookUp(flights));
        }
        if !self.under_way.marking && !self.ended.is_empty() && self.is_time_to_mark(now.instant) {
            self.paces.mark.begin(now.instant);
            let ended = std::mem::take(&mut self.ended);
            self.under_way.marking = true;
            self.start(Work::Mark(ended));
        }
    }

    /// What is about to be given back does not wait for others.
    fn is_time_to_mark(&self, now: Instant) -> bool {
        let is_urgent = self.is_stopping || !self.draining.is_empty() || self.ended.len() >= MARK_BATCH;
        is_urgent || self.paces.mark.may_begin(now)
    }
}
