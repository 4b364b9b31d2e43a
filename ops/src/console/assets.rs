//! What all pages load: the style sheet, the icon and the script of the parts that stay fresh. Anybody may load them.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

/// Made for phones first, light and dark. Text has a contrast of 7 or more; nothing is loaded from elsewhere.
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("live.js");
const ICON: &str = include_str!("icon.svg");
pub(crate) const STYLE_PATH: &str = "/style.css";
pub(crate) const SCRIPT_PATH: &str = "/live.js";
pub(crate) const ICON_PATH: &str = "/icon.svg";
/// An update of `ops` is seen by loading the page again.
const CACHED: &str = "no-cache";

/// Whether it is one of the files that anybody may load: they say nothing about the service.
pub(crate) fn is_asset(path: &str) -> bool {
    [STYLE_PATH, SCRIPT_PATH, ICON_PATH].contains(&path)
}

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(STYLE_PATH, get(async || asset("text/css; charset=utf-8", STYLE)))
        .route(SCRIPT_PATH, get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route(ICON_PATH, get(async || asset("image/svg+xml", ICON)))
}

fn asset(media_type: &'static str, content: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, CACHED)], content)
}
