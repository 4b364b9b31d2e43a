//! A notification: it is read, checked, split and published, and only then answered with 200.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::{Bytes, BytesMut};
use chassis::{now, random};
use event::{Envelope, UnrecognizedReason};
use http_body_util::BodyExt as _;
use queue::Confirmed;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::admission::Reservation;
use crate::limits::{BODY_BYTES_MAX, BODY_READ_TIME};
use crate::metrics::{Contents, NotificationOutcome};
use crate::refusal::Refusal;
use crate::signature::{ClaimedSignature, SignatureError, SignedBody};
use crate::state::IngestState;

/// `POST /webhook`: publishes a notification's events, and counts and logs the outcome.
pub(crate) async fn receive(
    State(state): State<Arc<IngestState>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let started = Instant::now();
    let trace = Trace::begin();
    let client = state.trusted_proxies.client(peer.ip(), &headers);
    let published = publish_events(&state, &headers, body, Sender { client, trace: &trace }).await;

    let elapsed = started.elapsed();
    let elapsed_ms = elapsed.as_millis();
    let trace_id = trace.id();
    match &published {
        Ok(_) => {
            state.metrics.notifications_total.inc(NotificationOutcome::Accepted);
            state.metrics.answer_seconds.observe_duration(elapsed);
            info!(trace_id, elapsed_ms, "Accepted a notification");
        }
        Err(refusal) => {
            state.metrics.notifications_total.inc(refusal.outcome());
            let status = refusal.status().as_u16();
            warn!(status, %client, trace_id, elapsed_ms, "Refused a notification: {refusal}");
        }
    }
    Ok(accept(published?))
}

/// The only way to a 200: the queue has confirmed every event.
fn accept(_confirmed: Arc<Confirmed>) -> StatusCode {
    StatusCode::OK
}

/// Who sent a notification, and the trace that begins with it.
#[derive(Clone, Copy)]
struct Sender<'a> {
    client: IpAddr,
    trace: &'a Trace,
}

/// Whatever fails here, Meta sends the notification again, and the ids of its events are the same.
async fn publish_events(
    state: &IngestState,
    headers: &HeaderMap,
    body: Body,
    sender: Sender<'_>,
) -> Result<Arc<Confirmed>, Refusal> {
    let claimed = ClaimedSignature::parse(signature(headers)?)?;
    let mut reservation = state.budget.reserve(sender.client);
    let body = read(body, &mut reservation).await?;
    let body = SignedBody::verify(body, &claimed, &state.secrets.app_secrets)?;
    reservation.is_signed();
    state.metrics.signed(body.bytes().len());

    let received_at = now();
    let events = event::split(body.bytes(), received_at);
    let unrecognized = events.first().filter(|event| event.is_unrecognized()).map(|event| event.id.clone());
    if unrecognized.is_some() && UnrecognizedReason::is_not_json(body.bytes()) {
        return Err(Refusal::NotJson);
    }
    if let Some(confirmed) = unrecognized.as_ref().and_then(|id| state.parked.get(id)) {
        return Ok(confirmed);
    }
    let contents = Contents::of(&events);
    let first = |event| Envelope::first(event, received_at, Some(Arc::clone(&sender.trace.0)));
    let envelopes: Vec<Envelope> = events.into_iter().map(first).collect();
    reservation.grow(envelopes.iter().map(|envelope| envelope.body.len()).sum())?;

    let confirmed = Arc::new(state.publish(envelopes, reservation).await?);
    state.metrics.accepted(&contents);
    if let Some(id) = unrecognized {
        state.parked.remember(id, &confirmed);
    }
    Ok(confirmed)
}

/// Reads the body, whose bytes are reserved as they arrive.
async fn read(body: Body, reservation: &mut Reservation) -> Result<Bytes, Refusal> {
    timeout(BODY_READ_TIME, read_frames(body, reservation)).await.map_err(|_| Refusal::TooSlow)?
}

async fn read_frames(mut body: Body, reservation: &mut Reservation) -> Result<Bytes, Refusal> {
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

/// The signature header. A request with two of them is refused, because nobody knows which one counts.
fn signature(headers: &HeaderMap) -> Result<Option<&[u8]>, SignatureError> {
    let mut given = headers.get_all("x-hub-signature-256").iter();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err(SignatureError::Malformed),
        (only, None) => Ok(only.map(HeaderValue::as_bytes)),
    }
}

/// The trace that begins with a notification: a W3C `traceparent`, sampled.
struct Trace(Arc<str>);

impl Trace {
    fn begin() -> Self {
        let trace = hex::encode(random::<16>());
        let span = hex::encode(random::<8>());
        Self(format!("00-{trace}-{span}-01").into())
    }

    /// The trace id, as in log lines.
    fn id(&self) -> &str {
        event::trace_id(Some(&self.0))
    }
}
