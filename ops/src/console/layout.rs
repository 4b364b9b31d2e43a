//! The layout of all pages, and the few parts that several of them show.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

/// Where a page belongs in the navigation. Each page adds its place here and to [`NAVIGATION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A page that the navigation does not lead to, such as an error.
    Elsewhere,
}

/// The places that the navigation leads to, in its order. The first one is where the console opens.
const NAVIGATION: &[Place] = &[];

impl Place {
    /// Where it is.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Elsewhere => "/",
        }
    }

    /// What the navigation calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "Console",
        }
    }
}

/// A whole page. `content` follows the heading. The style sheet allows no `style` attributes and no scripts in the page
/// (see `Content-Security-Policy` in `app.rs`): write classes, and SVG with attributes.
pub(crate) fn page(title: &str, here: Place, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Console" }
                link rel="icon" type="image/svg+xml" href="/icon.svg";
                link rel="stylesheet" href="/style.css";
                script src="/live.js" defer {}
            }
            body {
                a class="skip" href="#content" { "Skip to the content" }
                header {
                    strong { "Meta Integration Service" }
                    (navigation(here))
                }
                main id="content" tabindex="-1" {
                    h1 { (title) }
                    (content)
                }
            }
        }
    };
    Html(page.into_string())
}

fn navigation(here: Place) -> Markup {
    html! {
        nav aria-label="Pages" {
            @for place in NAVIGATION {
                @let is_here = (*place == here).then_some("page");
                a href=(place.path()) aria-current=[is_here] { (place.name()) }
            }
        }
    }
}

/// The command that does the same as the page, for a terminal or a script.
pub(crate) fn command(line: &str) -> Markup {
    html! {
        div class="command" {
            span class="quiet" { "The same on the command line" }
            code { (line) }
        }
    }
}

/// A part of a page that stays fresh: the server sends it anew at `path` (see `live.rs`), and the script shows it in place
/// of `now`. Without scripts the page shows what it showed when it was loaded.
pub(crate) fn live(id: &str, path: &str, now: &Markup) -> Markup {
    html! { div id=(id) data-live=(path) { (now) } }
}
