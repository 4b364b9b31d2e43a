//! The queues at a broker: a class is spread over partitions, so that each lane keeps its order whoever takes it.

use event::{Class, Lane};
use sha2::{Digest as _, Sha256};

use crate::partition::Partition;
use crate::queue_name::{QueueName, Tier};

/// The partitions of the class `messages`. Their number belongs to the version in the name: with another one, lanes would
/// move to other partitions while earlier events still wait in the old ones.
const MESSAGES: [&str; 16] = [
    "meta.messages.v2.00",
    "meta.messages.v2.01",
    "meta.messages.v2.02",
    "meta.messages.v2.03",
    "meta.messages.v2.04",
    "meta.messages.v2.05",
    "meta.messages.v2.06",
    "meta.messages.v2.07",
    "meta.messages.v2.08",
    "meta.messages.v2.09",
    "meta.messages.v2.10",
    "meta.messages.v2.11",
    "meta.messages.v2.12",
    "meta.messages.v2.13",
    "meta.messages.v2.14",
    "meta.messages.v2.15",
];
/// The partitions of the class `updates`.
const UPDATES: [&str; 8] = [
    "meta.updates.v2.0",
    "meta.updates.v2.1",
    "meta.updates.v2.2",
    "meta.updates.v2.3",
    "meta.updates.v2.4",
    "meta.updates.v2.5",
    "meta.updates.v2.6",
    "meta.updates.v2.7",
];

/// A queue at a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BrokerQueue {
    /// Envelopes of some lanes of a class, which wait to be taken. It has one active consumer at a time.
    Partition(Class, Partition),
    /// Envelopes that wait for their next attempt and return to their partitions by themselves.
    Retry(Class, Tier),
    /// Dead letters.
    Dead,
}

impl BrokerQueue {
    /// Every queue. One comes after those to which it dead-letters.
    pub fn all() -> Vec<Self> {
        let partitions = Class::ALL.into_iter().flat_map(Self::of_class);
        let retries = Class::ALL.into_iter().flat_map(|class| Tier::ALL.map(|tier| Self::Retry(class, tier)));
        [Self::Dead].into_iter().chain(partitions).chain(retries).collect()
    }

    /// The partitions of a class.
    pub fn of_class(class: Class) -> impl Iterator<Item = Self> {
        Partition::first(names(class).len()).map(move |partition| Self::Partition(class, partition))
    }

    /// The name at the broker. It carries a version, because a queue's arguments cannot be changed in place.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partition(class, partition) => names(class)[partition.index() % names(class).len()],
            Self::Retry(class, tier) => QueueName::Retry(class, tier).as_str(),
            Self::Dead => QueueName::Dead.as_str(),
        }
    }

    /// What it is a part of, or itself.
    pub fn name(self) -> QueueName {
        match self {
            Self::Partition(class, _) => QueueName::Class(class),
            Self::Retry(class, tier) => QueueName::Retry(class, tier),
            Self::Dead => QueueName::Dead,
        }
    }
}

/// How many partitions a class has.
pub(crate) fn partitions(class: Class) -> usize {
    names(class).len()
}

/// The partition of a lane. It may never change within a version of the names.
pub(crate) fn partition_of(lane: &Lane, class: Class) -> Partition {
    let count = names(class).len();
    let place = usize::try_from(number(&[lane.as_str()]) % count as u64).unwrap_or_default();
    Partition::first(count).nth(place).unwrap_or_default()
}

/// The priority that a dispatcher has for a partition. The living dispatcher with the highest one takes from it (rendezvous
/// hashing): when one joins or leaves, only its own partitions move.
pub(crate) fn priority(instance: &str, queue: BrokerQueue) -> i32 {
    i32::try_from(number(&[instance, queue.as_str()]) >> 33).unwrap_or_default()
}

fn names(class: Class) -> &'static [&'static str] {
    match class {
        Class::Messages => &MESSAGES,
        Class::Updates => &UPDATES,
    }
}

/// A number that depends on nothing but these texts, on every machine and in every version.
fn number(texts: &[&str]) -> u64 {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_queue_has_a_name_of_its_own_and_comes_after_those_to_which_it_dead_letters() {
        let all = BrokerQueue::all();
        let names: BTreeSet<&str> = all.iter().map(|queue| queue.as_str()).collect();
        let logical: BTreeSet<QueueName> = all.iter().map(|queue| queue.name()).collect();

        assert_eq!((names.len(), all.len()), (33, 33));
        assert_eq!(logical, QueueName::ALL.into());
        assert_eq!(all[0], BrokerQueue::Dead);
        for queue in all {
            let name = queue.as_str();
            assert!(name.starts_with(queue.name().as_str()), "{name}");
        }
    }

    #[test]
    fn a_lane_has_the_same_partition_for_ever() {
        let of = |lane: &str, class| partition_of(&Lane::new(lane), class).index();

        let lanes = ["whatsapp:106540352242922/4915550000001", "instagram:178414/5001", "messenger:1/2", ""];
        assert_eq!(lanes.map(|lane| of(lane, Class::Messages)), [7, 0, 10, 8]);
        assert_eq!(lanes.map(|lane| of(lane, Class::Updates)), [7, 0, 2, 0]);
    }

    #[test]
    fn lanes_spread_evenly_over_the_partitions() {
        for class in Class::ALL {
            let mut counts = vec![0_usize; partitions(class)];
            for serial in 0..10_000 {
                counts[partition_of(&Lane::new(format!("whatsapp:1/{serial}")), class).index()] += 1;
            }
            let even = 10_000 / counts.len();
            assert!(counts.iter().all(|count| count.abs_diff(even) < even / 5), "{counts:?}");
        }
    }

    #[test]
    fn when_a_dispatcher_leaves_only_its_own_partitions_move() {
        let best = |instances: &[&str], queue| {
            instances.iter().max_by_key(|instance| priority(instance, queue)).map(|best| (*best).to_owned())
        };
        let mut of_c = 0;
        for queue in Class::ALL.into_iter().flat_map(BrokerQueue::of_class) {
            let before = best(&["a-1", "b-1", "c-1"], queue);
            let after = best(&["a-1", "b-1"], queue);
            assert!(before == after || before.as_deref() == Some("c-1"));
            of_c += usize::from(before.as_deref() == Some("c-1"));
        }
        assert!((3..=15).contains(&of_c), "{of_c} of 24");
    }
}
