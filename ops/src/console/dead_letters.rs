//! The page of dead letters: it lists them, and leads to one of them, or to a change of many.

mod change;
mod choice;
mod filter_form;
mod index;
mod letter;
mod list;
pub(crate) mod reader;
mod selecting;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::forms::{Fields, parsed};
use super::layout::{self, Place, form_token};
use super::live::{Part, live};
use super::page_error::PageError;
use super::state::ConsoleState;
use super::times::when;
use super::work_card;
use choice::Choice;
use list::Page;
use reader::{Reading, Shelf};
use selecting::select;

/// How often the count moves while they are read.
const PERIOD: Duration = Duration::from_millis(500);

pub(crate) fn routes() -> Router<Arc<ConsoleState>> {
    Router::new()
        .route("/dead-letters", get(show))
        .route("/dead-letters/read", post(read))
        .route("/dead-letters/reading", get(show_reading))
        .route("/dead-letters/show", get(letter::show).post(letter::open))
        .route("/dead-letters/preview", post(change::preview))
        .route("/dead-letters/change", post(change::begin))
}

/// `GET /dead-letters`: the list, with what is under way above it.
async fn show(State(state): State<Arc<ConsoleState>>, Query(fields): Query<Fields>) -> Result<Html<String>, PageError> {
    let choice = Choice::of_fields(&fields);
    let page = parsed::<usize>(&fields, "page")?.unwrap_or(1).max(1);
    let selection = select(&state, choice.filter()?)?;
    let mut shelf = state.reader.shelf();
    if shelf.index.is_none() && shelf.reading.is_none() && shelf.trouble.is_none() {
        begin_reading(&state);
        shelf = state.reader.shelf();
    }
    let content = html! {
        (work_card::card(&state))
        (filter_form::form(&choice))
        (freshness(&state, &shelf))
        @if let Some(index) = &shelf.index {
            (list::table(&state, index, &Page { choice: &choice, selection: &selection, number: page }))
        }
    };
    Ok(layout::page("Dead letters", Place::DeadLetters, &content))
}

/// `POST /dead-letters/read`: reads them again.
async fn read(State(state): State<Arc<ConsoleState>>) -> impl IntoResponse {
    begin_reading(&state);
    Redirect::to(Place::DeadLetters.path())
}

fn begin_reading(state: &ConsoleState) {
    state.reader.begin(&state.queue, state.desk.scanning(), &state.shutdown);
}

/// How old the list is, or how far the next one is.
fn freshness(state: &ConsoleState, shelf: &Shelf) -> Markup {
    let now = chassis::now();
    html! {
        @if let Some(trouble) = &shelf.trouble { p class="note" role="alert" { "They could not be read: " (trouble) } }
        @match (&shelf.reading, &shelf.index) {
            (Some(reading), _) => (layout::live("reading", "/dead-letters/reading", &progress(*reading))),
            (None, index) => {
                form method="post" action="/dead-letters/read" class="actions" {
                    (form_token(state))
                    @if let Some(index) = index { span { "As of " (when(index.read_at, now)) } }
                    button class="second" { "Read again" }
                }
            }
        }
    }
}

fn progress(reading: Reading) -> Markup {
    html! {
        p role="status" {
            "Reading all dead letters: " (reading.count)
            @if let Some(expected) = reading.expected { " of " (expected) }
            ", begun " (when(reading.began_at, chassis::now())) ". The list appears when all are read."
        }
    }
}

/// `GET /dead-letters/reading`: how far the reading is.
async fn show_reading(State(state): State<Arc<ConsoleState>>) -> Response {
    live(state.shutdown.clone(), PERIOD, move || {
        let reading = state.reader.shelf().reading;
        async move { reading.map_or(Part::Reload, |reading| Part::Html(progress(reading))) }
    })
}
