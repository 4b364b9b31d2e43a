//! Decides when a dispatcher hands a partition over to another one, or lets all of them go. Pure.

use std::collections::HashMap;
use std::time::Duration;

use queue::{Partition, PartitionSet};
use tokio::time::Instant;

/// The time from the first hand-over of a partition to the second, if it comes back. It doubles each time, because each
/// hand-over counts toward the queue's delivery limit.
const AGAIN_AFTER: Duration = Duration::from_mins(1);
/// How often it doubles at most: up to an hour.
const DOUBLINGS_MAX: u32 = 6;
/// How long everything is held in flight while the store is away: another dispatcher may reach it.
const AWAY_TIME: Duration = Duration::from_secs(5);

/// Which partitions were handed over, and since when the store is away.
#[derive(Debug)]
pub(crate) struct HandOvers {
    partitions: usize,
    /// Partitions that were handed over lately.
    repeats: HashMap<Partition, Repeat>,
    store_away_since: Option<Instant>,
    /// Everything was given back since the store is away.
    has_let_go: bool,
}

#[derive(Debug)]
struct Repeat {
    count: u32,
    not_before: Instant,
    forgotten_at: Instant,
}

impl HandOvers {
    pub(crate) fn new(partitions: usize) -> Self {
        Self { partitions, repeats: HashMap::new(), store_away_since: None, has_let_go: false }
    }

    /// The store was lost, or is back.
    pub(crate) fn note_store(&mut self, is_away: bool, now: Instant) {
        self.has_let_go &= is_away;
        self.store_away_since = is_away.then(|| self.store_away_since.unwrap_or(now));
    }

    pub(crate) fn is_store_away(&self) -> bool {
        self.store_away_since.is_some()
    }

    /// Of these partitions, which have something in flight that holds them up, those that are to be handed over now.
    pub(crate) fn begin(&mut self, stalled: PartitionSet, held: PartitionSet, now: Instant) -> PartitionSet {
        self.repeats.retain(|_, repeat| now < repeat.forgotten_at);
        let mut begun = PartitionSet::default();
        for partition in stalled.iter().filter(|partition| held.contains(*partition)) {
            let repeat =
                self.repeats.entry(partition).or_insert(Repeat { count: 0, not_before: now, forgotten_at: now });
            if repeat.not_before <= now {
                let pause = AGAIN_AFTER * 2_u32.pow(repeat.count.min(DOUBLINGS_MAX));
                *repeat = Repeat { count: repeat.count + 1, not_before: now + pause, forgotten_at: now + pause * 2 };
                begun.insert(partition);
            }
        }
        begun
    }

    /// All partitions, if the store has been away for so long that they are to be given back.
    pub(crate) fn begin_letting_go(&mut self, now: Instant) -> PartitionSet {
        let is_due = self.store_away_since.is_some_and(|since| now >= since + AWAY_TIME);
        if !is_due || std::mem::replace(&mut self.has_let_go, true) {
            return PartitionSet::default();
        }
        Partition::first(self.partitions).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(partitions: usize) -> PartitionSet {
        Partition::first(partitions).collect()
    }

    #[test]
    fn a_partition_that_comes_back_is_handed_over_ever_later() {
        let now = Instant::now();
        let mut hand_overs = HandOvers::new(16);

        let at = |minutes| now + Duration::from_mins(minutes);
        assert_eq!(hand_overs.begin(set(2), set(1), now), set(1), "nothing of the second is held");
        assert!(hand_overs.begin(set(1), set(1), now + Duration::from_secs(59)).is_empty());
        assert_eq!(hand_overs.begin(set(2), set(2), at(1)), set(2));
        assert!(hand_overs.begin(set(1), set(2), at(2)).is_empty());
        assert_eq!(hand_overs.begin(set(1), set(2), at(3)), set(1));
        assert!(hand_overs.begin(set(1), set(2), at(6)).is_empty());
        assert_eq!(hand_overs.begin(set(1), set(2), at(12)), set(1), "it is long ago");
        assert!(hand_overs.begin(set(1), set(2), at(12) + Duration::from_secs(59)).is_empty());
        assert_eq!(hand_overs.begin(set(1), set(2), at(13)), set(1));
    }
}
