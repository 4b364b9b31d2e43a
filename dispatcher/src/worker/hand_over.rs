//! Hands partitions over to other dispatchers: what is in flight of them is given back as soon as no attempt is under way.

use std::time::Duration;

use queue::PartitionSet;
use tracing::info;

use super::{Item, Moment, Worker};

/// How long an envelope of a partition that is to go elsewhere may be in flight: what is only being delivered is settled
/// sooner, and then the broker hands the partition over by itself.
const HAND_OVER_TIME: Duration = Duration::from_secs(3);

impl<T: Item> Worker<T> {
    /// Begins to give back what other dispatchers are to take. Nothing more of a stalled partition comes until what is in
    /// flight of it is settled: the broker wants to hand it over.
    pub(super) fn hand_over(&mut self, stalled: PartitionSet, now: Moment) {
        let held_since = now.instant.checked_sub(HAND_OVER_TIME).unwrap_or(now.instant);
        let begun = self.hand_overs.begin(stalled, self.tally.held(held_since), now.instant);
        let let_go = self.hand_overs.begin_letting_go(now.instant);
        let class = self.class.as_str();
        for partition in begun.iter() {
            let partition = partition.index();
            info!(class, partition, "Handing partition {partition} over to another dispatcher");
        }
        if !let_go.is_empty() {
            info!(class, "Giving back all partitions, because the channel store is away");
        }
        self.draining = self.draining | begun | let_go;
    }
}
