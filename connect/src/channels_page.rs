//! A tenant's channels: what is connected, until when, and how to end it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use channels::{ChannelRecord, ChannelState, StoreError};
use chassis::{Secret, now};
use event::{Address, Family};
use maud::{Markup, html};
use serde::Deserialize;
use tracing::info;

use crate::app::App;
use crate::graph::GraphError;
use crate::guard::{Holder, policy, refuse_form};
use crate::whatsapp::numbers_connected;
use crate::{icons, pages, texts};

/// `GET /channels`.
pub(crate) async fn list(State(app): State<Arc<App>>, holder: Holder) -> Response {
    let records = match app.store.list().await {
        Ok(records) => records,
        Err(error) => return pages::store_trouble(&error),
    };
    let mine: Vec<ChannelRecord> = records.into_iter().filter(|record| is_shown(record, &holder)).collect();
    let form_token = holder.form_token(&app);
    // The first channel is what somebody came for; further ones are not pressed upon them.
    let is_further = !mine.is_empty();
    let content = html! {
        @if mine.is_empty() { p { (texts::CHANNELS_NONE) " " (texts::CHANNELS_NONE_WHAT) } }
        @else {
            ul class="channels" { @for record in &mine { li { (row(&app, record, &form_token)) } } }
            h2 { (texts::ADD_TITLE) }
        }
        div class="actions" {
            @if app.whatsapp.is_some() { a.button.second[is_further] href="/whatsapp" { (texts::ADD_WHATSAPP) } }
            @if app.instagram.is_some() {
                (instagram_form(&form_token, html! { button.second[is_further] { (texts::ADD_INSTAGRAM) } }))
            }
        }
        form method="post" action="/leave" class="actions end" { button class="second" { (texts::LEAVE) } }
    };
    // The form of Instagram leads there at once, and browsers hold a redirect to be part of the form.
    let policy = policy(&format!("img-src 'self'; form-action 'self' {}", app.instagram_origin));
    ([("content-security-policy", policy)], pages::page(texts::CHANNELS_TITLE, &content)).into_response()
}

/// Accounts stand behind their numbers and are not shown by themselves.
fn is_shown(record: &ChannelRecord, holder: &Holder) -> bool {
    record.tenant == holder.ticket.tenant
        && record.state != ChannelState::Disconnected
        && record.address.family() != Family::WhatsAppAccount
}

fn row(app: &App, record: &ChannelRecord, form_token: &str) -> Markup {
    let is_well = record.state == ChannelState::Connected;
    let until = record.access_token_expires_at.as_deref().and_then(|at| at.parse().ok()).map(texts::day);
    let query =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("address", record.address.as_str()).finish();
    let label = format!("{} {}", texts::DISCONNECT, name(record));
    html! {
        (head(record, html! {
            span.state.bad[!is_well] {
                (if is_well { texts::STATE_CONNECTED } else { texts::STATE_RECONNECT })
            }
        }))
        @if !is_well { p { (texts::RECONNECT_WHY) } }
        @else if let Some(until) = until { p class="quiet" { (texts::ACCESS_UNTIL) " " (until) } }
        div class="actions" {
            @if !is_well { (reconnect(app, record, form_token)) }
            a class="button second small" href={ "/channels/disconnect?" (query) } aria-label=(label) {
                (texts::DISCONNECT)
            }
        }
    }
}

/// Which channel it is, and something beside it.
fn head(record: &ChannelRecord, beside: Markup) -> Markup {
    let (kind, icon) = match record.address.family() {
        Family::WhatsApp => (texts::KIND_WHATSAPP, icons::chat()),
        Family::Instagram => (texts::KIND_INSTAGRAM, icons::camera()),
        Family::WhatsAppAccount | Family::Messenger | Family::Other => (texts::KIND_OTHER, icons::link()),
    };
    html! {
        div class="channel" {
            (icon)
            div {
                @if record.name.is_some() { strong { (name(record)) } span class="quiet" { (kind) } }
                @else { strong { (kind) } span class="quiet" { (name(record)) } }
            }
            (beside)
        }
    }
}

/// What its owner knows it by; a channel that an operator stored has only its id.
fn name(record: &ChannelRecord) -> &str {
    record.name.as_deref().unwrap_or_else(|| record.address.id())
}

/// Begins as connecting does.
fn reconnect(app: &App, record: &ChannelRecord, form_token: &str) -> Markup {
    let label = format!("{} {}", texts::RECONNECT, name(record));
    match record.address.family() {
        Family::WhatsApp if app.whatsapp.is_some() => {
            html! { a class="button small" href="/whatsapp" aria-label=(label) { (texts::RECONNECT) } }
        }
        Family::Instagram if app.instagram.is_some() => {
            let button = html! { button class="small" aria-label=(label) { (texts::RECONNECT) } };
            instagram_form(form_token, button)
        }
        Family::WhatsApp | Family::WhatsAppAccount | Family::Instagram | Family::Messenger | Family::Other => html! {},
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
pub(crate) struct Named {
    address: String,
}

#[derive(Deserialize)]
pub(crate) struct Disconnect {
    address: String,
    form_token: String,
}

/// `GET /channels/disconnect`: asks first.
pub(crate) async fn ask(State(app): State<Arc<App>>, holder: Holder, Query(named): Query<Named>) -> Response {
    match find(&app, &holder, &named.address).await {
        Ok(Some(record)) => {
            let content = html! {
                (head(&record, html! {}))
                p { (texts::DISCONNECT_ASK) }
                form method="post" action="/channels/disconnect" class="actions" {
                    input type="hidden" name="form_token" value=(holder.form_token(&app));
                    input type="hidden" name="address" value=(record.address);
                    button class="danger" { (texts::DISCONNECT) }
                    a class="button second" href="/channels" { (texts::BACK) }
                }
            };
            pages::page(texts::DISCONNECT_TITLE, &content).into_response()
        }
        Ok(None) => not_yours().into_response(),
        Err(error) => pages::store_trouble(&error),
    }
}

/// `POST /channels/disconnect`: Meta is told, and whatever it answers, the tokens are erased.
pub(crate) async fn disconnect(State(app): State<Arc<App>>, holder: Holder, Form(form): Form<Disconnect>) -> Response {
    if !holder.sent(&app, &form.form_token) {
        return refuse_form(&app);
    }
    let record = match find(&app, &holder, &form.address).await {
        Ok(Some(record)) => record,
        Ok(None) => return not_yours().into_response(),
        Err(error) => return pages::store_trouble(&error),
    };
    let was_told = tell_meta(&app, &record).await;
    if let Err(error) = app.store.remove(&record.address, now()).await {
        return pages::store_trouble(&error);
    }
    app.metrics.disconnected(was_told);
    info!(channel = %record.address, was_told, "Disconnected {}", record.address);
    let content = html! {
        p { (texts::DISCONNECTED) }
        @if !was_told { p class="note" { (texts::DISCONNECTED_UNTOLD) } }
    };
    pages::success(texts::DISCONNECTED_TITLE, &content).into_response()
}

/// Only what this tenant has connected, and nothing about what others have.
async fn find(app: &App, holder: &Holder, address: &str) -> Result<Option<ChannelRecord>, StoreError> {
    let record = app.store.get(&Address::new(address)).await?;
    Ok(record.filter(|record| is_shown(record, holder)))
}

fn not_yours() -> (StatusCode, Html<String>) {
    let back = (texts::BACK, "/channels");
    (StatusCode::NOT_FOUND, pages::message_with_way_back(texts::NOT_FOUND_TITLE, texts::NOT_YOURS, back))
}

/// Unsubscribes. An account is unsubscribed with its last number only.
async fn tell_meta(app: &App, record: &ChannelRecord) -> bool {
    let Some(token) = record.access_token.as_ref().and_then(|sealed| app.key_ring.open(sealed).ok()) else {
        return false;
    };
    match record.address.family() {
        Family::WhatsApp => tell_whatsapp(app, record, &token).await.is_ok(),
        Family::Instagram => match &app.instagram {
            Some(instagram) => instagram.unsubscribe(record.address.id(), &token).await.is_ok(),
            None => false,
        },
        Family::WhatsAppAccount | Family::Messenger | Family::Other => false,
    }
}

async fn tell_whatsapp(app: &App, record: &ChannelRecord, token: &Secret) -> Result<(), GraphError> {
    let (Some(whatsapp), Some(account_id)) = (&app.whatsapp, &record.account_id) else { return Err(GraphError::Away) };
    if numbers_connected(app, account_id).await > 1 { Ok(()) } else { whatsapp.unsubscribe(account_id, token).await }
}
