//! `GET /media/<platform>/<channel id>/<media id>`: a file out of an event, for DSK, which never sees a token of Meta's.
//! What comes from Meta is passed on as it comes and kept nowhere.

mod checked;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    RANGE, RETRY_AFTER,
};
use axum::http::{Response as HttpResponse, StatusCode};
use axum::response::{IntoResponse, Response};
use channels::{ChannelRecord, StoreError, StoredToken};
use chassis::{Secret, now};
use event::{Address, Family};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{info, warn};

use crate::app::App;
use crate::graph::GraphError;
use crate::graph::media::{File, refusal};
use crate::graph::whatsapp::WhatsAppGraph;
use crate::guard::bearer;
use crate::metrics::{self, Refused};

/// Files on their way at once; each holds little more than what two sockets hold.
pub(crate) const FILES_MAX: usize = 64;
/// Meta's longest are documents of 100 MB.
const BYTES_MAX: u64 = 128 << 20;
/// Meta's ids are digits; no longer one is passed on.
const ID_MAX: usize = 64;

/// Why DSK gets no file.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the bearer token is not this channel's DSK token")]
    Unauthorized,
    #[error("only files of WhatsApp are fetched here: those of Instagram and Messenger are links in the event itself")]
    OtherPlatform,
    #[error("Meta has no such file of this channel: a file that came with a message can be fetched for 7 days")]
    Unknown,
    #[error("the channel's token at Meta no longer works: its owner has to connect the channel again")]
    Token,
    #[error("Meta refuses this file to the channel's token: a permission is missing")]
    Permission,
    #[error("our key ring does not open the channel's token: our operators have to see to it")]
    Unopenable,
    #[error("Meta can't be reached or is in trouble: try again in a while")]
    Unavailable,
    #[error("Meta asks for a pause")]
    Throttled,
    #[error("too many files are on their way: try again in a moment")]
    Full,
    #[error("Meta's answer is not a file that can be passed on")]
    Unusable,
    #[error("our storage can't be reached: try again in a while")]
    Store(#[from] StoreError),
}

impl From<GraphError> for Refusal {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::Token { .. } => Self::Token,
            GraphError::Permission(_) => Self::Permission,
            GraphError::Throttled => Self::Throttled,
            GraphError::Away | GraphError::TimedOut | GraphError::Trouble => Self::Unavailable,
            // 100: no such object, or none that this token may see (Meta does not tell which).
            GraphError::Refused { status: 404, .. } | GraphError::Refused { code: 100, .. } => Self::Unknown,
            GraphError::Refused { .. } | GraphError::Unexpected => Self::Unusable,
        }
    }
}

impl Refusal {
    /// Status, word and count of each. 424: it depends on something else that failed.
    const fn row(&self) -> (StatusCode, &'static str, Option<metrics::File>) {
        use metrics::File;
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", None),
            Self::OtherPlatform => (StatusCode::NOT_FOUND, "other_platform", Some(File::Unknown)),
            Self::Unknown => (StatusCode::NOT_FOUND, "unknown", Some(File::Unknown)),
            Self::Token => (StatusCode::FAILED_DEPENDENCY, "reconnect_needed", Some(File::Token)),
            Self::Permission => (StatusCode::FAILED_DEPENDENCY, "permission_missing", Some(File::Token)),
            Self::Unopenable => (StatusCode::INTERNAL_SERVER_ERROR, "unopenable", Some(File::Token)),
            Self::Unavailable => (StatusCode::BAD_GATEWAY, "unavailable", Some(File::Unavailable)),
            Self::Throttled => (StatusCode::SERVICE_UNAVAILABLE, "throttled", Some(File::Unavailable)),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "full", Some(File::Unavailable)),
            Self::Unusable => (StatusCode::BAD_GATEWAY, "unusable", Some(File::Broken)),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store", Some(File::Unavailable)),
        }
    }

    fn answer(&self, app: &App) -> Response {
        let (status, word, count) = self.row();
        match count {
            Some(outcome) => app.metrics.file(outcome),
            None => app.metrics.refused(Refused::Media),
        }
        let mut answer = (status, Json(json!({ "error": word, "detail": self.to_string() }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
        }
        answer
    }
}

/// `GET /media/<platform>/<channel id>/<media id>`, with the channel's own DSK token as bearer. 200 with the file, or 206
/// with a range of it; else a JSON object with `error` and `detail`: 401 not that token, 404 no such file or an ended
/// one, 424 the channel's token at Meta is the reason, 502 and 503 try again.
pub(crate) async fn fetch(
    State(app): State<Arc<App>>,
    Path((platform, channel_id, media_id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let address = Address::new(format!("{platform}:{channel_id}"));
    match pass_on(&app, (&address, &media_id), &headers).await {
        Ok(answer) => answer,
        Err(refusal) => {
            warn!(channel = %address, error = %refusal, "DSK got no file of {address}: {refusal}");
            refusal.answer(&app)
        }
    }
}

async fn pass_on(
    app: &Arc<App>,
    (address, media_id): (&Address, &str),
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let record = authorized(app, address, headers).await?;
    if address.family() != Family::WhatsApp {
        return Err(Refusal::OtherPlatform);
    }
    let is_id = media_id.len() <= ID_MAX && media_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let whatsapp = app.whatsapp.as_ref().filter(|_| is_id).ok_or(Refusal::Unknown)?;
    let place = Arc::clone(&app.files).try_acquire_owned().map_err(|_| Refusal::Full)?;
    let sealed = record.access_token.as_ref().ok_or(Refusal::Token)?;
    let token = app.key_ring.open(sealed).map_err(|_| Refusal::Unopenable)?;

    let asked = ask(whatsapp, (media_id, address.id()), (&token, headers)).await;
    if let Err(GraphError::Token { .. }) = asked {
        app.store.mark_access_token_dead(StoredToken { address, sealed }, now()).await?;
    }
    let (file, answer) = asked?;
    info!(channel = %address, bytes = file.bytes, "Passing on a file of {address}, {} bytes", file.bytes);
    respond(app, (&file, answer), place)
}

/// The channel, if it is there and the bearer is its own DSK token. Nothing tells which of the two is wrong.
async fn authorized(app: &App, address: &Address, headers: &HeaderMap) -> Result<ChannelRecord, Refusal> {
    let given = bearer(headers).ok_or(Refusal::Unauthorized)?;
    let record = app.store.get(address).await?.ok_or(Refusal::Unauthorized)?;
    // A removed channel has none.
    let sealed = record.dsk_token.as_ref().ok_or(Refusal::Unauthorized)?;
    let own = app.key_ring.open(sealed).map_err(|_| Refusal::Unopenable)?;
    if Secret::is_one_of(given, &[own]) { Ok(record) } else { Err(Refusal::Unauthorized) }
}

/// Resolves the id and opens the file; once more if its address has just ended.
async fn ask(
    whatsapp: &WhatsAppGraph,
    (media_id, number_id): (&str, &str),
    (token, headers): (&Secret, &HeaderMap),
) -> Result<(File, HttpResponse<Incoming>), GraphError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let file = whatsapp.file(media_id, number_id, token).await?;
        let answer = whatsapp.open(&file, token, range(headers, &file)).await?;
        match answer.status() {
            status if status.is_success() => return Ok((file, answer)),
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok((file, answer)),
            StatusCode::NOT_FOUND if tries < 2 => {}
            status => return Err(refusal(status)),
        }
    }
}

/// The range that is asked for, unless the file is another one than the one it was begun with (RFC 9110 §13.1.5).
fn range<'a>(headers: &'a HeaderMap, file: &File) -> Option<&'a str> {
    let is_the_same = headers.get(IF_RANGE).is_none_or(|tag| Some(tag) == tag_of(file).as_ref());
    headers.get(RANGE).filter(|_| is_the_same).and_then(|range| range.to_str().ok())
}

/// A file is known by its hash.
fn tag_of(file: &File) -> Option<HeaderValue> {
    file.sha256.and_then(|sha256| HeaderValue::try_from(format!("\"{}\"", hex::encode(sha256))).ok())
}

/// What is passed on: status, type, length, range, and the bytes.
fn respond(
    app: &Arc<App>,
    (file, answer): (&File, HttpResponse<Incoming>),
    place: OwnedSemaphorePermit,
) -> Result<Response, Refusal> {
    let (parts, body) = answer.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_whole = parts.status == StatusCode::OK;
    if file.bytes > BYTES_MAX || (is_whole && length.is_some_and(|length| length != file.bytes)) {
        return Err(Refusal::Unusable);
    }
    let expected = checked::Expected {
        bytes: if is_whole { Some(file.bytes) } else { length },
        sha256: file.sha256.filter(|_| is_whole),
    };
    let bytes = expected.bytes;
    let mut response = Response::new(Body::from_stream(checked::stream(body, expected, (Arc::clone(app), place))));
    *response.status_mut() = parts.status;
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: Option<HeaderValue>| value.map(|value| headers.insert(name, value));
    put(CONTENT_TYPE, HeaderValue::try_from(&file.mime_type).ok().filter(|_| parts.status.is_success()));
    put(CONTENT_LENGTH, bytes.map(HeaderValue::from));
    put(CONTENT_RANGE, parts.headers.get(CONTENT_RANGE).cloned());
    put(ACCEPT_RANGES, parts.headers.get(ACCEPT_RANGES).cloned());
    put(ETAG, tag_of(file));
    Ok(response)
}
