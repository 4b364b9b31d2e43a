//! From DSK's call to a session: a ticket is issued, shown, and used up once.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::response::{IntoResponse, Redirect, Response};
use channels::Ticket;
use chassis::{Secret, SigningSecret};
use maud::html;
use serde::Deserialize;
use serde_json::json;
use tracing::{error, info};
use url::Url;

use crate::app::App;
use crate::guard::{Holder, SESSION_TIME, bearer};
use crate::metrics::Refused;
use crate::signed::{Purpose, random_id};
use crate::{cookie, pages, texts};

/// What DSK asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    tenant: String,
    dsk_token: String,
    dsk_url: Option<Url>,
    signing_secret: Option<String>,
}

/// `POST /api/tickets`, from DSK's server: a JSON object with `tenant` and `dsk_token`, and if they differ from the
/// service's own `dsk_url` and `signing_secret`. Answers 201 `{"url":…,"expires_in":seconds}`; 401 without a known key;
/// 400 with what is wrong.
pub(crate) async fn issue(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_known(&headers, &app.api_keys) {
        app.metrics.refused(Refused::ApiKey);
        return wrong(StatusCode::UNAUTHORIZED, "the bearer key is none of CONNECT_API_KEYS");
    }
    // The parser's own text would repeat the token.
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return wrong(
            StatusCode::BAD_REQUEST,
            "send {\"tenant\":…,\"dsk_token\":…}, and dsk_url or signing_secret if needed",
        );
    };
    if let Err(fault) = check(&asked) {
        return wrong(StatusCode::BAD_REQUEST, fault);
    }
    let seal = |secret: String| app.key_ring.seal(&Secret::new(secret));
    let ticket = Ticket {
        tenant: asked.tenant,
        dsk_token: seal(asked.dsk_token),
        dsk_url: asked.dsk_url.map(|url| url.to_string()),
        signing_secret: asked.signing_secret.map(seal),
        issued_by: "dsk".to_owned(),
    };
    match app.links.issue(&app.store, &ticket).await {
        Ok(url) => {
            app.metrics.issued();
            info!(tenant = ticket.tenant, "Issued a ticket for tenant {}", ticket.tenant);
            let answer = json!({ "url": url.as_str(), "expires_in": app.links.life().as_secs() });
            (StatusCode::CREATED, axum::Json(answer)).into_response()
        }
        Err(error) => {
            error!(%error, "Could not issue a ticket: {error}");
            wrong(StatusCode::SERVICE_UNAVAILABLE, "no ticket could be stored: try again")
        }
    }
}

fn check(asked: &Asked) -> Result<(), &'static str> {
    if asked.tenant.trim().is_empty() || asked.dsk_token.trim().is_empty() {
        return Err("tenant and dsk_token must not be empty");
    }
    if asked.dsk_url.as_ref().is_some_and(|url| url.scheme() != "https") {
        return Err("dsk_url must be https");
    }
    let is_signing_secret = |secret: &str| SigningSecret::parse(&Secret::new(secret)).is_ok();
    if asked.signing_secret.as_deref().is_some_and(|secret| !is_signing_secret(secret)) {
        return Err("signing_secret must be whsec_ followed by base64");
    }
    Ok(())
}

fn wrong(status: StatusCode, fault: &str) -> Response {
    (status, axum::Json(json!({ "error": fault }))).into_response()
}

fn is_known(headers: &HeaderMap, known: &[Secret]) -> bool {
    bearer(headers).is_some_and(|given| Secret::is_one_of(given, known))
}

/// `GET /connect/<link>`: looks, and uses nothing up, because programs that show a link's preview open it, too.
pub(crate) async fn show(State(app): State<Arc<App>>, Path(link): Path<String>) -> Response {
    let ticket = match app.signer.open(Purpose::Link, &link) {
        Some(id) => app.store.ticket(&id).await,
        None => Ok(None),
    };
    match ticket {
        Ok(Some(_)) => {
            let content = html! {
                p { (texts::BEGIN) }
                form method="post" class="actions" { button { (texts::CONTINUE) } }
                p class="quiet end" { (texts::BEGIN_COOKIE) }
            };
            pages::page(texts::BEGIN_TITLE, &content).into_response()
        }
        Ok(None) => refuse_link(&app),
        Err(error) => pages::store_trouble(&error),
    }
}

/// `POST /connect/<link>`: uses the ticket up and begins a session.
pub(crate) async fn redeem(State(app): State<Arc<App>>, Path(link): Path<String>) -> Response {
    let Some(id) = app.signer.open(Purpose::Link, &link) else { return refuse_link(&app) };
    let session = random_id();
    match app.store.redeem_ticket(&id, &session, SESSION_TIME).await {
        Ok(Some(ticket)) => {
            app.metrics.redeemed();
            info!(tenant = ticket.tenant, "A ticket of tenant {} was used", ticket.tenant);
            let signed = app.signer.sign(Purpose::Session, &session);
            ([(SET_COOKIE, cookie::set(&signed, SESSION_TIME.as_secs()))], Redirect::to("/channels")).into_response()
        }
        Ok(None) => refuse_link(&app),
        Err(error) => pages::store_trouble(&error),
    }
}

fn refuse_link(app: &App) -> Response {
    app.metrics.refused(Refused::Link);
    pages::link_ended()
}

/// `POST /leave`: ends the session.
pub(crate) async fn leave(State(app): State<Arc<App>>, holder: Holder) -> Response {
    match app.store.end_session(&holder.id).await {
        Ok(()) => ([(SET_COOKIE, cookie::clear())], Redirect::to("/")).into_response(),
        Err(error) => pages::store_trouble(&error),
    }
}
