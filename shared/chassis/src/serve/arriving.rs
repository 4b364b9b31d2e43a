//! The body of a request, which has to arrive within a time as a whole. A body that trickles in would pass a limit on each
//! piece for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::turns::BodyArriving;

/// A body that has to be there by a deadline.
pub(super) struct Arriving {
    body: Incoming,
    deadline: Instant,
    /// Made when the body is first waited for, because most bodies arrive together with the headers.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Gone when the body has arrived.
    turn: Option<BodyArriving>,
    late: Late,
}

/// Whether the deadline passed before the body was there.
#[derive(Clone, Debug, Default)]
pub(super) struct Late(Arc<AtomicBool>);

impl Late {
    pub(super) fn is_late(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Arriving {
    pub(super) fn new(body: Incoming, deadline: Instant, turn: BodyArriving, late: Late) -> Self {
        Self { body, deadline, alarm: None, turn: Some(turn), late }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if frame.is_none() || self.body.is_end_stream() {
                self.turn = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let deadline = self.deadline;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(alarm.as_mut().poll(context));
        self.late.0.store(true, Ordering::Relaxed);
        self.turn = None;
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
