//! Disconnecting a channel: its token at Meta is erased here, and its events are discarded from then on.

use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::response::Html;
use chassis::now;
use event::Address;
use maud::html;
use tracing::info;

use super::channel::address;
use crate::channels::find_record;
use crate::console::forms::Fields;
use crate::console::layout::{self, Place, form_token};
use crate::console::page_error::PageError;
use crate::console::shell::command_line;
use crate::console::state::ConsoleState;

fn command(address: &Address) -> String {
    command_line(["ops", "channels", "remove", address.as_str(), "--yes"])
}

/// `GET /channels/disconnect?address=…`: says what would happen.
pub(super) async fn confirm(
    State(state): State<Arc<ConsoleState>>,
    Query(fields): Query<Fields>,
) -> Result<Html<String>, PageError> {
    let address = address(&fields)?;
    let record = find_record(&state.store, &address).await?;
    let content = html! {
        p class="note" {
            "Its token at Meta is erased, and its events are discarded from now on. To get them again, "
            (record.tenant) " has to connect it again."
        }
        @if !record.channels.is_empty() {
            p { "With it:" }
            ul { @for channel in &record.channels { li { (channel) } } }
        }
        form method="post" action="/channels/disconnect" class="actions" {
            (form_token(&state))
            input type="hidden" name="address" value=(address);
            button class="danger" { "Disconnect" }
            a class="button second" href=(Place::Channels.path()) { "Do nothing" }
        }
        (layout::command(&command(&address)))
    };
    Ok(layout::page(&format!("Disconnect {address}?"), Place::Channels, &content))
}

/// `POST /channels/disconnect`.
pub(super) async fn disconnect(
    State(state): State<Arc<ConsoleState>>,
    Form(fields): Form<Fields>,
) -> Result<Html<String>, PageError> {
    let address = address(&fields)?;
    find_record(&state.store, &address).await?;
    state.store.remove(&address, now()).await?;
    state.directory.read_again(&state.store, &state.shutdown);
    info!(channel = %address, "Disconnected {address} in the console");
    let content = html! {
        p class="done" role="status" { (address) " is disconnected: its events are discarded from now on." }
        p { a href=(Place::Channels.path()) { "All channels" } }
        (layout::command(&command(&address)))
    };
    Ok(layout::page("Disconnected", Place::Channels, &content))
}
