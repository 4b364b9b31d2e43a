//! What stands before every page: only our own host, only our own pages, only the session's browser, only our own forms.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use chassis::{Secret, cookie};
use tokio::time::Instant;
use tracing::{info, warn};
use url::form_urlencoded;

use super::assets;
use super::layout::{FORM_TOKEN, START};
use super::page_error::PageError;
use super::refusal::Refusal;
use super::state::ConsoleState;

/// Enough for a form with every id of a page.
pub(crate) const BODY_BYTES_MAX: usize = 256 << 10;
/// What comes before the token in the printed link.
const ENTER: &str = "/enter/";

/// The link that opens the console. It works once.
pub(crate) fn link(state: &ConsoleState) -> Secret {
    Secret::new(format!("{}{ENTER}{}", state.reach.url(), state.entrance.issue_link().expose()))
}

pub(crate) fn routes() -> Router<Arc<ConsoleState>> {
    Router::new().route("/enter/{token}", get(enter))
}

/// Lets a request pass if it is from the session's browser, meant for this console, and sent by the person or by one of our
/// own pages; a change must also carry the token of our forms.
pub(crate) async fn guard(
    State(state): State<Arc<ConsoleState>>,
    request: Request,
    next: Next,
) -> Result<Response, PageError> {
    let passed = pass(&state, request).await.inspect_err(|refusal| {
        warn!(reason = refusal.as_str(), "Refused a request to the console ({})", refusal.as_str());
    });
    Ok(next.run(passed?).await)
}

async fn pass(state: &ConsoleState, request: Request) -> Result<Request, Refusal> {
    state.reach.admit(&request)?;
    let path = request.uri().path();
    if path.starts_with(ENTER) || assets::is_asset(path) {
        return Ok(request);
    }
    if !has_session(state, request.headers()) {
        return Err(Refusal::Session);
    }
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| Refusal::Form)?;
    let token = form_urlencoded::parse(&body).find(|(name, _)| name == FORM_TOKEN).map(|(_, value)| value);
    if !token.is_some_and(|token| state.entrance.is_own_form(&token)) {
        return Err(Refusal::Form);
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn has_session(state: &ConsoleState, headers: &HeaderMap) -> bool {
    cookie(headers, &state.reach.cookie_name()).is_some_and(|id| state.entrance.admits(id, Instant::now()))
}

/// `GET /enter/<token>`: begins the session, and leads to an address without the token.
async fn enter(
    State(state): State<Arc<ConsoleState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let leave = |more: HeaderMap| {
        let to_start = [
            (LOCATION, HeaderValue::from_static(START)),
            // The address holds the token.
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        (StatusCode::SEE_OTHER, to_start, more).into_response()
    };
    // A browser that goes back, or has loaded the page before it was asked to, has its session already.
    if has_session(&state, &headers) {
        return Ok(leave(HeaderMap::new()));
    }
    let Some(id) = state.entrance.enter(&token, Instant::now()) else {
        warn!("Refused a link to the console that was used or is not ours");
        return Err(Refusal::Link.into());
    };
    info!("A browser has opened the console");
    let cookie = session_cookie(&state, &id).map_err(|_| Refusal::Link)?;
    Ok(leave(HeaderMap::from_iter([(SET_COOKIE, cookie)])))
}

/// The only cookie. No script can read it, no other site can send it, and it ends with the browser. `Secure` and the prefix
/// `__Host-` need https, which a console on this machine does not have.
fn session_cookie(state: &ConsoleState, id: &Secret) -> Result<HeaderValue, axum::http::header::InvalidHeaderValue> {
    let secure = if state.reach.is_encrypted() { "; Secure" } else { "" };
    let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict{secure}", state.reach.cookie_name(), id.expose());
    let mut cookie = HeaderValue::try_from(cookie)?;
    cookie.set_sensitive(true);
    Ok(cookie)
}
