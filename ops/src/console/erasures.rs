//! The page of erasures: it takes what is to be erased, says what that would reach, carries it out, and shows the records.

pub(crate) mod request;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use chassis::now;
use maud::{Markup, html};
use tokio::time::Instant;

use super::forms::{Fields, field};
use super::layout::{self, Place, form_token};
use super::page_error::PageError;
use super::shell::command_line;
use super::state::ConsoleState;
use super::work::{Plan, Work};
use super::work_card;
use crate::dead_letters::Sweep;
use crate::erase::{begin_erasure, look_through};
use crate::failure::Failure;
use crate::output::counted;
use crate::subject::SubjectChoice;
use request::{Request, choice_of};

pub(crate) fn routes() -> Router<Arc<ConsoleState>> {
    Router::new()
        .route("/erasures", get(show))
        .route("/erasures/look", post(look))
        .route("/erasures/command", post(show_command))
        .route("/erasures/carry-out", post(begin))
        .route("/erasures/drop", post(forget))
}

/// `GET /erasures`. It names nobody.
async fn show(State(state): State<Arc<ConsoleState>>, Query(fields): Query<Fields>) -> Result<Html<String>, PageError> {
    let asked = field(&fields, "code").map(str::to_owned);
    let waiting = state.erasures.waiting(Instant::now());
    let content = html! {
        (work_card::card(&state))
        @match &waiting {
            Some(request) => (confirmation(&state, request)),
            None => (form(&state)),
        }
        (records(&state, asked.as_deref()).await?)
    };
    Ok(layout::page("Erasures", Place::Erasures, &content))
}

fn form(state: &ConsoleState) -> Markup {
    html! {
        h2 { "Erase" }
        form method="post" action="/erasures/look" {
            (form_token(state))
            div class="fields" {
                label {
                    "Contacts, one on a line"
                    textarea name="contacts" rows="3" autocomplete="off" spellcheck="false" {}
                }
                label { "A channel" input name="channel" autocomplete="off" spellcheck="false"; }
                label { "A tenant" input name="tenant" autocomplete="off" spellcheck="false"; }
            }
            p class="quiet" {
                "A contact is a channel's address, a slash, and the person's number or id there, such as \
                 whatsapp:106540352242922/+4915550000001. Nothing is erased yet: first you see what was found."
            }
            div class="actions" { button { "Look what there is" } }
        }
    }
}

/// What was found, to be confirmed.
fn confirmation(state: &ConsoleState, request: &Request) -> Markup {
    let subject = &request.subject;
    html! {
        section class="work" aria-label="To be confirmed" {
            h2 { "Erase this?" }
            dl {
                dt { "Contacts" } dd { "under " (counted(subject.contacts.len(), "id")) }
                dt { "Channels" } dd {
                    @if subject.channels.is_empty() { "none" }
                    @for channel in &subject.channels { (channel) " " }
                }
                @for (event_type, count) in &request.found { dt { (event_type) } dd { (counted(*count, "dead letter")) } }
            }
            p { "What waits in the other queues is discarded when it is taken. DSK and Meta keep what they have." }
            p class="note" { "What is erased can't be brought back." }
            div class="actions" {
                form method="post" action="/erasures/carry-out" { (form_token(state)) button class="danger" { "Erase" } }
                form method="post" action="/erasures/drop" { (form_token(state)) button class="second" { "Do nothing" } }
            }
            @if request.names_people {
                form method="post" action="/erasures/command" class="actions" {
                    (form_token(state)) button class="second" { "Show the command, which names people" }
                }
            } @else { (layout::command(&command(request))) }
        }
    }
}

fn command(request: &Request) -> String {
    let words = ["ops", "erase"].into_iter().chain(request.arguments.iter().map(String::as_str)).chain(["--yes"]);
    command_line(words)
}

/// The records: of the code that was asked for, of those that were begun here, and of those that are pending.
async fn records(state: &ConsoleState, asked: Option<&str>) -> Result<Markup, PageError> {
    let pending = state.store.pending_erasures().await?;
    let mut codes: Vec<String> = asked.map(str::to_owned).into_iter().chain(state.erasures.codes()).collect();
    codes.extend(pending.into_iter().map(|pending| pending.code));
    codes.sort_unstable();
    codes.dedup();
    let mut rows = Vec::with_capacity(codes.len());
    for code in codes {
        let erasure = state.store.erasure(&code).await?;
        rows.push(html! {
            tr {
                td data-name="Code" { code { (code) } }
                @match erasure {
                    None => td data-name="State" colspan="3" { "no erasure has this code, or it was more than a year ago" },
                    Some(erasure) => {
                        td data-name="Asked by" { (erasure.origin) }
                        td data-name="Asked at" { (erasure.requested_at) }
                        td data-name="State" {
                            @match &erasure.done_at {
                                Some(done_at) => span { span class="state" { "done" } " " (done_at) },
                                None => span class="state bad" { "pending" },
                            }
                        }
                    }
                }
            }
        });
    }
    Ok(html! {
        h2 { "Records" }
        @if rows.is_empty() { p { "No erasure is pending." } }
        @else {
            table class="fold" {
                thead { tr { th { "Code" } th { "Asked by" } th { "Asked at" } th { "State" } } }
                tbody { @for row in &rows { (row) } }
            }
            p class="quiet" { "An erasure is pending until a dispatcher has looked through the dead letters." }
        }
        form method="get" action=(Place::Erasures.path()) {
            div class="fields" { label { "Code of an erasure" input name="code" autocomplete="off" spellcheck="false"; } }
            div class="actions" { button class="second" { "Show its record" } }
        }
        @if let Some(code) = asked { (layout::command(&command_line(["ops", "erase", "--show", code]))) }
    })
}

/// `POST /erasures/look`: finds out what would be erased.
async fn look(State(state): State<Arc<ConsoleState>>, Form(fields): Form<Fields>) -> Result<Redirect, PageError> {
    let choice = choice_of(&fields)?;
    let plan = Plan { title: "Look what an erasure would reach".to_owned(), command: None, steps: None };
    let desk_state = Arc::clone(&state);
    state.desk.begin(plan, now(), &state.shutdown, move |work| find(desk_state, work, choice))?;
    Ok(Redirect::to(Place::Erasures.path()))
}

async fn find(state: Arc<ConsoleState>, work: Arc<Work>, choice: SubjectChoice) -> Result<String, Failure> {
    let scanning = state.desk.scanning();
    let _turn = scanning.lock().await;
    let stop = work.stop_signal();
    let subject = choice.find(&state.queue, &state.store, stop).await?;
    let found = look_through(Sweep::begin(&state.queue, stop).await?, &subject, None).await?;
    state.erasures.put(Request::new(&choice, subject, found, Instant::now()));
    Ok("Confirm below what was found.".to_owned())
}

/// `POST /erasures/command`: the command, which may name people.
async fn show_command(State(state): State<Arc<ConsoleState>>) -> Result<Html<String>, PageError> {
    let request = state.erasures.waiting(Instant::now()).ok_or_else(nothing_waits)?;
    let content = html! {
        (layout::command(&command(&request)))
        p { a href=(Place::Erasures.path()) { "Back" } }
    };
    Ok(layout::page("The command of this erasure", Place::Erasures, &content))
}

/// `POST /erasures/carry-out`.
async fn begin(State(state): State<Arc<ConsoleState>>) -> Result<Redirect, PageError> {
    let request = state.erasures.waiting(Instant::now()).ok_or_else(nothing_waits)?;
    let plan = Plan { title: "Erase".to_owned(), command: None, steps: None };
    let desk_state = Arc::clone(&state);
    state.desk.begin(plan, now(), &state.shutdown, move |work| erase(desk_state, work, request))?;
    state.erasures.take(Instant::now());
    Ok(Redirect::to(Place::Erasures.path()))
}

async fn erase(state: Arc<ConsoleState>, work: Arc<Work>, request: Arc<Request>) -> Result<String, Failure> {
    let scanning = state.desk.scanning();
    let _turn = scanning.lock().await;
    let code = begin_erasure(&request.subject, &state.store).await?;
    state.erasures.note_code(code.clone());
    work.note(|progress| progress.lines.push(format!("Its record has the code {code}.")));
    let sweep = Sweep::begin(&state.queue, work.stop_signal()).await?;
    let removed: usize = look_through(sweep, &request.subject, Some(&state.store)).await?.values().sum();
    state.directory.read_again(&state.store, &state.shutdown);
    Ok(format!("{} removed. A dispatcher looks for what is parked meanwhile.", counted(removed, "dead letter")))
}

/// `POST /erasures/drop`.
async fn forget(State(state): State<Arc<ConsoleState>>) -> Redirect {
    state.erasures.take(Instant::now());
    Redirect::to(Place::Erasures.path())
}

fn nothing_waits() -> Failure {
    Failure::usage("nothing waits to be confirmed: a request is forgotten after a quarter of an hour")
}
