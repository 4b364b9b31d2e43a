//! A tenant's channels: what is connected, until when, and how to disconnect it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use channels::{ChannelRecord, ChannelState};
use chassis::{Secret, now};
use event::{Address, Family};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use tracing::info;
use url::form_urlencoded::Serializer;

use crate::connecting::numbers_connected;
use crate::graph::{ChannelGraph, GraphError};
use crate::headers::content_security_policy;
use crate::metrics::DisconnectionOutcome;
use crate::page_error::PageError;
use crate::session::PageSession;
use crate::state::AppState;
use crate::{icons, pages, texts};

/// `GET /channels`.
pub(crate) async fn list(State(state): State<Arc<AppState>>, session: PageSession) -> Result<Response, PageError> {
    let records = state.store.list_of(&session.ticket.tenant).await?;
    let records: Vec<ChannelRecord> = records.into_iter().filter(|record| is_shown(record, &session)).collect();
    let form_token = session.form_token(&state);
    // The first channel is what a person came for; further ones are only offered.
    let is_further = !records.is_empty();
    let content = html! {
        @if records.is_empty() { p { (texts::CHANNELS_NONE) " " (texts::CHANNELS_NONE_WHAT) } }
        @else {
            ul class="channels" { @for record in &records { li { (row(&state, record, &form_token)) } } }
            h2 { (texts::ADD_TITLE) }
        }
        div class="actions" {
            @if state.graphs.whatsapp.is_some() {
                a.button.second[is_further] href="/whatsapp" { (texts::ADD_WHATSAPP) }
            }
            @if state.graphs.instagram.is_some() {
                (instagram_form(&form_token, html! { button.second[is_further] { (texts::ADD_INSTAGRAM) } }))
            }
        }
        form method="post" action="/leave" class="actions end" { button class="second" { (texts::LEAVE) } }
    };
    // Instagram's form is answered with a redirect to Instagram, and browsers apply `form-action` to redirects, too.
    let policy = content_security_policy(&format!("img-src 'self'; form-action 'self' {}", state.instagram_origin));
    Ok(([(CONTENT_SECURITY_POLICY, policy)], pages::page(texts::CHANNELS_TITLE, &content)).into_response())
}

/// Accounts are not shown, because their numbers are.
fn is_shown(record: &ChannelRecord, session: &PageSession) -> bool {
    record.tenant == session.ticket.tenant
        && record.state != ChannelState::Disconnected
        && record.address.family() != Family::WhatsAppAccount
}

fn row(state: &AppState, record: &ChannelRecord, form_token: &str) -> Markup {
    let is_connected = record.state == ChannelState::Connected;
    let until = record.access_token_expires_at.as_deref().and_then(|at| at.parse().ok()).map(texts::day);
    let query = Serializer::new(String::new()).append_pair("address", record.address.as_str()).finish();
    let label = texts::plain(&texts::DISCONNECT_NAMED.with([("name", name(record).into())]));
    html! {
        (heading(record, html! {
            span.state.bad[!is_connected] {
                (if is_connected { texts::STATE_CONNECTED } else { texts::STATE_RECONNECT })
            }
        }))
        @if !is_connected { p { (texts::RECONNECT_WHY) } }
        @else if let Some(until) = until { p class="quiet" { (texts::ACCESS_UNTIL.with([("date", until.into())])) } }
        div class="actions" {
            @if !is_connected { (reconnect(state, record, form_token)) }
            a class="button second small" href={ "/channels/disconnect?" (query) } aria-label=(label) {
                (texts::DISCONNECT)
            }
        }
    }
}

/// Says which channel it is, with `beside` next to it.
fn heading(record: &ChannelRecord, beside: Markup) -> Markup {
    let (kind, icon) = match record.address.family() {
        Family::WhatsApp => (texts::KIND_WHATSAPP, icons::chat()),
        Family::Instagram => (texts::KIND_INSTAGRAM, icons::camera()),
        Family::WhatsAppAccount | Family::Messenger | Family::Other => (texts::KIND_OTHER, icons::link()),
    };
    html! {
        div class="channel" {
            (icon)
            div {
                @if record.name.is_some() { strong { bdi { (name(record)) } } span class="quiet" { (kind) } }
                @else { strong { (kind) } span class="quiet" { bdi { (name(record)) } } }
            }
            (beside)
        }
    }
}

/// The name by which its owner knows the channel, or its id if an operator stored it without a name.
fn name(record: &ChannelRecord) -> &str {
    record.name.as_deref().unwrap_or_else(|| record.address.id())
}

/// Starts in the same way as connecting the channel for the first time.
fn reconnect(state: &AppState, record: &ChannelRecord, form_token: &str) -> Markup {
    let label = texts::plain(&texts::RECONNECT_NAMED.with([("name", name(record).into())]));
    match state.graphs.of(record) {
        Some(ChannelGraph::WhatsApp { .. }) => {
            html! { a class="button small" href="/whatsapp" aria-label=(label) { (texts::RECONNECT) } }
        }
        Some(ChannelGraph::Instagram { .. }) => {
            let button = html! { button class="small" aria-label=(label) { (texts::RECONNECT) } };
            instagram_form(form_token, button)
        }
        None => html! {},
    }
}

fn instagram_form(form_token: &str, button: Markup) -> Markup {
    html! {
        form method="post" action="/instagram" {
            input type="hidden" name="form_token" value=(form_token);
            (button)
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct ChannelQuery {
    address: String,
}

#[derive(Deserialize)]
pub(crate) struct DisconnectForm {
    address: String,
    form_token: String,
}

/// `GET /channels/disconnect` asks for confirmation.
pub(crate) async fn confirm_disconnect(
    State(state): State<Arc<AppState>>,
    session: PageSession,
    Query(query): Query<ChannelQuery>,
) -> Result<Html<String>, PageError> {
    let record = find(&state, &session, &query.address).await?;
    let content = html! {
        (heading(&record, html! {}))
        p { (texts::DISCONNECT_ASK) }
        form method="post" action="/channels/disconnect" class="actions" {
            input type="hidden" name="form_token" value=(session.form_token(&state));
            input type="hidden" name="address" value=(record.address);
            button class="danger" { (texts::DISCONNECT) }
            a class="button second" href=(pages::CHANNELS) { (texts::BACK) }
        }
    };
    Ok(pages::page(texts::DISCONNECT_TITLE, &content))
}

/// `POST /channels/disconnect` asks Meta to stop posting events, and erases the tokens whatever Meta answers.
pub(crate) async fn disconnect(
    State(state): State<Arc<AppState>>,
    session: PageSession,
    Form(form): Form<DisconnectForm>,
) -> Result<Html<String>, PageError> {
    session.verify_form(&state, &form.form_token)?;
    let record = find(&state, &session, &form.address).await?;
    let outcome = unsubscribe(&state, &record).await;
    // Only the connection that was asked about: Meta may take its time, and the channel may be connected again meanwhile.
    let connected_at = record.connected_at.as_deref().and_then(|at| at.parse().ok());
    state.store.remove_until(&record.address, connected_at.unwrap_or(Timestamp::MAX), now()).await?;
    state.metrics.disconnections_total.inc(outcome);
    info!(channel = %record.address, ?outcome, "Disconnected {}", record.address);
    let content = html! {
        p { (texts::DISCONNECTED) }
        @if outcome == DisconnectionOutcome::StillSubscribed {
            p class="note" { (texts::DISCONNECTED_STILL_SUBSCRIBED) }
        }
    };
    Ok(pages::success(texts::DISCONNECTED_TITLE, &content))
}

/// Finds a channel of this tenant. Nothing is said about other tenants' channels.
async fn find(state: &AppState, session: &PageSession, address: &str) -> Result<ChannelRecord, PageError> {
    let record = state.store.get(&Address::new(address)).await?;
    record.filter(|record| is_shown(record, session)).ok_or(PageError::UnknownChannel)
}

async fn unsubscribe(state: &AppState, record: &ChannelRecord) -> DisconnectionOutcome {
    let Some(token) = record.access_token.as_ref().and_then(|sealed| state.key_ring.open(sealed).ok()) else {
        return DisconnectionOutcome::StillSubscribed;
    };
    match unsubscribe_with(state, record, &token).await {
        Ok(()) => DisconnectionOutcome::Unsubscribed,
        Err(_) => DisconnectionOutcome::StillSubscribed,
    }
}

/// An account stays subscribed until its last number is disconnected.
async fn unsubscribe_with(state: &AppState, record: &ChannelRecord, token: &Secret) -> Result<(), GraphError> {
    match state.graphs.of(record) {
        Some(ChannelGraph::WhatsApp { graph, account_id: Some(account_id) }) => {
            match numbers_connected(&state.store, account_id).await {
                Ok(0 | 1) => graph.unsubscribe(account_id, token).await,
                // The account stays subscribed for its other numbers, and while the store does not say whether there are any.
                Ok(_) => Ok(()),
                Err(_) => Err(GraphError::Away),
            }
        }
        Some(ChannelGraph::Instagram { graph, user_id }) => graph.unsubscribe(user_id, token).await,
        Some(ChannelGraph::WhatsApp { account_id: None, .. }) | None => Err(GraphError::Away),
    }
}
