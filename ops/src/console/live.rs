//! Parts of pages that stay fresh: the server renders them again and again, and sends them as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use chassis::Shutdown;
use futures_util::stream;
use maud::Markup;

/// Renders a part of a page at once and then every `period`, until the page is closed or a stop is requested. The page
/// itself holds the part in `layout::live`.
pub(crate) fn live<R, F>(shutdown: Shutdown, period: Duration, render: R) -> Response
where
    R: Fn() -> F + Send + 'static,
    F: Future<Output = Markup> + Send + 'static,
{
    let events = stream::unfold(Duration::ZERO, move |wait| {
        let shutdown = shutdown.clone();
        let rendering = render();
        async move {
            if shutdown.is_requested() || !shutdown.pause(wait).await {
                return None;
            }
            // An event's data can't hold this character.
            let part = rendering.await.into_string().replace('\r', "");
            Some((Ok::<_, Infallible>(Event::default().data(part)), period))
        }
    });
    Sse::new(events).into_response()
}
