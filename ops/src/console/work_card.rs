//! How pages show work that is under way: a bar that stays fresh, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::REFERER;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::layout::{self, START, form_token};
use super::live::{Part, live};
use super::state::ConsoleState;
use super::times::when;
use super::work::Work;

/// How often the bar moves.
const PERIOD: Duration = Duration::from_millis(500);
const LIVE: &str = "/work/live";
const STOP: &str = "/work/stop";
const CLEAR: &str = "/work/clear";

pub(crate) fn routes() -> Router<Arc<ConsoleState>> {
    Router::new().route(LIVE, get(show_live)).route(STOP, post(stop)).route(CLEAR, post(clear))
}

/// What is under way, or was last; nothing if there was nothing.
pub(crate) fn card(state: &ConsoleState) -> Markup {
    let Some(work) = state.desk.current() else { return html! {} };
    html! {
        section class="work" aria-label="Work" {
            h2 { (work.plan.title) }
            @if work.is_over() {
                (progress(&work))
                form method="post" action=(CLEAR) { (form_token(state)) button class="second" { "Close" } }
            } @else {
                (layout::live("work", LIVE, &progress(&work)))
                form method="post" action=(STOP) { (form_token(state)) button class="second" { "Stop" } }
            }
            @if let Some(command) = &work.plan.command { (layout::command(command)) }
        }
    }
}

fn progress(work: &Work) -> Markup {
    let progress = work.progress();
    html! {
        @match (work.plan.steps, &progress.end) {
            (Some(steps), None) => {
                progress max=(steps.max(1)) value=(progress.done.min(steps)) aria-label="Progress" {}
                p { (progress.done) " of " (steps) ", begun " (when(work.began_at, chassis::now())) }
            }
            (None, None) => p { "Begun " (when(work.began_at, chassis::now())) ", " (progress.done) " so far" },
            (_, Some(_)) => {}
        }
        @if !progress.lines.is_empty() { ul { @for line in &progress.lines { li { (line) } } } }
        @match &progress.end {
            Some(Ok(text)) => p class="done" role="status" { (text) },
            Some(Err(text)) => p class="note" role="alert" { (text) },
            None => {}
        }
    }
}

/// `GET /work/live`: the bar, until the work is over. Then the page is loaded again, because it lists what has changed.
async fn show_live(State(state): State<Arc<ConsoleState>>) -> Response {
    let shutdown = state.shutdown.clone();
    live(shutdown, PERIOD, move || {
        let work = state.desk.current();
        async move {
            match work.filter(|work| !work.is_over()) {
                Some(work) => Part::Html(progress(&work)),
                None => Part::Reload,
            }
        }
    })
}

/// `POST /work/stop`.
async fn stop(State(state): State<Arc<ConsoleState>>, headers: HeaderMap) -> impl IntoResponse {
    if let Some(work) = state.desk.current() {
        work.stop();
    }
    back(&headers)
}

/// `POST /work/clear`.
async fn clear(State(state): State<Arc<ConsoleState>>, headers: HeaderMap) -> impl IntoResponse {
    state.desk.clear();
    back(&headers)
}

/// Back to the page that has sent the form. Only its path counts, so that it leads nowhere else.
fn back(headers: &HeaderMap) -> Redirect {
    let from = headers.get(REFERER).and_then(|from| from.to_str().ok()).and_then(|from| from.parse::<url::Url>().ok());
    let path = from.as_ref().map_or(START, url::Url::path);
    Redirect::to(if path.starts_with("//") { START } else { path })
}
