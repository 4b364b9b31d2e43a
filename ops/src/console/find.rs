//! The page that finds an event: where it is, and what has become of it, as a line of time. It shows nothing about a person.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use chassis::now;
use event::{Address, EventId};
use jiff::Timestamp;
use maud::{Markup, html};
use url::form_urlencoded::Serializer;

use super::forms::{Fields, field};
use super::layout::{self, Place, form_token};
use super::page_error::PageError;
use super::shell::command_line;
use super::state::ConsoleState;
use super::times::when;
use crate::address::parse_address;
use crate::dead_letters::Selection;
use crate::events::{
    FoundEvent, LetterSource, Parked, Places, Standing, Trail, Wanted, find, of_channel, reasons_why_unknown, sentence,
};
use crate::failure::Failure;

/// The name of the field with an event's id, or with Meta's id of a message.
const ID: &str = "id";
const CHANNEL: &str = "channel";
/// What the id of an event begins with. None of Meta's ids does.
const EVENT: &str = "evt_";

pub(crate) fn routes() -> Router<Arc<ConsoleState>> {
    Router::new().route(Place::Find.path(), get(show).post(look))
}

/// What a person has entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entered {
    id: String,
    channel: String,
}

impl Entered {
    fn of_fields(fields: &Fields) -> Self {
        let text = |name| field(fields, name).unwrap_or_default().to_owned();
        Self { id: text(ID), channel: text(CHANNEL) }
    }

    /// What is looked for; `None` if nothing was entered yet.
    fn wanted(&self) -> Result<Option<Wanted>, Failure> {
        if self.id.is_empty() {
            return Ok(None);
        }
        let channel: Option<Address> = match self.channel.as_str() {
            "" => None,
            text => Some(parse_address(text).map_err(Failure::usage)?),
        };
        match channel {
            channel if self.id.starts_with(EVENT) => Wanted::of_event(&self.id, channel).map(Some),
            Some(channel) => Wanted::of_message(&self.id, channel).map(Some),
            None => Err(Failure::usage("give the channel, too: a message's id at Meta is found on its channel only")),
        }
    }

    /// Where the same event is found. Meta's id of a message may hold a phone number, so none is part of an address.
    fn address(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair(ID, &self.id);
        if !self.channel.is_empty() {
            query.append_pair(CHANNEL, &self.channel);
        }
        format!("{}?{}", Place::Find.path(), query.finish())
    }
}

/// `GET /find?id=…&channel=…`: the form, and the event if its id is given.
async fn show(State(state): State<Arc<ConsoleState>>, Query(fields): Query<Fields>) -> Result<Html<String>, PageError> {
    let entered = Entered::of_fields(&fields);
    if !entered.id.is_empty() && !entered.id.starts_with(EVENT) {
        // Such an address is not one of ours, and its id should not be shown as if it were.
        return Err(
            Failure::usage("an address may only hold the id of an event: enter that of a message in the form").into()
        );
    }
    page(&state, &entered).await
}

/// `POST /find`: finds what was entered. An event is found at an address of its own.
async fn look(State(state): State<Arc<ConsoleState>>, Form(fields): Form<Fields>) -> Result<Response, PageError> {
    let entered = Entered::of_fields(&fields);
    if entered.id.starts_with(EVENT) {
        return Ok(Redirect::to(&entered.address()).into_response());
    }
    Ok(page(&state, &entered).await?.into_response())
}

async fn page(state: &ConsoleState, entered: &Entered) -> Result<Html<String>, PageError> {
    let content = match entered.wanted()? {
        None => html! {
            (form(state, entered))
            p class="quiet" {
                "An event's id is in log lines, in the list of dead letters, and in DSK's " code { "webhook-id" } ". Meta's id \
                 of a message finds the message, its statuses, edits and deletion."
            }
        },
        Some(wanted) => {
            let source = LetterSource::Read(known_letters(state, &wanted));
            let places = Places { queue: &state.queue, store: &state.store, shutdown: &state.shutdown };
            let trail = find(&wanted, source, places).await?;
            html! {
                (form(state, entered))
                (result(state, &trail))
                (layout::command(&command_line(wanted.command.iter().map(String::as_str))))
            }
        }
    };
    Ok(layout::page("Find", Place::Find, &content))
}

fn form(state: &ConsoleState, entered: &Entered) -> Markup {
    html! {
        form method="post" action=(Place::Find.path()) role="search" aria-label="Find an event" {
            (form_token(state))
            div class="fields" {
                label {
                    "Event id, or Meta's id of a message"
                    input name=(ID) value=(entered.id) required autocomplete="off" spellcheck="false";
                }
                label {
                    "Channel"
                    input name=(CHANNEL) value=(entered.channel) autocomplete="off" spellcheck="false"
                        placeholder="whatsapp:106540352242922";
                }
            }
            div class="actions" { button { "Find" } }
        }
    }
}

/// The dead letters of these events, among those that were read last: reading them takes longer than a page may take.
fn known_letters(state: &ConsoleState, wanted: &Wanted) -> Vec<Parked> {
    let ids = wanted.ids();
    let ids: BTreeSet<&str> = ids.iter().map(EventId::as_str).collect();
    let Some(index) = state.reader.shelf().index else { return Vec::new() };
    let all = Selection::default();
    let listed = index.select(&all, now()).filter(|listed| ids.contains(listed.traits.id));
    let parked = listed.map(|listed| Parked {
        id: EventId::new(listed.traits.id),
        at: listed.traits.parked_at,
        reason: listed.traits.reason.to_owned(),
        status: listed.status,
    });
    parked.collect()
}

fn result(state: &ConsoleState, trail: &Trail) -> Markup {
    let is_settled = !trail.events.is_empty() && trail.events.iter().all(|event| event.standing.is_final());
    html! {
        @for event in &trail.events { (found(event, trail.found_at)) }
        @if trail.events.is_empty() {
            h2 { "Nothing is known" }
            p { "Of " (trail.looked_for) " possible ids, none is known. That can mean:" }
            ul { @for reason in reasons_why_unknown(trail) { li { (reason) } } }
        } @else if let Some(text) = trail.channel.as_ref().and_then(of_channel) {
            p class="heed" { (text) }
        }
        @if !is_settled { (of_letters(state, trail.found_at)) }
    }
}

fn found(event: &FoundEvent, now: Timestamp) -> Markup {
    html! {
        section class="work" aria-label=(event.id) {
            h2 { (event.what.as_deref().unwrap_or("The event")) }
            p { (badge(&event.standing)) " " (sentence(&event.standing)) }
            @if !event.steps.is_empty() {
                ol class="trail" {
                    @for step in &event.steps {
                        li class=(step.kind.as_str()) { (step.text) br; span class="quiet" { (when(step.at, now)) } }
                    }
                }
            }
            p class="quiet" { code { (event.id) } }
            @if matches!(event.standing, Standing::DeadLetter { .. }) {
                p { a class="button second" href={ "/dead-letters/show?id=" (event.id) } { "Open the dead letter" } }
            }
        }
    }
}

fn badge(standing: &Standing) -> Markup {
    let style = match standing {
        Standing::Delivered { .. } => "",
        Standing::DeadLetter { .. } | Standing::Paused { .. } => "bad",
        Standing::Erased { .. }
        | Standing::Retrying { .. }
        | Standing::Deferred { .. }
        | Standing::Accepted { .. }
        | Standing::Back { .. }
        | Standing::UnderWay { .. }
        | Standing::Noted => "idle",
    };
    html! { span class={ "state " (style) } { (standing.as_str().replace('_', " ")) } }
}

/// Which dead letters were looked at.
fn of_letters(state: &ConsoleState, now: Timestamp) -> Markup {
    let index = state.reader.shelf().index;
    html! {
        p class="quiet" {
            @match &index {
                Some(index) => { "Dead letters were looked at as of " (when(index.read_at, now)) ". " }
                None => "Dead letters were not looked at, because none were read yet. ",
            }
            a href=(Place::DeadLetters.path()) { "Read them again" } " if you expect it there."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT_ID: &str = "evt_dnoshdcsibqdtcgvvxuoqwstuq";

    fn entered(id: &str, channel: &str) -> Entered {
        Entered { id: id.to_owned(), channel: channel.to_owned() }
    }

    #[test]
    fn an_event_is_found_by_its_id_alone_and_a_message_on_its_channel() {
        assert_eq!(entered("", "").wanted().unwrap(), None);
        assert_eq!(entered(EVENT_ID, "").wanted().unwrap().unwrap().events.len(), 1);
        assert!(entered("wamid.1", "whatsapp:1").wanted().unwrap().unwrap().events.len() > 10);

        for wrong in [entered("wamid.1", ""), entered("evt_short", ""), entered(EVENT_ID, "somewhere")] {
            assert!(wrong.wanted().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_event_has_an_address_of_its_own() {
        assert_eq!(entered(EVENT_ID, "").address(), format!("/find?id={EVENT_ID}"));
        assert_eq!(entered(EVENT_ID, "whatsapp:1").address(), format!("/find?id={EVENT_ID}&channel=whatsapp%3A1"));
    }
}
