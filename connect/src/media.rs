//! `GET /media/<platform>/<channel id>/<media id>`: a file from an event, for DSK, which never sees a token of Meta's.
//! The bytes from Meta are passed on as they arrive and kept nowhere.

mod checked_stream;
mod error;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    RANGE,
};
use axum::http::{Response as HttpResponse, StatusCode};
use axum::response::Response;
use channels::{ChannelRecord, StoredToken};
use chassis::{Secret, now};
use event::{Address, Family};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{info, warn};

use crate::graph::media::{MediaFile, refusal};
use crate::graph::whatsapp::WhatsAppGraph;
use crate::graph::{ChannelGraph, GraphError};
use crate::headers::bearer;
use crate::metrics::Metrics;
use crate::state::AppState;
use checked_stream::{Announcement, OutcomeGuard};
use error::MediaError;

/// Meta's longest files are documents of 100 MB.
const BYTES_MAX: u64 = 128 << 20;
/// Meta's ids are short; a longer one is not passed on.
const ID_CHARACTERS_MAX: usize = 64;

/// Which file of which channel is asked for.
#[derive(Deserialize)]
pub(crate) struct MediaPath {
    platform: String,
    channel: String,
    file: String,
}

/// A file, and Meta's answer to the request for its bytes.
struct MediaDownload {
    file: MediaFile,
    answer: HttpResponse<Incoming>,
}

/// `GET /media/<platform>/<channel id>/<media id>` takes the channel's own DSK token as bearer. It answers 200 with the
/// file, or 206 with a range of it; otherwise a JSON object with `error` and `detail`: 401 means another token, 404 that
/// there is no such file or that it has expired, 424 that the channel's token at Meta is the reason, and 502 or 503 that
/// DSK should try again.
pub(crate) async fn fetch(
    State(state): State<Arc<AppState>>,
    Path(path): Path<MediaPath>,
    headers: HeaderMap,
) -> Result<Response, MediaError> {
    let address = Address::new(format!("{}:{}", path.platform, path.channel));
    pass_on(&state, &address, &path.file, &headers).await.inspect_err(|error| {
        warn!(channel = %address, %error, "DSK got no file of {address}");
        if let Some(outcome) = error.outcome() {
            state.metrics.media_total.inc(outcome);
        }
    })
}

async fn pass_on(
    state: &AppState,
    address: &Address,
    media_id: &str,
    headers: &HeaderMap,
) -> Result<Response, MediaError> {
    let record = authorize(state, address, headers).await?;
    if address.family() != Family::WhatsApp {
        return Err(MediaError::OtherPlatform);
    }
    let is_id = media_id.len() <= ID_CHARACTERS_MAX && media_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Some(ChannelGraph::WhatsApp { graph, .. }) = state.graphs.of(&record).filter(|_| is_id) else {
        return Err(MediaError::Unknown);
    };
    let permit = Arc::clone(&state.files).try_acquire_owned().map_err(|_| MediaError::Full)?;
    let sealed = record.access_token.as_ref().ok_or(MediaError::Token)?;
    let token = state.key_ring.open(sealed).map_err(|_| MediaError::Unopenable)?;

    let download = download(graph, media_id, address, &token, headers).await;
    if let Err(GraphError::Token { .. }) = download {
        state.store.mark_access_token_dead(StoredToken { address, sealed }, now()).await?;
    }
    let download = download?;
    info!(channel = %address, bytes = download.file.bytes, "Passing on a file of {address}");
    respond(download, state.metrics.clone(), permit)
}

/// The channel, if there is one and the bearer is its own DSK token. The answer does not say which of the two is wrong.
async fn authorize(state: &AppState, address: &Address, headers: &HeaderMap) -> Result<ChannelRecord, MediaError> {
    let given = bearer(headers).ok_or(MediaError::Unauthorized)?;
    let record = state.store.get(address).await?.ok_or(MediaError::Unauthorized)?;
    // A removed channel has no token.
    let sealed = record.dsk_token.as_ref().ok_or(MediaError::Unauthorized)?;
    let own = state.key_ring.open(sealed).map_err(|_| MediaError::Unopenable)?;
    if Secret::is_one_of(given, &[own]) { Ok(record) } else { Err(MediaError::Unauthorized) }
}

/// Resolves the id and opens the file, and does both once more if the file's address has just expired.
async fn download(
    graph: &WhatsAppGraph,
    media_id: &str,
    number: &Address,
    token: &Secret,
    headers: &HeaderMap,
) -> Result<MediaDownload, GraphError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let file = graph.file(media_id, number.id(), token).await?;
        let answer = graph.open(&file, token, range(headers, &file)).await?;
        match answer.status() {
            status if status.is_success() => return Ok(MediaDownload { file, answer }),
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok(MediaDownload { file, answer }),
            StatusCode::NOT_FOUND if attempts < 2 => {}
            status => return Err(refusal(status)),
        }
    }
}

/// The range that DSK asks for, unless the file is not the one that DSK began with (RFC 9110 §13.1.5).
fn range<'a>(headers: &'a HeaderMap, file: &MediaFile) -> Option<&'a str> {
    let is_unchanged = headers.get(IF_RANGE).is_none_or(|tag| Some(tag) == etag(file).as_ref());
    headers.get(RANGE).filter(|_| is_unchanged).and_then(|range| range.to_str().ok())
}

/// A file is identified by its hash.
fn etag(file: &MediaFile) -> Option<HeaderValue> {
    file.sha256.and_then(|sha256| HeaderValue::try_from(format!("\"{}\"", hex::encode(sha256))).ok())
}

/// Builds DSK's answer from Meta's: status, type, length, range, and the bytes.
fn respond(download: MediaDownload, metrics: Metrics, permit: OwnedSemaphorePermit) -> Result<Response, MediaError> {
    let MediaDownload { file, answer } = download;
    let (parts, body) = answer.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_whole = parts.status == StatusCode::OK;
    if file.bytes > BYTES_MAX || (is_whole && length.is_some_and(|length| length != file.bytes)) {
        return Err(MediaError::Unusable);
    }
    let bytes = if is_whole { Some(file.bytes) } else { length };
    let announcement = Announcement { bytes, sha256: file.sha256.filter(|_| is_whole) };
    let stream = checked_stream::new(body, announcement, OutcomeGuard::new(metrics, permit));
    let mut response = Response::new(Body::from_stream(stream));
    *response.status_mut() = parts.status;
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: Option<HeaderValue>| value.map(|value| headers.insert(name, value));
    put(CONTENT_TYPE, HeaderValue::try_from(&file.mime_type).ok().filter(|_| parts.status.is_success()));
    put(CONTENT_LENGTH, bytes.map(HeaderValue::from));
    put(CONTENT_RANGE, parts.headers.get(CONTENT_RANGE).cloned());
    put(ACCEPT_RANGES, parts.headers.get(ACCEPT_RANGES).cloned());
    put(ETAG, etag(&file));
    Ok(response)
}
