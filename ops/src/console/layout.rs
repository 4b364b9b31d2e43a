//! The layout of all pages, and the few parts that several of them show.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use super::assets::{ICON_PATH, SCRIPT_PATH, STYLE_PATH};
use super::state::ConsoleState;

/// Where the console opens.
pub(crate) const START: &str = NAVIGATION[0].path();
/// The field of a form that says that it is ours.
pub(crate) const FORM_TOKEN: &str = "form_token";

/// Where a page belongs in the navigation. Each page adds its place here and to [`NAVIGATION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A page that the navigation does not lead to, such as an error.
    Elsewhere,
    Overview,
    Find,
    Runbook,
    DeadLetters,
    Channels,
    Erasures,
}

/// The places that the navigation leads to, in its order. The console opens at the first one.
const NAVIGATION: &[Place] =
    &[Place::Overview, Place::Find, Place::DeadLetters, Place::Channels, Place::Erasures, Place::Runbook];

impl Place {
    /// Where it is.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Elsewhere => "/",
            Self::Overview => "/overview",
            Self::Find => "/find",
            Self::Runbook => "/runbook",
            Self::DeadLetters => "/dead-letters",
            Self::Channels => "/channels",
            Self::Erasures => "/erasures",
        }
    }

    /// What the navigation calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "Console",
            Self::Overview => "Overview",
            Self::Find => "Find",
            Self::Runbook => "Runbook",
            Self::DeadLetters => "Dead letters",
            Self::Channels => "Channels",
            Self::Erasures => "Erasures",
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
                link rel="icon" type="image/svg+xml" href=(ICON_PATH);
                link rel="stylesheet" href=(STYLE_PATH);
                script src=(SCRIPT_PATH) defer {}
            }
            body {
                header {
                    strong { "Meta Integration Service" }
                    (navigation(here))
                }
                main {
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

/// What each form with `method="post"` has to contain: the guard refuses others (`guard.rs`).
pub(crate) fn form_token(state: &ConsoleState) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=(state.entrance.form_token().expose()); }
}

/// A part of a page that stays fresh: the server sends it anew at `path` (see `live.rs`), and the script shows it in place
/// of `now`. Without scripts the page shows what it showed when it was loaded.
pub(crate) fn live(id: &str, path: &str, now: &Markup) -> Markup {
    html! { div id=(id) data-live=(path) { (now) } }
}
