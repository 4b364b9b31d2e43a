//! `GET /media/<platform>/<channel id>/<media id>`: a file from an event, for DSK, which never sees a token of Meta's.
//! The bytes from Meta are passed on as they arrive and kept nowhere.

mod checked_stream;
mod content_range;
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
use chassis::Secret;
use event::{Address, Family};
use hyper::body::Incoming;
use serde::Deserialize;
use tracing::{info, warn};

use crate::access::{self, AccessError};
use crate::graph::media::{MediaFile, refusal};
use crate::graph::whatsapp::WhatsAppGraph;
use crate::graph::{ChannelGraph, GraphError};
use crate::metrics::Metrics;
use crate::places::Place;
use crate::state::AppState;
use checked_stream::{Announcement, OutcomeGuard};
use content_range::ContentRange;
use error::MediaError;

/// Meta's longest files are documents of 100 MB.
const BYTES_MAX: u64 = 128 << 20;

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
    pass_on(&state, &address, &path.file, &headers).await.inspect_err(|error| match error.outcome() {
        Some(outcome) => {
            warn!(channel = %address, %error, "DSK got no file of {address}");
            state.metrics.media_total.inc(outcome);
        }
        // Anybody may have asked, so nothing of the request is logged.
        None => warn!(%error, "Refused a request for a file: {error}"),
    })
}

async fn pass_on(
    state: &AppState,
    address: &Address,
    media_id: &str,
    headers: &HeaderMap,
) -> Result<Response, MediaError> {
    let record = access::authorize(state, address, headers).await?;
    if address.family() != Family::WhatsApp {
        return Err(MediaError::OtherPlatform);
    }
    let Some(ChannelGraph::WhatsApp { graph, .. }) = state.graphs.of(&record).filter(|_| access::is_id(media_id))
    else {
        return Err(MediaError::Unknown);
    };
    let place = state.files.take(&record.tenant).ok_or(AccessError::Full)?;
    let stored = access::access_token(&record)?;
    let token = access::open(state, stored.sealed)?;

    let download = download(graph, media_id, address, &token, headers).await;
    if let Err(error) = &download {
        access::heed(state, stored, error).await?;
    }
    let download = download?;
    info!(channel = %address, bytes = download.file.bytes, "Passing on a file of {address}");
    respond(download, state.metrics.clone(), place)
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

/// The range that DSK asks for, unless the file is not the one that DSK began with (RFC 9110 §13.1.5). Where it asks for
/// several, it gets the whole file.
fn range<'a>(headers: &'a HeaderMap, file: &MediaFile) -> Option<&'a str> {
    let is_unchanged = headers.get(IF_RANGE).is_none_or(|tag| Some(tag) == etag(file).as_ref());
    let range = headers.get(RANGE).filter(|_| is_unchanged).and_then(|range| range.to_str().ok());
    range.filter(|range| !range.contains(','))
}

/// A file is identified by its hash.
fn etag(file: &MediaFile) -> Option<HeaderValue> {
    file.sha256.and_then(|sha256| HeaderValue::try_from(format!("\"{}\"", hex::encode(sha256))).ok())
}

/// Builds DSK's answer from Meta's: status, type, length, range, and the bytes.
fn respond(download: MediaDownload, metrics: Metrics, place: Place) -> Result<Response, MediaError> {
    let MediaDownload { file, answer } = download;
    let (parts, body) = answer.into_parts();
    let bytes = announced(&file, parts.status, &parts.headers).ok_or(MediaError::Unusable)?;
    let guard = OutcomeGuard::new(metrics, place);
    let body = if parts.status == StatusCode::RANGE_NOT_SATISFIABLE {
        guard.served();
        Body::empty()
    } else {
        let sha256 = file.sha256.filter(|_| parts.status == StatusCode::OK);
        Body::from_stream(checked_stream::new(body, Announcement { bytes, sha256 }, guard))
    };
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: Option<HeaderValue>| value.map(|value| headers.insert(name, value));
    put(CONTENT_TYPE, HeaderValue::try_from(&file.mime_type).ok().filter(|_| parts.status.is_success()));
    put(CONTENT_LENGTH, Some(HeaderValue::from(bytes)));
    put(CONTENT_RANGE, parts.headers.get(CONTENT_RANGE).cloned());
    put(ACCEPT_RANGES, parts.headers.get(ACCEPT_RANGES).cloned());
    put(ETAG, etag(&file));
    Ok(response)
}

/// How many bytes Meta's answer announces, and never more than the file has. `None`: it can't be passed on, because the
/// file is too long, or because the answer belongs to another file or does not say what it holds.
fn announced(file: &MediaFile, status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let bytes = match status {
        StatusCode::OK => Some(file.bytes),
        StatusCode::PARTIAL_CONTENT => {
            header(CONTENT_RANGE).and_then(ContentRange::parse).and_then(|range| range.bytes_of(file.bytes))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => return Some(0),
        _ => None,
    };
    let length = header(CONTENT_LENGTH).map(str::parse::<u64>);
    bytes.filter(|bytes| file.bytes <= BYTES_MAX && length.is_none_or(|length| length == Ok(*bytes)))
}
