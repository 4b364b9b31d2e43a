//! Meta's callbacks in the name of a person who withdraws (deauthorize), or who wants their data deleted. Source: Meta,
//! "Data Deletion Request Callback".

mod signed_request;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::{Form, Json};
use channels::{AppUser, Erasure, PersonRequest, StoreError, latest_by_our_clock, new_erasure_code};
use chassis::now;
use jiff::Timestamp;
use maud::html;
use serde::{Deserialize, Serialize};
use tracing::info;
use url::Url;

use signed_request::Person;

use crate::metrics::RefusalReason;
use crate::page_error::PageError;
use crate::state::AppState;
use crate::{pages, refusals, texts};

/// What Meta posts.
#[derive(Deserialize)]
pub(crate) struct CallbackForm {
    signed_request: String,
}

/// What Meta wants to know about a deletion.
#[derive(Serialize)]
pub(crate) struct DeletionAnswer {
    url: Url,
    confirmation_code: String,
}

/// Why a callback has no effect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallbackError {
    #[error("neither app has signed the request")]
    NotSigned,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IntoResponse for CallbackError {
    fn into_response(self) -> Response {
        match self {
            Self::NotSigned => refusals::refuse(StatusCode::FORBIDDEN.into_response(), RefusalReason::SignedRequest),
            Self::Store(error) => PageError::Store(error).into_response(),
        }
    }
}

impl Person {
    /// What they ask of the store. What was connected later stays: the call may come late or be an old one that somebody
    /// repeats, and the person may have connected a channel again.
    fn request(&self, now: Timestamp) -> PersonRequest<'_> {
        let asked_at = self.asked_at.map_or(now, |asked_at| latest_by_our_clock(asked_at).min(now));
        PersonRequest { person: AppUser { apps: &self.apps, id: &self.user_id }, asked_at }
    }
}

impl CallbackForm {
    /// The person in whose name Meta calls, as the app that has signed the request knows them.
    fn person(&self, state: &AppState) -> Result<Person, CallbackError> {
        signed_request::person(&self.signed_request, &state.apps).ok_or(CallbackError::NotSigned)
    }
}

/// `POST /meta/deauthorize` disconnects the person's channels and erases their tokens. A second call changes nothing more.
pub(crate) async fn deauthorize(
    State(state): State<Arc<AppState>>,
    Form(form): Form<CallbackForm>,
) -> Result<StatusCode, CallbackError> {
    let person = form.person(&state)?;
    let channels = state.store.withdraw(person.request(now()), now()).await?;
    info!(channels, "Disconnected the channels of a person who withdrew");
    Ok(StatusCode::OK)
}

/// `POST /meta/deletion` erases everything of the person's channels, also of those that were disconnected before. It answers `{"url":…,"confirmation_code":…}`, and a
/// second call gets the same code.
pub(crate) async fn delete(
    State(state): State<Arc<AppState>>,
    Form(form): Form<CallbackForm>,
) -> Result<Json<DeletionAnswer>, CallbackError> {
    let person = form.person(&state)?;
    let code = state.store.delete_person(person.request(now()), &new_erasure_code(), now()).await?;
    state.metrics.deletions_total.inc();
    info!("Erased what is stored of a person who asked for it");
    Ok(Json(DeletionAnswer { url: state.page_url(&format!("/deletion/{code}")), confirmation_code: code }))
}

/// `GET /deletion/<code>` shows how far a deletion is.
pub(crate) async fn status(
    State(state): State<Arc<AppState>>,
    Path(code): Path<String>,
) -> Result<Html<String>, PageError> {
    let erasure = state.store.erasure(&code).await?.ok_or(PageError::UnknownDeletion)?;
    let content = html! {
        p { (progress(&erasure)) }
        dl {
            dt { (texts::DELETION_CODE) } dd class="code" { bdi { (code) } }
            dt { (texts::DELETION_ASKED) } dd { (moment(&erasure.requested_at)) }
            @if let Some(done_at) = &erasure.done_at {
                dt { (texts::DELETION_DONE_AT) } dd { (moment(done_at)) }
            }
        }
        @if !erasure.found_nothing {
            @if erasure.has_connected_since { p { (texts::DELETION_CONNECTED_SINCE) } }
            p class="quiet end" { (texts::DELETION_COPIES) }
        }
    };
    Ok(pages::page(texts::DELETION_TITLE, &content))
}

/// How far a deletion is.
fn progress(erasure: &Erasure) -> texts::Text {
    match &erasure.done_at {
        _ if erasure.found_nothing && erasure.has_connected_since => texts::DELETION_TOO_OLD,
        _ if erasure.found_nothing => texts::DELETION_FOUND_NOTHING,
        Some(_) => texts::DELETION_DONE,
        None => texts::DELETION_PENDING,
    }
}

/// A stored time as people write it, or unchanged if it can't be read.
fn moment(stored: &str) -> String {
    stored.parse().map_or_else(|_| stored.to_owned(), texts::moment)
}
