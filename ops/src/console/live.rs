//! Parts of pages that stay fresh: the server renders them again and again, and sends them as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use chassis::Shutdown;
use futures_util::stream;
use maud::Markup;

/// What the page is told.
#[derive(Debug)]
pub(crate) enum Part {
    /// The part as it is now.
    Html(Markup),
    /// What was under way is over: the page has to be loaded again.
    Reload,
}

impl From<Markup> for Part {
    fn from(markup: Markup) -> Self {
        Self::Html(markup)
    }
}

/// Renders a part of a page at once and then every `period`, until the page is closed or a stop is requested. The page
/// itself holds the part in `layout::live`.
pub(crate) fn live<R, F>(shutdown: Shutdown, period: Duration, render: R) -> Response
where
    R: Fn() -> F + Send + 'static,
    F: Future<Output: Into<Part>> + Send + 'static,
{
    let events = stream::unfold(Duration::ZERO, move |wait| {
        let shutdown = shutdown.clone();
        let rendering = render();
        async move {
            if shutdown.is_requested() || !shutdown.pause(wait).await {
                return None;
            }
            let event = match rendering.await.into() {
                // An event's data can't hold this character.
                Part::Html(markup) => Event::default().data(markup.into_string().replace('\r', "")),
                Part::Reload => Event::default().event("reload").data("over"),
            };
            Some((Ok::<_, Infallible>(event), period))
        }
    });
    Sse::new(events).into_response()
}
