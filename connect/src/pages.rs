//! The layout of all pages, and the short pages that only say something.

use axum::response::Html;
use maud::{DOCTYPE, Markup, Render, html};

use crate::language::Language;
use crate::reader::{self, Choice};
use crate::{icons, texts};

/// The page of a tenant's channels, to which most pages lead back.
pub(crate) const CHANNELS: &str = "/channels";

/// A whole page.
pub(crate) fn page(title: impl Render, content: &Markup) -> Html<String> {
    layout(&html! {}, title, content)
}

/// A whole page with a mark above its heading.
fn layout(mark: &Markup, title: impl Render, content: &Markup) -> Html<String> {
    let language = reader::language();
    let page = html! {
        (DOCTYPE)
        html lang=(language.tag()) dir=(language.direction()) {
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
                header {
                    (icons::link())
                    div {
                        (texts::SERVICE)
                        @if let Some(tenant) = reader::tenant() {
                            span class="quiet" { (texts::FOR_WHOM.with([("tenant", tenant.into())])) }
                        }
                    }
                }
                main {
                    (mark)
                    h1 { (title) }
                    (content)
                }
                footer {
                    a href=(reader::link("/privacy")) { (texts::PRIVACY_TITLE) }
                    (language_choice(language))
                }
            }
        }
    };
    Html(page.into_string())
}

/// The page in each other language, which its speakers recognise by its own name.
fn language_choice(current: Language) -> Markup {
    let choices = reader::language_choices();
    html! {
        @if !choices.is_empty() {
            nav aria-label=(texts::LANGUAGE_CHOICE) {
                @for Choice { language, address } in choices {
                    @let is_current = (language == current).then_some("true");
                    a href=(address) lang=(language.tag()) dir=(language.direction()) hreflang=(language.tag())
                        aria-current=[is_current] { (language.own_name()) }
                }
            }
        }
    }
}

/// A page that says one thing.
pub(crate) fn message(title: impl Render, text: impl Render) -> Html<String> {
    page(title, &html! { p { (text) } })
}

/// A page that says one thing, and leads back to the channels.
pub(crate) fn message_with_way_back(title: impl Render, text: impl Render) -> Html<String> {
    page(title, &html! { p { (text) } div class="actions" { a class="button" href=(CHANNELS) { (texts::BACK) } } })
}

/// A page that says why something did not work, and leads to another try or back. An attempt that starts on the page of
/// channels needs only the way back.
pub(crate) fn try_again(title: impl Render, text: impl Render, retry: &str) -> Html<String> {
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
pub(crate) fn success(title: impl Render, content: &Markup) -> Html<String> {
    let content = html! { (content) div class="actions" { a class="button" href=(CHANNELS) { (texts::BACK) } } };
    layout(&icons::tick(), title, &content)
}
