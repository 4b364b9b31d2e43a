//! The status with which DSK says that it has an event: the marker of an erased event shows it, too.

use std::sync::atomic::{AtomicU16, Ordering};

/// The last such status; 0 if this process has heard of none.
#[derive(Debug, Default)]
pub(crate) struct UsualStatus(AtomicU16);

impl UsualStatus {
    pub(crate) fn get(&self) -> Option<u16> {
        Some(self.0.load(Ordering::Relaxed)).filter(|status| *status > 0)
    }

    pub(crate) fn learn(&self, status: u16) {
        self.0.store(status, Ordering::Relaxed);
    }
}
