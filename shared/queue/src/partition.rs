//! Partitions: a class is taken from one or more of them, and each holds many lanes. A lane always has the same one.

use std::ops::BitOr;

/// The most partitions that a class can have: as many as a [`PartitionSet`] can hold.
const PARTITIONS_MAX: usize = 32;

/// A partition of a class, by its number. An embedded queue has only the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u8);

impl Partition {
    /// The first partition, which every class has.
    pub const FIRST: Self = Self(0);

    /// The first `count` partitions.
    pub fn first(count: usize) -> impl Iterator<Item = Self> {
        (0..count.min(PARTITIONS_MAX)).filter_map(|number| u8::try_from(number).ok()).map(Self)
    }

    /// Its number, counted from 0.
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// Some partitions of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionSet(u32);

impl PartitionSet {
    /// Every partition that a class can have.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    pub fn contains(self, partition: Partition) -> bool {
        self.0 & bit(partition) != 0
    }

    /// Adds one.
    pub fn insert(&mut self, partition: Partition) {
        self.0 |= bit(partition);
    }

    /// Removes one.
    pub fn remove(&mut self, partition: Partition) {
        self.0 &= !bit(partition);
    }

    /// Those that are in the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Partition> {
        Partition::first(PARTITIONS_MAX).filter(move |partition| self.contains(*partition))
    }
}

impl BitOr for PartitionSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Partition> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = Partition>>(partitions: I) -> Self {
        let mut set = Self::default();
        partitions.into_iter().for_each(|partition| set.insert(partition));
        set
    }
}

fn bit(partition: Partition) -> u32 {
    1 << partition.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it_and_not_removed() {
        let mut set: PartitionSet = Partition::first(PARTITIONS_MAX).filter(|one| one.index() % 2 == 1).collect();
        set.remove(Partition(3));
        set.insert(Partition::FIRST);

        assert!(set.contains(Partition(31)) && set.contains(Partition::FIRST));
        assert_eq!(set.iter().take(4).map(Partition::index).collect::<Vec<_>>(), [0, 1, 5, 7]);
        assert!(!set.is_empty() && PartitionSet::default().is_empty());
        assert_eq!(PartitionSet::ALL.iter().count(), PARTITIONS_MAX);
    }
}
