//! What Meta tells us in a person's name: that they withdraw (deauthorize), or want their data deleted. Source: Meta,
//! "Data Deletion Request Callback".

mod signed_request;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use channels::{ErasureOrigin, ErasureRequest, StoreError, new_erasure_code};
use chassis::now;
use maud::html;
use serde::Deserialize;
use serde_json::json;
use tracing::info;

use crate::app::App;
use crate::metrics::Refused;
use crate::{pages, texts};

#[derive(Deserialize)]
pub(crate) struct Signed {
    signed_request: String,
}

/// `POST /meta/deauthorize`: the person's channels are disconnected and their tokens erased. Asked again, it is the same.
pub(crate) async fn deauthorize(State(app): State<Arc<App>>, Form(signed): Form<Signed>) -> Response {
    let Some(person) = person(&app, &signed) else { return refuse(&app) };
    match disconnect_all(&app, &person).await {
        Ok(channels) => {
            info!(channels, "A person withdrew: {channels} channels are disconnected");
            StatusCode::OK.into_response()
        }
        Err(error) => pages::store_trouble(&error),
    }
}

async fn disconnect_all(app: &App, person: &str) -> Result<usize, StoreError> {
    let addresses = app.store.addresses_of(person).await?;
    for address in &addresses {
        app.store.remove(address, now()).await?;
    }
    Ok(addresses.len())
}

/// `POST /meta/deletion`: everything of the person's channels is erased. Answers `{"url":…,"confirmation_code":…}`; asked
/// again, with the same code.
pub(crate) async fn delete(State(app): State<Arc<App>>, Form(signed): Form<Signed>) -> Response {
    let Some(person) = person(&app, &signed) else { return refuse(&app) };
    let fresh = new_erasure_code();
    match erase_all(&app, &person, &fresh).await {
        Ok(code) => {
            app.metrics.deletion();
            let mut url = app.url.clone();
            url.set_path(&format!("/deletion/{code}"));
            info!("A person's channels are erased, as they asked");
            Json(json!({ "url": url.as_str(), "confirmation_code": code })).into_response()
        }
        Err(error) => pages::store_trouble(&error),
    }
}

async fn erase_all(app: &App, person: &str, fresh: &str) -> Result<String, StoreError> {
    let code = app.store.deletion_code(person, fresh).await?;
    let channels = app.store.addresses_of(person).await?;
    let request = ErasureRequest { code: &code, origin: ErasureOrigin::Callback, channels: &channels, lanes: &[] };
    app.store.erase(&request, now()).await?;
    Ok(code)
}

/// Either app may have signed: which one does is not told.
fn person(app: &App, signed: &Signed) -> Option<String> {
    signed_request::user_id(&signed.signed_request, &app.secrets)
}

fn refuse(app: &App) -> Response {
    app.metrics.refused(Refused::SignedRequest);
    StatusCode::FORBIDDEN.into_response()
}

/// `GET /deletion/<code>`: how far it is.
pub(crate) async fn status(State(app): State<Arc<App>>, Path(code): Path<String>) -> Response {
    match app.store.erasure(&code).await {
        Ok(Some(erasure)) => {
            let content = html! {
                p { (if erasure.done_at.is_some() { texts::DELETION_DONE } else { texts::DELETION_PENDING }) }
                dl {
                    dt { (texts::DELETION_CODE) } dd class="code" { (code) }
                    dt { (texts::DELETION_ASKED) } dd { (moment(&erasure.requested_at)) }
                    @if let Some(done_at) = &erasure.done_at {
                        dt { (texts::DELETION_DONE_AT) } dd { (moment(done_at)) }
                    }
                }
                p class="quiet end" { (texts::DELETION_COPIES) }
            };
            pages::page(texts::DELETION_TITLE, &content).into_response()
        }
        Ok(None) => {
            let page = pages::message(texts::NOT_FOUND_TITLE, texts::DELETION_UNKNOWN);
            (StatusCode::NOT_FOUND, page).into_response()
        }
        Err(error) => pages::store_trouble(&error),
    }
}

/// As people write it, if it can be read.
fn moment(stored: &str) -> String {
    stored.parse().map_or_else(|_| stored.to_owned(), texts::moment)
}
