//! A notification: check, split, publish, and only then say 200.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use chassis::{now, random};
use event::Envelope;
use http_body_util::BodyExt as _;
use queue::{Confirmed, PublishError};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::admission::{Full, Reservation};
use crate::app::App;
use crate::metrics::Contents;
use crate::signature::{SignatureError, SignedBody};

/// Meta sends at most 3 MB (WhatsApp throughput page); a little more is let in, nothing beyond.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Meta's patience is 5 s, so a body that takes longer has nobody waiting for its answer.
const BODY_READ_TIME: Duration = Duration::from_secs(5);
/// Shorter than Meta's 5 s, so that it hears our 503 and sends again instead of giving up on a silent connection.
const PUBLISH_TIME: Duration = Duration::from_secs(4);

/// Why a notification is not accepted. Meta sends it again after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the body is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the body did not arrive within {BODY_READ_TIME:?}")]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error("{0}")]
    Unsigned(#[from] SignatureError),
    #[error("too many bytes are in flight")]
    Full,
    #[error("{0}")]
    Unpublished(#[from] PublishError),
}

/// How a notification was answered, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    TooLarge,
    TooSlow,
    BrokenOff,
    Unsigned,
    Full,
    Unpublished,
}

impl Outcome {
    pub(crate) const ALL: [Self; 7] =
        [Self::Accepted, Self::TooLarge, Self::TooSlow, Self::BrokenOff, Self::Unsigned, Self::Full, Self::Unpublished];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenOff => "broken_off",
            Self::Unsigned => "unsigned",
            Self::Full => "full",
            Self::Unpublished => "unpublished",
        }
    }
}

impl Refusal {
    fn outcome(self) -> Outcome {
        match self {
            Self::TooLarge => Outcome::TooLarge,
            Self::TooSlow => Outcome::TooSlow,
            Self::BrokenOff => Outcome::BrokenOff,
            Self::Unsigned(_) => Outcome::Unsigned,
            Self::Full => Outcome::Full,
            Self::Unpublished(_) => Outcome::Unpublished,
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::Unsigned(_) => StatusCode::UNAUTHORIZED,
            Self::Full | Self::Unpublished(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// `POST /webhook`: check, split, publish, and only then say 200.
pub(crate) async fn receive(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (started, trace) = (Instant::now(), Trace::begin());
    let trace_id = trace.id();
    let answer = take_over(&app, &headers, (body, &trace)).await;
    let elapsed_ms = started.elapsed().as_millis();
    match answer {
        Ok(confirmed) => {
            app.metrics.answered(Outcome::Accepted, started.elapsed());
            info!(trace_id, elapsed_ms, "Accepted a notification");
            accept(confirmed).into_response()
        }
        Err(refusal) => {
            app.metrics.answered(refusal.outcome(), started.elapsed());
            let (status, client) = (refusal.status(), app.trusted_proxies.client(peer.ip(), &headers));
            warn!(status = status.as_u16(), %client, trace_id, elapsed_ms, "Refused a notification: {refusal}");
            status.into_response()
        }
    }
}

/// The only way to a 200: the queue has all of it.
fn accept(_confirmed: Confirmed) -> StatusCode {
    StatusCode::OK
}

async fn take_over(app: &Arc<App>, headers: &HeaderMap, (body, trace): (Body, &Trace)) -> Result<Confirmed, Refusal> {
    let mut reservation = app.budget.reserve();
    let body = timeout(BODY_READ_TIME, read(body, &mut reservation)).await.map_err(|_| Refusal::TooSlow)??;
    let body = SignedBody::verify(body, signature(headers)?, &app.secrets.app_secrets)?;
    app.metrics.signed(body.bytes().len());

    let (envelopes, contents) = envelopes(&body, trace);
    reservation.grow(envelopes.iter().map(|envelope| envelope.body.len()).sum())?;
    app.metrics.bytes_in_flight(app.budget.held());
    let confirmed = publish(app, envelopes, reservation).await?;
    app.metrics.accepted(&contents);
    Ok(confirmed)
}

async fn read(mut body: Body, reservation: &mut Reservation) -> Result<Bytes, Refusal> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BrokenOff)?.into_data() else { continue };
        if read.len() + data.len() > BODY_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        reservation.grow(data.len())?;
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// The one signature header. Two of them are one too many to know which was meant.
fn signature(headers: &HeaderMap) -> Result<Option<&[u8]>, SignatureError> {
    let mut given = headers.get_all("x-hub-signature-256").iter();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err(SignatureError::Malformed),
        (only, None) => Ok(only.map(axum::http::HeaderValue::as_bytes)),
    }
}

fn envelopes(body: &SignedBody, trace: &Trace) -> (Vec<Envelope>, Contents) {
    let received_at = now();
    let events = event::split(body.bytes(), received_at);
    let contents = Contents::of(&events);
    let envelopes = events.into_iter().map(|event| Envelope::first(event, received_at, trace.0.clone()));
    (envelopes.collect(), contents)
}

/// The trace that begins with a notification: W3C `traceparent`, sampled.
struct Trace(Option<Arc<str>>);

impl Trace {
    fn begin() -> Self {
        let trace = hex::encode(random::<16>());
        let span = hex::encode(random::<8>());
        Self(Some(format!("00-{trace}-{span}-01").into()))
    }

    /// As log lines name it.
    fn id(&self) -> &str {
        event::trace_id(self.0.as_deref())
    }
}

/// In a task of its own: a client that hangs up does not cancel a publish half way.
async fn publish(app: &Arc<App>, envelopes: Vec<Envelope>, reservation: Reservation) -> Result<Confirmed, Refusal> {
    let (reply, answer) = oneshot::channel();
    let (publisher, budget, metrics) = (app.publisher.clone(), app.budget.clone(), app.metrics.clone());
    app.shutdown.spawn(async move {
        let published = timeout(PUBLISH_TIME, publisher.publish_all(&envelopes)).await;
        reply.send(published.unwrap_or(Err(PublishError::TimedOut))).ok();
        drop(reservation);
        metrics.bytes_in_flight(budget.held());
    });
    Ok(answer.await.unwrap_or(Err(PublishError::Stopping))?)
}

impl From<Full> for Refusal {
    fn from(_: Full) -> Self {
        Self::Full
    }
}
