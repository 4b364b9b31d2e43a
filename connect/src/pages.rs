//! How the pages look: one layout, one style sheet, and the short pages that only say something.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use channels::StoreError;
use maud::{DOCTYPE, Markup, html};
use tracing::warn;

use crate::{icons, texts};

/// Phone first, light and dark, nothing loaded from elsewhere. Colours have a contrast of 7 and more on their ground.
const STYLE: &str = include_str!("style.css");

/// A whole page.
pub(crate) fn page(title: &str, content: &Markup) -> Html<String> {
    with_mark(&html! {}, title, content)
}

/// The same with a mark above its heading.
fn with_mark(mark: &Markup, title: &str, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang=(texts::LANGUAGE) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " – " (texts::SERVICE) }
                link rel="icon" type="image/svg+xml" href="/icon.svg";
                link rel="stylesheet" href="/style.css";
            }
            body {
                header { (icons::link()) (texts::SERVICE) }
                main {
                    (mark)
                    h1 { (title) }
                    (content)
                }
                footer { a href="/privacy" { (texts::PRIVACY_TITLE) } }
            }
        }
    };
    Html(page.into_string())
}

/// A page that says one thing.
pub(crate) fn message(title: &str, text: &str) -> Html<String> {
    page(title, &html! { p { (text) } })
}

/// A page that says one thing, and leads back.
pub(crate) fn message_with_way_back(title: &str, text: &str, (label, href): (&str, &str)) -> Html<String> {
    page(title, &html! { p { (text) } div class="actions" { a class="button" href=(href) { (label) } } })
}

/// The same after something that did not come off: once more, or back. What begins among the channels has one way for both.
pub(crate) fn once_more(title: &str, text: &str, again: &str) -> Html<String> {
    let back = (texts::BACK, "/channels");
    if again == back.1 {
        return message_with_way_back(title, text, back);
    }
    let content = html! {
        p { (text) }
        div class="actions" {
            a class="button" href=(again) { (texts::TRY_AGAIN) }
            a class="button second" href=(back.1) { (back.0) }
        }
    };
    page(title, &content)
}

/// A page that says that something went well.
pub(crate) fn success(title: &str, content: &Markup) -> Html<String> {
    let page_content = html! { (content) div class="actions" { a class="button" href="/channels" { (texts::BACK) } } };
    with_mark(&icons::tick(), title, &page_content)
}

pub(crate) async fn start() -> Html<String> {
    message(texts::START_TITLE, texts::START)
}

pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")], STYLE)
}

pub(crate) async fn icon() -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "max-age=3600")], icons::TAB)
}

pub(crate) async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, message(texts::NOT_FOUND_TITLE, texts::NOT_FOUND))
}

pub(crate) fn too_often() -> Html<String> {
    message(texts::OFTEN_TITLE, texts::OFTEN)
}

pub(crate) fn session_ended() -> Html<String> {
    message(texts::SESSION_TITLE, texts::SESSION)
}

pub(crate) fn link_ended() -> Response {
    (StatusCode::GONE, message(texts::LINK_TITLE, texts::LINK)).into_response()
}

/// Nothing was changed: every change is one step in the store.
pub(crate) fn store_trouble(error: &StoreError) -> Response {
    warn!(%error, "A page could not be served: {error}");
    (StatusCode::SERVICE_UNAVAILABLE, message(texts::STORE_TITLE, texts::STORE)).into_response()
}
