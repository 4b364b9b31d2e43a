//! One request and its answer. An answer that is made piece by piece ends if the client takes it too slowly, so that what
//! it holds is free for others.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};
use tower_service::Service as _;
use tracing::debug;

use super::arriving::{Arriving, Late};
use super::limits::ServeLimits;
use super::turns::{RequestUnderWay, Turns};
use crate::Shutdown;

/// Longest wait until the client takes the next piece of an answer.
pub(super) const PIECE_TIME: Duration = Duration::from_secs(20);
/// Longest time for the whole of an answer: a file of 128 MiB at 1.8 Mbit/s.
const WHOLE_TIME: Duration = Duration::from_mins(10);
/// Pieces that are ready before the client takes them.
const PIECES_MAX: usize = 1;

/// What answers a request.
pub(super) struct Answering {
    pub(super) router: Router,
    pub(super) limits: ServeLimits,
    pub(super) peer: SocketAddr,
    pub(super) turns: Arc<Turns>,
    pub(super) shutdown: Shutdown,
}

/// Why an answer ended early.
#[derive(Debug, thiserror::Error)]
enum AnswerError {
    #[error("the client takes the answer too slowly")]
    TooSlow,
    #[error("the client hung up")]
    HungUp,
    #[error("the answer broke off: {0}")]
    BrokeOff(axum::Error),
}

impl Answering {
    pub(super) async fn answer(mut self, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let under_way = self.turns.begin_request();
        let late = Late::default();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let request = request.map(|body| self.arriving(body, late.clone()));
        let answer = self.router.call(request).await?;
        if late.is_late() {
            return Ok(StatusCode::REQUEST_TIMEOUT.into_response());
        }
        Ok(answer.map(|body| self.leaving(body, under_way)))
    }

    fn arriving(&self, body: Incoming, late: Late) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        let deadline = Instant::now() + self.limits.body_read;
        Body::new(Arriving::new(body, deadline, self.turns.begin_body(), late))
    }

    /// A body of known length lies in memory already and holds nothing else. Any other is taken from its source by a task,
    /// which also ends when HTTP/2 gives the client's window no more room and nobody asks the body for its next piece.
    fn leaving(&self, body: Body, under_way: RequestUnderWay) -> Body {
        if body.size_hint().exact().is_some() {
            return body;
        }
        let (sender, channel) = Channel::new(PIECES_MAX);
        self.shutdown.spawn_connection(async move {
            pass_on(body, sender).await;
            drop(under_way);
        });
        Body::new(channel)
    }
}

/// Passes a body on piece by piece. If it ends early, the client's connection or stream breaks off.
async fn pass_on(mut body: Body, mut sender: Sender<Bytes, AnswerError>) {
    let passed_on = timeout(WHOLE_TIME, async {
        while let Some(piece) = body.frame().await {
            let piece = piece.map_err(AnswerError::BrokeOff)?;
            let sent = timeout(PIECE_TIME, sender.send(piece)).await.map_err(|_| AnswerError::TooSlow)?;
            sent.map_err(|_| AnswerError::HungUp)?;
        }
        Ok(())
    });
    if let Err(error) = passed_on.await.unwrap_or(Err(AnswerError::TooSlow)) {
        debug!(%error, "Ended an answer early: {error}");
        sender.abort(error);
    }
}
