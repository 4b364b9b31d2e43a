//! Plays Meta's media API: an id resolves to an address, and the address to a file of any size.

use std::net::SocketAddr;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use serde_json::{Value, json};

use super::accounts::NUMBER;
pub use super::media_file::{MediaFile, RangeAnswer, content};
use super::media_file::{pieces, sha256};
use super::state::{Parameters, SharedState, bears, error, is, lock, step};

pub(super) async fn resolve(
    State(state): State<SharedState>,
    Path(id): Path<String>,
    Query(given): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    let checks =
        [("token", bears(&headers, "business-token")), ("phone_number_id", is(&given, "phone_number_id", NUMBER))];
    let behaviour = step(&state, "resolve", &checks).await?;
    let Some(file) = behaviour.files.get(&id) else { return Err(error(StatusCode::BAD_REQUEST, 100)) };
    let mut hash = sha256(file.bytes);
    hash[0] ^= u8::from(file.is_altered);
    let address: SocketAddr = lock(&state).address;
    let here = format!("http://{address}/lookaside/{id}");
    Ok(Json(json!({
        "id": id, "messaging_product": "whatsapp", "mime_type": "application/pdf",
        "url": file.url.clone().unwrap_or(here), "file_size": file.announced.unwrap_or(file.bytes),
        "sha256": if file.in_base64 { STANDARD.encode(hash) } else { hex::encode(hash) },
    })))
}

pub(super) async fn download(
    State(state): State<SharedState>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let checks = [
        ("token", bears(&headers, "business-token")),
        ("user-agent", headers.contains_key(header::USER_AGENT)),
        ("method", method == Method::GET),
    ];
    let behaviour = step(&state, "download", &checks).await?;
    let Some(file) = behaviour.files.get(&id).cloned() else { return Err(StatusCode::NOT_FOUND.into_response()) };
    if let Some(to) = file.redirect {
        return Ok((StatusCode::FOUND, [(header::LOCATION, to)]).into_response());
    }
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).and_then(first_and_last);
    let (from, to) = range.map_or((0, file.bytes), |(first, last)| (first, (last + 1).min(file.bytes)));
    if from >= to {
        return Err(StatusCode::RANGE_NOT_SATISFIABLE.into_response());
    }
    let is_endless = range.is_some() && file.range != RangeAnswer::True;
    let end = if is_endless { usize::MAX - file.bytes } else { to };
    let body = Body::from_stream(stream::iter(pieces(from, end).map(Ok::<_, std::convert::Infallible>)));
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    if !is_endless {
        headers.insert(header::CONTENT_LENGTH, (to - from).into());
    }
    headers.insert(header::ACCEPT_RANGES, header::HeaderValue::from_static("bytes"));
    if range.is_some() {
        let range = header::HeaderValue::try_from(format!("bytes {from}-{}/{}", to - 1, file.bytes));
        if file.range != RangeAnswer::EndlessAndUnnamed {
            headers.insert(header::CONTENT_RANGE, range.map_err(|_| StatusCode::BAD_REQUEST.into_response())?);
        }
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(answer)
}

fn first_and_last(range: &str) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().unwrap_or(usize::MAX - 1)))
}
