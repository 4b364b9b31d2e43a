//! What anybody may see: the start page, the privacy policy, the style sheet and the icon.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use maud::html;

use crate::language::Language;
use crate::page_error::PageError;
use crate::privacy_policy::Author;
use crate::state::AppState;
use crate::{icons, pages, reader, texts};

/// Made for phones first, light and dark; it loads nothing from elsewhere. Text has a contrast of 7 or more.
const STYLE: &str = include_str!("style.css");

/// `GET /`.
pub(crate) async fn start() -> Html<String> {
    pages::message(texts::START_TITLE, texts::START)
}

/// `GET /privacy` shows the policy in the language in which it is written, whatever the language around it.
pub(crate) async fn privacy(State(state): State<Arc<AppState>>) -> Html<String> {
    let policy = &state.privacy_policy;
    let lang = match policy.author {
        Author::Software => Language::English.tag(),
        // HTML's word for "unknown". The direction follows from the letters.
        Author::Operator => "",
    };
    let is_foreign = policy.author == Author::Software && reader::language() != Language::English;
    let content = html! {
        @if is_foreign { p class="quiet" { (texts::PRIVACY_IN_ENGLISH) } }
        div class="policy" lang=(lang) dir="auto" { (policy.text) }
    };
    match &policy.title {
        // Our own title is known in every language.
        Some(title) if policy.author == Author::Operator => pages::page(title, &content),
        Some(_) | None => pages::page(texts::PRIVACY_TITLE, &content),
    }
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
