//! One channel: what is stored about it without its tokens, whether Meta still knows it, and a link to connect it again.

use std::sync::Arc;

use ::channels::{ChannelRecord, ChannelState};
use axum::extract::{Form, Query, State};
use axum::response::Html;
use chassis::now;
use connect::CheckMode;
use event::Address;
use maud::{Markup, html};
use tracing::info;
use url::form_urlencoded::Serializer;

use crate::address::parse_address;
use crate::channels::{find_record, health_text, is_healthy, record_json};
use crate::connect_link::ticket_like;
use crate::console::forms::{Fields, field, needed};
use crate::console::layout::{self, Place, form_token};
use crate::console::page_error::PageError;
use crate::console::shell::command_line;
use crate::console::state::ConsoleState;
use crate::failure::Failure;

/// Parts of a record that name a person at Meta.
const PERSONAL: &str = "app_user_id";

/// The address that a page is about.
pub(super) fn address(fields: &Fields) -> Result<Address, Failure> {
    parse_address(needed(fields, "address")?).map_err(Failure::usage)
}

/// `GET /channels/show?address=…`.
pub(super) async fn show(
    State(state): State<Arc<ConsoleState>>,
    Query(fields): Query<Fields>,
) -> Result<Html<String>, PageError> {
    let address = address(&fields)?;
    let record = find_record(&state.store, &address).await?;
    let content = html! {
        (facts(&record))
        (actions(&state, &record))
        (layout::command(&command_line(["ops", "channels", "show", address.as_str()])))
    };
    Ok(layout::page(address.as_str(), Place::Channels, &content))
}

fn facts(record: &ChannelRecord) -> Markup {
    let json = record_json(record);
    let fields = json.as_object().into_iter().flatten().filter(|(name, _)| *name != PERSONAL);
    html! {
        dl {
            @for (name, value) in fields {
                dt { (name.replace('_', " ")) }
                dd { (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) }
            }
        }
    }
}

fn actions(state: &ConsoleState, record: &ChannelRecord) -> Markup {
    let address = record.address.as_str();
    let dead_letters = Serializer::new(String::new()).append_pair("address", address).finish();
    let own = || {
        html! { (form_token(state)) input type="hidden" name="address" value=(address); }
    };
    html! {
        p { a href={ (Place::DeadLetters.path()) "?" (dead_letters) } { "Its dead letters" } }
        @if record.state != ChannelState::Disconnected {
            h2 { "At Meta" }
            form method="post" action="/channels/check" class="actions" {
                (own())
                button name="mode" value="read" { "Check" }
                button name="mode" value="repair" class="second" { "Check and repair" }
            }
            p class="quiet" {
                "Asks Meta whether its token works and whether Meta posts its events to us. A repair subscribes again where \
                 Meta has ended that, and stores what it has found."
            }
            h2 { "Connecting again" }
            form method="post" action="/channels/link" class="actions" { (own()) button class="second" { "Make a connect link" } }
            h2 { "Disconnecting" }
            p { a class="button danger" href={ "/channels/disconnect?" (dead_letters) } { "Disconnect…" } }
        }
    }
}

/// `POST /channels/check`: asks Meta.
pub(super) async fn check(
    State(state): State<Arc<ConsoleState>>,
    Form(fields): Form<Fields>,
) -> Result<Html<String>, PageError> {
    let address = address(&fields)?;
    let is_repair = field(&fields, "mode") == Some("repair");
    let record = find_record(&state.store, &address).await?;
    let mode = if is_repair { CheckMode::Repair } else { CheckMode::ReadOnly };
    let health = state.tools.maintenance()?.check(&record, mode, now()).await;
    state.directory.read_again(&state.store, &state.shutdown);
    let mut words = vec!["ops", "channels", "check", address.as_str()];
    words.extend(is_repair.then_some("--repair"));
    let style = if is_healthy(health) { "done" } else { "note" };
    let content = html! {
        p class=(style) role="status" { (health_text(health)) }
        (actions(&state, &find_record(&state.store, &address).await?))
        (layout::command(&command_line(words)))
    };
    Ok(layout::page(address.as_str(), Place::Channels, &content))
}

/// `POST /channels/link`: makes a link for the channel's tenant, with what the channel has at DSK.
pub(super) async fn link(
    State(state): State<Arc<ConsoleState>>,
    Form(fields): Form<Fields>,
) -> Result<Html<String>, PageError> {
    let address = address(&fields)?;
    let links = state.tools.links()?;
    let ticket = ticket_like(&find_record(&state.store, &address).await?, state.key_ring()?)?;
    let link = links.issue(&state.store, &ticket).await?;
    info!(tenant = %ticket.tenant, "Made a connect link for {} in the console", ticket.tenant);
    let content = html! {
        p {
            "It works once, within " (humantime::format_duration(state.tools.ticket_time)) ". Send it to nobody but "
            strong { (ticket.tenant) } ": whoever opens it may connect channels for them."
        }
        pre { (link) }
        (layout::command(&command_line(["ops", "connect-link", "--like", address.as_str()])))
    };
    Ok(layout::page("A connect link", Place::Channels, &content))
}
