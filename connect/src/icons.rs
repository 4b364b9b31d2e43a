//! The icons of the pages. They are part of the page itself, so that nothing is loaded, and take the colour of its text.

use maud::{Markup, html};

/// An outline of 24 by 24, hidden from screen readers because the text beside it says the same.
fn icon(path: &str) -> Markup {
    html! {
        svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"
            stroke-linejoin="round" aria-hidden="true" { path d=(path) {} }
    }
}

/// Two links of a chain, for the service itself.
pub(crate) fn link() -> Markup {
    icon("M9 15l6-6M10.5 6.5l1.8-1.8a5 5 0 0 1 7 7l-1.8 1.8M13.5 17.5l-1.8 1.8a5 5 0 0 1-7-7l1.8-1.8")
}

/// A speech bubble.
pub(crate) fn chat() -> Markup {
    icon("M20.5 11.5a8.5 8.5 0 0 1-12.4 7.5L3.5 20.5 5 16a8.5 8.5 0 1 1 15.5-4.5zM8.5 10.5h7M8.5 13.8h4.5")
}

/// A camera.
pub(crate) fn camera() -> Markup {
    icon(
        "M8 3.5h8A4.5 4.5 0 0 1 20.5 8v8a4.5 4.5 0 0 1-4.5 4.5H8A4.5 4.5 0 0 1 3.5 16V8A4.5 4.5 0 0 1 8 3.5z\
          M15.5 12a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0zM16.8 7.2h.01",
    )
}

/// A tick, for success.
pub(crate) fn tick() -> Markup {
    html! { span class="mark" { (icon("M5 12.5l4.5 4.5L19 7.5")) } }
}

/// The icon of a browser tab.
pub(crate) const TAB: &str = include_str!("icon.svg");
