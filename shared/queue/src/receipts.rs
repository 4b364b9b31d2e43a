//! When something last came from each partition. The broker does not tell which of its consumers is the active one, so whoever
//! last got something has the partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chassis::now;
use jiff::Timestamp;

use crate::partition::Partition;

/// Nothing has come yet.
const NEVER: i64 = i64::MIN;

/// When something last came from each partition of a class. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Receipts(Arc<[AtomicI64]>);

impl Receipts {
    pub(crate) fn new(partitions: usize) -> Self {
        Self((0..partitions).map(|_| AtomicI64::new(NEVER)).collect())
    }

    pub(crate) fn note(&self, partition: Partition) {
        if let Some(last) = self.0.get(partition.index()) {
            last.store(now().as_millisecond(), Ordering::Relaxed);
        }
    }

    /// In the order of the partitions; `None` of one from which nothing has come.
    pub fn last(&self) -> Vec<Option<Timestamp>> {
        self.0.iter().map(|last| Timestamp::from_millisecond(last.load(Ordering::Relaxed)).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_has_a_receipt_once_something_has_come_from_it() {
        let receipts = Receipts::new(2);

        receipts.note(Partition::FIRST);

        let [first, second] = receipts.last().try_into().unwrap();
        assert!(first.is_some_and(|first| first <= now()) && second.is_none());
    }
}
