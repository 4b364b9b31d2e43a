//! The layout of all pages, and the short pages that only say something.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use crate::{icons, texts};

/// The page of a tenant's channels, to which most pages lead back.
pub(crate) const CHANNELS: &str = "/channels";

/// A whole page.
pub(crate) fn page(title: &str, content: &Markup) -> Html<String> {
    with_mark(&html! {}, title, content)
}

/// A whole page with a mark above its heading.
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

/// A page that says one thing, and leads back to the channels.
pub(crate) fn message_with_way_back(title: &str, text: &str) -> Html<String> {
    page(title, &html! { p { (text) } div class="actions" { a class="button" href=(CHANNELS) { (texts::BACK) } } })
}

/// A page that says why something did not work, and leads to another try or back. An attempt that starts on the page of
/// channels needs only the way back.
pub(crate) fn try_again(title: &str, text: &str, retry: &str) -> Html<String> {
    if retry == CHANNELS {
        return message_with_way_back(title, text);
    }
    let content = html! {
        p { (text) }
        div class="actions" {
            a class="button" href=(retry) { (texts::TRY_AGAIN) }
            a class="button second" href=(CHANNELS) { (texts::BACK) }
        }
    };
    page(title, &content)
}

/// A page that says that something succeeded.
pub(crate) fn success(title: &str, content: &Markup) -> Html<String> {
    let content = html! { (content) div class="actions" { a class="button" href=(CHANNELS) { (texts::BACK) } } };
    with_mark(&icons::tick(), title, &content)
}
