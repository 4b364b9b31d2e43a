//! Whether a class is taken, as readiness, the metric `queue_taking` and the log show it: one line a state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event::Class;
use tracing::{debug, info, warn};

use crate::metrics::{ClassLabel, Metrics};
use crate::queue_name::QueueName;

/// Whether a class is taken, or would be if any of its envelopes waited. The taker's task keeps it true.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    class: Class,
    works: Arc<AtomicBool>,
    /// Whether it has stopped since the process began. Then it has to be seen working again.
    has_stopped: bool,
    metrics: Metrics,
}

impl Intake {
    /// It does not work until its first session begins.
    pub(crate) fn new(class: Class, metrics: Metrics) -> Self {
        Self { class, works: Arc::default(), has_stopped: false, metrics }
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    pub(crate) fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    /// The broker accepted the consumer. After a stop that proves nothing: it may do so again and again.
    pub(crate) fn began(&mut self) {
        if !self.has_stopped {
            self.proved();
        }
    }

    /// An envelope came, or the broker knows the consumer, or nothing is to be taken.
    pub(crate) fn proved(&mut self) {
        if !self.works.swap(true, Ordering::Relaxed) {
            self.metrics.taking.set(ClassLabel(self.class), true);
            if std::mem::take(&mut self.has_stopped) {
                let queue = QueueName::Class(self.class).as_str();
                info!(queue, "Taking from {queue} again");
            }
        }
    }

    /// Nothing is taken any more.
    pub(crate) fn stopped(&mut self, reason: &str) {
        let queue = QueueName::Class(self.class).as_str();
        let worked = self.works.swap(false, Ordering::Relaxed);
        self.metrics.taking.set(ClassLabel(self.class), false);
        if worked || !self.has_stopped {
            warn!(queue, "Taking from {queue} stopped: {reason}");
        } else {
            debug!(queue, "Taking from {queue} stopped again: {reason}");
        }
        self.has_stopped = true;
    }
}
