//! The bound on bytes in flight: the bodies that are being read and the envelopes that are being published.
//!
//! Anyone may send a body with a signature that only looks like one, and it has to be read before that shows. Clients
//! that never sent a right signature therefore share half of the bytes, and the rest is for those that did.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chassis::counted_as;

use crate::recent::Recent;

/// Clients that are remembered because their signature was right. Meta posts from a few hundred addresses.
const CLIENTS_MAX: usize = 4_096;

/// How many bytes may be held at once, and how many are.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    held: Arc<AtomicU64>,
    /// Those of `held` that are bodies of strangers, whose signature is not checked yet.
    strange: Arc<AtomicU64>,
    known: Arc<Mutex<Recent<IpAddr, ()>>>,
    bytes_max: u64,
}

/// The bytes that are held for one notification. They are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    client: IpAddr,
    bytes: u64,
    is_stranger: bool,
}

/// There is no room for more bytes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Budget {
    pub(crate) fn new(bytes_max: u32) -> Self {
        Self {
            held: Arc::default(),
            strange: Arc::default(),
            known: Arc::new(Mutex::new(Recent::new(CLIENTS_MAX))),
            bytes_max: bytes_max.into(),
        }
    }

    /// A reservation of no bytes, which grows as they arrive.
    pub(crate) fn reserve(&self, client: IpAddr) -> Reservation {
        let client = counted_as(client);
        let is_stranger = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&client).is_none();
        Reservation { budget: self.clone(), client, bytes: 0, is_stranger }
    }

    /// How many bytes are held now.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// How many bytes strangers may hold.
    fn strange_max(&self) -> u64 {
        self.bytes_max / 2
    }
}

impl Reservation {
    /// Holds more bytes. After a failure it holds them too, until it is dropped.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let bytes = bytes as u64;
        let before = self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        let strange =
            if self.is_stranger { self.budget.strange.fetch_add(bytes, Ordering::Relaxed) + bytes } else { 0 };
        if before + bytes > self.budget.bytes_max || strange > self.budget.strange_max() { Err(Full) } else { Ok(()) }
    }

    /// The signature was right: its bytes are a stranger's no longer, and its client is known from now on.
    pub(crate) fn is_signed(&mut self) {
        self.leave_strangers();
        self.budget.known.lock().unwrap_or_else(PoisonError::into_inner).remember(self.client, ());
    }

    fn leave_strangers(&mut self) {
        if std::mem::replace(&mut self.is_stranger, false) {
            self.budget.strange.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.leave_strangers();
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn bytes_that_do_not_fit_are_refused_until_others_are_given_back() {
        let budget = Budget::new(100);
        let mut first = budget.reserve(client("192.0.2.1"));
        first.is_signed();
        assert_eq!(first.grow(80), Ok(()));

        let mut second = budget.reserve(client("192.0.2.1"));
        assert_eq!(second.grow(30), Err(Full));
        drop(first);
        drop(second);

        assert_eq!(budget.held(), 0);
        assert_eq!(budget.reserve(client("192.0.2.1")).grow(100), Ok(()));
    }

    #[test]
    fn bodies_of_strangers_leave_half_of_the_bytes_to_those_whose_signature_was_right() {
        let budget = Budget::new(100);
        let meta = client("2001:db8:1:1::1");
        let mut signed = budget.reserve(meta);
        assert_eq!(signed.grow(10), Ok(()));
        signed.is_signed();

        let mut strangers: Vec<Reservation> =
            (1..=9).map(|n| budget.reserve(client(&format!("192.0.2.{n}")))).collect();
        let answers: Vec<_> = strangers.iter_mut().map(|stranger| stranger.grow(10)).collect();

        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
        strangers.truncate(5);
        assert_eq!(budget.reserve(client("2001:db8:1:1::2")).grow(40), Ok(()), "the same network");
        assert_eq!(budget.reserve(client("2001:db8:1:2::2")).grow(1), Err(Full), "another network");
        drop((signed, strangers));
        assert_eq!(budget.held(), 0);
        assert_eq!(budget.reserve(client("192.0.2.1")).grow(50), Ok(()));
    }
}
