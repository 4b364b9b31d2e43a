//! A file's bytes on their way, counted and hashed: one that ends early or is not what Meta announced never ends well,
//! because its last piece is held back until all of it has been checked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::warn;

use crate::app::App;
use crate::metrics::File;

/// Longest wait for the next piece.
const PIECE_TIME: Duration = Duration::from_secs(30);

/// What has to come.
pub(super) struct Expected {
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Option<[u8; 32]>,
}

struct Passing {
    body: Incoming,
    expected: Expected,
    held: Option<Bytes>,
    bytes: u64,
    hash: Sha256,
    is_over: bool,
    outcome: Outcome,
}

/// Counts what becomes of the file, also when DSK hangs up; and keeps its place until then.
struct Outcome {
    app: Arc<App>,
    is_served: bool,
    _place: OwnedSemaphorePermit,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.app.metrics.file(if self.is_served { File::Served } else { File::Broken });
    }
}

/// The bytes as they come.
pub(super) fn stream(
    body: Incoming,
    expected: Expected,
    (app, place): (Arc<App>, OwnedSemaphorePermit),
) -> impl Stream<Item = io::Result<Bytes>> {
    let outcome = Outcome { app, is_served: false, _place: place };
    let passing = Passing { body, expected, held: None, bytes: 0, hash: Sha256::new(), is_over: false, outcome };
    try_unfold(passing, |mut passing| async move {
        let piece = passing.next().await.inspect_err(|error| warn!(%error, "A file ended badly: {error}"))?;
        Ok(piece.map(|piece| (piece, passing)))
    })
}

impl Passing {
    /// The piece before the one that has just come; at the end the last one.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.is_over {
            let came = timeout(PIECE_TIME, self.body.frame()).await;
            let frame = came.map_err(|_| io::Error::other("Meta sends nothing more"))?;
            let Some(frame) = frame else {
                self.check()?;
                self.is_over = true;
                self.outcome.is_served = true;
                return Ok(self.held.take());
            };
            let frame = frame.map_err(|_| io::Error::other("the connection to Meta broke"))?;
            // Whatever is no data is a trailer.
            let Ok(piece) = frame.into_data() else { continue };
            self.take_note(&piece)?;
            if let Some(before) = self.held.replace(piece) {
                return Ok(Some(before));
            }
        }
        Ok(None)
    }

    fn take_note(&mut self, piece: &Bytes) -> io::Result<()> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        if self.expected.sha256.is_some() {
            self.hash.update(piece);
        }
        self.outcome.app.metrics.file_bytes(length);
        if self.expected.bytes.is_some_and(|expected| self.bytes > expected) {
            return Err(io::Error::other("it is longer than Meta announced"));
        }
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        if self.expected.bytes.is_some_and(|expected| self.bytes != expected) {
            return Err(io::Error::other("it is shorter than Meta announced"));
        }
        let hash: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        if self.expected.sha256.is_some_and(|expected| expected != hash) {
            return Err(io::Error::other("its hash is not the one that Meta announced"));
        }
        Ok(())
    }
}
