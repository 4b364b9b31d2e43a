//! The bytes of a file on their way to DSK, counted and hashed. The last piece is held back until the whole file has been
//! checked, so a file that ends early or differs from what Meta announced never seems complete.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tracing::warn;

use crate::metrics::{FetchOutcome, Metrics};
use crate::places::Place;

/// Longest wait for the next piece.
const PIECE_TIME: Duration = Duration::from_secs(30);

/// What Meta announced about the bytes that follow.
pub(super) struct Announcement {
    pub(super) bytes: u64,
    pub(super) sha256: Option<[u8; 32]>,
}

/// Counts what became of the file when it is dropped, which also happens when DSK hangs up. Until then it holds the
/// file's place.
pub(super) struct OutcomeGuard {
    metrics: Metrics,
    is_served: bool,
    _place: Place,
}

struct CheckedStream {
    body: Incoming,
    announcement: Announcement,
    held_back: Option<Bytes>,
    bytes: u64,
    hash: Sha256,
    is_over: bool,
    guard: OutcomeGuard,
}

impl OutcomeGuard {
    pub(super) fn new(metrics: Metrics, place: Place) -> Self {
        Self { metrics, is_served: false, _place: place }
    }

    /// Ends it for an answer that has been given.
    pub(super) fn served(mut self) {
        self.is_served = true;
    }
}

impl Drop for OutcomeGuard {
    fn drop(&mut self) {
        self.metrics.media_total.inc(if self.is_served { FetchOutcome::Served } else { FetchOutcome::Broken });
    }
}

/// The bytes of `body` as they arrive.
pub(super) fn new(
    body: Incoming,
    announcement: Announcement,
    guard: OutcomeGuard,
) -> impl Stream<Item = io::Result<Bytes>> {
    let stream =
        CheckedStream { body, announcement, held_back: None, bytes: 0, hash: Sha256::new(), is_over: false, guard };
    try_unfold(stream, |mut stream| async move {
        let piece = stream.next().await.inspect_err(|error| warn!(%error, "Broke off a file on its way to DSK"))?;
        Ok(piece.map(|piece| (piece, stream)))
    })
}

impl CheckedStream {
    /// Gives the piece before the one that has just arrived; at the end, the last one.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.is_over {
            let frame = timeout(PIECE_TIME, self.body.frame()).await;
            let frame = frame.map_err(|_| io::Error::other("Meta sends nothing more"))?;
            let Some(frame) = frame else {
                self.check()?;
                self.is_over = true;
                self.guard.is_served = true;
                return Ok(self.held_back.take());
            };
            let frame = frame.map_err(|_| io::Error::other("the connection to Meta broke"))?;
            // A frame without data holds trailers.
            let Ok(piece) = frame.into_data() else { continue };
            self.count(&piece)?;
            if let Some(before) = self.held_back.replace(piece) {
                return Ok(Some(before));
            }
        }
        Ok(None)
    }

    fn count(&mut self, piece: &Bytes) -> io::Result<()> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        if self.announcement.sha256.is_some() {
            self.hash.update(piece);
        }
        self.guard.metrics.media_bytes_total.add(length);
        if self.bytes > self.announcement.bytes {
            return Err(io::Error::other("the file is longer than Meta announced"));
        }
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        if self.bytes != self.announcement.bytes {
            return Err(io::Error::other("the file is shorter than Meta announced"));
        }
        let hash: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        if self.announcement.sha256.is_some_and(|announced| announced != hash) {
            return Err(io::Error::other("the file's hash is not the one that Meta announced"));
        }
        Ok(())
    }
}
