//! Whether a class is taken, as readiness, the metric `queue_taking` and the log show it: one line a state, however many
//! partitions it has.

use std::sync::{Arc, Mutex, PoisonError};

use event::Class;
use tracing::{debug, info, warn};

use crate::metrics::{ClassLabel, Metrics};
use crate::partition::{Partition, PartitionSet};
use crate::queue_name::QueueName;

/// Whether all partitions of a class are taken, or would be if any of their envelopes waited.
#[derive(Clone, Debug)]
pub(crate) struct ClassIntake {
    class: Class,
    state: Arc<Mutex<ClassState>>,
    metrics: Metrics,
}

#[derive(Debug)]
struct ClassState {
    /// Those that are not taken.
    missing: PartitionSet,
    /// Whether a stop was logged that has not ended.
    is_told: bool,
}

/// Whether one partition is taken. Its task keeps it true.
#[derive(Debug)]
pub(crate) struct Intake {
    whole: ClassIntake,
    partition: Partition,
    works: bool,
    /// Whether it has stopped since the process began. Then it has to be seen working again.
    has_stopped: bool,
}

impl ClassIntake {
    /// It does not work until the first session of each partition begins.
    pub(crate) fn new(class: Class, partitions: usize, metrics: Metrics) -> Self {
        let missing = Partition::first(partitions).collect();
        Self { class, state: Arc::new(Mutex::new(ClassState { missing, is_told: false })), metrics }
    }

    pub(crate) fn of(&self, partition: Partition) -> Intake {
        Intake { whole: self.clone(), partition, works: false, has_stopped: false }
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    pub(crate) fn works(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).missing.is_empty()
    }

    fn began(&self, partition: Partition) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.missing.remove(partition);
        if state.missing.is_empty() {
            self.metrics.taking.set(ClassLabel(self.class), true);
            if std::mem::take(&mut state.is_told) {
                let queue = QueueName::Class(self.class).as_str();
                info!(queue, "Taking from {queue} again");
            }
        }
    }

    fn stopped(&self, partition: Partition, reason: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.missing.insert(partition);
        self.metrics.taking.set(ClassLabel(self.class), false);
        let queue = QueueName::Class(self.class).as_str();
        let number = partition.index();
        if std::mem::replace(&mut state.is_told, true) {
            debug!(queue, partition = number, "Taking from {queue} stopped, too, in partition {number}: {reason}");
        } else {
            warn!(queue, partition = number, "Taking from {queue} stopped: {reason}");
        }
    }
}

impl Intake {
    pub(crate) fn works(&self) -> bool {
        self.works
    }

    /// The broker accepted the consumer. After a stop that proves nothing: it may do so again and again.
    pub(crate) fn began(&mut self) {
        if !self.has_stopped {
            self.proved();
        }
    }

    /// An envelope came, or the broker knows the consumer, or nothing is to be taken.
    pub(crate) fn proved(&mut self) {
        if !std::mem::replace(&mut self.works, true) {
            self.has_stopped = false;
            self.whole.began(self.partition);
        }
    }

    /// Nothing is taken any more.
    pub(crate) fn stopped(&mut self, reason: &str) {
        self.works = false;
        self.has_stopped = true;
        self.whole.stopped(self.partition, reason);
    }
}
