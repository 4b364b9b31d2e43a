//! One dead letter: why it was parked, what to do, and, only when a person asks for it, what it consists of.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Form, Query, State};
use axum::response::Html;
use chassis::now;
use maud::{Markup, html};
use queue::DeadLetter;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::info;

use super::choice::ID;
use super::index::Listed;
use crate::console::forms::{Fields, field, needed};
use crate::console::layout::{self, Place, form_token};
use crate::console::page_error::PageError;
use crate::console::shell::command_line;
use crate::console::state::ConsoleState;
use crate::console::times::when;
use crate::dead_letters::{Meaning, Selection, first_match, hidden};
use crate::failure::Failure;

/// How long a page waits for its turn to look through the dead letters.
const TURN_TIME_MAX: Duration = Duration::from_secs(30);
const REVEAL: &str = "reveal";

/// `GET /dead-letters/show?id=…`: what the list knows about it. It reads nothing from the queue.
pub(super) async fn show(
    State(state): State<Arc<ConsoleState>>,
    Query(fields): Query<Fields>,
) -> Result<Html<String>, PageError> {
    let id = needed(&fields, ID)?;
    let index = state.reader.shelf().index;
    let listed: Vec<Listed<'_>> = index.iter().flat_map(|index| index.of_event(id)).collect();
    let content = html! {
        @if listed.is_empty() { p class="heed" { "It was not among the dead letters when they were last read." } }
        @for one in &listed { (facts(&state, one)) }
        (inside(&state, id))
        (changes(&state, id))
        (layout::command(&command_line(["ops", "dead-letters", "show", id])))
    };
    Ok(layout::page("A dead letter", Place::DeadLetters, &content))
}

fn facts(state: &ConsoleState, one: &Listed<'_>) -> Markup {
    let traits = one.traits;
    let meaning = Meaning::of(traits.reason);
    let listing = state.directory.look(&state.store, &state.shutdown).listing;
    let tenant = listing.as_ref().and_then(|listing| listing.tenant_of(traits.address));
    html! {
        dl {
            dt { "Event" } dd { (traits.id) }
            dt { "Reason" } dd { span class="state bad" { (traits.reason) } " " (meaning.cause) }
            dt { "What to do" } dd { (meaning.next_step) }
            dt { "Type" } dd { (traits.event_type) }
            dt { "Channel" } dd { (traits.address) @if let Some(tenant) = tenant { " of " (tenant) } }
            dt { "Parked" } dd { (when(traits.parked_at, now())) }
            dt { "Attempts" } dd { (one.attempts) }
            @if let Some(status) = one.status { dt { "Status" } dd { "DSK answered " (status) } }
        }
    }
}

/// Leads to what it consists of.
fn inside(state: &ConsoleState, id: &str) -> Markup {
    html! {
        form method="post" action="/dead-letters/show" class="actions" {
            (form_token(state))
            input type="hidden" name=(ID) value=(id);
            button class="second" name=(REVEAL) value="structure" { "Show its structure" }
            button class="second" name=(REVEAL) value="everything" { "Reveal the event" }
        }
        p class="quiet" {
            "The structure has every key and no value. The event itself may hold people's names, numbers and texts, and \
             so may DSK's answer: each time that it is revealed is logged."
        }
    }
}

fn changes(state: &ConsoleState, id: &str) -> Markup {
    html! {
        form method="post" action="/dead-letters/preview" class="actions" {
            (form_token(state))
            input type="hidden" name=(ID) value=(id);
            button name="change" value="replay" { "Replay…" }
            button name="change" value="discard" class="second" { "Discard…" }
        }
    }
}

/// `POST /dead-letters/show`: looks for it in the queue, and shows its structure or all of it.
pub(super) async fn open(
    State(state): State<Arc<ConsoleState>>,
    Form(fields): Form<Fields>,
) -> Result<Html<String>, PageError> {
    let id = needed(&fields, ID)?;
    let is_revealed = field(&fields, REVEAL) == Some("everything");
    let letter = find(&state, id).await?;
    if is_revealed {
        info!(event.id = %letter.envelope.id, "Revealed dead letter {} in the console", letter.envelope.id);
    }
    let mut words = vec!["ops", "dead-letters", "show", id];
    words.extend(is_revealed.then_some("--reveal"));
    let content = html! {
        @if is_revealed { (everything(&letter)) } @else { (structure(&letter)) }
        (changes(&state, id))
        p { a href={ "/dead-letters/show?id=" (id) } { "Hide it again" } }
        (layout::command(&command_line(words)))
    };
    Ok(layout::page("A dead letter, opened", Place::DeadLetters, &content))
}

fn structure(letter: &DeadLetter) -> Markup {
    let envelope = &letter.envelope;
    html! {
        dl {
            dt { "Event" } dd { (envelope.id) }
            dt { "Received" } dd { (when(envelope.received_at, now())) }
            dt { "Queued" } dd { (when(envelope.queued_at, now())) }
            dt { "Trace" } dd { (envelope.traceparent.as_deref().unwrap_or("–")) }
            dt { "Answer" } dd { (letter.letter.answer.len()) " bytes" }
            dt { "Body" } dd { (envelope.body.len()) " bytes, with its values left out" }
        }
        pre { (hidden(envelope)) }
    }
}

fn everything(letter: &DeadLetter) -> Markup {
    let envelope = &letter.envelope;
    html! {
        p class="heed" { "This may be personal data. It is not stored by this page." }
        dl {
            dt { "Event" } dd { (envelope.id) }
            dt { "Lane" } dd { (envelope.lane) }
            dt { "Answer" } dd { (letter.letter.answer) }
        }
        pre { (String::from_utf8_lossy(&envelope.body)) }
    }
}

/// Looks through the dead letters in a task of its own: a browser that goes away does not cut it off half way.
async fn find(state: &ConsoleState, id: &str) -> Result<DeadLetter, Failure> {
    let busy =
        || Failure::runtime("the dead letters are being looked through for something else: try again in a moment");
    let scanning = state.desk.scanning();
    let turn = timeout(TURN_TIME_MAX, scanning.lock_owned()).await.map_err(|_| busy())?;
    let (sender, found) = oneshot::channel();
    let queue = state.queue.clone();
    let shutdown = state.shutdown.clone();
    let selection = Selection::of_id(id);
    state.shutdown.spawn(async move {
        let result = first_match(&selection, &queue, &shutdown).await;
        drop(turn);
        // The browser may have gone.
        sender.send(result).ok();
    });
    let letter = found.await.map_err(|_| busy())??;
    letter
        .ok_or_else(|| Failure::runtime("it is no longer among the dead letters: it was replayed, discarded or erased"))
}
