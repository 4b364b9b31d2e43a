//! The bound on bytes in flight: the bodies that are being read and the envelopes that are being published.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes may be held at once, and how many are.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    held: Arc<AtomicU64>,
    bytes_max: u64,
}

/// The bytes that are held for one notification. They are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    bytes: u64,
}

/// There is no room for more bytes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Budget {
    pub(crate) fn new(bytes_max: u32) -> Self {
        Self { held: Arc::default(), bytes_max: bytes_max.into() }
    }

    /// A reservation of no bytes, which grows as they arrive.
    pub(crate) fn reserve(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }

    /// How many bytes are held now.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }
}

impl Reservation {
    /// Holds more bytes. After a failure it holds them too, until it is dropped.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let bytes = bytes as u64;
        let before = self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > self.budget.bytes_max { Err(Full) } else { Ok(()) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_do_not_fit_are_refused_until_others_are_given_back() {
        let budget = Budget::new(100);
        let mut first = budget.reserve();
        assert_eq!(first.grow(80), Ok(()));

        let mut second = budget.reserve();
        assert_eq!(second.grow(30), Err(Full));
        drop(first);
        drop(second);

        assert_eq!(budget.held(), 0);
        assert_eq!(budget.reserve().grow(100), Ok(()));
    }
}
