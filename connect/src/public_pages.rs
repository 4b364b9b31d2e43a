//! What anybody may see: the start page, the privacy policy, the style sheet and the icon.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};

use crate::page_error::PageError;
use crate::state::AppState;
use crate::{icons, pages, texts};

/// Made for phones first, light and dark; it loads nothing from elsewhere. Text has a contrast of 7 or more.
const STYLE: &str = include_str!("style.css");

/// `GET /`.
pub(crate) async fn start() -> Html<String> {
    pages::message(texts::START_TITLE, texts::START)
}

/// `GET /privacy`.
pub(crate) async fn privacy(State(state): State<Arc<AppState>>) -> Html<String> {
    pages::page(&state.privacy_policy.title, &state.privacy_policy.text)
}

/// `GET /style.css`.
pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")], STYLE)
}

/// `GET /icon.svg`.
pub(crate) async fn icon() -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "max-age=3600")], icons::TAB)
}

/// Every address that leads nowhere.
pub(crate) async fn not_found() -> PageError {
    PageError::NotFound
}
