//! The page of channels: it lists them, and leads to one of them.

mod channel;
mod disconnect;

use std::sync::Arc;
use std::time::Duration;

use ::channels::ChannelState;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use url::form_urlencoded::Serializer;

use super::directory::{Entry, Listing};
use super::forms::{Fields, field, parsed};
use super::layout::{self, Place};
use super::live::{Part, live};
use super::page_error::PageError;
use super::state::ConsoleState;
use super::times::{ago, when};

/// How many a page shows.
const PAGE_SIZE: usize = 50;
/// How often to look whether the channels are read.
const PERIOD: Duration = Duration::from_millis(500);
const STATES: [ChannelState; 3] = [ChannelState::Connected, ChannelState::ReconnectNeeded, ChannelState::Disconnected];

pub(crate) fn routes() -> Router<Arc<ConsoleState>> {
    Router::new()
        .route("/channels", get(show))
        .route("/channels/reading", get(show_reading))
        .route("/channels/show", get(channel::show))
        .route("/channels/check", post(channel::check))
        .route("/channels/link", post(channel::link))
        .route("/channels/disconnect", get(disconnect::confirm).post(disconnect::disconnect))
}

/// What a person looks for.
struct Search<'f> {
    /// A part of an address or of a tenant's name.
    text: &'f str,
    state: Option<&'f str>,
}

impl Search<'_> {
    fn matches(&self, entry: &Entry) -> bool {
        let has_text = entry.address.as_str().contains(self.text) || entry.tenant.contains(self.text);
        has_text && self.state.is_none_or(|state| state == entry.state.as_str())
    }
}

/// `GET /channels`.
async fn show(State(state): State<Arc<ConsoleState>>, Query(fields): Query<Fields>) -> Result<Html<String>, PageError> {
    let search = Search { text: field(&fields, "text").unwrap_or_default(), state: field(&fields, "state") };
    let page = parsed::<usize>(&fields, "page")?.unwrap_or(1).max(1);
    let seen = state.directory.look(&state.store, &state.shutdown);
    let content = html! {
        (search_form(&search))
        @if let Some(trouble) = &seen.trouble { p class="note" role="alert" { "They could not be read: " (trouble) } }
        @match &seen.listing {
            Some(listing) => (list(listing, &search, page)),
            None => (layout::live("reading", "/channels/reading", &html! { p role="status" { "Reading the channels." } })),
        }
        (layout::command("ops channels list"))
    };
    Ok(layout::page("Channels", Place::Channels, &content))
}

/// `GET /channels/reading`: until they are read.
async fn show_reading(State(state): State<Arc<ConsoleState>>) -> Response {
    live(state.shutdown.clone(), PERIOD, move || {
        let seen = state.directory.look(&state.store, &state.shutdown);
        async move {
            match (seen.listing, seen.trouble) {
                (Some(_), _) => Part::Reload,
                (None, Some(error)) => Part::Html(html! { p class="note" { (error) } }),
                (None, None) => Part::Html(html! { p role="status" { "Reading the channels." } }),
            }
        }
    })
}

fn search_form(search: &Search<'_>) -> Markup {
    html! {
        form method="get" action=(Place::Channels.path()) role="search" aria-label="Search" {
            div class="fields" {
                label { "Tenant or channel" input name="text" value=(search.text) autocomplete="off" spellcheck="false"; }
                label {
                    "State"
                    select name="state" {
                        option value="" { "any" }
                        @for state in STATES {
                            option value=(state.as_str()) selected[search.state == Some(state.as_str())] { (state.as_str()) }
                        }
                    }
                }
            }
            div class="actions" { button { "Search" } }
        }
    }
}

fn list(listing: &Listing, search: &Search<'_>, page: usize) -> Markup {
    let found: Vec<&Entry> = listing.entries.iter().filter(|entry| search.matches(entry)).collect();
    let pages = found.len().div_ceil(PAGE_SIZE).max(1);
    let number = page.min(pages);
    let now = chassis::now();
    html! {
        p {
            strong { (found.len()) } " of " (listing.entries.len()) " channels, as of " (when(listing.read_at, now))
        }
        @if !found.is_empty() {
            table class="fold" {
                thead { tr { th { "Channel" } th { "Tenant" } th { "State" } th { "Token ends" } th { "Asked Meta" } } }
                tbody { @for entry in found.iter().skip((number - 1) * PAGE_SIZE).take(PAGE_SIZE) { (row(entry)) } }
            }
        }
        (paging(search, number, pages))
    }
}

fn row(entry: &Entry) -> Markup {
    html! {
        tr {
            td data-name="Channel" { a href=(channel_path(entry.address.as_str())) { (entry.address) } }
            td data-name="Tenant" { (entry.tenant) }
            td data-name="State" { (state_badge(entry.state)) }
            td data-name="Token ends" { (roughly(entry.token_ends_at.as_deref())) }
            td data-name="Asked Meta" { (roughly(entry.checked_at.as_deref())) }
        }
    }
}

/// A stored time, as long ago or ahead as it is.
fn roughly(at: Option<&str>) -> Markup {
    let time = at.and_then(|at| at.parse::<jiff::Timestamp>().ok());
    html! {
        @match (time, at) {
            (Some(time), _) => time datetime=(time) title=(time) { (ago(time, chassis::now())) },
            (None, Some(text)) => (text),
            (None, None) => "–",
        }
    }
}

fn state_badge(state: ChannelState) -> Markup {
    let style = match state {
        ChannelState::Connected => "state",
        ChannelState::ReconnectNeeded => "state bad",
        ChannelState::Disconnected => "state idle",
    };
    html! { span class=(style) { (state.as_str()) } }
}

fn channel_path(address: &str) -> String {
    let query = Serializer::new(String::new()).append_pair("address", address).finish();
    format!("/channels/show?{query}")
}

fn paging(search: &Search<'_>, number: usize, pages: usize) -> Markup {
    let link = |number: usize| {
        let mut query = Serializer::new(String::new());
        query.append_pair("text", search.text).append_pair("state", search.state.unwrap_or_default());
        format!("{}?{}", Place::Channels.path(), query.append_pair("page", &number.to_string()).finish())
    };
    html! {
        @if pages > 1 {
            div class="actions" {
                @if number > 1 { a class="button second" href=(link(number - 1)) { "Previous" } }
                span { "Page " (number) " of " (pages) }
                @if number < pages { a class="button second" href=(link(number + 1)) { "Next" } }
            }
        }
    }
}
