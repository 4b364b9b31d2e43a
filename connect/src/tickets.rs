//! From a link to a session: its page is shown, its ticket is redeemed once, and a person signs out.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::SET_COOKIE;
use axum::response::{Html, IntoResponse, Redirect};
use maud::html;
use tracing::info;

use crate::cookie::{self, SESSION_TIME, SessionCookie};
use crate::metrics::TicketOutcome;
use crate::page_error::PageError;
use crate::session::{OwnForm, PageSession};
use crate::signer::{Purpose, random_id};
use crate::state::AppState;
use crate::{pages, reader, texts};

/// `GET /connect/<link>` does not redeem the ticket, because programs that show a preview of a link open it, too.
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    Path(link): Path<String>,
) -> Result<Html<String>, PageError> {
    let id = state.signer.open(Purpose::Link, &link).ok_or(PageError::Link)?;
    let ticket = state.store.ticket(&id).await?.ok_or(PageError::Link)?;
    reader::connects_for(&ticket.tenant);
    let minutes = (SESSION_TIME.as_secs() / 60).to_string();
    let content = html! {
        p { (texts::BEGIN) }
        p { (texts::BEGIN_CHECK.with([("tenant", ticket.tenant.as_str().into())])) }
        form method="post" class="actions" { button { (texts::CONTINUE) } }
        p class="quiet end" { (texts::BEGIN_COOKIE.with([("minutes", minutes.into())])) }
    };
    Ok(pages::page(texts::BEGIN_TITLE, &content))
}

/// `POST /connect/<link>` redeems the ticket and begins a session.
pub(crate) async fn redeem(
    _: OwnForm,
    State(state): State<Arc<AppState>>,
    Path(link): Path<String>,
) -> Result<impl IntoResponse, PageError> {
    let id = state.signer.open(Purpose::Link, &link).ok_or(PageError::Link)?;
    let session_id = random_id();
    let ticket = state.store.redeem_ticket(&id, &session_id, SESSION_TIME).await?.ok_or(PageError::Link)?;
    state.metrics.tickets_total.inc(TicketOutcome::Redeemed);
    info!(tenant = ticket.tenant, "Redeemed a ticket of tenant {}", ticket.tenant);
    let signed_id = state.signer.sign(Purpose::Session, &session_id);
    let session_cookie = SessionCookie { signed_id: &signed_id, language: reader::chosen_language() };
    Ok(([(SET_COOKIE, cookie::set(&session_cookie))], Redirect::to(pages::CHANNELS)))
}

/// `POST /leave` ends the session.
pub(crate) async fn leave(
    State(state): State<Arc<AppState>>,
    session: PageSession,
) -> Result<impl IntoResponse, PageError> {
    state.store.end_session(&session.id).await?;
    Ok(([(SET_COOKIE, cookie::clear())], Redirect::to(&reader::link_after_session("/"))))
}
