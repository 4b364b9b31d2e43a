//! Whose turn it is on a connection: its client's, which has to send something, or ours.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// What is under way on one connection.
#[derive(Debug)]
pub(super) struct Turns {
    under_way: Mutex<UnderWay>,
    eviction: CancellationToken,
}

#[derive(Debug)]
struct UnderWay {
    /// Requests without their whole answer.
    requests: usize,
    /// Those of them whose body is still arriving.
    arriving: usize,
    /// When one of the two last changed.
    since: Instant,
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct RequestUnderWay(Arc<Turns>);

/// A body that is arriving until this is dropped.
#[derive(Debug)]
pub(super) struct BodyArriving(Arc<Turns>);

impl Turns {
    /// A connection that has just been accepted: its client has to send a request.
    pub(super) fn new() -> Arc<Self> {
        let under_way = UnderWay { requests: 0, arriving: 0, since: Instant::now() };
        Arc::new(Self { under_way: Mutex::new(under_way), eviction: CancellationToken::new() })
    }

    /// A request has arrived, except for its body.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestUnderWay {
        self.change(|under_way| under_way.requests += 1);
        RequestUnderWay(Arc::clone(self))
    }

    /// The body of a request begins to arrive.
    pub(super) fn begin_body(self: &Arc<Self>) -> BodyArriving {
        self.change(|under_way| under_way.arriving += 1);
        BodyArriving(Arc::clone(self))
    }

    /// Since when everything on the connection waits for its client; `None` while a request waits for us.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let under_way = self.lock();
        (under_way.requests <= under_way.arriving).then_some(under_way.since)
    }

    /// Waits until there has been no request for that long.
    pub(super) async fn idle_for(&self, time: Duration) {
        loop {
            match self.idle_since() {
                Some(since) if since.elapsed() >= time => return,
                Some(since) => sleep_until(since + time).await,
                // A request ends after now, so that the connection can't have been idle for long enough any earlier.
                None => sleep_until(Instant::now() + time).await,
            }
        }
    }

    /// Makes the connection end at once.
    pub(super) fn evict(&self) {
        self.eviction.cancel();
    }

    /// Waits until the connection has to end.
    pub(super) async fn evicted(&self) {
        self.eviction.cancelled().await;
    }

    fn idle_since(&self) -> Option<Instant> {
        let under_way = self.lock();
        (under_way.requests == 0).then_some(under_way.since)
    }

    fn change(&self, change: impl FnOnce(&mut UnderWay)) {
        let mut under_way = self.lock();
        change(&mut under_way);
        under_way.since = Instant::now();
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        self.0.change(|under_way| under_way.requests -= 1);
    }
}

impl Drop for BodyArriving {
    fn drop(&mut self) {
        self.0.change(|under_way| under_way.arriving -= 1);
    }
}
